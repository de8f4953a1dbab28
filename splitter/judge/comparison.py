"""One KPI over a rollout: its two banks, its counts, and the verdict they amount to."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import ceil, inf, log
from typing import Any, Final

from splitter.judge.bank import KEPT, RESTART_MASS, Bank
from splitter.judge.calibration import Place
from splitter.judge.config import JudgeConfig, KpiOptions
from splitter.judge.effects import Design, Lumps
from splitter.judge.measures import Measure
from splitter.judge.stats import INDEPENDENT, Effect, Stratum, expected
from splitter.judge.tick import Reading
from splitter.judge.verdict import KpiVerdict, Verdict
from splitter.judge.wording import LABELS, about, as_odds, latency, margin, odds, percent

_PRIOR_REQUESTS: Final = 100.0  # that "as live" weighs as, in an estimate of what the shadow's rate is
_HALF_LIFE_S: Final = 60.0


@dataclass(frozen=True, slots=True)
class Levels:
    """From which ln of odds a KPI decides: `alone` rolls back, `proof` proves, `together` is for all KPIs."""

    alone: float
    proof: float
    together: float


@dataclass(slots=True)
class _Seen:
    """Counts since the KPI is judged: the shadow's hits by the tolerance and by the margin, and live's."""

    worse_s: float = 0.0
    proof_s: float = 0.0
    n_s: float = 0.0
    x_l: float = 0.0
    n_l: float = 0.0
    recent_s: float = 0.0  # decayed, for the present split of the traffic
    recent_l: float = 0.0

    def add(self, worse: Stratum, proof: Stratum, seconds: float) -> None:
        kept = 0.5 ** (seconds / _HALF_LIFE_S)
        self.worse_s += worse.x_s
        self.proof_s += proof.x_s
        self.n_s += worse.n_s
        self.x_l += worse.x_l
        self.n_l += worse.n_l
        self.recent_s = self.recent_s * kept + worse.n_s
        self.recent_l = self.recent_l * kept + worse.n_l

    def state(self) -> list[float]:
        return [self.worse_s, self.proof_s, self.n_s, self.x_l, self.n_l, self.recent_s, self.recent_l]


class Comparison:
    """A KPI that can be measured.  Written by `observe`, once per tick."""

    def __init__(
        self, kpi: str, options: KpiOptions, share: float, measure: Measure, config: JudgeConfig, alpha: float
    ) -> None:
        """Compare `kpi`, which has `share` of the risk `alpha` of a false rollback."""
        # For the rollout.
        self.kpi = kpi
        self.share = share
        self._options = options
        self._measure = measure
        self._needed = 1.0 / (alpha * (share or 1.0))  # one without a share never decides; it is shown as if alone
        self._ni_needed = 1.0 / config.false_promotion
        self._levels = Levels(alone=log(self._needed), proof=log(self._ni_needed), together=-log(alpha))
        # Over all ticks.
        self._worse = Bank(
            measure.worse_bets, restart=RESTART_MASS, horizon_s=config.max_duration_s, kept=KEPT, cap=measure.cap
        )
        self._proof = Bank(measure.proof_bets) if measure.proof_bets else None
        self._seen = _Seen()
        self._pairs = Lumps(config.design_window_s)
        self._effect = INDEPENDENT  # of the last tick

    @property
    def is_required(self) -> bool:
        """Return whether a promotion waits for this KPI."""
        return self.share > 0 and self._proof is not None

    @property
    def is_proven(self) -> bool:
        """Return whether the shadow is within the promotion margin, at present."""
        return self._proof is not None and self._proof.evidence >= self._levels.proof

    @property
    def evidence(self) -> float:
        """Return ln of the odds against "no worse than tolerated"."""
        return self._worse.evidence

    @property
    def ni_evidence(self) -> float:
        """Return ln of the odds against "beyond the promotion margin"."""
        return self._proof.evidence if self._proof else 0.0

    @property
    def decides_alone(self) -> bool:
        """Return whether this KPI would roll back without the others."""
        return self.share > 0 and self.evidence >= self._levels.alone

    def observe(self, reading: Reading, seconds: float, design: Design, *, is_warm: bool) -> None:
        """Bet on a tick.  Ticks in which a side had nothing are skipped."""
        if self._measure.waits_for_warmup and not is_warm:
            return
        if reading.pairs is not None:
            self._observe_pairs(reading, seconds)
            return
        strata = self._measure.strata(reading)
        if strata is None:
            return
        worse, proof = strata
        self._effect = effect = self._measure.effect(design)
        self._worse.bet(self._measure.gains(reading, worse, design), seconds, self._measure.caps(design))
        if self._proof and is_warm:
            self._proof.bet(self._measure.proofs(proof.thinned(effect)), seconds)
        self._seen.add(worse, proof, seconds)

    def verdict(self) -> KpiVerdict:
        """Return what is proven so far."""
        verdict = self._verdict()
        to_worse, to_proof = (0.0, 0.0) if verdict is not Verdict.UNDECIDED else self._to_go()
        nearest = min(to_worse, to_proof)
        return KpiVerdict(
            kpi=self.kpi,
            verdict=verdict,
            live_rate=self._seen.x_l / self._seen.n_l if self._seen.n_l else None,
            shadow_rate=self._seen.worse_s / self._seen.n_s if self._seen.n_s else None,
            evidence=as_odds(self.evidence),
            needed=self._needed,
            ni_evidence=as_odds(self.ni_evidence),
            ni_needed=self._ni_needed,
            requests_to_verdict=ceil(nearest) if nearest < inf else None,
            sentence=self._sentence(verdict, to_worse, to_proof),
            live_hits=self._seen.x_l,
            live_n=self._seen.n_l,
            shadow_hits=self._seen.worse_s,
            shadow_n=self._seen.n_s,
            tolerance=self._options.tolerance,
            promote=self._options.promote,
            live_phi=self._effect.l,
            shadow_phi=self._effect.s,
        )

    def score(self) -> float:
        """Return 0 for surely worse, 1 for proven, one half for nothing known."""
        proven = min(max(self.ni_evidence / self._levels.proof, 0.0), 1.0)
        worse = min(max(self.evidence / self._levels.together, 0.0), 1.0)
        return 0.5 + 0.5 * proven - 0.5 * worse

    def accusation(self, place: Place | None) -> str:
        """Return the figures that speak against the shadow; `place` is where a latency KPI cuts."""
        seen = self._seen
        shadow, live = percent(seen.worse_s / max(seen.n_s, 1)), percent(seen.x_l / max(seen.n_l, 1))
        against = f"against 'no worse than {margin(self.kpi, self._options.tolerance)}'"
        if place is None:
            figures = f"{LABELS[self.kpi]} {shadow} against {live} of live"
        else:
            figures = (
                f"{LABELS[self.kpi]}: {shadow} of answers took more than {latency(place.worse_us)} "
                f"against {live} of live's more than {latency(place.live_us)}"
            )
        return f"{figures}: {odds(self.evidence)} {against}"

    def state(self) -> dict[str, Any]:
        """Return all that changes, as plain numbers."""
        return {
            "worse": self._worse.state(),
            "proof": self._proof.state() if self._proof else None,
            "seen": self._seen.state(),
            "pairs": self._pairs.state(),
            "effect": list(self._effect),
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from what `state` returned.  Raises ValueError if it is the state of another KPI or config."""
        if (state["proof"] is None) != (self._proof is None):
            raise ValueError(f"{self.kpi} is kept with other options")
        self._worse.restore(state["worse"])
        if self._proof:
            self._proof.restore(state["proof"])
        self._seen = _Seen(*map(float, state["seen"]))
        self._pairs.restore(state["pairs"])
        self._effect = Effect(*map(float, state["effect"]))

    def _observe_pairs(self, reading: Reading, seconds: float) -> None:
        """Bet on mirrored pairs.  They prove nothing: only requests that may be sent twice are among them."""
        paired = self._measure.paired(reading)
        if paired is None:
            return
        self._worse.bet(self._measure.gains_of_pairs(paired.thinned(self._pairs.phi)), seconds)
        self._pairs.observe(paired.shadow_only, paired.shadow_only + paired.live_only, seconds)

    def _verdict(self) -> Verdict:
        if self.evidence >= self._levels.alone:
            return Verdict.WORSE
        return Verdict.NON_INFERIOR if self.is_proven else Verdict.UNDECIDED

    def _to_go(self) -> tuple[float, float]:
        """Return how many more requests until worse and until proven, if all goes on as it did; inf for never."""
        seen = self._seen
        if not seen.recent_s or not seen.recent_l:
            return inf, inf
        share_s = seen.recent_s / (seen.recent_s + seen.recent_l)
        rate_l = seen.x_l / seen.n_l
        worse = expected(share_s, self._likely(seen.worse_s, self._measure.equal_worse, rate_l), rate_l)
        growths = self._measure.worse(worse.thinned(self._effect))
        to_worse = self._worse.requests_until(self._levels.alone, growths) if growths else None
        to_proof = None
        if self._proof:
            proof = expected(share_s, self._likely(seen.proof_s, self._measure.equal_proof, rate_l), rate_l)
            growths = self._measure.proofs(proof.thinned(self._effect))
            to_proof = self._proof.requests_until(self._levels.proof, growths)
        return inf if to_worse is None else to_worse, inf if to_proof is None else to_proof

    def _likely(self, hits: float, equal: float | None, rate_l: float) -> float:
        """Return the shadow's rate as it seems to be, starting from "as live"."""
        prior = rate_l if equal is None else equal
        return (hits + _PRIOR_REQUESTS * prior) / (self._seen.n_s + _PRIOR_REQUESTS)

    def _sentence(self, verdict: Verdict, to_worse: float, to_proof: float) -> str:
        levels, tolerance, promote = self._levels, self._options.tolerance, self._options.promote
        if verdict is Verdict.WORSE:
            proof = f"({odds(self.evidence)}, needed {odds(levels.alone)})"
            return f"worse than {margin(self.kpi, tolerance)}: proven {proof}"
        if self._seen.n_s == 0:
            return "no requests to compare yet"
        if to_worse < to_proof:
            reached = f"{odds(self.evidence)} of {odds(levels.alone)}"
            return f"worse than {margin(self.kpi, tolerance)}? {reached}, {about(ceil(to_worse))} more requests"
        if promote is None or self._proof is None:
            return f"not worse than {margin(self.kpi, tolerance)}: nothing speaks against it ({odds(self.evidence)})"
        claim = f"not worse than {margin(self.kpi, promote)}"
        if verdict is Verdict.NON_INFERIOR:
            return f"{claim}: proven ({odds(self.ni_evidence)}, needed {odds(levels.proof)})"
        left = f"{about(ceil(to_proof))} more requests" if to_proof < inf else "too close to call"
        return f"{claim}: {odds(self.ni_evidence)} of {odds(levels.proof)}, {left}"
