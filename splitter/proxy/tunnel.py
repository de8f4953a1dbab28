"""A tunnel: the bytes of another protocol, between a client and the stack that has agreed to speak it (RFC 9110 §7.8).

Rule 1: each side is as slow as the other.  Nothing is read for a side whose write buffer is full, and a side that
does not empty it ends the tunnel as it would end a response.
Rule 2: the end of one direction is passed on, and the other direction goes on; a reset is passed on as a reset.
Rule 3: a tunnel counts in flight until both connections are closed, and neither connection is used again.
Rule 4: whoever ends a tunnel says so in the tunnel's own words, if we know them: a WebSocket gets the close frame 1001,
between two frames of its stack and never within one.  What the stack says behind it is dropped, what the client says
is passed on, so that both sides can close as they are used to; then the time is up.
Rule 5: when many tunnels end together, their clients do not come back together: each goodbye waits for a moment of its
own.

Cost: a piece of data is posted as it came; a WebSocket adds what `websocket.Frames` says for each frame of its stack.
"""

import asyncio
import random
from typing import Protocol

from splitter.http1.websocket import CLOSE_GOING_AWAY, Frames
from splitter.proxy.deadlines import Timed
from splitter.proxy.gateway import Gateway
from splitter.proxy.pool import Pool
from splitter.proxy.reset import reset
from splitter.proxy.traffic import DrainClass, Traffic

# Bytes pass; they pass until the moment of the goodbye; the goodbye is being said; both sides are being closed.
_OPEN, _DISMISSED, _LEAVING, _CLOSING = range(4)


class Former(Protocol):
    """Who had the connection before, and counts it until it is lost."""

    transport: asyncio.Transport

    @property
    def is_full(self) -> bool:
        """Return whether it does not take what was written."""

    def connection_lost(self, exc: Exception | None) -> None:
        """Count the connection no longer."""


class Tunnel(Timed):
    """Two connections that are one.  Made by the exchange that got the 101; it holds itself until both are closed."""

    drain_class = DrainClass.TUNNEL

    __slots__ = ("_at", "_client", "_frames", "_gateway", "_is_over", "_is_silenced", "_pool", "_stack", "_traffic")

    def __init__(self, gateway: Gateway, traffic: Traffic, pool: Pool, *, is_websocket: bool) -> None:
        """Count the tunnel in flight; `pool` counts it already, as the request that it began with."""
        super().__init__()
        self._gateway = gateway
        self._traffic = traffic
        self._pool = pool
        self._frames = Frames() if is_websocket else None  # of the stack
        self._at = _OPEN
        self._is_silenced = False  # the goodbye was said: the stack has no more to say to the client
        self._is_over = False
        self._client: _End
        self._stack: _End
        traffic.enter_outside(self)
        gateway.counters.tunnels += 1

    def join(self, client: Former, stack: Former, *, from_client: bytes, from_stack: bytes, is_ended: bool) -> None:
        """Begin, with what either side has sent ahead; `is_ended`: the client has closed its side already."""
        self._client, self._stack = _End(self, client), _End(self, stack)
        self._client.other, self._stack.other = self._stack, self._client
        for end in (self._client, self._stack):
            end.take_over()
        if self._at == _OPEN:
            self._watch()
        if from_client:
            self.flow(self._client, from_client)
        if from_stack:
            self.flow(self._stack, from_stack)
        if is_ended:
            self._client.eof_received()

    def dismiss(self) -> None:
        """Say goodbye within the next seconds, and close."""
        if self._at == _OPEN:
            self._at = _DISMISSED
            jitter = random.randrange(self._gateway.times.tunnel_jitter)  # noqa: S311 - it keeps no secret
            self._gateway.deadlines.within(self, 1 + jitter)

    def cut_short(self) -> None:
        """End now, without a word."""
        self._at = _CLOSING
        for end in (self._client, self._stack):
            reset(end.transport)
        self._end()

    def expire(self) -> None:
        """Take the next step to the end: idle, dismissed, or a side that takes too long."""
        if self._at == _OPEN and self._client.is_emptied_slowly() | self._stack.is_emptied_slowly():
            self._watch()
        elif self._at == _OPEN and (self._client.is_full or self._stack.is_full):
            self.cut_short()
        elif self._at in (_OPEN, _DISMISSED):
            self._say_goodbye()
        elif self._at == _LEAVING:
            self._close()
        else:
            self.cut_short()

    # What the ends say.

    def flow(self, source: "_End", data: bytes) -> None:
        """Pass on what one side has sent."""
        if source is self._stack and self._frames is not None:
            data = self._framed(self._frames, data)
        target = source.other.transport
        if data and not target.is_closing():
            self._gateway.outbox.post(target, data)
        if self._at == _OPEN:
            self._watch()

    def filled(self, _: "_End") -> None:
        """Give a side that takes no more a while to do so."""
        if self._at == _OPEN:
            self._watch()

    def ended(self, source: "_End") -> None:
        """Pass on that one side will send no more."""
        target = source.other.transport
        self._gateway.outbox.flush()
        if source.other.has_ended or not target.can_write_eof():  # TLS has no half of a connection
            self._close()
        elif not target.is_closing():
            target.write_eof()

    def lost(self, source: "_End", *, is_reset: bool) -> None:
        """End the other side as the one has ended."""
        self._gateway.outbox.flush()
        self._at = _CLOSING
        if source.other.is_lost or self._is_over:
            self._end()
        elif is_reset:
            reset(source.other.transport)
        else:
            self._close()

    # The end.

    def _framed(self, frames: Frames, data: bytes) -> bytes:
        """Return what of the stack's `data` the client gets, with the goodbye behind its frame if it is due."""
        if self._is_silenced:
            return b""
        if self._at != _LEAVING:
            frames.feed(data)
            if frames.is_lost:
                self._frames = None
            return data
        data = data[: frames.feed(data, to_boundary=True)]
        return data + self._goodbye(frames) if frames.is_between else data

    def _goodbye(self, frames: Frames) -> bytes:
        self._is_silenced = True
        return b"" if frames.has_closed else CLOSE_GOING_AWAY

    def _say_goodbye(self) -> None:
        """Send the close frame, at once or behind the frame that is under way; without frames just close."""
        if self._frames is None:
            self._close()
            return
        self._at = _LEAVING
        self._gateway.deadlines.within(self, self._gateway.times.tunnel_close)
        if self._frames.is_between and (goodbye := self._goodbye(self._frames)):
            self._gateway.outbox.post(self._client.transport, goodbye)

    def _close(self) -> None:
        """Close both sides once what was written is sent, which has a deadline too."""
        self._at = _CLOSING
        self._gateway.deadlines.within(self, self._gateway.times.tunnel_close)
        self._gateway.outbox.flush()
        for end in (self._client, self._stack):
            end.transport.close()

    def _watch(self) -> None:
        """Set the deadline for the next byte, or for a side to take what was written."""
        times = self._gateway.times
        is_full = self._client.is_full or self._stack.is_full
        self._gateway.deadlines.within(self, times.response if is_full else times.tunnel_idle)

    def _end(self) -> None:
        """Count the tunnel no longer.  Idempotent."""
        if not self._is_over:
            self._is_over = True
            self._gateway.deadlines.drop(self)
            self._gateway.counters.tunnels -= 1
            self._pool.in_flight -= 1
            self._traffic.leave_outside(self)


