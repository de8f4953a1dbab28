"""WebSocket frames, as far as a tunnel must know them to say goodbye: where one ends (RFC 6455 §5.2).

A frame of ours can stand only between two of the stack's: anywhere else the client would read it as a part of one.

Cost: 0.6 to 0.8 µs for each frame, whatever its size.  A stack that floods its client with tiny frames shall not take
the time of others, so a piece with very many of them is not counted to its end: what we would say at the end of that
connection is not worth it.
"""

from splitter.limits import FRAMES_PER_PIECE_MAX

CLOSE_GOING_AWAY = b"\x88\x02" + (1001).to_bytes(2, "big")
"""The close frame of a server that goes away (RFC 6455 §7.4.1)."""

_CLOSE = 8
_MASKED = 0x80


class Frames:
    """Counts the frames of one direction as they pass, and never holds payload.

    `has_closed`: a close frame was among them, so nothing may follow.  `is_lost`: there were too many to count, and
    nobody knows any more where one ends.
    """

    __slots__ = ("_header", "_left", "has_closed", "is_lost")

    def __init__(self) -> None:
        self._header = b""  # the beginning of a frame whose length has not all come
        self._left = 0  # of the present frame
        self.has_closed = False
        self.is_lost = False

    @property
    def is_between(self) -> bool:
        """Return whether what has passed ends with a whole frame, or is nothing."""
        return not self._left and not self._header

    def feed(self, data: bytes, *, to_boundary: bool = False) -> int:
        """Count the next bytes of the connection and return how many: all, or only those of the present frame."""
        place, end, begun = 0, len(data), 0
        while place < end:
            if self._left:
                step = min(self._left, end - place)
                self._left -= step
                place += step
            else:
                place = self._begin(data, place)
                begun += 1
                if begun > FRAMES_PER_PIECE_MAX:
                    self.is_lost = True
                    return end
            if to_boundary and self.is_between:
                break
        return place

    def _begin(self, data: bytes, place: int) -> int:
        """Read a frame's header at `place`; return where it ends, or the end of `data` while some is missing."""
        known = len(self._header)
        header = self._header + data[place : place + 14 - known]
        size = header[1] & 0x7F if len(header) > 1 else 0
        extended = {126: 2, 127: 8}.get(size, 0)
        length = 2 + extended + (4 if len(header) > 1 and header[1] & _MASKED else 0)
        if len(header) < length:
            self._header = header
            return len(data)
        self._header = b""
        self._left = int.from_bytes(header[2 : 2 + extended], "big") if extended else size
        self.has_closed = self.has_closed or header[0] & 0x0F == _CLOSE
        return place + length - known
