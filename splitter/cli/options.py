"""The options that many commands have, and `asks`, which gives a command those by which it finds its daemon and app."""

import asyncio
import functools
import getpass
import inspect
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer

from splitter.admin.client import Client, Json
from splitter.cli import calls
from splitter.cli.outcome import Exit, put, say, told

Value = TypeVar("Value")

ConfigFile = Annotated[Path | None, typer.Option("--config", "-c", help="The daemon's YAML; default: splitter.yaml.")]
Socket = Annotated[Path | None, typer.Option("--socket", help="The daemon's unix socket; default: $SPLITTER_SOCKET.")]
App = Annotated[str | None, typer.Option("--app", help="Which app; needed only when there are several.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, one value a line.")]
By = Annotated[str | None, typer.Option("--by", help="Who asks, for the journal; default: you.")]
Why = Annotated[str, typer.Option("--why", help="Why, for the journal.")]
Variables = Annotated[
    list[str] | None,
    typer.Option("--env", "-e", metavar="NAME[=VALUE]", help="A variable for the templates; without a value, yours."),
]
Templates = Annotated[list[Path], typer.Argument(help="The next version's Compose files, merged in this order.")]


@dataclass(frozen=True, slots=True)
class Asked:
    """Which daemon and app a command asks, and who reads what comes of it: every field is an option."""

    config: ConfigFile = None
    socket: Socket = None
    named: App = None
    as_json: AsJson = False

    def daemon(self, ask: Callable[[Client], Awaitable[Value]], interrupted: Exit = Exit.OK) -> Value:
        """Return what `ask` gets from the daemon.  An interrupt ends it quietly, with the exit code `interrupted`."""

        async def inside() -> Value:
            async with Client(calls.find_socket(self.socket, self.config)) as client:
                return await ask(client)

        try:
            return asyncio.run(inside())
        except KeyboardInterrupt:
            raise typer.Exit(int(interrupted)) from None

    def app(self, ask: Callable[[Client, str], Awaitable[Value]], interrupted: Exit = Exit.OK) -> Value:
        """Return what `ask` gets from the daemon about the app that is meant."""

        async def inside(client: Client) -> Value:
            return await ask(client, await calls.only_app(client, self.named))

        return self.daemon(inside, interrupted)

    def get(self, what: str, **query: str | int) -> Json:
        """Return what the daemon tells of the app under the name `what`."""
        return self.app(lambda client, app: client.get(f"/apps/{app}/{what}", **query))

    def post(self, verb: str, body: Json) -> Json:
        """Return what comes of asking the app to `verb`."""
        return self.app(lambda client, app: client.post(f"/apps/{app}/{verb}", body))

    def show(self, answer: Json, *sentences: str) -> None:
        """Print `answer` for programs, or `sentences` for people."""
        put(answer) if self.as_json else say("\n".join(sentences))


def asks(command: Callable[..., None]) -> Callable[..., None]:
    """Give `command` the options of `Asked` behind its own, and end it as `told` does.

    The command line is read off a function's signature, so the one that is handed out says both.
    """
    own = list(inspect.signature(command).parameters.values())[1:]
    shared = list(inspect.signature(Asked).parameters.values())

    @functools.wraps(command)
    def typed(**given: Any) -> None:
        asked = Asked(**{each.name: given.pop(each.name) for each in shared})
        with told(asked.as_json):
            command(asked, **given)

    typed.__annotations__ = {each.name: each.annotation for each in (*own, *shared)}
    vars(typed)["__signature__"] = inspect.Signature([*own, *shared])
    return typed


def signature(by: str | None, why: str) -> Json:
    """Return who asks and why, as the journal keeps it."""
    return {"by": by or getpass.getuser(), "why": why}
