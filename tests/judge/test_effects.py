import json
import random

import pytest

from splitter.judge.effects import Design, Lumps, Spread, spread_by_assignment, spread_in_time
from splitter.judge.stats import INDEPENDENT
from splitter.judge.tick import Reading, Tick
from splitter.model import Counts


def hits(dice: random.Random, n: int, rate: float) -> int:
    return sum(dice.random() < rate for _ in range(n))


class TestInTime:
    def test_is_as_reckoned_by_hand(self) -> None:
        """
        Blocks of 100 with 0, 40, 0, 40 hits: θ = .2, V = .08, so V·n̄/(θ(1 - θ)) = 50 and ρ = 49/99.
        """
        spread = spread_in_time([0, 40, 0, 40], [100] * 4)

        assert spread.phi == pytest.approx(50.0)
        assert spread.rho == pytest.approx(49 / 99)
        assert spread.at(11) == pytest.approx(1 + 490 / 99)

    def test_is_one_for_independent_requests(self) -> None:
        """
        What blocks differ in by chance is within the noise of estimating.
        """
        dice = random.Random(1)

        spreads = [spread_in_time([hits(dice, 300, 0.05) for _ in range(60)], [300] * 60) for _ in range(20)]

        assert sum(spread.phi == 1.0 for spread in spreads) >= 18

    def test_does_not_see_a_slow_drift(self) -> None:
        """
        Live that gets ten times as bad over the hour is not correlated for it: neighbours are compared.
        """
        dice = random.Random(2)
        drift = [hits(dice, 300, 0.01 + 0.09 * block / 360) for block in range(360)]

        assert spread_in_time(drift, [300] * 360).phi < 1.3

    def test_leaves_out_blocks_without_requests(self) -> None:
        """
        An idle block is no fraction of anything.
        """
        assert spread_in_time([0, 40, 0, 0, 40], [100, 100, 0, 100, 100]) == spread_in_time([0, 40, 0, 40], [100] * 4)

    @pytest.mark.parametrize(("x", "n"), [([], []), ([5], [9]), ([0, 0], [9, 9]), ([9, 9], [9, 9]), ([1, 0], [1, 1])])
    def test_is_one_where_nothing_can_be_told(self, x: list[float], n: list[float]) -> None:
        """
        One block, no hits, nothing but hits, one request a block.
        """
        assert spread_in_time(x, n).phi == 1.0


class TestByAssignment:
    def test_is_as_reckoned_by_hand(self) -> None:
        """
        Four blocks of 20 against 80, all 8 hits now in the one and now in the other part.
        """
        control, rest = [(8, 20), (0, 20)] * 2, [(0, 80), (8, 80)] * 2

        theta = 0.08
        by_chance = theta * (1 - theta) * (1 / 20 + 1 / 80)
        assert spread_by_assignment(control, rest) == pytest.approx((0.4**2 + 0.1**2) / 2 / by_chance)

    def test_is_one_for_parts_that_are_alike(self) -> None:
        """
        Chance alone is within the noise.
        """
        dice = random.Random(3)
        control = [(hits(dice, 150, 0.05), 150) for _ in range(30)]
        rest = [(hits(dice, 2_850, 0.05), 2_850) for _ in range(30)]

        assert spread_by_assignment(control, rest) == 1.0

    def test_is_one_without_blocks(self) -> None:
        """
        Nothing is told by nothing.
        """
        assert spread_by_assignment([], []) == 1.0


def tick(dice: random.Random, second: int, *, stalls: bool, with_control: bool = True) -> Reading:
    """Return 95 requests of live and 5 of the shadow; when live stalls, all answers of two seconds are slow."""
    rate = 1.0 if stalls and second % 60 in (20, 21) else 0.02
    slow, slow_c = hits(dice, 90, rate), hits(dice, 5, rate)
    live = Counts(n=95, bins=(95 - slow - slow_c, slow + slow_c))
    control = Counts(n=5, bins=(5 - slow_c, slow_c)) if with_control else None
    return Reading(Tick(0, live=live, control=control, shadow=Counts(n=5, bins=(5, 0))), 1, 1)


