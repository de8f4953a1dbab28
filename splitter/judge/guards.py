"""Absolute bounds: a stack that is dead, hangs or fills its memory is left within seconds, warm-up or not.

Comparisons are made for small differences and take their time; guards look for what no user should see for long.
Failures and hanging are measured against live nevertheless: in an incident that hits both stacks the shadow is not to
blame, and leaving it would help nobody.  Where live has no requests (it is idle, or standby) they are measured against
what live was like before.  Each of the three guards that bet has 5 % of the false-rollback risk.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import log
from typing import Any, Final

from splitter.judge.bank import KEPT, RESTART_MASS, Bank, Cap
from splitter.judge.calibration import Scale
from splitter.judge.config import JudgeConfig
from splitter.judge.effects import Design
from splitter.judge.measures import TAIL_CAP
from splitter.judge.stats import Stratum, lone_bet, ratio_bet
from splitter.judge.tick import Reading, Tick
from splitter.judge.wording import latency, odds, percent

LEVEL_SHARE: Final = 0.05  # of false_rollback, for each guard that bets
FAILURE_STAKES: Final = (2.0, 5.0, 12.0, 20.0)
SLOW_STAKES: Final = (2.0, 3.0, 5.0)
SLOW_BEYOND_LIVE: Final = 0.20
SLOW_CAP: Final = Cap(nats=6.0, block_s=5.0)
LATENCY_STAKES: Final = (2.0, 5.0, 15.0, 60.0)
LATENCY_ABOVE: Final = 0.01
MEMORY_SAMPLES: Final = 2  # in a row: one may be a moment's peak


@dataclass(frozen=True, slots=True)
class Alarm:
    """A guard's reason to leave the shadow at once: who, and one sentence without its end."""

    guard: str
    sentence: str


@dataclass(slots=True)
class _Usual:
    """How often live had what a guard looks for."""

    hits: float = 0.0
    n: float = 0.0

    @property
    def rate(self) -> float:
        return self.hits / self.n if self.n else 0.0


