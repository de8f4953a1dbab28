"""What the engine is asked to make: a template's service as the body of `POST /containers/create`.

Values in, values out; nothing here talks to the engine.  No host port of the template is bound, ever: two stacks of
one template stand side by side.  In loopback mode the routed ports are bound to 127.0.0.1, where the engine picks.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Self, cast

from docker.types import ContainerConfig, EndpointConfig, NetworkingConfig
from docker.types.healthcheck import Healthcheck as EngineHealthcheck
from docker.utils import version_gte, version_lt

from provisioners.docker import names
from provisioners.docker.host import NANOSECONDS, Namespaces, host_config
from splitter.contracts import StackOrder
from splitter.template import Attachment, Healthcheck, Network, Service

NOWHERE = Attachment("")


@dataclass(frozen=True, slots=True)
class Joining:
    """A container's place in one network of the engine.

    `place` is what the template says of it; addresses are left out where they would clash.
    """

    network: str
    aliases: tuple[str, ...]
    place: Attachment = field(default=NOWHERE, compare=False)


@dataclass(frozen=True, slots=True)
class Image:
    """What an image says of itself; `ports` are the TCP ports that it declares, `platform` is system/architecture.

    `tagged` is when it last got a name on this engine, as the engine writes times; empty if it does not say.
    """

    reference: str
    id: str
    entrypoint: tuple[str, ...]
    ports: tuple[int, ...]
    has_check: bool
    platform: str = ""
    tagged: str = ""

    @classmethod
    def read(cls, reference: str, inspected: Mapping[str, Any]) -> Self:
        config = inspected.get("Config") or {}
        exposed = sorted(config.get("ExposedPorts") or {})
        tcp = [int(port) for port, _, protocol in (each.partition("/") for each in exposed) if protocol in ("", "tcp")]
        entrypoint = tuple(config.get("Entrypoint") or ())
        check = (config.get("Healthcheck") or {}).get("Test") or ["NONE"]
        known = [inspected[part] for part in ("Os", "Architecture") if inspected.get(part)]
        platform = "/".join(known) if len(known) > 1 else ""
        tagged = str((inspected.get("Metadata") or {}).get("LastTagTime") or "")
        return cls(reference, inspected["Id"], entrypoint, tuple(sorted(tcp)), check[0] != "NONE", platform, tagged)


def configure(
    order: StackOrder,
    identity: names.Identity,
    part: names.Part,
    image: Image,
    loopback: Sequence[int],
    version: str,
    renumbered: Collection[str] = (),
) -> ContainerConfig:
    """Return the whole body for one container of the stack, on its first network.

    `loopback` are the container ports to bind on 127.0.0.1; `version` is that of the engine's API; `renumbered` are
    the keys of the networks that have other addresses than the template says.
    """
    service = part.service
    joined = joinings(order, service, renumbered)
    mode = joined[0].network if joined else Namespaces(order, identity).mode(service.network_mode)
    has_own_network = not mode.startswith("container:")
    exposed = {f"{port.target}/{port.protocol}" for port in service.ports}
    exposed |= {f"{port}/tcp" for port in (*service.expose, *loopback)}
    networking = {joining.network: endpoint(joining, version) for joining in joined[:1]}
    config = ContainerConfig(
        version,
        image.reference,
        cast("list[str]", None if service.command is None else list(service.command)),  # the stubs forget None
        hostname=(service.hostname or None) if has_own_network else None,
        domainname=service.domainname or None,
        detach=True,
        tty=service.tty,
        stdin_open=service.stdin_open,
        user=service.user or None,
        ports={port: {} for port in sorted(exposed)} if has_own_network else None,
        environment=[f"{key}={value}" for key, value in environment(order, service).items()],
        entrypoint=_entrypoint(service, image),
        working_dir=service.working_dir or None,
        mac_address=mac_address(order, service) if version_lt(version, "1.44") else None,
        host_config=host_config(order, identity, service, mode, loopback if has_own_network else (), version),
        networking_config=NetworkingConfig(cast("EndpointConfig", networking)),
        labels=names.container_labels(identity, order.template, part),
        stop_signal=service.stop_signal or None,
        stop_timeout=stop_timeout_s(service),
        healthcheck=_healthcheck(service.healthcheck),
    )
    return _with_start_interval(config, service.healthcheck, version)


def environment(order: StackOrder, service: Service) -> dict[str, str]:
    return {**service.environment, "SPLITTER_STACK": order.id}


def joinings(order: StackOrder, service: Service, renumbered: Collection[str] = ()) -> list[Joining]:
    """Return the networks of a service, by the order of their names on the engine; the first one is for the create.

    An external network is joined without aliases: with them, half of the other clients' look-ups of the service's
    name would reach this stack.  Two stacks cannot have one address: a shadow has those of the template only in
    networks of its own that kept theirs.
    """
    found = []
    for attachment in attachments(service):
        network = network_of(order, attachment.network)
        aliases = () if network.external else aliases_of(service, attachment)
        place = attachment
        if attachment.network in renumbered or (order.placement.base and network.external):
            place = replace(attachment, ipv4_address="", ipv6_address="", link_local_ips=())
        if order.placement.base:
            place = replace(place, mac_address="")
        found.append(Joining(names.network_name(order, network), aliases, place))
    return sorted(found, key=lambda joining: (not joining.aliases, joining.network))


def aliases_of(service: Service, attachment: Attachment) -> tuple[str, ...]:
    """Return what a service is called in a network of the stack."""
    return (service.name, *attachment.aliases) if attachment.use_service_name_alias else attachment.aliases


def attachments(service: Service) -> tuple[Attachment, ...]:
    """Return the networks of a service: what it names, else the default one, none with a network mode."""
    if service.network_mode:
        return ()
    return service.networks or (Attachment(names.DEFAULT_NETWORK),)


def networks_used(order: StackOrder) -> list[Network]:
    """Return the networks that some service is in, by key."""
    keys = {each.network for service in order.template.services.values() for each in attachments(service)}
    return [network_of(order, key) for key in sorted(keys)]


def network_of(order: StackOrder, key: str) -> Network:
    """Return the template's network of that key; the default network need not be declared."""
    return order.template.networks.get(key) or Network(key)


