"""Events: their sentences, and the form that the journal keeps them in."""

from string import Formatter

import pytest

from splitter.contracts import Severity
from splitter.rollout.events import (
    _FACTS,
    _NEXT,
    NOTES_SAID_MAX,
    VERSIONS,
    Kind,
    duration,
    make,
    sentence,
    severity,
    share,
)
from splitter.rollout.machine import ENDS, State
from tests.fakes import START


class TestSentence:
    def test_has_value_limit_and_what_is_next(self) -> None:
        """
        A sentence is the fact with its figures, and what happens next.
        """
        data = {
            "former_state": "PROVISIONING",
            "took_s": 301.0,
            "limit_s": 300.0,
            "live": "shop-r1",
            "shadow": "shop-r2",
        }
        event = make(START, "shop", Kind.DEADLINE, rollout="shop-2", state="ROLLING_BACK", data=data)

        assert event.sentence == "PROVISIONING took 5 m 1 s, its limit is 5 m; shop-r1 is given all traffic"

    @pytest.mark.parametrize("kind", Kind)
    def test_is_made_of_any_event(self, kind: Kind) -> None:
        """
        An event that lacks words still has a sentence: it is never the reason for a failure.
        """
        for state in ("", *State):
            assert make(START, "shop", kind, state=state).sentence

    def test_is_kept_as_it_was_said(self) -> None:
        """
        The sentence of an event is composed when it is made.
        """
        event = make(START, "shop", Kind.PAUSED, state="HELD", by="ann", data={"why": "lunch", "shadow": "shop-r2"})

        assert event.sentence == sentence(event)
        assert event.sentence.startswith("ann paused the rollout: lunch; shop-r2 keeps ?")

    def test_knows_every_kind_and_state(self) -> None:
        """
        Each kind has its words, and each state that something can lead to says what is next.
        """
        assert set(_FACTS) == set(VERSIONS) == set(Kind)
        assert set(_NEXT) == set(State) - {State.REQUESTED}
        assert all(field != "" for text in _FACTS.values() for _, field, _, _ in Formatter().parse(text))


class TestNotes:
    def test_are_said_as_far_as_one_reads(self) -> None:
        """
        The first of many notes stand in the sentence of what was asked for; how many more there are does too.
        """
        notes = [f"n{number}" for number in range(NOTES_SAID_MAX + 2)]

        said = make(START, "shop", Kind.REQUESTED, data={"notes": notes, "summary": "replace web"}).sentence

        assert said.endswith(": replace web; note: n0; note: n1; note: n2; note: n3; note: n4; 2 more notes")


class TestWords:
    @pytest.mark.parametrize(
        ("seconds", "expected"),
        [(0.0, "0 s"), (0.42, "0.4 s"), (5.0, "5 s"), (59.6, "1 m"), (250.0, "4 m 10 s"), (7_260.0, "2 h 1 m")],
    )
    def test_of_a_duration_are_those_of_people(self, seconds: float, expected: str) -> None:
        """
        Durations have the units that people would choose.
        """
        assert duration(seconds) == expected

    @pytest.mark.parametrize(("basis_points", "expected"), [(1, "0.01 %"), (500, "5 %"), (10_000, "100 %")])
    def test_of_a_share_are_percent(self, basis_points: int, expected: str) -> None:
        """
        Shares are percent, down to a hundredth.
        """
        assert share(basis_points) == expected


class TestSeverity:
    def test_is_critical_where_a_person_must_look(self) -> None:
        """
        Whatever halts a rollout is critical.
        """
        assert severity(make(START, "shop", Kind.DEADLINE, state="HALTED")) is Severity.CRITICAL
        assert severity(make(START, "shop", Kind.LIVE_DIED)) is Severity.CRITICAL

    def test_is_a_warning_where_users_were_protected(self) -> None:
        """
        A rollback and a costly plan are warnings, an end is information.
        """
        assert severity(make(START, "shop", Kind.WORSE, state="ROLLING_BACK")) is Severity.WARNING
        assert severity(make(START, "shop", Kind.ACCEPTED, data={"level": "warn"})) is Severity.WARNING
        for state in ENDS:
            assert severity(make(START, "shop", Kind.REVERTED, state=state)) is Severity.INFO
