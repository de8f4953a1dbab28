"""Templates from disk, by the loader that an app names.

`builtin` is our own (`change.loader`), which needs no program.  `compose-cli` lets `docker compose config` read the
files first and reads what that prints, for people whose files only Compose itself understands; what Compose has put
into names and defaults is taken out again (`change.compose_output`).

Blocks: it reads files and waits for a program.
"""

import os
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

from splitter.change.compose_output import VERSION_MIN, arguments, as_written, is_new_enough
from splitter.change.folders import folder_of
from splitter.change.loader import load
from splitter.change.sources import Read
from splitter.errors import OperatorError, Problem, TemplateError
from splitter.limits import COMPOSE_CLI_TIMEOUT_S
from splitter.template import Template

Loader: TypeAlias = Literal["builtin", "compose-cli"]

_PROGRAMS = (("docker", "compose"), ("docker-compose",))
_NEEDED = f"docker compose {'.'.join(map(str, VERSION_MIN))} or newer"


@dataclass(frozen=True, slots=True)
class Request:
    """What is to be read, and with what: the arguments of `change.loader.load`."""

    files: tuple[str, ...]
    environment: Mapping[str, str]
    profiles: tuple[str, ...] = ()
    project: str | None = None
    env_files: tuple[str, ...] | None = None
    require_image: bool = True


def read_template(request: Request, read: Read, loader: Loader = "builtin") -> Template:
    """Return the template.  Raises TemplateError, or OperatorError where a program is missing."""
    return _composed(request, read) if loader == "compose-cli" else _load(request, read)


def _load(request: Request, read: Read) -> Template:
    return load(
        request.files,
        read=read,
        environment=request.environment,
        profiles=request.profiles,
        project=request.project,
        env_files=request.env_files,
        require_image=request.require_image,
    )


def _composed(request: Request, read: Read) -> Template:
    if not request.files:
        return _load(request, read)  # says what is missing
    folder = folder_of(request.files[0])
    words = arguments(request.files, folder, request.profiles, request.project or "", request.env_files or ())
    printed, warnings = _printed(request, [*_program(request.environment), *words], folder)
    output = f"{request.files[0]} (as docker compose config prints it)"

    def read_output(path: str) -> str:
        return printed if path == output else read(path)

    template = load(
        [output],
        read=read_output,
        environment=request.environment,
        profiles=("*",),  # Compose has left out what is off
        directory=folder,
        project=request.project,
        env_files=request.env_files,
        require_image=request.require_image,
    )
    return replace(template, files=request.files, notes=(*warnings, *template.notes))


def _printed(request: Request, command: list[str], folder: str) -> tuple[str, list[str]]:
    """Return what Compose prints of the files, and what it warns of."""
    ended = _run(command, request.environment, folder)
    said = [line.strip() for line in ended.stderr.splitlines() if line.strip()]
    if ended.returncode:
        raise _refused(request, "\n".join(said) or f"docker compose ended with {ended.returncode} and said nothing")
    try:
        return as_written(ended.stdout), [f"docker compose: {line}" for line in said]
    except ValueError as error:
        raise _refused(request, f"docker compose config printed no JSON ({error})") from None


def _refused(request: Request, message: str) -> TemplateError:
    return TemplateError([Problem(request.files[0], 0, 0, "", message)])


def _program(environment: Mapping[str, str]) -> list[str]:
    """Return the command that is Compose here.  Raises OperatorError where there is none, or an old one alone."""
    found: list[str] = []
    for name, *words in _PROGRAMS:
        path = shutil.which(name)  # of our own PATH: a template's variables choose no programs
        if path is None:
            continue
        version = _run([path, *words, "version", "--short"], environment, None)
        if version.returncode:
            continue
        if is_new_enough(version.stdout):
            return [path, *words]
        found.append(f"{' '.join((name, *words))} is {version.stdout.strip()[:40] or 'of no version'}")
    there = f"but {' and '.join(found)}" if found else "and there is none on the PATH"
    raise OperatorError(
        f"loader: compose-cli needs {_NEEDED}, {there}; install the Compose plugin, or write loader: builtin"
    )


def _run(command: list[str], environment: Mapping[str, str], folder: str | None) -> "subprocess.CompletedProcess[str]":
    """Run a program to its end; what it says is text, whatever bytes it is."""
    try:
        return subprocess.run(  # noqa: S603 - a path that was looked up, and words of our own
            command,
            env={**environment, "PATH": os.environ.get("PATH", os.defpath)},
            cwd=folder,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            timeout=COMPOSE_CLI_TIMEOUT_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise OperatorError(f"{command[0]} did not end within {COMPOSE_CLI_TIMEOUT_S:g} s; try it by hand") from None
    except OSError as error:
        raise OperatorError(f"{command[0]} cannot be run: {error.strerror or error}") from error
