import json
from dataclasses import replace

import pytest

from splitter.judge.calibration import Baseline, calibrate
from splitter.judge.config import GuardOptions, JudgeConfig
from splitter.judge.effects import Design
from splitter.judge.guards import Alarm, Guards
from splitter.judge.tick import Reading, Tick
from splitter.model import Counts, Resources

CONFIG = JudgeConfig(guards=GuardOptions(latency_p99_s=2.0))
DESIGN = Design(9, 600.0)
SCALE = calibrate(CONFIG, Baseline(n=2_000, latency=((10_000, 1_000), (20_000, 1_000))))
FAST_L = Counts(n=95, bins=(95, *[0] * len(SCALE.live_us)))
FAST_S = Counts(n=5, bins=(5, *[0] * len(SCALE.shadow_us)))
LATE_L = Counts(n=95, bins=(*[0] * len(SCALE.live_us), 95))
LATE_S = Counts(n=5, bins=(*[0] * len(SCALE.shadow_us), 5))
QUIET = Tick(0, live=FAST_L, shadow=FAST_S)


def guards(config: JudgeConfig = CONFIG) -> Guards:
    return Guards(config, calibrate(config, Baseline(n=2_000, latency=((10_000, 1_000), (20_000, 1_000)))))


def memory(share: float) -> Resources:
    return Resources(memory=share * 1e9, memory_limit=1e9)


def first_alarm(watch: Guards, tick: Tick, ticks: int = 30) -> tuple[int, Alarm] | None:
    """Return the first alarm if `tick` happens so often, and after how many."""
    for count in range(1, ticks + 1):
        alarm = watch.observe(tick, Reading(tick, len(SCALE.live_us), len(SCALE.shadow_us)), DESIGN)
        if alarm:
            return count, alarm
    return None


class TestQuiet:
    def test_raises_no_alarm(self) -> None:
        """
        A shadow that answers in time and without failures is left alone.
        """
        assert first_alarm(guards(), QUIET, ticks=300) is None


class TestStack:
    @pytest.mark.parametrize(
        ("tick", "words"),
        [
            (Tick(0, died="web ended with code 1"), "the shadow died: web ended with code 1"),
            (Tick(0, restarted="web was started 2 times"), "the shadow was restarted: web was started 2 times"),
            (replace(QUIET, unhealthy="3 checks in a row failed"), "the shadow is unhealthy: 3 checks in a row failed"),
        ],
    )
    def test_is_left_at_once(self, tick: Tick, words: str) -> None:
        """
        One tick is enough, with or without requests.
        """
        assert first_alarm(guards(), tick) == (1, Alarm("stack", words))


class TestFailures:
    def test_of_the_shadow_alone_are_seen_in_seconds(self) -> None:
        """
        When all five requests a second fail, two seconds do.
        """
        found = first_alarm(guards(), replace(QUIET, shadow=Counts(n=5, e5=5)))

        assert found is not None
        assert found[0] <= 2
        assert found[1].guard == "guards.error_rate"
        assert "5 of the last 5 shadow requests failed, 0 of 95 of live: " in found[1].sentence
        assert "against 'no more than live + 5 %', needed 2 000 : 1" in found[1].sentence

    def test_of_both_are_no_fault_of_the_shadow(self) -> None:
        """
        In an incident that hits both stacks nobody is left.
        """
        assert first_alarm(guards(), Tick(0, live=Counts(n=95, e5=95), shadow=Counts(n=5, e5=5)), ticks=300) is None

    def test_count_without_live(self) -> None:
        """
        Where live has no requests the shadow's failures are held against the bound itself.
        """
        found = first_alarm(guards(), Tick(0, shadow=Counts(n=5, e5=5)))

        assert found is not None
        assert found[1].guard == "guards.error_rate"

    def test_without_live_are_held_against_what_live_had(self) -> None:
        """
        A stack that always fails one in ten is no worse for it once it is alone.
        """
        watch = guards()
        first_alarm(watch, Tick(0, live=Counts(n=900, e5=90), shadow=Counts(n=100, e5=10)))

        assert first_alarm(watch, Tick(0, shadow=Counts(n=100, e5=10)), ticks=300) is None
        assert first_alarm(watch, Tick(0, shadow=Counts(n=100, e5=40)), ticks=10) is not None

    def test_do_not_count_when_switched_off(self) -> None:
        """
        A guard without a bound does not look.
        """
        off = guards(replace(CONFIG, guards=GuardOptions(error_rate=None)))

        assert first_alarm(off, replace(QUIET, shadow=Counts(n=5, e5=5))) is None


