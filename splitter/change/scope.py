"""What a shadow stack has of its own and what it shares with live: services and volumes.

Real users are served by the shadow, so what they write must outlive a rollback: a stateful service that does not
change is shared, and a named volume that both templates have is the same volume, unless a label says otherwise.
"""

from collections.abc import Iterator, Mapping
from enum import StrEnum

from splitter.change import labels
from splitter.change.changeset import Action, Change, ChangeSet
from splitter.change.engines import is_stateful
from splitter.change.fields import LIVE_LIMITS, OWN_LABELS
from splitter.placement import VolumeMode as VolumeMode  # the rooms of the plan ask for it here
from splitter.template import Mount, MountType, Template

RESIZABLE = LIVE_LIMITS | {"restart"}
WITHOUT_EFFECT = ("depends_on.", "pull_policy", f"labels.{OWN_LABELS}")  # on a container that is there


class Scope(StrEnum):
    """Whether a service of the shadow is its own container or the live one."""

    STACK = "stack"
    SHARED = "shared"


def scopes(live: Template, shadow: Template, changes: ChangeSet) -> dict[str, Scope]:
    """Return the scope of each service of the shadow."""
    changed = changes.by_resource()
    return {name: _scope(name, live, shadow, changed.get(f"service:{name}")) for name in sorted(shadow.services)}


def volume_mode(mount: Mount, live: Template, shadow: Template) -> VolumeMode:
    """Return what the shadow gets for a mount of one of its services."""
    if not mount.is_storage or not mount.source:
        return VolumeMode.FRESH
    said = _said(mount.source, shadow)
    if said is not None and not (mount.read_only and said is VolumeMode.SHARE):
        return said
    if mount.read_only:
        return VolumeMode.SHARE_RO
    if mount.type is MountType.BIND:
        return VolumeMode.SHARE if mount.source in _bound(live) else VolumeMode.FRESH
    volume = shadow.volumes.get(mount.source)
    if volume is not None and volume.external:
        return VolumeMode.EXTERNAL
    return VolumeMode.SHARE if _is_same_volume(mount.source, live, shadow) else VolumeMode.FRESH


def shared_data(live: Template, shadow: Template, found: Mapping[str, Scope]) -> Iterator[str]:
    """Yield what of the shadow's data is live's too, as people call it; `found` are the scopes of its services."""
    for name, service in sorted(shadow.services.items()):
        if found[name] is Scope.SHARED:
            yield f"service {name}"
            continue
        for mount in service.mounts:
            if volume_mode(mount, live, shadow).is_same_data:
                yield f"{mount.source} at {mount.target} of service {name}"


def is_resized(change: Change) -> bool:
    """Return whether a change is one of bounds and restart policy alone, which a running container follows as it is.

    A bound that is taken away is none: engines know how to set another one, and not how to forget one.
    """
    if change.action is not Action.UPDATE or change.by:
        return False
    told = [each for each in change.fields if not each.path.startswith(WITHOUT_EFFECT)]
    return bool(told) and all(each.path in RESIZABLE and each.after is not None for each in told)


def _scope(name: str, live: Template, shadow: Template, change: Change | None) -> Scope:
    service = shadow.services[name]
    if (said := service.labels.get(labels.SCOPE)) is not None and name in live.services:
        return Scope(said)
    # Where nobody knows what the name of its image means now, nothing says that it changes.
    is_same = change is not None and (
        change.action is Action.KEEP or (change.action is Action.UNKNOWN and not change.fields)
    )
    is_same = is_same or (change is not None and is_resized(change))
    return Scope.SHARED if is_same and is_stateful(service) else Scope.STACK


def _said(key: str, shadow: Template) -> VolumeMode | None:
    """Return the mode that a volume's label names, or None; about an external one there is nothing to say."""
    volume = shadow.volumes.get(key)
    said = None if volume is None or volume.external else volume.labels.get(labels.VOLUME)
    return None if said is None else VolumeMode(said)


def _bound(template: Template) -> set[str]:
    """Return the host folders that a template can write to."""
    mounts = (mount for service in template.services.values() for mount in service.mounts)
    return {mount.source for mount in mounts if mount.type is MountType.BIND and not mount.read_only}


def _is_same_volume(key: str, live: Template, shadow: Template) -> bool:
    """Return whether a volume is the same in both templates: its labels do not matter, its storage does."""
    before, after = live.volumes.get(key), shadow.volumes.get(key)
    if before is None or after is None:
        return False
    return (before.name, before.driver, dict(before.driver_opts)) == (after.name, after.driver, dict(after.driver_opts))
