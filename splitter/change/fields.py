"""A resource as a flat list of fields: what can differ, how it is shown, and what a difference requires.

Lists whose entries have a name are keyed by it (`mounts./data`, `networks.back`), so a difference is as small as it
can be.  Values are kept whole for comparing and masked for showing.
"""

import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum

from splitter.change.secrecy import MASK, masked, masked_text, masked_words
from splitter.template import Attachment, Dependency, Mount, Network, Port, Service, Volume

OWN_LABELS = "splitter."


class Requires(StrEnum):
    """What it takes to make a running resource follow a changed field."""

    NONE = "none"
    RESTART = "restart"
    REPLACE = "replace"


@dataclass(frozen=True, slots=True)
class Field:
    """`value` decides whether two fields are equal, `shown` is fit for people and logs.

    `is_live` says that a running container follows without a new one (limits, networks, replicas, restart).
    """

    value: str
    shown: str
    requires: Requires = Requires.REPLACE
    is_live: bool = False


def service_fields(service: Service) -> dict[str, Field]:
    """Return every field of a service that is not at its default."""
    return {path: field for path, field in _service_fields(service) if field.value}


def network_fields(network: Network) -> dict[str, Field]:
    fields = {
        "name": _plain(network.name),
        "driver": _plain(network.driver),
        "internal": _plain("true" if network.internal else ""),
        "external": _plain("true" if network.external else ""),
        **_named("driver_opts", network.driver_opts),
        **_labels(network.labels, Requires.NONE),
    }
    return {path: field for path, field in fields.items() if field.value}


def volume_fields(volume: Volume) -> dict[str, Field]:
    fields = {
        "name": _plain(volume.name),
        "driver": _plain(volume.driver),
        "external": _plain("true" if volume.external else ""),
        **_named("driver_opts", volume.driver_opts),
        **_labels(volume.labels, Requires.NONE),
    }
    return {path: field for path, field in fields.items() if field.value}


def _service_fields(service: Service) -> Iterator[tuple[str, Field]]:
    yield "image", _plain(service.image)
    yield from _build_fields(service)
    yield "command", _words(service.command)
    yield "entrypoint", _words(service.entrypoint)
    yield from _named("environment", service.environment).items()
    yield "working_dir", _plain(service.working_dir)
    yield "user", _plain(service.user)
    for port in service.ports:
        yield f"ports.{_port_name(port)}", _plain(_port_name(port))
    for exposed in service.expose:
        yield f"expose.{exposed}", _plain(str(exposed))
    for attachment in service.networks:
        yield f"networks.{attachment.network}", _live(_attachment(attachment))
    for mount in service.mounts:
        yield f"mounts.{mount.target}", _plain(_mount(mount))
    for dependency in service.depends_on:
        yield f"depends_on.{dependency.service}", _without_effect(_dependency(dependency))
    yield from _health_fields(service)
    yield from _labels(service.labels, Requires.REPLACE).items()
    yield from _amount_fields(service)
    yield "stop_signal", _plain(service.stop_signal)
    yield "stop_grace_period", _plain(_seconds(service.stop_grace_s))
    for endpoint in service.static_endpoints:
        yield f"endpoints.{endpoint}", _plain(str(endpoint))


def _build_fields(service: Service) -> Iterator[tuple[str, Field]]:
    if (build := service.build) is not None:
        yield "build.context", _plain(build.context)
        yield "build.dockerfile", _plain(build.dockerfile)
        yield "build.target", _plain(build.target)
        yield from _named("build.args", build.args).items()


def _health_fields(service: Service) -> Iterator[tuple[str, Field]]:
    if (check := service.healthcheck) is not None:
        yield "healthcheck.test", _words(check.test or ("(of the image)",))
        yield "healthcheck.interval", _plain(_seconds(check.interval_s))
        yield "healthcheck.timeout", _plain(_seconds(check.timeout_s))
        yield "healthcheck.retries", _plain(str(check.retries))
        yield "healthcheck.start_period", _plain(_seconds(check.start_period_s))


def _amount_fields(service: Service) -> Iterator[tuple[str, Field]]:
    limits = service.limits
    yield "replicas", _live(str(service.replicas))
    yield "limits.memory", _live("" if limits.memory_bytes is None else f"{limits.memory_bytes} bytes")
    yield "limits.cpus", _live("" if limits.cpus is None else f"{limits.cpus:g}")
    yield "limits.pids", _live("" if limits.pids is None else str(limits.pids))
    yield "restart", _live(service.restart)


def _plain(text: str) -> Field:
    return Field(text, masked_text(text))


def _live(text: str) -> Field:
    return Field(text, text, Requires.NONE, is_live=True)


def _without_effect(text: str) -> Field:
    return Field(text, text, Requires.NONE)


def _words(words: tuple[str, ...] | None) -> Field:
    """Return a command; None (the image's own) is no value, an empty one is."""
    if words is None:
        return Field("", "")
    shown = (word if MASK in word else shlex.quote(word) for word in masked_words(words))
    return Field(repr(words), " ".join(shown) or "(cleared)")


def _named(prefix: str, values: Mapping[str, str]) -> dict[str, Field]:
    """Return a field for each name; `=` before the value tells an empty one from a missing one."""
    return {f"{prefix}.{name}": Field(f"={value}", masked(name, value)) for name, value in values.items()}


def _labels(labels: Mapping[str, str], requires: Requires) -> dict[str, Field]:
    return {
        f"labels.{name}": Field(
            f"={value}", masked(name, value), Requires.NONE if name.startswith(OWN_LABELS) else requires
        )
        for name, value in labels.items()
    }


def _port_name(port: Port) -> str:
    address = f"[{port.host_ip}]" if ":" in port.host_ip else port.host_ip
    host = ":".join(part for part in (address, port.published) if part or address)
    return f"{host}:{port.target}/{port.protocol}" if host else f"{port.target}/{port.protocol}"


def _attachment(attachment: Attachment) -> str:
    return f"as {', '.join(attachment.aliases)}" if attachment.aliases else "joined"


def _mount(mount: Mount) -> str:
    mode = " read-only" if mount.read_only else ""
    return f"{mount.type} {mount.source}{mode}" if mount.source else f"{mount.type}{mode}"


def _dependency(dependency: Dependency) -> str:
    optional = "" if dependency.required else ", optional"
    return f"{dependency.condition}{optional}{', restarts with it' if dependency.restart else ''}"


def _seconds(seconds: float) -> str:
    return f"{seconds:g}s"
