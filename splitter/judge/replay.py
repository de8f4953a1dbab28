"""Replays a trace: what would the judge have said, and when?

A trace from elsewhere is judged as the daemon would have: calibrated by the ticks before 0, fed one tick at a time, the
edges cut anew where live has moved away from them.  In a trace of our own all that is written down, and every figure
comes out as it was.

A trace from elsewhere ends with the first decision: what comes after a promotion in it never happened to anybody.  A
rollout of ours goes on, through its other steps, resumed or as the promoted stack, and so does the replay: what counts
is the last word of the judge, in the tick in which it was first said.
"""

from collections import Counter, deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any, Final

from splitter.judge.calibration import Baseline, blocks_of
from splitter.judge.judge import Judge
from splitter.judge.tick import Tick
from splitter.judge.trace import Header, Row, Sample, read
from splitter.judge.verdict import Action, Decision
from splitter.model import Side, StackId, Window

REFRESH_EVERY: Final = 5  # ticks
REFRESH_WINDOW_S: Final = 60.0


@dataclass(frozen=True, slots=True)
class Replayed:
    """How a trace ended: `decision` is what counts, `t` the seconds from the start to the end of its tick.

    `shadow_requests` are those up to then.  Without a decision all three are of the last tick.
    """

    id: str
    decision: Decision | None
    t: float
    shadow_requests: int

    def line(self) -> dict[str, Any]:
        """Return what `splitter judge replay` prints of it."""
        action, kpi = Action.UNDECIDED, ""
        if self.decision is not None and self.decision.action is not Action.CONTINUE:
            action, kpi = self.decision.action, self.decision.kpi
        return {
            "id": self.id,
            "decision": action.value,
            "kpi": kpi or None,
            "t": self.t,
            "shadow_requests": self.shadow_requests,
        }


def replay(lines: Iterable[str]) -> Replayed:
    """Return how the trace ends.  Raises TraceError, and JudgeOptionsError or JudgeStateError for its config."""
    header, rows = read(lines)
    found = Replayed(header.id, None, 0.0, 0)
    requests = 0
    for row, decision in decisions(header, rows):
        requests += _requests(row)
        is_news = found.decision is None or decision.action is not found.decision.action
        if is_news or decision.action is Action.CONTINUE:
            lasted_s = row.tick.seconds if row.tick is not None else header.tick_s
            found = Replayed(header.id, decision, row.t + lasted_s, requests)
        if decision.action is Action.ROLLBACK or (decision.action is not Action.CONTINUE and header.state is None):
            break
    return found


def decisions(header: Header, rows: Iterator[Row]) -> Iterator[tuple[Row, Decision]]:
    """Yield every tick from 0 on with what the judge said to it."""
    if header.state is not None:
        yield from _as_it_was(header, rows)
        return
    past = deque[Row](maxlen=_ticks(header, max(header.config.design_window_s, header.config.baseline_window_s)))
    first = None
    for row in rows:
        if row.t >= 0:
            first = row
            break
        past.append(row)
    judge = Judge(header.config)
    judge.calibrate(_baseline(past, header, header.config.baseline_window_s))
    yield from _as_it_would_be(judge, header, past, chain([first] if first else [], rows))


def _as_it_was(header: Header, rows: Iterable[Row]) -> Iterator[tuple[Row, Decision]]:
    """Feed the ticks that are written down to the judge that is written down."""
    assert header.state is not None, "a trace of ours"
    judge = Judge.from_state(header.config, header.state)
    for row in rows:
        if row.state is not None:
            judge = Judge.from_state(header.config, row.state)
        if row.tick is not None:
            yield row, judge.observe(row.tick)


def _as_it_would_be(
    judge: Judge, header: Header, past: deque[Row], rows: Iterable[Row]
) -> Iterator[tuple[Row, Decision]]:
    """Cut each tick at the edges that the judge asked for one tick before, as a recorder does."""
    live_us, shadow_us = judge.edges(Side.LIVE), judge.edges(Side.SHADOW)
    for number, row in enumerate(rows, 1):
        past.append(row)
        tick = Tick(
            t=number,
            live=row.live.cut(live_us) if row.live else None,
            control=row.control.cut(live_us) if row.control else None,
            shadow=row.shadow.cut(shadow_us) if row.shadow else None,
            seconds=header.tick_s,
            share=row.share,
            live_uses=row.live_uses,
            shadow_uses=row.shadow_uses,
        )
        live_us, shadow_us = judge.edges(Side.LIVE), judge.edges(Side.SHADOW)
        yield row, judge.observe(tick)
        if number % REFRESH_EVERY == 0 and judge.is_stale:
            judge.refresh(_baseline(past, header, REFRESH_WINDOW_S))


def _ticks(header: Header, seconds: float) -> int:
    return max(1, int(seconds / header.tick_s))


def _baseline(past: Sequence[Row], header: Header, window_s: float) -> Baseline:
    """Return what live was like in the last `window_s` of `past`; how it varies is told by all of it."""
    rows = list(past)[-_ticks(header, window_s) :]
    samples = [row.live for row in rows if row.live]
    return Baseline(
        n=sum(sample.counts.n for sample in samples),
        e5u=sum(sample.counts.e5u for sample in samples),
        e4u=sum(sample.counts.e4u for sample in samples),
        latency=_summed(samples),
        span_s=len(rows) * header.tick_s,
        digits=header.digits,
        blocks=tuple(blocks_of(_windows(past, header))),
    )


def _windows(rows: Iterable[Row], header: Header) -> Iterator[Window]:
    """Return live's ticks as a recorder would."""
    for row in rows:
        if row.live is not None:
            yield Window(
                StackId(header.id), row.t, row.t + header.tick_s, row.live.counts, latency=tuple(row.live.latency)
            )


def _summed(samples: Iterable[Sample]) -> tuple[tuple[int, int], ...]:
    buckets = Counter[int]()
    for sample in samples:
        for top_us, count in sample.latency:
            buckets[top_us] += count
    return tuple(sorted(buckets.items()))


def _requests(row: Row) -> int:
    if row.tick is not None:
        return row.tick.shadow.n if row.tick.shadow else 0
    return row.shadow.counts.n if row.shadow else 0
