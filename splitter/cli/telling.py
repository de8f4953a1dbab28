"""The commands that tell of a rollout, of the last one or one of long ago: why it ended, and all of it."""

from typing import Annotated

import typer

from splitter.admin.client import Client, Json
from splitter.admin.page import Format, page
from splitter.cli import calls
from splitter.cli.options import App, AsJson, ConfigFile, Socket, call
from splitter.cli.outcome import line_of, put, say, told

app = typer.Typer()

Rollout = Annotated[str, typer.Argument(help="Which rollout, for example shop-12; default: the last.")]


@app.command()
def explain(
    rollout: Rollout = "",
    config: ConfigFile = None,
    socket: Socket = None,
    named: App = None,
    as_json: AsJson = False,
) -> None:
    """Say why a rollout stands where it stands: each figure of both stacks, the odds, what decided and when."""

    async def ask(client: Client) -> Json:
        chosen = await calls.only_app(client, named)
        return await client.get(f"/apps/{chosen}/explain", rollout=rollout)

    with told(as_json):
        answer = call(socket, config, ask)
        put(answer) if as_json else say("\n".join(answer["sentences"]))


@app.command()
def report(
    rollout: Rollout = "",
    form: Annotated[Format, typer.Option("--format", help="How it is written.")] = Format.TEXT,
    trace: Annotated[
        bool, typer.Option("--trace", help="What the judge was fed instead, in the format judge-trace/1.")
    ] = False,
    config: ConfigFile = None,
    socket: Socket = None,
    named: App = None,
    as_json: AsJson = False,
) -> None:
    """Print a whole rollout: what was asked, what happened when, both stacks' figures, why it ended."""

    async def ask(client: Client) -> str:
        chosen = await calls.only_app(client, named)
        if trace:
            return await client.get_text(f"/apps/{chosen}/trace", rollout=rollout)
        answer = await client.get(f"/apps/{chosen}/report", rollout=rollout)
        return line_of(answer) if as_json or form is Format.JSON else page(answer, form)

    with told(as_json):
        say(call(socket, config, ask).removesuffix("\n"))
