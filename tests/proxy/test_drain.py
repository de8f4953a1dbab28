"""Flips, drains and the end of a stack."""

import asyncio
from collections.abc import Awaitable, Callable

from splitter.contracts import Drained, DrainLimits
from splitter.http1.websocket import CLOSE_GOING_AWAY
from splitter.model import Split
from splitter.proxy.gateway import Gateway
from splitter.proxy.options import ProxyOptions
from tests.proxy.rig import LIVE, OK, SHADOW, Peer, Rig, hangs, serves, settle, until, within

FAREWELL_S = ProxyOptions().tunnel_farewell_s
GET = b"GET / HTTP/1.1\r\nHost: shop\r\n\r\n"
POST = b"POST / HTTP/1.1\r\nHost: shop\r\nContent-Length: 5\r\n\r\nhello"
UPGRADE = b"GET / HTTP/1.1\r\nHost: shop\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
FROM_LIVE = b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nfrom live"


class Gate:
    """A script that answers its first request when it is let, and then each at once."""

    def __init__(self, answer: bytes = OK) -> None:
        self._answer = answer
        self.reached = asyncio.Event()
        self.opened = asyncio.Event()

    async def __call__(self, peer: Peer) -> None:
        while True:
            await peer.message()
            self.reached.set()
            await self.opened.wait()
            await peer.send(self._answer)


class TestDrain:
    async def test_waits_for_what_chose_the_old_table(self, rig: Rig) -> None:
        """
        After a flip new requests go to the new stack, and a drain of the old one ends with its last request.
        """
        gate = Gate(FROM_LIVE)
        live, shadow = await rig.origin(gate), await rig.origin(serves())
        await rig.start(Split(rig.stack(1, live)))
        client = await rig.client()
        await client.send(GET)
        await gate.reached.wait()

        rig.publish(Split(rig.stack(2, shadow)))
        drain = asyncio.ensure_future(rig.gateway.drain(LIVE, within(30)))
        assert (await rig.get()).endswith(b"ok")
        await settle()
        assert not drain.done()
        gate.opened.set()

        assert (await client.message()).endswith(b"from live")
        assert (await drain).left == 0
        await client.send(GET)
        assert (await client.message()).endswith(b"\r\n\r\nok")

    async def test_of_nothing_ends_at_once(self, rig: Rig) -> None:
        """
        A stack without requests, or one that was never seen, is drained.
        """
        await rig.live(serves())

        assert (await rig.gateway.drain(LIVE, within(0))).left == 0
        assert (await rig.gateway.drain(SHADOW, within(0))).left == 0

    async def test_counts_a_body_that_is_still_coming(self, rig: Rig) -> None:
        """
        A response is in flight until its last byte.
        """

        async def streams(peer: Peer) -> None:
            await peer.head()
            await peer.send(b"HTTP/1.1 200 OK\r\n\r\nbegin")
            await go_on.wait()

        go_on = asyncio.Event()
        await rig.live(streams)
        client = await rig.client()
        await client.send(GET)
        await client.head()

        drain = asyncio.ensure_future(rig.gateway.drain(LIVE, within(30)))
        await settle()
        assert rig.gateway.in_flight(LIVE) == 1
        go_on.set()

        assert (await drain).left == 0

    async def test_cuts_at_the_deadline(self, rig: Rig) -> None:
        """
        At the deadline a request that nobody else may serve gets an answer, and the count is zero.
        """
        await rig.live(hangs)
        client = await rig.client()
        await client.send(POST)
        await until(lambda: bool(rig.origins[0].peers))
        await settle()

        drained = await rig.gateway.drain(LIVE, within(0))

        assert drained.left == 1
        assert rig.gateway.in_flight(LIVE) == 0
        assert (await client.message()).startswith(b"HTTP/1.1 504 ")

    async def test_who_serves_now_takes_over_what_is_cut(self, rig: Rig) -> None:
        """
        An idempotent request that hangs in the old stack at the deadline is served by the new one.
        """
        old, new = await rig.origin(hangs), await rig.origin(serves())
        await rig.start(Split(rig.stack(1, old)))
        client = await rig.client()
        await client.send(GET)
        await until(lambda: bool(old.peers))
        await settle()
        rig.publish(Split(rig.stack(2, new)))

        assert (await rig.gateway.drain(LIVE, within(0))).left == 1
        assert (await client.message()).endswith(b"ok")

    async def test_waits_for_a_replayed_request(self, rig: Rig) -> None:
        """
        A request that live serves for the shadow is no sample of live, but a drain of live waits for it.
        """
        gate = Gate()
        _, shadow = await rig.both(gate, serves())
        shadow.refuse()
        client = await rig.client()
        await client.send(GET)
        await gate.reached.wait()

        assert rig.gateway.in_flight(LIVE) == 1
        drain = asyncio.ensure_future(rig.gateway.drain(LIVE, within(30)))
        await settle()
        assert not drain.done()
        gate.opened.set()
        assert (await drain).left == 0
        assert rig.window(LIVE).counts.n == 0

    async def test_several_may_wait(self, rig: Rig) -> None:
        """
        Who drains a stack that is being drained hears of the same end.
        """
        gate = Gate()
        await rig.live(gate)
        client = await rig.client()
        await client.send(GET)
        await gate.reached.wait()

        drains = [asyncio.ensure_future(rig.gateway.drain(LIVE, within(30))) for _ in range(2)]
        await settle()
        gate.opened.set()

        assert [drained.left for drained in await asyncio.gather(*drains)] == [0, 0]

    async def test_fits_the_switch(self, rig: Rig) -> None:
        """
        The method is what the traffic switch wants to be given.
        """
        await rig.live(serves())
        drain: Callable[..., Awaitable[Drained]] = Gateway.drain

        assert (await drain(rig.gateway, LIVE, within(0))).left == 0


