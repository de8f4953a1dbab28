"""What a user may say about the judge.  Times are seconds, shares are fractions: 0.05 is 5 %.

Rule 1: KPI weights are shares of the false-rollback risk, not a measure of worth: a KPI of weight w alone has to reach
w times less often what all together may reach.  They need not sum to 1; `shares` normalises them over the KPIs named.
Rule 2: a promotion margin is never tighter than the tolerance.  Otherwise a stack could be too bad to be proven and
too good to be rolled back, for ever.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from math import isfinite
from typing import Any, Final

from splitter.errors import OperatorError


class Profile(StrEnum):
    """Sets of tolerances: any provable loss, a loss that users would notice, a loss that they would complain of."""

    STRICT = "strict"
    DEFAULT = "default"
    LENIENT = "lenient"


class OnUndecided(StrEnum):
    """What becomes of a shadow about which nothing is proven at `max_duration_s`."""

    ROLLBACK = "rollback"
    HOLD = "hold"
    PROMOTE_IF_NOT_WORSE = "promote_if_not_worse"


class Mode(StrEnum):
    """What a forecast may do: roll back, hold a promotion back, be shown, or not be made."""

    ROLLBACK = "rollback"
    GATE = "gate"
    WARN = "warn"
    OFF = "off"


class JudgeOptionsError(OperatorError, ValueError):
    """Options that no judge can go by.  `problems` lists all: (path below `analysis`, what to write instead)."""

    def __init__(self, problems: Sequence[tuple[str, str]]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(f"analysis.{path}: {message}" for path, message in self.problems))


@dataclass(frozen=True, slots=True)
class Margin:
    """How much worse than live the shadow may be: ratio x live + absolute (a fraction for rates, else seconds)."""

    ratio: float = 1.0
    absolute: float = 0.0


@dataclass(frozen=True, slots=True)
class KpiOptions:
    """One KPI.  Beyond `tolerance` it is worse; within `promote` it may be proven (None: no promotion waits for it).

    Weight 0: it is shown and never decides.
    """

    weight: float
    tolerance: Margin
    promote: Margin | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class GuardOptions:
    """Bounds that roll back at once, also while the shadow warms up.  None switches a guard off.

    `error_rate`: failures beyond live's by this much.  `latency_p99_s`: at most 1 % of answers may take longer.
    `memory`: of the stack's limit.  `impact_budget`: how many requests may fail that live would not have failed.
    `slo`: the part of requests that may fail by the service's objective; 14.4 times as many roll back, 6 times as many
    hold a promotion back.
    """

    error_rate: float | None = 0.05
    latency_p99_s: float | None = None
    memory: float | None = 0.95
    impact_budget: float | None = None
    slo: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PredictOptions:
    """What the shadow's forecasts may do.

    `memory` (pids and connections with it): it fills up within `horizon_s`.  `latency_trend`: it is surely slower than
    live and growing so.  `cpu`: at full load it would need more than four fifths of its limit.
    """

    memory: Mode = Mode.ROLLBACK
    latency_trend: Mode = Mode.ROLLBACK
    cpu: Mode = Mode.GATE
    horizon_s: float = 600.0


SLO_MAX: Final = 0.05  # beyond it, 14.4 times as many are most of all requests

RATES: Final = ("error_rate", "client_error_rate")
LATENCIES: Final[Mapping[str, float]] = {"latency_p50": 0.5, "latency_p95": 0.95, "latency_p99": 0.99}
"""The quantile that each latency KPI is about."""
SHAPE: Final = "latency_shape"
SERIES: Final = ("cpu_per_request", "memory")
"""What is sampled and compared as a ratio: the shadow's against live's."""
NAMES: Final = (*RATES, *LATENCIES, SHAPE, *SERIES)

_MS = 1e-3
KPIS: Final[Mapping[Profile, Mapping[str, KpiOptions]]] = {
    Profile.STRICT: {
        "error_rate": KpiOptions(0.40, Margin(), Margin(1.5, 0.005)),
        "client_error_rate": KpiOptions(0.05, Margin(), Margin(2.0, 0.02)),
        "latency_p50": KpiOptions(0.15, Margin(), Margin(1.15, 2 * _MS)),
        "latency_p95": KpiOptions(0.10, Margin(), Margin(1.20, 5 * _MS)),
        "latency_p99": KpiOptions(0.15, Margin(), Margin(1.30, 10 * _MS)),
        "latency_shape": KpiOptions(0.15, Margin()),
        "cpu_per_request": KpiOptions(0.0, Margin(1.2)),
        "memory": KpiOptions(0.0, Margin(1.25)),
    },
    Profile.DEFAULT: {
        "error_rate": KpiOptions(0.40, Margin(1.25, 0.0005), Margin(1.5, 0.005)),
        "client_error_rate": KpiOptions(0.05, Margin(1.5, 0.01), Margin(2.0, 0.02)),
        "latency_p50": KpiOptions(0.15, Margin(1.05, 0.5 * _MS), Margin(1.15, 2 * _MS)),
        "latency_p95": KpiOptions(0.10, Margin(1.10, 2 * _MS), Margin(1.20, 5 * _MS)),
        "latency_p99": KpiOptions(0.15, Margin(1.10, 2 * _MS), Margin(1.30, 10 * _MS)),
        "latency_shape": KpiOptions(0.15, Margin(1.08, 1 * _MS)),
        "cpu_per_request": KpiOptions(0.0, Margin(1.2)),
        "memory": KpiOptions(0.0, Margin(1.25)),
    },
    Profile.LENIENT: {
        "error_rate": KpiOptions(0.40, Margin(2.0, 0.005), Margin(2.5, 0.01)),
        "client_error_rate": KpiOptions(0.05, Margin(2.0, 0.02), Margin(2.5, 0.04)),
        "latency_p50": KpiOptions(0.15, Margin(1.15, 2 * _MS), Margin(1.25, 4 * _MS)),
        "latency_p95": KpiOptions(0.10, Margin(1.25, 10 * _MS), Margin(1.35, 15 * _MS)),
        "latency_p99": KpiOptions(0.15, Margin(1.25, 10 * _MS), Margin(1.40, 20 * _MS)),
        "latency_shape": KpiOptions(0.15, Margin(1.25, 10 * _MS)),
        "cpu_per_request": KpiOptions(0.0, Margin(1.2)),
        "memory": KpiOptions(0.0, Margin(1.25)),
    },
}


def _default_kpis() -> Mapping[str, KpiOptions]:
    return dict(KPIS[Profile.DEFAULT])


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgeConfig:
    """How the shadow is judged.  `profile` only names where the KPIs' options came from: make it with `profile()`.

    `false_rollback` and `false_promotion` bound, over a whole rollout, the chance of rolling back a shadow that no KPI
    shows beyond its tolerance, and of promoting one that some weighted KPI has beyond its promotion margin.
    Latencies and proofs count after `warmup_s` and `warmup_requests` of the shadow; a promotion waits for `dwell_s` of
    unbroken proof and for `min_duration_s`.  `design_window_s` of live tell how correlated its requests are.
    `min_score` is a score that a promotion needs besides all proof (None: none is asked for).
    `comparable` is False where requests are not given to the stacks by chance: guards and forecasts only, then.
    """

    profile: Profile = Profile.DEFAULT
    false_rollback: float = 0.01
    false_promotion: float = 0.05
    warmup_s: float = 30.0
    warmup_requests: int = 50
    dwell_s: float = 120.0
    min_duration_s: float = 600.0
    max_duration_s: float = 3_600.0
    min_score: float | None = None
    on_undecided: OnUndecided = OnUndecided.ROLLBACK
    baseline_window_s: float = 600.0
    design_window_s: float = 1_800.0
    comparable: bool = True
    kpis: Mapping[str, KpiOptions] = field(default_factory=_default_kpis)
    guards: GuardOptions = GuardOptions()
    predict: PredictOptions = PredictOptions()

    def __post_init__(self) -> None:
        """Raise JudgeOptionsError with every mistake."""
        problems = [*_chances(self), *_times(self), *_kpis(self.kpis), *_guards(self.guards), *_predict(self.predict)]
        if not problems:  # what a score can be hangs on the weights
            problems = [*_score(self)]
        if problems:
            raise JudgeOptionsError(problems)

    def shares(self) -> dict[str, float]:
        """Return each KPI's share of the false-rollback risk; they sum to 1."""
        total = sum(options.weight for options in self.kpis.values())
        return {name: options.weight / total for name, options in self.kpis.items()}

    def score_max(self) -> float:
        """Return the score of a shadow whose every promotion margin is proven; the other KPIs cannot pass one half."""
        shares = self.shares()
        return 100.0 * sum(shares[name] * (1.0 if options.promote else 0.5) for name, options in self.kpis.items())


