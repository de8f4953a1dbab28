"""Taking over a running Compose project as the live stack, without a restart of anything.

Rule 1: nothing of the project is touched: no container is stopped, renamed or connected.  What is ours is one empty
volume, whose labels say which containers are the stack, because theirs cannot be changed (`names.ADOPTED`).
Rule 2: when the stack is retired its containers are stopped and stay, as do its networks and volumes: they are not
ours to remove.  A container that another stack uses goes on running.
Rule 3: the images are pinned by a tag of ours, so that a prune cannot take away the way back.
"""

import asyncio
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from docker import APIClient

from provisioners import startup
from provisioners.docker import endpoints, names
from provisioners.docker.drift import Drift, drift
from provisioners.docker.engine import Engine, EngineRefusedError
from provisioners.docker.modelling import modelled
from provisioners.docker.parts import Parts
from provisioners.docker.shares import Shares
from provisioners.docker.sharing import revive
from provisioners.docker.state import Container
from splitter.contracts import RunningProject, StackOrder
from splitter.errors import StackError
from splitter.template import MountType, Service

LOOK_S = 0.5
LASTING = (names.Kind.SERVER, names.Kind.SINGLETON)  # jobs have run, and what the stack can do without is let be
WAYS = (
    "front: let splitter listen elsewhere and point the edge or the name there (no interruption)",
    "redirect: a nat rule on the engine's host from {port} to splitter's port (what is connected stays where it is)",
    "swap: make {service} again without its port, then let splitter listen on {port} (refuses some connections)",
)
PROJECT = "com.docker.compose.project"
SERVICE = "com.docker.compose.service"
NUMBER = "com.docker.compose.container-number"
ONE_OFF = "com.docker.compose.oneoff"
WORKING_DIR = "com.docker.compose.project.working_dir"
CONFIG_FILES = "com.docker.compose.project.config_files"
ENV_FILES = "com.docker.compose.project.environment_file"
CALLED = "its name is what `docker compose ls` calls it, and it must be up"


@dataclass(frozen=True, slots=True)
class Project:
    """A Compose project as it is: its containers by service, as inspected; strangers are not in the template."""

    name: str
    containers: Mapping[str, tuple[Mapping[str, Any], ...]]
    strangers: tuple[str, ...]


