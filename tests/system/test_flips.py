"""Hundreds of flips, promotions, rollbacks and kills at random moments, with every kind of request in flight.

Two apps share the data plane.  `pages` gets short requests, and its shadow is killed at random: each request that the
dead shadow had is served by live.  `files` gets long downloads and uploads, each of which lasts over several flips; its
stacks are retired as splitter retires them, after a drain.  (What a killed process has half sent, nobody can finish:
so nobody kills those of `files`, and a page leaves its server in one write.)
"""

import asyncio
import contextlib
import hashlib
import os
import random
import signal
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import aiohttp

from splitter.contracts import DrainLimits
from splitter.demo.stage import APP_PROGRAM
from splitter.kpi import Ledger
from splitter.model import Endpoint, ServicePort, Split, Stack, StackId
from splitter.proxy.gateway import Gateway
from splitter.proxy.listener import Listener
from splitter.proxy.options import ListenerOptions, ProxyOptions
from splitter.routing import ActiveTable, RouteRule
from splitter.switch.builtin import BuiltinSwitch
from tests.system.harness import eventually, free_port

SEED = 20_260_101
CHANGES = 240  # each is one flip at least
LONG_BYTES = 3 * 1024 * 1024
WEB = ServicePort("web", 8000)
DRAIN = DrainLimits(30.0, 30.0, 30.0)
PAUSE_S_MAX = 0.06

RULES = (
    RouteRule("pages", "", "/", "web", 8000),
    RouteRule("files", "", "/download", "web", 8000),
    RouteRule("files", "", "/upload", "web", 8000),
)


@dataclass
class Server:
    """One stack: a process of the demo's app."""

    stack: Stack
    process: asyncio.subprocess.Process

    @classmethod
    async def start(cls, app: str, revision: int) -> "Server":
        port = free_port()
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            str(APP_PROGRAM),
            env={**os.environ, "PORT": str(port), "HOST": "127.0.0.1", "VERSION": f"{app}-r{revision}"},
            stdout=asyncio.subprocess.DEVNULL,
        )
        await eventually("the server listens", lambda: _answers(port))
        stack = Stack(StackId(f"{app}-r{revision}"), app, revision, {WEB: (Endpoint("127.0.0.1", port),)})
        return cls(stack, process)

    async def end(self, how: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError):
            self.process.send_signal(how)
        await self.process.wait()


async def _answers(port: int) -> bool:
    _, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.close()
    return True


@dataclass
class App:
    """One app under change: its live stack, and its shadow with the share that it has."""

    name: str
    live: Server
    shadow: Server
    revision: int = 2


@dataclass
class Clients:
    """Keep-alive clients, and what went wrong for them: nothing, if all is well."""

    base: str
    done: Counter[str] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)
    stopping: bool = False

    async def pages(self, session: aiohttp.ClientSession) -> None:
        async with session.get(f"{self.base}/") as response:
            text = await response.text()
            self._check("page", response.status == 200 and response.headers["X-Version"] in text, response)

    async def download(self, session: aiohttp.ClientSession) -> None:
        """Read slowly, so that flips, drains and retirements happen meanwhile."""
        async with session.get(f"{self.base}/download?bytes={LONG_BYTES}") as response:
            digest, size = hashlib.sha256(), 0
            async for block in response.content.iter_chunked(64 * 1024):
                digest.update(block)
                size += len(block)
                await asyncio.sleep(0.01)
            self._check("download", size == LONG_BYTES and digest.hexdigest() == LONG_DIGEST, response)

    async def upload(self, session: aiohttp.ClientSession) -> None:
        async def body() -> AsyncIterator[bytes]:
            for _ in range(LONG_BYTES // (64 * 1024)):
                yield bytes(64 * 1024)
                await asyncio.sleep(0.01)

        async with session.post(f"{self.base}/upload", data=body()) as response:
            self._check("upload", (await response.text()).strip() == str(LONG_BYTES), response)

    def _check(self, kind: str, is_good: bool, response: aiohttp.ClientResponse) -> None:
        if is_good and response.status == 200:
            self.done[kind] += 1
        else:
            self.failures.append(f"{kind}: status {response.status}, {response.headers.get('Proxy-Status', '')}")

    async def repeat(self, kind: str, pause_s: float) -> None:
        one = {"page": self.pages, "download": self.download, "upload": self.upload}[kind]
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=60)) as session:
            while not self.stopping:
                try:
                    await one(session)
                except (aiohttp.ClientError, TimeoutError) as error:
                    self.failures.append(f"{kind}: {error!r}")
                await asyncio.sleep(pause_s)


