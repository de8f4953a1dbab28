"""Small honest stand-ins for what the machinery talks to.

They do what the contracts say and no more.  The world that they show (stacks, routes) outlives a controller, so that a
test can end one at any point, as a power cut does, and start another over the same world.
"""

import asyncio
from collections import Counter, defaultdict, deque
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from splitter.contracts import (
    Alert,
    Drained,
    DrainLimits,
    EngineBack,
    EngineGone,
    Finding,
    FoundStack,
    RunningProject,
    StackChange,
    StackDied,
    StackMoved,
    StackOrder,
)
from splitter.errors import EngineError, StackError, StaleVersionError
from splitter.facts import NO_FACTS, Facts
from splitter.judge.calibration import Baseline
from splitter.judge.config import JudgeConfig, Margin
from splitter.judge.tick import Tick
from splitter.judge.verdict import Action, Decision, KpiVerdict, Verdict
from splitter.model import Counts, Endpoint, Pairs, Resources, Side, Split, Stack, StackId, Window
from splitter.template import Template

START = datetime(2026, 1, 1, tzinfo=UTC)


class FakeClock:
    """A clock that moves when it is told to: to the next sleeper, once everything else has come to rest.

    `is_busy` tells of work that the event loop does not see (a thread of the journal's); of the loop's own threads the
    clock knows by itself, from `watch` on.
    """

    def __init__(self, is_busy: Callable[[], bool] = lambda: False) -> None:
        self._is_busy = is_busy
        self._in_threads: set[asyncio.Future[Any]] = set()
        self._watched: asyncio.AbstractEventLoop | None = None
        self._now_s = 0.0
        self._sleepers: list[tuple[float, int, asyncio.Future[None]]] = []
        self._number = 0

    def monotonic(self) -> float:
        return self._now_s

    def now(self) -> datetime:
        return START + timedelta(seconds=self._now_s)

    async def sleep(self, seconds: float) -> None:
        if seconds <= 0:
            await asyncio.sleep(0)
            return
        self._number += 1
        sleeper = (self._now_s + seconds, self._number, asyncio.get_running_loop().create_future())
        self._sleepers.append(sleeper)
        try:
            await sleeper[2]
        finally:
            self._sleepers.remove(sleeper)

    def watch(self, loop: asyncio.AbstractEventLoop) -> None:
        """Count what `loop` gives to threads: time does not pass meanwhile, however long the machine takes."""
        if loop is self._watched:
            return
        self._watched = loop
        run = loop.run_in_executor

        def run_and_count(executor: Any, work: Any, *arguments: Any) -> asyncio.Future[Any]:
            future = run(executor, work, *arguments)
            self._in_threads.add(future)
            future.add_done_callback(self._in_threads.discard)
            return future

        loop.run_in_executor = run_and_count  # type: ignore[method-assign, assignment]

    async def rest(self) -> None:
        """Return when nothing can go on before the clock moves."""
        loop: Any = asyncio.get_running_loop()
        quiet = 0
        while quiet < 3:
            await asyncio.sleep(0.0002 if self._is_working() else 0)
            quiet = 0 if loop._ready or self._is_working() else quiet + 1

    async def until(self, is_so: Callable[[], object], within_s: float = 7_200.0) -> None:
        """Let time pass until `is_so()`; fail when it is not within `within_s` of this clock's seconds."""
        end_s = self._now_s + within_s
        await self.rest()
        while not is_so():
            assert self._sleepers, "nobody sleeps, so nothing will ever happen"
            self._now_s = max(self._now_s, min(self._sleepers)[0])
            assert self._now_s <= end_s, f"not so within {within_s} s"
            self._wake()
            await self.rest()

    async def pass_(self, seconds: float) -> None:
        """Let `seconds` pass."""
        end_s = self._now_s + seconds
        await self.rest()
        while self._sleepers and min(self._sleepers)[0] <= end_s:
            self._now_s = max(self._now_s, min(self._sleepers)[0])
            self._wake()
            await self.rest()
        self._now_s = end_s

    def _is_working(self) -> bool:
        return bool(self._in_threads) or self._is_busy()

    def _wake(self) -> None:
        for due_s, _, sleeper in sorted(self._sleepers, key=lambda each: each[:2]):
            if due_s <= self._now_s and not sleeper.done():
                sleeper.set_result(None)


