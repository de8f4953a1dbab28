"""Several endpoints of one service: who gets the next request, and who gets none."""

import pytest

from splitter.model import Split
from splitter.proxy.standing import ProbeLimits, Standing
from tests.proxy.rig import LIVE, OK, Origin, Rig, Script, hangs, replies, resets, serves, until

GET = b"GET / HTTP/1.1\r\nHost: shop\r\n\r\n"
POST = b"POST / HTTP/1.1\r\nHost: shop\r\nContent-Length: 0\r\n\r\n"  # never sent again once it was written
LAST = OK.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")
ONE, TWO, THREE = (serves(OK.replace(b"ok", name)) for name in (b"01", b"02", b"03"))


async def replicas(rig: Rig, *scripts: Script, **options: object) -> list[Origin]:
    """Start the listener before a live stack whose service has an endpoint for each of `scripts`."""
    origins = [await rig.origin(script) for script in scripts]
    await rig.start(Split(rig.stack(1, *origins)), **options)
    return origins


async def answers(rig: Rig, requests: int, request: bytes = GET) -> set[bytes]:
    """Return who answered, by the last two bytes of what came."""
    return {(await rig.get(request))[-2:] for _ in range(requests)}


def standing(rig: Rig, origin: Origin) -> Standing:
    return rig.gateway.standing(LIVE, origin.endpoint)


def make_unhealthy(rig: Rig, *origins: Origin) -> None:
    for origin in origins:
        standing(rig, origin).probed("failed", ProbeLimits(unhealthy=1, healthy=1))


class TestBalance:
    async def test_gives_each_in_turn_what_is_equal(self, rig: Rig) -> None:
        """
        Endpoints without anything to do are asked one after the other.
        """
        await replicas(rig, ONE, TWO, THREE)

        assert await answers(rig, 3) == {b"01", b"02", b"03"}

    async def test_prefers_the_fewest_in_flight(self, rig: Rig) -> None:
        """
        An endpoint that holds requests gets no more while another one holds fewer.
        """
        _, slow = await replicas(rig, ONE, hangs)
        waiting = await rig.client()
        await waiting.send(GET)  # the second endpoint has the first turn
        await until(lambda: bool(slow.peers))

        assert await answers(rig, 4) == {b"01"}


class TestEjection:
    async def test_follows_requests_without_an_answer(self, rig: Rig) -> None:
        """
        An endpoint that resets three requests in a row gets no fourth, until its time is over.
        """
        broken, _ = await replicas(rig, resets, ONE, eject_after=3, eject_for_s=30.0)

        for _ in range(6):
            await rig.get(POST)
        assert len(broken.peers) == 3
        assert await answers(rig, 4, POST) == {b"01"}

        rig.pass_time(30.0)
        for _ in range(2):
            await rig.get(POST)
        assert len(broken.peers) == 4

    async def test_follows_connections_that_nobody_accepts(self, rig: Rig) -> None:
        """
        No client notices, for each request goes on to the other endpoint; soon none goes that way any more.
        """
        gone, _ = await replicas(rig, ONE, TWO, eject_after=2)
        gone.refuse()

        assert await answers(rig, 8) == {b"02"}

        assert standing(rig, gone).ejections == 1

    async def test_does_not_follow_a_5xx(self, rig: Rig) -> None:
        """
        A 5xx is an answer of the application; the endpoint has done its part.
        """
        failing, _ = await replicas(rig, serves(b"HTTP/1.1 500 No\r\nContent-Length: 2\r\n\r\nno"), ONE, eject_after=1)

        assert await answers(rig, 4) == {b"no", b"01"}

        assert standing(rig, failing).ejections == 0

    async def test_counts_failures_in_a_row_alone(self, rig: Rig) -> None:
        """
        An answer between two failures begins the count anew.
        """
        origins = [await rig.origin(resets, replies(LAST), resets, replies(LAST)), await rig.origin(TWO)]
        await rig.start(Split(rig.stack(1, *origins)), eject_after=2)

        for _ in range(8):
            await rig.get(POST)

        assert len(origins[0].peers) == 4
        assert standing(rig, origins[0]).ejections == 0

    async def test_leaves_half_of_the_endpoints_in_place(self, rig: Rig) -> None:
        """
        Where all fail alike it is not the endpoints' fault, and most of them go on.
        """
        origins = await replicas(rig, resets, resets, resets, resets, eject_after=1)

        for _ in range(12):
            await rig.get(POST)

        assert sum(standing(rig, origin).is_ejected(0) for origin in origins) == 2

    async def test_never_takes_the_last_one(self, rig: Rig) -> None:
        """
        A single endpoint is asked again, however often it fails.
        """
        [only] = await replicas(rig, resets, eject_after=1, eject_share_max_bp=10_000)

        for _ in range(3):
            await rig.get(POST)

        assert len(only.peers) == 3

    async def test_can_be_switched_off(self, rig: Rig) -> None:
        """
        Whoever wants no ejection gets none.
        """
        broken, _ = await replicas(rig, resets, ONE, eject_after=0)

        for _ in range(20):
            await rig.get(POST)

        assert len(broken.peers) == 10

    async def test_survives_a_new_table(self, rig: Rig) -> None:
        """
        What is known of an endpoint is kept while the table names it.
        """
        broken, well = await replicas(rig, resets, ONE, eject_after=1)
        for _ in range(2):
            await rig.get(POST)

        rig.publish(Split(rig.stack(1, broken, well), rig.stack(2, well), 0))

        assert await answers(rig, 4, POST) == {b"01"}


class TestUnhealthy:
    async def test_gets_nothing_while_another_one_is_well(self, rig: Rig) -> None:
        """
        An endpoint that fails its probes is left out.
        """
        one, _ = await replicas(rig, ONE, TWO)
        make_unhealthy(rig, one)

        assert await answers(rig, 4) == {b"02"}

    async def test_gets_requests_where_none_is_well(self, rig: Rig, caplog: pytest.LogCaptureFixture) -> None:
        """
        Panic: with nobody left all are asked, which is said once, and the end of it too.
        """
        one, two = await replicas(rig, ONE, TWO)
        make_unhealthy(rig, one, two)

        assert await answers(rig, 4) == {b"01", b"02"}
        standing(rig, two).probed("", ProbeLimits(1, 1))
        assert await answers(rig, 4) == {b"02"}

        assert [record.message for record in caplog.records if record.name.endswith("traffic")] == [
            "shop-r1: no endpoint of route / is well; all of them get requests",
            "shop-r1: an endpoint of route / is well again",
        ]

    async def test_is_asked_last_when_others_refuse(self, rig: Rig) -> None:
        """
        A request that nobody well has accepted is offered to the unhealthy ones: it has nothing to lose.
        """
        one, two = await replicas(rig, ONE, TWO)
        make_unhealthy(rig, one)
        two.refuse()

        assert await answers(rig, 2) == {b"01"}
