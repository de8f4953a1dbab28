"""What a KPI counts in a tick, and which bets it makes on it: a class for rates, for one latency, for all of them.

A KPI bets twice, against "no worse than tolerated" (to roll back) and against "beyond the promotion margin" (to
promote).  Several bets stand beside each other because nobody knows how large a difference is: the one that was made
for it wins soon, and the mean of all is what counts.

While requests are mirrored the bets are on pairs: the copy and the original are the same request, so what they have in
common cancels.  The claim is the same, hence the wealth goes on where counts left it.
"""

from collections.abc import Callable, Mapping, Sequence
from operator import attrgetter
from typing import Final, NamedTuple, Protocol

from splitter.judge.bank import Cap
from splitter.judge.calibration import Place, Scale, Tails, between
from splitter.judge.config import LATENCIES, RATES, SHAPE, KpiOptions, Margin
from splitter.judge.effects import Design
from splitter.judge.stats import (
    INDEPENDENT,
    Effect,
    Stratum,
    pair_bet,
    ratio_bet,
    shape_bet,
    stake_against,
    two_bin_bet,
)
from splitter.judge.tick import Reading
from splitter.model import Counts

RATES_RATIOS: Final = (2.0, 4.0, 10.0, 40.0, 400.0)
RATES_PROOFS: Final = (0.02, 0.08, 0.2, 0.4, 0.65, 0.85)
TAIL_ODDS: Final[Mapping[str, tuple[float, ...]]] = {
    "latency_p50": (1.15, 1.4, 2.2, 8.0),
    "latency_p95": (1.4, 2.2, 5.0, 20.0),
    "latency_p99": (1.5, 2.5, 6.0, 30.0),
}
TAIL_PROOFS: Final = (0.25, 0.45, 0.65, 0.85)
SHAPE_TOP_ODDS: Final = (4.0, 20.0)  # above the quantile .999
SHAPE_SLOW_ODDS: Final = (100.0, 800.0)  # above the slow edge
SHAPE_TILTS: Final = (0.12, 0.3, 0.7, 1.5)
PAIR_STAKES: Final = (0.05, 0.1, 0.2, 0.4, 0.7)

RATE_CAP: Final = Cap(nats=5.0, block_s=2.0)
TAIL_CAP: Final = Cap(nats=5.0, block_s=10.0)
STALLING_PHI: Final = 1.3  # from here on an edge's hits come in heaps, and a heap is no more than half a fact
STALLING_NATS: Final = 2.5
HEAP_NATS: Final = 1.5  # where live's answers come in heaps, one that lasts for half a minute is still but one fact

_COUNTS: Final[Mapping[str, Callable[[Counts], int]]] = {
    "error_rate": attrgetter("e5u"),
    "client_error_rate": attrgetter("e4u"),
}


class Paired(NamedTuple):
    """Pairs as a KPI sees them: hits of the shadow alone, of live alone, and pairs that are alike."""

    shadow_only: float
    live_only: float
    alike: float

    def thinned(self, phi: float) -> "Paired":
        return Paired(self.shadow_only / phi, self.live_only / phi, self.alike / phi)


class Measure(Protocol):
    """A KPI's way to count and to bet.  `equal_worse` and `equal_proof` are None if live's own rate is the answer."""

    worse_bets: int
    proof_bets: int
    cap: Cap
    waits_for_warmup: bool
    equal_worse: float | None
    equal_proof: float | None

    def strata(self, reading: Reading) -> tuple[Stratum, Stratum] | None:
        """Return what is counted against the tolerance and against the margin; None where a side has nothing."""
        ...

    def effect(self, design: Design) -> Effect:
        """Return the design effect on what is counted."""
        ...

    def gains(self, reading: Reading, stratum: Stratum, design: Design) -> list[float]:
        """Return ln e of each bet against "no worse than tolerated" on a tick."""
        ...

    def caps(self, design: Design) -> list[float] | None:
        """Return how many nats each bet may gain in a block; None: what `cap` says."""
        ...

    def worse(self, stratum: Stratum) -> list[float] | None:
        """Return what `gains` would be for such counts; None where they are not enough to tell."""
        ...

    def proofs(self, stratum: Stratum) -> list[float]:
        """Return ln e of each bet against "beyond the promotion margin"."""
        ...

    def paired(self, reading: Reading) -> Paired | None:
        """Return what mirrored pairs count for; None where they do not."""
        ...

    def gains_of_pairs(self, paired: Paired) -> list[float]:
        """Return ln e of each bet against "no worse than tolerated" on pairs."""
        ...


