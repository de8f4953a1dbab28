"""Probes of endpoints, on real sockets."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import aiohttp
import pytest

from splitter.model import Endpoint, Split, StackId
from splitter.proxy import health
from splitter.proxy.health import Health, Target, probe
from splitter.proxy.options import HealthOptions
from splitter.routing import RouteRule, build_table
from tests.proxy.rig import LIVE, SHADOW, Origin, Peer, Rig, Script, hangs, resets, serves, until

QUICK = HealthOptions(interval_s=0.001, timeout_s=60.0, unhealthy=3, healthy=2)


@dataclass
class Moody:
    """A script that answers its requests with `status`, and remembers them."""

    status: int = 200
    heads: list[bytes] = field(default_factory=list)

    async def __call__(self, peer: Peer) -> None:
        self.heads.append(await peer.head())
        await peer.send(b"HTTP/1.1 %d Word\r\nContent-Length: 0\r\n\r\n" % self.status)


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session


@contextlib.asynccontextmanager
async def probing(rig: Rig, options: HealthOptions = QUICK) -> AsyncIterator[Health]:
    """Probe what the rig's table names while the block runs."""
    probes = Health(rig.gateway, {"shop": options})
    task = asyncio.get_running_loop().create_task(probes.run())
    try:
        yield probes
    finally:
        task.cancel()
        await asyncio.wait({task})


async def alone(rig: Rig, *scripts: Script) -> Origin:
    """Return an origin that no table names."""
    await rig.start(None)
    return await rig.origin(*scripts)


def target(origin: Origin, path: str = "", host: str = "") -> Target:
    return Target(LIVE, origin.endpoint, path, host)


def publish(rig: Rig, *origins: Origin, health: str) -> None:
    """Let the table name live with `origins`, probed by the path `health`."""
    version = rig.active.current.version + 1
    rule = RouteRule("shop", "", "/", "web", 80, health=health)
    rig.active.publish(build_table(version, [rule], {"shop": Split(rig.stack(1, *origins))}, lambda below: 0))


class TestProbe:
    async def test_by_a_connection(self, rig: Rig, session: aiohttp.ClientSession) -> None:
        """
        An endpoint that accepts a connection is well, whatever it would say.
        """
        origin = await alone(rig, hangs)

        assert await probe(session, target(origin), 60.0) == ""

    async def test_by_a_connection_that_is_refused(self, rig: Rig, session: aiohttp.ClientSession) -> None:
        """
        Nobody listens: the reason names the system's own.
        """
        origin = await alone(rig)
        origin.refuse()

        assert "failed a connection: " in await probe(session, target(origin), 60.0)

    @pytest.mark.parametrize("status", [200, 204, 301, 399])
    async def test_by_a_path(self, rig: Rig, session: aiohttp.ClientSession, status: int) -> None:
        """
        Below 400 is well; redirects are not followed.
        """
        moody = Moody(status)

        assert await probe(session, target(await alone(rig, moody), "/healthz?x", "shop.example"), 60.0) == ""
        assert len(moody.heads) == 1
        assert moody.heads[0].startswith(b"GET /healthz?x HTTP/1.1\r\n")
        assert b"\r\nHost: shop.example\r\n" in moody.heads[0]

    @pytest.mark.parametrize("status", [400, 404, 500, 503])
    async def test_by_a_path_that_fails(self, rig: Rig, session: aiohttp.ClientSession, status: int) -> None:
        """
        The reason names the path and the status.
        """
        origin = await alone(rig, Moody(status))

        assert await probe(session, target(origin, "/up"), 60.0) == f"answered GET /up with {status}"

    async def test_by_a_path_that_hangs(self, rig: Rig, session: aiohttp.ClientSession) -> None:
        """
        A probe has an end.
        """
        origin = await alone(rig, hangs)

        assert await probe(session, target(origin, "/"), 0.01) == "gave no answer to GET / within 0.01 s"

    @pytest.mark.parametrize("script", [resets, serves(b"not HTTP\r\n\r\n")])
    async def test_by_a_path_that_is_no_http(self, rig: Rig, session: aiohttp.ClientSession, script: Script) -> None:
        """
        A reset or garbage fails the probe, and nothing else.
        """
        origin = await alone(rig, script)

        assert (await probe(session, target(origin, "/"), 60.0)).startswith("failed GET /: ")


