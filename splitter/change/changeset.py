"""What the second template changes, resource by resource, and what follows from that.

A change is direct (the files differ) or a consequence (`cause`, `by`): a replaced volume replaces the services that
mount it, a replaced service those that live in its namespaces or take its volumes, a replaced network updates those
that join it, and a replaced service restarts those that depend on it with `restart: true`.  Consequences follow the
links of either template, so that the way back has the same shape.

Symmetric: the change set of (b, a) is that of (a, b) with created and deleted, before and after exchanged.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TypeVar

from splitter.change.canonical import canonical, jsonable, sha256
from splitter.change.fields import (
    OWN_LABELS,
    Field,
    Requires,
    document_fields,
    network_fields,
    service_fields,
    volume_fields,
)
from splitter.change.networks import SERVICE_PREFIX
from splitter.template import Document, MountType, Service, Template

T = TypeVar("T")


class Action(StrEnum):
    CREATE = "create"
    KEEP = "keep"
    UPDATE = "update"
    REPLACE = "replace"
    DELETE = "delete"
    UNKNOWN = "unknown"


class Cause(StrEnum):
    DIRECT = "direct"
    IMAGE = "image"
    CONTENT = "content"
    NAMESPACE = "namespace"
    VOLUME = "volume"
    NETWORK = "network"
    DEPENDENCY = "dependency"
    BUILD = "build"


CASCADED = frozenset({Cause.NAMESPACE, Cause.VOLUME, Cause.NETWORK, Cause.DEPENDENCY})
"""Causes that lie in another resource."""


@dataclass(frozen=True, slots=True)
class FieldChange:
    """One field: what it was and what it becomes, secrets masked; None where it is not set."""

    path: str
    before: str | None
    after: str | None
    requires: Requires


@dataclass(frozen=True, slots=True)
class Change:
    """What happens to one resource (`service:web`, `network:back`, `volume:pg`).

    `by` is the resource that caused it; empty where the resource itself differs.
    """

    resource: str
    action: Action
    fields: tuple[FieldChange, ...] = ()
    cause: Cause = Cause.DIRECT
    by: str = ""

    @property
    def kind(self) -> str:
        return self.resource.partition(":")[0]

    @property
    def name(self) -> str:
        return self.resource.partition(":")[2]

    @property
    def is_cascaded(self) -> bool:
        return self.cause in CASCADED


@dataclass(frozen=True, slots=True)
class ChangeSet:
    """Every resource of both templates, sorted by name; `digest` is equal only for equal changes, secrets included."""

    changes: tuple[Change, ...]
    digest: str

    def of(self, resource: str) -> Change | None:
        return next((change for change in self.changes if change.resource == resource), None)

    def by_resource(self) -> dict[str, Change]:
        return {change.resource: change for change in self.changes}

    def chain(self, resource: str) -> tuple[str, ...]:
        """Return `resource`, the one that caused its change, that one's cause and so on."""
        links = {change.resource: change.by for change in self.changes if change.by}
        chain = [resource]
        while (by := links.get(chain[-1])) is not None and by not in chain:
            chain.append(by)
        return tuple(chain)


def change_set(
    live: Template,
    shadow: Template,
    images: Mapping[str, str] | None = None,
    live_images: Mapping[str, str] | None = None,
) -> ChangeSet:
    """Return what lies between two templates.

    `images` and `live_images` map services to image ids.  Where one of a service is given, equal names of
    images prove nothing: another id is a change, and one that is not known makes an equal service `unknown`.
    """
    ids = None if images is None and live_images is None else (live_images or {}, images or {})
    changes = {change.resource: change for change in _direct_changes(live, shadow, ids)}
    changes = closure(changes, live, shadow)
    ordered = tuple(change for _, change in sorted(changes.items()))
    return ChangeSet(ordered, _digest(ordered, live, shadow, ids))


def config_hash(service: Service, image_id: str = "", contents: Mapping[str, str] | None = None) -> str:
    """Return the sha256 of what makes a container of this service what it is.

    `contents` are the hashes of what it is granted, by where that lies in the container (`contents_of`).  Left out:
    its name, what only builds it, how many there are, what it waits for, and splitter's own labels.
    """
    fields = jsonable(service)
    for name in ("name", "build", "pull_policy", "replicas", "depends_on"):
        fields.pop(name, None)
    fields["labels"] = {name: text for name, text in service.labels.items() if not name.startswith(OWN_LABELS)}
    return sha256(canonical([fields, image_id, *([dict(contents)] if contents else [])]))


