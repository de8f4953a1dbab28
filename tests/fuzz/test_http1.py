"""Heads and bodies from mutated messages: where they are cut changes nothing, and h11 reads what goes out as meant.

A hundred examples of each in the suite, the same ones every time; `make fuzz` looks for new ones.
"""

import re

import h11
from hypothesis import example, given, settings
from hypothesis import strategies as st

from splitter.errors import DownstreamError
from splitter.http1.body import ChunkedBody
from splitter.http1.fields import client_fault
from splitter.http1.head import RequestHead
from tests.fuzz.reading import Request, Response, requests, response
from tests.proxy.corpus import BEHIND, REQUESTS, RESPONSES

fixed = settings(derandomize=settings().max_examples == 100)

FRAGMENTS = st.sampled_from(
    [
        *(bytes([code]) for code in b"\x00\t\n\x0b\r !\"%*+,-./0159:;=?@AZ_az\x7f\x80\xff"),
        b"\r\n",
        b"\r\n\r\n",
        b"0\r\n\r\n",
        b"5\r\nhello\r\n",
        b"5;x=\"y\"\r\nhello\r\n",
        b"Content-Length: 5\r\n",
        b"Content-Length: 0\r\n",
        b"Transfer-Encoding: chunked\r\n",
        b"Connection: close\r\n",
        b"Connection: X-A, keep-alive\r\n",
        b"X-A: \xe4\r\n",
        b"Host: shop\r\n",
        b"Host: [::1]:80\r\n",
        b"TE: trailers\r\n",
        b"Expect: 100-continue\r\n",
        b"X-Forwarded-For: 10.0.0.1\r\n",
        b"traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\r\n",
        b"Date: now\r\n",
        b"HTTP/1.0",
        b"HTTP/1.1",
        b"HTTP/1.1 100 Continue\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n",
        BEHIND,
    ]
)  # fmt: skip
FRAMES = re.compile(rb"(?i)content-length|transfer-encoding")
EDITS = st.lists(st.tuples(st.floats(0, 1), st.integers(0, 6), FRAGMENTS | st.just(b"")), max_size=3)
CUTS = st.lists(st.floats(0, 1), max_size=5)


def edited(data: bytes, edits: list[tuple[float, int, bytes]]) -> bytes:
    """Return `data` where, at each place, so many bytes are replaced by a fragment."""
    for share, count, fragment in edits:
        place = round(share * len(data))
        data = data[:place] + fragment + data[place + count :]
    return data


def cut(data: bytes, cuts: list[float]) -> list[bytes]:
    """Return `data` in pieces; without cuts byte by byte."""
    places = sorted({0, len(data), *(round(share * len(data)) for share in cuts)}) if cuts else range(len(data) + 1)
    return [data[start:end] for start, end in zip(places, list(places)[1:], strict=False)]


SENT_BY_CLIENTS = st.builds(edited, st.sampled_from([case.data + BEHIND for case in REQUESTS]), EDITS)
SENT_BY_STACKS = st.builds(edited, st.sampled_from([case.data for case in RESPONSES]), EDITS)
CHUNKED_BODIES = st.builds(
    edited, st.sampled_from([b"5\r\nhello\r\n0\r\n\r\n", b"1\r\na\r\n0\r\nX-Sum: 1\r\n\r\n"]), EDITS
)


class TestRequests:
    @fixed
    @given(SENT_BY_CLIENTS, CUTS)
    def test_do_not_depend_on_where_they_are_cut(self, data: bytes, cuts: list[float]) -> None:
        """
        The same requests come of the same bytes in however many pieces, and a refusal of a refusal; which of two faults
        in one head it names is not said.
        """
        whole, status = requests([data])

        pieces, status_in_pieces = requests(cut(data, cuts))

        assert bool(status) == bool(status_in_pieces)
        assert [described(each) for each in whole if each.is_complete] == [
            described(each) for each in pieces if each.is_complete
        ]

    @fixed
    @given(SENT_BY_CLIENTS, CUTS)
    @example(BEHIND * 3, [0.5])
    def test_go_out_as_they_were_meant(self, data: bytes, cuts: list[float]) -> None:
        """
        One h11 server behind us reads exactly the requests that we have read: as many, with these bodies.
        """
        sent, _ = requests(cut(data, cuts))
        sent = [each for each in sent if each.is_complete]
        if not sent:
            return

        server = h11.Connection(h11.SERVER, max_incomplete_event_size=2**20)
        server.receive_data(b"".join(each.out for each in sent))
        for each in sent:
            head = server.next_event()
            assert isinstance(head, h11.Request)
            assert (head.method, head.target) == (each.head.method, each.head.target)
            assert [value for name, value in head.headers if name == b"x-forwarded-for"] == [b"192.0.2.1"]
            while isinstance(event := server.next_event(), h11.Data):
                pass
            assert isinstance(event, h11.EndOfMessage)
            server.send(h11.Response(status_code=200, headers=[("Content-Length", "0")]))
            server.send(h11.EndOfMessage())
            server.start_next_cycle()
        assert server.next_event() is h11.NEED_DATA


