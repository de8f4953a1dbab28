"""Durations, sizes and shares as people write them: `90s`, `1m30s`, `2 MiB`, `5%`.

Every function takes what YAML gave (text or number), returns one unit and raises ValueError with a sentence that says
what to write; the caller adds file and line.  Decimal arithmetic keeps `0.01%` exactly one basis point.
"""

import re
from decimal import Decimal

from splitter.limits import WEIGHT_TOTAL

_UNITS_S = {
    "ns": Decimal("1e-9"),
    "us": Decimal("1e-6"),
    "µs": Decimal("1e-6"),
    "μs": Decimal("1e-6"),
    "ms": Decimal("1e-3"),
    "s": Decimal(1),
    "m": Decimal(60),
    "h": Decimal(3_600),
    "d": Decimal(86_400),
    "w": Decimal(604_800),
}
_DIGITS_MAX = 24  # keeps Decimal and float conversions of hostile text cheap
_DURATION_PART = re.compile(r"([0-9]+(?:\.[0-9]*)?|\.[0-9]+)\s*(ns|us|µs|μs|ms|s|m|h|d|w)\s*", re.ASCII)
_SIZE = re.compile(r"([0-9]+(?:\.[0-9]+)?)\s*([kmgtp]?)(i?b)?", re.ASCII | re.IGNORECASE)
_SIZE_POWERS = {"": 0, "k": 1, "m": 2, "g": 3, "t": 4, "p": 5}
_PERCENT = re.compile(r"([0-9]+(?:\.[0-9]*)?|\.[0-9]+)\s*%", re.ASCII)


def duration_s(value: object) -> float:
    """Return a duration in seconds: `90s`, `1m30s`, `1.5 h`, `250ms`; 0 needs no unit."""
    text = _text(value, "a duration such as 90s or 1m30s")
    if text in {"0", "0.0"}:
        return 0.0
    total, end = Decimal(0), 0
    while end < len(text):
        part = _DURATION_PART.match(text, end)
        if part is None:
            raise ValueError(_not_a_duration(text))
        total += Decimal(part[1]) * _UNITS_S[part[2]]
        end = part.end()
    if not text:
        raise ValueError("a duration is missing; write for example 90s")
    return float(total)


def size_bytes(value: object) -> int:
    """Return a size in bytes: `512`, `64k`, `2 MiB`, `1.5gb`.

    K, M, G, T and P count in 1024 however they are written, as Docker counts memory.
    """
    text = _text(value, "a size such as 512 MiB")
    match = _SIZE.fullmatch(text)
    if match is None:
        raise ValueError(f"{text!r} is not a size; write for example 512 MiB")
    return int(Decimal(match[1]) * 1024 ** _SIZE_POWERS[match[2].lower()])


def whole_bytes(value: object) -> int:
    """Return a size of which there is no half: a number is one of bytes, a text may be `1.5gb`."""
    if isinstance(value, float):
        raise ValueError(f"{value} is not a whole number of bytes; write for example 512m")  # noqa: TRY004 - one family
    return size_bytes(value)


def share_bp(value: object) -> int:
    """Return a share of traffic in basis points: `5%` is 500; steps finer than 0.01 % and shares above 100 % fail."""
    percent = _percent(value)
    points = percent * (WEIGHT_TOTAL // 100)
    if points > WEIGHT_TOTAL:
        raise ValueError(f"{percent}% is more than 100%")
    if points != points.to_integral_value():
        raise ValueError(f"{percent}% is finer than the smallest step, 0.01%")
    return int(points)


def fraction(value: object) -> float:
    """Return a percentage as a fraction: `0.05%` is 0.0005."""
    return float(_percent(value) / 100)


def _percent(value: object) -> Decimal:
    text = _text(value, "a share such as 5%")
    match = _PERCENT.fullmatch(text)
    if match is None:
        hint = f"write {text}%" if _is_number(text) else "write for example 5%"
        raise ValueError(f"{text!r} is not a share; {hint}")
    return Decimal(match[1])


def _text(value: object, wanted: str) -> str:
    """Return `value` as stripped text; booleans, lists and endless digits are refused."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise ValueError(f"{_kind(value)} is not {wanted}")  # noqa: TRY004 - one family, as pydantic expects it
    text = str(value).strip()
    if sum(character.isdigit() for character in text) > _DIGITS_MAX:
        raise ValueError(f"a number of more than {_DIGITS_MAX} digits is not {wanted}")
    return text


def _kind(value: object) -> str:
    if value is None:
        return "nothing"
    return {bool: "true or false", list: "a list", dict: "a mapping"}.get(type(value), type(value).__name__)


def _is_number(text: str) -> bool:
    return re.fullmatch(r"[0-9]+(\.[0-9]*)?", text, re.ASCII) is not None


def _not_a_duration(text: str) -> str:
    if _is_number(text):
        return f"{text!r} has no unit; write {text}s, {text}ms or {text}m"
    return f"{text!r} is not a duration; write for example 90s, 1m30s or 250ms"
