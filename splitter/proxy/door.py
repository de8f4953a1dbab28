"""A door: the listening sockets of one address.  It can be shut for a while, and nobody is turned away by that.

Rule 1: the sockets are ours from `open` to `close`.  What the event loop accepts with are copies of them; `shut` closes
the copies, so the loop has nothing to look at, and who comes waits in the kernel's queue.
Rule 2: few are accepted per turn of the loop, so that those inside are served on, and whoever counts them can shut the
door in time.
"""

import asyncio
import os
import socket
from collections.abc import Callable

_BACKLOG = 4_096  # the kernel's own bound is usually lower and wins
_ACCEPTED_PER_TURN = 64  # by asyncio's own loop; uvloop accepts one

Factory = Callable[[], asyncio.Protocol]


class Door:
    """One address, on as many sockets as its name has addresses."""

    def __init__(self, factory: Factory) -> None:
        self._factory = factory
        self._sockets: list[socket.socket] = []
        self._servers: list[asyncio.Server] = []

    @property
    def address(self) -> tuple[str, int]:
        """Return the host and port of the first socket."""
        host, port = self._sockets[0].getsockname()[:2]
        return host, port

    @property
    def is_open(self) -> bool:
        """Return whether it is accepted."""
        return bool(self._servers)

    async def open(self, host: str, port: int) -> None:
        """Bind and accept.  Raises OSError."""
        loop = asyncio.get_running_loop()
        server = await loop.create_server(self._factory, host or None, port, backlog=_ACCEPTED_PER_TURN)
        self._servers.append(server)
        for each in server.sockets:
            ours = socket.socket(fileno=os.dup(each.fileno()))
            ours.listen(_BACKLOG)
            self._sockets.append(ours)

    def shut(self) -> None:
        """Accept nobody until `reopen`."""
        for server in self._servers:
            server.close()
        self._servers.clear()

    async def reopen(self) -> None:
        """Accept again.  Raises OSError when there are no descriptors; then it is shut."""
        loop = asyncio.get_running_loop()
        try:
            for ours in self._sockets:
                copy = ours.dup()
                self._servers.append(await loop.create_server(self._factory, sock=copy, backlog=_ACCEPTED_PER_TURN))
                ours.listen(_BACKLOG)
        except OSError:
            self.shut()
            raise

    def close(self) -> None:
        """Close the sockets: who comes is refused.  Idempotent."""
        self.shut()
        for ours in self._sockets:
            ours.close()
        self._sockets.clear()
