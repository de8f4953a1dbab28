"""What was found out about requests that came before: clients send the same field lines again and again.

Rule 1: what is remembered follows from the exact bytes of the field lines and their HTTP version, and, where it says
so, from who sent them and from the route; and from options that stay while the gateway lives.  So a request that is
known goes out as if it were not.
Rule 2: it is bounded, in number and in bytes.  Whoever floods it with lines that do not come again makes others be read
anew, as if it were not there.
Rule 3: field lines hold cookies and passwords.  Shared are only those that have come twice; what nobody sends any more
is forgotten within `FORMER_SPAN_S` of the end of its connection.

Shared by all connections of a gateway: behind a proxy of proxies, many clients come in turn on each connection.  A
connection looks at its own former request first, which costs nothing but a comparison.
"""

from splitter.http1.fields import HeadLimits
from splitter.http1.head import RequestFields
from splitter.limits import FORMER_BLOCK_BYTES_MAX, FORMER_BLOCKS_MAX, FORMER_SPAN_S
from splitter.proxy.deadlines import Deadlines, Timed, ticks
from splitter.proxy.recent import Recent
from splitter.routing import Choice, Route

_GENERATION = ticks(FORMER_SPAN_S) // 2  # of which there are two


class Former:
    """The field lines of a former request, and what followed from them.

    For the peer that is `told` to stacks so: `lines` as a stack gets them, and the client's `address`.  For `route` and
    that peer, where not chance but the request itself says it: the `choice` who serves, and the client's `key`.
    """

    __slots__ = ("address", "choice", "fields", "key", "lines", "route", "told")

    def __init__(self, fields: RequestFields) -> None:
        self.fields = fields
        self.told = b""  # nobody
        self.lines = b""
        self.address = ""
        self.route: Route | None = None
        self.choice: Choice | None = None
        self.key: bytes | str = ""

    def meet(self, told: bytes, lines: bytes, address: str) -> None:
        """Take note of what follows for another peer; `told` is empty where the next request is to be asked again."""
        self.told = told
        self.lines = lines
        self.address = address
        self.route = None

    def settle(self, route: Route, choice: Choice | None, key: bytes | str) -> None:
        """Take note of who serves on `route`."""
        self.route = route
        self.choice = choice
        self.key = key


NOBODY = Former(RequestFields(b"", -1))
"""Before the first request of a connection: of a version that there is none of, so equal to no request."""


class Formers(Timed):
    """The former requests of all connections."""

    __slots__ = ("_deadlines", "_recent")

    def __init__(self, deadlines: Deadlines) -> None:
        super().__init__()
        self._deadlines = deadlines
        self._recent: Recent[Former] = Recent(FORMER_BLOCKS_MAX, FORMER_BLOCK_BYTES_MAX)
        self._deadlines.within(self, _GENERATION)

    def __len__(self) -> int:
        return len(self._recent)

    def read(self, block: bytes, minor: int, limits: HeadLimits) -> Former:
        """Return the fields of `block`, from memory if they are there.  Raises DownstreamError."""
        former = self._recent.get(block)
        if former is not None and former.fields.minor == minor:
            return former
        former = Former(RequestFields(block, minor, limits))
        self._recent.offer(block, former)
        return former

    def expire(self) -> None:
        """Forget what nobody has sent for a while."""
        self._recent.age()
        self._deadlines.within(self, _GENERATION)
