"""Field lines: their grammar, the fields that say how a message is framed, and those that end at the next hop.

Rule 1: reject, never repair (RFC 9112 §2.2, §5).  A line ends in CRLF, a name is a token right before its colon, a
value holds no control byte but HTAB; folded lines are refused.
Rule 2: what is kept is kept as it came: order, case, duplicates, white space (RFC 9110 §7.7).
Rule 3: the framing of a message is one number, `length`, and follows from its fields alone, never from method, path or
an expectation (RFC 9112 §6.3).  Whatever says it twice is refused, also when both agree.
Rule 4: `Connection` nominates away end-to-end fields only.  A message that nominates what frames or routes it, or what
splitter itself writes, is refused: nobody does that in good faith.

Requests and responses differ in who is at fault, so each reader says what it raises (`refuse`).
"""

import re
from collections.abc import Callable, Container, Iterable, Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal, TypeAlias

from splitter.errors import DownstreamError, SplitterError, UpstreamError
from splitter.limits import (
    CONTENT_LENGTH_DIGITS_MAX,
    FIELD_BYTES_MAX,
    HEAD_BYTES_MAX,
    HEAD_FIELDS_MAX,
    TARGET_BYTES_MAX,
)

CHUNKED = -1
"""As a length: the body is in chunks."""
UNTIL_CLOSE = -2
"""As a length: the body ends with the connection (responses only)."""

TOKEN = rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]"
_FIELDS = re.compile(rb"(?:" + TOKEN + rb"++:[^\x00-\x08\x0a-\x1f\x7f]*+\r\n)*+")
_TOKEN = re.compile(TOKEN + rb"+")
_UNDERSCORED = re.compile(rb"^[^:_\n]*+_", re.MULTILINE)
_OWS = b" \t"


Underscores: TypeAlias = Literal["keep", "drop", "refuse"]
"""What becomes of a request's fields whose names have underscores, which CGI reads as it does dashes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HeadLimits:
    """How much a head may hold, its blank line included.  Beyond it a request is 414 or 431, a response 502.

    Whatever `underscores` says, a name that differs from one with a rule by underscores alone is never kept.
    """

    head_bytes: int = HEAD_BYTES_MAX
    fields: int = HEAD_FIELDS_MAX
    field_bytes: int = FIELD_BYTES_MAX
    target_bytes: int = TARGET_BYTES_MAX
    underscores: Underscores = "keep"


HEAD_LIMITS = HeadLimits()

Refuse = Callable[[str], SplitterError]
"""Makes the error that a message of this kind ends with."""

HOP_BY_HOP = frozenset(
    (
        b"connection",
        b"http2-settings",
        b"keep-alive",
        b"proxy-authenticate",
        b"proxy-authorization",
        b"proxy-connection",
        b"te",
        b"transfer-encoding",
        b"upgrade",
    )
)
IDENTITY = frozenset(
    (b"forwarded", b"x-forwarded-for", b"x-forwarded-host", b"x-forwarded-port", b"x-forwarded-proto", b"x-request-id")
)
"""Fields by which splitter tells a stack who asks."""

MIRROR = b"x-splitter-mirror"
"""The field that marks a copy; a client's own is dropped, or it could make a stack take its request for one."""

PROTECTED = IDENTITY | {MIRROR, b"content-length", b"host", b"traceparent", b"transfer-encoding", b"via"}
"""Fields that no client may nominate away or shadow by a name with underscores."""

_NO_OPTIONS: frozenset[bytes] = frozenset()
_CONNECTION_OPTIONS = HOP_BY_HOP | {b"close"}  # that name no end-to-end field
_COMMON_OPTIONS = {value: frozenset((value.lower(),)) for value in (b"keep-alive", b"Keep-Alive", b"close", b"Close")}

_NOT_IN_TRAILERS = HOP_BY_HOP | PROTECTED
_NOT_IN_TRAILERS |= {b"authorization", b"cache-control", b"content-encoding", b"content-range", b"content-type"}
_NOT_IN_TRAILERS |= {b"cookie", b"expect", b"max-forwards", b"range", b"set-cookie", b"trailer", b"www-authenticate"}