class RateMeasure:
    """Errors of one kind among all requests, each client's once."""

    worse_bets = len(RATES_RATIOS)
    cap = RATE_CAP
    waits_for_warmup = False
    equal_worse: float | None = None
    equal_proof: float | None = None

    def __init__(self, kpi: str, tolerance: Margin, promote: Margin | None) -> None:
        self._count = _COUNTS[kpi]
        self._is_server_side = kpi == "error_rate"
        self._tolerance = tolerance
        self._promote = promote
        self.proof_bets = len(RATES_PROOFS) if promote else 0

    def strata(self, reading: Reading) -> tuple[Stratum, Stratum] | None:
        if not reading.is_comparable:
            return None
        live, shadow = reading.live, reading.shadow
        stratum = Stratum(self._count(shadow), shadow.n, self._count(live), live.n)
        return stratum, stratum

    def effect(self, design: Design) -> Effect:
        """Client errors come with the client, and are counted once for each: they are taken as independent."""
        return design.errors if self._is_server_side else INDEPENDENT

    def gains(self, reading: Reading, stratum: Stratum, design: Design) -> list[float]:
        return self.worse(stratum.thinned(self.effect(design)))

    def caps(self, design: Design) -> list[float] | None:
        return None

    def worse(self, stratum: Stratum) -> list[float]:
        ratio, absolute = self._tolerance.ratio, self._tolerance.absolute
        stakes = [stake_against(rates, ratio, stratum) for rates in RATES_RATIOS]
        return [ratio_bet(stratum, stake, ratio, absolute) for stake in stakes]

    def proofs(self, stratum: Stratum) -> list[float]:
        if self._promote is None:
            return []
        ratio, absolute = self._promote.ratio, self._promote.absolute
        return [ratio_bet(stratum, stake, ratio, absolute) for stake in RATES_PROOFS]

    def paired(self, reading: Reading) -> Paired | None:
        pairs = reading.pairs
        if pairs is None or not pairs.n or not self._is_server_side:
            return None
        return Paired(pairs.shadow_only, pairs.live_only, pairs.n - pairs.shadow_only - pairs.live_only)

    def gains_of_pairs(self, paired: Paired) -> list[float]:
        ratio, absolute = self._tolerance.ratio, self._tolerance.absolute
        highest = 0.95 / (ratio + absolute)
        return [pair_bet(*paired, min(stake, highest), ratio, absolute) for stake in PAIR_STAKES]


class TailMeasure:
    """Answers above an edge, among all answers: the shadow's edges are live's with tolerance and margin added."""

    cap = TAIL_CAP
    waits_for_warmup = True

    def __init__(self, kpi: str, tolerance: Margin, place: Place, scale: Scale, tails: Tails) -> None:
        self._odds = TAIL_ODDS[kpi]
        self._is_median = kpi == "latency_p50"
        self._tolerance = tolerance
        self._tails = tails
        self._live = scale.live_us.index(place.live_us)
        self._worse = scale.shadow_us.index(place.worse_us)
        has_proof = place.proof_us is not None
        self._proof = scale.shadow_us.index(place.proof_us) if place.proof_us is not None else self._worse
        self.worse_bets = len(self._odds)
        self.proof_bets = len(TAIL_PROOFS) if has_proof else 0
        self.equal_worse: float | None = place.equal_worse
        self.equal_proof: float | None = place.equal_proof

    def strata(self, reading: Reading) -> tuple[Stratum, Stratum] | None:
        if not (reading.is_timed and reading.answers_l and reading.answers_s):
            return None
        return reading.tail(self._live, self._worse), reading.tail(self._live, self._proof)

    def effect(self, design: Design) -> Effect:
        return design.apart(self._live)

    def gains(self, reading: Reading, stratum: Stratum, design: Design) -> list[float]:
        return self.worse(stratum.thinned(self.effect(design)))

    def caps(self, design: Design) -> list[float] | None:
        return [cap_of(design, self.effect(design))] * self.worse_bets

    def worse(self, stratum: Stratum) -> list[float]:
        tail = self._tails.current[self._live]
        return [two_bin_bet(stratum, tail, odds) for odds in self._odds]

    def proofs(self, stratum: Stratum) -> list[float]:
        if not self.proof_bets:
            return []
        tail = self._tails.current[self._live]
        return [two_bin_bet(stratum, tail, odds) for odds in TAIL_PROOFS]

    def paired(self, reading: Reading) -> Paired | None:
        """Count who was later, the shadow by more than is tolerated or not; half of each if they are alike."""
        pairs = reading.pairs
        if pairs is None or not pairs.latencies_us or not self._is_median:
            return None
        ratio, absolute_us = self._tolerance.ratio, self._tolerance.absolute * 1e6
        later = sum([shadow > ratio * live + absolute_us for live, shadow in pairs.latencies_us])
        return Paired(later, len(pairs.latencies_us) - later, 0)

    def gains_of_pairs(self, paired: Paired) -> list[float]:
        return [pair_bet(*paired, stake, 1.0, 0.0) for stake in PAIR_STAKES[-self.worse_bets :]]


