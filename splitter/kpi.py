"""What was counted: a recorder for each stack, windows closed from it, and figures over windows.

Rule 1: a request is counted where it ends, and once.  One that is older than its stack's highest edge when a window
closes is overdue: it counts then, in `n` and the top bin, and of its end only a failure is counted still (judge.md 1).
So a window may hold more failures than requests.
Rule 2: what the client did never counts against a stack.  Requests that it aborted are in `outcomes` and nowhere else;
so are requests that live served after the shadow failed them (`replayed`), for the failure is the shadow's alone, and
those whose stack was named by a tester (`tested`), for they were not left to chance; streams that were cut when their
stack was taken away (`drained`) never meant to end.
Rule 3: errors of one client and class count once in ten seconds, whichever stack of the app they met.  Which of them
survive then does not depend on the split.  (Each stack for itself would keep one error of a busy client on both sides:
as many from 5 % of its requests as from 95 %, and equal stacks would look unequal.)
Rule 4: all memory is bounded: latencies by the buckets of the histogram, clients by `ERROR_CLIENTS_MAX`, requests in
flight by who owns them, stacks by `Ledger.forget`.

The control slice is a part of live's counts, and what is unique in live is unique in the slice.

Cost of `record` for an answer below 400: 0.25 µs (0.3 µs in the control slice), for an error 0.4 µs; of `enter` and
`leave` together 0.15 µs.  Closing a window takes 0.6 µs for each different bucket in it: 0.3 ms at 1 000 requests/s.
"""

from bisect import bisect_left
from collections import Counter, OrderedDict, defaultdict
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Protocol

from hdrh.histogram import HdrHistogram

from splitter import pairing
from splitter.buckets import EXACT_BITS, HALF_BITS, TOPS_US, Latency, bucket_index, in_order, merged, quantile
from splitter.limits import ERROR_CLIENTS_MAX, ERROR_DEDUP_S, LATENCY_DIGITS, LATENCY_US_MAX, LATENCY_US_MIN
from splitter.model import Counts, StackId, Window
from splitter.pairing import Copies
from splitter.phases import Phases, summed

_CLASSES = ("0xx", "1xx", "2xx", "3xx", "4xx", "5xx", "5xx", "5xx", "5xx", "5xx")  # RFC 9110 §15: beyond 599 is as 5xx
_FAILURE, _CLIENT_ERROR = 5, 4


class InFlight(Protocol):
    """A request that was given to a stack: an object of the data plane, told from others by identity.

    `control` says whether it is in the control slice; the recorder sets `overdue`, which `record` wants back.
    """

    control: bool
    overdue: bool


class RecentErrors:
    """Remembers who met an error of which class, so that a client's retries count once.  An app's stacks share it."""

    __slots__ = ("_counted",)

    def __init__(self) -> None:
        self._counted: OrderedDict[tuple[Hashable, int], float] = OrderedDict()  # the oldest first

    def is_new(self, client: Hashable, kind: int, now_s: float) -> bool:
        """Return whether the error counts, and remember it if it does."""
        key = (client, kind)
        counted_s = self._counted.get(key)
        if counted_s is not None and now_s - counted_s < ERROR_DEDUP_S:
            return False
        self._counted[key] = now_s
        self._counted.move_to_end(key)
        if len(self._counted) > ERROR_CLIENTS_MAX:
            self._counted.popitem(last=False)
        return True


class _Tally:
    """Counts of one population in the open window: all requests of a stack, or its control slice."""

    __slots__ = ("bins", "e4", "e4u", "e5", "e5u", "errors")

    def __init__(self, bins: int) -> None:
        self.bins = [0] * bins
        self.errors = 0  # requests that ended as errors and are not in the bins
        self.e5 = self.e5u = self.e4 = self.e4u = 0

    def add_error(self, kind: int, is_new: bool, overdue: bool) -> None:
        self.errors += not overdue
        if kind == _FAILURE:
            self.e5 += 1
            self.e5u += is_new
        else:
            self.e4 += 1
            self.e4u += is_new

    def counts(self) -> Counts:
        n = sum(self.bins) + self.errors
        return Counts(n=n, e5=self.e5, e5u=self.e5u, e4=self.e4, e4u=self.e4u, bins=tuple(self.bins))


