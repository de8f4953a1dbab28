"""KPIs that are sampled, not counted: CPU per request and memory, as the shadow's ratio to live's.

Each block of ten seconds gives one sign: is ln(shadow/live) above ln(tolerance)?  A bet on signs needs no distribution:
it is fair as long as the shadow is beyond the tolerance in at most half of the blocks.  Assumes that blocks are
independent.  What breaks without: memory moves slowly, so one long excursion pays like many facts.  That is why these
KPIs weigh nothing by default: they are shown, and decide only where somebody gave them a weight.
"""

from collections.abc import Mapping
from math import log
from typing import Any, Final

from splitter.judge.bank import KEPT, RESTART_MASS, Bank
from splitter.judge.calibration import BLOCK_NEARLY_S
from splitter.judge.config import JudgeConfig, KpiOptions
from splitter.judge.stats import pair_bet
from splitter.judge.tick import Reading, Tick
from splitter.judge.verdict import KpiVerdict, Verdict
from splitter.judge.wording import LABELS, as_odds, margin, odds
from splitter.model import Resources

SIGN_STAKES: Final = (0.1, 0.25, 0.5, 0.8, 0.95)


class Gauge:
    """One side's figure within a block: the lowest memory, or the CPU time of its requests.  Written by `add`."""

    def __init__(self, kpi: str) -> None:
        self._is_memory = kpi == "memory"
        self._lowest: float | None = None  # bytes
        self._cpu_s: float | None = None  # at the last sample
        self._requests = 0.0  # since the last sample
        self._used_s = 0.0
        self._served = 0.0
        self.services: tuple[str, ...] = ()  # of the last sample
        self.left_out: tuple[str, ...] = ()

    def add(self, uses: Resources | None, requests: float) -> None:
        """Take in a tick."""
        if uses is not None and uses.services != self.services:
            self._begin_anew(uses.services)
        if uses is not None:
            self.left_out = uses.left_out
        if self._is_memory:
            used = None if uses is None else (uses.memory if uses.memory_total is None else uses.memory_total)
            if used is not None:
                self._lowest = used if self._lowest is None else min(self._lowest, used)
            return
        self._requests += requests
        if uses is None or uses.cpu_s is None:
            return
        if self._cpu_s is not None and uses.cpu_s >= self._cpu_s:
            self._used_s += uses.cpu_s - self._cpu_s
            self._served += self._requests
        self._cpu_s, self._requests = uses.cpu_s, 0.0

    def take(self) -> float | None:
        """Return the block's figure, None where there is none, and begin a block."""
        figure = self._lowest if self._is_memory else (self._used_s / self._served if self._served else None)
        self._lowest, self._used_s, self._served = None, 0.0, 0.0
        return figure or None

    def state(self) -> list[Any]:
        """Return all that changes, as plain values."""
        figures = [self._lowest, self._cpu_s, self._requests, self._used_s, self._served]
        return [*figures, list(self.services), list(self.left_out)]

    def restore(self, state: list[Any]) -> None:
        """Go on from what `state` returned."""
        self._lowest, self._cpu_s, self._requests, self._used_s, self._served, *names = state
        self.services, self.left_out = map(tuple, names or ((), ()))

    def _begin_anew(self, services: tuple[str, ...]) -> None:
        """Forget the block: other services are counted from here on, and a sum of others is no growth."""
        self.services = services
        self._lowest, self._cpu_s = None, None
        self._requests = self._used_s = self._served = 0.0


