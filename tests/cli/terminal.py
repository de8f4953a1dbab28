"""The command line against an admin API that is really there."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from typer.testing import CliRunner

from splitter.admin import api
from splitter.admin.doors import open_doors, taken
from splitter.cli.commands import app
from tests.admin.controllers import FakeController


@dataclass(frozen=True, slots=True)
class Ended:
    """How a command ended: its exit code, and what it wrote for programs or people, and about mistakes."""

    code: int
    out: str
    err: str

    @property
    def lines(self) -> list[str]:
        return self.out.splitlines()

    @property
    def values(self) -> list[Any]:
        """What `--json` printed, line by line."""
        return [json.loads(line) for line in self.lines]


def typed(*words: str | Path, environment: dict[str, str] | None = None) -> Ended:
    """Run one command line and return how it ended."""
    result = CliRunner().invoke(app, [str(word) for word in words], env=environment)
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return Ended(result.exit_code, result.stdout, result.stderr)


class Terminal:
    """Types commands for the daemon behind one socket."""

    def __init__(self, socket: Path) -> None:
        self.socket = socket

    async def typed(self, *words: str | Path) -> Ended:
        """Run one command line beside the daemon."""
        return await asyncio.to_thread(typed, *words, "--socket", self.socket)


@contextlib.asynccontextmanager
async def daemon(directory: Path, **apps: FakeController) -> AsyncIterator[Terminal]:
    """Serve fake controllers on a socket in `directory`."""
    door = api.Door(lambda: (True, ""), lambda: (b"", "text/plain"))
    controllers = {name: fake.controller() for name, fake in apps.items()}
    with taken(directory / "s.sock", None) as addresses:
        async with open_doors(addresses, "", controllers, door):
            yield Terminal(directory / "s.sock")
