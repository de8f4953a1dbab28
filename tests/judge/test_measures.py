from math import log

import pytest

from splitter.judge.calibration import Baseline, Tails, binned, calibrate
from splitter.judge.config import JudgeConfig, Margin
from splitter.judge.effects import Design
from splitter.judge.measures import PAIR_STAKES, Paired, RateMeasure, ShapeMeasure, TailMeasure, cap_of, measure_of
from splitter.judge.stats import Effect, Stratum, ratio_bet, two_bin_bet
from splitter.judge.tick import Reading, Tick
from splitter.model import Counts, Pairs

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

    def test_makes_little_of_the_first_error(self) -> None:
        """
        At a share of 5 % one error is worth ln 20 = 3 nats at the most, where live has none and the bet is the boldest:
        on its own it decides nothing.
        """
        measure = RateMeasure("error_rate", Margin(), None)

        gains = measure.worse(Stratum(1, 5, 0, 95))

        assert 2 < max(gains) < log(20)


class TestTailMeasure:
    def test_counts_above_the_edges_of_its_quantile(self) -> None:
        """
        The shadow's answers are counted above the tolerance's edge to roll back and above the margin's to promote.
        """
        measure = measure_of("latency_p99", CONFIG.kpis["latency_p99"], SCALE, Tails(SCALE.tails))
        live = Counts(n=110, bins=(10, 20, 30, 20, 10, 10, 5, 4, 1))  # the quantile .99 is the sixth of eight edges
        latencies = [500_000] * 14 + [1_091_000, *[1_091_001] * 2, *[1_300_000] * 3]
        shadow = Counts(n=20, bins=binned([(each, 1) for each in latencies], SCALE.shadow_us))

        assert measure is not None
        assert measure.strata(reading(live, shadow)) == ((5, 20, 10, 110), (3, 20, 10, 110))

    def test_bets_on_the_tails_of_the_ticks_before(self) -> None:
        """
        Live's tail is taken anew for every tick.
        """
        tails = Tails(SCALE.tails)
        measure = TailMeasure("latency_p50", Margin(1.05, 0.0005), SCALE.places["latency_p50"], SCALE, tails)
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
        measure = TailMeasure(
            "latency_p50", Margin(1.05, 0.0005), SCALE.places["latency_p50"], SCALE, Tails(SCALE.tails)
        )
        live = Counts(n=10, bins=(10, *[0] * len(SCALE.live_us)))

        assert measure is not None
        assert measure.strata(reading(live, Counts(n=2, e5=2, bins=(0,) * (len(SCALE.shadow_us) + 1)))) is None


class TestMeasureOf:
    def test_is_none_where_live_had_too_few_answers(self) -> None:
        """
        Without an edge a latency KPI cannot be measured; rates always can.
        """
        scale = calibrate(CONFIG, Baseline())

        assert measure_of("latency_p50", CONFIG.kpis["latency_p50"], scale, Tails(scale.tails)) is None
        assert measure_of("error_rate", CONFIG.kpis["error_rate"], scale, Tails(scale.tails)) is not None


