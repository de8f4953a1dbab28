"""The life of a rollout, whole: a real daemon, real stacks, real traffic, and the verdict that they come to."""

from pathlib import Path

import pytest

from tests.system.harness import FIRST, SECOND, Daemon, RefusedCallError, eventually, traffic
from tests.system.stories import World, config

WORLDS = [World("process"), pytest.param(World("docker"), marks=pytest.mark.docker)]


@pytest.fixture(params=WORLDS, ids=lambda world: world.provisioner)
def world(request: pytest.FixtureRequest, demo_image: None) -> World:
    chosen: World = request.param
    return chosen


class TestGoodRelease:
    async def test_is_promoted_without_a_failed_request(self, world: World, tmp_path: Path) -> None:
        """
        An equal stack is split to, promoted on proof, and the former live is retired after the standby.
        """
        live = world.release(tmp_path, "one")
        async with Daemon(tmp_path / "d", config(world, live)) as daemon:
            await daemon.ready()
            async with traffic(daemon) as load:
                await daemon.deploy(world.release(tmp_path, "two"))
                status = await daemon.reaches("PROMOTED", "ROLLED_BACK", "HALTED")
                before = load.by_version.get("two", 0)
                await eventually("the new version serves", lambda: load.by_version.get("two", 0) > before + 50)

        assert status["state"] == "PROMOTED", status["last_event"]
        assert status["live"]["id"] == SECOND
        assert load.failures == []

    async def test_can_be_undone_while_its_standby_is_kept(self, world: World, tmp_path: Path) -> None:
        """
        Undo gives all traffic back to the standby, at once and without a failed request.
        """
        live = world.release(tmp_path, "one")
        async with Daemon(tmp_path / "d", config(world, live, rollout={"standby": "5m"})) as daemon:
            await daemon.ready()
            async with traffic(daemon) as load:
                await daemon.deploy(world.release(tmp_path, "two"))
                await daemon.reaches("STANDBY")
                await daemon.command("undo")
                status = await daemon.reaches("ROLLED_BACK", "HALTED")
                before = load.by_version["one"]
                await eventually("the old version serves", lambda: load.by_version["one"] > before + 50)

        assert status["state"] == "ROLLED_BACK"
        assert status["live"]["id"] == FIRST
        assert load.failures == []


class TestMirroredRelease:
    async def test_gets_copies_before_its_first_share(self, tmp_path: Path) -> None:
        """
        A good shadow answers copies as live answers the requests, is split to by clients, and is promoted.
        """
        world = World("process")
        rollout = {"mirror": {"share": "100%", "for": "1s"}, "sticky": {"cookie": "splitter"}}
        async with Daemon(tmp_path / "d", config(world, world.release(tmp_path, "one"), rollout=rollout)) as daemon:
            await daemon.ready()
            async with traffic(daemon) as load:
                await daemon.deploy(world.release(tmp_path, "two"))
                status = await daemon.reaches("PROMOTED", "ROLLED_BACK", "HALTED")
                events = await daemon.events()

        assert status["state"] == "PROMOTED", status["last_event"]
        assert load.failures == []
        (mirrored,) = [event for event in events if event["kind"] == "mirrored"]
        assert mirrored["data"]["pairs"] > 0
        assert mirrored["data"]["shadow_only"] == 0

    async def test_is_rolled_back_before_anybody_was_served_by_it(self, tmp_path: Path) -> None:
        """
        What copies show of a shadow that fails is enough: it never gets a share.
        """
        world = World("process")
        rollout = {"mirror": {"share": "100%", "for": "90s"}}
        async with Daemon(tmp_path / "d", config(world, world.release(tmp_path, "one"), rollout=rollout)) as daemon:
            await daemon.ready()
            async with traffic(daemon) as load:
                await daemon.deploy(world.release(tmp_path, "two", ERROR_RATE="0.3"))
                status = await daemon.reaches("SPLITTING", "ROLLED_BACK", "HALTED")

        assert status["state"] == "ROLLED_BACK", status["last_event"]
        assert load.failures == []
        assert set(load.by_version) == {"one"}


HEALTHY_AT_FIRST = (
    "import pathlib, sys; file = pathlib.Path(sys.argv[1]); "
    "count = len(file.read_text()) if file.exists() else 0; file.write_text('.' * (count + 1)); sys.exit(count >= 8)"
)
"""A health check that is content eight times and never again."""

