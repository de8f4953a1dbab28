"""Ports of a service: `[[address:]published:]target[/protocol]`, each port a number or a range, or a mapping."""

import ipaddress
import re
from functools import partial

from splitter.change import keys
from splitter.change.shapes import Value
from splitter.limits import PORTS_MAX
from splitter.template import Port

PORT_MAX = 65_535
PROTOCOLS = ("tcp", "udp", "sctp")
_RANGE = re.compile(r"([0-9]{1,5})(?:-([0-9]{1,5}))?", re.ASCII)


def read_ports(value: Value) -> tuple[Port, ...]:
    """Return the ports of a service, in either form, sorted."""
    unique: set[Port] = set()
    for item in value.items():
        unique.update(_long_port(item) if item.is_mapping else item.parse(parse_ports, ()))
        if len(unique) > PORTS_MAX:
            item.problem(f"more than {PORTS_MAX} ports; no service has so many")
            return ()
    return tuple(sorted(unique, key=lambda port: (port.target, port.protocol, port.published, port.host_ip)))


def _long_port(item: Value) -> tuple[Port, ...]:
    found = item.known(keys.PORT)
    if "target" not in found:
        item.problem("no target says which port of the container; write target:")
        return ()
    targets = found["target"].parse(port_range, range(0))
    published = found.read("published", lambda value: value.parse(str, ""), "")
    protocol = found.read("protocol", lambda value: value.parse(known_protocol, "tcp"), "tcp")
    host_ip = found.read("host_ip", lambda value: value.parse(host_address, ""), "")
    return found.get("published", item).attempt(lambda: paired(targets, published, host_ip, protocol), ())


def read_expose(value: Value) -> tuple[int, ...]:
    """Return the TCP ports that other services of the stack may use, sorted."""
    exposed: set[int] = set()
    for item in value.items():
        port, _, protocol = item.parse(str, "").partition("/")
        if protocol in {"", "tcp"}:
            exposed.update(item.attempt(partial(port_range, port), range(0)))
        else:
            item.note(f"{port}/{protocol} has no effect: only TCP ports are routed")
    return tuple(sorted(exposed))


def parse_ports(text: str) -> tuple[Port, ...]:
    """Return the ports that `text` stands for, one for each of a range.  Raises ValueError with a sentence."""
    body, slash, protocol = text.strip().partition("/")
    rest, _, target = body.rpartition(":")
    address, _, published = rest.rpartition(":")
    targets = port_range(target)
    return paired(targets, published, host_address(address), known_protocol(protocol if slash else "tcp"))


def paired(targets: range, published: str, host_ip: str, protocol: str) -> tuple[Port, ...]:
    """Return a port for each target; a published range of the same length is dealt out, any other is a choice."""
    if not published:
        return tuple(Port(target, protocol, "", host_ip) for target in targets)
    sources = port_range(published)
    if len(sources) == len(targets):
        return tuple(
            Port(target, protocol, str(source), host_ip) for target, source in zip(targets, sources, strict=True)
        )
    if len(targets) == 1:
        return (Port(targets[0], protocol, published, host_ip),)
    raise ValueError(f"{published} are {len(sources)} ports, the container's are {len(targets)}; write equal ranges")


def port_range(text: str) -> range:
    """Return the ports of `8000` or `8000-8010`."""
    match = _RANGE.fullmatch(text)
    if match is None:
        raise ValueError(f"{text!r} is not a port; write for example 8080:80, 127.0.0.1:8080:80 or 53:53/udp")
    first, last = int(match[1]), int(match[2] or match[1])
    if not 0 < first <= PORT_MAX or not 0 < last <= PORT_MAX:
        raise ValueError(f"{text!r} is not between 1 and {PORT_MAX}")
    if last < first:
        raise ValueError(f"the range {text!r} ends before it begins")
    return range(first, last + 1)


def known_protocol(text: str) -> str:
    if text.lower() not in PROTOCOLS:
        raise ValueError(f"{text!r} is not a protocol; write one of {', '.join(PROTOCOLS)}")
    return text.lower()


def host_address(text: str) -> str:
    """Return an address of the host in its shortest spelling, brackets removed; empty for all of them."""
    if not text:
        return ""
    try:
        return str(ipaddress.ip_address(text.removeprefix("[").removesuffix("]")))
    except ValueError:
        raise ValueError(f"{text!r} is not an IP address") from None
