"""YAML text → nodes that know where they stand.

Strict where YAML libraries are lenient: a duplicate key, a second document, an unknown tag and a node that contains
itself are mistakes.  `<<` merges a mapping or a list of mappings; own keys win, then the earlier mapping.  What a
scalar's text means is in `scalars`.

Nodes are frozen and shared by aliases, so a file of many aliases is a small graph and a large tree.  Size and height
of the tree are bounded while the graph is built; whoever walks a node may recurse.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NoReturn, TypeAlias

import yaml

from splitter.change.scalars import TAGGED, ScalarValue, resolve
from splitter.errors import Problem, ProblemsError
from splitter.limits import TEMPLATE_BYTES_MAX, TEMPLATE_DEPTH_MAX, TEMPLATE_NODES_MAX

_UNUSABLE = re.compile("[\0\ud800-\udfff]")
"""An end of text for programs, and halves of characters: YAML can escape them, nothing can take them."""

Path: TypeAlias = tuple[str | int, ...]
"""The way to a value: keys of mappings and positions in lists, from the root."""

MERGE_KEY = "<<"
RESET, OVERRIDE = "!reset", "!override"
"""The tags of the Compose specification; every other tag that is not YAML's own is refused."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where something stands; `line` and `column` count from 1, and are 0 for a value that no file holds."""

    file: str
    line: int = 0
    column: int = 0

    def problem(self, path: Path | str, message: str) -> Problem:
        """Return the mistake `message` about `path` at this place."""
        text = path if isinstance(path, str) else dotted(path)
        return Problem(self.file, self.line, self.column, text, message)

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}" if self.line else self.file


@dataclass(frozen=True, slots=True)
class ScalarNode:
    """A single value; `text` is how the file spelt it, `value` what YAML 1.2 makes of it."""

    place: Place
    value: ScalarValue
    text: str
    tag: str = ""


@dataclass(frozen=True, slots=True)
class ListNode:
    place: Place
    items: tuple["Node", ...]
    tag: str = ""


@dataclass(frozen=True, slots=True)
class Entry:
    """One key of a mapping: where the key stands, and its value."""

    place: Place
    value: "Node"


@dataclass(frozen=True, slots=True)
class MapNode:
    """A mapping; keys are text as the file spelt them (`80:` is the key "80")."""

    place: Place
    entries: Mapping[str, Entry]
    tag: str = ""


Node: TypeAlias = ScalarNode | ListNode | MapNode


def parse(text: str, file: str) -> Node:
    """Return the one document of `text`; an empty text is a scalar node of None.

    Raises ProblemsError with every duplicate key, bad merge and unknown tag, or with the first syntax error.
    """
    if len(text.encode("utf-8", "replace")) > TEMPLATE_BYTES_MAX:
        raise ProblemsError([Problem(file, 0, 0, "", f"the file is larger than {TEMPLATE_BYTES_MAX} bytes")])
    builder = _Builder(file)
    try:
        for event in yaml.parse(text, Loader=yaml.SafeLoader):
            builder.take(event)
    except yaml.YAMLError as error:
        raise ProblemsError([_syntax_problem(error, file, text)]) from None
    if builder.problems:
        raise ProblemsError(sorted(builder.problems, key=lambda problem: (problem.line, problem.column)))
    return builder.root or ScalarNode(Place(file, 1, 1), None, "")


def plain(node: Node) -> Any:
    """Return the node as plain Python: dict, list, str, int, float, bool or None."""
    match node:
        case ScalarNode():
            return node.value
        case ListNode():
            return [plain(item) for item in node.items]
        case MapNode():
            return {key: plain(entry.value) for key, entry in node.entries.items()}


