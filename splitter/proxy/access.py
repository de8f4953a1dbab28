"""The access log: one line of JSON for each request, written by a thread of its own.

Rule 1: it never slows or breaks a request.  A request's end encodes a line and appends it, no more; a thread writes.
What does not fit into the bounded queue, because a disk is full or a pipe is not read, is dropped and counted, and said
once until it works again.
Rule 2: a line is whole.  After a write that was cut short the next one begins on a line of its own.
Rule 3: what a client sent is data: JSON escapes it, so nobody can forge a line.

Cost per request while it is on: 6 µs, on the event loop, for a thread that encodes would hold the interpreter in bursts
of milliseconds; nothing while it is off.
"""

import json
import logging
import os
import threading
import time
from collections import deque
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final, NamedTuple

from splitter.errors import OperatorError
from splitter.proxy.options import STDOUT, AccessOptions

_MODE: Final = 0o640  # addresses and targets are nobody's business but the operator's
_CLOSE_S_MAX: Final = 2.0

CLIENT_LEFT: Final = 499  # no client ever gets it: the status of a request that nobody waited for

log = logging.getLogger(__name__)

_encode = json.JSONEncoder(separators=(",", ":")).encode


class Entry(NamedTuple):
    """One request at its end.  Empty texts and None: not known, as the method of a head that could not be read.

    `status` is what the client got, 499 if it did not wait.  `outcome` is `answered` (by a stack), `replied` (by
    splitter itself, `error` says why), `cut` (in the middle of an answer) or `aborted` (by the client).  Bytes are
    those of the bodies.  `is_replayed`: live answered after the shadow had failed.
    `is_mirrored`: the shadow got a copy.
    """

    app: str
    route: str
    stack: str
    client: str
    method: bytes
    host: str
    target: bytes
    status: int
    outcome: str
    error: str
    request_bytes: int
    response_bytes: int
    total_us: int | None
    first_byte_us: int | None
    connect_us: int | None
    request_id: bytes
    is_replayed: bool
    is_mirrored: bool


def unread(client: str, status: int, outcome: str, error: str) -> Entry:
    """Return the entry of a request whose head could not be read."""
    return Entry("", "", "", client, b"", "", b"", status, outcome, error, 0, 0, None, None, None, b"", False, False)


def line(entry: Entry, at_s: float) -> str:
    """Return the line of `entry`, which ended at `at_s` (seconds since 1970)."""
    # Names are bytes as they came; Latin-1 gives each byte a character, and JSON escapes what is not ASCII.
    return _encode(
        {
            "time": datetime.fromtimestamp(at_s, UTC).isoformat(timespec="milliseconds"),
            "app": entry.app or None,
            "route": entry.route or None,
            "stack": entry.stack or None,
            "client": entry.client,
            "method": entry.method.decode("latin-1") or None,
            "host": entry.host or None,
            "target": entry.target.decode("latin-1") or None,
            "status": entry.status,
            "outcome": entry.outcome,
            "error": entry.error or None,
            "request_bytes": entry.request_bytes,
            "response_bytes": entry.response_bytes,
            "total_us": entry.total_us,
            "first_byte_us": entry.first_byte_us,
            "connect_us": entry.connect_us,
            "request_id": entry.request_id.decode("latin-1") or None,
            "replayed": entry.is_replayed,
            "mirrored": entry.is_mirrored,
        }
    )


class AccessLog:
    """The lines that wait, and the thread that writes them.  `note` and `reopen` are the event loop's."""

    def __init__(self, options: AccessOptions, now: Callable[[], float] = time.time) -> None:
        """Open the file.  Raises OperatorError if it cannot be."""
        self.written = 0
        self.lost = 0
        self._options = options
        self._now = now
        self._lines: deque[str] = deque()
        self._turn = threading.Event()  # ends a pause of the thread
        self._is_closing = False
        self._is_stale = False  # the file was moved away
        self._is_torn = False  # the last write was cut short
        self._trouble = ""
        try:
            self._file = self._open()
        except OSError as error:
            raise OperatorError(
                f"access_log: {options.to}: {error.strerror}; choose a file that we may write"
            ) from error
        self._thread = threading.Thread(target=self._run, name="access log", daemon=True)  # a stuck pipe ends with us

    def start(self) -> None:
        """Begin to write."""
        self._thread.start()

    def note(self, entry: Entry) -> None:
        """Queue the line of a request, or count it as lost if there is no room."""
        if len(self._lines) >= self._options.queue_max:
            self.lost += 1
        else:
            self._lines.append(line(entry, self._now()))

    def reopen(self) -> None:
        """Write to a new file of the same name from now on: the present one is being rotated."""
        self._is_stale = True
        self._turn.set()

    def close(self) -> None:
        """Write what waits, if that takes no more than two seconds, and end.  Idempotent."""
        self._is_closing = True
        self._turn.set()
        if self._thread.is_alive():
            self._thread.join(_CLOSE_S_MAX)

    # The thread.

    def _run(self) -> None:
        while not self._is_closing:
            self._turn.wait(self._options.flush_s)
            self._turn.clear()
            self.write_out()
        self.write_out()
        if self._options.to != STDOUT:
            os.close(self._file)

    def write_out(self) -> None:
        """Write what waits.  For the thread, and for tests in its place."""
        if self._is_stale:
            self._is_stale = False
            self._renew()
        lines = [self._lines.popleft() for _ in range(len(self._lines))]
        if not lines:
            return
        try:
            self._write("".join(["\n" if self._is_torn else "", *(each + "\n" for each in lines)]).encode("ascii"))
        except OSError as error:
            self.lost += len(lines)
            self._complain(f"{error.strerror}")
        else:
            self.written += len(lines)
            self._recover()

    def _write(self, data: bytes) -> None:
        """Write all of `data`.  Raises OSError; what went out by then may end within a line."""
        left = memoryview(data)
        while left:
            count = os.write(self._file, left)
            left = left[count:]
            self._is_torn = bool(left) and data[len(data) - len(left) - 1 : len(data) - len(left)] != b"\n"

    def _open(self) -> int:
        if self._options.to == STDOUT:
            return 1
        return os.open(self._options.to, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, _MODE)

    def _renew(self) -> None:
        """Open the file anew; where that fails the old one is written on."""
        if self._options.to == STDOUT:
            return
        try:
            former, self._file = self._file, self._open()
        except OSError as error:
            log.warning(
                "access log: %s cannot be reopened: %s; the old file is used on", self._options.to, error.strerror
            )
        else:
            self._is_torn = False
            os.close(former)

    def _complain(self, reason: str) -> None:
        if not self._trouble:
            self._trouble = reason
            log.error("access log: %s: %s; lines are lost until it can be written again", self._options.to, reason)

    def _recover(self) -> None:
        if self._trouble:
            self._trouble = ""
            log.warning("access log: %s is written again; %d lines were lost so far", self._options.to, self.lost)
