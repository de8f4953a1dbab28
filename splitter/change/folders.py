"""Where relative paths of a template start."""

import posixpath
import re
from dataclasses import dataclass

from splitter.change.shapes import Value

_WINDOWS = re.compile(r"[A-Za-z]:[\\/]|\\\\", re.ASCII)
_ELSEWHERE = re.compile(r"[a-z][a-z0-9+.-]*://|git@|github\.com/", re.ASCII)


@dataclass(frozen=True, slots=True)
class Folders:
    """Where relative paths start, and what `~` stands for (empty: unknown)."""

    project: str
    home: str = ""

    def resolve(self, path: str) -> str:
        """Return `path` as an absolute path without `.` and `..`.

        Raises ValueError for `~` without a home, and for a path of Windows.
        """
        if is_of_windows(path):
            raise ValueError(f"{path!r} is a path of Windows; write it as the engine's host has it")
        if path == "~" or path.startswith("~/"):
            if not self.home:
                raise ValueError(f"{path!r} needs HOME, which is not set; write the whole path")
            path = self.home + path[1:]
        joined = posixpath.normpath(posixpath.join(self.project, path))
        return "/" + joined.lstrip("/") if joined.startswith("//") else joined


def resolved(value: Value, path: str, folders: Folders) -> str:
    """Return `path` made absolute; a `~` that cannot be resolved is a mistake of `value`."""
    return value.attempt(lambda: folders.resolve(path), path)


def is_of_windows(path: str) -> bool:
    r"""Return whether `path` begins with a drive (`C:\`) or a server (`\\server`), which no path of ours does."""
    return _WINDOWS.match(path) is not None


def is_elsewhere(path: str) -> bool:
    """Return whether `path` is no path of this machine but an address, as of a repository or an image."""
    return _ELSEWHERE.match(path) is not None


def folder_of(file: str) -> str:
    """Return the folder that a file stands in."""
    return file.rpartition("/")[0] or "/"
