"""What a template may ask of an engine that older engines do not know: they would leave it out, or refuse the create.

A key that no engine would miss much is a note of the loader (annotations, `start_interval`).  What is here changes what
a container sees or may do, so an engine that is too old is a reason against making it.
"""

from collections.abc import Iterable, Iterator

from docker.utils import version_lt

from splitter.template import MountType, Service


def missing(services: Iterable[Service], version: str, engine: str) -> Iterator[str]:
    """Yield what `services` ask for and an engine of API `version` does not know; `engine` is its own version."""
    for service in services:
        for what, needed, remedy in _asked(service):
            if version_lt(version, needed):
                yield (
                    f"service {service.name}: {what} needs an engine of API {needed}, and this one ({engine}) has "
                    f"{version}; {remedy}"
                )


def _asked(service: Service) -> Iterator[tuple[str, str, str]]:
    """Yield what needs a newer engine, the API that knows it, and what to do where there is none."""
    if service.umask is not None:
        yield "umask", "1.56", "set it in the service's command"
    for mount in service.mounts:
        if mount.type is MountType.IMAGE:
            yield f"the image {mount.source} at {mount.target}", "1.48", "copy its files into an image of your own"
        elif mount.subpath:
            yield f"the subpath at {mount.target}", "1.45", "mount the whole volume"
        if mount.recursive in {"writable", "readonly"}:
            yield f"bind.recursive: {mount.recursive} at {mount.target}", "1.44", "write disabled, or remove it"
