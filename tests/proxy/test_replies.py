"""Answers of our own."""

from pathlib import Path

import h11
import pytest

from splitter.errors import DownstreamError, UpstreamError
from splitter.proxy import replies
from splitter.proxy.dialing import UNCONNECTED

DATE = b"Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n"


class TestEncode:
    @pytest.mark.parametrize("status", [400, 404, 405, 408, 413, 414, 417, 431, 500, 501, 502, 503, 504, 505])
    @pytest.mark.parametrize("is_to_head", [False, True])
    @pytest.mark.parametrize("minor", [0, 1])
    def test_is_a_whole_response(self, status: int, is_to_head: bool, minor: int) -> None:
        """
        Every answer is read by h11 as one complete response, with the reason in Proxy-Status.
        """
        peer = h11.Connection(h11.CLIENT)
        peer.send(h11.Request(method="HEAD" if is_to_head else "GET", target="/", headers=[("Host", "shop")]))
        peer.send(h11.EndOfMessage())
        reply = replies.Reply(status, "http_request_error")
        peer.receive_data(replies.encode(reply, minor, DATE, is_to_head=is_to_head, persists=True))

        head = peer.next_event()

        assert isinstance(head, h11.Response)
        assert head.status_code == status
        assert (b"date", DATE[6:-2]) in list(head.headers)
        assert (b"proxy-status", b"splitter; error=http_request_error") in list(head.headers)
        assert isinstance(peer.next_event(), h11.EndOfMessage if is_to_head else h11.Data)

    def test_says_when_to_come_back(self) -> None:
        """
        503 carries Retry-After, and no other answer does.
        """
        assert b"Retry-After: 1\r\n" in replies.encode(replies.NO_STACK, 1, DATE, is_to_head=False, persists=True)
        assert b"Retry-After" not in replies.encode(replies.NO_ROUTE, 1, DATE, is_to_head=False, persists=True)

    def test_names_no_stack(self) -> None:
        """
        What an error says of stacks and addresses is not for clients.
        """
        reply = replies.to_stack_fault(UpstreamError("reset", "10.0.0.7:80 closed"))

        assert b"10.0.0.7" not in replies.encode(reply, 1, DATE, is_to_head=False, persists=False)


class TestFaults:
    @pytest.mark.parametrize(
        ("reason", "status", "error"),
        [
            ("connect", 503, "destination_unavailable"),
            ("connect_closed", 502, "connection_terminated"),
            ("connect_name", 502, "dns_error"),
            ("connect_refused", 502, "connection_refused"),
            ("connect_timeout", 504, "connection_timeout"),
            ("connect_unroutable", 502, "destination_ip_unroutable"),
            ("exhausted", 503, "connection_limit_reached"),
            ("full", 503, "connection_limit_reached"),
            ("protocol", 502, "http_protocol_error"),
            ("reset", 502, "connection_terminated"),
            ("timeout", 504, "http_response_timeout"),
        ],
    )
    def test_of_a_stack(self, reason: str, status: int, error: str) -> None:
        """
        Each reason that an attempt may fail for has its answer: the type and the status that RFC 9209 §2.3 names.
        """
        assert replies.to_stack_fault(UpstreamError(reason)) == replies.Reply(status, error)

    @pytest.mark.parametrize("reason", sorted(UNCONNECTED))
    def test_of_a_stack_that_cannot_be_connected_to_is_told(self, reason: str) -> None:
        """
        No reason of a failed connection is without an answer.
        """
        assert replies.to_stack_fault(UpstreamError(reason)).status in {502, 503, 504}

    def test_are_in_the_docs(self) -> None:
        """
        Operators can look up every reason that a client may be told.
        """
        said = {value for value in vars(replies).values() if isinstance(value, replies.Reply)}
        said |= {replies.to_stack_fault(UpstreamError(reason)) for reason in replies._UPSTREAM}
        said |= {replies.to_client_fault(DownstreamError(status, "word")) for status in (400, 405, 413, 501, 502)}
        page = (Path(__file__).parents[2] / "docs/http.md").read_text()

        assert [reply for reply in said if reply.error and f"`{reply.error}`" not in page] == []
        assert all(f"| {reply.status} | `{reply.error}` |" in page for reply in replies._UPSTREAM.values())

    def test_of_a_client(self) -> None:
        """
        A client's fault has the status that its error names.
        """
        assert replies.to_client_fault(DownstreamError(431, "size")).status == 431
