"""What time and evidence make happen next: a pure look at a rollout, once per tick.

Order: what protects users first (a worse shadow), then proof, then the time limits, then the next step.
"""

from dataclasses import dataclass, replace

from splitter.judge.verdict import Action, Decision
from splitter.rollout.events import Kind
from splitter.rollout.history import Rollout
from splitter.rollout.machine import State, is_legal, limit_s
from splitter.rollout.options import OnUndecided


@dataclass(frozen=True, slots=True)
class Moment:
    """What a tick knows.  `in_state_s` counts from the begin of the state or step, `splitting_s` over all steps.

    `action` is None while nothing is judged; `by_policy`, `may_increase_share` and `leans_well` are the judge's.
    `is_ill`: the shadow fails its probes, and live does not.
    """

    in_state_s: float
    splitting_s: float = 0.0
    has_baseline: bool = False
    action: Action | None = None
    may_increase_share: bool = False
    leans_well: bool = False
    by_policy: bool = False
    is_ill: bool = False

    def judged(self, decision: Decision | None) -> "Moment":
        """Return the moment with what the judge says at it; None: nothing is judged."""
        if decision is None:
            return self
        return replace(
            self,
            action=decision.action,
            may_increase_share=decision.may_increase_share,
            leans_well=decision.leans_well,
            by_policy=decision.by_policy,
        )


def due(rollout: Rollout, moment: Moment) -> Kind | None:
    """Return what is due at `moment`; None when nothing is."""
    if moment.action is Action.ROLLBACK and is_legal(rollout.state, Kind.WORSE):
        return Kind.WORSE
    match rollout.state:
        case State.WARMING:
            return _due_warming(rollout, moment)
        case State.MIRRORING:
            return _due_mirroring(rollout, moment)
        case State.SPLITTING:
            return _due_splitting(rollout, moment)
        case State.STANDBY:
            return Kind.STANDBY_OVER if _is_late(rollout, moment) else None
        case state:
            return Kind.DEADLINE if is_legal(state, Kind.DEADLINE) and _is_late(rollout, moment) else None


def _due_warming(rollout: Rollout, moment: Moment) -> Kind | None:
    """Who fails its probes still is not warm, but may take no longer for that than the state may."""
    options = rollout.options
    waits_until = options.warm_up_s + (0.0 if moment.has_baseline else options.baseline_wait_s)
    if moment.in_state_s >= waits_until and not (moment.is_ill or rollout.is_engine_gone):
        return Kind.WARM_TO_MIRROR if options.mirror is not None else Kind.WARM
    return Kind.DEADLINE if _is_late(rollout, moment) else None


def _due_mirroring(rollout: Rollout, moment: Moment) -> Kind | None:
    """Time has passed and nothing speaks against the shadow; proof is for the split, which shows more of it."""
    mirror = rollout.options.mirror
    is_over = mirror is None or moment.in_state_s >= mirror.for_s
    if is_over and moment.may_increase_share and not rollout.is_engine_gone:
        return Kind.MIRRORED
    return Kind.DEADLINE if _is_late(rollout, moment) else None


def _due_splitting(rollout: Rollout, moment: Moment) -> Kind | None:
    """While the engine is silent nothing goes forward: who cannot be asked about cannot be trusted with more."""
    is_held = moment.in_state_s >= rollout.options.hold_s and not rollout.is_engine_gone
    may_promote = is_held and rollout.is_last_step
    if may_promote and moment.action is Action.PROMOTE and not moment.by_policy:
        return Kind.PROVEN
    is_over = _is_late(rollout, moment) or moment.action is Action.UNDECIDED
    if is_over or (may_promote and moment.by_policy and moment.leans_well):
        return _undecided(rollout.options.on_undecided, may_promote=may_promote and moment.leans_well)
    if is_held and not rollout.is_last_step and moment.may_increase_share:
        return Kind.ADVANCED
    return None


def _undecided(policy: OnUndecided, *, may_promote: bool) -> Kind:
    """Return what becomes of a shadow about which nothing is proven: only from the last step is it promoted."""
    if policy is OnUndecided.PROMOTE_IF_NOT_WORSE and may_promote:
        return Kind.PROMOTE_UNDECIDED
    return Kind.HOLD_UNDECIDED if policy is OnUndecided.HOLD else Kind.UNDECIDED


def _is_late(rollout: Rollout, moment: Moment) -> bool:
    """Return whether the state has passed its limit; splitting has one for all its steps."""
    limit = limit_s(rollout.state, rollout.options)
    elapsed = moment.splitting_s if rollout.state is State.SPLITTING else moment.in_state_s
    return limit is not None and elapsed >= limit
