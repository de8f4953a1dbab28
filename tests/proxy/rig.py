"""The data plane on real loopback sockets, between scripted origins and raw clients.

An origin's connection plays a script: a coroutine that reads and writes bytes and knows nothing of HTTP but where a
head ends.  Time is the wheel's: `pass_time` turns it, so no test waits for a deadline.
"""

import asyncio
import contextlib
import random
import re
import resource
import socket
import struct
import time
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import replace
from typing import cast

from splitter.contracts import DrainLimits
from splitter.kpi import Ledger
from splitter.model import Endpoint, Mirroring, ServicePort, Split, Stack, StackId, Window
from splitter.proxy.access import AccessLog
from splitter.proxy.deadlines import ticks
from splitter.proxy.descriptors import lowest_free
from splitter.proxy.gateway import Gateway
from splitter.proxy.listener import Listener
from splitter.proxy.options import ListenerOptions, ProxyOptions
from splitter.routing import ActiveTable, RouteRule, build_table

WEB = ServicePort("web", 80)
LIVE, SHADOW = StackId("shop-r1"), StackId("shop-r2")
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
_LENGTH = re.compile(rb"(?i)\r\ncontent-length: *(\d+)\r\n")
_PATIENCE_S = 60  # a test that waits longer hangs


class Peer:
    """One end of a connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer
        self._transport = cast("asyncio.Transport", writer.transport)  # it reads as well

    async def head(self) -> bytes:
        """Return the next head with its blank line."""
        async with asyncio.timeout(_PATIENCE_S):
            return await self.reader.readuntil(b"\r\n\r\n")

    async def exactly(self, count: int) -> bytes:
        """Return the next `count` bytes."""
        async with asyncio.timeout(_PATIENCE_S):
            return await self.reader.readexactly(count)

    async def some(self) -> bytes:
        """Return what has come, and at least a byte; nothing at the end."""
        async with asyncio.timeout(_PATIENCE_S):
            return await self.reader.read(65_536)

    async def rest(self) -> bytes:
        """Return everything until the other end closes; raises ConnectionResetError if it resets."""
        async with asyncio.timeout(_PATIENCE_S):
            return await self.reader.read()

    async def message(self) -> bytes:
        """Return the next message: a head, and the body that its Content-Length or its chunks say."""
        head = await self.head()
        if length := _LENGTH.search(head):
            return head + await self.exactly(int(length[1]))
        if b"ransfer-encoding: chunked" in head.lower():
            async with asyncio.timeout(_PATIENCE_S):
                body = await self.reader.readuntil(b"0\r\n\r\n")
            return head + body
        return head

    async def send(self, data: bytes) -> None:
        """Send, and wait until the system has taken it."""
        self.writer.write(data)
        await self.writer.drain()

    def hold(self) -> None:
        """Read no more."""
        self._transport.pause_reading()

    def go_on(self) -> None:
        """Read on."""
        self._transport.resume_reading()

    def half_close(self) -> None:
        """Say that no more will come."""
        self.writer.write_eof()

    def close(self) -> None:
        """Close in order."""
        self.writer.close()

    async def closed(self) -> None:
        """Return once this end is closed."""
        async with asyncio.timeout(_PATIENCE_S):
            await self.writer.wait_closed()

    def reset(self) -> None:
        """Close with a reset."""
        sock = self.writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()


Script = Callable[[Peer], Awaitable[None]]


def replies(*answers: bytes) -> Script:
    """Return a script that reads a request for each of `answers`, sends it, and closes."""

    async def script(peer: Peer) -> None:
        for answer in answers:
            await peer.message()
            await peer.send(answer)

    return script


def serves(answer: bytes = OK) -> Script:
    """Return a script that gives every request the same answer, for ever."""

    async def script(peer: Peer) -> None:
        while True:
            await peer.message()
            await peer.send(answer)

    return script


async def hangs(peer: Peer) -> None:
    """Take everything and never answer."""
    await peer.rest()


async def resets(peer: Peer) -> None:
    """Read a request and reset the connection."""
    await peer.message()
    peer.reset()


class Origin:
    """A server whose connections play `scripts`, one after the other, and the last one again and again."""

    def __init__(self, *scripts: Script) -> None:
        self._scripts = list(scripts) or [serves()]
        self._server: asyncio.Server
        self._tasks: set[asyncio.Task[None]] = set()
        self.peers: list[Peer] = []
        self.endpoint = Endpoint("127.0.0.1", 0)

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0, limit=2**20)
        self.endpoint = Endpoint("127.0.0.1", self._server.sockets[0].getsockname()[1])

    async def close(self) -> None:
        self._server.close()
        for peer in self.peers:
            peer.writer.transport.abort()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def refuse(self) -> None:
        """Accept no more: whoever connects is refused."""
        self._server.close()

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        peer = Peer(reader, writer)
        self.peers.append(peer)
        script = self._scripts[min(len(self.peers), len(self._scripts)) - 1]
        self._tasks.add(asyncio.get_running_loop().create_task(self._play(script, peer)))

    async def _play(self, script: Script, peer: Peer) -> None:
        try:
            await script(peer)
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            peer.close()


class Rig:
    """A gateway behind one listener.  `live` and `shadow` start what is in front of it."""

    def __init__(self) -> None:
        self.listening = ListenerOptions("127.0.0.1", 0)
        self.active = ActiveTable()
        self.ledger = Ledger(time.monotonic)
        self.origins: list[Origin] = []
        self.clients: list[Peer] = []
        self.access: AccessLog | None = None
        self.gateway: Gateway
        self.listener: Listener
        self.rule = RouteRule("shop", "", "/", "web", 80)
        self.split: Split | None = None

    async def live(self, *scripts: Script, **options: object) -> Origin:
        """Start the listener, with live as its only stack."""
        origin = await self.origin(*scripts)
        await self.start(Split(self.stack(1, origin)), **options)
        return origin

    async def both(self, live: Script, shadow: Script, **options: object) -> tuple[Origin, Origin]:
        """Start the listener, with all requests going to the shadow and live behind it."""
        origins = await self.origin(live), await self.origin(shadow)
        await self.start(Split(self.stack(1, origins[0]), self.stack(2, origins[1]), 10_000), **options)
        return origins

    async def mirrored(
        self, live: Script, *shadow: Script, methods: tuple[bytes, ...] = (b"GET", b"HEAD"), **options: object
    ) -> tuple[Origin, Origin]:
        """Start the listener, with live serving all and the shadow getting a copy of each request with `methods`."""
        origins = await self.origin(live), await self.origin(*shadow)
        mirroring = Mirroring(10_000, frozenset(methods))
        await self.start(Split(self.stack(1, origins[0]), self.stack(2, origins[1]), mirroring=mirroring), **options)
        return origins

    async def origin(self, *scripts: Script) -> Origin:
        origin = Origin(*scripts)
        await origin.start()
        self.origins.append(origin)
        return origin

    async def start(self, split: Split | None, **options: object) -> None:
        self.publish(split)
        proxy = replace(ProxyOptions(), **options)  # type: ignore[arg-type]
        self.gateway = Gateway(self.active, self.ledger, proxy, access=self.access)
        self.listener = Listener(self.listening, self.gateway)
        await self.listener.start()
        assert self.gateway._timer is not None
        self.gateway._timer.cancel()  # time is what `pass_time` says

    def publish(self, split: Split | None) -> None:
        """Make `split` the current one."""
        self.split = split
        splits = {"shop": split} if split else {}
        version = self.active.current.version + 1
        self.active.publish(build_table(version, [self.rule], splits, random.Random(7).randrange, self.active.current))

    @staticmethod
    def stack(revision: int, *origins: Origin) -> Stack:
        endpoints = tuple(origin.endpoint for origin in origins)
        return Stack(StackId(f"shop-r{revision}"), "shop", revision, {WEB: endpoints})

    async def client(self) -> Peer:
        """Connect to the listener."""
        reader, writer = await asyncio.open_connection(*self.listener.address, limit=2**20)
        client = Peer(reader, writer)
        self.clients.append(client)
        return client

    async def get(self, request: bytes = b"GET / HTTP/1.1\r\nHost: shop\r\n\r\n") -> bytes:
        """Return the answer to one request on a connection of its own."""
        client = await self.client()
        await client.send(request)
        return await client.message()

    def pass_time(self, seconds: float) -> None:
        """Let the wheel turn until every deadline of `seconds` has passed."""
        for _ in range(ticks(seconds)):
            self.gateway.deadlines.advance()

    def window(self, stack: StackId = LIVE) -> Window:
        """Return what was counted for `stack` so far."""
        return self.ledger.total(stack)

    def outcomes(self, stack: StackId = LIVE) -> dict[str, int]:
        """Return how the requests of `stack` ended so far."""
        return dict(self.window(stack).outcomes)

    async def close(self) -> None:
        for client in self.clients:
            client.writer.transport.abort()
        await self.listener.close(0)
        await self.gateway.close()
        for origin in self.origins:
            await origin.close()


@contextlib.contextmanager
def no_descriptors() -> Iterator[None]:
    """Let this process open nothing more: the limit is the lowest number that is free."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    number = lowest_free()
    assert number is not None
    resource.setrlimit(resource.RLIMIT_NOFILE, (number, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def within(seconds: float) -> DrainLimits:
    """Return limits of a drain that are the same for whatever is in flight."""
    return DrainLimits(seconds, seconds, seconds)


async def until(is_so: Callable[[], bool]) -> None:
    """Return once `is_so`, letting the event loop turn meanwhile."""
    async with asyncio.timeout(_PATIENCE_S):
        while not is_so():  # noqa: ASYNC110 - what is waited for knows nothing of this test
            await asyncio.sleep(0.001)


async def settle(turns: int = 20) -> None:
    """Let everything happen that can happen by itself."""
    for _ in range(turns):
        await asyncio.sleep(0.001)