class Adopting:
    """The adoption of Compose projects for one app."""

    def __init__(self, engine: Engine, parts: Parts, installation: str) -> None:
        self._engine = engine
        self._parts = parts
        self._installation = installation

    async def described(self, project: str) -> RunningProject:
        """Return the files of a project, where they are here, and the template that its containers stand for."""
        found = await self._containers(project)
        if not found:
            raise StackError(f"there is no container of Compose project {project} on the engine; {CALLED}")
        images = {str(each["Image"]): await self._image(str(each["Image"])) for all_ in found.values() for each in all_}
        labels = next(iter(found.values()))[0]["Config"]["Labels"]
        directory = str(labels.get(WORKING_DIR) or "/")
        files = _named(labels, CONFIG_FILES, directory)
        env_files = _named(labels, ENV_FILES, directory)
        lost = await asyncio.to_thread(lambda: [each for each in (*files, *env_files) if not Path(each).is_file()])
        known = {id_: image for id_, image in images.items() if image is not None}
        return RunningProject(
            () if {*files} & {*lost} else files,
            modelled(project, directory, found, known),
            env_files,
            tuple(each for each in env_files if each in lost),
        )

    async def problems(self, order: StackOrder) -> list[str]:
        """Return why the project of `order` cannot be taken over."""
        project = await self._project(order)
        if not any(project.containers.values()):
            return [f"there is no container of Compose project {project.name} on the engine; {CALLED}"]
        services, jobs = order.template.services, startup.jobs(order.template.services)
        found = [
            f"service {name} has no container in project {project.name}: bring it up (docker compose up -d {name}), or "
            "take it out of the template"
            for name in services
            if not project.containers.get(name) and name not in jobs and services[name].replicas
        ]
        _, unknown = endpoints.resolve(order, {})
        return [*found, *unknown]

    async def survey(self, order: StackOrder) -> list[str]:
        """Return what an operator should know before the project is taken over, one sentence a line."""
        project = await self._project(order)
        lines = []
        for name, containers in sorted(project.containers.items()):
            service = order.template.services[name]
            image = await self._image(service.image)
            for container in containers:
                found = drift(service, order.template, container, image)
                lines.append(f"{name}: {_name(container)} is {_shown(found)}")
        lines += [f"{name} is not in the template and is left alone" for name in project.strangers]
        lines += await asyncio.to_thread(lambda: list(_variables(project)))
        lines += _ways(order, project)
        lines.append(
            f"after a promotion, `docker compose up` in the folder of {project.name} would start its containers beside "
            "the new stack: deploy with splitter from now on"
        )
        return lines

    async def adopt(self, order: StackOrder, progress: Callable[[str], None]) -> list[Container]:
        """Take the project over, or start again what has ended of it since; return its containers, which are up."""
        if problems := await self.problems(order):
            raise StackError(f"{order.id} cannot be adopted: {'; '.join(problems)}")
        project = await self._project(order)
        for name, containers in sorted(project.containers.items()):
            await self._pin(order, name, containers[0], progress)
        await self._mark(order, project)
        try:
            async with asyncio.timeout(order.deadline_s):
                return await self._up(order, progress)
        except TimeoutError:
            raise StackError(
                f"{order.id}: project {project.name} was not up within {order.deadline_s:g} s; look at its containers"
            ) from None

    # --- Steps ---------------------------------------------------------------------------------------------------

    async def _up(self, order: StackOrder, progress: Callable[[str], None]) -> list[Container]:
        """Start what stands still, and return all containers once they are up."""
        for container in await self._parts.look(order.id):
            if container.is_server and not container.is_up:
                progress(f"starting {container.name}, which {container.illness or container.ending}")
                await revive(self._engine, container)
        while True:
            now = await self._parts.look(order.id)
            if all(container.is_up for container in now if container.is_server):
                return now
            await asyncio.sleep(LOOK_S)

    async def _pin(
        self, order: StackOrder, service: str, container: Mapping[str, Any], progress: Callable[[str], None]
    ) -> None:
        repository, tag = names.pin(order.app, service, order.revision)
        image = str(container["Image"])

        def pin(client: APIClient) -> None:
            client.tag(image, repository, tag, force=True)

        try:
            await self._engine.change(f"tag image {image}", pin)
        except EngineRefusedError as error:
            if error.status != 404:
                raise
            progress(f"{service}: its image is not on the engine any more, so it cannot be made again: {error}")
        else:
            progress(f"{service}: its image is kept as {repository}:{tag}")

    async def _mark(self, order: StackOrder, project: Project) -> None:
        """Say on the engine which containers are the stack."""
        routed, _ = endpoints.resolve(order, {})
        kind = names.kinds(order)
        lasting = {name: found for name, found in project.containers.items() if kind[name] in LASTING}
        adopted = {name: tuple(_name(each) for each in found) for name, found in lasting.items()}
        plain = names.Identity.of(order, self._installation, routed, Shares({}, _volumes(order, project)))
        labels = names.adopting(plain, adopted).labels()
        name = names.marker(order.id)
        await self._engine.change(f"create volume {name}", lambda client: client.create_volume(name, labels=labels))

    # --- Looking -------------------------------------------------------------------------------------------------

    async def _project(self, order: StackOrder) -> Project:
        name = order.placement.adopted
        by_service = await self._containers(name)
        known = {service: tuple(each) for service, each in by_service.items() if service in order.template.services}
        strangers = [_name(each) for service, all_ in by_service.items() if service not in known for each in all_]
        return Project(name, known, tuple(sorted(strangers)))

    async def _containers(self, name: str) -> dict[str, list[Mapping[str, Any]]]:
        """Return the containers of a project by service, as inspected, in the order of their numbers."""
        filters = {"label": [f"{PROJECT}={name}"]}
        listed = await self._engine.read(
            "list containers", lambda client: list(client.containers(all=True, filters=filters))
        )
        usual = [each for each in listed if each["Labels"].get(ONE_OFF, "False") != "True"]
        found = await asyncio.gather(*(self._inspect(each["Id"]) for each in usual))
        by_service: dict[str, list[Mapping[str, Any]]] = {}
        for container in sorted(found, key=_number):
            by_service.setdefault(container["Config"]["Labels"].get(SERVICE, ""), []).append(container)
        return by_service

    async def _inspect(self, container: str) -> dict[str, Any]:
        return await self._engine.read("inspect a container", lambda client: client.inspect_container(container))

    async def _image(self, reference: str) -> dict[str, Any] | None:
        def look(client: APIClient) -> dict[str, Any]:
            found: dict[str, Any] = client.inspect_image(reference)  # type: ignore[no-untyped-call]  # no annotations
            return found

        if not reference:
            return None
        try:
            return await self._engine.read(f"look for image {reference}", look)
        except EngineRefusedError as error:
            if error.status == 404:
                return None
            raise


