"""Taking a stack down: all that carries its labels, and nothing else.

Containers go first, dependents before what they depend on, then networks, volumes and the images that were built for
it.  Anything that is gone already is fine, so a removal may be repeated, and may follow a half-made create.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import Any

from docker import APIClient

from provisioners.docker import names
from provisioners.docker.engine import Engine, EngineRefusedError
from provisioners.docker.parts import Parts
from splitter.errors import EngineError
from splitter.model import StackId

GONE_LOOKS_MAX = 100
GONE_LOOK_S = 0.1
STOP_GRACE_S = 10  # the engine's own, for a container that says nothing


class Removal:
    """The end of stacks."""

    def __init__(self, engine: Engine, parts: Parts) -> None:
        self._engine = engine
        self._parts = parts

    async def retire(self, stack: StackId) -> None:
        """Stop the stack's containers with their grace, then remove everything."""
        await self._remove(stack, self._stop)

    async def discard(self, stack: StackId) -> bool:
        """Kill and remove what there is of a stack that never served; return whether there was anything."""
        return await self._remove(stack, self._kill)

    async def _remove(self, stack: StackId, end: Callable[[str], Awaitable[None]]) -> bool:
        containers = await self._parts.containers(stack)
        for level in sorted({_level(each) for each in containers}, reverse=True):
            await together(end(each["Id"]) for each in containers if _level(each) == level)
        networks = await self._parts.networks(stack)
        await together(self._remove_network(each["Id"]) for each in networks)
        volumes = await self._parts.volumes(stack)
        await together(self._remove_volume(each["Name"]) for each in volumes)
        await together(self._remove_image(tag) for tag in await self._parts.image_tags(stack))
        return bool(containers or networks or volumes)

    async def _stop(self, container: str) -> None:
        def stop(client: APIClient) -> None:
            grace_s = client.inspect_container(container)["Config"].get("StopTimeout")
            client.stop(container, timeout=STOP_GRACE_S if grace_s is None else int(grace_s))

        await self._tolerate("stop a container", stop, 404, slow=True)
        await self._kill(container)

    async def _kill(self, container: str) -> None:
        """Remove a container with its anonymous volumes; wait if somebody else is removing it already."""
        for _ in range(GONE_LOOKS_MAX):
            try:
                await self._engine.change(
                    "remove a container", lambda client: client.remove_container(container, v=True, force=True)
                )
            except EngineRefusedError as error:
                if error.status == 404:
                    return
                if error.status != 409:
                    raise
                await asyncio.sleep(GONE_LOOK_S)
            else:
                return
        raise EngineError(f"container {container[:12]} cannot be removed: the engine says that it is being removed")

    async def _remove_network(self, network: str) -> None:
        """Remove a network of ours; whoever else is in it is put out of it first."""

        def remove(client: APIClient) -> None:
            for container in client.inspect_network(network).get("Containers") or {}:
                client.disconnect_container_from_network(container, network, force=True)
            client.remove_network(network)

        await self._tolerate("remove a network", remove, 404)

    async def _remove_volume(self, volume: str) -> None:
        await self._tolerate("remove a volume", lambda client: client.remove_volume(volume), 404)

    async def _remove_image(self, tag: str) -> None:
        """Remove a built image, unless somebody uses it for something else: then it is no longer only ours."""
        await self._tolerate("remove an image", lambda client: client.remove_image(tag), 404, 409)

    async def _tolerate(
        self, doing: str, call: Callable[[APIClient], object], *statuses: int, slow: bool = False
    ) -> None:
        try:
            await self._engine.change(doing, call, slow=slow)
        except EngineRefusedError as error:
            if error.status not in statuses:
                raise


async def together(awaitables: Iterable[Awaitable[None]]) -> None:
    """Await all at once; the first error is raised after all have ended."""
    outcomes = await asyncio.gather(*awaitables, return_exceptions=True)
    for outcome in outcomes:
        if isinstance(outcome, BaseException):
            raise outcome


def _level(summary: dict[str, Any]) -> int:
    return int((summary.get("Labels") or {}).get(names.LEVEL, "0"))
