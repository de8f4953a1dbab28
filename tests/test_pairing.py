"""Pairs of answers, and their sums."""

import pytest

from splitter.limits import PAIR_LATENCIES_MAX
from splitter.model import Pairs
from splitter.pairing import FAILED, Answer, Copies, merged

GOOD = Answer(200, 1000, 10)


def pair(live: Answer, shadow: Answer) -> Pairs | None:
    """Return the pairs of a window with one."""
    copies = Copies()
    copies.pair(live, shadow)
    return copies.pairs()


class TestCopies:
    @pytest.mark.parametrize(
        ("live", "shadow", "expected"),
        [
            (GOOD, Answer(204, 900, 10), Pairs(n=1, latencies_us=((1000, 900),), other_status=1)),
            (GOOD, Answer(200, 900, 11), Pairs(n=1, latencies_us=((1000, 900),), other_size=1)),
            (GOOD, Answer(200, 900, 10, is_timed=False), Pairs(n=1)),
            (GOOD, Answer(404, 900, 10), Pairs(n=1, other_status=1)),
            (GOOD, Answer(503, 900, 10), Pairs(n=1, shadow_only=1, other_status=1)),
            (GOOD, Answer(FAILED), Pairs(n=1, shadow_only=1, other_status=1)),
            (Answer(500), GOOD, Pairs(n=1, live_only=1, other_status=1)),
            (Answer(FAILED), Answer(500), Pairs(n=1, other_status=1)),
            (Answer(FAILED), Answer(FAILED), Pairs(n=1)),
        ],
    )
    def test_compare_two_answers(self, live: Answer, shadow: Answer, expected: Pairs) -> None:
        """
        Who failed alone counts; times only where both were good, and the shadow's says something about the shadow.
        """
        assert pair(live, shadow) == expected

    def test_keep_a_bounded_number_of_latencies(self) -> None:
        """
        Pairs beyond it are counted still.
        """
        copies = Copies()
        for number in range(PAIR_LATENCIES_MAX + 10):
            copies.pair(Answer(200, number), Answer(200, number))

        pairs = copies.pairs()

        assert pairs is not None
        assert pairs.n == PAIR_LATENCIES_MAX + 10
        assert pairs.latencies_us == tuple((number, number) for number in range(PAIR_LATENCIES_MAX))

    def test_are_none_without_a_pair(self) -> None:
        """
        A copy that was given up is counted by its word, and is no pair.
        """
        copies = Copies()
        copies.count("overflow")

        assert copies.pairs() is None
        assert copies.words == {"overflow": 1}
        copies.open()
        assert copies.words == {}


class TestMerged:
    def test_is_the_sum(self) -> None:
        """
        Windows without a pair add nothing; latencies stay bounded.
        """
        part = Pairs(n=300, shadow_only=2, live_only=1, latencies_us=((1, 2),) * 297, other_status=3, other_size=4)

        expected = Pairs(600, 4, 2, ((1, 2),) * PAIR_LATENCIES_MAX, 6, 8)
        assert merged([None, part, None, part]) == expected
        assert merged([part]) == part
        assert merged([None]) is None
