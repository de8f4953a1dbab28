"""How far a running container is from what its template says: what a person changed by hand, or forgot to apply.

Pure.  Compose's own hash of a service is not asked: how it is made is Compose's business.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from splitter.template import Attachment, MountType, Service, Template


class Sync(StrEnum):
    """Whether a container is what its template says; UNKNOWN where the template's image is not there to compare."""

    IN_SYNC = "in sync"
    MODIFIED = "modified"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Drift:
    """What was found of one container; `differences` are sentences' ends."""

    sync: Sync
    differences: tuple[str, ...] = ()


def drift(service: Service, template: Template, container: Mapping[str, Any], image: Mapping[str, Any] | None) -> Drift:
    """Return how `container` (as inspected) differs from `service`; `image` is what the template's image is now."""
    found = [
        *_command(service, container),
        *_environment(service, container, image),
        *_mounts(service, container),
        *_networks(service, template, container),
        *_ports(service, container),
    ]
    if image is None:
        return Drift(Sync.UNKNOWN, (f"image {service.image or 'of its build'} is not on the engine", *found))
    if image["Id"] != container["Image"]:
        found.insert(0, f"image {service.image} is another one now than when the container was made")
    return Drift(Sync.MODIFIED if found else Sync.IN_SYNC, tuple(found))


def _command(service: Service, container: Mapping[str, Any]) -> Iterator[str]:
    config = container["Config"]
    for name, said, there in (
        ("command", service.command, config.get("Cmd")),
        ("entrypoint", service.entrypoint, config.get("Entrypoint")),
    ):
        if said and list(said) != list(there or ()):
            yield f"{name} differs"


def _environment(service: Service, container: Mapping[str, Any], image: Mapping[str, Any] | None) -> Iterator[str]:
    """Yield the names, never the values, of variables that differ; the image's own are nobody's change."""
    there = _variables(container["Config"])
    own = there if image is None else _variables(image.get("Config") or {})
    for name, value in sorted(service.environment.items()):
        if there.get(name) != value:
            yield f"environment {name} differs"
    for name in sorted(set(there) - set(service.environment) - set(own) - {"PATH"}):
        yield f"environment {name} is not in the template"


def _variables(config: Mapping[str, Any]) -> dict[str, str]:
    return dict(each.partition("=")[::2] for each in config.get("Env") or ())


def _mounts(service: Service, container: Mapping[str, Any]) -> Iterator[str]:
    said = {mount.target for mount in service.mounts if mount.type is not MountType.TMPFS}
    mounts = container.get("Mounts") or ()
    there = {mount["Destination"] for mount in mounts}
    for target in sorted(said - there):
        yield f"nothing is mounted at {target}"
    for target in sorted({mount["Destination"] for mount in mounts if mount.get("Type") == "bind"} - said):
        yield f"the mount at {target} is not in the template"


def _networks(service: Service, template: Template, container: Mapping[str, Any]) -> Iterator[str]:
    if service.network_mode:
        return
    places = service.networks or (Attachment("default"),)
    said = {_network(template, place.network) for place in places}
    there = set(container["NetworkSettings"].get("Networks") or ())
    for name in sorted(said - there):
        yield f"it is not on network {name}"
    for name in sorted(there - said):
        yield f"network {name} is not in the template"


def _network(template: Template, key: str) -> str:
    network = template.networks.get(key)
    if network is not None and (network.name or network.external):
        return network.name or key
    return f"{template.project}_{key}"


def _ports(service: Service, container: Mapping[str, Any]) -> Iterator[str]:
    bound = container["HostConfig"].get("PortBindings") or {}
    for port in service.ports:
        there = {each["HostPort"] for each in bound.get(f"{port.target}/{port.protocol}") or ()}
        if port.published and port.published not in there:
            yield f"port {port.target} is not published as {port.published}"
