"""The facts that the journal keeps: what happened to which rollout, the state that it led to, one sentence for people.

Rule 1: an event is never changed.  It says which state it led to, so a journal stays readable when the table of states
is changed by a later version; an empty `state` marks a note, a fact that moves no rollout.
Rule 2: its sentence is composed once, when the event is made, and kept with it.  Journal, log, alert and `explain` say
the same words for ever.  It names the value, what it was compared with, the limit, and what happens next.
Rule 3: each kind has a version.  What a newer splitter wrote is refused, not guessed at.
"""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

from splitter.contracts import Severity
from splitter.errors import StateError
from splitter.limits import JOURNAL_EVENT_BYTES_MAX


class Kind(StrEnum):
    """What happened.  The first group moves a rollout by the table of states, the second is noted only."""

    REQUESTED = "requested"
    ACCEPTED = "accepted"
    TOO_COSTLY = "too_costly"
    OVERRIDDEN = "overridden"
    HEALTHY = "healthy"
    PROVISION_FAILED = "provision_failed"
    WARM = "warm"
    WARM_TO_MIRROR = "warm_to_mirror"
    MIRRORED = "mirrored"
    ADVANCED = "advanced"
    WORSE = "worse"
    PROVEN = "proven"
    UNDECIDED = "undecided"
    HOLD_UNDECIDED = "hold_undecided"
    PROMOTE_UNDECIDED = "promote_undecided"
    PAUSED = "paused"
    RESUMED = "resumed"
    PROMOTE_ORDERED = "promote_ordered"
    ROLLBACK_ORDERED = "rollback_ordered"
    UNDO_ORDERED = "undo_ordered"
    SHIFTED = "shifted"
    SHIFT_FAILED = "shift_failed"
    DRAINED = "drained"
    HAND_OVER_FAILED = "hand_over_failed"
    REVERTED = "reverted"
    LIVE_RESTORED = "live_restored"
    LIVE_DIED = "live_died"
    SHADOW_DIED = "shadow_died"
    ENGINE_GONE = "engine_gone"
    ENGINE_BACK = "engine_back"
    STANDBY_OVER = "standby_over"
    DEADLINE = "deadline"
    RESTARTED = "restarted"
    UNCALIBRATED = "uncalibrated"
    UNRECORDED = "unrecorded"
    FAULT = "fault"

    LIVE_ORDERED = "live_ordered"
    LIVE_UP = "live_up"
    LIVE_FAILED = "live_failed"
    CALIBRATED = "calibrated"
    FORESEEN = "foreseen"
    PUBLISHED = "published"
    STACK_DRAINED = "stack_drained"
    HANDED_OVER = "handed_over"
    HANDED_BACK = "handed_back"
    RETIRE_ORDERED = "retire_ordered"
    RETIRED = "retired"
    RETIRE_FAILED = "retire_failed"
    PARKED = "parked"
    UNPARKED = "unparked"


VERSIONS: Final[Mapping[Kind, int]] = {
    **dict.fromkeys(Kind, 1),
    Kind.REQUESTED: 2,  # says how the shadow stands beside live: without that it would be made again with other data
    Kind.LIVE_ORDERED: 2,
    Kind.RETIRED: 2,  # says what stays for others
}
"""The version of each kind's data that this splitter writes, and the highest that it reads."""

NOTES_SAID_MAX: Final = 5  # a sentence is to be read

BATCHED: Final = frozenset(
    {Kind.PUBLISHED, Kind.CALIBRATED, Kind.FORESEEN, Kind.STACK_DRAINED, Kind.LIVE_FAILED, Kind.RETIRE_FAILED}
)
"""Notes that a power cut may take: nothing is decided by them after a restart."""


@dataclass(frozen=True, slots=True)
class Event:
    """One fact.  `seq` is its place in the journal (0: not written yet), `at` a date in UTC, `by` who caused it.

    `rollout` is empty for what concerns the app alone, `state` for a note.
    """

    seq: int
    at: datetime
    app: str
    kind: Kind
    rollout: str = ""
    state: str = ""
    by: str = "splitter"
    sentence: str = ""
    data: Mapping[str, Any] = field(default_factory=dict)
    version: int = 1


