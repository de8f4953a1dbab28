"""Where people's wishes come in: plan, deploy, and the commands.

Rule 1: a deploy is read, compared, priced and checked beside the queue, before it is journaled; then, in its turn, it
is looked at again, for the world may have changed.
Rule 2: what cannot be done is refused with a sentence that says what can, and changes nothing.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, Final

from splitter.change.canonical import from_json, to_json
from splitter.change.plan import Plan
from splitter.errors import RefusedError, SplitterError, StateError
from splitter.facts import NO_FACTS
from splitter.judge.config import to_mapping as judge_to_mapping
from splitter.model import StackId
from splitter.placement import Placement
from splitter.rollout import planning
from splitter.rollout.analysis import Analysis
from splitter.rollout.chronicle import Chronicle
from splitter.rollout.events import Kind
from splitter.rollout.history import History, Rollout, StackRecord
from splitter.rollout.inbox import Inbox
from splitter.rollout.journal import Journal
from splitter.rollout.machine import COMMANDS, Command, State, legal_commands, step
from splitter.rollout.options import AppOptions, to_mapping
from splitter.rollout.planning import Deployment, Planner, TemplateReader
from splitter.rollout.stacks import Stacks
from splitter.rollout.steering import Steering
from splitter.template import Template

LOOK_S_MAX: Final = 30.0  # a plan is waited for by a person; what an engine does not say in time it leaves out


class Desk:
    """Takes what people ask for one app; the methods are those of the controller."""

    def __init__(
        self,
        app: AppOptions,
        journal: Journal,
        reader: TemplateReader,
        planner: Planner,
        inbox: Inbox,
        chronicle: Chronicle,
        analysis: Analysis,
        stacks: Stacks,
        steering: Steering,
    ) -> None:
        self._app = app
        self._journal = journal
        self._reader = reader
        self._planner = planner
        self._inbox = inbox
        self._chronicle = chronicle
        self._analysis = analysis
        self._stacks = stacks
        self._steering = steering
        self._is_open = False

    def open(self) -> None:
        """Take commands from now on: it is known what is."""
        self._is_open = True

    async def plan(self, files: Sequence[str], environment: Mapping[str, str]) -> Plan:
        """Return what a deploy of `files` would change and cost; changes nothing."""
        live = self._live_record()
        template = await asyncio.to_thread(self._reader, files, environment)
        plan = await self._planned(live, template)
        record = replace(next_record(self._app.name, self._history, template), placement=_beside(live, plan))
        order = self._stacks.ordered(record, "", min(self._app.rollout.provision_deadline_s, LOOK_S_MAX), template)
        return planning.looked_at(plan, await self._stacks.check(order, fetch=False))

    async def deploy(
        self, files: Sequence[str], by: str, environment: Mapping[str, str], *, force: bool, why: str
    ) -> str:
        """Begin a rollout of `files` and return its id."""
        self._check_deploy()
        live = self._live_record()
        template = await asyncio.to_thread(self._reader, files, environment)
        plan = await self._planned(live, template)
        if planning.is_empty(plan) and not force:
            raise RefusedError(
                f"{self._app.name}: these files change nothing against {live.id}; --force deploys them anyway"
            )
        if plan.obstacles:
            raise RefusedError(f"{self._app.name}: these files cannot be deployed: " + "; ".join(plan.obstacles))
        if trouble := planning.trouble_with_mirror(plan, self._app.rollout.mirror):
            raise RefusedError(f"{self._app.name}: {trouble}")
        record = replace(next_record(self._app.name, self._history, template), placement=_beside(live, plan))
        order = self._stacks.ordered(record, "", self._app.rollout.provision_deadline_s, template)
        plan = planning.looked_at(plan, await self._stacks.check(order))
        if plan.obstacles:
            raise RefusedError(f"{order.id} cannot be made here: " + "; ".join(plan.obstacles))
        deployment = Deployment(template, live.digest, tuple(files), plan, by, why)
        return await self._inbox.ask(partial(self._request, deployment))

    async def adopt(self, project: str, by: str) -> tuple[StackId, Sequence[str]]:
        """Take over a running project as the live stack; return its id and what there is to know about it."""
        self._check_adopt()
        template, told = await self._adopted_template(project)
        record = self._first_record(template, project)
        order = self._stacks.ordered(record, "", self._app.rollout.provision_deadline_s, template)
        found = await self._stacks.check(order)
        if refusals := [each.sentence for each in found if each.is_refusal]:
            raise RefusedError(f"{project} cannot be adopted: " + "; ".join(refusals))
        said = [*told, *await self._stacks.survey(order), *(each.sentence for each in found)]
        await self._inbox.ask(partial(self._adopt, record, template, by, said))
        return record.id, said

    async def _adopted_template(self, project: str) -> tuple[Template, list[str]]:
        """Return the template of a project that is adopted, and where it is from if the configuration names none."""
        if self._app.template_files:
            return await asyncio.to_thread(self._reader, self._app.template_files, {}), []
        found = await self._stacks.project(project)
        own = self._app.env_files  # whoever names some has said what counts
        if found.files and (own or not found.lost_env_files):
            read = partial(self._reader, found.files, {}, env_files=() if own else found.env_files)
            return await asyncio.to_thread(read), [f"its template is the project's own: {', '.join(found.files)}"]
        return found.template, planning.notes_of_containers(found)

    async def command(self, command: Command, by: str, why: str, change_set: str) -> None:
        """Carry out what a person orders."""
        self._check_open()
        await self._inbox.ask(partial(self._command, command, by, why, change_set))

    async def in_turn(self, order: Callable[[], Awaitable[None]]) -> None:
        """Carry out an order that moves no rollout.  Raises RefusedError, StateError."""
        self._check_open()
        if self._steering.trouble:
            raise StateError(self._steering.trouble)
        await self._inbox.ask(order)

    # --- In turn -----------------------------------------------------------------------------------------------------

    async def _request(self, deployment: Deployment) -> str:
        self._check_deploy()
        live = self._live_record()
        if live.digest != deployment.live_digest:
            raise RefusedError(f"{live.id} became live while the deploy was planned: deploy again")
        shadow = next_record(self._app.name, self._history, deployment.template)
        shadow = replace(shadow, placement=_beside(live, deployment.plan))
        rollout = f"{self._app.name}-{shadow.revision}"
        cost = planning.cost_of(deployment.plan)
        data = {
            **shadow.to_mapping("shadow"),
            "live": live.id,
            "files": list(deployment.files),
            "summary": planning.summary(deployment.plan),
            "notes": planning.notes_of(deployment.plan),
            "change_set": deployment.plan.change_set.digest,
            "cost": cost,
            "outlook": self._outlook(),
            "options": to_mapping(self._app.rollout),
            "analysis": judge_to_mapping(self._app.judge),
            "why": deployment.why,
        }
        templates = {shadow.digest: to_json(deployment.template)}
        await self._chronicle.write(
            Kind.REQUESTED, rollout=rollout, state=State.REQUESTED, by=deployment.by, data=data, templates=templates
        )
        self._analysis.clear()
        assessed = {
            "level": cost["level"],
            "points": cost["points"],
            "override_from": self._app.rollback_cost.override,
            "why": "; ".join(reason["sentence"] for reason in cost["reasons"]),
        }
        await self._steering.move(Kind.TOO_COSTLY if deployment.needs_override else Kind.ACCEPTED, data=assessed)
        return rollout

    def _outlook(self) -> dict[str, list[str]]:
        """Return what the rollout may be expected to show, in words, as the journal keeps it."""
        found = self._analysis.outlook(self._app.judge, self._app.rollout)
        return {"sentences": list(found.sentences), "warnings": list(found.warnings)}

    async def notes_of_first(self, template: Template) -> list[str]:
        """Return what there is to know about the first live stack: no plan says it.

        What stands against it is no note: making it finds that, again and again until it is gone.
        """
        deadline_s = min(self._app.rollout.provision_deadline_s, LOOK_S_MAX)
        order = self._stacks.ordered(self._first_record(template), "", deadline_s, template)
        try:
            found = await self._stacks.check(order, fetch=False)
        except SplitterError:
            return []
        return planning.bounded([each.sentence for each in found if not each.is_refusal])

    async def order_first(self, template: Template, notes: Sequence[str] = ()) -> None:
        """Have the first live stack made."""
        self._stacks.remember(template)
        await self._order_live(self._first_record(template), template, "it is the first", notes=notes)

    async def _adopt(self, record: StackRecord, template: Template, by: str, said: Sequence[str]) -> None:
        self._check_adopt()
        reason = f"{by} adopts the running project {record.placement.adopted}"
        await self._order_live(record, template, reason, by, said)

    async def _order_live(
        self,
        record: StackRecord,
        template: Template,
        reason: str,
        by: str = "splitter",
        said: Sequence[str] = (),
        notes: Sequence[str] = (),
    ) -> None:
        heard = {name: list(each) for name, each in (("survey", said), ("notes", notes)) if each}
        data = {**record.to_mapping("live"), "reason": reason, **heard}
        templates = {record.digest: to_json(template)}
        await self._chronicle.write(Kind.LIVE_ORDERED, by=by, data=data, templates=templates)
        self._stacks.keep(record, self._app.rollout.provision_deadline_s)

    def _first_record(self, template: Template, adopted: str = "") -> StackRecord:
        placement = replace(self._planner(None, template, NO_FACTS).placement, adopted=adopted)
        return replace(next_record(self._app.name, self._history, template), placement=placement)

    async def _command(self, command: Command, by: str, why: str, change_set: str) -> None:
        if self._steering.trouble:
            raise StateError(self._steering.trouble)
        rollout = self._history.running
        if rollout is None:
            raise RefusedError(f"{command.value} is not legal: no rollout of {self._app.name} runs")
        step(rollout.state, COMMANDS[command])
        data: dict[str, Any] = {"why": why}
        if command is Command.OVERRIDE:
            if rollout.live.id not in self._stacks.up:
                raise RefusedError(f"override: {rollout.live.id} is down and is made again; override when it is up")
            data |= consent(rollout, why, change_set)
        if command is Command.UNDO:
            check_undo(rollout, why)
        await self._steering.move(COMMANDS[command], by=by, data=data)
        if command is Command.RESUME:
            self._analysis.extend(rollout.options.deadline_s)  # the judge's time ran on meanwhile

    # --- What speaks against it --------------------------------------------------------------------------------------

    @property
    def _history(self) -> History:
        return self._chronicle.history

    def _check_open(self) -> None:
        if not self._is_open:
            raise RefusedError(f"{self._app.name} is still starting: its stacks are looked for; ask again in a moment")

    def _check_deploy(self) -> None:
        """Raise what speaks against any deploy now."""
        self._check_open()
        if self._steering.trouble:
            raise StateError(self._steering.trouble)
        running = self._history.running
        if running is not None:
            legal = ", ".join(f"`splitter {command.value}`" for command in legal_commands(running.state))
            raise RefusedError(
                f"rollout {running.id} is in state {running.state.value}: wait for its end, or use {legal}"
            )
        if self._live_record().id not in self._stacks.up:
            raise RefusedError(f"{self._app.name}: its live stack is not up, so there is nothing to compare with")

    def _check_adopt(self) -> None:
        """Raise what speaks against any adoption now."""
        self._check_open()
        if self._steering.trouble:
            raise StateError(self._steering.trouble)
        if self._history.live is not None:
            raise RefusedError(
                f"{self._app.name} has the live stack {self._history.live.id}; only the first one is adopted"
            )
        if not self._app.waits_for_adoption:
            raise RefusedError(f"{self._app.name} makes its first stack itself; write `adopt: true` under its name")

    async def _planned(self, live: StackRecord, template: Template) -> Plan:
        before = from_json(await self._journal.template(live.digest))
        plan = self._planner(before, template, await self._stacks.facts(live.id, before, template))
        return replace(plan, notes=(*plan.notes, *planning.notes_of_adopted(live.placement.adopted)))

    def _live_record(self) -> StackRecord:
        live = self._history.live
        if live is None:
            raise RefusedError(f"{self._app.name} has no live stack yet, so there is nothing to compare with")
        return live


def next_record(app: str, history: History, template: Template) -> StackRecord:
    """Return the record of the next stack of `app`: revisions are never used twice."""
    revision = history.revision + 1
    return StackRecord(StackId(f"{app}-r{revision}"), revision, template.digest)


def _beside(live: StackRecord, plan: Plan) -> Placement:
    """Return how a shadow of `plan` stands beside `live`."""
    return replace(plan.placement, base=live.id)


def consent(rollout: Rollout, why: str, change_set: str) -> dict[str, Any]:
    """Return what is recorded of an override: it holds for this change set only.  Raises RefusedError."""
    if not why.strip():
        raise RefusedError("override: say why; the consent is recorded with your name and your reason")
    if change_set and not rollout.change_set.startswith(change_set):
        raise RefusedError(f"override: {rollout.id} is of change set {rollout.change_set[:12]}, not {change_set[:12]}")
    reasons = [each["id"] for each in rollout.cost.get("reasons", ())]
    return {"change_set": rollout.change_set, "reasons": reasons}


LASTING = ("ST", "VO", "JB", "MG")
"""Reasons of the rollback cost about data, which has moved on since the promotion: what the standby has is old."""


def check_undo(rollout: Rollout, why: str) -> None:
    """Raise RefusedError where going back costs data, until somebody says why it is to be done all the same."""
    lasting = [each["sentence"] for each in rollout.cost.get("reasons", ()) if each["id"].startswith(LASTING)]
    if lasting and not why.strip():
        raise RefusedError(
            "undo: the standby's data is that of before the promotion; say --why to go back all the same: "
            + "; ".join(lasting)
        )
