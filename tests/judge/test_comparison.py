import json
from math import log

import pytest

from splitter.judge.calibration import Baseline, Tails, calibrate
from splitter.judge.comparison import Comparison
from splitter.judge.config import JudgeConfig, KpiOptions, Margin
from splitter.judge.effects import Design
from splitter.judge.measures import RateMeasure, measure_of
from splitter.judge.stats import Effect
from splitter.judge.tick import Reading, Tick
from splitter.judge.verdict import Verdict
from splitter.model import Counts

CONFIG = JudgeConfig()
OPTIONS = KpiOptions(0.5, Margin(1.25, 0.0005), Margin(1.5, 0.005))


class Doubled(Design):
    """Says that two requests weigh as one."""

    @property
    def errors(self) -> Effect:
        return Effect(2.0, 2.0)


def errors(share: float = 0.5, options: KpiOptions = OPTIONS) -> Comparison:
    measure = RateMeasure("error_rate", options.tolerance, options.promote)
    return Comparison("error_rate", options, share, measure, CONFIG, alpha=0.008)


def tick(shadow_errors: int = 0, live_errors: int = 0) -> Reading:
    live = Counts(n=450, e5=live_errors, e5u=live_errors)
    return Reading(Tick(0, live=live, shadow=Counts(n=50, e5=shadow_errors, e5u=shadow_errors)), 1, 1)


def watched(
    comparison: Comparison, ticks: int, reading: Reading, *, is_warm: bool = True, design: Design | None = None
) -> Comparison:
    for _ in range(ticks):
        comparison.observe(reading, 1.0, design or Design(1, 600.0), is_warm=is_warm)
    return comparison


