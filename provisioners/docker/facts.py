"""What the engine knows that a plan should: images by their ids, what they bring, and how large volumes are.

Rule 1: reads only; nothing is pulled to find out what it is.
Rule 2: a plan never waits long and never fails for want of a fact.  What the engine does not say in time is not known.
Rule 3: of a service that live has a container of, the id of live's image is known, so that the plan says `unknown`
where nobody knows what the name of its image will mean.  One that live has no container of has nothing to compare with:
of that, nothing is said.
Rule 4: a service that is built has no id before it is built.  If live's image was built from the same (`contexts`), it
is taken to have that one's; if from something else, that stands for its id.  An image that we did not build is silent.
"""

import asyncio
import logging
import threading
from collections.abc import Awaitable, Iterable, Mapping
from dataclasses import replace
from typing import Any, TypeVar

from docker import APIClient

from provisioners.docker import contexts, names
from provisioners.docker.drift import Sync, drift
from provisioners.docker.engine import Engine, EngineRefusedError
from provisioners.docker.parts import Parts
from splitter.change import labels
from splitter.errors import EngineError
from splitter.facts import NO_FACTS, Facts
from splitter.model import StackId
from splitter.placement import VolumeMode
from splitter.template import Build, Template

LOOK_S_MAX = 10.0  # an engine walks through every file of every volume to say how large they are
DIGITS = 12  # of a build: to tell two apart, by people too
BUSY_PAUSE_S = 0.2  # it does so for one client at a time, and refuses the others

Inspected = Mapping[str, Any]
T = TypeVar("T")

log = logging.getLogger(__name__)


async def facts(engine: Engine, parts: Parts, live: StackId, before: Template, after: Template) -> Facts:
    """Return what is known of `live`, which was made of `before`, and of what `after` asks for.  Never raises."""
    images, sizes = await asyncio.gather(
        _or(NO_FACTS, f"the images of {live}", _images(engine, parts, live, before, after)),
        _or({}, f"the volumes of {live}", _sizes(engine, parts, live, before, after)),
    )
    return replace(images, volume_bytes=sizes)


async def _or(unknown: T, what: str, asked: Awaitable[T]) -> T:
    try:
        async with asyncio.timeout(LOOK_S_MAX):
            return await asked
    except EngineError as error:
        log.info("nothing is known of %s: %s", what, error)
    except TimeoutError:
        log.info("nothing is known of %s: the engine said nothing within %g s", what, LOOK_S_MAX)
    return unknown


# --- Images ------------------------------------------------------------------------------------------------------


async def _images(engine: Engine, parts: Parts, live: StackId, before: Template, after: Template) -> Facts:
    identity = await parts.identity(live)
    if identity is None:
        return NO_FACTS
    adopted = await _adopted(engine, identity)
    made_of = await _made_of(engine, parts, identity, adopted)
    asked = {name: service.image for name, service in after.services.items() if service.image and not service.build}
    builds = {name: service.build for name, service in after.services.items() if service.build}
    said = {name: before.services[name].image for name in adopted if name in before.services}
    known = await _inspected(engine, {*asked.values(), *said.values()}.union(*made_of.values()))

    single = {name: next(iter(ids)) for name, ids in made_of.items() if len(ids) == 1 and name in before.services}
    there = {name: known[image] for name, image in single.items() if image in known}
    wanted = {name: known[image] for name, image in asked.items() if image in known}
    built = await _built(builds, there)
    wanted |= {name: there[name] for name, id_ in built.items() if id_ == there[name]["Id"]}
    comparable = single.keys() & (asked.keys() | builds.keys())
    return Facts(
        live_images={name: there[name]["Id"] if name in there else single[name] for name in comparable},
        shadow_images=built | {name: wanted[name]["Id"] for name in comparable & wanted.keys()},
        live_variables={name: _variables(image) for name, image in there.items()},
        shadow_variables={name: _variables(image) for name, image in wanted.items()},
        lost_images=frozenset(name for name, ids in made_of.items() if not ids <= known.keys()),
        drifted=frozenset(
            name
            for name, image in said.items()
            for container in adopted[name]
            if drift(before.services[name], before, container, known.get(image)).sync is Sync.UNKNOWN
        ),
    )