class TestShapeMeasure:
    def measure(self) -> ShapeMeasure:
        return ShapeMeasure(SCALE, Tails(SCALE.tails), SCALE.ladder)

    def bins(self, answers: int, edges: tuple[int, ...], slower: float = 1.0) -> Counts:
        """Return answers spread like the baseline's, all `slower` times as long."""
        latency = [(int(slower * (place + 0.5) * 1e6 / answers), 1) for place in range(answers)]
        return Counts(n=answers, bins=binned(latency, edges))

    def test_loses_on_equal_stacks(self) -> None:
        """
        Within the tolerance at every quantile, no bet gains.
        """
        equal = reading(self.bins(900, SCALE.live_us), self.bins(100, SCALE.shadow_us))
        strata = self.measure().strata(equal)
        assert strata is not None

        gains = self.measure().gains(equal, strata[0], Design(8, 600.0))

        assert len(gains) == self.measure().worse_bets == 8
        assert max(gains) < 0

    def test_gains_on_a_shadow_that_is_slower_everywhere(self) -> None:
        """
        A fifth more at every quantile is found by the tilts, and the boldest are too bold.
        """
        slower = reading(self.bins(900, SCALE.live_us), self.bins(100, SCALE.shadow_us, 1.2))

        gains = self.measure().tilted(slower, Design(8, 600.0))

        assert gains[1] > 1
        assert gains[1] > gains[3]

    def test_gains_on_a_few_very_slow_answers(self) -> None:
        """
        Four answers in a hundred that take for ever are found by the bets on the far end, and by no quantile of live.
        """
        shadow = self.bins(96, SCALE.shadow_us)
        shadow = Counts(n=100, bins=(*shadow.bins[:-1], 4))
        far = reading(self.bins(900, SCALE.live_us), shadow)
        strata = self.measure().strata(far)
        assert strata is not None

        gains = self.measure().gains(far, strata[0], Design(8, 600.0))

        assert min(gains[1:4]) > 5

    def test_is_capped_lower_where_the_shadows_answers_hang_together(self) -> None:
        """
        A bet on an edge that is exceeded in heaps gains half as much in a block.
        """
        assert self.measure().caps(Design(8, 600.0)) == [5.0] * 8
        assert cap_of(Design(8, 600.0), Effect(1.31, 1.0)) == 2.5
        assert cap_of(Design(8, 600.0), Effect(1.3, 9.0)) == 5.0

    def test_is_capped_lowest_where_lives_answers_come_in_heaps(self) -> None:
        """
        Heaps beyond one edge are beyond the lower ones too, hidden among others: all bets gain little in a block.
        """
        design = Design(8, 600.0)
        for second in range(120):
            heap = 10 * (second % 20 in (3, 4))
            live = Counts(n=100, bins=(50, 50 - heap, 0, 0, 0, 0, 0, 0, heap))
            design.observe(reading(live, Counts(bins=(0,) * (len(SCALE.shadow_us) + 1))), 1.0)
            design.pace(reading(live, Counts(bins=(0,) * (len(SCALE.shadow_us) + 1))), 1.0)

        assert self.measure().caps(design) == [1.5] * 8


class TestPairs:
    PAIRS = Pairs(n=100, shadow_only=6, live_only=1, latencies_us=((1_000, 1_600), (1_000, 1_500), (1_000, 900)))

    def test_of_errors_are_bet_on_one_by_one(self) -> None:
        """
        Without tolerance a pair that the shadow failed alone pays 1 + stake and one that live failed alone 1 - stake.
        """
        measure = RateMeasure("error_rate", Margin(), None)
        paired = measure.paired(Reading(Tick(0, pairs=self.PAIRS), 8, 8))
        assert paired is not None

        gains = measure.gains_of_pairs(paired)

        assert paired == Paired(6, 1, 93)
        assert [6 * log(1 + each) + log(1 - each) for each in PAIR_STAKES] == pytest.approx(gains)

    def test_of_errors_are_granted_the_tolerance(self) -> None:
        """
        What may fail beyond live costs the bet something for every pair.
        """
        paired = Paired(6, 1, 93)

        strict, lenient = (
            RateMeasure("error_rate", margin, None).gains_of_pairs(paired) for margin in (Margin(), Margin(1.25, 0.02))
        )

        assert all(less < more for less, more in zip(lenient, strict, strict=True))

    def test_of_latencies_are_later_if_beyond_the_tolerance(self) -> None:
        """
        At 1.05x + 0.5 ms a copy of 1.6 ms is later than an original of 1 ms, and one of 1.5 ms is not.
        """
        measure = TailMeasure(
            "latency_p50", Margin(1.05, 0.0005), SCALE.places["latency_p50"], SCALE, Tails(SCALE.tails)
        )

        paired = measure.paired(Reading(Tick(0, pairs=self.PAIRS), 8, 8))

        assert paired == Paired(1, 2, 0)
        assert len(measure.gains_of_pairs(Paired(1, 2, 0))) == measure.worse_bets

    @pytest.mark.parametrize("kpi", ["client_error_rate", "latency_p99"])
    def test_say_nothing_to_others(self, kpi: str) -> None:
        """
        Pairs are for errors and for the median.
        """
        measure = measure_of(kpi, CONFIG.kpis[kpi], SCALE, Tails(SCALE.tails))

        assert measure is not None
        assert measure.paired(Reading(Tick(0, pairs=self.PAIRS), 8, 8)) is None
