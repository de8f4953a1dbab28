"""What an image is built from, as a digest: the files that the engine is sent, and how they are built.

It is a label of every image that we build, so a plan can say whether a build would give what live runs, without
building.  Times and owners of files do not matter, as they do not to the engine's own cache.  What a Dockerfile fetches
from elsewhere nobody sees: to that, as to the cache, an equal build is equal.
"""

import hashlib
import os
import stat
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from docker.utils import exclude_paths

from provisioners.docker import names
from splitter.change.canonical import canonical, jsonable
from splitter.template import Build

IGNORED = ".dockerignore"
CHUNK_BYTES = 1024 * 1024
_NOT_BUILT = (
    "context",
    "labels",
    "cache_from",
    "cache_to",
)  # where it stands, what it is called and what is only faster


def digest(build: Build, give_up: threading.Event) -> str:
    """Return the digest of a build; empty where its files cannot be read, or reading was given up.  Blocks.

    A build with contexts besides its own has none: those may hold anything, and lie on another machine.
    """
    if build.additional_contexts:
        return ""
    found = hashlib.sha256(canonical(_asked(build)).encode())
    try:
        for path in _files(build):
            if give_up.is_set():
                return ""
            _add(found, Path(build.context), path)
    except OSError:
        return ""
    return found.hexdigest()


def of_image(inspected: Mapping[str, Any]) -> str:
    """Return the digest of the build that an image came from; empty where we did not build it."""
    return str(((inspected.get("Config") or {}).get("Labels") or {}).get(names.CONTEXT, ""))


def _asked(build: Build) -> dict[str, Any]:
    plain = jsonable(build)
    return {key: value for key, value in plain.items() if key not in _NOT_BUILT}


def _files(build: Build) -> Iterator[str]:
    """Yield what the engine is sent, relative to the context, in one order; a Dockerfile may lie elsewhere."""
    ignored = Path(build.context, IGNORED)
    lines = (line.strip() for line in ignored.read_text().splitlines()) if ignored.exists() else ()
    patterns = [line for line in lines if line and not line.startswith("#")]
    dockerfile = os.path.relpath(Path(build.context, build.dockerfile or "Dockerfile"), build.context)
    yield from sorted(exclude_paths(build.context, patterns, dockerfile=dockerfile))
    if dockerfile.startswith(".."):
        yield dockerfile


def _add(found: "hashlib._Hash", context: Path, path: str) -> None:
    """Add one file: its name, whether it is a program, and what it holds."""
    place = context / path
    mode = place.lstat().st_mode
    kind = stat.S_IFMT(mode) | (mode & 0o777 if stat.S_ISREG(mode) else 0)
    found.update(f"\0{path}\0{kind:o}\0".encode(errors="surrogateescape"))
    if stat.S_ISLNK(mode):
        found.update(str(place.readlink()).encode(errors="surrogateescape"))
    elif stat.S_ISREG(mode):
        with place.open("rb") as file:
            content = hashlib.sha256()
            while chunk := file.read(CHUNK_BYTES):
                content.update(chunk)
        found.update(content.digest())