def dotted(path: Path) -> str:
    """Return a path as people read it: `rollout.steps[2]`, `labels["a.b"]`."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        elif re.fullmatch(r"[A-Za-z0-9_-]+", part):
            text += f".{part}" if text else part
        else:
            text += f'["{part}"]'
    return text


def size(node: Node) -> int:
    """Return of how many values the tree at `node` is made; what aliases share counts wherever it stands."""
    return _size(node, {})


def _size(node: Node, known: dict[int, int]) -> int:
    if isinstance(node, ScalarNode):
        return 1
    if id(node) not in known:
        below = node.items if isinstance(node, ListNode) else [entry.value for entry in node.entries.values()]
        known[id(node)] = 1 + sum(_size(each, known) for each in below)
    return known[id(node)]


def walk(node: Node, path: Path = ()) -> Iterator[tuple[Path, Place, Node]]:
    """Yield every node below and including `node`: its path, the place of its key (its own, in a list) and itself."""
    yield path, node.place, node
    yield from _below(node, path)


class Places:
    """Finds the place of a path; a path that is not there is answered by its nearest ancestor that is.

    Use `key` for mistakes about a key that should not exist, `value` for mistakes about what it holds.
    """

    def __init__(self, root: Node) -> None:
        self._places = {path: (place, node.place) for path, place, node in walk(root)}

    def key(self, path: Sequence[str | int]) -> Place:
        return self._nearest(tuple(path))[0]

    def value(self, path: Sequence[str | int]) -> Place:
        return self._nearest(tuple(path))[1]

    def _nearest(self, path: Path) -> tuple[Place, Place]:
        while path not in self._places:
            path = path[:-1]
        return self._places[path]


def _below(node: Node, path: Path) -> Iterator[tuple[Path, Place, Node]]:
    if isinstance(node, ListNode):
        for position, item in enumerate(node.items):
            yield (*path, position), item.place, item
            yield from _below(item, (*path, position))
    elif isinstance(node, MapNode):
        for key, entry in node.entries.items():
            yield (*path, key), entry.place, entry.value
            yield from _below(entry.value, (*path, key))


_YAML_TAG = "tag:yaml.org,2002:"


# --- Building ----------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class _Built:
    """A finished node with the size and height of the tree it stands for."""

    node: Node
    size: int = 1
    height: int = 1


@dataclass(slots=True)
class _Open:
    """A collection whose end has not come yet.  In a mapping, `key` is the key whose value comes next."""

    place: Place
    tag: str
    anchor: str | None
    is_mapping: bool
    items: list[Node] = field(default_factory=list)
    entries: dict[str, Entry] = field(default_factory=dict)
    merged: list[tuple[Place, Node]] = field(default_factory=list)
    key: tuple[str, Place, bool] | None = None
    size: int = 1
    height: int = 1


class _Builder:
    """Turns parser events into nodes without recursion; `problems` collects what does not end the parse."""

    def __init__(self, file: str) -> None:
        self.root: Node | None = None
        self.problems: list[Problem] = []
        self._file = file
        self._open: list[_Open] = []
        self._anchors: dict[str, _Built | None] = {}

    def take(self, event: yaml.Event) -> None:
        match event:
            case yaml.DocumentStartEvent():
                self._begin_document(event)
            case yaml.AliasEvent():
                self._add(self._alias(event), self._place(event), is_merge_key=False)
            case yaml.ScalarEvent():
                self._scalar(event)
            case yaml.SequenceStartEvent() | yaml.MappingStartEvent():
                self._begin(event)
            case yaml.SequenceEndEvent() | yaml.MappingEndEvent():
                self._end()

    def _begin_document(self, event: yaml.Event) -> None:
        if self.root is not None:
            self._fail(self._place(event), "a second document starts here; write one document per file")

    def _begin(self, event: yaml.SequenceStartEvent | yaml.MappingStartEvent) -> None:
        place = self._place(event)
        self._refuse_as_key(place)
        if len(self._open) >= TEMPLATE_DEPTH_MAX:
            self._fail(place, f"nested deeper than {TEMPLATE_DEPTH_MAX} levels")
        is_mapping = isinstance(event, yaml.MappingStartEvent)
        tag = self._tag(event.tag, place, ("map",) if is_mapping else ("seq",))
        if event.anchor is not None:
            self._anchors[event.anchor] = None
        self._open.append(_Open(place, tag, event.anchor, is_mapping))

    def _end(self) -> None:
        done = self._open.pop()
        node: Node
        if done.is_mapping:
            node = MapNode(done.place, self._with_merged(done), done.tag)
        else:
            node = ListNode(done.place, tuple(done.items), done.tag)
        built = _Built(node, done.size, done.height)
        if done.anchor is not None:
            self._anchors[done.anchor] = built
        self._add(built, done.place, is_merge_key=False)

    def _scalar(self, event: yaml.ScalarEvent) -> None:
        place = self._place(event)
        is_plain = event.implicit[0]
        tag = self._tag(event.tag, place, tuple(TAGGED)) if event.tag not in {None, "!"} else ""
        value: ScalarValue = resolve(event.value) if is_plain else event.value
        if event.tag is not None and event.tag.startswith(_YAML_TAG):
            value = self._convert(event.tag.removeprefix(_YAML_TAG), event.value, place)
        if unusable := _UNUSABLE.search(event.value):
            message = f"the character {unusable[0]!r} is in no text that a program can be given; remove it"
            self.problems.append(place.problem(self._path(), message))
        built = _Built(ScalarNode(place, value, event.value, tag))
        if event.anchor is not None:
            self._anchors[event.anchor] = built
        self._add(built, place, is_merge_key=is_plain and event.value == MERGE_KEY)

    def _add(self, built: _Built, place: Place, *, is_merge_key: bool) -> None:
        """Put a finished node where the innermost open collection expects one."""
        if not self._open:
            self.root = built.node
            return
        parent = self._open[-1]
        parent.size += built.size
        parent.height = max(parent.height, built.height + 1)
        if parent.size > TEMPLATE_NODES_MAX:
            self._fail(place, f"more than {TEMPLATE_NODES_MAX} values once aliases are written out")
        if parent.height + len(self._open) > TEMPLATE_DEPTH_MAX + 1:
            self._fail(place, f"nested deeper than {TEMPLATE_DEPTH_MAX} levels once aliases are written out")
        if not parent.is_mapping:
            parent.items.append(built.node)
        elif parent.key is None:
            parent.key = (self._key_text(built.node, place), place, is_merge_key)
        else:
            key, key_place, is_merge = parent.key
            parent.key = None
            if is_merge:
                parent.merged.append((key_place, built.node))
            else:
                self._add_entry(parent, key, Entry(key_place, built.node))

    def _add_entry(self, parent: _Open, key: str, entry: Entry) -> None:
        if (first := parent.entries.get(key)) is not None:
            message = f"the key {key!r} stands here twice; the first is on line {first.place.line}"
            self.problems.append(entry.place.problem(self._path(), message))
            return
        parent.entries[key] = entry

    def _with_merged(self, done: _Open) -> dict[str, Entry]:
        """Return own entries over those that `<<` brings in; earlier mappings win over later ones."""
        entries: dict[str, Entry] = {}
        for place, node in done.merged:
            for source in node.items if isinstance(node, ListNode) else (node,):
                if not isinstance(source, MapNode):
                    message = "<< takes a mapping or a list of mappings, as in `<<: *defaults`"
                    self.problems.append(place.problem(self._path(), message))
                    continue
                entries = {**source.entries, **entries}
        return {**entries, **done.entries}

    def _alias(self, event: yaml.AliasEvent) -> _Built:
        place, anchor = self._place(event), event.anchor or ""
        if anchor not in self._anchors:
            self._fail(place, f"*{anchor} refers to no anchor; write &{anchor} at an earlier value")
        if (built := self._anchors[anchor]) is None:
            self._fail(place, f"*{anchor} stands inside the value that it refers to")
        return built

    def _refuse_as_key(self, place: Place) -> None:
        if self._open and self._open[-1].is_mapping and self._open[-1].key is None:
            self._fail(place, "a list or mapping stands where a key is expected; quote the key if it is text")

    def _key_text(self, node: Node, place: Place) -> str:
        if not isinstance(node, ScalarNode):
            self._refuse_as_key(place)
            return ""
        return node.text

    def _tag(self, tag: str | None, place: Place, known: tuple[str, ...]) -> str:
        """Return `tag` if it is one that the loader must see, empty if it is YAML's own."""
        if tag is None or tag == "!" or tag in {_YAML_TAG + name for name in known}:
            return ""
        if tag in {RESET, OVERRIDE}:
            return tag
        shown = "!!" + tag.removeprefix(_YAML_TAG) if tag.startswith(_YAML_TAG) else tag
        self.problems.append(place.problem(self._path(), f"the tag {shown} is not known here; remove it"))
        return ""

    def _convert(self, name: str, text: str, place: Place) -> ScalarValue:
        """Return `text` as the YAML type that an explicit tag such as `!!int` asks for."""
        convert = TAGGED.get(name)
        if convert is None:
            return text  # _tag has refused it
        try:
            return convert(text)
        except ValueError:
            self.problems.append(place.problem(self._path(), f"{text!r} is not a value of type !!{name}"))
            return None

    def _path(self) -> Path:
        """Return the path of the value that is being read."""
        path: list[str | int] = []
        for collection in self._open:
            if not collection.is_mapping:
                path.append(len(collection.items))
            elif collection.key is not None:
                path.append(collection.key[0])
        return tuple(path)

    def _place(self, event: yaml.Event) -> Place:
        mark = event.start_mark
        assert mark is not None, "the parser marks every event"
        return Place(self._file, mark.line + 1, mark.column + 1)

    def _fail(self, place: Place, message: str) -> NoReturn:
        raise ProblemsError([*self.problems, place.problem(self._path(), message)])


def _syntax_problem(error: yaml.YAMLError, file: str, text: str) -> Problem:
    """Return the library's complaint in our form."""
    if isinstance(error, yaml.MarkedYAMLError):
        mark = error.problem_mark or error.context_mark
        message = error.problem or error.context or "not YAML"
        if error.context and error.problem:
            message = f"{error.problem}, {error.context}"
        line, column = (mark.line + 1, mark.column + 1) if mark is not None else (0, 0)
        return Problem(file, line, column, "", f"not YAML: {message}")
    position = getattr(error, "position", None)
    if isinstance(position, int):
        before = text[:position]
        line, column = before.count("\n") + 1, position - before.rfind("\n")
        return Problem(
            file, line, column, "", f"not YAML: the character {text[position : position + 1]!r} is not allowed"
        )
    return Problem(file, 0, 0, "", f"not YAML: {error}")
