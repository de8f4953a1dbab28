import json
import random

import pytest

from splitter.judge.effects import Design, Lumps
from splitter.judge.stats import INDEPENDENT
from splitter.judge.tick import Reading, Tick
from splitter.judge.variation import Spread
from splitter.model import Counts


def hits(dice: random.Random, n: int, rate: float) -> int:
    return sum(dice.random() < rate for _ in range(n))


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
