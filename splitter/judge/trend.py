"""Whether the shadow drifts away from live: surely slower, surely more so, and soon beyond what is tolerated.

Two conditions, and neither acts alone.  One is evidence: bets on the whole distribution without any tolerance, with a
part of the false-rollback risk of their own, say that the shadow is slower than live at all.  The other is a forecast:
the difference of mean log-latencies by half minute, which a common change of both stacks leaves alone, grows by its
lower Sen slope and would pass the tolerance of p50 within a quarter of an hour.

Mean log-latencies are taken from bins, each counted at its middle: good for differences of some percent, blind to what
happens within the lowest and the highest bin.  What breaks without a constant slope: the forecast, and then the
evidence has to decide on its own.
"""

from collections import deque
from collections.abc import Mapping, Sequence
from itertools import pairwise
from math import log, sqrt
from statistics import median
from typing import Any, Final

from splitter.judge.bank import KEPT, RESTART_MASS, Bank
from splitter.judge.calibration import Scale, Tails
from splitter.judge.config import JudgeConfig
from splitter.judge.effects import Design
from splitter.judge.forecast import POINTS_MIN, sen_slope
from splitter.judge.measures import SHAPE_TILTS, TAIL_CAP, ShapeMeasure, cap_of
from splitter.judge.tick import Reading
from splitter.judge.verdict import Forecast
from splitter.judge.wording import odds, percent, span

LEVEL_SHARE: Final = 0.05  # of false_rollback
BLOCK_S: Final = 30.0
BLOCKS_MAX: Final = 30
LEVEL_BLOCKS: Final = 5
HORIZON_S: Final = 900.0
GATE_HORIZON_S: Final = 3_600.0
_NEARLY_S = 29.5  # ticks are rarely as long as they should be


