"""Requests that wait for their app."""

import asyncio

from splitter.limits import UNPARKED_PER_TURN
from splitter.model import Split
from splitter.proxy.parking import Lot
from tests.proxy.rig import LIVE, OK, Peer, Rig, hangs, serves, settle, until, within

GET = b"GET / HTTP/1.1\r\nHost: shop\r\n\r\n"
BODY = bytes(range(256)) * 1024
UPLOAD = b"POST / HTTP/1.1\r\nHost: shop\r\nContent-Length: %d\r\n\r\n" % len(BODY)


class TestPark:
    async def test_sends_nothing_to_any_stack(self, rig: Rig) -> None:
        """
        A parked request waits, counts in flight nowhere, and is answered once it may go on.
        """
        origin = await rig.live(serves())
        rig.gateway.parking.park("shop", 10)
        client = await rig.client()
        await client.send(GET)
        await until(lambda: rig.gateway.parking.counts() == {"shop": 1})

        assert origin.peers == []
        assert rig.gateway.in_flight(LIVE) == 0
        assert (await rig.gateway.drain(LIVE, within(0))).left == 0
        assert rig.gateway.parking.unpark("shop") == 1

        assert (await client.message()).endswith(b"ok")
        assert rig.gateway.parking.counts() == {}

    async def test_lets_go_to_who_serves_then(self, rig: Rig) -> None:
        """
        A request reads the table when it goes on, not when it came.
        """
        old, new = await rig.origin(serves()), await rig.origin(serves(OK.replace(b"ok", b"is")))
        await rig.start(Split(rig.stack(1, old)))
        rig.gateway.parking.park("shop", 10)
        client = await rig.client()
        await client.send(GET)
        await until(lambda: rig.gateway.parking.counts() == {"shop": 1})
        rig.publish(Split(rig.stack(2, new)))

        rig.gateway.parking.unpark("shop")

        assert (await client.message()).endswith(b"is")
        assert old.peers == []

    async def test_leaves_what_is_in_flight(self, rig: Rig) -> None:
        """
        What a stack has already, it may finish.
        """
        go_on = asyncio.Event()

        async def waits(peer: Peer) -> None:
            await peer.message()
            await go_on.wait()
            await peer.send(OK)

        await rig.live(waits)
        client = await rig.client()
        await client.send(GET)
        await until(lambda: rig.gateway.in_flight(LIVE) == 1)
        rig.gateway.parking.park("shop", 10)
        go_on.set()

        assert (await client.message()).endswith(b"ok")

    async def test_leaves_other_apps(self, rig: Rig) -> None:
        """
        Parking is for one app.
        """
        await rig.live(serves())
        rig.gateway.parking.park("blog", 10)

        assert (await rig.get()).endswith(b"ok")
        assert rig.gateway.parking.unpark("shop") == 0

    async def test_takes_a_body_that_is_larger_than_what_is_held(self, rig: Rig) -> None:
        """
        The client of a long upload is held while it waits, and nothing of its body is lost.
        """
        got = []

        async def takes(peer: Peer) -> None:
            got.append(await peer.message())
            await peer.send(OK)

        await rig.live(takes)
        rig.gateway.parking.park("shop", 10)
        client = await rig.client()
        sending = asyncio.ensure_future(client.send(UPLOAD + BODY))
        await until(lambda: rig.gateway.parking.counts() == {"shop": 1})
        await settle()
        rig.gateway.parking.unpark("shop")

        assert (await client.message()).endswith(b"ok")
        await sending
        assert got[0].endswith(b"\r\n\r\n" + BODY)


