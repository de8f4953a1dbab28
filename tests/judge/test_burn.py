import json

from splitter.judge.burn import Burn
from splitter.judge.config import GuardOptions, JudgeConfig
from splitter.judge.effects import Design
from splitter.judge.tick import Reading, Tick
from splitter.model import Counts

DESIGN = Design(0, 600.0)


def burn(slo: float | None = 0.001) -> Burn:
    return Burn(JudgeConfig(guards=GuardOptions(slo=slo)))


def watch(watched: Burn, ticks: int, failures: int, *, every: int = 1, live: int = 900) -> Burn:
    """Observe 100 requests of the shadow a tick, some of which fail in every so manieth."""
    for t in range(ticks):
        shadow = Counts(n=100, e5=failures if t % every == 0 else 0)
        watched.observe(Reading(Tick(t, live=Counts(n=live), shadow=shadow), 0, 0), DESIGN, 1.0)
    return watched


class TestBurn:
    def test_rolls_back_when_the_budget_is_gone_in_two_days(self) -> None:
        """
        Three percent of failures burn a budget of a thousandth thirty times as fast as it may.
        """
        watched = watch(burn(), 60, 3)

        alarm = watched.alarm()

        assert alarm is not None
        assert alarm.guard == "guards.slo"
        assert alarm.sentence.startswith("180 of 6000 shadow requests failed: ")
        assert "against 'live + 14.4 x 0.1 %', needed 4 000 : 1" in alarm.sentence

    def test_holds_a_promotion_back_at_six_times(self) -> None:
        """
        One percent is ten times the budget: no alarm, and no promotion.
        """
        watched = watch(burn(), 300, 1)

        assert watched.alarm() is None
        assert watched.proven == 6.0
        assert watched.gate == "the error budget burns 6 times as fast as it may"

    def test_tells_how_long_the_budget_lasts(self) -> None:
        """
        The time is a month by what surely burns.
        """
        forecast = watch(burn(), 2_000, 1, every=3).forecast()

        assert forecast is not None
        assert forecast.breach_s == 30 * 86_400
        assert not forecast.is_alarm
        assert "surely 1 times: a month's is gone in " in forecast.sentence

    def test_leaves_what_is_within(self) -> None:
        """
        Failures within the budget, and those that live has as well, burn nothing.
        """
        watched = watch(burn(), 1_000, 1, every=20)

        forecast = watched.forecast()

        assert watched.proven == 0.0
        assert watched.gate == ""
        assert forecast is not None
        assert forecast.breach_s is None

    def test_counts_without_live(self) -> None:
        """
        A promoted shadow is held against its budget alone.
        """
        assert watch(burn(), 60, 3, live=0).alarm() is not None

    def test_is_off_without_an_objective(self) -> None:
        """
        Without a budget nothing burns.
        """
        watched = watch(burn(None), 60, 50)

        assert watched.alarm() is None
        assert watched.forecast() is None

    def test_goes_on_from_its_state(self) -> None:
        """
        One restored from JSON says the same ever after.
        """
        watched, copy = watch(burn(), 40, 1), burn()

        copy.restore(json.loads(json.dumps(watched.state())))

        assert watch(watched, 20, 2).forecast() == watch(copy, 20, 2).forecast()