class TestResponses:
    @fixed
    @given(SENT_BY_STACKS, CUTS)
    def test_do_not_depend_on_where_they_are_cut(self, data: bytes, cuts: list[float]) -> None:
        """
        The same answer, or the same failure, comes of the same bytes, in however many pieces.
        """
        whole, in_pieces = response([data]), response(cut(data, cuts))

        assert (whole is None) == (in_pieces is None)
        if whole is not None and in_pieces is not None:
            assert whole.is_complete == in_pieces.is_complete
            assert heard(whole) == heard(in_pieces)

    @fixed
    @given(SENT_BY_STACKS, CUTS)
    def test_go_out_as_they_were_meant(self, data: bytes, cuts: list[float]) -> None:
        """
        An h11 client reads one final answer with the stack's status, and nothing behind it.
        """
        sent = response(cut(data, cuts))
        if sent is None or sent.head.status == 101:
            return

        status, _, is_complete = heard(sent)

        assert status == sent.head.status
        assert is_complete == sent.is_complete


class TestChunks:
    @fixed
    @given(CHUNKED_BODIES, CUTS)
    def test_do_not_depend_on_where_they_are_cut(self, data: bytes, cuts: list[float]) -> None:
        """
        Payload, trailers and what is left over, or the refusal, come of the same bytes in however many pieces.
        """
        assert unchunked([data]) == unchunked(cut(data, cuts))

    @fixed
    @given(CHUNKED_BODIES)
    def test_are_what_h11_reads(self, data: bytes) -> None:
        """
        A body that is complete for us is complete for h11, with the same payload and the same rest.
        """
        mine = unchunked([data])
        if mine is None or not mine[3] or FRAMES.search(data):  # h11 reads such trailers, where we drop them
            return

        peer = h11.Connection(h11.SERVER)
        peer.receive_data(b"POST / HTTP/1.1\r\nHost: shop\r\nTransfer-Encoding: chunked\r\n\r\n" + data)
        assert isinstance(peer.next_event(), h11.Request)
        payload = b""
        while isinstance(event := peer.next_event(), h11.Data):
            payload += event.data

        assert isinstance(event, h11.EndOfMessage)
        assert mine[0] == payload
        assert mine[2] == peer.trailing_data[0]


def described(request: Request) -> tuple[bytes, bytes, bytes, bytes]:
    """Return what a request says, however its body was cut into chunks."""
    head: RequestHead = request.head
    server = h11.Connection(h11.SERVER, max_incomplete_event_size=2**20)
    server.receive_data(request.out)
    server.next_event()
    body = b""
    while isinstance(event := server.next_event(), h11.Data):
        body += event.data
    return head.method, head.target, head.kept, body


def heard(response: Response) -> tuple[int, bytes, bool]:
    """Return the final status and the body that an h11 client reads, and whether that is all; nothing is behind it."""
    client = h11.Connection(h11.CLIENT, max_incomplete_event_size=2**20)
    client.send(h11.Request(method="GET", target="/", headers=[("Host", "shop")]))
    client.send(h11.EndOfMessage())
    client.receive_data(response.out)
    while isinstance(event := client.next_event(), h11.InformationalResponse):
        pass
    assert isinstance(event, h11.Response)
    status, body = event.status_code, b""
    while isinstance(event := client.next_event(), h11.Data):
        body += event.data
    assert client.trailing_data[0] == b"" or not isinstance(event, h11.EndOfMessage)
    return status, body, isinstance(event, h11.EndOfMessage)


def unchunked(pieces: list[bytes]) -> tuple[bytes, bytes, bytes, bool] | None:
    """Return payload, trailers, what is behind, and whether the body has ended; None for what is no body."""
    body = ChunkedBody(client_fault)
    payload = rest = b""
    try:
        for piece in pieces:
            if body.is_complete:
                rest += piece
            else:
                payload += body.feed(piece)
                rest = body.rest if body.is_complete else b""
    except DownstreamError:
        return None
    return payload, body.trailers, rest, body.is_complete
