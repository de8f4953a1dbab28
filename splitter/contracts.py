"""What the wings of the machinery floor ask of each other.  `daemon` hands each wing what fits these shapes.

Every method that can fail says with which family of `errors`; anything else is a bug of the implementation.
"""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from splitter.facts import Facts
from splitter.model import Resources, ServicePort, Split, Stack, StackId, Window
from splitter.placement import ALONE, Placement
from splitter.template import Template


class Clock(Protocol):
    """Time as an argument: a simulation runs on a clock of its own."""

    def monotonic(self) -> float:
        """Return seconds that never go back."""
        ...

    def now(self) -> datetime:
        """Return the date, with UTC as its zone."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Return after `seconds` of this clock's time."""
        ...


@dataclass(frozen=True, slots=True)
class StackOrder:
    """What a provisioner is to make: `template` as stack `id`, with an endpoint for each of `routed`.

    `rollout` is the rollout that asked (empty for the first live stack).  `deadline_s` bounds the whole making.
    `placement` says what is shared with the stack beside it and what waits.  `again`: the stack was up before and its
    data counts; what is still well of it stays, and nothing waits, since it is live.
    """

    id: StackId
    app: str
    revision: int
    rollout: str
    template: Template
    routed: tuple[ServicePort, ...]
    deadline_s: float
    placement: Placement = ALONE
    again: bool = False


@dataclass(frozen=True, slots=True)
class Finding:
    """What a look at an order found, in one sentence: a refusal, or a note of what an operator may not have meant."""

    sentence: str
    is_refusal: bool = True


@dataclass(frozen=True, slots=True)
class FoundStack:
    """A stack of this installation that exists, whole or in part.

    `stack` is None unless every service that was ordered is up; then `missing` is empty.
    """

    id: StackId
    app: str
    stack: Stack | None
    missing: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class StackDied:
    """A service of the stack ended, got unhealthy or loops in crashes; `reason` is one sentence."""

    reason: str


@dataclass(frozen=True, slots=True)
class StackMoved:
    """The stack answers at other endpoints than before (a container was restarted)."""

    stack: Stack


@dataclass(frozen=True, slots=True)
class EngineGone:
    """Who runs the stack cannot be asked about it at present; `reason` is one sentence.  It may well serve on."""

    reason: str


@dataclass(frozen=True, slots=True)
class EngineBack:
    """Who runs the stack answers again; what follows says whether the stack is well."""


StackChange = StackDied | StackMoved | EngineGone | EngineBack


@dataclass(frozen=True, slots=True)
class RunningProject:
    """A running project that is to be adopted without a template in the configuration.

    `files` are those that it was made of, where all of them are here; `template` is what its containers say.
    `env_files` are those of variables that it was made with, in their order, and `lost_env_files` those of them that
    are not here; none where it was made with the `.env` of its folder, or does not say.
    """

    files: tuple[str, ...]
    template: Template
    env_files: tuple[str, ...] = ()
    lost_env_files: tuple[str, ...] = ()


