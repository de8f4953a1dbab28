"""What the journal's events add up to: who is live, which rollout runs and how far it has come.

Rule 1: `apply` is the only way from one value to the next, for the controller after each event that it has written and
for a daemon that reads its journal again.  So what is remembered and what is read back cannot differ.
Rule 2: an event says which state it led to, and that is believed; the table of states is not asked again.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Final

from splitter.limits import WEIGHT_TOTAL
from splitter.model import StackId
from splitter.placement import ALONE, Placement
from splitter.rollout.events import Event, Kind
from splitter.rollout.machine import BEGIN, ENDS, SHADOW_SERVES, State
from splitter.rollout.options import RolloutOptions, from_mapping


@dataclass(frozen=True, slots=True)
class StackRecord:
    """What it takes to make a stack again: its id, its revision, the digest of its template in the journal, its place.

    `was_up` says that it served once, so that it has data that counts.
    """

    id: StackId
    revision: int
    digest: str
    placement: Placement = ALONE
    was_up: bool = False

    def to_mapping(self, name: str) -> dict[str, Any]:
        """Return the record as plain values for an event, with its id as `name`."""
        return {
            name: self.id,
            "revision": self.revision,
            "digest": self.digest,
            "placement": self.placement.to_mapping(),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Rollout:
    """One rollout.  `step` counts from 0; `since` is when the present state, or step, began.

    `splitting_since` is when the shadow first got traffic after the warm-up or the last hold.  `held_for` says why a
    held rollout is held: `paused` or `undecided`.  `cost` is the rollback cost as it was assessed, `analysis` the
    judge's config as plain values.  `notes` are what its plan remarked.
    """

    id: str
    live: StackRecord
    shadow: StackRecord
    options: RolloutOptions
    by: str
    requested_at: datetime
    since: datetime
    state: State = BEGIN
    step: int = 0
    splitting_since: datetime | None = None
    held_for: str = ""
    change_set: str = ""
    cost: Mapping[str, Any] = field(default_factory=dict)
    analysis: Mapping[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    is_engine_gone: bool = False

    @property
    def share_bp(self) -> int:
        """The share of requests that the shadow is to get."""
        if self.state in (State.SPLITTING, State.HELD):
            return self.options.steps_bp[self.step]
        return WEIGHT_TOTAL if self.state in SHADOW_SERVES else 0

    @property
    def is_last_step(self) -> bool:
        return self.step == len(self.options.steps_bp) - 1

    @property
    def has_ended(self) -> bool:
        return self.state in ENDS


@dataclass(frozen=True, slots=True)
class History:
    """One app.  `live` is the trusted stack, known from the moment that it is ordered; `rollout` is the last one.

    `condemned` are stacks whose removal was ordered and not yet confirmed.  `remains` are retired stacks of which
    something stays because another stack uses it: a shared database outlives the stack that it was made for.
    """

    live: StackRecord | None = None
    rollout: Rollout | None = None
    revision: int = 0
    condemned: frozenset[StackId] = frozenset()
    remains: frozenset[StackId] = frozenset()

    @property
    def running(self) -> Rollout | None:
        """The rollout that has not ended, if there is one."""
        return self.rollout if self.rollout is not None and not self.rollout.has_ended else None


def fold(events: Iterable[Event], history: History | None = None) -> History:
    """Return what `events`, in their order, add up to (on top of `history`)."""
    history = history or History()
    for event in events:
        history = apply(history, event)
    return history


def rollouts(events: Iterable[Event]) -> dict[str, Rollout]:
    """Return every rollout of `events` by its id, the oldest first, each as it stood at last."""
    history = History()
    found: dict[str, Rollout] = {}
    for event in events:
        history = apply(history, event)
        if history.rollout is not None:
            found[history.rollout.id] = history.rollout
    return found


def apply(history: History, event: Event) -> History:
    """Return `history` with one more event."""
    match event.kind:
        case Kind.LIVE_ORDERED:
            record = _record(event, "live")
            was_up = history.live is not None and history.live.id == record.id and history.live.was_up
            revision = max(history.revision, record.revision)
            return replace(history, live=replace(record, was_up=was_up), revision=revision)
        case Kind.LIVE_UP if history.live is not None and history.live.id == event.data["live"]:
            return replace(history, live=replace(history.live, was_up=True))
        case Kind.RETIRE_ORDERED:
            return replace(history, condemned=history.condemned | {StackId(event.data["stack"])})
        case Kind.RETIRED:
            stack = frozenset({StackId(event.data["stack"])})
            remains = history.remains | stack if event.data.get("left") else history.remains - stack
            return replace(history, condemned=history.condemned - stack, remains=remains)
        case Kind.REQUESTED:
            rollout = _requested(history, event)
            return replace(history, rollout=rollout, revision=max(history.revision, rollout.shadow.revision))
    if not event.state or history.rollout is None or history.rollout.id != event.rollout:
        return history
    rollout = _moved(history.rollout, event)
    live = replace(rollout.shadow, was_up=True) if rollout.state is State.PROMOTED else history.live
    return replace(history, rollout=rollout, live=live)


def _requested(history: History, event: Event) -> Rollout:
    assert history.live is not None, "a rollout is asked for only where a live stack is known"
    return Rollout(
        id=event.rollout,
        live=history.live,
        shadow=_record(event, "shadow"),
        options=from_mapping(event.data["options"]),
        by=event.by,
        requested_at=event.at,
        since=event.at,
        change_set=event.data["change_set"],
        cost=event.data["cost"],
        analysis=event.data["analysis"],
        notes=tuple(event.data.get("notes", ())),
    )


def _record(event: Event, name: str) -> StackRecord:
    placement = Placement.from_mapping(event.data.get("placement", {}))
    return StackRecord(StackId(event.data[name]), event.data["revision"], event.data["digest"], placement)


def _moved(rollout: Rollout, event: Event) -> Rollout:
    """Return `rollout` after an event that led to a state, which may be the one that it was in."""
    state = State(event.state)
    if event.kind in _MARKS:
        return replace(rollout, is_engine_gone=event.kind is Kind.ENGINE_GONE)
    if event.kind is Kind.ROLLBACK_ORDERED and state is rollout.state:
        return rollout
    is_anew = state is not rollout.state
    moved = replace(
        rollout,
        state=state,
        since=event.at if is_anew or _begins_again(event.kind, state) else rollout.since,
        held_for=_HELD_FOR.get(event.kind, rollout.held_for) if state is State.HELD else "",
    )
    if event.kind is Kind.ADVANCED:
        return replace(moved, step=event.data["step_index"])
    if state is State.SPLITTING and is_anew:
        return replace(moved, splitting_since=event.at)
    if state is State.WARMING:
        return replace(moved, step=0, splitting_since=None)
    return moved


_MARKS: Final = frozenset({Kind.ENGINE_GONE, Kind.ENGINE_BACK})
_HELD_FOR: Final = {Kind.PAUSED: "paused", Kind.HOLD_UNDECIDED: "undecided"}
_BEGUN_AGAIN: Final = frozenset({State.WARMING, State.MIRRORING, State.SPLITTING, State.DRAINING, State.ROLLING_BACK})


def _begins_again(kind: Kind, state: State) -> bool:
    """Return whether a state that stays starts anew: at a step, and where a restart begins at the state's start."""
    return kind is Kind.ADVANCED or (kind is Kind.RESTARTED and state in _BEGUN_AGAIN)
