"""Every reason why an order cannot be made, found before anything is made, all at once."""

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from provisioners import startup
from provisioners.docker import documents, endpoints, names, numbering
from provisioners.docker.containers import Image, networks_used
from provisioners.docker.engine import Engine, EngineRefusedError
from provisioners.docker.images import Images
from provisioners.docker.sharing import Loan, Sharing
from splitter.contracts import StackOrder
from splitter.errors import EngineError
from splitter.template import Healthcheck, Network, Service

EDGE_LABELS = ("traefik.", "caddy")
EDGE_VARIABLES = ("VIRTUAL_HOST", "VIRTUAL_PORT", "VIRTUAL_PATH")
HARMLESS_DEVICES = frozenset(
    f"/dev/{name}" for name in ("null", "zero", "full", "random", "urandom", "tty", "fuse", "net/tun", "kvm")
)
"""What any number of containers may open at once."""


@dataclass(frozen=True, slots=True)
class Findings:
    """What the look before the leap found: what routes mean, how containers are reached, and what stands against it."""

    routed: tuple[names.RoutedPort, ...]
    reach: endpoints.Reach
    loan: Loan
    renumbered: frozenset[str]
    problems: tuple[str, ...]


async def inspect(
    engine: Engine,
    images: Images,
    sharing: Sharing,
    order: StackOrder,
    mode: endpoints.EndpointMode,
    *,
    refresh: bool,
) -> Findings:
    """Look at the engine with `order` in hand.  Raises EngineUnreachableError; everything else is a finding.

    `refresh`: images whose policy is `always` are pulled; once the plan is made nothing is.
    """
    info = await engine.read("ask the engine about itself", lambda client: client.info())
    reach = await endpoints.reach(mode, engine, info)
    loan = await sharing.loan(order)
    made = names.made(order, loan.shares)
    found, problems = await images.missing(made.values(), refresh=refresh)
    problems += loan.problems
    if not made:
        problems.append("every service is shared with live or skipped, so there would be nothing to compare with live")
    routed, unknown = endpoints.resolve(order, found)
    problems += unknown
    problems += startup.impossible(_with_image_checks(order.template.services, found))
    problems += (
        f"container name {name} is longer than {names.DNS_LABEL_MAX} characters" for name in names.too_long(order)
    )
    problems += _platform(engine.url, reach, str(info.get("OSType", "linux")))
    problems += await _external(engine, order)
    problems += await _strangers(engine, order, sharing.parts.labels)
    problems += await asyncio.to_thread(lambda: list(documents.problems(made.values(), order.template)))
    problems += _devices(order, made.values())
    problems += _unreachable(order)
    problems += _edge_proxies(order, made.values())
    networks = await engine.read("list networks", lambda client: list(client.networks()))
    if not order.again and (problem := numbering.exhausted(_own_networks(order), networks, info)):
        problems.append(problem)
    renumbered = _renumbered(order, networks)
    return Findings(tuple(routed), reach, loan, renumbered, tuple(problems))


def _with_image_checks(services: Mapping[str, Service], images: Mapping[str, Image]) -> dict[str, Service]:
    """Return the services as they will be: their images may bring health checks (one yet to be built: who knows)."""
    inherited = Healthcheck(("CMD", "of the image"))
    return {
        name: replace(service, healthcheck=inherited)
        if service.healthcheck is None and (name not in images or images[name].has_check)
        else service
        for name, service in services.items()
    }


def _platform(url: str, reach: endpoints.Reach, system: str) -> Iterable[str]:
    if system != "linux":
        yield f"the engine at {url} runs {system} containers; splitter makes Linux containers only"
    if reach.mode == "network" and not reach.own:
        yield (
            f"endpoint: network is for a splitter that runs in a container of this engine ({url}), and it does not: "
            "write auto"
        )
    if reach.mode == "loopback" and not url.startswith("unix://") and not _is_here(url):
        yield f"the engine at {url} is on another host, so its containers' ports cannot be reached from here"


def _is_here(url: str) -> bool:
    host = url.rpartition("://")[2].partition("/")[0].rpartition(":")[0].strip("[]")
    return host in ("localhost", "::1") or host.startswith("127.")


