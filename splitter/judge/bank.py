"""Wealth: what the bets against one claim have won so far.

Rule 1: a bank starts with 1 and is never given more.  What it holds, bets and reserve together, has a mean of at most 1
for as long as the claim is true, so the chance of it ever holding 1/α is at most α (Ville 1939).
Rule 2: the reserve drips into the bets.  A shadow that gets worse late is judged on the wealth that drips in from then
on, not on what the bets lost while it was well (the idea of e-detectors: Shin, Ramdas & Rinaldo 2022).  It costs ln 2
at the start.
Rule 3: within one block of time no bet gains more than the cap.  Losing the rest keeps rule 1; without it, one stall of
a second that hits hundreds of requests at once would pay like hundreds of facts.

Wealth is kept as logarithms: it ranges over thousands of powers of ten.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import exp, inf, log
from typing import Any, Final

from splitter.judge.stats import log_add

RESTART_MASS: Final = 0.5
KEPT: Final = 1 / 16  # of the reserve, for after the horizon
_NEARLY: Final = 0.95  # of a block is a block: ticks are rarely as long as they should be


@dataclass(frozen=True, slots=True)
class Cap:
    """At most `nats` of gain within `block_s`."""

    nats: float
    block_s: float


class Bank:
    """The wealth of a few bets against one claim, with equal parts for each.  Written by `bet` and `restore`.

    `evidence` is ln of all that it holds: by how many to one it speaks against the claim.
    """

    def __init__(
        self, bets: int, *, restart: float = 0.0, horizon_s: float = 1.0, kept: float = 0.0, cap: Cap | None = None
    ) -> None:
        """Put `restart` of the wealth into the reserve, which is spent evenly over `horizon_s`, but for `kept` of it.

        Of what is kept, each horizon that follows spends half: a shadow that was promoted, or is held, is watched on.
        """
        # For the bank's life.
        self._horizon_s = horizon_s
        self._cap = cap
        # In the present horizon.
        self._drip_per_s = restart * (1.0 - kept) / horizon_s
        self._horizon_left_s = horizon_s
        # Over all ticks.
        self._wealth = [log(1.0 - restart)] * bets
        self._reserve = restart
        # In the open block.
        self._block_s = inf  # so that the first tick opens one
        self._anchors = self._wealth
        self._dripped = 0.0
        self.evidence = self._held()

    def bet(self, gains: Sequence[float], seconds: float = 1.0, caps: Sequence[float] | None = None) -> None:
        """Add what each bet gained (ln e) in a tick of `seconds`.  `caps` are each bet's nats, for the cap's."""
        assert len(gains) == len(self._wealth), "one gain for each bet"
        if self._cap and self._block_s >= _NEARLY * self._cap.block_s:
            self._open_block()
        drip = self._drip(seconds)
        wealth = self._wealth
        if drip:
            log_drip = log(drip)
            wealth = [log_add(each, log_drip) for each in wealth]
        self._wealth = [each + gain for each, gain in zip(wealth, gains, strict=True)]
        self._block_s += seconds
        if self._cap:
            self._cut(caps or [self._cap.nats] * len(gains))
        self.evidence = self._held()

    def requests_until(self, target: float, growths: Sequence[float]) -> float | None:
        """Return after how many more requests the evidence is `target`, if each adds `growths` to the bets.

        None if no bet grows.  Takes the first bet to get there alone, so it errs to the long side.
        """
        needed = target + log(len(self._wealth))
        waits = [(needed - each) / growth for each, growth in zip(self._wealth, growths, strict=True) if growth > 0]
        return max(0.0, min(waits)) if waits else None

    def state(self) -> dict[str, Any]:
        """Return all that changes, as plain numbers."""
        return {
            "wealth": list(self._wealth),
            "reserve": self._reserve,
            "drip_per_s": self._drip_per_s,
            "horizon_left_s": self._horizon_left_s,
            "block_s": None if self._block_s == inf else self._block_s,
            "anchors": list(self._anchors),
            "dripped": self._dripped,
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from what `state` returned.  Raises ValueError if it is the state of other bets."""
        if len(state["wealth"]) != len(self._wealth) or len(state["anchors"]) != len(self._wealth):
            raise ValueError(f"{len(state['wealth'])} bets are kept, {len(self._wealth)} are wanted")
        self._wealth = [float(each) for each in state["wealth"]]
        self._reserve = float(state["reserve"])
        self._drip_per_s = float(state["drip_per_s"])
        self._horizon_left_s = float(state["horizon_left_s"])
        self._block_s = inf if state["block_s"] is None else float(state["block_s"])
        self._anchors = [float(each) for each in state["anchors"]]
        self._dripped = float(state["dripped"])
        self.evidence = self._held()

    def _held(self) -> float:
        """Return ln of what bets and reserve are together."""
        mean = log_sum(self._wealth) - log(len(self._wealth))
        return log_add(mean, log(self._reserve)) if self._reserve else mean

    def _open_block(self) -> None:
        self._block_s = 0.0
        self._anchors = self._wealth
        self._dripped = 0.0

    def _drip(self, seconds: float) -> float:
        """Take this tick's part out of the reserve and return it; 0 when less than that is left."""
        if self._horizon_left_s <= 0 < self._reserve:
            self._horizon_left_s = self._horizon_s
            self._drip_per_s = self._reserve / 2 / self._horizon_s
        self._horizon_left_s -= seconds
        drip = self._drip_per_s * seconds
        if self._reserve <= drip:
            return 0.0
        self._reserve -= drip
        self._dripped += drip
        return drip

    def _cut(self, caps: Sequence[float]) -> None:
        """Lose what the block's gains have beyond their caps."""
        log_dripped = log(self._dripped) if self._dripped else -inf
        self._wealth = [
            min(each, log_add(anchor, log_dripped) + nats)
            for each, anchor, nats in zip(self._wealth, self._anchors, caps, strict=True)
        ]


def log_sum(logs: Sequence[float]) -> float:
    """Return ln of the sum of what `logs` are the logarithms of."""
    top = max(logs)
    return top + log(sum([exp(each - top) for each in logs]))
