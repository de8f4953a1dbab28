"""The life of a rollout, as a table: in which state what may happen, which state follows, and what is to be done.

Rule 1: every transition is a row of `TABLE`.  The controller carries out effects and decides nothing.
Rule 2: `serving` is who answers when we die in a state, `fallback` who a rollback goes to.  Live is the fallback of
every state that has one, and no effect retires the fallback of the state that it belongs to.  A promotion gives traffic
to the very stack that was judged and leaves the former live untouched.
Rule 3: every state that is not an end has a time limit or is left by a person, who is told so.
Rule 4: there is no row that nothing reaches.  MIRRORING is for the rollouts that have a mirror; the others go from
WARMING to SPLITTING.

The effects of a transition belong to the state that it leads to.  Those that are `AT_ONCE` are done before the next
fact is looked at.  The others are carried out in their order, one after the other, and the next transition that has
some, or leads to another state, cuts them off; so each can be repeated, as a daemon does that was started again.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from splitter.errors import RefusedError
from splitter.model import Side
from splitter.rollout.events import Kind
from splitter.rollout.options import RolloutOptions


class State(StrEnum):
    REQUESTED = "REQUESTED"
    AWAITING_OVERRIDE = "AWAITING_OVERRIDE"
    PROVISIONING = "PROVISIONING"
    WARMING = "WARMING"
    MIRRORING = "MIRRORING"
    SPLITTING = "SPLITTING"
    HELD = "HELD"
    PROMOTING = "PROMOTING"
    DRAINING = "DRAINING"
    STANDBY = "STANDBY"
    ROLLING_BACK = "ROLLING_BACK"
    PROMOTED = "PROMOTED"
    ROLLED_BACK = "ROLLED_BACK"
    HALTED = "HALTED"


class Serving(StrEnum):
    """Who gets the requests of an app; `UNKNOWN` is what the traffic switch says."""

    LIVE = "live"
    BOTH = "both"
    SHADOW = "shadow"
    UNKNOWN = "unknown"


class Effect(StrEnum):
    """An order to the controller.  Those of the last group end with a fact that moves the rollout on."""

    ALERT = "alert"
    RESTORE_LIVE = "restore_live"

    PUBLISH = "publish"  # make the traffic what the state says
    FLIP = "flip"  # give the shadow all of it
    DRAIN_SHADOW = "drain_shadow"
    RETIRE_SHADOW = "retire_shadow"
    RETIRE_LIVE = "retire_live"
    HAND_OVER = "hand_over"  # what must not run twice: live's is stopped, then the shadow's is started
    HAND_BACK = "hand_back"  # and in the other direction

    PROVISION = "provision"
    CONFIRM_FLIP = "confirm_flip"
    DRAIN_LIVE = "drain_live"
    CONFIRM_LIVE = "confirm_live"


AT_ONCE: Final = frozenset({Effect.ALERT, Effect.RESTORE_LIVE})


class Command(StrEnum):
    """What a person may order."""

    PAUSE = "pause"
    RESUME = "resume"
    PROMOTE = "promote"
    ROLLBACK = "rollback"
    UNDO = "undo"
    OVERRIDE = "override"


COMMANDS: Final[Mapping[Command, Kind]] = {
    Command.PAUSE: Kind.PAUSED,
    Command.RESUME: Kind.RESUMED,
    Command.PROMOTE: Kind.PROMOTE_ORDERED,
    Command.ROLLBACK: Kind.ROLLBACK_ORDERED,
    Command.UNDO: Kind.UNDO_ORDERED,
    Command.OVERRIDE: Kind.OVERRIDDEN,
}


@dataclass(frozen=True, slots=True)
class Next:
    """Where a fact leads, and what is then to be done."""

    state: State
    effects: tuple[Effect, ...] = ()


@dataclass(frozen=True, slots=True)
class Row:
    """One state.  `limit` names the option that bounds it; an empty one says that `on` has no DEADLINE."""

    serving: Serving
    fallback: Side | None
    limit: str
    on: Mapping[Kind, Next]


_REVERSE: Final = (Effect.PUBLISH, Effect.DRAIN_SHADOW, Effect.RETIRE_SHADOW, Effect.CONFIRM_LIVE)
_UNDO: Final = (Effect.PUBLISH, Effect.DRAIN_SHADOW, Effect.HAND_BACK, Effect.RETIRE_SHADOW, Effect.CONFIRM_LIVE)


def _back(*more: Effect) -> Next:
    """Roll back: traffic first, then the shadow's requests in flight, then the shadow."""
    return Next(State.ROLLING_BACK, (Effect.ALERT, *more, *_REVERSE))


