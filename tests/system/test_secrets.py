"""What must not be told is told nowhere: not by the log, not by a command, not by the API, not by a metric."""

import json
import stat
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import yaml

from tests.system.harness import APP, Daemon, eventually, free_port
from tests.system.stories import World, config

WORLD = World("process")
TOKEN = "hunter2-of-the-admin-door"
HOOK = "hunter2-of-the-chat"
SECRETS = ("hunter2-of-live", "hunter2-of-the-shadow", "hunter2-of-the-caller", TOKEN, HOOK)


def written(template: Path) -> str:
    """Return a configuration with a token, and with an alert's address where nobody is."""
    document = yaml.safe_load(config(WORLD, template))
    document["admin"]["token"] = TOKEN
    document["alerts"] = [{"url": f"http://127.0.0.1:{free_port()}/{HOOK}", "on": ["info", "warning", "critical"]}]
    document["access_log"] = {"to": "access.log", "flush": "100ms"}
    return yaml.safe_dump(document)


async def told(daemon: Daemon, plan: object) -> AsyncIterator[tuple[str, str]]:
    """Yield all that a daemon tells to whoever asks, with the name of the place."""
    yield "plan", json.dumps(plan)
    for what in ("", "/events", "/explain", "/report"):
        yield f"apps{what}", json.dumps(await daemon.call("GET", f"/apps/{APP}{what}"))
    yield "metrics", await daemon.metrics()
    yield "log", daemon.log
    yield "access log", (daemon.directory / "access.log").read_text()


class TestSecrets:
    async def test_stay_where_they_are(self, tmp_path: Path) -> None:
        """
        Values of variables, a token and an alert's address go through a deploy that fails, and are told by nobody.
        """
        one = WORLD.release(tmp_path, "one", PASSWORD="hunter2-of-live", API_TOKEN="${API_TOKEN:-}")
        two = WORLD.release(tmp_path, "two", PASSWORD="hunter2-of-the-shadow", API_TOKEN="${API_TOKEN:-}")
        two.write_text(two.read_text().replace(WORLD.command[-1], "/nowhere.py"))
        files = {"files": [str(two)], "environment": {"API_TOKEN": "hunter2-of-the-caller"}}

        async with Daemon(tmp_path / "d", written(one)) as daemon:
            await daemon.ready()
            async with aiohttp.ClientSession() as session:
                header = {"Authorization": "Bearer hunter2-of-the-caller", "Cookie": "session=hunter2-of-the-caller"}
                async with session.get(daemon.url, headers=header) as response:
                    assert response.status == 200
            plan = await daemon.call("POST", f"/apps/{APP}/plan", files)
            await daemon.deploy(two, environment=files["environment"])
            await daemon.reaches("ROLLED_BACK")
            await eventually("the request is logged", lambda: (daemon.directory / "access.log").stat().st_size)
            leaks = [(place, each) async for place, text in told(daemon, plan) for each in SECRETS if each in text]

        assert leaks == []

    async def test_of_the_state_are_for_its_owner(self, tmp_path: Path) -> None:
        """
        Templates and records hold values; nobody else may read them, nor open the socket.
        """
        template = WORLD.release(tmp_path, "one", PASSWORD="hunter2-of-live")
        async with Daemon(tmp_path / "d", config(WORLD, template)) as daemon:
            await daemon.ready()
            kept = [path for path in (daemon.directory / "state").rglob("*") if path.is_file()]
            holding = {path.name: path for path in kept if b"hunter2-of-live" in path.read_bytes()}
            modes = {name: stat.S_IMODE(path.stat().st_mode) & 0o077 for name, path in holding.items()}
            door = stat.S_IMODE(daemon.socket.stat().st_mode)

        assert holding
        assert set(modes.values()) == {0}
        assert door == 0o600
