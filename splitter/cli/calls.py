"""What the commands ask the daemon: find its socket, choose the app, call, wait for the end of a rollout."""

import os
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path

from splitter.admin.client import Client, Json
from splitter.cli.outcome import EXIT_OF_STATE, Exit
from splitter.config import socket_path
from splitter.errors import OperatorError

DECIDING_STATES = frozenset({"ROLLING_BACK", "PROMOTING"})
"""Who enters one of them says why; what follows is how it was carried out."""

CONFIG_FILES = (Path("splitter.yaml"), Path("config/splitter.yaml"))


def find_config(named: Path | None) -> Path:
    """Return the configuration file: the one that was named, else the first of `CONFIG_FILES` that exists."""
    if named is not None:
        return named
    for path in CONFIG_FILES:
        if path.exists():
            return path
    raise OperatorError("no splitter.yaml here: name the configuration with -c FILE")


def find_socket(named: Path | None, config: Path | None) -> Path:
    """Return the daemon's socket: `--socket`, else SPLITTER_SOCKET, else what the configuration says."""
    if named is not None:
        return named
    if from_environment := os.environ.get("SPLITTER_SOCKET"):
        return Path(from_environment)
    try:
        path = find_config(config)
    except OperatorError as error:
        raise OperatorError(
            "which daemon? Name its socket with --socket or SPLITTER_SOCKET, or its configuration with -c FILE"
        ) from error
    return socket_path(path)


async def only_app(client: Client, named: str | None) -> str:
    """Return the app that is meant; with one app configured it need not be named."""
    if named is not None:
        return named
    return choose([str(status["app"]) for status in (await client.get("/apps"))["apps"]], None)


def choose(apps: Collection[str], named: str | None) -> str:
    """Return the one of `apps` that is meant.  Raises OperatorError when that is not clear."""
    if named in apps:
        return str(named)
    if named is None and len(apps) == 1:
        return next(iter(apps))
    problem = "which app?" if named is None else f"there is no app {named!r}."
    raise OperatorError(f"{problem} Say --app with one of: {', '.join(sorted(apps))}")


@dataclass(frozen=True, slots=True)
class End:
    """How a rollout ended, or that it waits: the status then, and the sentence of the event that decided it."""

    code: Exit
    status: Json
    decision: str


async def wait_for_end(client: Client, app: str, rollout: str, tell: Callable[[Json], None]) -> End:
    """Follow `rollout` until it ends, is held, or waits for a person; `tell` gets each of its events once."""
    seen, decision = 0, ""
    async for update in client.stream(app):
        content = update.content
        if update.kind == "event" and content["rollout"] == rollout and content["seq"] > seen:
            seen = content["seq"]
            tell(content)
            decision = content["sentence"] if content["state"] in DECIDING_STATES else decision
        code = end_of(content, rollout)
        if code is not None:
            status = content if update.kind == "status" else await client.get(f"/apps/{app}")
            return End(code, status, decision)
    return End(Exit.HELD, await client.get(f"/apps/{app}"), decision)


def end_of(content: Json, rollout: str) -> Exit | None:
    """Return how `rollout` ended by a status or an event of it, or None while it runs.

    Events count as well: by the time of the next status another rollout may have begun.
    """
    if content["rollout"] != rollout:
        return None
    if content["state"] == "AWAITING_OVERRIDE":
        return Exit.HELD
    return EXIT_OF_STATE.get(content["state"])
