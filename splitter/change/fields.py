"""A resource as a flat list of fields: what can differ, how it is shown, and what a difference requires.

Lists whose entries have a name are keyed by it (`mounts./data`, `networks.back`), so a difference is as small as it
can be.  Values are kept whole for comparing and masked for showing.
"""

import dataclasses
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum

from splitter.change.secrecy import MASK, masked, masked_text, masked_words
from splitter.template import Attachment, Build, Dependency, Document, Mount, Network, Port, Service, Volume

OWN_LABELS = "splitter."
HASH_SHOWN = 12

LIVE_LIMITS = frozenset(
    f"limits.{name}"
    for name in (
        "memory_bytes",
        "memory_reservation_bytes",
        "memory_swap_bytes",
        "cpus",
        "cpu_shares",
        "cpu_quota_us",
        "cpu_period_us",
        "cpu_set",
        "pids",
        "block_io.weight",
    )
)
"""Limits that an engine changes in a running container."""

_NAMES = ("target", "name", "service", "path", "subnet")
"""What entries of lists are known by, in this order."""

# fmt: off
_SAID = frozenset((
    "name", "image", "build", "pull_policy", "command", "entrypoint", "environment", "working_dir", "user", "ports",
    "expose", "networks", "mounts", "depends_on", "healthcheck", "labels", "replicas", "restart", "limits",
    "stop_signal", "stop_grace_s", "static_endpoints", "init",
))
# fmt: on
_OTHERS = tuple(each.name for each in dataclasses.fields(Service) if each.name not in _SAID)
_BUILD_SAID = frozenset({"context", "dockerfile", "args", "target"})
_BUILD_OTHERS = tuple(each.name for each in dataclasses.fields(Build) if each.name not in _BUILD_SAID)
"""Fields without a wording of their own: a field that is added to the template is compared without a change here."""


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
        **{flag: _plain(_flag(getattr(network, flag))) for flag in ("internal", "external", "attachable")},
        "enable_ipv6": _plain(_flag(network.enable_ipv6)),
        **dict(_generic("ipam", network.ipam)),
        **_named("driver_opts", network.driver_opts),
        **_labels(network.labels, Requires.NONE),
    }
    return {path: field for path, field in fields.items() if field.value}


def volume_fields(volume: Volume) -> dict[str, Field]:
    fields = {
        "name": _plain(volume.name),
        "driver": _plain(volume.driver),
        "external": _plain(_flag(volume.external)),
        **_named("driver_opts", volume.driver_opts),
        **_labels(volume.labels, Requires.NONE),
    }
    return {path: field for path, field in fields.items() if field.value}


def document_fields(document: Document) -> dict[str, Field]:
    """Return the fields of a secret or config: what it holds is known by its hash alone, where it is from is told."""
    fields = {
        "content": Field(document.digest, f"sha256 {document.digest[:HASH_SHOWN]}"),
        "name": _without_effect(document.name),
        "file": _without_effect(document.file),
        "environment": _without_effect(document.environment),
        **_labels(document.labels, Requires.NONE),
    }
    return {path: field for path, field in fields.items() if field.value}


def _service_fields(service: Service) -> Iterator[tuple[str, Field]]:
    yield "image", _plain(service.image)
    yield from _build_fields(service)
    yield "pull_policy", _without_effect("" if service.pull_policy == "missing" else service.pull_policy)
    yield "command", _words(service.command)
    yield "entrypoint", _words(service.entrypoint)
    yield from _named("environment", service.environment).items()
    yield "working_dir", _plain(service.working_dir)
    yield "user", _plain(service.user)
    for port in service.ports:
        yield f"ports.{_port_name(port)}", _plain(_port_name(port))
    for exposed in service.expose:
        yield f"expose.{exposed}", _plain(str(exposed))
    for place, attachment in enumerate(service.networks):
        yield f"networks.{attachment.network}", _live(_attachment(attachment, place))
    for mount in service.mounts:
        yield f"mounts.{mount.target}", _plain(_mount(mount))
    for dependency in service.depends_on:
        yield f"depends_on.{dependency.service}", _without_effect(_dependency(dependency))
    yield from _health_fields(service)
    yield from _labels(service.labels, Requires.REPLACE).items()
    yield "replicas", _live(str(service.replicas))
    yield "restart", _live(service.restart)
    for path, field in _generic("limits", service.limits):
        yield path, replace(field, requires=Requires.NONE, is_live=True) if path in LIVE_LIMITS else field
    yield "stop_signal", _plain(service.stop_signal)
    yield "stop_grace_period", _plain(_seconds(service.stop_grace_s))
    for endpoint in service.static_endpoints:
        yield f"endpoints.{endpoint}", _plain(str(endpoint))
    yield "init", _plain("" if service.init is None else str(service.init).lower())
    for name in _OTHERS:
        yield from _generic(name, getattr(service, name))