def profile(name: str) -> JudgeConfig:
    """Return the options of a profile: `strict`, `default` or `lenient`.  Raises JudgeOptionsError for another name."""
    try:
        known = Profile(name)
    except ValueError:
        raise JudgeOptionsError([("profile", f"{name!r} is not known; write {', '.join(Profile)}")]) from None
    return JudgeConfig(profile=known, kpis=dict(KPIS[known]))


def to_mapping(config: JudgeConfig) -> dict[str, Any]:
    """Return `config` as plain values for the journal."""
    return {**asdict(config), "profile": config.profile.value, "on_undecided": config.on_undecided.value}


def from_mapping(mapping: Mapping[str, Any]) -> JudgeConfig:
    """Return the config of `to_mapping`; what is missing has its default.  Raises JudgeOptionsError."""
    values = dict(mapping)
    if "profile" in values:
        values["profile"] = Profile(values["profile"])
    if "on_undecided" in values:
        values["on_undecided"] = OnUndecided(values["on_undecided"])
    if "guards" in values:
        values["guards"] = GuardOptions(**values["guards"])
    if "predict" in values:
        values["predict"] = _predict_from(values["predict"])
    if "kpis" in values:
        given = values["kpis"]  # in the order of a profile: what was kept as JSON may have lost it
        names = [name for name in KPIS[Profile.DEFAULT] if name in given]
        names += [name for name in given if name not in names]
        values["kpis"] = {name: _kpi_from(given[name]) for name in names}
    return JudgeConfig(**values)


