"""Where frames end, however their bytes are cut into pieces."""

import pytest

from splitter.http1.websocket import CLOSE_GOING_AWAY, Frames
from splitter.limits import FRAMES_PER_PIECE_MAX


def frame(payload: bytes, opcode: int = 2, mask: bytes = b"") -> bytes:
    """Return a frame as RFC 6455 §5.2 draws it; the payload is not masked, which nobody here looks at."""
    size, bit = len(payload), 0x80 if mask else 0
    if size < 126:
        length = bytes([bit | size])
    elif size < 2**16:
        length = bytes([bit | 126]) + size.to_bytes(2, "big")
    else:
        length = bytes([bit | 127]) + size.to_bytes(8, "big")
    return bytes([0x80 | opcode]) + length + mask + payload


EXAMPLES = [
    frame(b""),
    frame(b"x" * 125),
    frame(b"x" * 126),
    frame(b"x" * 300),
    frame(b"x" * 70_000),
    frame(b"", mask=b"mask"),
    frame(b"x" * 200, mask=b"mask"),
    frame(b"ping", opcode=9),
]


class TestBoundary:
    @pytest.mark.parametrize("data", EXAMPLES, ids=lambda data: str(len(data)))
    @pytest.mark.parametrize("piece", [1, 2, 3, 13, 1 << 20])
    def test_is_the_end_of_a_frame(self, data: bytes, piece: int) -> None:
        """
        A frame is over with its last byte and not before, in whatever pieces it comes.
        """
        frames = Frames()
        pieces = [data[place : place + piece] for place in range(0, len(data), piece)]

        between = []
        for each in pieces:
            assert frames.feed(each) == len(each)
            between.append(frames.is_between)

        assert between == [False] * (len(pieces) - 1) + [True]

    @pytest.mark.parametrize("data", EXAMPLES, ids=lambda data: str(len(data)))
    def test_is_found_with_bytes_behind_it(self, data: bytes) -> None:
        """
        Asked for the present frame only, what comes behind it is left.
        """
        frames = Frames()
        frames.feed(data[:1])

        assert frames.feed(data[1:] + frame(b"next"), to_boundary=True) == len(data) - 1
        assert frames.is_between

    def test_is_where_nothing_has_passed(self) -> None:
        """
        A connection begins between two frames.
        """
        assert Frames().is_between

    def test_is_found_after_many_frames_in_one_piece(self) -> None:
        """
        Frames in one piece are all counted, and half a frame behind them is seen.
        """
        frames = Frames()

        assert frames.feed(b"".join(EXAMPLES)) == sum(map(len, EXAMPLES))
        assert frames.is_between
        frames.feed(b"".join(EXAMPLES) + b"\x82")
        assert not frames.is_between

    def test_is_given_up_in_a_flood(self) -> None:
        """
        Tiny frames by the thousands in one piece are not counted to their end.
        """
        frames = Frames()
        some = frame(b"") * FRAMES_PER_PIECE_MAX

        assert frames.feed(some) == len(some)
        assert not frames.is_lost
        assert frames.feed(some + frame(b"")) == len(some) + 2
        assert frames.is_lost


class TestClose:
    def test_is_seen(self) -> None:
        """
        After a close frame of the stack it is known that nothing may follow.
        """
        frames = Frames()
        frames.feed(frame(b"hello"))
        assert not frames.has_closed

        frames.feed(frame((1000).to_bytes(2, "big"), opcode=8))

        assert frames.has_closed

    def test_frame_of_ours_is_one(self) -> None:
        """
        What splitter sends is a whole close frame with the code 1001.
        """
        frames = Frames()
        frames.feed(CLOSE_GOING_AWAY)

        assert frames.is_between
        assert frames.has_closed
        assert frame((1001).to_bytes(2, "big"), opcode=8) == CLOSE_GOING_AWAY
