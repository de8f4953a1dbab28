import json
import random

import pytest

from splitter.judge.effects import (
    Design,
    Lumps,
    Spread,
    clusters,
    part_apart,
    spread_by_assignment,
    spread_in_time,
)
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


class TestClusters:
    """Blocks of a control slice of 5 and of 95 requests beside it."""

    @staticmethod
    def blocks(control: list[float], rest: list[float]) -> tuple[list[tuple[float, float]], list[tuple[float, float]]]:
        return [(x, 5.0) for x in control], [(x, 95.0) for x in rest]

    def test_are_as_large_as_the_heaps_of_single_clients(self) -> None:
        """
        Every third block the rest has forty hits more, and the slice none of them: heaps of dozens.
        """
        dice = random.Random(6)
        rest = [2.0 + 40 * (block % 3 == 0) for block in range(60)]

        found = clusters(*self.blocks([float(hits(dice, 5, 0.02)) for _ in range(60)], rest), 12)

        assert found is not None
        assert 10 < found < 40

    def test_are_one_where_the_slice_has_the_same_fate(self) -> None:
        """
        In every third block half of all answers are slow, in the slice too: that is a stall, and no client.
        """
        rates, found = [0.5 if block % 3 == 0 else 0.02 for block in range(60)], []
        for seed in range(20):
            dice = random.Random(seed)
            control = [float(hits(dice, 5, rate)) for rate in rates]
            rest = [float(hits(dice, 95, rate)) for rate in rates]
            found.append(clusters(*self.blocks(control, rest), 12))

        assert found.count(1.0) >= 17

    def test_are_unknown_from_few_blocks(self) -> None:
        """
        Blocks without a request of either part do not count.
        """
        assert clusters([(1, 5)] * 11 + [(0, 0)] * 9, [(2, 95)] * 20, 12) is None


class TestApart:
    def test_is_as_reckoned_by_hand(self) -> None:
        """
        Thirteen blocks that rise and fall together by .4, and by a tenth of that against each other: the difference
        varies by .04² where the stacks vary by .4² and .36²; all twelve steps weigh alike, so its noise is 1 + 2√(1/6).
        """
        shadow = [(40 * (block % 2), 100) for block in range(13)]
        live = [(36 * (block % 2), 100) for block in range(13)]

        expected = 0.04**2 / (0.4**2 + 0.36**2) * (1 + 2 * (2 / 12) ** 0.5)
        assert part_apart(shadow, live) == pytest.approx(expected)

    def test_is_all_for_stacks_that_share_nothing(self) -> None:
        """
        Stalls of a tenth of the blocks, of each stack by itself: whatever coincides by chance is within the noise.
        """
        for seed in range(20):
            dice = random.Random(seed)
            sides = [[(100 * (dice.random() < 0.1), 100) for _ in range(180)] for _ in range(2)]

            assert part_apart(*sides) == 1.0

    def test_is_unknown_while_few_blocks_make_the_variance(self) -> None:
        """
        One stall that both have is no rule: not in three minutes, and not in half an hour.
        """
        for blocks in (18, 180):
            both = [(80 * (block == 9), 100) for block in range(blocks)]

            assert part_apart(both, both) is None

    def test_is_unknown_from_few_blocks_and_from_none_that_vary(self) -> None:
        """
        Blocks in which a side had nothing do not count.
        """
        both = [(50 * (block % 2), 100) for block in range(11)]

        assert part_apart([*both, (1, 0)], [*both, (1, 100)]) is None
        assert part_apart([(5, 100)] * 50, [(5, 100)] * 50) is None


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

        assert made.largest([0]) == made.apart(0)

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


def together(*, is_shared: bool, seconds: int = 900, places: tuple[int, ...] = (0,)) -> Design:
    """Return the design of two stacks that stall two seconds a minute, at the same time or each at its own."""
    dice, made = random.Random(7), Design(1, 1_800.0, places)
    moments = {"l": 0, "s": 0}
    for second in range(seconds):
        if second % 60 == 0:
            moments = {"l": dice.randrange(58), "s": dice.randrange(58)}
        if is_shared:
            moments["s"] = moments["l"]
        slow = {side: second % 60 - moment in (0, 1) for side, moment in moments.items()}
        live = Counts(n=95, bins=(95, 0) if not slow["l"] else (0, 95))
        shadow = Counts(n=5, bins=(5, 0) if not slow["s"] else (0, 5))
        reading = Reading(Tick(0, live=live, shadow=shadow), 1, 1)
        made.pace(reading, 1.0)
        made.observe(reading, 1.0)
    return made


class TestShared:
    def test_counts_only_what_the_stacks_do_not_share(self) -> None:
        """
        Stalls of a host hit both stacks in the same second: comparisons need hardly be thinned.  What has no comparison
        is, as before.
        """
        made = together(is_shared=True)

        assert made.above(0).l > 100
        assert made.apart(0).l < made.above(0).l / 20
        assert made.apart(0).s < 1.5 < made.above(0).s

    def test_is_all_where_each_stalls_by_itself(self) -> None:
        """
        Then the effect stands.
        """
        made = together(is_shared=False)

        assert made.above(0) == made.apart(0)
        assert made.above(0).s > 5

    def test_is_unknown_for_edges_that_the_shadow_lacks(self) -> None:
        """
        Without the shadow's counts at live's edges nothing is taken for shared.
        """
        made = together(is_shared=True, places=())

        assert made.above(0) == made.apart(0)

    def test_is_taken_over_to_other_edges(self) -> None:
        """
        Edges that were cut anew begin with what was known at the nearest old ones, until they know themselves.
        """
        made, old = Design(2, 1_800.0, (0, 1)), together(is_shared=True)
        for second in range(120):
            slow = second % 20 in (3, 4)
            live = Counts(n=95, bins=(0, 0, 95) if slow else (95, 0, 0))
            made.observe(Reading(Tick(0, live=live), 2, 2), 1.0)
        made.inherit(old, [0, 0])
        made.estimate()

        assert made.above(1).l > 20 > made.apart(1).l
        assert Design(2, 1_800.0, (0, 1)).surest(3) == (None, None)
        assert made.surest(2) == made.surest(3) == old.surest(2)


class TestSpreadOverTicks:
    def test_estimates_one_quantity_a_tick(self) -> None:
        """
        A block that closes is looked at over the ticks that follow, so that none of them takes long.
        """
        made = design(stalls=True, seconds=59)
        dice = random.Random(8)
        before = made.above(0)
        for second in range(59, 63):
            reading = tick(dice, second, stalls=True)
            made.observe(reading, 1.0)
            made.pace(reading, 1.0)

        assert before == INDEPENDENT
        assert made.above(0).l > 50


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
