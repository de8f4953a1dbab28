"""Images of a stack: found on the engine, pulled, or built.

Nothing is pulled for a service that is built.  Builds use the engine's classic builder, which every engine has, and
BuildKit where only that will do (`buildkit`).
"""

import asyncio
import contextlib
import tempfile
import threading
from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from docker import APIClient

from provisioners.docker import buildkit, contexts, names, platforms
from provisioners.docker.containers import Image
from provisioners.docker.engine import Engine, EngineRefusedError
from splitter.contracts import StackOrder
from splitter.errors import EngineError, StackError
from splitter.template import Build, MountType, Service

LOG_LINES_KEPT = 20
_EVERY = "every_"
IDLE_TIMEOUT_S = 600  # between two lines of a build: a step that compiles says nothing for minutes


Pulls = Literal["refresh", "missing", "never"]
"""Which images a look may pull: those that are missing and those whose policy says always, the former, or none."""


class Images:
    """The images of one engine."""

    def __init__(self, engine: Engine, *, pull: bool) -> None:
        self._engine = engine
        self._pull = pull

    async def known(self, services: Iterable[Service], ids: Mapping[str, str]) -> dict[str, Image]:
        """Return the images that a stack was made of before, by service; those that are gone are left out.

        The name that the template has for one may mean another image by now.  It is said only where it does not.
        """
        found: dict[str, Image] = {}
        for service in services:
            id_ = ids.get(service.name, "")
            was = await self._find(id_) if id_ else None
            now = await self._find(service.image) if was and service.image else None
            if was is not None:
                found[service.name] = now if now is not None and now.id == was.id else was
        return found

    async def missing(self, services: Collection[Service], *, pulls: Pulls) -> tuple[dict[str, Image], list[str]]:
        """Return the images that are there, by service, after pulling; and a sentence for each that cannot be had."""
        outcomes = await asyncio.gather(*(self._attempt(service, pulls) for service in services))
        found = {
            service.name: each for service, each in zip(services, outcomes, strict=True) if isinstance(each, Image)
        }
        return found, [each for each in outcomes if isinstance(each, str) and each]

    def awaited(self, services: Iterable[Service], found: Mapping[str, Image]) -> dict[str, str]:
        """Return a sentence by service for each image that a deploy would pull; `found` are those that are there."""
        asked = (each for each in services if each.image and not each.build and self._is_pullable(each))
        return {
            each.name: f"service {each.name}: image {each.image} is not on the engine, and a deploy pulls it first"
            for each in asked
            if each.name not in found
        }

    async def ensure(
        self, order: StackOrder, services: Iterable[Service], built_for: str, progress: Callable[[str], None]
    ) -> dict[str, Image]:
        """Return the image of each of `services`, built or pulled if need be.  Raises StackError."""
        found: dict[str, Image] = {}
        for service in services:
            if service.build is None:
                found[service.name] = await self._present(service, progress)
            else:
                found[service.name] = await self._build(order, service, built_for, progress)
        return found

    def _is_pullable(self, service: Service) -> bool:
        return self._pull and service.pull_policy not in ("never", "build")

    async def _attempt(self, service: Service, pulls: Pulls) -> Image | str:
        if service.build is not None:
            return await self._obstacle(service, service.build)
        if not service.image:
            return f"service {service.name} has neither image nor build; write one of them"
        try:
            if pulls == "never" and self._is_pullable(service):
                return await self._find(service.image) or ""
            await self._mounted(service)
            if pulls == "refresh" and self._pull and await self._is_due(service):
                await self._pulled(service)
            return await self._present(service, lambda _: None)
        except EngineRefusedError as error:
            return str(error)

    async def _obstacle(self, service: Service, build: Build) -> str:
        """Return why an image cannot be built, as far as one can see before; empty if nothing is in the way."""
        context = Path(build.context)
        if not await asyncio.to_thread(context.is_dir):
            return f"service {service.name}: build context {context} is no folder"
        try:
            await self._mounted(service)
            await self._platform(service, build)
        except (EngineRefusedError, ValueError) as error:
            return f"service {service.name}: {error}" if isinstance(error, ValueError) else str(error)
        problem = await buildkit.missing(build)
        return f"service {service.name}: {problem}" if problem else ""

    async def _platform(self, service: Service, build: Build) -> str:
        """Return the platform to build for.  Raises ValueError where the engine runs none of those that are written."""
        own = ""
        if build.platforms:
            own = platforms.of_engine(
                await self._engine.read("ask the engine about itself", lambda client: client.info())
            )
        return platforms.choose(build, service.platform, own)

    async def _mounted(self, service: Service) -> None:
        """Have the images that a service mounts, by its own policy.  Raises EngineRefusedError."""
        for mount in service.mounts:
            if mount.type is MountType.IMAGE:
                await self._present(replace(service, image=mount.source), lambda _: None)

    async def _is_due(self, service: Service) -> bool:
        """Return whether a service's image, if it is there, is to be pulled again."""
        policy = service.pull_policy
        if not policy.startswith(_EVERY):
            return policy == "always"
        image = await self._find(service.image)
        return image is not None and is_older(image.tagged, float(policy[len(_EVERY) : -1]), datetime.now(UTC))

    async def _present(self, service: Service, progress: Callable[[str], None]) -> Image:
        image = await self._find(service.image)
        if image is not None:
            return image
        why = "pulling is switched off" if not self._pull else f"its pull_policy is {service.pull_policy}"
        if self._is_pullable(service):
            progress(f"pulling image {service.image} for {service.name}")
            why = await self._pulled(service)
            image = await self._find(service.image)
        if image is None:
            raise EngineRefusedError(
                404,
                f"service {service.name}: image {service.image} is not on the engine and cannot be pulled ({why}); "
                f"build it or load it (docker build, docker load), or correct its name",
            )
        return image

    async def _find(self, reference: str) -> Image | None:
        def look(client: APIClient) -> dict[str, Any]:
            found: dict[str, Any] = client.inspect_image(reference)  # type: ignore[no-untyped-call]  # no annotations
            return found

        try:
            found = await self._engine.read(f"look for image {reference}", look)
        except EngineRefusedError as error:
            if error.status == 404:
                return None
            raise
        return Image.read(reference, found)

    async def _pulled(self, service: Service) -> str:
        """Pull, and return why it did not work, or an empty text."""
        reference, platform = service.image, service.platform or None

        def pull(client: APIClient, give_up: threading.Event) -> None:
            _follow(client.pull(reference, stream=True, decode=True, platform=platform), give_up)

        try:
            await self._engine.stream(f"pull {reference}", pull)
        except (EngineError, BuildFailure) as error:
            return str(error).strip()
        return ""

    async def _build(
        self, order: StackOrder, service: Service, built_for: str, progress: Callable[[str], None]
    ) -> Image:
        build = service.build
        assert build is not None
        tag = names.image_tag(order.id, service.name)
        platform = await self._platform(service, build)
        labels = {**build.labels, names.BUILT_FOR: built_for}
        progress(f"building image {tag} from {build.context}")
        try:
            if buildkit.needs(build):
                labels[names.CONTEXT] = await _digest(build)
                with _dockerfile(build) as dockerfile:
                    job = buildkit.Job(build, tag, labels, dockerfile, platform, order.template.secrets)
                    await buildkit.run(job, self._engine.url)
            else:
                await self._build_on_engine(service, build, tag, labels, platform)
        except (BuildFailure, buildkit.BuildCommandError) as error:
            raise StackError(
                f"service {service.name}: its image cannot be built from {build.context}: {error}"
            ) from error
        image = await self._find(tag)
        if image is None:
            raise StackError(f"service {service.name}: the engine built no image {tag}; look at its Dockerfile")
        return image

    async def _build_on_engine(
        self, service: Service, build: Build, tag: str, labels: Mapping[str, str], platform: str
    ) -> None:
        """Build with the engine's own builder.  Raises BuildFailure."""

        def run(client: APIClient, give_up: threading.Event) -> None:
            context = contexts.digest(build, give_up)
            with _dockerfile(build) as dockerfile:
                lines = client.build(
                    path=build.context,
                    tag=tag,
                    dockerfile=dockerfile,
                    buildargs=dict(build.args),
                    target=build.target or None,
                    labels={**labels, names.CONTEXT: context},
                    cache_from=list(build.cache_from) or None,
                    network_mode=build.network or None,
                    platform=platform or None,
                    shmsize=build.shm_bytes,
                    extra_hosts=dict(each.partition(":")[::2] for each in build.extra_hosts) or None,
                    rm=True,
                    forcerm=True,
                    pull=False,
                    decode=True,
                    timeout=IDLE_TIMEOUT_S,
                )
                _follow(lines, give_up)

        await self._engine.stream(f"build the image of service {service.name}", run)


