"""The outgoing head: what came from one side, as the other side gets it (RFC 9110 §7.6, RFC 9112 §6, §9).

Rule 1: the lines that are kept are slices of what came; ours stand behind them.  So nothing that a peer sent can take
the place of what splitter says.
Rule 2: one hop, one framing: `Content-Length` passes, `Transfer-Encoding` is always ours.
Rule 3: `X-Forwarded-*` and `Forwarded` say what splitter itself has seen: the peer of the connection, never what that
peer claims.

A client's request id is passed on if it is one word of at most 128 visible characters; else it gets a new one.
"""

from splitter.http1.fields import CHUNKED
from splitter.http1.head import RequestHead, ResponseHead

_VIA = (b"Via: 1.0 splitter\r\n", b"Via: 1.1 splitter\r\n")
_VIA_RESPONSE = _VIA[1]
_CHUNKED = b"Transfer-Encoding: chunked\r\n"

PERSIST = b""
PERSIST_1_0 = b"Connection: keep-alive\r\n"
CLOSE = b"Connection: close\r\n"


def identity(address: str, port: int, scheme: str) -> bytes:
    """Return the lines that tell a stack who asks: the client's address, and the port and scheme it came in by."""
    text = f"X-Forwarded-For: {address}\r\nX-Forwarded-Proto: {scheme}\r\nX-Forwarded-Port: {port}\r\n"
    return text.encode("ascii")


def request_fields(head: RequestHead, identity: bytes, default_host: bytes) -> bytes:
    """Return the field lines that a stack gets, but for the request id.

    They follow from the client's field lines alone where the target is in origin form.  `default_host` is for clients
    of HTTP/1.0 that name none.
    """
    fields = head.fields
    host = head.host.encode("ascii")
    lines = [head.kept, identity]
    if not host:
        host = default_host
        lines.insert(0, b"Host: %b\r\n" % host)
    lines.append(b"X-Forwarded-Host: %b\r\n" % host)
    if fields.length == CHUNKED:
        lines.append(_CHUNKED)
    if fields.takes_trailers:
        lines.append(b"TE: trailers\r\nConnection: TE\r\n")
    lines.append(_VIA[fields.minor])
    return b"".join(lines)


def request_head(head: RequestHead, fields: bytes, request_id: bytes) -> bytes:
    """Return the head that a stack gets."""
    return b"%b %b HTTP/1.1\r\n%bX-Request-Id: %b\r\n\r\n" % (head.method, head.target, fields, request_id)


def interim_head(head: ResponseHead) -> bytes:
    """Return an interim response as a client of HTTP/1.1 gets it."""
    return b"%b\r\n%b%b\r\n" % (head.line, head.fields.kept, _VIA_RESPONSE)


def connection_line(minor: int, persists: bool) -> bytes:
    """Return the line that tells a client of HTTP/1.`minor` what becomes of its connection; empty where it knows."""
    if persists:
        return PERSIST if minor else PERSIST_1_0
    return CLOSE


def response_head(head: ResponseHead, connection: bytes, *, is_chunked: bool = False) -> bytes:
    """Return the head of a final response as a client gets it; `is_chunked`: its body follows in chunks."""
    if is_chunked:
        return b"%b\r\n%b%b%b%b\r\n" % (head.line, head.fields.kept, _CHUNKED, _VIA_RESPONSE, connection)
    return b"%b\r\n%b%b%b\r\n" % (head.line, head.fields.kept, _VIA_RESPONSE, connection)
