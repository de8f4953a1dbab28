"""How fast the shadow burns the error budget of a service's objective.

An objective of 99.9 % leaves a budget of one failure in a thousand.  Alerts on its burn rate watch windows of several
lengths (Google, Site Reliability Workbook, chapter 5); a bet with restarts watches all windows at once and may be
looked at after every tick.  At 14.4 times the budget beyond what live burns, a month's budget is gone in two days: roll
back.  At 6 times it is gone in five: no promotion.  From 1 on it is said.

Assumes what `ratio_bet` does.  The guard of failures gives half of its risk to this one where there is an objective.
"""

from collections.abc import Mapping
from math import log
from typing import Any, Final

from splitter.judge.bank import KEPT, RESTART_MASS, Bank
from splitter.judge.config import JudgeConfig, Mode
from splitter.judge.effects import Design
from splitter.judge.guards import FAILURE_STAKES, LEVEL_SHARE, Alarm
from splitter.judge.stats import lone_bet, ratio_bet
from splitter.judge.tick import Reading
from splitter.judge.verdict import Forecast
from splitter.judge.wording import odds, percent, span

BURNS: Final = (14.4, 6.0, 1.0)
BUDGET_S: Final = 30 * 86_400.0  # a budget is a month's


class Burn:
    """The burn of one rollout's budget.  Written by `observe`, once per tick."""

    def __init__(self, config: JudgeConfig) -> None:
        # For the rollout.
        self._budget = config.guards.slo
        self._level = log(1.0 / (0.5 * LEVEL_SHARE * config.false_rollback))
        # Over all ticks.
        self._banks = [
            Bank(len(FAILURE_STAKES), restart=RESTART_MASS, horizon_s=config.max_duration_s, kept=KEPT) for _ in BURNS
        ]
        self._failed = self._served = 0.0

    @property
    def proven(self) -> float:
        """Return by how many times the budget, beyond live's burn, it surely burns; 0: not surely at all."""
        return next((burn for burn, bank in zip(BURNS, self._banks, strict=True) if bank.evidence >= self._level), 0.0)

    def observe(self, reading: Reading, design: Design, seconds: float) -> None:
        """Bet on a tick."""
        stratum = reading.failures()
        if self._budget is None or not stratum.n_s:
            return
        self._failed += stratum.x_s
        self._served += stratum.n_s
        thin = stratum.thinned(design.failures)
        for burn, bank in zip(BURNS, self._banks, strict=True):
            allowed = burn * self._budget
            if thin.n_l:
                highest = 1.0 + 0.9 * thin.n_l / thin.n_s
                gains = [ratio_bet(thin, min(stake, highest), 1.0, allowed) for stake in FAILURE_STAKES]
            else:
                gains = [lone_bet(thin.x_s, thin.n_s, stake, allowed) for stake in FAILURE_STAKES]
            bank.bet(gains, seconds)

    def alarm(self) -> Alarm | None:
        """Return the reason to leave the shadow at once."""
        if self.proven < BURNS[0]:
            return None
        claim = f"live + {BURNS[0]:g} x {percent(self._budget or 0.0)}"
        figures = f"{self._failed:.0f} of {self._served:.0f} shadow requests failed"
        return Alarm(
            "guards.slo", f"{figures}: {odds(self._banks[0].evidence)} against '{claim}', needed {odds(self._level)}"
        )

    @property
    def gate(self) -> str:
        """Return why a promotion must wait; empty: it need not."""
        return f"the error budget burns {self.proven:g} times as fast as it may" if self.proven >= BURNS[1] else ""

    def forecast(self) -> Forecast | None:
        """Return how long the budget lasts; None without an objective or a request."""
        if self._budget is None or not self._served:
            return None
        proven = self.proven
        breach_s = BUDGET_S / proven if proven else None
        burn = self._failed / self._served / self._budget
        held = f"the error budget burns {burn:.2g} times as fast as it may"
        left = f", surely {proven:g} times: a month's is gone in {span(breach_s)}" if breach_s else ", by chance or not"
        return Forecast("slo", Mode.ROLLBACK, burn, BURNS[0], breach_s, proven >= BURNS[0], held + left)

    def state(self) -> dict[str, Any]:
        """Return all that changes, as plain numbers."""
        return {"banks": [bank.state() for bank in self._banks], "seen": [self._failed, self._served]}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from what `state` returned."""
        for bank, kept in zip(self._banks, state["banks"], strict=True):
            bank.restore(kept)
        self._failed, self._served = map(float, state["seen"])
