"""A Docker engine of a test's own, which can be stopped and started: the one that all tests share must stay.

It touches nothing of the other one: its files, its socket, its containers' supervisor and its bridge are its own.  It
leaves the firewall alone, so its containers are reached from this host and from nowhere else.

An engine removes `docker0`, which is the other one's, if it is told to have no bridge, and at its second start if it
has networks of its own to choose from and its containers end with it.  So it has a bridge, and its containers go on
without it; where they are to end, they are killed.
"""

import asyncio
import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

from docker import APIClient

from provisioners.docker import Engine
from splitter.errors import EngineError
from tests.system.bridge import bridge, exists
from tests.system.harness import eventually

PROGRAM = "dockerd"
PATH = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"  # programs of root are not on every PATH
NETWORK, BLOCK = "198.18", 4 * (os.getpid() % 64)  # four networks of 256 addresses; the last is the bridge's
BRIDGE = f"spl{os.getpid()}"
DEFAULT_BRIDGE = "docker0"
STOP_S = 1  # how long it gives containers that do not end


def missing() -> str:
    """Return why no engine can be started here; empty if one can."""
    if shutil.which(PROGRAM, path=PATH) is None:
        return f"there is no program {PROGRAM} on this machine"
    return "" if os.geteuid() == 0 else f"only root may start {PROGRAM}"


class OwnEngine:
    """One engine over one folder; its containers go on while it does not run, unless they are to end with it."""

    def __init__(self, folder: Path) -> None:
        self.url = f"unix://{folder}/e.sock"
        self._folder = folder
        self._process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        with (self._folder / "log").open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                PROGRAM, *self._arguments(), stdout=log, stderr=log, env={**os.environ, "PATH": PATH}
            )
        await eventually("the engine answers", self._answers)

    async def stop(self, *, with_containers: bool = False) -> None:
        """Stop it as an upgrade does; `with_containers`: as one whose containers do not live without it."""
        assert self._process is not None
        running = await asyncio.to_thread(self._running) if with_containers else []
        if self._process.returncode is None:
            self._process.send_signal(signal.SIGTERM)
        await self._process.wait()
        for pid in running:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    async def end(self) -> None:
        """Stop it for good, with all that it runs."""
        assert self._process is not None
        if self._process.returncode is not None:
            await self.start()
        await asyncio.to_thread(self._clear)
        await self.stop()
        await asyncio.to_thread(self._unmount)

    def client(self) -> APIClient:
        return Engine(self.url).connect()

    async def _answers(self) -> bool:
        assert self._process is not None
        assert self._process.returncode is None, (self._folder / "log").read_text()[-4000:]
        with contextlib.suppress(EngineError):
            (await asyncio.to_thread(self.client)).close()
            return True
        return False

    def _running(self) -> list[int]:
        """Return the first process of each container that runs."""
        client = self.client()
        try:
            return [client.inspect_container(each["Id"])["State"]["Pid"] for each in client.containers()]
        finally:
            client.close()

    def _clear(self) -> None:
        client = self.client()
        try:
            for container in client.containers(all=True):
                client.remove_container(container["Id"], force=True, v=True)
            for network in client.networks():
                if network["Name"] not in ("none", "host", "bridge"):
                    client.remove_network(network["Id"])
        finally:
            client.close()

    def _unmount(self) -> None:
        """Let go of the folder that an engine whose containers go on keeps mounted onto itself."""
        subprocess.run(["umount", "--lazy", str(self._folder / "data")], capture_output=True)

    def _arguments(self) -> list[str]:
        at = self._folder
        arguments = {
            "host": self.url,
            "data-root": at / "data",
            "exec-root": at / "run",
            "pidfile": at / "pid",
            "bridge": BRIDGE,
            "iptables": "false",
            "ip-masq": "false",
            "ip-forward": "false",
            # Networks for tests of networks; another process that has an engine of its own takes others.
            "default-address-pool": f"base={NETWORK}.{BLOCK}.0/22,size=24",
            # Where the machine has a supervisor of its own for containers, it may serve the other engine too.
            "containerd-namespace": f"tests-{os.getpid()}",
            "containerd-plugins-namespace": f"tests-plugins-{os.getpid()}",
            "shutdown-timeout": STOP_S,
            "log-level": "warn",
        }
        return [
            *(f"--{name}={value}" for name, value in arguments.items()),
            "--live-restore",
        ]


@contextlib.asynccontextmanager
async def own_engine() -> AsyncIterator[OwnEngine]:
    """Run an engine for as long as the block lasts; nothing of it is left."""
    folder = Path(tempfile.mkdtemp(prefix="splitter-dockerd-"))  # short: the path of a socket has a limit
    engine = OwnEngine(folder)
    had_default = exists(DEFAULT_BRIDGE)
    with bridge(BRIDGE, f"{NETWORK}.{BLOCK + 3}.1"):
        try:
            await engine.start()
            yield engine
        finally:
            await engine.end()
            shutil.rmtree(folder)
    assert exists(DEFAULT_BRIDGE) or not had_default, "the other engine has lost its bridge"
