"""h11 as a second opinion: what we accept it accepts, in the same way, and what we write it reads as we meant it."""

import contextlib
import re

import h11
from hypothesis import example, given
from hypothesis import strategies as st

from splitter.errors import DownstreamError, UpstreamError
from splitter.http1 import forwarding
from splitter.http1.body import ChunkedBody, chunk, last_chunk
from splitter.http1.fields import CHUNKED, HOP_BY_HOP, IDENTITY, PROTECTED, UNTIL_CLOSE, stack_fault
from splitter.http1.head import RequestHead, ResponseHead, parse_request, parse_response, request_end, response_end
from splitter.http1.identity import Peer

PEER = Peer("192.0.2.1", "127.0.0.1", 80, "http", is_trusted=False)
TOKEN = "!#$%&'*+-.^_`|~0123456789ABCXYZabcxyz"
NAMES = st.sampled_from(
    ["Accept", "Cookie", "X-A", "x_b", "Connection", "Keep-Alive", "Upgrade", "X-Forwarded-For", "Via", "TE", "Range"]
) | st.text(TOKEN, min_size=1, max_size=12)
VALUES = st.text('abc \t,;="/:\x80\xff', max_size=20) | st.sampled_from(["close", "keep-alive", "trailers", "x-a"])
LINES = st.lists(st.tuples(NAMES, VALUES), max_size=8)
FRAMING = st.sampled_from([b"", b"Content-Length: 3\r\n", b"Transfer-Encoding: chunked\r\n"])
CLAIMS = st.sampled_from(["X-Forwarded-For", "x-forwarded-for", "Forwarded", "X-Forwarded-Proto", "X_Forwarded_For"])
BANNED = {
    *(b"authorization", b"cache-control", b"content-encoding", b"content-range", b"content-type", b"cookie"),
    *(b"expect", b"max-forwards", b"range", b"set-cookie", b"trailer", b"www-authenticate"),
}
METHODS = st.sampled_from([b"GET", b"HEAD", b"POST", b"PUT", b"DELETE", b"X-OWN"])
TARGETS = st.text("/abc?=&%.;~|[]", max_size=20).map(lambda text: b"/" + text.encode())
OURS = re.compile(rb"via|x-request-id|x-forwarded-.*|forwarded|connection|te|transfer-encoding")


def block(lines: list[tuple[str, str]]) -> bytes:
    return b"".join(name.encode() + b": " + value.encode("latin-1") + b"\r\n" for name, value in lines)


def request(data: bytes) -> RequestHead | None:
    try:
        return parse_request(data, request_end(data, 0))
    except DownstreamError:
        return None


def response(data: bytes) -> ResponseHead | None:
    try:
        return parse_response(data, response_end(data, 0))
    except UpstreamError:
        return None


def seen_by_server(data: bytes) -> tuple[h11.Request, bytes]:
    """Return the request that an h11 server reads, and its body."""
    peer = h11.Connection(h11.SERVER)
    peer.receive_data(data)
    head = peer.next_event()
    assert isinstance(head, h11.Request)
    body = b""
    while isinstance(event := peer.next_event(), h11.Data):
        body += event.data
    assert isinstance(event, h11.EndOfMessage)
    return head, body


def end_to_end(headers: h11._headers.Headers) -> list[tuple[bytes, bytes]]:
    """Return the fields that neither end at a hop nor are ours."""
    return [(name, value) for name, value in headers.raw_items() if not OURS.fullmatch(name.lower())]


