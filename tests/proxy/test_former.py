"""Requests whose field lines came before go out as if they had not: equal bytes, to the same stack, for whom they are.

Clients and stacks are stand-ins that hand over bytes, so a whole data plane is played in a millisecond.
"""

import asyncio
import itertools
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from ipaddress import ip_network
from typing import Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from splitter.errors import UpstreamError
from splitter.http1.fields import HEAD_LIMITS
from splitter.http1.forwarding import CLOSE, interim_head, response_head
from splitter.http1.head import ResponseHead
from splitter.kpi import Ledger
from splitter.limits import FORMER_BLOCK_BYTES_MAX, FORMER_BLOCKS_MAX, FORMER_SPAN_S
from splitter.model import Endpoint, ServicePort, Side, Split, Stack, StackId, Sticky, StickyBy
from splitter.proxy.deadlines import Deadlines, ticks
from splitter.proxy.downstream import ClientConnection
from splitter.proxy.former import Formers
from splitter.proxy.gateway import Gateway
from splitter.proxy.options import ProxyOptions
from splitter.proxy.pool import Pool
from splitter.proxy.upstream import UpstreamConnection
from splitter.routing import ActiveTable, AllowedTesters, Arm, RouteRule, build_table
from tests.proxy.corpus import REQUESTS, RESPONSES

WEB = ServicePort("web", 80)
DATE: Final = b"Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n"
ANSWER: Final = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\n\r\n"
TESTERS = AllowedTesters("X-Stack", "stack", (ip_network("10.0.0.0/8"), ip_network("192.0.2.7/32")))
PEERS: Final = (  # and the addresses that they came to; those of 10/8 are trusted
    ("192.0.2.1", "127.0.0.1"),
    ("192.0.2.1", "127.0.0.2"),
    ("192.0.2.2", "127.0.0.1"),
    ("10.0.0.1", "127.0.0.1"),
    ("10.0.0.2", "127.0.0.1"),
)
STICKY: Final = (Sticky(StickyBy.COOKIE, "splitter"), Sticky(StickyBy.HEADER, "X-User"), Sticky(StickyBy.ADDRESS))

_LINES: Final = (
    b"",
    b"Cookie: splitter=0123; theme=dark\r\n",
    b"Cookie: splitter=4567; theme=dark\r\n",
    b"Cookie: theme=dark\r\nCookie: splitter=89ab\r\n",
    b"X-User: anna\r\n",
    b"X-User: bert\r\n",
    b"X-Stack: shadow\r\n",
    b"X-Stack: live\r\nCookie: stack=shadow\r\n",
    b"Cookie: stack=shadow; splitter=0123\r\n",
    b"X-Forwarded-For: 192.0.2.7\r\nX-Forwarded-Proto: https\r\n",
    b"X-Forwarded-For: 6.6.6.6, 198.51.100.9, 10.0.0.3\r\nForwarded: for=6.6.6.6\r\nX-Stack: shadow\r\n",
    b"X-Request-Id: mine\r\n",
    b"Connection: close, X-Hop\r\nX-Hop: 1\r\nX-End: 2\r\n",
    b"Connection: keep-alive\r\nKeep-Alive: timeout=5\r\nTE: trailers\r\n",
    b"Via: 1.1 elsewhere\r\n",
    b"Via: 1.1 splitter-1\r\n",
    b"traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\r\n",
    b"Connection: Upgrade\r\nUpgrade: websocket\r\n",
    b"Max-Forwards: 2\r\nX_Y: 1\r\n",
)
_STARTS: Final = (
    b"GET / HTTP/1.1\r\nHost: shop\r\n",
    b"HEAD /x?y HTTP/1.1\r\nHost: shop\r\n",
    b"GET http://other/z HTTP/1.1\r\nHost: shop\r\n",
    b"OPTIONS / HTTP/1.1\r\nHost: shop\r\n",
    b"GET / HTTP/1.0\r\nHost: shop\r\n",
    b"GET / HTTP/1.0\r\n",
)
CORPUS: Final = tuple(case.data for case in REQUESTS)
ALIKE: Final = tuple(tuple(start + lines + b"\r\n" for start in _STARTS) for lines in _LINES)
"""Messages with equal field lines, but for Host, in every form of a head."""