_BACK_AFTER_PROMOTION: Final = Next(State.ROLLING_BACK, (Effect.ALERT, *_UNDO))
_RETRY: Final = Next(State.ROLLING_BACK, _UNDO)  # without an alert: it was sent
_NOTHING_MADE: Final = Next(State.ROLLED_BACK, (Effect.ALERT,))
_MAKE: Final = Next(State.PROVISIONING, (Effect.ALERT, Effect.PROVISION))
_PROMOTE: Final = Next(State.PROMOTING, (Effect.FLIP, Effect.CONFIRM_FLIP))
_PROMOTED: Final = Next(State.PROMOTED, (Effect.ALERT, Effect.PUBLISH, Effect.RETIRE_LIVE))


def _troubles(state: State) -> dict[Kind, Next]:
    """What ends every state in which a shadow exists or is being made, and live serves."""
    return {
        Kind.ROLLBACK_ORDERED: _back(),
        Kind.LIVE_DIED: _back(Effect.RESTORE_LIVE),
        Kind.SHADOW_DIED: _back(),
        Kind.WORSE: _back(),
        Kind.SHIFT_FAILED: _back(),
        Kind.UNRECORDED: _back(),
        Kind.FAULT: _back(),
        Kind.ENGINE_GONE: Next(state, (Effect.ALERT,)),
        Kind.ENGINE_BACK: Next(state),
    }


def _after_promotion(state: State) -> dict[Kind, Next]:
    """What ends the states in which the shadow serves all and the former live is kept."""
    return {
        Kind.UNDO_ORDERED: _BACK_AFTER_PROMOTION,
        Kind.ROLLBACK_ORDERED: _BACK_AFTER_PROMOTION,
        Kind.WORSE: _BACK_AFTER_PROMOTION,
        Kind.SHADOW_DIED: _BACK_AFTER_PROMOTION,
        Kind.SHIFT_FAILED: _BACK_AFTER_PROMOTION,
        Kind.HAND_OVER_FAILED: _BACK_AFTER_PROMOTION,
        Kind.LIVE_DIED: _PROMOTED,  # there is nothing left to go back to
        Kind.ENGINE_GONE: Next(state, (Effect.ALERT,)),
        Kind.ENGINE_BACK: Next(state),
    }


