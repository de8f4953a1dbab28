"""kill -9 of the daemon in every state: afterwards what serves, what the journal says and what runs agree."""

import contextlib
import json
import os
import sqlite3
import subprocess
from pathlib import Path

import aiohttp
import psutil
import pytest

from tests.system.harness import APP, FIRST, SECOND, Daemon, Json, Traffic, eventually, traffic
from tests.system.stories import World, config

WORLDS = [World("process"), pytest.param(World("docker"), marks=pytest.mark.docker)]
MORTAL = (str(Path(__file__).parent / "mortal_daemon.py"),)

# kind[:state] of the event that is the daemon's last, and how the rollout may end after the restart.
ON_THE_WAY_UP = {
    "requested": {"ROLLED_BACK"},
    "accepted": {"ROLLED_BACK"},
    "healthy": {"PROMOTED"},
    "warm": {"PROMOTED"},
    "advanced": {"PROMOTED"},
    "proven": {"ROLLED_BACK"},  # decided, not confirmed
    "shifted": {"PROMOTED"},
    "drained": {"PROMOTED"},
    "standby_over": {"PROMOTED"},
}
ON_THE_WAY_BACK = {"rollback_ordered": {"ROLLED_BACK"}, "reverted": {"ROLLED_BACK"}, "paused": {"HELD"}}


@pytest.fixture(params=WORLDS, ids=lambda world: world.provisioner)
def world(request: pytest.FixtureRequest, demo_image: None) -> World:
    chosen: World = request.param
    return chosen


def running_stacks(world: World, daemon: Daemon) -> set[str]:
    """Return the stacks of this daemon's installation that run, asked of the machine and not of splitter."""
    installation = (daemon.directory / "state/installation").read_text().strip()
    if world.provisioner == "docker":
        label = f"label=splitter.installation={installation}"
        listing = subprocess.run(
            ["docker", "ps", "-a", "--filter", label, "--format", '{{.Label "splitter.stack"}}'],
            capture_output=True,
            text=True,
            check=True,
        )
        return set(listing.stdout.split())
    return {stack for environment in _environments() if (stack := _stack_in(environment, installation))}


def _environments() -> list[dict[str, str]]:
    found = []
    for process in psutil.process_iter():
        try:
            found.append(process.environ())
        except (psutil.Error, OSError):
            continue
    return found


def _stack_in(environment: dict[str, str], installation: str) -> str:
    return environment.get("SPLITTER_STACK", "") if environment.get("SPLITTER_INSTALLATION") == installation else ""


async def agree(world: World, daemon: Daemon) -> Json:
    """Wait until status, machine and listener name the same stacks, and return the status."""

    async def do() -> Json | None:
        status = await daemon.status()
        named = {status[role]["id"] for role in ("live", "shadow") if status[role] is not None}
        return status if named == running_stacks(world, daemon) else None

    found: Json = await eventually("what the status names is what runs", do)
    return found


async def killed_at(daemon: Daemon) -> None:
    """Wait until the daemon has killed itself."""
    assert await daemon.wait() == -9, daemon.log[-3000:]
    assert (daemon.directory / "state/killed").exists()


async def came_back(daemon: Daemon, load: Traffic) -> None:
    """Start the daemon again, and forget what failed while nobody listened, or nobody was found to serve yet."""
    await daemon.start()
    await daemon.ready()
    before = load.answered
    await eventually("it serves", lambda: load.answered > before + 100)  # every client has had answers since
    load.failures.clear()


