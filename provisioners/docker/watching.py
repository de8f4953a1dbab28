"""One stack that is up, watched: what `contracts.Provisioner.watch` yields.

Decided by `state.loss` from the stack as it is, whenever an event says "look again".  An engine that does not answer
says nothing about its containers, so that is told, and it is waited for; when it is back, containers that it stopped
itself and will start again have `ENGINE_RESTART_GRACE_S` to return.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from types import MappingProxyType

from provisioners.docker import endpoints, names
from provisioners.docker.engine import Engine, last_lines
from provisioners.docker.news import News, Subscription
from provisioners.docker.parts import Parts
from provisioners.docker.state import Container, identity_of, is_moving, loss
from splitter.contracts import EngineBack, EngineGone, StackChange, StackDied, StackMoved
from splitter.errors import EngineError
from splitter.model import Stack, StackId

LOOK_S = 10.0  # events come first; this is for the one that was lost
AWAY_LOOK_S = 1.0
ENGINE_RESTART_GRACE_S = 20.0
CRASH_WINDOW_S = 600.0


class Watch:
    """The watch over one stack; `changes` is called once.  `told` is the stack as the rollout knows it, if it does."""

    def __init__(
        self,
        engine: Engine,
        parts: Parts,
        news: News,
        stack: StackId,
        told: Stack | None,
        is_active: Mapping[StackId, bool] = MappingProxyType({}),
    ) -> None:
        """`is_active` says, at any time, whose singletons were started or stopped on purpose."""
        self._engine = engine
        self._parts = parts
        self._news = news
        self._is_active = is_active
        self._stack = stack

        # What the stack is compared with.
        self._told = told
        self._awake: frozenset[str] = frozenset()
        self._restarts: Mapping[str, int] = {}
        self._window_ends = 0.0
        self._reconnects: int | None = None
        self._patient_until = 0.0
        self._is_away = False
        self._why_away = ""

    async def changes(self) -> AsyncIterator[StackChange]:
        with self._news.subscription(self._stack) as subscription:
            while not subscription.ended:
                was_away = self._is_away
                now = await self._look(subscription)
                if self._is_away != was_away:
                    yield EngineGone(self._why_away) if self._is_away else EngineBack()
                if now is not None and not subscription.ended:
                    change = await self._compared(now, subscription.reconnects)
                    if change is not None:
                        yield change
                    if isinstance(change, StackDied):
                        return
                await subscription.news(AWAY_LOOK_S if now is None else LOOK_S)

    async def _compared(self, now: Sequence[Container], reconnects: int) -> StackDied | StackMoved | None:
        if not now:
            return StackDied(f"stack {self._stack} is gone: somebody removed its containers")
        clock_s = asyncio.get_running_loop().time()
        if self._reconnects != reconnects:
            self._patient_until = 0.0 if self._reconnects is None else clock_s + ENGINE_RESTART_GRACE_S
            self._reconnects = reconnects
        if clock_s > self._window_ends:
            self._window_ends = clock_s + CRASH_WINDOW_S
            self._restarts = {container.name: container.restarts for container in now}
        self._awake = self._singletons(now)
        patient = clock_s < self._patient_until
        lost = loss(now, self._restarts, awake=self._awake, engine_restarted=patient)
        if lost is not None:
            log_end = await last_lines(self._engine, lost.culprit.id) if lost.culprit else ""
            return StackDied(f"stack {self._stack}: {lost.reason}{log_end}")
        return self._moved(now)

    def _moved(self, now: Sequence[Container]) -> StackMoved | None:
        """Return where the stack answers if that is not what was told; while a container is down nobody knows."""
        if is_moving(now):
            return None
        stack = stack_of(now)
        told, self._told = self._told, stack
        return None if told is None or told == stack else StackMoved(stack)

    def _singletons(self, now: Sequence[Container]) -> frozenset[str]:
        """Return the names of the singletons that are to run; where nobody has said it, those that were seen to."""
        is_active = self._is_active.get(self._stack)
        if is_active is False:
            return frozenset()
        return self._awake | {each.name for each in now if each.is_singleton and (each.running or is_active)}

    async def _look(self, subscription: Subscription) -> list[Container] | None:
        """Return the stack's containers and its guests, or None while the engine cannot say."""
        try:
            found = await self._parts.look(self._stack)
            if found:
                guests = await self._parts.guests(identity_of(found).shares)
                subscription.follow({StackId(guest.labels.get(names.STACK, "")) for guest in guests})
                found += guests
        except EngineError as error:
            self._is_away = True
            self._why_away = str(error)
            return None
        self._is_away = False
        return found


def stack_of(containers: Sequence[Container]) -> Stack:
    """Return the stack that these containers are, by what the labels of the first one say: it is the stack's own."""
    identity = identity_of(containers)
    return Stack(identity.stack, identity.app, identity.revision, endpoints.read(identity.routed, containers))