class TestComparison:
    def test_knows_nothing_at_the_start(self) -> None:
        """
        Before the first tick all odds are 1 : 1 and there is nothing to estimate from.
        """
        verdict = errors().verdict()

        assert verdict.verdict is Verdict.UNDECIDED
        assert verdict.evidence == pytest.approx(1.0)
        assert verdict.ni_evidence == pytest.approx(1.0)
        assert verdict.live_rate is verdict.shadow_rate is verdict.requests_to_verdict is None
        assert verdict.sentence == "no requests to compare yet"

    def test_needs_more_the_smaller_its_share(self) -> None:
        """
        A KPI with half of the risk has to reach twice the odds of all together, and one without is shown as if alone.
        """
        assert errors(0.5).verdict().needed == pytest.approx(250.0)
        assert errors(0.1).verdict().needed == pytest.approx(1_250.0)
        assert errors(0.0).verdict().needed == pytest.approx(125.0)

    def test_finds_a_failing_shadow_worse(self) -> None:
        """
        Ten percent errors against none are proven within a few ticks, and said with the odds.
        """
        verdict = watched(errors(), 4, tick(shadow_errors=5)).verdict()

        assert verdict.verdict is Verdict.WORSE
        assert verdict.requests_to_verdict == 0
        assert verdict.shadow_rate == pytest.approx(0.1)
        assert verdict.live_rate == 0.0
        assert (verdict.shadow_hits, verdict.shadow_n, verdict.live_n) == (20, 200, 1_800)
        assert (verdict.tolerance, verdict.promote) == (OPTIONS.tolerance, OPTIONS.promote)
        assert verdict.sentence.startswith("worse than 1.25x + 0.05 %: proven (")

    def test_proves_an_equal_shadow(self) -> None:
        """
        After some thousand requests without errors the shadow is surely within the promotion margin.
        """
        comparison = watched(errors(), 60, tick())

        assert comparison.is_proven
        assert comparison.verdict().verdict is Verdict.NON_INFERIOR
        assert comparison.verdict().sentence.startswith("not worse than 1.5x + 0.5 %: proven (")
        assert comparison.score() > 0.95

    def test_says_how_far_the_proof_is(self) -> None:
        """
        The estimate is near what it then takes.
        """
        comparison = watched(errors(), 10, tick())
        estimate = comparison.verdict().requests_to_verdict
        ticks = 0

        while not comparison.is_proven:
            watched(comparison, 1, tick())
            ticks += 1

        assert estimate is not None
        assert 0.5 < estimate / (50 * ticks) < 2
        assert "more requests" in watched(errors(), 10, tick()).verdict().sentence

    def test_says_how_far_a_rollback_is(self) -> None:
        """
        A shadow that is getting worse is said to be, with what is left to show it.
        """
        verdict = watched(errors(share=0.01), 1, tick(shadow_errors=4)).verdict()

        assert verdict.verdict is Verdict.UNDECIDED
        assert verdict.sentence.startswith("worse than 1.25x + 0.05 %? ")
        assert verdict.requests_to_verdict is not None

    def test_sees_no_end_between_tolerance_and_margin(self) -> None:
        """
        A shadow that is a little beyond what is tolerated is too close to call.
        """
        options = KpiOptions(0.5, Margin(1.0, 0.02), Margin(1.0, 0.02))

        verdict = watched(errors(options=options), 3, tick(shadow_errors=2)).verdict()

        assert verdict.requests_to_verdict is None
        assert verdict.sentence.endswith("too close to call")

    def test_proves_nothing_before_it_is_warm(self) -> None:
        """
        While the shadow warms up errors speak against it, and nothing speaks for it.
        """
        comparison = watched(errors(), 60, tick(), is_warm=False)

        assert comparison.ni_evidence == 0.0
        assert comparison.evidence < 0

    def test_leaves_latencies_out_before_it_is_warm(self) -> None:
        """
        A cold shadow's latencies are not counted at all.
        """
        scale = calibrate(CONFIG, Baseline(n=2_000, latency=((1_000, 1_900), (9_000, 100))))
        options = CONFIG.kpis["latency_p50"]
        measure = measure_of("latency_p50", options, scale, Tails(scale.tails))
        assert measure is not None
        comparison = Comparison("latency_p50", options, 0.5, measure, CONFIG, 0.008)
        live = Counts(n=90, bins=(90, *[0] * len(scale.live_us)))
        slow = Counts(n=10, bins=(*[0] * len(scale.shadow_us), 10))
        reading = Reading(Tick(0, live=live, shadow=slow), len(scale.live_us), len(scale.shadow_us))

        assert watched(comparison, 20, reading, is_warm=False).verdict().live_rate is None
        assert watched(comparison, 20, reading, is_warm=True).verdict().verdict is Verdict.WORSE

    def test_makes_no_proof_without_a_margin(self) -> None:
        """
        A KPI without a promotion margin can be worse, and no promotion waits for it.
        """
        comparison = watched(errors(options=KpiOptions(0.5, Margin(1.25, 0.0005))), 60, tick())

        assert not comparison.is_required
        assert not comparison.is_proven
        assert comparison.verdict().sentence.startswith("not worse than 1.25x + 0.05 %: nothing speaks against it")

    def test_weighs_correlated_requests_less(self) -> None:
        """
        With a design effect of two the same ticks are worth half the nats.
        """
        alone, together = errors(), errors()

        watched(alone, 2, tick(shadow_errors=2))
        watched(together, 2, tick(shadow_errors=2), design=Doubled(1, 600.0))

        assert 0 < together.evidence < alone.evidence
        assert (together.verdict().live_phi, together.verdict().shadow_phi) == (2.0, 2.0)

    def test_never_decides_without_a_share(self) -> None:
        """
        A KPI of weight 0 is shown as worse and rolls nothing back.
        """
        comparison = watched(errors(share=0.0), 6, tick(shadow_errors=5))

        assert comparison.verdict().verdict is Verdict.WORSE
        assert comparison.evidence > log(125)
        assert not comparison.decides_alone
        assert not comparison.is_required

    def test_goes_on_from_its_state(self) -> None:
        """
        A comparison restored from JSON gives the same verdicts ever after.
        """
        comparison, copy = watched(errors(), 7, tick(live_errors=1)), errors()

        copy.restore(json.loads(json.dumps(comparison.state())))

        assert watched(comparison, 5, tick(1, 2)).verdict() == watched(copy, 5, tick(1, 2)).verdict()

    def test_refuses_the_state_of_other_options(self) -> None:
        """
        A state with proofs does not fit a KPI without a margin.
        """
        with pytest.raises(ValueError, match="error_rate is kept with other options"):
            errors(options=KpiOptions(0.5, Margin())).restore(errors().state())
