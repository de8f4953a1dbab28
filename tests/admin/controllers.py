"""An honest stand-in for a rollout's controller: it remembers what it was asked, and says what it was told to say."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, cast

from splitter.change.changeset import ChangeSet
from splitter.change.plan import Plan, plan
from splitter.judge.plan import JudgePlan
from splitter.judge.verdict import KpiVerdict, Verdict
from splitter.model import StackId
from splitter.rollout.controller import Command, Controller
from splitter.rollout.events import Event, Kind
from splitter.rollout.explanation import Explanation
from splitter.rollout.machine import COMMANDS
from splitter.rollout.report import Happening, Report, SideFigures
from splitter.rollout.status import StackStatus, Status
from splitter.rollout.subscription import Hub, Subscription
from splitter.template import Service, Template

AT = datetime(2024, 5, 6, 7, 8, 9, 123456, tzinfo=UTC)


LIVE = StackStatus(
    StackId("shop-r11"),
    True,
    2,
    requests=9_214,
    error_rate=0.0031,
    p50_us=48_000,
    p95_us=160_000,
    p99_us=212_000,
    rps=47.5,
)
SHADOW = StackStatus(
    StackId("shop-r12"),
    True,
    2,
    requests=1_027,
    error_rate=0.0029,
    p50_us=47_000,
    p95_us=161_000,
    p99_us=219_000,
    rps=5.2,
)
EVIDENCE = (
    KpiVerdict("error_rate", Verdict.NON_INFERIOR, 0.0031, 0.0029, 0.4, 125.0, 27.0, 20.0, 0, "0.29 % against 0.31 %"),
    KpiVerdict("latency_p99", Verdict.UNDECIDED, 0.01, 0.012, 1.5, 333.0, 6.0, 20.0, 600, "1.2 % above 212 ms"),
)
SPLITTING = Status(
    app="shop",
    state="SPLITTING",
    rollout="shop-12",
    by="ann",
    live=LIVE,
    shadow=SHADOW,
    step=2,
    steps=4,
    share_bp=1_000,
    steps_bp=(100, 1_000, 2_500, 5_000),
    since=AT.isoformat(),
    in_state_s=252.0,
    evidence=EVIDENCE,
    score=71.5,
    verdict_in_s=100.0,
    rollback_cost={"level": "none", "points": 0, "during": 0, "after": 0, "reasons": []},
    last_event="nothing speaks against shop-r12",
    commands=("pause", "promote", "rollback"),
)

EXPLANATION = Explanation(
    app="shop",
    rollout="shop-12",
    state="ROLLED_BACK",
    live="shop-r11",
    shadow="shop-r12",
    decided="shop-r12 is worse: …; shop-r11 is given all traffic",
    kind="worse",
    at=AT.isoformat(),
    by="splitter",
    shares={"error_rate": 1.0},
    sentences=("shop-12: shop-r12 beside shop-r11: rolled back", "error rate: worse", "  297 : 1 | needed 125 : 1"),
)
REPORT = Report(
    app="shop",
    rollout="shop-12",
    state="ROLLED_BACK",
    live="shop-r11",
    shadow="shop-r12",
    by="ann",
    files=("/srv/shop/v12.yaml",),
    changes="replace service:web",
    requested_at=AT.isoformat(),
    ended_at=AT.isoformat(),
    took_s=252.0,
    steps_bp=(100, 5_000),
    rollback_cost={"level": "none", "points": 0, "during": 0, "after": 0, "reasons": []},
    figures={
        "live": SideFigures(StackId("shop-r11"), 9_214, 29, 12, 48_000, 160_000, 212_000),
        "shadow": SideFigures(StackId("shop-r12"), 0, 0, 0, None, None, None),
    },
    explanation=EXPLANATION,
    timeline=(Happening(AT.isoformat(), "ann", "requested", "REQUESTED", "ann asked for shop-r12"),),
)

OUTLOOK = JudgePlan(
    steps=(0.01, 0.5),
    error_rate_assumed=0.031,
    error_rate_s=30.0,
    median_s=360.0,
    latency_s=None,
    promotion_s=math.inf,
    slowest="latency_p99",
    fitting_share=None,
    sentences=("at 1 %, a tenfold error rate is seen in ~30 s",),
    warnings=("no share fits a promotion into 30 min",),
)


def event(seq: int, kind: Kind = Kind.ADVANCED, *, state: str = "SPLITTING", rollout: str = "shop-12") -> Event:
    return Event(seq, AT, "shop", kind, rollout, state, "splitter", f"event {seq}", {"share_bp": 1_000})


def template(image: str) -> Template:
    return Template("shop", "/srv", {"web": Service(name="web", image=image)})


def changes() -> Plan:
    """Return the plan of a change of one image."""
    return plan(template("shop:1"), template("shop:2"), routed={"web"})


def change_set() -> ChangeSet:
    return changes().change_set


class FakeParking:
    """Notes who parks, and why; three requests always wait."""

    def __init__(self, take: Callable[..., None]) -> None:
        self._take = take

    async def park(self, within_s: float, by: str, why: str) -> None:
        self._take("park", within_s, by, why)

    def unpark(self, by: str, why: str) -> int:
        self._take("unpark", by, why)
        return 3


@dataclass
class FakeController:
    """Answers for the app `shop`.  `refusal` is raised by every call that would do something."""

    now: Status = SPLITTING
    journal: list[Event] = field(default_factory=list)
    refusal: Exception | None = None
    calls: list[tuple[Any, ...]] = field(default_factory=list)
    hub: Hub = field(default_factory=lambda: Hub("shop"))

    def __post_init__(self) -> None:
        self.parking = FakeParking(self._take)

    def controller(self) -> Controller:
        """Return this object as what the faces ask for."""
        return cast("Controller", self)

    def status(self) -> Status:
        last = self.journal[-1].seq if self.journal else 0
        return replace(self.now, last_seq=last)

    async def events(self, after_seq: int = 0) -> list[Event]:
        return [each for each in self.journal if each.seq > after_seq]

    async def explain(self, rollout: str = "") -> Explanation:
        self._take("explain", rollout)
        return EXPLANATION

    async def report(self, rollout: str = "") -> Report:
        self._take("report", rollout)
        return REPORT

    async def trace(self, rollout: str = "") -> str:
        self._take("trace", rollout)
        return '{"type":"header"}\n{"t":0}\n'

    def subscribe(self) -> Subscription:
        return self.hub.join()

    def happen(self, fact: Event) -> None:
        """Let a fact become known, and the state that it leads to."""
        self.journal.append(fact)
        self.now = replace(self.now, state=fact.state or self.now.state)
        self.hub.send(fact)

    async def plan(self, files: Sequence[str], environment: Mapping[str, str]) -> Plan:
        self._take("plan", tuple(files), dict(environment))
        return changes()

    def outlook(self) -> JudgePlan:
        return OUTLOOK

    async def adopt(self, project: str, by: str) -> tuple[StackId, list[str]]:
        self._take("adopt", project, by)
        return StackId("shop-r1"), [f"web: {project}-web-1 is in sync"]

    async def deploy(
        self, files: Sequence[str], by: str, environment: Mapping[str, str], *, force: bool = False, why: str = ""
    ) -> str:
        self._take("deploy", tuple(files), by, dict(environment), force, why)
        return "shop-12"

    async def command(self, command: Command, by: str, why: str = "", change_set: str = "") -> None:
        self._take(command, by, why, change_set)
        assert command in COMMANDS

    def _take(self, *call: Any) -> None:
        if self.refusal is not None:
            raise self.refusal
        self.calls.append(call)
