"""What the services, networks and volumes of a template have to do with each other.

Everything here is about two names of one file; what a single service says is checked where it is read.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from splitter.change.dependencies import levels, loop_message, shortest_loop
from splitter.change.positions import Path, Places
from splitter.change.spelling import nearest
from splitter.errors import Problem
from splitter.template import Grant, MountType, Service


@dataclass(frozen=True, slots=True)
class Known:
    """The top-level keys that services may name."""

    networks: frozenset[str] = frozenset()
    volumes: frozenset[str] = frozenset()
    secrets: frozenset[str] = frozenset()
    configs: frozenset[str] = frozenset()


def check(
    services: Mapping[str, Service],
    disabled: Mapping[str, tuple[str, ...]],
    known: Known,
    container_names: Mapping[str, str],
    places: Places,
) -> list[Problem]:
    """Return every mistake between the enabled `services`.

    `container_names` maps services to the names that they ask for, `disabled` the services that are off to their
    profiles.
    """
    found: list[Problem] = []
    for service in services.values():
        found += _dependency_problems(service, services, disabled, places)
        found += _network_problems(service, known.networks, places)
        found += _volume_problems(service, known.volumes, places)
        found += _grant_problems(service, "secret", service.secrets, known.secrets, places)
        found += _grant_problems(service, "config", service.configs, known.configs, places)
        found += _build_problems(service, known.secrets, places)
    found += _name_problems({name: container_names[name] for name in services if name in container_names}, places)
    found += _loop_problems(services, places)
    return found


def _dependency_problems(
    service: Service, services: Mapping[str, Service], disabled: Mapping[str, tuple[str, ...]], places: Places
) -> list[Problem]:
    problems = []
    for dependency in service.depends_on:
        name = dependency.service
        if name in services or not dependency.required:
            continue
        path: Path = ("services", service.name, "depends_on", name)
        if name in disabled:
            profiles = ", ".join(disabled[name])
            message = f"{name!r} is off; turn on one of its profiles ({profiles}), or write required: false"
        else:
            message = _undefined("service", name, {*services, *disabled})
        problems.append(places.key(path).problem(path, message))
    return problems


def _network_problems(service: Service, networks: frozenset[str], places: Places) -> list[Problem]:
    problems = []
    for attachment in service.networks:
        if attachment.network not in networks:
            path: Path = ("services", service.name, "networks", attachment.network)
            message = _undefined("network", attachment.network, networks)
            problems.append(places.key(path).problem(path, message))
    return problems


def _volume_problems(service: Service, volumes: frozenset[str], places: Places) -> list[Problem]:
    problems = []
    for mount in service.mounts:
        if mount.type is MountType.VOLUME and mount.source and mount.source not in volumes:
            path: Path = ("services", service.name, "volumes")
            message = _undefined("volume", mount.source, volumes)
            problems.append(places.value(path).problem(path, f"{mount.target}: {message}"))
    return problems


def _grant_problems(
    service: Service, kind: str, grants: Sequence[Grant], known: frozenset[str], places: Places
) -> list[Problem]:
    path: Path = ("services", service.name, f"{kind}s")
    missing = sorted({grant.source for grant in grants} - known)
    return [places.value(path).problem(path, _undefined(kind, source, known)) for source in missing]


def _build_problems(service: Service, known: frozenset[str], places: Places) -> list[Problem]:
    path: Path = ("services", service.name, "build", "secrets")
    missing = sorted({*service.build.secrets.values()} - known) if service.build else []
    return [places.value(path).problem(path, _undefined("secret", source, known)) for source in missing]


def _name_problems(container_names: Mapping[str, str], places: Places) -> list[Problem]:
    owners: dict[str, str] = {}
    problems = []
    for service, name in container_names.items():
        path: Path = ("services", service, "container_name")
        if (owner := owners.setdefault(name, service)) != service:
            problems.append(
                places.value(path).problem(path, f"{owner!r} has this container name as well; write another")
            )
    return problems


def _loop_problems(services: Mapping[str, Service], places: Places) -> list[Problem]:
    graph = {name: frozenset(d.service for d in service.depends_on) for name, service in services.items()}
    if levels(graph) is not None:
        return []
    loop = shortest_loop(graph)
    path: Path = ("services", loop[0], "depends_on", loop[1])
    return [places.key(path).problem(path, loop_message(loop))]


def _undefined(kind: str, name: str, known: set[str] | frozenset[str]) -> str:
    closest = nearest(name, known)
    remedy = f"did you mean {closest!r}?" if closest else f"define it under {kind}s"
    return f"there is no {kind} {name!r}; {remedy}"