@dataclass
class FakeEngine:
    """The world of stacks: what exists, and what goes wrong next.  Survives the controllers that use it."""

    stacks: dict[StackId, Stack] = field(default_factory=dict)
    whole: set[StackId] = field(default_factory=set)
    is_gone: bool = False
    create_s: float = 5.0
    failures: dict[StackId, deque[str]] = field(default_factory=lambda: defaultdict(deque))
    refusals: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    project: RunningProject | None = None
    calls: list[str] = field(default_factory=list)
    workers: dict[StackId, dict[str, bool]] = field(default_factory=dict)  # singletons by stack: do they run
    shared: dict[StackId, dict[str, set[StackId]]] = field(default_factory=dict)  # containers by owner: who uses them
    ports: int = 20_000
    facts: Facts = NO_FACTS
    uses: dict[StackId, Resources | Mapping[str, Resources] | Callable[[float], Resources]] = field(
        default_factory=dict
    )  # of service `web` alone, of each service, or by the time

    def fail(self, stack: StackId) -> None:
        """Raise the next failure that is planned for `stack`."""
        if self.failures[stack]:
            raise StackError(self.failures[stack].popleft())

    def stack(self, order: StackOrder) -> Stack:
        self.ports += 1
        endpoints = {port: (Endpoint("127.0.0.1", self.ports),) for port in order.routed}
        return Stack(order.id, order.app, order.revision, endpoints)


class FakeProvisioner:
    """A provisioner over a `FakeEngine`.  After `cut` nothing that it does reaches the engine: its daemon is dead."""

    def __init__(self, engine: FakeEngine, clock: FakeClock) -> None:
        self._engine = engine
        self._clock = clock
        self._is_cut = False
        self._news: dict[StackId, asyncio.Queue[StackChange | None]] = {}
        self.created: list[StackOrder] = []

    def cut(self) -> None:
        self._is_cut = True

    async def check(self, order: StackOrder, *, fetch: bool = True) -> Sequence[Finding]:
        self._ask()
        notes = (Finding(each, is_refusal=False) for each in self._engine.notes)
        return [*map(Finding, self._engine.refusals), *notes]

    async def survey(self, order: StackOrder) -> Sequence[str]:
        self._ask()
        return [f"project {order.placement.adopted} is as its template says"] if order.placement.adopted else []

    async def project(self, name: str) -> RunningProject:
        self._ask()
        if self._engine.project is None:
            raise StackError(f"there is no container of Compose project {name}")
        return self._engine.project

    async def facts(self, live: StackId, before: Template, after: Template) -> Facts:
        return NO_FACTS if self._engine.is_gone else self._engine.facts

    async def create(self, order: StackOrder, progress: Callable[[str], None]) -> Stack:
        self._ask()
        self.created.append(order)
        self._engine.calls.append(f"create {order.id}")
        stack = self._engine.stack(order)
        self._engine.stacks[order.id] = stack
        self._engine.whole.discard(order.id)
        try:
            progress("containers are made")
            await self._clock.sleep(self._engine.create_s)
            self._ask()
            self._engine.fail(order.id)
        except BaseException:
            if not self._is_cut:
                self._engine.stacks.pop(order.id, None)
            raise
        self._engine.whole.add(order.id)
        return stack

    async def find(self) -> Sequence[FoundStack]:
        self._ask()
        whole = self._engine.whole
        return [
            FoundStack(stack.id, stack.app, stack if stack.id in whole else None, () if stack.id in whole else ("web",))
            for stack in self._engine.stacks.values()
        ]

    async def activate(self, stack: StackId, deadline_s: float) -> Sequence[str]:
        self._ask()
        self._engine.fail(stack)
        return self._switched(stack, is_active=True)

    async def deactivate(self, stack: StackId) -> Sequence[str]:
        self._ask()
        return self._switched(stack, is_active=False)

    def _switched(self, stack: StackId, *, is_active: bool) -> Sequence[str]:
        """Return the singletons of `stack` that change; the engine has them only where a test says so."""
        workers = self._engine.workers.get(stack, {})
        changing = tuple(name for name, runs in sorted(workers.items()) if runs is not is_active)
        if not self._is_cut:
            workers.update(dict.fromkeys(changing, is_active))
        self._engine.calls += [f"{'start' if is_active else 'stop'} {name} of {stack}" for name in changing]
        return changing

    async def retire(self, stack: StackId) -> Sequence[str]:
        self._ask()
        self._engine.calls.append(f"retire {stack}")
        if not self._is_cut:
            self._engine.stacks.pop(stack, None)
            self._engine.whole.discard(stack)
        if stack in self._news:
            self._news[stack].put_nowait(None)
        return [name for name, users in self._engine.shared.get(stack, {}).items() if users & set(self._engine.stacks)]

    async def watch(self, stack: StackId) -> AsyncIterator[StackChange]:
        self._ask()
        queue = self._news.setdefault(stack, asyncio.Queue())
        while True:
            news = await queue.get()
            if news is None:
                return
            yield news
            if isinstance(news, StackDied):
                return

    async def sample(self, stack: StackId) -> Mapping[str, Resources]:
        self._ask()
        uses = self._engine.uses.get(stack)
        found = uses(self._clock.monotonic()) if callable(uses) else uses
        return {"web": found} if isinstance(found, Resources) else found or {}

    async def close(self) -> None:
        """Nothing is held."""

    # --- What tests do to it -----------------------------------------------------------------------------------------

    def kill(self, stack: StackId, reason: str = "service web exited with code 137") -> None:
        """Let a service of `stack` die."""
        self._engine.whole.discard(stack)
        self._news.setdefault(stack, asyncio.Queue()).put_nowait(StackDied(reason))

    def move(self, stack: StackId) -> Stack:
        """Let `stack` answer elsewhere, as after a restart of its container."""
        self._engine.ports += 1
        former = self._engine.stacks[stack]
        endpoints = {port: (Endpoint("127.0.0.1", self._engine.ports),) for port in former.endpoints}
        moved = Stack(former.id, former.app, former.revision, endpoints)
        self._engine.stacks[stack] = moved
        self._news.setdefault(stack, asyncio.Queue()).put_nowait(StackMoved(moved))
        return moved

    def lose_engine(self) -> None:
        """Let the engine be away until `find_engine`."""
        self._engine.is_gone = True
        for queue in self._news.values():
            queue.put_nowait(EngineGone("the engine's socket refuses connections; start it again"))

    def find_engine(self) -> None:
        if self._engine.is_gone:
            self._engine.is_gone = False
            for queue in self._news.values():
                queue.put_nowait(EngineBack())

    def _ask(self) -> None:
        if self._engine.is_gone:
            raise EngineError("the engine's socket refuses connections; start it again")


