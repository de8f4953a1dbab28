"""Values of a file as the reader of a key asks for them: text, number, list, mapping.

A wrong shape is reported once, at its place, and answered with the default, so that reading goes on and every mistake
of a file is found in one pass.  After variables are replaced every value may be text; `number` and `boolean` take it.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TypeVar

from splitter.change.keys import Key, Level
from splitter.change.positions import ListNode, MapNode, Node, Path, Place, ScalarNode, dotted
from splitter.change.spelling import unknown_key
from splitter.errors import Problem

T = TypeVar("T")
D = TypeVar("D")

EXTENSION = "x-"


@dataclass(slots=True)
class Report:
    """What reading found: mistakes, and sentences about what was accepted without effect."""

    problems: list[Problem] = field(default_factory=list)
    notes: dict[str, None] = field(default_factory=dict)

    def note(self, sentence: str) -> None:
        self.notes.setdefault(sentence)


@dataclass(frozen=True, slots=True)
class Value:
    """A node on its way into the model: where it is in the file and in the tree, and who is told of mistakes.

    `key_place` is where its key stands, for mistakes about the key itself.
    """

    node: Node
    path: Path
    key_place: Place
    report: Report

    @property
    def name(self) -> str:
        return dotted(self.path)

    @property
    def is_null(self) -> bool:
        return isinstance(self.node, ScalarNode) and self.node.value is None

    @property
    def is_boolean(self) -> bool:
        return isinstance(self.node, ScalarNode) and isinstance(self.node.value, bool)

    @property
    def is_text(self) -> bool:
        return isinstance(self.node, ScalarNode) and isinstance(self.node.value, str)

    @property
    def is_list(self) -> bool:
        return isinstance(self.node, ListNode)

    @property
    def is_mapping(self) -> bool:
        return isinstance(self.node, MapNode)

    def problem(self, message: str) -> None:
        self.report.problems.append(self.node.place.problem(self.path, message))

    def key_problem(self, message: str) -> None:
        self.report.problems.append(self.key_place.problem(self.path, message))

    def note(self, message: str) -> None:
        self.report.note(f"{self.key_place}: {self.name} {message}")

    # --- Scalars

    def text(self, default: str = "") -> str:
        """Return a text; a number or boolean is refused, since its spelling would be lost."""
        if not isinstance(self.node, ScalarNode):
            self.problem(f"{self.kind} stands where text is expected")
            return default
        if isinstance(self.node.value, str):
            return self.node.value
        if self.node.value is None:
            self.problem("nothing stands where text is expected; remove the key or give it a value")
        else:
            self.problem(f'{self.kind} stands where text is expected; write "{self.node.text}"')
        return default

    def scalar(self) -> str | None:
        """Return text, number or boolean as Compose prints it; None where nothing stands."""
        if not isinstance(self.node, ScalarNode):
            self.problem(f"{self.kind} stands where a single value is expected")
            return None
        printed = printed_scalar(self.node)
        if isinstance(self.node.value, int | float) and printed != self.node.text and self.node.text.lower() != printed:
            self.note(f'is the number {printed}; write "{self.node.text}" if the spelling matters')
        return printed

    def number(self, default: int, *, least: int = 0, most: int | None = None) -> int:
        """Return a whole number from `least` to `most`, from a number or its text."""
        value = self._number()
        if value is None or value != int(value):
            self.problem(f"{self._shown()} is not a whole number")
            return default
        if value < least:
            self.problem(f"{self._shown()} is less than {least}")
            return default
        if most is not None and value > most:
            self.problem(f"{self._shown()} is more than {most}")
            return default
        return int(value)

    def decimal(self, default: float) -> float:
        """Return a number of at least 0, from a number or its text."""
        value = self._number()
        if value is None or value < 0:
            self.problem(f"{self._shown()} is not a number of at least 0")
            return default
        return value

    def boolean(self, default: bool = False) -> bool:
        """Return true or false.  Text is taken as Compose takes it: yes, on, 1 and the like count as well."""
        value = self.node.value if isinstance(self.node, ScalarNode) else None
        if isinstance(value, bool):
            return value
        if isinstance(value, str) and value.lower() in _TRUTH:
            return _TRUTH[value.lower()]
        self.problem(f"{self._shown()} is neither true nor false")
        return default

    def convert(self, conversion: Callable[[object], T], default: T) -> T:
        """Return what `conversion` makes of the value; its ValueError is the mistake."""
        if not isinstance(self.node, ScalarNode):
            self.problem(f"{self.kind} stands where a single value is expected")
            return default
        given = self.node.value
        return self.attempt(lambda: conversion(given), default)

    def parse(self, parser: Callable[[str], T], default: T) -> T:
        """Return what `parser` makes of the value's text (a number's as well); its ValueError is the mistake."""
        if not isinstance(self.node, ScalarNode) or self.node.value is None:
            self.problem(f"{self.kind} stands where text is expected")
            return default
        text = printed_scalar(self.node) or ""
        return self.attempt(lambda: parser(text), default)

    def attempt(self, make: Callable[[], T], default: T) -> T:
        """Return what `make` makes; its ValueError is a mistake of this value."""
        try:
            return make()
        except ValueError as error:
            self.problem(str(error))
            return default

    # --- Collections

    def items(self) -> list["Value"]:
        """Return the values of a list."""
        if not isinstance(self.node, ListNode):
            self.problem(f"{self.kind} stands where a list is expected")
            return []
        return [Value(item, (*self.path, index), item.place, self.report) for index, item in enumerate(self.node.items)]

    def one_or_more(self) -> list["Value"]:
        """Return the values of a list, or the value itself where it is a single one."""
        return self.items() if self.is_list else [self]

    def texts(self) -> tuple[str, ...]:
        return tuple(item.text() for item in self.items())

    def entries(self) -> dict[str, "Value"]:
        """Return the values of a mapping, whatever its keys."""
        if not isinstance(self.node, MapNode):
            self.problem(f"{self.kind} stands where a mapping is expected")
            return {}
        return {
            key: Value(entry.value, (*self.path, key), entry.place, self.report)
            for key, entry in self.node.entries.items()
        }

    def scalars(self) -> dict[str, str | None]:
        """Return a mapping whose values are single ones; a list of `NAME=value` is one as well."""
        if isinstance(self.node, MapNode):
            return {key: value.scalar() for key, value in self.entries().items()}
        items = self.items() if self.is_list else [self]
        wrong = [item for item in items if not self.is_list or not item.is_text]
        for value in wrong:
            value.problem(f"{value.kind} stands where NAME=value, or a mapping of names, is expected")
        if wrong:
            return {}
        pairs = (item.node.text.partition("=") for item in items if isinstance(item.node, ScalarNode))
        return {name: value if separator else None for name, separator, value in pairs}

    def options(self) -> dict[str, str]:
        """Return a mapping of single values as text, by name; a list is none."""
        options = {name: value.scalar() or "" for name, value in self.entries().items()}
        return dict(sorted(options.items()))

    def known(self, table: Mapping[str, Key]) -> "Fields":
        """Return the values of the keys that have effect; say what is wrong with the others, `x-` keys apart."""
        supported = Fields()
        for key, value in self.entries().items():
            row = table.get(key)
            if row is None and key.startswith(EXTENSION):
                continue
            if row is None:
                value.key_problem(unknown_key(key, [name for name in table if table[name].level is not Level.REFUSE]))
            elif row.level is Level.DO:
                supported[key] = value
            elif row.level is Level.NOTE:
                value.note(f"has no effect{': ' + row.say if row.say else ''}")
            else:
                value.key_problem(row.sentence(key))
        return supported

    def _number(self) -> float | None:
        value = self.node.value if isinstance(self.node, ScalarNode) else None
        if isinstance(value, bool) or value is None:
            return None
        try:
            number = float(value)
        except ValueError:
            return None
        return number if math.isfinite(number) else None

    def _shown(self) -> str:
        return repr(self.node.text) if isinstance(self.node, ScalarNode) and self.node.text else self.kind

    @property
    def kind(self) -> str:
        """Return what stands here, as a sentence names it."""
        match self.node:
            case ListNode():
                return "a list"
            case MapNode():
                return "a mapping"
            case ScalarNode(value=None):
                return "nothing"
            case ScalarNode(value=bool()):
                return f"the boolean {self.node.text}"
            case ScalarNode(value=int() | float()):
                return f"the number {self.node.text}"
            case ScalarNode():
                return f"the text {self.node.text!r}"


class Fields(dict[str, Value]):
    """The keys of a mapping that have effect."""

    def read(self, key: str, reader: Callable[[Value], T], default: D) -> T | D:
        """Return what `reader` makes of the key's value, or `default` where the key is not written."""
        return reader(self[key]) if key in self else default


_TRUTH = dict.fromkeys(("true", "t", "yes", "y", "on", "1"), True) | dict.fromkeys(
    ("false", "f", "no", "n", "off", "0"), False
)


def printed_scalar(node: ScalarNode) -> str | None:
    """Return the value as Compose prints it into an environment: `true`, `1.1` for 1.10, `1e+06` for 1000000.0."""
    value = node.value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return _printed_float(value)
    return None if value is None else str(value)


def _printed_float(value: float) -> str:
    """Return the shortest digits that name `value`, with an exponent below 1e-4 and from 1e6 on, as Go prints it."""
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    number = Decimal(repr(value)).normalize()
    exponent = number.adjusted()
    if -4 <= exponent < 6:
        return format(number, "f")
    return f"{number.scaleb(-exponent):f}e{exponent:+03d}"
