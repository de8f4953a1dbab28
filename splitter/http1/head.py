"""Heads: the bytes up to the blank line, read strictly (RFC 9112 §2.2, §3, §4).

Rule 1: reject, never repair.  A request that two servers could read in two ways is refused with 4xx, a response with
502, and the connection that it came on is never used again.
Rule 2: a head is read whole or not at all.  `request_end` and `response_end` find its end in what has come so far, and
refuse early what can become no head.
Rule 3: one exception for old clients: empty lines before a request are skipped (RFC 9112 §2.2).  Who buffers does it.

Cost: 1.5 µs for the start line and 0.3 µs for each field; a request whose field lines equal those of the former
request on its connection costs 0.9 µs (`former`), and little more where the caller knows them from elsewhere (`read`).
"""

import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from ipaddress import AddressValueError, IPv6Address
from typing import ClassVar

from splitter.errors import DownstreamError, SplitterError
from splitter.http1 import tracing
from splitter.http1.fields import (
    CHUNKED,
    FRAMING_RULES,
    HEAD_LIMITS,
    IDENTITY,
    MIRROR,
    TOKEN,
    UNTIL_CLOSE,
    FieldReader,
    HeadLimits,
    client_fault,
    has_underscores,
    ruled_lines,
    stack_fault,
    without,
    without_underscores,
)
from splitter.limits import CONTENT_LENGTH_DIGITS_MAX

BLANK_LINE = b"\r\n\r\n"

_REQUEST_LINE = re.compile(rb"(" + TOKEN + rb"{1,32}+) ([!-\"$-~]++) HTTP/1\.([01])")
_VERSION = re.compile(TOKEN + rb"++ [!-~]++ HTTP/[0-9]\.[0-9]")
_LINE_BYTES_BESIDE_TARGET = 64  # more than a method, a version and the spaces take
_STATUS_LINE = re.compile(rb"HTTP/1\.([01]) ([1-9][0-9][0-9])(?: [\t -~\x80-\xff]*+)?")
_UNFIT = re.compile(rb"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]|(?<!\r)\n|\r[^\n]")  # what no head may hold, bare CR and LF too
_ABSOLUTE = re.compile(rb"(?i:https?)://([^/?]*)(.*)")
_NAME = rb"(?=[^:])[A-Za-z0-9\-._~!$&'()*+,;=]*+(?:%[0-9A-Fa-f]{2}[A-Za-z0-9\-._~!$&'()*+,;=]*+)*+"
_HOST = re.compile(rb"(?:" + _NAME + rb"|\[([0-9A-Fa-f:.]+)\])(?::[0-9]{0,5})?")
_REQUEST_ID = re.compile(rb"[!-~]{1,128}")
_COUNTED = frozenset((b"OPTIONS", b"TRACE"))  # whose hops Max-Forwards counts; for any other method it says nothing


def _claim(name: bytes) -> Callable[["RequestFields", bytes], bool]:
    """Return the rule of a field by which a client says who asks: it is noted, and ends here."""

    def read(fields: "RequestFields", value: bytes) -> bool:
        if value:
            fields.claims += ((name, value),)
        return False

    return read


