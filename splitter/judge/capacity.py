"""What CPU the shadow would need with all of the traffic: a straight line through what it needed with less.

The CPU in use is taken to be c0 + c1 · requests per second; the steps of the shadow's share give it points that are
apart.  From one share alone nothing is foretold: a stack's idle work would be taken for the price of requests.  What
breaks where the line bends (caches that fill, queues that build up): the figure, which is why it can hold a promotion
back and never roll back.
"""

from collections import deque
from collections.abc import Mapping
from typing import Any, Final

from splitter.judge.config import Mode
from splitter.judge.forecast import straight
from splitter.judge.verdict import Forecast
from splitter.judge.wording import percent
from splitter.model import Resources

BLOCK_S: Final = 30.0
BLOCKS_MAX: Final = 120
HIGHEST: Final = 0.8  # of the CPUs that it may use
APART: Final = 1.5  # the highest rate by the lowest, for a line to be drawn
_NEARLY_S = 29.5  # ticks are rarely as long as they should be


class Capacity:
    """The CPU that the shadow needs by its requests.  Written by `observe`, once per tick."""

    def __init__(self, mode: Mode) -> None:
        self.mode = mode
        # Over all ticks.
        self._points: deque[tuple[float, float]] = deque(maxlen=BLOCKS_MAX)  # (requests/s, CPUs in use)
        self._limit: float | None = None
        self._total = 0.0  # requests per second of both stacks, in the last block
        # In the open block.
        self._since = [0.0, 0.0, 0.0]  # seconds, the shadow's requests, all requests, since the last sample
        self._block = [0.0, 0.0, 0.0, 0.0]  # the same up to the last sample, and CPU seconds
        self._cpu_s: float | None = None
        self.needed: float | None = None  # CPUs with all of the traffic; None while there is no telling

    def observe(self, uses: Resources | None, shadow: float, total: float, seconds: float) -> None:
        """Take in a tick's sample of the shadow, its requests and those of both stacks."""
        self._since = [self._since[0] + seconds, self._since[1] + shadow, self._since[2] + total]
        if uses is None or uses.cpu_s is None:
            return
        self._limit = uses.cpu_limit
        before, self._cpu_s = self._cpu_s, uses.cpu_s
        since, self._since = self._since, [0.0, 0.0, 0.0]
        if before is None or uses.cpu_s < before:
            return
        self._block = [have + more for have, more in zip(self._block, (*since, uses.cpu_s - before), strict=True)]
        lasted, requests, both, used_s = self._block
        if lasted >= _NEARLY_S:
            self._points.append((requests / lasted, used_s / lasted))
            self._total = both / lasted
            self._block = [0.0, 0.0, 0.0, 0.0]
            self._estimate()

    @property
    def is_alarming(self) -> bool:
        """Return whether it is worth a word of its own."""
        return bool(self.gate)

    @property
    def gate(self) -> str:
        """Return why a promotion must wait; empty: it need not."""
        needed, limit = self.needed, self._limit
        if needed is None or not limit or needed <= HIGHEST * limit:
            return ""
        return f"with all traffic it would need {needed:.2g} of its {limit:g} CPUs, at most {percent(HIGHEST)} are good"

    @property
    def warning(self) -> str:
        """Return what a person should know; empty: nothing."""
        if self._points and self._limit and self.needed is None:
            return "what CPU and memory it needs with all traffic is not known: it was seen at one share only"
        return ""

    def forecast(self) -> Forecast | None:
        """Return what is to be expected; None while there is no telling."""
        needed, limit = self.needed, self._limit
        if needed is None or not limit:
            return None
        sentence = self.gate or f"with all traffic it would need {needed:.2g} of its {limit:g} CPUs"
        return Forecast("cpu", self.mode, self._points[-1][1] / limit, HIGHEST, None, bool(self.gate), sentence)

    def state(self) -> dict[str, Any]:
        """Return all that changes, as plain numbers."""
        return {
            "points": list(map(list, self._points)),
            "limit": self._limit,
            "total": self._total,
            "since": self._since,
            "block": self._block,
            "cpu_s": self._cpu_s,
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from what `state` returned."""
        self._points.clear()
        self._points.extend((rate, used) for rate, used in state["points"])
        self._limit, self._cpu_s = state["limit"], state["cpu_s"]
        self._total = float(state["total"])
        self._since, self._block = list(map(float, state["since"])), list(map(float, state["block"]))
        self._estimate()

    def _estimate(self) -> None:
        rates = [rate for rate, _ in self._points]
        self.needed = None
        if rates and 0 < max(rates) >= APART * min(rates):
            line = straight(rates, [used for _, used in self._points])
            self.needed = max(0.0, line[0] + line[1] * self._total) if line else None
