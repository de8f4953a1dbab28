"""Several files of one template, laid over each other in order.

Mappings merge, lists append, scalars replace, with the exceptions of the Compose specification, one row each in
`_RULES`.  Where the specification allows a list or a mapping, both become the mapping first, so that a file may use
either form over the other.  `!reset` removes what was merged so far, `!override` replaces it.

Nodes keep the place they came from: a mistake is reported where it was written, in whichever file.
"""

import posixpath
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from enum import Enum, auto

from splitter.change.documents import SECRETS_FOLDER
from splitter.change.mounts import target_of
from splitter.change.positions import OVERRIDE, RESET, Entry, ListNode, MapNode, Node, Path, Place, ScalarNode, plain
from splitter.template import Condition


class Lists(Enum):
    """How a list goes onto an earlier one."""

    APPEND = auto()
    REPLACE = auto()  # the whole value, list or not
    BY_KEY = auto()  # an entry replaces the one of the same key
    MERGE_BY_KEY = auto()  # an entry is laid over the one of the same key


@dataclass(frozen=True, slots=True)
class Rule:
    """How one key of a file goes onto the same key of an earlier file.

    `shape` brings a value into the one form of its key.  `key` is what entries of a list are known by.  Mappings that
    say different things under `same` do not merge: the later one replaces the earlier.
    """

    shape: Callable[[Node], Node] = lambda node: node
    lists: Lists = Lists.APPEND
    key: Callable[[Node], Hashable] = lambda node: repr(plain(node))
    same: str = ""


def merge(base: Node | None, over: Node, path: Path = ()) -> Node | None:
    """Return `over` laid over `base`, in the one form of each key; None where `over` resets it.

    A single file is read as `merge(None, node)`, which gives it the same forms.
    """
    if over.tag == RESET:
        return None
    rule = _RULES.get(_pattern(path), _PLAIN)
    over = rule.shape(over)
    if base is None or over.tag == OVERRIDE or rule.lists is Lists.REPLACE:
        return _settled(over, path)
    if isinstance(base, MapNode) and isinstance(over, MapNode):
        return _settled(over, path) if _differ(base, over, rule.same) else _merged_mapping(base, over, path)
    if isinstance(base, ListNode) and isinstance(over, ListNode):
        return _merged_list(base, over, rule, path)
    if _is_null(over) and _null_keeps(path):
        return base
    return _settled(over, path)


def _settled(node: Node, path: Path) -> Node:
    """Return `node` with every key below it in its one form, and without tags."""
    match node:
        case ScalarNode():
            return ScalarNode(node.place, node.value, node.text)
        case ListNode():
            items = (merge(None, item, (*path, index)) for index, item in enumerate(node.items))
            return ListNode(node.place, tuple(item for item in items if item is not None))
        case MapNode():
            return _merged_mapping(MapNode(node.place, {}), node, path)


def _merged_mapping(base: MapNode, over: MapNode, path: Path) -> MapNode:
    entries = dict(base.entries)
    for key, entry in over.entries.items():
        earlier = entries.get(key)
        value = merge(earlier.value if earlier else None, entry.value, (*path, key))
        if value is None:
            entries.pop(key, None)
        else:
            entries[key] = Entry(entry.place, value)
    return MapNode(over.place, entries)


def _merged_list(base: ListNode, over: ListNode, rule: Rule, path: Path) -> ListNode:
    settled = _settled(over, path)
    assert isinstance(settled, ListNode), "settling keeps the kind of a node"
    if rule.lists is Lists.APPEND:
        return ListNode(over.place, base.items + settled.items)
    items = {rule.key(item): item for item in base.items}
    for item in settled.items:
        key = rule.key(item)
        merged = merge(items.get(key), item, (*path, 0)) if rule.lists is Lists.MERGE_BY_KEY else item
        items[key] = merged or item
    return ListNode(over.place, tuple(items.values()))


def _differ(base: MapNode, over: MapNode, key: str) -> bool:
    """Return whether both mappings say `key`, and not the same."""
    values = [plain(node.entries[key].value) for node in (base, over) if key in node.entries]
    return len(values) == 2 and values[0] != values[1]


# --- Keys of list entries ----------------------------------------------------------------------------------------


def _by_target(target_of_text: Callable[[str], str], default: str = "") -> Callable[[Node], Hashable]:
    """Return the key of an entry by its place in the container; `default` is the entry that stands for it."""

    def key(item: Node) -> Hashable:
        if isinstance(item, MapNode):
            entry = item.entries.get("target") or item.entries.get(default)
            return item.place if entry is None else posixpath.normpath(str(plain(entry.value)))
        if isinstance(item, ScalarNode) and isinstance(item.value, str):
            return target_of_text(item.value)
        return item.place

    return key


def _granted_at(folder: str) -> Callable[[Node], Hashable]:
    """Return the key of a secret or config by its place in the container, relative ones in `folder`."""
    target = _by_target(lambda text: text, "source")
    return lambda item: posixpath.join(folder, key) if isinstance(key := target(item), str) else key


def _before_colon(text: str) -> str:
    return posixpath.normpath(text.partition(":")[0])


def _subnet(item: Node) -> Hashable:
    entry = item.entries.get("subnet") if isinstance(item, MapNode) else None
    return item.place if entry is None else str(plain(entry.value))


# --- One form for each key ---------------------------------------------------------------------------------------


def _assignments(node: Node) -> Node:
    """Return `[A=1, B]` as `{A: 1, B: null}`; what is not such a list is left for the reader to refuse."""
    scalars = _scalar_items(node)
    if scalars is None or not all(isinstance(item.value, str) for item in scalars):
        return node
    entries = {}
    for item in scalars:
        name, separator, value = item.text.partition("=")
        scalar = ScalarNode(item.place, value, value) if separator else ScalarNode(item.place, None, "")
        entries[name] = Entry(item.place, scalar)
    return MapNode(node.place, entries, node.tag)


