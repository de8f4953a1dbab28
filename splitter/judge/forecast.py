"""Where a figure is heading: growth that may level off, and slopes that outliers cannot bend.

Growth (memory, pids, connections).  A leak and a cache that fills look alike for a while, so no single curve is
believed.  Every shape y = A + B·g(t) is fitted by least squares, g being 0 before an onset and then a straight line or
a saturating one, τ·(1 − exp(−t/τ)); all that fit about as well as the best are *compatible* with what was seen, and the
most benign of them says how much time there is at least.  An alarm therefore comes when even the kindest reading is a
breach.  Assumes that growth goes on as one of the shapes.  What breaks without: a ramp that would have ended in a
plateau is a leak for as long as it lasts.

Samples that follow each other are alike, so they count for fewer than they are: n_eff = n·(1 − r)/(1 + r) with r the
correlation of neighbouring residuals.  Without it random walks look like certain trends.

Slopes.  Sen's slope is the median of the slopes between all pairs of points (Theil 1950, Sen 1968), and its lower limit
at 3.09 standard deviations the one of rank given by Kendall's test: the trend is steeper, but for one chance in 1 000.
No distribution is assumed, and a third of the points may be nonsense.
"""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise
from math import exp, inf, log, sqrt
from typing import Final, NamedTuple

ONSETS: Final = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8)  # parts of the time that was looked at
TAUS_S: Final = (60.0, 120.0, 240.0, 480.0, 900.0, 1_800.0, 3_600.0, 7_200.0, inf)
POINTS_MIN: Final = 10
POINTS_AFTER_ONSET: Final = 6
COMPATIBLE: Final = 9.0
SLOPE_ERRORS: Final = 4.0  # standard errors that the best fit's growth must be beyond
CORRELATION_MAX: Final = 0.9
KENDALL_Z: Final = 3.09
REACH: Final = 300.0

_NOISE_MIN = 1e-5  # of the limit: what is sampled is never smoother than this


@dataclass(frozen=True, slots=True)
class Shape:
    """One curve, fitted: y = base + growth·g(t) from `onset_s` on; `sse` is what it leaves unexplained."""

    onset_s: float
    tau_s: float
    base: float
    growth: float
    sse: float
    spread: float  # of g, squared and summed

    def crosses_s(self, limit: float) -> float:
        """Return when it reaches `limit`; inf for never."""
        if self.growth <= 0:
            return inf
        needed = (limit - self.base) / self.growth
        if self.tau_s == inf:
            return self.onset_s + needed
        return self.onset_s - self.tau_s * log(1.0 - needed / self.tau_s) if needed < self.tau_s else inf

    def at(self, t: float) -> float:
        """Return the curve's value."""
        return self.base + self.growth * _grown(t - self.onset_s, self.tau_s)


@dataclass(frozen=True, slots=True)
class Growth:
    """What a series may become: `breach_s` from now on at the kindest, inf: not in sight.

    `is_sure`: the best fit grows beyond doubt, and it has for `growing_s`.
    """

    breach_s: float
    growing_s: float
    is_sure: bool

    def is_alarming(self, horizon_s: float) -> bool:
        """Return whether a breach is near, in absolute terms and as seen from how long it has been growing."""
        return self.is_sure and self.breach_s <= min(horizon_s, 0.5 * self.growing_s)


def growth(times: Sequence[float], values: Sequence[float], limit: float, now_s: float) -> Growth | None:
    """Return where a series is heading; None from too few points.  Values are parts of what `limit` is one of."""
    n = len(times)
    if n < POINTS_MIN:
        return None
    fits = shapes(times, values)
    best = min(fits, key=lambda shape: shape.sse)
    rho = _correlation([value - best.at(t) for t, value in zip(times, values, strict=True)])
    n_eff = n * (1 - rho) / (1 + rho)
    bound = best.sse * exp(COMPATIBLE / n_eff)
    crossing_s = max(shape.crosses_s(limit) for shape in fits if shape.sse <= bound)
    error = sqrt(best.sse / (n - 2) / best.spread * n / n_eff)
    return Growth(
        breach_s=0.0 if values[-1] >= limit else max(0.0, crossing_s - now_s),
        growing_s=now_s - best.onset_s,
        is_sure=best.growth > SLOPE_ERRORS * error,
    )


