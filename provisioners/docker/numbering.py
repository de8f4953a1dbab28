"""The addresses of a stack's networks: those of the template, unless somebody has them already.

Two networks of one engine cannot share addresses, so the subnets that a template fixes are live's for as long as live
is there.  The next stack's are the first free ones of those that an operator has named for the network, else the
engine chooses them; the fixed addresses in them are left out.  So the
stacks that follow each other have a few subnets in turn: that of live, that of the shadow, and one that a retired stack
has left because a shared service is in it.  No stack changes its addresses while it lives.
"""

import ipaddress
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any

from docker.types import IPAMConfig, IPAMPool

from splitter.template import Network

BRIDGES_MAX = 31  # what the engine's own pools hold, its own bridge among them

Subnet = ipaddress.IPv4Network | ipaddress.IPv6Network
Named = Mapping[str, Sequence[str]]
"""The subnets that an operator has named, by the network's key."""
NONE: Mapping[str, str] = {}


def renumbered(own: Mapping[str, Network], existing: Iterable[Mapping[str, Any]], named: Named) -> dict[str, str]:
    """Return the subnet of each network that does not get the template's, by its key; empty: the engine chooses.

    `own` are a stack's networks by their names on the engine.  Other subnets that overlap one of `existing` are taken.
    """
    used = [subnet for each in existing if each["Name"] not in own for subnet in _subnets_of(each)]
    fixed = {network.key: list(_subnets(network)) for network in own.values()}
    kept = {key for key, subnets in fixed.items() if subnets and not _are_taken(subnets, used)}
    used += [subnet for key in sorted(kept) for subnet in fixed[key]]
    found: dict[str, str] = {}
    for key in sorted(fixed.keys() - kept):
        free = next(
            (each for each in map(ipaddress.ip_network, named.get(key, ())) if not _are_taken([each], used)), None
        )
        if free is not None:
            used.append(free)
        if fixed[key] or key in named:
            found[key] = str(free or "")
    return found


def standing(own: Mapping[str, Network], existing: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    """Return the same of networks that stand already, for a stack that is made again: they stay as they are."""
    found: dict[str, str] = {}
    for each in existing:
        network = own.get(each["Name"])
        subnets = list(_subnets_of(each))
        if network is not None and not set(_subnets(network)) <= set(subnets):
            found[network.key] = str(next(iter(subnets), ""))
    return found


def exhausted(
    own: Iterable[Network],
    existing: Iterable[Mapping[str, Any]],
    info: Mapping[str, Any],
    renumbered: Mapping[str, str] = NONE,
) -> str:
    """Return that the engine's own address pools do not suffice for `own`, or an empty text.

    What an operator has given the engine instead (`info` says so) is his business.
    """
    bridges = [each for each in own if each.driver in ("", "bridge")]
    new = [each for each in bridges if not renumbered.get(each.key, "the template's" if each.ipam.pools else "")]
    there = sum(each.get("Driver") == "bridge" for each in existing)
    if info.get("DefaultAddressPools") or there + len(new) <= BRIDGES_MAX:
        return ""
    return (
        f"the engine has {there} bridge networks, and its address pools hold {BRIDGES_MAX}: remove those that nobody "
        "uses (docker network prune), or give it more pools (default-address-pools)"
    )


def ipam_of(network: Network, subnet: str | None = None) -> IPAMConfig | None:
    """Return what the engine is to be told about a network's addresses; None leaves them to the engine.

    `subnet` is the one that it gets instead of the template's, empty: the engine chooses; None: it is not renumbered.
    """
    ipam = network.ipam
    pools = [
        IPAMPool(pool.subnet or None, pool.ip_range or None, pool.gateway or None, dict(pool.aux_addresses) or None)
        for pool in ipam.pools
        if subnet is None
    ]
    pools += [IPAMPool(subnet)] if subnet else []
    if not (pools or ipam.driver or ipam.options):
        return None
    return IPAMConfig(driver=ipam.driver or "default", pool_configs=pools or None, options=dict(ipam.options) or None)


def _subnets(network: Network) -> Iterator[Subnet]:
    for pool in network.ipam.pools:
        if pool.subnet:
            yield ipaddress.ip_network(pool.subnet, strict=False)


def _subnets_of(found: Mapping[str, Any]) -> Iterator[Subnet]:
    for config in (found.get("IPAM") or {}).get("Config") or ():
        if config.get("Subnet"):
            yield ipaddress.ip_network(config["Subnet"], strict=False)


def _are_taken(subnets: Collection[Subnet], used: Collection[Subnet]) -> bool:
    return any(_overlap(mine, other) for mine in subnets for other in used)


def _overlap(one: Subnet, other: Subnet) -> bool:
    return one.version == other.version and one.overlaps(other)
