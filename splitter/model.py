"""Values that three rooms or more use: who serves, where, and what was counted.

All are frozen.  A type that fewer than three rooms use lives in the room that makes it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NewType

StackId = NewType("StackId", str)
"""A stack's name, unique for the installation: `<app>-r<revision>`, as in `shop-r12`."""


def revision_of(stack: StackId) -> int:
    """Return the revision that a stack's name ends with; 0 for a name that is not of ours."""
    number = stack.rpartition("-r")[2]
    return int(number) if number.isascii() and number.isdigit() else 0


class Side(StrEnum):
    """The two stacks of a rollout.  Live stays `live` until the rollout has ended, also while it is standby."""

    LIVE = "live"
    SHADOW = "shadow"


@dataclass(frozen=True, slots=True, order=True)
class Endpoint:
    """A TCP address that a stack's service answers on."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True, order=True)
class ServicePort:
    """What a route points at: a service of the template and a port of it; `port` 0 is the service's only one."""

    service: str
    port: int = 0

    def __str__(self) -> str:
        return f"{self.service}:{self.port}" if self.port else self.service


@dataclass(frozen=True, slots=True)
class Stack:
    """A stack that is up: its id and, for every routed service port, the endpoints that answer for it."""

    id: StackId
    app: str
    revision: int
    endpoints: Mapping[ServicePort, tuple[Endpoint, ...]]


@dataclass(frozen=True, slots=True)
class Counts:
    """Requests of one stack in one window, as judge.md 1 wants them.

    `n` finished or overdue; `e5`, `e4` failures and client errors, `e5u`, `e4u` the same with each client counted
    once per class and ten seconds.  `bins[i]` counts answers below 400 whose latency lies in
    (edges[i-1], edges[i]]; the last bin is open above, so there is one more bin than edges.
    """

    n: int = 0
    e5: int = 0
    e5u: int = 0
    e4: int = 0
    e4u: int = 0
    bins: tuple[int, ...] = (0,)


@dataclass(frozen=True, slots=True)
class Pairs:
    """Mirrored requests of one interval whose two answers are both known (judge.md 11).

    Of `n` pairs only the shadow failed in `shadow_only` and only live in `live_only`.  `latencies_us` holds (live,
    shadow) of pairs that both were answered below 400, at most `PAIR_LATENCIES_MAX` of them, the first of the interval.
    `other_status` pairs differ in status, `other_size` in the size of the body alone: both are for people to look at.
    """

    n: int = 0
    shadow_only: int = 0
    live_only: int = 0
    latencies_us: tuple[tuple[int, int], ...] = ()
    other_status: int = 0
    other_size: int = 0


@dataclass(frozen=True, slots=True)
class Resources:
    """What a stack uses at one moment.  None: not known, or without a limit.

    `memory` is what cannot be reclaimed (the working set) and `memory_limit` where the kernel kills, both in bytes and
    of the container or process that is nearest to its limit; `memory_total` is that of all.  `cpu_s` is the CPU time
    that all have used since they were started, `cpu_limit` how many CPUs they may use together.  `pids` are of the one
    nearest to its limit too, of all together where none has one.  `descriptors` are the open files and connections of
    the process nearest to its limit.  `restarts` are those of the stack's life, `oom_kills` how many of its parts were
    killed, at their last end, for want of memory.  `services` are those that are counted (empty: nobody says which),
    `left_out` those that are not, because the stack beside it has none of its own to compare with.
    """

    memory: float | None = None
    memory_limit: float | None = None
    memory_total: float | None = None
    cpu_s: float | None = None
    cpu_limit: float | None = None
    pids: float | None = None
    pids_limit: float | None = None
    descriptors: float | None = None
    descriptors_limit: float | None = None
    restarts: int = 0
    oom_kills: int | None = None
    services: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()

    @property
    def memory_share(self) -> float | None:
        """Return how much of its limit the memory is; None where one of them is not known."""
        return self.memory / self.memory_limit if self.memory is not None and self.memory_limit else None


@dataclass(frozen=True, slots=True)
class Window:
    """A closed interval of one stack's samples.

    `latency` lists (highest value of an HDR bucket in µs, count), ascending, for answers below 400.  `control` is the
    slice of live that is as large as the shadow's share (None where there is none).  `outcomes` counts every finished
    request by its word: `2xx` … `5xx`, `connect`, `timeout`, `reset`, `protocol`, `aborted`, `replayed`,
    `tested`, `drained`.  `copies` counts copies of live's requests by what became of them, `pairs` is what they have
    shown (None: nothing).  `phases` is where the time went, by route and phase (`splitter.phases`), in buckets like
    those of `latency`; routes without an answer are left out.  Times are monotonic seconds.
    """

    stack: StackId
    started_s: float
    ended_s: float
    counts: Counts
    control: Counts | None = None
    latency: tuple[tuple[int, int], ...] = ()
    outcomes: Mapping[str, int] = field(default_factory=dict)
    in_flight: int = 0
    copies: Mapping[str, int] = field(default_factory=dict)
    pairs: Pairs | None = None
    phases: Mapping[str, Mapping[str, tuple[tuple[int, int], ...]]] = field(default_factory=dict)


class StickyBy(StrEnum):
    """What tells clients apart, so that each stays with one stack."""

    COOKIE = "cookie"
    HEADER = "header"
    ADDRESS = "address"


@dataclass(frozen=True, slots=True)
class Sticky:
    """How clients stick to a stack; `name` is the cookie's or the header's, empty for addresses."""

    by: StickyBy
    name: str = ""

    @property
    def wire_name(self) -> bytes:
        """Return the name as a request is searched for it: cookies have a case, headers have none."""
        return (self.name if self.by is StickyBy.COOKIE else self.name.lower()).encode("ascii")


@dataclass(frozen=True, slots=True)
class Mirroring:
    """Which requests are copied to the shadow: those of `methods`, each with the chance `share_bp`."""

    share_bp: int
    methods: frozenset[bytes]


@dataclass(frozen=True, slots=True)
class Split:
    """Who serves an app: live, and a share of it for the shadow in basis points.

    `shadow_bp` is 0 while the shadow warms up and `WEIGHT_TOTAL` once it is promoted.  `salt` names the rollout, so
    that two rollouts do not split the same clients off.  `sticky` None: each request is drawn by itself.
    `mirroring` None: nothing is copied.
    """

    live: Stack
    shadow: Stack | None = None
    shadow_bp: int = 0
    salt: str = ""
    sticky: Sticky | None = None
    mirroring: Mirroring | None = None