async def begins(peer: Peer) -> None:
    """Begin a stream that does not end by itself."""
    await peer.message()
    await peer.send(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\ndata: x\n\n")
    await peer.rest()


async def agrees(peer: Peer) -> None:
    """Agree to a tunnel in which the stack only listens."""
    await peer.message()
    await peer.send(b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
    await peer.rest()


class TestClasses:
    """A request that hangs, a stream and a WebSocket, in flight at once."""

    async def clients(self, rig: Rig, **options: object) -> list[Peer]:
        await rig.live(hangs, begins, agrees, **options)
        found = [await rig.client() for _ in range(3)]
        for number, (client, request) in enumerate(zip(found, (POST, GET, UPGRADE), strict=True), 1):
            await client.send(request)
            await until(lambda wanted=number: len(rig.origins[0].peers) == wanted)  # type: ignore[misc]
        await found[1].head()
        await found[2].head()
        return found

    async def test_requests_have_a_limit_of_their_own(self, rig: Rig) -> None:
        """
        At the limit of requests only what has no answer yet, or a counted one, is cut.
        """
        request, stream, tunnel = await self.clients(rig)

        drain = asyncio.ensure_future(rig.gateway.drain(LIVE, DrainLimits(0, 3600, 3600)))

        assert (await request.message()).startswith(b"HTTP/1.1 504 ")
        await settle()
        assert rig.gateway.in_flight(LIVE) == 2
        assert not drain.done()
        stream.reset()
        tunnel.reset()
        assert (await drain).left == 1

    async def test_streams_have_a_limit_of_their_own(self, rig: Rig) -> None:
        """
        At the limit of streams their clients see that the answer is not complete, and no stack is blamed.
        """
        request, stream, tunnel = await self.clients(rig)

        drain = asyncio.ensure_future(rig.gateway.drain(LIVE, DrainLimits(3600, 0, 3600)))

        assert b"0\r\n\r\n" not in await stream.rest()
        await settle()
        assert rig.gateway.in_flight(LIVE) == 2
        assert rig.outcomes() == {"drained": 1, "1xx": 1}
        request.reset()
        tunnel.reset()
        assert (await drain).left == 1

    async def test_tunnels_are_told_before_their_limit(self, rig: Rig) -> None:
        """
        A WebSocket gets its close frame some seconds before the limit of tunnels; one that closes then is not cut.
        """
        request, stream, tunnel = await self.clients(rig)

        drain = asyncio.ensure_future(rig.gateway.drain(LIVE, DrainLimits(3600, 3600, FAREWELL_S + 3600)))
        await settle()
        rig.pass_time(5)
        assert rig.gateway.stats().tunnels == 1
        drain.cancel()
        drain = asyncio.ensure_future(rig.gateway.drain(LIVE, DrainLimits(3600, 3600, FAREWELL_S)))
        await settle()
        rig.pass_time(5)

        assert await tunnel.exactly(4) == CLOSE_GOING_AWAY
        tunnel.close()
        await until(lambda: rig.gateway.in_flight(LIVE) == 2)
        request.reset()
        stream.reset()
        assert (await drain).left == 0

    async def test_tunnels_are_told_as_early_as_the_operator_wants(self, rig: Rig) -> None:
        """
        With a longer goodbye a drain begins it earlier; it is said within the jitter, and both sides have their time.
        """
        _, _, tunnel = await self.clients(rig, tunnel_jitter_s=600.0, tunnel_close_timeout_s=1200.0)

        drain = asyncio.ensure_future(rig.gateway.drain(LIVE, DrainLimits(3600, 3600, 1801)))
        await settle()
        rig.pass_time(600)

        assert await tunnel.exactly(4) == CLOSE_GOING_AWAY
        rig.pass_time(500)
        assert rig.gateway.stats().tunnels == 1
        tunnel.close()
        assert (await drain).left == 0  # the others have long been timed out

    async def test_nothing_is_left_at_the_last_limit(self, rig: Rig) -> None:
        """
        Whatever has become of a request, the last limit is the end of it.
        """
        clients = await self.clients(rig)

        assert (await rig.gateway.drain(LIVE, DrainLimits(0.01, 0.02, 0.03))).left == 3
        assert rig.gateway.in_flight(LIVE) == 0
        assert (await clients[0].message()).startswith(b"HTTP/1.1 504 ")


class TestForget:
    async def test_closes_idle_connections(self, rig: Rig) -> None:
        """
        A stack that is retired loses its pooled connections, and only then.
        """
        ended = asyncio.Event()

        async def serves_until_closed(peer: Peer) -> None:
            await peer.message()
            await peer.send(OK)
            await peer.rest()
            ended.set()

        await rig.live(serves_until_closed)
        await rig.get()
        rig.publish(None)
        await settle()
        assert not ended.is_set()

        rig.gateway.forget(LIVE)

        await ended.wait()
        rig.gateway.forget(LIVE)
        assert rig.gateway.stats().upstream_open == ()

    async def test_a_connection_in_use_closes_behind_its_request(self, rig: Rig) -> None:
        """
        A request that is in flight when its stack is forgotten still ends well.
        """
        gate = Gate()
        origin = await rig.live(gate)
        client = await rig.client()
        await client.send(GET)
        await gate.reached.wait()
        rig.gateway.forget(LIVE)
        gate.opened.set()

        assert (await client.message()).endswith(b"ok")
        assert await origin.peers[0].reader.read() == b""


class TestFlips:
    async def test_lose_no_request(self, rig: Rig) -> None:
        """
        While tables with other stacks and shares are published and old stacks drained and forgotten, each of 3000
        requests on 12 connections is answered by a stack.
        """
        origins = [await rig.origin(serves()) for _ in range(2)]
        await rig.start(Split(rig.stack(1, origins[0])))
        left = 3000
        statuses: dict[bytes, int] = {}

        async def asks() -> None:
            nonlocal left
            client = await rig.client()
            while left > 0:
                left -= 1
                await client.send(POST if left % 3 == 0 else GET)
                answer = await client.message()
                statuses[answer[:15]] = statuses.get(answer[:15], 0) + 1

        async def flips() -> None:
            revision = 1
            while left > 0:
                live, shadow = (
                    rig.stack(revision, origins[revision % 2]),
                    rig.stack(revision + 1, origins[~revision % 2]),
                )
                for share in (100, 5_000, 10_000):
                    rig.publish(Split(live, shadow, share))
                    await asyncio.sleep(0)
                rig.publish(Split(shadow))
                assert (await rig.gateway.drain(live.id, within(10))).left == 0
                rig.gateway.forget(live.id)
                rig.ledger.forget(live.id)
                revision += 1

        async with asyncio.TaskGroup() as group:
            group.create_task(flips())
            for _ in range(12):
                group.create_task(asks())

        assert statuses == {b"HTTP/1.1 200 OK": 3000}
        assert rig.gateway.stats().replies == ()
        assert all(count == 0 for _, count in rig.gateway.stats().in_flight)
