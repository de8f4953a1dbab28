import json
import random
from collections.abc import Callable

from splitter.judge.calibration import Baseline, Tails, binned, calibrate
from splitter.judge.config import JudgeConfig
from splitter.judge.effects import Design
from splitter.judge.tick import Reading, Tick
from splitter.judge.trend import Trend
from splitter.model import Counts

CONFIG = JudgeConfig()


def latencies(dice: random.Random, n: int, slower: float) -> list[tuple[int, int]]:
    return [(int(slower * 50_000 * dice.lognormvariate(0, 0.4)), 1) for _ in range(n)]


SCALE = calibrate(CONFIG, Baseline(n=20_000, latency=tuple(sorted(latencies(random.Random(1), 20_000, 1.0)))))
DESIGN = Design(len(SCALE.live_us), 600.0)


def trend() -> Trend:
    return Trend(CONFIG, SCALE, Tails(SCALE.tails))


def watch(watched: Trend, seconds: int, slower: Callable[[int], float], *, start: int = 0) -> int | None:
    """Observe both sides with 60 requests a second until there is an alarm; return when that was."""
    dice = random.Random(start)
    for t in range(start, start + seconds):
        live = Counts(n=60, bins=binned(latencies(dice, 60, 1.0), SCALE.live_us))
        shadow = Counts(n=60, bins=binned(latencies(dice, 60, slower(t)), SCALE.shadow_us))
        reading = Reading(Tick(t, live=live, shadow=shadow), len(SCALE.live_us), len(SCALE.shadow_us))
        watched.observe(reading, DESIGN, float(t + 1), 1.0, is_warm=True)
        if watched.is_alarming:
            return t + 1
    return None


class TestTrend:
    def test_foresees_a_drift_before_it_is_too_much(self) -> None:
        """
        Latency that grows by half a percent in a minute passes the tolerance of some six percent after twelve; the
        alarm comes before, with the time that is left.
        """
        watched = trend()

        alarmed_s = watch(watched, 800, lambda t: 1 + 0.005 * t / 60)

        assert alarmed_s is not None
        assert alarmed_s < 700
        forecast = watched.forecast()
        assert forecast is not None
        assert forecast.is_alarm
        assert forecast.breach_s is not None
        assert forecast.breach_s > 0
        assert "that it is slower at all, needed 2 000 : 1" in forecast.sentence

    def test_leaves_a_difference_that_does_not_grow(self) -> None:
        """
        Surely slower by three percent, within the tolerance, and for ever: no alarm and no gate.
        """
        watched = trend()

        assert watch(watched, 700, lambda t: 1.03) is None
        forecast = watched.forecast()
        assert forecast is not None
        assert forecast.breach_s is None
        assert forecast.sentence.endswith("above live's, and not surely growing")
        assert watched.gate == ""

    def test_needs_evidence_besides_a_trend(self) -> None:
        """
        A shadow that was faster and grows to be as live is surely growing and not surely slower.
        """
        watched = trend()

        assert watch(watched, 600, lambda t: 0.85 + 0.15 * t / 600) is None
        assert watched.gate.startswith("latency drifts away from live's")

    def test_begins_anew_with_the_share(self) -> None:
        """
        A step that more load brings is no trend; the evidence is kept.
        """
        watched = trend()
        watch(watched, 360, lambda t: 1.0)
        assert watched.forecast() is not None

        watched.restart()

        assert watched.forecast() is None

    def test_goes_on_from_its_state(self) -> None:
        """
        One restored from JSON in the middle of a block raises its alarm in the same tick.
        """
        watched, copy = trend(), trend()
        watch(watched, 317, lambda t: 1 + 0.01 * t / 60)

        copy.restore(json.loads(json.dumps(watched.state())))

        assert watched.forecast() == copy.forecast()
        ends = [watch(each, 500, lambda t: 1 + 0.01 * t / 60, start=317) for each in (watched, copy)]
        assert ends[0] == ends[1] is not None

    def test_says_nothing_without_edges(self) -> None:
        """
        Where live had too few answers there is no trend to see.
        """
        scale = calibrate(CONFIG, Baseline())
        blind = Trend(CONFIG, scale, Tails(scale.tails))

        reading = Reading(Tick(0, live=Counts(n=9, bins=(9, 0)), shadow=Counts(n=9, bins=(0, 9))), 1, 1)
        blind.observe(reading, Design(1, 600.0), 1.0, 1.0, is_warm=True)

        assert blind.forecast() is None
        assert not blind.is_alarming
