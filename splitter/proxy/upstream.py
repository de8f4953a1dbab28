"""A connection to an endpoint of a stack: requests out, and the reading of responses.

Rule 1: a connection goes back to its pool only when its exchange has ended cleanly: request sent, response complete,
nothing behind it, nothing left in a buffer, and both sides willing (RFC 9112 §9.3).
Rule 2: an idle connection that becomes readable is closed, whatever it says.  Bytes that nobody asked for would be the
next request's answer.
Rule 3: a stack is as little trusted as a client: a response is read strictly, bounded, and within deadlines.

The requester is told in this order: `interim` any number of times, `respond` once, `forward` until it is told that it
was the last; or `failed` at any point, once.  Nothing comes after the last or after `failed`.
"""

import asyncio
import logging
import select
from typing import Protocol, cast

from splitter.errors import UpstreamError
from splitter.http1.body import ChunkedBody
from splitter.http1.fields import CHUNKED, UNTIL_CLOSE, stack_fault
from splitter.http1.head import ResponseHead, response_end
from splitter.http1.upgrade import SWITCHING_PROTOCOLS
from splitter.limits import INTERIM_RESPONSES_MAX
from splitter.proxy.deadlines import NEVER, Timed
from splitter.proxy.pool import Pool

log = logging.getLogger(__name__)

_CONTINUE = 100

# Where a connection stands in its response; between two requests, at the end of the former.
_HEAD, _COUNTED, _CHUNKED, _UNTIL_CLOSE, _END = range(5)


class Requester(Protocol):
    """Who has claimed a connection."""

    def interim(self, head: ResponseHead) -> None:
        """Take an interim response."""

    def switch(self, head: ResponseHead, data: bytes) -> None:
        """Take a 101 and what has come behind it: what is no fault of the stack ends with `hand_over`.

        Raises UpstreamError for a 101 that nobody asked for.
        """

    def respond(self, head: ResponseHead, length: int, payload: bytes, trailers: bytes | None) -> None:
        """Take the final response's head, its body's length, and the first of its payload.

        `trailers` is None unless the response is complete with it.
        """

    def forward(self, payload: bytes, trailers: bytes | None) -> None:
        """Take more of the body; `trailers` is None unless it is complete with it."""

    def failed(self, error: UpstreamError) -> None:
        """Take note that there will be no more."""

    def crashed(self) -> None:
        """Take note that splitter itself could not go on."""

    def hold(self) -> None:
        """Send no more of the request until `go_on`."""

    def go_on(self) -> None:
        """Send on."""