def _build_fields(service: Service) -> Iterator[tuple[str, Field]]:
    if (build := service.build) is not None:
        yield "build.context", _plain(build.context)
        yield "build.dockerfile", _plain(build.dockerfile)
        yield "build.target", _plain(build.target)
        yield from _named("build.args", build.args).items()
        for name in _BUILD_OTHERS:
            yield from _generic(f"build.{name}", getattr(build, name))


def _health_fields(service: Service) -> Iterator[tuple[str, Field]]:
    if (check := service.healthcheck) is not None:
        yield "healthcheck.test", _words(check.test or ("(of the image)",))
        yield "healthcheck.interval", _plain(_seconds(check.interval_s))
        yield "healthcheck.timeout", _plain(_seconds(check.timeout_s))
        yield "healthcheck.retries", _plain(str(check.retries))
        yield "healthcheck.start_period", _plain(_seconds(check.start_period_s))
        yield (
            "healthcheck.start_interval",
            _plain("" if check.start_interval_s is None else _seconds(check.start_interval_s)),
        )


def _generic(path: str, value: object) -> Iterator[tuple[str, Field]]:
    """Yield a field for each value below `path`; entries of lists are named by what they are in the container."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        for each in dataclasses.fields(value):
            yield from _generic(f"{path}.{each.name}", getattr(value, each.name))
    elif isinstance(value, Mapping):
        yield from _named(path, value).items()
    elif isinstance(value, tuple) and all(isinstance(item, str) for item in value):
        yield path, Field(repr(value) if value else "", ", ".join(map(masked_text, value)))
    elif isinstance(value, tuple):
        for index, item in enumerate(value):
            yield from _generic(f"{path}.{_name_of(item, index)}", item)
    elif isinstance(value, bool):
        yield path, _plain(_flag(value))
    else:
        yield path, _plain("" if value is None else f"{value:g}" if isinstance(value, float) else str(value))


def _name_of(item: object, index: int) -> str:
    """Return what an entry of a list is known by, or its position."""
    names = (getattr(item, name, "") for name in _NAMES)
    return next((str(name) for name in names if name), str(index))


def _flag(value: bool) -> str:
    return "true" if value else ""


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


def _attachment(attachment: Attachment, place: int) -> str:
    """Return how a service is in a network; the first one is where its way out leads."""
    addresses = (attachment.ipv4_address, attachment.ipv6_address, *attachment.link_local_ips, attachment.mac_address)
    parts = [
        f"as {', '.join(attachment.aliases)}" if attachment.aliases else "joined",
        *(f"at {address}" for address in addresses if address),
        *(f"with {name}={value}" for name, value in attachment.driver_opts.items()),
        *([f"number {place + 1}"] if place else []),
        *([] if attachment.use_service_name_alias else ["not by its own name"]),
    ]
    return ", ".join(parts)


def _mount(mount: Mount) -> str:
    parts = (
        f"{mount.type} {mount.source}".rstrip(),
        "read-only" if mount.read_only else "",
        mount.propagation,
        mount.selinux,
        "nocopy" if mount.nocopy else "",
        f"recursive={mount.recursive}" if mount.recursive else "",
        "" if mount.create_host_path else "only if it is there",
        f"subpath={mount.subpath}" if mount.subpath else "",
        *(f"{name}={value}" for name, value in mount.labels.items()),
        *mount.options,
    )
    return " ".join(part for part in parts if part)


def _dependency(dependency: Dependency) -> str:
    optional = "" if dependency.required else ", optional"
    return f"{dependency.condition}{optional}{', restarts with it' if dependency.restart else ''}"


def _seconds(seconds: float) -> str:
    return f"{seconds:g}s"
