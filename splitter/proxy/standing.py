"""Whether an endpoint gets requests: what probes say of it, and how it does with the requests that it gets.

Rule 1: unhealthy after so many failed probes in a row, healthy again after so many good ones.  Routes that have their
own path probe the same endpoint each for itself: it is healthy while none of them thinks otherwise.
Rule 2: ejected after so many requests in a row that got no answer, for a while that grows with every ejection and ends
by itself: the next requests are the proof.  A 5xx is an answer: an application that fails is the judge's business.
Rule 3: nothing here counts endpoints.  Who knows the others (`traffic.Lane`) bounds how many may be out at once.

Time is told in ticks.  Cost: nothing per request; what a request writes on success is its pool's `failures`.
"""

from collections.abc import Hashable
from dataclasses import dataclass

from splitter.limits import EJECTION_FACTOR_MAX


@dataclass(frozen=True, slots=True)
class ProbeLimits:
    """So many probes in a row change what is thought of an endpoint."""

    unhealthy: int
    healthy: int


class Series:
    """The results of one probe of an endpoint.  `why` is what it missed at last, empty while the endpoint is well."""

    __slots__ = ("in_a_row", "why")

    def __init__(self) -> None:
        self.why = ""
        self.in_a_row = 0  # results that contradict what is thought

    def take(self, why: str, limits: ProbeLimits) -> None:
        """Take a result, empty for a good one."""
        if bool(why) != bool(self.why):
            self.in_a_row += 1
            if self.in_a_row < (limits.unhealthy if why else limits.healthy):
                return
        self.in_a_row = 0
        self.why = why


class Standing:
    """One endpoint of one stack.  Written by its probes and by its requests' failures.

    `why` is what a probe has missed, empty while the endpoint is healthy.
    """

    __slots__ = (
        "_ejected_until",
        "_relapses",
        "_series",
        "ejections",
        "is_unhealthy",
        "probes_failed",
        "probes_passed",
        "why",
    )

    def __init__(self) -> None:
        self.is_unhealthy = False
        self.why = ""
        self.ejections = 0
        self.probes_failed = 0
        self.probes_passed = 0
        self._series: dict[Hashable, Series] = {}  # by probe
        self._ejected_until = 0
        self._relapses = 0  # ejections of late, which make the next one longer

    def is_ejected(self, tick: int) -> bool:
        """Return whether it sits out."""
        return tick < self._ejected_until

    def is_out(self, tick: int) -> bool:
        """Return whether it shall get no requests, for either reason."""
        return self.is_unhealthy or tick < self._ejected_until

    def probed(self, why: str, limits: ProbeLimits, probe: Hashable = None) -> bool:
        """Take the result of a `probe`, empty for a good one; return whether the endpoint got healthy or unhealthy."""
        if why:
            self.probes_failed += 1
        else:
            self.probes_passed += 1
        was_unhealthy = self.is_unhealthy
        self._series.setdefault(probe, Series()).take(why, limits)
        self.why = next((each.why for each in self._series.values() if each.why), "")
        self.is_unhealthy = bool(self.why)
        return self.is_unhealthy != was_unhealthy

    def eject(self, tick: int, for_ticks: int) -> int:
        """Let it sit out, longer each time unless it did well for as long as it may take; return for how many ticks."""
        if tick - self._ejected_until > EJECTION_FACTOR_MAX * for_ticks:
            self._relapses = 0
        self.ejections += 1
        self._relapses += 1
        span = min(self._relapses, EJECTION_FACTOR_MAX) * for_ticks
        self._ejected_until = tick + span
        return span
