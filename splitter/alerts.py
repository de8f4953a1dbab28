"""Delivers alerts: each to the log at once, and to every webhook that wants its severity when that can take it.

Rule 1: `send` never blocks and never raises.  A controller that cannot reach a chat room still rolls back.
Rule 2: one webhook never delays another; each has a queue and a worker of its own.
Rule 3: an alert in a queue ends as delivered, failed or dropped, and each of these is counted.
Rule 4: of an address no more than scheme and host is ever logged: the rest is often the secret itself.

Bounds: a queue holds `ALERT_QUEUE_MAX` alerts and then drops the oldest; an alert is tried `ALERT_ATTEMPTS_MAX` times.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import urlsplit

import aiohttp

from splitter.contracts import Alert, Severity
from splitter.limits import ALERT_ATTEMPTS_MAX, ALERT_QUEUE_MAX, ALERT_TIMEOUT_S

log = logging.getLogger(__name__)

BACKOFF_S = 1.0  # before the second attempt; doubled for each further one
FLUSH_S = 5.0
RETRIED_STATUSES: Final = frozenset({408, 425, 429})  # besides every 5xx: the receiver asks for another attempt

_LEVELS: Final = {
    Severity.INFO: logging.INFO,
    Severity.WARNING: logging.WARNING,
    Severity.CRITICAL: logging.CRITICAL,
}

Sleep = Callable[[float], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Webhook:
    """An address that alerts of these severities are posted to, as JSON."""

    url: str = field(repr=False)
    on: frozenset[Severity] = frozenset({Severity.WARNING, Severity.CRITICAL})


@dataclass(frozen=True, slots=True)
class AlertTotals:
    """What became of the alerts for one webhook, by its redacted address."""

    target: str
    delivered: int
    failed: int
    dropped: int
    waiting: int


class Alerts:
    """contracts.AlertSink.  `run` delivers until `close`; both are called once, by the daemon."""

    def __init__(self, webhooks: Sequence[Webhook] = (), *, sleep: Sleep = asyncio.sleep) -> None:
        self._lines = tuple(_Line(webhook, sleep) for webhook in webhooks)
        self._ended = asyncio.Event()
        self._is_running = False

    def send(self, alert: Alert) -> None:
        """Log `alert` and queue it for every webhook that wants it."""
        log.log(_LEVELS[alert.severity], "alert: %s: %s", alert.rollout or alert.app, alert.sentence)
        for line in self._lines:
            line.put(alert)

    async def run(self) -> None:
        """Deliver queued alerts until `close` says that no more will come."""
        self._is_running = True
        timeout = aiohttp.ClientTimeout(total=ALERT_TIMEOUT_S)
        try:
            async with aiohttp.ClientSession(timeout=timeout) as session, asyncio.TaskGroup() as tasks:
                for line in self._lines:
                    tasks.create_task(line.run(session), name=f"alerts to {line.target}")
        finally:
            self._ended.set()

    async def close(self, flush_s: float = FLUSH_S) -> None:
        """Give what is queued one attempt each, for at most `flush_s`; what is left then is dropped and counted."""
        for line in self._lines:
            line.finish()
        await asyncio.sleep(0)  # a `run` whose task was made just now has not begun yet
        if self._is_running:
            try:
                await asyncio.wait_for(self._ended.wait(), flush_s)
            except TimeoutError:
                for line in self._lines:
                    line.abort()
                await self._ended.wait()
        for line in self._lines:
            line.discard()

    def totals(self) -> tuple[AlertTotals, ...]:
        """Return what became of all alerts so far, for the metrics."""
        return tuple(line.totals() for line in self._lines)


def redacted(url: str) -> str:
    """Return as much of an address as a log may hold: no user, no password, no path, no query."""
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2]
    return f"{parts.scheme}://{host}/…"


def payload(alert: Alert) -> dict[str, Any]:
    """Return what a webhook gets.  `text` is what chat services show of it."""
    return {
        "text": f"[{alert.severity}] {alert.app}: {alert.sentence}",
        "severity": alert.severity.value,
        "app": alert.app,
        "rollout": alert.rollout,
        "kind": alert.kind,
        "sentence": alert.sentence,
        "at": alert.at.isoformat(),
        "detail": dict(alert.detail),
    }


class _Line:
    """The queue of one webhook and what became of its alerts.  Only its worker takes from the queue."""

    def __init__(self, webhook: Webhook, sleep: Sleep) -> None:
        self.target = redacted(webhook.url)
        self._webhook = webhook
        self._sleep = sleep
        self._queue: deque[Alert] = deque()
        self._has_news = asyncio.Event()
        self._finishing = asyncio.Event()
        self._worker: asyncio.Task[None] | None = None
        self._delivered = self._failed = self._dropped = 0

    def put(self, alert: Alert) -> None:
        if alert.severity not in self._webhook.on or self._finishing.is_set():
            return
        if len(self._queue) >= ALERT_QUEUE_MAX:
            self._queue.popleft()
            self._dropped += 1
            log.warning("the queue for %s is full: its oldest alert was dropped", self.target)
        self._queue.append(alert)
        self._has_news.set()

    def finish(self) -> None:
        """Take no more; the worker ends when the queue is empty."""
        self._finishing.set()
        self._has_news.set()

    def abort(self) -> None:
        if self._worker is not None:
            self._worker.cancel()

    def discard(self) -> None:
        """Drop what no worker will deliver any more."""
        if self._queue:
            log.warning("%d alerts for %s were not delivered before the end", len(self._queue), self.target)
        self._dropped += len(self._queue)
        self._queue.clear()

    def totals(self) -> AlertTotals:
        return AlertTotals(self.target, self._delivered, self._failed, self._dropped, len(self._queue))

    async def run(self, session: aiohttp.ClientSession) -> None:
        self._worker = asyncio.current_task()
        while self._queue or not self._finishing.is_set():
            if not self._queue:
                self._has_news.clear()
                await self._has_news.wait()
                continue
            await self._deliver(session, self._queue.popleft())

    async def _deliver(self, session: aiohttp.ClientSession, alert: Alert) -> None:
        """Try until the webhook has taken `alert`, has refused it, or the attempts are used up."""
        content = payload(alert)
        failure = "was interrupted"
        try:
            for attempt in range(ALERT_ATTEMPTS_MAX):
                failure, is_final = await self._post(session, content)
                if not failure:
                    self._delivered += 1
                    return
                if is_final or self._finishing.is_set() or attempt == ALERT_ATTEMPTS_MAX - 1:
                    break
                await self._pause(BACKOFF_S * 2**attempt)
        except asyncio.CancelledError:
            self._fail(alert, "was interrupted")
            raise
        self._fail(alert, failure)

    def _fail(self, alert: Alert, failure: str) -> None:
        self._failed += 1
        log.error("an alert (%s, %s) could not be delivered to %s: %s", alert.app, alert.kind, self.target, failure)

    async def _post(self, session: aiohttp.ClientSession, content: dict[str, Any]) -> tuple[str, bool]:
        """Return why an attempt failed (empty: it did not), and whether another one is of no use."""
        try:
            async with session.post(self._webhook.url, json=content, allow_redirects=False) as response:
                status = response.status
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            return type(error).__name__, isinstance(error, ValueError)  # the error's own text may hold the address
        if status < 300:
            return "", True
        return f"it answered {status}", status < 500 and status not in RETRIED_STATUSES

    async def _pause(self, seconds: float) -> None:
        """Wait for `seconds`, or until there is no more time to wait."""
        waits = [
            asyncio.ensure_future(self._sleep(seconds)),
            asyncio.ensure_future(self._finishing.wait()),
        ]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for each in waits:
                each.cancel()
