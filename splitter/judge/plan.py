"""What a judge will be able to see, and when: reckoned from live's figures before anything is started.

The mean gain of a bet for each shadow request, at rates that are assumed, and for as much less as live's past says that
requests share their fate, divides what it must gain.  Means hide the
spread (a quarter of the runs take half as long again), so figures are said with two digits and a tilde.

Failures and slowness are reckoned at the first step: a shadow that is bad is seen there.  A promotion is reckoned
through all steps: proof gathers on each, the faster the larger its share, and the last one lasts until it is enough.
Where requests are copied before the first step, failures are reckoned on the copies as well; they warm the shadow up
and prove nothing, and the time of the steps begins when they end.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from math import inf, log
from typing import Final

from splitter.judge.calibration import Baseline, Scale, Tails, calibrate, fraction_above
from splitter.judge.config import LATENCIES, SERIES, JudgeConfig
from splitter.judge.effects import design_of, learn
from splitter.judge.judge import EVIDENCE_SHARE
from splitter.judge.measures import Measure, Paired, measure_of
from splitter.judge.stats import Effect, Stratum, expected
from splitter.judge.tick import Reading, Tick
from splitter.judge.wording import LABELS, percent, span
from splitter.model import Counts

ERROR_FACTOR: Final = 10.0
ERROR_RATE_SHOWN_MIN: Final = 0.01  # a live stack without errors has no tenfold: reckon with 1 % then
SLOWER_FACTOR: Final = 1.5
MEDIAN_FACTOR: Final = 1.1
_PACE_S: Final = 1e6  # of a steady pace: long enough that nothing before counts
LUMPY: Final = 10.0  # from here on a plan says that live's requests share their fate
SHARES: Final = (0.01, 0.02, 0.05, 0.10, 0.15, 0.20, 0.25, 0.30, 0.40, 0.50)  # that are suggested


@dataclass(frozen=True, slots=True)
class Copying:
    """What is copied to the shadow before its first step: at most this share of the requests, for `for_s`."""

    share: float = 0.0
    for_s: float = 0.0


NO_COPIES: Final = Copying()


@dataclass(frozen=True, slots=True)
class JudgePlan:
    """Seconds until the judge sees what, through `steps`; inf: never, None: it is not compared.

    `error_rate_s`, `median_s` and `latency_s` are at the first step and count from its begin, as `promotion_s` counts
    from the begin of all.  `exposure_s` is when the first request is served by the shadow; `pairs` of answers, at most,
    are gathered before, and failures are seen on them after `mirror_error_rate_s` (None: nothing is copied, inf: later
    than copies are made).  `slowest` is the KPI whose proof takes longest.
    `fitting_share` is the smallest last step at which a promotion fits into `max_duration_s`, None if none does.
    `sentences` say it all, `warnings` what is wrong with it.
    """

    steps: tuple[float, ...]
    error_rate_assumed: float
    error_rate_s: float | None
    median_s: float | None
    latency_s: float | None
    promotion_s: float
    slowest: str
    fitting_share: float | None
    sentences: tuple[str, ...]
    warnings: tuple[str, ...]
    exposure_s: float = 0.0
    pairs: int = 0
    mirror_error_rate_s: float | None = None


def plan(
    config: JudgeConfig,
    baseline: Baseline,
    rps: float,
    steps: Sequence[float],
    hold_s: float = 0.0,
    copying: Copying = NO_COPIES,
) -> JudgePlan:
    """Return what a rollout will show, and when, whose shadow gets `steps` (fractions) of `rps` requests per second.

    Each step lasts `hold_s`, the last one until the promotion.
    """
    assert steps, "a rollout has a step"
    assert all(0 < share < 1 for share in steps), "a split gives both stacks something"
    outlook = _Outlook(config, baseline, rps, hold_s, copying)
    promotion_s, slowest = outlook.promotion_s(steps)
    fitting = _fitting(outlook, steps)
    return JudgePlan(
        steps=tuple(steps),
        error_rate_assumed=outlook.error_rate_assumed,
        error_rate_s=outlook.error_rate_s(steps[0]),
        median_s=outlook.slower_s("latency_p50", MEDIAN_FACTOR, steps[0]),
        latency_s=outlook.slower_s("latency_p99", SLOWER_FACTOR, steps[0]),
        promotion_s=promotion_s,
        slowest=slowest,
        fitting_share=fitting,
        sentences=tuple(_sentences(outlook, steps)),
        warnings=tuple(_warnings(outlook, steps, fitting)),
        exposure_s=copying.for_s,
        pairs=outlook.pairs,
        mirror_error_rate_s=outlook.mirror_error_rate_s(),
    )


def _fitting(outlook: "_Outlook", steps: Sequence[float]) -> float | None:
    """Return the smallest last step with which a promotion is in time."""
    *before, last = steps
    lowest = before[-1] if before else 0.0
    limit_s = outlook.limit_s
    shares = sorted({last, *(share for share in SHARES if share > lowest)})
    return next((share for share in shares if outlook.promotion_s([*before, share])[0] <= limit_s), None)


class _Outlook:
    """The judge's bets at rates that are assumed."""

    def __init__(
        self, config: JudgeConfig, baseline: Baseline, rps: float, hold_s: float, copying: Copying = NO_COPIES
    ) -> None:
        self.config = config
        self.baseline = baseline
        self.rps = rps
        self.copying = copying
        self.limit_s = config.max_duration_s + copying.for_s  # the judge's time begins anew with the first step
        self.pairs = int(rps * copying.share * copying.for_s)
        self._hold_s = hold_s
        self.scale: Scale = calibrate(config, baseline)
        self._tails = Tails(self.scale.tails)
        self._design = design_of(self.scale, config)
        learn(self._design, self.scale, baseline)
        self._shares = config.shares()
        rates = {"error_rate": baseline.e5u, "client_error_rate": baseline.e4u}
        self.rates = {kpi: errors / baseline.n if baseline.n else 0.0 for kpi, errors in rates.items()}
        self.error_rate_assumed = min(1.0, max(ERROR_FACTOR * self.rates["error_rate"], ERROR_RATE_SHOWN_MIN))

    def error_rate_s(self, share: float) -> float | None:
        """Return when a failing shadow is seen; None if nobody looks."""
        return self._worse_s("error_rate", share, self.error_rate_assumed, self.rates["error_rate"])

    def mirror_error_rate_s(self) -> float | None:
        """Return when a failing shadow is seen on copies; inf if they end before, None without any."""
        measure = self._measure("error_rate")
        if not self.copying.share or measure is None or not self._shares["error_rate"]:
            return None
        rate_s, rate_l = self.error_rate_assumed, self.rates["error_rate"]
        shadow_only, live_only = rate_s * (1.0 - rate_l), rate_l * (1.0 - rate_s)
        growth = max(measure.gains_of_pairs(Paired(shadow_only, live_only, 1.0 - shadow_only - live_only)))
        if growth <= 0:
            return inf
        needed_s = self._time_for(self._target("error_rate", measure) / growth, self.copying.share)
        return needed_s if needed_s <= self.copying.for_s else inf

    def slower_s(self, kpi: str, factor: float, share: float) -> float | None:
        """Return when answers that all take `factor` as long are seen in a latency KPI; None if nobody looks."""
        place = self.scale.places.get(kpi)
        if place is None:
            return None
        above = fraction_above(self.baseline.latency, place.worse_us / factor)
        return self._worse_s(kpi, share, above, place.tail)

    def promotion_s(self, steps: Sequence[float]) -> tuple[float, str]:
        """Return when a shadow that is as live can be promoted, and the KPI that takes longest to prove."""
        config, longest_s, slowest = self.config, 0.0, ""
        copied_s, copied = self.copying.for_s, self.rps * self.copying.share
        if copied * copied_s >= config.warmup_requests > 0:
            warmed_s = config.warmup_requests / copied
        else:
            left = config.warmup_requests - copied * copied_s
            warmed_s = self._through(steps, left, lambda share: 1.0, after_s=copied_s)
        warm_s = max(config.warmup_s, warmed_s, copied_s)
        target = log(1.0 / config.false_promotion)
        for kpi in config.kpis:
            measure = self._measure(kpi)
            if measure is None or not measure.proof_bets or not self._shares[kpi]:
                continue
            rate_l = self.scale.places[kpi].tail if kpi in LATENCIES else self.rates[kpi]
            rate_s = rate_l if measure.equal_proof is None else measure.equal_proof
            growth = partial(self._growth, measure, measure.proofs, rate_s=rate_s, rate_l=rate_l)
            proof_s = self._through(steps, target + log(measure.proof_bets), growth, after_s=warm_s)
            if not slowest or proof_s > longest_s:
                longest_s, slowest = proof_s, kpi
        if not slowest:
            return inf, ""
        held_s = copied_s + self._hold_s * len(steps)
        return max(longest_s + config.dwell_s, config.min_duration_s, held_s), slowest

    def _through(
        self, steps: Sequence[float], target: float, growth: Callable[[float], float], *, after_s: float = 0.0
    ) -> float:
        """Return when `target` is gained at `growth` (of a share) for each shadow request, from `after_s` on."""
        if self.rps <= 0 or after_s == inf:
            return inf
        gained, now_s = 0.0, after_s
        for number, share in enumerate(steps, 1):
            ends_s = self.copying.for_s + self._hold_s * number if number < len(steps) else inf
            if ends_s <= now_s:
                continue
            speed = growth(share) * self.rps * share
            needed_s = (target - gained) / speed if speed > 0 else inf
            if needed_s <= ends_s - now_s:
                return now_s + needed_s
            gained += max(speed, 0.0) * (ends_s - now_s)
            now_s = ends_s
        return inf

    def _worse_s(self, kpi: str, share: float, rate_s: float, rate_l: float) -> float | None:
        measure = self._measure(kpi)
        if measure is None or not self._shares[kpi]:
            return None
        growth = self._growth(measure, measure.worse, share, rate_s=rate_s, rate_l=rate_l)
        needed_s = self._time_for(self._target(kpi, measure) / growth, share) if growth > 0 else inf
        return needed_s + self.config.warmup_s if measure.waits_for_warmup else needed_s

    def _target(self, kpi: str, measure: Measure) -> float:
        """Return what the best bet of a KPI has to gain to roll back alone; half of the wealth is in reserve."""
        alpha = EVIDENCE_SHARE * self.config.false_rollback * self._shares[kpi]
        return log(1.0 / alpha) + log(measure.worse_bets) + log(2.0)

    def lumps(self, share: float) -> Iterator[tuple[str, float]]:
        """Yield each KPI that is compared, with how many of live's requests weigh as one."""
        for kpi in self.config.kpis:
            measure = self._measure(kpi)
            if measure is not None and self._shares[kpi]:
                yield kpi, self._effect(measure, share).l

    def _growth(
        self,
        measure: Measure,
        bets: Callable[[Stratum], list[float] | None],
        share: float,
        *,
        rate_s: float,
        rate_l: float,
    ) -> float:
        """Return what the best of `bets` gains for each shadow request, of which several may weigh as one."""
        stratum = expected(share, rate_s, rate_l).thinned(self._effect(measure, share))
        return max(bets(stratum) or [0.0])

    def _effect(self, measure: Measure, share: float) -> Effect:
        """Return the design effect at a share: the more requests the shadow has at a time, the more share a fate."""
        shadow = Counts(n=round(self.rps * share * _PACE_S), bins=(0,) * (len(self.scale.shadow_us) + 1))
        tick = Tick(0, shadow=shadow)
        self._design.pace(Reading(tick, len(self.scale.live_us), len(self.scale.shadow_us)), _PACE_S)
        return measure.effect(self._design)

    def _measure(self, kpi: str) -> Measure | None:
        options = self.config.kpis.get(kpi) if kpi not in SERIES else None
        return measure_of(kpi, options, self.scale, self._tails) if options else None

    def _time_for(self, requests: float, share: float) -> float:
        """Return how long the shadow takes to get so many requests."""
        return requests / (self.rps * share) if self.rps > 0 else inf


