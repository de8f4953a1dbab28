"""The engine under a running daemon is stopped and started again, as an upgrade of it does."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from provisioners.docker import Engine
from splitter.demo.image import pack_python
from tests.system.harness import FIRST, Daemon, Json, eventually, traffic
from tests.system.own_engine import OwnEngine, missing, own_engine
from tests.system.stories import IMAGE, World, config

DOCKER = World("docker")

pytestmark = [pytest.mark.docker, pytest.mark.skipif(bool(missing()), reason=missing() or "it can be started")]


@pytest.fixture
async def engine() -> AsyncIterator[OwnEngine]:
    """An engine of the test's own, with the image of the demo's app."""
    async with own_engine() as engine:
        packing = Engine(engine.url)
        await pack_python(IMAGE, packing)
        await packing.close()
        yield engine


def on(engine: OwnEngine, live: Path) -> str:
    return config(DOCKER, live, rollout={"hold": "10m"}) + f"docker: {{host: '{engine.url}', endpoint: bridge}}\n"


def stacks(engine: OwnEngine) -> set[str]:
    """Return whose containers there are, asked of the engine and not of splitter."""
    client = engine.client()
    try:
        return {each["Labels"].get("splitter.stack", "") for each in client.containers(all=True)}
    finally:
        client.close()


async def said(daemon: Daemon, *kinds: str) -> list[Json]:
    return [event for event in await daemon.events() if event["kind"] in kinds]


class TestRestart:
    async def test_of_the_engine_alone_is_waited_for(self, engine: OwnEngine, tmp_path: Path) -> None:
        """
        Containers that go on without their engine serve on; the rollout says so, waits, and can be promoted after it.
        """
        async with Daemon(tmp_path / "d", on(engine, DOCKER.release(tmp_path, "one"))) as daemon:
            await daemon.ready()
            async with traffic(daemon) as load:
                await daemon.deploy(DOCKER.release(tmp_path, "two"))
                await daemon.reaches("SPLITTING")
                await engine.stop()
                await eventually("it is said", lambda: said(daemon, "engine_gone"))
                before = dict(load.by_version)
                await eventually("live serves on", lambda: load.by_version["one"] > before["one"] + 50)
                await engine.start()
                await eventually("it is said", lambda: said(daemon, "engine_back"))
                await daemon.command("promote")
                status = await daemon.reaches("PROMOTED")
                await eventually("one is left", lambda: stacks(engine) == {status["live"]["id"]})
                assert await said(daemon, "live_died", "shadow_died") == []

        assert load.failures == []
        assert load.by_version["two"] > 0

    async def test_that_ends_the_containers_is_rolled_back(self, engine: OwnEngine, tmp_path: Path) -> None:
        """
        An engine that ends its containers takes both stacks: live is made again, the shadow is not, and it is said why.
        """
        async with Daemon(tmp_path / "d", on(engine, DOCKER.release(tmp_path, "one"))) as daemon:
            await daemon.ready()
            async with traffic(daemon) as load:
                await daemon.deploy(DOCKER.release(tmp_path, "two"))
                await daemon.reaches("SPLITTING")
                await engine.stop(with_containers=True)
                await engine.start()
                await daemon.reaches("ROLLED_BACK")
                await eventually("the shadow is gone", lambda: stacks(engine) == {FIRST})
                before = load.by_version["one"]
                await eventually("live serves again", lambda: load.by_version["one"] > before + 50)
                died = await said(daemon, "live_died", "shadow_died")

        assert died
        assert all("exited with code" in each["sentence"] for each in died)
        assert {failure for failure in load.failures if not failure.startswith("status 50")} == set()
