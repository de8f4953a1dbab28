"""Upgraded connections: bytes both ways, their ends, and what never becomes one."""

import asyncio

import pytest

from splitter.http1.websocket import CLOSE_GOING_AWAY
from splitter.model import Split
from tests.http1.test_websocket import frame
from tests.proxy.rig import LIVE, OK, SHADOW, Peer, Rig, Script, hangs, replies, serves, settle, until, within

ASK = b"GET /chat HTTP/1.1\r\nHost: shop\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: k\r\n\r\n"
AGREE = (
    b"HTTP/1.1 101 Switching Protocols\r\nSec-WebSocket-Accept: a\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n"
)
MASK = b"mask"
LARGE = 8 * 1024 * 1024
FLOOD = frame(bytes(2**16 - 4))
assert len(FLOOD) == 2**16


def agrees(then: Script, behind: bytes = b"") -> Script:
    """Return a script that agrees to the upgrade, with `behind` in the same packet, and goes on as `then`."""

    async def script(peer: Peer) -> None:
        await peer.head()
        await peer.send(AGREE + behind)
        await then(peer)

    return script


async def echoes(peer: Peer) -> None:
    """Send back what comes, until no more comes."""
    while data := await peer.reader.read(2**16):
        await peer.send(data)


async def waits(peer: Peer) -> None:
    """Say nothing until the other side ends."""
    await peer.rest()


async def floods(peer: Peer) -> None:
    """Send frames for ever."""
    while True:
        await peer.send(FLOOD)


async def tunnel(rig: Rig, ask: bytes = ASK) -> Peer:
    """Return a client that speaks through a tunnel."""
    client = await rig.client()
    await client.send(ask)
    assert (await client.head()).startswith(b"HTTP/1.1 101 ")
    return client


def is_over(rig: Rig) -> bool:
    stats = rig.gateway.stats()
    return rig.gateway.in_flight(LIVE) == stats.tunnels == stats.upstream_open[0][1] == 0


class TestUpgrade:
    async def test_passes_both_heads(self, rig: Rig) -> None:
        """
        The stack is asked for the protocol, and the client hears the stack's own 101.
        """
        heads = []

        async def agrees_and_tells(peer: Peer) -> None:
            heads.append(await peer.head())
            await peer.send(AGREE)

        await rig.live(agrees_and_tells)
        client = await rig.client()
        await client.send(ASK)
        answer = await client.head()

        assert b"\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" in heads[0]
        assert b"\r\nSec-WebSocket-Key: k\r\n" in heads[0]
        assert answer.startswith(b"HTTP/1.1 101 Switching Protocols\r\nSec-WebSocket-Accept: a\r\n")
        assert b"\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" in answer

    async def test_loses_no_byte_sent_ahead(self, rig: Rig) -> None:
        """
        What either side sends in one packet with its head comes first, in order.
        """
        await rig.live(agrees(echoes, behind=b"welcome,"))
        client = await rig.client()

        await client.send(ASK + b"ahead,")
        await client.head()
        assert await client.exactly(8) == b"welcome,"
        assert await client.exactly(6) == b"ahead,"
        await client.send(b"later")

        assert await client.exactly(5) == b"later"

    async def test_sends_nothing_before_the_101(self, rig: Rig) -> None:
        """
        What a client sends ahead reaches the stack only once it has agreed; otherwise it is the next request.
        """
        got = []

        async def refuses(peer: Peer) -> None:
            for _ in range(2):
                got.append(await peer.message())
                await peer.send(OK)

        await rig.live(refuses)
        client = await rig.client()
        await client.send(ASK + b"GET /next HTTP/1.1\r\nHost: shop\r\n\r\n")

        assert (await client.message()).endswith(b"ok")
        assert (await client.message()).endswith(b"ok")
        assert [each.split(b" ")[1] for each in got] == [b"/chat", b"/next"]

    async def test_that_is_refused_is_a_usual_answer(self, rig: Rig) -> None:
        """
        Anything but a 101 leaves both connections as they were: the client asks on, the stack's goes to the pool.
        """
        origin = await rig.live(serves())
        client = await rig.client()

        for _ in range(3):
            await client.send(ASK)
            assert (await client.message()).startswith(b"HTTP/1.1 200 ")

        assert len(origin.peers) == 1
        assert rig.outcomes() == {"2xx": 3}

    @pytest.mark.parametrize(
        "request_",
        [
            b"GET / HTTP/1.1\r\nHost: shop\r\n\r\n",
            b"GET / HTTP/1.1\r\nHost: shop\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n",
            b"GET / HTTP/1.1\r\nHost: shop\r\nConnection: Upgrade\r\nUpgrade: chat\r\n\r\n",
            ASK.replace(b"Sec-WebSocket-Key: k\r\n\r\n", b"Content-Length: 2\r\n\r\nhi"),
            b"GET / HTTP/1.0\r\nHost: shop\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
        ],
    )
    async def test_that_nobody_asked_for_is_502(self, rig: Rig, request_: bytes) -> None:
        """
        A request that may not be upgraded reaches the stack without Upgrade, and a 101 to it is the stack's fault.
        """
        heads = []

        async def insists(peer: Peer) -> None:
            heads.append(await peer.message())
            await peer.send(AGREE)

        await rig.live(insists)
        client = await rig.client()
        await client.send(request_)

        assert (await client.message()).startswith(b"HTTP/1.1 502 ")
        assert b"pgrade" not in heads[0]
        assert rig.outcomes() == {"protocol": 1}

    async def test_by_a_shadow_that_lies_is_lives(self, rig: Rig) -> None:
        """
        A 101 with another protocol is a failure of the shadow, and live takes the request with its upgrade.
        """
        lies = replies(AGREE.replace(b"Upgrade: websocket", b"Upgrade: h2c"))
        await rig.both(agrees(echoes), lies)

        client = await tunnel(rig)
        await client.send(b"hello")

        assert await client.exactly(5) == b"hello"
        assert rig.outcomes(SHADOW) == {"protocol": 1}
        assert rig.outcomes(LIVE) == {"replayed": 1}

    async def test_may_be_another_protocol(self, rig: Rig) -> None:
        """
        The protocols are the operator's choice, and WebSocket is one of them only if it is named.
        """
        chat = _agrees_with(AGREE.replace(b"websocket", b"chat/2"))
        await rig.live(chat, agrees(echoes), upgrades=frozenset({b"chat/2"}))

        await tunnel(rig, ASK.replace(b"websocket", b"Chat/2, websocket"))

        assert (await rig.get(ASK)).startswith(b"HTTP/1.1 502 ")


