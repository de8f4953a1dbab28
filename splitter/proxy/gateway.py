"""What all connections share: the current table, the stacks' traffic, deadlines, and the counts for the metrics.

Rule 1: `active.current` is read once per request, and what was found is counted in flight in the same step.
Rule 2: the order of a change is publish, drain, retire, forget.  A drain waits for requests that chose the old table;
connections stay in their pools until the stack is forgotten.

One timer serves every deadline of every connection; there is none per request.
"""

import asyncio
import itertools
import secrets
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from email.utils import formatdate
from functools import partial

from splitter.contracts import Drained, DrainLimits
from splitter.http1.identity import is_trusted
from splitter.kpi import Ledger
from splitter.model import Endpoint, StackId
from splitter.proxy.access import AccessLog
from splitter.proxy.deadlines import TICK_S, Deadlines
from splitter.proxy.dialing import Caller, Dial
from splitter.proxy.former import Formers
from splitter.proxy.mirror import Mirror
from splitter.proxy.options import ProxyOptions
from splitter.proxy.outbox import Outbox
from splitter.proxy.parking import Parking
from splitter.proxy.pool import Pool
from splitter.proxy.standing import Standing
from splitter.proxy.times import Times
from splitter.proxy.traffic import Lane, Traffic
from splitter.routing import ActiveTable, Arm, RouteTable


class Counters:
    """Counts since the start.  Written by the connections."""

    __slots__ = (
        "clients",
        "clients_refused",
        "fallbacks",
        "handshakes_failed",
        "replies",
        "requests",
        "retries",
        "tunnels",
    )

    def __init__(self) -> None:
        self.clients = 0  # connections of clients that are open
        self.clients_refused = 0  # for there were too many, or they were not trusted where only such may come in
        self.requests = 0  # heads read
        self.retries = 0  # sent again because a reused connection had died
        self.fallbacks = 0  # sent again to live because the shadow had failed
        self.tunnels = 0  # that are open
        self.handshakes_failed = 0
        self.replies: dict[int, int] = {}  # answers of our own, by status

    def count_reply(self, status: int) -> None:
        """Count an answer of our own."""
        self.replies[status] = self.replies.get(status, 0) + 1


@dataclass(frozen=True, slots=True)
class GatewayStats:
    """The data plane at one moment; `replies` are our own answers by status, since the start."""

    clients: int
    clients_refused: int
    requests: int
    retries: int
    fallbacks: int
    tunnels: int
    replies: tuple[tuple[int, int], ...]
    in_flight: tuple[tuple[StackId, int], ...]
    upstream_open: tuple[tuple[StackId, int], ...]
    upstream_idle: tuple[tuple[StackId, int], ...]