def _sentences(outlook: _Outlook, steps: Sequence[float]) -> Iterator[str]:
    if outlook.rps <= 0:
        yield "live has no traffic: nothing can be seen, and nothing can be promoted"
        return
    share = steps[0]
    rate = percent(outlook.rates["error_rate"]) if outlook.baseline.n else "an unknown one"
    worse = outlook.error_rate_assumed
    word = "a tenfold error rate" if worse > ERROR_RATE_SHOWN_MIN else "an error rate"
    if outlook.copying.share:
        yield _copies(outlook, f"{word} of {percent(worse)}")
    seen = {
        f"{word} ({percent(worse)}, live has {rate})": outlook.error_rate_s(share),
        "a median that is 10 % higher": outlook.slower_s("latency_p50", MEDIAN_FACTOR, share),
        "a p99 that is half as high again": outlook.slower_s("latency_p99", SLOWER_FACTOR, share),
    }
    for what, seconds in seen.items():
        if seconds is not None:
            yield f"at {share * 100:g} %, {what} {_seen(seconds)}"
    yield _promotion(outlook, steps)
    larger = next((each for each in (0.25, 0.50) if each > share), None)
    if larger and steps[-1] != larger:
        yield _promotion(outlook, [larger])


def _copies(outlook: _Outlook, failing: str) -> str:
    """Say what is known before anybody is served by the shadow."""
    copying, seen_s = outlook.copying, outlook.mirror_error_rate_s()
    first = f"copies of {copying.share * 100:g} % of the requests come first, for {span(copying.for_s)}"
    pairs = f"at most {outlook.pairs} pairs of answers before anybody is served by the shadow"
    if seen_s is None:
        return f"{first}: {pairs}"
    found = f"is seen on them in ~{span(seen_s)}" if seen_s < inf else "takes more of them to be seen"
    return f"{first}: {pairs}; {failing} {found}"


