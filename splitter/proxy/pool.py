"""The connections of one stack to one endpoint.

Rule 1: a connection is idle, claimed or closed.  Idle ones are in the list, the last used on top; a claimed one knows
its requester; a closed one is in no list.
Rule 2: `claim` never waits.  The kernel is asked once more whether an idle connection is silent, as the event loop may
not have seen it yet, unless it was used in this very tick and the request can be sent again.
Rule 3: room is bounded, connections that are being made included.

Cost: claim and put are O(1).
"""

from typing import TYPE_CHECKING

from splitter.http1.fields import HeadLimits
from splitter.http1.head import ResponseHead, parse_response
from splitter.limits import FORMER_ANSWER_BYTES_MAX, FORMER_ANSWERS_MAX
from splitter.model import Endpoint
from splitter.proxy.deadlines import Deadlines
from splitter.proxy.outbox import Outbox
from splitter.proxy.recent import Recent
from splitter.proxy.standing import Standing
from splitter.proxy.times import Times

if TYPE_CHECKING:
    from splitter.proxy.upstream import UpstreamConnection


class Pool:
    """The connections of one stack to one endpoint.  `in_flight` and `failures` are kept by the requesters."""

    __slots__ = (
        "_connections_max",
        "_formers",
        "_idle",
        "_idle_max",
        "deadlines",
        "endpoint",
        "failures",
        "former",
        "in_flight",
        "is_closed",
        "open",
        "outbox",
        "standing",
        "times",
    )

    def __init__(
        self,
        endpoint: Endpoint,
        deadlines: Deadlines,
        outbox: Outbox,
        times: Times,
        standing: Standing,
        *,
        connections_max: int,
        idle_max: int,
    ) -> None:
        self.endpoint = endpoint
        self.deadlines = deadlines
        self.outbox = outbox
        self.times = times
        self.standing = standing
        self.failures = 0  # requests in a row that got no answer
        self.open = 0  # connections, those being made included
        self.in_flight = 0
        self.is_closed = False
        self.former: ResponseHead | None = None  # of the last answer; many answers of a stack have equal heads
        self._formers: Recent[ResponseHead] = Recent(FORMER_ANSWERS_MAX, FORMER_ANSWER_BYTES_MAX)
        self._connections_max = connections_max
        self._idle_max = idle_max
        self._idle: list[UpstreamConnection] = []

    @property
    def has_room(self) -> bool:
        """Return whether another connection may be made."""
        return self.open < self._connections_max and not self.is_closed

    @property
    def idle(self) -> int:
        """Return how many connections wait for a request."""
        return len(self._idle)

    def read(self, data: bytes, end: int, limits: HeadLimits) -> ResponseHead:
        """Return the head in `data`, whose blank line begins at `end`, from memory if it can.  Raises UpstreamError."""
        text = data[: end + 4]
        head = self._formers.get(text)
        if head is None:
            head = parse_response(data, end, self.former, limits)
            self._formers.offer(text, head)
        if head.status >= 200:
            self.former = head
        return head

    def claim(self, may_fail: bool) -> "UpstreamConnection | None":
        """Take the idle connection that was used last; None if there is none that can be used.

        `may_fail`: the request can be sent again, so a connection that was used a moment ago is taken without asking
        the kernel: 1 µs.
        """
        while self._idle:
            connection = self._idle.pop()
            if may_fail and connection.idle_since == self.deadlines.tick:
                if not connection.transport.is_closing():
                    return connection
            elif connection.is_silent():
                return connection
            connection.discard()
        return None

    def put(self, connection: "UpstreamConnection") -> None:
        """Take back a connection whose exchange has ended cleanly."""
        if self.is_closed or len(self._idle) >= self._idle_max:
            connection.discard()
            return
        self._idle.append(connection)
        connection.idle_since = self.deadlines.tick
        connection.deadline = due = connection.idle_since + self.times.upstream_idle  # `Deadlines.within`, written out
        if due < connection.filed:
            self.deadlines.refile(connection)

    def drop(self, connection: "UpstreamConnection") -> None:
        """Forget an idle connection that is about to close.  Rare, hence by search."""
        if connection in self._idle:
            self._idle.remove(connection)

    def close(self) -> None:
        """Close what is idle, and each other connection when its exchange ends."""
        self.is_closed = True
        for connection in list(self._idle):
            connection.discard()