async def _built(builds: Mapping[str, Build], there: Mapping[str, Inspected]) -> dict[str, str]:
    """Return what `builds` would give, by service: the id of live's image, or what stands for another one's."""
    give_up = threading.Event()
    try:
        known = {name: contexts.of_image(there[name]) for name in builds if name in there}
        asked = [name for name, digest in sorted(known.items()) if digest]
        digests = [await asyncio.to_thread(contexts.digest, builds[name], give_up) for name in asked]
    finally:
        give_up.set()
    return {
        name: there[name]["Id"] if digest == known[name] else f"build of {digest[:DIGITS]}"
        for name, digest in zip(asked, digests, strict=True)
        if digest
    }


async def _adopted(engine: Engine, identity: names.Identity) -> dict[str, list[Inspected]]:
    """Return the containers of an adopted stack, as inspected, by service; those that are gone are left out."""
    found: dict[str, list[Inspected]] = {}
    for service, containers in identity.adopted.items():
        for name in containers:
            if (container := await _container(engine, name)) is not None:
                found.setdefault(service, []).append(container)
    return found


async def _made_of(
    engine: Engine, parts: Parts, identity: names.Identity, adopted: Mapping[str, Iterable[Inspected]]
) -> dict[str, set[str]]:
    """Return the ids of the images that a stack's containers were made of, by service; its guests count."""
    found: dict[str, set[str]] = {}
    for summary in await parts.containers(identity.stack):
        found.setdefault(summary["Labels"].get(names.SERVICE, ""), set()).add(summary["ImageID"])
    for service, containers in adopted.items():
        found.setdefault(service, set()).update(each["Image"] for each in containers)
    for name, service in identity.shares.containers.items():
        if (container := await _container(engine, name)) is not None:
            found.setdefault(service, set()).add(container["Image"])
    return found


async def _container(engine: Engine, name: str) -> Inspected | None:
    try:
        return await engine.read("inspect a container", lambda client: client.inspect_container(name))
    except EngineRefusedError as error:
        if error.status == 404:
            return None
        raise


async def _inspected(engine: Engine, references: Iterable[str]) -> dict[str, Inspected]:
    """Return what the engine has of `references`, which are names or ids; what it does not have is left out."""

    async def look(reference: str) -> Inspected | None:
        def ask(client: APIClient) -> Inspected:
            found: Inspected = client.inspect_image(reference)  # type: ignore[no-untyped-call]  # no annotations
            return found

        try:
            return await engine.read(f"look for image {reference}", ask)
        except EngineRefusedError as error:
            if error.status == 404:
                return None
            raise

    asked = sorted(each for each in references if each)
    found = await asyncio.gather(*(look(each) for each in asked))
    return {name: image for name, image in zip(asked, found, strict=True) if image is not None}


def _variables(image: Inspected) -> dict[str, str]:
    return dict(each.partition("=")[::2] for each in (image.get("Config") or {}).get("Env") or ())


# --- Volumes -----------------------------------------------------------------------------------------------------


async def _sizes(engine: Engine, parts: Parts, live: StackId, before: Template, after: Template) -> dict[str, int]:
    """Return the sizes of the volumes of live that are to be copied; without any, the engine is not troubled."""
    copied = {key for key, each in after.volumes.items() if each.labels.get(labels.VOLUME) == VolumeMode.COPY}
    wanted = copied & before.volumes.keys()
    identity = await parts.identity(live) if wanted else None
    if identity is None:
        return {}
    own = {each["Labels"].get(names.COMPOSE_VOLUME): each["Name"] for each in await parts.volumes(live)}
    called = {**own, **identity.shares.volumes}
    bytes_by_name = await _weighed(engine)
    return {key: bytes_by_name[called[key]] for key in wanted if called.get(key) in bytes_by_name}


async def _weighed(engine: Engine) -> dict[str, int]:
    """Return the sizes of the engine's volumes by name; a driver that does not know says -1, which is left out.

    Asked in the threads of slow calls, since nothing stops the engine's walk once it has begun.
    """
    while True:
        try:
            found = await engine.stream("ask how large volumes are", lambda client, _: client.df())
        except EngineRefusedError as error:
            if "already running" not in str(error):
                raise
            await asyncio.sleep(BUSY_PAUSE_S)
        else:
            sizes = {each["Name"]: (each.get("UsageData") or {}).get("Size", -1) for each in found.get("Volumes") or ()}
            return {name: size for name, size in sizes.items() if size >= 0}
