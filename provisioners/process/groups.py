"""What the kernel says of a process's control group (version 2), where the process has one of its own.

Processes of a stack are started in the daemon's group, and what was killed in there may be anybody's; then nothing is
known.  Who starts a service in a scope of its own (`systemd-run --scope`) gets its kills counted.
"""

import os
from pathlib import Path
from typing import Final

PROC: Final = Path("/proc")
GROUPS: Final = Path("/sys/fs/cgroup")


def oom_kills(pid: int, *, proc: Path = PROC, groups: Path = GROUPS) -> int | None:
    """Return how many processes in the group of `pid` were killed for want of memory; None: it cannot be known."""
    group, ours = _group(proc / str(pid)), _group(proc / str(os.getpid()))
    if group is None or group == ours:
        return None
    try:
        events = (groups / group / "memory.events").read_text()
    except OSError:
        return None
    counts = dict(line.split(" ", 1) for line in events.splitlines() if " " in line)
    return int(counts["oom_kill"]) if "oom_kill" in counts else None


def _group(process: Path) -> str | None:
    """Return the path of a process's group below the root; None where there is none of version 2, or no process."""
    try:
        lines = (process / "cgroup").read_text().splitlines()
    except OSError:
        return None
    return next((line.removeprefix("0::").strip("/") for line in lines if line.startswith("0::")), None)
