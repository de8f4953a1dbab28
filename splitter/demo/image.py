"""An image for the demo, made of this very machine: its Python, that Python's libraries, and the demo's app.

Nothing is pulled and no base image is needed.  Every file keeps the path that it has here, so what holds here (the
interpreter's idea of its prefix, the run paths of its libraries) holds in the container.  `/python` leads to the
interpreter and `/app.py` is the app; there is no shell.

The image is made again only if what it is made of has changed: a label keeps the digest of that.
"""

import asyncio
import contextlib
import hashlib
import io
import os
import platform
import re
import shutil
import subprocess
import sys
import sysconfig
import tarfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from docker import APIClient
from docker.errors import APIError, ImageNotFound
from docker.utils import parse_repository_tag

from provisioners.docker import Engine
from splitter.errors import OperatorError

APP = Path(__file__).parent / "app.py"
PYTHON_IN_IMAGE = "/python"
APP_IN_IMAGE = "/app.py"
DIGEST_LABEL = "splitter.demo.contents"
FORMAT = "1"  # a part of the digest: raise it when what is packed, or how, changes

LEFT_OUT = frozenset(
    {"__pycache__", "site-packages", "dist-packages", "test", "tests", "unittest", "idlelib", "tkinter", "turtledemo"}
    | {"ensurepip", "venv", "distutils", "lib2to3", "pydoc_data", "curses", "dbm", "sqlite3"}
)
LEFT_OUT_PREFIXES = ("config-", "_test", "_tkinter", "_sqlite3", "_curses", "_dbm", "_gdbm", "_xx", "xx")
OPENED_AT_RUN_TIME = ("libgcc_s.so.1", "libnss_files.so.2", "libnss_dns.so.2", "libresolv.so.2")  # no tool lists these
LDD_LINE = re.compile(r"(?:=>\s*)?(/\S+)\s+\(0x[0-9a-f]+\)")
ENGINE_NAMES = {
    "x86_64": "amd64",
    "amd64": "amd64",
    "aarch64": "arm64",
    "arm64": "arm64",
    "armv7l": "arm",
    "i686": "386",
}

Changes = Sequence[str]


@dataclass(frozen=True, slots=True)
class Python:
    """A Python on this machine: its interpreter, and the directories of its standard library."""

    executable: Path
    libraries: tuple[Path, ...]

    @classmethod
    def running(cls) -> Self:
        """Return the Python that we run on; in a virtual environment, the one beneath it."""
        paths = (sysconfig.get_path("stdlib"), sysconfig.get_path("platstdlib"))
        kept = sorted({Path(path) for path in paths if path and (Path(path) / "os.py").exists()})
        return cls(Path(sys.executable).resolve(), tuple(kept))


async def pack_python(tag: str, engine: Engine, app: Path = APP) -> str:
    """Make sure that `engine` has image `tag` with our Python and `app`; return the image's id.

    Raises OperatorError where no such image can be made, EngineError if the engine refuses it.
    """
    _check_here()
    version = await engine.read("ask for the engine's version", lambda client: client.version())
    _check_same_machine(version)
    python = Python.running()
    files = await asyncio.to_thread(lambda: list(_library_files(python)))
    digest = await asyncio.to_thread(_digest, python, files, app)
    looking = f"look for image {tag}"
    present, made_of = await engine.read(looking, lambda client: _find(client, tag))
    if present and made_of == digest:
        return present
    content = await asyncio.to_thread(_pack, python, files, app)
    changes = (
        f"LABEL {DIGEST_LABEL}={digest}",
        "ENV PYTHONUNBUFFERED=1",
        f'CMD ["{PYTHON_IN_IMAGE}", "{APP_IN_IMAGE}"]',
    )
    await engine.change(f"make image {tag}", lambda client: _import(client, tag, content, changes), slow=True)
    if made_of:
        await engine.change("remove the former image", lambda client: _remove(client, present), slow=True)
    return (await engine.read(looking, lambda client: _find(client, tag)))[0]


def _check_here() -> None:
    if platform.system() != "Linux":
        raise OperatorError(
            f"the demo's image is made of this machine's own Python, and {platform.system()} programs do not run in "
            "Linux containers; run the demo on Linux, or without containers (splitter demo)"
        )
    if shutil.which("ldd") is None:
        raise OperatorError("the demo's image needs ldd (package libc-bin) to find out which libraries Python uses")


def _check_same_machine(version: dict[str, Any]) -> None:
    """Refuse an engine on which this machine's programs do not run."""
    here = ENGINE_NAMES.get(platform.machine(), platform.machine())
    there, system = version.get("Arch", here), version.get("Os", "linux")
    if (there, system) != (here, "linux"):
        raise OperatorError(
            f"the engine runs {system}/{there} and this machine is linux/{here}, so the demo's image cannot be made of "
            "this machine's Python; run the demo where the engine runs"
        )