class Guards:
    """All guards of a rollout.  Written by `observe`, once per tick."""

    def __init__(self, config: JudgeConfig, scale: Scale) -> None:
        # For the rollout.
        self._options = config.guards
        self._level = log(1.0 / (LEVEL_SHARE * config.false_rollback))
        # Failures share their risk with the error budget, where there is one (`burn`).
        self._level_of_failures = self._level + (log(2.0) if config.guards.slo is not None else 0.0)
        self._limit_us = scale.limit_us
        self._slow_at = scale.live_us.index(scale.slow_us[0]), scale.shadow_us.index(scale.slow_us[1])
        self._slow_us = scale.slow_us[1]
        if self._limit_us is not None:
            self._limit_at = scale.live_us.index(self._limit_us), scale.shadow_us.index(self._limit_us)
        # Over all ticks.
        horizon_s = config.max_duration_s
        self._banks = {
            "failures": Bank(len(FAILURE_STAKES), restart=RESTART_MASS, horizon_s=horizon_s, kept=KEPT),
            "slow": Bank(len(SLOW_STAKES), restart=RESTART_MASS, horizon_s=horizon_s, kept=KEPT, cap=SLOW_CAP),
            "latency": Bank(len(LATENCY_STAKES), restart=RESTART_MASS, horizon_s=horizon_s, kept=KEPT, cap=TAIL_CAP),
            "latency_of_live": Bank(
                len(LATENCY_STAKES), restart=RESTART_MASS, horizon_s=horizon_s, kept=KEPT, cap=TAIL_CAP
            ),
        }
        self._usual = {"failures": _Usual(), "slow": _Usual()}
        self._full_samples = 0
        self._impact = 0.0

    def observe(self, tick: Tick, reading: Reading, design: Design) -> Alarm | None:
        """Look at a tick and return the first alarm, the most certain first."""
        alarms = (
            fate(tick),
            self._memory(tick),
            self._failures(reading, design, tick.seconds),
            self._budget(reading),
            self._slow(reading, design, tick.seconds),
            self._latency(reading, design, tick.seconds),
        )
        return next((alarm for alarm in alarms if alarm), None)

    def state(self) -> dict[str, Any]:
        """Return all that changes, as plain numbers."""
        banks = {name: bank.state() for name, bank in self._banks.items()}
        usual = {name: [each.hits, each.n] for name, each in self._usual.items()}
        return {"banks": banks, "usual": usual, "full_samples": self._full_samples, "impact": self._impact}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from what `state` returned."""
        for name, bank in self._banks.items():
            bank.restore(state["banks"][name])
        self._usual = {name: _Usual(*map(float, state["usual"][name])) for name in self._usual}
        self._full_samples = int(state["full_samples"])
        self._impact = float(state["impact"])

    def _memory(self, tick: Tick) -> Alarm | None:
        limit = self._options.memory
        share = tick.shadow_uses.memory_share if tick.shadow_uses else None
        if limit is None or share is None:
            return None
        self._full_samples = self._full_samples + 1 if share >= limit else 0
        if self._full_samples < MEMORY_SAMPLES:
            return None
        used, samples = percent(share), self._full_samples
        return Alarm("guards.memory", f"memory {used} of its limit in {samples} samples, at most {percent(limit)}")

    def _failures(self, reading: Reading, design: Design, seconds: float) -> Alarm | None:
        beyond = self._options.error_rate
        stratum = reading.failures()
        if beyond is None or not stratum.n_s:
            return None
        evidence = self._bet_against_live("failures", stratum.thinned(design.failures), FAILURE_STAKES, beyond, seconds)
        if evidence < self._level_of_failures:
            return None
        claim = f"no more than live + {percent(beyond)}"
        failed = f"{stratum.x_s:.0f} of the last {stratum.n_s:.0f} shadow requests failed"
        return Alarm(
            "guards.error_rate",
            f"{failed}, {stratum.x_l:.0f} of {stratum.n_l:.0f} of live: {self._odds(evidence, claim)}",
        )

    def _budget(self, reading: Reading) -> Alarm | None:
        """Count the shadow's failures beyond what live would have had, tick by tick."""
        budget = self._options.impact_budget
        stratum = reading.failures()
        if budget is None or not stratum.n_s:
            return None
        self._impact += stratum.x_s - (stratum.n_s * stratum.x_l / stratum.n_l if stratum.n_l else 0.0)
        if self._impact <= budget:
            return None
        cost = f"{self._impact:.0f} requests failed that live would have served"
        return Alarm("guards.impact_budget", f"{cost}, at most {budget:g} may")

    def _slow(self, reading: Reading, design: Design, seconds: float) -> Alarm | None:
        """Bet on very slow and overdue answers: a stack that hangs finishes nothing, and is seen here alone."""
        if not (reading.is_timed and reading.answers_s):
            return None
        stratum = reading.tail(*self._slow_at)
        thin = stratum.thinned(design.above(self._slow_at[0]))
        evidence = self._bet_against_live("slow", thin, SLOW_STAKES, SLOW_BEYOND_LIVE, seconds)
        if evidence < self._level:
            return None
        claim = f"no more than live + {percent(SLOW_BEYOND_LIVE)}"
        late = f"{stratum.x_s:.0f} of the last {stratum.n_s:.0f} shadow requests got no answer within"
        return Alarm("guards.slow", f"{late} {latency(self._slow_us)}: {self._odds(evidence, claim)}")

    def _latency(self, reading: Reading, design: Design, seconds: float) -> Alarm | None:
        if self._limit_us is None or not reading.is_timed:
            return None
        live_at, shadow_at = self._limit_at
        live_hits, shadow_hits = reading.live_above[live_at], reading.shadow_above[shadow_at]
        effect = design.above(live_at)
        of_live = self._bet("latency_of_live", _alone(live_hits / effect.l, reading.answers_l / effect.l), seconds)
        evidence = self._bet("latency", _alone(shadow_hits / effect.s, reading.answers_s / effect.s), seconds)
        if evidence < self._level or of_live >= self._level:
            return None
        claim = f"at most {percent(LATENCY_ABOVE)}"
        slow = f"{shadow_hits} of the last {reading.answers_s} shadow answers took more than {latency(self._limit_us)}"
        return Alarm("guards.latency_p99", f"{slow}: {self._odds(evidence, claim)}")

    def _bet_against_live(
        self, guard: str, stratum: Stratum, stakes: Sequence[float], beyond: float, seconds: float
    ) -> float:
        """Bet each stake against "at most live's rate + `beyond`"; without live, against what live was like."""
        x_s, n_s, x_l, n_l = stratum
        usual = self._usual[guard]
        if n_l:
            highest = 1.0 + 0.9 * n_l / n_s  # the bet needs (stake - 1) x n_s/n_l below 1
            gains = [ratio_bet(stratum, min(stake, highest), 1.0, beyond) for stake in stakes]
        else:
            gains = [lone_bet(x_s, n_s, stake, usual.rate + beyond) for stake in stakes]
        usual.hits += x_l
        usual.n += n_l
        return self._bet(guard, gains, seconds)

    def _bet(self, guard: str, gains: Sequence[float], seconds: float) -> float:
        bank = self._banks[guard]
        bank.bet(gains, seconds)
        return bank.evidence

    def _odds(self, evidence: float, claim: str) -> str:
        return f"{odds(evidence)} against '{claim}', needed {odds(self._level)}"


def fate(tick: Tick) -> Alarm | None:
    """Return the alarm that what befell the shadow's stack is."""
    for fact, word in ((tick.died, "died"), (tick.restarted, "was restarted"), (tick.unhealthy, "is unhealthy")):
        if fact:
            return Alarm("stack", f"the shadow {word}: {fact}")
    return None


def _alone(hits: float, answers: float) -> list[float]:
    return [lone_bet(hits, answers, stake, LATENCY_ABOVE) for stake in LATENCY_STAKES]