def endpoint(joining: Joining, version: str) -> EndpointConfig:
    """Return a container's place in a network, in the engine's words."""
    return EndpointConfig(version, **endpoint_arguments(joining, version))


def endpoint_arguments(joining: Joining, version: str) -> dict[str, Any]:
    """Return the same as arguments of the SDK, which has them twice."""
    place = joining.place
    return {
        "aliases": list(joining.aliases) or None,
        "ipv4_address": place.ipv4_address or None,
        "ipv6_address": place.ipv6_address or None,
        "link_local_ips": list(place.link_local_ips) or None,
        "driver_opt": dict(place.driver_opts) or None,
        "mac_address": (place.mac_address or None) if version_gte(version, "1.44") else None,
    }


def mac_address(order: StackOrder, service: Service) -> str | None:
    """Return the service's hardware address; two containers cannot have one, so a shadow has none."""
    return None if order.placement.base else service.mac_address or None


def stop_timeout_s(service: Service) -> int:
    """Return the stop grace in whole seconds, which is all the engine knows; never less than asked for."""
    return -int(-service.stop_grace_s // 1)


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


def _with_start_interval(config: ContainerConfig, healthcheck: Healthcheck | None, version: str) -> ContainerConfig:
    """Set what the SDK's health check does not know; older engines do not either."""
    if healthcheck is not None and healthcheck.start_interval_s is not None and version_gte(version, "1.44"):
        config["Healthcheck"]["StartInterval"] = int(healthcheck.start_interval_s * NANOSECONDS)
    return config


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
