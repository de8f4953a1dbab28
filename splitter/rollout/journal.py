"""The journal: every event in order, in one SQLite file of the state directory.

Rule 1: what `append` has returned from is on the disk (WAL, `synchronous` FULL: the commit waits for the device), all
of its events or none.  Notes in `events.BATCHED` are committed without that wait; the next decision carries them along.
Rule 2: one daemon a state directory.  A lock on the file `lock` is held for as long as the process lives, and falls
with it however it ends.
Rule 3: one thread owns the connection; what is asked of the journal is done there, in the order of asking.

Templates are kept by their digest, each once.  The judge's state is kept for each app, the latest only; the figures it
was fed are kept for the last few rollouts, so that a decision can be replayed.
"""

import asyncio
import contextlib
import fcntl
import logging
import os
import queue
import sqlite3
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final, Self, TypeVar

from splitter.errors import NotFoundError, StateError
from splitter.rollout.events import BATCHED, Event, decode, encode

SCHEMA_VERSION: Final = 1
APPLICATION_ID: Final = 0x73706C74  # `splt`
WRITE_TIMEOUT_S: Final = 10.0  # a device that hangs is no better than one that is full
PENDING_MAX: Final = 1_000  # figures that wait for the disk; beyond it they are dropped, events never are
FIGURES_KEPT_ROLLOUTS: Final = 5
TICKS_MAX: Final = 2**62  # what no rollout reaches

_SCHEMA: Final = """
CREATE TABLE events (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    at TEXT NOT NULL,
    app TEXT NOT NULL,
    rollout TEXT NOT NULL,
    kind TEXT NOT NULL,
    version INTEGER NOT NULL,
    state TEXT NOT NULL,
    by TEXT NOT NULL,
    sentence TEXT NOT NULL,
    data TEXT NOT NULL
);
CREATE INDEX events_of_app ON events (app, seq);
CREATE TABLE templates (digest TEXT PRIMARY KEY, text TEXT NOT NULL);
CREATE TABLE analyses (app TEXT PRIMARY KEY, rollout TEXT NOT NULL, text TEXT NOT NULL);
CREATE TABLE figures (
    app TEXT NOT NULL, rollout TEXT NOT NULL, tick INTEGER NOT NULL, text TEXT NOT NULL,
    PRIMARY KEY (app, rollout, tick)
);
"""

_ADD_FIGURES: Final = "INSERT OR REPLACE INTO figures VALUES (?, ?, ?, ?)"
_FORGET_ROLLOUT: Final = "DELETE FROM figures WHERE app = ? AND rollout = ?"
_FORGET_FIGURES: Final = f"""
DELETE FROM figures WHERE app = ? AND rollout NOT IN (
    SELECT rollout FROM events WHERE app = ? AND kind = 'requested' ORDER BY seq DESC LIMIT {FIGURES_KEPT_ROLLOUTS}
)
"""  # noqa: S608 (a constant)

log = logging.getLogger(__name__)

Value = TypeVar("Value")
Statements = Sequence[tuple[str, Sequence[tuple[object, ...]]]]
"""SQL, each with the arguments that it is carried out for."""


