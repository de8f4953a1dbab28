"""`splitter init`: the first configuration, from the Compose file that somebody has.  Needs no daemon."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from splitter.admin.wire import plain
from splitter.cli.options import AsJson, Variables
from splitter.cli.outcome import put, say, told
from splitter.cli.templates import environment, found_files, read_alone
from splitter.config.draft import Draft, Provisioner, draft
from splitter.config.loading import read_config
from splitter.errors import OperatorError
from splitter.template import Template

STDOUT = Path("-")


def init(
    files: Annotated[
        list[Path] | None, typer.Argument(help="Your Compose files; default: the compose.yaml here or above.")
    ] = None,
    service: Annotated[
        str, typer.Option("--service", metavar="NAME[:PORT]", help="The service that users reach; default: found out.")
    ] = "",
    provisioner: Annotated[
        Provisioner, typer.Option("--provisioner", help="What makes stacks: containers, or plain child processes.")
    ] = Provisioner.DOCKER,
    output: Annotated[
        Path, typer.Option("--output", "-o", help="The file to write, which must not exist; - prints it.")
    ] = Path("splitter.yaml"),
    env: Variables = None,
    as_json: AsJson = False,
) -> None:
    """Write a commented splitter.yaml from your own Compose files."""
    with told(as_json):
        chosen = files or found_files(Path.cwd())
        needs_image = provisioner is Provisioner.DOCKER
        template = read_alone(chosen, environment(env or []), require_image=needs_image)
        drafted = _drafted(template, chosen, output, service, provisioner)
        if output == STDOUT:
            say(drafted.text.rstrip("\n"))
            return
        _write(output, drafted.text)
        if as_json:
            told_of = {"bind": str(drafted.bind), "route": plain(drafted.chosen), "others": plain(drafted.others)}
            put({"config": str(output), "app": drafted.app, **told_of, "notes": list(template.notes)})
            return
        for sentence in _sentences(output, drafted, template.notes):
            say(sentence)


def _drafted(template: Template, files: list[Path], output: Path, service: str, provisioner: Provisioner) -> Draft:
    """Return a draft that is known to be good where it will lie."""
    folder = Path.cwd() if output == STDOUT else output.absolute().parent
    drafted = draft(template, [os.path.relpath(file.absolute(), folder) for file in files], service, provisioner)
    read_config(drafted.text, folder / output.name, {})
    return drafted


def _write(output: Path, text: str) -> None:
    try:
        with output.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        raise OperatorError(f"{output} is there already: name another file with -o, or remove it") from None
    except OSError as error:
        raise OperatorError(f"{output} cannot be written: {error.strerror}; name another file with -o") from error


def _sentences(output: Path, drafted: Draft, notes: Sequence[str]) -> list[str]:
    missed = "is reached by nobody yet: give it a host or a path in"
    return [
        f"{output}: written; {drafted.bind} leads to {drafted.chosen} of app {drafted.app}",
        *(f"note: {other} {missed} {output}" for other in drafted.others),
        *(f"note: {note}" for note in notes),
        f"look at it, then: splitter validate -c {output} && splitter run -c {output}",
    ]
