"""What people see of an app: who serves, how far the rollout is, and the figures of its stacks.

Everything is made from values at the moment of asking; dates are ISO 8601 in UTC, so that a status is JSON as it is.
"""

from collections import Counter, deque
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from statistics import median_low
from typing import Any, Final, Self

from splitter.buckets import Latency, quantile
from splitter.judge.verdict import Forecast, KpiVerdict
from splitter.kpi import merge, percentile, throughput
from splitter.model import Counts, Pairs, Resources, StackId, Window
from splitter.pairing import PAIRED, merged
from splitter.phases import summed

RECENT_WINDOWS: Final = 60  # percentiles and rates are those of the last minute at the usual tick


@dataclass(frozen=True, slots=True)
class PhaseStatus:
    """How long one part of a request takes; None where no request had it."""

    p50_us: int | None
    p99_us: int | None


@dataclass(frozen=True, slots=True)
class StackStatus:
    """One stack.  `requests` and `error_rate` count since the split began, latencies and `rps` are those of late.

    Rates and percentiles are None where there was nothing to measure, `uses` where nobody can look into the stack.
    `unhealthy` says which endpoint fails its probes and how, nothing while all are well.  `phases` are those of all
    routes (`splitter.phases`), of the last window in which there were answers.
    """

    id: StackId
    is_up: bool
    services: int
    requests: int = 0
    error_rate: float | None = None
    p50_us: int | None = None
    p95_us: int | None = None
    p99_us: int | None = None
    rps: float = 0.0
    in_flight: int = 0
    uses: Resources | None = None
    unhealthy: str = ""
    phases: Mapping[str, PhaseStatus] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class MirrorStatus:
    """What copies have shown since the warm-up.

    Of `pairs` of answers only the shadow failed in `shadow_only`, only live in `live_only`; `other_status` and
    `other_size` differ otherwise.  `dropped` counts the copies that make no pair, by the reason.  The medians are of
    the same pairs of late, None where none was timed.
    """

    pairs: int = 0
    shadow_only: int = 0
    live_only: int = 0
    other_status: int = 0
    other_size: int = 0
    dropped: Mapping[str, int] = field(default_factory=dict)
    live_p50_us: int | None = None
    shadow_p50_us: int | None = None


@dataclass(frozen=True, slots=True)
class ParkedStatus:
    """New requests of the app wait: `requests` at present, for `left_s` at most; `by` whom, `why`, and since `at`."""

    requests: int
    left_s: float
    by: str
    why: str
    at: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """One app.  `state` is that of the last rollout, empty before the first; `rollout` is its id.

    `shadow` is None once the rollout has ended; `mirror` where nothing was copied to it.  `step` counts from 1, 0
    outside of a split.  `deadline` is when the present state ends at the latest, `standby_until` when the way back
    ends.  `evidence`, `score`, `forecasts`, `gates` (why a promotion waits) and `warnings` are the judge's last,
    `verdict_in_s` its guess.  `rollback_cost` has `level`, `points` and `reasons`, `notes` are what the plan
    remarked.  `commands` are those that are legal now.  `parked` is None while requests are served.  `trouble` is why
    decisions cannot be taken at present, empty when they can.
    """

    app: str
    state: str = ""
    rollout: str = ""
    by: str = ""
    held_for: str = ""
    live: StackStatus | None = None
    shadow: StackStatus | None = None
    mirror: MirrorStatus | None = None
    step: int = 0
    steps: int = 0
    share_bp: int = 0
    steps_bp: tuple[int, ...] = ()
    since: str | None = None
    in_state_s: float = 0.0
    deadline: str | None = None
    standby_until: str | None = None
    evidence: tuple[KpiVerdict, ...] = ()
    score: float | None = None
    forecasts: tuple[Forecast, ...] = ()
    gates: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    analysis: str = ""
    verdict_in_s: float | None = None
    baseline_requests: int = 0
    rollback_cost: Mapping[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    last_event: str = ""
    last_seq: int = 0
    commands: tuple[str, ...] = ()
    parked: ParkedStatus | None = None
    trouble: str = ""


class Figures:
    """What one stack did since its split began.  Written once a tick; its sums outlive the daemon."""

    def __init__(self) -> None:
        self._recent: deque[Window] = deque(maxlen=RECENT_WINDOWS)
        self._requests = 0
        self._errors = 0
        self._pairs: Pairs | None = None
        self._copies: Counter[str] = Counter()
        self._phases: Mapping[str, Latency] = {}

    def add(self, window: Window) -> None:
        self._recent.append(replace(window, phases={}))  # to sum up a minute of them would hold up the event loop
        self._phases = summed(window.phases.values()) or self._phases
        self._requests += window.counts.n
        self._errors += window.counts.e5
        self._pairs = merged((self._pairs, window.pairs))
        self._copies.update(window.copies)

    def count(self, counts: Counts, pairs: Pairs | None) -> None:
        """Take the sums of a window that an earlier daemon closed."""
        self._requests += counts.n
        self._errors += counts.e5
        self._pairs = merged((self._pairs, _untimed(pairs)))

    def state(self) -> dict[str, Any]:
        """Return the sums as plain values."""
        pairs = asdict(_untimed(self._pairs) or Pairs())
        return {"requests": self._requests, "errors": self._errors, "pairs": pairs, "copies": dict(self._copies)}

    @classmethod
    def of_state(cls, state: Mapping[str, Any]) -> Self:
        """Return the figures whose sums `state` holds."""
        made = cls()
        made._requests, made._errors = state["requests"], state["errors"]
        made._pairs = Pairs(**{**state["pairs"], "latencies_us": ()})
        made._copies.update(state["copies"])
        return made

    @property
    def rps(self) -> float:
        return throughput(merge(self._recent)) if self._recent else 0.0

    @property
    def mirror(self) -> MirrorStatus:
        """What the copies of this stack have shown."""
        pairs = self._pairs or Pairs()
        late = merged(window.pairs for window in self._recent) or Pairs()
        medians = [median_low(side) for side in zip(*late.latencies_us, strict=True)] or [None, None]
        return MirrorStatus(
            pairs=pairs.n,
            shadow_only=pairs.shadow_only,
            live_only=pairs.live_only,
            other_status=pairs.other_status,
            other_size=pairs.other_size,
            dropped={word: count for word, count in sorted(self._copies.items()) if word not in PAIRED},
            live_p50_us=medians[0],
            shadow_p50_us=medians[1],
        )

    def of(self, stack: StackId, *, is_up: bool, services: int, uses: Resources | None = None) -> StackStatus:
        """Return the figures as the status of `stack`."""
        rate = self._errors / self._requests if self._requests else None
        if not self._recent:
            return StackStatus(stack, is_up, services, self._requests, rate, uses=uses)
        recent, phases = merge(self._recent), self._phases
        return StackStatus(
            id=stack,
            is_up=is_up,
            services=services,
            requests=self._requests,
            error_rate=rate,
            p50_us=percentile(recent, 0.5),
            p95_us=percentile(recent, 0.95),
            p99_us=percentile(recent, 0.99),
            rps=throughput(recent),
            in_flight=recent.in_flight,
            uses=uses,
            phases={phase: PhaseStatus(quantile(each, 0.5), quantile(each, 0.99)) for phase, each in phases.items()},
        )


def _untimed(pairs: Pairs | None) -> Pairs | None:
    """Return pairs without their latencies, of which only those of late are shown."""
    return replace(pairs, latencies_us=()) if pairs is not None else None
