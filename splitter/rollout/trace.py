"""A rollout as a trace in the format judge-trace/1 (`judge.trace` says what that is): for replays, here and elsewhere.

What only we read is exact: the judge as it was before the first tick, every tick as it was fed, and the judge again
where something else was done to it.  What everybody reads is as exact as the format: latencies in buckets of two
digits, and of the control slice, whose latencies are counted between the judge's edges only, as many of live's answers
from each of those bins.  A request that was overdue and failed later is in `h` and in `e5`, so `n` may be less than
their sum.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, Protocol

from splitter.judge.config import from_mapping
from splitter.judge.keeping import tick_state
from splitter.judge.trace import header_of
from splitter.limits import LATENCY_US_MAX, LATENCY_US_MIN, WEIGHT_TOTAL
from splitter.model import Counts, Resources, Side
from splitter.rollout.events import plain
from splitter.rollout.fed import Before, Fed, Latency, Past, Row, feed
from splitter.rollout.history import Rollout

DIGITS: Final = 2


class Judge(Fed, Protocol):
    """A judge that can be asked what it is and where it cuts."""

    def edges(self, side: Side) -> tuple[int, ...]: ...
    def state_dict(self) -> dict[str, Any]: ...


def lines(rollout: Rollout, past: Sequence[Past], rows: Sequence[Row], judge: Judge) -> Iterator[str]:
    """Yield the trace of `rollout`; `judge` is a new one of its options, which is fed all of `rows`."""
    tick_s = rollout.options.tick_s
    if rows and rows[0].before.baseline is not None:
        judge.calibrate(rows[0].before.baseline)
    yield _dumps(_header(rollout, past, rows, judge))
    for number, window in enumerate(past, -len(past)):
        yield _dumps(
            {"t": number * tick_s, "live": _side(window.live, window.latency, window.timeouts), "shadow": None}
        )
    age_s = 0.0
    for row in rows:
        edges = judge.edges(Side.LIVE)
        if row.before.refresh is not None or row.before.extended_s:
            _prepare(judge, row.before)
            yield _dumps({"type": "state", "state": judge.state_dict()})
        yield _dumps(_row(row, age_s, edges))
        feed(judge, Row(row.tick))
        age_s += row.tick.seconds


def _prepare(judge: Judge, before: Before) -> None:
    if before.refresh is not None:
        judge.refresh(before.refresh)
    if before.extended_s:
        judge.extend(before.extended_s)


def _header(rollout: Rollout, past: Sequence[Past], rows: Sequence[Row], judge: Judge) -> dict[str, Any]:
    limits = (row.tick.shadow_uses.memory_limit for row in rows if row.tick.shadow_uses is not None)
    return header_of(
        rollout.id,
        from_mapping(rollout.analysis),
        judge.state_dict(),
        tick_s=rollout.options.tick_s,
        baseline_s=len(past) * rollout.options.tick_s,
        duration_s=sum(row.tick.seconds for row in rows),
        lat_unit="us",
        hdr={"lowest": LATENCY_US_MIN, "highest": LATENCY_US_MAX, "digits": DIGITS},
        mem_limit=next(limits, None),
        share=rollout.options.steps_bp[0] / WEIGHT_TOTAL,
        live=rollout.live.id,
        shadow=rollout.shadow.id,
    )


def _row(row: Row, age_s: float, edges_us: Sequence[int]) -> dict[str, Any]:
    tick = row.tick
    live, shadow = (row.latency.get(side.value, ()) for side in (Side.LIVE, Side.SHADOW))
    told = {
        "t": round(age_s, 3),
        "w": tick.share,
        "live": _side(tick.live, live, row.timeouts.get(Side.LIVE, 0)),
        "ctl": _side(tick.control, _slice(live, tick.control, edges_us), 0),
        "shadow": _side(tick.shadow, shadow, row.timeouts.get(Side.SHADOW, 0)),
        "tick": tick_state(tick),
    }
    uses = {"live": _uses(tick.live_uses), "shadow": _uses(tick.shadow_uses)}
    return {**told, "res": uses} if any(uses.values()) else told


def _side(counts: Counts | None, latency: Iterable[tuple[int, int]], timeouts: int) -> dict[str, Any] | None:
    if counts is None:
        return None
    errors = {name: getattr(counts, name) for name in ("n", "e5", "e5u", "e4", "e4u")}
    return {**errors, "to": timeouts, "h": [list(pair) for pair in latency]}


def _slice(latency: Latency, control: Counts | None, edges_us: Sequence[int]) -> Latency:
    """Return as many of live's answers as the control slice has in each bin, the fastest of the bin first."""
    if control is None or len(control.bins) != len(edges_us) + 1:
        return ()
    taken, left = [], list(control.bins)
    for top_us, count in latency:
        place = sum(top_us > edge for edge in edges_us)
        taken_here = min(count, left[place])
        left[place] -= taken_here
        if taken_here:
            taken.append((top_us, taken_here))
    return tuple(taken)


def _uses(uses: Resources | None) -> Mapping[str, Any] | None:
    if uses is None:
        return None
    figures = {
        "mem": uses.memory,
        "mem_limit": uses.memory_limit,
        "cpu_s": uses.cpu_s,
        "cpu_limit": uses.cpu_limit,
        "pids": uses.pids,
        "pids_limit": uses.pids_limit,
        "descriptors": uses.descriptors,
        "descriptors_limit": uses.descriptors_limit,
    }
    return {name: figure for name, figure in figures.items() if figure is not None}


def _dumps(value: Any) -> str:
    return json.dumps(plain(value), separators=(",", ":"))
