"""What a judge will be able to see, and when: reckoned from live's figures before anything is started.

The mean gain of a bet for each shadow request, at rates that are assumed, divides what it must gain.  Means hide the
spread (a quarter of the runs take half as long again), so figures are said with two digits and a tilde.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from math import inf, log
from typing import Final

from splitter.judge.calibration import Baseline, Scale, Tails, calibrate, fraction_above
from splitter.judge.config import LATENCIES, JudgeConfig
from splitter.judge.judge import EVIDENCE_SHARE
from splitter.judge.measures import Measure, measure_of
from splitter.judge.stats import Stratum, expected
from splitter.judge.wording import LABELS, percent, span

ERROR_FACTOR: Final = 10.0
ERROR_RATE_SHOWN_MIN: Final = 0.01  # a live stack without errors has no tenfold: reckon with 1 % then
SLOWER_FACTOR: Final = 1.5
SHARES: Final = (0.01, 0.02, 0.05, 0.10, 0.15, 0.20, 0.25, 0.30, 0.40, 0.50)  # that are suggested


@dataclass(frozen=True, slots=True)
class JudgePlan:
    """Seconds until the judge sees what, at the share planned for; inf: never, None: it is not compared.

    `slowest` is the KPI whose proof takes longest.  `fitting_share` is the smallest share at which a promotion fits
    into `max_duration_s`, None if none does.  `sentences` say it all, `warnings` what is wrong with it.
    """

    share: float
    error_rate_assumed: float
    error_rate_s: float | None
    latency_s: float | None
    promotion_s: float
    slowest: str
    fitting_share: float | None
    sentences: tuple[str, ...]
    warnings: tuple[str, ...]


def plan(config: JudgeConfig, baseline: Baseline, rps: float, share: float) -> JudgePlan:
    """Return what a rollout with `share` (a fraction) of `rps` requests per second will show, and when."""
    assert 0 < share < 1, "a split gives both stacks something"
    outlook = _Outlook(config, baseline, rps)
    promotion_s, slowest = outlook.promotion_s(share)
    fitting = next((each for each in SHARES if outlook.promotion_s(each)[0] <= config.max_duration_s), None)
    error_rate_s, latency_s = outlook.error_rate_s(share), outlook.latency_s(share)
    return JudgePlan(
        share=share,
        error_rate_assumed=outlook.error_rate_assumed,
        error_rate_s=error_rate_s,
        latency_s=latency_s,
        promotion_s=promotion_s,
        slowest=slowest,
        fitting_share=fitting,
        sentences=tuple(_sentences(outlook, share)),
        warnings=tuple(_warnings(outlook, share, fitting)),
    )


class _Outlook:
    """The judge's bets at rates that are assumed."""

    def __init__(self, config: JudgeConfig, baseline: Baseline, rps: float) -> None:
        self.config = config
        self.baseline = baseline
        self.rps = rps
        self.scale: Scale = calibrate(config, baseline)
        self._tails = Tails(self.scale.tails)
        self._shares = config.shares()
        rates = {"error_rate": baseline.e5u, "client_error_rate": baseline.e4u}
        self.rates = {kpi: errors / baseline.n if baseline.n else 0.0 for kpi, errors in rates.items()}
        self.error_rate_assumed = min(1.0, max(ERROR_FACTOR * self.rates["error_rate"], ERROR_RATE_SHOWN_MIN))

    def error_rate_s(self, share: float) -> float | None:
        """Return when a failing shadow is seen; None if nobody looks."""
        return self._worse_s("error_rate", share, self.error_rate_assumed, self.rates["error_rate"])

    def latency_s(self, share: float) -> float | None:
        """Return when answers that all take longer by half are seen in p99; None if nobody looks."""
        place = self.scale.places.get("latency_p99")
        if place is None:
            return None
        above = fraction_above(self.baseline.latency, place.worse_us / SLOWER_FACTOR)
        return self._worse_s("latency_p99", share, above, place.tail)

    def promotion_s(self, share: float) -> tuple[float, str]:
        """Return when a shadow that is as live can be promoted, and the KPI that takes longest to prove."""
        config, longest_s, slowest = self.config, 0.0, ""
        target = log(1.0 / config.false_promotion)
        for kpi in config.kpis:
            measure = self._measure(kpi)
            if measure is None or not measure.proof_bets or not self._shares[kpi]:
                continue
            rate_l = self.scale.places[kpi].tail if kpi in LATENCIES else self.rates[kpi]
            rate_s = rate_l if measure.equal_proof is None else measure.equal_proof
            proof_s = self._seconds(measure.proofs, target + log(measure.proof_bets), share, rate_s, rate_l)
            if not slowest or proof_s > longest_s:
                longest_s, slowest = proof_s, kpi
        if not slowest:
            return inf, ""
        warm_s = max(config.warmup_s, self._time_for(config.warmup_requests, share))
        return max(warm_s + longest_s + config.dwell_s, config.min_duration_s), slowest

    def _worse_s(self, kpi: str, share: float, rate_s: float, rate_l: float) -> float | None:
        measure = self._measure(kpi)
        if measure is None or not self._shares[kpi]:
            return None
        alpha = EVIDENCE_SHARE * self.config.false_rollback * self._shares[kpi]
        target = log(1.0 / alpha) + log(measure.worse_bets) + log(2.0)  # half of the wealth is in reserve
        needed_s = self._seconds(measure.worse, target, share, rate_s, rate_l)
        return needed_s + self.config.warmup_s if measure.waits_for_warmup else needed_s

    def _measure(self, kpi: str) -> Measure | None:
        options = self.config.kpis.get(kpi)
        return measure_of(kpi, options, self.scale, self._tails) if options else None

    def _seconds(
        self, bets: Callable[[Stratum], list[float]], target: float, share: float, rate_s: float, rate_l: float
    ) -> float:
        """Return how long the best of `bets` takes to gain `target`."""
        growth = max(bets(expected(share, rate_s, rate_l)))
        return self._time_for(target / growth, share) if growth > 0 else inf

    def _time_for(self, requests: float, share: float) -> float:
        """Return how long the shadow takes to get so many requests."""
        return requests / (self.rps * share) if self.rps > 0 else inf


