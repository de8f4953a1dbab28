from benchmarks.judge.rules import RankTest, Rule, Strikes, ZTest
from splitter.model import Counts

GOOD_L = Counts(n=95, bins=(60, 34, 1))
GOOD_S = Counts(n=5, bins=(3, 2, 0))


def after(rule: Rule, shadow: Counts, seconds: int = 600) -> int | None:
    """Return after how many seconds the rule rolls back."""
    return next((second for second in range(1, seconds + 1) if rule.observe(GOOD_L, shadow)), None)


class TestStrikes:
    def test_are_out_after_three_minutes(self) -> None:
        """
        A fifth of errors is a strike a minute.
        """
        assert after(Strikes(1, 1), Counts(n=5, e5=1, bins=(3, 1, 0))) == 180

    def test_count_slow_answers(self) -> None:
        """
        A fifth above p99, of which live has a hundredth, is a strike as well.
        """
        assert after(Strikes(1, 1), Counts(n=5, bins=(2, 2, 1))) == 180

    def test_leave_a_good_shadow(self) -> None:
        """
        Neither errors nor slow answers.
        """
        assert after(Strikes(1, 1), GOOD_S) is None


class TestRanks:
    def test_find_a_slower_shadow(self) -> None:
        """
        Answers that are all in the upper bins are slower beyond doubt after the first minute.
        """
        assert after(RankTest([0, 1], [0, 1]), Counts(n=5, bins=(0, 4, 1))) == 60

    def test_leave_an_equal_shadow(self) -> None:
        """
        The same parts in all bins give no reason.
        """
        assert after(RankTest([0, 1], [0, 1]), Counts(n=95, bins=(60, 34, 1))) is None


class TestZ:
    def test_finds_more_errors(self) -> None:
        """
        One error in five against none is seen as soon as there are fifty requests of both.
        """
        assert after(ZTest(), Counts(n=5, e5=1, bins=(4, 0, 0))) == 10

    def test_leaves_an_equal_shadow(self) -> None:
        """
        Without errors there is nothing to test.
        """
        assert after(ZTest(), GOOD_S) is None
