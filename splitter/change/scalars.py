"""What YAML 1.2 makes of a scalar's text.

The core schema, not YAML 1.1 as PyYAML has it: only true and false are booleans, `yes no on off` are text, `22:22` is
no base-60 number, `2024-01-01` is no date.  One deviation, which Compose files rely on: `0777` is octal.
"""

import math
import re
from collections.abc import Callable, Mapping
from typing import TypeAlias

ScalarValue: TypeAlias = str | int | float | bool | None

_NULLS = frozenset({"", "~", "null", "Null", "NULL"})
_BOOLEANS = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
_OCTAL = re.compile(r"([-+]?)0o?([0-7]+)", re.ASCII)
_HEX = re.compile(r"([-+]?)0x([0-9a-fA-F]+)", re.ASCII)
_INT = re.compile(r"[-+]?[0-9]+", re.ASCII)
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?", re.ASCII)
_INFINITY = re.compile(r"([-+]?)\.(inf|Inf|INF)", re.ASCII)
_NANS = frozenset({".nan", ".NaN", ".NAN"})
_NUMBER_CHARS_MAX = 64  # longer "numbers" are digests and the like: they stay text


def resolve(text: str) -> ScalarValue:
    """Return what YAML 1.2 makes of a plain (unquoted) scalar."""
    if text in _NULLS:
        return None
    if text in _BOOLEANS:
        return _BOOLEANS[text]
    if len(text) > _NUMBER_CHARS_MAX or text[0] not in "-+.0123456789":
        return text
    return _number(text)


def _number(text: str) -> str | int | float:
    if match := _OCTAL.fullmatch(text):
        return int(match[1] + match[2], 8)
    if match := _HEX.fullmatch(text):
        return int(match[1] + match[2], 16)
    if _INT.fullmatch(text):
        return int(text)
    if match := _INFINITY.fullmatch(text):
        return float(match[1] + "inf")
    if text in _NANS:
        return math.nan
    if _FLOAT.fullmatch(text) and math.isfinite(number := float(text)):
        return number  # 12e4567 is a commit, not infinity
    return text


def _typed(kinds: tuple[type, ...]) -> Callable[[str], ScalarValue]:
    def convert(text: str) -> ScalarValue:
        value = resolve(text)
        if not isinstance(value, kinds) or (isinstance(value, bool) and bool not in kinds):
            raise ValueError(text)
        return value

    return convert


def _float(text: str) -> ScalarValue:
    value = _typed((int, float))(text)
    assert isinstance(value, int | float)
    return float(value)


TAGGED: Mapping[str, Callable[[str], ScalarValue]] = {
    "str": str,
    "int": _typed((int,)),
    "float": _float,
    "bool": _typed((bool,)),
    "null": _typed((type(None),)),
}
"""What an explicit tag such as `!!int` makes of a text; raises ValueError where it is no such value."""
