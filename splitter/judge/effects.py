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
Few such clients are in the slice in an hour, and many in the rest.  What the rest varies by where the slice does not is
no fate of the stack, but heaps of single clients; they are as large on a small share as on a large one, so their size
is an effect on the shadow as it stands (`clusters`).

Apart: a fate that both stacks share (a busy host, a slow database) is not taken for evidence by any bet, for live and
shadow are compared within a tick; what has to be thinned is only what they do not share.  So the part of ρ that counts
is Var(f of shadow - f of live) / (Var f of shadow + Var f of live), of neighbouring blocks' differences in the blocks
that both had requests in: 1 if they share nothing, near 0 if all is common (`part_apart`).  It is multiplied by its
noise, and nothing is called shared before the variance is made of eight blocks and more.  Guards and caps stay with
the whole effect.

Assumes that the shadow's requests hang together as live's do, and, for what is shared, that it will go on to be.  For
independent requests every effect of 1 and more is safe, however it was come by, as long as it is known before the tick
that it is applied to (Jensen); so effects of a tick come from the ticks before it, and looking at any time stays
allowed.  What breaks without: a stack that suddenly has stalls of its own, on a host whose stalls were common until
then, is taken at its word for some blocks; the caps on gains bound what that is worth (`bank`).  A shadow that stalls
where live never does is taken for worse on stalls, which it is.  An estimate within the noise of estimating is set to
1, and nothing is estimated from fewer than 50 hits or six blocks (one busy neighbour makes hundreds of the difference
of two); until then correlated traffic may fake a difference.
"""

from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from math import log
from operator import add
from typing import Any, Final, NamedTuple

from splitter.judge.calibration import BLOCK_NEARLY_S, Baseline, Scale, binned
from splitter.judge.config import JudgeConfig
from splitter.judge.stats import INDEPENDENT, Effect
from splitter.judge.tick import Reading, Tick
from splitter.judge.variation import COMPARED_MIN, Spread, clusters, part_apart, spread_by_assignment, spread_in_time
from splitter.model import Counts

BLOCK_S: Final = 10.0
BLOCKS_A_MINUTE: Final = 6
HITS_MIN: Final = 50
BLOCKS_MIN: Final = 6  # in time; fewer differences say next to nothing of how large they usually are
HEAPS_PHI: Final = 2.0  # an effect on live from which its hits surely come in heaps
BLOCKS_OFTEN: Final = 30  # up to so many blocks each new one is reason to estimate anew
_PACE_HALF_LIFE_S: Final = 10.0


class _Block(NamedTuple):
    """Hits of each quantity and (requests, answers): of live, of its control slice, of the shadow at live's edges."""

    x_l: tuple[float, ...]
    n_l: tuple[float, ...]
    x_c: tuple[float, ...]
    n_c: tuple[float, ...]
    x_s: tuple[float, ...]
    n_s: tuple[float, ...]


class _Estimate(NamedTuple):
    """What is known of one quantity; None: not yet."""

    live: Spread = Spread()
    shadow: Spread = Spread()
    assigned: float = 1.0
    clusters: float | None = None
    apart: float | None = None

    @property
    def is_independent(self) -> bool:
        return not self.live.rho and not self.shadow.rho and self.assigned == 1.0