class TestRequests:
    @given(METHODS, TARGETS, LINES, FRAMING)
    @example(b"GET", b"/", [("Connection", "x-a"), ("X-A", "gone")], b"")
    @example(b"GET", b"/", [("Range", "a"), ("Range", "a")], b"Content-Length: 3\r\n")
    def test_what_goes_out_is_read_as_it_came_in(
        self, method: bytes, target: bytes, lines: list[tuple[str, str]], framing: bytes
    ) -> None:
        """
        A server sees the client's method, target, fields and body, and nothing that the client could not mean.
        """
        data = method + b" " + target + b" HTTP/1.1\r\nHost: shop\r\n" + framing + block(lines) + b"\r\n"
        head = request(data)
        if head is None:
            return
        fields = forwarding.request_fields(head, PEER, b"splitter-1")
        body = {0: b"", 3: b"abc", CHUNKED: chunk(b"abc") + last_chunk()}[head.fields.length]

        seen, payload = seen_by_server(forwarding.request_head(forwarding.request_start(head, fields), b"id") + body)

        gone = HOP_BY_HOP | IDENTITY | head.fields.options
        sent = [(b"Host", b"shop")]
        sent += [(b"Content-Length", b"3")] if head.fields.length == 3 else []
        sent += [
            (name.encode(), value.encode("latin-1").strip(b" \t"))
            for name, value in lines
            if name.lower().encode() not in gone and not OURS.fullmatch(name.lower().encode())
        ]
        assert seen.method == method
        assert seen.target == target
        assert end_to_end(seen.headers) == sent
        assert payload == (b"abc" if framing else b"")
        assert [value for name, value in seen.headers if name == b"x-forwarded-for"] == [b"192.0.2.1"]

    @given(st.lists(st.tuples(CLAIMS, VALUES), max_size=6), st.booleans())
    @example([("X-Forwarded-For", "203.0.113.7"), ("Forwarded", 'for="[::1]"')], True)
    def test_claims_are_read_as_they_came_in_or_not_at_all(self, lines: list[tuple[str, str]], trusted: bool) -> None:
        """
        Each field that says who asks goes out once; ours is its last element, and a trusted peer's are before it.
        """
        head = request(b"GET / HTTP/1.1\r\nHost: shop\r\n" + block(lines) + b"TE: trailers\r\n\r\n")
        assert head is not None
        peer = Peer("192.0.2.1", "127.0.0.1", 80, "http", is_trusted=trusted)
        fields = forwarding.request_fields(head, peer, b"splitter-1")
        trace = forwarding.trace_line(b"", b"1" * 48)

        seen, _ = seen_by_server(forwarding.request_head(forwarding.request_start(head, fields), b"id", trace))

        said = dict(seen.headers)
        assert len(said) == len(list(seen.headers))
        for name, ours in ((b"x-forwarded-for", b"192.0.2.1"), (b"forwarded", b'for=192.0.2.1;proto=http;host="shop"')):
            claimed = [value.encode("latin-1").strip(b" \t") for each, value in lines if each.lower().encode() == name]
            before = b", ".join(filter(None, claimed)) if trusted else b""
            assert said[name] == (before + b", " + ours if before else ours)

    @given(st.binary(max_size=60))
    @example(b"Content-Length: 1\r\nContent-Length: 1\r\n")
    def test_accepts_nothing_that_h11_refuses(self, noise: bytes) -> None:
        """
        Whatever stands between two good lines: where h11 sees no request, neither do we.
        """
        data = b"GET / HTTP/1.1\r\nHost: shop\r\n" + noise + b"\r\nAccept: a\r\n\r\n"
        end = None
        with contextlib.suppress(DownstreamError):
            end = request_end(data, 0)
        head = request(data[: end + 4]) if end is not None and end >= 0 else None
        if head is None or head.fields.length:
            return

        seen, _ = seen_by_server(data[: end + 4] if end is not None else data)

        assert seen.target == b"/"


