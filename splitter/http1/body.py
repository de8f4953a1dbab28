"""Bodies: with a length, counted as they pass; in chunks (RFC 9112 §7.1), read strictly and written anew.

Rule 1: what is forwarded was validated: payload is taken out of its chunks and put into chunks of ours, so no peer's
spelling of a size, no extension and no stray byte reaches the other side.
Rule 2: nothing is collected.  At most one chunk line or the trailer section is held, and both are bounded.
Rule 3: bytes behind the end are left alone, in `rest`: they are the next message, or surplus that nobody asked for.

Cost: 1 µs for each chunk.  A chunk is written for each piece that arrives, not for each chunk that was read.
"""

import re
from collections.abc import Container
from enum import IntEnum

from splitter.errors import DownstreamError
from splitter.http1.fields import CHUNKED, Refuse, client_fault, passable_trailers
from splitter.limits import CHUNK_EXTENSION_BYTES_MAX, CHUNK_LINE_BYTES_MAX, CHUNK_SIZE_DIGITS_MAX, TRAILER_BYTES_MAX

LAST_CHUNK = b"0\r\n\r\n"

_CHUNK_LINE = re.compile(rb"([0-9A-Fa-f]{1,%d}+)(?:;[^\x00-\x08\x0a-\x1f\x7f]*+)?" % CHUNK_SIZE_DIGITS_MAX)


class _At(IntEnum):
    SIZE = 0
    PAYLOAD = 1
    PAYLOAD_END = 2
    TRAILERS = 3
    END = 4


class ChunkedBody:
    """Reads a body in chunks, piece by piece.

    Once `is_complete`, `trailers` are the field lines that may pass on and `rest` is what came behind the body.
    `feed` raises what `refuse` makes.  `nominated` are the options of the message's Connection.
    """

    __slots__ = ("_at", "_extension_bytes", "_left", "_nominated", "_partial", "_refuse", "rest", "trailers")

    def __init__(self, refuse: Refuse, nominated: Container[bytes] = ()) -> None:
        self._refuse = refuse
        self._nominated = nominated
        self._at = _At.SIZE
        self._left = 0  # of the payload of the present chunk
        self._extension_bytes = 0  # so far
        self._partial = b""  # the beginning of a line
        self.trailers = b""
        self.rest = b""

    @property
    def is_complete(self) -> bool:
        """Return whether the body has ended."""
        return self._at is _At.END

    def feed(self, data: bytes) -> bytes:
        """Return the payload in `data`, the next bytes of the connection."""
        if self._partial:
            data, self._partial = self._partial + data, b""
        payload = []
        place, end = 0, len(data)
        while place < end and self._at is not _At.END:
            if self._at is _At.PAYLOAD:
                upto = min(place + self._left, end)
                payload.append(data[place:upto])
                self._left -= upto - place
                place = upto
                if not self._left:
                    self._at = _At.PAYLOAD_END
                continue
            after = self._line(data, place)
            if after < 0:
                self._partial = data[place:]
                place = end
            else:
                place = after
        self.rest = data[place:]
        return payload[0] if len(payload) == 1 else b"".join(payload)

    def _line(self, data: bytes, place: int) -> int:
        """Read what stands at `place` between two payloads; return where it ends, -1 while it has not all come."""
        if self._at is _At.SIZE:
            return self._size(data, place)
        if self._at is _At.PAYLOAD_END:
            return self._payload_end(data, place)
        return self._trailers(data, place)

    def _size(self, data: bytes, place: int) -> int:
        end = data.find(b"\r\n", place, place + CHUNK_LINE_BYTES_MAX)
        if end < 0:
            if len(data) - place >= CHUNK_LINE_BYTES_MAX or b"\n" in data[place:]:
                raise self._refuse("a chunk line does not end")
            return -1
        line = _CHUNK_LINE.fullmatch(data, place, end)
        if line is None:
            raise self._refuse("a chunk line is not a hexadecimal size")
        self._extension_bytes += end - line.end(1)
        if self._extension_bytes > CHUNK_EXTENSION_BYTES_MAX:
            raise self._refuse(f"more than {CHUNK_EXTENSION_BYTES_MAX} bytes of chunk extensions")
        self._left = int(line[1], 16)
        self._at = _At.PAYLOAD if self._left else _At.TRAILERS
        return end + 2

    def _payload_end(self, data: bytes, place: int) -> int:
        mark = data[place : place + 2]
        if not b"\r\n".startswith(mark):
            raise self._refuse("a chunk is longer than its size")
        if len(mark) < 2:
            return -1
        self._at = _At.SIZE
        return place + 2

    def _trailers(self, data: bytes, place: int) -> int:
        if data.startswith(b"\r\n", place):
            self._at = _At.END
            return place + 2
        end = data.find(b"\r\n\r\n", place, place + TRAILER_BYTES_MAX)
        if end < 0:
            if len(data) - place >= TRAILER_BYTES_MAX:
                raise self._refuse(f"more than {TRAILER_BYTES_MAX} bytes of trailers")
            return -1
        self.trailers = passable_trailers(data[place : end + 2], self._refuse, self._nominated)
        self._at = _At.END
        return end + 4


class RequestBody:
    """Reads a request's body with a length or in chunks, and says what goes to the stack.

    `rest` is what came behind the body, once it has ended.
    """

    __slots__ = ("_bytes_max", "_chunks", "_left", "_taken", "rest")

    def __init__(self, length: int, bytes_max: int, nominated: Container[bytes] = ()) -> None:
        """Begin; `bytes_max` bounds the payload, 0 does not.  Raises DownstreamError for a length beyond it."""
        if 0 < bytes_max < length:
            raise _too_large(bytes_max)
        self._chunks = ChunkedBody(client_fault, nominated) if length == CHUNKED else None
        self._left = length
        self._taken = 0
        self._bytes_max = bytes_max
        self.rest = b""

    def read(self, data: bytes) -> tuple[bytes, bool]:
        """Return what goes out for `data`, the next bytes of the connection, and whether it is the last.

        Raises DownstreamError for what is no body, or too much of one.
        """
        chunks = self._chunks
        if chunks is None:
            self._left -= len(data)
            if self._left < 0:
                self.rest, data = data[self._left :], data[: self._left]
            return data, self._left <= 0
        payload = chunks.feed(data)
        self._taken += len(payload)
        if 0 < self._bytes_max < self._taken:
            raise _too_large(self._bytes_max)
        if not chunks.is_complete:
            return chunk(payload), False
        self.rest = chunks.rest
        return chunk(payload) + last_chunk(chunks.trailers), True


def chunk(payload: bytes) -> bytes:
    """Return `payload`, which may be empty, as a chunk; of nothing, nothing."""
    return b"%x\r\n%b\r\n" % (len(payload), payload) if payload else b""


def last_chunk(trailers: bytes = b"") -> bytes:
    """Return the end of a body in chunks."""
    return b"0\r\n%b\r\n" % trailers if trailers else LAST_CHUNK


def _too_large(bytes_max: int) -> DownstreamError:
    return DownstreamError(413, "size", f"a body of more than {bytes_max} bytes")
