"""The options that many commands have, and the one way to call the daemon that they name."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Annotated, TypeVar

import typer

from splitter.admin.client import Client
from splitter.cli import calls
from splitter.cli.outcome import Exit

Value = TypeVar("Value")

ConfigFile = Annotated[Path | None, typer.Option("--config", "-c", help="The daemon's YAML; default: splitter.yaml.")]
Socket = Annotated[Path | None, typer.Option("--socket", help="The daemon's unix socket.")]
App = Annotated[str | None, typer.Option("--app", help="Which app; needed only when there are several.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, one value a line.")]
By = Annotated[str | None, typer.Option("--by", help="Who asks, for the journal; default: you.")]
Why = Annotated[str, typer.Option("--why", help="Why, for the journal.")]
Variables = Annotated[
    list[str] | None,
    typer.Option("--env", "-e", metavar="NAME[=VALUE]", help="A variable for the templates; without a value, yours."),
]
Templates = Annotated[list[Path], typer.Argument(help="The next version's Compose files, merged in this order.")]


def call(
    socket: Path | None,
    config: Path | None,
    ask: Callable[[Client], Awaitable[Value]],
    interrupted: Exit = Exit.OK,
) -> Value:
    """Return what `ask` gets from the daemon.  An interrupt ends it quietly, with the exit code `interrupted`."""

    async def inside() -> Value:
        async with Client(calls.find_socket(socket, config)) as client:
            return await ask(client)

    try:
        return asyncio.run(inside())
    except KeyboardInterrupt:
        raise typer.Exit(int(interrupted)) from None
