"""How blocks of requests vary: in time, between parts of live, and between the stacks.  What `effects` makes use of.

All take blocks in the order of time, each (hits, size), and compare neighbours: a slow drift is no variation.
"""

from collections.abc import Iterable, Sequence
from itertools import pairwise
from math import sqrt
from typing import Final, NamedTuple

COMPARED_MIN: Final = 12  # blocks that both stacks have to have requests in, before anything is called shared
WEIGHTY_MIN: Final = 8.0  # blocks that a variance is made of, were all alike; from fewer nothing is called shared


class Spread(NamedTuple):
    """How a fraction varies from block to block: the correlation within a block of `size` requests, and its effect."""

    rho: float = 0.0
    size: float = 1.0

    @property
    def phi(self) -> float:
        return self.at(self.size)

    def at(self, size: float) -> float:
        """Return the effect in blocks of another size."""
        return 1.0 + max(size - 1.0, 0.0) * self.rho


def spread_in_time(hits: Sequence[float], sizes: Sequence[float]) -> Spread:
    """Return how blocks that follow each other vary.  Empty blocks are left out."""
    blocks = [(x, n) for x, n in zip(hits, sizes, strict=True) if n]
    total = sum([n for _, n in blocks])
    if len(blocks) < 2:
        return Spread()
    theta = sum([x for x, _ in blocks]) / total
    size = total / len(blocks)
    if not 0 < theta < 1 or size <= 1:
        return Spread()
    fractions = [x / n for x, n in blocks]
    varied = sum([(b - a) ** 2 for a, b in pairwise(fractions)]) / (2 * (len(blocks) - 1))
    rho = min(max((varied * size / (theta * (1 - theta)) - 1) / (size - 1), 0.0), 1.0)
    spread = Spread(rho, size)
    return spread if spread.phi > _noise(len(blocks)) else Spread(0.0, size)


def spread_by_assignment(control: Iterable[tuple[float, float]], rest: Iterable[tuple[float, float]]) -> float:
    """Return how much more two random parts of live differ than independent requests would; blocks of (hits, size)."""
    blocks = [(c, r) for c, r in zip(control, rest, strict=True) if c[1] and r[1]]
    total = sum([c[1] + r[1] for c, r in blocks])
    theta = sum([c[0] + r[0] for c, r in blocks]) / total if total else 0.0
    if not 0 < theta < 1:
        return 1.0
    differed = sum([(c[0] / c[1] - r[0] / r[1]) ** 2 for c, r in blocks])
    by_chance = theta * (1 - theta) * sum([1 / c[1] + 1 / r[1] for c, r in blocks])
    phi = differed / by_chance
    return phi if phi > _noise(len(blocks)) else 1.0


def _noise(blocks: float) -> float:
    return 1.0 + 2.0 * sqrt(2.0 / blocks)


def clusters(
    control: Sequence[tuple[float, float]], rest: Sequence[tuple[float, float]], blocks_min: int
) -> float | None:
    """Return how many hits come in one heap that is not shared by all of live; None from too few blocks.

    What the rest of live varies by and the control slice does not is no fate of the stack: it is single clients' heaps,
    which are as large on a small share.  It is 1 unless it is beyond two standard errors.
    """
    blocks = [(c[0] / c[1], r[0] / r[1], *r) for c, r in zip(control, rest, strict=True) if c[1] and r[1]]
    if len(blocks) < blocks_min:
        return None
    total = sum([n for _, _, _, n in blocks])
    theta = sum([x for _, _, x, _ in blocks]) / total
    if not 0 < theta < 1:
        return 1.0
    by_chance = theta * (1 - theta) * len(blocks) / total
    apart = [(b[1] - a[1]) * (b[1] - a[1] - b[0] + a[0]) / 2 - by_chance for a, b in pairwise(blocks)]
    mean = sum(apart) / len(apart)
    error = sqrt(sum([(each - mean) ** 2 for each in apart])) / len(apart)
    return 1.0 + mean / by_chance if mean > 2 * error else 1.0


def part_apart(shadow: Sequence[tuple[float, float]], live: Sequence[tuple[float, float]]) -> float | None:
    """Return what part of both stacks' variation in time is not common to them, at the most; None while unknown.

    The variance of the difference of two stacks that share nothing is the sum of theirs.  Blocks of (hits, size).
    """
    blocks = [(x_s / n_s, x_l / n_l) for (x_s, n_s), (x_l, n_l) in zip(shadow, live, strict=True) if n_s and n_l]
    if len(blocks) < COMPARED_MIN:
        return None
    steps = [(b[0] - a[0], b[1] - a[1]) for a, b in pairwise(blocks)]
    both = [of_shadow**2 + of_live**2 for of_shadow, of_live in steps]
    total = sum(both)
    if not total:
        return None
    weighty = total * total / sum([each * each for each in both])
    if weighty < WEIGHTY_MIN:
        return None
    return min(1.0, sum([(a - b) ** 2 for a, b in steps]) / total * _noise(weighty))
