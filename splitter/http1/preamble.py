"""The PROXY protocol, versions 1 and 2: what a proxy in front says of the connection before its first byte.

It stands before TLS and before HTTP, once, whole, and nothing may be missing: a connection without it is not the one
that we were told to expect.  (The specification is HAProxy's `proxy-protocol.txt`; § are of its edition 2020-03-05.)

Rule 1: reject, never repair.  Whoever could slip past a preamble could say who he is.
Rule 2: what is read is bounded, and as long as it is incomplete all of it belongs to the preamble.
Rule 3: an address that the proxy does not know, or does not vouch for (`UNKNOWN`, `LOCAL`), is none.
"""

from ipaddress import AddressValueError, IPv4Address, IPv6Address
from typing import NamedTuple

from splitter.http1.fields import client_fault
from splitter.limits import PREAMBLE_BYTES_MAX

_LINE = b"PROXY "
_LINE_BYTES_MAX = 107  # §2.1, with its CRLF
_SIGNATURE = b"\r\n\r\n\x00\r\nQUIT\n"
_HEADER_BYTES = len(_SIGNATURE) + 4
_PORT_MAX = 65_535

_LOCAL, _PROXY = 0x20, 0x21  # version and command in one byte (§2.2)
_UNSPECIFIED, _TCP4, _TCP6, _UNIX_STREAM = 0x00, 0x11, 0x21, 0x31  # family and transport in one byte
_ADDRESS_BYTES = {_UNSPECIFIED: 0, _TCP4: 12, _TCP6: 36, _UNIX_STREAM: 216}
_TLV_SSL = 0x20  # §2.2.6: its first byte has bit 0 set where the client came by TLS
_CLIENT_SSL = 0x01


class Preamble(NamedTuple):
    """What was said: the client's address, and where it connected to; empty where the proxy speaks for itself.

    `size` is how many bytes it takes.  `is_secure`: the client speaks TLS with the proxy.
    """

    size: int
    client: str = ""
    local: str = ""
    local_port: int = 0
    is_secure: bool = False


def read_preamble(data: bytes) -> Preamble | None:
    """Return the preamble that `data` begins with, None while it has not all come.

    Raises DownstreamError for what can become none.
    """
    if data.startswith(_SIGNATURE[: len(data)]):
        return _read_binary(data)
    if data.startswith(_LINE[: len(data)]):
        return _read_line(data)
    raise client_fault("the connection does not begin with a PROXY preamble")


def _read_line(data: bytes) -> Preamble | None:
    """Read version 1: a line of text."""
    end = data.find(b"\r\n", 0, _LINE_BYTES_MAX)
    if end < 0:
        if len(data) >= _LINE_BYTES_MAX or b"\n" in data:
            raise client_fault("the PROXY line does not end")
        return None
    words = data[len(_LINE) : end].split(b" ")
    if words[0] == b"UNKNOWN":  # whatever stands behind it is to be passed over
        return Preamble(end + 2)
    if len(words) != 5 or words[0] not in (b"TCP4", b"TCP6"):
        raise client_fault("the PROXY line is not a protocol, two addresses and two ports")
    client, local = (_address(word, is_v4=words[0] == b"TCP4") for word in words[1:3])
    _, port = (_port(word) for word in words[3:])
    return Preamble(end + 2, client, local, port)


def _address(word: bytes, *, is_v4: bool) -> str:
    try:
        text = word.decode("ascii")
        return str(IPv4Address(text) if is_v4 else IPv6Address(text))
    except (UnicodeDecodeError, AddressValueError):
        raise client_fault("an address of the PROXY line is none of its protocol") from None


def _port(word: bytes) -> int:
    if not word.isdigit() or len(word) > 5 or (word[0] == 48 and len(word) > 1) or int(word) > _PORT_MAX:
        raise client_fault("a port of the PROXY line is no number from 0 to 65535")
    return int(word)


def _read_binary(data: bytes) -> Preamble | None:
    """Read version 2: a header of sixteen bytes, addresses, and fields of type, length and value."""
    if len(data) < _HEADER_BYTES:
        return None
    command, family = data[12], data[13]
    size = _HEADER_BYTES + int.from_bytes(data[14:16], "big")
    if command not in (_LOCAL, _PROXY):
        raise client_fault("the PROXY header is not of version 2, or has a command that we do not know")
    if family not in _ADDRESS_BYTES:
        raise client_fault("the PROXY header is of a connection that is no stream")
    if size > PREAMBLE_BYTES_MAX:
        raise client_fault(f"the PROXY header has more than {PREAMBLE_BYTES_MAX} bytes")
    end = _HEADER_BYTES + _ADDRESS_BYTES[family]
    if size < end:
        raise client_fault("the PROXY header is too short for its addresses")
    if len(data) < size:
        return None
    is_secure = _is_secure(data[end:size])
    if command == _LOCAL or family not in (_TCP4, _TCP6):
        return Preamble(size)
    width = 4 if family == _TCP4 else 16
    first, second = data[_HEADER_BYTES : _HEADER_BYTES + width], data[_HEADER_BYTES + width : _HEADER_BYTES + 2 * width]
    port = int.from_bytes(data[end - 2 : end], "big")
    if width == 4:
        return Preamble(size, str(IPv4Address(first)), str(IPv4Address(second)), port, is_secure)
    return Preamble(size, str(IPv6Address(first)), str(IPv6Address(second)), port, is_secure)


def _is_secure(fields: bytes) -> bool:
    """Return whether one of `fields` says that the client came by TLS; all of them must be whole."""
    is_secure, place = False, 0
    while place < len(fields):
        kind, start = fields[place], place + 3
        place = start + int.from_bytes(fields[place + 1 : start], "big")
        if start > len(fields) or place > len(fields):
            raise client_fault("a field of the PROXY header is longer than the header")
        if kind == _TLV_SSL:
            is_secure = place > start and bool(fields[start] & _CLIENT_SSL)
    return is_secure
