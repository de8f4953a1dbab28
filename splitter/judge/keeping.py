"""Ticks and baselines as plain values, so that what a judge was fed can be kept and fed again (`trace.tick_of`)."""

from collections.abc import Mapping
from dataclasses import asdict, fields
from typing import Any

from splitter.judge.calibration import Baseline
from splitter.judge.tick import Tick


def tick_state(tick: Tick) -> dict[str, Any]:
    """Return `tick` as plain values, without what it does not say."""
    return {name: value for name, value in asdict(tick).items() if value is not None and value != ""}


def baseline_state(baseline: Baseline) -> dict[str, Any]:
    """Return `baseline` as plain values: numbers and tuples, none of them copied, for there may be many."""
    return {field.name: getattr(baseline, field.name) for field in fields(baseline)}


def baseline_of(state: Mapping[str, Any]) -> Baseline:
    """Return the baseline that `state` was made of, JSON in between or not.  Raises TypeError for what is none."""
    return Baseline(**{name: _tuples(value) for name, value in state.items()})


def _tuples(value: Any) -> Any:
    return tuple(map(_tuples, value)) if isinstance(value, list | tuple) else value
