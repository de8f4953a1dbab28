"""The entrance: what a connection has to pass before its first request, where its listener says so.

First the PROXY preamble, by which a proxy that we trust tells whose connection it passes on; then the TLS handshake.
Rule 1: a connection counts from the moment that it is accepted, so neither slow preambles nor handshakes are a way
around the bounds for clients.  Both together have the time of one request head.
Rule 2: who is not trusted gets no say in who he is: his connection is closed, with or without a preamble.
Rule 3: bytes behind the preamble are the handshake's, or the first request's; none is lost.

A listener without either has no entrance: its connections are clients from the start.
"""

import asyncio
import logging
import ssl
from collections.abc import Callable
from typing import Protocol, cast

from splitter.errors import DownstreamError
from splitter.http1.preamble import Preamble, read_preamble
from splitter.proxy.deadlines import Timed
from splitter.proxy.downstream import ClientConnection
from splitter.proxy.gateway import Gateway

log = logging.getLogger(__name__)

# What is awaited: the preamble; the end of the handshake; nothing more here.
_PREAMBLE, _HANDSHAKE, _PASSED = range(3)


class Doorman(Protocol):
    """The listener, as far as the entrance needs it."""

    def arrived(self, entrance: "Entrance") -> bool:
        """Count a connection; return whether there is room for it."""

    def left(self, entrance: "Entrance") -> None:
        """Count a connection no longer: it is a client's now, or closed.  Idempotent."""

    def turned_away(self, why: str) -> None:
        """Take note of a connection that may not come in."""


class Entrance(asyncio.Protocol, Timed):
    """One connection before it is a client's."""

    __slots__ = (
        "_at",
        "_doorman",
        "_gateway",
        "_inbox",
        "_is_ended",
        "_make",
        "_preamble",
        "_task",
        "_tls",
        "transport",
    )

    def __init__(
        self,
        gateway: Gateway,
        doorman: Doorman,
        make: Callable[[Preamble | None], ClientConnection],
        *,
        takes_preamble: bool,
        tls: ssl.SSLContext | None,
    ) -> None:
        """`make` makes the client that the connection becomes."""
        super().__init__()
        self._gateway = gateway
        self._doorman = doorman
        self._make = make
        self._tls = tls
        self._at = _PREAMBLE if takes_preamble else _HANDSHAKE
        self._preamble: Preamble | None = None
        self._inbox = b""
        self._is_ended = False
        self._task: asyncio.Task[None] | None = None
        self.transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Look who comes."""
        self.transport = cast("asyncio.Transport", transport)  # uvloop's are not derived from it
        peer = transport.get_extra_info("peername")
        if not self._doorman.arrived(self) or not peer:
            self.transport.abort()
            return
        if self._at == _PREAMBLE and not self._gateway.trusts(peer[0]):
            self._turn_away(f"{peer[0]} is none of proxy.trusted_peers, and only these may speak the PROXY protocol")
            return
        self._gateway.deadlines.within(self, self._gateway.times.head)
        if self._at == _HANDSHAKE:
            self._begin_handshake()

    def data_received(self, data: bytes) -> None:
        """Read the preamble; later, keep what the client says before we are ready."""
        self._inbox += data
        if self._at == _PREAMBLE:
            self._read()

    def eof_received(self) -> bool:
        """Return whether the connection stays open: its client may have said everything."""
        self._is_ended = True
        return self._at == _HANDSHAKE and self.transport.can_write_eof()

    def connection_lost(self, exc: Exception | None) -> None:
        """Count the connection no longer."""
        self._leave()

    def expire(self) -> None:
        """Close: preamble and handshake have had their time."""
        self.transport.abort()

    def leave(self) -> None:
        """Close: the listener does.  Nothing was asked yet."""
        self.transport.abort()

    def _read(self) -> None:
        try:
            preamble = read_preamble(self._inbox)
        except DownstreamError as error:
            self._turn_away(str(error))
            return
        if preamble is None:
            return
        self._inbox = self._inbox[preamble.size :]
        self._preamble = preamble
        if self._tls is not None:
            self._at = _HANDSHAKE
            self._begin_handshake()
        else:
            self._pass(self.transport)

    def _begin_handshake(self) -> None:
        self._task = asyncio.get_running_loop().create_task(self._shake(), name="TLS handshake")

    async def _shake(self) -> None:
        """Shake hands, beginning with what has come already."""
        assert self._tls is not None
        loop, options = asyncio.get_running_loop(), self._gateway.options
        shaking = loop.create_task(
            loop.start_tls(
                self.transport,
                self,
                self._tls,
                server_side=True,
                ssl_handshake_timeout=2 * options.head_timeout_s,  # ours comes first
                ssl_shutdown_timeout=options.response_timeout_s,  # for what is written still, and the goodbye
            ),
            name="start TLS",
        )
        # The first turn puts the TLS layer in our place, the second tells it that it is connected.  What came until
        # then came to us, and nothing is read from the socket before the turn after that.
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        ahead, self._inbox = self._inbox, b""
        if ahead and not self.transport.is_closing():
            _feed(cast("asyncio.BufferedProtocol", self.transport.get_protocol()), ahead)
        try:
            secured = await shaking
        except OSError as error:  # TLS errors and time-outs are among them
            log.debug("a TLS handshake failed: %s", error)
            self._gateway.counters.handshakes_failed += 1
            self._leave()
            return
        if secured is None or secured.is_closing():
            self._leave()
        elif self._at != _PASSED:
            self._pass(secured)

    def _pass(self, transport: asyncio.Transport) -> None:
        """Let the client in, with what it has said already."""
        self._leave()
        client = self._make(self._preamble)
        transport.set_protocol(client)
        client.connection_made(transport)
        if self._inbox:
            client.data_received(self._inbox)
        if self._is_ended:
            client.eof_received()

    def _turn_away(self, why: str) -> None:
        self._doorman.turned_away(why)
        self.transport.abort()

    def _leave(self) -> None:
        self._at = _PASSED
        self._gateway.deadlines.drop(self)
        self._doorman.left(self)


def _feed(protocol: asyncio.BufferedProtocol, data: bytes) -> None:
    """Give `protocol` what was read for it, as an event loop does."""
    while data:
        buffer = memoryview(protocol.get_buffer(len(data)))
        size = min(len(buffer), len(data))
        buffer[:size] = data[:size]
        protocol.buffer_updated(size)
        data = data[size:]
