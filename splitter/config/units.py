"""The kinds of values that options have: how people write them, how code holds them, how a default is shown.

A model's annotation names one of these; the reading itself is `change.quantities`.  Numbers reach the models as the
text that the file holds (`load` says why), so every kind here takes text.
"""

import ipaddress
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, TypeAlias

from pydantic import BeforeValidator, Field, WithJsonSchema

from splitter.change.quantities import duration_s, fraction, share_bp, size_bytes
from splitter.model import Endpoint

PORT_MAX = 65_535
_HOST_NAME = re.compile(r"(?!-)[A-Za-z0-9_-]{1,63}(?<!-)(\.(?!-)[A-Za-z0-9_-]{1,63}(?<!-))*\.?", re.ASCII)
_SIZE_UNITS = {"GiB": 1024**3, "MiB": 1024**2, "KiB": 1024}
_TIME_UNITS = {"d": 86_400_000_000, "h": 3_600_000_000, "m": 60_000_000, "s": 1_000_000, "ms": 1_000, "us": 1}


@dataclass(frozen=True, slots=True)
class Unit:
    """What the reference says of a kind of value: its name, and `show`, which writes a value as a file would."""

    name: str
    show: Callable[[Any], str]


def show_duration(seconds: float) -> str:
    """Return `90.0` as `1m30s`; the parts are whole, down to microseconds."""
    left, text = round(seconds * 1_000_000), ""
    for unit, size in _TIME_UNITS.items():
        count, left = divmod(left, size)
        text += f"{count}{unit}" if count else ""
    return text or "0s"


def show_size(size: int) -> str:
    for name, unit in _SIZE_UNITS.items():
        if size and size % unit == 0:
            return f"{size // unit} {name}"
    return str(size)


def show_share(points: int) -> str:
    return f"{points / 100:g}%"


def show_fraction(value: float) -> str:
    return f"{value * 100:.6g}%"


def address(value: object) -> Endpoint:
    """Return `host:port` or `[v6 address]:port`; port 0 asks the system for a free one."""
    text = str(value)
    host, colon, port = text.rpartition(":")
    wanted = "write host:port, for example 127.0.0.1:8080 or [::1]:8080"
    if not colon or not host:
        raise ValueError(f"{text!r} has no {'host' if colon or text.isdecimal() else 'port'}; {wanted}")
    if not (port.isascii() and port.isdecimal()) or int(port) > PORT_MAX:
        raise ValueError(f"{port!r} is no port from 0 to {PORT_MAX}; {wanted}")
    return Endpoint(_host(host, wanted), int(port))


def _host(text: str, wanted: str) -> str:
    """Return a host name or address; a v6 address stands in brackets, which are dropped."""
    bare = text[1:-1] if text.startswith("[") and text.endswith("]") else text
    try:
        if (ipaddress.ip_address(bare).version == 6) == (bare != text):
            return bare
    except ValueError:
        if _HOST_NAME.fullmatch(text) and not text.replace(".", "").isdecimal():
            return text
    raise ValueError(f"{text!r} is no host; {wanted}")


def endpoint(value: object) -> Endpoint:
    """Return the address of a server that runs already: like `address`, and the port is a real one."""
    found = address(value)
    if found.port == 0:
        raise ValueError(f"{value!r}: nothing answers on port 0; write the server's port")
    return found


def flag(value: object) -> object:
    """Return `true` or `false`, however capitalised, as a boolean; YAML 1.1's other words for them stay text."""
    return {"true": True, "false": False}.get(str(value).lower(), value)


def _schema(examples: list[str], pattern: str, *, also_number: bool = False) -> WithJsonSchema:
    text: dict[str, Any] = {"type": "string", "pattern": pattern, "examples": examples}
    return WithJsonSchema({"anyOf": [text, {"type": "number"}]} if also_number else text)


_DURATION = r"^\s*(([0-9]+(\.[0-9]*)?|\.[0-9]+)\s*(ns|us|µs|μs|ms|s|m|h|d|w)\s*)+$|^0$"
_PERCENT = r"^\s*([0-9]+(\.[0-9]*)?|\.[0-9]+)\s*%\s*$"
_ADDRESS = r"^.+:[0-9]+$"

Duration: TypeAlias = Annotated[
    float,
    BeforeValidator(duration_s),
    _schema(["90s", "1m30s", "250ms"], _DURATION, also_number=True),
    Unit("duration", show_duration),
]
Moment: TypeAlias = Annotated[Duration, Field(gt=0)]
"""A duration that cannot be nothing."""

Size: TypeAlias = Annotated[
    int,
    BeforeValidator(size_bytes),
    _schema(["512", "64 KiB", "2 MiB"], r"^\s*[0-9]+(\.[0-9]+)?\s*[kKmMgGtTpP]?([iI]?[bB])?\s*$", also_number=True),
    Unit("size", show_size),
]
Share: TypeAlias = Annotated[
    int, BeforeValidator(share_bp), _schema(["1%", "0.01%"], _PERCENT), Unit("share of traffic", show_share)
]
Fraction: TypeAlias = Annotated[
    float, BeforeValidator(fraction), _schema(["5%", "0.05%"], _PERCENT), Unit("percentage", show_fraction)
]
Ratio: TypeAlias = Annotated[float, Field(ge=1, allow_inf_nan=False), Unit("factor", "{:g}".format)]
Number: TypeAlias = Annotated[float, Field(ge=0, allow_inf_nan=False), Unit("number", "{:g}".format)]
Count: TypeAlias = Annotated[int, Field(ge=0), Unit("whole number", str)]
Some: TypeAlias = Annotated[int, Field(ge=1), Unit("whole number", str)]
"""A count that cannot be nothing."""

Flag: TypeAlias = Annotated[bool, Field(strict=True), BeforeValidator(flag), Unit("`true` or `false`", str)]
Port: TypeAlias = Annotated[int, Field(ge=0, le=PORT_MAX), Unit("port", str)]
Address: TypeAlias = Annotated[
    Endpoint, BeforeValidator(address), _schema(["0.0.0.0:8080", "[::1]:8080"], _ADDRESS), Unit("host:port", str)
]
ServerAddress: TypeAlias = Annotated[
    Endpoint, BeforeValidator(endpoint), _schema(["10.0.0.7:9001"], _ADDRESS), Unit("host:port", str)
]


def listed(value: object) -> object:
    """Return a single value as a list of it: `template: compose.yaml` is `template: [compose.yaml]`."""
    return [value] if isinstance(value, str) else value


def network(value: object) -> object:
    """Return a network, or the network of a single address."""
    try:
        return ipaddress.ip_network(str(value))
    except ValueError as error:
        wanted = "write an address or a network, for example 10.0.0.0/8 or ::1"
        raise ValueError(f"{value!r} is no network ({error}); {wanted}") from None


Networks: TypeAlias = Annotated[
    tuple[Annotated[ipaddress.IPv4Network | ipaddress.IPv6Network, BeforeValidator(network)], ...],
    BeforeValidator(listed),
    WithJsonSchema({"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]}),
    Unit("network or list of networks", lambda networks: ", ".join(map(str, networks))),
]

Texts: TypeAlias = Annotated[
    tuple[str, ...],
    BeforeValidator(listed),
    WithJsonSchema({"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]}),
    Unit("text or list of texts", ", ".join),
]
