"""What live is like, measured before the shadow gets traffic: where to cut latencies, and how much lies above.

Rule 1: edges come from the past, so bets on counts between them are fair whatever the edges are; bad ones cost power
only.  They are cut anew when live has moved away from them (`Tails.are_stale`): a baseline that holds a stall has its
highest edges where nobody comes any more, and what nobody exceeds can never be proven.
Rule 2: live's tails follow the traffic (an average over a minute), and a tick is bet on with the tails of the ticks
before it.
Rule 3: an edge means "more than": latencies are whole microseconds and edges are rounded down, so that a shadow
counts as above exactly when it is above ratio x live + absolute.
"""

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise
from typing import Any, Final, NamedTuple

from splitter.judge.config import KPIS, LATENCIES, JudgeConfig, Margin
from splitter.judge.stats import middles
from splitter.limits import LATENCY_US_MAX
from splitter.model import Side, Window

QUANTILES: Final = (0.25, 0.5, 0.75, 0.9, 0.95, 0.99, 0.999)
ABOVE_MIN: Final = 5  # answers above an edge, for it to be where it seems to be
SLOW_FACTOR: Final = 1.5  # beyond the highest quantile: what is slower still is very slow, or overdue
SLOW_US_UNKNOWN: Final = 5_000_000  # very slow, where nothing is known about live
SLOW_MARGIN: Final = Margin(1.10, 0.002)

BLOCK_NEARLY_S: Final = 9.5  # ticks are rarely as long as they should be

_TAIL_MIN, _TAIL_MAX = 2e-5, 0.98
_BASELINE_WEIGHT = 200.0  # requests that the baseline's tails weigh as, against the last minute's
_HALF_LIFE_S = 60.0
_STALE_ANSWERS = 1_000.0  # of live since the edges were cut, before they can be called stale
_STALE_ODDS = 4.0  # between the tail that an edge was cut for and the tail that it has
_FALL = 0.999  # each tail is at most that of the edge below it

Latency = Sequence[tuple[int, int]]


class Block(NamedTuple):
    """About ten seconds of live; latencies in buckets of two digits, which is enough for how they vary."""

    seconds: float
    n: int
    e5: int
    e5u: int
    latency: tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class Baseline:
    """Live over the last minutes: requests, errors (each client's once), and latencies as `model.Window` has them.

    `digits` of 0 says that ticks are cut from latencies in whole microseconds.  Otherwise they come in the buckets of
    an HDR histogram of so many digits, and edges are laid on the buckets' borders.  `blocks` are its parts in the order
    of time, for how much live varies.
    """

    n: int = 0
    e5u: int = 0
    e4u: int = 0
    latency: tuple[tuple[int, int], ...] = ()
    span_s: float = 0.0
    digits: int = 0
    blocks: tuple[Block, ...] = ()

    @classmethod
    def of(cls, window: Window, parts: Sequence[Window] = ()) -> "Baseline":
        """Return the baseline that a merged window of live is; `parts` are what it was merged from."""
        counts = window.counts
        span_s = window.ended_s - window.started_s
        return cls(counts.n, counts.e5u, counts.e4u, window.latency, span_s, blocks=tuple(blocks_of(parts)))

    @property
    def answers(self) -> int:
        """Return how many latencies there are."""
        return sum(count for _, count in self.latency)


@dataclass(frozen=True, slots=True)
class Place:
    """Where a latency KPI cuts: live at its quantile, the shadow at its tolerance, and at its promotion margin.

    `proof_us` is None where nothing can be proven: no margin, or hardly an answer of live above the quantile.
    `tail` is live's fraction above `live_us`; `equal_worse` and `equal_proof` are the shadow's above its two edges if
    it is exactly as live.
    """

    live_us: int
    worse_us: int
    proof_us: int | None
    tail: float
    equal_worse: float
    equal_proof: float


