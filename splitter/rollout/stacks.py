"""The stacks of one app: which are up, which are being made or removed, and what happens to them.

Rule 1: a stack is in `up` only while it is whole as far as anybody knows; its endpoints are what was said last.
Rule 2: the live stack is made again for as long as it takes; a stack that is to go is removed for as long as it takes.
Both go on in tasks of their own with longer and longer pauses, so an engine that is away for an hour costs an hour.
Rule 3: a stack that is to go is no longer watched: its end is no news.

Facts are handed to `tell`, which never waits; nothing here decides.
"""

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from splitter.change.canonical import from_json
from splitter.contracts import (
    Clock,
    EngineBack,
    EngineGone,
    Finding,
    FoundStack,
    Provisioner,
    RunningProject,
    StackDied,
    StackMoved,
    StackOrder,
)
from splitter.errors import EngineError, OperatorError, SplitterError, StackError
from splitter.facts import Facts
from splitter.model import ServicePort, Stack, StackId
from splitter.rollout.events import Kind
from splitter.rollout.history import StackRecord
from splitter.rollout.journal import Journal
from splitter.rollout.planning import TemplateReader
from splitter.rollout.values import Values
from splitter.template import Template

PAUSES_S = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 60.0)

log = logging.getLogger(__name__)


def pause_s(attempt: int) -> float:
    """Return how long to wait after the failed `attempt`, which counts from 1."""
    return PAUSES_S[min(attempt, len(PAUSES_S)) - 1]


@dataclass(frozen=True, slots=True)
class News:
    """Something happened to a stack.  `stack` is what is up now, for HEALTHY, LIVE_UP and a stack that has moved."""

    kind: Kind | None
    id: StackId
    stack: Stack | None = None
    data: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Removed:
    """How a removal ended: `reason` says why it failed, `left` what stays because other stacks use it."""

    reason: str = ""
    left: tuple[str, ...] = ()


