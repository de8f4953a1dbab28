"""contracts.Provisioner on a Docker engine: one network, or several, and the containers of a template for each stack.

The labels are the only memory: what a create leaves behind when the daemon is killed is found by them, and so is what
a new daemon goes on with.  Containers of other installations and other apps are never touched.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from typing import Any

from provisioners.docker import endpoints, names, preflight, sampling
from provisioners.docker.engine import THREADS, Engine
from provisioners.docker.images import Images
from provisioners.docker.making import Making
from provisioners.docker.news import News
from provisioners.docker.parts import Parts
from provisioners.docker.removal import Removal
from provisioners.docker.watching import Watch, stack_of
from provisioners.finish import finish
from splitter.contracts import FoundStack, StackChange, StackOrder
from splitter.errors import EngineError, StackError
from splitter.model import Resources, Stack, StackId

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class DockerOptions:
    """`base_url` None: DOCKER_HOST, else the usual socket.  `pull`: fetch images that are missing."""

    base_url: str | None = None
    endpoint: endpoints.EndpointMode = "auto"
    pull: bool = True
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
        self._removal = Removal(self._engine, self._parts)
        self._news = News(self._engine, self._parts.labels)
        self._told: dict[StackId, Stack] = {}

    async def check(self, order: StackOrder) -> Sequence[str]:
        return await preflight.problems(self._engine, self._images, order, self._parts.labels, self._options.endpoint)

    async def create(self, order: StackOrder, progress: Callable[[str], None]) -> Stack:
        try:
            if await self._removal.discard(order.id):
                progress(f"removed what an interrupted attempt had left of {order.id}")
            made = await self._make(order, progress)
        except BaseException:
            await self._discard_made(order.id)
            raise
        self._told[order.id] = made
        return made

    async def find(self) -> Sequence[FoundStack]:
        containers = await self._parts.containers()
        parts = [*containers, *await self._parts.networks(), *await self._parts.volumes()]
        by_stack: dict[StackId, list[dict[str, Any]]] = {}
        for part in parts:
            stack = part["Labels"].get(names.STACK)
            if stack:
                by_stack.setdefault(StackId(stack), []).append(part)
        return [await self._found(stack, by_stack[stack]) for stack in sorted(by_stack)]

    async def retire(self, stack: StackId) -> None:
        self._news.end(stack)
        await self._removal.retire(stack)
        self._told.pop(stack, None)

    def watch(self, stack: StackId) -> AsyncIterator[StackChange]:
        return Watch(self._engine, self._parts, self._news, stack, self._told.get(stack)).changes()

    async def sample(self, stack: StackId) -> Resources | None:
        return await sampling.sample(self._engine, self._parts, stack)

    async def close(self) -> None:
        await self._news.close()
        await self._engine.close()

    # --- Making --------------------------------------------------------------------------------------------------

    async def _make(self, order: StackOrder, progress: Callable[[str], None]) -> Stack:
        """Make the whole stack within its deadline."""
        making: Making | None = None
        try:
            async with asyncio.timeout(order.deadline_s):
                found = await preflight.inspect(
                    self._engine, self._images, order, self._parts.labels, self._options.endpoint
                )
                if found.problems:
                    raise StackError(f"stack {order.id} cannot be made: {'; '.join(found.problems)}")
                images = await self._images.ensure(order, names.built_for(self._installation, order.id), progress)
                identity = names.Identity.of(order, self._installation, found.routed)
                making = Making(self._engine, self._news, order, identity, images, found.reach, progress)
                return stack_of(await making.run())
        except TimeoutError:
            left = making.unfinished() if making else "its images are not there yet"
            raise StackError(f"stack {order.id} was not ready within {order.deadline_s:g} s: {left}") from None

    async def _discard_made(self, stack: StackId) -> None:
        """Remove what a failed or cancelled create has made, although its task may be cancelled again meanwhile."""
        try:
            await finish(self._removal.discard(stack), f"discard {stack}")
        except EngineError as error:
            log.warning(
                "what was made of %s is still there, its next create or retirement removes it: %s", stack, error
            )

    async def _found(self, stack: StackId, parts: Sequence[dict[str, Any]]) -> FoundStack:
        """Return what there is of a stack; a network alone can say what was ordered."""
        containers = await self._parts.look(stack)
        identity = names.Identity.read(containers[0].labels if containers else parts[0]["Labels"])
        up = {each.name for each in containers if each.is_up}
        missing = tuple(name for name in identity.containers() if name not in up)
        if missing:
            return FoundStack(stack, self._app, None, missing)
        self._told[stack] = stack_of(containers)
        return FoundStack(stack, self._app, self._told[stack])
