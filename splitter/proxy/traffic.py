"""What runs between the data plane and one stack: its requests in flight, and its connections.

Rule 1: a request is counted from the moment that its arm is chosen until its end, in one step with the choice; so
after a publish the count of a stack that the table no longer names can only fall.
Rule 2: a request that live serves after the shadow has failed it, or whose stack a tester has named, and a tunnel count
in flight, for a drain must wait for them, but are no samples: the recorder never sees them enter.
Rule 3: a drain ends.  Each class has its limit, and at the last one everything that is left is cut, whatever its class.

Cost: entering and leaving are O(1).
"""

import asyncio
import logging
from collections.abc import Collection
from enum import Enum
from typing import Protocol

from splitter.contracts import DrainLimits
from splitter.kpi import InFlight, Recorder
from splitter.limits import WEIGHT_TOTAL
from splitter.model import Endpoint, StackId
from splitter.phases import Phases
from splitter.proxy.deadlines import TICK_S
from splitter.proxy.options import ProxyOptions
from splitter.proxy.pool import Pool
from splitter.proxy.standing import Standing
from splitter.routing import Arm

log = logging.getLogger(__name__)


class DrainClass(Enum):
    """What a drain has a limit of its own for; `contracts.DrainLimits` says which is which."""

    REQUEST = "request"
    STREAM = "stream"
    TUNNEL = "tunnel"

    def limit_s(self, limits: DrainLimits) -> float:
        """Return after how long a drain cuts what is of this class."""
        match self:
            case DrainClass.REQUEST:
                return limits.requests_s
            case DrainClass.STREAM:
                return limits.streams_s
            case DrainClass.TUNNEL:
                return limits.tunnels_s


class Cuttable(Protocol):
    """A request or a tunnel in flight.  It may change its class: a request becomes a stream."""

    drain_class: DrainClass

    def dismiss(self) -> None:
        """Begin to end, if there is a way to say so: the stack is about to go."""

    def cut_short(self) -> None:
        """End now."""


class Sampled(Cuttable, InFlight, Protocol):
    """A request in flight of which the recorder hears."""


class Traffic:
    """One stack's requests in flight and its pools."""

    __slots__ = ("_in_flight", "_is_empty", "pools", "recorder", "stack", "standings")

    def __init__(self, stack: StackId, recorder: Recorder) -> None:
        self.stack = stack
        self.recorder = recorder
        self.pools: dict[Endpoint, Pool] = {}
        self.standings: dict[Endpoint, Standing] = {}
        self._in_flight: set[Cuttable] = set()
        self._is_empty: asyncio.Event | None = None  # while somebody drains

    @property
    def in_flight(self) -> int:
        """Return how many requests have entered and not left."""
        return len(self._in_flight)

    def enter(self, request: Sampled, started_s: float) -> None:
        """Count `request`, as a sample."""
        self._in_flight.add(request)
        self.recorder.enter(request, started_s)

    def enter_outside(self, request: Cuttable) -> None:
        """Count `request`, which is no sample of this stack."""
        self._in_flight.add(request)

    def leave(self, request: Sampled) -> None:
        """Count `request` no longer."""
        self.recorder.leave(request)
        self._in_flight.discard(request)  # as `leave_outside` does, which would be another call for each request
        if self._is_empty is not None and not self._in_flight:
            self._is_empty.set()

    def leave_outside(self, request: Cuttable) -> None:
        """Count no longer what was no sample."""
        self._in_flight.discard(request)
        if self._is_empty is not None and not self._in_flight:
            self._is_empty.set()

    async def emptied(self, limits: DrainLimits, farewell_s: float) -> int:
        """Return once nothing is in flight: 0, or how many were cut at the limits of their classes.

        Tunnels are told to end `farewell_s` before they are cut, so that both sides can close.
        """
        began_s, cut = asyncio.get_running_loop().time(), 0
        dismissed_s = max(0.0, limits.tunnels_s - farewell_s)
        for step_s in _steps(limits, dismissed_s):
            if await self._is_empty_by(began_s + step_s):
                break
            for request in list(self._in_flight):
                if request.drain_class.limit_s(limits) <= step_s:
                    request.cut_short()
                    cut += 1
                elif request.drain_class is DrainClass.TUNNEL and step_s >= dismissed_s:
                    request.dismiss()
        return cut

    async def _is_empty_by(self, moment_s: float) -> bool:
        """Wait until nothing is in flight, or until that moment of the event loop's; return whether nothing is."""
        if not self._in_flight:
            return True
        if self._is_empty is None or self._is_empty.is_set():
            self._is_empty = asyncio.Event()
        try:
            async with asyncio.timeout_at(moment_s):
                await self._is_empty.wait()
        except TimeoutError:
            return False
        return True

    def standing(self, endpoint: Endpoint) -> Standing:
        """Return how `endpoint` does; of one never seen, well."""
        return self.standings.setdefault(endpoint, Standing())

    def prune(self, named: Collection[Endpoint]) -> None:
        """Forget endpoints that are not `named` and have no connection: a restarted stack answers elsewhere."""
        self.pools = {endpoint: pool for endpoint, pool in self.pools.items() if pool.open or endpoint in named}
        kept = {*named, *self.pools}
        self.standings = {endpoint: one for endpoint, one in self.standings.items() if endpoint in kept}

    def close(self) -> None:
        """Close what is idle, and every other connection when its request ends."""
        for pool in self.pools.values():
            pool.close()


