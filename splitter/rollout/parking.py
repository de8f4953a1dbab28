"""Who has an app's requests wait, since when and why: the orders for the data plane, and their trace in the journal.

Rule 1: journal, then park.  An order that the journal does not take is refused, like any other.
Rule 2: letting go waits for nothing: clients wait for it.  It is journaled afterwards, whoever or whatever was the end.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from splitter.contracts import Clock, RequestParking
from splitter.rollout.chronicle import Chronicle
from splitter.rollout.events import Kind
from splitter.rollout.status import ParkedStatus

InTurn = Callable[[Callable[[], Awaitable[None]]], Awaitable[None]]
Note = Callable[[Kind, str, Mapping[str, Any], str], None]


@dataclass(frozen=True, slots=True)
class Order:
    """Somebody's word that the requests of the app shall wait; `began_s` is by the monotonic clock."""

    by: str
    why: str
    at: str
    began_s: float


class Parking:
    """The waiting requests of `app`.

    `in_turn` carries out an order, or refuses it; `note` writes to the journal when it is its turn.
    """

    def __init__(
        self, app: str, lots: RequestParking, chronicle: Chronicle, clock: Clock, in_turn: InTurn, note: Note
    ) -> None:
        self._app = app
        self._lots = lots
        self._chronicle = chronicle
        self._clock = clock
        self._in_turn = in_turn
        self._note = note
        self._order: Order | None = None

    @property
    def status(self) -> ParkedStatus | None:
        """Return who waits for whom; None while the app is not parked."""
        waiting = self._lots.waiting(self._app)
        if waiting is None or self._order is None:
            return None
        requests, left_s = waiting
        return ParkedStatus(requests, left_s, self._order.by, self._order.why, self._order.at)

    async def park(self, within_s: float, by: str, why: str = "") -> None:
        """Let new requests wait for so long at most, from now on.

        Raises RefusedError before it is known which stacks there are, StateError while the journal takes nothing.
        """
        await self._in_turn(partial(self._park, within_s, by, why))

    def unpark(self, by: str, why: str = "") -> int:
        """Let the requests go on, and return how many waited.  Idempotent."""
        if self._lots.waiting(self._app) is None:
            return 0
        waited = self._lots.unpark(self._app)
        self._ended(by, waited, why)
        return waited

    async def _park(self, within_s: float, by: str, why: str) -> None:
        data = {"limit_s": within_s, "why": why}
        event = await self._chronicle.write(Kind.PARKED, rollout=self._rollout, by=by, data=data)
        former = self._order
        began_s = former.began_s if former is not None else self._clock.monotonic()
        self._order = Order(by, why, event.at.isoformat(), began_s)
        self._lots.park(self._app, within_s, partial(self._ended, "splitter"))

    def _ended(self, by: str, waited: int, why: str) -> None:
        """Write down that the requests go on."""
        order, self._order = self._order, None
        took_s = self._clock.monotonic() - order.began_s if order is not None else 0.0
        self._note(Kind.UNPARKED, self._rollout, {"waited": waited, "took_s": took_s, "why": why}, by)

    @property
    def _rollout(self) -> str:
        running = self._chronicle.history.running
        return running.id if running is not None else ""
