"""What became of copies: pairs of answers to one request, and the reasons why there was no pair.

Rule 1: a pair is counted when both answers are known, once.  It says who of the two failed, and how long each took.
Rule 2: a copy that splitter itself has dropped says nothing about the shadow: it is counted under its reason and is no
pair.  Neither is one whose client went away.
Rule 3: latencies are kept of `PAIR_LATENCIES_MAX` pairs of a window, the first that come: which ones these are has
nothing to do with how long they took.
"""

from collections import Counter
from collections.abc import Iterable
from itertools import chain, islice
from typing import Final, NamedTuple

from splitter.limits import PAIR_LATENCIES_MAX
from splitter.model import Pairs

FAILED: Final = 0
"""As a status: there was no usable answer."""

PAIRED: Final = frozenset({"paired", "connect", "timeout", "reset", "protocol"})
"""What may become of a copy that makes a pair; every other word is the reason why there is none."""

_FAILURE, _ERROR = 500, 400  # and above (RFC 9110 §15)


class Answer(NamedTuple):
    """How one side answered: its status or FAILED, how long that took, and the bytes of its body.

    `is_timed` is False where the time says more about a connection that had to be made than about the stack.
    """

    status: int
    latency_us: int = 0
    size: int = 0
    is_timed: bool = True

    @property
    def is_failure(self) -> bool:
        return self.status == FAILED or self.status >= _FAILURE


class Copies:
    """The copies of one stack in the open window.  Written by the data plane, and opened anew by the recorder."""

    __slots__ = ("_latencies_us", "_live_only", "_n", "_other_size", "_other_status", "_shadow_only", "words")

    def __init__(self) -> None:
        self.open()

    def open(self) -> None:
        """Begin a window with nothing in it."""
        self.words: Counter[str] = Counter()
        self._n = self._shadow_only = self._live_only = self._other_status = self._other_size = 0
        self._latencies_us: list[tuple[int, int]] = []

    def count(self, word: str) -> None:
        """Count a copy by what became of it: `paired`, or why there is no pair, or how the shadow failed it."""
        self.words[word] += 1

    def pair(self, live: Answer, shadow: Answer) -> None:
        """Count a pair."""
        self._n += 1
        if live.is_failure or shadow.is_failure:
            self._shadow_only += not live.is_failure
            self._live_only += not shadow.is_failure
        elif self._takes_latencies(live, shadow):
            self._latencies_us.append((live.latency_us, shadow.latency_us))
        if live.status != shadow.status:
            self._other_status += 1
        elif live.size != shadow.size:
            self._other_size += 1

    def _takes_latencies(self, live: Answer, shadow: Answer) -> bool:
        is_good = max(live.status, shadow.status) < _ERROR
        return is_good and live.is_timed and shadow.is_timed and len(self._latencies_us) < PAIR_LATENCIES_MAX

    def pairs(self) -> Pairs | None:
        """Return the pairs of the open window as they stand; None where there are none."""
        if not self._n:
            return None
        return Pairs(
            n=self._n,
            shadow_only=self._shadow_only,
            live_only=self._live_only,
            latencies_us=tuple(self._latencies_us),
            other_status=self._other_status,
            other_size=self._other_size,
        )


def merged(parts: Iterable[Pairs | None]) -> Pairs | None:
    """Return the sum of pairs, with as many latencies as a window has; None where there are none."""
    some = [part for part in parts if part is not None]
    if not some:
        return None
    return Pairs(
        n=sum(part.n for part in some),
        shadow_only=sum(part.shadow_only for part in some),
        live_only=sum(part.live_only for part in some),
        latencies_us=tuple(islice(chain.from_iterable(part.latencies_us for part in some), PAIR_LATENCIES_MAX)),
        other_status=sum(part.other_status for part in some),
        other_size=sum(part.other_size for part in some),
    )