class TestResponses:
    @given(st.integers(200, 599), LINES, FRAMING, METHODS)
    def test_what_goes_out_is_read_as_it_came_in(
        self, status: int, lines: list[tuple[str, str]], framing: bytes, method: bytes
    ) -> None:
        """
        A client sees the stack's status, fields and body.
        """
        data = b"HTTP/1.1 %d Fine\r\n%b%b\r\n" % (status, framing, block(lines))
        head = response(data)
        if head is None:
            return
        length = 0 if method == b"HEAD" else head.length
        is_chunked = length in (CHUNKED, UNTIL_CLOSE)
        out = forwarding.response_head(head, forwarding.PERSIST, b"Date: now\r\n", is_chunked=is_chunked)
        payload = b"abc" if length else b""
        out += chunk(payload) + last_chunk() if is_chunked else payload

        peer = h11.Connection(h11.CLIENT)
        peer.send(h11.Request(method=method, target="/", headers=[("Host", "shop")]))
        peer.send(h11.EndOfMessage())
        peer.receive_data(out)
        seen = peer.next_event()
        assert isinstance(seen, h11.Response)
        got = b""
        while isinstance(event := peer.next_event(), h11.Data):
            got += event.data

        assert isinstance(event, h11.EndOfMessage)
        assert seen.status_code == status
        assert got == payload
        gone = HOP_BY_HOP | head.fields.options | {b"via", b"date"}
        sent = [(b"Content-Length", b"3")] if framing.startswith(b"C") else []
        sent += [
            (name.encode(), value.encode("latin-1").strip(b" \t"))
            for name, value in lines
            if name.lower().encode() not in gone
        ]
        assert [(name, value) for name, value in seen.headers.raw_items() if name.lower() not in gone] == sent
        assert [value for name, value in seen.headers if name == b"date"] == [b"now"]

    @given(st.integers(102, 199), LINES)
    def test_interim_goes_out_as_it_came_in(self, status: int, lines: list[tuple[str, str]]) -> None:
        """
        A client sees an interim response with its fields, and waits on.
        """
        head = response(b"HTTP/1.1 %d Hints\r\n%b\r\n" % (status, block(lines)))
        if head is None:
            return

        peer = h11.Connection(h11.CLIENT)
        peer.send(h11.Request(method="GET", target="/", headers=[("Host", "shop")]))
        peer.send(h11.EndOfMessage())
        peer.receive_data(forwarding.interim_head(head))

        seen = peer.next_event()
        assert isinstance(seen, h11.InformationalResponse)
        assert seen.status_code == status
        gone = HOP_BY_HOP | head.fields.options | {b"via"}
        assert [name for name, _ in seen.headers.raw_items() if name.lower() not in gone] == [
            name.encode() for name, _ in lines if name.lower().encode() not in gone
        ]
        assert peer.next_event() is h11.NEED_DATA

    @given(LINES)
    @example([("X-Sum", "1"), ("Content-Length", "5"), ("Set-Cookie", "a"), ("X_Forwarded_For", "b"), ("x-sum", "2")])
    def test_trailers_go_out_as_they_came_in(self, lines: list[tuple[str, str]]) -> None:
        """
        Trailers that frame, route or identify are gone, and the others are read as they were.
        """
        body = ChunkedBody(stack_fault)
        payload = body.feed(b"3\r\nabc\r\n0\r\n" + block(lines) + b"\r\n")

        peer = h11.Connection(h11.SERVER)
        peer.receive_data(b"PUT / HTTP/1.1\r\nHost: shop\r\nTransfer-Encoding: chunked\r\n\r\n")
        peer.receive_data(chunk(payload) + last_chunk(body.trailers))
        peer.next_event()
        data = peer.next_event()
        end = peer.next_event()

        assert isinstance(data, h11.Data)
        assert bytes(data.data) == b"abc"
        assert isinstance(end, h11.EndOfMessage)
        assert [(name, value) for name, value in end.headers.raw_items()] == [
            (name.encode(), value.encode("latin-1").strip(b" \t"))
            for name, value in lines
            if name.lower().replace("_", "-").encode() not in HOP_BY_HOP | PROTECTED | BANNED
        ]

    @given(st.lists(st.binary(min_size=1, max_size=30), max_size=6))
    def test_chunks_of_h11_are_read(self, payloads: list[bytes]) -> None:
        """
        What h11 writes in chunks is read to the same payload.
        """
        peer = h11.Connection(h11.SERVER)
        peer.receive_data(b"GET / HTTP/1.1\r\nHost: shop\r\n\r\n")
        peer.next_event()
        peer.next_event()
        wire = peer.send(h11.Response(status_code=200, headers=[("Transfer-Encoding", "chunked")]))
        pieces = [peer.send(h11.Data(data=payload)) for payload in payloads] + [peer.send(h11.EndOfMessage())]
        body = ChunkedBody(stack_fault)

        got = b"".join(body.feed(piece) for piece in pieces if piece)

        assert wire
        assert got == b"".join(payloads)
        assert body.is_complete
