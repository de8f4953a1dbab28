"""A listening socket, and the clients that came in by it.

Rule 1: the socket outlives every change of routes; it is closed with the daemon.
Rule 2: closing stops accepting, lets every response finish with `Connection: close`, and cuts what is left after the
grace.
Rule 3: when descriptors run out, nobody is accepted and nobody is turned away: new clients wait in the kernel's queue,
and those who are inside are served on.
"""

import asyncio
import logging
from collections.abc import Callable

from splitter.errors import OperatorError
from splitter.http1.preamble import Preamble
from splitter.limits import ACCEPT_PAUSE_S, ACCEPT_WARNING_S
from splitter.proxy import descriptors
from splitter.proxy.certificates import Certificates
from splitter.proxy.deadlines import NEVER, Timed, ticks
from splitter.proxy.door import Door
from splitter.proxy.downstream import ClientConnection
from splitter.proxy.entrance import Entrance
from splitter.proxy.gateway import Gateway
from splitter.proxy.options import ListenerOptions

log = logging.getLogger(__name__)


class Listener(Timed):
    """One bound address."""

    def __init__(self, options: ListenerOptions, gateway: Gateway, say: Callable[[str], None] = log.warning) -> None:
        """Read the certificates, if there are any; `say` hears what goes wrong with them later.

        Raises OperatorError for certificates that cannot be served.
        """
        super().__init__()
        self.certificates = Certificates(options.tls, say) if options.tls is not None else None
        self.is_closing = False
        self._options = options
        self._gateway = gateway
        self._door = Door(self._entrance if options.tls is not None or options.has_preamble else self._client)
        self._address: tuple[str, int] | None = None
        self._descriptors = 0  # how many there may be, and how many of them are for clients
        self._descriptors_end = 0
        self._reopening: asyncio.Task[None] | None = None
        self._warned_at = -NEVER  # a tick
        self._turned_away_at = -NEVER
        self._clients: set[ClientConnection] = set()
        self._arrivals: set[Entrance] = set()  # at the entrance, where there is one
        self._is_empty = asyncio.Event()

    @property
    def address(self) -> tuple[str, int]:
        """Return the host and port that clients connect to, once it has started."""
        assert self._address is not None, "start the listener first"
        return self._address

    @property
    def clients(self) -> int:
        """Return how many connections are open."""
        return len(self._clients)

    async def start(self) -> None:
        """Bind and accept.  Raises OperatorError if the address cannot be bound."""
        self._gateway.start()
        if self.certificates is not None:
            self.certificates.watch(self._gateway.deadlines)
        self._descriptors = descriptors.limit()
        self._descriptors_end = descriptors.clients_end(self._descriptors)
        host, port = self._options.host, self._options.port
        try:
            await self._door.open(host, port)
        except OSError as error:
            reason = error.strerror or error
            raise OperatorError(
                f"listener {host}:{port}: {reason}; choose a free address, or stop what uses it"
            ) from error
        self._address = self._door.address

    async def close(self, grace_s: float) -> None:
        """Accept no more, let what is in flight finish within `grace_s`, then cut the rest."""
        self.is_closing = True
        self._gateway.deadlines.drop(self)
        if self.certificates is not None:
            self._gateway.deadlines.drop(self.certificates)
        self._door.close()
        for arrival in list(self._arrivals):
            arrival.leave()
        for client in list(self._clients):
            client.leave()
        try:
            async with asyncio.timeout(grace_s):
                while self._clients:
                    self._is_empty.clear()
                    await self._is_empty.wait()
        except TimeoutError:
            for client in list(self._clients):
                client.transport.abort()
            await asyncio.sleep(0)  # the loop tells the connections that they are lost

    # What the connections say: `downstream.Owner` and `entrance.Doorman`.

    def opened(self, client: ClientConnection) -> bool:
        """Count a connection; return whether there is room for it."""
        self._clients.add(client)
        return self._has_room_for(client.transport)

    def closed(self, client: ClientConnection) -> None:
        """Count a connection no longer."""
        if client in self._clients:
            self._clients.remove(client)
            self._gateway.counters.clients -= 1
            if not self._clients:
                self._is_empty.set()

    def arrived(self, entrance: Entrance) -> bool:
        """Count a connection that is no client's yet; return whether there is room for it."""
        self._arrivals.add(entrance)
        return self._has_room_for(entrance.transport)

    def left(self, entrance: Entrance) -> None:
        """Count it no longer, or as a client's."""
        if entrance in self._arrivals:
            self._arrivals.remove(entrance)
            self._gateway.counters.clients -= 1

    def _has_room_for(self, transport: asyncio.Transport) -> bool:
        counters = self._gateway.counters
        counters.clients += 1
        if transport.get_extra_info("socket").fileno() >= self._descriptors_end and self._door.is_open:
            self._shut()
        if counters.clients <= self._gateway.options.client_connections_max:
            return True
        counters.clients_refused += 1
        return False

    def turned_away(self, why: str) -> None:
        """Count a connection that may not come in, and say why, once in a while."""
        self._gateway.counters.clients_refused += 1
        tick = self._gateway.deadlines.tick
        if tick - self._turned_away_at >= ticks(ACCEPT_WARNING_S):
            self._turned_away_at = tick
            log.warning("listener %s:%s: a connection was closed: %s", *self.address, why)

    # What connections begin as.

    def _client(self, preamble: Preamble | None = None) -> ClientConnection:
        return ClientConnection(self._gateway, self, preamble)

    def _entrance(self) -> Entrance:
        tls = self.certificates.context if self.certificates is not None else None
        return Entrance(self._gateway, self, self._client, takes_preamble=self._options.has_preamble, tls=tls)

    # Without descriptors.

    def expire(self) -> None:
        """Look whether there are descriptors again."""
        if not self.is_closing:
            self._reopening = asyncio.get_running_loop().create_task(self._reopen(), name="reopen a listener")

    def _shut(self) -> None:
        """Accept nobody for a while."""
        self._door.shut()
        deadlines = self._gateway.deadlines
        deadlines.within(self, ticks(ACCEPT_PAUSE_S))
        if deadlines.tick - self._warned_at >= ticks(ACCEPT_WARNING_S):
            self._warned_at = deadlines.tick
            log.warning(
                "listener %s:%s: of %d file descriptors those for clients are open; new clients wait. Raise the limit "
                "(ulimit -n, LimitNOFILE=), or lower proxy.client_connections_max or proxy.keep_alive_timeout",
                *self.address,
                self._descriptors,
            )

    async def _reopen(self) -> None:
        number = descriptors.lowest_free()
        if number is not None and number < self._descriptors_end:
            try:
                await self._door.reopen()
            except OSError as error:
                log.debug("a listener stays shut: %s", error)
        if not self._door.is_open and not self.is_closing:
            self._gateway.deadlines.within(self, ticks(ACCEPT_PAUSE_S))
        elif self.is_closing:
            self._door.shut()
