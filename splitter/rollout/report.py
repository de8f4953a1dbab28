"""A whole rollout on one page: what was asked for, what happened when, both stacks' figures, why it ended.  Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from splitter.buckets import Latency, merged
from splitter.kpi import percentile
from splitter.model import Counts, Side, StackId, Window
from splitter.rollout.events import Event, Kind
from splitter.rollout.explanation import Explanation
from splitter.rollout.fed import Row
from splitter.rollout.history import Rollout


@dataclass(frozen=True, slots=True)
class Happening:
    """One line of the rollout's story."""

    at: str
    by: str
    kind: str
    state: str
    sentence: str


@dataclass(frozen=True, slots=True)
class SideFigures:
    """What one stack did while both were judged; latencies are those of answers below 400."""

    stack: StackId
    requests: int
    failures: int
    client_errors: int
    p50_us: int | None
    p95_us: int | None
    p99_us: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """One rollout.  `figures` are empty where the journal has let go of them, or nothing was judged."""

    app: str
    rollout: str
    state: str
    live: str
    shadow: str
    by: str
    files: tuple[str, ...]
    changes: str
    requested_at: str
    ended_at: str | None
    took_s: float
    steps_bp: tuple[int, ...]
    rollback_cost: Mapping[str, Any]
    figures: Mapping[str, SideFigures]
    explanation: Explanation
    timeline: tuple[Happening, ...]


def report(rollout: Rollout, events: Sequence[Event], rows: Sequence[Row], explanation: Explanation) -> Report:
    """Return the page of `rollout`; `events` are its own, `rows` what its judge was fed."""
    asked = next(event for event in events if event.kind is Kind.REQUESTED)
    until = rollout.since if rollout.has_ended else events[-1].at
    return Report(
        app=explanation.app,
        rollout=rollout.id,
        state=rollout.state.value,
        live=rollout.live.id,
        shadow=rollout.shadow.id,
        by=rollout.by,
        files=tuple(asked.data["files"]),
        changes=asked.data["summary"],
        requested_at=rollout.requested_at.isoformat(),
        ended_at=rollout.since.isoformat() if rollout.has_ended else None,
        took_s=(until - rollout.requested_at).total_seconds(),
        steps_bp=rollout.options.steps_bp,
        rollback_cost=rollout.cost,
        figures=_figures(rollout, rows),
        explanation=explanation,
        timeline=tuple(
            Happening(event.at.isoformat(), event.by, event.kind.value, event.state, event.sentence) for event in events
        ),
    )


def _figures(rollout: Rollout, rows: Sequence[Row]) -> dict[str, SideFigures]:
    if not rows:
        return {}
    stacks = {Side.LIVE: rollout.live.id, Side.SHADOW: rollout.shadow.id}
    return {side.value: _of_side(side, stack, rows) for side, stack in stacks.items()}


def _of_side(side: Side, stack: StackId, rows: Sequence[Row]) -> SideFigures:
    counts = [each for row in rows if (each := getattr(row.tick, side.value)) is not None]
    latency: Latency = merged(row.latency.get(side.value, ()) for row in rows)
    answers = Window(stack, 0.0, 0.0, Counts(), latency=latency)
    return SideFigures(
        stack,
        requests=sum(each.n for each in counts),
        failures=sum(each.e5 for each in counts),
        client_errors=sum(each.e4 for each in counts),
        p50_us=percentile(answers, 0.5),
        p95_us=percentile(answers, 0.95),
        p99_us=percentile(answers, 0.99),
    )