def contents_of(service: Service, template: Template) -> dict[str, str]:
    """Return the hashes of the secrets and configs that a service is granted, by their place in the container."""
    granted = ((service.secrets, template.secrets), (service.configs, template.configs))
    return {
        grant.target: documents[grant.source].digest
        for grants, documents in granted
        for grant in grants
        if grant.source in documents
    }


def closure(changes: Mapping[str, Change], live: Template, shadow: Template) -> dict[str, Change]:
    """Return `changes` with all that follows from them.  Idempotent: the closure of a closure is itself."""
    closed = dict(changes)
    for kind in ("secret", "config"):
        for key in _names(closed, kind, Action.REPLACE):
            for service in sorted(_granted(kind, key, live) | _granted(kind, key, shadow)):
                _raise(closed, service, Action.REPLACE, Cause.CONTENT, f"{kind}:{key}")
    for volume in _names(closed, "volume", Action.REPLACE):
        for service in sorted(_mounting(volume, live) | _mounting(volume, shadow)):
            _raise(closed, service, Action.REPLACE, Cause.VOLUME, f"volume:{volume}")
    _replace_sharers(closed, live, shadow)
    for network in _names(closed, "network", Action.REPLACE):
        for service in sorted(_joining(network, live) | _joining(network, shadow)):
            _raise(closed, service, Action.UPDATE, Cause.NETWORK, f"network:{network}")
    # A restart is no replacement: it goes one step, from a replaced service to its dependents, and ends there.
    for name in _names(closed, "service", Action.REPLACE):
        for service in sorted(_restarting_with(name, live) | _restarting_with(name, shadow)):
            _raise(closed, service, Action.UPDATE, Cause.DEPENDENCY, f"service:{name}")
    return closed


# --- Direct changes ----------------------------------------------------------------------------------------------

IMAGE_ID = "image id"
"""The path of a change that no template shows: the same name means another image."""

Ids = tuple[Mapping[str, str], Mapping[str, str]]
"""Image ids by service, of live and of the shadow."""


def _direct_changes(live: Template, shadow: Template, ids: Ids | None) -> Iterator[Change]:
    for name, before, after in _pairs(live.services, shadow.services):
        change = _compared("service", name, _fields(before, service_fields), _fields(after, service_fields))
        yield _with_image_ids(change, name, ids) if before and after and ids else change
    for name, old_network, new_network in _pairs(live.networks, shadow.networks):
        yield _compared("network", name, _fields(old_network, network_fields), _fields(new_network, network_fields))
    for name, old_volume, new_volume in _pairs(live.volumes, shadow.volumes):
        yield _compared("volume", name, _fields(old_volume, volume_fields), _fields(new_volume, volume_fields))
    for kind in ("secret", "config"):
        for name, old, new in _pairs(_documents(kind, live), _documents(kind, shadow)):
            yield _compared(kind, name, _fields(old, document_fields), _fields(new, document_fields))


def _documents(kind: str, template: Template) -> Mapping[str, Document]:
    return template.secrets if kind == "secret" else template.configs


def _pairs(before: Mapping[str, T], after: Mapping[str, T]) -> Iterator[tuple[str, T | None, T | None]]:
    for name in sorted({*before, *after}):
        yield name, before.get(name), after.get(name)


def _fields(value: T | None, read: Callable[[T], dict[str, Field]]) -> dict[str, Field] | None:
    return None if value is None else read(value)


def _compared(kind: str, name: str, before: dict[str, Field] | None, after: dict[str, Field] | None) -> Change:
    resource = f"{kind}:{name}"
    if before is None:
        return Change(resource, Action.CREATE)
    if after is None:
        return Change(resource, Action.DELETE)
    different = [path for path in sorted({*before, *after}) if _value(before, path) != _value(after, path)]
    fields = tuple(_field_change(path, before.get(path), after.get(path)) for path in different)
    sides = [field for path in different for field in (before.get(path), after.get(path)) if field is not None]
    return Change(resource, _action(sides), fields, _direct_cause(different))


def _value(fields: Mapping[str, Field], path: str) -> str | None:
    return fields[path].value if path in fields else None


def _field_change(path: str, before: Field | None, after: Field | None) -> FieldChange:
    one = before or after
    assert one is not None, "a field that differs is there on one side"
    return FieldChange(path, before.shown if before else None, after.shown if after else None, one.requires)


