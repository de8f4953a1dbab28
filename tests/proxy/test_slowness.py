"""Backpressure and deadlines: whoever is slow holds the other side, and nobody for ever."""

import asyncio
import contextlib
import socket

from splitter.model import Endpoint, Split, Stack
from splitter.proxy.deadlines import NEVER
from splitter.proxy.downstream import _HEAD, ClientConnection
from splitter.proxy.upstream import UpstreamConnection
from tests.proxy.rig import LIVE, OK, WEB, Peer, Rig, hangs, serves, settle, until

GET = b"GET / HTTP/1.1\r\nHost: shop\r\n\r\n"
EXPECTS = b"PUT / HTTP/1.1\r\nHost: shop\r\nExpect: 100-continue\r\nContent-Length: 20000\r\n\r\n"
MANY = 200_000_000


def connections(rig: Rig) -> tuple[ClientConnection, UpstreamConnection]:
    """Return the two connections of the one exchange."""
    (client,) = rig.listener._clients
    assert client._exchange is not None
    assert client._exchange._connection is not None
    return client, client._exchange._connection


async def drowns(peer: Peer) -> None:
    """Send more than anybody can hold, as fast as it is taken."""
    await peer.head()
    await peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % MANY)
    for _ in range(MANY // 100_000):
        await peer.send(b"x" * 100_000)


class TestBackpressure:
    async def test_slow_reader_holds_the_stack(self, rig: Rig) -> None:
        """
        While a client reads nothing the stack is not read either, and little of the response is in memory.
        """
        await rig.live(drowns)
        client = await rig.client()
        client.hold()
        await client.send(GET)
        await until(lambda: rig.gateway.in_flight(LIVE) == 1 and connections_are_up(rig) and is_held(rig))

        downstream, upstream = connections(rig)

        assert downstream.transport.get_write_buffer_size() < 1_000_000
        assert not upstream.transport.is_reading()

    async def test_requests_of_a_client_that_reads_nothing_wait_outside(self, rig: Rig) -> None:
        """
        Behind answers that are not taken no more is read than may be sent ahead; all is served once they are taken.
        """
        body = bytes(40_000)
        await rig.live(serves(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body))
        client = await rig.client()
        client.hold()
        client.writer.write(GET * 100_000)
        await until(lambda: any(each._at == _HEAD and each.is_full for each in rig.listener._clients))
        (connection,) = rig.listener._clients

        await until(lambda: not connection.transport.is_reading())

        assert len(connection._inbox) < 64 * 1024 + 2 * 256 * 1024
        client.go_on()
        for _ in range(1000):
            assert (await client.head()).startswith(b"HTTP/1.1 200 OK\r\n")
            assert await client.exactly(len(body)) == body

    async def test_what_is_sent_ahead_stops_nothing(self, rig: Rig) -> None:
        """
        Requests beyond the bound, their heads and bodies larger than it, are all served in the end.
        """
        await rig.live(serves(), pipeline_bytes_max=4096)
        client = await rig.client()
        small = GET * 200
        large_head = b"GET / HTTP/1.1\r\nHost: shop\r\nX: " + b"x" * 12_000 + b"\r\n\r\n"
        large_body = b"POST / HTTP/1.1\r\nHost: shop\r\nContent-Length: 600000\r\n\r\n" + bytes(600_000)

        client.writer.write((small + large_head + large_body) * 3)

        for _ in range(3 * 202):
            assert (await client.message()).endswith(b"ok")

    async def test_it_goes_on_when_the_client_does(self, rig: Rig) -> None:
        """
        All of a response arrives after a pause of its reader.
        """
        body = bytes(range(256)) * 40_000

        async def sends(peer: Peer) -> None:
            await peer.head()
            await peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
            await peer.rest()

        await rig.live(sends)
        client = await rig.client()
        client.hold()
        await client.send(GET)
        await until(lambda: rig.gateway.in_flight(LIVE) == 1 and connections_are_up(rig) and is_held(rig))
        client.go_on()

        await client.head()
        assert await client.exactly(len(body)) == body

    async def test_slow_stack_holds_the_client(self, rig: Rig) -> None:
        """
        While a stack reads nothing of a body the client is not read either, and little of the body is in memory.
        """
        go_on = asyncio.Event()

        async def waits(peer: Peer) -> None:
            peer.hold()
            await go_on.wait()
            peer.go_on()
            await peer.head()
            await peer.exactly(20_000_000)
            await peer.send(OK)
            await peer.rest()

        await rig.live(waits)
        client = await rig.client()
        client.writer.write(b"POST / HTTP/1.1\r\nHost: shop\r\nContent-Length: 20000000\r\n\r\n" + b"x" * 20_000_000)
        await until(lambda: connections_are_up(rig) and not connections(rig)[0].transport.is_reading())

        assert connections(rig)[1].transport.get_write_buffer_size() < 1_000_000
        go_on.set()
        assert (await client.message()).endswith(b"ok")

    async def test_a_body_waits_for_the_connection(self, rig: Rig) -> None:
        """
        Until there is a connection to the stack no more of a body is read than may be held.
        """
        origin = await rig.live(serves(), held_body_bytes_max=100_000)
        client = await rig.client()
        client.writer.write(b"POST / HTTP/1.1\r\nHost: shop\r\nContent-Length: 5000000\r\n\r\n" + b"x" * 5_000_000)

        assert (await client.message()).endswith(b"ok")
        assert len(origin.peers) == 1


def connections_are_up(rig: Rig) -> bool:
    return any(client._exchange and client._exchange._connection for client in rig.listener._clients)


def is_held(rig: Rig) -> bool:
    return not connections(rig)[1].transport.is_reading()


class TestDeadlinesOfClients:
    async def test_head(self, rig: Rig) -> None:
        """
        A head that does not come in time is 408, however often a byte of it comes.
        """
        await rig.live(serves())
        client = await rig.client()
        for byte in (b"G", b"E", b"T", b" "):
            await client.send(byte)
            await settle(3)
            rig.pass_time(3)
        await settle()
        rig.pass_time(6)

        assert (await client.rest()).startswith(b"HTTP/1.1 408 ")

    async def test_head_that_is_nothing_but_empty_lines(self, rig: Rig) -> None:
        """
        Empty lines are skipped, as many as come, and start the time of the head that they do not become.
        """
        await rig.live(serves())
        client = await rig.client()
        await client.send(b"\r\n" * 1000)
        await until(lambda: any(each._scanned for each in rig.listener._clients))

        rig.pass_time(15)

        assert await client.rest() == b""

    async def test_silence(self, rig: Rig) -> None:
        """
        A connection without a request is closed in silence, new or used.
        """
        await rig.live(serves())
        fresh, used = await rig.client(), await rig.client()
        await used.send(GET)
        await used.message()
        await until(lambda: rig.listener.clients == 2)

        rig.pass_time(75)

        assert await fresh.rest() == b""
        assert await used.rest() == b""

    async def test_body_progress(self, rig: Rig) -> None:
        """
        A body that stops is 408 and no fault of the stack.
        """
        await rig.live(hangs)
        client = await rig.client()
        await client.send(b"POST / HTTP/1.1\r\nHost: shop\r\nContent-Length: 9\r\n\r\n")
        await until(lambda: connections_are_up(rig))

        rig.pass_time(60)

        assert (await client.rest()).startswith(b"HTTP/1.1 408 ")
        assert rig.outcomes() == {"aborted": 1}

    async def test_body_rate(self, rig: Rig) -> None:
        """
        A body that drips has ten seconds of grace, then it must have come fast enough.
        """
        await rig.live(hangs)
        client = await rig.client()
        await client.send(b"POST / HTTP/1.1\r\nHost: shop\r\nContent-Length: 9000\r\n\r\n")
        await until(lambda: connections_are_up(rig))
        for _ in range(4):
            await client.send(b"x")
            await settle(5)
            assert rig.gateway.in_flight(LIVE) == 1
            rig.pass_time(3)

        assert (await client.rest()).startswith(b"HTTP/1.1 408 ")

    async def test_grace_of_the_rate_is_an_option(self, rig: Rig) -> None:
        """
        With a longer grace the same body may drip on.
        """
        await rig.live(hangs, body_rate_grace_s=50.0)
        client = await rig.client()
        await client.send(b"POST / HTTP/1.1\r\nHost: shop\r\nContent-Length: 9000\r\n\r\n")
        await until(lambda: connections_are_up(rig))
        for _ in range(4):
            await client.send(b"x")
            await settle(5)
            rig.pass_time(3)

        assert rig.gateway.in_flight(LIVE) == 1

    async def test_no_deadline_while_the_stack_works(self, rig: Rig) -> None:
        """
        A client that has sent everything owes nothing while it waits.
        """
        go_on = asyncio.Event()

        async def works(peer: Peer) -> None:
            await peer.head()
            await go_on.wait()
            await peer.send(OK)

        await rig.live(works, first_byte_timeout_s=1000.0)
        client = await rig.client()
        await client.send(GET)
        await until(lambda: connections_are_up(rig))

        rig.pass_time(900)
        go_on.set()

        assert (await client.message()).endswith(b"ok")

    async def test_slow_reader(self, rig: Rig) -> None:
        """
        A client that takes nothing of its response is cut, and the stack's connection with it; no fault of the stack.
        """
        await rig.live(drowns)
        client = await rig.client()
        client.hold()
        await client.send(GET)
        await until(lambda: connections_are_up(rig) and is_held(rig))

        rig.pass_time(60)

        await until(lambda: rig.listener.clients == 0)
        assert rig.outcomes() == {"aborted": 1}

    async def test_slow_reader_of_the_last_bytes(self, rig: Rig) -> None:
        """
        A response that has left the stack and is not taken does not keep the client's connection either.
        """
        body = b"x" * 300_000
        await rig.live(serves(b"HTTP/1.1 200 OK\r\nContent-Length: 300000\r\n\r\n" + body), write_buffer_bytes=2**20)
        client = await rig.client()
        client.hold()
        await until(lambda: rig.listener.clients == 1)
        (connection,) = rig.listener._clients
        connection.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        client.writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.writer.write(GET * 3)
        await until(lambda: rig.gateway.in_flight(LIVE) == 0 and connection.transport.get_write_buffer_size() > 0)

        rig.pass_time(75)

        await until(lambda: rig.listener.clients == 0)


class TestDeadlinesOfStacks:
    async def test_connect(self, rig: Rig) -> None:
        """
        A stack that does not accept a connection in time is 504 and counts as `connect`.
        """
        with socket.socket() as deaf, contextlib.ExitStack() as fillers:
            deaf.bind(("127.0.0.1", 0))
            deaf.listen(0)
            for _ in range(4):  # the queue holds one; the kernel drops what comes after
                filler = fillers.enter_context(socket.socket())
                filler.setblocking(False)
                filler.connect_ex(deaf.getsockname())
            endpoints = (Endpoint(*deaf.getsockname()),)
            await rig.start(Split(Stack(LIVE, "shop", 1, {WEB: endpoints})))
            client = await rig.client()
            await client.send(GET)
            await until(lambda: rig.gateway.in_flight(LIVE) == 1)

            rig.pass_time(3)

            assert (await client.message()).startswith(b"HTTP/1.1 504 ")
            assert rig.outcomes() == {"connect": 1}

    async def test_first_byte(self, rig: Rig) -> None:
        """
        A stack that does not answer in time is 504, also when it sends a head byte by byte.
        """

        async def drips(peer: Peer) -> None:
            await peer.head()
            await peer.send(b"HTTP/1.1 ")
            await peer.rest()

        await rig.live(drips)
        client = await rig.client()
        await client.send(GET)
        await until(lambda: connections_are_up(rig) and connections(rig)[1].has_received)

        rig.pass_time(30)

        assert (await client.message()).startswith(b"HTTP/1.1 504 ")
        assert rig.outcomes() == {"timeout": 1}

    async def test_expectation_that_is_not_answered(self, rig: Rig) -> None:
        """
        While a client waits for 100 it is the stack that owes something: its silence is 504 and its failure.
        """
        await rig.live(hangs)
        client = await rig.client()
        await client.send(EXPECTS)
        await until(lambda: connections_are_up(rig))

        rig.pass_time(30)

        assert (await client.message()).startswith(b"HTTP/1.1 504 ")
        assert rig.outcomes() == {"timeout": 1}

    async def test_expectation_that_was_met(self, rig: Rig) -> None:
        """
        Behind the stack's 100 it is the client that owes the body: its silence is 408 and no fault of the stack.
        """

        async def continues(peer: Peer) -> None:
            await peer.head()
            await peer.send(b"HTTP/1.1 100 Continue\r\n\r\n")
            await peer.rest()

        await rig.live(continues)
        client = await rig.client()
        await client.send(EXPECTS)
        assert (await client.head()).startswith(b"HTTP/1.1 100 ")

        rig.pass_time(60)

        assert (await client.rest()).startswith(b"HTTP/1.1 408 ")
        assert rig.outcomes() == {"aborted": 1}

    async def test_expectation_of_a_client_that_does_not_wait(self, rig: Rig) -> None:
        """
        A client that sends its body without a 100 owes the rest of it, and the stack nothing before that.
        """
        await rig.live(hangs, first_byte_timeout_s=5.0)
        client = await rig.client()
        await client.send(EXPECTS)
        await until(lambda: connections_are_up(rig))
        await client.send(b"x" * 10_000)
        await until(lambda: connections(rig)[1].deadline == NEVER)

        rig.pass_time(20)
        assert rig.gateway.in_flight(LIVE) == 1
        rig.pass_time(40)

        assert (await client.rest()).startswith(b"HTTP/1.1 408 ")

    async def test_response_progress(self, rig: Rig) -> None:
        """
        A response that stops is cut.
        """

        async def stops(peer: Peer) -> None:
            await peer.head()
            await peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf")
            await peer.rest()

        await rig.live(stops)
        client = await rig.client()
        await client.send(GET)
        await client.head()

        rig.pass_time(60)

        assert await client.rest() == b"half"
        assert rig.outcomes() == {"timeout": 1}

    async def test_a_long_upload_is_no_slow_stack(self, rig: Rig) -> None:
        """
        The time to the first byte begins when the request has been sent.
        """
        await rig.live(serves())
        client = await rig.client()
        await client.send(b"POST / HTTP/1.1\r\nHost: shop\r\nContent-Length: 60000\r\n\r\n")
        await until(lambda: connections_are_up(rig))
        for _ in range(6):
            await client.send(b"x" * 10_000)
            await settle(5)
            rig.pass_time(8)

        assert (await client.message()).endswith(b"ok")

    async def test_stack_that_does_not_read(self, rig: Rig) -> None:
        """
        A stack that takes nothing of a body is given up, and it is its failure.
        """

        async def ignores(peer: Peer) -> None:
            peer.hold()
            await asyncio.Event().wait()

        await rig.live(ignores)
        client = await rig.client()
        client.writer.write(b"POST / HTTP/1.1\r\nHost: shop\r\nContent-Length: 20000000\r\n\r\n" + b"x" * 20_000_000)
        await until(lambda: connections_are_up(rig) and connections(rig)[1].is_full)

        rig.pass_time(60)

        assert (await client.head()).startswith(b"HTTP/1.1 504 ")
        assert rig.outcomes() == {"timeout": 1}

    async def test_idle(self, rig: Rig) -> None:
        """
        An idle connection is closed before a usual server would close it.
        """
        await rig.live(serves())
        await rig.get()
        await until(lambda: rig.gateway.stats().upstream_idle == ((LIVE, 1),))

        rig.pass_time(30)

        await until(lambda: rig.gateway.stats().upstream_open == ((LIVE, 0),))
