"""The price of undoing a change, in points, with a reason for every point.

Two numbers, of which the larger decides: `during` the split (undoing retires the shadow) and `after` promotion
(undoing gives traffic back to a standby whose data has moved on).  A gate has no price: it asks for a person's
consent whatever the sum is.

More findings never lower the sum.  `splitter.rollback.cost` on a service or volume replaces the points of its
reasons, never a gate.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum

from splitter.change import labels
from splitter.change.changeset import Action, Change, ChangeSet
from splitter.change.engines import data_mounts, image_name, is_data_folder, is_stateful, series
from splitter.change.roles import one_shot_jobs, singletons
from splitter.change.scope import Scope, VolumeMode, scopes, volume_mode
from splitter.template import Mount, MountType, Service, Template

WARN_POINTS = 20
OVERRIDE_POINTS = 60

LABEL_POINTS: Mapping[str, int] = {"none": 0, "low": 10, "high": 60, "irreversible": 0}
LABEL_ID = "label"
CAPS: Mapping[str, tuple[int, int]] = {"VO3": (45, 10), "CA1": (20, 20)}
"""The most that all reasons of one id together cost, during and after."""


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


@dataclass(frozen=True, slots=True)
class Reason:
    """One finding: its points in both numbers, the resource, the evidence, and what would lower it."""

    id: str
    resource: str
    during: int
    after: int
    sentence: str
    remedy: str
    is_gate: bool = False

    @property
    def points(self) -> int:
        return max(self.during, self.after)


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
    thresholds: Thresholds = DEFAULT_THRESHOLDS,
) -> Cost:
    """Return what undoing `changes` costs.

    `routed` are the services that routes point at, `left_out` those that the shadow does without, `handed_over`
    those whose live container is stopped before the shadow's starts, so that their data never has two writers.
    """
    if not live.services:
        return Cost()
    case = _Case(
        changes=changes,
        live=live,
        shadow=shadow,
        scopes=scopes(live, shadow, changes),
        changed=changes.by_resource(),
        left_out=frozenset(left_out),
        handed_over=frozenset(handed_over),
    )
    reasons = [
        *_state_reasons(case),
        *_volume_reasons(case),
        *_job_reasons(case),
        *_singleton_reasons(case, routed),
        *_cascade_reasons(case),
    ]
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


# --- Findings ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Case:
    """What every rule looks at."""

    changes: ChangeSet
    live: Template
    shadow: Template
    scopes: Mapping[str, Scope]
    changed: Mapping[str, Change]
    left_out: frozenset[str]
    handed_over: frozenset[str]

    def own(self) -> Iterator[tuple[Change, Service]]:
        """Yield the shadow's own services, those that it leaves out apart, with their changes."""
        for name, service in sorted(self.shadow.services.items()):
            change = self.changed.get(f"service:{name}")
            if change is not None and self.scopes[name] is Scope.STACK and name not in self.left_out:
                yield change, service

    def renewed(self) -> Iterator[tuple[Change, Service, Service]]:
        """Yield the services that get another container: the change, what they were and what they become."""
        for change, after in self.own():
            before = self.live.services.get(change.name)
            if before is not None and change.action in {Action.REPLACE, Action.UNKNOWN}:
                yield change, before, after

    def mode(self, mount: Mount) -> VolumeMode:
        return volume_mode(mount, self.live, self.shadow)

    def shared_mounts(self, mounts: Iterable[Mount]) -> list[Mount]:
        """Return those of the shadow's `mounts` whose writes live sees."""
        return [
            mount
            for mount in mounts
            if not mount.read_only and self.mode(mount).is_same_data and self.live_writers(mount)
        ]

    def live_writers(self, mount: Mount) -> list[str]:
        """Return the services of live that write what `mount` of the shadow writes."""
        return [
            name
            for name, service in sorted(self.live.services.items())
            if any(_is_same_place(mount, other) and not other.read_only for other in service.mounts)
        ]


