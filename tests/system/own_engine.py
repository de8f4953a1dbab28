"""A Docker engine of a test's own, which can be stopped and started: the one that all tests share must stay.

It touches nothing of the other one: its files, its socket and its containers' supervisor are its own, it has no default
bridge, and it leaves the firewall alone, so its containers are reached from this host and from nowhere else.
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
from tests.system.harness import eventually

PROGRAM = "dockerd"
PATH = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"  # programs of root are not on every PATH
STOP_S = 1  # how long it gives containers that do not end


def missing() -> str:
    """Return why no engine can be started here; empty if one can."""
    if shutil.which(PROGRAM, path=PATH) is None:
        return f"there is no program {PROGRAM} on this machine"
    return "" if os.geteuid() == 0 else f"only root may start {PROGRAM}"


class OwnEngine:
    """One engine over one folder; `keeps_containers`: they go on while it does not run."""

    def __init__(self, folder: Path, *, keeps_containers: bool) -> None:
        self.url = f"unix://{folder}/e.sock"
        self._folder = folder
        self._keeps_containers = keeps_containers
        self._process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        with (self._folder / "log").open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                PROGRAM, *self._arguments(), stdout=log, stderr=log, env={**os.environ, "PATH": PATH}
            )
        await eventually("the engine answers", self._answers)

    async def stop(self) -> None:
        """Stop it as an upgrade does."""
        assert self._process is not None
        if self._process.returncode is None:
            self._process.send_signal(signal.SIGTERM)
        await self._process.wait()

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

    def _clear(self) -> None:
        client = self.client()
        try:
            for container in client.containers(all=True):
                client.remove_container(container["Id"], force=True, v=True)
            for network in client.networks():
                if network["Name"] not in ("none", "host"):
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
            "bridge": "none",
            "iptables": "false",
            "ip-masq": "false",
            "ip-forward": "false",
            # Networks for tests of networks; another process that has an engine of its own takes others.
            "default-address-pool": f"base=198.18.{4 * (os.getpid() % 64)}.0/22,size=24",
            # Where the machine has a supervisor of its own for containers, it may serve the other engine too.
            "containerd-namespace": f"tests-{os.getpid()}",
            "containerd-plugins-namespace": f"tests-plugins-{os.getpid()}",
            "shutdown-timeout": STOP_S,
            "log-level": "warn",
        }
        return [
            *(f"--{name}={value}" for name, value in arguments.items()),
            *(["--live-restore"] if self._keeps_containers else []),
        ]


@contextlib.asynccontextmanager
async def own_engine(*, keeps_containers: bool) -> AsyncIterator[OwnEngine]:
    """Run an engine for as long as the block lasts; nothing of it is left."""
    folder = Path(tempfile.mkdtemp(prefix="splitter-dockerd-"))  # short: the path of a socket has a limit
    engine = OwnEngine(folder, keeps_containers=keeps_containers)
    try:
        await engine.start()
        yield engine
    finally:
        await engine.end()
        shutil.rmtree(folder)
