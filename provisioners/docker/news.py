"""News from the engine: which stack something happened to.

Rule 1: an event only says "look again".  What is true is what `inspect` says then, so an event that is lost, late or
double does no harm, and everybody looks again after the stream was interrupted.
Rule 2: one thread for each provisioner reads the stream; subscribers live on the event loop and are touched there only.

The stream is asked for what matters; the chatter of health checks (`exec_*`) is not.
"""

import asyncio
import contextlib
import logging
import threading
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from docker.types.daemon import CancellableStream

from provisioners.docker import names
from provisioners.docker.engine import Engine
from splitter.errors import EngineError
from splitter.model import StackId

EVENTS = ("start", "die", "oom", "health_status", "destroy")
RETRY_S = (0.2, 0.5, 1.0, 2.0, 5.0)
STOP_TRIES_MAX = 50  # five seconds; a daemon thread does not keep the process from ending

log = logging.getLogger(__name__)


class Subscription:
    """One listener's news of one stack.

    `ended` says that the stack is being retired; `reconnects` counts how often the stream came back after a break.
    """

    def __init__(self, stack: StackId) -> None:
        self.stack = stack
        self.ended = False
        self.reconnects = 0
        self.others: frozenset[StackId] = frozenset()
        self._news = asyncio.Event()

    @property
    def is_rung(self) -> bool:
        return self._news.is_set()

    def follow(self, others: Collection[StackId]) -> None:
        """Hear of `others` too: stacks whose containers serve this one."""
        self.others = frozenset(others)

    def ring(self) -> None:
        self._news.set()

    async def news(self, within_s: float) -> None:
        """Return when something has happened since the last return, but after `within_s` at the latest."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(within_s):
                await self._news.wait()
        self._news.clear()


class News:
    """The stream of events of one app's containers, read while there are subscribers or until closed."""

    def __init__(self, engine: Engine, labels: Mapping[str, str]) -> None:
        self._engine = engine
        self._labels = labels
        self._subscriptions: set[Subscription] = set()
        self._thread: threading.Thread | None = None
        self._closing = threading.Event()
        self._stream: CancellableStream[dict[str, Any]] | None = None

    @contextlib.contextmanager
    def subscription(self, stack: StackId) -> Iterator[Subscription]:
        """Hear of `stack` inside the block.  Subscribe before you look: then nothing falls between the two."""
        if self._thread is None:
            loop = asyncio.get_running_loop()
            self._thread = threading.Thread(target=self._read, args=(loop,), name="docker-events", daemon=True)
            self._thread.start()
        subscription = Subscription(stack)
        self._subscriptions.add(subscription)
        try:
            yield subscription
        finally:
            self._subscriptions.discard(subscription)

    def end(self, stack: StackId) -> None:
        """Tell the listeners of `stack` that it is being retired: what happens to it from now on is meant to."""
        for subscription in self._of(stack):
            subscription.ended = True
            subscription.ring()

    async def close(self) -> None:
        self._closing.set()
        for subscription in self._subscriptions:
            subscription.ended = True
            subscription.ring()
        if self._thread is not None:
            await asyncio.to_thread(self._stop, self._thread)

    def _of(self, stack: StackId) -> Sequence[Subscription]:
        return [each for each in self._subscriptions if each.stack == stack]

    def _happened(self, stack: StackId) -> None:
        for subscription in self._subscriptions:
            if subscription.stack == stack or stack in subscription.others:
                subscription.ring()

    def _connected(self, again: bool) -> None:
        for subscription in self._subscriptions:
            subscription.reconnects += again
            subscription.ring()

    def _broke(self) -> None:
        """Let everybody look for themselves: the engine may be gone."""
        for subscription in self._subscriptions:
            subscription.ring()

    # --- On the thread -------------------------------------------------------------------------------------------

    def _read(self, loop: asyncio.AbstractEventLoop) -> None:
        """Read the stream until closed; connect again, later each time, when it breaks."""
        since = int(time.time())
        failures = 0
        connected = False
        while not self._closing.is_set():
            try:
                for stack, at in self._events(since, loop, connected):
                    connected, failures = True, 0
                    since = max(since, at)
                    if stack:
                        self._tell(loop, self._happened, stack)
            except EngineError as error:
                if failures == 0 and not self._closing.is_set():
                    log.warning("events of the engine cannot be read, trying again: %s", error)
            if connected and failures == 0:
                self._tell(loop, self._broke)
            self._closing.wait(RETRY_S[min(failures, len(RETRY_S) - 1)])
            failures += 1

    def _events(self, since: int, loop: asyncio.AbstractEventLoop, again: bool) -> Iterator[tuple[StackId, int]]:
        """Yield the stack and the second of each event, beginning with none for the connection itself."""
        labels = [f"{key}={value}" for key, value in self._labels.items()]
        filters = {"type": "container", "event": list(EVENTS), "label": labels}
        client = self._engine.connect()
        try:
            with self._engine.translated("read its events"):
                self._stream = client.events(since=since, filters=filters, decode=True)
                self._tell(loop, self._connected, again)
                yield StackId(""), since
                for event in self._stream:
                    yield StackId(event["Actor"]["Attributes"].get(names.STACK, "")), int(event["time"])
        finally:
            self._stream = None
            client.close()

    @staticmethod
    def _tell(loop: asyncio.AbstractEventLoop, call: Any, *args: object) -> None:
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody is left to tell
            loop.call_soon_threadsafe(call, *args)

    def _stop(self, thread: threading.Thread) -> None:
        """Cut the stream until the thread has seen it: it may be connecting at this very moment, even in vain."""
        for _ in range(STOP_TRIES_MAX):
            if not thread.is_alive():
                return
            stream = self._stream
            if stream is not None:
                with contextlib.suppress(OSError, AttributeError, ValueError):  # closed at the same time by its reader
                    stream.close()
            thread.join(0.1)