def _steps(limits: DrainLimits, dismissed_s: float) -> list[float]:
    """Return the moments at which a drain does something; at the last of them nothing is left."""
    return sorted({limits.requests_s, limits.streams_s, dismissed_s, limits.tunnels_s})


class Lane:
    """The way of one arm: its stack's traffic and the pools of its endpoints.  Made once for each arm of a table.

    Endpoints that are unhealthy or ejected get no requests while another one is well.  Where none is, all of them get
    requests as if they were: what little they answer is more than a certain error.
    """

    __slots__ = ("_is_forlorn", "_turn", "arm", "phases", "pools", "traffic")

    def __init__(self, arm: Arm, traffic: Traffic, pools: tuple[Pool, ...], phases: Phases) -> None:
        self.arm = arm
        self.traffic = traffic
        self.pools = pools
        self.phases = phases
        self._turn = 0
        self._is_forlorn = False  # no endpoint is well

    def pick(self) -> Pool:
        """Return the pool with the fewest requests in flight, of those that are well; of equal ones, the next in turn.

        A single endpoint is not looked at: there is no other.
        """
        pools = self.pools
        if len(pools) == 1:
            return pools[0]
        self._turn = turn = (self._turn + 1) % len(pools)
        return min(self._usable(pools[turn:] + pools[:turn]), key=_in_flight)

    def pick_other(self, tried: Collection[Pool]) -> Pool | None:
        """Return a pool that is not among `tried`; None if there is none."""
        left = tuple(pool for pool in self.pools if pool not in tried)
        return min(self._usable(left), key=_in_flight) if left else None

    def blame(self, pool: Pool, options: ProxyOptions) -> None:
        """Count a request that `pool` did not answer, and eject its endpoint if there were too many in a row."""
        pool.failures += 1
        if not options.eject_after or pool.failures < options.eject_after:
            return
        tick = pool.deadlines.tick
        ejected = sum(each.standing.is_ejected(tick) for each in self.pools)
        may_be_ejected = len(self.pools) * options.eject_share_max_bp // WEIGHT_TOTAL
        is_needed = all(each is pool or each.standing.is_out(tick) for each in self.pools)
        if is_needed or ejected >= may_be_ejected or pool.standing.is_ejected(tick):
            return
        pool.failures = 0
        span_s = pool.standing.eject(tick, pool.times.ejection) * TICK_S
        log.warning(
            "%s: %s gave no answer to %d requests in a row; it gets none for %g s",
            self.arm.stack,
            pool.endpoint,
            options.eject_after,
            span_s,
        )

    def _usable(self, pools: tuple[Pool, ...]) -> Collection[Pool]:
        """Return those of `pools` that are well; all if none is."""
        tick = pools[0].deadlines.tick
        well = [pool for pool in pools if not pool.standing.is_out(tick)]
        if len(pools) == len(self.pools) and self._is_forlorn == bool(well):
            self._is_forlorn = not well
            log.warning(
                "%s: no endpoint of route %s is well; all of them get requests"
                if self._is_forlorn
                else "%s: an endpoint of route %s is well again",
                self.arm.stack,
                self.arm.route,
            )
        return well or pools


def _in_flight(pool: Pool) -> int:
    return pool.in_flight
