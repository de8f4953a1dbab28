"""The `analysis` section: what the judge goes by.  Values that are left out are those of the profile.

Checks are the judge's own: `judge_config` hands it the options, and what it refuses is said at the option it is about.
"""

from dataclasses import replace
from typing import Annotated, TypeAlias

from pydantic import Field, model_validator

from splitter.config.problems import MisfitsError
from splitter.config.section import Section
from splitter.config.units import Count, Duration, Fraction, Moment, Number, Ratio
from splitter.judge.config import (
    SLO_MAX,
    GuardOptions,
    JudgeConfig,
    JudgeOptionsError,
    KpiOptions,
    Margin,
    Mode,
    OnUndecided,
    PredictOptions,
    Profile,
    profile,
)
from splitter.rollout.options import RolloutOptions

_JUDGE = JudgeConfig()
_ROLLOUT = RolloutOptions()

Chance: TypeAlias = Annotated[Fraction, Field(gt=0, le=0.5)]
Part: TypeAlias = Annotated[Fraction, Field(gt=0, le=1)]


class RateMargin(Section):
    ratio: Ratio | None = None
    """The shadow's rate may be live's times this. Null: see the profile."""
    absolute: Fraction | None = None
    """And this many more of all requests. Null: see the profile."""


class LatencyMargin(Section):
    ratio: Ratio | None = None
    """The shadow's latency may be live's times this. Null: see the profile."""
    absolute: Duration | None = None
    """And this much longer. Null: see the profile."""


class RateKpi(Section):
    weight: Number | None = None
    """The KPI's part of the false-rollback risk; 0: shown, never decides. Null: see the profile."""
    tolerance: RateMargin = RateMargin()
    """How much worse than live the shadow may be before it is rolled back."""
    promote: RateMargin | None = RateMargin()
    """How close to live the shadow must be proven to be before it is promoted. Null: no promotion waits for it."""


class LatencyKpi(Section):
    weight: Number | None = None
    """The KPI's part of the false-rollback risk; 0: shown, never decides. Null: see the profile."""
    tolerance: LatencyMargin = LatencyMargin()
    """How much slower than live the shadow may be before it is rolled back."""
    promote: LatencyMargin | None = LatencyMargin()
    """How close to live the shadow must be proven to be before it is promoted. Null: no promotion waits for it."""


class ShapeKpi(Section):
    weight: Number | None = None
    """The KPI's part of the false-rollback risk; 0: shown, never decides. Null: see the profile."""
    tolerance: LatencyMargin = LatencyMargin()
    """How much slower than live's the slowest tenth may begin; below and above it, p50's and p99's tolerances hold."""


class SeriesMargin(Section):
    ratio: Ratio | None = None
    """The shadow's figure may be live's times this. Null: see the profile."""


class SeriesKpi(Section):
    weight: Number | None = None
    """The KPI's part of the false-rollback risk; 0: shown, never decides. Null: see the profile."""
    tolerance: SeriesMargin = SeriesMargin()
    """How much more than live the shadow may use in at least half of all blocks of ten seconds."""


class Kpis(Section):
    error_rate: RateKpi = RateKpi()
    """Answers of 500 and above, refused and broken connections, time-outs."""
    client_error_rate: RateKpi = RateKpi()
    """Answers from 400 to 499."""
    latency_p50: LatencyKpi = LatencyKpi()
    """The time that half of the answers take at most."""
    latency_p95: LatencyKpi = LatencyKpi()
    """The time that 95 of 100 answers take at most."""
    latency_p99: LatencyKpi = LatencyKpi()
    """The time that 99 of 100 answers take at most."""
    latency_shape: ShapeKpi = ShapeKpi()
    """All latencies at once: what is slower nowhere in particular, or for one request in a thousand."""
    cpu_per_request: SeriesKpi = SeriesKpi()
    """CPU time for each request of the services that both stacks have, where the provisioner can sample it."""
    memory: SeriesKpi = SeriesKpi()
    """The memory in use, as far as it cannot be reclaimed, of the services that both stacks have."""


class Warmup(Section):
    time: Duration = _JUDGE.warmup_s
    """How long the shadow's latencies do not count yet, once it gets traffic."""
    requests: Count = _JUDGE.warmup_requests
    """And for how many of its requests."""


class BaselineSection(Section):
    window: Moment = _JUDGE.baseline_window_s
    """How much of live's recent past tells what is usual."""
    design_window: Moment = _JUDGE.design_window_s
    """How much of live's past tells how much it varies: how many requests that share their fate weigh as one."""


class Guards(Section):
    error_rate: Part | None = _JUDGE.guards.error_rate
    """The shadow's failures may exceed live's by this part of its requests. Null: no such guard."""
    latency_p99: Moment | None = _JUDGE.guards.latency_p99_s
    """At most 1 % of the shadow's answers may take longer, unless live's do as well. Null: no such guard."""
    memory: Part | None = _JUDGE.guards.memory
    """How much of its limit, or of 90 % of the host's memory without one, the shadow may fill. Null: no such guard."""
    impact_budget: Annotated[Number, Field(gt=0)] | None = _JUDGE.guards.impact_budget
    """How many requests may fail that live would not have failed. Null: no such guard."""
    slo: Annotated[Fraction, Field(gt=0, le=SLO_MAX)] | None = _JUDGE.guards.slo
    """The part of requests that may fail by the service's objective: 14.4 times it rolls back, 6 times it waits."""


