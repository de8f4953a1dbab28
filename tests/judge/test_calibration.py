import json
from dataclasses import replace
from itertools import pairwise

import pytest

from splitter.judge.calibration import (
    SLOW_US_UNKNOWN,
    Baseline,
    Grid,
    Scale,
    Tails,
    binned,
    calibrate,
    fraction_above,
    shifted,
)
from splitter.judge.config import GuardOptions, JudgeConfig, Margin
from splitter.limits import LATENCY_US_MAX
from splitter.model import Counts, Side, StackId, Window

CONFIG = JudgeConfig()


def steps(n: int, step_us: int = 100) -> Baseline:
    """Return a baseline of `n` answers, evenly from `step_us` upwards."""
    return Baseline(n=n, latency=tuple((place * step_us, 1) for place in range(1, n + 1)), span_s=600.0)


class TestBaseline:
    def test_is_what_a_window_of_live_says(self) -> None:
        """
        The merged window of live becomes the baseline as it is.
        """
        window = Window(StackId("shop-r1"), 100.0, 700.0, Counts(n=9, e5=3, e5u=2, e4u=1), latency=((500, 4), (900, 2)))

        baseline = Baseline.of(window)

        assert Baseline(9, 2, 1, ((500, 4), (900, 2)), 600.0) == baseline
        assert baseline.answers == 6

    def test_holds_its_parts_in_blocks(self) -> None:
        """
        Windows of a second make blocks of ten; latencies keep two digits, and the rest waits for no block.
        """
        windows = [
            Window(StackId("shop-r1"), t, t + 1.0, Counts(n=4, e5=2, e5u=1), latency=((500, 1), (900, 1)))
            for t in map(float, range(25))
        ]

        blocks = Baseline.of(windows[0], windows).blocks

        assert blocks == ((10.0, 40, 20, 10, ((501, 10), (903, 10))),) * 2


class TestCalibrate:
    def test_cuts_live_at_its_quantiles(self) -> None:
        """
        Ten thousand answers place all quantiles; the slow edge is half as high again as the last.
        """
        scale = calibrate(CONFIG, steps(10_000))

        assert scale.edges(Side.LIVE) == (250_000, 500_000, 750_000, 900_000, 950_000, 990_000, 999_000, 1_498_500)
        assert pytest.approx([0.75, 0.5, 0.25, 0.1, 0.05, 0.01, 0.001, 0.0]) == list(scale.tails)

    def test_cuts_the_shadow_at_tolerances_and_margins(self) -> None:
        """
        Each latency KPI has an edge of the shadow for its tolerance and one for its promotion margin, the whole
        distribution has one for each of live's, and live's own are there for bets without tolerance; all in one list.
        """
        scale = calibrate(CONFIG, steps(10_000))

        expected = sorted(
            [
                525_500,  # p50: 1.05x + 0.5 ms
                577_000,  # p50: 1.15x + 2 ms
                1_047_000,  # p95: 1.10x + 2 ms
                1_145_000,  # p95: 1.20x + 5 ms
                1_091_000,  # p99: 1.10x + 2 ms
                1_297_000,  # p99: 1.30x + 10 ms
                263_000,  # .25: as p50's tolerance
                788_000,  # .75: as p50's
                973_000,  # .9: 1.08x + 1 ms
                1_100_900,  # .999: as p99's
                1_650_350,  # very slow: as p99's
                *scale.edges(Side.LIVE),
            ]
        )
        assert tuple(expected) == scale.edges(Side.SHADOW)
        assert (
            scale.places["latency_p99"].live_us,
            scale.places["latency_p99"].worse_us,
            scale.places["latency_p99"].proof_us,
        ) == (990_000, 1_091_000, 1_297_000)

    def test_shares_an_edge_that_two_things_need(self) -> None:
        """
        With one ratio for tolerance and margin the edges coincide, and there is one instead of three.
        """
        p50 = replace(CONFIG.kpis["latency_p50"], tolerance=Margin(1.2), promote=Margin(1.2))
        scale = calibrate(JudgeConfig(kpis={"latency_p50": p50}), steps(1_000))

        place = scale.places["latency_p50"]

        assert place.worse_us == place.proof_us
        assert place.worse_us == dict(scale.ladder)[place.live_us]
        assert len(set(scale.shadow_us)) == len(scale.shadow_us)

    @pytest.mark.parametrize(
        ("answers", "kpis"),
        [
            (9, set()),
            (10, {"latency_p50"}),
            (99, {"latency_p50"}),
            (100, {"latency_p50", "latency_p95"}),
            (499, {"latency_p50", "latency_p95"}),
            (500, {"latency_p50", "latency_p95", "latency_p99"}),
        ],
    )
    def test_leaves_out_what_answers_are_too_few_for(self, answers: int, kpis: set[str]) -> None:
        """
        A quantile needs five answers beyond it.
        """
        assert kpis == set(calibrate(CONFIG, steps(answers)).places)

    def test_has_an_edge_without_any_answer(self) -> None:
        """
        Where nothing is known about live, very slow is five seconds: a stack that hangs is seen all the same.
        """
        scale = calibrate(CONFIG, Baseline())

        assert (SLOW_US_UNKNOWN,) == scale.edges(Side.LIVE) == scale.edges(Side.SHADOW)
        assert scale.places == {}

    def test_merges_edges_of_constant_latency(self) -> None:
        """
        When all answers take the same time there is one quantile; it can show a slowdown and prove nothing.
        """
        scale = calibrate(CONFIG, Baseline(n=2_000, latency=((8_000, 2_000),)))

        assert scale.edges(Side.LIVE) == (8_000, 12_000)
        assert {None} == {place.proof_us for place in scale.places.values()}

    def test_cuts_at_the_latency_guard_on_both_sides(self) -> None:
        """
        The guard's limit is an edge of both.
        """
        scale = calibrate(JudgeConfig(guards=GuardOptions(latency_p99_s=2.0)), steps(1_000))

        assert 2_000_000 in scale.edges(Side.LIVE)
        assert 2_000_000 in scale.edges(Side.SHADOW)

    def test_leaves_out_latencies_beyond_what_is_recorded(self) -> None:
        """
        Nothing is recorded as longer than a minute, so no edge up there could ever be exceeded.
        """
        slow = Baseline(n=1_000, latency=((LATENCY_US_MAX - 2, 500), (LATENCY_US_MAX, 500)))

        assert calibrate(CONFIG, slow).places == {}

    @pytest.mark.parametrize("tops", [(1,), (1, 2), (0, 1), (5, 6, 7)])
    def test_gives_ascending_edges_for_tiny_latencies(self, tops: tuple[int, ...]) -> None:
        """
        Edges ascend from above zero also where latencies are a few microseconds.
        """
        scale = calibrate(CONFIG, Baseline(n=3_000, latency=tuple((top, 1_000) for top in tops)))

        for side in Side:
            edges = (0, *scale.edges(side))
            assert all(low < high for low, high in pairwise(edges))

    def test_comes_back_from_json(self) -> None:
        """
        A scale that was kept is the same scale again.
        """
        scale = calibrate(CONFIG, steps(3_000))

        assert scale == Scale.of_state(json.loads(json.dumps(scale.state())))


