"""What an app says of single services, volumes and networks of its templates."""

import ipaddress
from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import BeforeValidator, Field, WithJsonSchema

from splitter.config.problems import Misfit
from splitter.config.section import Section
from splitter.config.units import Unit, listed

SUBNETS_MAX = 64
ADDRESSES_MIN = 4  # the network's own, the bridge's, a container's, and the broadcast address

Subnet: TypeAlias = ipaddress.IPv4Network | ipaddress.IPv6Network


def subnet(value: object) -> Subnet:
    """Return a subnet that a network of containers can have."""
    text = str(value)
    wanted = "write its first address and its length, for example 10.80.1.0/24"
    try:
        found = ipaddress.ip_network(text, strict=False)
    except ValueError:
        raise ValueError(f"{text!r} is no subnet; {wanted}") from None
    if ipaddress.ip_address(text.partition("/")[0]) != found.network_address:
        raise ValueError(f"{text} begins in the middle of a subnet; write {found}")
    if found.num_addresses < ADDRESSES_MIN:
        raise ValueError(f"{text} has no room for a container; {wanted}")
    return found


ModeName: TypeAlias = Literal["share-ro", "share", "copy", "fresh", "external"]
Subnets: TypeAlias = Annotated[
    tuple[Annotated[Subnet, BeforeValidator(subnet)], ...],
    BeforeValidator(listed),
    Field(min_length=1, max_length=SUBNETS_MAX),
    WithJsonSchema({"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]}),
    Unit("subnet or list of subnets", lambda subnets: ", ".join(map(str, subnets))),
]


class ServiceChoices(Section):
    scope: Literal["stack", "shared"]
    """Whether the shadow has a container of its own, or uses live's."""


def misfits_of_choices(
    provisioner: str, services: Mapping[str, Any], volumes: Mapping[str, Any], subnets: Mapping[str, Sequence[Subnet]]
) -> Iterator[Misfit]:
    """Yield what is said of things that nobody makes, and subnets that two networks could not have at once."""
    if provisioner == "static":
        for name, choices in (("services", services), ("volumes", volumes)):
            if choices:
                yield (name,), "provisioner static makes nothing that two stacks could share; remove it"
    if provisioner != "docker" and subnets:
        yield ("subnets",), f"provisioner {provisioner} makes no networks; remove it"
    seen: list[tuple[str, Subnet]] = []
    for network, each in [(key, each) for key, all_of_it in subnets.items() for each in all_of_it]:
        for other, rival in seen:
            if each.version == rival.version and each.overlaps(rival):
                yield ("subnets", network), f"{each} overlaps {rival} of network {other}; two networks cannot have both"
                break
        seen.append((network, each))
