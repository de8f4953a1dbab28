"""Templates as people name them, and `splitter config`, which prints what is read from them."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from splitter.admin.client import Json
from splitter.change.compose_file import to_json, to_yaml
from splitter.cli import calls
from splitter.cli.options import App, AsJson, ConfigFile, Variables
from splitter.cli.outcome import say, told
from splitter.config import load_config
from splitter.errors import OperatorError
from splitter.reading import Loader, Request, read_template
from splitter.template import Template

COMPOSE_FILES = ("compose.yaml", "compose.yml", "docker-compose.yml", "docker-compose.yaml")


class ReadBy(StrEnum):
    """What reads a template, as an app's option `loader` says it."""

    BUILTIN = "builtin"
    COMPOSE_CLI = "compose-cli"


LoaderOption = Annotated[
    ReadBy | None, typer.Option("--loader", help="What reads the files; default: as the app says.")
]
Profiles = Annotated[list[str] | None, typer.Option("--profile", help="A profile that is on; * is all of them.")]


def config(
    files: Annotated[list[Path] | None, typer.Argument(help="Compose files, merged in this order.")] = None,
    env: Variables = None,
    profile: Profiles = None,
    loader: LoaderOption = None,
    config: ConfigFile = None,
    named: App = None,
    as_json: AsJson = False,
) -> None:
    """Print a template as it is understood: one Compose file, variables replaced, files merged, paths absolute.

    Without files it is the template of an app; without a configuration, the compose.yaml of this folder or of the
    nearest one above it.  What is printed is a Compose file: values of variables, passwords too, stand in it.
    """
    with told(as_json):
        wanted = _Wanted(files or [], environment(env or []), tuple(profile or ()), loader.value if loader else None)
        template = _template(wanted, config, named)
        for note in template.notes:
            typer.echo(f"note: {note}", err=True)
        say((to_json(template) if as_json else to_yaml(template)).rstrip("\n"))


@dataclass(frozen=True, slots=True)
class _Wanted:
    """What was typed; a loader of None is the app's."""

    files: list[Path]
    variables: Mapping[str, str]
    profiles: tuple[str, ...]
    loader: Loader | None


def _template(wanted: _Wanted, config: Path | None, named: str | None) -> Template:
    """Read as an app's template where there is a configuration, else as `docker compose` would."""
    try:
        path = calls.find_config(config)
    except OperatorError:
        files = wanted.files or found_files(Path.cwd())
        return read_alone(files, wanted.variables, wanted.profiles, loader=wanted.loader or "builtin")
    from splitter import daemon  # the other commands start faster without the whole house

    loaded = load_config(path)
    app = loaded.apps[calls.choose(loaded.apps, named)]
    chosen = [str(file.absolute()) for file in wanted.files] or list(app.template_files)
    if not chosen:
        raise OperatorError(f"{app.name} adopts a running project and names no template; name the files")
    return daemon.read_template(app, loaded.inline_templates, chosen, wanted.variables, wanted.profiles, wanted.loader)


def read_alone(
    files: list[Path],
    variables: Mapping[str, str],
    profiles: tuple[str, ...] = (),
    *,
    require_image: bool = True,
    loader: Loader = "builtin",
) -> Template:
    """Return the template of `files` without any configuration.  Raises TemplateError."""
    request = Request(
        files=tuple(str(file.absolute()) for file in files),
        environment={**os.environ, **variables},
        profiles=profiles,
        require_image=require_image,
    )
    return read_template(request, lambda path: Path(path).read_text(encoding="utf-8"), loader)


def found_files(folder: Path) -> list[Path]:
    """Return the Compose file of `folder` or of the nearest one above it, with the override beside it."""
    for place in (folder, *folder.parents):
        found = [place / name for name in COMPOSE_FILES if (place / name).is_file()]
        if found:
            stem = found[0].stem
            overrides = [place / f"{stem}.override{suffix}" for suffix in (".yaml", ".yml")]
            return [found[0], *[path for path in overrides if path.is_file()][:1]]
    raise OperatorError(f"no {COMPOSE_FILES[0]} here or above: name the Compose files")


def template_body(files: list[Path], variables: list[str] | None) -> Json:
    """The daemon reads the files itself, so their paths are made absolute here; variables it cannot know are sent."""
    return {"files": [str(path.absolute()) for path in files], "environment": environment(variables or [])}


def environment(variables: list[str]) -> dict[str, str]:
    """Return `NAME=VALUE` as a mapping; a bare name has the value that it has here."""
    found: dict[str, str] = {}
    for each in variables:
        name, equals, value = each.partition("=")
        if not name or (not equals and name not in os.environ):
            raise OperatorError(f"--env {each}: write NAME=VALUE, or the name of a variable that is set here")
        found[name] = value if equals else os.environ[name]
    return found