class ShapeMeasure:
    """The whole distribution of latencies, and its far end: what a p50 and a p99 can both miss."""

    cap = TAIL_CAP
    waits_for_warmup = True
    worse_bets = len(SHAPE_TOP_ODDS) + len(SHAPE_SLOW_ODDS) + len(SHAPE_TILTS)
    proof_bets = 0
    equal_worse: float | None = None
    equal_proof: float | None = None

    def __init__(self, scale: Scale, tails: Tails, ladder: Sequence[tuple[int, int]]) -> None:
        """Bet on the rungs of `ladder`, the last of which is the slow edge."""
        self._tails = tails
        self._live = [scale.live_us.index(live) for live, _ in ladder]
        self._shadow = [scale.shadow_us.index(shadow) for _, shadow in ladder]
        self._shown = max(0, len(ladder) - 3)

    def strata(self, reading: Reading) -> tuple[Stratum, Stratum] | None:
        """Return what is shown: the answers above a high edge, where live has some."""
        if not (reading.is_timed and reading.answers_l and reading.answers_s):
            return None
        shown = reading.tail(self._live[self._shown], self._shadow[self._shown])
        return shown, shown

    def effect(self, design: Design) -> Effect:
        return design.largest(self._live)

    def gains(self, reading: Reading, stratum: Stratum, design: Design) -> list[float]:
        return [
            *self._far(reading, design, -2, SHAPE_TOP_ODDS),
            *self._far(reading, design, -1, SHAPE_SLOW_ODDS),
            *self.tilted(reading, design),
        ]

    def _far(self, reading: Reading, design: Design, rung: int, odds: Sequence[float]) -> list[float]:
        live = self._live[rung]
        stratum = reading.tail(live, self._shadow[rung]).thinned(design.apart(live))
        return [two_bin_bet(stratum, self._tails.current[live], each) for each in odds]

    def tilted(self, reading: Reading, design: Design) -> list[float]:
        """Return ln e of the bets on all bins."""
        effect = self.effect(design)
        shadow = between([reading.shadow_above[each] for each in self._shadow], reading.answers_s, effect.s)
        live = between([reading.live_above[each] for each in self._live], reading.answers_l, effect.l)
        base, places = self._tails.ladder(self._live)
        return [shape_bet(shadow, live, base, places, tilt) for tilt in SHAPE_TILTS]

    def caps(self, design: Design) -> list[float] | None:
        top, slow = (cap_of(design, design.apart(edge)) for edge in self._live[-2:])
        whole = cap_of(design, self.effect(design))
        return [top] * len(SHAPE_TOP_ODDS) + [slow] * len(SHAPE_SLOW_ODDS) + [whole] * len(SHAPE_TILTS)

    def worse(self, stratum: Stratum) -> list[float] | None:
        return None

    def proofs(self, stratum: Stratum) -> list[float]:
        return []

    def paired(self, reading: Reading) -> Paired | None:
        return None

    def gains_of_pairs(self, paired: Paired) -> list[float]:
        return []


def cap_of(design: Design, effect: Effect) -> float:
    """Return how many nats a bet on an edge with such an effect may gain in a block."""
    if design.comes_in_heaps:
        return HEAP_NATS
    return STALLING_NATS if effect.s > STALLING_PHI else TAIL_CAP.nats


def measure_of(kpi: str, options: KpiOptions, scale: Scale, tails: Tails) -> Measure | None:
    """Return how `kpi` is measured on `scale`; None where live had too few answers for it."""
    if kpi in RATES:
        return RateMeasure(kpi, options.tolerance, options.promote)
    if kpi == SHAPE:
        return ShapeMeasure(scale, tails, scale.ladder) if len(scale.ladder) > 1 else None
    assert kpi in LATENCIES, "series are compared by themselves"
    place = scale.places.get(kpi)
    return TailMeasure(kpi, options.tolerance, place, scale, tails) if place else None
