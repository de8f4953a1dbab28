"""A whole daemon as a child process, and a user's ways to talk to it: its unix socket, its listener, its journal."""

import asyncio
import contextlib
import json
import os
import signal
import sqlite3
import sys
import uuid
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import aiohttp

from provisioners.process.ports import free_ports

ROOT = Path(__file__).parent.parent.parent
APP = f"shop{uuid.uuid4().hex[:6]}"  # of this run alone: names of containers are the engine's
FIRST, SECOND = f"{APP}-r1", f"{APP}-r2"  # its stacks, in the order of their making
WAIT_S = 120.0
ROLLOUT_S = 240.0  # for a verdict, on a machine that is busy
POLL_S = 0.05

Json = dict[str, Any]


def free_port() -> int:
    """Return a loopback port that nothing listens on now."""
    return free_ports(1)[0]


async def eventually(what: str, check: Callable[[], Any], wait_s: float = WAIT_S) -> Any:
    """Return the first true value of `check` (which may return an awaitable); fail with `what` after `wait_s`."""
    deadline = asyncio.get_running_loop().time() + wait_s
    last: object = None
    while True:
        try:
            value = check()
            last = await value if asyncio.iscoroutine(value) else value
        except (OSError, aiohttp.ClientError) as error:
            last = error
        else:
            if last:
                return last
        assert asyncio.get_running_loop().time() < deadline, f"not within {wait_s} s: {what}; last seen: {last!r}"
        await asyncio.sleep(POLL_S)


class RefusedCallError(AssertionError):
    """The daemon refused a call: its status and its error object."""

    def __init__(self, status: int, error: Json) -> None:
        self.status = status
        self.error = error
        super().__init__(f"{status}: {error}")


@dataclass
class Daemon:
    """One `splitter run` over a directory of its own; `program` is what Python runs, so that a test can wrap it."""

    directory: Path
    config: str
    program: tuple[str, ...] = ("-m", "splitter", "run", "-c")
    environment: Mapping[str, str] = field(default_factory=dict)
    port: int = field(default_factory=free_port)
    _process: asyncio.subprocess.Process | None = None
    _session: aiohttp.ClientSession | None = None

    @property
    def socket(self) -> Path:
        return self.directory / "s.sock"

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def log(self) -> str:
        path = self.directory / "daemon.log"
        return path.read_text() if path.exists() else ""

    async def __aenter__(self) -> Self:
        self.directory.mkdir(parents=True, exist_ok=True)
        (self.directory / "splitter.yaml").write_text(self.config.replace("@PORT@", str(self.port)))
        self._session = aiohttp.ClientSession(connector=aiohttp.UnixConnector(str(self.socket)))
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is not None:
            print(self.log[-8000:], file=sys.stderr)
        await self.stop()
        assert self._session is not None
        await self._session.close()

    async def start(self) -> None:
        """Start the process; it is up when `ready` says so."""
        with (self.directory / "daemon.log").open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable,
                *self.program,
                str(self.directory / "splitter.yaml"),
                cwd=self.directory,
                env={**os.environ, **self.environment, "PYTHONPATH": str(ROOT)},
                stdout=log,
                stderr=log,
            )

    async def ready(self, wait_s: float = WAIT_S) -> None:
        """Return when every app has a live stack behind the listeners."""

        async def is_ready() -> bool:
            assert self.is_running, f"the daemon ended: {self.log[-4000:]}"
            assert self._session is not None
            async with self._session.get("http://splitter/readyz") as response:
                return response.status == 200

        await eventually("the daemon is ready", is_ready, wait_s)

    @property
    def is_running(self) -> bool:
        return self._process is not None and self._process.returncode is None

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    async def wait(self) -> int:
        """Return the process's exit code once it has ended."""
        assert self._process is not None
        return await asyncio.wait_for(self._process.wait(), WAIT_S)

    async def kill(self) -> None:
        """End the daemon as a power cut would: no clean-up, no last word."""
        if self.is_running:
            os.kill(self.pid, signal.SIGKILL)
        await self.wait()

    async def stop(self) -> int:
        """End the daemon as an operator would."""
        assert self._process is not None
        if self.is_running:
            with contextlib.suppress(ProcessLookupError):
                self._process.terminate()
        return await self.wait()

    async def call(self, method: str, path: str, body: Json | None = None) -> Json:
        """Return the admin API's answer.  Raises RefusedCallError for an error answer."""
        assert self._session is not None
        async with self._session.request(method, f"http://splitter/api/v1{path}", json=body) as response:
            content: Json = json.loads(await response.read())
            if response.status >= 400:
                raise RefusedCallError(response.status, content["error"])
            return content

    async def metrics(self) -> str:
        """Return what Prometheus would read."""
        assert self._session is not None
        async with self._session.get("http://splitter/metrics") as response:
            return await response.text()

    async def status(self, app: str = APP) -> Json:
        return await self.call("GET", f"/apps/{app}")

    async def deploy(self, template: Path | str, app: str = APP, **body: Any) -> Json:
        return await self.call("POST", f"/apps/{app}/deploy", {"files": [str(template)], **body})

    async def command(self, name: str, app: str = APP, why: str = "test") -> Json:
        return await self.call("POST", f"/apps/{app}/{name}", {"by": "test", "why": why})

    async def state(self, app: str = APP) -> str:
        return str((await self.status(app))["state"])

    async def reaches(self, *states: str, app: str = APP, wait_s: float = ROLLOUT_S) -> Json:
        """Return the status once the app's rollout is in one of `states`."""

        async def there() -> Json | None:
            assert self.is_running, f"the daemon ended: {self.log[-4000:]}"
            status = await self.status(app)
            return status if status["state"] in states else None

        try:
            found: Json = await eventually(f"{app} reaches {states}", there, wait_s)
        except AssertionError as error:
            with contextlib.suppress(Exception):
                error.add_note(json.dumps((await self.status(app)), indent=1)[:3000])
                error.add_note(json.dumps((await self.events(app))[-12:], indent=1)[:6000])
            raise
        return found

    async def events(self, app: str = APP) -> list[Json]:
        found: list[Json] = (await self.call("GET", f"/apps/{app}/events"))["events"]
        return found

    async def trace(self, app: str = APP) -> str:
        """Return the app's last rollout as a trace."""
        assert self._session is not None
        async with self._session.get(f"http://splitter/api/v1/apps/{app}/trace") as response:
            assert response.status == 200
            return await response.text()

    def journal(self) -> list[Json]:
        """Read the journal's events beside the daemon, as one who investigates would."""
        with contextlib.closing(sqlite3.connect(f"file:{self.directory}/state/journal.db?mode=ro", uri=True)) as db:
            rows = db.execute("SELECT seq, app, kind, data FROM events ORDER BY seq").fetchall()
        return [{"seq": seq, "app": app, "kind": kind, **json.loads(data)} for seq, app, kind, data in rows]