class UpstreamConnection(asyncio.Protocol, Timed):
    """One connection to an endpoint.

    `is_reused`: it carried a request before the present one.  `has_received`: some of the present response has come.
    """

    __slots__ = (
        "_at",
        "_awaits_continue",
        "_chunks",
        "_inbox",
        "_interims",
        "_is_paused",
        "_is_sent",
        "_is_to_head",
        "_left",
        "_persists",
        "_poll",
        "_pool",
        "_requester",
        "_scanned",
        "has_received",
        "idle_since",
        "is_full",
        "is_reused",
        "transport",
    )

    def __init__(self, pool: Pool) -> None:
        super().__init__()
        # Per connection.
        self._pool = pool
        self._poll: select.poll | None = None
        self.transport: asyncio.Transport
        self.is_full = False  # the stack does not take what we have written
        self.is_reused = False
        self.idle_since = 0  # a tick
        # Per request.
        self._requester: Requester | None = None
        self._at = _END
        self._is_to_head = False
        self._is_sent = False
        self._awaits_continue = False  # the client sends no body before the stack has said something
        self._is_paused = False  # the client does not take what we have read
        self._persists = False
        self._interims = 0
        self._left = 0
        self._chunks: ChunkedBody | None = None
        self._inbox = b""
        self._scanned = 0
        self.has_received = False

    # What the requester asks.

    def begin(
        self, requester: Requester, data: bytes, is_to_head: bool, is_sent: bool, awaits_continue: bool = False
    ) -> None:
        """Send a request, or its beginning unless `is_sent`; `awaits_continue`: the stack is to go on, by an answer."""
        self._requester = requester
        self._at = _HEAD
        self._is_to_head = is_to_head
        self._is_sent = is_sent
        self._awaits_continue = awaits_continue
        self._interims = 0
        self.has_received = False
        pool = self._pool
        pool.outbox.post(self.transport, data)
        if is_sent and not self.is_full:  # as `_watch` would; `Deadlines.within`, written out
            self.deadline = due = pool.deadlines.tick + pool.times.first_byte
            if due < self.filed:
                pool.deadlines.refile(self)
        else:
            self._watch()

    def send(self, data: bytes, *, is_last: bool) -> None:
        """Send more of the request."""
        self._is_sent = is_last
        if data:
            self._pool.outbox.post(self.transport, data)
        if is_last or self._awaits_continue:
            self._awaits_continue = False
            self._watch()

    def pause(self) -> None:
        """Read no more until `resume`: the client is slower than the stack."""
        self._is_paused = True
        if not self.transport.is_closing():
            self.transport.pause_reading()
        self._watch()

    def resume(self) -> None:
        """Read on."""
        self._is_paused = False
        if not self.transport.is_closing():
            self.transport.resume_reading()
        self._watch()

    def release(self) -> None:
        """End an exchange whose response is complete: back into the pool if the connection is clean."""
        self._requester = None
        transport = self.transport
        if not self._persists or not self._is_sent or transport.is_closing() or transport.get_write_buffer_size():
            self.discard()
            return
        if self._is_paused:
            self._is_paused = False
            transport.resume_reading()
        self.is_reused = True
        self._pool.put(self)

    def discard(self) -> None:
        """Close at once, whatever is under way; the requester hears nothing."""
        self._requester = None
        self._pool.deadlines.drop(self)
        self._pool.drop(self)
        self.transport.abort()

    def hand_over(self) -> None:
        """Give the connection away: it carries no HTTP any more, and is counted until it is lost."""
        self._requester = None
        self._pool.deadlines.drop(self)

    def is_silent(self) -> bool:
        """Return whether the connection is open and nothing has come that nobody asked for."""
        if self.transport.is_closing():
            return False
        if self._poll is None:
            self._poll = select.poll()
            self._poll.register(self.transport.get_extra_info("socket").fileno(), select.POLLIN)
        return not self._poll.poll(0)

    # What the event loop and the wheel say.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Count the connection.  It is idle until somebody begins."""
        self.transport = transport = cast("asyncio.Transport", transport)  # uvloop's are not derived from it
        transport.set_write_buffer_limits(high=self._pool.times.write_buffer_bytes)
        self._pool.open += 1
        self._pool.deadlines.within(self, self._pool.times.upstream_idle)

    def data_received(self, data: bytes) -> None:
        """Read what the stack has sent."""
        requester = self._requester
        if requester is None:
            self.discard()
            return
        try:
            if self._at == _HEAD:
                self._read_head(requester, data)
            else:
                self._read_body(requester, data)
        except UpstreamError as error:
            requester.failed(error)
        except Exception:
            log.exception("a response from %s could not be served; its request ends", self._pool.endpoint)
            requester.crashed()

    def eof_received(self) -> None:
        """End what ends with the connection; anything else is cut."""
        requester = self._requester
        if requester is None:
            self.discard()
        elif self._at == _UNTIL_CLOSE:
            self._at = _END
            requester.forward(b"", b"")
        else:
            requester.failed(UpstreamError("reset", f"{self._pool.endpoint} closed before its response was complete"))

    def connection_lost(self, exc: Exception | None) -> None:
        """Let the requester know, and the pool."""
        self._pool.open -= 1
        self._pool.deadlines.drop(self)
        self._pool.drop(self)
        requester, self._requester = self._requester, None
        if requester is not None:
            requester.failed(UpstreamError("reset", f"{self._pool.endpoint}: {exc or 'connection closed'}"))

    def pause_writing(self) -> None:
        """Hold the client: the stack is slower."""
        self.is_full = True
        if self._requester is not None:
            self._watch()
            self._requester.hold()

    def resume_writing(self) -> None:
        """Let the client send on."""
        self.is_full = False
        if self._requester is not None:
            self._watch()
            self._requester.go_on()

    def expire(self) -> None:
        """Close when idle for long; else the stack has not done what it was due to."""
        requester = self._requester
        if requester is None:
            self.discard()
        else:
            requester.failed(UpstreamError("timeout", f"{self._pool.endpoint} took too long"))

    # The response.

    def _watch(self) -> None:
        """Set the deadline for what the stack is to do next; there is none while we wait for the client."""
        times = self._pool.times
        if self.is_full:
            self._pool.deadlines.within(self, times.response)
        elif self._is_paused or not (self._is_sent or self._awaits_continue):
            self.deadline = NEVER
        else:
            self._pool.deadlines.within(self, times.first_byte if self._at == _HEAD else times.response)

    def _read_head(self, requester: Requester, data: bytes) -> None:
        self.has_received = True
        former = self._pool.former
        if former is not None and not self._inbox and data.startswith(former.text):  # as most answers of a stack do
            self._begin_body(requester, former, data[len(former.text) :])
            return
        if self._inbox:
            data = self._inbox + data
        limits = self._pool.times.head_limits
        while data:
            end = response_end(data, self._scanned, limits)
            if end < 0:
                self._inbox, self._scanned = data, len(data)
                return
            head = self._pool.read(data, end, limits)
            data = data[end + 4 :]
            self._inbox, self._scanned = b"", 0
            if head.status >= 200:
                self._begin_body(requester, head, data)
                return
            if head.status == SWITCHING_PROTOCOLS:
                requester.switch(head, data)
                return
            self._take_interim(requester, head)

    def _take_interim(self, requester: Requester, head: ResponseHead) -> None:
        self._interims += 1
        if self._interims > INTERIM_RESPONSES_MAX:
            raise stack_fault(f"more than {INTERIM_RESPONSES_MAX} interim responses")
        if head.status == _CONTINUE:
            self._awaits_continue = False
        self._watch()
        requester.interim(head)

    def _begin_body(self, requester: Requester, head: ResponseHead, data: bytes) -> None:
        """Hand over the final head with as much of the body as has come with it."""
        length = 0 if self._is_to_head else head.length
        self._persists = head.persists and length != UNTIL_CLOSE
        if length == CHUNKED:
            self._chunks = ChunkedBody(stack_fault, head.fields.options)
            self._at = _CHUNKED
            payload = self._chunks.feed(data)
            requester.respond(head, length, payload, self._trailers())
        elif length == UNTIL_CLOSE:
            self._at = _UNTIL_CLOSE
            requester.respond(head, length, data, None)
        elif len(data) < length:
            self._at = _COUNTED
            self._left = length - len(data)
            requester.respond(head, length, data, None)
        else:
            self._at = _END
            if len(data) > length:
                self._persists = False
                data = data[:length]
            requester.respond(head, length, data, b"")
        if self._at != _END and self._requester is requester:
            self._watch()

    def _read_body(self, requester: Requester, data: bytes) -> None:
        if self._at == _COUNTED:
            self._left -= len(data)
            if self._left <= 0:
                self._at = _END
                if self._left:
                    self._persists = False
                    data = data[: self._left]
                requester.forward(data, b"")
                return
            requester.forward(data, None)
        elif self._at == _CHUNKED:
            assert self._chunks is not None
            payload = self._chunks.feed(data)
            trailers = self._trailers()
            requester.forward(payload, trailers)
            if trailers is not None:
                return
        else:
            requester.forward(data, None)
        if self._requester is requester:
            self._watch()

    def _trailers(self) -> bytes | None:
        """Return the trailers if the body in chunks has ended, None while it has not."""
        chunks = self._chunks
        assert chunks is not None
        if not chunks.is_complete:
            return None
        self._at = _END
        self._chunks = None
        if chunks.rest:
            self._persists = False
        return chunks.trailers
