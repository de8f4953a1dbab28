"""Whether the engine's host has room for one more stack: memory for its containers, disk for its copies.

It is an estimate from both ends: what a container will use nobody knows before it has run, and what a host can still
give depends on its swap and on what else runs.  So by default it warns and does not refuse: many hosts promise more
memory than they have, by intent and with good results, and a deploy must not be stopped by a guess that there is no way
around.  Who knows his host better says so (`no_room: refuse`, or `ignore`).

Rule: what cannot be found out is a note, never a reason against a deploy, and a stack that is made again is not asked
about: it had its place.
"""

import asyncio
import os
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping
from pathlib import Path
from typing import Any, Literal

from provisioners.docker import names, sampling
from provisioners.docker.engine import Engine
from provisioners.docker.parts import Parts
from provisioners.docker.sharing import Loan
from splitter.contracts import StackOrder
from splitter.errors import EngineError
from splitter.model import StackId
from splitter.template import Service

MIB = 1024 * 1024
CONTAINER_MIN_BYTES = 128 * MIB  # a runtime with a small program in it; what has no limit and never ran says no more
GROWTH = 1.2  # what a version may need more than the one that it is compared with
RESERVE_SHARE, RESERVE_MIN_BYTES = 0.1, 512 * MIB  # of the host, for everything else on it
MEMORY_FACTS = Path("/proc/meminfo")

NoRoom = Literal["warn", "refuse", "ignore"]


async def shortages(
    engine: Engine, parts: Parts, order: StackOrder, services: Collection[Service], loan: Loan, info: Mapping[str, Any]
) -> list[str]:
    """Return one sentence for each kind of room that the host has too little of, or that cannot be estimated."""
    if order.again:
        return []
    looks: Mapping[str, Callable[[], Awaitable[str]]] = {
        "memory": lambda: _memory(engine, parts, order, services, info),
        "disk": lambda: _disk(engine, loan, info),
    }
    found = []
    for kind, look in looks.items():
        try:
            found.append(await look())
        except EngineError as error:
            found.append(f"whether there is {kind} for {order.id} could not be estimated: {error}")
    return [each for each in found if each]


# --- Memory ----------------------------------------------------------------------------------------------------------


def needed(service: Service, used: float) -> float:
    """Return what one container of `service` may come to use; `used` is what live's uses (0: it has none)."""
    return max(service.limits.memory_bytes or 0, GROWTH * used, CONTAINER_MIN_BYTES)


def short_of_memory(needs: Mapping[str, float], available: float, total: float) -> str:
    """Return that `needs`, by service, do not fit into what is available but for the reserve; empty if they do."""
    reserve = max(RESERVE_SHARE * total, RESERVE_MIN_BYTES)
    whole = sum(needs.values())
    if whole <= available - reserve:
        return ""
    largest = sorted(needs, key=lambda name: (-needs[name], name))[:3]
    return (
        f"the new containers may come to use {_size(whole)} of memory (most of it: "
        f"{', '.join(f'{name} {_size(needs[name])}' for name in largest)}), and the engine's host has "
        f"{_size(max(0, available))} available, of which {_size(reserve)} are kept for everything else; lower the "
        "limits, or free memory (docker.no_room says whether this refuses a deploy)"
    )


async def _memory(
    engine: Engine, parts: Parts, order: StackOrder, services: Collection[Service], info: Mapping[str, Any]
) -> str:
    total = float(info.get("MemTotal") or 0)
    if not total:
        return ""
    used = await _used_by_live(engine, parts, order)
    asleep = names.waiting(order)  # they start when those of live have stopped
    needs = {
        service.name: service.replicas * needed(service, used.get(service.name, 0))
        for service in services
        if service.name not in asleep
    }
    available = available_here(await asyncio.to_thread(_memory_facts), total)
    if available is None:
        available = total - await _used_by_all(engine)
    return short_of_memory(needs, available, total)


def available_here(facts: str, total: float) -> float | None:
    """Return what the kernel says is available; None if `facts` are not of the host with `total`, the engine's.

    The kernel says it better than a sum over containers, which knows nothing of what runs beside them.  An engine in a
    virtual machine or elsewhere has another amount of memory than we see.
    """
    found = {
        name: int(rest.split()[0]) * 1024 for name, _, rest in (line.partition(":") for line in facts.splitlines())
    }
    return float(found["MemAvailable"]) if found.get("MemTotal") == total and "MemAvailable" in found else None


def _memory_facts() -> str:
    return MEMORY_FACTS.read_text() if MEMORY_FACTS.exists() else ""


async def _used_by_live(engine: Engine, parts: Parts, order: StackOrder) -> dict[str, float]:
    """Return what the containers of the base use now, by service; of several replicas, what the largest does."""
    if not order.placement.base:
        return {}
    running = [each for each in await parts.look(StackId(order.placement.base)) if each.running]
    used: dict[str, float] = {}
    for container, memory in zip(running, await _use(engine, [each.id for each in running]), strict=True):
        used[container.service] = max(memory, used.get(container.service, 0))
    return used


async def _used_by_all(engine: Engine) -> float:
    there = await engine.read("list containers", lambda client: list(client.containers()))
    return sum(await _use(engine, [each["Id"] for each in there]))


async def _use(engine: Engine, containers: Iterable[str]) -> list[float]:
    found = await asyncio.gather(*(sampling.look(engine, each) for each in containers))
    return [0.0 if each is None else float(each.memory or 0) for each in found]


# --- Disk ------------------------------------------------------------------------------------------------------------


async def _disk(engine: Engine, loan: Loan, info: Mapping[str, Any]) -> str:
    """Return that the copies do not fit on the engine's disk; of a disk that is not here nothing is known."""
    free = await asyncio.to_thread(_free_bytes, str(info.get("DockerRootDir") or "")) if loan.sources else None
    if free is None:
        return ""
    # The engine walks through all volumes for this, so it is asked only where there is something to copy.
    usage: dict[str, Any] = await engine.stream("ask for the sizes of volumes", lambda client, _: client.df())
    sizes = {each["Name"]: (each.get("UsageData") or {}).get("Size", -1) for each in usage.get("Volumes") or ()}
    copies = {source: max(0, sizes.get(source, 0)) for source in loan.sources.values()}  # -1: nobody knows
    if sum(copies.values()) <= free - RESERVE_MIN_BYTES:
        return ""
    return (
        f"the copies of {', '.join(sorted(copies))} take {_size(sum(copies.values()))}, and the engine's disk has "
        f"{_size(free)} free, of which {_size(RESERVE_MIN_BYTES)} are kept; free space (docker system df), or share "
        "the volume (docker.no_room says whether this refuses a deploy)"
    )


def _free_bytes(folder: str) -> float | None:
    try:
        found = os.statvfs(folder)
    except OSError:
        return None
    return float(found.f_bavail * found.f_frsize)


def _size(number: float) -> str:
    return f"{number / (1024 * MIB):.1f} GiB" if number >= 1024 * MIB else f"{number / MIB:.0f} MiB"
