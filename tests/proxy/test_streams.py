"""Whole connections at once: any requests and any answers in any pieces, in small buffers, with h11 at both ends."""

import asyncio
from dataclasses import dataclass

import h11
import uvloop
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.proxy.rig import Peer, Rig

SMALL = {"pipeline_bytes_max": 4096, "held_body_bytes_max": 2000, "write_buffer_bytes": 4096}
SIZES = st.integers(0, 300) | st.integers(0, 40_000)
fixed = settings(derandomize=settings().max_examples == 100, max_examples=settings().max_examples // 2)


@dataclass(frozen=True)
class Ask:
    """A request and its answer: their bodies, how they are framed, and in which pieces the answer comes."""

    method: str
    body: bytes
    is_chunked: bool
    answer: bytes
    framing: str
    step: int
    hints: int

    def wire(self, number: int) -> bytes:
        """Return the request as a client sends it."""
        client = h11.Connection(h11.CLIENT)
        headers = [("Host", "shop")]
        if self.is_chunked:
            headers.append(("Transfer-Encoding", "chunked"))
        elif self.body:
            headers.append(("Content-Length", str(len(self.body))))
        out = client.send(h11.Request(method=self.method, target=f"/{number}", headers=headers)) or b""
        for place in range(0, len(self.body), 997):
            out += client.send(h11.Data(data=self.body[place : place + 997])) or b""
        return out + (client.send(h11.EndOfMessage()) or b"")

    def reply(self) -> bytes:
        """Return the answer as the stack sends it."""
        hints = b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" * self.hints
        if self.framing == "chunked":
            pieces = [self.answer[place : place + 701] for place in range(0, len(self.answer), 701)]
            body = b"".join(b"%x;x\r\n%b\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"
            return hints + b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + body
        if self.framing == "until close":
            return hints + b"HTTP/1.1 200 OK\r\n\r\n" + self.answer
        return hints + b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(self.answer) + self.answer


ASKS = st.lists(
    st.builds(
        Ask,
        method=st.sampled_from(["GET", "PUT", "POST", "X-OWN"]),
        body=SIZES.map(lambda size: b"q" * size),
        is_chunked=st.booleans(),
        answer=SIZES.map(lambda size: b"a" * size),
        framing=st.sampled_from(["length", "chunked", "until close"]),
        step=st.sampled_from([1_000_000, 5000, 100]),
        hints=st.integers(0, 2),
    ),
    min_size=1,
    max_size=6,
)


class TestConnections:
    @fixed
    @given(ASKS, st.sampled_from([1_000_000, 10_000, 1500, 64]), st.booleans())
    def test_carry_what_was_said(self, asks: list[Ask], step: int, on_uvloop: bool) -> None:
        """
        The stack reads each request as it was, the client each answer, in order, whatever comes in which pieces.
        """
        factory = uvloop.new_event_loop if on_uvloop else asyncio.SelectorEventLoop
        with asyncio.Runner(loop_factory=factory) as runner:
            seen, answers = runner.run(played(asks, step))

        assert seen == [(ask.method.encode(), b"/%d" % number, ask.body) for number, ask in enumerate(asks)]
        assert answers == [(ask.hints, ask.answer) for ask in asks]


Seen = list[tuple[bytes, bytes, bytes]]


async def played(asks: list[Ask], step: int) -> tuple[Seen, list[tuple[int, bytes]]]:
    """Return what the stack reads, and what the client reads: for each answer its hints and its body."""
    seen: Seen = []
    rig = Rig()

    async def answers(peer: Peer) -> None:
        server = h11.Connection(h11.SERVER)
        while True:
            head, body = await read_request(peer, server)
            if head is None:
                return
            seen.append((head.method, head.target, body))
            ask = asks[int(head.target[1:])]
            await in_pieces(peer, ask.reply(), ask.step)
            if ask.framing == "until close":
                return
            server.send(h11.Response(status_code=200, headers=[("Content-Length", "0")]))
            server.send(h11.EndOfMessage())
            server.start_next_cycle()

    try:
        await rig.live(answers, **SMALL)
        client = await rig.client()
        wire = b"".join(ask.wire(number) for number, ask in enumerate(asks))
        sending = asyncio.ensure_future(in_pieces(client, wire, step))
        reader = h11.Connection(h11.CLIENT)
        got = [await read_answer(client, reader, ask) for ask in asks]
        await sending
        return seen, got
    finally:
        await rig.close()


async def in_pieces(peer: Peer, data: bytes, step: int) -> None:
    step = max(step, len(data) // 50)  # pieces enough
    for place in range(0, len(data), step):
        await peer.send(data[place : place + step])
        await asyncio.sleep(0)


async def read_request(peer: Peer, server: h11.Connection) -> tuple[h11.Request | None, bytes]:
    head, body = None, b""
    while not isinstance(event := server.next_event(), h11.EndOfMessage):
        if event is h11.NEED_DATA:
            data = await peer.some()
            if not data:
                return None, b""
            server.receive_data(data)
        elif isinstance(event, h11.Request):
            head = event
        elif isinstance(event, h11.Data):
            body += event.data
    return head, body


async def read_answer(client: Peer, reader: h11.Connection, ask: Ask) -> tuple[int, bytes]:
    """Return how many interim answers there were, and the body of the final one."""
    reader.send(h11.Request(method=ask.method, target="/", headers=[("Host", "shop")]))
    reader.send(h11.EndOfMessage())
    hints, body = 0, b""
    while not isinstance(event := reader.next_event(), h11.EndOfMessage):
        if event is h11.NEED_DATA:
            reader.receive_data(await client.some())
        elif isinstance(event, h11.InformationalResponse):
            hints += 1
        elif isinstance(event, h11.Data):
            body += event.data
    reader.start_next_cycle()
    return hints, body
