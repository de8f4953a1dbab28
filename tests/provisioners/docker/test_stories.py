"""Whole rollouts over stacks that share state: a real daemon, real traffic, and the rows that were acknowledged."""

import asyncio
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
import pytest
import yaml

from tests.provisioners.docker.stage import APP as PROGRAM
from tests.system.harness import APP, Daemon, eventually
from tests.system.stories import World, config

WRITERS = 4
ROWS_MIN = 20


@dataclass
class Writers:
    """Clients that write rows, each once, and remember which were acknowledged, and by which stack."""

    url: str
    saved: dict[str, set[str]] = field(default_factory=dict)
    refused: list[str] = field(default_factory=list)
    stopping: bool = False

    async def work(self, name: int) -> None:
        number = 0
        async with aiohttp.ClientSession() as session:
            while not self.stopping:
                number += 1
                row = f"{name}.{number}"
                async with session.get(f"{self.url}/save?row={row}") as answer:
                    if answer.status == 200 and await answer.text() == row:
                        self.saved.setdefault(answer.headers["X-Stack"], set()).add(row)
                    else:
                        self.refused.append(row)
                await asyncio.sleep(0.01)

    def by(self, revision: int) -> int:
        """Return how many rows a stack has acknowledged."""
        return len(self.saved.get(f"{APP}-r{revision}", ()))


def release(directory: Path, image: str, name: str) -> Path:
    """Write a template of a web server, its worker, and the database that both stacks are to share."""
    check = {"test": ["CMD", *PROGRAM, "check"], "interval": "500ms", "timeout": "30s"}
    base = {"image": image, "expose": ["8000"], "stop_grace_period": "1s"}
    serve = [*PROGRAM, "serve"]
    services = {
        "web": {**base, "command": serve, "healthcheck": check, "environment": {"VERSION": name}, "depends_on": ["db"]},
        "worker": {**base, "command": serve},
        "db": {**base, "command": serve, "volumes": ["rows:/data"], "labels": {"splitter.stateful": "true"}},
    }
    path = directory / f"{name}.yaml"
    path.write_text(yaml.safe_dump({"services": services, "volumes": {"rows": None}}))
    return path


@pytest.mark.docker
class TestSharedDatabase:
    async def test_loses_no_row_by_a_rollback_or_a_promotion(self, image: str, tmp_path: Path) -> None:
        """
        Clients write to the shared database through both stacks; whatever becomes of the shadow, each acknowledged row
        is there, and the worker runs in one stack at a time.
        """
        world = World("docker")
        settings = config(world, release(tmp_path, image, "one"), rollout={"deadline": "300s", "hold": "300s"})
        async with Daemon(tmp_path / "d", settings) as daemon, asyncio.TaskGroup() as clients:
            await daemon.ready()
            writers = Writers(daemon.url)
            working = [clients.create_task(writers.work(number)) for number in range(WRITERS)]

            await daemon.deploy(release(tmp_path, image, "two"))
            await eventually("the shadow wrote", lambda: writers.by(2) > ROWS_MIN)
            await daemon.command("rollback")
            await daemon.reaches("ROLLED_BACK")
            before = writers.by(1)
            await eventually("live goes on", lambda: writers.by(1) > before + ROWS_MIN)

            await daemon.deploy(release(tmp_path, image, "three"))
            await eventually("the next shadow wrote", lambda: writers.by(3) > ROWS_MIN)
            await daemon.command("promote")
            await daemon.reaches("PROMOTED")
            await eventually("the former live is gone", lambda: "retired" in _kinds_after_promotion(daemon))
            before = writers.by(3)
            await eventually("the new live goes on", lambda: writers.by(3) > before + ROWS_MIN)

            writers.stopping = True
            await asyncio.wait(working)
            async with aiohttp.ClientSession() as session, session.get(f"{daemon.url}/saved") as answer:
                kept = (await answer.text()).split()
            journal = daemon.journal()

        saved = set().union(*writers.saved.values())
        assert saved - set(kept) == set()
        assert writers.refused == []
        retired = [event for event in journal if event["kind"] == "retired"]
        assert [(event["stack"], event["left"]) for event in retired] == [
            (f"{APP}-r2", []),
            (f"{APP}-r1", [f"{APP}-r1-db-1", f"{APP}-r1_rows"]),
        ]
        (handed,) = [event for event in journal if event["kind"] == "handed_over"]
        assert (handed["stopped"], handed["started"]) == (["worker"], ["worker"])


def _kinds_after_promotion(daemon: Daemon) -> list[str]:
    kinds = [str(event["kind"]) for event in daemon.journal()]
    return kinds[kinds.index("standby_over") :] if "standby_over" in kinds else []
