from dataclasses import replace

import pytest

from splitter.judge.stats import Stratum
from splitter.judge.tick import Reading, Tick, flaw
from splitter.model import Counts, Pairs, Resources

NAN = float("nan")
HONEST = Tick(
    3,
    live=Counts(n=90, e5=1, e5u=1, e4=2, e4u=2, bins=(40, 30, 17)),
    shadow=Counts(n=10, e5=2, e5u=1, e4=0, e4u=0, bins=(3, 3, 1, 1)),
)

PAIRS = Pairs(n=5, shadow_only=2, live_only=1, latencies_us=((700, 900), (650, 640)))


class TestFlaw:
    @pytest.mark.parametrize(
        "tick",
        [
            HONEST,
            Tick(0),
            Tick(0, pairs=PAIRS),
            Tick(0, live=Counts(n=0, e5=2), shadow_uses=Resources(memory=1.2, memory_limit=1.0), seconds=0.25),
        ],
    )
    def test_is_empty_for_what_can_be(self, tick: Tick) -> None:
        """
        A side may be missing, an overdue request may fail in a tick without requests, memory may be over its limit.
        """
        assert flaw(tick) == ""

    @pytest.mark.parametrize(
        ("tick", "words"),
        [
            (replace(HONEST, seconds=0.0), "it lasted 0.0 s"),
            (replace(HONEST, seconds=NAN), "it lasted nan s"),
            (replace(HONEST, shadow_uses=Resources(memory=-0.1)), "shadow uses"),
            (replace(HONEST, live_uses=Resources(cpu_s=NAN)), "live uses"),
            (replace(HONEST, shadow=Counts(n=-1)), "shadow has"),
            (replace(HONEST, live=Counts(n=5, bins=(3, -1))), "live has"),
            (replace(HONEST, control=Counts(n=5, e4u=NAN)), "control has"),  # type: ignore[arg-type]
            (replace(HONEST, live=Counts(n=float("inf"))), "live has"),  # type: ignore[arg-type]
            (replace(HONEST, pairs=replace(PAIRS, live_only=-1)), "pairs have"),
            (replace(HONEST, pairs=replace(PAIRS, latencies_us=((700, -1),))), "pairs have"),
            (replace(HONEST, pairs=replace(PAIRS, n=4)), "4 pairs have more outcomes"),
        ],
    )
    def test_names_what_cannot_be(self, tick: Tick, words: str) -> None:
        """
        Negative counts, counts that are no numbers and times that do not pass are named.
        """
        assert words in flaw(tick)


class TestReading:
    def test_counts_what_is_above_each_edge(self) -> None:
        """
        Above the first of two edges are all bins but the lowest.
        """
        reading = Reading(HONEST, edges_l=2, edges_s=3)

        assert reading.is_timed
        assert Stratum(2, 8, 47, 87) == reading.tail(live_edge=0, shadow_edge=1)
        assert Stratum(1, 8, 17, 87) == reading.tail(live_edge=1, shadow_edge=2)
        assert Stratum(2, 10, 1, 90) == reading.failures()

    @pytest.mark.parametrize("bins", [(), (7,), (1, 1, 1, 1, 1)])
    def test_leaves_latencies_out_if_bins_do_not_fit(self, bins: tuple[int, ...]) -> None:
        """
        Counts that were cut at other edges say nothing about latency; their errors still count.
        """
        reading = Reading(replace(HONEST, live=Counts(n=90, e5=1, bins=bins)), edges_l=2, edges_s=3)

        assert not reading.is_timed
        assert reading.is_comparable
        assert Stratum(2, 10, 1, 90) == reading.failures()

    @pytest.mark.parametrize("tick", [replace(HONEST, live=None), replace(HONEST, shadow=Counts())])
    def test_compares_nothing_with_nothing(self, tick: Tick) -> None:
        """
        A side that did not serve, or had no request, makes the tick incomparable.
        """
        assert not Reading(tick, 2, 3).is_comparable
