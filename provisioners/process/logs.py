"""What services print: one file each, bounded, and its last lines for error messages.

The service itself holds the file open, in append mode, because its output must survive the daemon.  So the file is
never renamed under it; one that has grown too large is copied aside and cut to nothing.
"""

import os
import shutil
from pathlib import Path

from provisioners.last_words import TAIL_LINES, in_one_line

LOG_BYTES_MAX = 16 * 1024 * 1024  # twice that on disk for each replica: the file and its predecessor
TAIL_BYTES = 8 * 1024


def open_log(path: Path) -> int:
    """Return a file descriptor to append to; the caller closes it."""
    return os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)


def trim(path: Path, bytes_max: int = LOG_BYTES_MAX) -> None:
    """Copy a log that is too large aside and cut it; what is printed in between is lost."""
    try:
        if path.stat().st_size <= bytes_max:
            return
        shutil.copyfile(path, path.with_name(path.name + ".1"))
        os.truncate(path, 0)
    except FileNotFoundError:
        return


def tail(path: Path, lines: int = TAIL_LINES) -> str:
    """Return the last lines of a log as one line, ` | ` between them; empty if there are none."""
    try:
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - TAIL_BYTES))
            text = file.read(TAIL_BYTES)
    except OSError:
        return ""
    return in_one_line(text, lines)
