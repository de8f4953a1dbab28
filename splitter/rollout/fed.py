"""What a judge was fed, as the journal keeps it: enough to feed another judge the same, and to show people the figures.

A row of live's past has a number below 0 and holds what live did before the judge began.  A row from 0 on is a tick:

    before    what was done to the judge before the tick: `baseline` (its first), `refresh` (edges cut anew by a
              baseline), `extended_s` (it was given more time)
    tick      the tick itself, exactly
    latency   by side, the tick's latencies as (highest value of a 2-digit HDR bucket in µs, count)
    timeouts  by side, how many of its failures were time-outs

Feeding the ticks in their order to a new judge of the same options, each after its `before`, leads to the same
decisions: a judge has no other inputs (`judge`, rule 3).
"""

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Final, Protocol

from splitter.judge.calibration import Baseline
from splitter.judge.keeping import baseline_of, baseline_state, tick_state
from splitter.judge.tick import Tick
from splitter.judge.trace import tick_of
from splitter.judge.verdict import Decision
from splitter.model import Counts, Window

Latency = tuple[tuple[int, int], ...]

_TRACE_BITS: Final = 8  # a bucket of two digits holds values that agree in so many leading bits


class Fed(Protocol):
    """A judge, as far as it is fed."""

    def calibrate(self, baseline: Baseline) -> None: ...
    def refresh(self, baseline: Baseline) -> bool: ...
    def extend(self, seconds: float) -> None: ...
    def observe(self, tick: Tick) -> Decision: ...


@dataclass(frozen=True, slots=True)
class Before:
    """What is done to a judge before a tick."""

    baseline: Baseline | None = None
    refresh: Baseline | None = None
    extended_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Row:
    """One tick and what came before it; `latency` and `timeouts` are by side."""

    tick: Tick
    before: Before = Before()
    latency: Mapping[str, Latency] = field(default_factory=dict)
    timeouts: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Past:
    """What live did in one window before the judge began."""

    seconds: float
    live: Counts
    latency: Latency
    timeouts: int


def feed(judge: Fed, row: Row) -> Decision:
    """Do to `judge` what the row says, and return its decision."""
    if row.before.baseline is not None:
        judge.calibrate(row.before.baseline)
    if row.before.refresh is not None:
        judge.refresh(row.before.refresh)
    if row.before.extended_s:
        judge.extend(row.before.extended_s)
    return judge.observe(row.tick)


def encode(row: Row) -> str:
    """Return `row` as one line of JSON."""
    before = {
        "baseline": baseline_state(row.before.baseline) if row.before.baseline is not None else None,
        "refresh": baseline_state(row.before.refresh) if row.before.refresh is not None else None,
        "extended_s": row.before.extended_s,
    }
    said = {name: value for name, value in before.items() if value}
    return _dumps({"tick": tick_state(row.tick), "before": said, "latency": row.latency, "timeouts": row.timeouts})


def decode(text: str) -> Row:
    """Return the row of `encode`.  Raises ValueError, KeyError or TypeError for anything else."""
    kept = json.loads(text)
    before = kept["before"]
    latency = {side: _latency(pairs) for side, pairs in kept["latency"].items()}
    return Row(
        tick_of(kept["tick"]),
        Before(
            baseline_of(before["baseline"]) if "baseline" in before else None,
            baseline_of(before["refresh"]) if "refresh" in before else None,
            before.get("extended_s", 0.0),
        ),
        latency,
        kept["timeouts"],
    )


def encode_past(windows: Sequence[Window]) -> list[str]:
    """Return what live did before the judge began, one line a window."""
    return [_dumps(_past(window)) for window in windows]


def decode_past(text: str) -> Past:
    """Return a line of `encode_past`.  Raises ValueError, KeyError or TypeError for anything else."""
    kept = json.loads(text)
    live = Counts(**{**kept["live"], "bins": tuple(kept["live"]["bins"])})
    return Past(kept["seconds"], live, _latency(kept["latency"]), kept["timeouts"])


def _past(window: Window) -> dict[str, Any]:
    return {
        "seconds": window.ended_s - window.started_s,
        "live": asdict(window.counts),
        "latency": coarse(window.latency),
        "timeouts": window.outcomes.get("timeout", 0),
    }


def _latency(pairs: Iterable[Sequence[int]]) -> Latency:
    return tuple((top, count) for top, count in pairs)


def coarse(latency: Iterable[tuple[int, int]]) -> Latency:
    """Return latencies in HDR buckets of two digits; each holds whole buckets of three."""
    counts: Counter[int] = Counter()
    for top_us, count in latency:
        counts[bucket_top_us(top_us)] += count
    return tuple(sorted(counts.items()))


def bucket_top_us(value_us: int) -> int:
    """Return the highest value of the 2-digit bucket that holds `value_us`."""
    shift = max(value_us.bit_length() - _TRACE_BITS, 0)
    return (((value_us >> shift) + 1) << shift) - 1


def _dumps(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"))