class TestBytes:
    async def test_pass_both_ways_unchanged(self, rig: Rig) -> None:
        """
        Megabytes come back as they were sent, though both sides are slower than the sender.
        """
        await rig.live(agrees(echoes))
        client = await tunnel(rig)
        data = bytes(range(256)) * (LARGE // 256)

        sending = asyncio.ensure_future(client.send(data))

        assert await client.exactly(LARGE) == data
        await sending

    async def test_wait_for_a_slow_reader(self, rig: Rig) -> None:
        """
        A client that does not read stops the stack: no more is held than a write buffer and what was read with it.
        """
        await rig.live(agrees(floods))
        client = await tunnel(rig)
        client.hold()
        await until(lambda: _is_full(rig))
        await settle()

        (held,) = [each.transport.get_write_buffer_size() for each in rig.listener._clients]
        assert held < 64 * 1024 + 2 * 256 * 1024
        client.go_on()
        assert await client.exactly(LARGE) == FLOOD * (LARGE // len(FLOOD))

    async def test_end_one_by_one(self, rig: Rig) -> None:
        """
        A client that has said everything still hears the stack out, and the other way round.
        """

        async def answers_at_the_end(peer: Peer) -> None:
            question = await peer.rest()
            await peer.send(b"you said " + question)

        await rig.live(agrees(answers_at_the_end))
        client = await tunnel(rig)
        await client.send(b"much")
        client.half_close()

        assert await client.rest() == b"you said much"
        await until(lambda: is_over(rig))

    async def test_of_a_client_that_ended_before_the_101_are_passed(self, rig: Rig) -> None:
        """
        A client that closes its side right behind its request has a tunnel in one direction.
        """

        async def speaks(peer: Peer) -> None:
            assert await peer.rest() == b"all"
            await peer.send(b"answer")

        await rig.live(agrees(speaks))
        client = await rig.client()
        await client.send(ASK + b"all")
        client.half_close()
        await client.head()

        assert await client.rest() == b"answer"
        await until(lambda: is_over(rig))

    async def test_of_a_stack_that_resets_end_in_a_reset(self, rig: Rig) -> None:
        """
        What was cut on one side is seen as cut on the other.
        """

        async def cuts(peer: Peer) -> None:
            await peer.exactly(2)
            peer.reset()

        await rig.live(agrees(cuts))
        client = await tunnel(rig)
        await client.send(b"go")

        with pytest.raises(ConnectionResetError):
            await client.rest()
        await until(lambda: is_over(rig))

    async def test_of_a_client_that_resets_end_in_a_reset(self, rig: Rig) -> None:
        """
        The stack hears at once that its client has gone.
        """
        ended = asyncio.get_running_loop().create_future()

        async def listens(peer: Peer) -> None:
            try:
                await peer.rest()
            except ConnectionResetError as error:
                ended.set_result(error)

        await rig.live(agrees(listens))
        client = await tunnel(rig)
        client.reset()

        assert isinstance(await ended, ConnectionResetError)
        await until(lambda: is_over(rig))


class TestRecord:
    async def test_is_of_the_101_alone(self, rig: Rig) -> None:
        """
        The sample ends with the 101; the tunnel is in flight until it has closed, and its connection is used up.
        """
        await rig.live(agrees(echoes), serves())
        client = await tunnel(rig)

        assert rig.outcomes() == {"1xx": 1}
        assert rig.window().counts.n == 1
        assert rig.gateway.in_flight(LIVE) == 1
        assert rig.gateway.stats().tunnels == 1
        client.close()
        await until(lambda: is_over(rig))
        assert rig.outcomes() == {"1xx": 1}
        assert rig.gateway.stats().upstream_idle == ((LIVE, 0),)


class TestTime:
    async def test_closes_an_idle_tunnel(self, rig: Rig) -> None:
        """
        After an hour without a byte a WebSocket hears that splitter goes away.
        """
        await rig.live(agrees(waits))
        client = await tunnel(rig)

        rig.pass_time(3600)

        assert await client.exactly(4) == CLOSE_GOING_AWAY
        client.close()
        await until(lambda: is_over(rig))

    async def test_begins_anew_with_each_byte(self, rig: Rig) -> None:
        """
        A byte in either direction keeps a tunnel for another hour.
        """
        await rig.live(agrees(echoes))
        client = await tunnel(rig)

        for _ in range(3):
            rig.pass_time(3000)
            await client.send(frame(b"x"))
            assert await client.exactly(3) == frame(b"x")

        assert rig.gateway.in_flight(LIVE) == 1

    async def test_ends_a_tunnel_that_is_not_read(self, rig: Rig) -> None:
        """
        A client that takes nothing of a full buffer for a minute is cut.
        """
        await rig.live(agrees(floods))
        client = await tunnel(rig)
        client.hold()
        await until(lambda: _is_full(rig))

        rig.pass_time(60)

        await until(lambda: is_over(rig))


def _is_full(rig: Rig) -> bool:
    clients = [client._tunnel for client in rig.listener._clients]
    return any(each is not None and each._client.is_full for each in clients)


class TestGoodbye:
    async def dismissed(self, rig: Rig, client: Peer) -> None:
        """Let splitter say goodbye to every tunnel."""
        for each in list(rig.listener._clients):
            each.leave()
        rig.pass_time(5)

    async def test_closes_a_websocket_as_both_sides_are_used_to(self, rig: Rig) -> None:
        """
        The client's reply to the close frame reaches the stack, and what the stack says to that is dropped.
        """
        got = []

        async def closes_when_told(peer: Peer) -> None:
            got.append(await peer.exactly(8))
            await peer.send(frame(b"\x03\xe9", opcode=8))

        await rig.live(agrees(closes_when_told))
        client = await tunnel(rig)
        await self.dismissed(rig, client)
        assert await client.exactly(4) == CLOSE_GOING_AWAY
        reply = frame(b"\x03\xe9", opcode=8, mask=MASK)
        await client.send(reply)

        assert await client.rest() == b""
        assert got == [reply]
        client.close()
        await until(lambda: is_over(rig))

    async def test_stands_behind_the_frame_that_is_under_way(self, rig: Rig) -> None:
        """
        A frame of which the client has the first half is completed before splitter's own; the next one is not begun.
        """
        whole = frame(b"x" * 300)
        go_on = asyncio.Event()

        async def speaks(peer: Peer) -> None:
            await peer.send(whole[:100])
            await go_on.wait()
            await peer.send(whole[100:] + frame(b"never"))
            await peer.rest()

        await rig.live(agrees(speaks))
        client = await tunnel(rig)
        first = await client.exactly(100)
        await self.dismissed(rig, client)
        go_on.set()

        assert first + await client.exactly(len(whole) - 100) == whole
        assert await client.exactly(4) == CLOSE_GOING_AWAY
        client.half_close()
        assert await client.rest() == b""

    async def test_is_not_said_twice(self, rig: Rig) -> None:
        """
        A stack that has closed by itself is not spoken over.
        """
        theirs = frame((1000).to_bytes(2, "big"), opcode=8)
        await rig.live(agrees(waits, behind=theirs))
        client = await tunnel(rig)
        assert await client.exactly(len(theirs)) == theirs
        await self.dismissed(rig, client)
        client.half_close()

        assert await client.rest() == b""

    async def test_has_its_time(self, rig: Rig) -> None:
        """
        A client that does not answer the close frame is closed all the same.
        """
        await rig.live(agrees(waits))
        client = await tunnel(rig)
        await self.dismissed(rig, client)
        assert await client.exactly(4) == CLOSE_GOING_AWAY

        rig.pass_time(5)

        assert await client.rest() == b""
        await until(lambda: is_over(rig))

    async def test_of_other_protocols_is_a_close(self, rig: Rig) -> None:
        """
        Where the protocol is not known, both sides are closed once everything was written.
        """
        agree = AGREE.replace(b"websocket", b"chat")
        await rig.live(_agrees_with(agree), upgrades=frozenset({b"chat"}))
        client = await tunnel(rig, ASK.replace(b"websocket", b"chat"))
        await self.dismissed(rig, client)

        assert await client.rest() == b""
        await until(lambda: is_over(rig))

    async def test_is_a_mere_close_behind_a_flood(self, rig: Rig) -> None:
        """
        Where a stack's frames were too many to count, its client gets them all, and no close frame in one of them.
        """
        flood = frame(b"") * 30_000
        await rig.live(agrees(waits, behind=flood))
        client = await tunnel(rig)
        assert await client.exactly(len(flood)) == flood
        await self.dismissed(rig, client)

        assert await client.rest() == b""

    async def test_is_for_tunnels_that_come_late_too(self, rig: Rig) -> None:
        """
        A tunnel that is agreed to while the listener closes is told so.
        """
        go_on = asyncio.Event()

        async def agrees_late(peer: Peer) -> None:
            await peer.head()
            await go_on.wait()
            await peer.send(AGREE)
            await peer.rest()

        await rig.live(agrees_late)
        client = await rig.client()
        await client.send(ASK)
        await until(lambda: rig.gateway.in_flight(LIVE) == 1)
        closing = asyncio.ensure_future(rig.listener.close(60))
        await settle()
        go_on.set()
        await client.head()
        rig.pass_time(5)

        assert await client.exactly(4) == CLOSE_GOING_AWAY
        client.close()
        await closing


def _agrees_with(answer: bytes) -> Script:
    async def script(peer: Peer) -> None:
        await peer.head()
        await peer.send(answer)
        await peer.rest()

    return script


class TestDrain:
    async def test_waits_for_a_tunnel(self, rig: Rig) -> None:
        """
        A tunnel is in flight for a drain, and ends it.
        """
        await rig.live(agrees(echoes))
        client = await tunnel(rig)
        rig.publish(None)
        drain = asyncio.ensure_future(rig.gateway.drain(LIVE, within(30)))
        await settle()
        assert not drain.done()
        client.close()

        assert (await drain).left == 0

    async def test_cuts_at_the_deadline(self, rig: Rig) -> None:
        """
        At its deadline nothing of a tunnel is left, and the client sees that it was cut.
        """
        await rig.live(agrees(waits))
        client = await tunnel(rig)

        assert (await rig.gateway.drain(LIVE, within(0))).left == 1
        assert rig.gateway.in_flight(LIVE) == 0
        with pytest.raises(ConnectionResetError):
            await client.rest()


class TestFlip:
    async def test_leaves_a_tunnel_with_its_stack(self, rig: Rig) -> None:
        """
        New tunnels go to the new stack, the old one goes on with the stack that it was made with.
        """
        old, new = await rig.origin(agrees(echoes)), await rig.origin(agrees(echoes, behind=b"new"))
        await rig.start(Split(rig.stack(1, old)))
        first = await tunnel(rig)

        rig.publish(Split(rig.stack(2, new)))
        second = await tunnel(rig)
        await first.send(b"hello")

        assert await first.exactly(5) == b"hello"
        assert await second.exactly(3) == b"new"


class TestHangingStack:
    async def test_is_timed_like_any_request(self, rig: Rig) -> None:
        """
        A stack that does not answer the question for another protocol is 504.
        """
        await rig.live(hangs)
        client = await rig.client()
        await client.send(ASK)
        await until(lambda: bool(rig.origins[0].peers))
        await settle()

        rig.pass_time(30)

        assert (await client.message()).startswith(b"HTTP/1.1 504 ")
