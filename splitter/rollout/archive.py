"""What the journal tells of an app's rollouts, the one that runs and those of the past: explanations, reports, traces.

Cost: a trace feeds a judge all over again, half a millisecond a tick.  That is done in a thread.
"""

import asyncio

from splitter.errors import NotFoundError, StateError
from splitter.judge.config import from_mapping
from splitter.judge.verdict import Decision
from splitter.rollout import trace
from splitter.rollout.analysis import Judges
from splitter.rollout.events import Event
from splitter.rollout.explanation import Explanation, explain
from splitter.rollout.fed import Row, decode, decode_past
from splitter.rollout.history import Rollout, rollouts
from splitter.rollout.journal import FIGURES_KEPT_ROLLOUTS, TICKS_MAX, Journal
from splitter.rollout.report import Report, report


class Archive:
    """Reads the journal of `app`; changes nothing."""

    def __init__(self, app: str, journal: Journal, judges: Judges) -> None:
        self._app = app
        self._journal = journal
        self._judges = judges

    async def explain(self, name: str, present: Decision | None) -> Explanation:
        """Return why rollout `name` (empty: the last) stands where it stands; `present` is the judge's word now."""
        rollout, events = await self._find(name)
        return explain(self._app, rollout, events, None if rollout.has_ended else present)

    async def report(self, name: str, present: Decision | None) -> Report:
        """Return the page of rollout `name`."""
        rollout, events = await self._find(name)
        explanation = explain(self._app, rollout, events, None if rollout.has_ended else present)
        return report(rollout, events, await self._rows(rollout), explanation)

    async def trace(self, name: str) -> str:
        """Return rollout `name` as a trace.  Raises NotFoundError where its figures are not kept."""
        rollout, _ = await self._find(name)
        rows = await self._rows(rollout)
        if not rows:
            kept = f"figures are kept for the last {FIGURES_KEPT_ROLLOUTS} rollouts"
            raise NotFoundError(f"there are no figures of {rollout.id}: nothing was judged, or it is too old; {kept}")
        past = [decode_past(text) for text in await self._journal.figures(self._app, rollout.id, -TICKS_MAX, 0)]
        judge = self._judges(from_mapping(rollout.analysis))
        return await asyncio.to_thread(lambda: "".join(f"{line}\n" for line in trace.lines(rollout, past, rows, judge)))

    async def _find(self, name: str) -> tuple[Rollout, list[Event]]:
        """Return a rollout with its own events.  Raises NotFoundError."""
        events = await self._journal.read(self._app)
        found = rollouts(events)
        if not found:
            raise NotFoundError(f"{self._app} has had no rollout yet")
        rollout = found.get(name or next(reversed(found)))
        if rollout is None:
            raise NotFoundError(f"{self._app} has no rollout {name!r}; the last is {next(reversed(found))}")
        return rollout, [event for event in events if event.rollout == rollout.id]

    async def _rows(self, rollout: Rollout) -> list[Row]:
        try:
            return [decode(text) for text in await self._journal.figures(self._app, rollout.id)]
        except (ValueError, KeyError, TypeError) as error:
            raise StateError(
                f"the figures of {rollout.id} were kept by another version of splitter: {error!r}"
            ) from error
