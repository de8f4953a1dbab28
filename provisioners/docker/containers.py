"""What the engine is asked to make: a template's service as the body of `POST /containers/create`.

Values in, values out; nothing here talks to the engine.  No host port of the template is bound, ever: two stacks of
one template stand side by side.  In loopback mode the routed ports are bound to 127.0.0.1, where the engine picks.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self, cast

from docker.types import ContainerConfig, EndpointConfig, HostConfig, NetworkingConfig
from docker.types import Mount as EngineMount
from docker.types.healthcheck import Healthcheck as EngineHealthcheck

from provisioners.docker import names
from splitter.contracts import StackOrder
from splitter.placement import VolumeMode
from splitter.template import Attachment, Healthcheck, Mount, MountType, Network, Service

NANOSECONDS = 1_000_000_000
LOOPBACK = "127.0.0.1"


@dataclass(frozen=True, slots=True)
class Joining:
    """A container's place in one network of the engine."""

    network: str
    aliases: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Image:
    """What an image says of itself; `ports` are the TCP ports that it declares."""

    reference: str
    id: str
    entrypoint: tuple[str, ...]
    ports: tuple[int, ...]
    has_check: bool

    @classmethod
    def read(cls, reference: str, inspected: Mapping[str, Any]) -> Self:
        config = inspected.get("Config") or {}
        exposed = sorted(config.get("ExposedPorts") or {})
        tcp = [int(port) for port, _, protocol in (each.partition("/") for each in exposed) if protocol in ("", "tcp")]
        entrypoint = tuple(config.get("Entrypoint") or ())
        check = (config.get("Healthcheck") or {}).get("Test") or ["NONE"]
        return cls(reference, inspected["Id"], entrypoint, tuple(sorted(tcp)), check[0] != "NONE")


def configure(
    order: StackOrder, identity: names.Identity, part: names.Part, image: Image, loopback: Sequence[int], version: str
) -> ContainerConfig:
    """Return the whole body for one container of the stack, on its first network.

    `loopback` are the container ports to bind on 127.0.0.1; `version` is that of the engine's API.
    """
    service = part.service
    exposed = {f"{port.target}/{port.protocol}" for port in service.ports}
    exposed |= {f"{port}/tcp" for port in (*service.expose, *loopback)}
    joining = joinings(order, service)[0]
    return ContainerConfig(
        version,
        image.reference,
        cast("list[str]", None if service.command is None else list(service.command)),  # the stubs forget None
        detach=True,
        user=service.user or None,
        ports={port: {} for port in sorted(exposed)},
        environment=[f"{key}={value}" for key, value in environment(order, service).items()],
        entrypoint=_entrypoint(service, image),
        working_dir=service.working_dir or None,
        host_config=_host(order, identity, service, joining, loopback, version),
        networking_config=NetworkingConfig(cast("EndpointConfig", {joining.network: endpoint(joining, version)})),
        labels=names.container_labels(identity, order.template, part),
        stop_signal=service.stop_signal or None,
        stop_timeout=stop_timeout_s(service),
        healthcheck=_healthcheck(service.healthcheck),
    )


def environment(order: StackOrder, service: Service) -> dict[str, str]:
    return {**service.environment, "SPLITTER_STACK": order.id}


def joinings(order: StackOrder, service: Service) -> list[Joining]:
    """Return the networks of a service, by the order of their names on the engine; the first one is for the create.

    An external network is joined without aliases: with them, half of the other clients' look-ups of the service's
    name would reach this stack.
    """
    found = []
    for attachment in service.networks or (Attachment(names.DEFAULT_NETWORK),):
        network = network_of(order, attachment.network)
        own = (service.name, *attachment.aliases)
        found.append(Joining(names.network_name(order, network), () if network.external else own))
    return sorted(found, key=lambda joining: (not joining.aliases, joining.network))


def networks_used(order: StackOrder) -> list[Network]:
    """Return the networks that some service is in, by key."""
    services = order.template.services.values()
    keys = {each.network for service in services for each in service.networks or (Attachment(names.DEFAULT_NETWORK),)}
    return [network_of(order, key) for key in sorted(keys)]


def network_of(order: StackOrder, key: str) -> Network:
    """Return the template's network of that key; the default network need not be declared."""
    return order.template.networks.get(key) or Network(key)


def endpoint(joining: Joining, version: str) -> EndpointConfig:
    return EndpointConfig(version, aliases=list(joining.aliases) or None)


def stop_timeout_s(service: Service) -> int:
    """Return the stop grace in whole seconds, which is all the engine knows; never less than asked for."""
    return -int(-service.stop_grace_s // 1)


def _host(
    order: StackOrder,
    identity: names.Identity,
    service: Service,
    joining: Joining,
    loopback: Sequence[int],
    version: str,
) -> HostConfig:
    limits = service.limits
    return HostConfig(
        version,
        network_mode=joining.network,
        port_bindings={f"{port}/tcp": (LOOPBACK,) for port in loopback} or None,
        mounts=[_mount(order, identity, mount) for mount in service.mounts if mount.type is not MountType.BIND] or None,
        binds=[_bind(mount) for mount in service.mounts if mount.type is MountType.BIND] or None,
        restart_policy=_restart(service.restart),
        mem_limit=limits.memory_bytes,
        nano_cpus=None if limits.cpus is None else int(limits.cpus * NANOSECONDS),
        pids_limit=limits.pids,
    )


def _mount(order: StackOrder, identity: names.Identity, mount: Mount) -> EngineMount:
    if mount.type is MountType.TMPFS:
        return EngineMount(mount.target, None, type="tmpfs", read_only=mount.read_only)
    volume = order.template.volumes[mount.source] if mount.source else None
    own = names.volume_name(order, volume) if volume else None
    only_read = mount.read_only or order.placement.volumes.get(mount.source) is VolumeMode.SHARE_RO
    return EngineMount(mount.target, identity.shares.volumes.get(mount.source, own), type="volume", read_only=only_read)


def _bind(mount: Mount) -> str:
    """Return a host folder's mount in the short form: it makes a folder that is missing, as Compose does."""
    return f"{mount.source}:{mount.target}:{'ro' if mount.read_only else 'rw'}"


def _restart(policy: str) -> dict[str, Any]:
    name, _, retries = policy.partition(":")
    return {"Name": name or "no", "MaximumRetryCount": int(retries or 0)}


def _healthcheck(healthcheck: Healthcheck | None) -> EngineHealthcheck | None:
    if healthcheck is None:
        return None
    if healthcheck.test == ("NONE",):
        return EngineHealthcheck(test=["NONE"])
    return EngineHealthcheck(
        test=list(healthcheck.test),
        interval=int(healthcheck.interval_s * NANOSECONDS),
        timeout=int(healthcheck.timeout_s * NANOSECONDS),
        retries=healthcheck.retries,
        start_period=int(healthcheck.start_period_s * NANOSECONDS),
    )


def _entrypoint(service: Service, image: Image) -> list[str] | None:
    """Return what the engine wants: None leaves the image's own, a list with one empty text clears it.

    The engine puts the image's command where ours is empty, unless an entry point is given; so a file that clears the
    command repeats the image's entry point.
    """
    if service.entrypoint is not None:
        return list(service.entrypoint) or [""]
    if service.command == ():
        return list(image.entrypoint) or None
    return None
