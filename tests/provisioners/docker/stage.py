"""Templates, orders and questions for the tests of the Docker provisioner."""

import asyncio
import uuid
from typing import Any

import aiohttp

from splitter.contracts import StackOrder
from splitter.model import Endpoint, ServicePort, Stack, StackId
from splitter.placement import ALONE, Placement
from splitter.template import Condition, Dependency, Healthcheck, Port, Service, Template

IMAGE = f"splitter-test-app:{uuid.uuid4().hex[:8]}"  # of this run alone: two runs do not remove each other's
APP = ("/python", "/app.py")
WEB = ServicePort("web", 8000)
DEADLINE_S = 30.0

HEALTHY = Healthcheck(("CMD", *APP, "check"), interval_s=0.2, timeout_s=5, retries=3)
SICK = Healthcheck(("CMD", *APP, "exit", "1"), interval_s=0.2, timeout_s=5, retries=2)


def server(name: str = "web", **keys: Any) -> Service:
    """Return a service that answers on port 8000; two of the published port could not stand side by side."""
    kept: dict[str, Any] = {
        "image": IMAGE,
        "command": (*APP, "serve"),
        "ports": (Port(8000, published="8000"),),
        "stop_grace_s": 1.0,
    }
    return Service(name=name, **(kept | keys))


def command(name: str, *words: str, **keys: Any) -> Service:
    """Return a service that runs one of the app's other commands."""
    return Service(name=name, image=IMAGE, command=(*APP, *words), **keys)


def needs(*conditions: tuple[str, Condition]) -> tuple[Dependency, ...]:
    return tuple(Dependency(service, condition) for service, condition in conditions)


def template(*services: Service, **keys: Any) -> Template:
    return Template("project", "/srv/project", {service.name: service for service in services}, **keys)


def order(
    app: str,
    made: Template,
    *routed: ServicePort,
    revision: int = 1,
    deadline_s: float = DEADLINE_S,
    placement: Placement = ALONE,
    again: bool = False,
) -> StackOrder:
    stack = StackId(f"{app}-r{revision}")
    return StackOrder(stack, app, revision, f"{app}-{revision}", made, routed, deadline_s, placement, again)


def endpoint(stack: Stack, port: ServicePort = WEB) -> Endpoint:
    return stack.endpoints[port][0]


async def ask(endpoint: Endpoint, path: str) -> str:
    """Return the text that the app answers; an empty one if it hangs up."""
    timeout = aiohttp.ClientTimeout(total=10)
    async with aiohttp.ClientSession(timeout=timeout) as session:
        try:
            async with session.get(f"http://{endpoint}{path}") as response:
                return await response.text()
        except aiohttp.ClientError:
            return ""


async def heard(endpoint: Endpoint, path: str) -> str:
    """Return what the app answers once it does: it may have been started only just now."""
    while not (said := await ask(endpoint, path)):  # noqa: ASYNC110  # the other side is a container
        await asyncio.sleep(0.05)
    return said


async def soon(event: Any) -> Any:
    """Return what `event` comes to, which is a matter of a second or two."""
    async with asyncio.timeout(DEADLINE_S):
        return await event
