"""The outgoing heads, line by line."""

import pytest

from splitter.errors import DownstreamError
from splitter.http1 import forwarding
from splitter.http1.head import RequestHead, parse_request, parse_response, request_end, response_end
from splitter.http1.identity import Peer

NAME = b"splitter-1"
DATE = b"Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n"
PARENT = b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def request(data: bytes) -> RequestHead:
    return parse_request(data, request_end(data, 0))


def outgoing(data: bytes) -> list[bytes]:
    """Return the lines that a stack gets for a request of 192.0.2.1 at port 8080."""
    head = request(data)
    peer = Peer("192.0.2.1", "127.0.0.1", 8080, "http", is_trusted=False)
    fields = forwarding.request_fields(head, peer, NAME)
    parent = head.fields.traceparent
    trace = b"" if parent is None else forwarding.trace_line(parent, b"1" * 32 + b"2" * 16)
    start = forwarding.request_start(head, fields)
    return forwarding.request_head(start, head.fields.request_id or b"new", trace).split(b"\r\n")


class TestRequestHead:
    def test_says_who_asks_behind_what_was_sent(self) -> None:
        """
        The client's lines come first as they were, then ours; what the client claimed of itself is gone.
        """
        lines = outgoing(b"GET /a?b HTTP/1.1\r\nhost: shop:80\r\nX-Forwarded-For: 10.0.0.1\r\nAccept:  */*\r\n\r\n")

        assert lines == [
            b"GET /a?b HTTP/1.1",
            b"host: shop:80",
            b"Accept:  */*",
            b"X-Forwarded-For: 192.0.2.1",
            b"X-Forwarded-Proto: http",
            b"X-Forwarded-Port: 8080",
            b"X-Forwarded-Host: shop:80",
            b'Forwarded: for=192.0.2.1;proto=http;host="shop:80"',
            b"Via: 1.1 splitter-1",
            b"X-Request-Id: new",
            b"",
            b"",
        ]

    def test_goes_on_as_http_1_1_with_a_host(self) -> None:
        """
        A request of HTTP/1.0 without a Host gets the address that it came to.
        """
        lines = outgoing(b"GET / HTTP/1.0\r\n\r\n")

        assert lines[:2] == [b"GET / HTTP/1.1", b"Host: 127.0.0.1:8080"]
        assert b"X-Forwarded-Host: 127.0.0.1:8080" in lines
        assert b"Via: 1.0 splitter-1" in lines

    def test_framing_is_ours(self) -> None:
        """
        Content-Length passes as it came; chunks are announced by us, in one spelling.
        """
        counted = outgoing(b"PUT / HTTP/1.1\r\nHost: shop\r\ncontent-length: 007\r\n\r\n")
        chunked = outgoing(b"PUT / HTTP/1.1\r\nHost: shop\r\nTRANSFER-ENCODING: CHUNKED\r\n\r\n")

        assert b"content-length: 007" in counted
        assert [line for line in chunked if b"hunked" in line.lower()] == [b"Transfer-Encoding: chunked"]

    def test_te_passes_for_trailers_alone(self) -> None:
        """
        `TE: trailers` goes on, nominated as RFC 9110 §10.1.4 wants it; other codings end here.
        """
        lines = outgoing(b"GET / HTTP/1.1\r\nHost: shop\r\nTE: gzip, trailers\r\nConnection: TE, close\r\n\r\n")

        assert b"TE: trailers" in lines
        assert b"Connection: TE" in lines
        assert b"TE: gzip, trailers" not in lines

    def test_upgrade_is_not_passed_on(self) -> None:
        """
        A request to upgrade goes on as a request without it.
        """
        lines = outgoing(b"GET / HTTP/1.1\r\nHost: shop\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")

        assert not [line for line in lines if b"pgrade" in line]

    def test_request_id_is_the_clients_or_new(self) -> None:
        """
        A request has one id, the client's if that is fit.
        """
        lines = outgoing(b"GET / HTTP/1.1\r\nHost: shop\r\nx-request-id: mine\r\n\r\n")

        assert [line for line in lines if b"equest-" in line] == [b"X-Request-Id: mine"]

    def test_trace_goes_on_with_a_parent_of_ours(self) -> None:
        """
        A valid traceparent keeps its trace and its state; one that is not valid, or comes twice, is replaced without.
        """
        head = b"GET / HTTP/1.1\r\nHost: shop\r\ntracestate: a=1\r\n"

        good = outgoing(head + b"Traceparent: " + PARENT + b"\r\n\r\n")
        bad = outgoing(head + b"traceparent: 00-1-2-3\r\n\r\n")
        double = outgoing(head + b"traceparent: " + PARENT + b"\r\ntraceparent: " + PARENT + b"\r\n\r\n")
        none = outgoing(head + b"\r\n")

        assert [line for line in good if line.lower().startswith(b"trace")] == [
            b"tracestate: a=1",
            b"traceparent: 00-0af7651916cd43dd8448eb211c80319c-2222222222222222-01",
        ]
        for lines in (bad, double):
            assert [line for line in lines if line.lower().startswith(b"trace")] == [
                b"traceparent: 00-11111111111111111111111111111111-2222222222222222-00"
            ]
        assert [line for line in none if line.startswith(b"trace")] == [b"tracestate: a=1"]

    @pytest.mark.parametrize("via", [b"1.1 splitter-1", b"1.0 a, 1.1 splitter-1 (x)", b"1.1 a\r\nVia: 1.1 splitter-1"])
    def test_that_was_here_before_is_refused(self, via: bytes) -> None:
        """
        A request whose Via names this daemon goes round in a circle.
        """
        with pytest.raises(DownstreamError) as error:
            outgoing(b"GET / HTTP/1.1\r\nHost: shop\r\nVia: " + via + b"\r\n\r\n")

        assert error.value.status == 502

    def test_passes_behind_another_daemon(self) -> None:
        """
        Another splitter in front is no circle; its Via stays, ours is the last.
        """
        lines = outgoing(b"GET / HTTP/1.1\r\nHost: shop\r\nVia: 1.1 splitter-2\r\n\r\n")

        assert [line for line in lines if line.startswith(b"Via")] == [b"Via: 1.1 splitter-2", b"Via: 1.1 splitter-1"]


