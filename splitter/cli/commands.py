"""The commands, one function each: arguments in, one call, one way to say what came of it."""

import getpass
import importlib.metadata
from pathlib import Path
from typing import Annotated, Any

import typer

from splitter.admin import view
from splitter.admin.client import Client, Json
from splitter.change.quantities import duration_s
from splitter.cli import calls, drafting, replaying, telling, templates
from splitter.cli.options import App, AsJson, By, ConfigFile, Socket, Templates, Variables, Why, call
from splitter.cli.outcome import Exit, leave, put, say, told
from splitter.cli.templates import template_body
from splitter.config import json_schema, load_config
from splitter.errors import OperatorError
from splitter.limits import PARKING_S

app = typer.Typer(
    name="splitter",
    help="Puts a docker-compose stack behind a proxy, shows the next version a share of the traffic, and promotes it "
    "or rolls it back by itself.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

app.add_typer(telling.app)
app.add_typer(replaying.app, name="judge")
app.command("init")(drafting.init)
app.command("config")(templates.config)


def main() -> None:
    """Run the command line."""
    app()


@app.command()
def run(config: ConfigFile = None, as_json: AsJson = False) -> None:
    """Run the daemon: listeners, stacks, rollouts, admin API."""
    from splitter import daemon  # the other commands start faster without the whole house

    with told(as_json):
        code = daemon.run(load_config(calls.find_config(config)))
    raise typer.Exit(code)


@app.command()
def validate(
    files: Annotated[list[Path] | None, typer.Argument(help="Compose files to check as an app's next version.")] = None,
    env: Variables = None,
    config: ConfigFile = None,
    named: App = None,
    as_json: AsJson = False,
) -> None:
    """Check the configuration and the templates it names, or the files given; every mistake at once."""
    from splitter import daemon

    with told(as_json):
        path = calls.find_config(config)
        loaded = load_config(path)
        if files:
            chosen = loaded.apps[calls.choose(loaded.apps, named)]
            body = template_body(files, env)
            notes = list(daemon.read_template(chosen, {}, body["files"], body["environment"]).notes)
        else:
            daemon.check_certificates(loaded)
            notes = daemon.check_templates(loaded)
        if as_json:
            put({"config": str(path), "apps": sorted(loaded.apps), "notes": notes})
        else:
            for note in notes:
                say(f"note: {note}")
            say(f"{path}: good; apps: {', '.join(sorted(loaded.apps))}")


@app.command()
def schema() -> None:
    """Print the JSON Schema of the configuration, for editors."""
    put(json_schema())


@app.command()
def version(as_json: AsJson = False) -> None:
    """Print the version."""
    number = importlib.metadata.version("splitter")
    put({"version": number}) if as_json else say(f"splitter {number}")


@app.command()
def demo(
    docker: Annotated[bool, typer.Option("--docker", help="Real containers instead of child processes.")] = False,
    as_json: AsJson = False,
) -> None:
    """Show a whole rollback and a whole promotion under traffic, in under a minute."""
    from splitter.demo import story

    with told(as_json):
        code = story.main(docker=docker, as_json=as_json)
    raise typer.Exit(code)


@app.command()
def plan(
    files: Templates,
    env: Variables = None,
    config: ConfigFile = None,
    socket: Socket = None,
    named: App = None,
    as_json: AsJson = False,
) -> None:
    """Show what a deploy of these files would change, in which order, and what going back would cost."""

    async def ask(client: Client) -> Json:
        chosen = await calls.only_app(client, named)
        return await client.post(f"/apps/{chosen}/plan", template_body(files, env))

    with told(as_json):
        answer = call(socket, config, ask)
        if as_json:
            put(answer)
        else:
            for sentence in answer["sentences"]:
                say(sentence)


@app.command()
def deploy(
    files: Templates,
    wait: Annotated[
        bool, typer.Option("--wait", help="Return when the rollout has ended; the exit code says how.")
    ] = False,
    force: Annotated[bool, typer.Option("--force", help="Also when nothing changes.")] = False,
    env: Variables = None,
    by: By = None,
    why: Why = "",
    config: ConfigFile = None,
    socket: Socket = None,
    named: App = None,
    as_json: AsJson = False,
) -> None:
    """Start a rollout: provision these files as shadow, split, judge, promote or roll back."""

    async def ask(client: Client) -> Exit:
        chosen = await calls.only_app(client, named)
        body = {**template_body(files, env), **signature(by, why), "force": force}
        begun = await client.post(f"/apps/{chosen}/deploy", body)
        rollout = str(begun["rollout"])
        put(begun) if as_json else say("\n".join(view.begun_lines(begun)))
        if not wait:
            return Exit.OK
        code, status = await calls.wait_for_end(client, chosen, rollout, put if as_json else say_event)
        put(status) if as_json else say(view.verdict_line(status))
        return code

    with told(as_json):
        leave(call(socket, config, ask, interrupted=Exit.HELD))


@app.command()
def status(config: ConfigFile = None, socket: Socket = None, named: App = None, as_json: AsJson = False) -> None:
    """Show every app: who serves, the rollout's step, the evidence, the time to a verdict."""

    async def ask(client: Client) -> list[Json]:
        if named is not None:
            return [await client.get(f"/apps/{named}")]
        return list((await client.get("/apps"))["apps"])

    with told(as_json):
        for one in call(socket, config, ask):
            put(one) if as_json else view.print_status(one)


@app.command()
def watch(config: ConfigFile = None, socket: Socket = None, named: App = None, as_json: AsJson = False) -> None:
    """Show the live view until you interrupt it."""

    async def ask(client: Client) -> None:
        chosen = await calls.only_app(client, named)
        if as_json:
            async for update in client.stream(chosen):
                put({"kind": update.kind, **update.content})
            return
        with view.LiveView() as screen:
            async for update in client.stream(chosen):
                screen.show(update)

    with told(as_json):
        call(socket, config, ask)


@app.command()
def events(
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on with what happens from now on.")] = False,
    after: Annotated[int, typer.Option("--after", help="Only events with a higher number.")] = 0,
    config: ConfigFile = None,
    socket: Socket = None,
    named: App = None,
    as_json: AsJson = False,
) -> None:
    """Print the journal's events: one sentence each."""
    show = put if as_json else say_event

    async def ask(client: Client) -> None:
        chosen = await calls.only_app(client, named)
        last, has_more = after, True
        while has_more:
            page = await client.get(f"/apps/{chosen}/events", after=last)
            has_more = page["more"]
            for event in page["events"]:
                last = event["seq"]
                show(event)
        if follow:
            async for update in client.stream(chosen, after=last):
                if update.kind == "event":
                    show(update.content)

    with told(as_json):
        call(socket, config, ask)


@app.command()
def adopt(
    project: Annotated[str, typer.Argument(help="The Compose project, as `docker compose ls` names it.")],
    by: By = None,
    config: ConfigFile = None,
    socket: Socket = None,
    named: App = None,
    as_json: AsJson = False,
) -> None:
    """Take over a running Compose project as the live stack of an app that waits for it; restarts nothing."""

    async def ask(client: Client) -> Json:
        chosen = await calls.only_app(client, named)
        return await client.post(f"/apps/{chosen}/adopt", {**signature(by, ""), "project": project})

    with told(as_json):
        answer = call(socket, config, ask)
        if as_json:
            put(answer)
            return
        for sentence in answer["sentences"]:
            say(sentence)
        say(f"{answer['app']}: {project} is taken over as {answer['live']}")


@app.command()
def park(
    time: Annotated[str, typer.Option("--for", help="How long they wait at most, as in 10s.")] = f"{PARKING_S:g}s",
    by: By = None,
    why: Why = "",
    config: ConfigFile = None,
    socket: Socket = None,
    named: App = None,
    as_json: AsJson = False,
) -> None:
    """Let an app's new requests wait, so that no stack gets any: while a database is switched over, for example."""

    async def ask(client: Client) -> Json:
        chosen = await calls.only_app(client, named)
        return await client.post(f"/apps/{chosen}/park", {**signature(by, why), "for_s": seconds(time)})

    with told(as_json):
        answer = call(socket, config, ask)
        put(answer) if as_json else say(f"{answer['app']}: new requests wait, for {answer['for_s']:g} s at most")


@app.command()
def unpark(
    by: By = None,
    why: Why = "",
    config: ConfigFile = None,
    socket: Socket = None,
    named: App = None,
    as_json: AsJson = False,
) -> None:
    """Let the requests that wait go on."""

    async def ask(client: Client) -> Json:
        chosen = await calls.only_app(client, named)
        return await client.post(f"/apps/{chosen}/unpark", signature(by, why))

    with told(as_json):
        answer = call(socket, config, ask)
        put(answer) if as_json else say(f"{answer['app']}: {answer['waited']} requests go on")


def _command(name: str, summary: str, ask_why: bool = False) -> None:
    """Add the command `name`, which posts to the daemon and prints the new state."""
    why_default: Any = ... if ask_why else ""

    def command(
        by: By = None,
        why: str = typer.Option(why_default, "--why", help="Why, for the journal."),
        config: ConfigFile = None,
        socket: Socket = None,
        named: App = None,
        as_json: AsJson = False,
    ) -> None:
        async def ask(client: Client) -> Json:
            chosen = await calls.only_app(client, named)
            return await client.post(f"/apps/{chosen}/{name}", signature(by, why))

        with told(as_json):
            answer = call(socket, config, ask)
            put(answer) if as_json else say(f"{answer['app']}: {answer['state'].lower().replace('_', ' ')}")

    command.__doc__ = summary
    app.command(name)(command)


_command("pause", "Stay at the present step; a worse shadow is still rolled back.")
_command("resume", "Go on after a pause or a hold.")
_command("promote", "Give the shadow all traffic now, on your word.", ask_why=True)
_command("rollback", "Give live all traffic and remove the shadow.")
_command("undo", "After a promotion: go back to the standby.")


@app.command()
def override(
    why: Annotated[str, typer.Option("--why", help="Why, for the journal.")],
    change_set: Annotated[
        str,
        typer.Option("--change-set", help="Refuse unless this one waits: the hash that plan prints."),
    ] = "",
    by: By = None,
    config: ConfigFile = None,
    socket: Socket = None,
    named: App = None,
    as_json: AsJson = False,
) -> None:
    """Consent to the rollback cost of the change set that waits; another one needs another consent."""

    async def ask(client: Client) -> Json:
        chosen = await calls.only_app(client, named)
        return await client.post(f"/apps/{chosen}/override", {**signature(by, why), "change_set": change_set})

    with told(as_json):
        answer = call(socket, config, ask)
        put(answer) if as_json else say(f"{answer['app']}: {answer['state'].lower().replace('_', ' ')}")


def seconds(written: str) -> float:
    try:
        return duration_s(written)
    except ValueError as error:
        raise OperatorError(f"--for {written}: {error}") from None


def signature(by: str | None, why: str) -> Json:
    return {"by": by or getpass.getuser(), "why": why}


def say_event(event: Json) -> None:
    say(f"{event['at'][:19].replace('T', ' ')}  {event['sentence']}")
