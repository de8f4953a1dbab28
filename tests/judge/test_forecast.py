import random
from collections.abc import Callable
from math import exp, inf, log

import pytest

from splitter.judge.forecast import (
    ONSETS,
    POINTS_AFTER_ONSET,
    TAUS_S,
    Growth,
    Shape,
    growth,
    sen_slope,
    shapes,
    straight,
)

FULL = 0.95


def series(
    shape: Callable[[float], float], minutes: float, *, noise: float = 0.003, seed: int = 1
) -> tuple[list[float], list[float]]:
    """Return a point each half minute."""
    dice = random.Random(seed)
    times = [30.0 * number for number in range(1, int(2 * minutes) + 1)]
    return times, [shape(t) + dice.gauss(0, noise) for t in times]


def foreseen(times: list[float], values: list[float]) -> Growth | None:
    return growth(times, values, FULL, times[-1])


def fitted(times: list[float], values: list[float], onset_s: float, tau_s: float) -> Shape:
    """Fit one shape as the textbook does, point by point."""
    since = [max(0.0, t - onset_s) for t in times]
    grown = since if tau_s == inf else [tau_s * (1 - exp(-s / tau_s)) for s in since]
    mean_g, mean_y = sum(grown) / len(times), sum(values) / len(times)
    spread = sum((g - mean_g) ** 2 for g in grown)
    growth = sum((g - mean_g) * (y - mean_y) for g, y in zip(grown, values, strict=True)) / spread
    base = mean_y - growth * mean_g
    sse = sum((y - base - growth * g) ** 2 for g, y in zip(grown, values, strict=True))
    return Shape(onset_s, tau_s, base, growth, sse, spread)


class TestShapes:
    @pytest.mark.parametrize("step_s", [30.0, 30.4, 3_000.0])
    @pytest.mark.parametrize("points", [10, 47, 120])
    def test_are_fitted_as_point_by_point(self, step_s: float, points: int) -> None:
        """
        Sums that all onsets share give what each fit by itself gives, also over a day with one point an hour.
        """
        dice = random.Random(points)
        times = [1_234.5 + step_s * place for place in range(points)]
        values = [0.3 + 0.4 * max(0.0, place / points - 0.3) + dice.gauss(0, 0.003) for place in range(points)]

        found = shapes(times, values)

        onsets = [times[0] + part * (times[-1] - times[0]) for part in ONSETS]
        wanted = [each for each in onsets if sum(t > each for t in times) >= POINTS_AFTER_ONSET]
        assert {(onset_s, tau_s) for onset_s in wanted for tau_s in TAUS_S} == {(s.onset_s, s.tau_s) for s in found}
        for shape in found:
            single = fitted(times, values, shape.onset_s, shape.tau_s)
            assert shape.growth == pytest.approx(single.growth, rel=1e-6, abs=1e-12)
            assert shape.base == pytest.approx(single.base, rel=1e-6)
            assert shape.spread == pytest.approx(single.spread, rel=1e-6)
            assert shape.sse == pytest.approx(single.sse, rel=1e-5, abs=2e-8)