class Stacks:
    """Makes, watches and removes the stacks of `app`.  Tasks start in the group that `begin` is given."""

    def __init__(
        self,
        app: str,
        routed: tuple[ServicePort, ...],
        provisioner: Provisioner,
        journal: Journal,
        clock: Clock,
        tell: Callable[[News], None],
        forget: Callable[[StackId], None],
        reader: TemplateReader,
    ) -> None:
        self.up: dict[StackId, Stack] = {}
        self.known: dict[StackId, Stack] = {}  # as `up`, and stacks that died, with their last endpoints
        self.live_is_up = asyncio.Event()
        self.services: dict[str, int] = {}  # how many a template has, by its digest
        self._app = app
        self._routed = routed
        self._provisioner = provisioner
        self._journal = journal
        self._clock = clock
        self._tell = tell
        self._forget = forget
        self._reader = reader
        self._values = Values()
        self._tasks: asyncio.TaskGroup | None = None
        self._watchers: dict[StackId, asyncio.Task[None]] = {}
        self._removals: dict[StackId, asyncio.Task[None]] = {}
        self._keeper: asyncio.Task[None] | None = None
        self._kept = StackId("")

    def begin(self, tasks: asyncio.TaskGroup) -> None:
        """Start tasks in `tasks` from now on."""
        self._tasks = tasks

    # --- Up ----------------------------------------------------------------------------------------------------------

    async def order(self, record: StackRecord, rollout: str, deadline_s: float) -> StackOrder:
        """Return the order for `record`, with its template from the journal."""
        template = from_json(await self._journal.template(record.digest))
        if self._values.lacks(template):
            await self._read_again(template)
        return self.ordered(record, rollout, deadline_s, self._values.filled(template))

    def remember(self, template: Template) -> None:
        """Keep in memory what the journal does not: what the variables of a template's secrets hold."""
        self._values.remember(template)

    async def _read_again(self, template: Template) -> None:
        """Read the files of a template, as another daemon had: their variables may still hold what they held then."""
        try:
            self.remember(await asyncio.to_thread(self._reader, template.files, {}))
        except (SplitterError, OSError) as error:
            log.info("%s: the files of its template cannot be read again for their variables: %s", self._app, error)

    def ordered(self, record: StackRecord, rollout: str, deadline_s: float, template: Template) -> StackOrder:
        """Return the order for `record`, with a template that is at hand."""
        self.services[template.digest] = len(template.services)
        self.remember(template)
        return StackOrder(
            record.id,
            self._app,
            record.revision,
            rollout,
            template,
            self._routed,
            deadline_s,
            record.placement,
            again=record.was_up,
        )

    async def check(self, order: StackOrder, *, fetch: bool = True) -> Sequence[Finding]:
        """Return every reason why `order` cannot be made, and what there is to know about it."""
        return await self._provisioner.check(order, fetch=fetch)

    async def survey(self, order: StackOrder) -> Sequence[str]:
        """Return what an operator should know before `order` takes a running project over."""
        return await self._provisioner.survey(order)

    async def project(self, name: str) -> RunningProject:
        """Return what is known of a running project."""
        return await self._provisioner.project(name)

    async def facts(self, live: StackId, before: Template, after: Template) -> Facts:
        """Return what is known of `live`, made of `before`, and of the images of `after`."""
        return await self._provisioner.facts(live, before, after)

    async def make(self, record: StackRecord, rollout: str, deadline_s: float) -> Stack:
        """Make the stack of `record` and return it.  Raises StackError; then nothing of it is left."""
        order = await self.order(record, rollout, deadline_s)
        return await self._provisioner.create(order, lambda step: log.info("%s: %s", record.id, step))

    async def find(self) -> Sequence[FoundStack]:
        return await self._provisioner.find()

    def adopt(self, stack: Stack, *, is_live: bool = False) -> None:
        """Take `stack` for up, and watch it."""
        self.up[stack.id] = self.known[stack.id] = stack
        if is_live:
            self.live_is_up.set()
        self._unwatch(stack.id)
        self._watchers[stack.id] = self._start(self._watch(stack.id), f"watch {stack.id}")

    def moved(self, stack: Stack) -> None:
        """Take over the new endpoints of a stack that is up."""
        if stack.id in self.up:
            self.up[stack.id] = self.known[stack.id] = stack

    def lost(self, stack: StackId, *, is_live: bool = False) -> None:
        """Take `stack` for dead."""
        self.up.pop(stack, None)
        self._unwatch(stack)
        if is_live:
            self.live_is_up.clear()

    async def _watch(self, stack: StackId) -> None:
        """Tell what happens to `stack` until it dies or is retired; an engine that is away is asked again."""
        attempt = 0
        while True:
            try:
                if attempt and not await self._is_whole(stack):
                    self._tell(News(None, stack, data={"reason": "it was not whole when the engine came back"}))
                    return
                if attempt:
                    self._tell(News(Kind.ENGINE_BACK, stack, data={"stack": stack}))
                    attempt = 0
                async for news in self._provisioner.watch(stack):
                    match news:
                        case StackMoved():
                            self._tell(News(None, stack, news.stack))
                        case EngineGone():
                            self._tell(News(Kind.ENGINE_GONE, stack, data={"stack": stack, "reason": news.reason}))
                        case EngineBack():
                            self._tell(News(Kind.ENGINE_BACK, stack, data={"stack": stack}))
                        case StackDied():
                            self._tell(News(None, stack, data={"reason": news.reason}))
                            break
                else:
                    log.debug("%s is no longer watched: it is retired", stack)
                break
            except EngineError as error:
                attempt += 1
                if attempt == 1:
                    self._tell(News(Kind.ENGINE_GONE, stack, data={"stack": stack, "reason": str(error)}))
            except Exception:  # a bug of ours: the stack may be well, and the other ways to see it fail go on
                log.exception("%s could not be watched; trying again in %g s", stack, PAUSES_S[-1])
                await self._clock.sleep(PAUSES_S[-1])
                continue
            await self._clock.sleep(pause_s(attempt))

    async def _is_whole(self, stack: StackId) -> bool:
        return any(found.id == stack and found.stack is not None for found in await self._provisioner.find())

    # --- Made again --------------------------------------------------------------------------------------------------

    def is_making(self, record: StackRecord) -> bool:
        """Return whether the live stack `record` is being made."""
        return self._kept == record.id and self._keeper is not None and not self._keeper.done()

    def keep(self, record: StackRecord, deadline_s: float) -> None:
        """Make the live stack `record` until it is up, unless that is under way; there is one live stack."""
        if self.is_making(record):
            return
        if self._keeper is not None:
            self._keeper.cancel()
        self._kept = record.id
        self._keeper = self._start(self._keep(record, deadline_s), f"make {record.id}")

    async def _keep(self, record: StackRecord, deadline_s: float) -> None:
        attempt = 0
        began_s = self._clock.monotonic()
        while True:
            try:
                stack = await self.make(record, "", deadline_s)
            except (StackError, OperatorError) as error:
                attempt += 1
                data = {"live": record.id, "attempt": attempt, "reason": str(error), "retry_s": pause_s(attempt)}
                self._tell(News(Kind.LIVE_FAILED, record.id, data=data))
            except Exception as error:
                attempt += 1
                log.exception("making %s failed", record.id)
                data = {"live": record.id, "attempt": attempt, "reason": repr(error), "retry_s": pause_s(attempt)}
                self._tell(News(Kind.LIVE_FAILED, record.id, data=data))
            else:
                data = {"live": record.id, "took_s": self._clock.monotonic() - began_s}
                self._tell(News(Kind.LIVE_UP, record.id, stack, data))
                return
            await self._clock.sleep(pause_s(attempt))

    # --- What must not run twice --------------------------------------------------------------------------------------

    async def activate(self, stack: StackId, deadline_s: float) -> Sequence[str]:
        """Run what waited for the promotion of `stack`, if it is up.  Raises StackError."""
        return await self._provisioner.activate(stack, deadline_s) if stack in self.up else ()

    async def deactivate(self, stack: StackId) -> Sequence[str]:
        """Stop what must not run twice.  Raises EngineError."""
        return await self._provisioner.deactivate(stack)

    # --- Removed -----------------------------------------------------------------------------------------------------

    async def remove(self, stack: StackId) -> Removed:
        """Try once to remove `stack` and all that belongs to it alone."""
        self.lost(stack)
        try:
            left = await self._provisioner.retire(stack)
        except StackError as error:
            return Removed(str(error))
        except Exception as error:
            log.exception("removing %s failed", stack)
            return Removed(repr(error))
        self.known.pop(stack, None)
        self._forget(stack)
        return Removed(left=tuple(left))

    def sweep(self, remains: Iterable[StackId]) -> None:
        """Remove what is left of retired stacks, where the last one that used it has gone."""
        for stack in sorted(remains):
            self.condemn(stack)

    def condemn(self, stack: StackId, *, failed: int = 0) -> None:
        """Remove `stack` in the background until it is gone; `failed` attempts were made before."""
        if stack not in self._removals:
            self._removals[stack] = self._start(self._remove(stack, failed), f"remove {stack}")

    async def _remove(self, stack: StackId, attempt: int) -> None:
        try:
            if attempt:
                await self._clock.sleep(pause_s(attempt))
            while (removed := await self.remove(stack)).reason:
                attempt += 1
                data = {"stack": stack, "attempt": attempt, "reason": removed.reason, "retry_s": pause_s(attempt)}
                self._tell(News(Kind.RETIRE_FAILED, stack, data=data))
                await self._clock.sleep(pause_s(attempt))
            self._tell(News(Kind.RETIRED, stack, data={"stack": stack, "left": list(removed.left)}))
        finally:
            self._removals.pop(stack, None)

    # --- Tasks -------------------------------------------------------------------------------------------------------

    def _unwatch(self, stack: StackId) -> None:
        if (watcher := self._watchers.pop(stack, None)) is not None:
            watcher.cancel()

    def _start(self, work: Any, name: str) -> asyncio.Task[None]:
        assert self._tasks is not None, "stacks are begun before they are used"
        task: asyncio.Task[None] = self._tasks.create_task(work, name=f"{self._app}: {name}")
        return task
