"""Mounts of a service, `[source:]target[:mode]` or a mapping, and the volumes that they name."""

import posixpath
import re
from collections.abc import Mapping
from dataclasses import replace

from splitter.change import keys, labels
from splitter.change.documents import read_mode
from splitter.change.external import read_external
from splitter.change.folders import Folders, is_of_windows, resolved
from splitter.change.quantities import size_bytes, whole_bytes
from splitter.change.shapes import Fields, Value
from splitter.placement import VolumeMode
from splitter.template import Mount, MountType, Volume, VolumesFrom

_NO_EFFECT = frozenset({"rw", "cached", "delegated", "consistent", "volume"})
_PROPAGATIONS = frozenset({"private", "rprivate", "shared", "rshared", "slave", "rslave"})
_SELINUX = frozenset({"z", "Z"})
_RECURSIVE = frozenset({"enabled", "disabled", "writable", "readonly"})
_OPTION = re.compile(r"[a-z_]+(=[A-Za-z0-9_.:/-]+)?", re.ASCII)


def read_volume(key: str, value: Value) -> Volume:
    """Return a top-level volume; mistakes are in the value's report."""
    if value.is_null:
        return Volume(key)
    found = value.known(keys.VOLUME)
    external, external_name = read_external(found.get("external"))
    name = found.read("name", Value.text, "") or external_name
    said = found.read("labels", lambda value: labels.read_labels(value, labels.VOLUME_LABELS), {})
    external = external or said.get(labels.VOLUME) == VolumeMode.EXTERNAL
    return Volume(
        key=key,
        name=name or (key if external else ""),
        driver=found.read("driver", Value.text, ""),
        driver_opts=found.read("driver_opts", Value.options, {}),
        external=external,
        labels=said,
    )


def read_mounts(found: Fields, folders: Folders) -> tuple[Mount, ...]:
    """Return the mounts of a service, from `volumes` and `tmpfs`, by target."""
    by_target: dict[str, Mount] = {}
    volumes = [(item, _mount(item, folders)) for item in found.read("volumes", Value.items, [])]
    memory = [(item, item.parse(_tmpfs, None)) for item in found.read("tmpfs", Value.items, [])]
    for item, mount in volumes + memory:
        if mount is None:
            continue
        if mount.target in by_target:
            item.problem(f"{mount.target} is mounted twice; remove one of the two")
        by_target[mount.target] = mount
    return tuple(mount for _, mount in sorted(by_target.items()))


def _mount(item: Value, folders: Folders) -> Mount | None:
    if item.is_mapping:
        return _long_mount(item, folders)
    return item.parse(lambda text: parse_mount(text, folders), None)


def _tmpfs(text: str) -> Mount:
    target, colon, options = text.partition(":")
    mount = Mount(MountType.TMPFS, target_path(target))
    return replace(mount, options=_tmpfs_options(options)) if colon else mount


def _tmpfs_options(text: str) -> tuple[str, ...]:
    """Return the options of a tmpfs in one spelling: sizes in bytes, modes in octal, by name."""
    _refuse_unmapped("size", keys.MOUNT_TMPFS)
    options = {}
    for option in text.split(","):
        if _OPTION.fullmatch(option) is None:
            raise ValueError(f"{option!r} is not an option of a tmpfs; write for example size=64m or mode=1777")
        name, equals, value = option.partition("=")
        options[name] = f"{name}={size_bytes(value)}" if name == "size" and value else f"{name}{equals}{value}"
    return tuple(text for _, text in sorted(options.items()))


def _long_mount(item: Value, folders: Folders) -> Mount | None:
    found = item.known(keys.MOUNT)
    if "type" not in found or "target" not in found:
        item.problem("a mount needs type and target; write for example type: volume")
        return None
    kind = found["type"].text()
    row = keys.MOUNT_TYPE.get(kind)
    if row is None or row.level is not keys.Level.DO:
        unknown = f"{kind!r} is not a type of mount; write one of {', '.join(MountType)}"
        found["type"].problem(unknown if row is None else row.sentence(kind))
        return None
    mount = Mount(
        type=MountType(kind),
        target=found["target"].parse(target_path, "/"),
        source=_mount_source(found.get("source"), MountType(kind), item, folders),
        read_only=found.read("read_only", Value.boolean, False),
    )
    return _with_options(mount, found)


def _mount_source(value: Value | None, kind: MountType, item: Value, folders: Folders) -> str:
    if value is None:
        if kind is MountType.BIND:
            item.problem("a bind mount needs a source; write the folder of the host")
        elif kind is MountType.IMAGE:
            item.problem("an image mount needs a source; write the name of the image")
        return ""
    text = value.text()
    if kind is MountType.BIND:
        return resolved(value, text, folders)
    if kind is MountType.IMAGE:
        if not text:
            value.problem("the image has no name; write for example nginx:1.27")
        return text
    if kind is MountType.TMPFS:
        value.problem("a tmpfs has no source; remove it")
    elif is_path(text):
        value.problem("a path is not the name of a volume; write type: bind")
        return ""
    return text


