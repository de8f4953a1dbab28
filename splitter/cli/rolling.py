"""The commands that roll out and look on: what would change, the rollout itself, how far it is, what has happened."""

from typing import Annotated

import typer

from splitter.admin import view
from splitter.admin.client import Client, Json
from splitter.cli import calls
from splitter.cli.options import Asked, By, Templates, Variables, Why, asks, signature
from splitter.cli.outcome import Exit, leave, put, say
from splitter.cli.templates import template_body


@asks
def plan(asked: Asked, files: Templates, env: Variables = None) -> None:
    """Show what a deploy of these files would change, in which order, and what going back would cost."""
    answer = asked.post("plan", template_body(files, env))
    asked.show(answer, *answer["sentences"])


@asks
def deploy(
    asked: Asked,
    files: Templates,
    wait: Annotated[
        bool, typer.Option("--wait", help="Return when the rollout has ended; the exit code says how.")
    ] = False,
    force: Annotated[bool, typer.Option("--force", help="Also when nothing changes.")] = False,
    env: Variables = None,
    by: By = None,
    why: Why = "",
) -> None:
    """Start a rollout: provision these files as shadow, split, judge, promote or roll back.

    With --wait: 0 it was promoted, 1 it was rolled back, 3 it is held or waits for an override.
    """

    async def ask(client: Client, app: str) -> Exit:
        begun = await client.post(
            f"/apps/{app}/deploy", {**template_body(files, env), **signature(by, why), "force": force}
        )
        asked.show(begun, *view.begun_lines(begun))
        if not wait:
            return Exit.OK
        end = await calls.wait_for_end(client, app, str(begun["rollout"]), put if asked.as_json else say_event)
        asked.show(end.status, view.verdict_line(end.status, end.decision))
        return end.code

    leave(asked.app(ask, interrupted=Exit.HELD))


@asks
def status(asked: Asked) -> None:
    """Show every app: who serves, the rollout's step, the evidence, the time to a verdict."""

    async def ask(client: Client) -> list[Json]:
        if asked.named is not None:
            return [await client.get(f"/apps/{asked.named}")]
        return list((await client.get("/apps"))["apps"])

    for one in asked.daemon(ask):
        put(one) if asked.as_json else view.print_status(one)


@asks
def watch(asked: Asked) -> None:
    """Show the live view until you interrupt it."""

    async def ask(client: Client, app: str) -> None:
        if asked.as_json:
            async for update in client.stream(app):
                put({"kind": update.kind, **update.content})
            return
        with view.LiveView() as screen:
            async for update in client.stream(app):
                screen.show(update)

    asked.app(ask)


@asks
def events(
    asked: Asked,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on with what happens from now on.")] = False,
    after: Annotated[int, typer.Option("--after", help="Only events with a higher number.")] = 0,
) -> None:
    """Print the journal's events: one sentence each."""
    show = put if asked.as_json else say_event

    async def ask(client: Client, app: str) -> None:
        last, has_more = after, True
        while has_more:
            page = await client.get(f"/apps/{app}/events", after=last)
            has_more = page["more"]
            for event in page["events"]:
                last = event["seq"]
                show(event)
        if follow:
            async for update in client.stream(app, after=last):
                if update.kind == "event":
                    show(update.content)

    asked.app(ask)


def say_event(event: Json) -> None:
    say(f"{event['at'][:19].replace('T', ' ')}  {event['sentence']}")
