"""Two stacks under seeded traffic, for the judge to look at: an honest world, and ways to make its shadow worse.

Latencies are log-normal with a median of 20 ms.  Requests that a hanging shadow leaves unanswered become overdue, as
the recorder counts them, once they are older than the highest edge.
"""

import math
import random
from bisect import bisect_left
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace

from splitter.judge.calibration import Baseline
from splitter.judge.config import JudgeConfig
from splitter.judge.judge import Judge
from splitter.judge.tick import Tick
from splitter.judge.verdict import Action, Decision
from splitter.model import Counts, Side

MEDIAN_US = 20_000.0
SPREAD = 0.6


@dataclass(frozen=True)
class Manners:
    """How a stack behaves: rates of failures and client errors, and what its latencies are multiplied by."""

    failures: float = 0.001
    client_errors: float = 0.01
    slower: Callable[[float, random.Random], float] = lambda latency_us, _: latency_us
    is_hanging: bool = False


HONEST = Manners()


class World:
    """Traffic of `rps` requests per second, `share` of it for the shadow."""

    def __init__(self, seed: int, *, rps: float = 50, share: float = 0.05) -> None:
        self.rps = rps
        self.share = share
        self._random = random.Random(seed)
        self._hanging: deque[int] = deque()  # requests of each second that have no answer yet

    def baseline(self, seconds: int = 600, manners: Manners = HONEST) -> Baseline:
        """Return live's last minutes, in buckets of a tenth of a percent."""
        n = int(self.rps * seconds)
        errors = sum(self._random.random() < manners.failures for _ in range(n))
        client_errors = sum(self._random.random() < manners.client_errors for _ in range(n))
        buckets: dict[int, int] = {}
        for _ in range(n - errors - client_errors):
            latency_us = int(self._latency_us(manners))
            top = latency_us | ((1 << max(latency_us.bit_length() - 11, 0)) - 1)
            buckets[top] = buckets.get(top, 0) + 1
        return Baseline(n, errors, client_errors, tuple(sorted(buckets.items())), float(seconds))

    def tick(self, t: int, judge: Judge, shadow: Manners, live: Manners = HONEST) -> Tick:
        """Return what both stacks do in second `t`."""
        n_s = self._arrivals(self.rps * self.share)
        n_l = self._arrivals(self.rps * (1 - self.share))
        return Tick(
            t,
            live=self._counts(n_l, live, judge.edges(Side.LIVE)),
            shadow=self._counts(n_s, shadow, judge.edges(Side.SHADOW)),
        )

    def _counts(self, n: int, manners: Manners, edges_us: tuple[int, ...]) -> Counts:
        if manners.is_hanging:
            return self._overdue(n, edges_us)
        bins = [0] * (len(edges_us) + 1)
        failures = client_errors = 0
        for _ in range(n):
            fate = self._random.random()
            if fate < manners.failures:
                failures += 1
            elif fate < manners.failures + manners.client_errors:
                client_errors += 1
            else:
                bins[bisect_left(edges_us, self._latency_us(manners))] += 1
        return Counts(n, failures, failures, client_errors, client_errors, tuple(bins))

    def _overdue(self, n: int, edges_us: tuple[int, ...]) -> Counts:
        self._hanging.append(n)
        late = self._hanging.popleft() if len(self._hanging) > math.ceil(edges_us[-1] / 1e6) else 0
        return Counts(n=late, bins=(*[0] * len(edges_us), late))

    def _latency_us(self, manners: Manners) -> float:
        return manners.slower(MEDIAN_US * math.exp(self._random.gauss(0, SPREAD)), self._random)

    def _arrivals(self, mean: float) -> int:
        """Return a Poisson number: requests that come by themselves."""
        limit, count, product = math.exp(-mean), 0, self._random.random()
        while product > limit:
            count += 1
            product *= self._random.random()
        return count


@dataclass(frozen=True)
class Ending:
    """How a simulated rollout ended."""

    decision: Decision
    seconds: int

    @property
    def action(self) -> Action:
        return self.decision.action


def run(
    config: JudgeConfig,
    seed: int,
    shadow: Manners | Callable[[int], Manners] = HONEST,
    *,
    live: Callable[[int], Manners] = lambda _: HONEST,
    seconds: int = 1_800,
    rps: float = 50,
    share: float | Callable[[int], float] = 0.05,
) -> Ending:
    """Return the end of a rollout of at most `seconds`; manners and share may be functions of the second."""
    world = World(seed, rps=rps)
    judge = Judge(config)
    judge.calibrate(world.baseline())
    for t in range(seconds):
        world.share = share(t) if callable(share) else share
        decision = judge.observe(world.tick(t, judge, shadow(t) if callable(shadow) else shadow, live(t)))
        if decision.action is not Action.CONTINUE:
            return Ending(decision, t + 1)
    return Ending(decision, seconds)


def patient(config: JudgeConfig) -> JudgeConfig:
    """Return `config` with no end and no promotion in sight: only rollbacks can be seen."""
    return replace(config, min_duration_s=90_000.0, max_duration_s=100_000.0)