class FakeSwitch:
    """A traffic switch that holds one split an app.  A new one holds nothing, as that of a new process."""

    def __init__(self, clock: FakeClock) -> None:
        self.splits: dict[str, Split] = {}
        self.versions: dict[str, int] = {}
        self.shifts: list[Split] = []
        self.drains: list[StackId] = []
        self.refusals: deque[str] = deque()
        self.refuses_always = ""
        self.drain_s = 1.0
        self._clock = clock

    async def shift(self, app: str, split: Split, *, expected: int) -> int:
        if expected != self.versions.get(app, 0):
            raise StaleVersionError(f"{app} is at {self.versions.get(app, 0)}, not {expected}")
        if self.refuses_always:
            raise StackError(self.refuses_always)
        if self.refusals:
            raise StackError(self.refusals.popleft())
        self.splits[app] = split
        self.versions[app] = expected + 1
        self.shifts.append(split)
        return expected + 1

    async def read(self, app: str) -> tuple[Split | None, int]:
        return self.splits.get(app), self.versions.get(app, 0)

    async def drain(self, app: str, stack: StackId, limits: DrainLimits) -> Drained:
        split = self.splits.get(app)
        assert split is None or not _serves(split, stack), f"{stack} is drained while it gets requests"
        self.drains.append(stack)
        limit_s = limits.longest_s
        await self._clock.sleep(min(self.drain_s, limit_s))
        return Drained(left=0 if self.drain_s <= limit_s else 1, waited_s=min(self.drain_s, limit_s))


def _serves(split: Split, stack: StackId) -> bool:
    if split.shadow is not None and split.shadow.id == stack:
        return split.shadow_bp > 0
    return split.live.id == stack and split.shadow_bp < 10_000


class FakeKpis:
    """Windows of `rps` requests a second for every stack that is asked for.

    Of a window's answers each takes `spread_us` longer than the one before.
    """

    def __init__(self, clock: FakeClock, rps: int = 100) -> None:
        self.rps = rps
        self.spread_us = 0
        self.edges: dict[StackId, tuple[int, ...]] = {}
        self.latency_us: dict[StackId, int] = {}
        self.errors: dict[StackId, int] = {}
        self.pairs: dict[StackId, Pairs] = {}
        self.copies: dict[StackId, dict[str, int]] = {}
        self.rates: dict[StackId, int] = {}  # where they are not `rps`
        self._clock = clock
        self._opened_s: dict[StackId, float] = {}

    def set_edges(self, stack: StackId, edges_us: Sequence[int]) -> None:
        self.edges[stack] = tuple(edges_us)

    def close_window(self, stack: StackId) -> Window:
        now_s = self._clock.monotonic()
        opened_s = self._opened_s.get(stack, now_s - 1.0)
        self._opened_s[stack] = now_s
        n = self.rates.get(stack, self.rps)
        bad = min(self.errors.get(stack, 0), n)
        latency_us = self.latency_us.get(stack, 10_000)
        edges = self.edges.get(stack, ())
        bins = [0] * (len(edges) + 1)
        latencies = Counter(latency_us + number * self.spread_us for number in range(n - bad))
        for each_us, count in latencies.items():
            bins[sum(each_us > edge for edge in edges)] += count
        counts = Counts(n=n, e5=bad, e5u=bad, bins=tuple(bins))
        outcomes = {"2xx": n - bad, "5xx": bad}
        return Window(
            stack,
            opened_s,
            now_s,
            counts,
            counts,
            tuple(sorted(latencies.items())),
            outcomes,
            in_flight=1,
            copies=self.copies.get(stack, {}),
            pairs=self.pairs.get(stack),
        )