def _names(node: Node) -> Node:
    """Return `[a, b]` as `{a: null, b: null}`."""
    return _each(node, lambda place: ScalarNode(place, None, ""))


def _dependencies(node: Node) -> Node:
    """Return `[a]` as `{a: {condition: service_started, required: true}}`, which is what the short form means."""
    return _each(node, _started)


def _started(place: Place) -> Node:
    condition = ScalarNode(place, Condition.STARTED.value, Condition.STARTED.value)
    required = ScalarNode(place, True, "true")
    return MapNode(place, {"condition": Entry(place, condition), "required": Entry(place, required)})


def _each(node: Node, detail: Callable[[Place], Node]) -> Node:
    """Return a list of names as a mapping from each to its `detail`."""
    scalars = _scalar_items(node)
    if scalars is None:
        return node
    return MapNode(node.place, {item.text: Entry(item.place, detail(item.place)) for item in scalars}, node.tag)


def _keyed(key: str) -> Callable[[Node], Node]:
    """Return a shape that makes `{key: text}` of a bare text."""

    def shape(node: Node) -> Node:
        if isinstance(node, ScalarNode) and isinstance(node.value, str):
            return MapNode(
                node.place, {key: Entry(node.place, ScalarNode(node.place, node.value, node.text))}, node.tag
            )
        return node

    return shape


def _listed(node: Node) -> Node:
    """Return a bare text as a list of one."""
    if isinstance(node, ScalarNode) and isinstance(node.value, str):
        return ListNode(node.place, (ScalarNode(node.place, node.value, node.text),), node.tag)
    return node


def _hosts(node: Node) -> Node:
    """Return `{a: x, b: [y, z]}` as `[a=x, b=y, b=z]`."""
    if not isinstance(node, MapNode):
        return node
    items = []
    for name, entry in node.entries.items():
        addresses = entry.value.items if isinstance(entry.value, ListNode) else (entry.value,)
        if not all(isinstance(each, ScalarNode) for each in addresses):
            return node
        texts = [f"{name}={each.text}" for each in addresses if isinstance(each, ScalarNode)]
        items += [ScalarNode(each.place, text, text) for each, text in zip(addresses, texts, strict=True)]
    return ListNode(node.place, tuple(items), node.tag)


def _scalar_items(node: Node) -> list[ScalarNode] | None:
    if not isinstance(node, ListNode):
        return None
    scalars = [item for item in node.items if isinstance(item, ScalarNode)]
    return scalars if len(scalars) == len(node.items) else None


# --- The table ---------------------------------------------------------------------------------------------------

_PLAIN = Rule()
_ASSIGNMENTS = Rule(_assignments)
_SERVICE = ("services", "*")


def _service(rule: Rule, *keys: str) -> dict[tuple[str, ...], Rule]:
    return {(*_SERVICE, *key.split(".")): rule for key in keys}


_SET = Rule(lists=Lists.BY_KEY)
_LISTED_SET = Rule(_listed, Lists.BY_KEY)

_RULES: Mapping[tuple[str, ...], Rule] = {
    **_service(_ASSIGNMENTS, "environment", "labels", "annotations", "sysctls"),
    **_service(_ASSIGNMENTS, "build.args", "build.labels", "build.additional_contexts", "build.ssh", "deploy.labels"),
    **_service(Rule(_names), "networks", "models"),
    **_service(Rule(_dependencies), "depends_on"),
    **_service(Rule(_keyed("context")), "build"),
    **_service(Rule(_keyed("service")), "extends"),
    **_service(Rule(lists=Lists.REPLACE), "command", "entrypoint", "healthcheck.test"),
    **_service(Rule(lists=Lists.BY_KEY, key=_by_target(target_of)), "volumes", "devices"),
    **_service(Rule(_listed, Lists.BY_KEY, _by_target(_before_colon)), "tmpfs"),
    **_service(Rule(lists=Lists.BY_KEY, key=_granted_at(SECRETS_FOLDER)), "secrets"),
    **_service(Rule(lists=Lists.BY_KEY, key=_granted_at("/")), "configs"),
    **_service(Rule(lists=Lists.BY_KEY, key=_granted_at("")), "build.secrets"),
    **_service(_LISTED_SET, "env_file", "dns", "dns_search", "label_file"),
    **_service(_SET, "expose", "profiles", "dns_opt", "cap_add", "cap_drop", "group_add", "security_opt"),
    **_service(Rule(_hosts, Lists.BY_KEY), "extra_hosts", "build.extra_hosts"),
    **_service(Rule(same="driver"), "logging"),
    **{(kind, "*", "labels"): _ASSIGNMENTS for kind in ("networks", "volumes", "secrets", "configs")},
    ("networks", "*", "ipam", "config"): Rule(lists=Lists.MERGE_BY_KEY, key=_subnet),
}
_NAMED = frozenset({"services", "networks", "volumes", "secrets", "configs"})


def _pattern(path: Path) -> tuple[str, ...]:
    """Return the row that a path belongs to: names of services, networks and volumes are `*`."""
    return tuple("*" if index == 1 and path[0] in _NAMED else str(part) for index, part in enumerate(path))


def _null_keeps(path: Path) -> bool:
    """Return whether nothing at `path` means "as it is": `networks: {back: }` over a fuller entry."""
    if len(path) == 4:
        return path[0] == "services" and path[2] == "networks"
    return len(path) == 2 and path[0] in {"networks", "volumes"}


def _is_null(node: Node) -> bool:
    return isinstance(node, ScalarNode) and node.value is None
