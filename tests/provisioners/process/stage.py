"""Templates, orders and questions for the tests of the process provisioner."""

import asyncio
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import psutil

from provisioners.clock import WallClock
from provisioners.process.placement import INSTALLATION
from provisioners.process.processes import environment_of, look
from splitter.contracts import Provisioner, StackChange, StackOrder
from splitter.model import Endpoint, ServicePort, Stack, StackId
from splitter.template import Condition, Dependency, Healthcheck, Service, Template

APP = (sys.executable, "-I", "-S", str(Path(__file__).with_name("app.py")))
WEB = ServicePort("web")
ID = StackId("shop-r1")
WAIT_S = 30.0


def app(*words: str) -> tuple[str, ...]:
    """Return the command line of one of the test program's commands."""
    return (*APP, *words)


def service(name: str, *words: str, **keys: Any) -> Service:
    return Service(name=name, command=app(*words), **keys)


def needs(name: str, condition: Condition = Condition.STARTED, *, required: bool = True) -> tuple[Dependency, ...]:
    return (Dependency(name, condition, required),)


def shell_check(text: str, **keys: Any) -> Healthcheck:
    return Healthcheck(("CMD-SHELL", text), **({"interval_s": 0.1, "timeout_s": 10.0, "retries": 3} | keys))


def order(
    *services: Service, routed: tuple[ServicePort, ...] = (WEB,), revision: int = 1, deadline_s: float = WAIT_S
) -> StackOrder:
    """Return an order for a stack of `services`; routes to services that it does not have are left out."""
    template = Template("project", "/", {each.name: each for each in services})
    asked = tuple(each for each in routed if each.service in template.services)
    return StackOrder(StackId(f"shop-r{revision}"), "shop", revision, "shop-1", template, asked, deadline_s)


def endpoint(stack: Stack, port: ServicePort = WEB) -> Endpoint:
    return stack.endpoints[port][0]


async def ask(endpoint: Endpoint, question: str) -> str:
    """Return the test program's answer; an empty one if it ends over the question."""
    reader, writer = await asyncio.open_connection(endpoint.host, endpoint.port)
    try:
        writer.write(f"{question}\n".encode())
        return (await reader.read()).decode()
    except ConnectionResetError:
        return ""
    finally:
        writer.close()


async def ask_pid(endpoint: Endpoint) -> int:
    return int(await ask(endpoint, "pid"))


async def ask_environment(endpoint: Endpoint) -> dict[str, str]:
    lines = (await ask(endpoint, "environment")).splitlines()
    return dict(line.split("=", 1) for line in lines if "=" in line)


async def collect(provisioner: Provisioner, stack: StackId = ID) -> list[StackChange]:
    """Return all that a watch tells until it ends."""
    return [each async for each in provisioner.watch(stack)]


async def eventually(question: Callable[[], bool | Awaitable[bool]], within_s: float = WAIT_S) -> None:
    """Return once the answer is yes, but fail after `within_s`."""
    async with asyncio.timeout(within_s):
        while True:
            answer = question()
            if answer if isinstance(answer, bool) else await answer:
                return
            await asyncio.sleep(0.01)


class HurriedClock(WallClock):
    """A clock that does not wait for long: for what is slow on purpose, such as a restart."""

    async def sleep(self, seconds: float) -> None:
        await super().sleep(min(seconds, 0.01))


def is_running(pid: int) -> bool:
    return look(pid) is not None


def left_of(installation: str) -> list[int]:
    """Return the processes of this machine that have an installation's label."""
    return [pid for pid in psutil.pids() if is_running(pid) and environment_of(pid).get(INSTALLATION) == installation]
