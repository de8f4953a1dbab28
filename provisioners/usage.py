"""From what each part of a stack uses to what the stack uses.  Pure."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from splitter.model import Usage

HOST_SHARE: Final = 0.9  # of the host's memory: what a part without a limit of its own is measured against


def of_host(memory_bytes: int) -> int:
    """Return the limit of a part that has none, on a host with so much memory."""
    return max(1, int(HOST_SHARE * memory_bytes))


def together(parts: Sequence[Usage]) -> Usage | None:
    """Return the usage of a stack of `parts`: sums, and the memory of the fullest; None without parts."""
    if not parts:
        return None
    return replace(
        max(parts, key=lambda part: part.memory),
        cpu_s=sum(part.cpu_s for part in parts),
        cpus=sum(part.cpus for part in parts),
        pids=sum(part.pids for part in parts),
        restarts=sum(part.restarts for part in parts),
        oom_kills=sum(part.oom_kills for part in parts),
    )
