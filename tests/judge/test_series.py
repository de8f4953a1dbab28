import json

import pytest

from splitter.judge.config import JudgeConfig, KpiOptions, Margin
from splitter.judge.series import Gauge, SeriesComparison
from splitter.judge.tick import Reading, Tick
from splitter.judge.verdict import KpiVerdict, Verdict
from splitter.model import Counts, Resources

SERVED = Counts(n=20, bins=(20,))


def comparison(kpi: str, share: float = 0.1) -> SeriesComparison:
    return SeriesComparison(kpi, KpiOptions(share, Margin(1.25)), share, JudgeConfig(), alpha=0.008)


def watch(watched: SeriesComparison, seconds: int, live: float, shadow: float, *, start: int = 0) -> SeriesComparison:
    """Observe both sides with a sample every fifth second: bytes of memory, or CPU seconds for each second."""
    for second in range(start, start + seconds):
        uses = [None, None] if second % 5 else [sample(watched.kpi, each, second) for each in (live, shadow)]
        tick = Tick(second, live=SERVED, shadow=SERVED, live_uses=uses[0], shadow_uses=uses[1])
        watched.observe(tick, Reading(tick, 0, 0))
    return watched


def sample(kpi: str, figure: float, second: int) -> Resources:
    return Resources(memory=figure) if kpi == "memory" else Resources(cpu_s=figure * second)


@pytest.mark.parametrize("kpi", ["memory", "cpu_per_request"])
class TestSeries:
    def test_finds_what_uses_more(self, kpi: str) -> None:
        """
        A shadow that needs half as much again in every block is worse after a few minutes.
        """
        verdict = watch(comparison(kpi), 600, 1.0, 1.5).verdict()

        assert verdict.verdict is Verdict.WORSE
        assert verdict.shadow_rate == 1.0
        assert verdict.sentence.startswith("1.50x of live's in the last 10 s; beyond 1.25x in ")

    def test_leaves_what_is_within(self, kpi: str) -> None:
        """
        A fifth more is tolerated for ever, and nothing is proven by it.
        """
        verdict = watch(comparison(kpi), 600, 1.0, 1.2).verdict()

        assert verdict.verdict is Verdict.UNDECIDED
        assert verdict.evidence < 1

    def test_says_nothing_without_samples(self, kpi: str) -> None:
        """
        A provisioner that cannot sample costs nothing.
        """
        watched = comparison(kpi)

        for second in range(100):
            tick = Tick(second, live=SERVED, shadow=SERVED)
            watched.observe(tick, Reading(tick, 0, 0))

        assert watched.evidence == pytest.approx(0.0)
        assert watched.verdict().sentence == "not sampled yet"

    def test_decides_only_with_a_share(self, kpi: str) -> None:
        """
        Without a weight it is shown as worse and rolls nothing back.
        """
        assert watch(comparison(kpi, share=0.1), 900, 1.0, 2.0).decides_alone
        assert not watch(comparison(kpi, share=0.0), 900, 1.0, 2.0).decides_alone

    def test_goes_on_from_its_state(self, kpi: str) -> None:
        """
        One restored from JSON in the middle of a block gives the same verdicts ever after.
        """
        watched, copy = watch(comparison(kpi), 117, 1.0, 1.4), comparison(kpi)

        copy.restore(json.loads(json.dumps(watched.state())))

        assert watch(watched, 60, 1.0, 1.1, start=117).verdict() == watch(copy, 60, 1.0, 1.1, start=117).verdict()


class TestCpu:
    def test_begins_anew_with_a_restart(self) -> None:
        """
        A counter that falls was started again: that interval says nothing.
        """
        watched = watch(comparison("cpu_per_request"), 100, 1.0, 1.5)
        before = watched.verdict().shadow_n

        watch(watched, 10, 0.5, 0.5, start=0)

        assert watched.verdict().shadow_n <= before + 1


class TestServices:
    """Only services that both sides have are compared."""

    @staticmethod
    def observe(watched: SeriesComparison, live: Resources, shadow: Resources, seconds: int = 300) -> KpiVerdict:
        for second in range(seconds):
            uses = [None, None] if second % 5 else [live, shadow]
            tick = Tick(second, live=SERVED, shadow=SERVED, live_uses=uses[0], shadow_uses=uses[1])
            watched.observe(tick, Reading(tick, 0, 0))
        return watched.verdict()

    def test_that_only_the_shadow_has_end_the_comparison(self) -> None:
        """
        A service that is new needs memory of its own, and that is no loss to be rolled back for.
        """
        live = Resources(memory=10, services=("web",))
        shadow = Resources(memory=90, services=("search", "web"))

        verdict = self.observe(comparison("memory"), live, shadow)

        assert verdict.evidence == pytest.approx(1.0)
        assert verdict.sentence == "not compared: live has no search"

    def test_that_only_live_has_are_named(self) -> None:
        """
        A database that runs for both is in neither figure, and people are told.
        """
        live = Resources(memory=10, services=("web",), left_out=("db",))

        verdict = self.observe(comparison("memory"), live, Resources(memory=10, services=("web",)))

        assert verdict.sentence.startswith("1.00x of live's in the last 10 s; ")
        assert verdict.sentence.endswith("; without db, which the shadow has none of")

    def test_that_come_later_are_no_growth(self) -> None:
        """
        CPU time that a service had used before it was counted is not what the last requests cost.
        """
        gauge = Gauge("cpu_per_request")
        gauge.add(Resources(cpu_s=1.0, services=("web",)), 10)
        gauge.add(Resources(cpu_s=501.0, services=("api", "web")), 10)
        again = Gauge("cpu_per_request")
        again.restore(json.loads(json.dumps(gauge.state())))

        for each in (gauge, again):
            each.add(Resources(cpu_s=502.0, services=("api", "web")), 10)

        assert gauge.take() == again.take() == 0.1

    def test_memory_is_that_of_all(self) -> None:
        """
        The part that is nearest to its limit may be another one on either side; what all hold is compared.
        """
        live = Resources(memory=500, memory_total=560)
        shadow = Resources(memory=60, memory_total=560)

        assert self.observe(comparison("memory"), live, shadow).sentence.startswith("1.00x of live's")
