"""From what each part of a stack uses to what the stack uses.  Pure.

Limits are the parts' own, and the first that is reached ends the stack.  So of memory and processes the stack's figure
is that of the part which is nearest to its limit; a sum would hide a small part that fills up behind a large one.
"""

from collections.abc import Sequence
from typing import Final

from splitter.model import Resources

HOST_SHARE: Final = 0.9  # of the host's memory: what a part without a limit of its own is measured against


def host_limit(memory_bytes: float) -> float:
    """Return the memory limit of a part that has none, on a host with so much memory."""
    return HOST_SHARE * memory_bytes


def together(parts: Sequence[Resources]) -> Resources | None:
    """Return what a stack of `parts` uses; None without parts."""
    if not parts:
        return None
    fullest = max(parts, key=lambda part: part.memory_share or 0.0)
    crowded = [part for part in parts if part.pids is not None and part.pids_limit]
    most = max(crowded, key=lambda part: (part.pids or 0.0) / (part.pids_limit or 1.0), default=None)
    return Resources(
        memory=fullest.memory,
        memory_limit=fullest.memory_limit,
        cpu_s=_sum([part.cpu_s for part in parts]),
        cpu_limit=_sum([part.cpu_limit for part in parts]),
        pids=most.pids if most else _sum([part.pids for part in parts]),
        pids_limit=most.pids_limit if most else None,
        restarts=sum(part.restarts for part in parts),
        oom_kills=sum(part.oom_kills for part in parts),
    )


def _sum(figures: Sequence[float | None]) -> float | None:
    """Return the sum of the figures that are known; None if none is."""
    known = [each for each in figures if each is not None]
    return sum(known) if known else None
