import pytest

from benchmarks.judge.power import CASES, divergence
from benchmarks.judge.quiet import WORLDS
from benchmarks.judge.runs import Job, decided, simulate
from benchmarks.judge.worlds import HONEST, Manners, Traffic, World
from splitter.judge.calibration import Baseline
from splitter.judge.config import profile
from splitter.judge.verdict import Action
from splitter.model import Counts, Side

EDGES = {Side.LIVE: (20_000, 60_000), Side.SHADOW: (20_000, 60_000)}


def totals(traffic: Traffic, seconds: int) -> tuple[Counts, Counts]:
    """Return what both sides did in so many seconds."""
    sums = []
    ticks = [traffic.tick(t, EDGES) for t in range(seconds)]
    for side in ("live", "shadow"):
        counts = [getattr(tick, side) for tick in ticks]
        bins = tuple(map(sum, zip(*(each.bins for each in counts), strict=True)))
        n, e5, e5u = (sum(getattr(each, name) for each in counts) for name in ("n", "e5", "e5u"))
        sums.append(Counts(n=n, e5=e5, e5u=e5u, bins=bins))
    return sums[0], sums[1]


class TestTraffic:
    def test_is_the_same_for_the_same_seed(self) -> None:
        """
        A figure of the table can be looked into again.
        """
        world = World("w")

        assert totals(Traffic(world, 3), 70) == totals(Traffic(world, 3), 70)
        assert totals(Traffic(world, 3), 70) != totals(Traffic(world, 4), 70)

    def test_is_split_and_slow_as_it_says(self) -> None:
        """
        Of 50 requests a second a twentieth is the shadow's, half of all take more than the median, one in a thousand
        fails.
        """
        live, shadow = totals(Traffic(World("w"), 1), 240)

        assert abs(shadow.n / (live.n + shadow.n) - 0.05) < 0.01
        assert abs(live.bins[0] / sum(live.bins) - 0.5) < 0.02
        assert live.e5 < 40

    def test_counts_a_clients_errors_once(self) -> None:
        """
        Where clients retry, failures are many and clients few.
        """
        live, _ = totals(Traffic(WORLDS["clients that retry what fails"], 2), 480)

        assert live.e5 > 10 * live.e5u > 0

    def test_has_a_past(self) -> None:
        """
        The baseline is live's, in blocks of ten seconds.
        """
        baseline = Traffic(World("w"), 1).baseline(100)

        assert isinstance(baseline, Baseline)
        assert len(baseline.blocks) == 10
        assert sum(block.n for block in baseline.blocks) == baseline.n


class TestSimulate:
    def test_ends_with_a_dead_shadow(self) -> None:
        """
        The judge rolls back, and what each rule would have done is there.
        """
        job = Job("w", "default", 1, 120, Manners(failures=1.0), with_rules=True)

        ending = simulate(World("w"), profile("default"), job)

        assert ending.seconds is not None
        assert ending.seconds <= 5
        assert ending.kpi == "guards.error_rate"
        assert ending.rules["z-test each second"] is not None

    def test_never_ends_with_an_equal_one(self) -> None:
        """
        A few minutes of a good shadow are left alone.
        """
        ending = simulate(World("w"), profile("default"), Job("w", "default", 1, 180, HONEST))

        assert ending.seconds is None


class TestHardWorlds:
    @pytest.mark.parametrize(
        ("world", "seed"),
        [
            ("clients with heaps of slow requests", 115),
            ("clients that retry what fails", 115),
            ("so, and each on its own every 5 minutes", 3),
        ],
    )
    def test_have_no_rollback_of_an_equal_stack(self, world: str, seed: int) -> None:
        """
        An hour in which single clients send heaps of requests, or a host stalls, is no reason to leave a stack.
        """
        ending = simulate(WORLDS[world], profile("default"), Job(world, "default", seed, 3_600))

        assert ending.seconds is None

    def test_are_no_obstacle_to_a_promotion_where_both_stacks_share_them(self) -> None:
        """
        Both stacks stall in the same seconds, once a minute: within the hour it is proven that they are alike.
        """
        world = "both stall at once 1–3 s a minute"

        action, _ = decided(WORLDS[world], profile("default"), Job(world, "default", 2, 3_600), 0.25)

        assert action is Action.PROMOTE


class TestDivergence:
    def test_is_larger_the_worse_a_shadow_is(self) -> None:
        """
        A request of an equal stack says nothing; one of a stack with many errors says most.
        """
        said = {name: divergence(manners) for name, (manners, _) in CASES.items()}

        assert abs(divergence(HONEST)) < 1e-9
        assert 0 < said["errors 0.1 → 1 %"] < said["errors 0.1 → 5 %"]
        assert abs(said["10 % slower"] - 0.0126) < 0.0005  # (ln 1.1)²/(2·0.6²)
