"""What fills up: memory, processes, descriptors, each as a part of its limit.

The lowest value of each half minute makes the series, which takes the saw-tooth of a garbage collector out of it.  A
change of the shadow's share begins a new one, half a minute later: more requests need more memory, and that is no leak.
An alarm has to last for three half minutes.  It is the only forecast that acts without a comparison, so live is asked
as well: where live would fill up just the same, to go back to it helps nobody.
"""

from collections import deque
from collections.abc import Mapping, Sequence
from typing import Any, Final

from splitter.judge.config import Mode
from splitter.judge.forecast import Growth, growth, sen_slope
from splitter.judge.verdict import Forecast
from splitter.judge.wording import percent, span

BUCKET_S: Final = 30.0
SETTLING_S: Final = 30.0  # after a change of the share
BUCKETS_MAX: Final = 120
ALARMS_NEEDED: Final = 3
GATE_BUCKETS: Final = 20
GATE_HORIZON_S: Final = 3_600.0
_NEARLY_S = 29.5  # ticks are rarely as long as they should be


class Series:
    """One side's lowest values by half minute.  Written by `add`."""

    def __init__(self) -> None:
        self.times: deque[float] = deque(maxlen=BUCKETS_MAX)
        self.values: deque[float] = deque(maxlen=BUCKETS_MAX)
        self._lowest: float | None = None
        self._open_s = 0.0

    def add(self, value: float | None, now_s: float, seconds: float) -> bool:
        """Take in a tick; return whether it closed a bucket that holds a value."""
        if value is not None:
            self._lowest = value if self._lowest is None else min(self._lowest, value)
        self._open_s += seconds
        if self._open_s < _NEARLY_S:
            return False
        began_s = now_s - self._open_s
        lowest, self._lowest, self._open_s = self._lowest, None, 0.0
        if lowest is None:
            return False
        self.times.append(began_s)  # where the lowest value of what grows was
        self.values.append(lowest)
        return True

    def clear(self) -> None:
        """Begin a new series."""
        self.times.clear()
        self.values.clear()
        self._lowest, self._open_s = None, 0.0

    def state(self) -> list[Any]:
        """Return all that changes, as plain numbers."""
        return [list(self.times), list(self.values), self._lowest, self._open_s]

    def restore(self, state: list[Any]) -> None:
        """Go on from what `state` returned."""
        self.clear()
        times, values, self._lowest, self._open_s = state
        self.times.extend(times)
        self.values.extend(values)


class Filling:
    """One resource of both stacks.  Written by `observe`, once per tick, and by `restart`."""

    def __init__(self, figure: str, mode: Mode, limit: float, horizon_s: float) -> None:
        # For the rollout.
        self.figure = figure
        self.mode = mode
        self._limit = limit
        self._horizon_s = horizon_s
        # Since the share changed.
        self._live, self._shadow = Series(), Series()
        self._from_s = 0.0
        self._growth: Growth | None = None
        self._looked_s = 0.0
        self._alarms = 0  # in a row
        self._is_shared = False
        self._gate_s: float | None = None  # until the limit, by the lower slope of late

    @property
    def is_alarming(self) -> bool:
        """Return whether the shadow is about to fill up, and live is not."""
        return self._alarms >= ALARMS_NEEDED and not self._is_shared

    @property
    def gate(self) -> str:
        """Return why a promotion must wait; empty: it need not."""
        if self._gate_s is None or self._gate_s > GATE_HORIZON_S:
            return ""
        return f"{self.figure} would reach {percent(self._limit)} of the limit within {span(max(self._gate_s, 1.0))}"

    @property
    def warning(self) -> str:
        """Return what a person should know; empty: nothing."""
        if self._alarms >= ALARMS_NEEDED and self._is_shared:
            return f"both stacks fill up their {self.figure}: to go back to live would help nobody"
        return ""

    def observe(self, live: float | None, shadow: float | None, now_s: float, seconds: float) -> None:
        """Take in a tick: parts of the limit, None where nothing was sampled."""
        if now_s < self._from_s:
            return
        self._live.add(live, now_s, seconds)
        if self._shadow.add(shadow, now_s, seconds):
            self._look(now_s)

    def restart(self, now_s: float) -> None:
        """Begin anew: the shadow's share has changed."""
        self._live.clear()
        self._shadow.clear()
        self._from_s = now_s + SETTLING_S
        self._growth, self._alarms, self._is_shared, self._gate_s = None, 0, False, None

    def forecast(self) -> Forecast | None:
        """Return where it is heading; None before the first sample."""
        values = self._shadow.values
        if not values:
            return None
        breach_s = self._growth.breach_s if self._growth and self._growth.is_sure else None
        if breach_s is not None and breach_s > GATE_HORIZON_S * 24:
            breach_s = None
        return Forecast(
            figure=self.figure,
            mode=self.mode,
            now=values[-1],
            limit=self._limit,
            breach_s=breach_s,
            is_alarm=self.is_alarming,
            sentence=self._sentence(values[-1], breach_s),
            is_shared=bool(self.warning),
        )

    def state(self) -> dict[str, Any]:
        """Return all that changes, as plain numbers."""
        return {
            "live": self._live.state(),
            "shadow": self._shadow.state(),
            "from_s": self._from_s,
            "looked_s": self._looked_s,
            "alarms": self._alarms,
            "is_shared": self._is_shared,
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from what `state` returned."""
        self._live.restore(state["live"])
        self._shadow.restore(state["shadow"])
        self._from_s = float(state["from_s"])
        self._looked_s = float(state["looked_s"])
        self._estimate()
        self._alarms = int(state["alarms"])
        self._is_shared = bool(state["is_shared"])

    def _look(self, now_s: float) -> None:
        """Estimate anew, and see whether the alarm lasts."""
        self._looked_s = now_s
        self._estimate()
        is_alarming = self._growth is not None and self._growth.is_alarming(self._horizon_s)
        self._alarms = self._alarms + 1 if is_alarming else 0
        if self._alarms >= ALARMS_NEEDED:
            lives = growth(list(self._live.times), list(self._live.values), self._limit, now_s)
            self._is_shared = lives is not None and lives.is_alarming(self._horizon_s)

    def _estimate(self) -> None:
        times, values = list(self._shadow.times), list(self._shadow.values)
        self._growth = growth(times, values, self._limit, self._looked_s) if _rises(values) else None
        late_t, late_v = times[-GATE_BUCKETS:], values[-GATE_BUCKETS:]
        slope = sen_slope(late_t, late_v) if len(late_t) == GATE_BUCKETS else None
        self._gate_s = (self._limit - late_v[-1]) / slope[1] if slope and slope[1] > 0 else None

    def _sentence(self, now: float, breach_s: float | None) -> str:
        held = f"{self.figure} in use: {percent(now)} of the limit"
        if breach_s is None:
            return f"{held}, nothing says that {percent(self._limit)} will be reached"
        return f"{held}, and {percent(self._limit)} in {span(max(breach_s, 1.0))} at the latest that fits"


def _rises(values: Sequence[float]) -> bool:
    """Return whether it is worth a closer look: the last third is above the first."""
    third = len(values) // 3
    return third > 0 and sum(values[-third:]) > sum(values[:third])