class FakeAlerts:
    """Keeps what it was sent."""

    def __init__(self) -> None:
        self.sent: list[Alert] = []

    def send(self, alert: Alert) -> None:
        self.sent.append(alert)

    def kinds(self) -> list[str]:
        return [alert.kind for alert in self.sent]


class FakeParking:
    """Parks apps with as many requests as `requests` says, until somebody lets them go: a test does, for the clock."""

    def __init__(self) -> None:
        self.parked: dict[str, tuple[float, Callable[[int, str], None]]] = {}
        self.requests = 3

    def park(self, app: str, within_s: float, told: Callable[[int, str], None]) -> None:
        self.parked[app] = within_s, told

    def unpark(self, app: str) -> int:
        return self.requests if self.parked.pop(app, None) else 0

    def waiting(self, app: str) -> tuple[int, float] | None:
        return (self.requests, self.parked[app][0]) if app in self.parked else None

    def expire(self, app: str) -> None:
        """Let the time of `app` be up."""
        _, told = self.parked.pop(app)
        told(self.requests, "its time is up")


class FakeJudges:
    """Makes judges that say what a test has written on `says`, by the age of the judge in ticks.

    `says` maps an age to (action, may increase the share); the entry with the highest age not above the judge's counts.
    """

    def __init__(self) -> None:
        self.says: dict[int, tuple[Action, bool]] = {0: (Action.CONTINUE, True)}
        self.made: list[FakeJudge] = []
        self.is_broken = False
        self.is_stale = False  # until the next refresh
        self.leans_well = False

    def __call__(self, config: JudgeConfig) -> "FakeJudge":
        judge = FakeJudge(self, config)
        self.made.append(judge)
        return judge

    def from_state(self, config: JudgeConfig, state: Mapping[str, Any]) -> "FakeJudge":
        judge = self(config)
        judge.age = state["age"]
        return judge

    def say(self, action: Action, *, may_increase_share: bool = True) -> None:
        """Say `action` from now on."""
        self.says = {0: (action, may_increase_share)}


class FakeJudge:
    """One judge of `FakeJudges`."""

    def __init__(self, judges: FakeJudges, config: JudgeConfig) -> None:
        self.config = config
        self.age = 0
        self.baseline = Baseline()
        self.ticks: list[Tick] = []
        self.extended_s = 0.0
        self._judges = judges

    def calibrate(self, baseline: Baseline) -> None:
        self.baseline = baseline

    def edges(self, side: Side) -> tuple[int, ...]:
        return (10_000, 20_000) if side is Side.LIVE else (11_000, 22_000)

    def observe(self, tick: Tick) -> Decision:
        if self._judges.is_broken:
            raise ZeroDivisionError("the judge is broken")
        self.age += 1
        self.ticks.append(tick)
        action, may_increase = self._judges.says[max(age for age in self._judges.says if age < self.age)]
        verdict = {Action.ROLLBACK: Verdict.WORSE, Action.PROMOTE: Verdict.NON_INFERIOR}.get(action, Verdict.UNDECIDED)
        sentence = "errors 4.8 % against 0.3 % of live"
        rates = (0.003, 0.048, 297.0, 125.0, 1.0, 20.0, 600)
        kpi = KpiVerdict("error_rate", verdict, *rates, sentence, tolerance=Margin(1.25), promote=Margin(1.5))
        reason = f"{sentence}, 297 : 1, needed 125 : 1; continuing"
        figures = (50.0, may_increase, 2.0, 125.0, float(self.age), 100)
        return Decision(action, "error_rate", reason, (kpi,), *figures, leans_well=self._judges.leans_well)

    def extend(self, seconds: float) -> None:
        self.extended_s += seconds

    @property
    def is_stale(self) -> bool:
        return self._judges.is_stale

    def refresh(self, baseline: Baseline) -> bool:
        self._judges.is_stale = False
        self.baseline = baseline
        return True

    def state_dict(self) -> dict[str, Any]:
        return {"age": self.age}