def make(
    at: datetime,
    app: str,
    kind: Kind,
    *,
    rollout: str = "",
    state: str = "",
    by: str = "splitter",
    data: Mapping[str, Any] | None = None,
) -> Event:
    """Return a new event with its sentence."""
    bare = Event(0, at, app, kind, rollout, state, by, "", dict(data or {}), VERSIONS[kind])
    return Event(0, at, app, kind, rollout, state, by, sentence(bare), bare.data, bare.version)


# --- Sentences -------------------------------------------------------------------------------------------------------

_FACTS: Final[Mapping[Kind, str]] = {
    Kind.REQUESTED: "{by} asked for {shadow} from {files}: {summary}{noted}",
    Kind.ACCEPTED: "rollback cost {points} ({level}; an override is needed from {override_from}){because}",
    Kind.TOO_COSTLY: "rollback cost {points} ({level}; an override is needed from {override_from}){because}",
    Kind.OVERRIDDEN: "{by} consents to the rollback cost of change set {change_set_short}: {why}",
    Kind.HEALTHY: "every service of {shadow} is up after {took}",
    Kind.PROVISION_FAILED: "{shadow} could not be made: {reason}",
    Kind.WARM: "{shadow} has warmed up for {took}; {requests} requests of live were measured",
    Kind.WARM_TO_MIRROR: "{shadow} has warmed up for {took}; {requests} requests of live were measured",
    Kind.MIRRORED: "{shadow} got copies for {took}: of {pairs} pairs of answers it alone failed {shadow_only}, {live} "
    "alone {live_only} ({dropped} copies made no pair)",
    Kind.ADVANCED: "nothing speaks against {shadow} after {took} at {former_share} ({evidence})",
    Kind.WORSE: "{shadow} is worse: {reason}",
    Kind.PROVEN: "{shadow} is proven: {reason}",
    Kind.UNDECIDED: "nothing is proven about {shadow}: {reason}",
    Kind.HOLD_UNDECIDED: "nothing is proven about {shadow}: {reason}",
    Kind.PROMOTE_UNDECIDED: "not all is proven about {shadow}, and nothing speaks against it: {reason}",
    Kind.PAUSED: "{by} paused the rollout{because}",
    Kind.RESUMED: "{by} resumed the rollout{because}",
    Kind.PROMOTE_ORDERED: "{by} ordered the promotion of {shadow}{because}",
    Kind.ROLLBACK_ORDERED: "{by} ordered the rollback of {shadow}{because}",
    Kind.UNDO_ORDERED: "{by} undid the promotion of {shadow}{because}",
    Kind.SHIFTED: "the route table (version {table}) was read back and gives {shadow} all traffic",
    Kind.SHIFT_FAILED: "the traffic could not be shifted: {reason}",
    Kind.DRAINED: "{live} was drained in {took} ({left} requests were cut at the limit of {limit})",
    Kind.HAND_OVER_FAILED: "what must not run twice could not be handed over from {live} to {shadow}: {reason}",
    Kind.REVERTED: "the route table gives {live} all traffic",
    Kind.LIVE_RESTORED: "{live} is up again",
    Kind.LIVE_DIED: "{live} died: {reason}",
    Kind.SHADOW_DIED: "{shadow} died: {reason}",
    Kind.ENGINE_GONE: "the engine cannot be asked about {stack}: {reason}; shares stay as they are until it answers",
    Kind.ENGINE_BACK: "the engine answers again",
    Kind.STANDBY_OVER: "nothing spoke against {shadow} in {took} with all traffic",
    Kind.DEADLINE: "{former_state} took {took}, its limit is {limit}{because}",
    Kind.RESTARTED: "the daemon was started again in {former_state}: {found}",
    Kind.UNCALIBRATED: "the daemon was started again and what it knew of live is lost: {reason}",
    Kind.UNRECORDED: "decisions could not be written to the journal: {reason}",
    Kind.FAULT: "splitter itself failed: {reason}",
    Kind.LIVE_ORDERED: "{live} is to be made as the live stack: {reason}{noted}",
    Kind.LIVE_UP: "{live} is up and serves after {took}",
    Kind.LIVE_FAILED: "{live} could not be made (attempt {attempt}): {reason}; the next attempt is in {retry}",
    Kind.CALIBRATED: "live was measured: {requests} requests in {span}, {edges} latency edges",
    Kind.FORESEEN: "{shadow} is heading for a limit: {reason}; nothing is done about it, {because_of}",
    Kind.PUBLISHED: "route table version {table}: {split}",
    Kind.STACK_DRAINED: "{stack} was drained in {took} ({left} requests were cut at the limit of {limit})",
    Kind.HANDED_OVER: "{started} of {shadow} run now ({stopped} of {live} were stopped)",
    Kind.HANDED_BACK: "{started} of {live} run again ({stopped} of {shadow} were stopped)",
    Kind.RETIRE_ORDERED: "{stack} is to be removed: {reason}",
    Kind.RETIRED: "{stack} is removed{staying}",
    Kind.RETIRE_FAILED: "{stack} could not be removed (attempt {attempt}): {reason}; the next attempt is in {retry}",
    Kind.PARKED: "{by} parked {app}: new requests wait, for {limit} at most{because}",
    Kind.UNPARKED: "{by} lets the requests of {app} go on after {took} ({waited} waited){because}",
}