@dataclass(frozen=True, slots=True)
class Scale:
    """All edges of both sides, ascending, and what they are for.

    `places` lacks the KPIs that `answers` of live were too few for.  `slow_us` (live, shadow) is above all quantiles.
    `ladder` is for whole distributions: live's quantiles and the slow edge, each with the shadow's edge by tolerance.
    The shadow's edges hold live's as well, for bets without tolerance.  `limit_us` is what the latency guard allows.
    """

    live_us: tuple[int, ...]
    shadow_us: tuple[int, ...]
    tails: tuple[float, ...]
    places: Mapping[str, Place]
    slow_us: tuple[int, int]
    answers: int
    ladder: tuple[tuple[int, int], ...] = ()
    limit_us: int | None = None

    @property
    def provable(self) -> frozenset[tuple[str, bool]]:
        """The KPIs that can be measured, and whether each can be proven."""
        return frozenset((kpi, place.proof_us is not None) for kpi, place in self.places.items())

    def edges(self, side: Side) -> tuple[int, ...]:
        """Return the edges that a side's bins are cut at."""
        return self.live_us if side is Side.LIVE else self.shadow_us

    def state(self) -> dict[str, Any]:
        """Return the scale as plain numbers."""
        return {
            "live_us": list(self.live_us),
            "shadow_us": list(self.shadow_us),
            "tails": list(self.tails),
            "places": {
                kpi: [each.live_us, each.worse_us, each.proof_us, each.tail, each.equal_worse, each.equal_proof]
                for kpi, each in self.places.items()
            },
            "slow_us": list(self.slow_us),
            "answers": self.answers,
            "ladder": list(map(list, self.ladder)),
            "limit_us": self.limit_us,
        }

    @classmethod
    def of_state(cls, state: Mapping[str, Any]) -> "Scale":
        """Return the scale that `state` was made of."""
        slow_live, slow_shadow = state["slow_us"]
        return cls(
            live_us=tuple(state["live_us"]),
            shadow_us=tuple(state["shadow_us"]),
            tails=tuple(state["tails"]),
            places={kpi: Place(*figures) for kpi, figures in state["places"].items()},
            slow_us=(slow_live, slow_shadow),
            answers=state["answers"],
            ladder=tuple((live, shadow) for live, shadow in state["ladder"]),
            limit_us=state["limit_us"],
        )


def calibrate(config: JudgeConfig, baseline: Baseline) -> Scale:
    """Return the scale for shadows of this live stack.  With few answers it has fewer edges, with none the slow one."""
    quantiles = dict(_quantiles(baseline))
    grid = Grid(baseline.digits)
    places = dict(_places(config, baseline.latency, quantiles, grid))
    slow_us = _slow(config, quantiles, grid)
    ladder = _ladder(config, quantiles, slow_us, grid)
    limit_s = config.guards.latency_p99_s
    limit_us = grid.lenient(int(limit_s * 1e6)) if limit_s is not None else None
    limits = {limit_us} if limit_us is not None else set()
    live_us = sorted({*quantiles.values(), slow_us[0], *limits})
    worse_us, rungs_us = {each.worse_us for each in places.values()}, {edge for rung in ladder for edge in rung}
    shadow_us = sorted({slow_us[1], *limits, *worse_us, *_proof_edges(places), *rungs_us})
    assert all(low < high for low, high in pairwise((0, *live_us))), "edges are positive and ascend"
    assert all(low < high for low, high in pairwise((0, *shadow_us))), "edges are positive and ascend"
    return Scale(
        live_us=tuple(live_us),
        shadow_us=tuple(shadow_us),
        tails=tuple(fraction_above(baseline.latency, edge) for edge in live_us),
        places=places,
        slow_us=slow_us,
        answers=baseline.answers,
        ladder=ladder,
        limit_us=limit_us,
    )


def blocks_of(windows: Iterable[Window]) -> Iterator[Block]:
    """Yield the windows of live in blocks; what is left at the end is too short for one."""
    grid = Grid(2)
    seconds, n, e5, e5u = 0.0, 0, 0, 0
    latency = Counter[int]()
    for window in windows:
        seconds += window.ended_s - window.started_s
        n, e5, e5u = n + window.counts.n, e5 + window.counts.e5, e5u + window.counts.e5u
        for top_us, count in window.latency:
            latency[grid.lenient(top_us)] += count
        if seconds >= BLOCK_NEARLY_S:
            yield Block(seconds, n, e5, e5u, tuple(sorted(latency.items())))
            seconds, n, e5, e5u = 0.0, 0, 0, 0
            latency = Counter()