Step = tuple[bytes, tuple[str, str]]
"""A message, and whose connection it comes on."""

Trace = tuple[tuple[bytes, ...], bytes, tuple[str, bytes | str] | None]
"""What each stack got, what the client got, and who it was held for (address, key) if it was served."""


HINTS: Final = b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"
ANSWERS: Final = (
    ANSWER,
    ANSWER.replace(b"200 OK", b"404 Not Found"),
    ANSWER.replace(b"HTTP/1.1", b"HTTP/1.0"),
    ANSWER.replace(b"Length: 0", b"Length: 5") + b"hello",
    HINTS,
    HINTS + ANSWER,
    b"HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nX: y\r\n\r\n",
    b"HTTP/1.1 200 OK\r\n\r\nuntil the end",
    b"H" + ANSWER,
)
CORPUS_OF_ANSWERS: Final = tuple(case.data for case in RESPONSES)


class Wire(asyncio.Transport):
    """A transport that takes everything and remembers it."""

    def __init__(self, address: str = "", local: str = "") -> None:
        super().__init__({"peername": (address, 40_000), "sockname": (local, 8_080)})
        self.written: list[bytes] = []
        self._is_closing = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.written.append(bytes(data))

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        pass

    def get_write_buffer_size(self) -> int:
        return 0

    def can_write_eof(self) -> bool:
        return False

    def pause_reading(self) -> None:
        pass

    def resume_reading(self) -> None:
        pass

    def is_closing(self) -> bool:
        return self._is_closing

    def close(self) -> None:
        self._is_closing = True

    def abort(self) -> None:
        self._is_closing = True


class Owner:
    """A listener with room for everybody."""

    is_closing = False

    def opened(self, client: ClientConnection) -> bool:
        return True

    def closed(self, client: ClientConnection) -> None:
        pass


class Server(UpstreamConnection):
    """A connection to a stack that never says anything unasked."""

    def is_silent(self) -> bool:
        return not self.transport.is_closing()


class Plane:
    """A gateway in front of two apps, each with two stacks that get half of the clients; nothing here is random."""

    def __init__(self, sticky: Sticky) -> None:
        rules = [RouteRule(app, "", path, "web", 80, testers=TESTERS) for app, path in (("shop", "/"), ("blog", "/x"))]
        splits = {app: Split(stack(app, 1), stack(app, 2), 5_000, salt=app, sticky=sticky) for app in ("shop", "blog")}
        table = build_table(1, rules, splits, lambda below: 0)
        options = ProxyOptions(trusted_peers=(ip_network("10.0.0.0/8"),))
        self.gateway = Gateway(ActiveTable(table), Ledger(lambda: 0.0), options, monotonic=lambda: 1.0)
        self.gateway.name = b"splitter-1"
        self.gateway.next_request_id = lambda: b"id"
        self.gateway.date_line = b"Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n"
        for route in table.routes:  # chance comes out alike
            route.choose = partial(route.choose_for, b"by chance")  # type: ignore[method-assign]
        self._pools = [self.gateway.lane(arm).pick() for route in table.routes for arm in route.arms]
        self.clients: dict[tuple[str, str], ClientConnection] = {}

    def play(self, data: bytes, peer: tuple[str, str]) -> Trace:
        """Let the client at `peer` send `data`, and return what became of it; its connection goes on where it can."""
        client = self.clients.get(peer)
        if client is None or client.transport.is_closing() or not client.persists:
            client = self.clients[peer] = ClientConnection(self.gateway, Owner())
            client.connection_made(Wire(*peer))
        servers = [self._server(pool) for pool in self._pools]
        heard = wire_of(client).written = []
        client.data_received(data)
        exchange = client._exchange
        whom = None if exchange is None else (client.address, exchange._client_key)
        self.gateway.outbox.flush()
        for server in servers:
            for _ in range(8):  # what was sent ahead comes on the same connection
                if server._requester is None:
                    break
                server.data_received(ANSWER)
                self.gateway.outbox.flush()
        if client._exchange is not None or client._inbox:  # it waits for what will not come
            client.transport.close()
            client.connection_lost(None)
        return tuple(b"".join(wire_of(server).written) for server in servers), b"".join(heard), whom

    def _server(self, pool: Pool) -> Server:
        """Return the only idle connection of a pool, a new one."""
        for connection in list(pool._idle):
            connection.discard()
        server = Server(pool)
        server.connection_made(Wire())
        pool.put(server)
        return server


