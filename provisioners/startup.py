"""Which services of a stack may start now: `depends_on`, decided from what has been reached so far.

Pure: who starts, watches and stops the services is the provisioner's own business.  It tells what was begun, what was
reached and what was lost, and asks again after each change.

Rule 1: a service is due once every dependency has reached its condition.  What was reached stays reached: a dependency
that gets unhealthy later is a matter for the watch, not for the start.
Rule 2: a dependency with `required: false` that is lost, or not in the template, holds nobody up.
"""

from collections.abc import Mapping, Set
from graphlib import CycleError, TopologicalSorter

from splitter.template import Condition, Dependency, Service

Services = Mapping[str, Service]
Reached = Mapping[str, Set[Condition]]


def due(services: Services, *, begun: Set[str], reached: Reached, lost: Set[str] = frozenset()) -> list[str]:
    """Return the services that may start now and were not begun yet, by name."""

    def is_met(dependency: Dependency) -> bool:
        if dependency.condition in reached.get(dependency.service, ()):
            return True
        return not dependency.required and (dependency.service in lost or dependency.service not in services)

    return sorted(
        name for name, service in services.items() if name not in begun and all(map(is_met, service.depends_on))
    )


def jobs(services: Services) -> frozenset[str]:
    """Return the services that are to run and end: somebody waits for their completion."""
    dependencies = (each for service in services.values() for each in service.depends_on)
    return frozenset(each.service for each in dependencies if each.condition is Condition.COMPLETED)


def goals(services: Services) -> dict[str, Condition]:
    """Return what each service must reach before the stack is up: completed (a job), healthy, or just started."""
    ending = jobs(services)
    return {
        name: Condition.COMPLETED if name in ending else Condition.HEALTHY if has_check(service) else Condition.STARTED
        for name, service in services.items()
    }


def has_check(service: Service) -> bool:
    """Return whether the service says itself how it is."""
    return service.healthcheck is not None and service.healthcheck.test[:1] not in ((), ("NONE",))


def optional(services: Services) -> frozenset[str]:
    """Return the services that the stack can do without: some depend on them, and all who do say `required: false`."""
    required: set[str] = set()
    named: set[str] = set()
    for service in services.values():
        for each in service.depends_on:
            named.add(each.service)
            if each.required:
                required.add(each.service)
    return frozenset(named - required)


def levels(services: Services) -> list[list[str]]:
    """Return the services by the order in which they can start, each level by name; they stop in the reverse order.

    Raises graphlib.CycleError where services wait for each other; `impossible` finds that first.
    """
    sorter = _sorter(services)
    sorter.prepare()
    found = []
    while sorter.is_active():
        level = sorted(sorter.get_ready())
        found.append([name for name in level if name in services])
        sorter.done(*level)
    return [level for level in found if level]


def impossible(services: Services) -> list[str]:
    """Return a sentence for each wait that can never end, before anything is started."""
    problems = []
    for name, service in sorted(services.items()):
        for each in service.depends_on:
            target = services.get(each.service)
            if target is None and each.required:
                problems.append(f"service {name} depends on {each.service}, which the template does not have")
            elif target is not None and each.condition is Condition.HEALTHY and not has_check(target):
                problems.append(
                    f"service {name} waits until {each.service} is healthy, but {each.service} has no healthcheck; "
                    "give it one, or wait for service_started"
                )
    try:
        _sorter(services).prepare()
    except CycleError as error:
        problems.append(f"services wait for each other in a circle: {' → '.join(reversed(error.args[1]))}")
    return problems


def _sorter(services: Services) -> TopologicalSorter[str]:
    return TopologicalSorter({name: [each.service for each in one.depends_on] for name, one in services.items()})