class Trend:
    """The drift of one rollout's latencies.  Written by `observe`, once per tick, and by `restart`."""

    def __init__(self, config: JudgeConfig, scale: Scale, tails: Tails) -> None:
        # For the rollout.
        self.mode = config.predict.latency_trend
        self._level = log(1.0 / (LEVEL_SHARE * config.false_rollback))
        place = scale.places.get("latency_p50")
        self._tolerated = log(place.worse_us / place.live_us) if place else None
        self._proven = log(place.proof_us / place.live_us) if place and place.proof_us else None
        ladder = [(live, live) for live, _ in scale.ladder]
        self._measure = ShapeMeasure(scale, tails, ladder) if place and len(ladder) > 1 else None
        self._rungs = [(scale.live_us.index(edge), scale.shadow_us.index(edge)) for edge, _ in ladder]
        self._middles = _middles([edge for edge, _ in ladder])
        # Over all ticks.
        self._bank = Bank(
            len(SHAPE_TILTS), restart=RESTART_MASS, horizon_s=config.max_duration_s, kept=KEPT, cap=TAIL_CAP
        )
        # Since the share changed.
        self._times: deque[float] = deque(maxlen=BLOCKS_MAX)
        self._drifts: deque[float] = deque(maxlen=BLOCKS_MAX)
        self._slope: float | None = None  # its lower limit, for each second
        # In the open block.
        self._open = [0.0, 0.0, 0.0, 0.0, 0.0]  # seconds; sum and number of live's log-latencies; the shadow's

    @property
    def is_alarming(self) -> bool:
        """Return whether the shadow is surely slower, and surely about to be too slow."""
        return self._bank.evidence >= self._level and self._passes(self._tolerated, HORIZON_S)

    @property
    def gate(self) -> str:
        """Return why a promotion must wait; empty: it need not."""
        if self._proven is None or not self._passes(self._proven, GATE_HORIZON_S):
            return ""
        within = span(GATE_HORIZON_S)
        return f"latency drifts away from live's and would pass p50's promotion margin within {within}"

    def observe(self, reading: Reading, design: Design, now_s: float, seconds: float, *, is_warm: bool) -> None:
        """Take in a tick."""
        if self._measure is None or not is_warm or not (reading.is_timed and reading.answers_l and reading.answers_s):
            return
        gains = self._measure.tilted(reading, design)
        self._bank.bet(gains, seconds, [cap_of(design, self._measure.effect(design))] * len(gains))
        for at, above, answers, side in (
            (1, reading.live_above, reading.answers_l, 0),
            (3, reading.shadow_above, reading.answers_s, 1),
        ):
            self._open[at] += self._log_sum([above[rung[side]] for rung in self._rungs], answers)
            self._open[at + 1] += answers
        self._open[0] += seconds
        if self._open[0] >= _NEARLY_S:
            self._close(now_s)

    def restart(self) -> None:
        """Begin a new series: the shadow's share has changed.  The evidence stays."""
        self._times.clear()
        self._drifts.clear()
        self._slope = None
        self._open = [0.0] * len(self._open)

    def forecast(self) -> Forecast | None:
        """Return where the drift is heading; None while there is no telling."""
        if self._tolerated is None or len(self._drifts) < POINTS_MIN:
            return None
        now, slope = self._now, self._slope
        breach_s = max(0.0, (self._tolerated - now) / slope) if slope is not None and slope > 0 else None
        return Forecast(
            figure="latency_trend",
            mode=self.mode,
            now=now,
            limit=self._tolerated,
            breach_s=breach_s,
            is_alarm=self.is_alarming,
            sentence=self._sentence(now, breach_s),
        )

    def state(self) -> dict[str, Any]:
        """Return all that changes, as plain numbers."""
        return {
            "bank": self._bank.state(),
            "times": list(self._times),
            "drifts": list(self._drifts),
            "open": list(self._open),
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from what `state` returned, also on another scale."""
        self.restart()
        self._bank.restore(state["bank"])
        self._times.extend(state["times"])
        self._drifts.extend(state["drifts"])
        self._open = list(map(float, state["open"]))
        self._estimate()

    @property
    def _now(self) -> float:
        return median(list(self._drifts)[-LEVEL_BLOCKS:])

    def _passes(self, limit: float | None, within_s: float) -> bool:
        if limit is None or self._slope is None or self._slope <= 0:
            return False
        return self._now + self._slope * within_s >= limit

    def _log_sum(self, above: Sequence[float], answers: float) -> float:
        """Return the sum of log-latencies, each answer in the middle of its bin."""
        return sum(
            (low - high) * middle
            for low, high, middle in zip((answers, *above), (*above, 0), self._middles, strict=True)
        )

    def _close(self, now_s: float) -> None:
        _, sum_l, n_l, sum_s, n_s = self._open
        self._open = [0.0] * len(self._open)
        self._times.append(now_s)
        self._drifts.append(sum_s / n_s - sum_l / n_l)
        self._estimate()

    def _estimate(self) -> None:
        enough = len(self._drifts) >= POINTS_MIN
        slope = sen_slope(list(self._times), list(self._drifts)) if enough else None
        self._slope = slope[1] if slope else None

    def _sentence(self, now: float, breach_s: float | None) -> str:
        held = f"latency is {percent(abs(now))} {'above' if now >= 0 else 'below'} live's"
        if breach_s is None:
            return f"{held}, and not surely growing"
        tolerance = percent(self._tolerated or 0.0)
        proof = f"{odds(self._bank.evidence)} that it is slower at all, needed {odds(self._level)}"
        return f"{held} and would be {tolerance} above in {span(max(breach_s, 1.0))}: {proof}"


def _middles(edges: Sequence[int]) -> list[float]:
    """Return ln of where the answers in each bin are taken to be."""
    if not edges:
        return [0.0]
    inner = [log(sqrt(low * high)) for low, high in pairwise(edges)]
    return [log(0.75 * edges[0]), *inner, log(1.25 * edges[-1])]