class _End(asyncio.Protocol):
    """One side of a tunnel."""

    __slots__ = ("_former", "_tunnel", "_unsent", "has_ended", "is_full", "is_lost", "other", "transport")

    def __init__(self, tunnel: Tunnel, former: Former) -> None:
        self._tunnel = tunnel
        self._former = former
        self.transport = former.transport
        self.is_full = former.is_full  # it does not take what was written
        self._unsent = 0  # of what was written, when last looked at
        self.has_ended = False  # it will send no more
        self.is_lost = False
        self.other: _End

    def take_over(self) -> None:
        """Hear what the event loop says of the connection from now on."""
        self.transport.set_protocol(self)
        if self.is_full:
            self.other.transport.pause_reading()

    def is_emptied_slowly(self) -> bool:
        """Return whether a full write buffer has got emptier since it was last asked."""
        unsent, self._unsent = self._unsent, self.transport.get_write_buffer_size()
        return self.is_full and self._unsent < unsent

    def data_received(self, data: bytes) -> None:
        self._tunnel.flow(self, data)

    def eof_received(self) -> bool:
        """Return whether the connection stays open for the other direction, which TLS cannot."""
        self.has_ended = True
        self._tunnel.ended(self)
        return self.transport.can_write_eof()

    def connection_lost(self, exc: Exception | None) -> None:
        self.is_lost = True
        self._former.connection_lost(exc)
        self._tunnel.lost(self, is_reset=exc is not None)

    def pause_writing(self) -> None:
        self.is_full = True
        self._unsent = self.transport.get_write_buffer_size()
        if not self.other.transport.is_closing():
            self.other.transport.pause_reading()
        self._tunnel.filled(self)

    def resume_writing(self) -> None:
        self.is_full = False
        if not self.other.transport.is_closing():
            self.other.transport.resume_reading()
        self._tunnel.filled(self)