class TestShifted:
    def test_is_exact_where_floats_are_not(self) -> None:
        """
        1.15 times 2000 is a hair below 2300 in floats; the edge is 2300.
        """
        assert shifted(2_000, Margin(1.15)) == 2_300

    def test_rounds_down(self) -> None:
        """
        Whole microseconds are above 10.5 exactly when they are above 10.
        """
        assert shifted(10, Margin(1.05)) == 10


class TestFractionAbove:
    def test_counts_what_is_higher(self) -> None:
        """
        An answer at the edge is not above it; without answers nothing is.
        """
        assert fraction_above(((10, 3), (20, 1)), 10) == 0.25
        assert fraction_above((), 10) == 0.0


class TestTails:
    def test_starts_with_the_baseline(self) -> None:
        """
        Before any tick live's tails are those that were measured.
        """
        assert pytest.approx([0.5, 0.05]) == Tails([0.5, 0.05]).current

    def test_follows_the_traffic(self) -> None:
        """
        After ten minutes of other traffic hardly anything of the baseline is left.
        """
        tails = Tails([0.5, 0.05])

        for _ in range(600):
            tails.follow([80, 20], 100, 1.0)

        assert pytest.approx([0.8, 0.2], abs=0.02) == tails.current

    def test_keeps_what_bets_can_use(self) -> None:
        """
        Tails stay between 0 and 1, and each below the one before it, whatever was counted.
        """
        for base in ([0.0, 0.0, 0.0], [1.0, 1.0, 0.5], [0.3, 0.3, 0.3]):
            current = Tails(base).current

            assert all(0 < tail < 1 for tail in current)
            assert current == sorted(current, reverse=True)
            assert len(set(current)) == 3

    def test_goes_on_from_its_state(self) -> None:
        """
        Restored tails are to the last bit those that were kept.
        """
        tails, copy = Tails([0.5, 0.05]), Tails([0.5, 0.05])
        tails.follow([30, 2], 41, 1.0)

        copy.restore(json.loads(json.dumps(tails.state())))

        assert tails.current == copy.current


class TestGrid:
    @pytest.mark.parametrize("edge_us", [1, 200, 255, 256, 300, 511, 512, 28_160, 28_200, 28_287, 1_234_567])
    def test_lays_edges_on_borders_of_buckets(self, edge_us: int) -> None:
        """
        By their highest value, buckets are above the lenient edge if their lowest value is above the edge itself, and
        above the strict one if their highest is.
        """
        grid = Grid(2)

        for value in (*range(max(edge_us - 20_000, 1), edge_us + 20_000, 97), edge_us, edge_us + 1):
            blurred = max(value.bit_length() - 8, 0)
            low = value >> blurred << blurred
            high = low + (1 << blurred) - 1

            assert (high > grid.lenient(edge_us)) == (low > edge_us)
            assert (high > grid.strict(edge_us)) == (high > edge_us)

    def test_moves_nothing_where_every_microsecond_counts(self) -> None:
        """
        Without buckets an edge is where it is.
        """
        assert {Grid(0).lenient(28_200), Grid(0).strict(28_200)} == {28_200}


class TestBinned:
    def test_counts_between_the_edges(self) -> None:
        """
        An answer at an edge is not above it.
        """
        assert binned(((5, 1), (10, 2), (11, 4)), [5, 10]) == (1, 2, 4)
