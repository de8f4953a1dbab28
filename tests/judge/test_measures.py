import pytest

from splitter.judge.calibration import Baseline, Tails, calibrate
from splitter.judge.config import JudgeConfig, Margin
from splitter.judge.measures import RateMeasure, TailMeasure, measure_of
from splitter.judge.stats import Stratum, ratio_bet, two_bin_bet
from splitter.judge.tick import Reading, Tick
from splitter.model import Counts

CONFIG = JudgeConfig()
SCALE = calibrate(CONFIG, Baseline(n=10_000, latency=tuple((100 * place, 1) for place in range(1, 10_001))))


def reading(live: Counts, shadow: Counts) -> Reading:
    return Reading(Tick(0, live=live, shadow=shadow), len(SCALE.live_us), len(SCALE.shadow_us))


class TestRateMeasure:
    @pytest.mark.parametrize(
        ("kpi", "stratum"), [("error_rate", (1, 10, 2, 90)), ("client_error_rate", (3, 10, 4, 90))]
    )
    def test_counts_each_client_once(self, kpi: str, stratum: tuple[int, ...]) -> None:
        """
        Errors are counted after de-duplication, among all requests.
        """
        measure = RateMeasure(kpi, Margin(), Margin(1.5, 0.01))
        live, shadow = Counts(n=90, e5=9, e5u=2, e4=9, e4u=4), Counts(n=10, e5=9, e5u=1, e4=9, e4u=3)

        assert (stratum, stratum) == measure.strata(reading(live, shadow))

    def test_skips_a_tick_with_one_side(self) -> None:
        """
        Without a request of live, or of the shadow, there is nothing to bet on.
        """
        measure = RateMeasure("error_rate", Margin(), None)

        assert measure.strata(reading(Counts(), Counts(n=5, e5=5, e5u=5))) is None
        assert measure.strata(reading(Counts(n=5), Counts())) is None

    def test_proves_nothing_without_a_margin(self) -> None:
        """
        A KPI without a promotion margin makes no proofs.
        """
        measure = RateMeasure("error_rate", Margin(), None)

        assert measure.proof_bets == 0
        assert measure.proofs(Stratum(0, 10, 0, 90)) == []

    def test_bets_by_tolerance_and_proves_by_margin(self) -> None:
        """
        The two claims have their own ratio and absolute part.
        """
        measure, stratum = RateMeasure("error_rate", Margin(1.25, 0.001), Margin(1.5, 0.01)), Stratum(1, 10, 2, 90)

        assert ratio_bet(stratum, 0.02, 1.5, 0.01) == measure.proofs(stratum)[0]
        assert len(measure.worse(stratum)) == measure.worse_bets


class TestTailMeasure:
    def test_counts_above_the_edges_of_its_quantile(self) -> None:
        """
        The shadow's answers are counted above the tolerance's edge to roll back and above the margin's to promote.
        """
        measure = measure_of("latency_p99", CONFIG.kpis["latency_p99"], SCALE, Tails(SCALE.tails))
        live = Counts(n=110, bins=(10, 20, 30, 20, 10, 10, 5, 4, 1))  # the quantile .99 is the sixth of eight edges
        shadow = Counts(n=20, bins=(5, 5, 2, 2, 1, 2, 2, 1))  # 1 091 and 1 297 ms are the fourth and sixth of seven

        assert SCALE.shadow_us[3] == 1_091_000
        assert SCALE.shadow_us[5] == 1_297_000
        assert measure is not None
        assert measure.strata(reading(live, shadow)) == ((6, 20, 10, 110), (3, 20, 10, 110))

    def test_bets_on_the_tails_of_the_ticks_before(self) -> None:
        """
        Live's tail is taken anew for every tick.
        """
        tails = Tails(SCALE.tails)
        measure = TailMeasure("latency_p50", SCALE.places["latency_p50"], SCALE, tails)
        stratum = Stratum(5, 8, 40, 80)

        before = measure.worse(stratum)[0]
        tails.follow([600] * len(SCALE.tails), 1_000, 1.0)
        after = measure.worse(stratum)[0]

        assert before == pytest.approx(two_bin_bet(stratum, 0.5, 1.15))
        assert after == pytest.approx(two_bin_bet(stratum, tails.current[1], 1.15))
        assert before != after

    def test_skips_a_tick_without_answers(self) -> None:
        """
        A tick in which all requests of a side failed says nothing about latency.
        """
        measure = TailMeasure("latency_p50", SCALE.places["latency_p50"], SCALE, Tails(SCALE.tails))
        live = Counts(n=10, bins=(10, *[0] * len(SCALE.live_us)))

        assert measure.strata(reading(live, Counts(n=2, e5=2, bins=(0,) * (len(SCALE.shadow_us) + 1)))) is None


class TestMeasureOf:
    def test_is_none_where_live_had_too_few_answers(self) -> None:
        """
        Without an edge a latency KPI cannot be measured; rates always can.
        """
        scale = calibrate(CONFIG, Baseline())

        assert measure_of("latency_p50", CONFIG.kpis["latency_p50"], scale, Tails(scale.tails)) is None
        assert measure_of("error_rate", CONFIG.kpis["error_rate"], scale, Tails(scale.tails)) is not None
