"""What a daemon that was started again finds, against what the journal says: a pure comparison."""

from collections.abc import Iterable
from dataclasses import dataclass

from splitter.contracts import FoundStack
from splitter.model import Stack, StackId
from splitter.rollout.events import Kind
from splitter.rollout.history import History, StackRecord
from splitter.rollout.machine import SHADOW_SERVES, State

_WITH_SHADOW = SHADOW_SERVES | {State.WARMING, State.MIRRORING, State.SPLITTING, State.HELD}
_CALIBRATED = frozenset({State.MIRRORING, State.SPLITTING, State.HELD})


@dataclass(frozen=True, slots=True)
class Findings:
    """What the controller goes on with.

    `live` and `shadow` are the stacks that are whole, else None; the shadow only of a rollout that runs.  `strangers`
    exist and nobody knows them any more, or were to be removed and nobody knows whether they are.  `kind` is what
    happened to the rollout that runs, None where none does.
    """

    live: Stack | None
    shadow: Stack | None
    strangers: tuple[StackId, ...]
    kind: Kind | None
    reason: str


def reconcile(history: History, found: Iterable[FoundStack], *, has_analysis: bool) -> Findings:
    """Return how `history` and what was `found` go together."""
    by_id = {each.id: each for each in found}
    rollout = history.running
    expected = {record.id for record in (history.live, rollout.shadow if rollout else None) if record is not None}
    strangers = tuple(sorted((set(by_id) - history.remains | history.condemned) - expected))
    live, live_reason = _whole(by_id, history.live)
    if rollout is None:
        return Findings(live, None, strangers, None, live_reason)
    shadow, shadow_reason = _whole(by_id, rollout.shadow)
    kind, reason = Kind.RESTARTED, "what it needs is whole"
    if rollout.state in SHADOW_SERVES:
        if shadow is None:
            kind, reason = Kind.SHADOW_DIED, shadow_reason
        elif live is None:
            kind, reason = Kind.LIVE_DIED, live_reason
    elif rollout.state in _WITH_SHADOW:
        if live is None:
            kind, reason = Kind.LIVE_DIED, live_reason
        elif shadow is None:
            kind, reason = Kind.SHADOW_DIED, shadow_reason
        elif rollout.state in _CALIBRATED and not has_analysis:
            kind, reason = Kind.UNCALIBRATED, "the judge's state cannot be read"
    elif live is None:
        reason = live_reason
    return Findings(live, shadow, strangers, kind, reason)


def _whole(found: dict[StackId, FoundStack], record: StackRecord | None) -> tuple[Stack | None, str]:
    """Return the stack of `record` if it is whole, else why it is not."""
    if record is None:
        return None, "no stack was ever made"
    each = found.get(record.id)
    if each is None:
        return None, f"after the start nothing of {record.id} was found"
    if each.stack is None:
        return None, f"after the start {', '.join(each.missing) or 'a part'} of {record.id} was missing"
    return each.stack, ""
