"""Builds that the engine's own builder cannot do: by the docker command, which speaks BuildKit's protocol.

The SDK has no client for BuildKit.  The command has one: in its buildx plugin, or, up to version 22, in itself, where
it knows less.  It is asked to leave the image on the engine, under the name that our own builder would give it.
"""

import asyncio
import contextlib
import os
import re
import shutil
import signal
from asyncio.subprocess import Process
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from provisioners.docker.documents import content_of
from splitter.template import Build, Document

IDLE_TIMEOUT_S = 600  # between two pieces of a build's output: a step that compiles says nothing for minutes
PROBE_TIMEOUT_S = 60
LINES_KEPT = 20
PIECE_BYTES = 64 * 1024
BUILDX_SINCE = 23
"""From this version on the command builds nothing with BuildKit without its plugin."""

_VERSION = re.compile(r"Docker version ([0-9]{1,4})\.", re.ASCII)
_OF_THE_COMMAND = frozenset({"secrets", "ssh", "cache_from"})
_INSTALL = "install the docker command with its buildx plugin, or build the image beforehand and name it with image"


class BuildCommandError(Exception):
    """The docker command is not there, did not end, or ended badly; the message says which."""


@dataclass(frozen=True, slots=True)
class Builder:
    """A command that builds with BuildKit; `knows` are the keys that it can do, None: all of them."""

    words: tuple[str, ...]
    knows: frozenset[str] | None = None

    def lacks(self, build: Build) -> list[str]:
        return [] if self.knows is None else [key for key in needs(build) if key not in self.knows]


def needs(build: Build) -> list[str]:
    """Return the keys of a build that only BuildKit can do."""
    asked = {
        "secrets": build.secrets,
        "ssh": build.ssh,
        "cache_from": [each for each in build.cache_from if each.startswith("type=")],
        "cache_to": build.cache_to,
        "additional_contexts": build.additional_contexts,
        "entitlements": build.entitlements,
        "ulimits": build.ulimits,
    }
    return [key for key, value in asked.items() if value]


async def missing(build: Build) -> str:
    """Return why a build cannot be done here, and what to do; empty if it can."""
    if not (keys := needs(build)):
        return ""
    try:
        lacks = (await builder()).lacks(build)
    except BuildCommandError as error:
        return f"build.{keys[0]} needs BuildKit, and {error}; {_INSTALL}"
    if lacks:
        return f"build.{lacks[0]} needs BuildKit's own command, and docker here has no buildx plugin; {_INSTALL}"
    return ""


async def builder() -> Builder:
    """Return what builds with BuildKit on this machine.  Raises BuildCommandError where nothing does."""
    docker = shutil.which("docker")
    if docker is None:
        raise BuildCommandError("there is no docker command on the PATH")
    code, _ = await _run((docker, "buildx", "version"), os.environ, PROBE_TIMEOUT_S)
    if code == 0:
        return Builder((docker, "buildx", "build", "--load"))
    _, said = await _run((docker, "--version"), os.environ, PROBE_TIMEOUT_S)
    version = _VERSION.search(said)
    if version is None or int(version[1]) >= BUILDX_SINCE:
        raise BuildCommandError("docker here has no buildx plugin")
    return Builder((docker, "build"), _OF_THE_COMMAND)


@dataclass(frozen=True, slots=True)
class Job:
    """One build: what is built, what it is called, and what it is given.  `secrets` are by their keys."""

    build: Build
    tag: str
    labels: Mapping[str, str]
    dockerfile: str | None
    platform: str
    secrets: Mapping[str, Document]


async def run(job: Job, engine_url: str) -> None:
    """Build an image on the engine.  Raises BuildCommandError with the end of what was said; StackError for secrets."""
    found = await builder()
    flags, variables = await asyncio.to_thread(lambda: _secrets(job))
    environment = {**os.environ, **variables, "DOCKER_HOST": engine_url, "DOCKER_BUILDKIT": "1"}
    environment.pop("DOCKER_CONTEXT", None)  # it would win over the host
    code, said = await _run((*found.words, *arguments(job), *flags, job.build.context), environment, IDLE_TIMEOUT_S)
    if code:
        raise BuildCommandError(said or f"it ended with {code} and said nothing")


