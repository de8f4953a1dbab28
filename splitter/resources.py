"""From what each service of a stack uses to what the stack uses, and to what can be compared.  Pure.

Limits are the parts' own, and the first that is reached ends the stack.  So of memory, processes and descriptors the
stack's figure is that of the part which is nearest to its limit; a sum would hide a small part that fills up behind a
large one.

Two stacks are comparable by their own services only.  A database that both share runs once and is counted for the stack
that it was made for; a worker that must not run twice is live's until the promotion.  Whoever counted them would find
every shadow thrifty.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from typing import TypeAlias

from splitter.model import Resources

Uses: TypeAlias = Mapping[str, Resources]
"""What each service of a stack uses; empty where nobody can know it, or nothing runs."""


def whole(uses: Uses) -> Resources | None:
    """Return what a stack uses, with the names of its services; None where nothing is known of it."""
    found = together(list(uses.values()))
    return replace(found, services=tuple(sorted(uses))) if found is not None else None


def alike(uses: Uses, others: Collection[str]) -> Resources | None:
    """Return what those services of a stack use that are among `others` too; None if none is.

    It names what was left out.
    """
    found = whole({name: used for name, used in uses.items() if name in others})
    return replace(found, left_out=tuple(sorted(set(uses) - set(others)))) if found is not None else None


def together(parts: Sequence[Resources]) -> Resources | None:
    """Return what `parts` use; None without parts."""
    if not parts:
        return None
    fullest = max(parts, key=lambda part: part.memory_share or 0.0)
    pids, pids_limit = _nearest(parts, lambda part: (part.pids, part.pids_limit))
    descriptors, descriptors_limit = _nearest(parts, lambda part: (part.descriptors, part.descriptors_limit))
    return Resources(
        memory=fullest.memory,
        memory_limit=fullest.memory_limit,
        memory_total=_sum([part.memory if part.memory_total is None else part.memory_total for part in parts]),
        cpu_s=_sum([part.cpu_s for part in parts]),
        cpu_limit=_sum([part.cpu_limit for part in parts]),
        pids=pids,
        pids_limit=pids_limit,
        descriptors=descriptors,
        descriptors_limit=descriptors_limit,
        restarts=sum(part.restarts for part in parts),
        oom_kills=_whole(_sum([part.oom_kills for part in parts])),
    )


_Bounded = tuple[float | None, float | None]


def _nearest(parts: Sequence[Resources], figure: Callable[[Resources], _Bounded]) -> _Bounded:
    """Return the figure of the part that is nearest to its limit, or without any limit the sum of all parts'."""
    figures = [figure(part) for part in parts]
    bounded = [(used, limit) for used, limit in figures if used is not None and limit]
    if not bounded:
        return _sum([used for used, _ in figures]), None
    return max(bounded, key=lambda each: each[0] / each[1])


def _sum(figures: Sequence[float | None]) -> float | None:
    """Return the sum of the figures that are known; None if none is."""
    known = [each for each in figures if each is not None]
    return sum(known) if known else None


def _whole(count: float | None) -> int | None:
    return None if count is None else int(count)
