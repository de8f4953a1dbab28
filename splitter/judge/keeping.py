"""Ticks and baselines as plain values, so that what a judge was fed can be kept and fed again (`trace.tick_of`)."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from splitter.judge.calibration import Baseline
from splitter.judge.tick import Tick


def tick_state(tick: Tick) -> dict[str, Any]:
    """Return `tick` as plain values, without what it does not say."""
    return {name: value for name, value in asdict(tick).items() if value is not None and value != ""}


def baseline_state(baseline: Baseline) -> dict[str, Any]:
    """Return `baseline` as plain values."""
    return asdict(baseline)


def baseline_of(state: Mapping[str, Any]) -> Baseline:
    """Return the baseline that `state` was made of, JSON in between or not.  Raises TypeError for what is none."""
    return Baseline(**{name: _tuples(value) for name, value in state.items()})


def _tuples(value: Any) -> Any:
    return tuple(map(_tuples, value)) if isinstance(value, list | tuple) else value
