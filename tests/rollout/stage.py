"""A controller over fakes, and the world that outlives it."""

import asyncio
import contextlib
import tempfile
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from splitter.change.canonical import digest
from splitter.change.plan import Plan, plan
from splitter.change.reasons import Reason
from splitter.change.rollback_cost import Cost, Level
from splitter.errors import Problem, TemplateError
from splitter.facts import Facts
from splitter.judge.config import JudgeConfig
from splitter.model import Split, StackId
from splitter.placement import ALONE, Placement
from splitter.rollout.controller import Command, Controller
from splitter.rollout.events import Event
from splitter.rollout.history import History, fold
from splitter.rollout.journal import Journal
from splitter.rollout.options import AppOptions, RolloutOptions
from splitter.routing import RouteRule
from splitter.template import Service, Template
from tests.fakes import (
    FakeAlerts,
    FakeClock,
    FakeEngine,
    FakeJudges,
    FakeKpis,
    FakeParking,
    FakeProvisioner,
    FakeSwitch,
)

APP = "shop"
LIVE = StackId("shop-r1")
SHADOW = StackId("shop-r2")
ENDED = ("PROMOTED", "ROLLED_BACK", "HALTED")

QUICK = RolloutOptions(
    warm_up_s=10.0,
    baseline_wait_s=20.0,
    steps_bp=(500, 5_000),
    hold_s=10.0,
    deadline_s=120.0,
    standby_s=60.0,
    drain_s=5.0,
    drain_streams_s=5.0,
    drain_tunnels_s=5.0,
    provision_deadline_s=60.0,
    override_deadline_s=300.0,
    rollback_deadline_s=120.0,
    held_deadline_s=600.0,
)


def template(version: int) -> Template:
    """Return the template of one service in `version`."""
    web = Service(name="web", image=f"shop-web:{version}", expose=(8000,))
    bare = Template(project=APP, directory="/srv/shop", services={"web": web}, files=(f"/srv/shop/v{version}.yaml",))
    return replace(bare, digest=digest(bare))


def read_template(files: Sequence[str], environment: Mapping[str, str], *, env_files: Sequence[str] = ()) -> Template:
    """Read `v<number>.yaml`; a file of variables is told by the template's notes."""
    if env_files:
        return replace(read_template(files, environment), notes=tuple(env_files))
    name = Path(files[0]).stem
    if not name.startswith("v"):
        raise TemplateError([Problem(files[0], 0, 0, "", "no such file")])
    return template(int(name[1:]))


