import random

import pytest

from splitter.judge.variation import clusters, part_apart, spread_by_assignment, spread_in_time


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
