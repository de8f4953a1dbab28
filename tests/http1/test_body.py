"""Bodies in chunks, fed whole, byte by byte, and with bytes behind them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from splitter.errors import DownstreamError
from splitter.http1.body import ChunkedBody, chunk, last_chunk
from splitter.http1.fields import client_fault
from splitter.limits import CHUNK_EXTENSION_BYTES_MAX, CHUNK_LINE_BYTES_MAX, TRAILER_BYTES_MAX


def read(*pieces: bytes) -> tuple[bytes, ChunkedBody]:
    """Return the payload of a body that comes in `pieces`, and its reader."""
    body = ChunkedBody(client_fault)
    payload = b"".join([body.feed(piece) for piece in pieces])
    return payload, body


def by_byte(data: bytes) -> list[bytes]:
    return [data[place : place + 1] for place in range(len(data))]


class TestRead:
    @pytest.mark.parametrize(
        ("data", "payload"),
        [
            (b"0\r\n\r\n", b""),
            (b"5\r\nhello\r\n0\r\n\r\n", b"hello"),
            (b"5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n", b"hello world"),
            (b"00005\r\nhello\r\n000\r\n\r\n", b"hello"),
            (b"a\r\n0123456789\r\nA\r\n0123456789\r\n0\r\n\r\n", b"01234567890123456789"),
            (b'5;x=y;z="a\tb"\r\nhello\r\n0;last\r\n\r\n', b"hello"),
            (b"2\r\n\r\n\r\n0\r\n\r\n", b"\r\n"),
            (b"1;aaaaaaaaaaaaaaa\r\na\r\n" * 1024 + b"0\r\n\r\n", b"a" * 1024),
        ],
    )
    def test_payload_in_three_ways(self, data: bytes, payload: bytes) -> None:
        """
        The payload is the same whole, byte by byte, and with the next request behind it, which stays.
        """
        for pieces, rest in ([data], b""), (by_byte(data), b""), ([data + b"GET /"], b"GET /"):
            got, body = read(*pieces)

            assert payload == got
            assert body.is_complete
            assert rest == body.rest

    @given(st.lists(st.binary(min_size=1, max_size=50)), st.integers(1, 20))
    def test_reads_what_it_writes(self, payloads: list[bytes], step: int) -> None:
        """
        What `chunk` and `last_chunk` write is read as it was, however it is cut.
        """
        data = b"".join(map(chunk, payloads)) + last_chunk()

        got, body = read(*[data[place : place + step] for place in range(0, len(data), step)])

        assert b"".join(payloads) == got
        assert body.is_complete

    def test_empty_payload_writes_no_chunk(self) -> None:
        """
        An empty chunk would end the body.
        """
        assert chunk(b"") == b""


class TestRefuse:
    @pytest.mark.parametrize(
        "data",
        [
            b"\r\n",
            b"g\r\n",
            b"0x5\r\nhello\r\n",
            b"+5\r\nhello\r\n",
            b"-5\r\nhello\r\n",
            b"5_0\r\n",
            b" 5\r\nhello\r\n",
            b"5 \r\nhello\r\n",
            b"5 ;x\r\nhello\r\n",
            b"5\nhello\n",
            b"5;a\nb\r\nhello\r\n",
            b"5;\x00\r\nhello\r\n",
            b"5;a\rb\r\nhello\r\n",
            b"1000000000000000\r\n",
            b"5\r\nhelloX\r\n",
            b"5\r\nhello\n0\r\n\r\n",
            b"5\r\nhello0\r\n\r\n",
            b"5\r\nhello\rX0\r\n\r\n",
            b"5\r\nhell\r\n0\r\n\r\n",
            b"5;" + b"a" * CHUNK_LINE_BYTES_MAX,
            b"1;aaaaaaaaaaaaaaa\r\na\r\n" * (CHUNK_EXTENSION_BYTES_MAX // 16) + b"1;\r\na\r\n",
            b"0\r\nX : y\r\n\r\n",
            b"0\r\n folded\r\n\r\n",
            b"0\r\nX: a\nY: b\r\n\r\n",
            b"0\r\nX: " + b"a" * TRAILER_BYTES_MAX,
            b"0\r\n" + b"X: y\r\n" * 129 + b"\r\n",
        ],
    )
    def test_no_other_spelling(self, data: bytes) -> None:
        """
        Sizes are hexadecimal digits, lines end in CRLF, and everything is bounded; whole and byte by byte.
        """
        with pytest.raises(DownstreamError):
            read(data)
        with pytest.raises(DownstreamError):
            read(*by_byte(data))


class TestTrailers:
    def test_pass_filtered(self) -> None:
        """
        Trailers pass, but for those that frame, route or authenticate, or that CGI would take for such.
        """
        data = (
            b"0\r\nX-Sum: 1\r\nContent-Length: 5\r\nHost: evil\r\nAuthorization: x\r\nX_Forwarded_For: y\r\n"
            b"Transfer-Encoding: chunked\r\nSet-Cookie: z\r\nX-Sum: 2\r\n\r\n"
        )

        for pieces in [data], by_byte(data):
            _, body = read(*pieces)

            assert body.trailers == b"X-Sum: 1\r\nX-Sum: 2\r\n"
        assert last_chunk(body.trailers) == b"0\r\nX-Sum: 1\r\nX-Sum: 2\r\n\r\n"

    def test_that_connection_nominates_end_here(self) -> None:
        """
        RFC 9110 §7.6.1: what Connection names is removed from the trailers as well.
        """
        body = ChunkedBody(client_fault, {b"x-hop"})

        body.feed(b"0\r\nX-HOP: 1\r\nX-Sum: 2\r\n\r\n")

        assert body.trailers == b"X-Sum: 2\r\n"