def _state_reasons(case: _Case) -> Iterator[Reason]:
    for change, before, after in case.renewed():
        if not (is_stateful(before) or is_stateful(after)):
            continue
        shared = case.shared_mounts(data_mounts(after))
        if shared:
            evidence = f"{change.name} is replaced and keeps using the data of live ({_shown(shared[0])})"
            yield Reason("ST1", change.resource, 40, 40, evidence, f"leave {change.name} as it is in this rollout")
        yield from _version_reasons(change, before, after, is_shared=bool(shared))


def _version_reasons(change: Change, before: Service, after: Service, *, is_shared: bool) -> Iterator[Reason]:
    """Yield what another engine, series or version means for the data."""
    old, new = image_name(before.image), image_name(after.image)
    if before.image == after.image or not (old.engine or new.engine):
        return
    step = f"{change.name} goes from {before.image or 'a built image'} to {after.image or 'a built image'}"
    dump = "give it a copy of the data (splitter.volume: copy), or move the data by dump and restore"
    if old.engine != new.engine:
        yield Reason("ST4", change.resource, 0, 0, f"{step}: another engine under the same name", dump, is_gate=True)
        return
    is_major = not series(old) or not series(new) or series(old) != series(new)
    if is_major and is_shared:
        what = "another major version" if series(old) and series(new) else "the tag does not say which major version"
        sentence = f"{step}: {what}, on the data of live; going back may not read it"
        yield Reason("ST2", change.resource, 0, 0, sentence, dump, is_gate=True)
    elif is_major:
        sentence = f"{step} on data of its own; after promotion the old version cannot read what the new one wrote"
        yield Reason("ST3", change.resource, 5, 35, sentence, "upgrade the engine in a rollout of its own")
    elif is_shared:
        sentence = f"{step}: another version of the same series, on the data of live"
        yield Reason("ST5", change.resource, 15, 15, sentence, "keep the version in this rollout")


def _volume_reasons(case: _Case) -> Iterator[Reason]:
    yield from _moved_volumes(case)
    yield from _second_writers(case)


def _moved_volumes(case: _Case) -> Iterator[Reason]:
    """Yield the volumes whose data the shadow does not find where live left it."""
    for key in sorted(case.live.volumes):
        held = sorted(name for name, service in case.live.services.items() if _holds_state(key, service, case.live))
        change = case.changed.get(f"volume:{key}")
        if held and change is not None and (what := _moved(key, held, change, case)):
            sentence = f"the volume {key}, which {', '.join(held)} writes, {what}: its data stays behind"
            yield Reason("VO1", change.resource, 0, 50, sentence, "keep its name, driver, options and path")


def _moved(key: str, held: Iterable[str], change: Change, case: _Case) -> str:
    if change.action is Action.DELETE:
        return "is not used any more"
    if change.action is Action.REPLACE:
        return "is made anew"
    services = [name for name in held if name in case.shadow.services]
    moved = any(_target(key, case.live, name) != _target(key, case.shadow, name) for name in services)
    return "is mounted elsewhere" if moved else ""


def _second_writers(case: _Case) -> Iterator[Reason]:
    """Yield the places that live and the shadow would both write to; an engine's data folder is a gate."""
    seen: set[str] = set()
    for change, service in case.own():
        if change.name in case.handed_over:
            continue
        for mount in case.shared_mounts(service.mounts):
            place, writers = _shown(mount), case.live_writers(mount)
            if is_stateful(service) and (is_data_folder(mount) or image_name(service.image).engine):
                sentence = (
                    f"{change.name} of the shadow and {', '.join(writers)} of live would write the same data ({place})"
                )
                remedy = "label the volume splitter.volume: copy or fresh, or leave the service as it is"
                yield Reason("VO2", change.resource, 0, 0, sentence, remedy, is_gate=True)
            elif place not in seen:
                seen.add(place)
                sentence = f"live and the shadow both write {place} ({change.name})"
                remedy = "mount it read-only, or label the volume splitter.volume: copy or fresh"
                yield Reason("VO3", change.resource, 15, 10, sentence, remedy)


