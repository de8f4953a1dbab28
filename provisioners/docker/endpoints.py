"""Where a stack's routed services answer.

bridge    the container's own address: direct, and a dead app refuses at once.  For an engine on this very host.
loopback  127.0.0.1 and a port that the engine picks.  It changes with every start of the container, and the engine's
          port helper accepts connections although nobody listens behind it, so "connected" proves nothing there.
network   the container's own address too, for a splitter that runs in a container of the same engine: that joins the
          network of each stack, which restarts nothing.
"""

import asyncio
import contextlib
import ipaddress
import socket
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from provisioners.docker import names
from provisioners.docker.containers import Image
from provisioners.docker.engine import Engine, EngineRefusedError
from provisioners.docker.ourselves import own_container
from provisioners.docker.state import Container
from splitter.contracts import StackOrder
from splitter.model import Endpoint, ServicePort
from splitter.template import Service

EndpointMode = Literal["auto", "bridge", "loopback", "network"]

PROBE_TIMEOUT_S = 2.0
PROBE_SILENCE_S = 0.2  # a helper that has nobody behind it closes within a millisecond


@dataclass(frozen=True, slots=True)
class Reach:
    """How containers are reached; `own` is our own container, where that must join their networks."""

    mode: Literal["bridge", "loopback", "network"]
    own: str = ""


async def reach(mode: EndpointMode, engine: Engine, info: Mapping[str, Any]) -> Reach:
    """Return how to reach containers of `engine`, which says `info` of itself."""
    if mode == "network":
        return Reach("network", await own_container(engine) or "")
    if mode != "auto":
        return Reach(mode)
    if not engine.url.startswith("unix://") or "desktop" in str(info.get("OperatingSystem", "")).lower():
        return Reach("loopback")
    if await _is_ours(engine):
        return Reach("bridge")
    own = await own_container(engine)
    return Reach("network", own) if own else Reach("loopback")


async def _is_ours(engine: Engine) -> bool:
    """Return whether the engine's bridge is a network interface of ours, so that we can dial its containers.

    A socket alone does not tell: it may lead into a virtual machine, out of a container, or to a rootless engine,
    whose bridges are in a network namespace of their own.
    """
    try:
        found = await engine.read("look for its bridge", lambda client: client.inspect_network("bridge"))
    except EngineRefusedError:
        return False  # an engine without the default bridge
    config: Mapping[str, str] = next(iter(found["IPAM"].get("Config") or ()), {})
    gateway = config.get("Gateway") or next(_hosts(config.get("Subnet", "")), "")
    return bool(gateway) and await asyncio.to_thread(_is_local, gateway)


def _hosts(subnet: str) -> Iterator[str]:
    with contextlib.suppress(ValueError):
        yield from map(str, ipaddress.ip_network(subnet, strict=False).hosts())


def _is_local(address: str) -> bool:
    """Return whether an interface of this machine has `address`: only then can a socket be bound to it."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.bind((address, 0))
    except OSError:
        return False
    return True


def resolve(order: StackOrder, images: Mapping[str, Image]) -> tuple[list[names.RoutedPort], list[str]]:
    """Return the routed ports with their container ports, and a sentence for each that cannot be known."""
    found: list[names.RoutedPort] = []
    problems: list[str] = []
    for asked in order.routed:
        service = order.template.services.get(asked.service)
        if service is None:
            known = ", ".join(sorted(order.template.services)) or "none"
            problems.append(f"route to {asked}: the template has no service {asked.service} (it has: {known})")
            continue
        if service.replicas < 1:
            problems.append(f"route to {asked}: service {asked.service} has no replicas; give it at least one")
            continue
        candidates = [asked.port] if asked.port else declared(service, images.get(asked.service))
        if len(candidates) == 1:
            found.append(names.RoutedPort(asked, candidates[0]))
        else:
            listed = f"several TCP ports ({', '.join(map(str, candidates))})" if candidates else "no TCP port"
            problems.append(f"route to {asked}: service {asked.service} declares {listed}; write the port in the route")
    return found, problems


def declared(service: Service, image: Image | None) -> list[int]:
    """Return the TCP ports that the template declares for a service, else those that its image does."""
    ports = {port.target for port in service.ports if port.protocol == "tcp"} | set(service.expose)
    return sorted(ports) or list(image.ports if image else ())


def read(routed: Iterable[names.RoutedPort], stack: Sequence[Container]) -> dict[ServicePort, tuple[Endpoint, ...]]:
    """Return the endpoints of the containers that run now, by replica."""
    found: dict[ServicePort, tuple[Endpoint, ...]] = {}
    for each in routed:
        replicas = sorted((c for c in stack if c.service == each.asked.service), key=lambda c: c.replica)
        endpoints = (endpoint(container, each.target) for container in replicas if container.running)
        found[each.asked] = tuple(one for one in endpoints if one is not None)
    return found


def endpoint(container: Container, port: int) -> Endpoint | None:
    """Return where `port` of a container answers: its binding on the loopback address, else its own address.

    Of several networks the one it was created on comes first: that is the stack's own, if it has one.
    """
    if port in container.bindings:
        return Endpoint("127.0.0.1", container.bindings[port])
    address = container.addresses.get(container.network) or next(iter(container.addresses.values()), None)
    return Endpoint(address, port) if address else None


async def answers(endpoint: Endpoint) -> bool:
    """Return whether a server is behind `endpoint`: it accepts, and does not close at once."""
    try:
        async with asyncio.timeout(PROBE_TIMEOUT_S):
            reader, writer = await asyncio.open_connection(endpoint.host, endpoint.port)
    except OSError:
        return False
    try:
        async with asyncio.timeout(PROBE_SILENCE_S):
            return await reader.read(1) != b""
    except TimeoutError:
        return True
    except OSError:
        return False
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()