class Journal:
    """The journal of a state directory.  Opened by `open`, which takes the lock; used from one event loop."""

    def __init__(self, directory: Path, lock: int, connection: sqlite3.Connection) -> None:
        self.directory = directory
        self._lock = lock
        self._connection = connection
        self._jobs: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._pending = 0  # written on the event loop only
        self._thread = threading.Thread(target=self._work, name="journal", daemon=True)
        self._thread.start()

    @classmethod
    def open(cls, directory: Path) -> Self:
        """Lock and open the journal in `directory`, making both when they are not there.

        Raises StateError where that cannot be: locked by another daemon, not writable, or written by a newer splitter.
        """
        try:
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            lock = _locked(directory)
        except OSError as error:
            raise StateError(
                f"state directory {directory}: {error.strerror}; name one that this user may write"
            ) from error
        try:
            return cls(directory, lock, _connected(directory / "journal.db"))
        except BaseException:
            os.close(lock)
            raise

    @property
    def pending(self) -> int:
        """How much was asked for and is not done yet."""
        return self._pending

    async def append(self, *events: Event, templates: Mapping[str, str] | None = None) -> tuple[Event, ...]:
        """Write `events`, and the templates that they name, in one transaction; return them with their numbers.

        Raises StateError when they cannot be written; then none of them is.
        """
        rows = [_row(event) for event in events]
        is_durable = any(event.kind not in BATCHED for event in events)
        kept = dict(templates or {})

        def write() -> list[int]:
            self._connection.execute(f"PRAGMA synchronous = {'FULL' if is_durable else 'NORMAL'}")
            with self._connection:
                self._connection.execute("BEGIN IMMEDIATE")
                self._connection.executemany("INSERT OR IGNORE INTO templates VALUES (?, ?)", kept.items())
                return [self._insert(row) for row in rows]

        numbers = await self._ask(write, f"write to {self.directory / 'journal.db'}")
        return tuple(replace(event, seq=seq) for event, seq in zip(events, numbers, strict=True))

    async def probe(self) -> None:
        """Return when something was written to the device.  Raises StateError while that cannot be."""

        def write() -> None:
            self._connection.execute("PRAGMA synchronous = FULL")
            self._connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")  # what it is already

        await self._ask(write, f"write to {self.directory / 'journal.db'}")

    async def read(self, app: str, after_seq: int = 0) -> list[Event]:
        """Return the events of `app` with higher numbers than `after_seq`, in order.

        Raises StateError for what a newer splitter wrote.
        """

        def select() -> list[tuple[Any, ...]]:
            names = "seq, at, app, rollout, kind, version, state, by, sentence, data"
            query = f"SELECT {names} FROM events WHERE app = ? AND seq > ? ORDER BY seq"  # noqa: S608 (a constant)
            return self._connection.execute(query, (app, after_seq)).fetchall()

        return [decode(*row) for row in await self._ask(select, f"read {self.directory / 'journal.db'}")]

    async def template(self, digest: str) -> str:
        """Return the template of that digest.  Raises NotFoundError."""
        row = await self._first("SELECT text FROM templates WHERE digest = ?", digest)
        if row is None:
            raise NotFoundError(f"the journal in {self.directory} has no template {digest[:12]}")
        return str(row[0])

    async def analysis(self, app: str, rollout: str) -> str | None:
        """Return the judge's state as it was last kept for `rollout`; None when nothing was."""
        row = await self._first("SELECT text FROM analyses WHERE app = ? AND rollout = ?", app, rollout)
        return str(row[0]) if row is not None else None

    async def figures(self, app: str, rollout: str, first: int = 0, end: int = TICKS_MAX) -> list[str]:
        """Return what the judge of `rollout` was fed in its ticks from `first` to before `end`, in order.

        Ticks below 0 are live's past, before the judge began.
        """

        def select() -> list[tuple[str]]:
            query = "SELECT text FROM figures WHERE app = ? AND rollout = ? AND tick >= ? AND tick < ? ORDER BY tick"
            return self._connection.execute(query, (app, rollout, first, end)).fetchall()

        return [text for (text,) in await self._ask(select, f"read {self.directory / 'journal.db'}")]

    def keep_analysis(self, app: str, rollout: str, text: str) -> None:
        """Keep the judge's state in place of the former one.  Never waits and never fails: it can be done without."""
        self._keep(lambda: [("INSERT OR REPLACE INTO analyses VALUES (?, ?, ?)", [(app, rollout, text)])])

    def keep_figures(self, app: str, rollout: str, tick: int, text: Callable[[], str]) -> None:
        """Keep what the judge was fed at `tick`; `text` says it, on the journal's thread: it may be long."""
        self._keep(lambda: [(_ADD_FIGURES, [(app, rollout, tick, text())])])

    def begin_figures(self, app: str, rollout: str, past: Callable[[], Sequence[str]]) -> None:
        """Keep live's `past`, said on the journal's thread, as the ticks up to -1.

        Lets go of what an earlier judge of the rollout was fed, and of the rollouts of long ago.
        """

        def statements() -> Statements:
            texts = past()
            rows = [(app, rollout, tick, text) for tick, text in enumerate(texts, -len(texts))]
            return [(_FORGET_ROLLOUT, [(app, rollout)]), (_FORGET_FIGURES, [(app, app)]), (_ADD_FIGURES, rows)]

        self._keep(statements)

    async def close(self) -> None:
        """Do what was asked for, close the file and let go of the lock."""
        self._jobs.put(None)
        await asyncio.to_thread(self._thread.join)
        with contextlib.suppress(sqlite3.Error):
            self._connection.close()
        os.close(self._lock)

    # --- The queue -------------------------------------------------------------------------------------------------

    async def _first(self, query: str, *arguments: str) -> tuple[Any, ...] | None:
        def select() -> tuple[Any, ...] | None:
            row: tuple[Any, ...] | None = self._connection.execute(query, arguments).fetchone()
            return row

        return await self._ask(select, f"read {self.directory / 'journal.db'}")

    async def _ask(self, work: Callable[[], Value], what: str) -> Value:
        """Return what `work` returns on the journal's thread.  Raises StateError when it fails or hangs."""
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[Value] = loop.create_future()

        def settle(value: Value | None, error: Exception | None) -> None:
            self._pending -= 1
            if answer.done():
                return
            if error is not None:
                answer.set_exception(error)
            else:
                answer.set_result(value)  # type: ignore[arg-type]  # it is a Value where there is no error

        def job() -> None:
            value, error = None, None
            try:
                value = work()
            except sqlite3.Error as failure:
                error = _translated(failure, what, self.directory)
            with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
                loop.call_soon_threadsafe(settle, value, error)

        self._pending += 1
        self._jobs.put(job)
        try:
            async with asyncio.timeout(WRITE_TIMEOUT_S):
                return await answer
        except TimeoutError:
            raise StateError(
                f"cannot {what}: the device has not answered for {WRITE_TIMEOUT_S:g} s; look after the disk"
            ) from None

    def _keep(self, statements: Callable[[], Statements]) -> None:
        """Carry out each statement for each of its arguments, in one transaction."""
        if self._pending >= PENDING_MAX:
            return
        loop = asyncio.get_running_loop()

        def done() -> None:
            self._pending -= 1

        def job() -> None:
            try:
                found = statements()
                self._connection.execute("PRAGMA synchronous = NORMAL")
                with self._connection:
                    self._connection.execute("BEGIN IMMEDIATE")
                    for statement, arguments in found:
                        self._connection.executemany(statement, arguments)
            except sqlite3.Error as error:
                log.warning("figures could not be kept in %s: %s", self.directory, error)
            except Exception:  # a bug of ours; without this thread nothing could be journaled any more
                log.exception("figures could not be kept in %s", self.directory)
            with contextlib.suppress(RuntimeError):
                loop.call_soon_threadsafe(done)

        self._pending += 1
        self._jobs.put(job)

    def _work(self) -> None:
        """Do the jobs in their order until told to end; a job catches its own errors."""
        while (job := self._jobs.get()) is not None:
            job()

    def _insert(self, row: Sequence[object]) -> int:
        names = "at, app, rollout, kind, version, state, by, sentence, data"
        cursor = self._connection.execute(f"INSERT INTO events ({names}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", row)  # noqa: S608
        assert cursor.lastrowid is not None
        return cursor.lastrowid