TABLE: Final[Mapping[State, Row]] = {
    State.REQUESTED: Row(
        serving=Serving.LIVE,
        fallback=Side.LIVE,
        limit="override_deadline_s",
        on={
            Kind.ACCEPTED: _MAKE,
            Kind.TOO_COSTLY: Next(State.AWAITING_OVERRIDE, (Effect.ALERT,)),
            Kind.ROLLBACK_ORDERED: _NOTHING_MADE,
            Kind.LIVE_DIED: Next(State.ROLLED_BACK, (Effect.ALERT, Effect.RESTORE_LIVE)),
            Kind.RESTARTED: Next(State.ROLLED_BACK, (Effect.ALERT, Effect.PUBLISH)),
            Kind.UNRECORDED: _NOTHING_MADE,
            Kind.FAULT: _NOTHING_MADE,
            Kind.DEADLINE: _NOTHING_MADE,
        },
    ),
    State.AWAITING_OVERRIDE: Row(
        serving=Serving.LIVE,
        fallback=Side.LIVE,
        limit="override_deadline_s",
        on={
            Kind.OVERRIDDEN: _MAKE,
            Kind.ROLLBACK_ORDERED: _NOTHING_MADE,
            Kind.LIVE_DIED: Next(State.AWAITING_OVERRIDE, (Effect.ALERT, Effect.RESTORE_LIVE)),
            Kind.RESTARTED: Next(State.AWAITING_OVERRIDE, (Effect.PUBLISH,)),
            Kind.UNRECORDED: _NOTHING_MADE,
            Kind.FAULT: _NOTHING_MADE,
            Kind.DEADLINE: _NOTHING_MADE,
        },
    ),
    State.PROVISIONING: Row(
        serving=Serving.LIVE,
        fallback=Side.LIVE,
        limit="provision_deadline_s",
        on={
            **_troubles(State.PROVISIONING),
            Kind.HEALTHY: Next(State.WARMING, (Effect.PUBLISH,)),
            Kind.PROVISION_FAILED: _back(),
            Kind.RESTARTED: _back(),  # half made at best
            Kind.DEADLINE: _back(),
        },
    ),
    State.WARMING: Row(
        serving=Serving.LIVE,
        fallback=Side.LIVE,
        limit="warming_limit_s",
        on={
            **_troubles(State.WARMING),
            Kind.WARM: Next(State.SPLITTING, (Effect.PUBLISH,)),
            Kind.WARM_TO_MIRROR: Next(State.MIRRORING, (Effect.PUBLISH,)),
            Kind.RESTARTED: Next(State.WARMING, (Effect.PUBLISH,)),
            Kind.DEADLINE: _back(),
        },
    ),
    State.MIRRORING: Row(
        serving=Serving.LIVE,
        fallback=Side.LIVE,
        limit="mirroring_limit_s",
        on={
            **_troubles(State.MIRRORING),
            Kind.MIRRORED: Next(State.SPLITTING, (Effect.PUBLISH,)),
            Kind.RESTARTED: Next(State.MIRRORING, (Effect.PUBLISH,)),
            Kind.UNCALIBRATED: Next(State.WARMING, (Effect.PUBLISH,)),
            Kind.DEADLINE: _back(),
        },
    ),
    State.SPLITTING: Row(
        serving=Serving.BOTH,
        fallback=Side.LIVE,
        limit="deadline_s",  # ends in UNDECIDED, HOLD_UNDECIDED or PROMOTE_UNDECIDED, as `on_undecided` says
        on={
            **_troubles(State.SPLITTING),
            Kind.ADVANCED: Next(State.SPLITTING, (Effect.PUBLISH,)),
            Kind.PROVEN: _PROMOTE,
            Kind.PROMOTE_UNDECIDED: Next(State.PROMOTING, (Effect.ALERT, Effect.FLIP, Effect.CONFIRM_FLIP)),
            Kind.PROMOTE_ORDERED: _PROMOTE,
            Kind.UNDECIDED: _back(),
            Kind.HOLD_UNDECIDED: Next(State.HELD, (Effect.ALERT,)),
            Kind.PAUSED: Next(State.HELD),
            Kind.RESTARTED: Next(State.SPLITTING, (Effect.PUBLISH,)),
            Kind.UNCALIBRATED: Next(State.WARMING, (Effect.PUBLISH,)),
        },
    ),
    State.HELD: Row(
        serving=Serving.BOTH,
        fallback=Side.LIVE,
        limit="held_deadline_s",
        on={
            **_troubles(State.HELD),
            Kind.RESUMED: Next(State.SPLITTING, (Effect.PUBLISH,)),
            Kind.PROMOTE_ORDERED: _PROMOTE,
            Kind.RESTARTED: Next(State.HELD, (Effect.PUBLISH,)),
            Kind.UNCALIBRATED: _back(),
            Kind.DEADLINE: _back(),
        },
    ),
    State.PROMOTING: Row(
        serving=Serving.LIVE,
        fallback=Side.LIVE,
        limit="rollback_deadline_s",
        on={
            **_troubles(State.PROMOTING),
            Kind.SHIFTED: Next(State.DRAINING, (Effect.ALERT, Effect.HAND_OVER, Effect.DRAIN_LIVE)),
            Kind.RESTARTED: _back(),  # decided, not confirmed: the way back is the safe one
            Kind.DEADLINE: _back(),
        },
    ),
    State.DRAINING: Row(
        serving=Serving.SHADOW,
        fallback=Side.LIVE,
        limit="draining_limit_s",
        on={
            **_after_promotion(State.DRAINING),
            Kind.DRAINED: Next(State.STANDBY),
            Kind.RESTARTED: Next(State.DRAINING, (Effect.PUBLISH, Effect.HAND_OVER, Effect.DRAIN_LIVE)),
            Kind.DEADLINE: Next(State.STANDBY, (Effect.ALERT, Effect.HAND_OVER)),
        },
    ),
    State.STANDBY: Row(
        serving=Serving.SHADOW,
        fallback=Side.LIVE,
        limit="standby_s",
        on={
            **_after_promotion(State.STANDBY),
            Kind.STANDBY_OVER: _PROMOTED,
            Kind.PROMOTE_ORDERED: _PROMOTED,  # a person ends the standby early
            Kind.RESTARTED: Next(State.STANDBY, (Effect.PUBLISH, Effect.HAND_OVER)),
        },
    ),
    State.ROLLING_BACK: Row(
        serving=Serving.LIVE,
        fallback=Side.LIVE,
        limit="rollback_deadline_s",
        on={
            Kind.REVERTED: Next(State.ROLLED_BACK, (Effect.ALERT,)),
            Kind.ROLLBACK_ORDERED: Next(State.ROLLING_BACK),  # it is under way
            Kind.LIVE_DIED: Next(State.ROLLING_BACK, (Effect.ALERT, Effect.RESTORE_LIVE, *_RETRY.effects)),
            Kind.RESTARTED: _RETRY,
            Kind.DEADLINE: Next(State.HALTED, (Effect.ALERT,)),
        },
    ),
    State.HALTED: Row(
        serving=Serving.UNKNOWN,
        fallback=Side.LIVE,
        limit="",
        on={
            Kind.ROLLBACK_ORDERED: Next(State.ROLLING_BACK, (Effect.RESTORE_LIVE, *_RETRY.effects)),
            Kind.LIVE_RESTORED: _RETRY,
            Kind.LIVE_DIED: Next(State.HALTED, (Effect.ALERT, Effect.RESTORE_LIVE)),
            Kind.RESTARTED: _RETRY,
        },
    ),
    State.PROMOTED: Row(serving=Serving.SHADOW, fallback=None, limit="", on={}),
    State.ROLLED_BACK: Row(serving=Serving.LIVE, fallback=None, limit="", on={}),
}

