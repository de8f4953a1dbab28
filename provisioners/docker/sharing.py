"""What two stacks use together, and who takes it down: the hand-over of a database from one stack to the next.

A stateful service that does not change is not made twice.  The container of live joins the shadow's networks under the
service's aliases, which restarts nothing, and a volume that both use is mounted by both.

Rule 1: things belong to the stack that made them, for life: that is what their labels say.  Who uses them is said by
the users' own labels (`shares`), with the names of the things themselves and not of who lent them.  So r3 that got its
database from r2, which had it from r1, names the container of r1, and does not care that r2 is gone.
Rule 2: retiring a stack leaves what another stack names, with what that needs: the volumes that it mounts and the
networks that it is on.  The rest of the stack goes.  What was left goes when the stack is retired again after its last
user; the rollout's journal remembers that there is something left (`History.remains`).
Rule 3: so nothing is inferred from what happens to be missing.  A live stack that has lost its web server, by hand or
by a crash, is not taken for the remains of a retired one, and its database is never swept away.
Rule 4: what a stack wants changed about its guests (their bounds) waits until the stack that it took over from is
retired: before, they are not its own, and afterwards there is no way back that would have to change them back.
Rule 5: a stack that is made again takes up what it named before.  A guest that stands still is started, not replaced.
One that somebody removed becomes a service of the stack itself, on the same volume.

A container that is on two networks resolves names by the network whose name sorts first.  So a shared service that
asks for another service of its own stack may reach the one beside it; databases ask for nobody.
"""

import logging
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from docker import APIClient
from docker.errors import create_api_error_from_http_exception
from requests import HTTPError

from provisioners.docker import names
from provisioners.docker.containers import aliases_of, attachments, network_of
from provisioners.docker.engine import Engine, EngineRefusedError
from provisioners.docker.host import update_of
from provisioners.docker.parts import Parts
from provisioners.docker.shares import Guest, Shares
from provisioners.docker.state import Container
from splitter.contracts import StackOrder
from splitter.model import StackId
from splitter.placement import VolumeMode
from splitter.template import Service

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Loan:
    """What an order gets from other stacks: what it uses, what it copies, and what could not be found."""

    shares: Shares
    sources: Mapping[str, str]
    problems: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Uses:
    """The containers and volumes of one stack that other stacks name."""

    containers: frozenset[str]
    volumes: frozenset[str]


