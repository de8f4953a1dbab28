import json

import pytest

from splitter.judge.config import JudgeConfig, KpiOptions, Margin
from splitter.judge.series import SeriesComparison
from splitter.judge.tick import Reading, Tick
from splitter.judge.verdict import Verdict
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
