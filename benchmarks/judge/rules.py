"""Fixed rules that people roll back by today, in a few lines each, for comparison.

All look at the same counts as the judge.  Each is as its users run it: a test made for one look, looked at again and
again, or a threshold with strikes.
"""

from itertools import pairwise
from math import sqrt
from statistics import NormalDist
from typing import Protocol

from splitter.model import Counts

INTERVAL_S = 60
STRIKES = 3
LEVEL = 0.01
_NORMAL = NormalDist()


class Rule(Protocol):
    """A rule: told what both stacks did in a second, it says whether to roll back."""

    name: str

    def observe(self, live: Counts, shadow: Counts) -> bool: ...


class Strikes:
    """Every minute: more than 1 % of errors, or twice live's part of answers above its p99.  Three strikes are out."""

    name = "threshold, 3 strikes"

    def __init__(self, p99_live: int, p99_shadow: int) -> None:
        """Take p99's place among the edges of either side."""
        self._places = p99_live, p99_shadow
        self._seconds = self._strikes = 0
        self._sums = [0, 0, 0, 0, 0, 0]  # n, errors, above, answers of the shadow; above, answers of live

    def observe(self, live: Counts, shadow: Counts) -> bool:
        above_l, above_s = sum(live.bins[self._places[0] + 1 :]), sum(shadow.bins[self._places[1] + 1 :])
        figures = (shadow.n, shadow.e5, above_s, sum(shadow.bins), above_l, sum(live.bins))
        self._sums = [have + more for have, more in zip(self._sums, figures, strict=True)]
        self._seconds += 1
        if self._seconds % INTERVAL_S:
            return False
        n, errors, above_s, answers_s, above_l, answers_l = self._sums
        self._sums = [0] * 6
        is_failing = bool(n) and errors / n > 0.01
        is_slow = bool(answers_s and answers_l) and above_s / answers_s > 2 * above_l / answers_l
        self._strikes += is_failing or is_slow
        return self._strikes >= STRIKES


class RankTest:
    """Every minute: Mann and Whitney's test on all latencies so far, at the one-sided level of 1 %."""

    name = "Mann–Whitney each minute"

    def __init__(self, live: list[int], shadow: list[int]) -> None:
        """Take the places of the edges that both sides have."""
        self._places = live, shadow
        self._counts = [[0] * (len(live) + 1), [0] * (len(shadow) + 1)]
        self._seconds = 0

    def observe(self, live: Counts, shadow: Counts) -> bool:
        for side, counts in enumerate((live, shadow)):
            above = [sum(counts.bins), *(sum(counts.bins[place + 1 :]) for place in self._places[side]), 0]
            new = [low - high for low, high in pairwise(above)]
            self._counts[side] = [have + more for have, more in zip(self._counts[side], new, strict=True)]
        self._seconds += 1
        return self._seconds % INTERVAL_S == 0 and self._is_slower()

    def _is_slower(self) -> bool:
        lives, shadows = self._counts
        n_l, n_s = sum(lives), sum(shadows)
        if min(n_l, n_s) < 50:
            return False
        below, wins, ties = 0, 0.0, 0.0
        for x_l, x_s in zip(lives, shadows, strict=True):
            wins += x_s * (below + x_l / 2)
            below += x_l
            ties += (x_l + x_s) ** 3 - (x_l + x_s)
        n = n_l + n_s
        spread = sqrt(n_l * n_s / 12 * (n + 1 - ties / (n * (n - 1))))
        return spread > 0 and (wins - n_l * n_s / 2) / spread > _NORMAL.inv_cdf(1 - LEVEL)


class ZTest:
    """Every second: the test of two proportions on all errors so far, at the one-sided level of 1 %."""

    name = "z-test each second"

    def __init__(self) -> None:
        self._sums = [0, 0, 0, 0]

    def observe(self, live: Counts, shadow: Counts) -> bool:
        figures = (live.e5, live.n, shadow.e5, shadow.n)
        self._sums = [have + more for have, more in zip(self._sums, figures, strict=True)]
        x_l, n_l, x_s, n_s = self._sums
        if min(n_l, n_s) < 50 or x_l + x_s < 5:
            return False
        pooled = (x_l + x_s) / (n_l + n_s)
        spread = sqrt(pooled * (1 - pooled) * (1 / n_l + 1 / n_s))
        return spread > 0 and (x_s / n_s - x_l / n_l) / spread > _NORMAL.inv_cdf(1 - LEVEL)


NAMES = (Strikes.name, RankTest.name, ZTest.name)
