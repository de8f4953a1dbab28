import json
from collections.abc import Callable

from splitter.judge.config import Mode
from splitter.judge.growth import Filling


def filling() -> Filling:
    return Filling("memory", Mode.ROLLBACK, 0.95, 600.0)


def leak(t: float) -> float:
    """Return memory that is full after twenty minutes, in a saw-tooth of a tenth."""
    return 0.3 + 0.65 * t / 1_200 + 0.1 * (t % 20 / 20)


def flat(t: float) -> float:
    return 0.3 + 0.1 * (t % 20 / 20)


def watch(
    watched: Filling,
    shadow: Callable[[float], float],
    seconds: int = 1_200,
    *,
    live: Callable[[float], float] = flat,
    start: int = 0,
) -> int | None:
    """Observe with a sample every fifth second until there is an alarm; return when that was."""
    for t in range(start + 1, start + seconds + 1):
        is_sampled = t % 5 == 0
        watched.observe(live(t) if is_sampled else None, shadow(t) if is_sampled else None, float(t), 1.0)
        if watched.is_alarming:
            return t
    return None


class TestFilling:
    def test_foresees_a_leak_in_time(self) -> None:
        """
        The alarm comes minutes before the memory is full, through the saw-tooth of a collector.
        """
        watched = filling()

        alarmed_s = watch(watched, leak)

        assert alarmed_s is not None
        assert 1_200 - alarmed_s >= 180
        forecast = watched.forecast()
        assert forecast is not None
        assert forecast.is_alarm
        assert forecast.breach_s is not None
        assert 180 < forecast.breach_s <= 600
        assert forecast.sentence.startswith("memory in use: ")
        assert ", and 95 % in " in forecast.sentence

    def test_sees_no_breach_in_flat_memory(self) -> None:
        """
        A saw-tooth that goes nowhere is no alarm, no gate and no breach.
        """
        watched = filling()

        assert watch(watched, flat, 3_600) is None
        forecast = watched.forecast()
        assert forecast is not None
        assert forecast.breach_s is None
        assert forecast.sentence == "memory in use: 30 % of the limit, nothing says that 95 % will be reached"
        assert watched.gate == watched.warning == ""

    def test_begins_anew_with_the_share(self) -> None:
        """
        More requests need more memory at once: the step is not seen, and half a minute after it is left out.
        """
        watched = filling()
        watch(watched, flat, 900)

        watched.restart(900.0)

        assert watched.forecast() is None
        assert watch(watched, lambda t: 0.7 if t > 915 else 0.3, 1_200, start=900) is None

    def test_does_not_leave_for_a_live_that_fills_up_too(self) -> None:
        """
        Where live leaks the same a person is told, and the shadow stays.
        """
        watched = filling()

        assert watch(watched, leak, 1_100, live=leak) is None
        assert watched.warning == "both stacks fill up their memory: to go back to live would help nobody"

    def test_holds_a_promotion_back_long_before(self) -> None:
        """
        A leak that is full in an hour is a gate while it is no alarm yet.
        """
        watched = filling()

        assert watch(watched, lambda t: 0.3 + 0.65 * t / 3_600, 1_200) is None
        assert watched.gate == "memory would reach 95 % of the limit within 40 min"

    def test_goes_on_from_its_state(self) -> None:
        """
        One restored from JSON in the middle of a bucket raises its alarm in the same tick.
        """
        watched, copy = filling(), filling()
        watch(watched, leak, 707)

        copy.restore(json.loads(json.dumps(watched.state())))

        assert watched.forecast() == copy.forecast()
        assert watch(watched, leak, start=707) == watch(copy, leak, start=707) is not None

    def test_says_nothing_without_samples(self) -> None:
        """
        A provisioner that cannot sample makes no forecast.
        """
        watched = filling()
        for t in range(100):
            watched.observe(None, None, float(t), 1.0)

        assert watched.forecast() is None