class Sharing:
    """What the stacks of one app have of each other."""

    def __init__(self, engine: Engine, parts: Parts) -> None:
        self._engine = engine
        self.parts = parts

    async def loan(self, order: StackOrder) -> Loan:
        """Return what `order` gets from its base, or has already from an earlier making."""
        placement = order.placement
        wanted = [key for key, mode in placement.volumes.items() if mode.is_of_base or mode is VolumeMode.COPY]
        if not (placement.shared or wanted):
            return Loan(Shares(), {})
        own = await self.parts.identity(order.id) if order.again else None
        base = await self.parts.identity(StackId(placement.base))
        problems: list[str] = []
        services: dict[str, Guest] = {}
        for name in placement.shared:
            containers = await self._guests(order, name, own, base)
            if containers:
                service = order.template.services[name]
                bounds = update_of(service) if name in placement.resized else {}
                services[name] = Guest(containers, _aliases(order, service), bounds)
            elif not order.again:
                problems.append(f"service {name} is to be shared, but {placement.base} has no container of it")
        volumes: dict[str, str] = {}
        for key in wanted:
            candidates = await self._volumes(order, key, own, base)
            if len(candidates) == 1:
                volumes[key] = candidates[0]
            elif candidates or not order.again:
                found = ", ".join(candidates) or "nothing"
                problems.append(f"volume {key} is to be that of {placement.base}, but for that there is {found}")
        shared = {key: name for key, name in volumes.items() if placement.volumes[key].is_of_base}
        copied = {key: name for key, name in volumes.items() if key not in shared and not order.again}
        return Loan(Shares(services, shared), copied, tuple(problems))

    async def join(self, shares: Shares) -> None:
        """Let the guests join the stack's networks; those that stand still are started.  Nothing is restarted."""
        for guest in shares.services.values():
            for container in guest.containers:
                for network, aliases in guest.networks.items():
                    await self.connect(container, network, aliases)

    async def connect(self, container: str, network: str, aliases: tuple[str, ...] = ()) -> None:
        """Let a container join a network, unless it is in it; nothing is restarted."""

        def connect(client: APIClient) -> None:
            attached: dict[str, Any] = client.inspect_container(container)["NetworkSettings"]["Networks"] or {}
            if network not in attached:
                client.connect_container_to_network(container, network, aliases=list(aliases) or None)

        try:
            await self._engine.change(f"connect {container} to {network}", connect)
        except EngineRefusedError as error:
            if "already exists in network" not in str(error):
                raise

    async def revive(self, shares: Shares) -> None:
        """Start the guests that stand still, and restart those that are not well: their stack is made again."""
        for guest in await self.parts.guests(shares):
            await revive(self._engine, guest)

    async def settle(self, containers: Collection[str]) -> None:
        """Give each of `containers` the bounds that the one stack says which still uses it; it runs on meanwhile.

        With several users, or none that says bounds, a container keeps what it has.  Idempotent.
        """
        users: dict[str, list[Guest]] = {}
        for identity in (await self.parts.identities()).values():
            for guest in identity.shares.services.values():
                for name in guest.containers:
                    users.setdefault(name, []).append(guest)
        for name in sorted(containers):
            if len(users.get(name, ())) == 1 and (bounds := users[name][0].bounds):
                await self._resize(name, bounds)

    async def _resize(self, container: str, bounds: Mapping[str, Any]) -> None:
        """Set the bounds of a container that runs.  A refusal ends no retirement: the container is well as it is."""

        def update(client: APIClient) -> None:
            # The SDK's own call knows neither processors nor processes.
            place = f"{client.base_url}/v{client.api_version}/containers/{container}/update"
            try:
                client.post(place, json=dict(bounds), timeout=client.timeout).raise_for_status()
            except HTTPError as error:
                create_api_error_from_http_exception(error)

        try:
            await self._engine.change(f"set the bounds of {container}", update)
        except EngineRefusedError as error:
            log.warning("%s keeps the bounds that it had: %s", container, error)

    async def used_by_others(self, stack: StackId) -> Uses:
        """Return what other stacks name; that some of it is not of `stack` does no harm."""
        shares = [each.shares for each in (await self.parts.identities()).values() if each.stack != stack]
        return Uses(
            frozenset(name for each in shares for name in each.containers),
            frozenset(name for each in shares for name in each.volumes.values()),
        )

    async def needs(self, containers: Sequence[str]) -> tuple[set[str], set[str]]:
        """Return the volumes that `containers` mount and the ids of the networks that they are on."""
        volumes: set[str] = set()
        networks: set[str] = set()
        for container in containers:
            found = await self._inspect(container)
            volumes |= {mount["Name"] for mount in found.get("Mounts") or () if mount.get("Type") == "volume"}
            networks |= {each["NetworkID"] for each in (found["NetworkSettings"].get("Networks") or {}).values()}
        return volumes, networks

    async def _inspect(self, container: str) -> dict[str, Any]:
        return await self._engine.read("inspect a container", lambda client: client.inspect_container(container))

    # --- Finding -------------------------------------------------------------------------------------------------

    async def _guests(
        self, order: StackOrder, service: str, own: names.Identity | None, base: names.Identity | None
    ) -> tuple[str, ...]:
        """Return the names of the containers that serve `service`, as the stack knew them, or as its base has them."""
        for identity in (own, base):
            if identity is not None and service in identity.shares.services:
                known = identity.shares.services[service].containers
                there = [await self.parts.named(name, service) for name in known]
                return known if all(there) else ()
        if base is not None and base.adopted:
            return base.adopted.get(service, ())
        summaries = await self.parts.containers(StackId(order.placement.base))
        return tuple(
            sorted(each["Names"][0].lstrip("/") for each in summaries if each["Labels"].get(names.SERVICE) == service)
        )

    async def _volumes(
        self, order: StackOrder, key: str, own: names.Identity | None, base: names.Identity | None
    ) -> list[str]:
        """Return the volume that `key` means; several where nobody who knew it is left, none where there is none."""
        for identity in (own, base):
            if identity is not None and key in identity.shares.volumes:
                return [identity.shares.volumes[key]]
        there = [each for each in await self.parts.volumes() if each["Labels"].get(names.COMPOSE_VOLUME) == key]
        if base is not None:
            return [each["Name"] for each in there if each["Labels"][names.STACK] == base.stack]
        return sorted(each["Name"] for each in there if each["Labels"][names.STACK] != order.id)


async def revive(engine: Engine, container: Container) -> None:
    """Start a container that stands still, restart one that is not well; its files stay as they are."""
    if container.is_still:
        await engine.start(container.id)
    elif container.illness:
        await engine.change(f"restart {container.name}", lambda client: client.restart(container.id), slow=True)


def _aliases(order: StackOrder, service: Service) -> dict[str, tuple[str, ...]]:
    """Return the aliases of a service by the engine's name of each network that is the stack's own."""
    found = {}
    for attachment in attachments(service):
        network = network_of(order, attachment.network)
        if not network.external:
            found[names.network_name(order, network)] = aliases_of(service, attachment)
    return found