def _predict_from(options: Mapping[str, Any]) -> PredictOptions:
    values: dict[str, Any] = {name: Mode(value) for name, value in options.items() if name != "horizon_s"}
    return PredictOptions(**{**options, **values})


def _kpi_from(options: Mapping[str, Any]) -> KpiOptions:
    promote = options.get("promote")
    return KpiOptions(options["weight"], Margin(**options["tolerance"]), Margin(**promote) if promote else None)


_Problems = Iterator[tuple[str, str]]


def _chances(config: JudgeConfig) -> _Problems:
    for path in ("false_rollback", "false_promotion"):
        value = getattr(config, path)
        if not 0 < value <= 0.5:
            yield path, f"{value:g} is no chance to live with; write more than 0 % and at most 50 %"


def _times(config: JudgeConfig) -> _Problems:
    paths = {
        "warmup.time": config.warmup_s,
        "warmup.requests": config.warmup_requests,
        "dwell": config.dwell_s,
        "min_duration": config.min_duration_s,
    }
    for path, value in paths.items():
        if not (isfinite(value) and value >= 0):
            yield path, f"{value:g} must be 0 or more"
    lasting = {
        "max_duration": config.max_duration_s,
        "baseline.window": config.baseline_window_s,
        "baseline.design_window": config.design_window_s,
    }
    for path, value in lasting.items():
        if not (isfinite(value) and value > 0):
            yield path, f"{value:g} s must be more than 0 s"
    if config.min_duration_s + config.dwell_s > config.max_duration_s:
        sooner = f"min_duration ({config.min_duration_s:g} s) and dwell ({config.dwell_s:g} s)"
        yield "max_duration", f"{config.max_duration_s:g} s is less than {sooner}: nothing could ever be promoted"