class Gateway:
    """The data plane behind its listeners."""

    def __init__(
        self,
        active: ActiveTable,
        ledger: Ledger,
        options: ProxyOptions,
        monotonic: Callable[[], float] = time.monotonic,
        access: AccessLog | None = None,
    ) -> None:
        # Per daemon.
        self.access = access
        self.active = active
        self.options = options
        self.times = Times(options)
        self.deadlines = Deadlines()
        self.formers = Formers(self.deadlines)
        self.outbox = Outbox(monotonic)
        self.counters = Counters()
        self.date_line = _date_line()
        self.name = b"splitter-%b" % secrets.token_hex(4).encode()  # in Via
        self.monotonic = monotonic
        self._ledger = ledger
        self.parking = Parking(self.deadlines, options.parked_requests_max)
        self._dials: set[Dial] = set()
        self._timer: asyncio.TimerHandle | None = None
        self.next_request_id: Callable[[], bytes] = _request_ids().__next__
        # Per stack.
        self._traffic: dict[StackId, Traffic] = {}
        self._mirrors: dict[StackId, Mirror] = {}
        # Per table: found by the arm's id, which is unique while the lane holds the arm.
        self._lanes: dict[int, Lane] = {}
        self._lanes_table: RouteTable | None = None

    def start(self) -> None:
        """Let time pass, on the running event loop.  Idempotent."""
        self.date_line = _date_line()
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(TICK_S, self._tick)

    async def close(self) -> None:
        """Close all connections to stacks.  Listeners are closed before."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        for dial in list(self._dials):
            dial.cancel()
        for stack in list(self._mirrors):
            self._end_mirror(stack)
        for traffic in self._traffic.values():
            traffic.close()
        await asyncio.sleep(0)  # the loop lets go of what was cancelled and aborted

    def lane(self, arm: Arm) -> Lane:
        """Return the way of `arm`."""
        if self._lanes_table is not self.active.current:
            self._lanes_table = self.active.current
            self._lanes.clear()
            named: dict[StackId, set[Endpoint]] = {}
            for each in (arm for route in self.active.current.routes for arm in route.arms):
                named.setdefault(each.stack, set()).update(each.endpoints)
            for stack, traffic in self._traffic.items():
                traffic.prune(named.get(stack, ()))
        lane = self._lanes.get(id(arm))
        if lane is None:
            traffic = self._traffic_of(arm.stack)
            pools = tuple(self._pool(traffic, endpoint) for endpoint in arm.endpoints)
            phases = self._ledger.phases(arm.stack, arm.route)
            lane = self._lanes[id(arm)] = Lane(arm, traffic, pools, phases)
        return lane

    def dial(self, pool: Pool, caller: Caller) -> Dial:
        """Begin to connect; `caller` hears of it later, never at once."""
        return Dial(pool, caller, self._dials)

    def mirror(self, stack: StackId) -> Mirror:
        """Return the copies of `stack`."""
        mirror = self._mirrors.get(stack)
        if mirror is None:
            copies = self._ledger.recorder(stack).copies
            mirror = self._mirrors[stack] = Mirror(
                copies, self.options, self.deadlines, partial(self._mirror_pool, stack), self.dial, self.monotonic
            )
        return mirror

    def trusts(self, address: str) -> bool:
        """Return whether a peer is believed what it says of others."""
        networks = self.options.trusted_peers
        return bool(networks) and is_trusted(address, networks)

    def standing(self, stack: StackId, endpoint: Endpoint) -> Standing:
        """Return how an endpoint of `stack`, which the current table names, does."""
        return self._traffic_of(stack).standing(endpoint)

    def standings(self, stack: StackId) -> Mapping[Endpoint, Standing]:
        """Return how each endpoint of `stack` does; empty for a stack never seen."""
        traffic = self._traffic.get(stack)
        return traffic.standings if traffic else {}

    def in_flight(self, stack: StackId) -> int:
        """Return how many requests `stack` has in flight."""
        traffic = self._traffic.get(stack)
        return traffic.in_flight if traffic else 0

    async def drain(self, stack: StackId, limits: DrainLimits) -> Drained:
        """Wait until `stack` has nothing in flight; at its limit, end what is left of each class.

        Publish a table without `stack` first.  What is cut before its answer began, and may be sent again, is served by
        who the current table names.  Copies are not waited for: they end at once.
        """
        self._end_mirror(stack)
        started_s = self.monotonic()
        traffic = self._traffic.get(stack)
        left = await traffic.emptied(limits, self.options.tunnel_farewell_s) if traffic else 0
        return Drained(left=left, waited_s=self.monotonic() - started_s)

    def forget(self, stack: StackId) -> None:
        """Close the connections of a stack that is retired.  Idempotent."""
        self._end_mirror(stack)
        traffic = self._traffic.pop(stack, None)
        if traffic is not None:
            self._lanes.clear()
            traffic.close()

    def stats(self) -> GatewayStats:
        """Return the counts of this moment."""
        counters = self.counters
        stacks = sorted(self._traffic.items())
        return GatewayStats(
            clients=counters.clients,
            clients_refused=counters.clients_refused,
            requests=counters.requests,
            retries=counters.retries,
            fallbacks=counters.fallbacks,
            tunnels=counters.tunnels,
            replies=tuple(sorted(counters.replies.items())),
            in_flight=tuple((stack, traffic.in_flight) for stack, traffic in stacks),
            upstream_open=tuple((stack, sum(pool.open for pool in one.pools.values())) for stack, one in stacks),
            upstream_idle=tuple((stack, sum(pool.idle for pool in one.pools.values())) for stack, one in stacks),
        )

    def _end_mirror(self, stack: StackId) -> None:
        mirror = self._mirrors.pop(stack, None)
        if mirror is not None:
            mirror.close()

    def _tick(self) -> None:
        self._timer = asyncio.get_running_loop().call_later(TICK_S, self._tick)
        self.date_line = _date_line()
        self.deadlines.advance()

    def _traffic_of(self, stack: StackId) -> Traffic:
        traffic = self._traffic.get(stack)
        if traffic is None:
            traffic = self._traffic[stack] = Traffic(stack, self._ledger.recorder(stack))
        return traffic

    def _pool(self, traffic: Traffic, endpoint: Endpoint) -> Pool:
        pool = traffic.pools.get(endpoint)
        if pool is None:
            pool = traffic.pools[endpoint] = self._new_pool(
                endpoint, traffic.standing(endpoint), self.options.connections_per_endpoint_max
            )
        return pool

    def _mirror_pool(self, stack: StackId, endpoint: Endpoint) -> Pool:
        return self._new_pool(
            endpoint, self.standing(stack, endpoint), self.options.mirror_connections_per_endpoint_max
        )

    def _new_pool(self, endpoint: Endpoint, standing: Standing, connections_max: int) -> Pool:
        return Pool(
            endpoint,
            self.deadlines,
            self.outbox,
            self.times,
            standing,
            connections_max=connections_max,
            idle_max=min(self.options.idle_per_endpoint_max, connections_max),
        )


def _request_ids() -> Iterator[bytes]:
    """Yield ids that no other request has, of this daemon or another; two digits at a time, for formatting is slow."""
    prefix, digits = secrets.token_hex(10).encode(), [b"%02x" % number for number in range(256)]
    for number in itertools.count():
        begin = b"%b%010x" % (prefix, number)
        for end in digits:
            yield begin + end


def _date_line() -> bytes:
    """Return the line that dates an answer; it is right to a tick."""
    return f"Date: {formatdate(usegmt=True)}\r\n".encode("ascii")
