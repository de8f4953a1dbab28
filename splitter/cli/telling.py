"""The commands that tell of a rollout, of the last one or one of long ago: why it ended, and all of it."""

from typing import Annotated

import typer

from splitter.admin.client import Client
from splitter.admin.page import Format, page
from splitter.cli.options import Asked, asks
from splitter.cli.outcome import line_of, say

Rollout = Annotated[str, typer.Argument(help="Which rollout, for example shop-12; default: the last.")]


@asks
def explain(asked: Asked, rollout: Rollout = "") -> None:
    """Say why a rollout stands where it stands: each figure of both stacks, the odds, what decided and when."""
    answer = asked.get("explain", rollout=rollout)
    asked.show(answer, *answer["sentences"])


@asks
def report(
    asked: Asked,
    rollout: Rollout = "",
    form: Annotated[Format, typer.Option("--format", help="How it is written.")] = Format.TEXT,
    trace: Annotated[
        bool, typer.Option("--trace", help="What the judge was fed instead, in the format judge-trace/1.")
    ] = False,
) -> None:
    """Print a whole rollout: what was asked, what happened when, both stacks' figures, why it ended."""

    async def ask(client: Client, app: str) -> str:
        if trace:
            return await client.get_text(f"/apps/{app}/trace", rollout=rollout)
        answer = await client.get(f"/apps/{app}/report", rollout=rollout)
        return line_of(answer) if asked.as_json or form is Format.JSON else page(answer, form)

    say(asked.app(ask).removesuffix("\n"))
