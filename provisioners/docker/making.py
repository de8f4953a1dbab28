"""One attempt to bring a stack up: networks and volumes, then containers, each when its dependencies allow it.

The attempt cleans nothing up: whoever started it discards what it made, by its labels, if it fails or is cancelled.
"""

import asyncio
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from docker import APIClient

from provisioners import startup
from provisioners.docker import endpoints, names
from provisioners.docker.containers import Image, configure, endpoint_arguments, joinings, networks_used
from provisioners.docker.copying import copy
from provisioners.docker.documents import archive
from provisioners.docker.engine import Engine, EngineRefusedError, EngineUnreachableError, last_lines
from provisioners.docker.hooks import run_hook
from provisioners.docker.host import needed_containers
from provisioners.docker.news import News
from provisioners.docker.numbering import ipam_of
from provisioners.docker.sharing import Loan, Sharing, revive
from provisioners.docker.state import Container, failing, holds
from splitter.change.labels import COPY_HOOK, words
from splitter.contracts import StackOrder
from splitter.errors import EngineError, StackError
from splitter.template import Condition, Dependency, MountType, Network, Service, Volume

LOOK_S = 2.0
PROBE_S = 0.1
HEALTH_SLACK_S = 30.0


@dataclass(frozen=True, slots=True)
class Draft:
    """All that is known of a stack before its first part is made.

    `images` are by service.  `kept` are the containers that are there already: an order to make a stack again leaves
    them as they are, or starts them.  `renumbered` are the networks that get other addresses than the template says, by
    key: a subnet, or an empty text where the engine chooses.
    """

    order: StackOrder
    identity: names.Identity
    images: Mapping[str, Image]
    reach: endpoints.Reach
    loan: Loan
    kept: frozenset[str] = frozenset()
    renumbered: Mapping[str, str] = field(default_factory=dict)


