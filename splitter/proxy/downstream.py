"""A client's connection: requests in, one after the other, their bodies, and whatever comes of its silence.

Rule 1: one exchange at a time.  What a client sends ahead waits in `_inbox`, bounded, and is answered in order.
Rule 2: framing is decided by the head alone, and after a framing error the connection is not used again.
Rule 3: a response that ends the connection is followed by lingering: we say that we have finished, then read and drop
what still comes, for a while, so that the client reads the response and not a reset (RFC 9112 §9.6).
Rule 4: nobody holds a connection by being slow.  Heads have an absolute deadline, bodies one for progress and a rate,
readers one for taking a full write buffer; the deadlines rest while it is the stack that we wait for.
Rule 5: a client that closes its side after a whole request gets its answer; a reset ends the exchange at once.

Long because the states of a connection, which its events meet in any order, are read together.
"""

import asyncio
import logging
import re
import secrets
from collections.abc import Sequence
from typing import Protocol, cast

from splitter.errors import DownstreamError
from splitter.http1 import forwarding
from splitter.http1.body import RequestBody
from splitter.http1.fields import HeadLimits
from splitter.http1.head import RequestFields, RequestHead, parse_request, request_end
from splitter.http1.identity import Peer
from splitter.http1.preamble import Preamble
from splitter.http1.upgrade import wanted
from splitter.proxy.access import CLIENT_LEFT, AccessLog, unread
from splitter.proxy.deadlines import NEVER, Timed
from splitter.proxy.exchange import Exchange
from splitter.proxy.former import NOBODY
from splitter.proxy.gateway import Gateway
from splitter.proxy.replies import (
    BODY_TIMEOUT,
    HEAD_TIMEOUT,
    NO_ROOM,
    OUR_FAULT,
    Reply,
    encode,
    to_client_fault,
)
from splitter.proxy.reset import reset
from splitter.proxy.tunnel import Tunnel

log = logging.getLogger(__name__)

# What the connection is about to get: a head; the rest of a body; nothing, as the request is complete; nothing that
# would matter any more; nothing at all; bytes of another protocol, which the tunnel gets.
_HEAD, _BODY, _WAIT, _LINGER, _CLOSING, _TUNNEL = range(6)

_CR = 13
_EMPTY_LINES = re.compile(rb"(?:\r\n)++")

# Why we do not read.
_FULL_STACK = 1  # the stack does not take the body
_FULL_INBOX = 2  # enough requests were sent ahead


class Owner(Protocol):
    """The listener of a connection."""

    is_closing: bool

    def opened(self, client: "ClientConnection") -> bool:
        """Count a connection; return whether there is room for it."""

    def closed(self, client: "ClientConnection") -> None:
        """Count a connection no longer."""