def stack(app: str, revision: int) -> Stack:
    endpoint = Endpoint("127.0.0.1", 9_000 + revision)
    return Stack(StackId(f"{app}-r{revision}"), app, revision, {WEB: (endpoint,)})


def wire_of(connection: ClientConnection | UpstreamConnection) -> Wire:
    assert isinstance(connection.transport, Wire)
    return connection.transport


def played(steps: Sequence[Step], plane_of: Callable[[], Plane]) -> list[Trace]:
    """Return what became of each step, on the plane that there is for it."""

    async def play() -> list[Trace]:
        return [plane_of().play(data, peer) for data, peer in steps]

    return asyncio.run(play())


@pytest.fixture(autouse=True, scope="module")
def no_dice() -> Iterator[None]:
    """Draw the same key and the same span each time."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("secrets.token_hex", lambda count: "ab" * count)
        yield


ORDERS: Final = (
    st.sampled_from(ALIKE)
    .flatmap(lambda alike: st.lists(st.sampled_from(alike + CORPUS), min_size=4, max_size=24))
    .flatmap(lambda some: st.lists(st.tuples(st.sampled_from(some), st.sampled_from(PEERS)), max_size=24))
)


class TestKnownRequest:
    @pytest.mark.parametrize("sticky", STICKY, ids=lambda sticky: sticky.by.value)
    @settings(max_examples=40, deadline=None)
    @given(ORDERS)
    def test_goes_out_as_if_it_were_not(self, sticky: Sticky, steps: list[Step]) -> None:
        """
        In whatever order messages come, and from whom, each becomes what a new data plane makes of it.
        """
        warm = Plane(sticky)

        assert played(steps, lambda: Plane(sticky)) == played(steps, lambda: warm)

    @pytest.mark.parametrize("sticky", STICKY, ids=lambda sticky: sticky.by.value)
    def test_goes_out_as_if_it_were_not_behind_one_that_is_alike(self, sticky: Sticky) -> None:
        """
        Each message from each peer, so that it is read, marked and known, next to those that are alike; then several
        times one after the other from a peer that speaks for others.
        """
        warm = Plane(sticky)
        peers = itertools.cycle((PEERS, PEERS[::-1]))  # so the last of one message is the first of the next
        steps = [(data, peer) for data in (*CORPUS, *itertools.chain(*ALIKE)) for peer in next(peers)]
        steps += [(alike[0], peer) for alike in ALIKE for peer in (*PEERS, *PEERS) for _ in range(2)]
        steps += [(alike[0], PEERS[3]) for alike in ALIKE] * 3

        assert played(steps, lambda: Plane(sticky)) == played(steps, lambda: warm)

    def test_is_known_to_other_connections(self) -> None:
        """
        Lines that have come twice are read no third time, whoever sends them.
        """
        plane = Plane(STICKY[0])

        played([(ALIKE[1][0], peer) for peer in PEERS], lambda: plane)

        first, *others = (plane.clients[peer].former for peer in PEERS)
        assert first is not others[0]
        assert all(other is others[0] for other in others)


class Listening:
    """Who has claimed a connection, and writes down what it is told, as a client would get it."""

    def __init__(self) -> None:
        self.heard: list[object] = []

    def interim(self, head: ResponseHead) -> None:
        self.heard.append(interim_head(head))

    def switch(self, head: ResponseHead, data: bytes) -> None:
        self.heard.append((head.status, head.fields.upgrade, data))

    def respond(self, head: ResponseHead, length: int, payload: bytes, trailers: bytes | None) -> None:
        out = [response_head(head, line, DATE, is_chunked=each) for line in (b"", CLOSE) for each in (False, True)]
        self.heard.append((head.status, head.minor, head.persists, out, length, payload, trailers))

    def forward(self, payload: bytes, trailers: bytes | None) -> None:
        self.heard.append((payload, trailers))

    def failed(self, error: UpstreamError) -> None:
        self.heard.append((error.reason, str(error)))

    def crashed(self) -> None:
        self.heard.append("crashed")

    def hold(self) -> None:
        pass

    def go_on(self) -> None:
        pass


def told(pool: Pool, pieces: Sequence[bytes], *, is_to_head: bool) -> tuple[list[object], bool]:
    """Return what is said of an answer that comes in `pieces`, and whether its connection may carry another."""
    requester, server = Listening(), Server(pool)
    server.connection_made(Wire())
    server.begin(requester, b"", is_to_head, is_sent=True)
    for piece in pieces:
        server.data_received(piece)
    return requester.heard, server._persists


ANSWERED: Final = st.tuples(
    st.sampled_from(ANSWERS * 3 + CORPUS_OF_ANSWERS), st.booleans(), st.sampled_from((0, 0, 1, len(HINTS), 60))
)


class TestKnownAnswer:
    @settings(max_examples=60, deadline=None)
    @given(st.lists(ANSWERED, max_size=6).map(lambda steps: steps * 3))
    def test_goes_out_as_if_it_were_not(self, steps: list[tuple[bytes, bool, int]]) -> None:
        """
        In whatever order answers come, whole or in two pieces, each is told as an endpoint's first one is.
        """
        self._compare(steps)

    def test_goes_out_as_if_it_were_not_behind_each_other(self) -> None:
        """
        Each answer behind each other one, again and again.
        """
        pairs = itertools.product(ANSWERS, ANSWERS + CORPUS_OF_ANSWERS)
        self._compare([(data, False, cut) for pair in pairs for data in pair * 2 for cut in (0, 1)])

    def _compare(self, steps: Sequence[tuple[bytes, bool, int]]) -> None:
        async def play() -> None:
            warm = pool()
            for data, is_to_head, cut in steps:
                pieces = list(filter(None, (data[:cut], data[cut:])))

                assert told(pool(), pieces, is_to_head=is_to_head) == told(warm, pieces, is_to_head=is_to_head)

        asyncio.run(play())


def pool() -> Pool:
    """Return the connections of an endpoint that was never asked before."""
    return Plane(STICKY[0]).gateway.lane(Arm(StackId("shop-r1"), Side.LIVE, 10_000, (Endpoint("127.0.0.1", 9),))).pick()


class TestFormers:
    def test_remembers_what_came_twice(self) -> None:
        """
        The first time is only marked: most lines never come again.
        """
        formers = Formers(Deadlines())
        first, second, third = (formers.read(b"Host: shop\r\n", 1, HEAD_LIMITS) for _ in range(3))

        assert first is not second
        assert second is third
        assert len(formers) == 1

    def test_tells_versions_apart(self) -> None:
        """
        The same lines say another thing in HTTP/1.0.
        """
        formers = Formers(Deadlines())
        read = [formers.read(b"Host: shop\r\n", minor, HEAD_LIMITS).fields for minor in (1, 1, 0, 0, 1)]

        assert [fields.minor for fields in read] == [1, 1, 0, 0, 1]
        assert [fields.persists for fields in read] == [True, True, False, False, True]

    def test_is_bounded(self) -> None:
        """
        A flood of lines that come twice each is forgotten as it passes; long ones are not even remembered.
        """
        formers = Formers(Deadlines())
        for number in range(4 * FORMER_BLOCKS_MAX):
            for _ in range(2):
                formers.read(b"Host: shop\r\nX: %d\r\n" % number, 1, HEAD_LIMITS)

        assert len(formers) <= FORMER_BLOCKS_MAX
        long = b"Host: shop\r\nX: %b\r\n" % (b"x" * FORMER_BLOCK_BYTES_MAX)
        assert formers.read(long, 1, HEAD_LIMITS) is not formers.read(long, 1, HEAD_LIMITS)

    def test_forgets_what_nobody_sends(self) -> None:
        """
        Lines hold cookies: when they have not come for the span, nothing of them is left.
        """
        deadlines = Deadlines()
        formers = Formers(deadlines)
        for _ in range(2):
            formers.read(b"Host: shop\r\nCookie: secret\r\n", 1, HEAD_LIMITS)

        for _ in range(ticks(FORMER_SPAN_S)):
            deadlines.advance()

        assert len(formers) == 0
