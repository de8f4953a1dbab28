"""The commands that need no daemon, and the one that is it."""

import importlib.metadata
from pathlib import Path
from typing import Annotated

import typer

from splitter.cli import calls
from splitter.cli.options import App, AsJson, ConfigFile, Variables
from splitter.cli.outcome import put, say, told
from splitter.cli.templates import template_body
from splitter.config import json_schema, load_config


def validate(
    files: Annotated[list[Path] | None, typer.Argument(help="Compose files to check as an app's next version.")] = None,
    env: Variables = None,
    config: ConfigFile = None,
    named: App = None,
    as_json: AsJson = False,
) -> None:
    """Check the configuration and the templates it names, or the files given; every mistake at once."""
    from splitter import daemon  # the other commands start faster without the whole house

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


def run(config: ConfigFile = None, as_json: AsJson = False) -> None:
    """Run the daemon: listeners, stacks, rollouts, admin API."""
    from splitter import daemon  # the other commands start faster without the whole house

    with told(as_json):
        code = daemon.run(load_config(calls.find_config(config)))
    raise typer.Exit(code)


def schema(as_json: AsJson = False) -> None:
    """Print the JSON Schema of the configuration, for editors; it is JSON with or without --json."""
    put(json_schema())


def demo(
    docker: Annotated[bool, typer.Option("--docker", help="Real containers instead of child processes.")] = False,
    as_json: AsJson = False,
) -> None:
    """Show a whole rollback and a whole promotion under traffic, in under a minute."""
    from splitter.demo import story

    with told(as_json):
        code = story.main(docker=docker, as_json=as_json)
    raise typer.Exit(code)


def version(as_json: AsJson = False) -> None:
    """Print the version."""
    number = importlib.metadata.version("splitter")
    put({"version": number}) if as_json else say(f"splitter {number}")
