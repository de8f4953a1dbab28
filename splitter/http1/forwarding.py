"""The outgoing head: what came from one side, as the other side gets it (RFC 9110 §7.6, RFC 9112 §6, §9).

Rule 1: the lines that are kept are slices of what came; ours stand behind them.  So nothing that a peer sent can take
the place of what splitter says.
Rule 2: one hop, one framing: `Content-Length` passes, `Transfer-Encoding` is always ours.
Rule 3: a request that was here before is refused (RFC 9110 §7.6.3).  `Via` names this very daemon for that, so that
two of them may stand one behind the other; an answer's `Via` says just `splitter`: which one is no client's business.
Rule 4: an answer that a stack has not dated gets the date of its coming (RFC 9110 §6.6.1).

A client's request id is passed on if it is one word of at most 128 visible characters; else it gets a new one.
"""

from collections.abc import Sequence

from splitter.errors import DownstreamError
from splitter.http1.fields import CHUNKED
from splitter.http1.head import RequestHead, ResponseHead
from splitter.http1.identity import Peer
from splitter.http1.tracing import child

_VIA = (b"Via: 1.0 splitter\r\n", b"Via: 1.1 splitter\r\n")
_TRACE = b"traceparent: "
_CHUNKED = b"Transfer-Encoding: chunked\r\n"

PERSIST = b""
PERSIST_1_0 = b"Connection: keep-alive\r\n"
CLOSE = b"Connection: close\r\n"


def request_fields(head: RequestHead, peer: Peer, name: bytes, protocols: Sequence[bytes] = ()) -> bytes:
    """Return the field lines that a stack gets, but for those that no two requests share.

    They follow from the client's field lines alone where the target is in origin form.  `name` is that of this daemon
    in Via, `protocols` are those that the connection may be upgraded to.  Raises DownstreamError for a request that
    has passed it before.
    """
    fields = head.fields
    if name in fields.via:
        raise DownstreamError(502, "loop", "the request was here before: an endpoint of a stack leads back to splitter")
    host = head.host.encode("ascii") or peer.default_host
    lines = [head.kept, peer.lines(host, fields.claims)]
    if not head.host:
        lines.insert(0, b"Host: %b\r\n" % host)
    if fields.length == CHUNKED:
        lines.append(_CHUNKED)
    if protocols:  # many a server looks for Upgrade in one line of Connection only
        lines.append(b"Connection: Upgrade\r\nUpgrade: %b\r\n" % b", ".join(protocols))
    elif fields.takes_trailers:
        lines.append(b"TE: trailers\r\nConnection: TE\r\n")
    lines.append(b"Via: 1.%d %b\r\n" % (fields.minor, name))
    return b"".join(lines)


def request_start(head: RequestHead, fields: bytes) -> bytes:
    """Return the head that a stack gets, up to the id of the request."""
    parts = (head.method, b" ", head.target, b" HTTP/1.1\r\n", fields, b"X-Request-Id: ")
    return b"".join(parts)  # twice as fast as a format string


def request_head(start: bytes, request_id: bytes, trace: bytes = b"") -> bytes:
    """Return the head that a stack gets, by its `request_start`; `trace` is its `trace_line`, if there is one."""
    return b"".join((start, request_id, b"\r\n", trace, b"\r\n"))


def mirror_head(wire: bytes, parent: bytes | None, dice: bytes) -> bytes:
    """Return the head of a copy of the request whose head is `wire`: marked, with the same request id.

    `parent` is the request's own trace parent, None where it has none, and then `dice` are not looked at: the copy is
    another child of it.
    """
    lines = wire[:-2]
    if parent is not None:
        lines = lines[: lines.rindex(_TRACE)] + trace_line(parent, dice)
    return lines + b"X-Splitter-Mirror: 1\r\n\r\n"


def trace_line(parent: bytes, dice: bytes) -> bytes:
    """Return the line that makes a request a child of `parent`; `dice` as `tracing.child` wants them."""
    return _TRACE + child(parent, dice) + b"\r\n"


def interim_head(head: ResponseHead) -> bytes:
    """Return an interim response as a client of HTTP/1.1 gets it."""
    return b"%b\r\n%b%b\r\n" % (head.line, head.fields.kept, _VIA[head.minor])


def switching_head(head: ResponseHead, protocol: bytes, lines: bytes = b"") -> bytes:
    """Return the 101 by which the client's connection becomes one of `protocol`, with `lines` of ours."""
    ours = b"Connection: Upgrade\r\nUpgrade: %b\r\n%b%b" % (protocol, _VIA[head.minor], lines)
    return b"%b\r\n%b%b\r\n" % (head.line, head.fields.kept, ours)


def connection_line(minor: int, persists: bool) -> bytes:
    """Return the line that tells a client of HTTP/1.`minor` what becomes of its connection; empty where it knows."""
    if persists:
        return PERSIST if minor else PERSIST_1_0
    return CLOSE


def response_head(head: ResponseHead, connection: bytes, date: bytes, is_chunked: bool = False) -> bytes:
    """Return the head of a final response as a client gets it; `is_chunked`: its body follows in chunks.

    `date` is the line for responses that have none.
    """
    fields = head.fields
    ours = connection if fields.has_date else date + connection
    if is_chunked:
        return b"%b\r\n%b%b%b%b\r\n" % (head.line, fields.kept, _CHUNKED, _VIA[head.minor], ours)
    sent = head.sent
    if sent is None or sent[0] != ours:
        out = b"%b\r\n%b%b%b\r\n" % (head.line, fields.kept, _VIA[head.minor], ours)
        head.sent = sent = ours, out
    return sent[1]