def _action(fields: Iterable[Field]) -> Action:
    fields = list(fields)
    if any(field.requires is not Requires.NONE for field in fields):
        return Action.REPLACE
    return Action.UPDATE if any(field.is_live for field in fields) else Action.KEEP


def _direct_cause(paths: list[str]) -> Cause:
    """Return `image` or `build` where nothing else differs, since that is what people call the change."""
    if paths == ["image"]:
        return Cause.IMAGE
    return Cause.BUILD if paths and all(path.startswith("build.") for path in paths) else Cause.DIRECT


def _with_image_ids(change: Change, name: str, ids: Ids) -> Change:
    """Return the change of a service that stands in both templates, now that image ids are known."""
    if change.action is Action.REPLACE:
        return change
    before, after = ids[0].get(name), ids[1].get(name)
    if before == after:
        return change
    if before is None or after is None:
        return replace(change, action=Action.UNKNOWN, cause=Cause.IMAGE)
    field = FieldChange(IMAGE_ID, before, after, Requires.REPLACE)
    return replace(change, action=Action.REPLACE, cause=Cause.IMAGE, fields=(field, *change.fields))


# --- Consequences ------------------------------------------------------------------------------------------------

_RANK = {Action.KEEP: 0, Action.UPDATE: 1, Action.UNKNOWN: 1, Action.REPLACE: 2}


def _raise(changes: dict[str, Change], service: str, action: Action, cause: Cause, by: str) -> None:
    """Raise a service to `action`; created and deleted ones, and those that change as much by themselves, stay."""
    change = changes.get(f"service:{service}")
    if change is None or change.action not in _RANK or _RANK[change.action] >= _RANK[action]:
        return
    changes[change.resource] = replace(change, action=action, cause=cause, by=by)


def _replace_sharers(changes: dict[str, Change], live: Template, shadow: Template) -> None:
    """Replace the services that live in the namespaces of a replaced one or take its volumes, and theirs in turn."""
    waiting = deque(_names(changes, "service", Action.REPLACE))
    while waiting:
        owner = waiting.popleft()
        for service in sorted(_sharing(owner, live) | _sharing(owner, shadow)):
            before = changes.get(f"service:{service}")
            _raise(changes, service, Action.REPLACE, Cause.NAMESPACE, f"service:{owner}")
            if changes.get(f"service:{service}") is not before:
                waiting.append(service)


def _names(changes: Mapping[str, Change], kind: str, action: Action) -> list[str]:
    return sorted(change.name for change in changes.values() if change.kind == kind and change.action is action)


def _granted(kind: str, key: str, template: Template) -> set[str]:
    return {
        name
        for name, service in template.services.items()
        if any(grant.source == key for grant in (service.secrets if kind == "secret" else service.configs))
    }


def _sharing(owner: str, template: Template) -> set[str]:
    mode = f"{SERVICE_PREFIX}{owner}"
    return {
        name
        for name, service in template.services.items()
        if mode in {service.network_mode, service.ipc, service.pid}
        or any(source.service == owner for source in service.volumes_from)
    }


def _mounting(volume: str, template: Template) -> set[str]:
    return {
        name
        for name, service in template.services.items()
        if any(mount.type is MountType.VOLUME and mount.source == volume for mount in service.mounts)
    }


def _joining(network: str, template: Template) -> set[str]:
    return {
        name
        for name, service in template.services.items()
        if any(attachment.network == network for attachment in service.networks)
    }


def _restarting_with(dependency: str, template: Template) -> set[str]:
    return {
        name
        for name, service in template.services.items()
        if any(d.restart and d.service == dependency for d in service.depends_on)
    }


# --- Identity ----------------------------------------------------------------------------------------------------


def _digest(changes: tuple[Change, ...], live: Template, shadow: Template, ids: Ids | None) -> str:
    """Return a hash that a change of any value changes, also of one that is masked above."""
    resources = [
        [
            jsonable(change),
            _identity(change, live, ids[0] if ids else {}),
            _identity(change, shadow, ids[1] if ids else {}),
        ]
        for change in changes
    ]
    return sha256(canonical(resources))


def _identity(change: Change, template: Template, images: Mapping[str, str]) -> object:
    if change.kind == "service":
        service = template.services.get(change.name)
        return None if service is None else [jsonable(service), images.get(change.name, "")]
    return jsonable(getattr(template, f"{change.kind}s").get(change.name))
