"""Parking: requests of an app that wait, unsent, until they may go on.

For the moments in which no stack of an app shall get a request: a database is switched over, a schema is changed.  (The
word is none of a rollout's: `pause` stops its steps while traffic flows, and HELD is a state of it.)

Rule 1: parking is bounded in time.  At its end everything goes on, whether anybody thought of it or not.
Rule 2: it is bounded in number.  Who finds no room hears 503, at once.
Rule 3: a parked request has chosen nobody and counts in flight nowhere: a drain does not wait for it, and when it goes
on it reads the table of that moment.  Its latency begins there; the stack did not make it wait.
Rule 4: first in, first out, and few per turn of the loop: those who waited are no reason to let others wait.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping
from functools import partial
from typing import Protocol

from splitter.limits import UNPARKED_PER_TURN
from splitter.proxy.deadlines import TICK_S, Deadlines, Timed, ticks

log = logging.getLogger(__name__)


class Parkable(Protocol):
    """A request before anybody was chosen for it."""

    def unparked(self) -> None:
        """Go on."""

    def crashed(self) -> None:
        """End: splitter itself could not go on."""


Told = Callable[[int, str], None]
"""Hears how many requests go on without an order, and why."""


def _untold(waited: int, why: str) -> None:
    """Keep it to ourselves."""


class Parking:
    """Which apps are parked.  `lots` is empty most of the time, and read once per request."""

    __slots__ = ("_deadlines", "_room", "lots")

    def __init__(self, deadlines: Deadlines, room: int) -> None:
        """`room` bounds the requests of each app."""
        self._deadlines = deadlines
        self._room = room
        self.lots: dict[str, Lot] = {}  # by app

    def park(self, app: str, within_s: float, told: Told = _untold) -> None:
        """Let new requests of `app` wait, unsent, for so long at most; from now on, if they wait already.

        `told` hears how many go on, and why, where that is nobody's order.
        """
        if app not in self.lots:
            self.lots[app] = Lot(self._room, partial(self._forget, app))
        self.lots[app].told = told
        self._deadlines.within(self.lots[app], ticks(within_s))

    def unpark(self, app: str) -> int:
        """Let the requests of `app` go on, and return how many waited.  Idempotent."""
        lot = self.lots.get(app)
        if lot is None:
            return 0
        waited = lot.parked
        self._deadlines.drop(lot)
        lot.open()
        return waited

    def unpark_all(self, why: str) -> None:
        """Let the requests of every app go on."""
        for app, lot in list(self.lots.items()):
            lot.told(self.unpark(app), why)

    def waiting(self, app: str) -> tuple[int, float] | None:
        """Return how many requests of `app` wait, and for how many seconds at most; None while it is not parked."""
        lot = self.lots.get(app)
        return (lot.parked, max(0, lot.deadline - self._deadlines.tick - 1) * TICK_S) if lot is not None else None

    def counts(self) -> Mapping[str, int]:
        """Return how many requests of each parked app wait."""
        return {app: lot.parked for app, lot in self.lots.items()}

    def _forget(self, app: str) -> None:
        del self.lots[app]


class Lot(Timed):
    """The parked requests of one app.  `expire` and `open` end it; a lot is used once."""

    __slots__ = ("_on_open", "_requests", "_room", "told")

    def __init__(self, room: int, on_open: Callable[[], None]) -> None:
        """`on_open` is called before the first request goes on: those who come then are not parked here."""
        super().__init__()
        self._room = room
        self._on_open = on_open
        self.told: Told = _untold
        self._requests: dict[Parkable, None] = {}

    @property
    def parked(self) -> int:
        """Return how many requests wait."""
        return len(self._requests)

    def park(self, request: Parkable) -> bool:
        """Let `request` wait; return whether there is room for it."""
        if len(self._requests) >= self._room:
            return False
        self._requests[request] = None
        return True

    def leave(self, request: Parkable) -> None:
        """Forget a request whose client does not wait any more."""
        self._requests.pop(request, None)

    def expire(self) -> None:
        """Let everything go on: the time is up."""
        waited = self.parked
        self.open()
        self.told(waited, "its time is up")

    def open(self) -> None:
        """Let everything go on."""
        self._on_open()
        self._let_go()

    def _let_go(self) -> None:
        """Let the first few go on, and the next at the next turn of the loop."""
        for request in list(self._requests)[:UNPARKED_PER_TURN]:
            if request in self._requests:  # one before it may have ended it
                del self._requests[request]
                self._go(request)
        if self._requests:
            asyncio.get_running_loop().call_soon(self._let_go)

    @staticmethod
    def _go(request: Parkable) -> None:
        try:
            request.unparked()
        except Exception:
            log.exception("a parked request could not be served; its connection ends")
            request.crashed()
