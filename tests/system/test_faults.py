"""What goes wrong around a rollout: clients end on live, a sentence says what happened, and nothing is left behind."""

import asyncio
import contextlib
import resource
import socket
import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import yaml

from tests.system.harness import FIRST, Daemon, Json, RefusedCallError, eventually, free_port, traffic
from tests.system.stories import World, config
from tests.system.test_kill import running_stacks

PROCESS = World("process")
DOCKER = World("docker")
ENGINE = Path("/var/run/docker.sock")


def services(text: str) -> Json:
    found: Json = yaml.safe_load(text)
    return found


class TestTemplate:
    """A template that cannot be used is refused, with its place; nothing was made."""

    @pytest.mark.parametrize(
        ("text", "words"),
        [
            (None, ["two.yaml", "there is no such file"]),
            ("services: [", ["two.yaml:1:"]),
            ("services: {web: {imaje: x}}", ["two.yaml:1:", "imaje", "image"]),
            (
                "services: {web: {command: x, depends_on: [db]}, db: {command: x, depends_on: [web]}}",
                ["db → web → db"],
            ),
            ("services: {web: {command: x, volumes: ['data:/d']}}", ["data"]),
        ],
        ids=["missing", "not YAML", "unknown key", "cycle", "undefined volume"],
    )
    async def test_is_refused_with_its_place(self, text: str | None, words: list[str], tmp_path: Path) -> None:
        """
        A template that is missing, unreadable or wrong is refused; the app goes on as before.
        """
        template = tmp_path / "two.yaml"
        if text is not None:
            template.write_text(text)
        async with Daemon(tmp_path / "d", config(PROCESS, PROCESS.release(tmp_path, "one"))) as daemon:
            await daemon.ready()

            with pytest.raises(RefusedCallError) as refused:
                await daemon.deploy(template)

            assert refused.value.status == 422
            for word in words:
                assert word in refused.value.error["message"]
            assert (await daemon.status())["rollout"] == ""
            assert running_stacks(PROCESS, daemon) == {FIRST}

    async def test_that_names_a_missing_command_is_refused(self, tmp_path: Path) -> None:
        """
        A command that is not there is found before anything is made.
        """
        two = PROCESS.template(tmp_path, "two", {"web": {"command": ["/no/such/program"], "expose": ["8000"]}})
        async with Daemon(tmp_path / "d", config(PROCESS, PROCESS.release(tmp_path, "one"))) as daemon:
            await daemon.ready()

            with pytest.raises(RefusedCallError, match="/no/such/program"):
                await daemon.deploy(two)


class TestState:
    async def test_that_both_stacks_would_have_to_share_is_refused(self, tmp_path: Path) -> None:
        """
        A database beside the shadow would begin empty, and a promotion would leave the data behind: said beforehand.
        """

        def template(name: str) -> Path:
            database = {**PROCESS.service("db"), "image": "postgres:15", "volumes": ["pg:/var/lib/postgresql/data"]}
            path = PROCESS.template(tmp_path, name, {"web": PROCESS.service(name), "db": database})
            path.write_text(path.read_text() + "volumes: {pg: }\n")
            return path

        async with Daemon(tmp_path / "d", config(PROCESS, template("one"))) as daemon:
            await daemon.ready()

            with pytest.raises(RefusedCallError, match=r"db would be shared .* `splitter.scope: stack`") as refused:
                await daemon.deploy(template("two"))

            assert refused.value.status == 409
            assert running_stacks(PROCESS, daemon) == {FIRST}


class TestShadow:
    """A shadow that cannot be made is removed, and the event says which service and why."""

    async def rolled_back(self, world: World, service: Json, tmp_path: Path) -> tuple[Json, list[Json]]:
        live = world.release(tmp_path, "one")
        async with Daemon(tmp_path / "d", config(world, live)) as daemon:
            await daemon.ready()
            async with traffic(daemon) as load:
                await daemon.deploy(world.template(tmp_path, "two", {"web": service}))
                status = await daemon.reaches("ROLLED_BACK", "HALTED")
            assert load.failures == []
            assert "two" not in load.by_version
            assert running_stacks(world, daemon) == {FIRST}
            return status, await daemon.events()

    async def test_that_exits_at_once(self, tmp_path: Path) -> None:
        """
        A service that ends as it starts fails the stack; its last words are quoted.
        """
        service = PROCESS.service("two")
        service["command"] = ["/bin/sh", "-c", "echo no database to talk to; exit 3"]
        del service["healthcheck"]

        status, events = await self.rolled_back(PROCESS, service, tmp_path)

        assert status["state"] == "ROLLED_BACK"
        said = next(event["sentence"] for event in events if event["kind"] == "provision_failed")
        assert "web" in said
        assert "no database to talk to" in said

    @pytest.mark.docker
    async def test_of_an_unknown_image(self, tmp_path: Path, demo_image: None) -> None:
        """
        An image that is not there and cannot be pulled is named before anything is made.
        """
        service = {**DOCKER.service("two"), "image": "no-such-image:9"}
        live = DOCKER.release(tmp_path, "one")
        text = config(DOCKER, live) + "docker: {pull: false}\n"
        async with Daemon(tmp_path / "d", text) as daemon:
            await daemon.ready()

            with pytest.raises(RefusedCallError, match="no-such-image:9"):
                await daemon.deploy(DOCKER.template(tmp_path, "two", {"web": service}))

            assert running_stacks(DOCKER, daemon) == {FIRST}


