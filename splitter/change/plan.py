"""A plan: all that is known about a deploy before anything is made, and the sentences that say it."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field

from splitter.change import placing
from splitter.change.changeset import Action, Change, ChangeSet, change_set, config_hash, contents_of
from splitter.change.dependencies import start_order
from splitter.change.reasons import Reason
from splitter.change.roles import Finding, one_shot_jobs, singletons
from splitter.change.rollback_cost import DEFAULT_THRESHOLDS, Cost, Level, Thresholds, rollback_cost
from splitter.change.scope import Scope, scopes, shared_data
from splitter.facts import NO_FACTS, Facts
from splitter.placement import ALONE, Placement
from splitter.template import Template

SYMBOLS: Mapping[Action, str] = {
    Action.CREATE: "+",
    Action.KEEP: "=",
    Action.UPDATE: "~",
    Action.REPLACE: "±",
    Action.DELETE: "−",
    Action.UNKNOWN: "?",
}
HASH_SHOWN = 12
SHOWN_MAX = 120  # a longer value is cut: a plan is to be read


@dataclass(frozen=True, slots=True)
class Plan:
    """What a deploy would do.

    `order` holds the shadow's services in the levels they start in, `scopes` says which of them are the shadow's own
    and which are live's, `singletons` and `jobs` are the services that should not simply run twice, `placement` is what
    becomes of all that; `is_beside` says that there is a live stack.  `obstacles` are sentences that say what cannot
    be: while there is one, nothing is made.  `shared` names what of the shadow's data is live's too.
    """

    change_set: ChangeSet
    cost: Cost
    order: tuple[tuple[str, ...], ...]
    scopes: Mapping[str, Scope] = field(default_factory=dict)
    singletons: tuple[Finding, ...] = ()
    jobs: tuple[Finding, ...] = ()
    placement: Placement = ALONE
    is_beside: bool = False
    notes: tuple[str, ...] = ()
    obstacles: tuple[str, ...] = ()
    shared: tuple[str, ...] = ()


def plan(
    live: Template | None,
    shadow: Template,
    *,
    routed: Collection[str] = (),
    facts: Facts = NO_FACTS,
    thresholds: Thresholds = DEFAULT_THRESHOLDS,
) -> Plan:
    """Return the plan of a shadow beside `live` (None: the first deploy of an app), by what an engine knows.

    Raises TemplateError where the shadow's services wait for each other for ever.
    """
    before = live or Template(project=shadow.project, directory=shadow.directory, services={})
    changes = change_set(before, shadow, facts.shadow_images, facts.live_images)
    found = scopes(before, shadow, changes)
    placement = placing.place(before, shadow, found, changes, routed) if live else placing.alone(shadow, routed)
    return Plan(
        change_set=changes,
        cost=rollback_cost(
            changes,
            before,
            shadow,
            routed=routed,
            left_out=placement.singletons,
            facts=facts,
            thresholds=thresholds,
        ),
        order=start_order(shadow),
        scopes=found,
        singletons=singletons(shadow, routed),
        jobs=one_shot_jobs(shadow),
        placement=placement,
        is_beside=live is not None,
        notes=(*_renames(changes, before, shadow), *placing.notes(shadow, found, changes), *shadow.notes),
        obstacles=tuple(placing.obstacles(before, shadow, found, placement)) if live else (),
        shared=tuple(shared_data(before, shadow, found)) if live else (),
    )


def sentences(plan: Plan) -> list[str]:
    """Return the plan line by line, as people read it."""
    return [
        *_change_lines(plan),
        *_order_lines(plan),
        *_cost_lines(plan.cost),
        *_consent_lines(plan),
        *_placement_lines(plan),
        *(f"note: {note}" for note in plan.notes),
        *(f"cannot be deployed: {obstacle}" for obstacle in plan.obstacles),
    ]


def _change_lines(plan: Plan) -> Iterator[str]:
    """Yield each resource that changes with its fields; what is kept is counted in one line."""
    kept = [change for change in plan.change_set.changes if change.action is Action.KEEP and not change.fields]
    for change in plan.change_set.changes:
        if change in kept:
            continue
        yield f"{SYMBOLS[change.action]} {change.resource} {change.action}{_because(change, plan.change_set)}"
        for item in change.fields:
            yield f"    {item.path}: {_shown(item.before)} → {_shown(item.after)}"
    if kept:
        yield f"{SYMBOLS[Action.KEEP]} unchanged: {', '.join(change.resource for change in kept)}"


def _because(change: Change, changes: ChangeSet) -> str:
    if change.by:
        return f" because of {' because of '.join(changes.chain(change.resource)[1:])} ({change.cause})"
    return f" ({change.cause})" if change.cause.value != "direct" else ""


def _order_lines(plan: Plan) -> Iterator[str]:
    own = [[name for name in level if plan.scopes.get(name) is not Scope.SHARED] for level in plan.order]
    levels = [level for level in own if level]
    if levels:
        yield f"start order: {', then '.join(', '.join(level) for level in levels)}"
    shared = sorted(name for name, scope in plan.scopes.items() if scope is Scope.SHARED)
    if shared:
        yield f"shared with live: {', '.join(shared)}"
    for key, mode in plan.placement.volumes.items():
        yield f"volume {key}: {mode.value}"


def _placement_lines(plan: Plan) -> Iterator[str]:
    """Yield the services with a special role, the rule that found each, and what becomes of it."""
    for finding in plan.singletons:
        is_out = plan.is_beside and finding.service in plan.placement.singletons
        waits = "; it is left out of the shadow until the promotion" if is_out else ""
        yield f"singleton: {finding.service}: {finding.rule}{waits}"
    for finding in plan.jobs:
        late = "; it runs at the promotion" if finding.service in plan.placement.late else ""
        never = "; it does not run" if finding.service in plan.placement.skipped else ""
        yield f"one-shot job: {finding.service}: {finding.rule}{late}{never}"


def _cost_lines(cost: Cost) -> Iterator[str]:
    yield f"rollback cost: {cost.during} during the split, {cost.after} after promotion: {_LEVELS[cost.level]}"
    for reason in cost.reasons:
        yield f"    {_points(reason)} {reason.id} {reason.resource}: {reason.sentence}; to lower it: {reason.remedy}"


def _consent_lines(plan: Plan) -> Iterator[str]:
    if plan.cost.level is Level.OVERRIDE:
        yield f"consent is for change set {plan.change_set.digest[:HASH_SHOWN]} alone: splitter override --change-set"


_LEVELS: Mapping[Level, str] = {
    Level.NONE: "nothing to decide",
    Level.WARN: "goes on, with a warning",
    Level.OVERRIDE: "waits for an administrator's override",
}


def _points(reason: Reason) -> str:
    return "gate" if reason.is_gate else f"{reason.during}/{reason.after}"


def _shown(text: str | None) -> str:
    if text is None:
        return "(not set)"
    if not text:
        return "(empty)"
    return text if len(text) <= SHOWN_MAX else f"{text[: SHOWN_MAX - 1]}…"


def _renames(changes: ChangeSet, live: Template, shadow: Template) -> Iterator[str]:
    """Yield the pairs that look like one service under another name; a rename is never assumed."""
    created = {_hash(c.name, shadow): c.name for c in _services(changes, Action.CREATE)}
    for change in _services(changes, Action.DELETE):
        if (name := created.get(_hash(change.name, live))) is not None:
            yield f"{change.name} is deleted and {name}, which is equal, is created: is it a new name?"


def _hash(name: str, template: Template) -> str:
    service = template.services[name]
    return config_hash(service, contents=contents_of(service, template))


def _services(changes: ChangeSet, action: Action) -> list[Change]:
    return [change for change in changes.changes if change.kind == "service" and change.action is action]
