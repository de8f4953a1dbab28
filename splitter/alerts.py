"""Delivers alerts: each to the log at once, and to every target that wants its severity when that can take it.

A target is a webhook, which gets a POST with JSON, or a service that the library apprise knows: a chat, a mailbox, a
pager.  That library blocks, so it is called in a thread, and it is imported only where an address asks for it.

Rule 1: `send` never blocks and never raises.  A controller that cannot reach a chat room still rolls back.
Rule 2: one target never delays another; each has a queue and a worker of its own.
Rule 3: an alert in a queue ends as delivered, failed or dropped, and each of these is counted.
Rule 4: of an address no more than scheme and host is ever logged, of other services' the scheme alone: the rest is
often the secret itself.

Bounds: a queue holds `ALERT_QUEUE_MAX` alerts and then drops the oldest; an alert is tried `ALERT_ATTEMPTS_MAX` times.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, Final, Literal
from urllib.parse import urlsplit

import aiohttp

from splitter.contracts import Alert, Severity
from splitter.limits import ALERT_ATTEMPTS_MAX, ALERT_QUEUE_MAX, ALERT_TIMEOUT_S

if TYPE_CHECKING:
    import apprise

log = logging.getLogger(__name__)

BACKOFF_S = 1.0  # before the second attempt; doubled for each further one
FLUSH_S = 5.0
RETRIED_STATUSES: Final = frozenset({408, 425, 429})  # besides every 5xx: the receiver asks for another attempt

_TYPES: Final[Mapping[Severity, Literal["info", "warning", "failure"]]] = {
    Severity.INFO: "info",
    Severity.WARNING: "warning",
    Severity.CRITICAL: "failure",
}
"""What the library calls a severity; chats choose a colour by it."""

_LEVELS: Final = {
    Severity.INFO: logging.INFO,
    Severity.WARNING: logging.WARNING,
    Severity.CRITICAL: logging.CRITICAL,
}

WEBHOOKS: Final = frozenset({"http", "https"})

Sleep = Callable[[float], Awaitable[None]]
Attempt = Callable[[Alert], Awaitable[tuple[str, bool]]]
"""Sends an alert once.  Returns why that failed (empty: it did not), and whether another attempt is of no use."""


@dataclass(frozen=True, slots=True)
class Target:
    """An address that alerts of these severities are sent to."""

    url: str = field(repr=False)
    on: frozenset[Severity] = frozenset({Severity.WARNING, Severity.CRITICAL})


@dataclass(frozen=True, slots=True)
class AlertTotals:
    """What became of the alerts for one target, by its redacted address."""

    target: str
    delivered: int
    failed: int
    dropped: int
    waiting: int


class Alerts:
    """contracts.AlertSink.  `run` delivers until `close`; both are called once, by the daemon."""

    def __init__(self, targets: Sequence[Target] = (), *, sleep: Sleep = asyncio.sleep) -> None:
        self._lines = tuple(_Line(target, sleep) for target in targets)
        self._ended = asyncio.Event()
        self._is_running = False

    def send(self, alert: Alert) -> None:
        """Log `alert` and queue it for every target that wants it."""
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
                    tasks.create_task(line.run(_attempt(line.url, session)), name=f"alerts to {line.target}")
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
    if parts.scheme not in WEBHOOKS:
        return f"{parts.scheme}://…"  # where others have a host, these may have a token
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


def is_known(url: str) -> bool:
    """Return whether the library knows the service that `url` is of, and finds the address whole."""
    return _service(url) is not None


def _attempt(url: str, session: aiohttp.ClientSession) -> Attempt:
    if urlsplit(url).scheme in WEBHOOKS:
        return partial(_post, url, session)
    return partial(_notify, _service(url))


def _service(url: str) -> "apprise.NotifyBase | None":
    """Return the library's own object for an address; it says nothing in our log, where its words could be secrets."""
    import apprise  # takes a second, and most have a webhook or nothing

    logging.getLogger("apprise").setLevel(logging.CRITICAL + 1)
    asset = apprise.AppriseAsset(app_id="splitter", app_desc="splitter", app_url="")
    found = apprise.Apprise.instantiate(url, asset=asset, suppress_exceptions=True)
    return found if isinstance(found, apprise.NotifyBase) else None


async def _post(url: str, session: aiohttp.ClientSession, alert: Alert) -> tuple[str, bool]:
    try:
        async with session.post(url, json=payload(alert), allow_redirects=False) as response:
            status = response.status
    except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
        return type(error).__name__, isinstance(error, ValueError)  # the error's own text may hold the address
    if status < 300:
        return "", True
    return f"it answered {status}", status < 500 and status not in RETRIED_STATUSES


async def _notify(service: "apprise.NotifyBase | None", alert: Alert) -> tuple[str, bool]:
    """Send by the library.  What is still under way in its thread after the time-out ends by the library's own."""
    if service is None:
        return "nobody knows this address", True
    send = partial(
        service.notify, body=alert.sentence, title=f"[{alert.severity}] {alert.app}", notify_type=_TYPES[alert.severity]
    )
    try:
        async with asyncio.timeout(ALERT_TIMEOUT_S):
            is_taken = await asyncio.to_thread(send)
    except Exception as error:  # any of a hundred services' own; its text may hold the address
        return type(error).__name__, False
    return ("", True) if is_taken else ("it was not taken", False)


class _Line:
    """The queue of one target and what became of its alerts.  Only its worker takes from the queue."""

    def __init__(self, target: Target, sleep: Sleep) -> None:
        self.target = redacted(target.url)
        self.url = target.url
        self._on = target.on
        self._sleep = sleep
        self._queue: deque[Alert] = deque()
        self._has_news = asyncio.Event()
        self._finishing = asyncio.Event()
        self._worker: asyncio.Task[None] | None = None
        self._delivered = self._failed = self._dropped = 0

    def put(self, alert: Alert) -> None:
        if alert.severity not in self._on or self._finishing.is_set():
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

    async def run(self, attempt: Attempt) -> None:
        self._worker = asyncio.current_task()
        while self._queue or not self._finishing.is_set():
            if not self._queue:
                self._has_news.clear()
                await self._has_news.wait()
                continue
            await self._deliver(attempt, self._queue.popleft())

    async def _deliver(self, attempt: Attempt, alert: Alert) -> None:
        """Try until the target has taken `alert`, has refused it, or the attempts are used up."""
        failure = "was interrupted"
        try:
            for number in range(ALERT_ATTEMPTS_MAX):
                failure, is_final = await attempt(alert)
                if not failure:
                    self._delivered += 1
                    return
                if is_final or self._finishing.is_set() or number == ALERT_ATTEMPTS_MAX - 1:
                    break
                await self._pause(BACKOFF_S * 2**number)
        except asyncio.CancelledError:
            self._fail(alert, "was interrupted")
            raise
        self._fail(alert, failure)

    def _fail(self, alert: Alert, failure: str) -> None:
        self._failed += 1
        log.error("an alert (%s, %s) could not be delivered to %s: %s", alert.app, alert.kind, self.target, failure)

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