@contextlib.asynccontextmanager
async def relay(path: Path) -> AsyncIterator["Relay"]:
    """Stand before the Docker engine's socket, so that a test can take the engine away and bring it back."""
    one = Relay(path)
    await one.open()
    try:
        yield one
    finally:
        await one.close()


class Relay:
    """A unix socket that leads to the engine's."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._server: asyncio.Server | None = None
        self._ways: set[asyncio.StreamWriter] = set()

    async def open(self) -> None:
        self._server = await asyncio.start_unix_server(self._serve, self._path)

    async def close(self) -> None:
        """Take the engine away: no connection is accepted, and open ones are cut."""
        if self._server is not None:
            self._server.close()
            self._server = None
        self._path.unlink(missing_ok=True)
        for way in list(self._ways):
            way.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_unix_connection(ENGINE)
        self._ways |= {writer, back}
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(_copy(reader, back))
                tasks.create_task(_copy(there, writer))
        finally:
            self._ways -= {writer, back}


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while block := await reader.read(64 * 1024):
            writer.write(block)
            await writer.drain()
    with contextlib.suppress(OSError):
        writer.close()


@pytest.mark.docker
class TestEngine:
    async def test_gone_while_splitting(self, tmp_path: Path, demo_image: None) -> None:
        """
        Without its engine a rollout goes no step forward, and clients are served on; once it is back it goes on.
        """
        live = DOCKER.release(tmp_path, "one")
        text = config(DOCKER, live, rollout={"hold": "2s"}) + f"docker: {{host: 'unix://{tmp_path}/e.sock'}}\n"
        async with relay(tmp_path / "e.sock") as engine, Daemon(tmp_path / "d", text) as daemon:
            await daemon.ready()
            async with traffic(daemon) as load:
                await daemon.deploy(DOCKER.release(tmp_path, "two"))
                await daemon.reaches("SPLITTING")
                await engine.close()
                await eventually("it is said", lambda: _has(daemon, "engine_gone"))
                before = load.answered
                await eventually("clients are served", lambda: load.answered > before + 100)
                assert await daemon.state() in ("SPLITTING", "ROLLING_BACK")
                await engine.open()
                status = await daemon.reaches("PROMOTED", "ROLLED_BACK")
                await eventually("one is left", lambda: running_stacks(DOCKER, daemon) == {status["live"]["id"]})

            assert load.failures == []

    async def test_gone_while_rolling_back(self, tmp_path: Path, demo_image: None) -> None:
        """
        Clients are on live at once; what cannot be removed now is removed when the engine is back.
        """
        live = DOCKER.release(tmp_path, "one")
        text = config(DOCKER, live, rollout={"hold": "1m"}) + f"docker: {{host: 'unix://{tmp_path}/e.sock'}}\n"
        async with relay(tmp_path / "e.sock") as engine, Daemon(tmp_path / "d", text) as daemon:
            await daemon.ready()
            async with traffic(daemon) as load:
                await daemon.deploy(DOCKER.release(tmp_path, "two"))
                await daemon.reaches("SPLITTING")
                await engine.close()
                await daemon.command("rollback")
                before = load.by_version["one"]
                await eventually("live serves", lambda: load.by_version["one"] > before + 100)
                await engine.open()
                await daemon.reaches("ROLLED_BACK")
                await eventually("nothing is left", lambda: running_stacks(DOCKER, daemon) == {FIRST})

            assert load.failures == []

    async def test_that_never_was(self, tmp_path: Path) -> None:
        """
        Without an engine the daemon stays up, is not ready, says why, and serves as soon as there is one.
        """
        live = DOCKER.release(tmp_path, "one")
        text = config(DOCKER, live) + f"docker: {{host: 'unix://{tmp_path}/e.sock'}}\n"
        async with Daemon(tmp_path / "d", text) as daemon:
            await eventually("it is said", lambda: str(tmp_path / "e.sock") in daemon.log)
            assert daemon.is_running
            async with relay(tmp_path / "e.sock"):
                await daemon.ready()


async def _has(daemon: Daemon, kind: str) -> bool:
    return any(event["kind"] == kind for event in await daemon.events())


class TestStart:
    """A daemon that cannot start says why in one sentence, with exit code 2, and leaves nothing behind."""

    async def ends(self, daemon: Daemon) -> str:
        assert await daemon.wait() == 2, daemon.log
        assert "Traceback" not in daemon.log
        return daemon.log

    @pytest.mark.parametrize("whose", ["listener", "admin"])
    async def test_on_a_taken_port(self, tmp_path: Path, whose: str) -> None:
        """
        A port that is taken, a listener's or the admin's, is named; no stack was made for nothing.
        """
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            port = int(taken.getsockname()[1])
            text = config(PROCESS, PROCESS.release(tmp_path, "one"))
            if whose == "admin":
                text = text.replace("admin:\n", f"admin:\n  bind: 127.0.0.1:{port}\n")
            async with Daemon(tmp_path / "d", text, port=port if whose == "listener" else free_port()) as daemon:
                said = await self.ends(daemon)
                assert running_stacks(PROCESS, daemon) == set()

        assert f"127.0.0.1:{port}" in said

    async def test_beside_another_on_the_same_state(self, tmp_path: Path) -> None:
        """
        Never two daemons on one state directory: the second names the first.
        """
        text = config(PROCESS, PROCESS.release(tmp_path, "one"))
        async with Daemon(tmp_path / "d", text) as first:
            await first.ready()
            second = text.replace("s.sock", "t.sock").replace("state_dir: state", f"state_dir: {tmp_path}/d/state")
            async with Daemon(tmp_path / "e", second) as daemon:
                said = await self.ends(daemon)

            assert str(first.pid) in said
            assert str(tmp_path / "d/state") in said
            assert (await first.state()) == ""

    async def test_on_a_journal_of_a_newer_version(self, tmp_path: Path) -> None:
        """
        What a newer splitter wrote is not touched.
        """
        text = config(PROCESS, PROCESS.release(tmp_path, "one"))
        async with Daemon(tmp_path / "d", text) as daemon:
            await daemon.ready()
            await daemon.stop()
            with contextlib.closing(sqlite3.connect(tmp_path / "d/state/journal.db")) as journal:
                journal.execute("PRAGMA user_version = 99")
            await daemon.start()
            said = await self.ends(daemon)

        assert "newer" in said

    async def test_on_a_state_directory_that_cannot_be_written(self, tmp_path: Path) -> None:
        """
        A state directory that cannot be made is named.
        """
        text = config(PROCESS, PROCESS.release(tmp_path, "one")).replace("state_dir: state", "state_dir: /proc/state")
        async with Daemon(tmp_path / "d", text) as daemon:
            said = await self.ends(daemon)

        assert "/proc/state" in said


class TestFullDisk:
    async def test_takes_no_decision_that_cannot_be_journaled(self, tmp_path: Path) -> None:
        """
        With the disk full a rollout is left for live, no new one begins, and all is well once there is room again.
        """
        text = config(PROCESS, PROCESS.release(tmp_path, "one"), rollout={"hold": "1m"})
        async with Daemon(tmp_path / "d", text) as daemon:
            await daemon.ready()
            async with traffic(daemon) as load:
                await daemon.deploy(PROCESS.release(tmp_path, "two"))
                await daemon.reaches("SPLITTING")
                _, most = resource.prlimit(daemon.pid, resource.RLIMIT_FSIZE)
                resource.prlimit(daemon.pid, resource.RLIMIT_FSIZE, (4096, most))
                with pytest.raises(RefusedCallError) as refused:
                    await daemon.command("promote")
                assert refused.value.status == 503
                await eventually("the trouble is said", lambda: _trouble(daemon))
                before = load.by_version.get("two", 0)
                resource.prlimit(daemon.pid, resource.RLIMIT_FSIZE, (most, most))
                status = await daemon.reaches("ROLLED_BACK")
                await eventually("the trouble is over", lambda: _no_trouble(daemon))

            assert before >= 0
            assert status["live"]["id"] == FIRST
            assert load.failures == []
            assert running_stacks(PROCESS, daemon) == {FIRST}


async def _trouble(daemon: Daemon) -> bool:
    return bool((await daemon.status())["trouble"])


async def _no_trouble(daemon: Daemon) -> bool:
    return not await _trouble(daemon)
