"""Upgrade: whether a request asks for another protocol, and whether the stack has agreed (RFC 9110 §7.8).

Rule 1: only protocols that splitter was told of are asked for.  They become a tunnel of bytes, so nothing behind the
101 is read as HTTP by us; a protocol that carries HTTP itself (h2c) would take requests past every rule of ours.
Rule 2: a request with a body, or of HTTP/1.0, asks for nothing.  It is served as if the field were not there.
Rule 3: a 101 counts only where it names one of the protocols that were asked for.  Any other is the stack's fault.
"""

from collections.abc import Container, Sequence

from splitter.http1.fields import stack_fault
from splitter.http1.head import RequestFields, ResponseHead

WEBSOCKET = b"websocket"
SWITCHING_PROTOCOLS = 101

_OPTION = b"upgrade"


def wanted(fields: RequestFields, allowed: Container[bytes]) -> Sequence[bytes]:
    """Return the protocols, in lower case, that a request asks for and that are allowed; empty: it is a usual one."""
    if not fields.minor or fields.length or _OPTION not in fields.options:
        return ()
    return tuple(each for each in _protocols(fields.upgrade) if each in allowed)


def agreed(head: ResponseHead, asked: Sequence[bytes]) -> bytes:
    """Return the protocol that a 101 switches to.  Raises UpstreamError unless it is the one of `asked`."""
    named = _protocols(head.fields.upgrade)
    if _OPTION not in head.fields.options or len(named) != 1 or named[0] not in asked:
        raise stack_fault("101 to a request that did not ask for this protocol")
    return named[0]


def _protocols(value: bytes) -> list[bytes]:
    return [each for each in (part.strip(b" \t").lower() for part in value.split(b",")) if each]