async def _digest(build: Build) -> str:
    """Return the digest of what a build is made from; a caller that is cancelled does not wait for it."""
    give_up = threading.Event()
    try:
        return await asyncio.to_thread(contexts.digest, build, give_up)
    finally:
        give_up.set()


@contextlib.contextmanager
def _dockerfile(build: Build) -> Iterator[str | None]:
    """Yield the Dockerfile's path; one that stands in the template is in a file for as long as the block lasts."""
    if not build.dockerfile_inline:
        yield build.dockerfile or None
        return
    with tempfile.NamedTemporaryFile("w", prefix="Dockerfile-", encoding="utf-8") as file:
        file.write(build.dockerfile_inline)
        file.flush()
        yield file.name


def is_older(tagged: str, seconds: float, now: datetime) -> bool:
    """Return whether an image got its name longer ago than that; one whose engine does not say when did."""
    try:
        since = datetime.fromisoformat(tagged)
    except ValueError:
        return True
    return (now - since).total_seconds() >= seconds


class BuildFailure(Exception):  # noqa: N818  # a word for what happened between the engine and us; never leaves this room
    """The engine reported an error inside of a stream whose status was 200."""


def _follow(lines: Iterable[Mapping[str, Any]], give_up: threading.Event) -> None:
    """Read a build's or a pull's stream to its end.  Raises BuildFailure with the last lines of its output."""
    said: deque[str] = deque(maxlen=LOG_LINES_KEPT)
    for line in lines:
        if give_up.is_set():
            return
        if "error" in line:
            raise BuildFailure("\n".join([str(line["error"]).strip(), *said]))
        if str(line.get("stream", "")).strip():
            said.append(str(line["stream"]).rstrip())