class Predict(Section):
    memory: Mode = _JUDGE.predict.memory
    """What is done when memory, processes or descriptors of the shadow will be at their limit within `horizon`."""
    latency_trend: Mode = _JUDGE.predict.latency_trend
    """What is done when the shadow is surely slower than live, getting slower, and about to be beyond its tolerance."""
    cpu: Mode = _JUDGE.predict.cpu
    """What is done when all of the traffic would need more than 80 % of the shadow's CPU limit; not `rollback`."""
    horizon: Moment = _JUDGE.predict.horizon_s
    """How far ahead memory is looked at; it is half of the time that the growth was seen at most."""


class Analysis(Section):
    profile: Profile = _JUDGE.profile
    """Which tolerances hold where none is written: any provable loss, a loss that users notice, or a grave one."""
    false_rollback: Chance = _JUDGE.false_rollback
    """The chance, over a whole rollout, of rolling back a stack that is not worse."""
    false_promotion: Chance = _JUDGE.false_promotion
    """The chance, over a whole rollout, of promoting a stack that is beyond a promotion margin."""
    tick: Moment = _ROLLOUT.tick_s
    """How often the figures are looked at."""
    sample: Moment = _ROLLOUT.sample_s
    """How often it is looked at what both stacks use: memory, CPU, processes, descriptors, restarts."""
    warmup: Warmup = Warmup()
    """When latencies and proofs begin to count."""
    dwell: Duration = _JUDGE.dwell_s
    """How long the proof must hold without a break before a promotion."""
    min_duration: Duration = _JUDGE.min_duration_s
    """No promotion comes sooner, so that what takes time to show can."""
    max_duration: Moment | None = None
    """After this much analysis without a decision the shadow counts as undecided. Null: at `rollout.deadline`."""
    min_score: Annotated[Number, Field(le=100)] | None = _JUDGE.min_score
    """A promotion also needs this score, of 50 (nothing is known) to 100 (all is proven, nothing speaks against it).
    Null: proof is enough."""
    baseline: BaselineSection = BaselineSection()
    """What is compared with."""
    kpis: Kpis = Kpis()
    """The figures that are compared, each with its weight, tolerance and promotion margin."""
    guards: Guards = Guards()
    """Bounds that roll back at once, also while the shadow warms up."""
    predict: Predict = Predict()
    """What forecasts may do: `rollback`, `gate` (hold the promotion back), `warn` or `off`."""

    @model_validator(mode="after")
    def _can_be_judged_by(self) -> "Analysis":
        """What the judge itself refuses; the fit to the rollout's deadline is the app's to check."""
        try:
            judge_config(self, deadline_s=self.min_duration + self.dwell + _JUDGE.max_duration_s)
        except JudgeOptionsError as error:
            raise MisfitsError([(tuple(path.split(".")), message) for path, message in error.problems]) from None
        return self


def judge_config(
    analysis: Analysis, deadline_s: float, on_undecided: OnUndecided = OnUndecided.ROLLBACK
) -> JudgeConfig:
    """Return the judge's options.  Raises JudgeOptionsError with every option that it cannot go by."""
    given = profile(analysis.profile)
    guards, predict = analysis.guards, analysis.predict
    return replace(
        given,
        false_rollback=analysis.false_rollback,
        false_promotion=analysis.false_promotion,
        warmup_s=analysis.warmup.time,
        warmup_requests=analysis.warmup.requests,
        dwell_s=analysis.dwell,
        min_duration_s=analysis.min_duration,
        max_duration_s=deadline_s if analysis.max_duration is None else analysis.max_duration,
        min_score=analysis.min_score,
        on_undecided=on_undecided,
        baseline_window_s=analysis.baseline.window,
        design_window_s=analysis.baseline.design_window,
        kpis={name: _kpi(getattr(analysis.kpis, name), options) for name, options in given.kpis.items()},
        guards=GuardOptions(
            error_rate=guards.error_rate,
            latency_p99_s=guards.latency_p99,
            memory=guards.memory,
            impact_budget=guards.impact_budget,
            slo=guards.slo,
        ),
        predict=PredictOptions(
            memory=predict.memory,
            latency_trend=predict.latency_trend,
            cpu=predict.cpu,
            horizon_s=predict.horizon,
        ),
    )


def _kpi(section: RateKpi | LatencyKpi | ShapeKpi | SeriesKpi, given: KpiOptions) -> KpiOptions:
    """Return a KPI's options: what is written, over what the profile gives."""
    weight = given.weight if section.weight is None else section.weight
    if isinstance(section, SeriesKpi):
        ratio = section.tolerance.ratio
        return KpiOptions(weight, given.tolerance if ratio is None else Margin(ratio))
    tolerance = _margin(section.tolerance, given.tolerance)
    if isinstance(section, ShapeKpi):
        return KpiOptions(weight, tolerance)
    promote = given.promote
    if section.promote is None:
        promote = None
    elif section.promote.model_fields_set:
        promote = _margin(section.promote, given.promote or Margin())
    return KpiOptions(weight, tolerance, promote)


def _margin(section: RateMargin | LatencyMargin, given: Margin) -> Margin:
    return Margin(
        ratio=given.ratio if section.ratio is None else section.ratio,
        absolute=given.absolute if section.absolute is None else section.absolute,
    )
