"""What others have on the engine that an order would meet: networks and volumes of theirs, names of ours.

The engine's DNS answers from the network whose name sorts first.  A stack's own networks are named so that they do
(`names.network_name`); where an external network still comes before them, what is called there like a service of the
stack would be found in its place.
"""

from collections.abc import Mapping
from typing import Any

from provisioners.docker import names
from provisioners.docker.containers import aliases_of, attachments, network_of, networks_used
from provisioners.docker.engine import Engine, EngineRefusedError
from splitter.contracts import StackOrder
from splitter.template import Network


async def external(engine: Engine, order: StackOrder) -> list[str]:
    """Return what is wrong with the networks and volumes that others made."""
    problems = []
    used = networks_used(order)
    own = [names.network_name(order, each) for each in used if not each.external]
    for network in (each for each in used if each.external):
        name = names.network_name(order, network)
        if not await _exists(engine, "network", name):
            problems.append(f"external network {name} is not on the engine: create it (docker network create {name})")
        elif any(name < other for other in own):
            problems += await _clashes(engine, order, network)
    for volume in (each for each in order.template.volumes.values() if each.external):
        name = names.volume_name(order, volume)
        if not await _exists(engine, "volume", name):
            problems.append(f"external volume {name} is not on the engine: create it (docker volume create {name})")
    return problems


async def strangers(engine: Engine, order: StackOrder, labels: Mapping[str, str]) -> list[str]:
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


async def _clashes(engine: Engine, order: StackOrder, network: Network) -> list[str]:
    """Return the names of the stack that `network`, which the engine's DNS asks first, has for somebody else."""
    name = names.network_name(order, network)
    heard = await _names_on(engine, name)
    return [
        f"service {service} would not be found by its name: {heard[alias]} is called {alias} on external network "
        f"{name}, which sorts before the stack's own; rename that network or take the alias away"
        for service, aliases in _names_within(order).items()
        for alias in sorted(aliases & heard.keys())
    ]


def _names_within(order: StackOrder) -> dict[str, set[str]]:
    """Return what each service is called on the stack's own networks.  A shared one is the same container for both."""
    found: dict[str, set[str]] = {}
    for service in order.template.services.values():
        for place in attachments(service) if service.name not in order.placement.shared else ():
            if not network_of(order, place.network).external:
                found.setdefault(service.name, set()).update(aliases_of(service, place))
    return found


async def _names_on(engine: Engine, network: str) -> dict[str, str]:
    """Return the names that the engine's DNS knows on `network`, each with the container that has it."""
    found = await engine.read(f"look at network {network}", lambda client: client.inspect_network(network))
    heard: dict[str, str] = {}
    for id_ in found.get("Containers") or ():
        container = await _inspected(engine, id_)
        own = str(container.get("Name", "")).lstrip("/")
        place = container.get("NetworkSettings", {}).get("Networks", {}).get(network) or {}
        if own:
            heard |= dict.fromkeys([own, *(place.get("Aliases") or ()), *(place.get("DNSNames") or ())], own)
    return heard


async def _inspected(engine: Engine, container: str) -> Mapping[str, Any]:
    """Return what the engine says of a container; nothing of one that has just ended."""
    try:
        return await engine.read("inspect a container", lambda client: client.inspect_container(container))
    except EngineRefusedError as error:
        if error.status == 404:
            return {}
        raise


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
