"""One simulated rollout: the judge and the fixed rules look at the same seconds."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from benchmarks.judge.rules import RankTest, Rule, Strikes, ZTest
from benchmarks.judge.worlds import HONEST, Manners, Traffic, World
from splitter.judge.config import JudgeConfig
from splitter.judge.judge import Judge
from splitter.judge.verdict import Action
from splitter.model import Counts, Side

REFRESH_EVERY = 5


@dataclass(frozen=True)
class Job:
    """What to simulate; it travels to a worker by name of its world."""

    world: str
    profile: str
    seed: int
    seconds: int
    shadow: Manners = HONEST
    with_rules: bool = False


@dataclass(frozen=True)
class Ending:
    """When the judge rolled back (None: never), by which KPI and after how many requests; when each rule did."""

    seconds: int | None
    kpi: str
    requests: int
    rules: dict[str, int | None]


def watched(config: JudgeConfig, seconds: int) -> JudgeConfig:
    """Return a config that neither promotes nor ends within `seconds`: only rollbacks can be seen."""
    return replace(config, min_duration_s=seconds + 60.0, max_duration_s=seconds + 240.0)


def simulate(world: World, config: JudgeConfig, job: Job) -> Ending:
    """Run one rollout to its end, or to the last rule's."""
    traffic = Traffic(world, job.seed, job.shadow)
    judge = Judge(watched(config, job.seconds))
    judge.calibrate(traffic.baseline())
    rules = _rules(judge) if job.with_rules else []
    ends: dict[str, int | None] = {rule.name: None for rule in rules}
    seconds, kpi, requests = None, "", 0
    edges = {side: judge.edges(side) for side in Side}
    for t in range(job.seconds):
        tick = traffic.tick(t, edges)
        live, shadow = tick.live or Counts(), tick.shadow or Counts()
        for rule in rules:
            if ends[rule.name] is None and rule.observe(live, shadow):
                ends[rule.name] = t + 1
        if seconds is None:
            requests += shadow.n if t >= job.shadow.turns_s else 0
            decision = judge.observe(tick)
            if decision.action is Action.ROLLBACK:
                seconds, kpi = t + 1, decision.kpi
        if seconds is not None and all(end is not None for end in ends.values()):
            break
        edges = {side: judge.edges(side) for side in Side}
        if not rules and t % REFRESH_EVERY == 0 and judge.is_stale:
            judge.refresh(traffic.recent())
    return Ending(seconds, kpi, requests, ends)


def decided(world: World, config: JudgeConfig, job: Job, share: float) -> tuple[Action, int]:
    """Run one rollout at a share until it is decided; return how, and after how many seconds."""
    traffic = Traffic(replace(world, share=lambda t: share), job.seed, job.shadow)
    judge = Judge(config)
    judge.calibrate(traffic.baseline())
    edges = {side: judge.edges(side) for side in Side}
    for t in range(job.seconds):
        decision = judge.observe(traffic.tick(t, edges))
        if decision.action is not Action.CONTINUE:
            return decision.action, t + 1
        edges = {side: judge.edges(side) for side in Side}
        if t % REFRESH_EVERY == 0 and judge.is_stale:
            judge.refresh(traffic.recent())
    return Action.CONTINUE, job.seconds


def _rules(judge: Judge) -> Sequence[Rule]:
    scale = judge.scale
    live, shadow = scale.live_us, scale.shadow_us
    p99 = scale.places["latency_p99"].live_us
    both = [edge for edge, _ in scale.ladder]
    return [
        Strikes(live.index(p99), shadow.index(p99)),
        RankTest([live.index(edge) for edge in both], [shadow.index(edge) for edge in both]),
        ZTest(),
    ]
