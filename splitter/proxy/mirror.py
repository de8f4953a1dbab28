"""Copies of requests for a shadow: sent beside the request itself, their answers compared and thrown away.

Rule 1: a copy can never slow, fail or bloat its request, the primary.  Nobody waits for it.  Pieces of a body are
queued by reference, within bounds; what the shadow does not take in time ends the copy, and the primary never hears of
it.  A fault of ours ends the copy too (`_harmless`).
Rule 2: a copy is decided when the primary's head is there, and sent in the same turn of the event loop, behind it.
Rule 3: copies have connections of their own, as many as they may have, and bytes of their own: `held` of a copy and of
a mirror never say less than what lies in memory for it.  What has been written since is struck off when a bound seems
reached, not before, which would cost a look at the socket for each piece.
Rule 4: a copy leaves exactly one word with the recorder, at its end; and a pair, if both answers are known.  What
splitter gave up says nothing about the shadow; what the shadow refused, cut or did not do in time is its failure.

Words: `paired`; `connect`, `timeout`, `reset`, `protocol`: the shadow has failed, which is a pair as well; and without
a pair: `overflow` (one copy's bytes), `budget` (those of all), `full` (connections), `stale` (an idle connection that
the shadow had just closed), `aborted` (the client left), `incomplete` (the primary ended before its body), `fault`.

Cost of a copy: about that of its primary.
"""

import logging
import secrets
from collections import deque
from collections.abc import Callable
from functools import update_wrapper
from typing import Concatenate, Final, ParamSpec

from splitter.errors import UpstreamError
from splitter.http1.fields import stack_fault
from splitter.http1.forwarding import mirror_head
from splitter.http1.head import RequestHead, ResponseHead
from splitter.model import Endpoint
from splitter.pairing import FAILED, Answer, Copies
from splitter.proxy.deadlines import Deadlines, Timed
from splitter.proxy.dialing import UNCONNECTED, Caller, Dial
from splitter.proxy.options import ProxyOptions
from splitter.proxy.pool import Pool
from splitter.proxy.upstream import UpstreamConnection
from splitter.routing import Arm

_FAILURES: Final = {
    **dict.fromkeys(UNCONNECTED, "connect"),
    "timeout": "timeout",
    "reset": "reset",
    "protocol": "protocol",
}
"""What counts against the shadow, by the reason of an error; everything else is no fault of its."""

_SLICE_BYTES: Final = 64 * 1024
_SURPLUS_BYTES_MAX: Final = 1024 * 1024  # a shadow that never stops sending would keep the event loop busy

log = logging.getLogger(__name__)

_Given = ParamSpec("_Given")


def _harmless(
    method: Callable[Concatenate["Copy", _Given], None],
) -> Callable[Concatenate["Copy", _Given], None]:
    """Let no exception out of `method`: the copy ends."""

    def guarded(copy: "Copy", /, *args: _Given.args, **kwargs: _Given.kwargs) -> None:
        try:
            method(copy, *args, **kwargs)
        except Exception:
            log.exception("a copy for %s could not go on; it ends, its request does not", copy.endpoint)
            copy.drop("fault")

    update_wrapper(guarded, method)
    return guarded