def fraction_above(latency: Latency, edge_us: float) -> float:
    """Return the fraction of answers above an edge; 0 without answers."""
    total = sum(count for _, count in latency)
    return sum(count for top_us, count in latency if top_us > edge_us) / total if total else 0.0


def binned(latency: Latency, edges_us: Sequence[int]) -> tuple[int, ...]:
    """Return how many answers lie in each bin between `edges_us`, by the highest value of their bucket."""
    bins = [0] * (len(edges_us) + 1)
    for top_us, count in latency:
        bins[bisect_left(edges_us, top_us)] += count
    return tuple(bins)


def between(above: Sequence[float], total: float, phi: float) -> list[float]:
    """Return what lies in each bin, from what lies above each edge; divided by a design effect."""
    return [(low - high) / phi for low, high in zip((total, *above), (*above, 0.0), strict=True)]


class Grid:
    """The borders of the buckets that latencies come in; `digits` 0: every microsecond is one.

    A bucket that holds an edge is partly above it.  Buckets are counted by their highest value, so with the edge moved
    to `lenient` one counts as above if its lowest value is above the edge, and with `strict` if its highest value is.
    """

    def __init__(self, digits: int) -> None:
        self._exact_bits = (2 * 10**digits - 1).bit_length() if digits else 64

    def lenient(self, edge_us: int) -> int:
        """Return the highest value of the edge's bucket."""
        return edge_us | (1 << self._blurred(edge_us)) - 1

    def strict(self, edge_us: int) -> int:
        """Return the highest value of the bucket below the edge's, or the edge if it is a border itself."""
        if edge_us == self.lenient(edge_us):
            return edge_us
        blurred = self._blurred(edge_us)
        return (edge_us >> blurred << blurred) - 1

    def _blurred(self, value_us: int) -> int:
        return max(value_us.bit_length() - self._exact_bits, 0)


class Tails:
    """Live's fractions above its edges, as they were before the present tick.  Written by `follow`, once per tick."""

    def __init__(self, base: Sequence[float]) -> None:
        self._base = tuple(base)
        self._above = [0.0] * len(base)
        self._answers = 0.0
        self.current: list[float] = []
        self._ladder: tuple[Sequence[int], list[float], list[float]] | None = None  # of the present tick
        self._mix()

    def follow(self, above: Sequence[int], answers: int, seconds: float) -> None:
        """Take in a tick that has been bet on."""
        kept = 0.5 ** (seconds / _HALF_LIFE_S)
        self._above = [each * kept + new for each, new in zip(self._above, above, strict=True)]
        self._answers = self._answers * kept + answers
        self._mix()

    def are_stale(self, edge: int) -> bool:
        """Return whether live has moved away from an edge, given by its place: its tail is another than at first."""
        base, answers = self._base[edge], self._answers
        if answers < _STALE_ANSWERS or base * answers < 2 * ABOVE_MIN:
            return False
        present = self._above[edge] / answers
        shift = present * (1.0 - base) / max(base * (1.0 - present), 1e-12)
        return not 1.0 / _STALE_ODDS <= shift <= _STALE_ODDS

    def ladder(self, edges: Sequence[int]) -> tuple[list[float], list[float]]:
        """Return the chances of the bins between some edges, and where on the normal curve their middles lie."""
        if self._ladder is None or self._ladder[0] != edges:
            base = between([self.current[edge] for edge in edges], 1.0, 1.0)
            self._ladder = edges, base, middles(base)
        return self._ladder[1:]

    def state(self) -> list[float]:
        """Return all that changes, as plain numbers."""
        return [self._answers, *self._above]

    def restore(self, state: Sequence[float]) -> None:
        """Go on from what `state` returned."""
        self._answers, *self._above = map(float, state)
        self._mix()

    def _mix(self) -> None:
        weight = _BASELINE_WEIGHT + self._answers
        self.current, self._ladder = [], None
        highest = _TAIL_MAX
        for base, above in zip(self._base, self._above, strict=True):
            tail = min(max((_BASELINE_WEIGHT * base + above) / weight, _TAIL_MIN), highest)
            self.current.append(tail)
            highest = tail * _FALL


