"""The addresses of a stack's networks: those of the template, unless somebody has them already.

Two networks of one engine cannot share addresses, so the subnets that a template fixes are live's for as long as live
is there; the shadow's are chosen by the engine, and the fixed addresses in them are left out.
"""

import ipaddress
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from docker.types import IPAMConfig, IPAMPool

from splitter.template import Network

BRIDGES_MAX = 31  # what the engine's own pools hold, its own bridge among them

Subnet = ipaddress.IPv4Network | ipaddress.IPv6Network


def taken(networks: Iterable[Network], existing: Mapping[str, Mapping[str, Any]]) -> frozenset[str]:
    """Return the keys of `networks` whose subnets overlap one of `existing`, which are other networks, by name."""
    used = [subnet for found in existing.values() for subnet in _subnets_of(found)]

    def is_taken(network: Network) -> bool:
        return any(_overlap(mine, other) for mine in _subnets(network) for other in used)

    return frozenset(network.key for network in networks if is_taken(network))


def exhausted(own: Iterable[Network], existing: Iterable[Mapping[str, Any]], info: Mapping[str, Any]) -> str:
    """Return that the engine's own address pools do not suffice for `own`, or an empty text.

    What an operator has given the engine instead (`info` says so) is his business.
    """
    new = [each for each in own if each.driver in ("", "bridge") and not each.ipam.pools]
    there = sum(each.get("Driver") == "bridge" for each in existing)
    if info.get("DefaultAddressPools") or there + len(new) <= BRIDGES_MAX:
        return ""
    return (
        f"the engine has {there} bridge networks, and its address pools hold {BRIDGES_MAX}: remove those that nobody "
        "uses (docker network prune), or give it more pools (default-address-pools)"
    )


def ipam_of(network: Network, *, renumbered: bool) -> IPAMConfig | None:
    """Return what the engine is to be told about a network's addresses; None leaves them to the engine."""
    ipam = network.ipam
    pools = [
        IPAMPool(pool.subnet or None, pool.ip_range or None, pool.gateway or None, dict(pool.aux_addresses) or None)
        for pool in ipam.pools
        if not renumbered
    ]
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


def _overlap(one: Subnet, other: Subnet) -> bool:
    return one.version == other.version and one.overlaps(other)