def arguments(job: Job) -> list[str]:
    """Return what the command is told, but for secrets and the context."""
    build = job.build
    dockerfile = job.dockerfile and str(Path(build.context, job.dockerfile))
    return [
        *("--progress", "plain", "--tag", job.tag),
        *(("--file", dockerfile) if dockerfile else ()),
        *_each("--build-arg", _pairs(build.args)),
        *(("--target", build.target) if build.target else ()),
        *_each("--label", _pairs(job.labels)),
        *_each("--cache-from", build.cache_from),
        *_each("--cache-to", build.cache_to),
        *(("--network", build.network) if build.network else ()),
        *(("--platform", job.platform) if job.platform else ()),
        *(() if build.shm_bytes is None else ("--shm-size", str(build.shm_bytes))),
        *_each("--add-host", build.extra_hosts),
        *_each("--ulimit", (f"{each.name}={each.soft}:{each.hard}" for each in build.ulimits)),
        *_each("--ssh", (f"{name}={path}" if path else name for name, path in build.ssh.items())),
        *_each("--build-context", _pairs(build.additional_contexts)),
        *_each("--allow", build.entitlements),
    ]


def _pairs(values: Mapping[str, str]) -> list[str]:
    return [f"{name}={value}" for name, value in values.items()]


def _each(flag: str, values: Iterable[str]) -> Iterator[str]:
    for value in values:
        yield flag
        yield value


def _secrets(job: Job) -> tuple[list[str], dict[str, str]]:
    """Return the flags of a build's secrets, and the variables that hold those that are no files.

    What a secret holds stands in no argument: everybody on the machine may read those.
    """
    flags: list[str] = []
    variables: dict[str, str] = {}
    for number, (name, key) in enumerate(job.build.secrets.items()):
        document = job.secrets[key]
        if document.file:
            flags += ["--secret", f"id={name},src={document.file}"]
            continue
        variable = f"SPLITTER_BUILD_SECRET_{number}"
        variables[variable] = content_of(document).decode()
        flags += ["--secret", f"id={name},env={variable}"]
    return flags, variables


async def _run(command: tuple[str, ...], environment: Mapping[str, str], idle_s: float) -> tuple[int, str]:
    """Run a command to its end; return its exit code and the end of what it said.

    It is ended, with all that it has started, if it says nothing for `idle_s` or its caller is cancelled.
    """
    process = await _started(command, environment)
    assert process.stdout is not None, "it was asked for"
    said = b""
    try:
        while piece := await asyncio.wait_for(process.stdout.read(PIECE_BYTES), idle_s):
            said = (said + piece)[-PIECE_BYTES:]
        code = await asyncio.wait_for(process.wait(), idle_s)
    except TimeoutError:
        raise BuildCommandError(f"it said nothing for {idle_s:g} s and was ended") from None
    finally:
        await _end(process)
    return code, "\n".join(said.decode(errors="replace").strip().splitlines()[-LINES_KEPT:])


async def _started(command: tuple[str, ...], environment: Mapping[str, str]) -> Process:
    """Start a command as leader of a group of its own.

    The event loop ends a process whose start is cancelled, but not what that has started meanwhile: so it is let start.
    """
    starting = asyncio.ensure_future(
        asyncio.create_subprocess_exec(
            *command,
            env=dict(environment),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            start_new_session=True,
        )
    )
    try:
        return await asyncio.shield(starting)
    except OSError as error:
        raise BuildCommandError(f"{command[0]} cannot be run: {error.strerror or error}") from error
    except asyncio.CancelledError:
        with contextlib.suppress(OSError):
            await _end(await starting)
        raise


async def _end(process: Process) -> None:
    """End a process that has not ended, with its group."""
    if process.returncode is None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        await process.wait()