def _job_reasons(case: _Case) -> Iterator[Reason]:
    jobs = {finding.service: finding.rule for finding in one_shot_jobs(case.shadow)}
    for change, service in case.own():
        if change.name not in jobs or change.action not in {Action.CREATE, Action.REPLACE, Action.UNKNOWN}:
            continue
        why = f"{change.name} runs once ({jobs[change.name]})"
        if (said := service.labels.get(labels.MIGRATION)) is not None:
            yield from _migration_reasons(change, said, why)
        elif outside := _writes_outside(service, case):
            sentence = f"{why} and can write to {outside}, which live uses"
            remedy = "say what it does with splitter.migration: expand, contract, data or none"
            yield Reason("JB2", change.resource, 0, 0, sentence, remedy, is_gate=True)
        else:
            sentence = f"{why} and writes to the shadow alone"
            yield Reason("JB1", change.resource, 5, 20, sentence, "run it in a rollout of its own")


def _migration_reasons(change: Change, said: str, why: str) -> Iterator[Reason]:
    if said == "expand":
        sentence = f"{why} and only adds to the schema, as its label says"
        yield Reason("MG1", change.resource, 5, 5, sentence, "run it in a rollout of its own")
    elif said != "none":
        sentence = f"{why} and changes what live relies on ({labels.MIGRATION}: {said})"
        remedy = "first a rollout that only expands the schema, then this one"
        yield Reason("MG1", change.resource, 0, 0, sentence, remedy, is_gate=True)


def _writes_outside(service: Service, case: _Case) -> str:
    """Return what a job can write to beside the shadow's own services and volumes; empty if nothing."""
    if shared := case.shared_mounts(service.mounts):
        return _shown(shared[0])
    networks = {attachment.network for attachment in service.networks}
    for name, other in sorted(case.shadow.services.items()):
        is_near = networks & {attachment.network for attachment in other.networks}
        if name == service.name or not is_near:
            continue
        if case.scopes[name] is Scope.SHARED:
            return f"the shared service {name}"
        if is_stateful(other) and (shared := case.shared_mounts(data_mounts(other))):
            return f"the data of {name} ({_shown(shared[0])})"
    external = sorted(key for key in networks if key in case.shadow.networks and case.shadow.networks[key].external)
    return f"what is on the external network {external[0]}" if external else ""


def _singleton_reasons(case: _Case, routed: Collection[str]) -> Iterator[Reason]:
    found = {finding.service: finding.rule for finding in singletons(case.shadow, routed)}
    for change, _ in case.own():
        if change.name in found and change.name in case.live.services:
            sentence = f"{change.name} would run in live and in the shadow at the same time ({found[change.name]})"
            remedy = f"make it safe to run twice, then label it {labels.COST}: none"
            yield Reason("SG1", change.resource, 20, 0, sentence, remedy)


def _cascade_reasons(case: _Case) -> Iterator[Reason]:
    for change in case.changes.changes:
        if change.kind == "service" and change.is_cascaded:
            chain = " because of ".join(case.changes.chain(change.resource))
            yield Reason("CA1", change.resource, 3, 3, f"changes with another: {chain}", f"leave {change.by} as it is")


# --- Labels ------------------------------------------------------------------------------------------------------


def _with_labels(reasons: Iterable[Reason], case: _Case) -> list[Reason]:
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


def _labelled(case: _Case) -> dict[str, str]:
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


# --- Mounts ------------------------------------------------------------------------------------------------------


def _is_same_place(mount: Mount, other: Mount) -> bool:
    return bool(mount.source) and (mount.type, mount.source) == (other.type, other.source)


def _shown(mount: Mount) -> str:
    kind = "the volume" if mount.type is MountType.VOLUME else "the folder"
    return f"{kind} {mount.source}"


def _holds_state(key: str, service: Service, live: Template) -> bool:
    """Return whether `service` writes the volume `key`, and the volume is not a cache by its label."""
    if live.volumes[key].labels.get(labels.VOLUME) == VolumeMode.FRESH:
        return False
    return any(_is_volume(mount, key) and not mount.read_only for mount in service.mounts)


def _target(key: str, template: Template, service: str) -> tuple[str, ...]:
    mounts = template.services[service].mounts if service in template.services else ()
    return tuple(mount.target for mount in mounts if _is_volume(mount, key))


def _is_volume(mount: Mount, key: str) -> bool:
    return mount.type is MountType.VOLUME and mount.source == key
