"""What a part of a stack is measured against where nobody gave it a limit, and how near it is to the kernel's own.

Descriptors are open files and connections of one process, and its limit is the kernel's (`ulimit -n`): a process that
has reached it accepts no more clients.  They are asked of the kernel on this host, so of nobody else's processes.
"""

from collections.abc import Iterable
from typing import Final

import psutil

HOST_SHARE: Final = 0.9  # of the host's memory: what a part without a limit of its own is measured against


def host_limit(memory_bytes: float) -> float:
    """Return the memory limit of a part that has none, on a host with so much memory."""
    return HOST_SHARE * memory_bytes


def descriptors(pids: Iterable[int]) -> tuple[int | None, int | None]:
    """Return how many descriptors the process nearest to its limit has open, and the limit; None: not known.

    Blocks.  Processes that have ended, or are none of our business, are left out; so are those without a limit.
    """
    found = [each for pid in pids if (each := _descriptors(pid)) is not None]
    return max(found, key=lambda each: each[0] / each[1], default=(None, None))


def _descriptors(pid: int) -> tuple[int, int] | None:
    try:
        process = psutil.Process(pid)
        limit, _ = process.rlimit(psutil.RLIMIT_NOFILE)
        return (process.num_fds(), limit) if limit > 0 else None
    except (psutil.Error, OSError):
        return None