@contextlib.asynccontextmanager
async def traffic(daemon: Daemon, workers: int = 8, *, are_many: bool = False) -> AsyncIterator["Traffic"]:
    """Keep `workers` clients asking the daemon's listener for as long as the block lasts.

    `are_many`: each request says that it comes from another client, as behind a load balancer that is believed.
    """
    load = Traffic(daemon.url, are_many=are_many)
    async with asyncio.TaskGroup() as tasks:
        running = [tasks.create_task(load.work(number)) for number in range(workers)]
        try:
            yield load
        finally:
            load.stopping = True
            await asyncio.gather(*running)


@dataclass
class Traffic:
    """Closed-loop clients with keep-alive; counts what came back, and every failure with its kind."""

    base: str
    answered: int = 0
    failures: list[str] = field(default_factory=list)
    by_version: dict[str, int] = field(default_factory=dict)
    stopping: bool = False
    pace_s: float = 0.01
    are_many: bool = False

    async def work(self, number: int) -> None:
        timeout = aiohttp.ClientTimeout(total=30)
        async with aiohttp.ClientSession(timeout=timeout) as session:
            while not self.stopping:
                await self._ask(session)
                await asyncio.sleep(self.pace_s)

    async def _ask(self, session: aiohttp.ClientSession) -> None:
        try:
            async with session.get(self.base + "/", headers=self._headers()) as response:
                await response.read()
        except (aiohttp.ClientError, TimeoutError) as error:
            self.failures.append(repr(error))
            return
        if response.status != 200:
            self.failures.append(f"status {response.status}")
            return
        self.answered += 1
        version = response.headers.get("X-Version", "?")
        self.by_version[version] = self.by_version.get(version, 0) + 1

    def _headers(self) -> dict[str, str]:
        """Return the name of a client that has not asked for a while."""
        if not self.are_many:
            return {}
        number = self.answered + len(self.failures)
        return {"X-Forwarded-For": f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}"}