def _score(config: JudgeConfig) -> _Problems:
    least, most = config.min_score, config.score_max()
    if least is None:
        return
    if not 0 <= least <= 100:
        yield "min_score", f"{least:g} must be from 0 to 100"
    elif least > most:
        yield "min_score", f"{least:g} is more than {most:.1f}, all that proof can give: nothing could ever be promoted"


def _kpis(kpis: Mapping[str, KpiOptions]) -> _Problems:
    for name, options in kpis.items():
        if name not in NAMES:
            yield f"kpis.{name}", f"is not a KPI; known are {', '.join(NAMES)}"
            continue
        if not (isfinite(options.weight) and options.weight >= 0):
            yield f"kpis.{name}.weight", f"{options.weight:g} must be 0 or more"
        yield from _margin(f"kpis.{name}.tolerance", options.tolerance, name in RATES)
        if name in SERIES and options.tolerance.absolute:
            yield f"kpis.{name}.tolerance.absolute", f"{name} is compared as a ratio; write `ratio` only"
        if options.promote is not None and name not in (*RATES, *LATENCIES):
            yield f"kpis.{name}.promote", f"no promotion can wait for {name}: nothing proves it; write null"
        elif options.promote is not None:
            yield from _margin(f"kpis.{name}.promote", options.promote, name in RATES)
            yield from _wider(f"kpis.{name}.promote", options.promote, options.tolerance)
    if not any(options.weight > 0 for options in kpis.values()):
        yield "kpis", "all weights are 0: nothing could ever be decided; give at least one KPI a weight"
    elif not any(options.weight > 0 and options.promote for options in kpis.values()):
        yield "kpis", "no KPI with a weight has a promotion margin: nothing could be proven; write `promote` for one"


def _margin(path: str, margin: Margin, is_rate: bool) -> _Problems:
    if not (isfinite(margin.ratio) and margin.ratio >= 1):
        yield f"{path}.ratio", f"{margin.ratio:g} must be 1 or more (1: as live)"
    if not (isfinite(margin.absolute) and margin.absolute >= 0):
        yield f"{path}.absolute", f"{margin.absolute:g} must be 0 or more"
    elif is_rate and margin.absolute >= 1:
        yield f"{path}.absolute", f"{margin.absolute * 100:g} % of all requests is no margin; write less than 100 %"


def _wider(path: str, promote: Margin, tolerance: Margin) -> _Problems:
    for part in ("ratio", "absolute"):
        wide, narrow = getattr(promote, part), getattr(tolerance, part)
        if wide < narrow:
            yield f"{path}.{part}", f"{wide:g} is tighter than the tolerance ({narrow:g}); write at least that"


def _guards(guards: GuardOptions) -> _Problems:
    for path, value in (("guards.error_rate", guards.error_rate), ("guards.memory", guards.memory)):
        if value is not None and not 0 < value <= 1:
            yield path, f"{value:g} must be more than 0 % and at most 100 %"
    if guards.slo is not None and not 0 < guards.slo <= SLO_MAX:
        yield "guards.slo", f"{guards.slo * 100:g} % must be more than 0 % and at most {SLO_MAX * 100:g} %"
    for path, value in (
        ("guards.latency_p99", guards.latency_p99_s),
        ("guards.impact_budget", guards.impact_budget),
    ):
        if value is not None and not (isfinite(value) and value > 0):
            yield path, f"{value:g} must be more than 0"


def _predict(predict: PredictOptions) -> _Problems:
    if not (isfinite(predict.horizon_s) and predict.horizon_s > 0):
        yield "predict.horizon", f"{predict.horizon_s:g} s must be more than 0 s"
    if predict.cpu is Mode.ROLLBACK:
        yield "predict.cpu", "what a stack would need one day is no reason to leave it; write gate, warn or off"
