"""What the judge answers: a verdict for each KPI, and one decision.

All are frozen plain values; `state` and `of_state` are for the journal and for `dataclasses.asdict` alike.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any


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
    end in sight.
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


@dataclass(frozen=True, slots=True)
class Decision:
    """What one tick led to.

    `kpi` names who decided: a KPI, `guards.…`, `stack`, or nobody.  `evidence` : 1 is that of all KPIs together, a
    rollback from `needed`.  `score` is for people: 50 knows nothing, 100 all proven, 0 all worse.  `age_s` counts from
    the first tick, `requests` are the shadow's.  `may_increase_share`: nothing speaks against a larger share.
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

    def state(self) -> dict[str, Any]:
        """Return the decision as plain values."""
        return asdict(self)

    @classmethod
    def of_state(cls, state: Mapping[str, Any]) -> "Decision":
        """Return the decision that `state` was made of."""
        verdicts = tuple(KpiVerdict(**{**each, "verdict": Verdict(each["verdict"])}) for each in state["verdicts"])
        return cls(**{**state, "action": Action(state["action"]), "verdicts": verdicts})
