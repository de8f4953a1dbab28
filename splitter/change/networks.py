"""Networks: what stands at the top level, and a service's place in them."""

import ipaddress
import re
from collections.abc import Callable
from dataclasses import replace

from splitter.change import keys
from splitter.change.external import read_external
from splitter.change.labels import read_labels
from splitter.change.shapes import Fields, Value
from splitter.template import Attachment, Ipam, Network, Pool, Service

DEFAULT_NETWORK = "default"

SERVICE_PREFIX = "service:"
_CONTAINER_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]+", re.ASCII)
_MAC = re.compile(r"[0-9a-fA-F]{2}([:-][0-9a-fA-F]{2}){5}", re.ASCII)
HOST_GATEWAY = "host-gateway"


def read_network(key: str, value: Value) -> Network:
    """Return a top-level network; mistakes are in the value's report."""
    if value.is_null:
        return Network(key)
    found = value.known(keys.NETWORK)
    external, external_name = read_external(found.get("external"))
    name = found.read("name", Value.text, "") or external_name
    driver = found.read("driver", Value.text, "")
    if driver in {"host", "overlay"}:
        what = "the host's network cannot be doubled" if driver == "host" else "only a swarm has overlay networks"
        found["driver"].problem(f"{what}; write bridge, or remove the key")
    if "enable_ipv4" in found and not found["enable_ipv4"].boolean(True):
        found["enable_ipv4"].problem("a network without IPv4 is not supported yet; remove the key")
    return Network(
        key=key,
        name=name or (key if external else ""),
        driver=driver,
        driver_opts=found.read("driver_opts", Value.options, {}),
        internal=found.read("internal", Value.boolean, False),
        external=external,
        labels=found.read("labels", read_labels, {}),
        attachable=found.read("attachable", Value.boolean, False),
        enable_ipv6=found.read("enable_ipv6", Value.boolean, False),
        ipam=found.read("ipam", _ipam, Ipam()),
    )


def _ipam(value: Value) -> Ipam:
    found = value.known(keys.IPAM)
    return Ipam(
        driver=found.read("driver", Value.text, ""),
        pools=tuple(_pool(item) for item in found.read("config", Value.items, [])),
        options=found.read("options", Value.options, {}),
    )


def _pool(item: Value) -> Pool:
    found = item.known(keys.POOL)
    return Pool(
        subnet=found.read("subnet", _subnet, ""),
        ip_range=found.read("ip_range", _subnet, ""),
        gateway=found.read("gateway", read_address, ""),
        aux_addresses={
            name: read_address(address)
            for name, address in sorted(found.read("aux_addresses", Value.entries, {}).items())
        },
    )


def _subnet(value: Value) -> str:
    return _spelled(value, lambda text: str(ipaddress.ip_network(text, strict=False)), "a subnet such as 10.5.0.0/24")


def read_address(value: Value) -> str:
    """Return an IP address in its shortest spelling."""
    return _spelled(value, lambda text: str(ipaddress.ip_address(text)), "an IP address")


def _address_of(version: int) -> Callable[[Value], str]:
    def read(value: Value) -> str:
        text = read_address(value)
        if text and ipaddress.ip_address(text).version != version:
            value.problem(f"{text} is not an IPv{version} address")
        return text

    return read


def _spelled(value: Value, spell: Callable[[str], str], what: str) -> str:
    text = value.text()
    try:
        return spell(text)
    except ValueError:
        value.problem(f"{text!r} is not {what}")
        return ""


def read_mac(value: Value) -> str:
    mac = value.text()
    if _MAC.fullmatch(mac) is None:
        value.problem(f"{mac!r} is not a MAC address; write for example 02:42:ac:11:00:03")
    return mac.lower().replace("-", ":")


# --- A service's place -------------------------------------------------------------------------------------------


