"""When a process that has ended is started again, and when that has happened too often.  Pure: time is an argument."""

from collections import deque

CRASHES_MAX = 3  # so many restarts in one window are a loop, and each one failed real requests
WINDOW_S = 30.0
BACKOFF_S = (0.1, 0.5, 2.5)  # a hiccup costs little; what waits for something else gets a moment
assert len(BACKOFF_S) == CRASHES_MAX


class Restarts:
    """The restart policy of one replica, and its recent past.  Only the replica's keeper writes it."""

    def __init__(self, policy: str) -> None:
        self._name, _, most = policy.partition(":")
        self._most = int(most) if most else None
        self._total = 0
        self._recent: deque[float] = deque()

    def refused(self, code: int | None, now_s: float) -> str:
        """Return why a process that has ended with `code` is not started again, in words after its name; or nothing.

        `code` is None if nobody saw it: the process was not our child.
        """
        if self._name == "no":
            return "its restart policy is `no`"
        if self._name == "on-failure" and code == 0:
            return "its restart policy is `on-failure`, and it did not fail"
        if self._most is not None and self._total >= self._most:
            return f"its restart policy allows {self._most} restarts"
        while self._recent and now_s - self._recent[0] > WINDOW_S:
            self._recent.popleft()
        if len(self._recent) >= CRASHES_MAX:
            return f"it was restarted {len(self._recent)} times within {WINDOW_S:.0f} s"
        return ""

    def restart(self, now_s: float) -> float:
        """Count a restart that was not refused, and return the seconds to wait before it."""
        self._total += 1
        self._recent.append(now_s)
        return BACKOFF_S[len(self._recent) - 1]
