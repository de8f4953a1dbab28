"""What the data plane says of itself, and its clock."""

from splitter.proxy.deadlines import TICK_S
from splitter.proxy.gateway import Gateway
from tests.proxy.rig import LIVE, SHADOW, Rig, resets, serves


class TestStats:
    async def test_count_what_happened(self, rig: Rig) -> None:
        """
        Requests, fallbacks and our own answers are counted, and what is open is known for each stack.
        """
        _, shadow = await rig.both(serves(), resets)
        shadow.refuse()
        client = await rig.client()
        await client.send(b"GET / HTTP/1.1\r\nHost: shop\r\n\r\n")
        await client.message()
        await client.send(b"GET /\r\n\r\n")
        await client.rest()

        stats = rig.gateway.stats()

        assert (stats.requests, stats.fallbacks, stats.replies) == (1, 1, ((400, 1),))
        assert stats.in_flight == ((LIVE, 0), (SHADOW, 0))
        assert stats.upstream_open == ((LIVE, 1), (SHADOW, 0))
        assert stats.upstream_idle == ((LIVE, 1), (SHADOW, 0))


class TestRequestIds:
    async def test_are_unique(self, rig: Rig) -> None:
        """
        No two requests of one or of two daemons get the same id.
        """
        await rig.live()
        other = Gateway(rig.active, rig.ledger, rig.gateway.options)

        ids = {gateway.next_request_id() for gateway in (rig.gateway, other) for _ in range(100)}

        assert len(ids) == 200
        assert {len(each) for each in ids} == {32}


class TestTime:
    async def test_ticks_by_itself(self, rig: Rig) -> None:
        """
        Each tick turns the wheel by one and asks for the next.
        """
        await rig.live()
        tick = rig.gateway.deadlines.tick

        rig.gateway._tick()

        assert rig.gateway.deadlines.tick == tick + 1
        assert rig.gateway._timer is not None
        assert not rig.gateway._timer.cancelled()
        assert TICK_S < 1