def client_fault(message: str) -> DownstreamError:
    """Return what a request that is not HTTP ends with."""
    return DownstreamError(400, "syntax", message)


def stack_fault(message: str) -> UpstreamError:
    """Return what a response that is not HTTP ends with."""
    return UpstreamError("protocol", message)


def without(block: bytes, names: Container[bytes]) -> bytes:
    """Return the field lines of `block` whose names, in lower case, are not in `names`."""
    lines = block.splitlines(keepends=True)
    return b"".join([line for line in lines if line.partition(b":")[0].lower() not in names])


def has_underscores(block: bytes) -> bool:
    """Return whether the name of a field of `block` has an underscore."""
    return _UNDERSCORED.search(block) is not None


def without_underscores(block: bytes) -> bytes:
    """Return the field lines of `block` whose names have no underscores."""
    lines = block.splitlines(keepends=True)
    return b"".join([line for line in lines if b"_" not in line.partition(b":")[0]])


def value_of(block: bytes, name: bytes) -> bytes:
    """Return the value of the first field `name`, in lower case, of a block that was read; empty: there is none."""
    lines = b"\n" + block.lower()
    start = lines.find(b"\n%b:" % name)
    return block[start + len(name) + 1 : block.find(b"\r", start)].strip(_OWS) if start >= 0 else b""


def is_fields(block: bytes) -> bool:
    """Return whether `block` is nothing but field lines, each with its CRLF."""
    return _FIELDS.fullmatch(block) is not None


def passable_trailers(block: bytes, refuse: Refuse, nominated: Container[bytes]) -> bytes:
    """Return the lines of a trailer section that may pass: none that frames, routes or authenticates (RFC 9110 §6.5.1).

    None that Connection nominates passes either (§7.6.1).  Raises what `refuse` makes for lines that are not fields.
    """
    if not is_fields(block):
        raise refuse("a trailer line is not a field")
    lines = block.splitlines(keepends=True) if block else []
    if len(lines) > HEAD_FIELDS_MAX:
        raise refuse(f"more than {HEAD_FIELDS_MAX} trailers")
    return b"".join([line for line in lines if _may_trail(line.partition(b":")[0].lower(), nominated)])


def _may_trail(name: bytes, nominated: Container[bytes]) -> bool:
    return name not in nominated and name.replace(b"_", b"-") not in _NOT_IN_TRAILERS