def _name(container: Mapping[str, Any]) -> str:
    return str(container["Name"]).lstrip("/")


def _variables(project: Project) -> Iterator[str]:
    """Yield where the project's variables came from, unless it was the `.env` of its folder."""
    for containers in [each for each in project.containers.values() if each][:1]:
        labels = containers[0]["Config"].get("Labels") or {}
        for file in _named(labels, ENV_FILES, str(labels.get(WORKING_DIR) or "/")):
            gone = "" if Path(file).is_file() else ", which is not here"
            yield (
                f"{project.name} was made with the variables of {file} (--env-file){gone}: a deploy reads what "
                "`env_file` under the app names, else the `.env` beside its template"
            )


def _named(labels: Mapping[str, Any], label: str, directory: str) -> tuple[str, ...]:
    """Return the files that a label lists, with commas; some versions write them relative to the project's folder."""
    return tuple(str(Path(directory, each)) for each in str(labels.get(label) or "").split(",") if each)


def _number(container: Mapping[str, Any]) -> tuple[int, str]:
    number = (container["Config"].get("Labels") or {}).get(NUMBER, "1")
    return (int(number) if number.isdigit() else 1), _name(container)


def _shown(found: Drift) -> str:
    return f"{found.sync}: {'; '.join(found.differences)}" if found.differences else str(found.sync)


def _volumes(order: StackOrder, project: Project) -> dict[str, str]:
    """Return the names of the volumes that the template's keys mean, by where they are mounted."""
    found: dict[str, str] = {}
    for name, containers in project.containers.items():
        service: Service = order.template.services[name]
        there = {mount["Destination"]: mount.get("Name", "") for mount in containers[0].get("Mounts") or ()}
        for mount in service.mounts:
            if mount.type is MountType.VOLUME and mount.source and there.get(mount.target):
                found[mount.source] = there[mount.target]
    return found


def _ways(order: StackOrder, project: Project) -> list[str]:
    """Return the ways to the public port, where a container of a routed service holds one."""
    lines = []
    for service in sorted({each.service for each in order.routed}):
        for container in project.containers.get(service, ()):
            bound = container["HostConfig"].get("PortBindings") or {}
            ports = {each["HostPort"] for found in bound.values() for each in found or ()}
            for port in sorted(ports - {""}):
                lines.append(f"port {port} is held by {_name(container)}; three ways lead clients to splitter:")
                lines += [f"  {way.format(port=port, service=service)}" for way in WAYS]
    return lines
