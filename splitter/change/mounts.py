"""Mounts of a service, `[source:]target[:mode]` or a mapping, and the folders that paths are resolved from."""

import posixpath
from dataclasses import dataclass

from splitter.change import keys
from splitter.change.shapes import Fields, Value
from splitter.template import Mount, MountType

_NO_EFFECT = frozenset({"rw", "cached", "delegated", "consistent"})


@dataclass(frozen=True, slots=True)
class Folders:
    """Where relative paths start, and what `~` stands for (empty: unknown)."""

    project: str
    home: str = ""

    def resolve(self, path: str) -> str:
        """Return `path` as an absolute path without `.` and `..`.  Raises ValueError for `~` without a home."""
        if path == "~" or path.startswith("~/"):
            if not self.home:
                raise ValueError(f"{path!r} needs HOME, which is not set; write the whole path")
            path = self.home + path[1:]
        joined = posixpath.normpath(posixpath.join(self.project, path))
        return "/" + joined.lstrip("/") if joined.startswith("//") else joined


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
    target, colon, _ = text.partition(":")
    if colon:
        raise ValueError("options of a tmpfs are not supported yet; write the path alone")
    return Mount(MountType.TMPFS, target_path(target))


def _long_mount(item: Value, folders: Folders) -> Mount | None:
    found = item.known(keys.MOUNT)
    if "type" not in found or "target" not in found:
        item.problem("a mount needs type and target; write for example type: volume")
        return None
    kind = found["type"].text()
    if kind not in set(MountType):
        later = " is not supported yet" if kind in {"image", "cluster", "npipe"} else " is not a type of mount"
        found["type"].problem(f"{kind!r}{later}; write one of {', '.join(MountType)}")
        return None
    _check_mount_options(found)
    return Mount(
        type=MountType(kind),
        target=found["target"].parse(target_path, "/"),
        source=_mount_source(found.get("source"), MountType(kind), item, folders),
        read_only=found.read("read_only", Value.boolean, False),
    )


def _mount_source(value: Value | None, kind: MountType, item: Value, folders: Folders) -> str:
    if value is None:
        if kind is MountType.BIND:
            item.problem("a bind mount needs a source; write the folder of the host")
        return ""
    text = value.text()
    if kind is MountType.BIND:
        return resolved(value, text, folders)
    if kind is MountType.TMPFS:
        value.problem("a tmpfs has no source; remove it")
    elif is_path(text):
        value.problem("a path is not the name of a volume; write type: bind")
        return ""
    return text


def _check_mount_options(found: Fields) -> None:
    if "bind" in found:
        bind = found["bind"].known(keys.MOUNT_BIND)
        if "create_host_path" in bind and not bind["create_host_path"].boolean(True):
            bind["create_host_path"].problem("false is not supported yet; create the folder and remove the key")
    if "volume" in found:
        found["volume"].known(keys.MOUNT_VOLUME)
    if "tmpfs" in found:
        found["tmpfs"].known(keys.MOUNT_TMPFS)


def is_path(source: str) -> bool:
    """Return whether a mount's source is a path of the host; otherwise it is the key of a volume."""
    return source.startswith((".", "/", "~"))


def parse_mount(text: str, folders: Folders) -> Mount:
    """Return the mount that `text` stands for.  Raises ValueError with a sentence."""
    parts = text.split(":")
    if len(parts) > 3 or not all(parts):
        raise ValueError(f"{text!r} is not a mount; write source:target or source:target:ro")
    if len(parts) == 1:
        return Mount(MountType.VOLUME, target_path(parts[0]))
    source, target = parts[0], target_path(parts[1])
    read_only = _is_read_only(parts[2]) if len(parts) == 3 else False
    if is_path(source):
        return Mount(MountType.BIND, target, folders.resolve(source), read_only)
    return Mount(MountType.VOLUME, target, source, read_only)


def target_of(text: str) -> str:
    """Return where a short form mounts, whatever else is wrong with it: the key that files are merged by."""
    parts = text.split(":")
    return posixpath.normpath(parts[1] if len(parts) > 1 else parts[0])


def target_path(text: str) -> str:
    """Return a path inside a container, which must be absolute."""
    if not text.startswith("/"):
        raise ValueError(f"{text!r} is not a path inside the container; it must begin with /")
    return posixpath.normpath(text)


def _is_read_only(mode: str) -> bool:
    options = mode.split(",")
    unknown = [option for option in options if option != "ro" and option not in _NO_EFFECT]
    if unknown:
        raise ValueError(f"the mode {unknown[0]!r} is not supported yet; write ro or nothing")
    return "ro" in options


def resolved(value: Value, path: str, folders: Folders) -> str:
    """Return `path` made absolute; a `~` that cannot be resolved is a mistake of `value`."""
    return value.attempt(lambda: folders.resolve(path), path)
