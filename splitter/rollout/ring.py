"""What one stack did over the last while: its windows, their sum, and the blocks that tell how much it varies.

All of it is kept up to date with each window, so that a rollout can begin, and edges can be cut anew, without a pause:
to sum up ten minutes at once would hold up the event loop for a tenth of a second.

Cost of a window: 0.1 µs for each of its latency buckets when it comes, and again when it goes.
"""

from collections import Counter, deque
from collections.abc import Iterator, Sequence

from splitter.judge.calibration import BLOCK_NEARLY_S, Baseline, Block, blocks_of
from splitter.limits import WINDOWS_KEPT_MAX
from splitter.model import StackId, Window


class Ring:
    """Windows that ended within `span_s` before the newest, all of one stack.  Written by `append`, once per tick."""

    def __init__(self, span_s: float) -> None:
        self.requests = 0
        self._span_s = span_s
        self._windows: deque[Window] = deque()
        self._errors = 0  # each client's once, as in `Counts.e5u`
        self._client_errors = 0
        self._latency = Counter[int]()

    def append(self, window: Window) -> None:
        """Take in the newest window; one of another stack begins the ring anew."""
        if self._windows and self._windows[0].stack != window.stack:
            self._clear()
        self._windows.append(window)
        self._count(window, 1)
        earliest_s = window.ended_s - self._span_s
        while self._windows[0].ended_s <= earliest_s or len(self._windows) > WINDOWS_KEPT_MAX:
            self._count(self._windows.popleft(), -1)

    def __iter__(self) -> Iterator[Window]:
        return iter(self._windows)

    def __len__(self) -> int:
        return len(self._windows)

    def since(self, earliest_s: float) -> list[Window]:
        """Return the windows that ended after `earliest_s`."""
        return [window for window in self._windows if window.ended_s > earliest_s]

    @property
    def ended_s(self) -> float:
        """When the newest window ended.  There is one."""
        return self._windows[-1].ended_s

    def baseline(self, blocks: Sequence[Block] = ()) -> Baseline:
        """Return the sum of all windows."""
        if not self._windows:
            return Baseline()
        latency = tuple(sorted(pair for pair in self._latency.items() if pair[1]))
        span_s = self.ended_s - self._windows[0].started_s
        return Baseline(self.requests, self._errors, self._client_errors, latency, span_s, blocks=tuple(blocks))

    def _clear(self) -> None:
        self._windows.clear()
        self._latency.clear()
        self.requests = self._errors = self._client_errors = 0

    def _count(self, window: Window, sign: int) -> None:
        self.requests += sign * window.counts.n
        self._errors += sign * window.counts.e5u
        self._client_errors += sign * window.counts.e4u
        counts = self._latency
        for top_us, count in window.latency:
            counts[top_us] += sign * count


class Blocks:
    """One stack in blocks of about ten seconds, over `span_s`.  Written by `append`, once per tick."""

    def __init__(self, span_s: float) -> None:
        self._span_s = span_s
        self._stack = StackId("")
        self._closed: deque[Block] = deque()
        self._seconds = 0.0  # of all that are closed
        self._open: list[Window] = []
        self._open_s = 0.0

    def append(self, window: Window) -> None:
        """Take in the newest window; one of another stack begins anew."""
        if window.stack != self._stack:
            self._stack = window.stack
            self._clear()
        self._open.append(window)
        self._open_s += window.ended_s - window.started_s
        if self._open_s < BLOCK_NEARLY_S:
            return
        for block in blocks_of(self._open):
            self._closed.append(block)
            self._seconds += block.seconds
        self._open, self._open_s = [], 0.0
        while self._seconds > self._span_s and len(self._closed) > 1:
            self._seconds -= self._closed.popleft().seconds

    def _clear(self) -> None:
        self._closed.clear()
        self._seconds = 0.0
        self._open, self._open_s = [], 0.0

    def __iter__(self) -> Iterator[Block]:
        return iter(self._closed)
