"""What the judge answers: a verdict for each KPI, and one decision.

All are frozen plain values; `state` and `of_state` are for the journal and for `dataclasses.asdict` alike.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

from splitter.judge.config import Margin, Mode


class Action(StrEnum):
    """What is to be done with the shadow."""

    CONTINUE = "continue"
    ROLLBACK = "rollback"
    PROMOTE = "promote"
    UNDECIDED = "undecided"


class Verdict(StrEnum):
    """What is proven of a KPI."""

    WORSE = "worse"
    NON_INFERIOR = "non_inferior"
    UNDECIDED = "undecided"


@dataclass(frozen=True, slots=True)
class KpiVerdict:
    """One KPI of the shadow against live's.

    `live_rate` and `shadow_rate` are fractions since the KPI is judged: of errors, or of answers above live's edge and
    the shadow's; None before the first.  `evidence` : 1 speaks against "no worse than tolerated" and decides alone from
    `needed`; `ni_evidence` : 1 speaks against "beyond the promotion margin", `ni_needed` proves.
    `requests_to_verdict` of the shadow are needed if it goes on like this: 0 when it has one, None when there is no
    end in sight.  `live_hits` of `live_n` requests are what `live_rate` is made of.  `tolerance` and `promote` are the
    margins that it is held against.  `live_phi` and `shadow_phi` are how many of the correlated requests weigh as one.
    """

    kpi: str
    verdict: Verdict
    live_rate: float | None
    shadow_rate: float | None
    evidence: float
    needed: float
    ni_evidence: float
    ni_needed: float
    requests_to_verdict: int | None
    sentence: str
    live_hits: float = 0.0
    live_n: float = 0.0
    shadow_hits: float = 0.0
    shadow_n: float = 0.0
    tolerance: Margin | None = None
    promote: Margin | None = None
    live_phi: float = 1.0
    shadow_phi: float = 1.0


@dataclass(frozen=True, slots=True)
class Forecast:
    """Where a figure of the shadow is heading: `memory`, `pids`, `connections`, `latency_trend`, `cpu`, `slo`.

    `now` and `limit` are in the figure's own unit (a fraction of the limit for resources).  `breach_s` is the time left
    until the limit, None while it is not in sight.  `mode` is what the options let an alarm do; `is_alarm`: it is time.
    `is_shared`: it would be, but live is heading for the same, so nothing is done.
    """

    figure: str
    mode: Mode
    now: float
    limit: float
    breach_s: float | None
    is_alarm: bool
    sentence: str
    is_shared: bool = False

    @property
    def warns(self) -> bool:
        """Return whether a person should be told, since nothing is done about it."""
        return self.is_shared or (self.is_alarm and self.mode is Mode.WARN)


@dataclass(frozen=True, slots=True)
class Decision:
    """What one tick led to.

    `kpi` names who decided: a KPI, `guards.…`, `stack`, or nobody.  `evidence` : 1 is that of all KPIs together, a
    rollback from `needed`.  `score` is for people: 50 knows nothing, 100 all proven, 0 all worse.  `age_s` counts from
    the first tick, `requests` are the shadow's.  `may_increase_share`: nothing speaks against a larger share.
    `leans_well`: whatever is proven or not, every figure that a promotion waits for leans towards the shadow.
    `by_policy`: a promotion is what `on_undecided` says, and not proven.  `min_score` is what a promotion needs.
    `gates` say why a promotion has to wait although the figures are proven, `warnings` what a person should know.
    """

    action: Action
    kpi: str
    reason: str
    verdicts: tuple[KpiVerdict, ...]
    score: float
    may_increase_share: bool
    evidence: float
    needed: float
    age_s: float
    requests: int
    forecasts: tuple[Forecast, ...] = ()
    gates: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    leans_well: bool = False
    by_policy: bool = False
    min_score: float | None = None

    def state(self) -> dict[str, Any]:
        """Return the decision as plain values."""
        return asdict(self)

    @classmethod
    def of_state(cls, state: Mapping[str, Any]) -> "Decision":
        """Return the decision that `state` was made of."""
        return cls(
            **{
                **state,
                "action": Action(state["action"]),
                "verdicts": tuple(map(_verdict_of, state["verdicts"])),
                "forecasts": tuple(Forecast(**{**each, "mode": Mode(each["mode"])}) for each in state["forecasts"]),
                "gates": tuple(state["gates"]),
                "warnings": tuple(state["warnings"]),
            }
        )


def _verdict_of(state: Mapping[str, Any]) -> KpiVerdict:
    margins = {name: Margin(**state[name]) if state[name] else None for name in ("tolerance", "promote")}
    return KpiVerdict(**{**state, **margins, "verdict": Verdict(state["verdict"])})