class ClientConnection(asyncio.Protocol, Timed):
    """One client's connection."""

    __slots__ = (
        "_at",
        "_body",
        "_body_bytes",
        "_body_since",
        "_exchange",
        "_gateway",
        "_head",
        "_heard",
        "_inbox",
        "_is_ended",
        "_is_serving",
        "_is_to_head",
        "_minor",
        "_owner",
        "_peer",
        "_preamble",
        "_request_id",
        "_scanned",
        "_start",
        "_stops",
        "_tunnel",
        "_unsent",
        "address",
        "former",
        "is_full",
        "persists",
        "transport",
    )

    def __init__(self, gateway: Gateway, owner: Owner, preamble: Preamble | None = None) -> None:
        """`preamble` is what a proxy has said of the connection."""
        super().__init__()
        # Per connection.
        self._gateway = gateway
        self._owner = owner
        self._preamble = preamble
        self.transport: asyncio.Transport
        self.address = ""
        self._peer: Peer
        self._at = _HEAD
        self._inbox = b""
        self._scanned = 0  # of the inbox, in search of a head's end
        self._stops = 0  # why we do not read
        self.is_full = False  # the client does not take what we have written
        self._unsent = 0  # of what was written, when last looked at
        self._is_ended = False  # the client has closed its side
        self._is_serving = False  # `_serve` is running, further up the stack
        self.former = NOBODY  # of the present request, and between two of the one before
        self._heard = b""  # all of the former request, if it was a head alone; what it says, and as stacks get it
        self._head: RequestHead
        self._start = b""
        self._tunnel: Tunnel | None = None  # to which the connection belongs for the rest of its life
        # Per request.
        self._exchange: Exchange | None = None
        self.persists = True
        self._minor = 1
        self._is_to_head = False
        self._request_id = b""
        self._body: RequestBody | None = None  # of the last request that had one
        self._body_bytes = 0  # since `_body_since`, a tick
        self._body_since = 0

    def is_secure(self, fields: RequestFields) -> bool:
        """Return whether the client speaks TLS, with us or with a proxy that says so."""
        return self._peer.is_secure(fields.claims)

    # What the event loop and the wheel say.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Note who the client is."""
        self.transport = transport = cast("asyncio.Transport", transport)  # uvloop's are not derived from it
        transport.set_write_buffer_limits(high=self._gateway.times.write_buffer_bytes)
        peer, local = transport.get_extra_info("peername"), transport.get_extra_info("sockname")
        if not peer or not local:  # the client was gone before we saw it
            self._at = _CLOSING
            transport.abort()
            return
        self._peer = self._seen(peer[0], local[0], local[1])
        self.address = self._peer.address
        self._gateway.deadlines.within(self, self._gateway.times.keep_alive)
        if not self._owner.opened(self):
            self.persists = False
            self.answer(NO_ROOM)

    def _seen(self, address: str, local: str, port: int) -> Peer:
        """Return who the client is: whom a proxy's preamble names, else the other end of the connection."""
        preamble = self._preamble
        is_secure = self.transport.get_extra_info("sslcontext") is not None
        if preamble is not None and preamble.client:
            address, local, port = preamble.client, preamble.local, preamble.local_port
            is_secure = is_secure or preamble.is_secure
        scheme = "https" if is_secure else "http"
        return Peer(address, local, port, scheme, is_trusted=self._gateway.trusts(address))

    def data_received(self, data: bytes) -> None:
        """Read what the client has sent."""
        at = self._at
        if at == _HEAD:
            self._inbox = self._inbox + data if self._inbox else data
            self._serve()
            if self.is_full:  # nothing is served before the client reads
                self._bound_inbox()
        elif at == _BODY:
            self._read_on(data)
        elif at == _WAIT:
            self._inbox += data
            self._bound_inbox()

    def eof_received(self) -> bool:
        """Return whether the connection stays open for what we have to say."""
        self._is_ended = True
        if self._at == _WAIT or (self.is_full and self._inbox):
            return self.transport.can_write_eof()  # TLS cannot stay half open: the loop closes it
        if self._at == _BODY:
            self._abandon()
        self._close()
        return self.transport.can_write_eof()  # `_close` closes it, once everything is written

    def connection_lost(self, exc: Exception | None) -> None:
        """End the exchange, which nobody waits for any more."""
        self._at = _CLOSING
        self._gateway.deadlines.drop(self)
        self._owner.closed(self)
        self._inbox = b""
        self._abandon()

    def pause_writing(self) -> None:
        """Hold the stack: the client is slower."""
        self.is_full = True
        self._watch()
        if self._exchange is not None:
            self._exchange.pause()

    def resume_writing(self) -> None:
        """Let the stack send on, or serve what was sent ahead."""
        self.is_full = False
        self._watch()
        if self._exchange is not None:
            self._exchange.resume()
        elif self._at == _HEAD:
            self._serve()

    def expire(self) -> None:
        """End a connection that took too long for what it was due to."""
        unsent = self.transport.get_write_buffer_size()
        if unsent and self._unsent - unsent >= self._gateway.times.response * self._gateway.times.body_rate:
            self._await_reader()  # slowly, but it reads
        elif unsent or self._at == _CLOSING:
            self._abandon()
            self._cut()
        elif self._at == _LINGER:
            self._close()
        elif self._at == _BODY:
            self._give_up(BODY_TIMEOUT)
        elif self._inbox:
            self._refuse(HEAD_TIMEOUT)
        else:
            self._close()

    def leave(self) -> None:
        """Take no more requests: close when idle, else after the response."""
        self.persists = False
        if self._at == _HEAD and not self._inbox:
            self._close()
        elif self._tunnel is not None:
            self._tunnel.dismiss()

    # What the exchange asks: `client.Client`.

    def hold_body(self) -> None:
        """Read no more of the request's body until `take_body`."""
        if self._at == _BODY:
            self._stop(_FULL_STACK)
            self._watch()

    def take_body(self) -> None:
        """Read on."""
        if self._stops & _FULL_STACK:
            self._go_on(_FULL_STACK)
            if self._at == _BODY:
                self._begin_rate()

    def expect_body(self) -> None:
        """Wait for the body, which the stack has asked for."""
        if self._at == _BODY:
            self._begin_rate()

    def answer(self, reply: Reply) -> None:
        """Send an answer of ours, and end the exchange.  The connection persists only behind a whole request."""
        self._gateway.counters.count_reply(reply.status)
        if self._at != _WAIT:
            self.persists = False
        if self._gateway.access is not None:
            self._note(self._gateway.access, "replied", reply.status, reply.error)
        answer = encode(
            reply, self._minor, self._gateway.date_line, is_to_head=self._is_to_head, persists=self.persists
        )
        self._gateway.outbox.post(self.transport, answer)
        self.end(True)

    def end(self, is_noted: bool = False) -> None:
        """End the exchange: its response has been written.  `is_noted`: the access log knows."""
        if self._gateway.access is not None and not is_noted:
            self._note(self._gateway.access, "answered")
        self._exchange = None
        if not self.persists:
            self._linger()
            return
        self._at = _HEAD
        gateway = self._gateway
        self.deadline = due = gateway.deadlines.tick + gateway.times.keep_alive  # `Deadlines.within`, written out
        if due < self.filed:
            gateway.deadlines.refile(self)
        if self._inbox or self._is_ended:
            if len(self._inbox) <= self._gateway.options.pipeline_bytes_max:
                self._go_on(_FULL_INBOX)
            self._serve()

    def hand_over(self, tunnel: Tunnel) -> tuple[bytes, bool]:
        """Give the connection to `tunnel`.  Return what the client has sent ahead, and whether that was all."""
        if self._gateway.access is not None:
            self._note(self._gateway.access, "answered")
        self._exchange = None
        self._tunnel = tunnel
        self._at = _TUNNEL
        self._gateway.deadlines.drop(self)
        self._go_on(_FULL_INBOX)
        ahead, self._inbox = self._inbox, b""
        if self._owner.is_closing:
            tunnel.dismiss()
        return ahead, self._is_ended

    def cut(self, *, is_delimited: bool) -> None:
        """End the exchange in the middle of its response."""
        if self._gateway.access is not None:
            self._note(self._gateway.access, "cut")
        self._exchange = None
        if is_delimited:
            self._close()
        else:
            self._cut()

    # Requests.

    def _serve(self) -> None:
        """Serve what is in the inbox, one request after the other, until one has to wait for something."""
        if self._is_serving:
            return
        self._is_serving = True
        try:
            while self._at == _HEAD and self._inbox and not self.is_full and self._begin():
                pass
        except Exception:
            log.exception("a request of %s could not be served; its connection ends", self.address)
            self._crash()
        finally:
            self._is_serving = False
        if self._is_ended and self._at == _HEAD and not self.is_full:
            self._close()

    def _begin(self) -> bool:
        """Begin an exchange if there is a whole head; return whether there was."""
        data = self._inbox
        is_known = data == self._heard  # the former request again: many clients ask for the same more than once
        if is_known:
            head, rest = self._head, b""
        else:
            if data[0] == _CR and (empty := _EMPTY_LINES.match(data)):  # RFC 9112 §2.2
                data = data[empty.end() :]
            limits = self._gateway.times.head_limits
            try:
                end = request_end(data, self._scanned, limits)
                if end < 0:
                    self._await_head(data)
                    return False
                head = parse_request(data, end, self.former.fields, limits, self._read_fields)
            except DownstreamError as error:
                self._minor, self._is_to_head = 1, False
                self._refuse(to_client_fault(error))
                return False
            rest = data[end + 4 :]
            self._heard, self._head = b"" if rest else data, head
        try:
            self._take_head(head, rest, is_known)
        except DownstreamError as error:
            self._refuse(to_client_fault(error))
        return True

    def _read_fields(self, block: bytes, minor: int, limits: HeadLimits) -> RequestFields:
        """Return what field lines say that are not those of the former request here."""
        self.former = former = self._gateway.formers.read(block, minor, limits)
        return former.fields

    def _await_head(self, data: bytes) -> None:
        """Wait for the rest of a head, with a deadline from its first byte."""
        if not self._scanned:
            self._gateway.deadlines.within(self, self._gateway.times.head)
        self._scanned = max(1, len(data))
        self._inbox = data
        self._go_on(_FULL_INBOX)  # a head has a bound of its own

    def _take_head(self, head: RequestHead, rest: bytes, is_known: bool) -> None:
        """Start an exchange with as much of the body as has come with the head; `is_known`: it is the former one's."""
        fields = head.fields
        self._scanned = 0
        self._minor = fields.minor
        self._is_to_head = head.method == b"HEAD"
        self.persists = fields.persists and not self._owner.is_closing
        self._gateway.counters.requests += 1
        if fields.length == 0:
            piece, self._inbox, is_sent = b"", rest, True
        else:
            self._inbox = b""
            self._body = body = RequestBody(fields.length, self._gateway.options.body_bytes_max, fields.options)
            piece, is_sent = body.read(rest)
            if is_sent:
                self._inbox = body.rest
        protocols = wanted(fields, self._gateway.options.upgrades) if fields.upgrade else ()
        self._exchange = exchange = Exchange(self._gateway, self, head, self._outgoing(head, protocols, is_known))
        if protocols:
            exchange.protocols = protocols
        if is_sent:
            self._at = _WAIT
            self.deadline = NEVER
        else:
            self._at = _BODY
            self._body_bytes = 0
            self._go_on(_FULL_INBOX)  # which is empty
            if fields.expects_continue and not rest:
                self.deadline = NEVER  # until the stack has said what it wants, or the client does not wait for that
            else:
                self._begin_rate()
        if fields.max_forwards is not None and head.ends_here:
            exchange.end_here(piece)
        else:
            exchange.start(piece, is_sent)

    def _outgoing(self, head: RequestHead, protocols: Sequence[bytes], is_known: bool) -> bytes:
        """Return the head as a stack gets it."""
        fields, former = head.fields, self.former
        if former.told == self._peer.told and head.kept is fields.kept:
            self.address = former.address
            if not is_known:
                self._start = forwarding.request_start(head, former.lines)
        else:
            self._start = forwarding.request_start(head, self._meet(head, protocols))
        self._request_id = request_id = fields.request_id or self._gateway.next_request_id()
        if fields.traceparent is None:
            return forwarding.request_head(self._start, request_id)
        trace = forwarding.trace_line(fields.traceparent, secrets.token_hex(24).encode())
        return forwarding.request_head(self._start, request_id, trace)

    def _meet(self, head: RequestHead, protocols: Sequence[bytes]) -> bytes:
        """Return the field lines as a stack gets them of this peer, and remember them where the next may be alike."""
        fields, peer = head.fields, self._peer
        lines = forwarding.request_fields(head, peer, self._gateway.name, protocols)
        if peer.is_trusted:
            self.address = peer.client(fields.claims, self._gateway.options.trusted_peers)
        is_usual = head.kept is fields.kept and fields.host  # nothing in them is this request's or connection's own
        self.former.meet(peer.told if is_usual else b"", lines, self.address)
        return lines

    def _read_on(self, data: bytes) -> None:
        """Send more of the body on."""
        exchange, body = self._exchange, self._body
        assert exchange is not None
        assert body is not None
        try:
            piece, is_last = body.read(data)
        except DownstreamError as error:
            self._give_up(to_client_fault(error))
            return
        if is_last:
            self._at = _WAIT
            self._inbox = body.rest
        if not self._body_bytes:
            self._body_since = self._gateway.deadlines.tick
        self._body_bytes += len(data)
        self._watch()
        try:
            exchange.send(piece, is_last=is_last)
        except Exception:
            log.exception("a request of %s could not be served; its connection ends", self.address)
            self._crash()

    # Ends.

    def _refuse(self, reply: Reply) -> None:
        """Answer a head that cannot be served."""
        self._at = _HEAD
        self.answer(reply)

    def _give_up(self, reply: Reply) -> None:
        """End an exchange whose client has broken the protocol or sends too slowly."""
        exchange = self._exchange
        if exchange is not None and exchange.abandon():
            self.cut(is_delimited=True)
        else:
            self.answer(reply)

    def _crash(self) -> None:
        exchange = self._exchange
        if exchange is not None:
            exchange.crashed()
        elif self._at == _HEAD:
            self.answer(OUR_FAULT)
        else:
            self.transport.abort()

    def _abandon(self) -> None:
        exchange = self._exchange
        if exchange is not None:
            if self._gateway.access is not None:
                self._note(self._gateway.access, "aborted", CLIENT_LEFT)
            self._exchange = None
            exchange.abandon()

    def _note(self, access: AccessLog, outcome: str, status: int = 0, error: str = "") -> None:
        """Leave a line of the present request, or of one whose head could not be read."""
        exchange = self._exchange
        if exchange is not None:
            access.note(exchange.entry(status, outcome, error, self._request_id))
        else:
            access.note(unread(self.address, status, outcome, error))

    def _linger(self) -> None:
        """Say that we have finished, and drop what still comes."""
        self._inbox = b""
        # TLS has no half of a connection to close.  With a whole request there is nothing more to come; with less, the
        # client learns from the framing, or when we close behind the lingering, that we have finished.
        if self._is_ended or (self._at == _WAIT and not self.transport.can_write_eof()):
            self._close()
            return
        self._at = _LINGER
        self._gateway.outbox.flush()
        self._go_on(_FULL_STACK | _FULL_INBOX)
        if self.transport.can_write_eof():
            self.transport.write_eof()
        if self.transport.get_write_buffer_size():
            self._await_reader()
        else:
            self._gateway.deadlines.within(self, self._gateway.times.linger)

    def _close(self) -> None:
        """Close once everything is written, which has a deadline too."""
        self._at = _CLOSING
        self._inbox = b""
        self._gateway.outbox.flush()
        self._await_reader()
        self.transport.close()

    def _cut(self) -> None:
        """Close with a reset: the client must not take what it has for the whole."""
        self._at = _CLOSING
        reset(self.transport)

    # Reading and deadlines.

    def _bound_inbox(self) -> None:
        """Stop reading while more has been sent ahead than may be; whoever takes of the inbox goes on."""
        if len(self._inbox) > self._gateway.options.pipeline_bytes_max:
            self._stop(_FULL_INBOX)

    def _stop(self, why: int) -> None:
        if not self._stops and not self.transport.is_closing():
            self.transport.pause_reading()
        self._stops |= why

    def _go_on(self, why: int) -> None:
        if self._stops:
            self._stops &= ~why
            if not self._stops and not self.transport.is_closing():
                self.transport.resume_reading()

    def _begin_rate(self) -> None:
        """Measure the body's rate anew, from its next byte on."""
        self._body_bytes = 0
        self._watch()

    def _watch(self) -> None:
        """Set the deadline for what the client is to do next; there is none while it waits for us."""
        deadlines, times = self._gateway.deadlines, self._gateway.times
        if self.is_full:
            self._await_reader()
        elif self._at == _BODY and not self._stops:
            within = times.body
            if self._body_bytes:
                due = self._body_since + times.body_grace + self._body_bytes // times.body_rate
                within = max(1, min(within, due - deadlines.tick))
            deadlines.within(self, within)
        elif self._at in (_BODY, _WAIT):
            self.deadline = NEVER
        elif self._at == _HEAD:
            deadlines.within(self, times.keep_alive)

    def _await_reader(self) -> None:
        """Wait until the client has taken what was written, or some of it."""
        self._unsent = self.transport.get_write_buffer_size()
        self._gateway.deadlines.within(self, self._gateway.times.response)
