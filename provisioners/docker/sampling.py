"""What the containers of a stack use, by the engine's own counting.

Rule 1: one look, no waiting: the engine is asked for its counters as they stand (`one_shot`), never for a rate, for
which it would take a second.
Rule 2: memory is the working set: usage without the file pages that the kernel would give back first.  Control groups
of version 1 and 2 name those differently.
Rule 3: what a stack borrows of another is its owner's, and counted there alone.  A container that nobody ordered of us,
as an adopted project's, is found by its name.

Descriptors are what the engine does not count.  They are asked of the kernel where the engine runs on this host and
its processes can be seen from here, and are not known elsewhere.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
from docker import APIClient

from provisioners.bounds import descriptors, host_limit
from provisioners.docker import names
from provisioners.docker.engine import Engine, EngineRefusedError
from provisioners.docker.parts import Parts
from splitter.model import Resources, StackId
from splitter.resources import Uses, together

NANO = 1e9


async def sample(engine: Engine, parts: Parts, stack: StackId) -> Uses:
    """Return what the stack's running containers use, by service.  Raises EngineError."""
    running = await _running(parts, stack)
    looks = await asyncio.gather(*(look(engine, container) for _, container in running))
    found: dict[str, list[Resources]] = {}
    for (service, _), used in zip(running, looks, strict=True):
        if used is not None:
            found.setdefault(service, []).append(used)
    services = {service: together(replicas) for service, replicas in found.items()}
    return {service: used for service, used in services.items() if used is not None}


async def _running(parts: Parts, stack: StackId) -> list[tuple[str, str]]:
    """Return service and id of each container of the stack that runs."""
    listed = await parts.containers(stack)
    if listed:
        return [(each["Labels"][names.SERVICE], each["Id"]) for each in listed if each["State"] == "running"]
    return [(each.service, each.id) for each in await parts.look(stack) if each.running]  # adopted


async def look(engine: Engine, container: str) -> Resources | None:
    """Return what one container uses; None if it does not run.  Raises EngineError."""

    def ask(client: APIClient) -> tuple[Any, Any]:
        return client.inspect_container(container), client.stats(container, stream=False, one_shot=True)

    try:
        inspected, stats = await engine.read("ask what a container uses", ask)
        used = read(inspected, stats)
        if used is None:
            return None
        open_now, open_max = await asyncio.to_thread(opened, inspected)
        return replace(used, descriptors=open_now, descriptors_limit=open_max)
    except EngineRefusedError as error:
        if error.status in (404, 409):  # it has just ended
            return None
        raise


def read(inspected: Mapping[str, Any], stats: Mapping[str, Any]) -> Resources | None:
    """Return what one container uses; None if the engine has no counters of it, as of one that has just ended."""
    memory, cpu = stats.get("memory_stats") or {}, stats.get("cpu_stats") or {}
    if "usage" not in memory:
        return None
    details = memory.get("stats") or {}
    inactive = details.get("total_inactive_file", details.get("inactive_file", 0))  # version 1, version 2
    config = inspected["HostConfig"]
    return Resources(
        memory=max(0, memory["usage"] - inactive),
        memory_limit=config.get("Memory") or host_limit(memory["limit"]),
        cpu_s=cpu["cpu_usage"]["total_usage"] / NANO,
        cpu_limit=_cpus(config) or float(cpu.get("online_cpus") or 1),
        pids=(stats.get("pids_stats") or {}).get("current"),
        pids_limit=_pids(config),
        restarts=int(inspected.get("RestartCount") or 0),
        oom_kills=int(bool(inspected["State"].get("OOMKilled"))),
    )


def opened(inspected: Mapping[str, Any]) -> tuple[int | None, int | None]:
    """Return what the container's fullest process has open, and may have; None where it cannot be seen from here.

    A pid of the engine is somebody else's here if the engine runs elsewhere, or we in a container of our own: the
    process is the container's only if its control group says so.
    """
    pid = inspected["State"].get("Pid") or 0
    try:
        if not pid or inspected["Id"] not in Path(f"/proc/{pid}/cgroup").read_text():
            return None, None
        first = psutil.Process(pid)
        return descriptors([pid, *(child.pid for child in first.children(recursive=True))])
    except (psutil.Error, OSError):
        return None, None


def _cpus(config: Mapping[str, Any]) -> float:
    """Return how many cores a container may use, written either way; 0 where it has no limit."""
    if config.get("NanoCpus"):
        return float(config["NanoCpus"]) / NANO
    quota, period = config.get("CpuQuota") or 0, config.get("CpuPeriod") or 100_000
    return float(quota) / float(period) if quota > 0 else 0.0


def _pids(config: Mapping[str, Any]) -> int | None:
    """Return how many processes a container may have; the engine says 0 or -1 where it may have any number."""
    limit = int(config.get("PidsLimit") or 0)
    return limit if limit > 0 else None
