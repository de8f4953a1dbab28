"""What a KPI counts in a tick, and which bets it makes on it: one class for rates, one for latencies.

A KPI bets twice, against "no worse than tolerated" (to roll back) and against "beyond the promotion margin" (to
promote).  Several bets stand beside each other because nobody knows how large a difference is: the one that was made
for it wins soon, and the mean of all is what counts.
"""

from collections.abc import Callable, Mapping
from operator import attrgetter
from typing import Final, Protocol

from splitter.judge.bank import Cap
from splitter.judge.calibration import Place, Scale, Tails
from splitter.judge.config import LATENCIES, RATES, KpiOptions, Margin
from splitter.judge.stats import Stratum, ratio_bet, stake_against, two_bin_bet
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

RATE_CAP: Final = Cap(nats=5.0, block_s=2.0)
TAIL_CAP: Final = Cap(nats=5.0, block_s=10.0)

_COUNTS: Final[Mapping[str, Callable[[Counts], int]]] = {
    "error_rate": attrgetter("e5u"),
    "client_error_rate": attrgetter("e4u"),
}


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

    def worse(self, stratum: Stratum) -> list[float]:
        """Return ln e of each bet against "no worse than tolerated"."""
        ...

    def proofs(self, stratum: Stratum) -> list[float]:
        """Return ln e of each bet against "beyond the promotion margin"."""
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
        self._tolerance = tolerance
        self._promote = promote
        self.proof_bets = len(RATES_PROOFS) if promote else 0

    def strata(self, reading: Reading) -> tuple[Stratum, Stratum] | None:
        if not reading.is_comparable:
            return None
        live, shadow = reading.live, reading.shadow
        stratum = Stratum(self._count(shadow), shadow.n, self._count(live), live.n)
        return stratum, stratum

    def worse(self, stratum: Stratum) -> list[float]:
        ratio, absolute = self._tolerance.ratio, self._tolerance.absolute
        stakes = [stake_against(rates, ratio, stratum) for rates in RATES_RATIOS]
        return [ratio_bet(stratum, stake, ratio, absolute) for stake in stakes]

    def proofs(self, stratum: Stratum) -> list[float]:
        if self._promote is None:
            return []
        ratio, absolute = self._promote.ratio, self._promote.absolute
        return [ratio_bet(stratum, stake, ratio, absolute) for stake in RATES_PROOFS]


class TailMeasure:
    """Answers above an edge, among all answers: the shadow's edges are live's with tolerance and margin added."""

    cap = TAIL_CAP
    waits_for_warmup = True

    def __init__(self, kpi: str, place: Place, scale: Scale, tails: Tails) -> None:
        self._odds = TAIL_ODDS[kpi]
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

    def worse(self, stratum: Stratum) -> list[float]:
        tail = self._tails.current[self._live]
        return [two_bin_bet(stratum, tail, odds) for odds in self._odds]

    def proofs(self, stratum: Stratum) -> list[float]:
        if not self.proof_bets:
            return []
        tail = self._tails.current[self._live]
        return [two_bin_bet(stratum, tail, odds) for odds in TAIL_PROOFS]


def measure_of(kpi: str, options: KpiOptions, scale: Scale, tails: Tails) -> Measure | None:
    """Return how `kpi` is measured on `scale`; None where live had too few answers for it."""
    if kpi in RATES:
        return RateMeasure(kpi, options.tolerance, options.promote)
    assert kpi in LATENCIES, "the config knows its KPIs"
    place = scale.places.get(kpi)
    return TailMeasure(kpi, place, scale, tails) if place else None
