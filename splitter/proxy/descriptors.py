"""File descriptors: how many there may be, and how near their end is.

A new descriptor has the lowest number that is free (POSIX), so its number says that at least as many are open.  Nobody
has to count.

Rule: clients do not get all of them.  What is kept back is for connections to stacks, without which no client can be
served, and for the journal and the engine, without which no rollout can be ended.
"""

import os
import resource

from splitter.limits import DESCRIPTORS_KEPT_MIN, DESCRIPTORS_KEPT_SHARE


def raise_limit() -> None:
    """Let this process open as many as the system allows it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def limit() -> int:
    """Return how many may be open."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return soft


def clients_end(limit: int) -> int:
    """Return the number from which on a descriptor is not for a client; never below half of `limit`."""
    return max(limit - max(DESCRIPTORS_KEPT_MIN, limit // DESCRIPTORS_KEPT_SHARE), limit // 2)


def lowest_free() -> int | None:
    """Return the number that the next one will have, None when there can be none."""
    try:
        number = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
    os.close(number)
    return number
