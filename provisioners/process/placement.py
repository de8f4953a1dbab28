"""Where the replicas of a stack are, and what each is told of itself and of the others.  Pure.

A service finds itself by `PORT` (and `PORT_<n>` for each port that the template names) and the others by
`<SERVICE>_HOST`, `<SERVICE>_PORT` and `<SERVICE>_PORT_<n>` (the first replica), and `<SERVICE>_ENDPOINTS` (all).
The labels `SPLITTER_*` say whose process it is; children inherit them, and are found by them.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from provisioners.process.ports import HOST
from provisioners.process.programs import Program
from splitter.model import Endpoint, ServicePort, StackId

INSTALLATION = "SPLITTER_INSTALLATION"
APP = "SPLITTER_APP"
STACK = "SPLITTER_STACK"
SERVICE = "SPLITTER_SERVICE"
REPLICA = "SPLITTER_REPLICA"


@dataclass(frozen=True, slots=True)
class Place:
    """One replica's ports: (port of the template, port of this machine), the main one first."""

    service: str
    number: int
    ports: tuple[tuple[int, int], ...]

    @property
    def main(self) -> int:
        return self.ports[0][1]

    def port(self, target: int) -> int:
        """Return the port of this machine that stands for `target`; 0 is the service's only one."""
        return dict(self.ports).get(target, self.main)


def place(programs: Sequence[Program], free: Iterable[int]) -> list[Place]:
    """Return a place for each replica, with ports out of `free`: one for each port of each replica."""
    ports = iter(free)
    return [
        Place(program.service, number, tuple((target, next(ports)) for target in program.ports))
        for program in programs
        for number in range(1, program.replicas + 1)
    ]


def ports_needed(programs: Sequence[Program]) -> int:
    return sum(program.replicas * len(program.ports) for program in programs)


def endpoints(routed: Iterable[ServicePort], places: Sequence[Place]) -> dict[ServicePort, tuple[Endpoint, ...]]:
    """Return where each routed service port is answered, by replica."""
    return {
        asked: tuple(Endpoint(HOST, each.port(asked.port)) for each in places if each.service == asked.service)
        for asked in routed
    }


def labels(installation: str, app: str, stack: StackId) -> dict[str, str]:
    return {INSTALLATION: installation, APP: app, STACK: stack}


def environment(
    program: Program, own: Place, places: Sequence[Place], stack_labels: Mapping[str, str]
) -> dict[str, str]:
    """Return the whole environment of one replica.

    Its own port and the labels are ours in any case: two stacks of one template stand side by side.  The address of
    another service is the template's if it names a host there that is not the service itself.
    """
    found = dict(program.environment)
    for service, others in _by_service(places).items():
        key = variable(service)
        written = program.environment.get(f"{key}_HOST", service)
        if service != program.service and written == service:
            found |= _addresses(key, others)
    found |= {f"PORT_{target}": str(port) for target, port in own.ports if target}
    found["PORT"] = str(own.main)
    return {**found, **stack_labels, SERVICE: program.service, REPLICA: str(own.number)}


def variable(service: str) -> str:
    """Return a service's name as environment variables have it: `user-api` is `USER_API`."""
    return re.sub(r"[^A-Z0-9]", "_", service.upper())


def _addresses(key: str, places: Sequence[Place]) -> dict[str, str]:
    first = places[0]
    found = {f"{key}_HOST": HOST, f"{key}_PORT": str(first.main)}
    found |= {f"{key}_PORT_{target}": str(port) for target, port in first.ports if target}
    found[f"{key}_ENDPOINTS"] = ",".join(f"{HOST}:{each.main}" for each in places)
    return found


def _by_service(places: Iterable[Place]) -> dict[str, list[Place]]:
    found: dict[str, list[Place]] = {}
    for each in places:
        found.setdefault(each.service, []).append(each)
    return found
