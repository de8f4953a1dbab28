"""The wheel of deadlines."""

import pytest

from splitter.proxy.deadlines import NEVER, TICK_S, Deadlines, Timed, ticks


class Alarm(Timed):
    """Remembers the ticks at which it went off."""

    def __init__(self, deadlines: Deadlines) -> None:
        super().__init__()
        self._deadlines = deadlines
        self.went_off: list[int] = []

    def expire(self) -> None:
        self.went_off.append(self._deadlines.tick)


@pytest.fixture
def deadlines() -> Deadlines:
    return Deadlines()


@pytest.fixture
def alarm(deadlines: Deadlines) -> Alarm:
    return Alarm(deadlines)


def advance(deadlines: Deadlines, count: int) -> None:
    for _ in range(count):
        deadlines.advance()


class TestDeadlines:
    def test_go_off_once_at_their_tick(self, deadlines: Deadlines, alarm: Alarm) -> None:
        """
        An item expires at its deadline, once, and not before.
        """
        deadlines.within(alarm, 3)

        advance(deadlines, 10)

        assert alarm.went_off == [3]
        assert alarm.deadline == NEVER

    def test_move_back_and_forth(self, deadlines: Deadlines, alarm: Alarm) -> None:
        """
        What counts is what was said last, later or earlier.
        """
        deadlines.within(alarm, 3)
        deadlines.within(alarm, 8)
        advance(deadlines, 5)
        deadlines.within(alarm, 20)
        deadlines.within(alarm, 2)

        advance(deadlines, 30)

        assert alarm.went_off == [7]

    def test_never_is_never(self, deadlines: Deadlines, alarm: Alarm) -> None:
        """
        An item whose deadline is taken away does not expire, and may get another one.
        """
        deadlines.within(alarm, 3)
        alarm.deadline = NEVER
        advance(deadlines, 5)
        assert alarm.went_off == []

        deadlines.within(alarm, 1)
        advance(deadlines, 1)

        assert alarm.went_off == [6]

    def test_dropped_items_are_forgotten(self, deadlines: Deadlines, alarm: Alarm) -> None:
        """
        The wheel keeps nothing of an item that was dropped, or has expired.
        """
        deadlines.within(alarm, 3)
        deadlines.drop(alarm)
        deadlines.drop(alarm)
        assert deadlines._due == {}

        deadlines.within(alarm, 1)
        advance(deadlines, 1)

        assert deadlines._due == {}

    def test_an_item_may_act_on_others_of_its_tick(self, deadlines: Deadlines) -> None:
        """
        Whoever expires first may drop or move another one that is due in the same tick.
        """

        class Rival(Alarm):
            other: Alarm

            def expire(self) -> None:
                super().expire()
                self._deadlines.drop(self.other)
                self._deadlines.within(self.other, 5)

        one, two = Rival(deadlines), Rival(deadlines)
        one.other, two.other = two, one
        deadlines.within(one, 2)
        deadlines.within(two, 2)

        advance(deadlines, 2)

        assert sorted([one.went_off, two.went_off]) == [[], [2]]
        advance(deadlines, 5)
        assert sorted([one.went_off, two.went_off]) == [[2], [7]]

    def test_a_failing_item_fails_alone(
        self, deadlines: Deadlines, alarm: Alarm, caplog: pytest.LogCaptureFixture
    ) -> None:
        """
        An item that cannot expire is logged, and the others of its tick expire.
        """

        class Broken(Alarm):
            def expire(self) -> None:
                raise RuntimeError("broken")

        deadlines.within(Broken(deadlines), 1)
        deadlines.within(alarm, 1)

        advance(deadlines, 1)

        assert alarm.went_off == [1]
        assert "broken" in caplog.text


class TestTicks:
    @pytest.mark.parametrize("seconds", [0, 0.1, TICK_S, 0.3, 1, 75])
    def test_are_never_early(self, seconds: float) -> None:
        """
        A tick may be about to end when a deadline is set: one more than the seconds hold.
        """
        assert (ticks(seconds) - 1) * TICK_S >= seconds
