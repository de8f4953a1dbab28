"""Keeps the processes of one stack: starts them in order, asks how they are, restarts them, and says when it is lost.

Rule 1: one keeper (a task) for each replica, from its first start to the stack's end; only it starts or replaces the
replica's process.  So ending the supervision before ending the processes is enough that nothing comes back.
Rule 2: a service that is lost ends the whole supervision, and with it all keepers; the processes stay as they are, for
`retire`.  A service that the stack can do without is given up alone.
Rule 3: a supervision can begin in the middle: processes that a former daemon started are kept as if they were our
children, only that their exit codes cannot be known.

Cost: each replica is looked at every POLL_S: one read of a small file.
"""

import asyncio
import logging
import signal
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from pathlib import Path

from provisioners import startup
from provisioners.finish import finish
from provisioners.process import placement, processes
from provisioners.process.health import Answer, Health, Status, ask
from provisioners.process.logs import tail, trim
from provisioners.process.placement import Place
from provisioners.process.ports import HOST, is_taken
from provisioners.process.processes import Children, Launch, LaunchError, ProcessId
from provisioners.process.programs import Program
from provisioners.process.records import Phase, Records, Run, StackRecord
from provisioners.process.restarts import Restarts
from provisioners.tcp import accepts
from splitter.contracts import Clock, StackDied
from splitter.model import Endpoint
from splitter.template import Condition, Dependency, Service

POLL_S = 0.1
CONNECT_PAUSE_S = 0.05
TRIM_PAUSE_S = 30.0

log = logging.getLogger(__name__)


class ServiceLostError(Exception):
    """A service cannot be kept; the message is the reason, as one sentence."""


class Replica:
    """One replica, as its keeper knows it; only its keeper writes it."""

    def __init__(self, program: Program, place: Place, run: Run, stack: str) -> None:
        self.program = program
        self.place = place
        self.run = run
        self.reached: set[Condition] = set(_REACHED[run.phase])
        self.answer: Answer | None = None
        self.restarts = 0
        self.is_adopted = run.phase is Phase.READY
        of = f" (replica {place.number} of {program.replicas})" if program.replicas > 1 else ""
        self.name = f"{stack}: service {program.service}{of}"

    @property
    def is_up(self) -> bool:
        return self.run.phase is not Phase.STARTING


_REACHED: dict[Phase, frozenset[Condition]] = {
    Phase.STARTING: frozenset(),
    Phase.READY: frozenset({Condition.STARTED, Condition.HEALTHY}),
    Phase.DONE: frozenset({Condition.STARTED, Condition.COMPLETED}),
    Phase.LOST: frozenset(),
}