class TestKill:
    @pytest.mark.parametrize("moment", ON_THE_WAY_UP)
    async def test_right_after_a_fact_is_written(self, world: World, moment: str, tmp_path: Path) -> None:
        """
        The fact is journaled and nothing that follows from it is done: the rollout comes to its end all the same.
        """
        status = await self.survived(world, moment, {"KILL_AT": moment}, tmp_path)

        assert status["state"] in ON_THE_WAY_UP[moment], status["told"]

    @pytest.mark.parametrize("moment", ON_THE_WAY_UP)
    async def test_right_before_a_fact_is_written(self, moment: str, tmp_path: Path) -> None:
        """
        Everything was done and nothing says so: the daemon finds out, and what it does next fits what it finds.
        """
        await self.survived(World("process"), moment, {"KILL_AT": moment, "KILL_BEFORE": "1"}, tmp_path)

    async def survived(self, world: World, moment: str, environment: dict[str, str], tmp_path: Path) -> Json:
        """Deploy, let the daemon die on the way, start it again, and return the status once all agree."""
        text = config(world, world.release(tmp_path, "one"))
        async with Daemon(tmp_path / "d", text, program=MORTAL, environment=environment) as daemon:
            await daemon.ready()
            async with traffic(daemon) as load:
                before = load.answered
                await eventually("there is traffic", lambda: load.answered > before + 30)
                with contextlib.suppress(aiohttp.ClientError, OSError):  # it may die before it can answer
                    await daemon.deploy(world.release(tmp_path, "two"))
                await killed_at(daemon)
                await came_back(daemon, load)
                if not (await daemon.status())["rollout"]:  # it died before it had heard of one
                    assert moment == "requested"
                    return await agree(world, daemon)
                await daemon.reaches("PROMOTED", "ROLLED_BACK")
                status = await agree(world, daemon)
                status["told"] = [event["sentence"] for event in await daemon.events()]

        assert status["live"]["id"] == (SECOND if status["state"] == "PROMOTED" else FIRST)
        assert load.failures == []
        return status

    @pytest.mark.parametrize("moment", ON_THE_WAY_BACK)
    async def test_on_the_way_back(self, world: World, moment: str, tmp_path: Path) -> None:
        """
        Killed while somebody rolls back or pauses, the daemon comes back to what was ordered.
        """
        text = config(world, world.release(tmp_path, "one"), rollout={"hold": "1m", "steps": ["20%"]})
        async with Daemon(tmp_path / "d", text, program=MORTAL, environment={"KILL_AT": moment}) as daemon:
            await daemon.ready()
            async with traffic(daemon) as load:
                await daemon.deploy(world.release(tmp_path, "two"))
                await daemon.reaches("SPLITTING")
                with contextlib.suppress(aiohttp.ClientError, OSError):  # it may die before it can answer
                    await daemon.command("pause" if moment == "paused" else "rollback")
                await killed_at(daemon)
                await came_back(daemon, load)
                await daemon.reaches(*ON_THE_WAY_BACK[moment])
                status = await agree(world, daemon)

        assert status["live"]["id"] == FIRST
        assert load.failures == []

    async def test_while_a_person_is_asked(self, world: World, tmp_path: Path) -> None:
        """
        Killed while it waits for an override, the daemon comes back waiting; nothing was made, and it can be refused.
        """
        job = world.service("job")
        job["command"] = [*world.command, "--check"]
        job["labels"] = {"splitter.migration": "contract", "splitter.job": "run"}
        text = config(world, world.release(tmp_path, "one"))
        async with Daemon(tmp_path / "d", text, program=MORTAL, environment={"KILL_AT": "too_costly"}) as daemon:
            await daemon.ready()
            two = world.template(tmp_path, "two", {"web": world.service("two"), "migrate": job})
            with contextlib.suppress(aiohttp.ClientError, OSError):  # it may die before it can answer
                await daemon.deploy(two)
            await killed_at(daemon)
            await daemon.start()
            await daemon.ready()
            await daemon.reaches("AWAITING_OVERRIDE")
            assert running_stacks(world, daemon) == {FIRST}
            await daemon.command("rollback")
            await daemon.reaches("ROLLED_BACK")
            status = await agree(world, daemon)

        assert status["live"]["id"] == FIRST

    async def test_of_a_daemon_whose_stacks_died_with_it(self, world: World, tmp_path: Path) -> None:
        """
        After a power cut nothing runs: the live stack is made again, under its own name, from the journal.
        """
        template = world.release(tmp_path, "one")
        async with Daemon(tmp_path / "d", config(world, template)) as daemon:
            await daemon.ready()
            await daemon.kill()
            end_all(world, daemon)
            template.unlink()  # the journal has what it takes
            await daemon.start()
            await daemon.ready()
            async with traffic(daemon) as load:
                await eventually("it serves", lambda: load.answered > 20)
            status = await agree(world, daemon)

        assert status["live"]["id"] == FIRST
        assert load.failures == []


def end_all(world: World, daemon: Daemon) -> None:
    """End every process or container of the daemon's installation, as a reboot would."""
    installation = (daemon.directory / "state/installation").read_text().strip()
    if world.provisioner == "docker":
        label = f"label=splitter.installation={installation}"
        ids = subprocess.run(["docker", "ps", "-aq", "--filter", label], capture_output=True, text=True, check=True)
        subprocess.run(["docker", "rm", "-f", *ids.stdout.split()], capture_output=True, check=True)
        return
    for process in psutil.process_iter():
        try:
            if _stack_in(process.environ(), installation):
                os.kill(process.pid, 9)
        except (psutil.Error, OSError):
            continue


class TestEvidence:
    async def test_is_not_lost(self, tmp_path: Path) -> None:
        """
        Killed in the middle of a split, the daemon goes on with every request that its journal says was judged.
        """
        world = World("process")
        text = config(world, world.release(tmp_path, "one"), rollout={"hold": "1m", "steps": ["20%"]})
        async with Daemon(tmp_path / "d", text) as daemon:
            await daemon.ready()
            async with traffic(daemon) as load:
                await daemon.deploy(world.release(tmp_path, "two"))
                await daemon.reaches("SPLITTING")
                await eventually("a hundred requests are judged", lambda: judged_requests(daemon) > 100)
                await daemon.kill()
                kept = judged_requests(daemon)
                await came_back(daemon, load)
                await daemon.reaches("SPLITTING")
                decision = await eventually("it judges again", lambda: decided(daemon))
                await daemon.command("rollback")
                await daemon.reaches("ROLLED_BACK")

        assert decision["requests"] >= kept > 100


async def decided(daemon: Daemon) -> Json | None:
    """Return what the judge says at present, None before its first tick."""
    decision: Json | None = (await daemon.call("GET", f"/apps/{APP}/explain"))["decision"]
    return decision


def judged_requests(daemon: Daemon) -> int:
    """Return how many requests of the shadow the journal has as judged."""
    with contextlib.closing(sqlite3.connect(f"file:{daemon.directory}/state/journal.db?mode=ro", uri=True)) as db:
        rows = db.execute("SELECT text FROM figures WHERE tick >= 0").fetchall()
    return sum(json.loads(text)["tick"].get("shadow", {"n": 0})["n"] for (text,) in rows)
