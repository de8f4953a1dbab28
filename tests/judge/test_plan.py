import math
from dataclasses import replace

import pytest

from splitter.judge.calibration import Baseline
from splitter.judge.config import JudgeConfig, KpiOptions, Margin
from splitter.judge.plan import JudgePlan, plan
from tests.judge.worlds import Manners, World, run

CONFIG = JudgeConfig()
BASELINE = World(1).baseline()


def made(
    rps: float = 50, share: float = 0.05, config: JudgeConfig = CONFIG, baseline: Baseline = BASELINE
) -> JudgePlan:
    return plan(config, baseline, rps, share)


class TestFigures:
    def test_errors_are_seen_when_a_simulation_sees_them(self) -> None:
        """
        The time to see a tenfold error rate is the mean of what simulated rollouts take, within a factor of two.
        """
        reckoned = plan(CONFIG, replace(BASELINE, e5u=BASELINE.n // 1_000), 200, 0.1)
        bad = Manners(failures=reckoned.error_rate_assumed)

        took = [run(CONFIG, seed, bad, rps=200, share=0.1, seconds=600).seconds for seed in range(12)]

        assert reckoned.error_rate_s is not None
        assert 0.5 < reckoned.error_rate_s / (sum(took) / len(took)) < 2

    @pytest.mark.parametrize("figure", ["error_rate_s", "latency_s", "promotion_s"])
    def test_more_traffic_shows_more(self, figure: str) -> None:
        """
        With ten times the traffic, or five times the share, nothing takes longer.
        """
        few, many, more = (getattr(each, figure) for each in (made(rps=20), made(rps=200), made(rps=20, share=0.25)))

        assert many < few
        assert more < few

    def test_promotion_takes_the_shortest_duration_at_least(self) -> None:
        """
        With any amount of traffic the shortest duration remains.
        """
        assert made(rps=100_000).promotion_s == CONFIG.min_duration_s

    def test_knows_no_tenfold_of_nothing(self) -> None:
        """
        For a live stack without errors one percent is reckoned with.
        """
        reckoned = made(baseline=replace(BASELINE, e5u=0))

        assert reckoned.error_rate_assumed == 0.01
        assert reckoned.sentences[0].startswith("at 5 %, an error rate (1 %, live has 0 %) is seen in ~")


class TestSentences:
    def test_say_what_is_seen_when(self) -> None:
        """
        Failures, slowness and promotion at the share planned for, and promotion at a larger one.
        """
        failures, slow, promotion, larger = made().sentences

        assert failures.startswith("at 5 %, a tenfold error rate (1.2 %, live has 0.12 %) is seen in ~")
        assert slow.startswith("at 5 %, a p99 that is half as high again is seen in ~")
        assert promotion.startswith("at 5 %, a promotion is possible after ~12 min (")
        assert larger.startswith("at 25 %, a promotion is possible after ~10 min (")

    def test_say_that_nothing_is_seen_without_traffic(self) -> None:
        """
        A live stack without requests promises nothing.
        """
        reckoned = made(rps=0)

        assert reckoned.sentences == ("live has no traffic: nothing can be seen, and nothing can be promoted",)
        assert reckoned.warnings == ()
        assert reckoned.promotion_s == math.inf


class TestWarnings:
    def test_are_empty_when_all_fits(self) -> None:
        """
        Enough traffic needs no warning.
        """
        assert made().warnings == ()

    def test_name_the_share_that_fits(self) -> None:
        """
        When a promotion would come too late, the smallest share that is in time is named.
        """
        reckoned = made(rps=5, share=0.01)

        assert reckoned.fitting_share is not None
        fits = plan(CONFIG, BASELINE, 5, reckoned.fitting_share)
        assert fits.promotion_s <= CONFIG.max_duration_s < reckoned.promotion_s
        assert reckoned.warnings == (
            f"1 % of the traffic is too little for a promotion within 60 min: {reckoned.fitting_share * 100:g} % fits",
        )

    def test_say_when_no_share_fits(self) -> None:
        """
        With a request a minute no share helps.
        """
        reckoned = made(rps=1 / 60)

        assert reckoned.fitting_share is None
        assert reckoned.warnings == (
            "no share fits a promotion into 60 min: allow more time, or wider promotion margins",
        )

    def test_name_what_cannot_be_compared(self) -> None:
        """
        Latencies that live had too few answers for are named.
        """
        reckoned = made(baseline=Baseline(n=60, latency=((9_000, 60),)))

        assert reckoned.latency_s is None
        assert reckoned.warnings[0].startswith("p95, p99 cannot be compared: live gave only 60 answers")

    def test_say_that_nothing_can_be_proven(self) -> None:
        """
        If the only KPI that counts cannot be measured, no promotion is possible.
        """
        config = JudgeConfig(kpis={"latency_p99": KpiOptions(1.0, Margin(), Margin(1.3))})

        reckoned = made(config=config, baseline=Baseline())

        assert reckoned.error_rate_s is None
        assert "no promotion is possible: no KPI that counts can be measured" in reckoned.sentences