def _devices(order: StackOrder, services: Iterable[Service]) -> Iterable[str]:
    """Yield the devices that live has already: one is not given to two stacks."""
    for service in services if order.placement.base else ():
        held = [each.source for each in service.devices if each.source not in HARMLESS_DEVICES]
        held += ["a GPU or the like"] if service.device_requests else []
        if held:
            yield (
                f"service {service.name} uses {', '.join(held)}, which live has already, and a device is not given to "
                "two stacks; say `splitter.scope: shared` if live's service may serve both"
            )


def _unreachable(order: StackOrder) -> Iterable[str]:
    """Yield the routes to services that have no address of their own."""
    for routed in order.routed:
        service = order.template.services.get(routed.service)
        if service is not None and service.network_mode.partition(":")[0] in ("none", "service"):
            owner = service.network_mode.partition(":")[2]
            remedy = f"route to {owner}, whose network it uses" if owner else "give it a network"
            yield f"route to {routed}: with network_mode {service.network_mode} it has no address of its own; {remedy}"


def _edge_proxies(order: StackOrder, services: Iterable[Service]) -> Iterable[str]:
    """Yield the services that another proxy would find by itself, and lead clients to around splitter."""
    for service in services if order.placement.base else ():
        read = [label for label in sorted(service.labels) if label.startswith(EDGE_LABELS)]
        read += [name for name in sorted(service.environment) if name in EDGE_VARIABLES]
        if read:
            yield (
                f"service {service.name}: another proxy reads {read[0]} and would lead clients to the shadow, around "
                "splitter; remove it, and let that proxy lead to splitter"
            )


def _own_networks(order: StackOrder) -> list[Network]:
    return [each for each in networks_used(order) if not each.external]


def _renumbered(order: StackOrder, existing: Iterable[Mapping[str, Any]]) -> frozenset[str]:
    """Return the keys of the stack's networks whose addresses are taken by others."""
    own = _own_networks(order)
    mine = {names.network_name(order, network) for network in own}
    return numbering.taken(own, {each["Name"]: each for each in existing if each["Name"] not in mine})


async def _external(engine: Engine, order: StackOrder) -> list[str]:
    """Return what is wrong with the networks and volumes that others made."""
    problems = []
    used = networks_used(order)
    own = [names.network_name(order, each) for each in used if not each.external]
    for network in (each for each in used if each.external):
        name = names.network_name(order, network)
        if not await _exists(engine, "network", name):
            problems.append(f"external network {name} is not on the engine: create it (docker network create {name})")
        problems += (
            f"external network {name} sorts before {other}, so names could lead into other stacks: rename it"
            for other in own
            if name < other
        )
    for volume in (each for each in order.template.volumes.values() if each.external):
        name = names.volume_name(order, volume)
        if not await _exists(engine, "volume", name):
            problems.append(f"external volume {name} is not on the engine: create it (docker volume create {name})")
    return problems


async def _exists(engine: Engine, kind: str, name: str) -> bool:
    try:
        if kind == "network":
            await engine.read(f"look for network {name}", lambda client: client.inspect_network(name))
        else:
            await engine.read(f"look for volume {name}", lambda client: client.inspect_volume(name))
    except EngineRefusedError as error:
        if error.status == 404:
            return False
        raise
    return True


async def _strangers(engine: Engine, order: StackOrder, labels: Mapping[str, str]) -> list[str]:
    """Return who else has the names of our containers.  What an interrupted create of this stack left is ours."""
    wanted = {
        names.container_name(order.id, name, number)
        for name, service in order.template.services.items()
        for number in range(1, service.replicas + 1)
    }
    there = await engine.read("list containers", lambda client: list(client.containers(all=True)))
    problems = []
    for container in there:
        theirs = container.get("Labels") or {}
        taken = wanted & {name.lstrip("/") for name in container["Names"]}
        if taken and any(theirs.get(key) != value for key, value in labels.items()):
            whose = theirs.get(names.INSTALLATION)
            owner = f"of another installation ({whose})" if whose else "not made by splitter"
            problems.append(f"container {min(taken)} exists and is {owner}: remove or rename it")
    return problems


async def problems(
    engine: Engine, images: Images, sharing: Sharing, order: StackOrder, mode: endpoints.EndpointMode
) -> tuple[str, ...]:
    """Return all problems as sentences; an engine that cannot be asked is one."""
    try:
        async with asyncio.timeout(order.deadline_s):
            return (await inspect(engine, images, sharing, order, mode, refresh=True)).problems
    except EngineError as error:
        return (str(error),)
    except TimeoutError:
        return (f"the engine did not answer everything, or pull an image, within {order.deadline_s:g} s",)
