"""What a shadow gets from live, what it has of its own and what waits for its promotion, and what stands against it.

Pure: the plan asks, the journal keeps the answer, a provisioner carries it out.
"""

from collections.abc import Collection, Iterator, Mapping

from splitter.change import labels
from splitter.change.changeset import Action, Change, ChangeSet
from splitter.change.engines import is_data_folder, is_stateful
from splitter.change.roles import one_shot_jobs, singletons
from splitter.change.scope import RESIZABLE, Scope, VolumeMode, is_resized, volume_mode
from splitter.placement import Placement
from splitter.template import Mount, MountType, Service, Template


def place(
    live: Template, shadow: Template, scopes: Mapping[str, Scope], changes: ChangeSet, routed: Collection[str] = ()
) -> Placement:
    """Return how the shadow stands beside live; which stack live is, the caller knows."""
    volumes = volume_modes(live, shadow, scopes)
    jobs = {job.service: shadow.services[job.service].labels.get(labels.JOB, "run") for job in one_shot_jobs(shadow)}
    return Placement(
        shared=tuple(sorted(name for name, scope in scopes.items() if scope is Scope.SHARED)),
        resized=tuple(name for name, _ in _resized(scopes, changes)),
        volumes=volumes,
        paused=tuple(key for key, mode in volumes.items() if mode is VolumeMode.COPY and _copy(key, shadow) == "pause"),
        singletons=tuple(name for name in left_out(shadow, routed) if scopes[name] is Scope.STACK),
        late=tuple(sorted(name for name, when in jobs.items() if when == "on-promote")),
        skipped=tuple(sorted(name for name, when in jobs.items() if when == "skip")),
    )


def alone(template: Template, routed: Collection[str] = ()) -> Placement:
    """Return the placement of a stack that no other stands beside."""
    return Placement(singletons=left_out(template, routed))


def left_out(shadow: Template, routed: Collection[str] = ()) -> tuple[str, ...]:
    """Return the services that must not run beside those of live, unless their label lets them."""
    found = (finding.service for finding in singletons(shadow, routed))
    return tuple(name for name in found if shadow.services[name].labels.get(labels.SINGLETON) != "run")


def volume_modes(live: Template, shadow: Template, scopes: Mapping[str, Scope]) -> dict[str, VolumeMode]:
    """Return what the shadow gets for each of its volumes, by key.

    A volume is one thing for all services of the shadow: if one of them writes it, its mode is that of the writer.
    What shared services mount is live's; what nobody mounts in live there is nothing of to share.  An external volume
    is nobody's, whoever mounts it and however.
    """
    mounted = {mount.source for service in live.services.values() for mount in _volumes(service)}
    found: dict[str, VolumeMode] = {}
    for name, service in sorted(shadow.services.items()):
        for mount in _volumes(service):
            mode = VolumeMode.SHARE if scopes[name] is Scope.SHARED else volume_mode(mount, live, shadow)
            if mount.source in shadow.volumes and shadow.volumes[mount.source].external:
                mode = VolumeMode.EXTERNAL
            if mode is not VolumeMode.EXTERNAL and mount.source not in mounted:
                mode = VolumeMode.FRESH
            if mount.source not in found or found[mount.source] is VolumeMode.SHARE_RO:
                found[mount.source] = mode
    return {key: mode for key, mode in sorted(found.items()) if mode is not VolumeMode.FRESH}


def obstacles(live: Template, shadow: Template, scopes: Mapping[str, Scope], placement: Placement) -> Iterator[str]:
    """Yield what cannot be: two engines on one data folder, copies of what is being written, needed sleepers."""
    for name, service in sorted(shadow.services.items()):
        if scopes[name] is Scope.STACK:
            yield from _two_engines(service, placement)
        for dependency in service.depends_on:
            if dependency.required and dependency.service in placement.singletons:
                yield (
                    f"service {name} needs {dependency.service}, which is left out of the shadow; say "
                    f"`{labels.SINGLETON}: run` on {dependency.service} if two may run at once"
                )
    for key, mode in placement.volumes.items():
        if mode is VolumeMode.COPY:
            yield from _copied_engines(key, live, shadow)


def notes(shadow: Template, scopes: Mapping[str, Scope], changes: ChangeSet) -> Iterator[str]:
    """Yield what becomes of a change of a shared service: its bounds are set late, and nothing else has an effect."""
    resized = dict(_resized(scopes, changes))
    for name, resizing in resized.items():
        paths = ", ".join(each.path for each in resizing.fields if each.path in RESIZABLE)
        yield (
            f"{name} is shared with live, and stays as it is until the former live stack is retired after the "
            f"promotion; then {paths} is set on it as it runs"
        )
    changed = changes.by_resource()
    for name in sorted(shadow.services.keys() - resized.keys()):
        change = changed.get(f"service:{name}")
        if scopes[name] is Scope.SHARED and change is not None and change.action is not Action.KEEP:
            yield f"{name} is shared with live, as its scope says, so what changes about it has no effect"


def _resized(scopes: Mapping[str, Scope], changes: ChangeSet) -> Iterator[tuple[str, Change]]:
    """Yield the shared services of which bounds change and nothing else."""
    changed = changes.by_resource()
    for name, scope in sorted(scopes.items()):
        change = changed.get(f"service:{name}")
        if scope is Scope.SHARED and change is not None and is_resized(change):
            yield name, change


def _two_engines(service: Service, placement: Placement) -> Iterator[str]:
    for mount in _volumes(service):
        is_same = placement.volumes.get(mount.source, VolumeMode.FRESH).is_same_data
        if is_same and is_stateful(service) and is_data_folder(mount):
            yield (
                f"service {service.name} changes, and two engines cannot write one data folder (volume {mount.source} "
                f"at {mount.target}); say `{labels.VOLUME}: copy` or `{labels.VOLUME}: fresh` on the volume, or leave "
                "the service as it is in this rollout"
            )


def _copied_engines(key: str, live: Template, shadow: Template) -> Iterator[str]:
    if _copy(key, shadow) == "pause" or (key in shadow.volumes and labels.COPY_HOOK in shadow.volumes[key].labels):
        return
    for name, service in sorted(live.services.items()):
        if is_stateful(service) and any(mount.source == key and is_data_folder(mount) for mount in _volumes(service)):
            yield (
                f"volume {key} is to be copied while {name} writes it, and such a copy cannot be trusted; say "
                f"`{labels.COPY}: pause` on it if {name} may stand still for the length of the copy, or "
                f"`{labels.COPY_HOOK}: <command>` if a command in {name} can write there what the copy is to start from"
            )


def _copy(key: str, shadow: Template) -> str:
    return shadow.volumes[key].labels.get(labels.COPY, "run") if key in shadow.volumes else "run"


def _volumes(service: Service) -> Iterator[Mount]:
    return (mount for mount in service.mounts if mount.type is MountType.VOLUME and mount.source)