class Design:
    """The design effects of a rollout.  Written by `pace` before a tick is bet on and by `observe` after it.

    Quantities are the errors of single clients, all failures, and answers above each of live's edges.
    """

    def __init__(self, edges: int, window_s: float, at: Sequence[int] = ()) -> None:
        """Measure at so many edges of live; `at` are their places among the shadow's, empty where it has others."""
        # For the rollout.
        self._quantities = 2 + edges
        self._at = tuple(at)
        kept = max(2, round(window_s / BLOCK_S))
        # Over all ticks.
        self._blocks: deque[_Block] = deque(maxlen=kept)
        self._minutes: deque[_Block] = deque(maxlen=max(2, kept // BLOCKS_A_MINUTE))
        self._open_s = 0.0
        self._closed = 0  # blocks ever, for what is a minute
        self._pace = 0.0  # the shadow's requests per block, of late
        self._known = [_Estimate()] * self._quantities
        self._assumed: list[tuple[float | None, float | None]] = [(None, None)] * self._quantities
        self._due = 0  # quantities that are not estimated anew yet
        self._dependent: list[int] = []  # quantities that have an effect
        # In the present tick.
        self._effects = [INDEPENDENT] * self._quantities
        self._apart = [INDEPENDENT] * self._quantities
        # In the open block.
        self._open: list[list[float]] = []
        self._reset()

    @property
    def errors(self) -> Effect:
        """The effect on errors, each client's once, as far as the stacks do not share it."""
        return self._apart[0]

    @property
    def failures(self) -> Effect:
        """The effect on failures, each as often as it was met."""
        return self._effects[1]

    def above(self, edge: int) -> Effect:
        """Return the effect on answers above one of live's edges, by its place."""
        return self._effects[2 + edge]

    def apart(self, edge: int) -> Effect:
        """Return the same as far as the stacks do not share it: for comparisons within a tick."""
        return self._apart[2 + edge]

    def largest(self, edges: Iterable[int]) -> Effect:
        """Return the largest effect on each side over some edges."""
        effects = [self.apart(edge) for edge in edges]
        return Effect(max(each.s for each in effects), max(each.l for each in effects))

    @property
    def comes_in_heaps(self) -> bool:
        """Return whether live's answers hang together at some edge; at lower ones such heaps may be hidden."""
        return any(each.l > HEAPS_PHI for each in self._effects[2:])

    def pace(self, reading: Reading, seconds: float) -> None:
        """Take in how many requests the shadow had: blocks of more requests have a larger effect."""
        now = reading.shadow.n / seconds * BLOCK_S
        kept = 0.5 ** (seconds / _PACE_HALF_LIFE_S)
        self._pace = self._pace * kept + now * (1.0 - kept) if self._pace else now
        self._apply()

    def observe(self, reading: Reading, seconds: float, *, more_follows: bool = False) -> None:
        """Take in a tick that has been bet on.  `more_follows`: nobody asks for effects before the next one."""
        if not reading.is_timed:
            return
        self._add(reading)
        self._open_s += seconds
        if self._open_s >= BLOCK_NEARLY_S:
            self._close()
        if more_follows:
            self._due = self._quantities
        elif self._due:
            self._due -= 1
            self._known[self._due] = self._estimate(self._due)
            self._note_dependent()

    def estimate(self) -> None:
        """Estimate at once what the ticks to come would, one quantity each."""
        self._known = list(map(self._estimate, range(self._quantities)))
        self._due = 0
        self._note_dependent()

    def inherit(self, other: "Design", nearest: Sequence[int]) -> None:
        """Take what `other`, of other edges, knew of heaps and of what is shared, for as long as it is not known here.

        `nearest` are the places there of the edges here.
        """
        for quantity, source in enumerate((0, 1, *(2 + place for place in nearest))):
            self._assumed[quantity] = other.surest(source)
        self._note_dependent()

    def state(self) -> dict[str, Any]:
        """Return all that changes, as plain numbers."""
        return {
            "blocks": [list(map(list, block)) for block in self._blocks],
            "minutes": [list(map(list, block)) for block in self._minutes],
            "open": [self._open, self._open_s],
            "due": self._due,
            "closed": self._closed,
            "pace": self._pace,
            "known": [[*each.live, *each.shadow, *each[2:]] for each in self._known],
            "assumed": list(map(list, self._assumed)),
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from what `state` returned.  Raises ValueError if it is the state of other edges."""
        if len(state["known"]) != self._quantities:
            raise ValueError(f"{len(state['known'])} quantities are kept, {self._quantities} are wanted")
        for name, kept in (("blocks", self._blocks), ("minutes", self._minutes)):
            kept.clear()
            kept.extend(_Block(*(tuple(map(float, part)) for part in block)) for block in state[name])
        counts, self._open_s = state["open"]
        self._open = [list(part) for part in counts]
        self._closed = int(state["closed"])
        self._due = int(state["due"])
        self._pace = float(state["pace"])
        self._known = [_Estimate(Spread(*each[:2]), Spread(*each[2:4]), *each[4:]) for each in state["known"]]
        self._assumed = [(clusters, apart) for clusters, apart in state["assumed"]]
        self._note_dependent()

    def _reset(self) -> None:
        quantities = self._quantities
        shadows = 2 + len(self._at)
        self._open = [[0.0] * size for size in (quantities, 2, quantities, 2, shadows, 2)]
        self._open_s = 0.0

    def _note_dependent(self) -> None:
        """Note which quantities have an effect at all: the others need no look in each tick."""
        self._dependent = [place for place in range(self._quantities) if not self._is_independent(place)]
        self._effects = [INDEPENDENT] * self._quantities
        self._apart = [INDEPENDENT] * self._quantities
        self._apply()

    def _is_independent(self, quantity: int) -> bool:
        return self._known[quantity].is_independent and self.surest(quantity)[0] in (None, 1.0)

    def _apply(self) -> None:
        """Work out the effects of the present tick."""
        for quantity in self._dependent:
            self._effects[quantity], self._apart[quantity] = self._both(quantity)

    def _both(self, quantity: int) -> tuple[Effect, Effect]:
        """Return the effect on a quantity, and the part of it that the stacks do not share."""
        known = self._known[quantity]
        clusters, apart = self.surest(quantity)
        steady = max(known.assigned, clusters or 1.0)
        in_time_s, in_time_l = known.shadow.at(self._pace), known.live.phi
        whole = Effect(max(in_time_s, steady), in_time_l)
        if apart is None or apart == 1.0:
            return whole, whole
        scaled = Effect(max(1.0 + apart * (in_time_s - 1.0), steady), 1.0 + apart * (in_time_l - 1.0))
        return whole, scaled

    def surest(self, quantity: int) -> tuple[float | None, float | None]:
        """Return clusters and part apart of a quantity, the larger of what was taken over and what was found."""
        known, assumed = self._known[quantity], self._assumed[quantity]
        return _larger(known.clusters, assumed[0]), _larger(known.apart, assumed[1])

    def _add(self, reading: Reading) -> None:
        """Count a tick into the open block."""
        live, control, shadow = reading.live, reading.control, reading.shadow
        above_s = [reading.shadow_above[place] for place in self._at]
        new = (
            (live.e5u, live.e5, *reading.live_above),
            (live.n, reading.answers_l),
            (control.e5u, control.e5, *reading.control_above),
            (control.n, reading.answers_c),
            (shadow.e5u, shadow.e5, *above_s),
            (shadow.n, reading.answers_s),
        )
        self._open = [list(map(add, have, more)) for have, more in zip(self._open, new, strict=True)]

    def _close(self) -> None:
        """Close the block.  Of many blocks one more says little: then quantities are estimated anew less often."""
        self._blocks.append(_Block(*map(tuple, self._open)))
        self._closed += 1
        if self._closed % BLOCKS_A_MINUTE == 0:
            self._minutes.append(_summed(list(self._blocks)[-BLOCKS_A_MINUTE:]))
        if self._closed % max(1, len(self._blocks) // BLOCKS_OFTEN) == 0:
            self._due = self._quantities
        self._reset()

    def _estimate(self, quantity: int) -> _Estimate:
        """Return the effects on one quantity."""
        lives, control, shadow = _columns(self._blocks, quantity)
        hits_l = sum([x for x, _ in lives])
        if hits_l < HITS_MIN or len(lives) < BLOCKS_MIN:
            return _Estimate()
        live = spread_in_time(*zip(*lives, strict=True))
        apart = part_apart(shadow, lives) if self._at or quantity < 2 else None
        if not any(n for _, n in control):
            return _Estimate(live, live, apart=apart)
        lives_m, control_m, _ = _columns(self._minutes, quantity)
        rest, rest_m = _rest(lives, control), _rest(lives_m, control_m)
        heaps = None
        if live.phi > HEAPS_PHI:
            heaps = _larger(clusters(control, rest, COMPARED_MIN), clusters(control_m, rest_m, BLOCKS_MIN))
        if sum([x for x, _ in control]) < HITS_MIN:
            return _Estimate(live, live, clusters=heaps, apart=apart)
        assigned = spread_by_assignment(control_m, rest_m)
        return _Estimate(live, spread_in_time(*zip(*control, strict=True)), assigned, heaps, apart)


def _larger(a: float | None, b: float | None) -> float | None:
    if a is None or b is None:
        return b if a is None else a
    return max(a, b)


_Parts = list[tuple[float, float]]


def _columns(blocks: Iterable[_Block], quantity: int) -> tuple[_Parts, _Parts, _Parts]:
    """Return (hits, size) of one quantity in live, the control slice and the shadow, block by block."""
    size = 0 if quantity < 2 else 1
    lives, control, shadow = [], [], []
    for x_l, n_l, x_c, n_c, x_s, n_s in blocks:
        lives.append((x_l[quantity], n_l[size]))
        control.append((x_c[quantity], n_c[size]))
        shadow.append((x_s[quantity] if quantity < len(x_s) else 0.0, n_s[size]))
    return lives, control, shadow


def _rest(lives: _Parts, control: _Parts) -> _Parts:
    """Return what is in live and not in the control slice."""
    return [(x - y, n - m) for (x, n), (y, m) in zip(lives, control, strict=True)]


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


def design_of(scale: Scale, config: JudgeConfig) -> Design:
    """Return what measures the design effects at the edges of a scale."""
    places = [scale.shadow_us.index(edge) if edge in scale.shadow_us else None for edge in scale.live_us]
    at = [place for place in places if place is not None]
    return Design(len(places), config.design_window_s, at if len(at) == len(places) else ())


def nearest(edge_us: int, edges_us: Sequence[int]) -> int:
    """Return the place of the edge that is nearest in ratio."""
    return min(range(len(edges_us)), key=lambda place: abs(log(edges_us[place] / edge_us)))


def learn(design: Design, scale: Scale, baseline: Baseline) -> None:
    """Take in what live was like, for the design effects."""
    nothing = Counts(bins=(0,) * (len(scale.shadow_us) + 1))
    for seconds, n, e5, e5u, latency in baseline.blocks:
        live = Counts(n=n, e5=e5, e5u=e5u, bins=binned(latency, scale.live_us))
        reading = Reading(Tick(0, live=live, shadow=nothing), len(scale.live_us), len(scale.shadow_us))
        design.observe(reading, seconds, more_follows=True)
    design.estimate()
