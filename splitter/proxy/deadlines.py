"""Deadlines of connections, on a coarse clock: a wheel of ticks instead of a timer for each request.

Rule 1: nothing expires early.  A deadline is a whole number of ticks, rounded up, and one more for the tick that runs.
Rule 2: an item is filed under one tick at most.  It may be filed earlier than its deadline, never later: moving a
deadline back costs an assignment, and the wheel finds out when the old one has come.
Rule 3: a closed item is dropped at once, so the wheel keeps nobody alive.

Time is told (`advance`), so tests run hours in no time.  Cost: `within` 0.1 µs, half of it for the call; what each
request does is written out where it is done, as three calls were 3 % of a request's cost.  A connection is touched
by the wheel once per timeout, however many requests it has carried.
"""

import logging
from math import ceil

TICK_S = 0.25
NEVER = 1 << 60

log = logging.getLogger(__name__)


class Timed:
    """Something with a deadline.  Anybody may set `deadline` to NEVER; the rest is the wheel's."""

    __slots__ = ("deadline", "filed")

    def __init__(self) -> None:
        self.deadline = NEVER
        self.filed = NEVER

    def expire(self) -> None:
        """Act on the deadline that has passed; it is NEVER now."""
        raise NotImplementedError


def ticks(seconds: float) -> int:
    """Return how many ticks from now a deadline lies that is never early."""
    return ceil(seconds / TICK_S) + 1


class Deadlines:
    """The wheel."""

    __slots__ = ("_due", "tick")

    def __init__(self) -> None:
        self.tick = 0
        self._due: dict[int, set[Timed]] = {}

    def within(self, item: Timed, ticks: int) -> None:
        """Let `item` expire in so many ticks, whatever was said before."""
        item.deadline = due = self.tick + ticks
        if due < item.filed:
            self.refile(item)

    def refile(self, item: Timed) -> None:
        """File `item` under its deadline, which is earlier than where it was: the rare half of `within`."""
        self._unfile(item)
        self._file(item, item.deadline)

    def drop(self, item: Timed) -> None:
        """Forget `item`.  Idempotent."""
        item.deadline = NEVER
        self._unfile(item)

    def advance(self) -> None:
        """Let one tick pass, and expire what is due."""
        self.tick += 1
        for item in self._due.pop(self.tick, ()):
            if item.filed != self.tick:  # dropped, and perhaps filed again, by one that has just expired
                continue
            item.filed = NEVER
            if item.deadline <= self.tick:
                item.deadline = NEVER
                self._expire(item)
            elif item.deadline != NEVER:
                self._file(item, item.deadline)

    def _expire(self, item: Timed) -> None:
        try:
            item.expire()
        except Exception:
            log.exception("a deadline could not be acted on; the others of this tick are")

    def _file(self, item: Timed, due: int) -> None:
        item.filed = due
        self._due.setdefault(due, set()).add(item)

    def _unfile(self, item: Timed) -> None:
        bucket = self._due.get(item.filed)
        if bucket is not None:
            bucket.discard(item)
            if not bucket:
                del self._due[item.filed]
        item.filed = NEVER
