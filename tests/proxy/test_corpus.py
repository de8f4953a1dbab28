"""The corpus through the data plane: whole, byte by byte, and with bytes behind.  What each side gets h11 reads."""

import re
from collections.abc import Callable, Iterable

import h11
import pytest

from splitter.proxy.upstream import UpstreamConnection
from tests.proxy.corpus import BEHIND, REQUESTS, RESPONSES, SPLIT, RequestCase, ResponseCase, Seen
from tests.proxy.rig import Peer, Rig, Script, serves, until

GET = b"GET / HTTP/1.1\r\nHost: shop\r\n\r\n"
_STATUS = re.compile(rb"HTTP/1\.1 (\d{3}) ")

Way = Callable[[bytes], Iterable[bytes]]


def whole(data: bytes) -> Iterable[bytes]:
    return [data]


def by_byte(data: bytes) -> Iterable[bytes]:
    return [data[place : place + 1] for place in range(len(data))]


def reads(seen: list[Seen]) -> Script:
    """Return a script that appends each request that h11 reads to `seen`, and answers it."""

    async def script(peer: Peer) -> None:
        server = h11.Connection(h11.SERVER, max_incomplete_event_size=2**20)
        while True:
            head, body = None, b""
            while not isinstance(event := server.next_event(), h11.EndOfMessage):
                if event is h11.NEED_DATA:
                    data = await peer.reader.read(65_536)
                    if not data:
                        return
                    server.receive_data(data)
                elif isinstance(event, h11.Data):
                    body += event.data
                else:
                    assert isinstance(event, h11.Request)
                    head = event
            assert head is not None
            seen.append((head.method, head.target, body))
            server.send(h11.Response(status_code=200, headers=[("Content-Length", "0")]))
            server.send(h11.EndOfMessage())
            await peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
            server.start_next_cycle()

    return script


async def holds_the_first(peer: Peer) -> None:
    """Leave the first request to the test, and answer the others."""
    await peer.message()
    await serves()(peer)


class TestRequests:
    @pytest.mark.parametrize("way", [whole, by_byte])
    @pytest.mark.parametrize("case", REQUESTS, ids=lambda case: case.name)
    async def test_are_refused_or_are_what_they_say(self, rig: Rig, case: RequestCase, way: Way) -> None:
        """
        A stack sees what the client has said and nothing else; behind a refusal nothing is read, and nothing answered.
        """
        seen: list[Seen] = []
        await rig.live(reads(seen))
        client = await rig.client()
        await until(lambda: rig.listener.clients == 1)

        (connection,) = rig.listener._clients
        for piece in way(case.data + BEHIND):
            connection.data_received(piece)
        client.half_close()
        answers = await client.rest()

        is_open = case.is_open
        assert [int(status) for status in _STATUS.findall(answers)] == [*case.statuses, *[200] * is_open]
        assert seen == [*case.seen, *[(b"GET", b"/behind", b"")] * is_open]


class TestResponses:
    @pytest.mark.parametrize("way", [whole, by_byte])
    @pytest.mark.parametrize("surplus", [b"", SPLIT], ids=["alone", "with surplus"])
    @pytest.mark.parametrize("case", RESPONSES, ids=lambda case: case.name)
    async def test_are_refused_or_are_what_they_say(
        self, rig: Rig, case: ResponseCase, surplus: bytes, way: Way
    ) -> None:
        """
        A client reads the answer that its request has got, or 502, or sees a cut; surplus is nobody's answer.
        """
        await rig.live(holds_the_first, serves())
        client = await rig.client()
        await client.send(GET)
        await until(lambda: any(each._exchange and each._exchange._connection for each in rig.listener._clients))
        upstream = connection(rig)

        for piece in way(case.data + (b"" if case.is_until_close else surplus)):
            upstream.data_received(piece)
        if case.is_until_close:
            upstream.eof_received()
        if case.is_cut and way is by_byte:
            assert read(await client.rest()) == (200, b"", False)
            return
        await client.send(GET)
        client.half_close()
        answers = await client.rest()

        status, body, is_complete = read(answers)
        assert status == case.status
        assert is_complete
        if status != 502:
            assert body == case.body
        assert answers.endswith(b"\r\n\r\nok")
        assert len(_STATUS.findall(answers.replace(case.body, b""))) == 2
        assert rig.window().outcomes.get("protocol", 0) == (case.status == 502)


def connection(rig: Rig) -> UpstreamConnection:
    """Return the stack's connection of the one exchange."""
    (client,) = rig.listener._clients
    assert client._exchange is not None
    assert client._exchange._connection is not None
    return client._exchange._connection


def read(answers: bytes) -> tuple[int, bytes, bool]:
    """Return the status and the body of the first answer, as h11 reads them, and whether that is complete."""
    peer = h11.Connection(h11.CLIENT)
    peer.send(h11.Request(method="GET", target="/", headers=[("Host", "shop")]))
    peer.send(h11.EndOfMessage())
    peer.receive_data(answers)
    head = peer.next_event()
    assert isinstance(head, h11.Response)
    body = b""
    while isinstance(event := peer.next_event(), h11.Data):
        body += event.data
    return head.status_code, body, isinstance(event, h11.EndOfMessage)