@dataclass
class Stage:
    """One app.  `start` and `kill` a controller as often as wanted; stacks, journal and clock go on."""

    directory: Path
    options: RolloutOptions = QUICK
    judge: JudgeConfig = field(default_factory=JudgeConfig)
    judges: Any = field(default_factory=FakeJudges)
    cost: Cost = field(default_factory=Cost)
    placement: Placement = ALONE
    waits_for_adoption: bool = False
    template_file: str = "/srv/shop/v1.yaml"
    env_files: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        self.clock = FakeClock(lambda: self._journal is not None and self._journal.pending > 0)
        self.engine = FakeEngine()
        self.kpis = FakeKpis(self.clock)
        self.alerts = FakeAlerts()
        self.parking = FakeParking()
        self.forgotten: list[StackId] = []
        self.unhealthy: dict[StackId, str] = {}  # stacks that fail their probes
        self._journal: Journal | None = None
        self._task: asyncio.Task[None] | None = None

    # --- A controller ------------------------------------------------------------------------------------------------

    async def start(self, journal: Journal | None = None) -> None:
        """Start a daemon's share of this app: a new process, so the route table is empty."""
        self.clock.watch(asyncio.get_running_loop())
        self._journal = journal or Journal.open(self.directory)
        self.provisioner = FakeProvisioner(self.engine, self.clock)
        self.switch = FakeSwitch(self.clock)
        self.kpis.edges = {}
        self.controller = Controller(
            AppOptions(
                name=APP,
                provisioner="fake",
                template_files=(self.template_file,) if self.template_file else (),
                routes=(RouteRule(APP, "", "/", "web", 8000),),
                rollout=self.options,
                judge=self.judge,
                waits_for_adoption=self.waits_for_adoption,
                env_files=self.env_files,
            ),
            provisioner=self.provisioner,
            switch=self.switch,
            kpis=self.kpis,
            journal=self._journal,
            alerts=self.alerts,
            reader=read_template,
            planner=self._planned,
            clock=self.clock,
            judges=self.judges,
            parking=self.parking,
            forget=self.forgotten.append,
            health=lambda stack: self.unhealthy.get(stack, ""),
        )
        self._task = asyncio.get_running_loop().create_task(self.controller.run())

    async def kill(self) -> None:
        """End the controller as a power cut does: nothing that it still tries has an effect."""
        self.provisioner.cut()
        await self.stop()

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
            self._task = None
        if self._journal is not None:
            await self._journal.close()
            self._journal = None

    @property
    def journal(self) -> Journal:
        assert self._journal is not None
        return self._journal

    @property
    def has_failed(self) -> BaseException | None:
        """What the controller ended with, if it ended."""
        if self._task is None or not self._task.done() or self._task.cancelled():
            return None
        return self._task.exception()

    def _planned(self, live: Template | None, shadow: Template, facts: Facts) -> Plan:
        return replace(plan(live, shadow, routed={"web"}, facts=facts), cost=self.cost, placement=self.placement)

    # --- What a user does and sees -----------------------------------------------------------------------------------

    async def live(self) -> None:
        """Let the first live stack come up, with a baseline."""
        await self.until_ready()
        await self.clock.pass_(15)

    async def until_ready(self) -> None:
        await self.clock.until(lambda: self.controller.is_ready)

    async def deploy(self, version: int = 2, **options: Any) -> str:
        return await self.controller.deploy([f"/srv/shop/v{version}.yaml"], "ann", {}, **options)

    async def command(self, name: str, why: str = "because", **options: Any) -> None:
        await self.controller.command(Command(name), "bob", why, **options)

    async def reach(self, *states: str, within_s: float = 7_200.0) -> None:
        await self.clock.until(lambda: self.state in states, within_s)

    @property
    def state(self) -> str:
        return self.controller.status().state

    @property
    def split(self) -> Split | None:
        return self.switch.splits.get(APP)

    @property
    def serves(self) -> dict[StackId, int]:
        """Who gets how much, in percent."""
        split = self.split
        if split is None:
            return {}
        shares = {split.live.id: 100 - split.shadow_bp // 100}
        if split.shadow is not None:
            shares[split.shadow.id] = split.shadow_bp // 100
        return {stack: share for stack, share in shares.items() if share}

    async def events(self) -> list[Event]:
        return await self.journal.read(APP)

    async def kinds(self) -> list[str]:
        return [event.kind.value for event in await self.events()]

    async def said(self, kind: str) -> str:
        """Return the sentence of the last event of `kind`."""
        return [event.sentence for event in await self.events() if event.kind == kind][-1]

    async def history(self) -> History:
        return fold(await self.events())


@contextlib.asynccontextmanager
async def staged(**options: Any) -> AsyncIterator[Stage]:
    """Yield a stage whose live stack is up."""
    async with opened(**options) as stage:
        await stage.start()
        await stage.live()
        yield stage


@contextlib.asynccontextmanager
async def opened(**options: Any) -> AsyncIterator[Stage]:
    """Yield a stage with nothing on it."""
    with tempfile.TemporaryDirectory() as directory:
        stage = Stage(Path(directory), **options)
        try:
            yield stage
        finally:
            await stage.stop()


OVERRIDE = Cost(
    during=40,
    after=100,
    level=Level.OVERRIDE,
    gates=("ST2",),
    reasons=(Reason("ST2", "service:db", 0, 0, "postgres 15 becomes 16 on shared data", "copy the data", True),),
)
