"""Every reason why an order cannot be made, found before anything is made, all at once.

A problem refuses the order.  A note is what an operator should know and may have meant: it is told before the first
step of the making.
"""

import asyncio
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from provisioners import startup
from provisioners.docker import abilities, documents, endpoints, folders, names, neighbours, numbering, room
from provisioners.docker.containers import Image, networks_used
from provisioners.docker.engine import Engine
from provisioners.docker.images import Images, Pulls
from provisioners.docker.ourselves import own_mounts
from provisioners.docker.platforms import is_for
from provisioners.docker.sharing import Loan, Sharing
from splitter.contracts import Finding, StackOrder
from splitter.errors import EngineError
from splitter.template import Healthcheck, MountType, Network, Service

EDGE_LABELS = ("traefik.", "caddy")
EDGE_VARIABLES = ("VIRTUAL_HOST", "VIRTUAL_PORT", "VIRTUAL_PATH")
HARMLESS_DEVICES = frozenset(
    f"/dev/{name}" for name in ("null", "zero", "full", "random", "urandom", "tty", "fuse", "net/tun", "kvm")
)
"""What any number of containers may open at once."""
CONTROL_SOCKETS = ("/docker.sock", "/podman.sock", "/containerd.sock")
CONTAINERD_STORE = "io.containerd.snapshotter"


@dataclass(frozen=True, slots=True)
class Terms:
    """What an operator has said of the engine that an order is looked at with."""

    endpoint: endpoints.EndpointMode = "auto"
    no_room: room.NoRoom = "warn"
    project: folders.ProjectFolder = folders.SAME_PLACE
    subnets: numbering.Named = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Findings:
    """What the look before the leap found: what routes mean, how containers are reached, and what stands against it.

    `order` is the order as the engine's host is to understand it.  `images` are those that the stack was made of
    before, if it was.
    """

    order: StackOrder

    routed: tuple[names.RoutedPort, ...]
    reach: endpoints.Reach
    loan: Loan
    images: Mapping[str, Image]
    renumbered: Mapping[str, str]
    problems: tuple[str, ...]
    notes: tuple[str, ...]


async def check(
    engine: Engine, images: Images, sharing: Sharing, order: StackOrder, terms: Terms, *, fetch: bool
) -> list[Finding]:
    """Return all problems and notes; an engine that cannot be asked is a problem.

    `fetch` False: nothing is pulled, so an engine that takes its time says nothing against the order.
    """
    try:
        async with asyncio.timeout(order.deadline_s):
            pulls: Pulls = "refresh" if fetch else "never"
            found = await inspect(engine, images, sharing, order, terms, pulls=pulls)
    except EngineError as error:
        return [Finding(str(error))]
    except TimeoutError:
        late = f"the engine did not answer everything{', or pull an image,' * fetch} within {order.deadline_s:g} s"
        return [Finding(late, is_refusal=fetch)]
    return [*map(Finding, found.problems), *(Finding(note, is_refusal=False) for note in found.notes)]


async def inspect(
    engine: Engine,
    images: Images,
    sharing: Sharing,
    order: StackOrder,
    terms: Terms,
    *,
    pulls: Pulls,
) -> Findings:
    """Look at the engine with `order` in hand.  Raises EngineUnreachableError; everything else is a finding.

    `pulls`: once the plan is made, images whose policy is `always` are not refreshed any more.
    """
    info = await engine.read("ask the engine about itself", lambda client: client.info())
    reach = await endpoints.reach(terms.endpoint, engine, info)
    us = await own_mounts(engine)
    loan = await sharing.loan(order)
    made = names.made(order, loan.shares)
    own = await sharing.parts.identity(order.id) if order.again else None
    kept = await images.known(made.values(), own.images if own else {})
    found, problems = await images.missing([each for each in made.values() if each.name not in kept], pulls=pulls)
    found |= kept
    awaited = images.awaited(made.values(), found) if pulls == "never" else {}
    problems += loan.problems
    if not made:
        problems.append("every service is shared with live or skipped, so there would be nothing to compare with live")
    routed, unknown = endpoints.resolve(_but_of(awaited, order), found)
    problems += unknown
    problems += startup.impossible(_with_image_checks(order.template.services, found))
    problems += (
        f"container name {name} is longer than {names.DNS_LABEL_MAX} characters" for name in names.too_long(order)
    )
    problems += _platform(engine.url, reach, str(info.get("OSType", "linux")))
    problems += _runtimes(made.values(), info)
    version = await engine.read("ask for the engine's version", lambda client: str(client.api_version))
    problems += abilities.missing(made.values(), version, str(info.get("ServerVersion") or "?"))
    problems += _images_of_others(made.values(), found, info)
    problems += await neighbours.external(engine, order)
    problems += await neighbours.strangers(engine, order, sharing.parts.labels)
    problems += await asyncio.to_thread(lambda: list(documents.problems(made.values(), order.template)))
    problems += _devices(order, made.values())
    problems += _unreachable(order)
    problems += _edge_proxies(order, made.values())
    elsewhere, unseen = folders.misplaced(order, made.values(), terms.project, us or ())
    problems += elsewhere
    networks = await engine.read("list networks", lambda client: list(client.networks()))
    renumbered = _renumbered(order, networks, terms.subnets)
    if not order.again and (problem := numbering.exhausted(_own_networks(order), networks, info, renumbered)):
        problems.append(problem)
    notes = [
        *awaited.values(),
        *_told_of_numbers(order, renumbered, terms.subnets),
        *_controllers(made.values()),
        *(unseen if us is not None else []),
    ]
    if terms.no_room != "ignore":
        short = await room.shortages(engine, sharing.parts, order, made.values(), loan, info)
        refusing = problems if terms.no_room == "refuse" else notes
        refusing += short
    there = folders.hosted(order, terms.project, is_inside=us is not None)
    return Findings(there, tuple(routed), reach, loan, kept, renumbered, tuple(problems), tuple(notes))