class TestHealth:
    async def test_says_what_is_wrong_and_when_it_is_over(self, rig: Rig, caplog: pytest.LogCaptureFixture) -> None:
        """
        A stack is in trouble while one of its endpoints fails its probes.
        """
        moody = Moody()
        origin = await rig.live(moody)
        publish(rig, origin, health="/up")

        async with probing(rig) as probes:
            await until(lambda: len(moody.heads) > 2)
            assert probes.trouble(LIVE) == ""

            moody.status = 503
            await until(lambda: probes.trouble(LIVE) != "")
            assert probes.trouble(LIVE) == f"{origin.endpoint} answered GET /up with 503"

            moody.status = 200
            await until(lambda: probes.trouble(LIVE) == "")

        said = [record.message for record in caplog.records if record.name == health.__name__]
        assert said == [
            f"shop-r1: {origin.endpoint} is unhealthy: it answered GET /up with 503",
            f"shop-r1: {origin.endpoint} is healthy again",
        ]

    async def test_probes_every_endpoint_of_every_stack(self, rig: Rig) -> None:
        """
        Live, its shadow without a share and all their replicas are probed beside each other.
        """
        moods = [Moody() for _ in range(3)]
        one, two, three = [await rig.origin(mood) for mood in moods]
        await rig.start(Split(rig.stack(1, one, two), rig.stack(2, three), 0))

        async with probing(rig):
            await until(lambda: all(origin.peers for origin in (one, two, three)))

        assert {*rig.gateway.standings(LIVE)} == {one.endpoint, two.endpoint}
        assert {*rig.gateway.standings(SHADOW)} == {three.endpoint}

    async def test_follows_the_table(self, rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
        """
        What the table names no more is left alone; what it names anew is probed.
        """
        monkeypatch.setattr(health, "FOLLOW_S", 0.001)
        former, new = await rig.live(serves()), await rig.origin(serves())

        async with probing(rig) as probes:
            await until(lambda: bool(former.peers))
            rig.publish(Split(rig.stack(1, new)))
            await until(lambda: bool(new.peers))

            assert [one.endpoint for one in probes._probing] == [new.endpoint]

    async def test_knows_an_endpoint_that_is_named_again(self, rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
        """
        An endpoint that was forgotten and is back before anybody looked is probed on, and its standing is the new one.
        """
        monkeypatch.setattr(health, "FOLLOW_S", 0.001)
        back, other = await rig.live(serves()), await rig.origin(serves())
        stack = rig.stack(1, back)

        async with probing(rig):
            await until(lambda: bool(back.peers))
            rig.publish(Split(rig.stack(1, other)))
            rig.gateway.lane(rig.active.current.routes[0].arms[0])
            assert back.endpoint not in rig.gateway.standings(LIVE)
            rig.publish(Split(stack))

            await until(lambda: back.endpoint in rig.gateway.standings(LIVE))
            await until(lambda: rig.gateway.standings(LIVE)[back.endpoint].probes_passed > 0)

    async def test_can_be_switched_off(self, rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
        """
        An interval of nothing is no probe.
        """
        monkeypatch.setattr(health, "FOLLOW_S", 0.001)
        await rig.live(serves())

        async with probing(rig, HealthOptions(interval_s=0.0)) as probes:
            for _ in range(3):
                await asyncio.sleep(0.001)

            assert probes._probing == {}

    async def test_knows_nothing_of_a_stack_never_seen(self, rig: Rig) -> None:
        """
        Who was never probed is in no trouble.
        """
        await rig.live()

        assert Health(rig.gateway, {}).trouble(StackId("shop-r9")) == ""
        assert Endpoint("10.0.0.1", 1) not in rig.gateway.standings(StackId("shop-r9"))
