"""Why a rollout stands where it stands: the judge's figures in words that an operator understands.  Pure.

The figures are those of the decision that counted: of the event that decided, else of the last event that carried the
judge's decision, else of the judge that is at work.  Every event of a rollout that is judged carries one, so an
explanation of long ago needs the journal alone.  Where the judge goes on after it, as in the watch after a promotion,
what it sees now and where that is heading is said besides.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import log
from typing import Final

from splitter.judge.config import SERIES, from_mapping
from splitter.judge.verdict import Decision, KpiVerdict, Verdict
from splitter.judge.wording import LABELS, about, grouped, margin, odds, percent, span
from splitter.rollout.events import Event, Kind
from splitter.rollout.history import Rollout
from splitter.rollout.machine import SHADOW_SERVES, State

DECIDING: Final = frozenset(
    {
        Kind.WORSE,
        Kind.PROVEN,
        Kind.UNDECIDED,
        Kind.HOLD_UNDECIDED,
        Kind.PROMOTE_UNDECIDED,
        Kind.PROMOTE_ORDERED,
        Kind.ROLLBACK_ORDERED,
        Kind.UNDO_ORDERED,
        Kind.SHADOW_DIED,
        Kind.LIVE_DIED,
        Kind.PROVISION_FAILED,
        Kind.SHIFT_FAILED,
        Kind.UNCALIBRATED,
        Kind.UNRECORDED,
        Kind.DEADLINE,
        Kind.FAULT,
    }
)
"""The kinds of events that turn a rollout one way or the other."""

_OPEN: Final = frozenset(
    {
        State.REQUESTED,
        State.AWAITING_OVERRIDE,
        State.PROVISIONING,
        State.WARMING,
        State.MIRRORING,
        State.SPLITTING,
    }
)
"""States in which nothing is decided: who resumes what was held, or measures live anew, opens the question again."""

_WATCHED: Final = frozenset({State.HELD, State.PROMOTING}) | SHADOW_SERVES

_VERDICTS: Final = {
    Verdict.WORSE: "worse",
    Verdict.NON_INFERIOR: "proven not worse",
    Verdict.UNDECIDED: "not decided",
}

_COUNTED: Final = {
    "error_rate": "requests that failed (of one client, one in ten seconds)",
    "client_error_rate": "requests refused by 4xx (of one client, one in ten seconds)",
    "latency_shape": "answers slower than live's slowest",
}
_SLOW: Final = "answers slower than live's percentile (the shadow's: with its tolerance)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """Why a rollout stands where it stands.  `sentences` say all of it; the rest is for programs.

    `decided` is the sentence of the event that decided, empty while none has; `kind`, `at` and `by` are that event's.
    `decision` has the judge's figures, None where nothing was ever judged; `present` those of this moment, where the
    judge goes on after what decided.  `shares` are each KPI's part of the risk.
    """

    app: str
    rollout: str
    state: str
    live: str
    shadow: str
    decided: str = ""
    kind: str = ""
    at: str = ""
    by: str = ""
    decision: Decision | None = None
    present: Decision | None = None
    shares: Mapping[str, float]
    sentences: tuple[str, ...] = ()


def explain(app: str, rollout: Rollout, events: Sequence[Event], present: Decision | None) -> Explanation:
    """Return why `rollout` stands where it stands; `events` are its own, `present` its judge's word if it runs."""
    deciding = _deciding(events)
    watching = present if deciding and rollout.state in _WATCHED else None
    decision = (_judged([deciding]) if deciding else present) or _judged(reversed(events)) or present
    shares = from_mapping(rollout.analysis).shares()
    return Explanation(
        app=app,
        rollout=rollout.id,
        state=rollout.state.value,
        live=rollout.live.id,
        shadow=rollout.shadow.id,
        decided=deciding.sentence if deciding else "",
        kind=deciding.kind.value if deciding else "",
        at=deciding.at.isoformat() if deciding else "",
        by=deciding.by if deciding else "",
        decision=decision,
        present=watching,
        shares=shares,
        sentences=tuple(_sentences(rollout, deciding, decision, watching, shares)),
    )


def _deciding(events: Sequence[Event]) -> Event | None:
    """Return the event that turned the rollout one way or the other; None while it is open."""
    for event in reversed(events):
        if event.state in _OPEN:
            return None
        if event.kind in DECIDING:
            return event
    return None