class Provisioner(Protocol):
    """Makes, finds and unmakes the stacks of one app.  Knows nothing of rollouts; names and labels carry identity."""

    async def check(self, order: StackOrder, *, fetch: bool = True) -> Sequence[Finding]:
        """Return every reason why `order` cannot be made, and what there is to know about it, before anything is made.

        `fetch` False: nothing is pulled to find out, for a look that is to change nothing.  Raises EngineError only
        where an engine that cannot be asked is not a finding of its own.
        """
        ...

    async def survey(self, order: StackOrder) -> Sequence[str]:
        """Return what an operator should know before `order` takes a running project over; empty for other orders.

        Raises EngineError.
        """
        ...

    async def project(self, name: str) -> RunningProject:
        """Return what is known of a running project.  Raises StackError where none can be taken over."""
        ...

    async def facts(self, live: StackId, before: Template, after: Template) -> Facts:
        """Return what is known here of `live`, which was made of `before`, and of the images that `after` asks for.

        Reads only, does not take long, and never raises: what cannot be known is left out.
        """
        ...

    async def create(self, order: StackOrder, progress: Callable[[str], None]) -> Stack:
        """Bring the stack up until every service is running, or healthy where it has a healthcheck.

        What an earlier, interrupted create of the same id left is removed first, unless the stack was up before
        (`order.again`).  Calls `progress` with one sentence per step.  Raises StackError (EngineError) with everything
        that was made removed; so does cancellation.
        """
        ...

    async def find(self) -> Sequence[FoundStack]:
        """Return all stacks of this app and installation that exist.  Raises EngineError."""
        ...

    async def activate(self, stack: StackId, deadline_s: float) -> Sequence[str]:
        """Run what waited for the promotion of `stack`: its late jobs to their end, then its singletons.

        Returns the names of the services that run now, or have run.  Idempotent: a job that ended well does not run
        again, and a stack without such services is left as it is.  Raises StackError.
        """
        ...

    async def deactivate(self, stack: StackId) -> Sequence[str]:
        """Stop the services of `stack` that must not run twice, and return their names.

        It counts as whole without them.  Idempotent; unknown stacks are fine.  Raises EngineError.
        """
        ...

    async def retire(self, stack: StackId) -> Sequence[str]:
        """Stop and remove all that belongs to `stack` but what other stacks use; return the names of what stays.

        What stays goes when `stack` is retired again after its last user.  Idempotent: unknown stacks are fine.
        Raises EngineError.
        """
        ...

    def watch(self, stack: StackId) -> AsyncIterator[StackChange]:
        """Yield what happens to a stack that is up.  Ends after StackDied, or when the stack is retired.

        Raises EngineError only where it cannot begin.
        """
        ...

    async def sample(self, stack: StackId) -> Mapping[str, Resources]:
        """Return what each service of `stack` uses now that was made for it; one that it borrows is its owner's.

        Empty where nobody can know it, or nothing of it runs.  Raises EngineError.
        """
        ...

    async def close(self) -> None:
        """Let go of connections and threads; stacks stay as they are."""
        ...


@dataclass(frozen=True, slots=True)
class DrainLimits:
    """How long what is in flight may take to end when its stack is taken away, by its class.

    A stream is an answer that has begun and does not say how long it will be, as server-sent events are; a tunnel is an
    upgraded connection; everything else is a request.
    """

    requests_s: float
    streams_s: float
    tunnels_s: float

    @property
    def longest_s(self) -> float:
        """Return after how long nothing can be left."""
        return max(self.requests_s, self.streams_s, self.tunnels_s)


@dataclass(frozen=True, slots=True)
class Drained:
    """The end of a drain: `left` requests and tunnels were cut at their limits (0: a clean drain)."""

    left: int
    waited_s: float


class TrafficSwitch(Protocol):
    """Publishes who serves an app, atomically, and says what is current."""

    async def shift(self, app: str, split: Split, *, expected: int) -> int:
        """Publish `split` and return the new version.  Raises StaleVersionError unless `expected` is current."""
        ...

    async def read(self, app: str) -> tuple[Split | None, int]:
        """Return what is current, and its version (None and 0 before the first shift)."""
        ...

    async def drain(self, app: str, stack: StackId, limits: DrainLimits) -> Drained:
        """Wait until `stack`, which the current table no longer names, has nothing in flight; cut at the limits."""
        ...


class RequestParking(Protocol):
    """Lets new requests of an app wait, unsent: the data plane."""

    def park(self, app: str, within_s: float, told: Callable[[int, str], None]) -> None:
        """Let them wait for so long at most; `told` is called when they go on by themselves: how many, and why."""
        ...

    def unpark(self, app: str) -> int:
        """Let them go on, and return how many waited.  Idempotent."""
        ...

    def waiting(self, app: str) -> tuple[int, float] | None:
        """Return how many wait, and for how many seconds at most; None while the app is not parked."""
        ...


class KpiSource(Protocol):
    """Figures of every stack that serves."""

    def set_edges(self, stack: StackId, edges_us: Sequence[int]) -> None:
        """From the next window on, count latencies of `stack` into these bins (ascending, microseconds)."""
        ...

    def close_window(self, stack: StackId) -> Window:
        """Close the open window of `stack`, return it, and open the next.  A stack never seen has empty windows."""
        ...


class Severity(StrEnum):
    INFO = "info"
    WARNING = "warning"
    CRITICAL = "critical"


@dataclass(frozen=True, slots=True)
class Alert:
    """One sentence for people, and where it comes from."""

    severity: Severity
    app: str
    rollout: str
    kind: str
    sentence: str
    at: datetime
    detail: Mapping[str, str | int | float | bool | None]


class AlertSink(Protocol):
    """Takes alerts and delivers them when it can."""

    def send(self, alert: Alert) -> None:
        """Queue `alert`.  Never blocks, never raises: an alert that cannot be delivered is logged."""
        ...