class Making:
    """The making of one draft; `run` is called once."""

    def __init__(
        self, engine: Engine, news: News, sharing: Sharing, draft: Draft, progress: Callable[[str], None]
    ) -> None:
        self._engine = engine
        self._news = news
        self._sharing = sharing
        self._draft = draft
        self._order = draft.order
        self._template = draft.order.template
        self._identity = draft.identity
        self._shares = draft.identity.shares
        self._images = draft.images
        self._progress = progress
        self._levels = {name: at for at, level in enumerate(startup.levels(self._template.services)) for name in level}
        self._kinds = names.kinds(self._order)
        self._made = names.made(self._order, self._shares)
        self._asleep = names.waiting(self._order)
        self._created = {name: asyncio.Event() for name in self._made}
        self._started = {name: asyncio.Event() for name in self._made}
        self._waiting: dict[str, str] = {}

    async def run(self) -> list[Container]:
        """Return all containers that serve the stack once it is ready, its guests among them.  Raises StackError."""
        await all_of(self._network(each) for each in networks_used(self._order) if not each.external)
        if self._draft.reach.own:
            for network in networks_used(self._order):
                await self._sharing.connect(self._draft.reach.own, names.network_name(self._order, network))
        await all_of(self._volume(each) for each in self._volumes_used())
        for key, source in sorted(self._draft.loan.sources.items()):
            await self._copy(key, source)
        if self._order.again:
            await self._sharing.revive(self._shares)
        await self._sharing.join(self._shares)
        await all_of(self._bring_up(service) for service in self._made.values())
        return [*await self._last_look(), *await self._sharing.parts.guests(self._shares)]

    def unfinished(self) -> str:
        """Return what is still being waited for, for the sentence about a deadline."""
        return "; ".join(self._waiting.values()) or "the engine has not made everything yet"

    # --- Things ------------------------------------------------------------------------------------------------

    async def _network(self, network: Network) -> None:
        name = names.network_name(self._order, network)
        labels = names.network_labels(self._identity, network)
        ipam = ipam_of(network, self._draft.renumbered.get(network.key))

        def create(client: APIClient) -> None:
            if self._order.again and any(each["Name"] == name for each in client.networks(names=[name])):
                return  # it is there since the stack was up before
            client.create_network(
                name,
                driver=network.driver or None,
                options=dict(network.driver_opts) or None,
                ipam=ipam,
                internal=network.internal,
                attachable=network.attachable or None,
                enable_ipv6=network.enable_ipv6,
                labels=labels,
                check_duplicate=True,  # without it the engine accepts two networks of one name
            )

        self._progress(f"creating network {name}")
        await self._engine.change(f"create network {name}", create)

    def _volumes_used(self) -> list[Volume]:
        """Return the volumes that are to be the stack's own."""
        mounts = [mount for service in self._made.values() for mount in service.mounts]
        keys = {mount.source for mount in mounts if mount.type is MountType.VOLUME and mount.source}
        own = sorted(keys - set(self._shares.volumes))
        return [volume for key in own if not (volume := self._template.volumes[key]).external]

    async def _copy(self, key: str, source: str) -> None:
        volume = self._template.volumes[key]
        target = names.volume_name(self._order, volume)
        prepare = words(volume.labels.get(COPY_HOOK, ""))
        pause = key in self._order.placement.paused
        if prepare:
            self._progress(f"running {' '.join(prepare)} where volume {source} is written")
        self._progress(f"copying volume {source} to {target}{', its writers stand still' if pause else ''}")
        image = next(iter(self._images.values())).reference
        labels = self._identity.labels()
        await copy(self._engine, source, target, image, labels, pause=pause, prepare=prepare)

    async def _volume(self, volume: Volume) -> None:
        name = names.volume_name(self._order, volume)
        labels = names.volume_labels(self._identity, volume)
        self._progress(f"creating volume {name}")

        def create(client: APIClient) -> dict[str, Any]:
            return client.create_volume(
                name, driver=volume.driver or None, driver_opts=dict(volume.driver_opts) or None, labels=labels
            )

        made = await self._engine.change(f"create volume {name}", create)
        if (made.get("Labels") or {}).get(names.STACK) != self._order.id:
            # The engine hands out a volume that is there already as if it had been made.
            raise EngineError(f"volume {name} exists and is not of this stack: remove or rename it")

    # --- Services ----------------------------------------------------------------------------------------------

    async def _bring_up(self, service: Service) -> None:
        """Bring a service up; one that the stack can do without may fail."""
        try:
            await self._service(service)
        except EngineUnreachableError:
            raise
        except StackError as error:
            if self._kinds[service.name] is not names.Kind.OPTIONAL:
                raise
            self._waiting = {name: what for name, what in self._waiting.items() if name not in self._of(service.name)}
            self._progress(f"going on without {service.name}: {error}")
        finally:
            self._created[service.name].set()
            self._started[service.name].set()  # whoever waits for it now finds it started, or failed

    async def _service(self, service: Service) -> None:
        """Create a service's containers, start them when its dependencies allow it, wait until they are ready."""
        for owner in needed_containers(service) & set(self._created):
            await self._created[owner].wait()
        level, kind = self._levels[service.name], self._kinds[service.name]
        parts = [names.Part(service, number, level, kind) for number in range(1, service.replicas + 1)]
        await all_of(self._create(part) for part in parts)
        self._created[service.name].set()
        if service.name in self._asleep:
            self._progress(f"{service.name} waits for the promotion")
            return
        for dependency in service.depends_on:
            await self._depend(service, dependency)
        for container in self._of(service.name):
            await self._start(service, container)
        self._started[service.name].set()
        await all_of(self._ready(service, container) for container in self._of(service.name))

    def _of(self, service: str) -> list[str]:
        """Return the names of a service's containers, its own or guests."""
        if service in self._shares.services:
            return list(self._shares.services[service].containers)
        replicas = self._template.services[service].replicas
        return [names.container_name(self._order.id, service, number) for number in range(1, replicas + 1)]

    async def _create(self, part: names.Part) -> None:
        """Create one container in all its networks."""
        service = part.service
        name = names.container_name(self._order.id, service.name, part.replica)
        if name in self._draft.kept:
            return
        loopback: Sequence[int] = ()
        if self._draft.reach.mode == "loopback":
            loopback = sorted({each.target for each in self._identity.routed if each.asked.service == service.name})
        image = self._images[service.name]

        def create(client: APIClient) -> None:
            version, renumbered = client.api_version, self._draft.renumbered
            config = configure(self._order, self._identity, part, image, loopback, version, renumbered)
            platform = service.platform or None
            client.create_container_from_config(config, name, platform)  # type: ignore[no-untyped-call]  # no annotations
            for joining in joinings(self._order, service, renumbered)[1:]:
                # One by one before the start: older engines refuse a create with two networks.
                client.connect_container_to_network(name, joining.network, **endpoint_arguments(joining, version))
            if content := archive(service, self._template):
                client.put_archive(name, "/", content)

        await self._engine.change(f"create container {name}", create)

    async def _start(self, service: Service, container: str) -> None:
        if container in self._draft.kept:
            await revive(self._engine, await self._look(container))
            return
        self._progress(f"starting {container}")
        try:
            await self._engine.start(container)
        except EngineRefusedError as error:
            raise StackError(f"service {service.name} of stack {self._order.id} does not start: {error}") from error
        for hook in service.post_start:
            if problem := await run_hook(self._engine, container, hook):
                raise StackError(f"service {service.name}: post_start {problem} in container {container}")

    async def _depend(self, service: Service, dependency: Dependency) -> None:
        """Wait until a dependency has reached its condition.  One that is not required may fail."""
        if dependency.service in self._started and dependency.service not in self._asleep:
            await self._started[dependency.service].wait()
        elif dependency.service not in self._shares.services:
            return  # skipped, asleep, not required, or the check before has refused it
        try:
            for container in self._of(dependency.service):
                await self._reached(self._template.services[dependency.service], container, dependency.condition)
        except StackError as error:
            if dependency.required:
                raise
            self._progress(f"{service.name} starts without {dependency.service}: {error}")

    async def _ready(self, service: Service, name: str) -> None:
        """Wait until a container does what the stack needs of it: a job is done, a server is well and answers."""
        if self._kinds[service.name] is names.Kind.JOB:
            await self._reached(service, name, Condition.COMPLETED)
            return
        container = await self._reached(service, name, Condition.STARTED)
        if container.health:
            container = await self._reached(service, name, Condition.HEALTHY)
        for routed in self._identity.routed:
            if routed.asked.service == service.name:
                await self._answering(service, container, routed.target)
        self._progress(f"{name} is ready")

    async def _answering(self, service: Service, container: Container, port: int) -> None:
        """Wait until a routed port answers; its container may end or be restarted meanwhile."""
        while True:
            endpoint = endpoints.endpoint(container, port)
            if endpoint is not None and await endpoints.answers(endpoint):
                self._waiting.pop(container.name, None)
                return
            hint = (
                "; does it listen on another port, or on 127.0.0.1 of its container only?" if container.health else ""
            )
            self._waiting[container.name] = f"nothing answers at port {port} of {container.name} ({endpoint}){hint}"
            await asyncio.sleep(PROBE_S)
            container = await self._reached(service, container.name, Condition.STARTED)

    async def _reached(self, service: Service, name: str, condition: Condition) -> Container:
        """Return the container once `condition` holds.  Raises StackError as soon as it no longer can."""
        deadline = asyncio.get_running_loop().time() + patience_s(service, condition)
        with self._news.subscription(self._order.id) as subscription:
            while True:
                container = await self._look(name)
                problem = failing(container, condition)
                if not problem and asyncio.get_running_loop().time() > deadline:
                    problem = f"was not healthy within {patience_s(service, condition):.0f} s"
                if problem:
                    raise await self._failure(service, container, problem)
                if holds(container, condition):
                    self._waiting.pop(name, None)
                    return container
                health = f", health: {container.health}" if container.health else ""
                self._waiting[name] = f"{name} is {container.status}{health}, waited for as {condition}"
                await subscription.news(LOOK_S)

    async def _last_look(self) -> list[Container]:
        """Look at all containers together: one may have ended after it was ready."""
        found = []
        for service in self._made.values():
            if self._kinds[service.name] is names.Kind.OPTIONAL or service.name in self._asleep:
                continue
            for name in self._of(service.name):
                container = await self._look(name)
                if not (container.is_up or container.restarting):
                    raise await self._failure(service, container, container.illness or container.ending)
                found.append(container)
        return found

    async def _look(self, name: str) -> Container:
        found = await self._engine.read(f"inspect {name}", lambda client: client.inspect_container(name))
        return Container.read(found)

    async def _failure(self, service: Service, container: Container, problem: str) -> StackError:
        hint = ""
        if container.exit_code == 0 and container.status == "exited":
            hint = " (a job is a service that another waits for with service_completed_successfully)"
        lines = await last_lines(self._engine, container.id)
        return StackError(f"service {service.name}: container {container.name} {problem}{hint}{lines}")


def patience_s(service: Service, condition: Condition) -> float:
    """Return how long a service may take to become healthy; the stack's deadline bounds everything else."""
    check = service.healthcheck
    if condition is not Condition.HEALTHY or check is None:
        return float("inf")
    return check.start_period_s + check.retries * (check.interval_s + check.timeout_s) + HEALTH_SLACK_S


async def all_of(coroutines: Any) -> None:
    """Run all together; the first failure cancels the others and is raised as it is."""
    tasks: list[Coroutine[Any, Any, None]] = list(coroutines)
    try:
        async with asyncio.TaskGroup() as group:
            for task in tasks:
                group.create_task(task)
    except BaseExceptionGroup as failures:
        first: BaseException = failures
        while isinstance(first, BaseExceptionGroup):
            first = first.exceptions[0]
        raise first from None