class Mirror:
    """The copies that one stack gets: their connections, and the bytes that lie in memory for them."""

    def __init__(
        self,
        copies: Copies,
        options: ProxyOptions,
        deadlines: Deadlines,
        new_pool: Callable[[Endpoint], Pool],
        dial: Callable[[Pool, Caller], Dial],
        monotonic: Callable[[], float],
    ) -> None:
        self.copies = copies
        self.options = options
        self.dial = dial
        self.monotonic = monotonic
        self.held = 0
        self.open: set[Copy] = set()  # those that have, or wait for, a connection
        self._deadlines = deadlines
        self._new_pool = new_pool
        self._pools: dict[Endpoint, Pool] = {}
        self._settled_at = -1  # a tick

    def begin(
        self, arm: Arm, head: RequestHead, wire: bytes, piece: bytes, started_s: float, *, is_sent: bool
    ) -> "Copy | None":
        """Send a copy of the request whose head a stack gets as `wire`; `piece` is its body so far, all if `is_sent`.

        None: it was given up at once.
        """
        try:
            parent = head.fields.traceparent
            dice = b"" if parent is None else secrets.token_hex(24).encode()
            first = mirror_head(wire, parent, dice)
            pool = self._pick(arm.endpoints)
            if not self.may_hold(len(first)):
                self.copies.count("budget")
                return None
            connection = pool.claim(may_fail=False)
            if connection is None and not pool.has_room:
                self.copies.count("full")
                return None
        except Exception:
            log.exception("a request could not be copied for %s; it goes on without", arm.stack)
            self.copies.count("fault")
            return None
        copy = Copy(self, pool, started_s, is_to_head=head.method == b"HEAD")
        copy.start(connection, first, piece, is_sent=is_sent)
        return copy

    def may_hold(self, size: int) -> bool:
        """Return whether so many bytes more fit.  Looks at all copies if they seem not to, once a tick at most."""
        if self.held + size <= self.options.mirror_stack_bytes_max:
            return True
        if self._settled_at != self._deadlines.tick:
            self._settled_at = self._deadlines.tick
            for copy in list(self.open):
                copy.strike()
        return self.held + size <= self.options.mirror_stack_bytes_max

    def close(self) -> None:
        """End all copies: the stack is about to go.  They leave no word, for nobody asks any more."""
        for copy in list(self.open):
            copy.drop("")
        for pool in self._pools.values():
            pool.close()

    def _pick(self, endpoints: tuple[Endpoint, ...]) -> Pool:
        """Return the pool with the fewest copies, of those that are well; all if none is.

        One that nobody uses any more is forgotten when another is made.
        """
        pools = self._pools
        for endpoint in endpoints:
            if endpoint not in pools:
                pools = self._pools = {known: pool for known, pool in pools.items() if pool.open or known in endpoints}
                pools[endpoint] = self._new_pool(endpoint)
        named = [pools[endpoint] for endpoint in endpoints]
        well = [pool for pool in named if not pool.standing.is_out(self._deadlines.tick)]
        return min(well or named, key=lambda pool: pool.in_flight)