def _judged(events: Iterable[Event]) -> Decision | None:
    """Return the first decision that one of `events` carries."""
    found = next((event.data["judged"] for event in events if event.data.get("judged")), None)
    return Decision.of_state(found) if found else None


def _sentences(
    rollout: Rollout,
    deciding: Event | None,
    decision: Decision | None,
    watching: Decision | None,
    shares: Mapping[str, float],
) -> Iterator[str]:
    state = rollout.state.value.lower().replace("_", " ")
    yield f"{rollout.id}: {rollout.shadow.id} beside {rollout.live.id}: {state}"
    if deciding is not None:
        yield f"decided at {deciding.at:%Y-%m-%d %H:%M:%S} UTC by {deciding.by}: {deciding.sentence}"
    elif decision is not None:
        yield f"nothing is decided yet: {decision.reason}"
    if decision is None:
        yield "there are no figures: the shadow had no requests that were judged"
        return
    seen = "requests and copies" if rollout.options.mirror is not None else "requests"
    yield f"all figures together: {_so_far(decision, seen)}"
    if decision.min_score is not None:
        yield f"score {decision.score:.0f}, a promotion needs {decision.min_score:g}"
    for verdict in decision.verdicts:
        yield from _of_kpi(verdict, shares.get(verdict.kpi, 0.0))
    if watching is None:
        yield from _outlook(decision)
    else:
        yield f"it is still watched: by now {_so_far(watching, seen)}"
        yield from _outlook(watching)


def _so_far(decision: Decision, seen: str) -> str:
    return (
        f"{_odds(decision.evidence)} against the shadow, from {_odds(decision.needed)} on it is rolled back; seen in "
        f"{span(decision.age_s)} and {grouped(decision.requests)} of its {seen}"
    )


def _outlook(decision: Decision) -> Iterator[str]:
    """Yield where the shadow is heading, and what a person should know."""
    for forecast in decision.forecasts:
        yield f"forecast of {forecast.figure.replace('_', ' ')} ({forecast.mode.value}): {forecast.sentence}"
    for gate in decision.gates:
        yield f"a promotion waits: {gate}"
    for warning in decision.warnings:
        yield f"warning: {warning}"


def _of_kpi(verdict: KpiVerdict, share: float) -> Iterator[str]:
    weight = f"{percent(share)} of the risk" if share else "shown only"
    yield f"{LABELS.get(verdict.kpi, verdict.kpi)}: {_VERDICTS[verdict.verdict]} ({weight})"
    if not verdict.live_n:  # nothing to compare, or what is sampled and not counted
        yield f"  {verdict.sentence}"
        if verdict.evidence != 1 and verdict.tolerance is not None and verdict.kpi not in SERIES:
            claim = f"no worse than {margin(verdict.kpi, verdict.tolerance)}"
            needed = f"{_odds(verdict.needed)} rolls back without other KPIs"
            yield f"  by copies: {_odds(verdict.evidence)} against '{claim}', {needed}; they prove nothing"
        return
    live, shadow = _rate(verdict.live_hits, verdict.live_n), _rate(verdict.shadow_hits, verdict.shadow_n)
    yield f"  {_COUNTED.get(verdict.kpi, _SLOW)}: live {live}, shadow {shadow}"
    if verdict.tolerance is not None:
        claim = f"no worse than {margin(verdict.kpi, verdict.tolerance)}"
        yield f"  {_odds(verdict.evidence)} against '{claim}', {_odds(verdict.needed)} rolls back without other KPIs"
    if verdict.promote is not None:
        claim = f"worse than {margin(verdict.kpi, verdict.promote)}"
        yield f"  {_odds(verdict.ni_evidence)} against '{claim}', {_odds(verdict.ni_needed)} proves that it is not"
    if max(verdict.live_phi, verdict.shadow_phi) > 1:
        yield (
            f"  requests share their fate: {verdict.shadow_phi:.2g} of the shadow's and {verdict.live_phi:.2g} of "
            "live's weigh as one"
        )
    if verdict.requests_to_verdict:
        yield f"  {about(verdict.requests_to_verdict)} more shadow requests to a verdict, if it goes on like this"


def _rate(hits: float, n: float) -> str:
    return f"{grouped(hits)} of {grouped(n)} ({percent(hits / n) if n else 'none'})"


def _odds(evidence: float) -> str:
    return odds(log(evidence)) if evidence > 0 else "0 : 1"
