"""What the containers of a stack use, by the engine's own counting.

Rule 1: one look, no waiting: the engine is asked for its counters as they stand (`one_shot`), never for a rate, for
which it would take a second.
Rule 2: memory is the working set: usage without the file pages that the kernel would give back first.  Control groups
of version 1 and 2 name those differently.
"""

import asyncio
from collections.abc import Mapping
from typing import Any

from docker import APIClient

from provisioners.docker.engine import Engine, EngineRefusedError
from provisioners.docker.parts import Parts
from provisioners.together import host_limit, together
from splitter.model import Resources, StackId

NANO = 1e9


async def sample(engine: Engine, parts: Parts, stack: StackId) -> Resources | None:
    """Return what the stack's running containers use; None if none runs.  Raises EngineError."""
    listed = await parts.containers(stack)
    found = await asyncio.gather(*(look(engine, each["Id"]) for each in listed if each["State"] == "running"))
    return together([each for each in found if each is not None])


async def look(engine: Engine, container: str) -> Resources | None:
    """Return what one container uses; None if it does not run.  Raises EngineError."""

    def ask(client: APIClient) -> tuple[Any, Any]:
        return client.inspect_container(container), client.stats(container, stream=False, one_shot=True)

    try:
        return read(*await engine.read("ask what a container uses", ask))
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
