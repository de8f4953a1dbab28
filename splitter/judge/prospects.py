"""All forecasts of a rollout, and what each may do.

Rule 1: a mode says the most that a forecast may do: `rollback` also holds promotions back and warns, `gate` also warns,
`warn` only warns, `off` does not look.
Rule 2: gates delay and never decide.  Who waits for one for ever is undecided in the end.
After a promotion forecasts go on with the shadow alone; what live was like before is what guards hold it against.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final, Protocol

from splitter.judge.burn import Burn
from splitter.judge.calibration import Scale, Tails
from splitter.judge.capacity import Capacity
from splitter.judge.config import JudgeConfig, Mode
from splitter.judge.effects import Design
from splitter.judge.growth import Filling
from splitter.judge.guards import Alarm
from splitter.judge.tick import Reading, Tick
from splitter.judge.trend import Trend
from splitter.judge.verdict import Forecast
from splitter.model import Resources

FULL: Final = 0.95  # of a limit, where no guard says otherwise

_SHARES: Final[Mapping[str, Callable[[Resources], float | None]]] = {
    "memory": lambda uses: uses.memory_share,
    "pids": lambda uses: _part(uses.pids, uses.pids_limit),
    "descriptors": lambda uses: _part(uses.descriptors, uses.descriptors_limit),
}


class _Part(Protocol):
    """A forecast as far as all are alike."""

    mode: Mode

    @property
    def is_alarming(self) -> bool: ...
    @property
    def gate(self) -> str: ...
    def forecast(self) -> Forecast | None: ...


class Prospects:
    """The forecasts of one rollout.  Written by `observe`, once per tick."""

    def __init__(self, config: JudgeConfig, scale: Scale, tails: Tails) -> None:
        predict = config.predict
        limits = {"memory": config.guards.memory or FULL}
        self._fillings = [
            Filling(figure, predict.memory, limits.get(figure, FULL), predict.horizon_s) for figure in _SHARES
        ]
        self._trend = Trend(config, scale, tails)
        self._capacity = Capacity(predict.cpu)
        self._burn = Burn(config)
        self._parts: tuple[_Part, ...] = (self._trend, *self._fillings, self._capacity)  # in the order they may act
        self._is_comparable = config.comparable
        self._share: float | None = None

    def observe(self, tick: Tick, reading: Reading, design: Design, now_s: float, *, is_warm: bool) -> None:
        """Take in a tick, `now_s` after the first one."""
        self._follow(tick.share, now_s)
        for filling in self._fillings:
            if filling.mode is not Mode.OFF:
                live, shadow = (_share_of(uses, filling.figure) for uses in (tick.live_uses, tick.shadow_uses))
                filling.observe(live, shadow, now_s, tick.seconds)
        if self._trend.mode is not Mode.OFF and self._is_comparable and reading.pairs is None:
            self._trend.observe(reading, design, now_s, tick.seconds, is_warm=is_warm)
        if self._capacity.mode is not Mode.OFF:
            both = reading.shadow.n + reading.live.n
            self._capacity.observe(tick.shadow_uses, reading.shadow.n, both, tick.seconds)
        self._burn.observe(reading, design, tick.seconds)

    def burn_alarm(self) -> Alarm | None:
        """Return the alarm of the error budget, which is a guard's."""
        return self._burn.alarm()

    def alarm(self) -> Alarm | None:
        """Return the first forecast that rolls back."""
        for part in self._parts:
            if part.mode is Mode.ROLLBACK and part.is_alarming and (forecast := part.forecast()):
                return Alarm(f"predict.{forecast.figure}", forecast.sentence)
        return None

    def gates(self) -> tuple[str, ...]:
        """Return why a promotion has to wait."""
        gates = [part.gate for part in self._parts if part.mode in (Mode.ROLLBACK, Mode.GATE)]
        return tuple(gate for gate in (*gates, self._burn.gate) if gate)

    def warnings(self) -> tuple[str, ...]:
        """Return what a person should know, besides gates."""
        return tuple(self._warnings())

    def forecasts(self) -> tuple[Forecast, ...]:
        """Return where everything is heading, in the order in which it may act."""
        forecasts = [*(part.forecast() for part in self._parts), self._burn.forecast()]
        return tuple(forecast for forecast in forecasts if forecast is not None)

    def state(self) -> dict[str, Any]:
        """Return all that changes, as plain numbers."""
        return {
            "fillings": {filling.figure: filling.state() for filling in self._fillings},
            "trend": self._trend.state(),
            "capacity": self._capacity.state(),
            "burn": self._burn.state(),
            "share": self._share,
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from what `state` returned."""
        for filling in self._fillings:
            filling.restore(state["fillings"][filling.figure])
        self._trend.restore(state["trend"])
        self._capacity.restore(state["capacity"])
        self._burn.restore(state["burn"])
        self._share = state["share"]

    def _follow(self, share: float | None, now_s: float) -> None:
        """Begin series anew where the shadow's share has changed."""
        if share is None or share == self._share:
            return
        if self._share is not None:
            self._trend.restart()
            for filling in self._fillings:
                filling.restart(now_s)
        self._share = share

    def _warnings(self) -> Iterator[str]:
        if self._capacity.mode is not Mode.OFF and self._capacity.warning:
            yield self._capacity.warning
        for filling in self._fillings:
            if filling.warning:
                yield filling.warning
        for part in self._parts:
            if part.mode is Mode.WARN and part.is_alarming and (forecast := part.forecast()):
                yield forecast.sentence


def _share_of(uses: Resources | None, figure: str) -> float | None:
    return _SHARES[figure](uses) if uses is not None else None


def _part(used: float | None, limit: float | None) -> float | None:
    return used / limit if used is not None and limit else None