class RequestFields(FieldReader):
    """What the fields of a request say; `minor` is its HTTP/1 minor version, on which some of it depends.

    `host` is None where there is none, which only HTTP/1.0 may.  `request_id` is the client's, if it is fit to be
    passed on.  `takes_trailers` is `TE: trailers`, `expects_continue` is `Expect: 100-continue`.  `claims` are the
    lines by which the client says who else is behind it, `via` the hops that it names, `traceparent` is None where
    there is none.  `max_forwards` is what it says, unread: it depends on the method.
    """

    __slots__ = (
        "claims",
        "expects_continue",
        "host",
        "max_forwards",
        "minor",
        "persists",
        "request_id",
        "takes_trailers",
        "traceparent",
        "via",
    )

    def __init__(self, block: bytes, minor: int, limits: HeadLimits = HEAD_LIMITS) -> None:
        self.minor = minor
        self.host: str | None = None
        self.request_id: bytes | None = None
        self.takes_trailers = False
        self.expects_continue = False
        self.claims: tuple[tuple[bytes, bytes], ...] = ()
        self.max_forwards: bytes | None = None
        self.via = b""
        self.traceparent: bytes | None = None
        super().__init__(block, limits)
        self.persists = b"close" not in self.options and (minor == 1 or b"keep-alive" in self.options)
        if self.host is None and minor == 1:
            raise self.refuse("there is no Host")
        if self.length == CHUNKED and minor == 0:
            raise self.refuse("Transfer-Encoding in HTTP/1.0")
        if self._has_lost_trace():
            self.kept = without(self.kept, (b"tracestate",))
        if limits.underscores != "keep" and has_underscores(block):
            if limits.underscores == "refuse":
                raise self.refuse("the name of a field has an underscore")
            self.kept = without_underscores(self.kept)

    def refuse(self, message: str) -> SplitterError:
        return client_fault(message)

    def refuse_size(self, message: str) -> SplitterError:
        return DownstreamError(431, "size", message)

    def refuse_coding(self, value: bytes) -> SplitterError:
        if value.lower().endswith(b"chunked") and b"chunked" not in value.lower()[:-7]:
            return DownstreamError(501, "coding", "a transfer coding other than chunked")
        return client_fault("Transfer-Encoding is not just chunked")

    def read_host(self, value: bytes) -> bool:
        self._count(b"host")
        self.host = _checked_host(value)
        return True

    def read_te(self, value: bytes) -> bool:
        codings = [coding.partition(b";")[0].strip().lower() for coding in value.split(b",")]
        self.takes_trailers = self.takes_trailers or b"trailers" in codings
        return False

    def read_expect(self, value: bytes) -> bool:
        if self.minor == 0:  # RFC 9110 §10.1.1: an expectation of HTTP/1.0 is ignored
            return False
        self._count(b"expect")
        if value.lower() != b"100-continue":
            raise DownstreamError(417, "expectation", "an expectation other than 100-continue")
        self.expects_continue = True
        return True

    def read_max_forwards(self, value: bytes) -> bool:
        self.max_forwards = value if self.max_forwards is None else b""  # twice is no number
        return True

    def read_request_id(self, value: bytes) -> bool:
        is_fit = b"x-request-id" not in self._seen and _REQUEST_ID.fullmatch(value)
        self.request_id = value if is_fit else None
        self._seen += (b"x-request-id",)
        return False

    def read_traceparent(self, value: bytes) -> bool:
        self.traceparent = tracing.parent(value) if self.traceparent is None else tracing.INVALID
        return False

    def _has_lost_trace(self) -> bool:
        return self.traceparent == tracing.INVALID

    def read_via(self, value: bytes) -> bool:
        self.via = b"%b,%b" % (self.via, value)
        return True

    RULES: ClassVar[Mapping[bytes, Callable[..., bool]]] = {
        **FRAMING_RULES,
        **{name: _claim(name) for name in IDENTITY},
        b"expect": read_expect,
        b"host": read_host,
        b"max-forwards": read_max_forwards,
        b"te": read_te,
        b"traceparent": read_traceparent,
        b"via": read_via,
        b"x-request-id": read_request_id,
        MIRROR: FieldReader.drop,
    }
    RULED_LINES: ClassVar[re.Pattern[bytes]] = ruled_lines(RULES)


