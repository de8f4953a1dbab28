"""Writes what happens to one app, everywhere at once: journal, memory, log, live views, alerts.

Rule 1: first the journal.  What it did not take has not happened: nothing else hears of it.
Rule 2: durations are measured by the monotonic clock; the dates of the journal are used only to find out, after a
restart, how long a state had lasted.
"""

import logging
from collections.abc import Mapping
from typing import Any

from splitter.contracts import Alert, AlertSink, Clock, Severity
from splitter.rollout.events import Event, Kind, make, plain, severity
from splitter.rollout.history import History, Rollout, apply, fold
from splitter.rollout.journal import Journal
from splitter.rollout.subscription import Hub

log = logging.getLogger(__name__)

_LEVELS = {Severity.INFO: logging.INFO, Severity.WARNING: logging.WARNING, Severity.CRITICAL: logging.ERROR}


class Chronicle:
    """The history of `app`, in memory as in the journal.  Only the controller writes."""

    def __init__(self, app: str, journal: Journal, clock: Clock, alerts: AlertSink) -> None:
        self.history = History()
        self.last: Event | None = None
        self.hub = Hub(app)
        self._app = app
        self._journal = journal
        self._clock = clock
        self._alerts = alerts
        self._state_began_s = 0.0
        self._splitting_began_s = 0.0

    async def load(self) -> None:
        """Read the journal.  Raises StateError."""
        events = await self._journal.read(self._app)
        self.history = fold(events)
        self.last = events[-1] if events else None
        rollout = self.history.rollout
        if rollout is not None:
            now, now_s = self._clock.now(), self._clock.monotonic()
            self._state_began_s = now_s - max(0.0, (now - rollout.since).total_seconds())
            began = rollout.splitting_since or rollout.since
            self._splitting_began_s = now_s - max(0.0, (now - began).total_seconds())

    async def write(
        self,
        kind: Kind,
        *,
        rollout: str = "",
        state: str = "",
        by: str = "splitter",
        data: Mapping[str, Any] | None = None,
        templates: Mapping[str, str] | None = None,
    ) -> Event:
        """Make an event, write it, tell everybody, and return it.  Raises StateError; then nobody was told."""
        drafted = make(self._clock.now(), self._app, kind, rollout=rollout, state=state, by=by, data=plain(data or {}))
        (event,) = await self._journal.append(drafted, templates=templates)
        former = self.history.rollout
        self.history = apply(self.history, event)
        self.last = event
        self._time(former)
        log.log(_LEVELS[severity(event)], "%s: %s", event.rollout or self._app, event.sentence)
        self.hub.send(event)
        return event

    def alert(self, event: Event) -> None:
        """Send an alert about `event`."""
        detail = {name: value for name, value in event.data.items() if isinstance(value, str | int | float | bool)}
        self._alerts.send(
            Alert(severity(event), self._app, event.rollout, event.kind.value, event.sentence, event.at, detail)
        )

    @property
    def in_state_s(self) -> float:
        """How long the present state, or step, has lasted."""
        return self._clock.monotonic() - self._state_began_s

    @property
    def splitting_s(self) -> float:
        """How long the shadow has had traffic, since the warm-up or the last hold."""
        return self._clock.monotonic() - self._splitting_began_s

    def _time(self, former: Rollout | None) -> None:
        """Start the clocks of what has begun with the last event."""
        rollout = self.history.rollout
        if rollout is None:
            return
        known = former if former is not None and former.id == rollout.id else None
        if known is None or rollout.since != known.since:
            self._state_began_s = self._clock.monotonic()
        if known is None or rollout.splitting_since != known.splitting_since:
            self._splitting_began_s = self._clock.monotonic()
