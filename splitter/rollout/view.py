"""Makes the status of an app out of what the controller's rooms know."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from math import isfinite

from splitter.judge.verdict import KpiVerdict, Verdict
from splitter.limits import WEIGHT_TOTAL
from splitter.model import StackId
from splitter.resources import whole
from splitter.rollout.analysis import Analysis
from splitter.rollout.chronicle import Chronicle
from splitter.rollout.history import Rollout, StackRecord
from splitter.rollout.machine import State, legal_commands, limit_s
from splitter.rollout.sampling import Sampling
from splitter.rollout.stacks import Stacks
from splitter.rollout.status import Figures, ParkedStatus, StackStatus, Status


def status_of(
    app: str,
    chronicle: Chronicle,
    stacks: Stacks,
    analysis: Analysis,
    sampling: Sampling,
    health: Callable[[StackId], str],
    trouble: str,
    parked: ParkedStatus | None,
) -> Status:
    """Return the status of `app`."""
    history = chronicle.history
    rollout, running = history.rollout, history.running
    last = chronicle.last

    def stack(record: StackRecord | None) -> StackStatus | None:
        if record is None:
            return None
        figures = analysis.figures.get(record.id, Figures())
        shown = figures.of(
            record.id,
            is_up=record.id in stacks.up,
            services=stacks.services.get(record.digest, 0),
            uses=whole(sampling.last.get(record.id, {})),
        )
        return replace(shown, unhealthy=health(record.id))

    live = stack(running.live if running else history.live)
    shadow = stack(running.shadow) if running else None
    figures = analysis.figures.get(running.shadow.id) if running else None
    mirror = figures.mirror if figures is not None else None
    common = {
        "app": app,
        "live": live,
        "shadow": shadow,
        "mirror": mirror if mirror is not None and (mirror.pairs or mirror.dropped) else None,
        "baseline_requests": analysis.baseline_requests,
        "last_event": last.sentence if last else "",
        "last_seq": last.seq if last else 0,
        "trouble": trouble,
        "parked": parked,
    }
    if rollout is None:
        return Status(**common)  # type: ignore[arg-type]  # each name has its own type
    decision = analysis.decision
    evidence = decision.verdicts if decision else ()
    return Status(
        **common,  # type: ignore[arg-type]
        state=rollout.state.value,
        rollout=rollout.id,
        by=rollout.by,
        held_for=rollout.held_for,
        step=rollout.step + 1 if rollout.state in (State.SPLITTING, State.HELD) else 0,
        steps=len(rollout.options.steps_bp),
        steps_bp=rollout.options.steps_bp,
        share_bp=rollout.share_bp if running else 0,
        since=rollout.since.isoformat(),
        in_state_s=chronicle.in_state_s,
        deadline=_iso(_deadline(rollout)),
        standby_until=_iso(_deadline(rollout)) if rollout.state is State.STANDBY else None,
        evidence=evidence,
        score=decision.score if decision else None,
        forecasts=decision.forecasts if decision else (),
        gates=decision.gates if decision else (),
        warnings=decision.warnings if decision else (),
        analysis=decision.reason if decision else "",
        verdict_in_s=_verdict_in_s(evidence, _pace(rollout, live, shadow)),
        rollback_cost=rollout.cost,
        notes=rollout.notes,
        commands=tuple(command.value for command in legal_commands(rollout.state)),
    )


def _deadline(rollout: Rollout) -> datetime | None:
    """Return when the present state ends at the latest; splitting has one limit for all its steps."""
    limit = limit_s(rollout.state, rollout.options)
    if limit is None:
        return None
    began = rollout.splitting_since if rollout.state is State.SPLITTING else rollout.since
    return (began or rollout.since) + timedelta(seconds=limit)


def _pace(rollout: Rollout, live: StackStatus | None, shadow: StackStatus | None) -> float:
    """Return how many requests per second the shadow is to get from now on; 0 outside of a split.

    What it got of late is of the former step for a while after each, so its share of what both get is what counts.
    """
    if live is None or shadow is None or rollout.state not in (State.SPLITTING, State.HELD):
        return 0.0
    return (live.rps + shadow.rps) * rollout.share_bp / WEIGHT_TOTAL


def _verdict_in_s(evidence: tuple[KpiVerdict, ...], rps: float) -> float | None:
    """Return how long it takes at so many requests a second until the KPIs that a promotion waits for are decided.

    None when they are, and when no end is in sight for one of them.
    """
    open_kpis = [each for each in evidence if each.verdict is Verdict.UNDECIDED and each.promote is not None]
    needed = [each.requests_to_verdict for each in open_kpis]
    known = [requests for requests in needed if requests is not None]
    if rps <= 0 or not needed or len(known) < len(needed):
        return None
    seconds = max(known) / rps
    return seconds if isfinite(seconds) else None


def _iso(moment: datetime | None) -> str | None:
    return moment.isoformat() if moment is not None else None