_NEXT: Final[Mapping[str, str]] = {
    "AWAITING_OVERRIDE": "nothing is made until `splitter override`, for at most {state_limit}",
    "PROVISIONING": "{shadow} is being made, for at most {state_limit}",
    "WARMING": "{shadow} warms up without traffic",
    "MIRRORING": "{shadow} gets a copy of {mirror} of the requests for {mirror_for}, and {live} serves them all",
    "SPLITTING": "{shadow} gets {share} (step {step} of {steps})",
    "HELD": "{shadow} keeps {share} until somebody resumes, promotes or rolls back, for at most {state_limit}",
    "PROMOTING": "{shadow} is given all traffic",
    "DRAINING": "{live} is drained",
    "STANDBY": "{live} is kept as standby for {state_limit}",
    "PROMOTED": "{shadow} is live, {live} is removed{returning}",
    "ROLLING_BACK": "{live} is given all traffic",
    "ROLLED_BACK": "{live} is live, {shadow} is gone",
    "HALTED": "a person must look; `splitter rollback` tries again",
}
"""What happens next, by the state that an event led to (a name of `machine.State`, which lies above this room)."""


class _Words(dict[str, str]):
    """Stands `?` for a word that an event lacks: a sentence is never the reason for a failure."""

    def __missing__(self, key: str) -> str:
        return "?"


def sentence(event: Event) -> str:
    """Return `event` as one sentence: the fact, and what happens next."""
    words = _words(event)
    fact = _FACTS[event.kind].format_map(words).rstrip(".")
    following = _NEXT.get(event.state, "")
    return f"{fact}; {following.format_map(words)}" if following else fact


def _words(event: Event) -> _Words:
    """Return the figures of `event` as people write them: `_s` as durations, `_bp` as percents."""
    words = _Words(by=event.by, app=event.app, rollout=event.rollout)
    for name, value in event.data.items():
        if name.endswith("_s") and isinstance(value, int | float):
            words[name.removesuffix("_s")] = duration(value)
        elif name.endswith("_bp") and isinstance(value, int):
            words[name.removesuffix("_bp")] = share(value)
        elif isinstance(value, list | tuple):
            words[name] = ", ".join(str(each) for each in value) or "none"
        else:
            words[name] = str(value)
    words["change_set_short"] = words["change_set"][:12]
    words["because"] = f": {words['why']}" if event.data.get("why") else ""
    words["noted"] = _noted(event.data.get("notes", ()))
    words["returning"] = _returning(event.data.get("adopted", ""), words["shadow"])
    words["staying"] = f"; {words['left']} stays, because other stacks use it" if event.data.get("left") else ""
    return words


def _returning(project: str, live: str) -> str:
    """Return what could undo the promotion behind our back, where the former live was the adopted `project`."""
    if not project:
        return ""
    return f"; `docker compose up` in the folder of {project} would start its containers again, beside {live}"