def sen_slope(times: Sequence[float], values: Sequence[float]) -> tuple[float, float] | None:
    """Return the median slope of all pairs of points and its lower limit; None where no limit can be had."""
    n = len(times)
    slopes = sorted(
        [(values[j] - values[i]) / (times[j] - times[i]) for i in range(n) for j in range(i + 1, n)],
    )
    rank = int((len(slopes) - KENDALL_Z * sqrt(n * (n - 1) * (2 * n + 5) / 18)) / 2)
    if rank < 1:
        return None
    middle = len(slopes) // 2
    median = slopes[middle] if len(slopes) % 2 else (slopes[middle - 1] + slopes[middle]) / 2
    return median, slopes[rank - 1]


def straight(xs: Sequence[float], ys: Sequence[float]) -> tuple[float, float] | None:
    """Return (base, slope) of the least-squares line; None where all `xs` are the same."""
    n = len(xs)
    mean_x, mean_y = sum(xs) / n, sum(ys) / n
    spread = sum([(x - mean_x) ** 2 for x in xs])
    if not spread:
        return None
    slope = sum([(x - mean_x) * (y - mean_y) for x, y in zip(xs, ys, strict=True)]) / spread
    return mean_y - slope * mean_x, slope


class _Sums(NamedTuple):
    """Sums over the points after an onset: of 1, y, e, e² and e·y, where e falls as exp(-t/τ); for a line, e is t."""

    n: float
    y: float
    e: float
    ee: float
    ey: float


def shapes(times: Sequence[float], values: Sequence[float]) -> list[Shape]:
    """Fit every shape.  Onsets share the sums of one τ, taken from the last point backwards: 81 fits cost as 9 do."""
    first, last, mean = times[0], times[-1], sum(values) / len(values)
    off = [value - mean for value in values]
    scatter = sum([y * y for y in off])
    onsets = [first + part * (last - first) for part in ONSETS]
    places = [bisect_right(times, onset_s) for onset_s in onsets]
    fits: list[Shape] = []
    for tau_s in TAUS_S:
        is_shared = tau_s == inf or last - first <= REACH * tau_s  # beyond, exp(-t/τ) is nothing but rounding
        sums = _sums_from(_falling(times, first, tau_s), off) if is_shared else []
        for onset_s, place in zip(onsets, places, strict=True):
            if len(times) - place < POINTS_AFTER_ONSET:
                continue
            after = sums[place] if is_shared else _sums_from(_falling(times[place:], onset_s, tau_s), off[place:])[0]
            began_s = onset_s - first if is_shared else 0.0
            fits.append(_fitted(onset_s, tau_s, began_s, after, len(times), mean, scatter))
    return fits


def _falling(times: Sequence[float], first: float, tau_s: float) -> list[float]:
    return [t - first for t in times] if tau_s == inf else [exp(-(t - first) / tau_s) for t in times]


def _sums_from(terms: Sequence[float], off_y: Sequence[float]) -> list[_Sums]:
    """Return, for each place, the sums from there to the end."""
    columns = (
        off_y,
        terms,
        [e * e for e in terms],
        [e * y for e, y in zip(terms, off_y, strict=True)],
    )
    backwards = [list(accumulate(reversed(column)))[::-1] for column in columns]
    count = len(terms)
    return [_Sums(count - place, *row) for place, row in enumerate(zip(*backwards, strict=True))]


def _fitted(onset_s: float, tau_s: float, began_s: float, after: _Sums, n: int, mean_y: float, scatter: float) -> Shape:
    """Fit one shape to `n` values, given by their mean and their `scatter` around it.

    `began_s` is how long the onset is after where the sums count time from.
    """
    count, y, e, ee, ey = after
    if tau_s == inf:
        total, squares, along = e - count * began_s, ee - 2 * began_s * e + count * began_s**2, ey - began_s * y
    else:
        lift = exp(began_s / tau_s)
        total = tau_s * (count - lift * e)
        squares = tau_s**2 * (count - 2 * lift * e + lift**2 * ee)
        along = tau_s * (y - lift * ey)
    mean_g = total / n
    spread = squares - total * mean_g
    growth = along / spread
    sse = max(0.0, scatter - growth * along)
    return Shape(onset_s, tau_s, mean_y - growth * mean_g, growth, sse + n * _NOISE_MIN**2, spread)


def _grown(since_s: float, tau_s: float) -> float:
    if since_s <= 0:
        return 0.0
    return since_s if tau_s == inf else tau_s * (1.0 - exp(-since_s / tau_s))


def _correlation(residuals: Sequence[float]) -> float:
    """Return how alike neighbouring residuals are, from 0 to `CORRELATION_MAX`."""
    total = sum([each * each for each in residuals])
    if not total:
        return 0.0
    return min(max(sum([a * b for a, b in pairwise(residuals)]) / total, 0.0), CORRELATION_MAX)