def _find(client: APIClient, tag: str) -> tuple[str, str]:
    """Return the id of image `tag` and the digest of what we made it of; empty texts if it is none, or not ours."""
    try:
        image: dict[str, Any] = client.inspect_image(tag)  # type: ignore[no-untyped-call]  # has no annotations
    except ImageNotFound:
        return "", ""
    labels = (image.get("Config") or {}).get("Labels") or {}
    return str(image["Id"]), str(labels.get(DIGEST_LABEL, ""))


def _import(client: APIClient, tag: str, content: bytes, changes: Changes) -> None:
    repository, version = parse_repository_tag(tag)
    client.import_image_from_data(content, repository=repository, tag=version or "latest", changes=list(changes))


def _remove(client: APIClient, image: str) -> None:
    """Remove an image that has lost its tag, unless a container still runs it, or it has other tags."""
    with contextlib.suppress(APIError):
        client.remove_image(image)


# --- What goes in ------------------------------------------------------------------------------------------------


def _library_files(python: Python) -> Iterator[Path]:
    """Yield the files of the standard library that a small server can need, each once."""
    seen: set[Path] = set()
    for library in python.libraries:
        for folder, folders, names in os.walk(library):
            folders[:] = sorted(name for name in folders if not _left_out(name))
            for name in sorted(names):
                path = Path(folder, name)
                if path not in seen and path.suffix in (".py", ".so") and not _left_out(name) and path.exists():
                    seen.add(path)
                    yield path


def _left_out(name: str) -> bool:
    return name in LEFT_OUT or name.startswith(LEFT_OUT_PREFIXES)


def _shared_libraries(binaries: Iterable[Path]) -> set[Path]:
    """Return what the dynamic linker loads for `binaries`, the linker itself included, and what glibc opens later."""
    listed = subprocess.run(  # noqa: S603  # fixed program, our own interpreter's files
        [str(shutil.which("ldd")), *map(str, binaries)], capture_output=True, text=True, check=False
    )
    found = {Path(path) for path in LDD_LINE.findall(listed.stdout)}
    libc_folders = {path.parent for path in found if path.name.startswith("libc.so")}
    hidden = (folder / name for folder in libc_folders for name in OPENED_AT_RUN_TIME)
    return found | {path for path in hidden if path.exists()}


def _digest(python: Python, files: Sequence[Path], app: Path) -> str:
    """Return the digest of what the image is made of; of the system's files, size and time stand for the content."""
    digest = hashlib.sha256(f"{FORMAT} {python.executable}".encode())
    for path in (python.executable, *files):
        facts = path.stat()
        digest.update(f"{path} {facts.st_size} {facts.st_mtime_ns}\n".encode())
    digest.update(app.read_bytes())
    return digest.hexdigest()


def _pack(python: Python, files: Sequence[Path], app: Path) -> bytes:
    """Return the image's one layer: links are followed, so each path of here holds the file itself there."""
    binaries = [python.executable, *(path for path in files if path.suffix == ".so")]
    kept = {python.executable, *files, *_shared_libraries(binaries)}
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", dereference=True) as tar:
        for path in sorted(kept):
            tar.add(path, arcname=str(path).lstrip("/"), recursive=False)
        tar.addfile(_link(PYTHON_IN_IMAGE, str(python.executable)))
        tar.add(app, arcname=APP_IN_IMAGE.lstrip("/"))
        _add_text(tar, "etc/passwd", "root:x:0:0:root:/:/python\nnobody:x:65534:65534:nobody:/:/python\n")
        _add_text(tar, "etc/group", "root:x:0:\nnogroup:x:65534:\n")
        _add_text(tar, "etc/nsswitch.conf", "hosts: files dns\n")
        tar.addfile(_folder("tmp", 0o1777))
    return buffer.getvalue()


def _link(path: str, target: str) -> tarfile.TarInfo:
    link = tarfile.TarInfo(path.lstrip("/"))
    link.type, link.linkname = tarfile.SYMTYPE, target
    return link


def _folder(path: str, mode: int) -> tarfile.TarInfo:
    folder = tarfile.TarInfo(path)
    folder.type, folder.mode = tarfile.DIRTYPE, mode
    return folder


def _add_text(tar: tarfile.TarFile, path: str, text: str) -> None:
    content = text.encode()
    entry = tarfile.TarInfo(path)
    entry.size, entry.mode = len(content), 0o644
    tar.addfile(entry, io.BytesIO(content))