def _sentences(outlook: _Outlook, share: float) -> Iterator[str]:
    if outlook.rps <= 0:
        yield "live has no traffic: nothing can be seen, and nothing can be promoted"
        return
    rate = percent(outlook.rates["error_rate"]) if outlook.baseline.n else "an unknown one"
    seen_s, slow_s = outlook.error_rate_s(share), outlook.latency_s(share)
    worse = outlook.error_rate_assumed
    word = "a tenfold error rate" if worse > ERROR_RATE_SHOWN_MIN else "an error rate"
    if seen_s is not None:
        yield f"at {share * 100:g} %, {word} ({percent(worse)}, live has {rate}) is seen {_in(seen_s)}"
    if slow_s is not None:
        yield f"at {share * 100:g} %, a p99 that is half as high again is seen {_in(slow_s)}"
    yield _promotion(outlook, share)
    larger = next((each for each in (0.25, 0.50) if each > share), None)
    if larger:
        yield _promotion(outlook, larger)


def _promotion(outlook: _Outlook, share: float) -> str:
    promotion_s, slowest = outlook.promotion_s(share)
    if not slowest:
        return "no promotion is possible: no KPI that counts can be measured"
    if promotion_s == inf:
        return f"at {share * 100:g} %, {LABELS[slowest]} cannot be proven and no promotion is possible"
    return f"at {share * 100:g} %, a promotion is possible after ~{span(promotion_s)} ({LABELS[slowest]} takes longest)"


def _in(seconds: float) -> str:
    return "never" if seconds == inf else f"in ~{span(seconds)}"


def _warnings(outlook: _Outlook, share: float, fitting: float | None) -> Iterator[str]:
    config = outlook.config
    unmeasured = [LABELS[kpi] for kpi in LATENCIES if kpi in config.kpis and kpi not in outlook.scale.places]
    if unmeasured:
        answers = outlook.baseline.answers
        yield f"{', '.join(unmeasured)} cannot be compared: live gave only {answers} answers; wait for more traffic"
    promotion_s, _ = outlook.promotion_s(share)
    if promotion_s <= config.max_duration_s or outlook.rps <= 0:
        return
    limit = span(config.max_duration_s)
    if fitting is not None and fitting > share:
        yield f"{share * 100:g} % of the traffic is too little for a promotion within {limit}: {fitting * 100:g} % fits"
    else:
        yield f"no share fits a promotion into {limit}: allow more time, or wider promotion margins"
