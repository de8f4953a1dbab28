"""What is wrong with a document, in words that say where and what to write instead.

pydantic finds the mistakes; this room puts each at its line and column and says it as splitter does.  A check of our
own that concerns several options raises `MisfitsError`, so that each of its mistakes stands at the option it is about.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

from pydantic import BaseModel, ValidationError

from splitter.change.positions import ListNode, MapNode, Node, Path, Place, Places
from splitter.change.spelling import nearest, unknown_key
from splitter.config.outline import keys_at
from splitter.errors import Problem

Misfit: TypeAlias = tuple[Path, str]
"""A mistake: the path of the option, from where the check stands, and a sentence."""

_Detail: TypeAlias = Mapping[str, Any]


class MisfitsError(ValueError):
    """Raised by a check of several options: each mistake with its own path below the checked part."""

    def __init__(self, items: Sequence[Misfit]) -> None:
        self.items = tuple(items)
        super().__init__("; ".join(message for _, message in items))


def misfits(error: ValidationError, model: type[BaseModel]) -> list[Misfit]:
    """Return every mistake that pydantic found in a document of `model`, by path from its root."""
    found: list[Misfit] = []
    details = error.errors(include_url=False)
    parents = {tuple(detail["loc"][:length]) for detail in details for length in range(len(detail["loc"]))}
    for detail in details:
        path = tuple(detail["loc"])
        if detail["type"] == "too_short" and path in parents:
            continue  # pydantic counts only good entries, and the others are mistakes of their own
        cause = detail.get("ctx", {}).get("error")
        if isinstance(cause, MisfitsError):
            found += [((*path, *below), message) for below, message in cause.items]
        elif path[-1:] == ("[key]",):
            found.append((path[:-1], _sentence(detail)))
        elif detail["type"] == "extra_forbidden":
            found.append((path, unknown_key(str(path[-1]), keys_at(model, path[:-1]))))
        else:
            found.append((path, _sentence(detail)))
    return found


def located(items: Sequence[Misfit], root: Node) -> list[Problem]:
    """Return the mistakes with their places, in the order of the text.

    An option that is not written is at its section.  Of a single text where a list may stand (`template: 3`) the path
    ends at the text: nobody wrote a position.
    """
    places = Places(root)
    problems: list[Problem] = []
    for path, message in dict.fromkeys(items):
        is_unknown = message.startswith(UNKNOWN)
        shown = _without_positions(root, path)
        place: Place = places.key(shown) if is_unknown or message.startswith("the name") else places.value(shown)
        problems.append(place.problem(shown[:-1] if is_unknown else shown, message))
    return sorted(problems, key=lambda problem: (problem.line, problem.column))


UNKNOWN = "unknown key"


def _without_positions(root: Node, path: Path) -> Path:
    """Return `path` up to where it leaves the document below something that is not a mapping."""
    node = root
    for length, part in enumerate(path):
        if isinstance(node, MapNode):
            if part not in node.entries:
                return path
            node = node.entries[str(part)].value
        elif isinstance(node, ListNode) and isinstance(part, int) and part < len(node.items):
            node = node.items[part]
        else:
            return path[:length]
    return path


def _sentence(detail: _Detail) -> str:
    kind = detail["type"]
    if kind in _SENTENCES:
        return _SENTENCES[kind](detail)
    return str(detail["msg"])


def _choice(detail: _Detail) -> str:
    expected = str(detail["ctx"]["expected"])
    words = [word.strip("'") for word in expected.replace(" or ", ", ").split(", ")]
    closest = nearest(str(detail["input"]), words)
    hint = f"did you mean {closest!r}?" if closest else f"write one of: {', '.join(words)}"
    return f"{_shown(detail)} is not known here; {hint}"


def _own(detail: _Detail) -> str:
    return str(detail["ctx"]["error"])


def _bound(words: str, name: str) -> Callable[[_Detail], str]:
    def sentence(detail: _Detail) -> str:
        limit, is_percentage = detail["ctx"][name], str(detail["input"]).endswith("%")
        return f"{_shown(detail)} is {words} {f'{limit * 100:g}%' if is_percentage else f'{limit:g}'}"

    return sentence


def _few(detail: _Detail) -> str:
    return "is empty; write at least one" if detail["ctx"]["actual_length"] == 0 else str(detail["msg"])


def _short(detail: _Detail) -> str:
    least = detail["ctx"]["min_length"]
    return "is empty" if least == 1 else f"is too short; write at least {least} characters"


def _shown(detail: _Detail) -> str:
    value = detail["input"]
    match value:
        case None:
            return "nothing"
        case bool():
            return str(value).lower()
        case dict():
            return "a mapping"
        case list() | tuple():
            return "a list"
        case str() if value[:1] in "-+.0123456789" and value:
            return value
    return repr(value)


def _wants(what: str) -> Callable[[_Detail], str]:
    return lambda detail: f"{_shown(detail)} is not {what}"


_SENTENCES: Mapping[str, Callable[[_Detail], str]] = {
    "missing": lambda detail: "is missing",
    "value_error": _own,
    "enum": _choice,
    "literal_error": _choice,
    "greater_than": _bound("not more than", "gt"),
    "greater_than_equal": _bound("less than", "ge"),
    "less_than": _bound("not less than", "lt"),
    "less_than_equal": _bound("more than", "le"),
    "too_short": _few,
    "too_long": lambda detail: f"has more than {detail['ctx']['max_length']} entries",
    "string_too_short": _short,
    "string_type": _wants("text"),
    "bool_type": _wants("true or false"),
    "bool_parsing": _wants("true or false"),
    "int_parsing": _wants("a whole number"),
    "int_from_float": _wants("a whole number"),
    "int_type": _wants("a whole number"),
    "float_parsing": _wants("a number"),
    "float_type": _wants("a number"),
    "finite_number": _wants("a finite number"),
    "list_type": _wants("a list; write each entry on a line of its own, after a dash"),
    "tuple_type": _wants("a list; write each entry on a line of its own, after a dash"),
    "frozen_set_type": _wants("a list; write each entry on a line of its own, after a dash"),
    "dict_type": _wants("a mapping of names to values"),
    "model_type": _wants("a mapping of options to values"),
    "model_attributes_type": _wants("a mapping of options to values"),
}
