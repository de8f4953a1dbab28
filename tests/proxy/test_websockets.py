"""WebSockets by a library that is none of ours, at both ends of the tunnel."""

import asyncio
import http
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosedError, ConnectionClosedOK, InvalidStatus
from websockets.http11 import Request, Response
from websockets.typing import Subprotocol

from splitter.contracts import DrainLimits
from splitter.model import Endpoint, Split, Stack, StackId
from splitter.proxy.options import ProxyOptions
from tests.proxy.rig import LIVE, WEB, Rig, settle, until

FAREWELL_S = ProxyOptions().tunnel_farewell_s
LARGE = "splitter " * 100_000
PATIENCE_S = 60


class Chat:
    """A stack that answers each message with its own name in front, and remembers how its clients left."""

    def __init__(self, revision: int) -> None:
        self.revision = revision
        self.codes: list[int | None] = []
        self._server: Server

    async def start(self) -> None:
        chat = Subprotocol("chat")
        self._server = await serve(
            self._talk, "127.0.0.1", 0, subprotocols=[chat], process_request=self._ask, max_size=2**22
        )

    async def close(self) -> None:
        self._server.close()
        await self._server.wait_closed()

    @property
    def stack(self) -> Stack:
        port = next(iter(self._server.sockets)).getsockname()[1]
        name = StackId(f"shop-r{self.revision}")
        return Stack(name, "shop", self.revision, {WEB: (Endpoint("127.0.0.1", port),)})

    async def _ask(self, connection: ServerConnection, request: Request) -> Response | None:
        if request.path == "/secret":
            return connection.respond(http.HTTPStatus.FORBIDDEN, "no\n")
        return None

    async def _talk(self, connection: ServerConnection) -> None:
        try:
            async for message in connection:
                if message == "leave":
                    await connection.close(4000, "as you wish")
                elif isinstance(message, bytes):
                    await connection.send(message[::-1])
                else:
                    await connection.send(f"r{self.revision}: {message}")
        finally:
            self.codes.append(connection.close_code)


@asynccontextmanager
async def chats(rig: Rig, count: int = 1) -> AsyncIterator[list[Chat]]:
    """Start stacks, the first of which is live."""
    started = [Chat(revision) for revision in range(1, count + 1)]
    for chat in started:
        await chat.start()
    try:
        await rig.start(Split(started[0].stack))
        yield started
    finally:
        for chat in started:
            await chat.close()


Speak = Callable[..., Awaitable[ClientConnection]]


@pytest.fixture
async def speak(rig: Rig) -> AsyncIterator[Speak]:
    """Connects clients to the listener, and ends them with the test."""
    clients: list[ClientConnection] = []

    async def connected(path: str = "/") -> ClientConnection:
        url = "ws://{}:{}".format(*rig.listener.address)
        client = await connect(
            url + path,
            subprotocols=[Subprotocol("chat")],
            open_timeout=PATIENCE_S,
            close_timeout=PATIENCE_S,
            ping_timeout=None,
            max_size=2**22,
            proxy=None,
        )
        clients.append(client)
        return client

    yield connected
    for client in clients:
        client.transport.abort()
        await client.wait_closed()


class TestConversation:
    async def test_passes_messages_of_all_kinds(self, rig: Rig, speak: Speak) -> None:
        """
        Text and bytes, small and large, compressed, in their order; pings are answered from end to end.
        """
        async with chats(rig):
            client = await speak()
            assert client.subprotocol == "chat"
            for message in ("", "hello", LARGE):
                await client.send(message)
                assert await client.recv() == f"r1: {message}"
            for data in (b"", bytes(range(256)), bytes(range(256)) * 2048):
                await client.send(data)
                assert await client.recv() == data[::-1]
            await (await client.ping())
            await client.send(f"{part}" for part in range(10))
            assert await client.recv() == "r1: 0123456789"

    async def test_ends_as_either_side_says(self, rig: Rig, speak: Speak) -> None:
        """
        The code and the reason of a close reach the other end.
        """
        async with chats(rig) as (chat,):
            client = await speak()
            await client.send("leave")
            with pytest.raises(ConnectionClosedError) as caught:
                await client.recv()
            assert caught.value.rcvd is not None
            assert (caught.value.rcvd.code, caught.value.rcvd.reason) == (4000, "as you wish")

            await (await speak()).close(4001)
            await until(lambda: len(chat.codes) == 2)

            assert chat.codes == [4000, 4001]
            await until(lambda: rig.gateway.stats().tunnels == 0)

    async def test_that_is_refused_is_an_answer(self, rig: Rig, speak: Speak) -> None:
        """
        A stack may say no, by a usual answer with its body.
        """
        async with chats(rig):
            with pytest.raises(InvalidStatus) as caught:
                await speak("/secret")

        assert caught.value.response.status_code == 403
        assert caught.value.response.body == b"no\n"


class TestFlips:
    async def test_move_new_conversations_only(self, rig: Rig, speak: Speak) -> None:
        """
        Over a hundred flips each conversation stays with the stack that it began with, and each new one is current.
        """
        async with chats(rig, 2) as both:
            talks: list[tuple[int, ClientConnection]] = []
            for number in range(100):
                chat = both[number % 2]
                rig.publish(Split(chat.stack))
                if number % 10 < 2:
                    talks.append((chat.revision, await speak()))
                for revision, client in talks:
                    await client.send(str(number))
                    assert await client.recv() == f"r{revision}: {number}"

            assert sorted(revision for revision, _ in talks) == [1] * 10 + [2] * 10

    async def test_end_conversations_with_1001(self, rig: Rig, speak: Speak) -> None:
        """
        When the old stack is drained, both ends of each conversation see an orderly close: 1001, and nothing is cut.
        """
        async with chats(rig, 2) as (old, new):
            clients = [await speak() for _ in range(20)]
            for client in clients:
                await client.send("hello")
                assert await client.recv() == "r1: hello"
            rig.publish(Split(new.stack))

            drain = asyncio.ensure_future(rig.gateway.drain(LIVE, DrainLimits(3600, 3600, FAREWELL_S)))
            await settle()
            rig.pass_time(5)
            for client in clients:
                with pytest.raises(ConnectionClosedOK):
                    await client.recv()

            assert (await drain).left == 0
            assert [client.close_code for client in clients] == [1001] * 20
            await until(lambda: old.codes == [1001] * 20)
            assert new.codes == []
