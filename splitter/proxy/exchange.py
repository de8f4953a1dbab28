"""One request, from its head to its end: the story of the data plane.

    the table is read once → a route, whose app may be parked → an arm is chosen and the request counted in flight →
    a connection is claimed → the body flows up, the response flows down → the connection goes back → the recorder
    hears of it

Rule 1: no task, no await, nothing collected.  Bodies pass piece by piece; whoever is slow holds the other side.
Rule 2: a client gets one final head.  A failure before it may become another attempt or an answer of ours; a failure
behind it cuts the connection, visibly (RFC 9112 §8).
Rule 3: a request is sent again only where that is safe: nothing of it was written, or its method is idempotent, all of
its body so far is held, and the client has had no byte of an answer (RFC 9110 §9.2.2).
    - nobody accepted a connection: another endpoint, then the fallback
    - a reused connection died before it brought a byte: once more to the same endpoint, on a new connection; that is
      the price of keep-alive and no fault of the stack
    - the shadow failed in any other way, a whole 5xx included: live, and the failure is the shadow's, the answer no
      sample of live
    - a drain cuts the request: who serves now
Rule 4: each request leaves the recorder exactly one trace for each stack it was counted for, at its end.

What each request calls takes its arguments by position: CPython 3.11 calls a function that has keyword-only ones the
slow way, which costs 0.1 µs.  Python calls and attributes are most of what a request costs here.

Long because it is one story, and whoever changes a part of it has to see the rest.
"""

from collections.abc import Sequence

from splitter.errors import UpstreamError
from splitter.http1.body import chunk, last_chunk
from splitter.http1.forwarding import PERSIST, connection_line, interim_head, response_head, switching_head
from splitter.http1.head import RequestHead, ResponseHead
from splitter.http1.upgrade import WEBSOCKET, agreed
from splitter.pairing import FAILED, Answer
from splitter.proxy.access import Entry
from splitter.proxy.choosing import choose
from splitter.proxy.client import Client
from splitter.proxy.dialing import UNCONNECTED, Dial
from splitter.proxy.gateway import Gateway
from splitter.proxy.mirror import Copy
from splitter.proxy.outbox import Turn
from splitter.proxy.parking import Lot
from splitter.proxy.pool import Pool
from splitter.proxy.replies import NO_ROOM, NO_ROUTE, NO_STACK, OUR_FAULT, at_last_hop, to_stack_fault
from splitter.proxy.traffic import DrainClass, Lane
from splitter.proxy.tunnel import Tunnel
from splitter.proxy.upstream import UpstreamConnection
from splitter.routing import Arm, Choice, Route

_IDEMPOTENT = frozenset((b"GET", b"HEAD", b"OPTIONS", b"PUT", b"DELETE", b"TRACE"))
_CONTINUE = 100
_REQUEST = DrainClass.REQUEST  # a member of an enumeration costs 90 ns at each use
_UNSERVED = "exhausted"  # splitter itself could not send the request, which says nothing of the stack
_FAILURE = 500  # and above: the server failed (RFC 9110 §15.6)
_NO_ANSWER = UNCONNECTED | {"protocol", "reset", "timeout"}  # reasons, of an endpoint
_OUTCOMES = dict.fromkeys((*UNCONNECTED, "full"), "connect")  # of a failed attempt, where it is not the reason's word


