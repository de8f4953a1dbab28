"""What is recorded of requests by stack, route and phase, whatever becomes of them."""

from splitter.buckets import Latency
from splitter.model import StackId
from tests.proxy.rig import LIVE, OK, SHADOW, Rig, hangs, replies, resets, serves, until

GET = b"GET / HTTP/1.1\r\nHost: shop\r\n\r\n"


def counts(rig: Rig, stack: StackId = LIVE) -> dict[str, int]:
    """Return how many requests each phase of the one route holds."""
    return {phase: _count(latency) for phase, latency in rig.ledger.routes(stack)["/"].latencies.items()}


def _count(latency: Latency) -> int:
    return sum(count for _, count in latency)


def highest_us(rig: Rig, phase: str) -> int:
    return rig.ledger.routes(LIVE)["/"].latencies[phase][-1][0]


class TestPhases:
    async def test_of_a_reused_connection_hold_no_connect(self, rig: Rig) -> None:
        """
        Connecting is counted for the request that needed it alone.
        """
        await rig.live(serves())

        for _ in range(3):
            await rig.get()

        assert counts(rig) == {"connect": 1, "first_byte": 3, "total": 3, "overhead": 3}

    async def test_add_up_to_no_more_than_the_total(self, rig: Rig) -> None:
        """
        What is waited for and what is ours are parts of the total.
        """
        await rig.live(serves())

        await rig.get()

        parts = [highest_us(rig, phase) for phase in ("connect", "first_byte", "overhead")]
        rounding_us = 3 + highest_us(rig, "total") // 1_000
        assert 0 < sum(parts) <= highest_us(rig, "total") + rounding_us

    async def test_of_a_stale_connection_count_the_second_attempt_as_waiting(self, rig: Rig) -> None:
        """
        A request that is sent again after its connection died is one answer, with a connection of its own.
        """
        await rig.live(replies(OK), serves())

        await rig.get()
        await rig.get()

        assert counts(rig) == {"connect": 2, "first_byte": 2, "total": 2, "overhead": 2}

    async def test_hold_nothing_of_failures(self, rig: Rig) -> None:
        """
        An answer of ours and a 5xx of the stack are no times of an answer.
        """
        await rig.live(resets, replies(b"HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n"))

        await rig.get(b"POST / HTTP/1.1\r\nHost: shop\r\nContent-Length: 0\r\n\r\n")
        await rig.get()

        assert counts(rig) == {"connect": 0, "first_byte": 0, "total": 0, "overhead": 0}

    async def test_hold_nothing_of_replays(self, rig: Rig) -> None:
        """
        What live serves in place of the shadow is a sample of neither.
        """
        await rig.both(serves(), resets)

        await rig.get()

        assert set(counts(rig, LIVE).values()) == set(counts(rig, SHADOW).values()) == {0}
        assert rig.outcomes(LIVE) == {"replayed": 1}

    async def test_hold_nothing_of_requests_that_were_given_up(self, rig: Rig) -> None:
        """
        A client that leaves takes its request along.
        """
        origin = await rig.live(hangs)
        client = await rig.client()
        await client.send(GET)
        await until(lambda: bool(origin.peers))

        client.reset()
        await until(lambda: rig.gateway.in_flight(LIVE) == 0)

        assert set(counts(rig).values()) == {0}


class TestMethods:
    async def test_are_counted_for_the_stack_that_was_chosen(self, rig: Rig) -> None:
        """
        A replay is no second request.
        """
        await rig.both(serves(), resets)

        await rig.get()
        await rig.get(b"BREW / HTTP/1.1\r\nHost: shop\r\nContent-Length: 0\r\n\r\n")

        assert rig.ledger.routes(SHADOW)["/"].methods == {"GET": 1, "OTHER": 1}
        assert rig.ledger.routes(LIVE)["/"].methods == {}