def _quantiles(baseline: Baseline) -> Iterator[tuple[float, int]]:
    """Yield live's quantiles that enough answers are beyond to place them."""
    total = baseline.answers
    ranks = list(accumulate(count for _, count in baseline.latency))
    for q in QUANTILES:
        if total * (1.0 - q) < ABOVE_MIN:
            return
        edge_us = next(top for (top, _), rank in zip(baseline.latency, ranks, strict=True) if rank >= q * total)
        yield q, max(edge_us, 1)


def _places(
    config: JudgeConfig, latency: Latency, quantiles: Mapping[float, int], grid: Grid
) -> Iterator[tuple[str, Place]]:
    total = sum(count for _, count in latency)
    for kpi, q in LATENCIES.items():
        options, live_us = config.kpis.get(kpi), quantiles.get(q)
        if options is None or live_us is None:
            continue
        worse_us = grid.lenient(shifted(live_us, options.tolerance))
        proof_us = grid.strict(shifted(live_us, options.promote)) if options.promote else None
        if max(worse_us, proof_us or 0) >= LATENCY_US_MAX:
            continue  # no latency is counted as longer than that, so none could be above
        tail = fraction_above(latency, live_us)
        yield (
            kpi,
            Place(
                live_us=live_us,
                worse_us=worse_us,
                proof_us=proof_us if tail * total >= ABOVE_MIN else None,
                tail=tail,
                equal_worse=fraction_above(latency, worse_us),
                equal_proof=fraction_above(latency, proof_us) if proof_us else 0.0,
            ),
        )


def _slow(config: JudgeConfig, quantiles: Mapping[float, int], grid: Grid) -> tuple[int, int]:
    """Return the edge that only very slow and overdue answers are above, of live and of the shadow."""
    if not quantiles:
        return SLOW_US_UNKNOWN, SLOW_US_UNKNOWN
    last = max(quantiles.values())
    slow_us = grid.lenient(max(last + 1, int(last * SLOW_FACTOR)))
    p99 = config.kpis.get("latency_p99")
    return slow_us, grid.lenient(shifted(slow_us, p99.tolerance if p99 else SLOW_MARGIN))


def _ladder(
    config: JudgeConfig, quantiles: Mapping[float, int], slow_us: tuple[int, int], grid: Grid
) -> tuple[tuple[int, int], ...]:
    """Return live's quantiles with the shadow's edges by tolerance, both ascending; empty without quantiles."""
    if not quantiles:
        return ()
    tops = sorted({edge: q for q, edge in quantiles.items()}.items())  # of equal edges, the highest quantile
    rungs, last = [], 0
    for live_us, q in tops:
        last = max(grid.lenient(shifted(live_us, shape_tolerance(config, q))), grid.lenient(last + 1))
        rungs.append((live_us, last))
    return (*rungs, (slow_us[0], max(slow_us[1], grid.lenient(last + 1))))


def shape_tolerance(config: JudgeConfig, q: float) -> Margin:
    """Return the tolerance of the whole distribution at a quantile: of the nearest latency KPI, or its own at 0.9."""
    kpi = "latency_p50" if q < 0.9 else "latency_shape" if q == 0.9 else "latency_p99"
    options = config.kpis.get(kpi) or KPIS[config.profile][kpi]
    return options.tolerance


def _proof_edges(places: Mapping[str, Place]) -> Iterator[int]:
    for place in places.values():
        if place.proof_us is not None:
            yield place.proof_us


def shifted(edge_us: int, margin: Margin) -> int:
    """Return the shadow's edge for live's: ratio x edge + absolute, in whole microseconds."""
    return int(margin.ratio * edge_us + margin.absolute * 1e6 + 1e-6)  # 1.1 x 10 is a hair below 11 in floats