class Supervision:
    """One stack's keepers.

    `up` is set once every service is ready.  `port_taken` says that a service was lost because somebody else has its
    port.  `services` are those of the template; for a stack that is up there is no order to keep (`order_of`).
    """

    def __init__(
        self,
        record: StackRecord,
        runs: Iterable[Run],
        services: startup.Services,
        records: Records,
        children: Children,
        clock: Clock,
        labels: dict[str, str],
        progress: Callable[[str], None],
    ) -> None:
        self.up = asyncio.Event()
        self.port_taken = False
        self._record = record
        self._services = services
        self._records = records
        self._children = children
        self._clock = clock
        self._labels = labels
        self._progress = progress
        known = {(run.service, run.number): run for run in runs}
        self._replicas = [self._replica(place, known) for place in record.places]
        self._changed = asyncio.Event()

    async def run(self) -> StackDied:
        """Start what is not running, keep all of it, and return when the stack is lost."""
        died: StackDied | None = None
        try:
            async with asyncio.TaskGroup() as tasks:
                await self._start(tasks)
                self.up.set()
                await self._trim_logs()
        except* ServiceLostError as group:
            died = StackDied(str(group.exceptions[0]))
        assert died is not None
        return died

    @property
    def restarts(self) -> Mapping[str, int]:
        """How often a process of each service was started again, as far as this supervision has seen."""
        counted: Counter[str] = Counter()
        for replica in self._replicas:
            counted[replica.program.service] += replica.restarts
        return counted

    def waiting_for(self) -> str:
        """Return what keeps the stack from being up, one clause for each replica that is not."""
        return "; ".join(self._wait_of(each) for each in self._replicas if not each.is_up)

    def _replica(self, place: Place, known: dict[tuple[str, int], Run]) -> Replica:
        run = known.get((place.service, place.number)) or Run(place.service, place.number, Phase.STARTING)
        return Replica(self._record.program(place.service), place, run, self._record.id)

    # --- Starting ------------------------------------------------------------------------------------------------

    async def _start(self, tasks: asyncio.TaskGroup) -> None:
        """Begin each service once its dependencies have reached what it asks for; return when all are up."""
        begun: set[str] = set()
        while True:
            self._changed.clear()
            lost = {each.program.service for each in self._replicas if each.run.phase is Phase.LOST}
            for name in startup.due(self._services, begun=begun, reached=self._reached(), lost=lost):
                begun.add(name)
                for replica in self._of(name):
                    tasks.create_task(self._keep(replica), name=f"keep {replica.name}")
            if begun == self._services.keys() and all(each.is_up for each in self._replicas):
                return
            await self._changed.wait()

    def _reached(self) -> dict[str, set[Condition]]:
        """Return the conditions that all replicas of a service have reached; one without replicas has reached all."""
        found = {name: set(Condition) for name in self._services}
        for replica in self._replicas:
            found[replica.program.service] &= replica.reached
        return found

    def _of(self, service: str) -> list[Replica]:
        return [each for each in self._replicas if each.program.service == service]

    def _wait_of(self, replica: Replica) -> str:
        name = replica.name.removeprefix(f"{self._record.id}: ")
        if replica.run.process is None:
            unmet = [each.service for each in self._services[replica.program.service].depends_on if self._blocks(each)]
            return f"{name} waits for {' and '.join(unmet)}" if unmet else f"{name} was not started yet"
        if replica.program.is_job:
            return f"{name} has not ended yet, and others wait for that"
        if replica.program.check:
            said = replica.answer.output if replica.answer else "no answer so far"
            return f"{name} runs, but is not healthy: {said}"
        return f"{name} runs, but {self._silence(replica)}"

    def _blocks(self, dependency: Dependency) -> bool:
        return dependency.condition not in self._reached().get(dependency.service, set(Condition))

    def _silence(self, replica: Replica) -> str:
        """Return why a routed service does not answer, in words after `but`."""
        told = f"does not listen on {replica.place.main}, the port it was given as PORT"
        others = self._listens_on(replica)
        return f"{told}; it listens on {', '.join(map(str, sorted(others)))} instead" if others else told

    # --- Keeping one replica -------------------------------------------------------------------------------------

    async def _keep(self, replica: Replica) -> None:
        """Keep one replica until it is done, given up or lost for the stack."""
        try:
            await self._keep_running(replica)
        except ServiceLostError as error:
            if not replica.program.is_optional:
                raise
            self._say(f"{error}; the stack goes on without it")
            await self._save(replica, Phase.LOST)
        self._changed.set()

    async def _keep_running(self, replica: Replica) -> None:
        restarts = Restarts(replica.program.restart)
        while replica.run.phase not in (Phase.DONE, Phase.LOST):
            process = replica.run.process or await self._spawn(replica)
            code = await self._until_ended(replica, process)
            if replica.program.is_job and code == 0:
                replica.reached.add(Condition.COMPLETED)
                await self._save(replica, Phase.DONE)
                self._say(f"{replica.name} completed")
                return
            refused = restarts.refused(code, self._clock.monotonic())
            if refused:
                self.port_taken = not replica.is_up and any(is_taken(port) for _, port in replica.place.ports)
                raise self._lost(replica, processes.ending(code), refused)
            pause_s = restarts.restart(self._clock.monotonic())
            replica.restarts += 1
            self._say(f"{replica.name} {processes.ending(code)}; starting it again in {pause_s:g} s")
            replica.run = replace(replica.run, process=None)
            if code is None:
                await asyncio.to_thread(self._clear, replica)
            await self._clock.sleep(pause_s)

    async def _spawn(self, replica: Replica) -> ProcessId:
        """Start the replica's process and write it down.  A start that has begun is finished, even if cancelled."""
        launch = Launch(
            replica.program.executable,
            replica.program.arguments,
            self._environment(replica),
            replica.program.directory,
            self._labels_of(replica),
        )

        def write_down(process: ProcessId) -> None:
            replica.run = replace(replica.run, process=process)
            self._records.save(self._record.id, replica.run)

        path = self._log(replica)
        start = asyncio.to_thread(self._children.start, launch, path, write_down)
        try:
            process = await finish(start, f"start {replica.name}")
        except (LaunchError, OSError) as error:
            raise ServiceLostError(f"{replica.name} cannot be started: {error}") from error
        replica.is_adopted = False
        replica.reached.add(Condition.STARTED)
        self._say(f"{replica.name} started (pid {process.pid}, port {replica.place.main})")
        self._changed.set()
        return process

    async def _until_ended(self, replica: Replica, process: ProcessId) -> int | None:
        """Return the exit code once the process has ended.  Raises ServiceLostError if it gets unhealthy before."""
        ended = asyncio.create_task(self._ended(process))
        well = asyncio.create_task(self._well(replica))
        try:
            await asyncio.wait({ended, well}, return_when=asyncio.FIRST_COMPLETED)
            if not ended.done():
                await well
            return await ended
        finally:
            ended.cancel()
            well.cancel()
            await asyncio.gather(ended, well, return_exceptions=True)

    async def _ended(self, process: ProcessId) -> int | None:
        while processes.is_alive(process):
            await self._clock.sleep(POLL_S)
        return self._children.reap(process)

    async def _well(self, replica: Replica) -> None:
        """See that the service gets ready, and stays healthy if it says how it is; else return."""
        if replica.program.healthcheck is not None:
            status = Status.HEALTHY if replica.is_adopted else Status.STARTING
            await self._ask(replica, Health(replica.program.healthcheck, self._clock.monotonic(), status))
            return
        if replica.program.is_job:
            return
        if replica.program.is_routed:
            while not await self._answers(replica):
                await self._clock.sleep(CONNECT_PAUSE_S)
        await self._is_ready(replica)

    async def _ask(self, replica: Replica, health: Health) -> None:
        check = replica.program.healthcheck
        assert check is not None
        environment = self._environment(replica)
        if health.status is Status.HEALTHY:
            await self._clock.sleep(health.pause_s)
        while True:
            replica.answer = await ask(replica.program.check, environment, replica.program.directory, check.timeout_s)
            health.observe(is_well=replica.answer.is_well, now_s=self._clock.monotonic())
            if health.status is Status.UNHEALTHY:
                self.port_taken = not replica.is_up and await self._is_stolen(replica)
                raise self._lost(replica, "is unhealthy", replica.answer.output)
            is_new = health.status is Status.HEALTHY and Condition.HEALTHY not in replica.reached
            if is_new and not await self._is_stolen(replica):
                replica.reached.add(Condition.HEALTHY)
                await self._is_ready(replica)
            await self._clock.sleep(health.pause_s)

    async def _answers(self, replica: Replica) -> bool:
        """Return whether connections to all its ports are accepted, and by itself."""
        for _, port in replica.place.ports:
            if not await accepts(Endpoint(HOST, port)):
                return False
        return not await self._is_stolen(replica)

    async def _is_stolen(self, replica: Replica) -> bool:
        """Return whether somebody else answers at its main port; a service that does so itself is believed."""
        if not replica.program.is_routed or not await accepts(Endpoint(HOST, replica.place.main)):
            return False
        own = await asyncio.to_thread(self._listens_on, replica)
        return own is not None and replica.place.main not in own

    def _listens_on(self, replica: Replica) -> set[int] | None:
        """Return the ports that its processes listen on; None if we may not know."""
        leaders = {replica.run.process: replica.program.service} if replica.run.process else {}
        family = processes.members(self._labels_of(replica), leaders)
        return processes.listening_ports(each.id for each in family)

    async def _is_ready(self, replica: Replica) -> None:
        if replica.run.phase is Phase.STARTING and not replica.program.is_job:
            await self._save(replica, Phase.READY)
            self._say(f"{replica.name} is {'healthy' if replica.program.check else 'ready'}")
        self._changed.set()

    def _clear(self, replica: Replica) -> None:
        """End what a process left that was not our child: its own children may still hold its port."""
        for each in processes.members(self._labels_of(replica), {}):
            processes.send(each.id, signal.SIGKILL)

    # --- Small things --------------------------------------------------------------------------------------------

    def _say(self, sentence: str) -> None:
        """Tell who waits for the stack; once it is up, nobody does."""
        if self.up.is_set():
            log.warning("%s", sentence)
        else:
            self._progress(sentence)

    async def _save(self, replica: Replica, phase: Phase) -> None:
        """Write down how far the replica came; it is that far once this is on the disk, not before."""
        run = replace(replica.run, phase=phase)
        try:
            await finish(asyncio.to_thread(self._records.save, self._record.id, run), f"save {replica.name}")
        except OSError as error:
            raise ServiceLostError(f"{replica.name} is {phase}, but that cannot be written down: {error}") from error
        replica.run = run

    def _lost(self, replica: Replica, what: str, why: str) -> ServiceLostError:
        said = tail(self._log(replica))
        ends = f"its log ends: {said}" if said else "it printed nothing"
        return ServiceLostError(f"{replica.name} {what} ({why}); {ends}")

    def _environment(self, replica: Replica) -> dict[str, str]:
        return placement.environment(replica.program, replica.place, self._record.places, self._labels)

    def _labels_of(self, replica: Replica) -> dict[str, str]:
        own = {placement.SERVICE: replica.program.service, placement.REPLICA: str(replica.place.number)}
        return {**self._labels, **own}

    def _log(self, replica: Replica) -> Path:
        return self._records.log(self._record.id, replica.program.service, replica.place.number)

    async def _trim_logs(self) -> None:
        """Keep the logs below their bound for as long as the stack is kept."""
        while True:
            for replica in self._replicas:
                await asyncio.to_thread(trim, self._log(replica))
            await self._clock.sleep(TRIM_PAUSE_S)


def order_of(record: StackRecord) -> dict[str, Service]:
    """Return the services of a stack that is up: it has no order to keep any more."""
    return {program.service: Service(name=program.service) for program in record.programs}