class RequestHead:
    """A request up to its blank line: `target` is what goes to the stack, `path` what routes are matched with.

    `host` is the one that the request is for: the target's own in absolute form, else the field's, else empty.
    `kept` are the field lines that go on, with the Host that is right.
    """

    __slots__ = ("fields", "host", "kept", "method", "path", "target")

    def __init__(self, method: bytes, target: bytes, fields: RequestFields) -> None:
        self.method = method
        self.target = target
        self.fields = fields
        self.host = fields.host or ""
        self.kept = fields.kept
        if target[0] != 47 or method == b"CONNECT":  # "/" is by far the most
            self._read_other_form()
        self.path = self.target.partition(b"?")[0].decode("ascii")
        if fields.max_forwards is not None and method in _COUNTED:
            self._count_hop(fields.max_forwards)

    @property
    def ends_here(self) -> bool:
        """Return whether the client wants no hop beyond this one, so that splitter is to answer (RFC 9110 §7.6.2)."""
        written = self.fields.max_forwards
        return written is not None and self.method in _COUNTED and int(written) == 0

    def _count_hop(self, written: bytes) -> None:
        """Let the request go one hop less far."""
        if not written.isdigit() or len(written) > CONTENT_LENGTH_DIGITS_MAX:
            raise client_fault("Max-Forwards is not one number")
        left = max(0, int(written) - 1)
        self.kept = b"%bMax-Forwards: %d\r\n" % (without(self.kept, (b"max-forwards",)), left)

    def _read_other_form(self) -> None:
        """Read a target in absolute, asterisk or authority form (RFC 9112 §3.2)."""
        if self.method == b"CONNECT":
            raise DownstreamError(405, "method", "CONNECT is not served")
        if self.target == b"*" and self.method == b"OPTIONS":
            return
        absolute = _ABSOLUTE.fullmatch(self.target)
        if absolute is None:
            raise client_fault("the target has no form that its method may have")
        authority, rest = absolute.groups()
        self.host = _checked_host(authority)
        if not rest and self.method == b"OPTIONS":
            self.target = b"*"
        else:
            self.target = rest if rest.startswith(b"/") else b"/" + rest
        self.kept = b"Host: %b\r\n%b" % (authority, without(self.kept, (b"host",)))


class ResponseFields(FieldReader):
    """What the fields of a response say; where nothing says its length, the body ends with the connection."""

    __slots__ = ("has_date",)

    def __init__(self, block: bytes, limits: HeadLimits = HEAD_LIMITS) -> None:
        self.has_date = False
        super().__init__(block, limits)

    def read_date(self, _: bytes) -> bool:
        self.has_date = True
        return True

    RULES: ClassVar[Mapping[bytes, Callable[..., bool]]] = {**FRAMING_RULES, b"date": read_date}
    RULED_LINES: ClassVar[re.Pattern[bytes]] = ruled_lines(RULES)
    LENGTH_UNSAID: ClassVar[int] = UNTIL_CLOSE

    def refuse(self, message: str) -> SplitterError:
        return stack_fault(message)


class ResponseHead:
    """A response up to its blank line: `line` is the status line as HTTP/1.1, without CRLF.

    `minor` is the version that the stack speaks.  `persists`: it keeps its connection open after this response.
    `length` is that of the body that follows (RFC 9112 §6.3), unless the request was HEAD: then there is none.
    `text` is what it was read from, blank line included.  `sent` belongs to `forwarding.response_head`: how it went
    out, and behind which lines of ours; equal heads of a stack are one object.
    """

    __slots__ = ("fields", "length", "line", "minor", "persists", "sent", "status", "text")

    def __init__(self, text: bytes, line: bytes, minor: int, status: int, fields: ResponseFields) -> None:
        self.text = text
        self.sent: tuple[bytes, bytes] | None = None
        self.line = line
        self.minor = minor
        self.status = status
        self.fields = fields
        self.length = 0 if status in (204, 304) else fields.length
        options = fields.options
        self.persists = b"close" not in options and (minor == 1 or b"keep-alive" in options)
        if minor == 0 and fields.length == CHUNKED:
            raise stack_fault("Transfer-Encoding in HTTP/1.0")
        if status < 200 and fields.length != UNTIL_CLOSE:
            raise stack_fault("an interim response with a body")


def request_end(data: bytes, scanned: int, limits: HeadLimits = HEAD_LIMITS) -> int:
    """Return where the blank line of the request head in `data` begins, -1 while it has not come.

    The first `scanned` bytes were looked at before.  Raises DownstreamError for what can become no head.
    """
    end = data.find(BLANK_LINE, scanned - 3 if scanned > 3 else 0)
    if 0 <= end <= limits.head_bytes - 4:
        return end
    if end < 0 and len(data) <= limits.head_bytes:
        if _UNFIT.search(data, max(0, scanned - 1)):
            raise client_fault("the head holds a control byte or a bare CR or LF")
        return -1
    if b"\r\n" not in data[: limits.target_bytes + _LINE_BYTES_BESIDE_TARGET]:
        raise _too_long(limits)
    raise DownstreamError(431, "size", f"a head of more than {limits.head_bytes} bytes")


