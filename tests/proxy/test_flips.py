"""A thousand flips with every kind of exchange in flight: none fails, and each is answered by exactly one stack.

Two origins stand for all stacks in turn.  Each says its name in the head of an answer and in every piece of its body,
so an answer that was put together from two of them would show.  Nothing here is timed: clients ask as fast as they are
answered, and the flips go on until there were enough of them, over enough exchanges of every kind.
"""

import asyncio
import random
import re
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from splitter.model import Split, Stack, Window
from tests.http1.test_websocket import frame
from tests.proxy.rig import Peer, Rig, within

FLIPS = 1_000
RETIRED_EVERY = 20
SPANNED_MIN = 10  # exchanges of each kind that began before a flip and ended behind it
PIECES = 24
PIECE = 2_048
SEED = 20_260_102

HOST = b"Host: shop\r\n"
_LENGTH = re.compile(rb"content-length: (\d+)")


async def turns(count: int = 1) -> None:
    """Let everybody else have a turn."""
    for _ in range(count):
        await asyncio.sleep(0)


class Named:
    """The script of an origin: all that a client may ask for, under a name of one letter."""

    def __init__(self, name: bytes) -> None:
        self.name = name

    async def __call__(self, peer: Peer) -> None:
        while True:
            head = await peer.head()
            path = head.split(b" ", 2)[1]
            answer: Callable[[Peer, bytes], Awaitable[None]] = {
                b"/page": self._page,
                b"/upload": self._upload,
                b"/download": self._download,
                b"/events": self._events,
                b"/chat": self._chat,
            }[path]
            await answer(peer, head)

    def _head(self, length: int) -> bytes:
        return b"HTTP/1.1 200 OK\r\nX-Stack: %b\r\nContent-Length: %d\r\n\r\n" % (self.name, length)

    async def _page(self, peer: Peer, head: bytes) -> None:
        await peer.send(self._head(PIECE) + self.name * PIECE)

    async def _upload(self, peer: Peer, head: bytes) -> None:
        """Ask for the body where the client waits for that, and say how much came."""
        if b"100-continue" in head.lower():
            await turns(3)
            await peer.send(b"HTTP/1.1 100 Continue\r\n\r\n")
        length = _LENGTH.search(head.lower())
        assert length is not None
        body = await peer.exactly(int(length[1]))
        said = self.name * (len(body) // PIECE)
        await peer.send(self._head(len(said)) + said)

    async def _download(self, peer: Peer, head: bytes) -> None:
        await peer.send(self._head(PIECES * PIECE))
        for _ in range(PIECES):
            await turns()
            await peer.send(self.name * PIECE)

    async def _events(self, peer: Peer, head: bytes) -> None:
        answer = b"HTTP/1.1 200 OK\r\nX-Stack: %b\r\nContent-Type: text/event-stream\r\n" % self.name
        await peer.send(answer + b"Transfer-Encoding: chunked\r\n\r\n")
        for _ in range(PIECES):
            await turns()
            await peer.send(b"9\r\ndata: %b\n\n\r\n" % self.name)
        await peer.send(b"0\r\n\r\n")

    async def _chat(self, peer: Peer, head: bytes) -> None:
        answer = b"HTTP/1.1 101 Switching Protocols\r\nX-Stack: %b\r\nConnection: Upgrade\r\n" % self.name
        await peer.send(answer + b"Upgrade: websocket\r\n\r\n")
        while (await peer.exactly(3)) != frame(b"."):
            await peer.send(frame(self.name))
        peer.close()
        await peer.rest()


@dataclass
class Clients:
    """Who asks, each kind on connections of its own, until `stopping`; what went wrong, and what was done."""

    rig: Rig
    stopping: bool = False
    done: Counter[str] = field(default_factory=Counter)
    spanned: Counter[str] = field(default_factory=Counter)  # of these, over a flip at least
    failures: list[str] = field(default_factory=list)

    async def keep_asking(self, kind: str) -> None:
        """Do one exchange of a kind after the other; keep-alive connections last from one to the next."""
        one: Callable[[Peer], Awaitable[None]] = getattr(self, kind)
        client = await self.rig.client()
        while not self.stopping and not self.failures:
            began = self.rig.active.current.version
            try:
                await one(client)
            except Exception as error:
                self.failures.append(f"{kind}: {error!r}")
                return
            self.done[kind] += 1
            self.spanned[kind] += began != self.rig.active.current.version
            await turns()

    async def page(self, client: Peer) -> None:
        """Ask on a connection that was idle, so that the request may race the flip."""
        await client.send(b"GET /page HTTP/1.1\r\n" + HOST + b"\r\n")
        await self._check_body(client, PIECE)

    async def pair(self, client: Peer) -> None:
        """Send two requests at once; each may be answered by a stack of its own."""
        await client.send((b"GET /page HTTP/1.1\r\n" + HOST + b"\r\n") * 2)
        for _ in range(2):
            await self._check_body(client, PIECE)

    async def upload(self, client: Peer) -> None:
        await client.send(b"POST /upload HTTP/1.1\r\n" + HOST + b"Content-Length: %d\r\n\r\n" % (PIECES * PIECE))
        for _ in range(PIECES):
            await turns()
            await client.send(bytes(PIECE))
        await self._check_body(client, PIECES)

    async def expecting(self, client: Peer) -> None:
        """Send no body before the stack wants it."""
        head = b"POST /upload HTTP/1.1\r\n" + HOST + b"Expect: 100-continue\r\nContent-Length: %d\r\n\r\n"
        await client.send(head % PIECE)
        interim = await client.head()
        assert interim.startswith(b"HTTP/1.1 100 "), interim
        await turns(3)
        await client.send(bytes(PIECE))
        await self._check_body(client, 1)

    async def download(self, client: Peer) -> None:
        await client.send(b"GET /download HTTP/1.1\r\n" + HOST + b"\r\n")
        await self._check_body(client, PIECES * PIECE)

    async def events(self, client: Peer) -> None:
        await client.send(b"GET /events HTTP/1.1\r\n" + HOST + b"\r\n")
        name = self._name(await client.head())
        async with asyncio.timeout(60):
            body = await client.reader.readuntil(b"0\r\n\r\n")
        said = re.findall(rb"data: (.)\n\n", body)
        assert said == [name] * PIECES, said

    async def chat(self, unused: Peer) -> None:
        """Talk through a tunnel of its own."""
        client = await self.rig.client()
        await client.send(b"GET /chat HTTP/1.1\r\n" + HOST + b"Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
        name = self._name(await client.head(), b"101")
        for _ in range(PIECES):
            await client.send(frame(b"?"))
            assert await client.exactly(3) == frame(name)
        await client.send(frame(b"."))
        assert await client.rest() == b""
        client.close()

    async def _check_body(self, client: Peer, size: int) -> None:
        name = self._name(await client.head())
        body = await client.exactly(size)
        assert body == name * size, f"{name!r}, but its body is of {set(body)}"

    @staticmethod
    def _name(head: bytes, status: bytes = b"200") -> bytes:
        assert head.startswith(b"HTTP/1.1 " + status), head
        found = re.findall(rb"\r\nX-Stack: (.)\r\n", head)
        assert len(found) == 1, head
        return bytes(found[0])


KINDS = {"page": 6, "pair": 2, "upload": 2, "expecting": 2, "download": 2, "events": 2, "chat": 2}


class TestFlips:
    async def test_fail_no_exchange_and_mix_no_answer(self, rig: Rig) -> None:
        """
        Shares change, stacks are promoted, drained and forgotten; of every kind nothing fails, is cut or is mixed.
        """
        origins = [await rig.origin(Named(name)) for name in (b"a", b"b")]
        revision = 2
        live, shadow = rig.stack(1, origins[0]), rig.stack(2, origins[1])
        await rig.start(Split(live, shadow, 5_000))
        clients, dice = Clients(rig), random.Random(SEED)
        asking = [asyncio.ensure_future(clients.keep_asking(kind)) for kind in KINDS for _ in range(KINDS[kind])]
        retiring: list[asyncio.Future[int]] = []
        flips = 0
        while not clients.failures and (flips < FLIPS or min(clients.spanned[kind] for kind in KINDS) < SPANNED_MIN):
            flips += 1
            if flips % RETIRED_EVERY:
                rig.publish(Split(live, shadow, dice.choice((1, 2_500, 5_000, 10_000))))
            else:
                rig.publish(Split(shadow))
                retiring.append(asyncio.ensure_future(self._retire(rig, live)))
                revision += 1
                live, shadow = shadow, rig.stack(revision, origins[(revision + 1) % 2])
            await turns(2)
        clients.stopping = True
        await asyncio.gather(*asking)

        assert clients.failures == [], f"seed {SEED}, {flips} flips, {dict(clients.done)}"
        assert await asyncio.gather(*retiring) == [0] * len(retiring)
        assert rig.gateway.stats().replies == ()
        assert all(count == 0 for _, count in rig.gateway.stats().in_flight)
        assert sum(map(_errors, (rig.window(stack) for stack in rig.ledger.stacks))) == 0

    @staticmethod
    async def _retire(rig: Rig, stack: Stack) -> int:
        """Take a stack away as splitter does, and return how many of its exchanges were cut."""
        left = (await rig.gateway.drain(stack.id, within(120))).left
        rig.gateway.forget(stack.id)
        return left


def _errors(window: Window) -> int:
    return sum(count for word, count in window.outcomes.items() if word not in ("1xx", "2xx"))
