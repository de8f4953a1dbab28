"""Which requests may become tunnels, and which answers make them one."""

import pytest

from splitter.errors import UpstreamError
from splitter.http1.head import RequestFields, ResponseHead, parse_response
from splitter.http1.upgrade import agreed, wanted

ALLOWED = frozenset({b"websocket", b"splice/2"})


def asks(lines: bytes, minor: int = 1) -> tuple[bytes, ...]:
    return tuple(wanted(RequestFields(b"Host: shop\r\n" + lines, minor), ALLOWED))


def switching(lines: bytes) -> ResponseHead:
    data = b"HTTP/1.1 101 Switching Protocols\r\n" + lines + b"\r\n"
    return parse_response(data, len(data) - 4)


class TestWanted:
    @pytest.mark.parametrize(
        ("lines", "expected"),
        [
            (b"Connection: Upgrade\r\nUpgrade: websocket\r\n", (b"websocket",)),
            (b"Connection: keep-alive, upgrade\r\nUpgrade: WebSocket\r\n", (b"websocket",)),
            (b"Connection: Upgrade\r\nUpgrade: h2c, splice/2 ,websocket\r\n", (b"splice/2", b"websocket")),
            (b"Connection: Upgrade\r\nUpgrade: splice/2\r\nUpgrade: websocket\r\n", (b"splice/2", b"websocket")),
            (b"Connection: Upgrade\r\nUpgrade: websocket\r\nContent-Length: 0\r\n", (b"websocket",)),
        ],
    )
    def test_is_what_is_asked_for_and_allowed(self, lines: bytes, expected: tuple[bytes, ...]) -> None:
        """
        Protocols are taken from every Upgrade field, in lower case, in their order, without those that nobody allowed.
        """
        assert asks(lines) == expected

    @pytest.mark.parametrize(
        "lines",
        [
            b"Connection: Upgrade\r\n",
            b"Upgrade: websocket\r\n",
            b"Connection: Upgrade\r\nUpgrade: h2c\r\n",
            b"Connection: Upgrade\r\nUpgrade: websocket/13\r\n",
            b"Connection: Upgrade\r\nUpgrade: , ,\r\n",
            b"Connection: Upgrade\r\nUpgrade: websocket\r\nContent-Length: 3\r\n",
            b"Connection: Upgrade\r\nUpgrade: websocket\r\nTransfer-Encoding: chunked\r\n",
        ],
    )
    def test_is_nothing_for_a_usual_request(self, lines: bytes) -> None:
        """
        Without both fields, with another protocol or with a body, a request asks for no tunnel.
        """
        assert asks(lines) == ()

    def test_is_nothing_for_http_1_0(self) -> None:
        """
        An Upgrade field of HTTP/1.0 is ignored (RFC 9110 §7.8).
        """
        assert asks(b"Connection: Upgrade\r\nUpgrade: websocket\r\n", minor=0) == ()


class TestAgreed:
    def test_is_the_protocol_that_was_asked_for(self) -> None:
        """
        The stack's word for a protocol counts whatever its case.
        """
        head = switching(b"Connection: upgrade\r\nUpgrade: WebSocket\r\n")

        assert agreed(head, (b"splice/2", b"websocket")) == b"websocket"

    @pytest.mark.parametrize(
        "lines",
        [
            b"",
            b"Connection: Upgrade\r\n",
            b"Upgrade: websocket\r\n",
            b"Connection: Upgrade\r\nUpgrade: h2c\r\n",
            b"Connection: Upgrade\r\nUpgrade: websocket, splice/2\r\n",
        ],
    )
    def test_refuses_any_other_101(self, lines: bytes) -> None:
        """
        A 101 that names no protocol, another one or several is no agreement.
        """
        with pytest.raises(UpstreamError, match="did not ask"):
            agreed(switching(lines), (b"websocket", b"splice/2"))

    def test_refuses_a_101_that_nobody_asked_for(self) -> None:
        """
        A usual request has no tunnel to agree to.
        """
        with pytest.raises(UpstreamError, match="did not ask"):
            agreed(switching(b"Connection: Upgrade\r\nUpgrade: websocket\r\n"), ())
