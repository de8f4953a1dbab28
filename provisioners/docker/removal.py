"""Taking a stack down: all that carries its labels and that no other stack uses, and nothing else.

Containers go first, dependents before what they depend on, then networks, volumes and the images that were built for
it.  Anything that is gone already is fine, so a removal may be repeated, and may follow a half-made create.
What other stacks use stays, with what that needs (`sharing`).
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Collection, Iterable
from dataclasses import dataclass
from typing import Any

from docker import APIClient

from provisioners.docker import names
from provisioners.docker.engine import Engine, EngineRefusedError
from provisioners.docker.hooks import before_stop, run_hook
from provisioners.docker.parts import Parts
from provisioners.docker.sharing import Sharing
from splitter.errors import EngineError
from splitter.model import StackId

GONE_LOOKS_MAX = 100
GONE_LOOK_S = 0.1
log = logging.getLogger(__name__)

STOP_GRACE_S = 10  # the engine's own, for a container that says nothing


@dataclass(frozen=True, slots=True)
class _Outcome:
    """Whether there was anything to remove, and what was left because others use it."""

    was_there: bool
    left: list[str]


class Removal:
    """The end of stacks."""

    def __init__(self, engine: Engine, parts: Parts, sharing: Sharing) -> None:
        self._engine = engine
        self._parts = parts
        self._sharing = sharing

    async def retire(self, stack: StackId) -> list[str]:
        """Stop the stack's containers with their grace, then remove everything but what others use; return that."""
        return (await self._remove(stack, self._stop)).left

    async def discard(self, stack: StackId) -> bool:
        """Kill and remove what there is of a stack that never served; return whether there was anything."""
        return (await self._remove(stack, self._kill)).was_there

    async def clear(self, stack: StackId, keep: Collection[str]) -> None:
        """Kill and remove the stack's containers but those called so; networks and volumes stay, with their data."""
        containers = await self._parts.containers(stack)
        await together(self._kill(each["Id"]) for each in containers if _name(each) not in keep)

    async def stop(self, container: str) -> None:
        """Stop a container with its grace, after what it wants to be run before; one that is gone is fine."""
        await self._prepare(container)

        def stop(client: APIClient) -> None:
            grace_s = client.inspect_container(container)["Config"].get("StopTimeout")
            client.stop(container, timeout=STOP_GRACE_S if grace_s is None else int(grace_s))

        await self._tolerate("stop a container", stop, 404, slow=True)

    async def _prepare(self, container: str) -> None:
        """Run what a container wants to be run before its stop; that it fails does not keep it from being stopped."""
        try:
            found = await self._engine.read("inspect a container", lambda client: client.inspect_container(container))
            if found["State"]["Running"]:
                for hook in before_stop(found["Config"].get("Labels") or {}):
                    if problem := await run_hook(self._engine, container, hook):
                        log.warning("%s: pre_stop %s", found["Name"].lstrip("/"), problem)
        except EngineRefusedError as error:
            log.warning("what is to be run before a stop could not be: %s", error)

    async def _remove(self, stack: StackId, end: Callable[[str], Awaitable[None]]) -> _Outcome:
        uses = await self._sharing.used_by_others(stack)
        identity = await self._parts.identity(stack)
        if identity is not None and identity.adopted:
            return await self._release(identity, uses.containers)
        containers = await self._parts.containers(stack)
        kept = [_name(each) for each in containers if _name(each) in uses.containers]
        going = [each for each in containers if _name(each) not in uses.containers]
        needed_volumes, needed_networks = await self._sharing.needs(kept)
        for level in sorted({_level(each) for each in going}, reverse=True):
            await together(end(each["Id"]) for each in going if _level(each) == level)
        networks = await self._parts.networks(stack)
        await together(self._remove_network(each["Id"]) for each in networks if each["Id"] not in needed_networks)
        volumes = await self._parts.volumes(stack)
        staying = {each["Name"] for each in volumes} & (uses.volumes | needed_volumes)
        await together(self._remove_volume(each["Name"]) for each in volumes if each["Name"] not in staying)
        await self._sharing.settle({*kept, *(identity.shares.containers if identity else ())})
        if not kept:
            await together(self._remove_image(tag) for tag in await self._parts.image_tags(stack))
        return _Outcome(bool(containers or networks or volumes), sorted([*kept, *staying]))

    async def _release(self, identity: names.Identity, used: Collection[str]) -> _Outcome:
        """Stop the containers of an adopted stack that nobody uses; they stay, as all that is not ours does."""
        containers = await self._parts.look(identity.stack)
        await together(self.stop(each.id) for each in containers if each.name not in used and not each.is_still)
        left = sorted(each.name for each in containers if each.name in used)
        await self._sharing.settle({*left, *identity.shares.containers})
        if not left:
            for service in identity.adopted:
                await self._remove_image(":".join(names.pin(identity.app, service, identity.revision)))
            await self._remove_volume(names.marker(identity.stack))
        return _Outcome(True, left)

    async def _stop(self, container: str) -> None:
        await self.stop(container)
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


def _name(summary: dict[str, Any]) -> str:
    return str(summary["Names"][0]).lstrip("/") if summary.get("Names") else ""


def _level(summary: dict[str, Any]) -> int:
    return int((summary.get("Labels") or {}).get(names.LEVEL, "0"))