class TestResponseHead:
    def test_says_framing_and_connection_behind_what_was_sent(self) -> None:
        """
        The stack's lines come first as they were, then ours.
        """
        data = b"HTTP/1.0 200 OK\r\nServer: x\r\nConnection: close\r\nVia: 1.1 other\r\n\r\n"
        head = parse_response(data, response_end(data, 0))

        assert forwarding.response_head(head, forwarding.CLOSE, DATE, is_chunked=True).split(b"\r\n") == [
            b"HTTP/1.1 200 OK",
            b"Server: x",
            b"Via: 1.1 other",
            b"Transfer-Encoding: chunked",
            b"Via: 1.0 splitter",
            DATE.strip(),
            b"Connection: close",
            b"",
            b"",
        ]

    def test_of_one_object_is_made_for_each_kind_of_client(self) -> None:
        """
        What one client was sent is not sent to the next one, whose connection ends, nor a second later.
        """
        data = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
        head = parse_response(data, response_end(data, 0))

        stays, goes = (forwarding.response_head(head, each, DATE) for each in (forwarding.PERSIST, forwarding.CLOSE))
        later = forwarding.response_head(head, forwarding.PERSIST, b"Date: later\r\n")

        assert (b"Connection: close" in stays, b"Connection: close" in goes) == (False, True)
        assert (DATE in stays, DATE in later, b"Date: later" in later) == (True, False, True)
        assert stays == forwarding.response_head(head, forwarding.PERSIST, DATE)

    def test_is_dated_once(self) -> None:
        """
        The date of a stack's answer stands; one without gets ours.
        """
        for line, dates in ((b"dATE: yesterday\r\n", [b"dATE: yesterday"]), (b"", [DATE.strip()])):
            data = b"HTTP/1.1 200 OK\r\n" + line + b"\r\n"
            head = parse_response(data, response_end(data, 0))

            lines = forwarding.response_head(head, forwarding.PERSIST, DATE).split(b"\r\n")

            assert dates == [each for each in lines if each.lower().startswith(b"date")]

    def test_connection_is_said_where_it_is_not_known(self) -> None:
        """
        HTTP/1.1 persists in silence, HTTP/1.0 only if it is told.
        """
        assert forwarding.connection_line(1, persists=True) == b""
        assert forwarding.connection_line(0, persists=True) == b"Connection: keep-alive\r\n"
        assert forwarding.connection_line(1, persists=False) == b"Connection: close\r\n"

    def test_interim_passes_with_its_fields(self) -> None:
        """
        An interim response goes on with its fields, and frames nothing.
        """
        data = b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"
        head = parse_response(data, response_end(data, 0))

        assert forwarding.interim_head(head) == (b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\nVia: 1.1 splitter\r\n\r\n")