class TestBounds:
    async def test_time_lets_everything_go_on(self, rig: Rig) -> None:
        """
        Nobody has to remember: at the end of its time an app is not parked any more.
        """
        await rig.live(serves())
        rig.gateway.parking.park("shop", 10)
        client = await rig.client()
        await client.send(GET)
        await until(lambda: rig.gateway.parking.counts() == {"shop": 1})

        rig.pass_time(10)

        assert (await client.message()).endswith(b"ok")
        assert (await rig.get()).endswith(b"ok")

    async def test_time_begins_anew_with_each_command(self, rig: Rig) -> None:
        """
        Who parks a parked app says how long from now on.
        """
        await rig.live(serves())
        rig.gateway.parking.park("shop", 10)
        rig.pass_time(5)
        rig.gateway.parking.park("shop", 10)
        rig.pass_time(6)
        assert rig.gateway.parking.counts() == {"shop": 0}

        rig.pass_time(5)

        assert rig.gateway.parking.counts() == {}

    async def test_room_is_for_so_many(self, rig: Rig) -> None:
        """
        One more than may wait hears 503 at once, with when to come again.
        """
        await rig.live(serves(), parked_requests_max=1)
        rig.gateway.parking.park("shop", 10)
        first = await rig.client()
        await first.send(GET)
        await until(lambda: rig.gateway.parking.counts() == {"shop": 1})

        refused = await rig.get()
        rig.gateway.parking.unpark("shop")

        assert refused.startswith(b"HTTP/1.1 503 ")
        assert b"\r\nRetry-After: 1\r\n" in refused
        assert (await first.message()).endswith(b"ok")

    async def test_a_client_that_leaves_makes_room(self, rig: Rig) -> None:
        """
        Who does not wait any more is not sent on.
        """
        origin = await rig.live(serves())
        rig.gateway.parking.park("shop", 10)
        client = await rig.client()
        await client.send(GET)
        await until(lambda: rig.gateway.parking.counts() == {"shop": 1})
        client.reset()
        await until(lambda: rig.gateway.parking.counts() == {"shop": 0})

        rig.gateway.parking.unpark("shop")

        assert (await rig.get()).endswith(b"ok")
        assert len(origin.peers) == 1

    async def test_tell_when_their_time_is_up(self, rig: Rig) -> None:
        """
        Who parked an app is told when its requests go on by themselves, and not when they are let go.
        """
        await rig.live(serves())
        told: list[tuple[int, str]] = []
        client = await rig.client()
        rig.gateway.parking.park("shop", 60, lambda *what: told.append(what))
        await client.send(GET)
        await until(lambda: rig.gateway.parking.waiting("shop") == (1, 60.0))

        rig.pass_time(60)

        assert (await client.message()).endswith(b"ok")
        assert told == [(1, "its time is up")]
        assert rig.gateway.parking.waiting("shop") is None
        rig.gateway.parking.park("shop", 60, lambda *what: told.append(what))
        rig.gateway.parking.unpark("shop")
        rig.pass_time(60)
        assert len(told) == 1

    async def test_end_with_the_daemon(self, rig: Rig) -> None:
        """
        When splitter stops, what waits goes on and is answered.
        """
        await rig.live(serves())
        rig.gateway.parking.park("shop", 60)
        client = await rig.client()
        await client.send(GET)
        await until(lambda: rig.gateway.parking.counts() == {"shop": 1})

        told: list[tuple[int, str]] = []
        rig.gateway.parking.park("shop", 60, lambda *what: told.append(what))

        rig.gateway.parking.unpark_all("the daemon stops")
        closing = asyncio.ensure_future(rig.listener.close(60))

        assert (await client.message()).endswith(b"ok")
        assert told == [(1, "the daemon stops")]
        client.close()
        await closing


class Request:
    """A request that only notes its turn."""

    def __init__(self, turns: list[int], number: int, fails: bool = False) -> None:
        self._turns = turns
        self._number = number
        self._fails = fails
        self.has_crashed = False

    def unparked(self) -> None:
        if self._fails:
            raise RuntimeError("a bug")
        self._turns.append(self._number)

    def crashed(self) -> None:
        self.has_crashed = True


class TestLot:
    async def test_lets_few_go_per_turn_in_their_order(self) -> None:
        """
        The first goes first, and between some and the next ones everybody else gets a turn.
        """
        turns: list[int] = []
        lot = Lot(1000, lambda: None)
        for number in range(3 * UNPARKED_PER_TURN):
            assert lot.park(Request(turns, number))

        lot.open()
        assert turns == list(range(UNPARKED_PER_TURN))
        await until(lambda: lot.parked == 0)

        assert turns == list(range(3 * UNPARKED_PER_TURN))

    async def test_goes_on_behind_a_bug(self) -> None:
        """
        One request that cannot be served is no reason for others to wait for ever.
        """
        turns: list[int] = []
        lot = Lot(10, lambda: None)
        first, second = Request(turns, 1, fails=True), Request(turns, 2)
        lot.park(first)
        lot.park(second)

        lot.open()

        assert first.has_crashed
        assert turns == [2]


class TestHangingStack:
    async def test_is_not_what_a_parked_request_waits_for(self, rig: Rig) -> None:
        """
        The time that a request was parked is not the stack's: its first byte is due from the moment it went on.
        """
        await rig.live(hangs)
        rig.gateway.parking.park("shop", 60)
        client = await rig.client()
        await client.send(GET)
        await until(lambda: rig.gateway.parking.counts() == {"shop": 1})
        rig.pass_time(29)
        rig.gateway.parking.unpark("shop")
        await until(lambda: bool(rig.origins[0].peers))
        await settle()

        rig.pass_time(20)
        await settle()
        assert rig.gateway.in_flight(LIVE) == 1
        rig.pass_time(30)

        assert (await client.message()).startswith(b"HTTP/1.1 504 ")