def _promotion(outlook: _Outlook, steps: Sequence[float]) -> str:
    promotion_s, slowest = outlook.promotion_s(steps)
    where = _through_words(steps)
    if not slowest:
        return "no promotion is possible: no KPI that counts can be measured"
    if promotion_s == inf:
        return f"{where}, {LABELS[slowest]} cannot be proven and no promotion is possible"
    return f"{where}, a promotion is possible after ~{span(promotion_s)} ({LABELS[slowest]} takes longest)"


def _through_words(steps: Sequence[float]) -> str:
    shares = [f"{share * 100:g} %" for share in steps]
    return f"at {shares[0]}" if len(shares) == 1 else f"through {', '.join(shares)}"


def _seen(seconds: float) -> str:
    """Return when something is seen; what does not even lead away from the tolerance on average never is."""
    return "is within what is tolerated, or nearly" if seconds == inf else f"is seen in ~{span(seconds)}"


def _warnings(outlook: _Outlook, steps: Sequence[float], fitting: float | None) -> Iterator[str]:
    config = outlook.config
    unmeasured = [LABELS[kpi] for kpi in LATENCIES if kpi in config.kpis and kpi not in outlook.scale.places]
    if unmeasured:
        answers = outlook.baseline.answers
        yield f"{', '.join(unmeasured)} cannot be compared: live gave only {answers} answers; wait for more traffic"
    kpi, phi = max(outlook.lumps(steps[-1]), key=lambda each: each[1], default=("", 1.0))
    if phi >= LUMPY:
        yield (
            f"{LABELS[kpi]}: {phi:.0f} of live's requests weigh as one, because they share their fate; proof takes so "
            "much longer, unless the shadow turns out to share it too, and on an overloaded host it may not come at all"
        )
    promotion_s, _ = outlook.promotion_s(steps)
    if promotion_s <= outlook.limit_s or outlook.rps <= 0:
        return
    limit, last = span(config.max_duration_s), steps[-1]
    if fitting is not None and fitting > last:
        yield f"{last * 100:g} % of the traffic is too little for a promotion within {limit}: {fitting * 100:g} % fits"
    else:
        yield f"no share fits a promotion into {limit}: allow more time, or wider promotion margins"
