"""Folders of the project as the engine's host has them.

The engine reads what is mounted on its own host.  Where splitter runs in a container itself, or the engine elsewhere,
the paths that the template was read with are others there.  So an order is turned, before anything is made of it, into
what its host is to understand: mounts of folders below the project are moved to where the host has that, and secrets
and configs, which we can read, are copied into the container instead of mounted.

Pure.  The template's digest stays that of the template as it was read: it says what was deployed, not where.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import PurePosixPath
from typing import Any

from provisioners.docker import documents
from splitter.contracts import StackOrder
from splitter.template import Grant, Mount, MountType, Service, Template, Volume

DEVICE = "device"  # of a volume's driver: the folder of the host that it is


@dataclass(frozen=True, slots=True)
class ProjectFolder:
    """The folder of the app's template: `here`, as we read it, and on the engine's host (empty: it is the same)."""

    here: str = ""
    host: str = ""

    def there(self, path: str) -> str:
        """Return `path` as the engine's host has it; what is not below the project is the host's already."""
        if not (self.here and self.host) or not _is_below(path, self.here):
            return path
        return str(PurePosixPath(self.host, PurePosixPath(path).relative_to(self.here)))


SAME_PLACE = ProjectFolder()


def hosted(order: StackOrder, project: ProjectFolder, *, is_inside: bool) -> StackOrder:
    """Return `order` as the engine's host is to understand it; `is_inside`: we run in one of its containers."""
    if not (is_inside or project.host):
        return order
    template = order.template
    services = {name: _hosted(service, template, project) for name, service in template.services.items()}
    volumes = {key: _volume(volume, project) for key, volume in template.volumes.items()}
    return replace(order, template=replace(template, services=services, volumes=volumes))


def misplaced(
    order: StackOrder, services: Iterable[Service], project: ProjectFolder, ours: Iterable[Mapping[str, Any]]
) -> tuple[list[str], list[str]]:
    """Return what the engine's host has elsewhere, and what it is not known to have at all.

    `ours` are the mounts of our own container, as inspected.  Only folders of the project are looked at: a path that
    is written out is meant to be the host's.
    """
    mounts = {str(each["Destination"]): str(each.get("Source", "")) for each in ours}
    elsewhere, unknown = [], []
    for service in services:
        for path in sorted({mount.source for mount in service.mounts if mount.type is MountType.BIND}):
            if not _is_below(path, order.template.directory) or project.there(path) != path:
                continue
            above = max((place for place in mounts if _is_below(path, place)), key=len, default="")
            if not above:
                unknown.append(
                    f"service {service.name} mounts {path}, which the engine looks for on its host and not in "
                    "splitter's container; mount the project there at the same path, or write host_project_dir"
                )
            elif mounts[above] != above:
                elsewhere.append(
                    f"service {service.name} mounts {path}, which {_remedy(above, mounts[above], project)}"
                )
    return elsewhere, unknown


def _remedy(above: str, source: str, project: ProjectFolder) -> str:
    fact = f"lies below {source} on the engine's host; mount that into splitter's container at the same path"
    if not project.here or not _is_below(project.here, above):
        return fact
    return f"{fact}, or write `host_project_dir: {ProjectFolder(above, source).there(project.here)}` under the app"


def _hosted(service: Service, template: Template, project: ProjectFolder) -> Service:
    mounts = [
        replace(mount, source=project.there(mount.source)) if mount.type is MountType.BIND else mount
        for mount in service.mounts
    ]
    granted = [each for each in documents.grants(service, template) if documents.is_mounted(*each)]
    files = {grant.target for grant, _ in granted}
    if service.read_only:  # nothing can be copied into it
        mounts += [
            Mount(MountType.BIND, grant.target, project.there(document.file), read_only=True)
            for grant, document in granted
        ]
        return replace(
            service,
            mounts=tuple(mounts),
            secrets=tuple(each for each in service.secrets if each.target not in files),
            configs=tuple(each for each in service.configs if each.target not in files),
        )
    return replace(
        service,
        mounts=tuple(mounts),
        secrets=tuple(_copied(service.secrets, files)),
        configs=tuple(_copied(service.configs, files)),
    )


def _copied(grants: Iterable[Grant], files: set[str]) -> Iterator[Grant]:
    """Yield `grants`, those of `files` with a mode: what has one is copied."""
    for grant in grants:
        yield replace(grant, mode=documents.MODE) if grant.target in files else grant


def _volume(volume: Volume, project: ProjectFolder) -> Volume:
    device = volume.driver_opts.get(DEVICE, "")
    if not device.startswith("/"):
        return volume
    return replace(volume, driver_opts={**volume.driver_opts, DEVICE: project.there(device)})


def _is_below(path: str, folder: str) -> bool:
    return bool(folder) and PurePosixPath(path).is_relative_to(folder)