WORSE = {
    "errors": {"ERROR_RATE": "0.2"},
    "latency": {"LATENCY_MS": "40"},
    "crash": {"CRASH_AFTER": "60"},
    "hang": {"HANG": "1"},
    "reset": {"RESET": "1"},
    "garbage": {"GARBAGE": "1"},
}


class TestWorseRelease:
    @pytest.mark.parametrize("fault", WORSE)
    async def test_is_rolled_back_by_itself(self, world: World, fault: str, tmp_path: Path) -> None:
        """
        A shadow that fails, is slow, dies, hangs, resets or answers garbage is left, and no client notices.
        """
        live = world.release(tmp_path, "one")
        proxy = {"first_byte_timeout": "1s"} if fault == "hang" else {}
        text = config(world, live) + f"proxy: {proxy}\n"
        async with Daemon(tmp_path / "d", text) as daemon:
            await daemon.ready()
            async with traffic(daemon) as load:
                await daemon.deploy(world.release(tmp_path, "two", **WORSE[fault]))
                status = await daemon.reaches("PROMOTED", "ROLLED_BACK", "HALTED")
            decision = next(event for event in await daemon.events() if event["kind"] in ("worse", "shadow_died"))

        assert status["state"] == "ROLLED_BACK"
        assert status["live"]["id"] == FIRST
        assert status["shadow"] is None
        assert SECOND in decision["sentence"]
        assert load.failures == []

    async def test_that_gets_unhealthy_is_rolled_back(self, world: World, tmp_path: Path) -> None:
        """
        A shadow that serves 5 % and whose health check begins to fail is left, whatever its answers look like.
        """
        checks = "checks" if world.provisioner == "docker" else str(tmp_path / "checks")
        service = world.service("two")
        service["healthcheck"]["test"] = ["CMD", world.command[0], "-c", HEALTHY_AT_FIRST, checks]
        text = config(world, world.release(tmp_path, "one"), rollout={"steps": ["5%"], "hold": "1m"})
        async with Daemon(tmp_path / "d", text) as daemon:
            await daemon.ready()
            async with traffic(daemon) as load:
                await daemon.deploy(world.template(tmp_path, "two", {"web": service}))
                status = await daemon.reaches("PROMOTED", "ROLLED_BACK", "HALTED")
            died = [event["sentence"] for event in await daemon.events() if event["kind"] == "shadow_died"]

        assert status["state"] == "ROLLED_BACK"
        assert "unhealthy" in died[0]
        assert load.by_version["two"] > 0
        assert load.failures == []

    async def test_that_never_gets_healthy_is_removed(self, world: World, tmp_path: Path) -> None:
        """
        A stack whose health check fails never sees a request; what was made of it is removed, and the event says why.
        """
        service = world.service("two")
        service["healthcheck"]["test"] = ["CMD", *world.command, "--no-such-option"]
        live = world.release(tmp_path, "one")
        async with Daemon(tmp_path / "d", config(world, live)) as daemon:
            await daemon.ready()
            async with traffic(daemon) as load:
                await daemon.deploy(world.template(tmp_path, "two", {"web": service}))
                status = await daemon.reaches("ROLLED_BACK", "HALTED")
            said = [event["sentence"] for event in await daemon.events() if event["kind"] == "provision_failed"]

        assert status["state"] == "ROLLED_BACK"
        assert "web" in said[0]
        assert "two" not in load.by_version
        assert load.failures == []


class TestSecondDeploy:
    async def test_is_refused_by_name(self, tmp_path: Path) -> None:
        """
        While a rollout runs another one is refused; the answer names the one that runs.
        """
        world = World("process")
        live = world.release(tmp_path, "one")
        async with Daemon(tmp_path / "d", config(world, live, rollout={"warm_up": "1m"})) as daemon:
            await daemon.ready()
            rollout = (await daemon.deploy(world.release(tmp_path, "two")))["rollout"]
            await daemon.reaches("WARMING")

            with pytest.raises(RefusedCallError) as refused:
                await daemon.deploy(world.release(tmp_path, "three"))

            assert refused.value.status == 409
            assert rollout in str(refused.value)
            await daemon.command("rollback")
            await daemon.reaches("ROLLED_BACK")
