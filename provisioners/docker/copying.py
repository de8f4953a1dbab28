"""The copy of a volume, filled before the stack starts, without an image of our own.

Two containers of an image that is there anyway are created and never started; one has the source, read-only, the other
the target.  The engine streams the folder itself, not what is in it: otherwise the owner and the mode of the volume's
root are lost, and PostgreSQL refuses such a folder.

Before a copy a command may be run in the container that writes the source (`splitter.copy-hook`), which leaves there
what the copy can be trusted for, as a dump.

Rule: whoever writes the source stands still meanwhile only where the plan says so (`Placement.paused`).  A daemon that
dies in between leaves containers paused; the next one lets them go on (`release`), for nobody else pauses ours.
"""

import threading
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from docker import APIClient
from docker.types import Mount

from provisioners.docker.engine import Engine, EngineRefusedError
from provisioners.docker.hooks import run_hook
from provisioners.finish import finish
from splitter.change.labels import COPY_HOOK
from splitter.errors import StackError
from splitter.template import Hook

FOLDER = "/volume"
CHUNK_BYTES = 1024 * 1024
SILENCE_S = 600  # a dump says nothing while it is written; one that hangs holds up the end of the making as long


async def copy(
    engine: Engine,
    source: str,
    target: str,
    image: str,
    labels: Mapping[str, str],
    *,
    pause: bool,
    prepare: Sequence[str] = (),
) -> None:
    """Fill the volume `target` with what is in `source`, after the command `prepare` in the container that writes it.

    Raises StackError (EngineError); cancelled, the copy is half-made.
    """
    if prepare:
        await _prepare(engine, source, prepare)
    writers = await _writers(engine, source) if pause else []
    stopped: list[str] = []
    try:
        for writer in writers:
            stopped.append(writer)
            await _pause(engine, writer)
        await engine.stream(f"copy volume {source} to {target}", _Copy(source, target, image, labels))
    finally:
        await finish(release(engine, stopped), "let writers go on")


async def _prepare(engine: Engine, source: str, command: Sequence[str]) -> None:
    """Run a command in the one container that writes `source`: which of several is meant nobody could say."""
    writers = await _writers(engine, source)
    if len(writers) != 1:
        raise StackError(
            f"volume {source} is written by {len(writers)} running containers, and its copy hook "
            f"({' '.join(command)}) is to be run in one: take the label {COPY_HOOK} away, or let one container write it"
        )
    if problem := await run_hook(engine, writers[0], Hook(tuple(command)), SILENCE_S):
        raise StackError(f"volume {source}: copy hook {problem}")


async def standing(engine: Engine, volumes: Collection[str]) -> list[str]:
    """Return the containers that stand still and may write one of `volumes`."""
    there = await engine.read("list containers", lambda client: list(client.containers(all=True)))
    paused = (each for each in there if each["State"] == "paused")
    return [each["Id"] for each in paused if any(m.get("Name") in volumes and m.get("RW") for m in each["Mounts"])]


async def release(engine: Engine, containers: Sequence[str]) -> None:
    """Let containers go on that stand still for a copy; one that is gone or runs is left as it is."""
    for container in containers:
        await _go_on(engine, container)


async def _pause(engine: Engine, container: str) -> None:
    await engine.change("pause a container", lambda client: client.pause(container))


async def _go_on(engine: Engine, container: str) -> None:
    try:
        await engine.change("let a container go on", lambda client: client.unpause(container))
    except EngineRefusedError as error:
        if error.status not in (404, 409, 500):  # 500: it is not paused
            raise


async def _writers(engine: Engine, volume: str) -> list[str]:
    """Return the running containers that mount `volume` and may write it."""
    filters = {"volume": volume, "status": "running"}
    found = await engine.read("list containers", lambda client: list(client.containers(filters=filters)))
    return [each["Id"] for each in found if any(m.get("Name") == volume and m.get("RW") for m in each["Mounts"])]


class _Copy:
    """One copy, on one thread."""

    def __init__(self, source: str, target: str, image: str, labels: Mapping[str, str]) -> None:
        self._source = source
        self._target = target
        self._image = image
        self._labels = dict(labels)

    def __call__(self, client: APIClient, give_up: threading.Event) -> None:
        made: list[str] = []
        try:
            made.append(self._create(client, self._source, read_only=True))
            made.append(self._create(client, self._target, read_only=False))
            chunks, _ = client.get_archive(made[0], FOLDER, chunk_size=CHUNK_BYTES)
            client.put_archive(made[1], "/", _until(chunks, give_up))
        finally:
            for container in made:
                client.remove_container(container, force=True)

    def _create(self, client: APIClient, volume: str, *, read_only: bool) -> str:
        mount = Mount(FOLDER, volume, type="volume", read_only=read_only)
        made: dict[str, Any] = client.create_container(
            self._image,
            command=["never started"],
            labels=self._labels,
            network_disabled=True,
            host_config=client.create_host_config(mounts=[mount]),
        )
        return str(made["Id"])


def _until(chunks: Iterator[bytes], give_up: threading.Event) -> Iterator[bytes]:
    """Yield `chunks` until told to give up; the engine then sees a broken archive, and refuses it."""
    for chunk in chunks:
        if give_up.is_set():
            raise OSError("the copy was given up")
        yield chunk
