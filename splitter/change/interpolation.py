"""Variables in template text: `$NAME`, `${NAME}` and the six operators of the Compose specification.

    ${NAME:-d}  d if NAME is unset or empty      ${NAME-d}  d if NAME is unset
    ${NAME:?m}  an error with m, likewise        ${NAME?m}
    ${NAME:+a}  a if NAME is set and not empty   ${NAME+a}  a if NAME is set

The operator is the first one after the name, so `${VERSION-v4.1-3.0}` has the default `v4.1-3.0`.  Operands are
interpolated in turn, and only when they are used.  `$$` is `$`; a `$` before anything else stays, so that
`$2a$14$…` survives.
"""

import re
from collections.abc import Mapping

from splitter.change.positions import ListNode, MapNode, Node, Path, ScalarNode
from splitter.errors import Problem
from splitter.limits import INTERPOLATION_DEPTH_MAX, TEMPLATE_TEXT_MAX

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)
_OPERATOR = re.compile(r":-|:\?|:\+|-|\?|\+")


class Interpolator:
    """Replaces variables by what `environment` says.

    `unset` collects, in order of appearance, the names that had no value and no operator: one warning for all of them.
    """

    def __init__(self, environment: Mapping[str, str]) -> None:
        self.unset: dict[str, None] = {}
        self._environment = environment
        self._room = TEMPLATE_TEXT_MAX

    def text(self, text: str) -> str:
        """Return `text` with its variables replaced.  Raises ValueError with a sentence about what is wrong."""
        return self._replace(text, 0)

    def _take(self, value: str) -> str:
        """Return the value of a variable.  Raises ValueError where all together have become too long."""
        self._room -= len(value)
        if self._room < 0:
            raise ValueError(f"more than {TEMPLATE_TEXT_MAX} characters once variables are replaced")
        return value

    def node(self, node: Node, path: Path, problems: list[Problem]) -> Node:
        """Return `node` with every text value below it interpolated; mistakes are added to `problems`."""
        match node:
            case ScalarNode(value=str(value)) if "$" in value:
                return self._scalar(node, value, path, problems)
            case ScalarNode():
                return node
            case ListNode():
                items = tuple(self.node(item, (*path, index), problems) for index, item in enumerate(node.items))
                return ListNode(node.place, items, node.tag)
            case MapNode():
                entries = {
                    key: type(entry)(entry.place, self.node(entry.value, (*path, key), problems))
                    for key, entry in node.entries.items()
                }
                return MapNode(node.place, entries, node.tag)

    def _scalar(self, node: ScalarNode, value: str, path: Path, problems: list[Problem]) -> ScalarNode:
        try:
            replaced = self.text(value)
        except ValueError as error:
            problems.append(node.place.problem(path, str(error)))
            replaced = ""
        return ScalarNode(node.place, replaced, replaced, node.tag)

    def _replace(self, text: str, depth: int) -> str:
        if depth > INTERPOLATION_DEPTH_MAX:
            raise ValueError(f"variables are nested deeper than {INTERPOLATION_DEPTH_MAX} levels")
        parts: list[str] = []
        position = 0
        while (dollar := text.find("$", position)) >= 0:
            parts.append(text[position:dollar])
            following = text[dollar + 1 : dollar + 2]
            if following == "$":
                parts.append("$")
                position = dollar + 2
            elif following == "{":
                end = _closing_brace(text, dollar + 1)
                parts.append(self._braced(text[dollar + 2 : end], depth))
                position = end + 1
            elif name := _NAME.match(text, dollar + 1):
                parts.append(self._required(name[0]))
                position = name.end()
            else:
                parts.append("$")
                position = dollar + 1
        return "".join((*parts, text[position:]))

    def _braced(self, inside: str, depth: int) -> str:
        name = _NAME.match(inside)
        if name is None:
            raise ValueError(f"${{{inside}}} names no variable; write $$ for a dollar sign")
        rest = inside[name.end() :]
        if not rest:
            return self._required(name[0])
        operator = _OPERATOR.match(rest)
        if operator is None:
            raise ValueError(f"${{{inside}}} has {rest[0]!r} after the name; the operators are :- - :? ? :+ +")
        return self._operate(name[0], operator[0], rest[operator.end() :], depth)

    def _operate(self, name: str, operator: str, operand: str, depth: int) -> str:
        value = self._environment.get(name)
        is_given = bool(value) if operator.startswith(":") else value is not None
        if operator.endswith("+"):
            return self._replace(operand, depth + 1) if is_given else ""
        if is_given:
            return self._take(value or "")
        if operator.endswith("?"):
            message = self._replace(operand, depth + 1)
            raise ValueError(f"the variable {name} must be set{': ' + message if message else ''}")
        return self._replace(operand, depth + 1)

    def _required(self, name: str) -> str:
        value = self._environment.get(name)
        if value is None:
            self.unset.setdefault(name)
            return ""
        return self._take(value)


def _closing_brace(text: str, opening: int) -> int:
    """Return where the brace at `opening` closes; inner pairs count, so a default may be JSON."""
    depth = 0
    for position in range(opening, len(text)):
        if text[position] == "{":
            depth += 1
        elif text[position] == "}":
            depth -= 1
            if depth == 0:
                return position
    raise ValueError(f"{text[opening - 1 :]!r} has no closing brace; write $$ for a dollar sign")
