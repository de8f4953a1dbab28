"""Where the demo plays: a directory of its own, a free port, and a daemon as a child process.

The daemon is the product's own, started as a user starts it; the demo reaches it as a user does, by its socket.
Everything is removed at the end, whatever happened.
"""

import asyncio
import contextlib
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

from provisioners.process.ports import free_ports
from splitter.admin.client import Client, UnreachableError
from splitter.errors import OperatorError

HERE = Path(__file__).parent
STACKS = HERE / "stacks"
APP_PROGRAM = HERE / "app.py"
START_TIMEOUT_S = 45.0
STOP_TIMEOUT_S = 30.0
POLL_S = 0.05


@dataclass(frozen=True, slots=True)
class Stage:
    """What the story plays with: the door for users, the door for operators, the templates."""

    url: str
    client: Client
    log: Path

    def template(self, name: str) -> str:
        return str(STACKS / f"{name}.yaml")


@contextlib.asynccontextmanager
async def stage(docker: bool) -> AsyncIterator[Stage]:
    """Set the stage, hand it over, and strike it.  Raises OperatorError with the daemon's last words if it fails."""
    # Unix socket paths are short (108 bytes on Linux), so not the user's perhaps deep TMPDIR.
    directory = Path(tempfile.mkdtemp(prefix="splitter-demo-", dir="/tmp"))
    log = directory / "daemon.log"
    (port,) = free_ports(1)
    shutil.copy(HERE / "splitter.yaml", directory / "splitter.yaml")
    process = await _start_daemon(directory, log, port, docker)
    try:
        async with Client(directory / "splitter.sock") as client:
            await _wait_until_ready(client, process, log)
            yield Stage(f"http://127.0.0.1:{port}", client, log)
    finally:
        await _stop(process)
        shutil.rmtree(directory, ignore_errors=True)


async def _start_daemon(directory: Path, log: Path, port: int, docker: bool) -> asyncio.subprocess.Process:
    environment = {
        **os.environ,
        "SPLITTER_DEMO_PORT": str(port),
        "SPLITTER_DEMO_PROVISIONER": "docker" if docker else "process",
        "SPLITTER_DEMO_TEMPLATE": str(STACKS / "r1.yaml"),
    }
    if not docker:
        environment |= {
            "SPLITTER_DEMO_PYTHON": sys.executable,
            "SPLITTER_DEMO_APP": str(APP_PROGRAM),
            "SPLITTER_DEMO_HOST": "127.0.0.1",
        }
    with log.open("wb") as output:
        return await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "splitter",
            "run",
            "-c",
            str(directory / "splitter.yaml"),
            env=environment,
            stdout=output,
            stderr=output,
            start_new_session=True,  # an interrupt of the terminal is ours to pass on, in order
        )


async def _wait_until_ready(client: Client, process: asyncio.subprocess.Process, log: Path) -> None:
    try:
        async with asyncio.timeout(START_TIMEOUT_S):
            while not await _is_ready(client):
                if process.returncode is not None:
                    raise OperatorError(f"the daemon ended with {process.returncode}: {last_words(log)}")
                await asyncio.sleep(POLL_S)
    except TimeoutError:
        raise OperatorError(f"no live stack within {START_TIMEOUT_S:.0f} s: {last_words(log)}") from None


async def _is_ready(client: Client) -> bool:
    try:
        return await client.is_ready()
    except UnreachableError:
        return False


def last_words(log: Path) -> str:
    """Return the end of the daemon's log."""
    return log.read_text(errors="replace")[-2000:].strip() or "(its log is empty)"


async def _stop(process: asyncio.subprocess.Process) -> None:
    """Ask the daemon to end, which retires its stacks, and wait; kill what does not listen."""
    if process.returncode is None:
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(signal.SIGTERM)
    try:
        await asyncio.wait_for(process.wait(), STOP_TIMEOUT_S)
    except TimeoutError:
        process.kill()
        await process.wait()
