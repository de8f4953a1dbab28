"""What the processes of a stack use, by the kernel's own counting.

Each replica has a session of its own, so who belongs to it is asked with one cheap call for each process of the host.
What has left its session on purpose is not counted (it is found, more slowly, where stacks are ended).
Memory is the proportional set size where the kernel has it: pages that forked workers share count once.  Nothing holds
a process to its template's limits; they are what its memory is measured against.  Whether one was killed for want of
memory is known only where it has a control group of its own (`groups`).
"""

import os
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace

import psutil

from provisioners.bounds import descriptors, host_limit
from provisioners.process.groups import oom_kills
from provisioners.process.processes import ProcessId, is_alive
from provisioners.process.programs import Program
from provisioners.process.records import Run
from splitter.model import Resources
from splitter.resources import Uses, together
from splitter.template import Limits


def sample(runs: Sequence[Run], programs: Sequence[Program], restarts: Mapping[str, int]) -> Uses:
    """Return what the processes of `runs` use by service, each with all of its session; those that live.  Blocks.

    `restarts` are those of each service.
    """
    leaders = {run.process: run.service for run in runs if run.process is not None and is_alive(run.process)}
    limits = {program.service: program.limits for program in programs}
    found: dict[str, list[Resources]] = {}
    for leader, family in _families(leaders).items():
        service = leaders[leader]
        if (used := _use(family, limits.get(service, Limits()))) is not None:
            found.setdefault(service, []).append(replace(used, oom_kills=oom_kills(leader.pid)))
    services = {service: together(replicas) for service, replicas in found.items()}
    return {name: replace(used, restarts=restarts.get(name, 0)) for name, used in services.items() if used is not None}


def _families(leaders: Collection[ProcessId]) -> Mapping[ProcessId, list[int]]:
    """Return the processes in the session of each leader."""
    families: dict[ProcessId, list[int]] = {leader: [] for leader in leaders}
    by_session = {leader.pid: families[leader] for leader in leaders}
    for pid, session in _sessions():
        if session in by_session:
            by_session[session].append(pid)
    return families


def _sessions() -> Iterator[tuple[int, int]]:
    for pid in psutil.pids():
        try:
            yield pid, os.getsid(pid)
        except OSError:  # it has ended, or is none of our business
            continue


def _use(family: Sequence[int], limits: Limits) -> Resources | None:
    """Return what one replica uses; None if all of it ended meanwhile."""
    figures = [each for pid in family if (each := _look(pid)) is not None]
    if not figures:
        return None
    opened, opened_max = descriptors(family)
    return Resources(
        memory=sum(memory for memory, _ in figures),
        memory_limit=limits.memory_bytes or host_limit(psutil.virtual_memory().total),
        cpu_s=sum(seconds for _, seconds in figures),
        cpu_limit=limits.cpus or float(psutil.cpu_count() or 1),
        pids=len(figures),
        pids_limit=limits.pids,
        descriptors=opened,
        descriptors_limit=opened_max,
    )


def _look(pid: int) -> tuple[int, float] | None:
    """Return a process's memory and the CPU seconds that it has used, with those of its children that have ended."""
    try:
        process = psutil.Process(pid)
        with process.oneshot():
            memory = process.memory_full_info()
            times = process.cpu_times()
    except (psutil.Error, OSError):
        return None
    return int(getattr(memory, "pss", memory.rss)), sum(times[:4])
