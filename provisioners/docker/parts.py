"""The parts of one app's stacks on the engine, found by their labels: whatever carries others does not exist for us."""

import asyncio
from dataclasses import replace
from typing import Any

from provisioners.docker import names
from provisioners.docker.engine import Engine, EngineRefusedError
from provisioners.docker.shares import Shares
from provisioners.docker.state import Container
from splitter.model import StackId


class Parts:
    """What belongs to one app of one installation; every method can be limited to one stack."""

    def __init__(self, engine: Engine, app: str, installation: str) -> None:
        self._engine = engine
        self.labels = {names.INSTALLATION: installation, names.APP: app}

    async def containers(self, stack: StackId | None = None) -> list[dict[str, Any]]:
        """Return the engine's summaries of containers, whatever their state."""
        filters = self._filters(stack)
        return await self._engine.read(
            "list containers", lambda client: list(client.containers(all=True, filters=filters))
        )

    async def networks(self, stack: StackId | None = None) -> list[dict[str, Any]]:
        filters = self._filters(stack)
        return await self._engine.read("list networks", lambda client: list(client.networks(filters=filters)))

    async def volumes(self, stack: StackId | None = None) -> list[dict[str, Any]]:
        filters = self._filters(stack)
        return await self._engine.read(
            "list volumes", lambda client: list(client.volumes(filters=filters).get("Volumes") or ())
        )

    async def volumes_used(self) -> set[str]:
        """Return the names of all volumes that a stack has or uses, those of adopted projects too."""
        own = {each["Name"] for each in await self.volumes()}
        return own.union(*(each.shares.volumes.values() for each in (await self.identities()).values()))

    async def image_tags(self, stack: StackId) -> list[str]:
        """Return the tags of the images that were built for `stack`."""
        built = f"{names.BUILT_FOR}={names.built_for(self.labels[names.INSTALLATION], stack)}"
        found = await self._engine.read("list images", lambda client: list(client.images(filters={"label": built})))
        tags = [tag for image in found for tag in image.get("RepoTags") or ()]
        return [tag for tag in tags if tag.startswith(f"{stack}-".lower())]

    async def look(self, stack: StackId) -> list[Container]:
        """Return the stack's containers as they are now; one that is just being removed is left out."""
        listed = await self.containers(stack)
        if not listed and (identity := await self.identity(stack)) is not None and identity.adopted:
            return await self._adopted(identity)
        found = await asyncio.gather(*(self._inspect(each["Id"]) for each in listed))
        return sorted((each for each in found if each is not None), key=lambda container: container.name)

    async def named(self, name: str, service: str) -> Container | None:
        """Return a container of another stack that is `service` to this one; None where it is gone."""
        found = await self._inspect(name)
        if found is None:
            return None
        return replace(found, labels={**found.labels, names.SERVICE: service, names.KIND: names.Kind.SERVER})

    async def guests(self, shares: Shares) -> list[Container]:
        """Return the containers of other stacks that serve a stack too, as they are now."""
        found = [await self.named(name, service) for name, service in sorted(shares.containers.items())]
        return [container for container in found if container is not None]

    async def identities(self) -> dict[StackId, names.Identity]:
        """Return what each stack says of itself, from whatever part of it is there."""
        parts = [*await self.containers(), *await self.networks(), *await self.volumes()]
        labels = (each["Labels"] for each in parts)
        return {StackId(each[names.STACK]): names.Identity.read(each) for each in labels if each.get(names.STACK)}

    async def identity(self, stack: StackId) -> names.Identity | None:
        """Return what `stack` says of itself; None where nothing is left of it."""
        return (await self.identities()).get(stack)

    async def _adopted(self, identity: names.Identity) -> list[Container]:
        """Return the containers of an adopted stack, with the labels that they would have if we had made them."""
        found = []
        for service, containers in sorted(identity.adopted.items()):
            for replica, name in enumerate(containers, 1):
                if (container := await self._inspect(name)) is not None:
                    labels = {**container.labels, **names.adopted_labels(identity, service, replica)}
                    found.append(replace(container, labels=labels))
        return found

    async def _inspect(self, container: str) -> Container | None:
        try:
            found = await self._engine.read("inspect a container", lambda client: client.inspect_container(container))
        except EngineRefusedError as error:
            if error.status == 404:
                return None
            raise
        return Container.read(found)

    def _filters(self, stack: StackId | None) -> dict[str, list[str]]:
        labels = self.labels if stack is None else {**self.labels, names.STACK: stack}
        return {"label": [f"{key}={value}" for key, value in labels.items()]}
