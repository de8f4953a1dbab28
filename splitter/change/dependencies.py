"""Who waits for whom: levels to start in, loops that make it impossible.

A level holds all services whose dependencies stand in earlier levels, by name, so that plans are equal run after run.
"""

from collections import deque
from collections.abc import Iterable, Mapping, Set

from splitter.errors import Problem, TemplateError
from splitter.template import Template

Graph = Mapping[str, Set[str]]
"""For each name, the names that it waits for.  Names that are no keys count as there already."""


def graph_of(template: Template) -> dict[str, frozenset[str]]:
    """Return for each service the services that it waits for."""
    return {
        name: frozenset(dependency.service for dependency in service.depends_on)
        for name, service in template.services.items()
    }


def start_order(template: Template) -> tuple[tuple[str, ...], ...]:
    """Return the services in levels.  Raises TemplateError with the shortest loop where there is one."""
    graph = graph_of(template)
    ordered = levels(graph)
    if ordered is None:
        message = loop_message(shortest_loop(graph))
        raise TemplateError([Problem(template.files[0] if template.files else "template", 0, 0, "services", message)])
    return ordered


def stop_order(template: Template) -> tuple[tuple[str, ...], ...]:
    """Return the levels in which a stack is retired: the start order, backwards."""
    return tuple(tuple(reversed(level)) for level in reversed(start_order(template)))


def levels(graph: Graph) -> tuple[tuple[str, ...], ...] | None:
    """Return the names in levels, or None where a loop keeps some from ever starting.

    Kahn's algorithm: O(names + edges), besides the sorting of each level.
    """
    waiting = {name: {other for other in others if other in graph} for name, others in graph.items()}
    dependents = _reversed(graph)
    ordered: list[tuple[str, ...]] = []
    level = sorted(name for name, others in waiting.items() if not others)
    while level:
        ordered.append(tuple(level))
        following = set()
        for name in level:
            for dependent in dependents.get(name, ()):
                waiting[dependent].discard(name)
                if not waiting[dependent]:
                    following.add(dependent)
        level = sorted(following)
    return tuple(ordered) if sum(map(len, ordered)) == len(graph) else None


def shortest_loop(graph: Graph) -> tuple[str, ...]:
    """Return the shortest loop, its first name again at the end; among equals the first by name; empty if none."""
    best: tuple[str, ...] = ()
    for start in sorted(graph):
        loop = _loop_through(start, graph)
        if loop and (not best or len(loop) < len(best)):
            best = loop
    return best


def loop_message(loop: Iterable[str]) -> str:
    """Return the sentence about services that wait for each other."""
    return f"these services wait for each other for ever: {' → '.join(loop)}; remove one of the dependencies"


def _loop_through(start: str, graph: Graph) -> tuple[str, ...]:
    """Return the shortest way from `start` back to itself (breadth first)."""
    came_from: dict[str, str] = {}
    queue = deque([start])
    while queue:
        name = queue.popleft()
        for other in sorted(graph.get(name, ())):
            if other == start:
                return (start, *_way_back(name, start, came_from))
            if other not in came_from and other in graph:
                came_from[other] = name
                queue.append(other)
    return ()


def _way_back(name: str, start: str, came_from: Mapping[str, str]) -> tuple[str, ...]:
    way = [start]
    while name != start:
        way.append(name)
        name = came_from[name]
    return tuple(reversed(way))


def _reversed(graph: Graph) -> dict[str, set[str]]:
    dependents: dict[str, set[str]] = {}
    for name, others in graph.items():
        for other in others:
            dependents.setdefault(other, set()).add(name)
    return dependents