class SeriesComparison:
    """A sampled KPI.  Written by `observe`, once per tick.  Nothing is ever proven of it, and no promotion waits."""

    def __init__(self, kpi: str, options: KpiOptions, share: float, config: JudgeConfig, alpha: float) -> None:
        # For the rollout.
        self.kpi = kpi
        self.share = share
        self._options = options
        self._needed = 1.0 / (alpha * (share or 1.0))
        self._together = -log(alpha)
        # Over all ticks.
        self._worse = Bank(len(SIGN_STAKES), restart=RESTART_MASS, horizon_s=config.max_duration_s, kept=KEPT)
        self._live, self._shadow = Gauge(kpi), Gauge(kpi)
        self._block_s = 0.0
        self._above = self._blocks = 0
        self._figures: tuple[float, float] | None = None  # of the last block: live's, the shadow's

    @property
    def evidence(self) -> float:
        """Return ln of the odds against "no worse than tolerated"."""
        return self._worse.evidence

    @property
    def decides_alone(self) -> bool:
        """Return whether this KPI would roll back without the others."""
        return self.share > 0 and self.evidence >= log(self._needed)

    def observe(self, tick: Tick, reading: Reading) -> None:
        """Take in a tick, and bet where a block ends."""
        self._live.add(tick.live_uses, reading.live.n)
        self._shadow.add(tick.shadow_uses, reading.shadow.n)
        self._block_s += tick.seconds
        if self._block_s < BLOCK_NEARLY_S:
            return
        live, shadow, seconds = self._live.take(), self._shadow.take(), self._block_s
        self._block_s = 0.0
        if live is None or shadow is None or not self._are_alike:
            return
        self._figures = live, shadow
        is_above = shadow > live * self._options.tolerance.ratio
        self._blocks += 1
        self._above += is_above
        gains = [pair_bet(float(is_above), float(not is_above), 0, stake, 1.0, 0.0) for stake in SIGN_STAKES]
        self._worse.bet(gains, seconds)

    def verdict(self) -> KpiVerdict:
        """Return what is known so far; rates are how many blocks were beyond the tolerance."""
        is_worse = self.evidence >= log(self._needed)
        return KpiVerdict(
            kpi=self.kpi,
            verdict=Verdict.WORSE if is_worse else Verdict.UNDECIDED,
            live_rate=None,
            shadow_rate=self._above / self._blocks if self._blocks else None,
            evidence=as_odds(self.evidence),
            needed=self._needed,
            ni_evidence=1.0,
            ni_needed=1.0,
            requests_to_verdict=0 if is_worse else None,
            sentence=self._sentence(),
            shadow_hits=self._above,
            shadow_n=self._blocks,
            tolerance=self._options.tolerance,
        )

    def score(self) -> float:
        """Return 0 for surely worse, one half for nothing known."""
        return 0.5 - 0.5 * min(max(self.evidence / self._together, 0.0), 1.0)

    def accusation(self) -> str:
        """Return the figures that speak against the shadow."""
        beyond = f"beyond {margin(self.kpi, self._options.tolerance)} in {self._above} of {self._blocks} blocks of 10 s"
        return f"{LABELS[self.kpi]} {beyond}: {odds(self.evidence)} against 'in no more than half of them'"

    def state(self) -> dict[str, Any]:
        """Return all that changes, as plain numbers."""
        return {
            "worse": self._worse.state(),
            "live": self._live.state(),
            "shadow": self._shadow.state(),
            "block_s": self._block_s,
            "blocks": [self._above, self._blocks],
            "figures": list(self._figures) if self._figures else None,
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from what `state` returned."""
        self._worse.restore(state["worse"])
        self._live.restore(state["live"])
        self._shadow.restore(state["shadow"])
        self._block_s = float(state["block_s"])
        self._above, self._blocks = map(int, state["blocks"])
        self._figures = tuple(state["figures"]) if state["figures"] else None

    @property
    def _are_alike(self) -> bool:
        """Whether the same services of both sides were counted, as far as anybody said which."""
        return self._live.services == self._shadow.services

    def _sentence(self) -> str:
        if not self._are_alike:
            other = sorted(set(self._shadow.services) - set(self._live.services))
            return f"not compared: live has no {', '.join(other) or 'service of the same name'}"
        left_out = ", ".join(self._live.left_out)
        without = f"; without {left_out}, which the shadow has none of" if left_out else ""
        if self._figures is None:
            return f"not sampled yet{without}"
        live, shadow = self._figures
        beyond = f"beyond {margin(self.kpi, self._options.tolerance)} in {self._above} of {self._blocks} blocks"
        return f"{shadow / live:.2f}x of live's in the last 10 s; {beyond}{without}"
