"""What a stack uses of other stacks, as values: containers that serve it too, and volumes that it mounts too.

It is written on every part of the stack (label `splitter.shares`), with the names that things have on the engine, so
that whoever finds the stack later knows what it stands on, however many stacks have come and gone since.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self


@dataclass(frozen=True, slots=True)
class Guest:
    """A service of another stack that serves this one: its containers, and their aliases by network of this stack.

    `bounds` are what its containers get once no other stack uses them, in the engine's words; empty: what they have.
    """

    containers: tuple[str, ...]
    networks: Mapping[str, tuple[str, ...]]
    bounds: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Shares:
    """What is shared: guests by service, volumes by their key in the template."""

    services: Mapping[str, Guest] = field(default_factory=dict)
    volumes: Mapping[str, str] = field(default_factory=dict)

    @property
    def containers(self) -> dict[str, str]:
        """The names of the containers that serve this stack too, with their services."""
        return {name: service for service, guest in self.services.items() for name in guest.containers}

    def text(self) -> str:
        """Return the shares as the text of a label; empty where nothing is shared."""
        if not (self.services or self.volumes):
            return ""
        services = {
            service: [
                list(guest.containers),
                {name: list(aliases) for name, aliases in guest.networks.items()},
                *([dict(guest.bounds)] if guest.bounds else []),
            ]
            for service, guest in self.services.items()
        }
        return json.dumps({"services": services, "volumes": dict(self.volumes)}, sort_keys=True, separators=(",", ":"))

    @classmethod
    def read(cls, text: str) -> Self:
        """Return what `text` wrote."""
        plain = json.loads(text) if text else {"services": {}, "volumes": {}}
        services = {
            service: Guest(tuple(containers), {name: tuple(aliases) for name, aliases in networks.items()}, *bounds)
            for service, (containers, networks, *bounds) in plain["services"].items()
        }
        return cls(services, plain["volumes"])


NOTHING = Shares()