def _row(event: Event) -> tuple[object, ...]:
    return (
        event.at.isoformat(),
        event.app,
        event.rollout,
        event.kind.value,
        event.version,
        event.state,
        event.by,
        event.sentence,
        encode(event),
    )


def _locked(directory: Path) -> int:
    """Return the open lock file of `directory`, which then names our process.  Raises StateError when it is taken."""
    lock = os.open(directory / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        pid = os.pread(lock, 32, 0).decode(errors="replace").strip() or "unknown"
        os.close(lock)
        raise StateError(
            f"state directory {directory} is used by another daemon (process {pid}): stop that one, or give this one a "
            "state_dir of its own"
        ) from None
    os.ftruncate(lock, 0)
    os.pwrite(lock, f"{os.getpid()}\n".encode(), 0)
    return lock


def _connected(path: Path) -> sqlite3.Connection:
    """Return a connection to the journal at `path`, with the schema of this version."""
    try:
        os.close(
            os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        )  # SQLite gives its other files the same mode
        connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    except (OSError, sqlite3.Error) as error:
        raise _translated(error, f"open {path}", path.parent) from error
    try:
        _prepare(connection, path)
    except sqlite3.Error as error:
        connection.close()
        raise _translated(error, f"open {path}", path.parent) from error
    except BaseException:
        connection.close()
        raise
    return connection


def _prepare(connection: sqlite3.Connection, path: Path) -> None:
    """Bring the file to `SCHEMA_VERSION`.  Raises StateError for a file that is not ours or of a newer version."""
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    (identity,) = connection.execute("PRAGMA application_id").fetchone()
    (tables,) = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    if identity != APPLICATION_ID and (tables or version):
        raise StateError(f"{path} is not a journal of splitter: name another state_dir, or move that file away")
    if version > SCHEMA_VERSION:
        raise StateError(
            f"{path} has schema version {version}, this splitter knows up to {SCHEMA_VERSION}: start a splitter that "
            f"knows version {version}, or move the state directory away to begin anew"
        )
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA busy_timeout = 5000")  # a reader from outside may hold it for a moment
    if version == 0:
        connection.execute("PRAGMA synchronous = FULL")
        connection.executescript(
            f"BEGIN IMMEDIATE; {_SCHEMA} PRAGMA application_id = {APPLICATION_ID}; "
            f"PRAGMA user_version = {SCHEMA_VERSION}; COMMIT;"
        )
    else:  # a directory that cannot be written is found now, not with the first decision
        connection.executescript("BEGIN IMMEDIATE; ROLLBACK;")


def _translated(error: Exception, what: str, directory: Path) -> StateError:
    """Return the StateError that says what an operator can do."""
    text = str(error).lower()
    if "full" in text or "no space" in text:
        remedy = "free some space; until then nothing is decided and clients stay on live"
    elif "readonly" in text or "read-only" in text or "permission" in text or "unable to open" in text:
        remedy = f"make {directory} writable for this user, or name another state_dir"
    elif "malformed" in text or "not a database" in text:
        remedy = f"the file is damaged: put back a copy of it, or move {directory} away to begin anew"
    else:
        remedy = f"look after the disk that holds {directory}"
    return StateError(f"cannot {what}: {error}; {remedy}")
