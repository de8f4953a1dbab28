"""What a change reaches beyond its own services: the outside, the host, the way back itself (EX, RE, CO, CA)."""

import re
from collections.abc import Iterator
from urllib.parse import urlsplit

from splitter.change.reasons import Case, Reason
from splitter.template import MountType, Service, Template

_ADDRESS_VARIABLE = re.compile(r"_(URL|DSN|HOST|ENDPOINT)$", re.IGNORECASE)
_DSN_HOST = re.compile(r"(?:\bhost(?:name)?=|@(?:tcp|udp)?\(?)\[?([A-Za-z0-9._-]+)", re.IGNORECASE)
_HOST = re.compile(r"\[?([A-Za-z0-9._-]+)\]?(?::[0-9]+)?", re.ASCII)
_HERE = re.compile(r"localhost|127\.[0-9.]+|0\.0\.0\.0|::1?|true|false|[0-9]+", re.IGNORECASE)
_HEALTH_PATH = re.compile(r"https?://[^/\s]+(/[^\s\"']*)")
_SOCKETS = ("/docker.sock", "/podman.sock", "/containerd.sock")


def outside_reasons(case: Case) -> Iterator[Reason]:
    """Yield the hosts outside of the stack that a replaced service speaks to."""
    for change, _, after in case.renewed():
        for host, variable in sorted(outside_hosts(after, case.shadow).items()):
            sentence = f"{change.name} is replaced and speaks to {host} ({variable}), which is not of this stack"
            yield Reason("EX1", change.resource, 10, 10, sentence, "give the shadow a test double of it")


def outside_hosts(service: Service, template: Template) -> dict[str, str]:
    """Return the hosts that a service's variables name and no service of the template has, with the variable."""
    names = {
        name
        for other in template.services.values()
        for name in (other.name, other.hostname, *(alias for each in other.networks for alias in each.aliases))
    }
    found: dict[str, str] = {}
    for variable, value in service.environment.items():
        if _ADDRESS_VARIABLE.search(variable):
            for host in _hosts(value):
                if host not in names and not _HERE.fullmatch(host):
                    found.setdefault(host, variable)
    return found


def _hosts(value: str) -> list[str]:
    """Return the hosts of an address, a connection string, or a list of them."""
    if "://" in value:
        try:
            places = urlsplit(value).netloc.rpartition("@")[2].split(",")
        except ValueError:
            return []
        return [match[1] for place in places if (match := _HOST.fullmatch(place))]
    if match := _DSN_HOST.search(value):
        return [match[1]]
    return [match[1] for place in value.split(",") if (match := _HOST.fullmatch(place.strip()))]


def host_reasons(case: Case) -> Iterator[Reason]:
    """Yield the services of the shadow that could change the host, or live itself."""
    for change, service in case.own():
        if power := _power(service):
            sentence = f"{change.name} of the shadow has {power}, beside live"
            yield Reason("EX2", change.resource, 10, 5, sentence, "take that from it, or make it a stack of its own")


def _power(service: Service) -> str:
    if service.privileged:
        return "all rights on the host (privileged)"
    if any(mount.type is MountType.BIND and mount.source.endswith(_SOCKETS) for mount in service.mounts):
        return "the engine's socket"
    shared = [name for name in ("pid", "ipc", "uts", "network_mode") if getattr(service, name) == "host"]
    return f"the host's namespace ({shared[0]})" if shared else ""


def return_reasons(case: Case) -> Iterator[Reason]:
    """Yield the services of live that may not come up again as they are."""
    for name in sorted(case.live.services):
        why = ""
        if name in case.facts.lost_images:
            why = "its image is not on the engine any more"
        elif name in case.facts.drifted:
            why = "it was adopted, and nobody knows whether it is what its template says"
        if why:
            sentence = f"{name} of live may not come up again as it is: {why}"
            yield Reason("RE1", f"service:{name}", 25, 25, sentence, "deploy live's own template first")


def contract_reasons(case: Case) -> Iterator[Reason]:
    """Yield the routed services that answer elsewhere than before."""
    for change, before, after in case.renewed():
        if change.name in case.routed and (what := _contract(before, after)):
            sentence = f"{change.name} is routed, and its {what} differ{'s' * (what == 'health path')}"
            yield Reason("CO1", change.resource, 5, 5, sentence, "keep what the routes rely on")


def _contract(before: Service, after: Service) -> str:
    if _ports(before) != _ports(after):
        return "ports"
    return "" if _health_path(before) == _health_path(after) else "health path"


def _ports(service: Service) -> set[tuple[int, str]]:
    return {(port.target, port.protocol) for port in service.ports} | {(port, "tcp") for port in service.expose}


def _health_path(service: Service) -> str:
    test = " ".join(service.healthcheck.test) if service.healthcheck else ""
    match = _HEALTH_PATH.search(test)
    return match[1] if match else ""


def cascade_reasons(case: Case) -> Iterator[Reason]:
    """Yield the services that change because another one does."""
    for change in case.changes.changes:
        if change.kind == "service" and change.is_cascaded:
            chain = " because of ".join(case.changes.chain(change.resource))
            yield Reason("CA1", change.resource, 3, 3, f"changes with another: {chain}", f"leave {change.by} as it is")