def design(*, stalls: bool, seconds: int = 900, with_control: bool = True) -> Design:
    dice, made = random.Random(4), Design(1, 1_800.0)
    for second in range(seconds):
        reading = tick(dice, second, stalls=stalls, with_control=with_control)
        made.pace(reading, 1.0)
        made.observe(reading, 1.0)
    return made


class TestDesign:
    def test_is_one_for_independent_requests(self) -> None:
        """
        Quiet traffic is taken at its word.
        """
        assert design(stalls=False).above(0) == INDEPENDENT

    @pytest.mark.parametrize("with_control", [True, False])
    def test_sees_stalls(self, with_control: bool) -> None:
        """
        Two slow seconds a minute make heaps: larger ones for live, which has more requests in a block; without a
        control slice the shadow's follow from live's correlation.
        """
        effect = design(stalls=True, with_control=with_control).above(0)

        assert effect.l > 50
        assert 2 < effect.s < effect.l / 5

    def test_grows_with_the_shadows_pace(self) -> None:
        """
        Ten times as many requests of the shadow in a block hang together ten times as much.
        """
        made = design(stalls=True)
        before = made.above(0).s
        busy = Reading(Tick(0, live=Counts(n=50, bins=(50, 0)), shadow=Counts(n=50, bins=(50, 0))), 1, 1)

        for _ in range(100):
            made.pace(busy, 1.0)

        assert made.above(0).s > 7 * before

    def test_needs_hits(self) -> None:
        """
        From fewer than fifty hits nothing is estimated.
        """
        assert design(stalls=True, seconds=20).above(0) == INDEPENDENT
        assert design(stalls=True).errors == INDEPENDENT

    def test_needs_blocks(self) -> None:
        """
        Two blocks that differ are no measure of how much blocks differ; from six on they are.
        """
        few, enough = Design(1, 1_800.0), Design(1, 1_800.0)
        for made, seconds in ((few, 50), (enough, 60)):
            for second in range(seconds):
                slow = 5 * (second // 10 % 2)
                made.pace(heaps := Reading(Tick(0, live=Counts(n=5, bins=(5 - slow, slow))), 1, 1), 1.0)
                made.observe(heaps, 1.0)
            made.pace(heaps, 1.0)

        assert few.above(0) == INDEPENDENT
        assert enough.above(0).l > 20

    def test_takes_the_largest_of_some_edges(self) -> None:
        """
        A bet on many edges is thinned by the worst of them, on each side.
        """
        made = design(stalls=True)

        assert made.largest([0]) == made.above(0)

    def test_goes_on_from_its_state(self) -> None:
        """
        A design restored from JSON has the same effects ever after.
        """
        made, copy = design(stalls=True, seconds=437), Design(1, 1_800.0)

        copy.restore(json.loads(json.dumps(made.state())))

        dice, other = random.Random(5), random.Random(5)
        for second in range(437, 700):
            for each, source in ((made, dice), (copy, other)):
                reading = tick(source, second, stalls=True)
                each.pace(reading, 1.0)
                each.observe(reading, 1.0)
            assert made.above(0) == copy.above(0)

    def test_refuses_the_state_of_other_edges(self) -> None:
        """
        What was counted above two edges does not fit one.
        """
        with pytest.raises(ValueError, match="4 quantities are kept, 3 are wanted"):
            Design(1, 600.0).restore(Design(2, 600.0).state())


class TestLumps:
    def test_sees_heaps_and_goes_on_from_its_state(self) -> None:
        """
        Ten seconds of hits and ten of none, in turns, are few facts.
        """
        lumps, copy = Lumps(600.0), Lumps(600.0)

        for second in range(200):
            lumps.observe(5 * (second // 10 % 2), 5, 1.0)
        copy.restore(json.loads(json.dumps(lumps.state())))

        assert lumps.phi == copy.phi > 20

    def test_starts_with_one(self) -> None:
        """
        Before the first block nothing is known.
        """
        assert Lumps(600.0).phi == Spread().phi == 1.0
