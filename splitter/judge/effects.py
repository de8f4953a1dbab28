"""Design effects: how many requests of correlated traffic are worth one independent request.

Bets take every request for a fact of its own.  A stall of a second makes hundreds of slow answers out of one fact, and
one heavy client on one side makes hundreds of errors; equal stacks then look unequal.  What is measured here is how
much more live varies than independent requests would, and counts are divided by that (`Stratum.thinned`).

In time (stalls, pauses, noisy neighbours): live's requests are cut into blocks of ten seconds, with the fraction f of
hits in each, θ in all.  V is the mean of (f − f before)²/2; differences of neighbours, so that a slow drift, which both
stacks share, does not count.  Independent requests would have V = θ(1 − θ)/n̄ for blocks of n̄ requests; the ratio gives
the correlation ρ within a block, and φ = 1 + (n̄ − 1)ρ for blocks of any size (Kish 1965).

By assignment (heavy clients): the control slice is a part of live as large as the shadow's, chosen alike.  What it and
the rest of live differ in beyond chance, in blocks of a minute, is what shadow and live would differ in, equal or not.

Assumes that the shadow's requests hang together as live's do.  What breaks without: a shadow that stalls where live
never does is taken for worse on stalls, which it is.  An estimate within the noise of estimating is set to 1, and
nothing is estimated from fewer than 50 hits or six blocks (one busy neighbour makes hundreds of the difference of
two); until then correlated traffic may fake a difference, which is why gains are capped as well (`bank`).  Effects of
a tick come from the ticks before it.
"""

from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from math import sqrt
from typing import Any, Final, NamedTuple

from splitter.judge.calibration import BLOCK_NEARLY_S
from splitter.judge.stats import INDEPENDENT, Effect
from splitter.judge.tick import Reading

BLOCK_S: Final = 10.0
BLOCKS_A_MINUTE: Final = 6
HITS_MIN: Final = 50
BLOCKS_MIN: Final = 6  # in time; fewer differences say next to nothing of how large they usually are
_PACE_HALF_LIFE_S: Final = 10.0


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


def _noise(blocks: int) -> float:
    return 1.0 + 2.0 * sqrt(2.0 / blocks)


class _Block(NamedTuple):
    """Hits and sizes of each quantity, of live and of the control slice in it."""

    x_l: tuple[float, ...]
    n_l: tuple[float, ...]
    x_c: tuple[float, ...]
    n_c: tuple[float, ...]


