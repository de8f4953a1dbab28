"""The windows of one stack over the last while: what live was like lately."""

from collections import deque
from collections.abc import Iterator

from splitter.limits import WINDOWS_KEPT_MAX
from splitter.model import Window


class Ring:
    """Windows that ended within `span_s` before the newest, all of one stack.  Written by `append`, once per tick."""

    def __init__(self, span_s: float) -> None:
        self.requests = 0
        self._span_s = span_s
        self._windows: deque[Window] = deque()

    def append(self, window: Window) -> None:
        """Take in the newest window; one of another stack begins the ring anew."""
        if self._windows and self._windows[0].stack != window.stack:
            self._windows.clear()
            self.requests = 0
        self._windows.append(window)
        self.requests += window.counts.n
        earliest_s = window.ended_s - self._span_s
        while self._windows[0].ended_s <= earliest_s or len(self._windows) > WINDOWS_KEPT_MAX:
            self.requests -= self._windows.popleft().counts.n

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
