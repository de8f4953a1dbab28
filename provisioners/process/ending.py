"""Taking a stack's processes down: a signal, time to obey, and the end; in the reverse order of the start.

A signal goes to every process of a service, not to its first alone: programs that are started by a shell would not
hear it otherwise.
"""

import asyncio
import signal
from collections.abc import Callable, Sequence

from provisioners.process import processes
from provisioners.process.processes import Member, ProcessId
from provisioners.process.programs import Program
from splitter.contracts import Clock
from splitter.errors import EngineError
from splitter.model import StackId

POLL_S = 0.02
UNKNOWN_GRACE_S = 10.0  # for processes whose service is not written down: what a service has that says nothing
KILLED_S = 5.0  # a killed process is gone at once, unless the kernel is waiting for a disk
SCANS_MAX = 10  # a process that forks faster than we scan is not a service

Scan = Callable[[], Sequence[Member]]


async def end(stack: StackId, scan: Scan, programs: Sequence[Program], clock: Clock) -> None:
    """End all that `scan` finds, and what it starts meanwhile.  Raises EngineError if something does not end."""
    by_name = {program.service: program for program in programs}
    found = await asyncio.to_thread(scan)
    for level in sorted({_level(each, by_name) for each in found}, reverse=True):
        chosen = [each for each in found if _level(each, by_name) == level]
        await _end_kindly(chosen, by_name, clock)
    for _ in range(SCANS_MAX):
        left = await asyncio.to_thread(scan)
        if not left:
            return
        await _kill([each.id for each in left], clock)
    pids = ", ".join(str(each.id.pid) for each in left)
    raise EngineError(f"{stack}: processes {pids} cannot be ended; end them by hand, and retire the stack again")


async def _end_kindly(chosen: Sequence[Member], by_name: dict[str, Program], clock: Clock) -> None:
    grace_s = 0.0
    for each in chosen:
        program = by_name.get(each.service)
        processes.send(each.id, program.stop_signal if program else signal.SIGTERM)
        grace_s = max(grace_s, program.stop_grace_s if program else UNKNOWN_GRACE_S)
    left = await _gone([each.id for each in chosen], grace_s, clock)
    await _kill(left, clock)


async def _kill(chosen: Sequence[ProcessId], clock: Clock) -> None:
    for each in chosen:
        processes.send(each, signal.SIGKILL)
    await _gone(chosen, KILLED_S, clock)


async def _gone(chosen: Sequence[ProcessId], within_s: float, clock: Clock) -> list[ProcessId]:
    """Return those of `chosen` that are still there after `within_s`."""
    deadline = clock.monotonic() + within_s
    left = [each for each in chosen if processes.is_alive(each)]
    while left and clock.monotonic() < deadline:
        await clock.sleep(POLL_S)
        left = [each for each in left if processes.is_alive(each)]
    return left


def _level(member: Member, by_name: dict[str, Program]) -> int:
    return by_name[member.service].level if member.service in by_name else -1
