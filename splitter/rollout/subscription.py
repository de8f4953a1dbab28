"""Who follows the events of an app as they happen.

A reader that does not keep up is let go: it costs itself the live view, never the controller its time.  It can read
what it missed from the journal.
"""

import asyncio
from types import TracebackType
from typing import Self

from splitter.errors import RefusedError
from splitter.limits import EVENT_QUEUE_MAX, EVENT_SUBSCRIBERS_MAX
from splitter.rollout.events import Event


class Subscription:
    """The events of one app from now on.  An async iterator and a context manager; `next` returns None at its end."""

    def __init__(self, hub: "Hub") -> None:
        self._hub = hub
        self._events: asyncio.Queue[Event | None] = asyncio.Queue()  # bounded by `offer`
        self._is_over = False

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Event:
        event = await self.next()
        if event is None:
            raise StopAsyncIteration
        return event

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    async def next(self) -> Event | None:
        """Return the next event; None once this reader was let go, or the controller has ended."""
        if self._is_over and self._events.empty():
            return None
        return await self._events.get()

    def offer(self, event: Event) -> None:
        if self._events.qsize() >= EVENT_QUEUE_MAX:
            self.close()
        else:
            self._events.put_nowait(event)

    def close(self) -> None:
        """End the subscription; what is queued can still be read.  Idempotent."""
        if not self._is_over:
            self._is_over = True
            self._hub.leave(self)
            self._events.put_nowait(None)


class Hub:
    """The subscriptions of one app.  Written on the event loop only."""

    def __init__(self, app: str) -> None:
        self._app = app
        self._subscriptions: set[Subscription] = set()

    def join(self) -> Subscription:
        """Return a new subscription.  Raises RefusedError when there are too many."""
        if len(self._subscriptions) >= EVENT_SUBSCRIBERS_MAX:
            raise RefusedError(f"{self._app}: {EVENT_SUBSCRIBERS_MAX} readers follow its events already; close one")
        subscription = Subscription(self)
        self._subscriptions.add(subscription)
        return subscription

    def leave(self, subscription: Subscription) -> None:
        self._subscriptions.discard(subscription)

    def send(self, event: Event) -> None:
        for subscription in tuple(self._subscriptions):
            subscription.offer(event)

    def close(self) -> None:
        for subscription in tuple(self._subscriptions):
            subscription.close()