class TestSlow:
    def test_hanging_shadow_is_seen_in_seconds(self) -> None:
        """
        When all five requests a second are overdue, ten seconds do; one block alone cannot do it.
        """
        found = first_alarm(guards(), replace(QUIET, shadow=LATE_S))

        assert found is not None
        assert 5 < found[0] <= 10
        assert found[1].guard == "guards.slow"
        assert "5 of the last 5 shadow requests got no answer within 35 ms: " in found[1].sentence

    def test_hanging_is_seen_without_live(self) -> None:
        """
        A promoted stack that hangs is seen as well.
        """
        found = first_alarm(guards(), Tick(0, shadow=LATE_S))

        assert found is not None
        assert found[1].guard == "guards.slow"

    def test_hanging_of_both_is_no_fault_of_the_shadow(self) -> None:
        """
        When live hangs as well nobody is left.
        """
        assert first_alarm(guards(), Tick(0, live=LATE_L, shadow=LATE_S), ticks=300) is None


class TestLatency:
    def test_above_the_bound_is_seen(self) -> None:
        """
        Two of a hundred answers above two seconds are too many; the bound allows one.
        """
        shadow = Counts(n=50, bins=(48, *[0] * (len(SCALE.shadow_us) - 1), 2))

        found = first_alarm(guards(), replace(QUIET, shadow=shadow), ticks=60)

        assert found is not None
        assert found[1].guard == "guards.latency_p99"
        assert "2 of the last 50 shadow answers took more than 2 s: " in found[1].sentence

    def test_that_live_has_too_is_no_fault_of_the_shadow(self) -> None:
        """
        A bound that live breaks as well says nothing about the shadow.
        """
        shadow = Counts(n=50, bins=(48, *[0] * (len(SCALE.shadow_us) - 1), 2))
        live = Counts(n=950, bins=(900, *[0] * (len(SCALE.live_us) - 1), 50))

        assert first_alarm(guards(), Tick(0, live=live, shadow=shadow), ticks=300) is None


class TestMemory:
    def test_full_twice_is_too_much(self) -> None:
        """
        The second sample in a row above the bound raises the alarm.
        """
        found = first_alarm(guards(), replace(QUIET, shadow_uses=memory(0.97)))

        assert found == (2, Alarm("guards.memory", "memory 97 % of its limit in 2 samples, at most 95 %"))

    def test_full_once_is_a_peak(self) -> None:
        """
        A sample below the bound in between starts the count anew; ticks without a sample do not.
        """
        watch = guards()

        assert first_alarm(watch, replace(QUIET, shadow_uses=memory(0.97)), ticks=1) is None
        assert first_alarm(watch, replace(QUIET, shadow_uses=memory(0.5)), ticks=1) is None
        assert first_alarm(watch, replace(QUIET, shadow_uses=memory(0.97)), ticks=1) is None
        assert first_alarm(watch, QUIET, ticks=1) is None
        assert first_alarm(watch, replace(QUIET, shadow_uses=memory(0.97)), ticks=1) is not None


class TestBudget:
    def test_is_spent_by_failures_that_live_would_not_have_had(self) -> None:
        """
        Of two failures in ten requests, while live fails one in ten, one is the shadow's own: the eleventh is too many.
        """
        budget = guards(replace(CONFIG, guards=GuardOptions(error_rate=None, impact_budget=10)))
        tick = Tick(0, live=Counts(n=100, e5=10), shadow=Counts(n=10, e5=2))

        found = first_alarm(budget, tick)

        assert found is not None
        assert found == (
            11,
            Alarm("guards.impact_budget", "11 requests failed that live would have served, at most 10 may"),
        )


class TestState:
    def test_goes_on_from_json(self) -> None:
        """
        Guards that were restored raise the same alarm at the same tick, with the same words.
        """
        watch, copy = guards(), guards()
        hanging = replace(QUIET, shadow=LATE_S)
        first_alarm(watch, hanging, ticks=3)

        copy.restore(json.loads(json.dumps(watch.state())))

        assert first_alarm(watch, hanging) == first_alarm(copy, hanging) is not None