class FieldReader:
    """Reads one block of field lines and is what they say.  Never changed after it is made.

    `kept` holds the end-to-end lines, each with its CRLF; `length` counts body bytes, or is CHUNKED, or the class's
    own value where no field says anything; `options` are the tokens of Connection, in lower case.  `upgrade` is what
    Upgrade says, which ends at this hop.
    """

    __slots__ = ("_nominates", "_seen", "block", "kept", "length", "options", "upgrade")

    RULES: ClassVar[Mapping[bytes, Callable[..., bool]]] = {}
    RULED_LINES: ClassVar[re.Pattern[bytes]]
    LENGTH_UNSAID: ClassVar[int] = 0

    def __init__(self, block: bytes, limits: HeadLimits = HEAD_LIMITS) -> None:
        self.block = block
        self.length = self.LENGTH_UNSAID
        self.options = _NO_OPTIONS
        self.upgrade = b""
        self._nominates = False  # fields that are not hop-by-hop anyway
        self._seen: tuple[bytes, ...] = ()  # of the fields that may come once only
        self.kept = self._read(block, limits)

    def refuse(self, message: str) -> SplitterError:
        """Return what a message with such fields ends with."""
        raise NotImplementedError

    def refuse_size(self, message: str) -> SplitterError:
        """Return what a message with so many or so large fields ends with."""
        return self.refuse(message)

    def _read(self, block: bytes, limits: HeadLimits) -> bytes:
        """Return the lines that go on to the next hop.

        Only the lines with a rule are looked at one by one, and the others are copied in whole runs: 0.1 µs for a
        field that nobody is interested in.
        """
        if _FIELDS.fullmatch(block) is None:
            raise self.refuse("a header line is not a field")
        if block.count(b"\n") > limits.fields:
            raise self.refuse_size(f"more than {limits.fields} fields")
        most = limits.field_bytes
        if len(block) > most and max(map(len, block.split(b"\r\n"))) > most:
            raise self.refuse_size(f"a field of more than {most} bytes")
        rules, runs, run = self.RULES, [], 0
        for line in self.RULED_LINES.finditer(b"\n" + block.lower()):  # so a match begins where its line does in block
            start, end = line.span(2)
            rule = rules.get(line[1])
            if rule is None or not rule(self, block[start - 1 : end - 1].strip(_OWS)):
                runs.append(block[run : line.start()])
                run = end + 1
        kept = b"".join([*runs, block[run:]]) if runs else block
        if self._nominates:
            kept = without(kept, self.options)
        return kept

    def _count(self, name: bytes) -> None:
        """Note a field that may come once only."""
        if name in self._seen:
            raise self.refuse(f"{name.decode()} comes twice")
        self._seen += (name,)

    # Rules: read one value, and return whether the line goes on to the next hop.

    def drop(self, _: bytes) -> bool:
        return False

    def read_connection(self, value: bytes) -> bool:
        common = _COMMON_OPTIONS.get(value)
        if common is not None and not self.options:  # the usual case
            self.options = common
            return False
        options = frozenset(filter(None, (option.strip(_OWS).lower() for option in value.split(b","))))
        for option in options:
            if not _TOKEN.fullmatch(option):
                raise self.refuse("an option of Connection is not a token")
            if option in PROTECTED:
                raise self.refuse(f"Connection nominates {option.decode()}")
        self.options |= options
        if not options <= _CONNECTION_OPTIONS:
            self._nominates = True
        return False

    def read_upgrade(self, value: bytes) -> bool:
        self.upgrade = b"%b,%b" % (self.upgrade, value) if self.upgrade else value
        return False

    def read_content_length(self, value: bytes) -> bool:
        self._count(b"content-length")
        if b"transfer-encoding" in self._seen:
            raise self.refuse("both Content-Length and Transfer-Encoding")
        if not value.isdigit() or len(value) > CONTENT_LENGTH_DIGITS_MAX:
            raise self.refuse(f"Content-Length is not one number of at most {CONTENT_LENGTH_DIGITS_MAX} digits")
        self.length = int(value)
        return True

    def read_transfer_encoding(self, value: bytes) -> bool:
        self._count(b"transfer-encoding")
        if b"content-length" in self._seen:
            raise self.refuse("both Content-Length and Transfer-Encoding")
        if value.lower() != b"chunked":
            raise self.refuse_coding(value)
        self.length = CHUNKED
        return False

    def refuse_coding(self, _: bytes) -> SplitterError:
        """Return what a message with a transfer coding other than chunked ends with."""
        return self.refuse("Transfer-Encoding is not just chunked")


FRAMING_RULES: Mapping[bytes, Callable[..., bool]] = {
    **dict.fromkeys(HOP_BY_HOP, FieldReader.drop),
    b"connection": FieldReader.read_connection,
    b"content-length": FieldReader.read_content_length,
    b"transfer-encoding": FieldReader.read_transfer_encoding,
    b"upgrade": FieldReader.read_upgrade,
}
"""What requests and responses have in common."""


def ruled_lines(names: Iterable[bytes]) -> re.Pattern[bytes]:
    """Return what finds the lines that have a rule, in lower case, each behind the end of the line before it.

    Names that differ in underscores alone are found as well, and have no rule: they are dropped, as CGI makes one
    variable of both.
    """
    spellings = [re.escape(name).replace(rb"\-", b"[-_]") for name in sorted(names)]
    return re.compile(rb"\n(" + b"|".join(spellings) + rb"):([^\r]*+)")
