"""Stacks as plain child processes of this machine.

Each replica of each service is a process with a session of its own.  It is told its port, and where the others are, by
its environment (`placement`).  Processes outlive the daemon: what was made is on disk (`records`), a fresh daemon finds
it (`find`), keeps it running (`supervision`) and can end it (`ending`), whatever killed the one before.

Rule 1: a stack has at most one supervision, and it has ended before the stack's processes are ended.
Rule 2: making and ending a stack exclude each other, by one lock for each stack.

Under systemd the daemon's unit needs `KillMode=process`; the default ends the stacks together with the daemon.
"""

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from weakref import WeakValueDictionary

from provisioners.clock import WallClock
from provisioners.finish import finish
from provisioners.process import ending, placement, processes, programs, sampling
from provisioners.process.ports import free_ports
from provisioners.process.processes import Children, Member
from provisioners.process.records import Records, Run, StackRecord, missing
from provisioners.process.supervision import Supervision, order_of
from splitter.contracts import Clock, Finding, FoundStack, RunningProject, StackChange, StackDied, StackOrder
from splitter.errors import EngineError, StackError
from splitter.facts import NO_FACTS, Facts
from splitter.model import Stack, StackId
from splitter.resources import Uses
from splitter.template import Template

PORT_ATTEMPTS_MAX = 3


@dataclass(frozen=True, slots=True)
class _Kept:
    """A stack that is being kept, and the task that does it: its result says how the stack was lost."""

    supervision: Supervision
    task: asyncio.Task[StackDied]