def _but_of(awaited: Collection[str], order: StackOrder) -> StackOrder:
    """Return `order` without the routes that only an image which is still to be pulled can say the port of."""
    return replace(order, routed=tuple(each for each in order.routed if each.port or each.service not in awaited))


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


def _runtimes(services: Iterable[Service], info: Mapping[str, Any]) -> Iterable[str]:
    """Yield the runtimes that the engine does not have.  A shim's name or path need not be among those it lists."""
    known = info.get("Runtimes") or {}
    for service in services if known else ():
        name = service.runtime
        if name and name not in known and not name.startswith(("/", "io.containerd.")):
            yield (
                f"service {service.name}: the engine has no runtime {name}, but {', '.join(sorted(known))}; install it "
                "and name it in the engine's daemon.json"
            )


def _images_of_others(
    services: Iterable[Service], images: Mapping[str, Image], info: Mapping[str, Any]
) -> Iterable[str]:
    """Yield the images that are there for another platform than a service asks for.

    The containerd store holds one image for several platforms and shows one of them, so there it is left to the engine.
    """
    if CONTAINERD_STORE in str(info.get("DriverStatus") or ""):
        return
    for service in services:
        image = images.get(service.name)
        if image and image.platform and service.platform and not is_for(service.platform, image.platform):
            yield (
                f"service {service.name}: image {image.reference} is for {image.platform}, and the service asks for "
                f"{service.platform}; pull that one (docker pull --platform {service.platform} {image.reference})"
            )


def _controllers(services: Iterable[Service]) -> Iterable[str]:
    """Yield the services that can order the engine about."""
    for service in services:
        binds = (mount.source for mount in service.mounts if mount.type is MountType.BIND)
        for source in sorted({each for each in binds if each.endswith(CONTROL_SOCKETS)}):
            yield (
                f"service {service.name} has the engine's socket ({source}): it is a second controller, which may "
                "start, stop and remove containers of both stacks"
            )


def _told_of_numbers(order: StackOrder, renumbered: Mapping[str, str], named: numbering.Named) -> Iterable[str]:
    for network in _own_networks(order):
        if order.again or network.key not in renumbered:
            continue
        name, chosen = names.network_name(order, network), renumbered[network.key]
        subnets = [pool.subnet for pool in network.ipam.pools if pool.subnet]
        taken = ", ".join([*subnets, *(named.get(network.key, ()) if not chosen else ())])
        if subnets:
            gets = f"it gets {chosen}" if chosen else "the engine chooses its addresses"
            yield (
                f"network {name} is renumbered: {taken} is taken on this engine, so {gets}, and fixed addresses in it "
                "are left out"
            )
        elif not chosen:
            yield f"network {name} gets none of its `subnets`: {taken} is taken on this engine, which chooses another"


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


def _renumbered(order: StackOrder, existing: Collection[Mapping[str, Any]], named: numbering.Named) -> dict[str, str]:
    """Return the subnets of the stack's networks that do not get the template's; what stands already stays."""
    own = {names.network_name(order, network): network for network in _own_networks(order)}
    there = {each["Name"] for each in existing} & own.keys() if order.again else set()
    new = {name: network for name, network in own.items() if name not in there}
    standing = numbering.standing({name: own[name] for name in there}, existing)
    return {**numbering.renumbered(new, existing, named), **standing}