def _with_options(mount: Mount, found: Fields) -> Mount:
    """Return the mount with what stands under `bind`, `volume`, `tmpfs` and `image`; only its own type's has effect."""
    bind = found.read("bind", lambda value: value.known(keys.MOUNT_BIND), Fields())
    volume = found.read("volume", lambda value: value.known(keys.MOUNT_VOLUME), Fields())
    memory = found.read("tmpfs", lambda value: value.known(keys.MOUNT_TMPFS), Fields())
    image = found.read("image", lambda value: value.known(keys.MOUNT_IMAGE), Fields())
    for kind in MountType:
        if kind in found and kind != mount.type:
            found[kind].note(f"has no effect: the type of this mount is {mount.type}")
    match mount.type:
        case MountType.BIND:
            return _with_bind_options(mount, bind)
        case MountType.VOLUME:
            return replace(
                mount,
                nocopy=volume.read("nocopy", Value.boolean, False),
                labels=volume.read("labels", labels.read_labels, {}),
                subpath=volume.read("subpath", lambda value: _subpath(value, mount), ""),
            )
        case MountType.TMPFS:
            size = memory.read("size", lambda value: (f"size={value.convert(whole_bytes, 0)}",), ())
            mode = memory.read("mode", lambda value: (f"mode={read_mode(value):o}",), ())
            return replace(mount, options=(*mode, *size))
        case MountType.IMAGE:
            return replace(mount, subpath=image.read("subpath", lambda value: _subpath(value, mount), ""))


def _with_bind_options(mount: Mount, bind: Fields) -> Mount:
    recursive = bind.read("recursive", lambda value: _one_of(value, _RECURSIVE), "")
    mount = replace(
        mount,
        propagation=bind.read("propagation", lambda value: _one_of(value, _PROPAGATIONS), ""),
        selinux=bind.read("selinux", lambda value: _one_of(value, _SELINUX), ""),
        recursive="" if recursive == "enabled" else recursive,
        create_host_path=bind.read("create_host_path", Value.boolean, True),
    )
    if mount.recursive in {"writable", "readonly"} and not mount.read_only:
        bind["recursive"].problem(f"{recursive!r} is for what is mounted to be read only; write read_only: true")
    if mount.selinux and (mount.recursive or not mount.create_host_path):
        other = "recursive" if mount.recursive else "create_host_path: false"
        bind["selinux"].problem(f"the engine takes no label together with {other}; remove one of the two")
    return mount


def _subpath(value: Value, mount: Mount) -> str:
    """Return a folder within a volume or an image, which may not lead out of it."""
    text = value.text()
    path = posixpath.normpath(text) if text else ""
    if path.startswith(("/", "..")):
        value.problem(f"{text!r} leads out of the {mount.type}; write a path that begins at its root, without /")
    if path and not mount.source:
        value.problem("a volume without a name is empty, so it has no such folder; name the volume")
    return "" if path == "." else path


def _one_of(value: Value, known: frozenset[str]) -> str:
    text = value.text()
    if text not in known:
        value.problem(f"{text!r} is not one of {', '.join(sorted(known))}")
    return text


def read_volumes_from(value: Value) -> tuple[VolumesFrom, ...]:
    """Return the services whose mounts a service takes, each `name` or `name:ro`."""
    found = []
    for item in value.items():
        name, _, mode = item.text().partition(":")
        if name == "container":
            item.problem("the volumes of a container that is not in this file cannot be taken; name a service")
        elif mode not in {"", "ro", "rw"}:
            item.problem(f"the mode {mode!r} is not ro or rw")
        else:
            found.append(VolumesFrom(name, mode == "ro"))
    return tuple(sorted(found, key=lambda each: each.service))


def is_path(source: str) -> bool:
    """Return whether a mount's source is a path of the host; otherwise it is the key of a volume."""
    return source.startswith((".", "/", "~"))


def parse_mount(text: str, folders: Folders) -> Mount:
    """Return the mount that `text` stands for.  Raises ValueError with a sentence."""
    if is_of_windows(text) and text[1:3] != ":/":  # a volume of one letter may be mounted anywhere
        raise ValueError(f"{text!r} begins with a path of Windows; write it as the engine's host has it")
    parts = text.split(":")
    if len(parts) > 3 or not all(parts):
        raise ValueError(f"{text!r} is not a mount; write source:target or source:target:ro")
    if len(parts) == 1:
        return Mount(MountType.VOLUME, target_path(parts[0]))
    source, target = parts[0], target_path(parts[1])
    if is_path(source):
        mount = Mount(MountType.BIND, target, folders.resolve(source))
    else:
        mount = Mount(MountType.VOLUME, target, source)
    return _with_mode(mount, parts[2]) if len(parts) == 3 else mount


def target_of(text: str) -> str:
    """Return where a short form mounts, whatever else is wrong with it: the key that files are merged by."""
    parts = text.split(":")
    return posixpath.normpath(parts[1] if len(parts) > 1 else parts[0])


def target_path(text: str) -> str:
    """Return a path inside a container, which must be absolute."""
    if not text.startswith("/"):
        raise ValueError(f"{text!r} is not a path inside the container; it must begin with /")
    return posixpath.normpath(text)


def _with_mode(mount: Mount, mode: str) -> Mount:
    """Return the mount as `ro,z` and the like change it."""
    for option in mode.split(","):
        is_bind = mount.type is MountType.BIND
        if option == "ro":
            mount = replace(mount, read_only=True)
        elif option in _SELINUX and is_bind:
            _refuse_unmapped("selinux", keys.MOUNT_BIND)
            mount = replace(mount, selinux=option)
        elif option in _PROPAGATIONS and is_bind:
            _refuse_unmapped("propagation", keys.MOUNT_BIND)
            mount = replace(mount, propagation=option)
        elif option == "nocopy" and not is_bind:
            _refuse_unmapped("nocopy", keys.MOUNT_VOLUME)
            mount = replace(mount, nocopy=True)
        elif option not in _NO_EFFECT:
            raise ValueError(f"the mode {option!r} is not supported yet; write ro or nothing")
    return mount


def _refuse_unmapped(key: str, table: Mapping[str, keys.Key]) -> None:
    """Raise ValueError where the long form of an option would be refused as well."""
    if table[key].level is not keys.Level.DO:
        raise ValueError(table[key].sentence(key))
