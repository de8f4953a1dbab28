"""What a change does to data: engines that are replaced (ST), volumes that are left, shared or copied (VO, SZ)."""

from collections.abc import Iterable, Iterator

from splitter.change import labels
from splitter.change.changeset import IMAGE_ID, Action, Change
from splitter.change.engines import (
    ImageName,
    data_mounts,
    identified,
    image_name,
    is_data_folder,
    is_stateful,
    series,
)
from splitter.change.reasons import Case, Reason, shown
from splitter.change.scope import VolumeMode
from splitter.template import Mount, MountType, Service, Template

_MB, _GB = 10**6, 10**9
COPY_POINTS = ((100 * _MB, 0), (_GB, 5), (10 * _GB, 10), (100 * _GB, 20))
"""Below so many bytes, so many points."""
COPY_POINTS_MAX = 30
COPY_POINTS_UNKNOWN = 10


def state_reasons(case: Case) -> Iterator[Reason]:
    """Yield what it means that services which keep state are replaced."""
    for change, before, after in case.renewed():
        if not (is_stateful(before) or is_stateful(after)):
            continue
        shared = case.shared_mounts(data_mounts(after))
        if shared:
            evidence = f"{change.name} is replaced and keeps using the data of live ({shown(shared[0])})"
            yield Reason("ST1", change.resource, 40, 40, evidence, f"leave {change.name} as it is in this rollout")
        old = identified(before.image, case.facts.live_variables.get(change.name, {}))
        new = identified(after.image, case.facts.shadow_variables.get(change.name, {}))
        is_other = before.image != after.image or any(field.path == IMAGE_ID for field in change.fields)
        if is_other and (old.engine or new.engine):
            yield from _version_reasons(change, (before.image, old), (after.image, new), is_shared=bool(shared))


def _version_reasons(
    change: Change, before: tuple[str, ImageName], after: tuple[str, ImageName], *, is_shared: bool
) -> Iterator[Reason]:
    """Yield what another engine, series or version means for the data."""
    (old_image, old), (new_image, new) = before, after
    step = f"{change.name} goes from {old_image or 'a built image'} to {new_image or 'a built image'}"
    dump = "give it a copy of the data (splitter.volume: copy), or move the data by dump and restore"
    if old.engine != new.engine:
        yield Reason("ST4", change.resource, 0, 0, f"{step}: another engine under the same name", dump, is_gate=True)
        return
    is_major = not series(old) or not series(new) or series(old) != series(new)
    if is_major and is_shared:
        is_said = series(old) and series(new)
        what = "another major version" if is_said else "neither tag nor image says which major version"
        sentence = f"{step}: {what}, on the data of live; going back may not read it"
        yield Reason("ST2", change.resource, 0, 0, sentence, dump, is_gate=True)
    elif is_major:
        sentence = f"{step} on data of its own; after promotion the old version cannot read what the new one wrote"
        yield Reason("ST3", change.resource, 5, 35, sentence, "upgrade the engine in a rollout of its own")
    elif is_shared:
        sentence = f"{step}: another version of the same series, on the data of live"
        yield Reason("ST5", change.resource, 15, 15, sentence, "keep the version in this rollout")


def volume_reasons(case: Case) -> Iterator[Reason]:
    """Yield what becomes of the data in volumes: left behind, written twice, copied."""
    yield from _moved_volumes(case)
    yield from _second_writers(case)
    yield from _copies(case)


def _moved_volumes(case: Case) -> Iterator[Reason]:
    """Yield the volumes whose data the shadow does not find where live left it."""
    for key in sorted(case.live.volumes):
        held = sorted(name for name, service in case.live.services.items() if _holds_state(key, service, case.live))
        change = case.changed.get(f"volume:{key}")
        if held and change is not None and (what := _moved(key, held, change, case)):
            sentence = f"the volume {key}, which {', '.join(held)} writes, {what}: its data stays behind"
            yield Reason("VO1", change.resource, 0, 50, sentence, "keep its name, driver, options and path")


def _moved(key: str, held: Iterable[str], change: Change, case: Case) -> str:
    if change.action is Action.DELETE:
        return "is not used any more"
    if change.action is Action.REPLACE:
        return "is made anew"
    services = [name for name in held if name in case.shadow.services]
    moved = any(_target(key, case.live, name) != _target(key, case.shadow, name) for name in services)
    return "is mounted elsewhere" if moved else ""


def _second_writers(case: Case) -> Iterator[Reason]:
    """Yield the places that live and the shadow would both write to; an engine's data folder is a gate."""
    seen: set[str] = set()
    for change, service in case.own():
        if change.name in case.handed_over:
            continue
        for mount in case.shared_mounts(service.mounts):
            place, writers = shown(mount), case.live_writers(mount)
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


def _copies(case: Case) -> Iterator[Reason]:
    """Yield the volumes that are filled from live's before the shadow starts, where that takes long or nobody knows."""
    copied = {
        mount.source
        for _, service in case.own()
        for mount in service.mounts
        if mount.source in case.live.volumes and case.mode(mount) is VolumeMode.COPY
    }
    for key in sorted(copied):
        size = case.facts.volume_bytes.get(key)
        if points := _copy_points(size):
            amount = "nobody knows how many bytes" if size is None else f"{size / _GB:.1f} GB"
            sentence = f"the volume {key} is copied for the shadow: {amount}"
            yield Reason("SZ1", f"volume:{key}", points, points, sentence, "make it smaller, or begin with a fresh one")


def _copy_points(size: int | None) -> int:
    if size is None:
        return COPY_POINTS_UNKNOWN
    return next((points for bound, points in COPY_POINTS if size < bound), COPY_POINTS_MAX)


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