def _noted(notes: Sequence[str]) -> str:
    """Return the first of `notes` as a sentence's end; the event's data has them all."""
    more = f"; {len(notes) - NOTES_SAID_MAX} more notes" if len(notes) > NOTES_SAID_MAX else ""
    return "".join(f"; note: {each}" for each in notes[:NOTES_SAID_MAX]) + more


def duration(seconds: float) -> str:
    """Return `seconds` as people write them: `0.4 s`, `12 s`, `4 m 10 s`, `2 h`."""
    if seconds < 10:
        return f"{seconds:.1f}".removesuffix(".0") + " s"
    whole = round(seconds)
    hours, rest = divmod(whole, 3600)
    minutes, left = divmod(rest, 60)
    parts = ((hours, "h"), (minutes, "m"), (left if not hours else 0, "s"))
    return " ".join(f"{number} {unit}" for number, unit in parts if number)


def share(basis_points: int) -> str:
    """Return a share of traffic in percent: `5 %`, `0.25 %`."""
    return f"{basis_points / 100:g} %"


# --- Alerts ----------------------------------------------------------------------------------------------------------

_SEVERITIES: Final[Mapping[Kind, Severity]] = {
    Kind.LIVE_DIED: Severity.CRITICAL,
    Kind.LIVE_FAILED: Severity.CRITICAL,
    Kind.UNRECORDED: Severity.CRITICAL,
    Kind.FAULT: Severity.CRITICAL,
    Kind.WORSE: Severity.WARNING,
    Kind.SHADOW_DIED: Severity.WARNING,
    Kind.PROVISION_FAILED: Severity.WARNING,
    Kind.SHIFT_FAILED: Severity.WARNING,
    Kind.HAND_OVER_FAILED: Severity.WARNING,
    Kind.UNDECIDED: Severity.WARNING,
    Kind.HOLD_UNDECIDED: Severity.WARNING,
    Kind.PROMOTE_UNDECIDED: Severity.WARNING,
    Kind.TOO_COSTLY: Severity.WARNING,
    Kind.OVERRIDDEN: Severity.WARNING,
    Kind.DEADLINE: Severity.WARNING,
    Kind.ENGINE_GONE: Severity.WARNING,
    Kind.FORESEEN: Severity.WARNING,
    Kind.RETIRE_FAILED: Severity.WARNING,
    Kind.UNDO_ORDERED: Severity.WARNING,
    Kind.ROLLBACK_ORDERED: Severity.WARNING,
}


def severity(event: Event) -> Severity:
    """Return how loud an alert about `event` is."""
    if event.state == "HALTED":
        return Severity.CRITICAL
    if event.kind is Kind.ACCEPTED and event.data.get("level") == "warn":
        return Severity.WARNING
    return _SEVERITIES.get(event.kind, Severity.INFO)


# --- The journal's form ----------------------------------------------------------------------------------------------


def plain(value: Any) -> Any:
    """Return `value` as JSON's own types; what is not finite becomes null, which JSON has a word for."""
    if isinstance(value, Mapping):
        return {str(key): plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [plain(each) for each in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def encode(event: Event) -> str:
    """Return the data of `event` as JSON.  Raises StateError when it is larger than the journal keeps."""
    text = json.dumps(event.data, ensure_ascii=False, separators=(",", ":"), sort_keys=True, allow_nan=False)
    if len(text) > JOURNAL_EVENT_BYTES_MAX:
        raise StateError(
            f"event {event.kind} of {event.app}: {len(text)} characters, at most {JOURNAL_EVENT_BYTES_MAX} are kept"
        )
    return text


def decode(
    seq: int, at: str, app: str, rollout: str, kind: str, version: int, state: str, by: str, said: str, data: str
) -> Event:
    """Return the event of a journal's row.  Raises StateError for what a newer splitter wrote."""
    try:
        known = Kind(kind)
    except ValueError:
        raise _newer(seq, kind, version) from None
    if version > VERSIONS[known]:
        raise _newer(seq, kind, version)
    return Event(seq, datetime.fromisoformat(at), app, known, rollout, state, by, said, json.loads(data), version)


def _newer(seq: int, kind: str, version: int) -> StateError:
    return StateError(
        f"journal event {seq} ({kind}, version {version}) was written by a newer splitter: "
        "start that version again, or move the state directory away to begin anew"
    )
