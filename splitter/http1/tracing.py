"""W3C trace context: splitter is a hop of its own in a trace (https://www.w3.org/TR/trace-context/, §3).

A valid `traceparent` keeps its trace and gets a new parent: whoever receives a request, or the copy of one, is a child
of its own.  An invalid one is replaced by a new trace that is not sampled, and the `tracestate` beside it, part of a
trace that cannot be read, is dropped.  A request without one goes on without.

The dice are thrown by the caller.
"""

import re

# A later version may have more behind a dash.
_FIELD = re.compile(rb"(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}(?:-[!-~]*)?")
_FLAGS = 0b11  # sampled, random trace id; the others are not ours to pass on (§3.2.2.5)

INVALID = b""
"""As a parent: one that cannot be read."""


def parent(value: bytes) -> bytes:
    """Return `value` if it is a traceparent, else INVALID."""
    if _FIELD.fullmatch(value) is None or (value.startswith(b"00") and len(value) != 55):
        return INVALID
    return value


def child(parent: bytes, dice: bytes) -> bytes:
    """Return the traceparent of a child of `parent`; `dice` are 48 random hexadecimal digits."""
    if parent == INVALID:
        return b"00-%b-%b-00" % (dice[:32], dice[32:])
    return b"00-%b-%b-%02x" % (parent[3:35], dice[32:], int(parent[53:55], 16) & _FLAGS)