def with_networks(service: Service, found: Fields) -> Service:
    """Return the service with its networks, by priority; the written container name is one more alias in each."""
    if "network_mode" in found:
        return _with_network_mode(service, found)
    attachments = found.read("networks", _attachments, ())
    if not attachments and not service.static_endpoints:
        attachments = (Attachment(DEFAULT_NETWORK),)
    if "container_name" in found and (alias := _container_name(found["container_name"])):
        attachments = tuple(replace(a, aliases=tuple(sorted({*a.aliases, alias}))) for a in attachments)
    return replace(service, networks=attachments)


def _with_network_mode(service: Service, found: Fields) -> Service:
    value = found["network_mode"]
    mode = value.text()
    row = keys.NETWORK_MODE.get(mode.partition(":")[0])
    if "networks" in found:
        value.key_problem("network_mode and networks exclude each other; remove one of the two")
    elif row is None:
        value.problem(f"there is no network mode {mode!r}; use networks")
    elif row.level is not keys.Level.DO:
        value.problem(row.sentence(mode))
    elif mode.startswith(SERVICE_PREFIX) and service.ports:
        found["ports"].key_problem(f"a service in the network of another has no ports of its own; write them at {mode}")
    return replace(service, network_mode=mode)


def _container_name(value: Value) -> str:
    name = value.text("unknown")
    if _CONTAINER_NAME.fullmatch(name) is None:
        value.problem(f"{name!r} is not a container name; use two or more letters, digits, '.', '_' and '-'")
    return name


def _attachments(value: Value) -> tuple[Attachment, ...]:
    ranked = []
    for name, entry in value.entries().items():
        found = entry.known(keys.ATTACHMENT) if not entry.is_null else Fields()
        priority = found.read("priority", lambda value: value.decimal(0), 0)
        ranked.append((-priority, name, _attachment(name, found)))
    return tuple(attachment for _, _, attachment in sorted(ranked, key=lambda rank: rank[:2]))


def _attachment(network: str, found: Fields) -> Attachment:
    link_local = found.read("link_local_ips", Value.items, [])
    return Attachment(
        network=network,
        aliases=tuple(sorted(set(found.read("aliases", Value.texts, ())))),
        ipv4_address=found.read("ipv4_address", _address_of(4), ""),
        ipv6_address=found.read("ipv6_address", _address_of(6), ""),
        link_local_ips=tuple(sorted({read_address(item) for item in link_local})),
        mac_address=found.read("mac_address", read_mac, ""),
        driver_opts=found.read("driver_opts", Value.options, {}),
        use_service_name_alias=found.read("use_service_name_alias", Value.boolean, True),
    )


# --- Names and addresses -----------------------------------------------------------------------------------------


def read_hosts(value: Value) -> tuple[str, ...]:
    """Return `extra_hosts`, a list of `name:address` (or `name=address`) or a mapping, as sorted `name:address`."""
    if value.is_mapping:
        pairs = [(name, each.text(), each) for name, entry in value.entries().items() for each in entry.one_or_more()]
    else:
        pairs = [(*_host(item.text()), item) for item in value.items()]
    return tuple(sorted({f"{name}:{_host_address(address, item)}" for name, address, item in pairs}))


def _host(text: str) -> tuple[str, str]:
    name, _, address = text.partition("=") if "=" in text else text.partition(":")
    return name.strip(), address.strip()


def _host_address(text: str, value: Value) -> str:
    if text == HOST_GATEWAY:
        return text
    try:
        return str(ipaddress.ip_address(text.removeprefix("[").removesuffix("]")))
    except ValueError:
        value.problem(f"{text!r} is not an IP address; write name:address, or name:{HOST_GATEWAY}")
        return text


def read_links(value: Value) -> tuple[tuple[str, str], ...]:
    """Return what `links` names: a service and the alias under which it is to be found."""
    pairs = (item.text().partition(":") for item in value.items())
    return tuple(sorted((service, alias or service) for service, _, alias in pairs))
