"""A plan: all that is known about a deploy before anything is made, and the sentences that say it."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field

from splitter.change import labels
from splitter.change.changeset import Action, Change, ChangeSet, change_set, config_hash
from splitter.change.dependencies import start_order
from splitter.change.roles import Finding, one_shot_jobs, singletons
from splitter.change.rollback_cost import DEFAULT_THRESHOLDS, Cost, Level, Reason, Thresholds, rollback_cost
from splitter.change.scope import Scope, VolumeMode, scopes, volume_mode
from splitter.template import MountType, Template

SYMBOLS: Mapping[Action, str] = {
    Action.CREATE: "+",
    Action.KEEP: "=",
    Action.UPDATE: "~",
    Action.REPLACE: "±",
    Action.DELETE: "−",
    Action.UNKNOWN: "?",
}
_NOT_YET = frozenset({VolumeMode.SHARE, VolumeMode.SHARE_RO, VolumeMode.COPY})
SHOWN_MAX = 120  # a longer value is cut: a plan is to be read


@dataclass(frozen=True, slots=True)
class Plan:
    """What a deploy would do.

    `order` holds the shadow's services in the levels they start in, `scopes` says which of them are the shadow's own
    and which are live's, `singletons` and `jobs` are the services that should not simply run twice.  `obstacles` are
    sentences that say what the plan needs and no provisioner does yet: while there is one, nothing is made.
    """

    change_set: ChangeSet
    cost: Cost
    order: tuple[tuple[str, ...], ...]
    scopes: Mapping[str, Scope] = field(default_factory=dict)
    singletons: tuple[Finding, ...] = ()
    jobs: tuple[Finding, ...] = ()
    notes: tuple[str, ...] = ()
    obstacles: tuple[str, ...] = ()


def plan(
    live: Template | None,
    shadow: Template,
    *,
    images: Mapping[str, str] | None = None,
    live_images: Mapping[str, str] | None = None,
    routed: Collection[str] = (),
    left_out: Collection[str] = (),
    thresholds: Thresholds = DEFAULT_THRESHOLDS,
) -> Plan:
    """Return the plan of a shadow beside `live` (None: the first deploy of an app).

    Raises TemplateError where the shadow's services wait for each other for ever.
    """
    before = live or Template(project=shadow.project, directory=shadow.directory, services={})
    changes = change_set(before, shadow, images, live_images)
    found = scopes(before, shadow, changes)
    return Plan(
        change_set=changes,
        cost=rollback_cost(changes, before, shadow, routed=routed, left_out=left_out, thresholds=thresholds),
        order=start_order(shadow),
        scopes=found,
        singletons=singletons(shadow, routed),
        jobs=one_shot_jobs(shadow),
        notes=(*_renames(changes, before, shadow), *shadow.notes),
        obstacles=(*_sharing(before, shadow, found), *_leaving_out(shadow, routed)) if live else (),
    )


def sentences(plan: Plan) -> list[str]:
    """Return the plan line by line, as people read it."""
    return [
        *_change_lines(plan),
        *_order_lines(plan),
        *_cost_lines(plan.cost),
        *(f"singleton: {finding.service}: {finding.rule}" for finding in plan.singletons),
        *(f"one-shot job: {finding.service}: {finding.rule}" for finding in plan.jobs),
        *(f"note: {note}" for note in plan.notes),
        *(f"cannot be deployed: {obstacle}" for obstacle in plan.obstacles),
    ]


def _sharing(live: Template, shadow: Template, found: Mapping[str, Scope]) -> Iterator[str]:
    """Yield what the shadow would have to share with live.  Each stack has volumes of its own, new and empty ones.

    Without this a promotion would leave the data behind.
    """
    for name, service in sorted(shadow.services.items()):
        if found[name] is Scope.SHARED:
            yield (
                f"service {name} keeps state and would have to be shared with live, which is not done yet; make it a "
                f"server of its own, outside of this template, or say `{labels.SCOPE}: stack` if the shadow may have "
                "another one"
            )
            continue
        for mount in service.mounts:
            if mount.type is MountType.VOLUME and volume_mode(mount, live, shadow) in _NOT_YET:
                yield (
                    f"service {name} mounts volume {mount.source} at {mount.target}, which would have to be shared "
                    f"with live, which is not done yet; make it external, or say `{labels.VOLUME}: fresh` on it if "
                    "the shadow may begin with an empty one"
                )


def _leaving_out(shadow: Template, routed: Collection[str]) -> Iterator[str]:
    """Yield the services that must not run twice unless somebody says so."""
    for finding in singletons(shadow, routed):
        if shadow.services[finding.service].labels.get(labels.SINGLETON) != "run":
            yield (
                f"service {finding.service} would do its work twice ({finding.rule}), and to leave it out of the "
                f"shadow is not done yet; say `{labels.SINGLETON}: run` if two may run at once, or take it out"
            )


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
        yield f"to be shared with live: {', '.join(shared)}"


def _cost_lines(cost: Cost) -> Iterator[str]:
    yield f"rollback cost: {cost.during} during the split, {cost.after} after promotion: {_LEVELS[cost.level]}"
    for reason in cost.reasons:
        yield f"    {_points(reason)} {reason.id} {reason.resource}: {reason.sentence}; to lower it: {reason.remedy}"


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
    created = {config_hash(shadow.services[c.name]): c.name for c in _services(changes, Action.CREATE)}
    for change in _services(changes, Action.DELETE):
        if (name := created.get(config_hash(live.services[change.name]))) is not None:
            yield f"{change.name} is deleted and {name}, which is equal, is created: is it a new name?"


def _services(changes: ChangeSet, action: Action) -> list[Change]:
    return [change for change in changes.changes if change.kind == "service" and change.action is action]
