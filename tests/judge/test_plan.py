import math
from dataclasses import replace

import pytest

from splitter.judge.calibration import Baseline, Block
from splitter.judge.config import JudgeConfig, KpiOptions, Margin
from splitter.judge.plan import NO_COPIES, Copying, JudgePlan, plan
from tests.judge.worlds import Manners, World, run

CONFIG = JudgeConfig()
BASELINE = World(1).baseline()


def made(
    rps: float = 50, share: float = 0.05, config: JudgeConfig = CONFIG, baseline: Baseline = BASELINE
) -> JudgePlan:
    return plan(config, baseline, rps, [share])


class TestFigures:
    def test_errors_are_seen_when_a_simulation_sees_them(self) -> None:
        """
        The time to see a tenfold error rate is the mean of what simulated rollouts take, within a factor of two.
        """
        reckoned = plan(CONFIG, replace(BASELINE, e5u=BASELINE.n // 1_000), 200, [0.1])
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

    def test_requests_that_share_their_fate_take_longer(self) -> None:
        """
        A live stack that stalls now and then has fewer facts in as many requests; the plan says so.
        """
        calm, stalling = (
            made(baseline=replace(BASELINE, blocks=tuple(self.block(number, stalls) for number in range(60))))
            for stalls in (False, True)
        )

        assert calm.promotion_s == made().promotion_s
        assert stalling.promotion_s > 2 * calm.promotion_s
        assert "of live's requests weigh as one, because they share their fate" in stalling.warnings[0]

    @staticmethod
    def block(number: int, stalls: bool) -> Block:
        """Return ten seconds of live; in every tenth of those that stall all answers take a second."""
        if stalls and number % 10 == 0:
            return Block(10.0, 500, 0, 0, ((1_000_000, 500),))
        return Block(10.0, 500, 0, 0, ((19_000, 250), (21_000, 250)))

    def test_a_median_beyond_its_tolerance_is_seen(self) -> None:
        """
        Where live's latencies lie close together a tenth more is plain; more traffic shows it sooner.
        """
        close = replace(BASELINE, latency=tuple((20_000 + 10 * place, 300) for place in range(100)))

        slow, fast = (made(rps=rps, baseline=close).median_s for rps in (20, 200))

        assert slow is not None
        assert fast is not None
        assert CONFIG.warmup_s < fast < slow < math.inf

    def test_steps_gather_proof(self) -> None:
        """
        Through several steps a promotion comes later than at the last alone and sooner than at the first alone, and
        never before each step was held.
        """
        config = replace(CONFIG, min_duration_s=0.0)
        low, high = made(share=0.01, config=config), made(share=0.25, config=config)

        through = plan(config, BASELINE, 50, [0.01, 0.25], hold_s=120.0)

        assert high.promotion_s < through.promotion_s < low.promotion_s
        assert plan(config, BASELINE, 50_000, [0.01, 0.25], hold_s=400.0).promotion_s == 800.0

    def test_a_step_that_is_short_leaves_the_rest_to_the_next(self) -> None:
        """
        Proof of the first step counts: what is held longer there is needed less at the second.
        """
        config = replace(CONFIG, min_duration_s=0.0, dwell_s=0.0)

        short, long = (plan(config, BASELINE, 10, [0.1, 0.2], hold_s=hold_s) for hold_s in (60.0, 240.0))

        assert short.promotion_s < long.promotion_s < short.promotion_s + 180.0

    def test_knows_no_tenfold_of_nothing(self) -> None:
        """
        For a live stack without errors one percent is reckoned with.
        """
        reckoned = made(baseline=replace(BASELINE, e5u=0))

        assert reckoned.error_rate_assumed == 0.01
        assert reckoned.sentences[0].startswith("at 5 %, an error rate (1 %, live has 0 %) is seen in ~")


class TestCopies:
    """What is copied before the first step."""

    COPYING = Copying(share=0.1, for_s=60.0)

    def test_delay_what_comes_after_them(self) -> None:
        """
        Nobody is served before they end, and steps that decide the time of the promotion begin then.
        """
        config = replace(CONFIG, min_duration_s=0.0, warmup_s=0.0, warmup_requests=0)
        plain = plan(config, BASELINE, 50, [0.05, 0.1], 60.0)

        copied = plan(config, BASELINE, 50, [0.05, 0.1], 60.0, self.COPYING)

        assert (plain.exposure_s, copied.exposure_s) == (0.0, 60.0)
        assert copied.promotion_s == pytest.approx(plain.promotion_s + 60.0)
        assert copied.error_rate_s == plain.error_rate_s

    def test_warm_the_shadow_up(self) -> None:
        """
        A shadow that got its requests as copies needs no more of them before its latencies count.
        """
        config = replace(CONFIG, min_duration_s=0.0, warmup_requests=600)
        plain = plan(config, BASELINE, 50, [0.05], 0.0)

        copied = plan(config, BASELINE, 50, [0.05], 0.0, Copying(share=1.0, for_s=60.0))

        assert copied.promotion_s == pytest.approx(plain.promotion_s - 600 / (50 * 0.05) + 60.0)

    def test_are_pairs_on_which_failures_are_seen_sooner_or_not_at_all(self) -> None:
        """
        A minute of all requests shows a failing shadow, a minute of few does not; the sentence says either.
        """
        many = plan(CONFIG, BASELINE, 50, [0.05], copying=Copying(share=1.0, for_s=60.0))
        few = plan(CONFIG, BASELINE, 5, [0.05], copying=self.COPYING)

        assert (many.pairs, few.pairs) == (3_000, 30)
        assert many.mirror_error_rate_s is not None
        assert many.mirror_error_rate_s < 60
        assert few.mirror_error_rate_s == math.inf
        begin = "copies of 100 % of the requests come first, for 60 s: at most 3000 pairs of answers before anybody is "
        assert many.sentences[0].startswith(
            f"{begin}served by the shadow; a tenfold error rate of 1.2 % is seen on them in ~"
        )
        assert few.sentences[0].endswith("; a tenfold error rate of 1.2 % takes more of them to be seen")

    def test_take_none_of_the_judges_time(self) -> None:
        """
        The longest duration begins with the first step, so copies make no promotion late.
        """
        config = replace(CONFIG, min_duration_s=60.0, dwell_s=0.0, max_duration_s=700.0)

        plain, copied = (plan(config, BASELINE, 30, [0.1], copying=each) for each in (NO_COPIES, Copying(0.1, 600.0)))

        assert plain.promotion_s < 700.0 < copied.promotion_s
        assert plain.warnings == copied.warnings


class TestSentences:
    def test_say_what_is_seen_when(self) -> None:
        """
        Failures, slowness and promotion at the share planned for, and promotion at a larger one.
        """
        failures, median, slow, promotion, larger = made().sentences

        assert failures.startswith("at 5 %, a tenfold error rate (1.2 %, live has 0.12 %) is seen in ~")
        assert median == "at 5 %, a median that is 10 % higher is within what is tolerated, or nearly"
        assert slow.startswith("at 5 %, a p99 that is half as high again is seen in ~")
        assert promotion.startswith("at 5 %, a promotion is possible after ~12 min (")
        assert larger.startswith("at 25 %, a promotion is possible after ~10 min (")

    def test_name_the_steps(self) -> None:
        """
        A promotion is reckoned through all of them, failures at the first.
        """
        sentences = plan(CONFIG, BASELINE, 50, [0.01, 0.05], hold_s=60.0).sentences

        assert sentences[0].startswith("at 1 %, ")
        assert sentences[3].startswith("through 1 %, 5 %, a promotion is possible after ~")
        assert sentences[4].startswith("at 25 %, a promotion is possible after ~")

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
        fits = plan(CONFIG, BASELINE, 5, [reckoned.fitting_share])
        assert fits.promotion_s <= CONFIG.max_duration_s < reckoned.promotion_s
        assert reckoned.warnings == (
            f"1 % of the traffic is too little for a promotion within 60 min: {reckoned.fitting_share * 100:g} % fits",
        )

    def test_name_a_last_step_that_fits(self) -> None:
        """
        The steps before it stay as they are.
        """
        reckoned = plan(CONFIG, BASELINE, 5, [0.005, 0.01], hold_s=60.0)

        assert reckoned.fitting_share is not None
        assert plan(CONFIG, BASELINE, 5, [0.005, reckoned.fitting_share], 60.0).promotion_s <= CONFIG.max_duration_s
        assert f"{reckoned.fitting_share * 100:g} % fits" in reckoned.warnings[0]

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
