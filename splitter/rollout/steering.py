"""Takes the steps of the table of states for one app: journal, memory, effects, in this order.

Rule 1: journal, then act.  A step that cannot be journaled is not taken.
Rule 2: while the journal takes nothing, requests go to live alone, unless the journal says already that the shadow was
promoted; nothing else goes on.  That is where a daemon that reads this journal would lead in the worst case, and what
was kept back is owed: it is journaled and goes on when the journal takes it.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Mapping
from functools import partial
from typing import Any, Final

from splitter.contracts import Alert, AlertSink, Clock, Severity
from splitter.errors import RefusedError, StateError
from splitter.rollout.analysis import Analysis
from splitter.rollout.chronicle import Chronicle
from splitter.rollout.effects import Effects
from splitter.rollout.events import Kind
from splitter.rollout.history import History, Rollout
from splitter.rollout.inbox import Job
from splitter.rollout.journal import Journal
from splitter.rollout.machine import AT_ONCE, SHADOW_SERVES, Effect, State, is_legal, limit_s, step
from splitter.rollout.options import RolloutOptions
from splitter.rollout.stacks import Stacks

OWED_MAX: Final = 100
JUDGED: Final = frozenset({State.MIRRORING, State.SPLITTING, State.HELD, State.PROMOTING}) | SHADOW_SERVES
"""States in which the shadow has requests or copies, or had them a moment ago."""

_OVER_ALL_STEPS: Final = frozenset(
    {Kind.PROVEN, Kind.PROMOTE_UNDECIDED, Kind.UNDECIDED, Kind.HOLD_UNDECIDED, Kind.WORSE}
)

log = logging.getLogger(__name__)


class Steering:
    """Moves the rollout of `app`.  Only the controller's queue calls it."""

    def __init__(
        self,
        app: str,
        options: RolloutOptions,
        journal: Journal,
        chronicle: Chronicle,
        analysis: Analysis,
        stacks: Stacks,
        effects: Effects,
        alerts: AlertSink,
        clock: Clock,
    ) -> None:
        self.trouble = ""  # why the journal takes nothing; empty while it does
        self._app = app
        self._options = options
        self._journal = journal
        self._chronicle = chronicle
        self._analysis = analysis
        self._stacks = stacks
        self._effects = effects
        self._alerts = alerts
        self._clock = clock
        self._owed: deque[Job] = deque(maxlen=OWED_MAX)
        self._tasks: asyncio.TaskGroup | None = None

    def begin(self, tasks: asyncio.TaskGroup) -> None:
        """Carry out effects in `tasks` from now on."""
        self._tasks = tasks

    @property
    def history(self) -> History:
        return self._chronicle.history

    async def move(self, kind: Kind, *, by: str = "splitter", data: Mapping[str, Any] | None = None) -> None:
        """Take one step of the table.  Raises RefusedError where it has none, StateError where it is not journaled."""
        rollout = self.history.running
        if rollout is None:
            raise RefusedError(f"no rollout of {self._app} runs that event {kind.value} could move")
        following = step(rollout.state, kind)
        words = {**self._words(rollout, kind, following.state), **(data or {})}
        event = await self._chronicle.write(kind, rollout=rollout.id, state=following.state, by=by, data=words)
        moved = self.history.rollout
        assert moved is not None, "the rollout that moved is the last one"
        self._enter(moved)
        if Effect.ALERT in following.effects:
            self._chronicle.alert(event)
        script = [effect for effect in following.effects if effect not in AT_ONCE]
        if script or moved.state is not rollout.state:
            assert self._tasks is not None, "steering is begun before it is used"
            self._effects.start(self._tasks, moved, script)
        if Effect.RESTORE_LIVE in following.effects:
            await self.order_live(str(words.get("reason", kind.value)))

    async def move_if_legal(self, kind: Kind, data: Mapping[str, Any] | None = None) -> bool:
        """Take a step where the table has one; return whether it had."""
        rollout = self.history.running
        if rollout is None or not is_legal(rollout.state, kind):
            return False
        await self.move(kind, data=data)
        return True

    async def order_live(self, reason: str) -> None:
        """Have the live stack made, from its template in the journal, unless it is up or under way."""
        record = self.history.live
        assert record is not None, "a live stack is ordered again once it is known"
        if record.id in self._stacks.up or self._stacks.is_making(record):
            return
        data = {**record.to_mapping("live"), "reason": reason}
        await self._chronicle.write(Kind.LIVE_ORDERED, data=data)
        self._stacks.keep(record, self._options.provision_deadline_s)

    def _enter(self, moved: Rollout) -> None:
        """See to what a state holds in memory."""
        self._effects.retreats = False
        if moved.state not in JUDGED:
            self._analysis.end()
        if moved.state is State.PROMOTED and moved.shadow.id in self._stacks.up:
            self._stacks.live_is_up.set()

    def _words(self, rollout: Rollout, kind: Kind, state: State) -> dict[str, Any]:
        """Return what every sentence about a transition may use."""
        options = rollout.options
        index = rollout.step + 1 if kind is Kind.ADVANCED else rollout.step
        words: dict[str, Any] = {
            "live": rollout.live.id,
            "shadow": rollout.shadow.id,
            "former_state": rollout.state.value,
            "took_s": self._chronicle.splitting_s if kind in _OVER_ALL_STEPS else self._chronicle.in_state_s,
            "step_index": index,
            "step": index + 1,
            "steps": len(options.steps_bp),
            "share_bp": options.steps_bp[index],
            "former_share_bp": rollout.share_bp,
        }
        if state is State.PROMOTED and rollout.live.placement.adopted:
            words["adopted"] = rollout.live.placement.adopted
        if options.mirror is not None:
            words |= {"mirror_bp": options.mirror.share_bp, "mirror_for_s": options.mirror.for_s}
        if rollout.state in JUDGED and self._analysis.decision is not None:
            words["judged"] = self._analysis.decision.state()
        limits = {"limit_s": limit_s(rollout.state, options), "state_limit_s": limit_s(state, options)}
        return words | {name: seconds for name, seconds in limits.items() if seconds is not None}

    # --- A journal that takes nothing --------------------------------------------------------------------------------

    async def unrecorded(self, error: StateError, job: Job | None) -> None:
        """Go to where nothing need be decided; `job` is owed, None where who asked was told."""
        rollout = self.history.running
        if not self.trouble:
            log.error("%s: %s", self._app, error)
            sentence = f"{error}; no decision is taken until the journal can be written"
            name = rollout.id if rollout is not None else ""
            at = self._clock.now()
            self._alerts.send(Alert(Severity.CRITICAL, self._app, name, Kind.UNRECORDED.value, sentence, at, {}))
        self.trouble = str(error)
        if rollout is not None and is_legal(rollout.state, Kind.UNRECORDED):
            self._retreat(rollout, str(error))
        if job is not None:
            self._owe(job)

    async def in_order(self, job: Job) -> None:
        """Do `job`, which writes down what has happened already, after all that is owed."""
        if self.trouble:
            self._owe(job)
            return
        try:
            await job()
        except StateError as error:
            await self.unrecorded(error, job)

    def _owe(self, job: Job) -> None:
        if job not in self._owed:
            self._owed.append(job)

    def _retreat(self, rollout: Rollout, reason: str) -> None:
        """Give live all traffic now; the rollback itself is owed, before all else."""
        if self._effects.retreats:
            return
        assert self._tasks is not None, "steering is begun before it is used"
        self._owed.appendleft(partial(self.move, Kind.UNRECORDED, data={"reason": reason}))
        self._effects.retreats = True
        self._effects.start(self._tasks, rollout, (Effect.PUBLISH,))

    async def pay(self) -> bool:
        """Do what is owed; return whether the journal takes things again."""
        try:
            await self._journal.probe()
        except StateError as error:
            self.trouble = str(error)
            return False
        while self._owed:
            try:
                await self._owed[0]()
            except StateError as error:
                self.trouble = str(error)
                return False
            except RefusedError as error:
                log.debug("%s: too late: %s", self._app, error)
            self._owed.popleft()
        if self.trouble:
            self.trouble = ""
            log.warning("%s: decisions are taken again", self._app)
        return True
