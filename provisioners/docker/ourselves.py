"""The container that splitter itself runs in, if it runs in one of the engine that it makes stacks on.

A file of the host or a socket says nothing about that; only the engine does: it knows a container by the name that the
kernel gives us as our host's, or by the id in the paths of our mounts (which control groups of version 2 do not show).
"""

import asyncio
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from provisioners.docker.engine import Engine, EngineRefusedError

MARK = Path("/.dockerenv")
MOUNTS = Path("/proc/self/mountinfo")
ID_IN_MOUNTS = re.compile(r"/containers/([0-9a-f]{64})/")
SHORT_ID = re.compile(r"[0-9a-f]{12}")


async def own_container(engine: Engine) -> str | None:
    """Return the id of our container on `engine`; None where we do not run in one of its."""
    for candidate in await asyncio.to_thread(lambda: list(candidates())):
        if found := await _id(engine, candidate):
            return found
    return None


async def own_mounts(engine: Engine) -> list[dict[str, Any]] | None:
    """Return what is mounted into our container, as the engine says it; None where we do not run in one of its."""
    if (own := await own_container(engine)) is None:
        return None
    found = await engine.read("look at our own container", lambda client: dict(client.inspect_container(own)))
    return list(found.get("Mounts") or ())


def candidates(mark: Path = MARK, mounts: Path = MOUNTS, name: str | None = None) -> Iterator[str]:
    """Yield what our container may be called, the likeliest first; nothing outside of one."""
    named = os.environ.get("HOSTNAME", "") if name is None else name
    if mark.exists() and SHORT_ID.fullmatch(named):
        yield named
    try:
        found = ID_IN_MOUNTS.search(mounts.read_text())
    except OSError:
        return
    if found:
        yield found[1]


async def _id(engine: Engine, container: str) -> str:
    """Return the whole id of a container; empty where the engine does not know it."""
    try:
        found = await engine.read(
            "look for our own container", lambda client: dict(client.inspect_container(container))
        )
    except EngineRefusedError as error:
        if error.status == 404:
            return ""
        raise
    return str(found["Id"])