class Design:
    """The design effects of a rollout.  Written by `pace` before a tick is bet on and by `observe` after it.

    Quantities are the errors of single clients, all failures, and answers above each of live's edges.
    """

    def __init__(self, edges: int, window_s: float) -> None:
        # For the rollout.
        self._quantities = 2 + edges
        kept = max(2, round(window_s / BLOCK_S))
        # Over all ticks.
        self._blocks: deque[_Block] = deque(maxlen=kept)
        self._minutes: deque[_Block] = deque(maxlen=max(2, kept // BLOCKS_A_MINUTE))
        self._open_s = 0.0
        self._closed = 0  # blocks ever, for what is a minute
        self._pace = 0.0  # the shadow's requests per block, of late
        self._spreads = [(Spread(), Spread(), 1.0)] * self._quantities  # live, shadow, shadow by assignment
        # In the present tick.
        self._effects = [INDEPENDENT] * self._quantities
        # In the open block.
        self._x_l = [0.0] * self._quantities
        self._x_c = [0.0] * self._quantities
        self._n_l = self._m_l = self._n_c = self._m_c = 0.0

    @property
    def errors(self) -> Effect:
        """The effect on errors, each client's once."""
        return self._effects[0]

    @property
    def failures(self) -> Effect:
        """The effect on failures, each as often as it was met."""
        return self._effects[1]

    def above(self, edge: int) -> Effect:
        """Return the effect on answers above one of live's edges, by its place."""
        return self._effects[2 + edge]

    def largest(self, edges: Iterable[int]) -> Effect:
        """Return the largest effect on each side over some edges."""
        effects = [self.above(edge) for edge in edges]
        return Effect(max(each.s for each in effects), max(each.l for each in effects))

    def pace(self, reading: Reading, seconds: float) -> None:
        """Take in how many requests the shadow had: blocks of more requests have a larger effect."""
        now = reading.shadow.n / seconds * BLOCK_S
        kept = 0.5 ** (seconds / _PACE_HALF_LIFE_S)
        self._pace = self._pace * kept + now * (1.0 - kept) if self._pace else now
        self._effects = list(map(self._effect, self._spreads))

    def observe(self, reading: Reading, seconds: float, *, more_follows: bool = False) -> None:
        """Take in a tick that has been bet on.  `more_follows`: nobody asks for effects before the next one."""
        if not reading.is_timed:
            return
        live = (reading.live.e5u, reading.live.e5, *reading.live_above)
        control = (reading.control.e5u, reading.control.e5, *reading.control_above)
        self._x_l = [have + more for have, more in zip(self._x_l, live, strict=True)]
        self._x_c = [have + more for have, more in zip(self._x_c, control, strict=True)]
        self._n_l += reading.live.n
        self._m_l += reading.answers_l
        self._n_c += reading.control.n
        self._m_c += reading.answers_c
        self._open_s += seconds
        if self._open_s >= BLOCK_NEARLY_S:
            self._close()
            if not more_follows:
                self._estimate_all()

    def state(self) -> dict[str, Any]:
        """Return all that changes, as plain numbers."""
        return {
            "blocks": [list(map(list, block)) for block in self._blocks],
            "minutes": [list(map(list, block)) for block in self._minutes],
            "open": [self._x_l, self._x_c, self._n_l, self._m_l, self._n_c, self._m_c, self._open_s],
            "closed": self._closed,
            "pace": self._pace,
            "spreads": [[*live, *shadow, assigned] for live, shadow, assigned in self._spreads],
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from what `state` returned.  Raises ValueError if it is the state of other edges."""
        if len(state["spreads"]) != self._quantities:
            raise ValueError(f"{len(state['spreads'])} quantities are kept, {self._quantities} are wanted")
        for name, kept in (("blocks", self._blocks), ("minutes", self._minutes)):
            kept.clear()
            kept.extend(_Block(*(tuple(map(float, part)) for part in block)) for block in state[name])
        x_l, x_c, self._n_l, self._m_l, self._n_c, self._m_c, self._open_s = state["open"]
        self._x_l, self._x_c = list(x_l), list(x_c)
        self._closed = int(state["closed"])
        self._pace = float(state["pace"])
        self._spreads = [(Spread(*each[:2]), Spread(*each[2:4]), float(each[4])) for each in state["spreads"]]
        self._effects = list(map(self._effect, self._spreads))

    def _reset(self) -> None:
        self._x_l = [0.0] * self._quantities
        self._x_c = [0.0] * self._quantities
        self._n_l = self._m_l = self._n_c = self._m_c = 0.0
        self._open_s = 0.0

    def _effect(self, spreads: tuple[Spread, Spread, float]) -> Effect:
        live, shadow, assigned = spreads
        effect = Effect(max(shadow.at(self._pace), assigned), live.phi)
        return INDEPENDENT if effect == INDEPENDENT else effect

    def _close(self) -> None:
        """Close the block."""
        n_l = (self._n_l, self._n_l, *[self._m_l] * (self._quantities - 2))
        n_c = (self._n_c, self._n_c, *[self._m_c] * (self._quantities - 2))
        self._blocks.append(_Block(tuple(self._x_l), n_l, tuple(self._x_c), n_c))
        self._closed += 1
        if self._closed % BLOCKS_A_MINUTE == 0:
            self._minutes.append(_summed(list(self._blocks)[-BLOCKS_A_MINUTE:]))
        self._reset()

    def _estimate_all(self) -> None:
        self._spreads = list(map(self._estimate, zip(*map(_columns, self._blocks), strict=True), self._by_minute()))

    def _estimate(
        self, blocks: Sequence[tuple[float, ...]], minutes: Sequence[tuple[float, ...]]
    ) -> tuple[Spread, Spread, float]:
        """Return the effects on one quantity from its blocks of (x_l, n_l, x_c, n_c)."""
        x_l, n_l, x_c, n_c = zip(*blocks, strict=True)
        if sum(x_l) < HITS_MIN or len(blocks) < BLOCKS_MIN:
            return Spread(), Spread(), 1.0
        live = spread_in_time(x_l, n_l)
        if sum(x_c) < HITS_MIN:
            return live, live, 1.0
        control = [(x, n) for _, _, x, n in minutes]
        rest = [(x_l - x_c, n_l - n_c) for x_l, n_l, x_c, n_c in minutes]
        return live, spread_in_time(x_c, n_c), spread_by_assignment(control, rest)

    def _by_minute(self) -> list[Sequence[tuple[float, ...]]]:
        if not self._minutes:
            return [()] * self._quantities
        return list(zip(*map(_columns, self._minutes), strict=True))


def _columns(block: _Block) -> list[tuple[float, ...]]:
    """Return (x_l, n_l, x_c, n_c) of each quantity."""
    return list(zip(*block, strict=True))


def _summed(blocks: Sequence[_Block]) -> _Block:
    return _Block(*(tuple(map(sum, zip(*part, strict=True))) for part in zip(*blocks, strict=True)))


class Lumps:
    """The design effect on one series of its own, as pairs are.  Written by `observe`, once per tick."""

    def __init__(self, window_s: float) -> None:
        self._blocks: deque[tuple[float, float]] = deque(maxlen=max(2, round(window_s / BLOCK_S)))
        self._x = self._n = self._open_s = 0.0
        self.phi = 1.0

    def observe(self, hits: float, n: float, seconds: float) -> None:
        """Take in a tick that has been bet on."""
        self._x += hits
        self._n += n
        self._open_s += seconds
        if self._open_s < BLOCK_NEARLY_S:
            return
        self._blocks.append((self._x, self._n))
        self._x = self._n = self._open_s = 0.0
        self._estimate()

    def state(self) -> list[Any]:
        """Return all that changes, as plain numbers."""
        return [list(map(list, self._blocks)), self._x, self._n, self._open_s]

    def restore(self, state: Sequence[Any]) -> None:
        """Go on from what `state` returned."""
        blocks, self._x, self._n, self._open_s = state
        self._blocks.clear()
        self._blocks.extend((x, n) for x, n in blocks)
        self._estimate()

    def _estimate(self) -> None:
        hits, sizes = [x for x, _ in self._blocks], [n for _, n in self._blocks]
        is_known = sum(hits) >= HITS_MIN and len(sizes) >= BLOCKS_MIN
        self.phi = spread_in_time(hits, sizes).phi if is_known else 1.0