class ProcessProvisioner:
    """contracts.Provisioner for the process stacks of one app.

    `state_dir` holds the records and logs, `installation` tells our processes from those of other daemons.
    """

    def __init__(self, app: str, installation: str, state_dir: Path, clock: Clock | None = None) -> None:
        self._app = app
        self._installation = installation
        self._records = Records(state_dir / "process" / app)
        self._clock = clock or WallClock()
        self._children = Children()
        self._kept: dict[StackId, _Kept] = {}
        self._locks: WeakValueDictionary[StackId, asyncio.Lock] = WeakValueDictionary()  # held ones are there

    async def check(self, order: StackOrder, *, fetch: bool = True) -> Sequence[Finding]:
        """Return every reason why `order` cannot be made, and which of its keys have no effect here."""
        refusals = await asyncio.to_thread(programs.problems, order, os.environ)
        notes = programs.notes(order.template)
        return [*map(Finding, refusals), *(Finding(note, is_refusal=False) for note in notes)]

    async def survey(self, order: StackOrder) -> Sequence[str]:
        """Nothing is taken over here."""
        return ()

    async def project(self, name: str) -> RunningProject:
        """Nothing is taken over here."""
        raise StackError(f"{name}: plain processes cannot be adopted, only a Compose project on a Docker engine can")

    async def facts(self, live: StackId, before: Template, after: Template) -> Facts:
        """Nothing is known: programs have no images, and what they write is not ours to weigh."""
        return NO_FACTS

    async def create(self, order: StackOrder, progress: Callable[[str], None]) -> Stack:
        """Bring the stack up.  Raises StackError with everything removed; so does cancellation."""
        found = await self.check(order)
        if problems := [each.sentence for each in found if each.is_refusal]:
            raise StackError(f"{order.id} cannot be made: {'; '.join(problems)}")
        async with self._locked(order.id):
            await self._end(order.id)
            for note in found:
                progress(f"{order.id}: {note.sentence}")
            made = False
            try:
                async with asyncio.timeout(order.deadline_s):
                    record = await self._make(order, progress)
                made = True
            except TimeoutError:
                raise StackError(self._too_late(order)) from None
            except OSError as error:
                raise StackError(f"{order.id} cannot be made: {error}; mend that and deploy again") from error
            finally:
                if not made:
                    await finish(self._end(order.id), f"unmake {order.id}")
        return _stack(record)

    async def find(self) -> Sequence[FoundStack]:
        """Return the stacks that are written down, and those of which nothing but processes is left."""
        try:
            return await asyncio.to_thread(self._find)
        except OSError as error:
            raise EngineError(f"{self._app}: the records of its stacks cannot be read: {error}") from error

    async def activate(self, stack: StackId, deadline_s: float) -> Sequence[str]:
        """Nothing waits for a promotion: `check` refuses it."""
        return ()

    async def deactivate(self, stack: StackId) -> Sequence[str]:
        """Nothing was left out of a stack, so nothing is taken out of one."""
        return ()

    async def retire(self, stack: StackId) -> Sequence[str]:
        """End all processes of `stack` and forget it.  Raises EngineError if a process does not end."""
        async with self._locked(stack):
            await self._end(stack)
        return ()

    async def watch(self, stack: StackId) -> AsyncIterator[StackChange]:
        """Yield how the stack was lost; end without a word when it is retired.  Its ports never move."""
        async with self._locked(stack):
            gone = "" if stack in self._kept else await self._adopt(stack)
            kept = self._kept.get(stack)
        if kept is None:
            yield StackDied(gone)
            return
        await asyncio.wait([kept.task])
        if not kept.task.cancelled():
            yield kept.task.result()

    async def sample(self, stack: StackId) -> Uses:
        """Return what the stack's processes use now, by service; those that run.  Raises EngineError."""
        kept = self._kept.get(stack)
        restarts = kept.supervision.restarts if kept is not None else {}
        try:
            return await asyncio.to_thread(self._sample, stack, restarts)
        except OSError as error:
            raise EngineError(f"{stack}: what it uses cannot be read: {error}") from error

    async def close(self) -> None:
        """Stop keeping the stacks.  Their processes go on."""
        for stack in list(self._kept):
            await self._let_be(stack)
        self._children.let_go()

    def _sample(self, stack: StackId, restarts: Mapping[str, int]) -> Uses:
        record = self._records.stack(stack)
        return sampling.sample(self._records.runs(stack), record.programs if record else (), restarts)

    # --- Making --------------------------------------------------------------------------------------------------

    async def _make(self, order: StackOrder, progress: Callable[[str], None]) -> StackRecord:
        """Bring the stack up, with other ports if somebody was faster than a service."""
        for _ in range(PORT_ATTEMPTS_MAX):
            record = self._resolve(order)
            await asyncio.to_thread(self._records.open, record)
            kept = self._keep(record, [], order, progress)
            up = asyncio.create_task(kept.supervision.up.wait())
            try:
                await asyncio.wait({up, kept.task}, return_when=asyncio.FIRST_COMPLETED)
            finally:
                up.cancel()
            if not kept.task.done():
                return record
            died = kept.task.result()
            if not kept.supervision.port_taken:
                break
            progress(f"{order.id}: somebody else took a port before a service could; starting over with other ports")
            await self._end(order.id)
        raise StackError(f"{died.reason}; mend the template and deploy again")

    def _resolve(self, order: StackOrder) -> StackRecord:
        found = programs.read(order, os.environ)
        places = placement.place(found, free_ports(placement.ports_needed(found)))
        return StackRecord(
            id=order.id,
            app=order.app,
            revision=order.revision,
            rollout=order.rollout,
            template=order.template.digest,
            routed=order.routed,
            programs=tuple(found),
            places=tuple(places),
        )

    def _too_late(self, order: StackOrder) -> str:
        kept = self._kept.get(order.id)
        what = kept.supervision.waiting_for() if kept else "nothing was started"
        return f"{order.id} was not up within {order.deadline_s:g} s: {what}; mend that, or give it more time"

    # --- Keeping -------------------------------------------------------------------------------------------------

    def _keep(
        self, record: StackRecord, runs: Sequence[Run], order: StackOrder | None, progress: Callable[[str], None]
    ) -> _Kept:
        services = order.template.services if order else order_of(record)
        labels = placement.labels(self._installation, self._app, record.id)
        supervision = Supervision(record, runs, services, self._records, self._children, self._clock, labels, progress)
        kept = _Kept(supervision, asyncio.create_task(supervision.run(), name=f"keep {record.id}"))
        self._kept[record.id] = kept
        return kept

    async def _adopt(self, stack: StackId) -> str:
        """Keep a stack that an earlier daemon made; return why not, if not all of it is there."""
        record, runs, gone = await asyncio.to_thread(self._read, stack)
        if record is None:
            return f"{stack}: its processes are not known here; they were never started, or their records are lost"
        if gone:
            return f"{stack}: {', '.join(gone)} ended, or never came up, while splitter was not running"
        self._keep(record, runs, None, lambda _: None)
        return ""

    async def _let_be(self, stack: StackId) -> None:
        """End a stack's supervision, and wait for it: a start that has begun is finished and written down."""
        kept = self._kept.pop(stack, None)
        if kept is not None:
            kept.task.cancel()
            await asyncio.wait([kept.task])
            if not kept.task.cancelled():
                kept.task.exception()  # seen; who watched has heard of it

    # --- Finding and ending --------------------------------------------------------------------------------------

    def _find(self) -> list[FoundStack]:
        found = []
        for stack in self._records.stacks():
            record, _, gone = self._read(stack)
            whole = _stack(record) if record is not None and not gone else None
            found.append(FoundStack(stack, self._app, whole, gone))
        mine = {placement.INSTALLATION: self._installation, placement.APP: self._app}
        strays = processes.labelled(mine, placement.STACK) - {each.id for each in found}
        return [*found, *(FoundStack(StackId(stray), self._app, None) for stray in sorted(strays))]

    def _read(self, stack: StackId) -> tuple[StackRecord | None, list[Run], tuple[str, ...]]:
        """Return what was ordered, the processes that were written down, and the services that are not all there."""
        record = self._records.stack(stack)
        runs = self._records.runs(stack)
        alive = {run.process for run in runs if run.process is not None and processes.is_alive(run.process)}
        return record, runs, missing(record, runs, alive) if record else ()

    async def _end(self, stack: StackId) -> None:
        """End the supervision, then the processes, then forget both.  Nothing to end is fine.  Raises EngineError."""
        await self._let_be(stack)
        record = await asyncio.to_thread(self._records.stack, stack)
        await ending.end(stack, lambda: self._members(stack), record.programs if record else (), self._clock)
        try:
            await asyncio.to_thread(self._forget, stack)
        except OSError as error:
            raise EngineError(f"{stack}: its records cannot be removed: {error}; mend that and retire it") from error

    def _forget(self, stack: StackId) -> None:
        for run in self._records.runs(stack):
            if run.process is not None:
                self._children.reap(run.process)
        self._records.remove(stack)

    def _members(self, stack: StackId) -> list[Member]:
        leaders = {run.process: run.service for run in self._records.runs(stack) if run.process is not None}
        return processes.members(placement.labels(self._installation, self._app, stack), leaders)

    @contextlib.asynccontextmanager
    async def _locked(self, stack: StackId) -> AsyncIterator[None]:
        lock = self._locks.setdefault(stack, asyncio.Lock())
        async with lock:
            yield


def _stack(record: StackRecord) -> Stack:
    return Stack(record.id, record.app, record.revision, placement.endpoints(record.routed, record.places))
