"""The command line against a real daemon: what a pipeline and a person type, and the exit codes that they get."""

import asyncio
import json
import os
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from tests.system.harness import APP, FIRST, ROOT, SECOND, Daemon, eventually, traffic
from tests.system.stories import World, config

WORLD = World("process")


@dataclass(frozen=True)
class Ended:
    """A command that has ended."""

    code: int
    out: str
    err: str


async def splitter(daemon: Daemon, *words: str) -> Ended:
    """Run a command as a user does, in the directory of the daemon's configuration."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "splitter",
        *words,
        cwd=daemon.directory,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await process.communicate()
    assert process.returncode is not None
    return Ended(process.returncode, out.decode(), err.decode())


class TestDeployAndWait:
    async def test_ends_with_0_when_promoted(self, tmp_path: Path) -> None:
        """
        A good release: the events as they happen, and exit code 0 once the former live is drained and kept as standby.
        """
        async with Daemon(tmp_path / "d", config(WORLD, WORLD.release(tmp_path, "one"))) as daemon:
            await daemon.ready()
            async with traffic(daemon) as load:
                ended = await splitter(daemon, "deploy", str(WORLD.release(tmp_path, "two")), "--wait")
            await daemon.reaches("PROMOTED")
            shown = await splitter(daemon, "status")

        assert ended.code == 0, ended.out + ended.err
        assert f"{SECOND} gets 20 %" in ended.out
        assert "is proven" in ended.out
        assert f"{FIRST} is kept as standby" in ended.out
        assert shown.code == 0
        assert "r2" in shown.out
        assert load.failures == []

    async def test_ends_with_1_when_rolled_back(self, tmp_path: Path) -> None:
        """
        A bad release: exit code 1, and as JSON every event on a line of its own.
        """
        async with Daemon(tmp_path / "d", config(WORLD, WORLD.release(tmp_path, "one"))) as daemon:
            await daemon.ready()
            async with traffic(daemon):
                two = WORLD.release(tmp_path, "two", ERROR_RATE="0.3")
                ended = await splitter(daemon, "deploy", str(two), "--wait", "--json")

        lines = [json.loads(line) for line in ended.out.splitlines()]
        assert ended.code == 1
        assert (lines[0]["app"], lines[0]["rollout"]) == (APP, f"{APP}-2")
        assert "worse" in {line.get("kind") for line in lines}
        assert lines[-1]["state"] == "ROLLED_BACK"

    async def test_ends_with_3_when_a_person_is_asked(self, tmp_path: Path) -> None:
        """
        A change that cannot be undone waits for an override, makes nothing before it, and goes on with it.
        """
        one, two = (self._with_job(tmp_path, name) for name in ("one", "two"))
        async with Daemon(tmp_path / "d", config(WORLD, one)) as daemon:
            await daemon.ready()
            planned = await splitter(daemon, "plan", str(two))
            waiting = await splitter(daemon, "deploy", str(two), "--wait")
            silent = await splitter(daemon, "override")
            before = await daemon.status()
            consented = await splitter(daemon, "override", "--by", "ada", "--why", "the migration only adds a column")
            async with traffic(daemon):
                await daemon.reaches("WARMING", "SPLITTING", "STANDBY", "PROMOTED")
            said = [event for event in await daemon.events() if event["kind"] == "overridden"]
            await daemon.command("rollback") if await daemon.state() != "PROMOTED" else None

        assert planned.code == 0
        assert "gate" in planned.out
        assert waiting.code == 3
        assert silent.code == 2
        assert before["state"] == "AWAITING_OVERRIDE"
        assert consented.code == 0, consented.err
        assert said[0]["by"] == "ada"
        assert "the migration only adds a column" in said[0]["sentence"]

    @staticmethod
    def _with_job(directory: Path, name: str) -> Path:
        """Write a template whose web waits for a migration, which differs from release to release."""
        job = {"command": ["/bin/sh", "-c", f"echo migrate {name}"], "labels": {"splitter.migration": "contract"}}
        web = WORLD.service(name)
        web["depends_on"] = {"migrate": {"condition": "service_completed_successfully"}}
        return WORLD.template(directory, name, {"web": web, "migrate": job})


class TestCommands:
    async def test_move_a_rollout_or_say_why_not(self, tmp_path: Path) -> None:
        """
        Pause, resume, promote, undo: each does what it says, or is refused by name with what is legal.
        """
        times = {"hold": "1m", "standby": "1m"}
        async with Daemon(tmp_path / "d", config(WORLD, WORLD.release(tmp_path, "one"), rollout=times)) as daemon:
            await daemon.ready()
            async with traffic(daemon) as load:
                assert (await splitter(daemon, "pause")).code == 2  # there is no rollout
                await splitter(daemon, "deploy", str(WORLD.release(tmp_path, "two")))
                await daemon.reaches("SPLITTING")
                assert (await splitter(daemon, "pause", "--why", "lunch")).code == 0
                assert await daemon.state() == "HELD"
                refused = await splitter(daemon, "undo")
                assert refused.code == 2
                assert "HELD" in refused.err
                assert "resume" in refused.err
                assert (await splitter(daemon, "resume")).code == 0
                assert (await splitter(daemon, "promote", "--why", "it is fine")).code == 0
                await daemon.reaches("STANDBY")
                assert (await splitter(daemon, "undo")).code == 0
                await daemon.reaches("ROLLED_BACK")
                before = load.by_version["one"]
                await eventually("live serves", lambda: load.by_version["one"] > before + 50)
            told = (await splitter(daemon, "events")).out

        assert "lunch" in told
        assert "it is fine" in told
        assert load.failures == []

    async def test_without_a_daemon_end_with_4(self, tmp_path: Path) -> None:
        """
        Nobody answers: exit code 4, which socket, and what to do.
        """
        daemon = Daemon(tmp_path, "")
        ended = await splitter(daemon, "status", "--socket", str(tmp_path / "none.sock"))

        assert ended.code == 4
        assert str(tmp_path / "none.sock") in ended.err
        assert "splitter run" in ended.err

    async def test_wrong_configuration_ends_with_2(self, tmp_path: Path) -> None:
        """
        Every mistake at once, with its place and what to write instead.
        """
        text = config(WORLD, WORLD.release(tmp_path, "one"))
        document = yaml.safe_load(text.replace("@PORT@", "8080"))
        document["apps"][APP]["rollout"]["steps"] = ["5%", "120%"]
        document["apps"][APP]["rutes"] = document["apps"][APP].pop("routes")
        (tmp_path / "splitter.yaml").write_text(yaml.safe_dump(document))

        ended = await splitter(Daemon(tmp_path, ""), "validate", "-c", "splitter.yaml")

        assert ended.code == 2
        assert f"apps.{APP}.rollout.steps[1]" in ended.err
        assert "routes" in ended.err
        assert "splitter.yaml:" in ended.err


class TestRestart:
    async def test_keeps_serving_the_promoted_stack(self, tmp_path: Path) -> None:
        """
        After an orderly stop and a start, the stack that was promoted serves, under its own name.
        """
        async with Daemon(tmp_path / "d", config(WORLD, WORLD.release(tmp_path, "one"))) as daemon:
            await daemon.ready()
            async with traffic(daemon):
                await daemon.deploy(WORLD.release(tmp_path, "two"))
                await daemon.reaches("PROMOTED")
            assert await daemon.stop() == 0
            await daemon.start()
            await daemon.ready()
            async with traffic(daemon) as load:
                await eventually("it serves", lambda: load.by_version.get("two", 0) > 20)
            status = await daemon.status()

        assert status["live"]["id"] == SECOND
        assert load.failures == []


@pytest.mark.parametrize("path", ["splitter/demo/splitter.yaml", "config/splitter.yaml"])
async def test_shipped_configurations_are_valid(path: str, tmp_path: Path) -> None:
    """
    What we ship as an example can be used as it is.
    """
    environment = {"SPLITTER_DEMO_PORT": "8080", "SPLITTER_DEMO_PROVISIONER": "process", "SPLITTER_DEMO_TEMPLATE": "r1"}
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        "import sys; from splitter.config import load_config; load_config(sys.argv[1])",
        str(ROOT / path),
        cwd=ROOT,
        env={**os.environ, **environment},
    )

    assert await process.wait() == 0
