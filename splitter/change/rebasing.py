"""Relative paths of a file that is laid under another one, made absolute while it is known where they start.

Works on trees in their one form (`merge`), before a reader looks at them: what is no path here is left as it is, for
the reader to say what is wrong with it.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace

from splitter.change.folders import Folders, is_elsewhere, is_of_windows
from splitter.change.mounts import is_path
from splitter.change.networks import SERVICE_PREFIX
from splitter.change.positions import Entry, ListNode, MapNode, Node, ScalarNode, plain
from splitter.template import MountType

Rebase = Callable[[Node, Folders], Node]
_SECCOMP = ("seccomp:", "seccomp=")
_NO_PROFILES = frozenset({"unconfined", "builtin"})


def rebased_service(service: Node, folders: Folders) -> Node:
    """Return a service with its relative paths made absolute."""
    return _each(service, _SERVICE, folders)


def rebased_file(root: MapNode, folders: Folders) -> MapNode:
    """Return a whole file with the relative paths of its services, secrets and configs made absolute."""
    result = _each(root, _FILE, folders)
    assert isinstance(result, MapNode), "rebasing keeps the kind of a node"
    return result


def _each(node: Node, rebases: Mapping[str, Rebase], folders: Folders) -> Node:
    """Return a mapping with the entries that `rebases` names rebased."""
    if not isinstance(node, MapNode):
        return node
    entries = {
        key: Entry(entry.place, rebases[key](entry.value, folders)) if key in rebases else entry
        for key, entry in node.entries.items()
    }
    return replace(node, entries=entries)


def _named(rebase: Rebase) -> Rebase:
    """Return what rebases every value of a mapping of names."""

    def all_of(node: Node, folders: Folders) -> Node:
        return _each(node, dict.fromkeys(node.entries, rebase), folders) if isinstance(node, MapNode) else node

    return all_of


def _items(rebase: Rebase) -> Rebase:
    def all_of(node: Node, folders: Folders) -> Node:
        if not isinstance(node, ListNode):
            return node
        return replace(node, items=tuple(rebase(item, folders) for item in node.items))

    return all_of


def _entry(key: str) -> Rebase:
    return lambda node, folders: _each(node, {key: _path}, folders)


def _path(node: Node, folders: Folders) -> Node:
    if not isinstance(node, ScalarNode) or not isinstance(node.value, str) or is_elsewhere(node.value):
        return node
    return _scalar(node, _resolve(node.value, folders))


def _build(node: Node, folders: Folders) -> Node:
    return _each(node, {"context": _path, "additional_contexts": _paths, "ssh": _paths}, folders)


def _paths(node: Node, folders: Folders) -> Node:
    """Return a mapping of names to paths; what lies elsewhere, or is of another service, is no path."""
    if not isinstance(node, MapNode):
        return node
    names = [
        name
        for name, entry in node.entries.items()
        if not (isinstance(entry.value, ScalarNode) and entry.value.text.startswith(SERVICE_PREFIX))
    ]
    return _each(node, dict.fromkeys(names, _path), folders)


def _file(node: Node, folders: Folders) -> Node:
    return _entry("path")(node, folders) if isinstance(node, MapNode) else _path(node, folders)


def _mount(node: Node, folders: Folders) -> Node:
    if isinstance(node, MapNode):
        is_bind = "type" in node.entries and plain(node.entries["type"].value) == MountType.BIND
        return _entry("source")(node, folders) if is_bind else node
    if not isinstance(node, ScalarNode) or not isinstance(node.value, str) or not is_path(node.value):
        return node
    source, colon, rest = node.value.partition(":")
    return _scalar(node, f"{_resolve(source, folders)}{colon}{rest}") if colon else node


def _security(node: Node, folders: Folders) -> Node:
    if not isinstance(node, ScalarNode) or not isinstance(node.value, str) or not node.value.startswith(_SECCOMP):
        return node
    head, setting = node.value[: len(_SECCOMP[0])], node.value[len(_SECCOMP[0]) :]
    is_file = setting not in _NO_PROFILES and not setting.startswith("{")
    return _scalar(node, f"{head}{_resolve(setting, folders)}") if is_file else node


def _resolve(path: str, folders: Folders) -> str:
    """Return the path made absolute; what cannot be is left to whoever reads it, who says why."""
    return path if path.startswith("~") or is_of_windows(path) else folders.resolve(path)


def _scalar(node: ScalarNode, text: str) -> ScalarNode:
    return ScalarNode(node.place, text, text, node.tag)


_SERVICE: Mapping[str, Rebase] = {
    "build": _build,
    "env_file": _items(_file),
    "label_file": _items(_path),
    "volumes": _items(_mount),
    "security_opt": _items(_security),
}
_FILE: Mapping[str, Rebase] = {
    "services": _named(rebased_service),
    "secrets": _named(_entry("file")),
    "configs": _named(_entry("file")),
}
