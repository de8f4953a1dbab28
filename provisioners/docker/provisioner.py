"""contracts.Provisioner on a Docker engine: one network, or several, and the containers of a template for each stack.

The labels are the only memory: what a create leaves behind when the daemon is killed is found by them, and so is what
a new daemon goes on with.  Containers of other installations and other apps are never touched.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from provisioners.docker import endpoints, folders, names, preflight, room, sampling
from provisioners.docker.adopting import Adopting
from provisioners.docker.copying import release, standing
from provisioners.docker.engine import THREADS, Engine
from provisioners.docker.facts import facts
from provisioners.docker.images import Images
from provisioners.docker.making import Draft, Making
from provisioners.docker.news import News
from provisioners.docker.parts import Parts
from provisioners.docker.promoting import Promoting
from provisioners.docker.removal import Removal
from provisioners.docker.sharing import Sharing
from provisioners.docker.state import Container
from provisioners.docker.watching import Watch, stack_of
from provisioners.finish import finish
from splitter.change.engines import is_stateful
from splitter.contracts import Finding, FoundStack, RunningProject, StackChange, StackOrder
from splitter.errors import EngineError, StackError
from splitter.facts import Facts
from splitter.model import Stack, StackId
from splitter.resources import Uses
from splitter.template import Template

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class DockerOptions:
    """`base_url` None: DOCKER_HOST, else the usual socket.  `pull`: fetch images that are missing.

    `no_room`: what a stack that may not fit into memory or on the disk is met with.  `project`: where the folder of
    the app's template lies on the engine's host.  `subnets`: those that networks take whose own are taken, by key.
    """

    base_url: str | None = None
    endpoint: endpoints.EndpointMode = "auto"
    pull: bool = True
    no_room: room.NoRoom = "warn"
    project: folders.ProjectFolder = folders.SAME_PLACE
    subnets: Mapping[str, Sequence[str]] = field(default_factory=dict)
    threads: int = THREADS


class DockerProvisioner:
    """The stacks of one app of one installation on one engine."""

    def __init__(self, app: str, installation: str, options: DockerOptions = DockerOptions()) -> None:
        self._app = app
        self._installation = installation
        self._options = options
        self._engine = Engine(options.base_url, options.threads)
        self._images = Images(self._engine, pull=options.pull)
        self._parts = Parts(self._engine, app, installation)
        self._sharing = Sharing(self._engine, self._parts)
        self._removal = Removal(self._engine, self._parts, self._sharing)
        self._adopting = Adopting(self._engine, self._parts, installation)
        self._news = News(self._engine, self._parts.labels)
        self._promoting = Promoting(self._engine, self._parts, self._removal, self._news)
        self._told: dict[StackId, Stack] = {}
        self._has_found = False
        self._reach: endpoints.Reach | None = None

    async def check(self, order: StackOrder, *, fetch: bool = True) -> Sequence[Finding]:
        if order.placement.adopted:
            return [Finding(each) for each in await self._adopting.problems(order)]
        return await preflight.check(self._engine, self._images, self._sharing, order, self._terms, fetch=fetch)

    async def survey(self, order: StackOrder) -> Sequence[str]:
        return await self._adopting.survey(order) if order.placement.adopted else ()

    async def project(self, name: str) -> RunningProject:
        return await self._adopting.described(name)

    async def facts(self, live: StackId, before: Template, after: Template) -> Facts:
        return await facts(self._engine, self._parts, live, before, after)

    async def create(self, order: StackOrder, progress: Callable[[str], None]) -> Stack:
        if order.placement.adopted:
            self._told[order.id] = stack_of(await self._adopting.adopt(order, progress))
            return self._told[order.id]
        kept: frozenset[str] | None = None
        try:
            if order.again:
                kept = await self._keep(order, progress)
            elif await self._removal.discard(order.id):
                progress(f"removed what an interrupted attempt had left of {order.id}")
            made = await self._make(order, kept or frozenset(), progress)
        except BaseException:
            if kept is not None or not order.again:
                await self._discard_made(order.id, kept)
            raise
        self._told[order.id] = made
        return made

    async def find(self) -> Sequence[FoundStack]:
        containers = await self._parts.containers()
        if not self._has_found:
            # Whoever pauses for a copy lets go on, unless it was killed: then it is for us, before anything else.
            # Whom it stopped need not be ours: an adopted container has no labels, but its volumes are named by ours.
            await release(self._engine, await standing(self._engine, await self._parts.volumes_used()))
            self._has_found = True
        parts = [*containers, *await self._parts.networks(), *await self._parts.volumes()]
        by_stack: dict[StackId, list[dict[str, Any]]] = {}
        for part in parts:
            stack = part["Labels"].get(names.STACK)
            if stack:
                by_stack.setdefault(StackId(stack), []).append(part)
        return [await self._found(stack, by_stack[stack]) for stack in sorted(by_stack)]

    async def activate(self, stack: StackId, deadline_s: float) -> Sequence[str]:
        return await self._promoting.activate(stack, deadline_s)

    async def deactivate(self, stack: StackId) -> Sequence[str]:
        return await self._promoting.deactivate(stack)

    async def retire(self, stack: StackId) -> Sequence[str]:
        self._news.end(stack)
        left = await self._removal.retire(stack)
        self._told.pop(stack, None)
        return left

    def watch(self, stack: StackId) -> AsyncIterator[StackChange]:
        told, is_active = self._told.get(stack), self._promoting.is_active
        return Watch(self._engine, self._parts, self._news, stack, told, is_active).changes()

    async def sample(self, stack: StackId) -> Uses:
        return await sampling.sample(self._engine, self._parts, stack)

    async def close(self) -> None:
        await self._news.close()
        await self._engine.close()

    @property
    def _terms(self) -> preflight.Terms:
        options = self._options
        return preflight.Terms(options.endpoint, options.no_room, options.project, options.subnets)

    # --- Making --------------------------------------------------------------------------------------------------

    async def _keep(self, order: StackOrder, progress: Callable[[str], None]) -> frozenset[str]:
        """Remove what is not well of a stack that was up before, and return the names of the containers that stay.

        Its networks and volumes stay in any case, and so do the containers of stateful services, which may hold data
        themselves: the data of a live stack is never the price of making it again.
        """
        shares = (await self._sharing.loan(order)).shares
        there = await self._parts.look(order.id)
        same = [each for each in there if names.Identity.read(each.labels).shares == shares]
        services = order.template.services
        kept = frozenset(
            each.name
            for each in same
            if each.is_up or (each.service in services and is_stateful(services[each.service]))
        )
        for container in there:
            if container.name not in kept:
                progress(f"replacing {container.name}, which {container.illness or container.ending}")
        await self._removal.clear(order.id, kept)
        return kept

    async def _make(self, order: StackOrder, kept: frozenset[str], progress: Callable[[str], None]) -> Stack:
        """Make the whole stack within its deadline."""
        making: Making | None = None
        try:
            async with asyncio.timeout(order.deadline_s):
                is_first = not (order.rollout or order.again)
                found = await preflight.inspect(
                    self._engine,
                    self._images,
                    self._sharing,
                    order,
                    self._terms,
                    pulls="refresh" if is_first else "missing",
                )
                if found.problems:
                    raise StackError(f"stack {order.id} cannot be made: {'; '.join(found.problems)}")
                for note in found.notes:
                    progress(f"note: {note}")
                order = found.order
                shares = found.loan.shares
                needed = [each for name, each in names.made(order, shares).items() if name not in found.images]
                built_for = names.built_for(self._installation, order.id)
                images = {**found.images, **await self._images.ensure(order, needed, built_for, progress)}
                ids = {name: image.id for name, image in images.items()}
                identity = replace(names.Identity.of(order, self._installation, found.routed, shares), images=ids)
                draft = Draft(order, identity, images, found.reach, found.loan, kept, found.renumbered)
                making = Making(self._engine, self._news, self._sharing, draft, progress)
                return stack_of(await making.run())
        except TimeoutError:
            left = making.unfinished() if making else "its images are not there yet"
            raise StackError(f"stack {order.id} was not ready within {order.deadline_s:g} s: {left}") from None

    async def _discard_made(self, stack: StackId, kept: frozenset[str] | None) -> None:
        """Remove what a failed or cancelled create has made, although its task may be cancelled again meanwhile.

        `kept` None: the stack never served, so all of it goes.
        """
        try:
            undo: Coroutine[Any, Any, object] = (
                self._removal.discard(stack) if kept is None else self._removal.clear(stack, kept)
            )
            await finish(undo, f"discard {stack}")
        except EngineError as error:
            log.warning(
                "what was made of %s is still there, its next create or retirement removes it: %s", stack, error
            )

    async def _join(self, containers: Sequence[Container], identity: names.Identity) -> None:
        """Join the networks of a stack that is found again: our own container may be another one now."""
        if self._options.endpoint not in ("auto", "network"):
            return
        if self._reach is None:
            info = await self._engine.read("ask the engine about itself", lambda client: client.info())
            self._reach = await endpoints.reach(self._options.endpoint, self._engine, info)
        routed = {each.asked.service for each in identity.routed}
        if self._reach.own:
            for network in sorted({each.network for each in containers if each.service in routed}):
                await self._sharing.connect(self._reach.own, network)

    async def _found(self, stack: StackId, parts: Sequence[dict[str, Any]]) -> FoundStack:
        """Return what there is of a stack; a network alone can say what was ordered."""
        containers = await self._parts.look(stack)
        identity = names.Identity.read(containers[0].labels if containers else parts[0]["Labels"])
        guests = await self._parts.guests(identity.shares)
        up = {each.name for each in (*containers, *guests) if each.is_up}
        missing = tuple(name for name in (*identity.containers(), *identity.shares.containers) if name not in up)
        if missing:
            return FoundStack(stack, self._app, None, missing)
        await self._join(containers, identity)
        self._told[stack] = stack_of([*containers, *guests])
        return FoundStack(stack, self._app, self._told[stack])
