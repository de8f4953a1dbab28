"""A listening socket, and the clients that came in by it.

Rule 1: the socket outlives every change of routes; it is closed with the daemon.
Rule 2: closing stops accepting, lets every response finish with `Connection: close`, and cuts what is left after the
grace.
"""

import asyncio

from splitter.errors import OperatorError
from splitter.proxy.downstream import ClientConnection
from splitter.proxy.gateway import Gateway
from splitter.proxy.options import ListenerOptions

_BACKLOG = 4_096  # the kernel's own bound is usually lower and wins


class Listener:
    """One bound address."""

    def __init__(self, options: ListenerOptions, gateway: Gateway) -> None:
        self.is_closing = False
        self._options = options
        self._gateway = gateway
        self._server: asyncio.Server | None = None
        self._address: tuple[str, int] | None = None
        self._clients: set[ClientConnection] = set()
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
        loop = asyncio.get_running_loop()
        self._gateway.start()
        host, port = self._options.host, self._options.port
        try:
            self._server = await loop.create_server(
                lambda: ClientConnection(self._gateway, self), host or None, port, backlog=_BACKLOG
            )
        except OSError as error:
            reason = error.strerror or error
            raise OperatorError(
                f"listener {host}:{port}: {reason}; choose a free address, or stop what uses it"
            ) from error
        self._address = self._server.sockets[0].getsockname()[:2]

    async def close(self, grace_s: float) -> None:
        """Accept no more, let what is in flight finish within `grace_s`, then cut the rest."""
        self.is_closing = True
        if self._server is not None:
            self._server.close()
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

    # What the connections say: `downstream.Owner`.

    def opened(self, client: ClientConnection) -> bool:
        """Count a connection; return whether there is room for it."""
        self._clients.add(client)
        counters = self._gateway.counters
        counters.clients += 1
        if counters.clients <= self._gateway.options.client_connections_max:
            return True
        counters.clients_refused += 1
        return False

    def closed(self, client: ClientConnection) -> None:
        """Count a connection no longer."""
        if client in self._clients:
            self._clients.remove(client)
            self._gateway.counters.clients -= 1
            if not self._clients:
                self._is_empty.set()
