"""Making a connection to an endpoint: the one wait of the data plane that needs a task, once per connection.

A dial is for one requester.  If that has gone when the connection is there, the connection goes into its pool.
What keeps splitter itself from dialing is `exhausted`, and no fault of the endpoint.
"""

import asyncio
import errno
import re
import socket
from typing import Final, Protocol

from splitter.errors import UpstreamError
from splitter.proxy.deadlines import Timed
from splitter.proxy.pool import Pool
from splitter.proxy.upstream import UpstreamConnection

UNCONNECTED: Final = frozenset(
    {"connect", "connect_closed", "connect_name", "connect_refused", "connect_timeout", "connect_unroutable"}
)
"""Reasons of an endpoint that cannot be connected to; `connect` is any that has no word of its own."""

_REASONS: Final = {
    **dict.fromkeys((errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM), "exhausted"),
    **dict.fromkeys((errno.ECONNRESET, errno.ECONNABORTED, errno.EPIPE), "connect_closed"),
    **dict.fromkeys((errno.ENETUNREACH, errno.EHOSTUNREACH, errno.ENETDOWN, errno.EHOSTDOWN), "connect_unroutable"),
    errno.ECONNREFUSED: "connect_refused",
    errno.ETIMEDOUT: "connect_timeout",
}
_NUMBER = re.compile(r"\[Errno (\d+)\]")


class Caller(Protocol):
    """Who waits for a connection."""

    def connected(self, connection: UpstreamConnection) -> None:
        """Take the connection."""

    def failed(self, error: UpstreamError) -> None:
        """Take note that there will be none."""


class Dial(Timed):
    """One attempt to connect, until it has succeeded, failed or taken too long."""

    __slots__ = ("_caller", "_dials", "_pool", "_task")

    def __init__(self, pool: Pool, caller: Caller, dials: "set[Dial]") -> None:
        """Start; `dials` holds the attempt while it lasts, as the event loop does not."""
        super().__init__()
        self._pool = pool
        self._caller: Caller | None = caller
        self._dials = dials
        dials.add(self)
        pool.open += 1
        pool.deadlines.within(self, pool.times.connect)
        self._task = asyncio.get_running_loop().create_task(self._run(), name=f"dial {pool.endpoint}")

    def forget(self) -> None:
        """Go on without the caller, which is not interested any more."""
        self._caller = None

    def expire(self) -> None:
        """Give up."""
        self._task.cancel()
        self._fail(UpstreamError("connect_timeout", f"{self._pool.endpoint} did not accept a connection in time"))

    def cancel(self) -> None:
        """Give up, and tell nobody."""
        self._caller = None
        self._task.cancel()

    async def _run(self) -> None:
        pool = self._pool
        endpoint = pool.endpoint
        loop = asyncio.get_running_loop()
        try:
            _, connection = await loop.create_connection(lambda: UpstreamConnection(pool), endpoint.host, endpoint.port)
        except (OSError, UnicodeError) as error:
            self._fail(UpstreamError(reason_of(error), f"{endpoint}: {error}"))
        else:
            self._deliver(connection)
        finally:
            pool.open -= 1  # a connection that was made counts by itself, also one that came too late for us
            pool.deadlines.drop(self)
            self._dials.discard(self)

    def _deliver(self, connection: UpstreamConnection) -> None:
        caller, self._caller = self._caller, None
        if not connection.is_silent():
            connection.discard()
            if caller is not None:
                caller.failed(
                    UpstreamError("connect_closed", f"{self._pool.endpoint} closed a new connection or spoke first")
                )
        elif caller is None:
            self._pool.put(connection)
        else:
            caller.connected(connection)

    def _fail(self, error: UpstreamError) -> None:
        caller, self._caller = self._caller, None
        if caller is not None:
            caller.failed(error)


def reason_of(error: OSError | UnicodeError) -> str:
    """Return why there is no connection: one of `UNCONNECTED`, or `exhausted`.

    A name that stands for several addresses fails once for each, and the event loops put that into one text: then it
    is the reason that all of them have.
    """
    if isinstance(error, socket.gaierror):
        return "exhausted" if error.errno == socket.EAI_MEMORY else "connect_name"
    if isinstance(error, UnicodeError):  # no name can be so
        return "connect_name"
    numbers = [error.errno] if error.errno else [int(number) for number in _NUMBER.findall(str(error))]
    reasons = {_REASONS.get(number, "connect") for number in numbers}
    return reasons.pop() if len(reasons) == 1 else "connect"