class Copy(Timed):
    """One copy: a requester of its own connection, told by the exchange what the primary does."""

    __slots__ = (
        "_connection",
        "_dial",
        "_is_over",
        "_is_sent",
        "_is_timed",
        "_is_to_head",
        "_live",
        "_mirror",
        "_pool",
        "_queue",
        "_shadow",
        "_size",
        "_started_s",
        "_status",
        "_word",
        "held",
    )

    def __init__(self, mirror: Mirror, pool: Pool, started_s: float, *, is_to_head: bool) -> None:
        super().__init__()
        self.held = 0
        self._mirror = mirror
        self._pool = pool
        self._started_s = started_s
        self._is_to_head = is_to_head
        self._is_sent = False  # the primary has sent all of the request
        self._is_timed = True
        self._queue: deque[bytes] = deque()  # what the connection does not take yet
        self._connection: UpstreamConnection | None = None
        self._dial: Dial | None = None
        self._status = FAILED
        self._size = 0
        self._live: Answer | None = None
        self._shadow: Answer | None = None
        self._word = "paired"
        self._is_over = False  # it has left its word

    @property
    def endpoint(self) -> Endpoint:
        """Return where the copy goes."""
        return self._pool.endpoint

    # What the exchange says of the primary.

    @_harmless
    def start(self, connection: UpstreamConnection | None, head: bytes, piece: bytes, *, is_sent: bool) -> None:
        """Send the head and what there is of the body, on a connection that was claimed, or make one."""
        self._mirror.open.add(self)
        self._pool.in_flight += 1
        self._hold(len(head))
        self._queue.append(head)
        if connection is not None:
            self._is_sent = is_sent and not piece
            self._begin(connection)
        else:
            self._is_timed = False
            self._dial = self._mirror.dial(self._pool, self)
        self._is_sent = is_sent
        if piece:
            self._take(piece)

    @_harmless
    def send(self, piece: bytes, *, is_last: bool) -> None:
        """Send more of the body."""
        self._is_sent = is_last
        if self._is_over or self._shadow is not None:
            return
        self._take(piece)

    @_harmless
    def answered(self, live: Answer) -> None:
        """Take note of the primary's end: its answer, or that live has failed it."""
        if not self._is_sent:
            self.drop("incomplete")
        elif not self._is_over:
            self._live = live
            if self._shadow is None:
                self._pool.deadlines.within(self, self._pool.times.first_byte)
            self._pair()

    def drop(self, word: str) -> None:
        """Give up, for the reason `word`; empty: without one.  Idempotent."""
        if self._is_over:
            return
        self._is_over = True
        self._detach()
        if word:
            self._mirror.copies.count(word)

    # What the shadow does: `upstream.Requester` and `dialing.Caller`.

    @_harmless
    def connected(self, connection: UpstreamConnection) -> None:
        """Send on a new connection."""
        self._dial = None
        self._begin(connection)

    def interim(self, head: ResponseHead) -> None:
        """Pass over an interim response."""

    def switch(self, head: ResponseHead, data: bytes) -> None:
        """Refuse a 101: a copy asks for no other protocol."""
        raise stack_fault("101 to a request that asked for no other protocol")

    def respond(self, head: ResponseHead, length: int, payload: bytes, trailers: bytes | None) -> None:
        """Note the status, and count the body."""
        self._status = head.status
        self.forward(payload, trailers)

    def forward(self, payload: bytes, trailers: bytes | None) -> None:
        """Count the body; what is longer than live's answer by far differs from it, and is not read to its end."""
        self._size += len(payload)
        if trailers is not None:
            connection, self._connection = self._connection, None
            assert connection is not None
            connection.release()
            self._end_shadow(self._status)
        elif self._live is not None and self._size > self._live.size + _SURPLUS_BYTES_MAX:
            self._is_timed = False
            self._end_shadow(self._status)

    @_harmless
    def failed(self, error: UpstreamError) -> None:
        """Count the shadow's failure, unless it was an idle connection that had just been closed."""
        connection = self._connection
        is_stale = connection is not None and connection.is_reused and not connection.has_received
        word = _FAILURES.get(error.reason, "full")
        if word == "reset" and is_stale:
            word = "stale"
        if word in _FAILURES.values():
            self._word = word
            self._end_shadow(FAILED)
        else:
            self.drop(word)

    def crashed(self) -> None:
        """End for a fault of our own."""
        self.drop("fault")

    def hold(self) -> None:
        """Queue from now on: `UpstreamConnection.is_full` says so."""

    @_harmless
    def go_on(self) -> None:
        """Send what was queued, as far as it is taken."""
        connection, queue = self._connection, self._queue
        assert connection is not None
        while queue and not connection.is_full:
            piece = queue.popleft()
            connection.send(piece, is_last=self._is_sent and not queue)

    def expire(self) -> None:
        """Give the shadow up that is long behind live."""
        self.failed(UpstreamError("timeout", f"{self.endpoint} has not answered a copy long after live had"))

    # Bytes.

    def strike(self) -> None:
        """Hold no more than what lies in memory still."""
        self._pool.outbox.flush()
        left = sum(map(len, self._queue))
        if self._connection is not None:
            left += self._connection.transport.get_write_buffer_size()
        self._hold(left - self.held)

    def _hold(self, size: int) -> None:
        self.held += size
        self._mirror.held += size

    def _begin(self, connection: UpstreamConnection) -> None:
        """Write all that is queued."""
        self._connection = connection
        data = b"".join(self._queue)
        self._queue.clear()
        connection.begin(self, data, self._is_to_head, self._is_sent)

    def _take(self, piece: bytes) -> None:
        """Queue a piece of the body and send what is taken of it, or give the copy up.

        Large ones go slice by slice: what the system takes of one makes room for the next.
        """
        bound = self._mirror.options.mirror_request_bytes_max
        for start in range(0, len(piece) or 1, _SLICE_BYTES):
            part = piece[start : start + _SLICE_BYTES]  # a small piece is its own slice, and no copy
            size = len(part)
            if self.held + size > bound:
                self.strike()
            if self.held + size > bound:
                self.drop("overflow")
                return
            if not self._mirror.may_hold(size):
                self.drop("budget")
                return
            self._hold(size)
            self._pass_on(part, is_last=self._is_sent and start + size >= len(piece))

    def _pass_on(self, piece: bytes, *, is_last: bool) -> None:
        connection = self._connection
        if connection is None or connection.is_full or self._queue:
            self._queue.append(piece)
        else:
            connection.send(piece, is_last=is_last)

    # The end.

    def _end_shadow(self, status: int) -> None:
        """Note the shadow's answer, and wait for live's without holding anything."""
        latency_us = int((self._mirror.monotonic() - self._started_s) * 1e6)
        self._shadow = Answer(status, latency_us, self._size, self._is_timed)
        self._detach()
        self._pair()

    def _pair(self) -> None:
        live, shadow = self._live, self._shadow
        if live is not None and shadow is not None and not self._is_over:
            self._is_over = True
            self._mirror.copies.count(self._word)
            self._mirror.copies.pair(live, shadow)

    def _detach(self) -> None:
        """Let go of connection, memory and deadline.  Idempotent."""
        if self not in self._mirror.open:
            return
        self._mirror.open.discard(self)
        self._pool.in_flight -= 1
        self._pool.deadlines.drop(self)
        self._hold(-self.held)
        self._queue.clear()
        connection, self._connection = self._connection, None
        dial, self._dial = self._dial, None
        if connection is not None:
            connection.discard()
        if dial is not None:
            dial.forget()