class Exchange:
    """A request on its way.  Made by the client's connection, which holds it until `end`, `answer` or `cut`."""

    # All slots, written once here: a store is 8 ns, while reading what only the class has would be 40 ns.
    __slots__ = (
        "_choice",
        "_client",
        "_client_key",
        "_connect_us",
        "_connection",
        "_copy",
        "_dial",
        "_dialled_s",
        "_first_byte_s",
        "_gateway",
        "_has_answered",
        "_has_retried",
        "_head",
        "_held",
        "_held_bytes",
        "_is_chunked_out",
        "_is_cut_short",
        "_is_delimited_out",
        "_is_fallback",
        "_is_over",
        "_is_sent",
        "_lane",
        "_lot",
        "_new_key_line",
        "_outside",
        "_pool",
        "_received_bytes",
        "_route",
        "_sent_bytes",
        "_served_by",
        "_started_s",
        "_status",
        "_tried",
        "_turn",
        "_waited_us",
        "_wire",
        "control",
        "drain_class",
        "overdue",
        "protocols",
    )

    # Of the request's body, from `start` on.
    _is_sent: bool  # the client has sent all of it
    _held: list[bytes] | None  # what came so far, while the request may be sent again
    _held_bytes: int
    _received_bytes: int
    # Of who serves it, from `_serve` on.
    _choice: Choice
    _lane: Lane
    _pool: Pool
    _turn: Turn  # in which the head was written
    control: bool

    def __init__(self, gateway: Gateway, client: Client, head: RequestHead, wire: bytes) -> None:
        # What it is for.
        self._gateway = gateway
        self._client = client
        self._head = head
        self._wire = wire  # the head as a stack gets it
        self.protocols: Sequence[bytes] = ()  # those that the client would rather speak
        # Who serves it, from `_serve` on.
        self._route: Route | None = None
        self._lot: Lot | None = None  # where it is parked
        self._client_key: bytes | str = ""  # that tells the client apart; empty: its address does
        self._new_key_line = b""  # of the response: gives the client its key
        self._served_by = b""  # the response's field that names the stack; empty: there is none
        self._copy: Copy | None = None  # for the shadow
        # How it is counted.
        self.overdue = False
        self.drain_class = _REQUEST
        self._is_over = True  # not counted in flight, nor in a pool; False while it is served
        self._outside = ""  # why it is no sample of the present arm, a word of `Window.outcomes`; empty: it is one
        self._is_fallback = False  # the shadow has failed it, or a drain has cut it
        self._is_cut_short = False
        # Of the present attempt.
        self._connection: UpstreamConnection | None = None
        self._dial: Dial | None = None
        self._has_retried = False  # once more on a new connection
        self._tried: tuple[Pool, ...] = ()  # of the arm's pools, those that could not be connected to
        # Of the answer.
        self._status = 0  # of the final head that the client has got
        self._has_answered = False  # with an interim response at least
        self._is_chunked_out = False
        self._is_delimited_out = True
        self._sent_bytes = 0  # of its body
        # When it was where.
        self._started_s = 0.0
        self._dialled_s = 0.0
        self._connect_us: int | None = None  # of a connection that was made for it
        self._waited_us = 0  # for stacks, before the head was written for the last time
        self._first_byte_s = 0.0  # of an answer that came in pieces; else it is the end

    def start(self, piece: bytes, is_sent: bool) -> None:
        """Choose who serves, and send; `piece` is the body so far, as it goes out, all of it if `is_sent`."""
        self._is_sent = is_sent
        self._held = [piece] if piece else []
        self._held_bytes = self._received_bytes = len(piece)
        self._serve(True)

    def end_here(self, piece: bytes) -> None:
        """Answer in place of a stack, which the request is not to reach."""
        self._received_bytes = len(piece)
        self._client.answer(at_last_hop(self._head.method))

    def unparked(self) -> None:
        """Choose who serves now, and send."""
        self._lot = None
        self._serve(False)

    def _serve(self, may_park: bool) -> None:
        gateway = self._gateway
        self._route = route = gateway.active.current.match(self._head.host, self._head.path)
        if route is None:
            self._client.answer(NO_ROUTE)
            return
        if gateway.parking.lots and may_park and self._is_parked(route):
            return
        choice = self._choose(route) if route.asks else route.choose()
        if choice is None:
            self._client.answer(NO_STACK)
            return
        self._lane = lane = gateway.lane(choice.arm)
        pools = lane.pools
        pool = pools[0] if len(pools) == 1 else lane.pick()  # the usual case without a call
        self._started_s = gateway.monotonic()
        self._choice = choice
        self.control = choice.control
        if choice.is_sample:
            lane.traffic.enter(self, self._started_s)
        else:
            self._outside = "tested"
            lane.traffic.enter_outside(self)
        lane.phases.begin(self._head.method)
        if route.served_by:
            self._served_by = route.served_by
        self._is_over = False
        held = self._held  # of which the attempt may let go
        self._attempt(pool)
        if route.mirroring is not None and choice.is_sample and not self._is_over:
            assert held is not None
            self._mirror(route, held)

    def _is_parked(self, route: Route) -> bool:
        """Wait, or be refused, while the app is parked; return whether it is."""
        lot = self._gateway.parking.lots.get(route.app)
        if lot is None:
            return False
        if lot.park(self):
            self._lot = lot
        else:
            self._client.answer(NO_ROOM)
        return True

    # What the client does.

    def send(self, piece: bytes, *, is_last: bool) -> None:
        """Send more of the body, as it goes out."""
        self._is_sent = is_last
        self._received_bytes += len(piece)
        held = self._held
        if held is not None and piece:
            held.append(piece)
            self._held_bytes += len(piece)
        connection = self._connection
        if connection is not None:
            if self._held_bytes > self._gateway.options.held_body_bytes_max:
                self._held = None
            connection.send(piece, is_last=is_last)
        elif self._held_bytes > self._gateway.options.held_body_bytes_max:
            self._client.hold_body()
        if self._copy is not None:
            self._copy.send(piece, is_last=is_last)

    def pause(self) -> None:
        """Hold the stack: the client does not take what we write."""
        if self._connection is not None:
            self._connection.pause()

    def resume(self) -> None:
        """Let the stack send on."""
        if self._connection is not None:
            self._connection.resume()

    def abandon(self) -> bool:
        """End without an answer: the client has gone, or broke the protocol.  Return whether a final head was sent."""
        if self._lot is not None:
            self._lot.leave(self)
        if not self._is_over:
            self._is_over = True
            self._drop_copy("aborted")
            self._detach()
            self._lane.traffic.leave(self)
            self._lane.traffic.recorder.record_aborted()
        return self._status != 0

    # What the stack does: `upstream.Requester` and `dialing.Caller`.

    def connected(self, connection: UpstreamConnection) -> None:
        """Send on a new connection."""
        self._dial = None
        self._connect_us = self._waited(self._dialled_s)
        self._send(connection)

    def interim(self, head: ResponseHead) -> None:
        """Pass an interim response on, unless the client is too old for it (RFC 9110 §15.2)."""
        if self._head.fields.minor:
            self._has_answered = True
            self._gateway.outbox.post(self._client.transport, interim_head(head))
            if head.status == _CONTINUE:
                self._client.expect_body()

    def switch(self, head: ResponseHead, data: bytes) -> None:
        """Join both connections in a tunnel; the sample is the 101, however long the tunnel lasts."""
        protocol = agreed(head, self.protocols)
        gateway, client, connection, traffic = self._gateway, self._client, self._connection, self._lane.traffic
        assert connection is not None
        self._connection = None
        self._status = head.status
        self._pool.failures = 0
        gateway.outbox.post(client.transport, switching_head(head, protocol, self._own_lines()))
        tunnel = Tunnel(gateway, traffic, self._pool, is_websocket=protocol == WEBSOCKET)
        self._count()
        connection.hand_over()
        ahead, is_ended = client.hand_over(tunnel)
        tunnel.join(client, connection, from_client=ahead, from_stack=data, is_ended=is_ended)

    def respond(self, head: ResponseHead, length: int, payload: bytes, trailers: bytes | None) -> None:
        """Send the final head, with what has come of the body in the same write."""
        if head.status >= _FAILURE and (arm := self._relief()) is not None:
            self._leave_failure(head.status, is_complete=trailers is not None)
            self._fall_back(arm)
            return
        client = self._client
        minor = self._head.fields.minor
        date = self._gateway.date_line
        self._status = head.status
        self._sent_bytes = len(payload)
        if not self._is_sent:
            client.persists = False
        if length < 0:
            self.drain_class = DrainClass.STREAM
            if not minor:  # HTTP/1.0 knows no chunks
                self._is_delimited_out = client.persists = False
        lines = PERSIST if minor and client.persists else connection_line(minor, client.persists)
        if self._new_key_line or self._served_by:
            lines += self._own_lines()
        if length >= 0 or not minor:
            out = response_head(head, lines, date)
        else:
            self._is_chunked_out = True
            out = response_head(head, lines, date, is_chunked=True)
            payload = self._chunked(payload, trailers)
        self._gateway.outbox.post(client.transport, out + payload if payload else out)
        if trailers is not None:
            self._finish()
        else:
            self._first_byte_s = self._gateway.monotonic()

    def forward(self, payload: bytes, trailers: bytes | None) -> None:
        """Send more of the body."""
        self._sent_bytes += len(payload)
        if self._is_chunked_out:
            payload = self._chunked(payload, trailers)
        if payload:
            self._gateway.outbox.post(self._client.transport, payload)
        if trailers is not None:
            self._finish()

    def failed(self, error: UpstreamError) -> None:
        """Serve the request from elsewhere, or answer for the stack, or cut what has begun."""
        connection = self._connection
        pool = self._pool
        is_stale = connection is not None and connection.is_reused and not connection.has_received
        self._waited(self._dialled_s if connection is None else self._turn.written_s)
        self._detach()
        may_resend = connection is None or (self._held is not None and not self._has_answered)
        if self._status:
            self._end_failed(error)
            self._client.cut(is_delimited=self._is_delimited_out)
        elif is_stale and may_resend and error.reason == "reset" and not self._has_retried and pool.has_room:
            self._has_retried = True
            self._gateway.counters.retries += 1
            pool.in_flight += 1
            self._connect(pool)
        elif connection is None and not self._is_cut_short and (untried := self._untried(pool)) is not None:
            self._blame(pool, error)
            self._attempt(untried)
        else:
            self._end_failed(error)
            arm = self._elsewhere() if may_resend else None
            if arm is not None:
                self._fall_back(arm)
            else:
                self._client.answer(to_stack_fault(error))

    def crashed(self) -> None:
        """End for a fault of our own, which counts against nobody."""
        if self._is_over:
            self._client.transport.abort()
        elif self.abandon():
            self._client.cut(is_delimited=self._is_delimited_out)
        else:
            self._client.answer(OUR_FAULT)

    def hold(self) -> None:
        """Hold the client: the stack does not take what we write."""
        self._client.hold_body()

    def go_on(self) -> None:
        """Let the client send on."""
        self._client.take_body()

    # What the access log asks.

    def entry(self, status: int, outcome: str, error: str, request_id: bytes) -> Entry:
        """Return what there is to say of the request at its end; `status` 0 is that of the answer's head."""
        route = self._route
        now_s = self._gateway.monotonic()
        started_s = self._started_s  # 0 where nobody could be chosen
        first_byte_us = None
        if self._status:
            first_byte_us = int(((self._first_byte_s or now_s) - (self._turn.written_s or now_s)) * 1e6)
        return Entry(
            app=route.app if route else "",
            route=route.rule.label if route else "",
            stack=self._lane.arm.stack if started_s else "",
            client=self._client.address,
            method=self._head.method,
            host=self._head.host,
            target=self._head.target,
            status=status or self._status,
            outcome=outcome,
            error=error,
            request_bytes=self._received_bytes,
            response_bytes=self._sent_bytes,
            total_us=int((now_s - started_s) * 1e6) if started_s else None,
            first_byte_us=first_byte_us,
            connect_us=self._connect_us,
            request_id=request_id,
            is_replayed=self._is_fallback,
            is_mirrored=self._copy is not None,
        )

    # What a drain does.

    def dismiss(self) -> None:
        """Go on: HTTP has no word for it in the middle of an answer."""

    def cut_short(self) -> None:
        """End at the deadline of a drain: who serves now takes over, if that is safe."""
        self._is_cut_short = True
        if self.drain_class is DrainClass.STREAM:  # which would have gone on for as long as its stack
            self._outside = self._outside or "drained"
        self._drop_copy("incomplete")
        self.failed(UpstreamError("timeout", "the request was still in flight at the deadline of a drain"))

    # Attempts.

    def _choose(self, route: Route) -> Choice | None:
        """Return who serves, where that depends on the request."""
        client = self._client
        choice, self._client_key, self._new_key_line = choose(route, client.former, client)
        return choice

    def _mirror(self, route: Route, held: list[bytes]) -> None:
        """Send a copy as well, where the route's dice say so; never of a request for another protocol."""
        arm = route.draw_copy(self._head.method)
        if arm is not None and arm is not self._lane.arm and not self.protocols:
            mirror = self._gateway.mirror(arm.stack)
            piece = b"".join(held)
            self._copy = mirror.begin(arm, self._head, self._wire, piece, self._started_s, is_sent=self._is_sent)

    def _drop_copy(self, word: str) -> None:
        copy, self._copy = self._copy, None
        if copy is not None:
            copy.drop(word)

    def _attempt(self, pool: Pool) -> None:
        """Send on an idle connection, or make one."""
        self._pool = pool
        pool.in_flight += 1
        connection = pool.claim(self._head.method in _IDEMPOTENT)
        if connection is not None:
            self._send(connection)
        elif pool.has_room:
            self._connect(pool)
        else:
            self.failed(UpstreamError("full", f"{pool.endpoint} has as many connections as it may have"))

    def _connect(self, pool: Pool) -> None:
        self._dialled_s = self._gateway.monotonic()
        self._dial = self._gateway.dial(pool, self)

    def _waited(self, since_s: float) -> int:
        """Count the time since then, unless it is 0, as waiting for a stack, and return it."""
        waited_us = int((self._gateway.monotonic() - since_s) * 1e6) if since_s else 0
        self._waited_us += waited_us
        return waited_us

    def _send(self, connection: UpstreamConnection) -> None:
        """Write the head, and what there is of the body, in one write."""
        self._connection = connection
        self._turn = self._gateway.outbox.turn
        held = self._held
        data = b"".join((self._wire, *held)) if held else self._wire
        method = self._head.method
        if method not in _IDEMPOTENT or self._held_bytes > self._gateway.options.held_body_bytes_max:
            self._held = None
        awaits_continue = self._head.fields.expects_continue and not self._is_sent and not self._received_bytes
        connection.begin(self, data, method == b"HEAD", self._is_sent, awaits_continue)
        if not self._is_sent and not connection.is_full:
            self._client.take_body()

    def _untried(self, pool: Pool) -> Pool | None:
        """Return a pool of the same arm that has not failed this request to connect."""
        self._tried += (pool,)
        return self._lane.pick_other(self._tried)

    def _blame(self, pool: Pool, error: UpstreamError) -> None:
        """Hold a failure against the endpoint, unless it is a drain's doing or ours."""
        if not self._is_cut_short and error.reason in _NO_ANSWER:
            self._lane.blame(pool, self._gateway.options)

    def _elsewhere(self) -> Arm | None:
        """Return the arm that may serve after a failure, as the current table has it; None: nobody."""
        if self._is_fallback:
            return None
        route = self._gateway.active.current.match(self._head.host, self._head.path)
        arms = route.arms if route is not None else ()
        fallback = self._choice.fallback
        for arm in arms:
            if fallback is not None and arm.stack == fallback.stack:
                return arm
        if self._is_cut_short:
            return next((arm for arm in arms if arm.weight and arm.stack != self._lane.arm.stack), None)
        return None

    def _relief(self) -> Arm | None:
        """Return live's arm, where it may answer in place of the shadow's failure; None: the client gets that."""
        if self._choice.fallback is None or self._held is None or self._has_answered:
            return None
        return self._elsewhere()

    def _leave_failure(self, status: int, *, is_complete: bool) -> None:
        """Count the shadow's 5xx, which the client will not see, and let go of the connection."""
        if is_complete:
            self._release()
        else:
            self._detach()
        self._lane.traffic.leave(self)
        self._record(status)

    def _fall_back(self, arm: Arm) -> None:
        self._gateway.counters.fallbacks += 1
        self._is_over = False
        self._is_fallback = True
        self._outside = self._outside or "replayed"
        self._is_cut_short = False
        self._has_retried = False
        self._connect_us = None
        self._tried = ()
        self._lane = self._gateway.lane(arm)
        self._lane.traffic.enter_outside(self)
        self._attempt(self._lane.pick())

    # The end.

    def _own_lines(self) -> bytes:
        """Return the lines that splitter adds to this response."""
        if not self._served_by:
            return self._new_key_line
        return b"%b%b: %b\r\n" % (self._new_key_line, self._served_by, self._lane.arm.stack.encode())

    def _chunked(self, payload: bytes, trailers: bytes | None) -> bytes:
        """Return `payload` as it goes to the client in chunks, with the end of the body if `trailers` are there."""
        if trailers is None:
            return chunk(payload)
        return chunk(payload) + last_chunk(trailers if self._head.fields.takes_trailers else b"")

    def _finish(self) -> None:
        """End an exchange whose response is complete."""
        self._release()
        self._count()
        self._client.end()

    def _count(self) -> None:
        """Count the answer, and the request in flight no longer."""
        self._is_over = True
        traffic = self._lane.traffic
        traffic.leave(self)
        if self._outside:
            traffic.recorder.record_outside(self._outside)
        else:
            self._record(self._status)

    def _release(self) -> None:
        """Let go of the connection of a response that is complete; it may carry another request."""
        connection, self._connection = self._connection, None
        assert connection is not None
        pool = self._pool
        pool.in_flight -= 1
        pool.failures = 0
        connection.release()

    def _record(self, status: int) -> None:
        """Count an answer of the present arm as a sample."""
        now_s = self._gateway.monotonic()
        latency_us = int((now_s - self._started_s) * 1e6)
        lane = self._lane
        client = self._client_key or self._client.address
        lane.traffic.recorder.record(status, latency_us, self.control, client, now_s, self.overdue)
        if self._copy is not None:
            self._copy.answered(Answer(status, latency_us, self._sent_bytes))
        if status < 400:
            written_s = self._turn.written_s or now_s
            if self._first_byte_s:
                first_byte_us = int((self._first_byte_s - written_s) * 1e6)
                overhead_us = int((written_s - self._started_s) * 1e6)
            else:  # an answer in one piece; saves a multiplication
                first_byte_us = int((now_s - written_s) * 1e6)
                overhead_us = latency_us - first_byte_us
            lane.phases.record(latency_us, first_byte_us, overhead_us - self._waited_us)
            if self._connect_us is not None:
                lane.phases.record_connect(self._connect_us)

    def _end_failed(self, error: UpstreamError) -> None:
        """Count the failure of the present arm."""
        self._is_over = True
        self._blame(self._pool, error)
        traffic = self._lane.traffic
        traffic.leave(self)
        if self._outside or error.reason == _UNSERVED:
            traffic.recorder.record_outside(self._outside or _UNSERVED)
        else:
            outcome = _OUTCOMES.get(error.reason, error.reason)
            now_s = self._gateway.monotonic()
            client = self._client_key or self._client.address
            traffic.recorder.record_failure(outcome, self.control, client, now_s, self.overdue)
            if self._copy is not None:
                self._copy.answered(Answer(FAILED))

    def _detach(self) -> None:
        """Let go of the present attempt's connection, which is not fit for another request."""
        connection, self._connection = self._connection, None
        dial, self._dial = self._dial, None
        self._pool.in_flight -= 1
        if connection is not None:
            connection.discard()
        if dial is not None:
            dial.forget()