def parse_request(
    data: bytes,
    end: int,
    former: RequestFields | None = None,
    limits: HeadLimits = HEAD_LIMITS,
    read: Callable[[bytes, int, HeadLimits], RequestFields] = RequestFields,
) -> RequestHead:
    """Return the request head in `data`, whose blank line begins at `end`.

    `former` are the fields of an earlier request; where the lines are equal they are not read again.  Others `read`
    reads, from their lines and minor version.
    Raises DownstreamError, which says the status to answer with.
    """
    line_end = data.find(b"\r\n")
    line = _REQUEST_LINE.fullmatch(data, 0, line_end)
    if line is None:
        raise _refused_line(data[:line_end], limits)
    method, target, digit = line.groups()
    if len(target) > limits.target_bytes:
        raise _too_long(limits)
    block = data[line_end + 2 : end + 2]
    minor = 1 if digit == b"1" else 0
    if former is not None and block == former.block and minor == former.minor:
        fields = former
    else:
        fields = read(block, minor, limits)
    return RequestHead(method, target, fields)


def response_end(data: bytes, scanned: int, limits: HeadLimits = HEAD_LIMITS) -> int:
    """Return where the blank line of the response head in `data` begins, -1 while it has not come.

    The first `scanned` bytes were looked at before.  Raises UpstreamError for what can become no head.
    """
    end = data.find(BLANK_LINE, scanned - 3 if scanned > 3 else 0)
    if 0 <= end <= limits.head_bytes - 4:
        return end
    if end >= 0 or len(data) > limits.head_bytes:
        raise stack_fault(f"a head of more than {limits.head_bytes} bytes")
    if not b"HTTP/1.".startswith(data[:7]) or _UNFIT.search(data, max(0, scanned - 1)):
        raise stack_fault("the response is not HTTP/1")
    return -1


def parse_response(
    data: bytes, end: int, former: ResponseHead | None = None, limits: HeadLimits = HEAD_LIMITS
) -> ResponseHead:
    """Return the response head in `data`, whose blank line begins at `end`.

    `former` is the head of an earlier response: an equal one is that one, and equal field lines are not read again.
    Raises UpstreamError.
    """
    text = data[: end + 4]
    if former is not None and text == former.text:
        return former
    line_end = data.find(b"\r\n")
    line = _STATUS_LINE.fullmatch(data, 0, line_end)
    if line is None:
        raise stack_fault("the status line is not HTTP/1")
    digit, status = line.groups()
    block = data[line_end + 2 : end + 2]
    is_known = former is not None and block == former.fields.block
    fields = former.fields if former is not None and is_known else ResponseFields(block, limits)
    if digit == b"1" and line_end > 12:
        return ResponseHead(text, data[:line_end], 1, int(status), fields)
    # An older version, or no space before an empty reason, which many servers leave out.
    return ResponseHead(text, b"HTTP/1.1 %b %b" % (status, data[13:line_end]), int(digit), int(status), fields)


@lru_cache(maxsize=256)  # few hosts are asked for again and again; at most 8 MiB
def _checked_host(value: bytes) -> str:
    """Return a host, with or without a port, that RFC 3986 §3.2 allows."""
    match = _HOST.fullmatch(value)
    if match is None:
        raise client_fault("Host is not a host and a port")
    if match[1]:
        try:
            IPv6Address(match[1].decode())
        except AddressValueError:
            raise client_fault("Host is not an IPv6 address") from None
    return value.decode("ascii")


def _too_long(limits: HeadLimits) -> DownstreamError:
    return DownstreamError(414, "size", f"a target of more than {limits.target_bytes} bytes")


def _refused_line(line: bytes, limits: HeadLimits) -> DownstreamError:
    """Return why `line` is no request line that is served."""
    if len(line) > limits.target_bytes + _LINE_BYTES_BESIDE_TARGET:
        return _too_long(limits)
    if _VERSION.fullmatch(line) and not line.endswith((b" HTTP/1.0", b" HTTP/1.1")):
        return DownstreamError(505, "version", "only HTTP/1.0 and HTTP/1.1 are served")
    return client_fault("the request line is not method, target and version")
