"""The controller of one app: a fact comes in, the table says what follows, the journal keeps it, the effects go out.

Rule 1: one writer.  Commands, ticks, what happens to stacks and how effects end all go through one queue (`inbox`), and
what is taken from it is done before the next is.  Only long effects run beside it, in tasks that the next cuts off.
Rule 2: it decides nothing.  What time and evidence make due is said by `pacing`, what follows by `machine`.

The other rooms: `steering` takes the steps, `effects` carries out what they order, `stacks` makes, watches and removes,
`analysis` feeds the judge, `chronicle` writes.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from splitter.change.plan import Plan
from splitter.contracts import AlertSink, Clock, FoundStack, KpiSource, Provisioner, RequestParking, TrafficSwitch
from splitter.errors import EngineError, SplitterError, StateError
from splitter.judge.plan import JudgePlan
from splitter.model import ServicePort, StackId
from splitter.rollout.analysis import Analysis, Judges
from splitter.rollout.archive import Archive
from splitter.rollout.chronicle import Chronicle
from splitter.rollout.desk import Desk
from splitter.rollout.effects import Effects, Fact
from splitter.rollout.events import BATCHED, Event, Kind
from splitter.rollout.explanation import Explanation
from splitter.rollout.history import History, Rollout
from splitter.rollout.inbox import Inbox, Job
from splitter.rollout.incidents import Incidents
from splitter.rollout.journal import Journal
from splitter.rollout.machine import SHADOW_SERVES
from splitter.rollout.machine import Command as Command  # the faces ask for it here
from splitter.rollout.options import AppOptions
from splitter.rollout.pacing import Moment, due
from splitter.rollout.parking import Parking
from splitter.rollout.planning import Planner, TemplateReader
from splitter.rollout.recovery import reconcile
from splitter.rollout.report import Report
from splitter.rollout.sampling import Sampling
from splitter.rollout.stacks import News, Stacks, pause_s
from splitter.rollout.status import Status
from splitter.rollout.steering import JUDGED, Steering
from splitter.rollout.subscription import Subscription
from splitter.rollout.traffic import Traffic
from splitter.rollout.view import status_of

log = logging.getLogger(__name__)


class Controller:
    """One app: its live stack and its rollouts.  `run` it once; the faces call the rest meanwhile."""

    def __init__(
        self,
        app: AppOptions,
        *,
        provisioner: Provisioner,
        switch: TrafficSwitch,
        kpis: KpiSource,
        journal: Journal,
        alerts: AlertSink,
        reader: TemplateReader,
        planner: Planner,
        clock: Clock,
        judges: Judges,
        parking: RequestParking,
        forget: Callable[[StackId], None] = lambda stack: None,
        health: Callable[[StackId], str] = lambda stack: "",
    ) -> None:
        """`reader` reads templates, `planner` compares two; `forget` is told of each stack that is gone.

        `health` says in a sentence why a stack that serves is not well, and nothing while it is.
        """
        self._app = app
        self._journal = journal
        self._reader = reader
        self._clock = clock
        self._forget = forget
        self._health = health
        self._chronicle = Chronicle(app.name, journal, clock, alerts)
        self._inbox = Inbox(app.name, self._on_unrecorded, self._on_fault)
        self._analysis = Analysis(app.name, app.judge, judges, kpis, journal)
        self._archive = Archive(app.name, journal, judges)
        self._stacks = Stacks(
            app.name,
            tuple(dict.fromkeys(ServicePort(rule.service, rule.port) for rule in app.routes)),
            provisioner,
            journal,
            clock,
            tell=lambda news: self._inbox.put(partial(self._incidents.take, news)),
            forget=self._on_gone,
            reader=reader,
        )
        self._sampling = Sampling(app.name, provisioner, clock, lambda: self._stacks.up, every_s=app.rollout.sample_s)
        self._effects = Effects(
            self._stacks,
            Traffic(app.name, switch),
            clock,
            history=lambda: self._history,
            note=self._note,
            tell=lambda fact: self._inbox.put(partial(self._on_fact, fact)),
        )
        self._steering = Steering(
            app.name, app.rollout, journal, self._chronicle, self._analysis, self._stacks, self._effects, alerts, clock
        )
        self._desk = Desk(
            app,
            journal,
            reader,
            planner,
            self._inbox,
            self._chronicle,
            self._analysis,
            self._stacks,
            self._steering,
        )
        self._incidents = Incidents(app.name, self._chronicle, self._stacks, self._effects, self._steering)
        self.parking = Parking(app.name, parking, self._chronicle, clock, self._desk.in_turn, self._put_note)
        self._has_tick = False  # one waits in the inbox

    # --- For the daemon ----------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Bring back what the journal says and go on from there, until cancelled; stacks stay as they are.

        Raises StateError (in a group) when the journal cannot be read or written at the start.
        """
        try:
            async with asyncio.TaskGroup() as tasks:
                self._stacks.begin(tasks)
                self._steering.begin(tasks)
                await self._begin(tasks)
                tasks.create_task(self._sampling.run(), name=f"{self._app.name}: samples")
                tasks.create_task(self._keep_ticking(), name=f"{self._app.name}: ticks")
                await self._inbox.work()
        finally:
            self._chronicle.hub.close()

    @property
    def is_ready(self) -> bool:
        """Return whether the app has a stack to serve it."""
        rollout = self._history.running
        if rollout is not None and rollout.state in SHADOW_SERVES:
            return rollout.shadow.id in self._stacks.up
        return self._history.live is not None and self._history.live.id in self._stacks.up

    # --- For the faces -----------------------------------------------------------------------------------------------

    def status(self) -> Status:
        """Return what people see of the app at this moment."""
        return status_of(
            self._app.name,
            self._chronicle,
            self._stacks,
            self._analysis,
            self._sampling,
            self._health,
            self._steering.trouble,
            self.parking.status,
        )

    async def events(self, after_seq: int = 0) -> list[Event]:
        """Return the app's events with higher numbers than `after_seq`, in order."""
        return await self._journal.read(self._app.name, after_seq)

    async def explain(self, rollout: str = "") -> Explanation:
        """Return why a rollout (the last, or the one of that id) stands where it stands.  Raises NotFoundError."""
        return await self._archive.explain(rollout, self._analysis.decision)

    async def report(self, rollout: str = "") -> Report:
        """Return a whole rollout on one page.  Raises NotFoundError."""
        return await self._archive.report(rollout, self._analysis.decision)

    async def trace(self, rollout: str = "") -> str:
        """Return what a rollout's judge was fed, as a trace that can be replayed.  Raises NotFoundError."""
        return await self._archive.trace(rollout)

    def subscribe(self) -> Subscription:
        """Return the app's events from now on.  Raises RefusedError when too many follow them already."""
        return self._chronicle.hub.join()

    async def plan(self, files: Sequence[str], environment: Mapping[str, str]) -> Plan:
        """Return what a deploy of `files` would change and cost; changes nothing.  Raises TemplateError."""
        return await self._desk.plan(files, environment)

    def outlook(self) -> JudgePlan:
        """Return what a rollout that began now would show, and when: at this traffic, through the app's steps."""
        return self._analysis.outlook(self._app.judge, self._app.rollout)

    async def deploy(
        self, files: Sequence[str], by: str, environment: Mapping[str, str], *, force: bool = False, why: str = ""
    ) -> str:
        """Begin a rollout of `files` and return its id.  `force`: also when nothing changes.

        Raises TemplateError for files that cannot be used; RefusedError when there is no live stack, another rollout
        runs, nothing changes, or the stack cannot be made here; StateError while the journal takes nothing.
        """
        return await self._desk.deploy(files, by, environment, force=force, why=why)

    async def adopt(self, project: str, by: str) -> tuple[StackId, Sequence[str]]:
        """Take over a running project as the live stack; return its id and what there is to know about it.

        Raises RefusedError where there is a live stack, or the app does not wait for one; TemplateError for its files.
        """
        return await self._desk.adopt(project, by)

    async def command(self, command: Command, by: str, why: str = "", change_set: str = "") -> None:
        """Carry out what a person orders.  `change_set`: refuse an override unless the rollout is of that change set.

        Raises RefusedError that says what is legal; StateError while the journal takes nothing.
        """
        await self._desk.command(command, by, why, change_set)

    # --- A start -----------------------------------------------------------------------------------------------------

    async def _begin(self, tasks: asyncio.TaskGroup) -> None:
        """Fold the journal, look at what is, and go on from there."""
        await self._chronicle.load()
        found = await self._find()
        findings = reconcile(self._history, found, has_analysis=await self._restore_analysis())
        await self._learn()
        if findings.live is not None:
            self._stacks.adopt(findings.live, is_live=True)
        if findings.shadow is not None:
            self._stacks.adopt(findings.shadow)
        if findings.kind is None:
            await self._incidents.republish()
        else:  # what a restart leads to publishes by itself
            data = {"reason": findings.reason, "found": findings.reason}
            self._inbox.put(partial(self._steering.move, findings.kind, data=data))
        if self._history.live is None and self._app.waits_for_adoption:
            log.info("%s: waits for `splitter adopt`: no first stack is made", self._app.name)
        elif self._history.live is None:
            tasks.create_task(self._read_first(), name=f"{self._app.name}: read the template")
        elif findings.live is None and findings.kind is not Kind.LIVE_DIED:
            self._inbox.put(partial(self._steering.order_live, findings.reason))
        for stranger in findings.strangers:
            self._inbox.put(partial(self._condemn, stranger))
        self._stacks.sweep(self._history.remains)
        self._desk.open()

    async def _find(self) -> Sequence[FoundStack]:
        """Return the stacks that exist, once the engine answers."""
        attempt = 0
        while True:
            try:
                found = await self._stacks.find()
            except EngineError as error:
                attempt += 1
                if attempt == 1:
                    data = {"stack": self._app.name, "reason": str(error)}
                    await self._incidents.note(Kind.ENGINE_GONE, "", data)
                log.warning("%s: %s; asking again in %g s", self._app.name, error, pause_s(attempt))
                await self._clock.sleep(pause_s(attempt))
            else:
                if attempt:
                    await self._incidents.note(Kind.ENGINE_BACK, "", {"stack": self._app.name})
                return found

    async def _restore_analysis(self) -> bool:
        """Go on with the judge of the rollout that runs; return whether there is one."""
        rollout = self._history.running
        if rollout is None or rollout.state not in JUDGED:
            return False
        try:
            await self._analysis.restore(rollout)
        except (SplitterError, ValueError, KeyError, TypeError) as error:
            log.warning("%s: the judge's state cannot be read: %r", rollout.id, error)
        if not self._analysis.is_judging and rollout.state in SHADOW_SERVES:
            self._analysis.begin(rollout)  # nothing to compare with is left: its guards are what can be had
        return self._analysis.is_judging

    async def _learn(self) -> None:
        """Read the templates of the stacks that count."""
        rollout = self._history.running
        for record in (self._history.live, rollout.shadow if rollout is not None else None):
            if record is not None:
                await self._stacks.order(record, "", 0.0)

    async def _condemn(self, stack: StackId) -> None:
        data = {"stack": stack, "reason": "no rollout that runs knows it"}
        await self._chronicle.write(Kind.RETIRE_ORDERED, data=data)
        self._stacks.condemn(stack)

    async def _read_first(self) -> None:
        """Read the app's own template until that works, then order the first live stack."""
        attempt = 0
        while True:
            try:
                template = await asyncio.to_thread(self._reader, self._app.template_files, {})
            except SplitterError as error:
                attempt += 1
                live = StackId(f"{self._app.name}-r1")
                data = {"live": live, "attempt": attempt, "reason": str(error), "retry_s": pause_s(attempt)}
                self._inbox.put(partial(self._incidents.take, News(Kind.LIVE_FAILED, live, data=data)))
                await self._clock.sleep(pause_s(attempt))
            else:
                notes = await self._desk.notes_of_first(template)
                self._inbox.put(partial(self._desk.order_first, template, notes))
                return

    # --- Facts -------------------------------------------------------------------------------------------------------

    async def _on_tick(self) -> None:
        """Close the windows, ask the judge, and let happen what is due."""
        self._has_tick = False
        if self._steering.trouble and not await self._steering.pay():
            return
        await self._incidents.settle()
        if self._history.live is None:
            return
        for stack in tuple(self._stacks.up):
            if uses := self._sampling.take(stack):
                self._analysis.sampled(stack, uses)
        live_window = self._analysis.close_live(self._history.live.id)
        rollout = self._history.running
        if rollout is None:
            return
        shadow_window = self._analysis.close(rollout.shadow.id) if rollout.shadow.id in self._stacks.up else None
        decision = None
        if self._analysis.is_judging and rollout.state in JUDGED:
            decision = self._analysis.observe(rollout, live_window, shadow_window, self._unhealthy(rollout))
            if (known := self._analysis.refresh(rollout)) is not None:
                self._put_note(Kind.CALIBRATED, rollout.id, known)
            for warning in self._analysis.warnings(rollout):
                self._put_note(Kind.FORESEEN, rollout.id, warning)
        moment = Moment(
            in_state_s=self._chronicle.in_state_s,
            splitting_s=self._chronicle.splitting_s,
            has_baseline=self._analysis.has_baseline,
            is_ill=bool(self._unhealthy(rollout)),
        )
        kind = due(rollout, moment.judged(decision))
        if kind is not None:
            await self._steering.move(kind, data=self._grounds(kind, rollout))

    def _unhealthy(self, rollout: Rollout) -> str:
        """Return why the shadow is not well; empty where live is not well either: then it is not the shadow's fault."""
        return "" if self._health(rollout.live.id) else self._health(rollout.shadow.id)

    def _grounds(self, kind: Kind, rollout: Rollout) -> dict[str, Any]:
        """Return what an event of `kind` is to say.  The judge begins where the warm-up ends."""
        if kind is Kind.MIRRORED:
            return self._analysis.end_mirroring(rollout)
        if kind is Kind.DEADLINE:
            return {"why": self._unhealthy(rollout)}
        if kind not in (Kind.WARM, Kind.WARM_TO_MIRROR):
            return self._analysis.grounds(kind)
        known = self._analysis.begin(rollout)
        self._put_note(Kind.CALIBRATED, rollout.id, known)
        return {"requests": known["requests"]}

    async def _on_fact(self, fact: Fact) -> None:
        """Take how a script ended, unless it was cut off meanwhile."""
        rollout = self._history.running
        if rollout is None or rollout.id != fact.rollout or fact.script != self._effects.script:
            return
        if fact.stack is not None:
            self._stacks.adopt(fact.stack)
        await self._steering.move(fact.kind, data=fact.data)

    async def _on_unrecorded(self, error: StateError, job: Job | None) -> None:
        await self._steering.unrecorded(error, None if job == self._on_tick else job)

    async def _on_fault(self, reason: str) -> None:
        """A bug of ours: what it touched cannot be trusted, so a running split ends."""
        await self._steering.move_if_legal(Kind.FAULT, {"reason": reason})

    def _on_gone(self, stack: StackId) -> None:
        self._incidents.forget(stack)
        self._analysis.forget(stack)
        self._sampling.forget(stack)
        self._forget(stack)

    # --- Notes, ticks ------------------------------------------------------------------------------------------------

    @property
    def _history(self) -> History:
        return self._chronicle.history

    async def _note(self, kind: Kind, rollout: str, data: Mapping[str, Any]) -> None:
        """Write a note of an effect, in its turn.  Notes that a power cut may take are not waited for."""
        if kind in BATCHED:
            self._put_note(kind, rollout, data)
        else:
            await self._inbox.ask(partial(self._chronicle.write, kind, rollout=rollout, data=data))

    def _put_note(self, kind: Kind, rollout: str, data: Mapping[str, Any], by: str = "splitter") -> None:
        self._inbox.put(partial(self._incidents.note, kind, rollout, data, by))

    async def _keep_ticking(self) -> None:
        while True:
            await self._clock.sleep(self._app.rollout.tick_s)
            if not self._has_tick:
                self._has_tick = True
                self._inbox.put(self._on_tick)