ENDS: Final = frozenset({State.PROMOTED, State.ROLLED_BACK})
BEGIN: Final = State.REQUESTED

LIVE_SERVES: Final = frozenset(state for state, row in TABLE.items() if row.serving is Serving.LIVE)
"""States in which live has every request; the shadow may be gone without anybody noticing."""

SHADOW_SERVES: Final = frozenset(state for state, row in TABLE.items() if row.serving is Serving.SHADOW)


def step(state: State, kind: Kind) -> Next:
    """Return where `kind` leads from `state`.  Raises RefusedError that names both and what is legal."""
    following = TABLE[state].on.get(kind)
    if following is not None:
        return following
    ordered = {fact: command for command, fact in COMMANDS.items()}
    asked = ordered[kind].value if kind in ordered else f"event {kind.value}"
    raise RefusedError(f"{asked} is not legal in state {state.value}; legal commands here: {_legal_words(state)}")


def is_legal(state: State, kind: Kind) -> bool:
    """Return whether `TABLE` has a row for `kind` in `state`."""
    return kind in TABLE[state].on


def legal_commands(state: State) -> tuple[Command, ...]:
    """Return what a person may order in `state`."""
    return tuple(command for command, kind in COMMANDS.items() if is_legal(state, kind))


def limit_s(state: State, options: RolloutOptions) -> float | None:
    """Return how long `state` may last; None for states that are left by a person, or are an end."""
    match TABLE[state].limit:
        case "":
            return None
        case "warming_limit_s":  # what it takes by itself, and room for a late tick
            return options.warm_up_s + options.baseline_wait_s + 10 * options.tick_s + 10.0
        case "mirroring_limit_s":  # for so long something may speak against a shadow that is not worse
            return options.deadline_s + (options.mirror.for_s if options.mirror else 0.0)
        case "draining_limit_s":  # a drain cuts itself off at its limits, a hand-over at `provision_deadline_s`
            return options.drains.longest_s + options.provision_deadline_s + 10.0
        case name:
            limit: float = getattr(options, name)
            return limit


def _legal_words(state: State) -> str:
    return ", ".join(command.value for command in legal_commands(state)) or "none (the rollout has ended)"


def diagram(table: Mapping[State, Row] = TABLE) -> str:
    """Return the table as a Mermaid state diagram."""
    lines = ["stateDiagram-v2", f"    [*] --> {BEGIN.value}"]
    for state, row in table.items():
        towards: dict[State, list[str]] = {}
        for kind, following in row.on.items():
            if following.state is not state:
                towards.setdefault(following.state, []).append(kind.value)
        lines += [f"    {state.value} --> {target.value} : {', '.join(kinds)}" for target, kinds in towards.items()]
        if not row.on:
            lines.append(f"    {state.value} --> [*]")
    return "\n".join(lines)