class Recorder:
    """The open window of one stack, and its totals since the start.  Written by the data plane and by `close`.

    A request that may become overdue is entered when it is given to the stack and leaves before it is recorded.
    """

    def __init__(
        self, stack: StackId, edges_us: Sequence[int] = (), *, now_s: float = 0.0, errors: RecentErrors | None = None
    ) -> None:
        self.stack = stack
        self.copies = Copies()  # of live's requests, that this stack gets as a shadow
        # Since the start.
        self._errors = errors or RecentErrors()
        self._young: dict[InFlight, float] = {}  # → when it started, the oldest first
        self._late: set[InFlight] = set()  # in flight still, and counted as overdue
        self._total = Window(stack, now_s, now_s, Counts())  # of all closed windows, without their latencies
        self._latency_total = HdrHistogram(LATENCY_US_MIN, LATENCY_US_MAX, LATENCY_DIGITS)
        # Of the open window.
        self._buckets: defaultdict[int, int]
        self._classes: list[int]
        self._words: Counter[str]
        self._edges_next: tuple[int, ...]
        self.set_edges(edges_us)
        self._open(now_s)

    @property
    def in_flight(self) -> int:
        """Return how many requests have entered and not left."""
        return len(self._young) + len(self._late)

    def enter(self, request: InFlight, started_s: float) -> None:
        """Count `request` in flight; `started_s` is when its head was complete."""
        self._young[request] = started_s

    def leave(self, request: InFlight) -> None:
        """Count `request` in flight no longer.  Idempotent."""
        if self._young.pop(request, None) is None:
            self._late.discard(request)

    def record(
        self, status: int, latency_us: int, control: bool, client: Hashable, now_s: float, overdue: bool = False
    ) -> None:
        """Count a finished request by the status that the stack answered with; `overdue` as the recorder has set it."""
        self._classes[status // 100] += 1
        if status >= 400:
            self._record_error(_FAILURE if status >= 500 else _CLIENT_ERROR, control, client, now_s, overdue)
            return
        if overdue:
            return
        if not 0 <= latency_us <= LATENCY_US_MAX:
            latency_us = min(max(latency_us, 0), LATENCY_US_MAX)
        # The index is `bucket_index` written out: a call would cost as much as the rest.
        shift = latency_us.bit_length() - EXACT_BITS
        self._buckets[latency_us if shift <= 0 else (shift << HALF_BITS) + (latency_us >> shift)] += 1
        place = bisect_left(self._edges, latency_us)
        self._tally.bins[place] += 1
        if control:
            self._has_control = True
            self._control.bins[place] += 1

    def record_failure(
        self, outcome: str, control: bool, client: Hashable, now_s: float, overdue: bool = False
    ) -> None:
        """Count a request that the stack failed without a usable answer: `connect`, `timeout`, `reset`, `protocol`."""
        self._words[outcome] += 1
        self._record_error(_FAILURE, control, client, now_s, overdue)

    def record_aborted(self) -> None:
        """Count a request that its client gave up; it is no sample of the stack."""
        self._words["aborted"] += 1

    def record_outside(self, word: str) -> None:
        """Count a request that is no sample of this stack.

        `replayed`: it was served after the shadow had failed it; `tested`: a tester had named the stack;
        `exhausted`: splitter itself had no means of sending it; `drained`: a stream, and its stack was taken away.
        """
        self._words[word] += 1

    def set_edges(self, edges_us: Sequence[int]) -> None:
        """From the next window on, count latencies into the bins between `edges_us`."""
        assert all(low < high for low, high in pairwise((0, *edges_us))), "edges are positive and ascend"
        self._edges_next = tuple(edges_us)

    def close(self, now_s: float) -> Window:
        """Close the open window, return it, and open the next."""
        self._count_overdue(now_s)
        window = self._window(now_s)
        _add(self._latency_total, self._buckets)
        self._total = _sum([self._total, window], latency=())
        self._open(now_s)
        return window

    def total(self, now_s: float) -> Window:
        """Return everything since the start as one window, the open one included; its latencies are in a single bin."""
        closed = _pairs(self._latency_total)
        return _sum([self._total, self._window(now_s)], latency=merged([closed, self._latency()]), is_whole=True)

    def _open(self, now_s: float) -> None:
        """Begin a window with nothing in it."""
        self._edges = self._edges_next
        self._opened_s = now_s
        self._tally = _Tally(len(self._edges) + 1)
        self._control = _Tally(len(self._edges) + 1)
        self._has_control = False
        self._buckets = defaultdict(int)
        self._classes = [0] * len(_CLASSES)
        self._words = Counter()
        self.copies.open()

    def _window(self, now_s: float) -> Window:
        """Return the open window as it stands."""
        outcomes = self._words.copy()
        for word, count in zip(_CLASSES, self._classes, strict=True):
            outcomes[word] += count
        return Window(
            stack=self.stack,
            started_s=self._opened_s,
            ended_s=now_s,
            counts=self._tally.counts(),
            control=self._control.counts() if self._has_control else None,
            latency=self._latency(),
            outcomes=dict(+outcomes),  # without the words of no request
            in_flight=self.in_flight,
            copies=dict(self.copies.words),
            pairs=self.copies.pairs(),
        )

    def _latency(self) -> Latency:
        """Return the buckets of the open window."""
        return in_order(self._buckets)

    def _record_error(self, kind: int, control: bool, client: Hashable, now_s: float, overdue: bool) -> None:
        is_new = self._errors.is_new(client, kind, now_s)
        self._tally.add_error(kind, is_new, overdue)
        if control:
            self._has_control = True
            self._control.add_error(kind, is_new, overdue)

    def _count_overdue(self, now_s: float) -> None:
        """Count each request in flight that is older than the highest edge, once.  Looks at one young one at most."""
        if not self._edges:
            return
        late = []
        for request, started_s in self._young.items():
            age_us = int((now_s - started_s) * 1e6)
            if age_us <= self._edges[-1]:
                break
            late.append(request)
            self._buckets[bucket_index(min(age_us, LATENCY_US_MAX))] += 1
            self._tally.bins[-1] += 1
            if request.control:
                self._has_control = True
                self._control.bins[-1] += 1
        for request in late:
            request.overdue = True
            del self._young[request]
            self._late.add(request)


class Ledger:
    """The recorders of all stacks that serve: a `contracts.KpiSource`.  Made when first asked for, until forgotten."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._recorders: dict[StackId, Recorder] = {}
        self._errors: dict[str, RecentErrors] = {}  # by app
        self._phases: dict[StackId, dict[str, Phases]] = {}  # of each stack by route

    @property
    def stacks(self) -> tuple[StackId, ...]:
        """Return the stacks that have a recorder."""
        return tuple(self._recorders)

    def recorder(self, stack: StackId) -> Recorder:
        """Return the recorder of `stack`.  Ask when a request starts and keep it to the end: a dict look-up."""
        recorder = self._recorders.get(stack)
        if recorder is None:
            errors = self._errors.setdefault(_app(stack), RecentErrors())
            recorder = self._recorders[stack] = Recorder(stack, now_s=self._monotonic(), errors=errors)
        return recorder

    def phases(self, stack: StackId, route: str) -> Phases:
        """Return where the time of a route's requests at `stack` goes.  Asked for once for each arm of a table."""
        return self._phases.setdefault(stack, {}).setdefault(route, Phases())

    def routes(self, stack: StackId) -> Mapping[str, Phases]:
        """Return the phases of `stack` by route; empty for a stack never seen."""
        return self._phases.get(stack, {})

    def set_edges(self, stack: StackId, edges_us: Sequence[int]) -> None:
        """From the next window on, count latencies of `stack` into these bins (ascending, microseconds)."""
        self.recorder(stack).set_edges(edges_us)

    def close_window(self, stack: StackId) -> Window:
        """Close the open window of `stack` and return it; of a stack never seen, an empty one."""
        now_s = self._monotonic()
        recorder = self._recorders.get(stack)
        if recorder is None:
            return Window(stack, now_s, now_s, Counts())
        phases = {route: one.close() for route, one in self.routes(stack).items()}
        return replace(recorder.close(now_s), phases={route: one for route, one in phases.items() if any(one.values())})

    def total(self, stack: StackId) -> Window:
        """Return all that was counted for `stack` since its recorder was made, but for its phases (`routes`)."""
        now_s = self._monotonic()
        recorder = self._recorders.get(stack)
        return recorder.total(now_s) if recorder else Window(stack, now_s, now_s, Counts())

    def forget(self, stack: StackId) -> None:
        """Drop the recorder of a stack that is retired.  Idempotent; requests that hold it end unseen."""
        self._recorders.pop(stack, None)
        self._phases.pop(stack, None)
        if _app(stack) not in map(_app, self._recorders):
            self._errors.pop(_app(stack), None)


def merge(windows: Iterable[Window]) -> Window:
    """Return the sum of windows of one stack, at least one, in the order of time.

    Bins are added where all windows have equally many, and are one single bin otherwise: whoever reads merged bins
    knows that the edges were the same.
    """
    parts = list(windows)
    routes = {route for part in parts for route in part.phases}
    phases = {route: summed(part.phases[route] for part in parts if route in part.phases) for route in sorted(routes)}
    return replace(_sum(parts, latency=merged(part.latency for part in parts)), phases=phases)


def percentile(window: Window, q: float) -> int | None:
    """Return the latency in µs that the fraction `q` of the answers, 0 < q <= 1, did not exceed; None without answers.

    It is the highest value of its bucket, hence at most 0.1 % too high.
    """
    return quantile(window.latency, q)


def throughput(window: Window) -> float:
    """Return how many requests ended per second of the window, however they ended; 0 for a window without length."""
    span_s = window.ended_s - window.started_s
    return sum(window.outcomes.values()) / span_s if span_s > 0 else 0.0


def _pairs(histogram: HdrHistogram) -> Latency:
    """Return the buckets in use.  By a slice of the counts: the histogram's own iterator takes 100 times as long."""
    counts = histogram.counts[: bucket_index(histogram.max_value) + 1]
    return tuple([(TOPS_US[index], count) for index, count in enumerate(counts) if count])


def _add(histogram: HdrHistogram, buckets: Mapping[int, int]) -> None:
    """Add buckets by index, as record_value does value by value (1 µs for each, here 0.1 µs)."""
    if not buckets:
        return
    counts = histogram.counts
    for index, count in buckets.items():
        counts[index] += count
    histogram.total_count += sum(buckets.values())
    histogram.min_value = min(histogram.min_value, TOPS_US[min(buckets)])
    histogram.max_value = max(histogram.max_value, TOPS_US[max(buckets)])


def _sum(windows: Sequence[Window], latency: Latency, is_whole: bool = False) -> Window:
    """Return the sum of windows, with the latencies given, in one bin if `is_whole`."""
    controls = [window.control for window in windows if window.control is not None]
    return Window(
        stack=windows[0].stack,
        started_s=windows[0].started_s,
        ended_s=windows[-1].ended_s,
        counts=_sum_counts([window.counts for window in windows], is_whole),
        control=_sum_counts(controls, is_whole) if controls else None,
        latency=latency,
        outcomes=dict(sum((Counter(window.outcomes) for window in windows), Counter())),
        in_flight=windows[-1].in_flight,
        copies=dict(sum((Counter(window.copies) for window in windows), Counter())),
        pairs=pairing.merged(window.pairs for window in windows),
    )


def _sum_counts(counts: Sequence[Counts], is_whole: bool) -> Counts:
    """Return the sum of counts, in one bin if `is_whole` or where their bins differ in number."""
    if is_whole or len({len(part.bins) for part in counts}) > 1:
        bins: tuple[int, ...] = (sum(sum(part.bins) for part in counts),)
    else:
        bins = tuple(map(sum, zip(*(part.bins for part in counts), strict=True)))
    return Counts(
        n=sum(part.n for part in counts),
        e5=sum(part.e5 for part in counts),
        e5u=sum(part.e5u for part in counts),
        e4=sum(part.e4 for part in counts),
        e4u=sum(part.e4u for part in counts),
        bins=bins,
    )


def _app(stack: StackId) -> str:
    """Return the app that a stack's id names."""
    return stack.rpartition("-r")[0]
