"""What happens to stacks by itself: they die, move and come up, and the engine goes away and comes back.

Rule 1: what is known of a stack changes at once, and its routes with it; what follows from that is journaled in its
turn, after all that the journal did not take before.
Rule 2: routes that the switch refused are offered to it again, every tick, until it takes them.
"""

import logging
from collections.abc import Mapping
from functools import partial
from typing import Any

from splitter.errors import SplitterError, StateError
from splitter.model import StackId
from splitter.rollout.chronicle import Chronicle
from splitter.rollout.effects import Effects
from splitter.rollout.events import Kind
from splitter.rollout.history import History
from splitter.rollout.stacks import News, Stacks
from splitter.rollout.steering import Steering

log = logging.getLogger(__name__)


class Incidents:
    """Takes news of the stacks of `app`, one after the other."""

    def __init__(self, app: str, chronicle: Chronicle, stacks: Stacks, effects: Effects, steering: Steering) -> None:
        self._app = app
        self._chronicle = chronicle
        self._stacks = stacks
        self._effects = effects
        self._steering = steering
        self._engine_gone: set[StackId] = set()  # whose watchers cannot reach the engine
        self._owes_routes = False  # the switch refused what was to be published

    async def take(self, news: News) -> None:
        """Take what happened to a stack."""
        match news.kind:
            case None if news.stack is not None:
                self._stacks.moved(news.stack)
                await self.republish()
            case None:
                await self._on_died(news.id, str(news.data["reason"]))
            case Kind.ENGINE_GONE | Kind.ENGINE_BACK:
                await self._on_engine(news)
            case Kind.LIVE_UP:
                await self._on_live_up(news)
            case Kind.RETIRED:
                await self._on_retired(news)
            case kind:
                event = await self._chronicle.write(kind, data=news.data)
                if kind is Kind.LIVE_FAILED or (kind is Kind.RETIRE_FAILED and news.data["attempt"] == 1):
                    self._chronicle.alert(event)

    async def _on_retired(self, news: News) -> None:
        """Note that a stack is gone; what it used may be nobody's any more.

        What stays as it was is not told again, and leads to no other look: so the looks come to an end.
        """
        left = frozenset(news.data["left"])
        if left and news.id in self._history.remains and news.id not in self._history.condemned:
            return
        await self._chronicle.write(Kind.RETIRED, data=news.data)
        self._stacks.sweep(self._history.remains - {news.id})

    async def _on_died(self, stack: StackId, reason: str) -> None:
        """Take a stack for dead at once; what follows from it is journaled in its turn."""
        rollout, live = self._history.running, self._history.live
        self._engine_gone.discard(stack)
        if live is not None and live.id == stack:
            self._stacks.lost(stack, is_live=True)
            await self._steering.in_order(partial(self._mourn_live, stack, reason))
        elif rollout is not None and rollout.shadow.id == stack:
            self._stacks.lost(stack)
            await self._steering.in_order(partial(self._steering.move_if_legal, Kind.SHADOW_DIED, {"reason": reason}))

    async def _mourn_live(self, stack: StackId, reason: str) -> None:
        if not await self._steering.move_if_legal(Kind.LIVE_DIED, {"reason": reason}):
            event = await self._chronicle.write(Kind.LIVE_DIED, data={"live": stack, "reason": reason})
            self._chronicle.alert(event)
            await self._steering.order_live(reason)

    async def _on_engine(self, news: News) -> None:
        """Note that the engine is gone or back, once for all stacks."""
        was_gone = bool(self._engine_gone)
        if news.kind is Kind.ENGINE_GONE:
            self._engine_gone.add(news.id)
        else:
            self._engine_gone.discard(news.id)
        if was_gone == bool(self._engine_gone):
            return
        kind = Kind.ENGINE_GONE if self._engine_gone else Kind.ENGINE_BACK
        if not await self._steering.move_if_legal(kind, news.data):
            await self.note(kind, "", news.data)

    async def _on_live_up(self, news: News) -> None:
        assert news.stack is not None, "a stack that is up is known"
        self._stacks.adopt(news.stack, is_live=True)
        await self.republish()
        await self._steering.in_order(partial(self._greet_live, news.data))

    async def _greet_live(self, data: Mapping[str, Any]) -> None:
        await self._chronicle.write(Kind.LIVE_UP, data=data)
        await self._steering.move_if_legal(Kind.LIVE_RESTORED)

    def forget(self, stack: StackId) -> None:
        """Let go of a stack that is gone."""
        self._engine_gone.discard(stack)

    async def settle(self) -> None:
        """Offer the switch again what it refused."""
        if self._owes_routes:
            await self.republish()

    async def republish(self) -> None:
        """Publish what has changed about the stacks; a switch that refuses it ends a split, and is asked again."""
        try:
            await self._effects.republish()
        except SplitterError as error:
            self._owes_routes = True
            log.warning("%s: its routes could not be changed: %s; trying again", self._app, error)
            await self._steering.move_if_legal(Kind.SHIFT_FAILED, {"reason": str(error)})
        else:
            self._owes_routes = False

    async def note(self, kind: Kind, rollout: str, data: Mapping[str, Any], by: str = "splitter") -> None:
        """Write a note that nothing depends on, and alert where a person should know."""
        try:
            event = await self._chronicle.write(kind, rollout=rollout, by=by, data=data)
        except StateError as error:
            log.warning("%s: a note was lost: %s", self._app, error)
        else:
            if kind in (Kind.ENGINE_GONE, Kind.FORESEEN):
                self._chronicle.alert(event)

    @property
    def _history(self) -> History:
        return self._chronicle.history