BLOCK = bytes(range(256)) * 256
LONG_DIGEST = hashlib.sha256(BLOCK * (LONG_BYTES // len(BLOCK))).hexdigest()


class Chaos:
    """Changes who serves, at random, and counts what it did."""

    def __init__(self, switch: BuiltinSwitch, gateway: Gateway, dice: random.Random) -> None:
        self.did: Counter[str] = Counter()
        self._switch = switch
        self._gateway = gateway
        self._dice = dice

    async def publish(self, app: App, shadow_bp: int) -> None:
        _, version = await self._switch.read(app.name)
        await self._switch.shift(app.name, Split(app.live.stack, app.shadow.stack, shadow_bp), expected=version)
        self.did["flip"] += 1

    async def change(self, app: App) -> None:
        deeds = [self.weigh, self.weigh, self.promote, self.roll_back]
        deed = self._dice.choice([*deeds, self.kill] if app.name == "pages" else deeds)
        await deed(app)
        self.did[deed.__name__] += 1
        await asyncio.sleep(self._dice.random() * PAUSE_S_MAX)

    async def weigh(self, app: App) -> None:
        await self.publish(app, self._dice.randrange(0, 10_001))

    async def promote(self, app: App) -> None:
        """Give the shadow everything; the former live is drained and retired."""
        await self.publish(app, 10_000)
        app.live, app.shadow = app.shadow, app.live
        await self._replace_shadow(app, signal.SIGTERM)

    async def roll_back(self, app: App) -> None:
        await self._replace_shadow(app, signal.SIGTERM)

    async def kill(self, app: App) -> None:
        """Kill the shadow while it serves its share, and leave it only then, as one who was told of the death."""
        await self.publish(app, 5_000)
        await asyncio.sleep(self._dice.random() * PAUSE_S_MAX)
        await app.shadow.end(signal.SIGKILL)
        await asyncio.sleep(self._dice.random() * PAUSE_S_MAX)
        await self._replace_shadow(app, signal.SIGKILL)

    async def _replace_shadow(self, app: App, how: signal.Signals) -> None:
        _, version = await self._switch.read(app.name)
        await self._switch.shift(app.name, Split(app.live.stack), expected=version)
        self.did["flip"] += 1
        drained = await self._switch.drain(app.name, app.shadow.stack.id, DRAIN)
        assert drained.left == 0, f"{drained.left} requests of {app.shadow.stack.id} were cut"
        await app.shadow.end(how)
        self._gateway.forget(app.shadow.stack.id)
        app.revision += 1
        app.shadow = await Server.start(app.name, app.revision)


class TestChangeUnderLoad:
    async def test_no_request_fails_or_is_cut(self) -> None:
        """
        Over more than 200 flips, promotions, rollbacks and kills no request of any kind fails or is cut.
        """
        dice = random.Random(SEED)
        active, ledger = ActiveTable(), Ledger(time.monotonic)
        gateway = Gateway(active, ledger, ProxyOptions())
        switch = BuiltinSwitch(active, RULES, gateway.drain, dice.randrange)
        listener = Listener(ListenerOptions("127.0.0.1", 0), gateway)
        apps = [App(name, await Server.start(name, 1), await Server.start(name, 2)) for name in ("pages", "files")]
        chaos = Chaos(switch, gateway, dice)
        for app in apps:
            await chaos.publish(app, 5_000)
        await listener.start()
        clients = Clients("http://{}:{}".format(*listener.address))
        try:
            async with asyncio.TaskGroup() as tasks:
                for kind, count, pause_s in (("page", 8, 0.002), ("download", 3, 0.0), ("upload", 3, 0.0)):
                    for _ in range(count):
                        tasks.create_task(clients.repeat(kind, pause_s))
                while sum(chaos.did.values()) - chaos.did["flip"] < CHANGES:
                    await asyncio.gather(*(chaos.change(app) for app in apps))
                clients.stopping = True
        finally:
            await listener.close(0)
            await gateway.close()
            for app in apps:
                await app.live.end(signal.SIGKILL)
                await app.shadow.end(signal.SIGKILL)

        assert clients.failures == [], f"seed {SEED}, {dict(chaos.did)}"
        assert chaos.did["flip"] >= 200
        assert min(chaos.did[deed] for deed in ("promote", "roll_back", "kill")) >= 10
        assert min(clients.done[kind] for kind in ("page", "download", "upload")) >= 20
