"""The price of undoing a change, in points, with a reason for every point.

Two numbers, of which the larger decides: `during` the split (undoing retires the shadow) and `after` promotion
(undoing gives traffic back to a standby whose data has moved on).  A gate has no price: it asks for a person's
consent whatever the sum is.

More findings never lower the sum.  `splitter.rollback.cost` on a service or volume replaces the points of its
reasons, never a gate.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum

from splitter.change import labels
from splitter.change.changeset import Action, ChangeSet
from splitter.change.reach_risks import (
    cascade_reasons,
    contract_reasons,
    host_reasons,
    outside_reasons,
    return_reasons,
)
from splitter.change.reasons import Case, Reason
from splitter.change.scope import scopes
from splitter.change.state_risks import state_reasons, volume_reasons
from splitter.change.work_risks import job_reasons, singleton_reasons, upgrade_reasons
from splitter.facts import NO_FACTS, Facts
from splitter.template import Template

WARN_POINTS = 20
OVERRIDE_POINTS = 60

LABEL_POINTS: Mapping[str, int] = {"none": 0, "low": 10, "high": 60, "irreversible": 0}
LABEL_ID = "label"
CAPS: Mapping[str, tuple[int, int]] = {"VO3": (45, 10), "CA1": (20, 20), "EX1": (30, 30), "RE1": (25, 25)}
"""The most that all reasons of one id together cost, during and after.  That live may not come up again is one risk,
however many of its services it hangs on."""


class Level(StrEnum):
    """What the cost asks for: nothing, a warning, or an administrator's recorded consent."""

    NONE = "none"
    WARN = "warn"
    OVERRIDE = "override"


@dataclass(frozen=True, slots=True)
class Thresholds:
    """From how many points on a change is warned about, and from how many it needs an override."""

    warn: int = WARN_POINTS
    override: int = OVERRIDE_POINTS


DEFAULT_THRESHOLDS = Thresholds()

RULES: tuple[Callable[[Case], Iterator[Reason]], ...] = (
    state_reasons,
    volume_reasons,
    job_reasons,
    upgrade_reasons,
    outside_reasons,
    host_reasons,
    singleton_reasons,
    cascade_reasons,
    return_reasons,
    contract_reasons,
)


@dataclass(frozen=True, slots=True)
class Cost:
    """The sums, what they ask for, and every reason; `gates` names the reasons that are gates."""

    during: int = 0
    after: int = 0
    level: Level = Level.NONE
    gates: tuple[str, ...] = ()
    reasons: tuple[Reason, ...] = ()

    @property
    def points(self) -> int:
        return max(self.during, self.after)


def rollback_cost(
    changes: ChangeSet,
    live: Template,
    shadow: Template,
    *,
    routed: Collection[str] = (),
    left_out: Collection[str] = (),
    handed_over: Collection[str] = (),
    facts: Facts = NO_FACTS,
    thresholds: Thresholds = DEFAULT_THRESHOLDS,
) -> Cost:
    """Return what undoing `changes` costs.

    `routed` are the services that routes point at, `left_out` those that the shadow does without, `handed_over`
    those whose live container is stopped before the shadow's starts, so that their data never has two writers;
    `facts` are what an engine knows.
    """
    if not live.services:
        return Cost()
    case = Case(
        changes=changes,
        live=live,
        shadow=shadow,
        scopes=scopes(live, shadow, changes),
        changed=changes.by_resource(),
        left_out=frozenset(left_out),
        handed_over=frozenset(handed_over),
        routed=frozenset(routed),
        facts=facts,
    )
    reasons = [reason for rule in RULES for reason in rule(case)]
    return priced(_with_labels(reasons, case), thresholds)


def priced(reasons: Iterable[Reason], thresholds: Thresholds = DEFAULT_THRESHOLDS) -> Cost:
    """Return the cost of `reasons`: sums with the caps of each id, and the level that they ask for."""
    ordered = tuple(
        sorted(reasons, key=lambda reason: (not reason.is_gate, -reason.points, reason.id, reason.resource))
    )
    during = _capped_sum(((reason.id, reason.during) for reason in ordered), 0)
    after = _capped_sum(((reason.id, reason.after) for reason in ordered), 1)
    gates = tuple(dict.fromkeys(reason.id for reason in ordered if reason.is_gate))
    points = max(during, after)
    level = Level.NONE
    if gates or points >= thresholds.override:
        level = Level.OVERRIDE
    elif points >= thresholds.warn:
        level = Level.WARN
    return Cost(during, after, level, gates, ordered)


def _capped_sum(points: Iterable[tuple[str, int]], column: int) -> int:
    sums: dict[str, int] = {}
    for id_, value in points:
        sums[id_] = sums.get(id_, 0) + value
    return sum(min(value, CAPS[id_][column]) if id_ in CAPS else value for id_, value in sums.items())


# --- Labels ------------------------------------------------------------------------------------------------------


def _with_labels(reasons: Iterable[Reason], case: Case) -> list[Reason]:
    """Return `reasons` with the points of labelled resources replaced by what their labels say."""
    said = _labelled(case)
    result = [
        reason if reason.is_gate or reason.resource not in said else replace(reason, during=0, after=0)
        for reason in reasons
    ]
    found = {reason.resource for reason in result}
    for resource, text in sorted(said.items()):
        change = case.changed.get(resource)
        if resource not in found and (change is None or change.action is Action.KEEP):
            continue
        points = LABEL_POINTS[text] if text in LABEL_POINTS else int(text)
        sentence = f"its label {labels.COST} says {text}"
        is_gate = text == "irreversible"
        result.append(Reason(LABEL_ID, resource, points, points, sentence, "change or remove the label", is_gate))
    return result


def _labelled(case: Case) -> dict[str, str]:
    """Return what each resource's cost label says, in the shadow, else in live."""
    said: dict[str, str] = {}
    for template in (case.live, case.shadow):
        for name, service in template.services.items():
            if labels.COST in service.labels:
                said[f"service:{name}"] = service.labels[labels.COST]
        for key, volume in template.volumes.items():
            if labels.COST in volume.labels:
                said[f"volume:{key}"] = volume.labels[labels.COST]
    return said
