"""What the judge is told, once per tick."""

from collections.abc import Iterator
from dataclasses import astuple, dataclass
from itertools import accumulate, chain
from math import isfinite

from splitter.judge.stats import Stratum
from splitter.model import Counts, Pairs, Resources


@dataclass(frozen=True, slots=True)
class Tick:
    """What both stacks did in one interval.  None: the stack did not serve, or nobody counted.

    `control` is the slice of live that is as large as the shadow's share.  `died`, `unhealthy` and `restarted` are
    sentences about the shadow, empty while it is well.  `share` is the shadow's part of the traffic by the route table,
    None where nobody said.  `pairs` are the mirrored requests whose answers are known, None while nothing is mirrored.
    `live_uses` and `shadow_uses` are None in ticks without a sample.
    `t` is whatever the caller numbers ticks by; it is only repeated in messages.
    """

    t: int
    live: Counts | None = None
    control: Counts | None = None
    shadow: Counts | None = None
    died: str = ""
    unhealthy: str = ""
    restarted: str = ""
    seconds: float = 1.0
    share: float | None = None
    pairs: Pairs | None = None
    live_uses: Resources | None = None
    shadow_uses: Resources | None = None


def flaw(tick: Tick) -> str:
    """Return what no honest count can be in `tick`; empty when all can."""
    return next(_flaws(tick), "")


def _flaws(tick: Tick) -> Iterator[str]:
    if not (isfinite(tick.seconds) and tick.seconds > 0):
        yield f"it lasted {tick.seconds} s"
    for side, counts in (("live", tick.live), ("control", tick.control), ("shadow", tick.shadow)):
        if counts is None:
            continue
        figures = (counts.n, counts.e5, counts.e5u, counts.e4, counts.e4u, *counts.bins)
        # One comparison of the smallest finds negatives; NaN and infinities make the sum not finite.
        if min(figures) < 0 or not isfinite(sum(figures)):
            yield f"{side} has a count that is negative or no number"
    for side, uses in (("live", tick.live_uses), ("shadow", tick.shadow_uses)):
        if uses is not None and not all(isfinite(each) and each >= 0 for each in _figures(uses)):
            yield f"{side} uses what is negative or no number"
    if tick.pairs is not None and (wrong := _flaw_of_pairs(tick.pairs)):
        yield wrong


def _figures(uses: Resources) -> Iterator[float]:
    return (each for each in astuple(uses) if isinstance(each, float | int))


def _flaw_of_pairs(pairs: Pairs) -> str:
    figures = (pairs.n, pairs.shadow_only, pairs.live_only, *chain.from_iterable(pairs.latencies_us))
    if min(figures) < 0 or not isfinite(sum(figures)):
        return "pairs have a figure that is negative or no number"
    if pairs.shadow_only + pairs.live_only + len(pairs.latencies_us) > pairs.n:
        return f"{pairs.n} pairs have more outcomes than that"
    return ""


class Reading:
    """A tick as the bets want it: counts of both sides, and how many answers were above each edge.

    Latencies are left out (`is_timed` is False) where the bins do not fit the edges, as in the first window after the
    edges were set.  A side that did not serve has empty ones.
    """

    __slots__ = (
        "answers_c",
        "answers_l",
        "answers_s",
        "control",
        "control_above",
        "is_timed",
        "live",
        "live_above",
        "pairs",
        "shadow",
        "shadow_above",
    )

    def __init__(self, tick: Tick, edges_l: int, edges_s: int) -> None:
        self.pairs = tick.pairs
        self.live = tick.live or Counts(bins=(0,) * (edges_l + 1))
        self.shadow = tick.shadow or Counts(bins=(0,) * (edges_s + 1))
        control = tick.control
        if control is None or len(control.bins) != edges_l + 1:
            control = Counts(bins=(0,) * (edges_l + 1))
        self.control = control
        self.is_timed = len(self.live.bins) == edges_l + 1 and len(self.shadow.bins) == edges_s + 1
        self.live_above, self.answers_l = _above(self.live.bins)
        self.shadow_above, self.answers_s = _above(self.shadow.bins)
        self.control_above, self.answers_c = _above(self.control.bins)

    @property
    def is_comparable(self) -> bool:
        """Return whether both stacks had requests."""
        return self.live.n > 0 and self.shadow.n > 0

    def tail(self, live_edge: int, shadow_edge: int) -> Stratum:
        """Return the answers above an edge of each side, by the edges' places."""
        return Stratum(self.shadow_above[shadow_edge], self.answers_s, self.live_above[live_edge], self.answers_l)

    def failures(self) -> Stratum:
        """Return the failures, each client's as often as it met them; while requests are mirrored, the pairs'."""
        if self.pairs is not None:
            return Stratum(self.pairs.shadow_only, self.pairs.n, self.pairs.live_only, self.pairs.n)
        return Stratum(self.shadow.e5, self.shadow.n, self.live.e5, self.live.n)


def _above(bins: tuple[int, ...]) -> tuple[list[int], int]:
    """Return how many answers were above each edge, and how many there were."""
    downwards = list(accumulate(reversed(bins), initial=0))
    return downwards[-2:0:-1], downwards[-1]