class TestGrowth:
    def test_foresees_a_leak(self) -> None:
        """
        Memory that grows by a hundredth in a minute and is at .85 is full in ten minutes, at the kindest, and has grown
        for all of the time.
        """
        times, values = series(lambda t: 0.5 + t / 6_000, 35)

        found = growth(times, values, FULL, times[-1])

        assert found is not None
        assert found.is_sure
        assert 500 < found.breach_s < 800
        assert found.growing_s == pytest.approx(times[-1] - times[0])
        assert found.is_alarming(900.0)
        assert not found.is_alarming(300.0)

    def test_sees_when_a_leak_began(self) -> None:
        """
        A leak that began late is timed from its onset: three minutes of growth warn of no breach in ten.
        """
        found = foreseen(*series(lambda t: 0.3 + max(0.0, t - 1_200) / 3_000, 24))

        assert found is not None
        assert found.growing_s < 400
        assert not found.is_alarming(600.0)

    @pytest.mark.parametrize(
        "shape",
        [
            lambda t: 0.6,
            lambda t: 0.3 + 0.55 * (1 - exp(-t / 500)),
            lambda t: 0.3 + 0.1 * log(1 + t / 60),
            lambda t: 0.4 + 0.3 * (t > 700),
        ],
        ids=["flat", "saturating", "logarithmic", "step"],
    )
    @pytest.mark.parametrize("minutes", [6, 10, 15, 20, 30, 60])
    def test_is_not_alarmed_by_what_levels_off(self, shape: Callable[[float], float], minutes: float) -> None:
        """
        As long as one shape that fits ends below the limit, there is time.
        """
        found = foreseen(*series(shape, minutes))

        assert found is not None
        assert not found.is_alarming(600.0)

    def test_needs_ten_points(self) -> None:
        """
        Less than five minutes tell nothing.
        """
        assert foreseen(*series(lambda t: t / 300, 4.5)) is None

    def test_is_over_when_it_is_full(self) -> None:
        """
        At the limit no time is left.
        """
        found = foreseen(*series(lambda t: t / 1_000, 16))

        assert found is not None
        assert found.breach_s == 0.0

    def test_takes_a_line_without_any_noise(self) -> None:
        """
        A perfect fit divides nothing by zero.
        """
        found = foreseen(*series(lambda t: t / 2_000, 10, noise=0.0))

        assert found is not None
        assert found.breach_s == pytest.approx(1_300, rel=0.1)

    def test_has_no_breach_in_sight_of_a_fall(self) -> None:
        """
        Memory that is given back never fills.
        """
        found = foreseen(*series(lambda t: 0.9 - t / 6_000, 20))

        assert found is not None
        assert found.breach_s == inf
        assert not found.is_sure


class TestSenSlope:
    def test_is_not_bent_by_outliers(self) -> None:
        """
        A fifth of nonsense leaves median and sign as they are.
        """
        times = [float(t) for t in range(20)]
        values = [2.0 * t + (500 if t in (3, 9, 14, 18) else 0) for t in times]

        slope = sen_slope(times, values)

        assert slope is not None
        assert slope[0] == pytest.approx(2.0)
        assert slope[1] > 0

    def test_has_a_lower_limit_of_the_rank_that_kendall_gives(self) -> None:
        """
        With ten points there are 45 slopes, and the limit is the one of rank ⌊(45 - 3.09·√125)/2⌋ = 5.
        """
        dice = random.Random(1)
        times = [float(t) for t in range(10)]
        values = [dice.random() for _ in times]
        slopes = sorted((values[j] - values[i]) / (times[j] - times[i]) for i in range(10) for j in range(i + 1, 10))

        assert sen_slope(times, values) == (slopes[22], slopes[4])

    def test_is_rarely_above_nothing_by_chance(self) -> None:
        """
        Of 500 series without a trend at most a few have a lower limit above 0; one in a thousand is promised.
        """
        dice = random.Random(2)
        times = [float(t) for t in range(20)]
        slopes = [sen_slope(times, [dice.random() for _ in times]) for _ in range(500)]

        assert sum(slope is not None and slope[1] > 0 for slope in slopes) <= 3

    def test_is_none_from_too_few_points(self) -> None:
        """
        From a handful of points no limit can be had.
        """
        assert sen_slope([0.0, 1.0, 2.0], [0.0, 1.0, 2.0]) is None


class TestStraight:
    def test_is_the_line(self) -> None:
        """
        Base and slope come back.
        """
        assert straight([0.0, 1.0, 2.0], [1.0, 3.0, 5.0]) == pytest.approx((1.0, 2.0))

    def test_needs_two_places(self) -> None:
        """
        Points above each other make no line.
        """
        assert straight([1.0, 1.0], [1.0, 3.0]) is None
