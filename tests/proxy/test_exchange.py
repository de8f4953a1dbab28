"""Requests and responses through the data plane, on real sockets."""

import asyncio
import os

import pytest

from splitter.model import Split
from tests.proxy.rig import LIVE, OK, Peer, Rig, no_descriptors, replies, resets, serves, settle, until

GET = b"GET / HTTP/1.1\r\nHost: shop\r\n\r\n"


class TestKeepAlive:
    async def test_one_connection_on_both_sides(self, rig: Rig) -> None:
        """
        Requests that follow each other on one connection share one connection to the stack.
        """
        origin = await rig.live(serves())
        client = await rig.client()

        for _ in range(5):
            await client.send(GET)
            assert (await client.message()).endswith(b"\r\n\r\nok")

        assert len(origin.peers) == 1
        assert rig.outcomes() == {"2xx": 5}
        assert rig.gateway.in_flight(LIVE) == 0

    async def test_http_1_0_closes_unless_asked(self, rig: Rig) -> None:
        """
        A client of HTTP/1.0 is answered and left, or told that the connection stays if it asked for that.
        """
        await rig.live(serves())
        stays, goes = await rig.client(), await rig.client()

        await stays.send(b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
        await goes.send(b"GET / HTTP/1.0\r\n\r\n")

        assert b"Connection: keep-alive\r\n" in await stays.message()
        await stays.send(b"GET / HTTP/1.0\r\n\r\n")
        assert b"Connection: close\r\n" in await stays.rest()
        assert b"Connection: close\r\n" in await goes.rest()

    async def test_close_is_obeyed(self, rig: Rig) -> None:
        """
        `Connection: close` closes the client's connection and not the stack's.
        """
        origin = await rig.live(serves())

        for _ in range(2):
            client = await rig.client()
            await client.send(b"GET / HTTP/1.1\r\nHost: shop\r\nConnection: close\r\n\r\n")
            answer = await client.rest()
            assert b"Connection: close\r\n" in answer
            assert answer.endswith(b"ok")

        assert len(origin.peers) == 1

    async def test_pipelined_requests_are_answered_in_order(self, rig: Rig) -> None:
        """
        What is sent ahead is answered one after the other, also after the client has closed its side.
        """

        async def echoes(peer: Peer) -> None:
            while True:
                target = (await peer.message()).split()[1]
                await peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(target), target))

        await rig.live(echoes)
        client = await rig.client()
        await client.send(
            b"GET /a HTTP/1.1\r\nHost: shop\r\n\r\n"
            b"PUT /b HTTP/1.1\r\nHost: shop\r\nContent-Length: 3\r\n\r\nxyz"
            b"GET /nowhere-else HTTP/1.1\r\nHost: shop\r\n\r\n"
            b"PUT /c HTTP/1.1\r\nHost: shop\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nxyz\r\n0\r\n\r\n"
            b"\r\nGET /d HTTP/1.1\r\nHost: shop\r\n\r\n"
        )
        client.half_close()

        answers = (await client.rest()).split(b"HTTP/1.1 200 OK")

        assert [answer.rpartition(b"\r\n")[2] for answer in answers] == [
            b"",
            b"/a",
            b"/b",
            b"/nowhere-else",
            b"/c",
            b"/d",
        ]

    async def test_what_is_sent_ahead_is_bounded(self, rig: Rig) -> None:
        """
        A client that sends ahead without end is not read any further.
        """
        await rig.live(hangs_after_head)
        client = await rig.client()
        client.writer.write(GET * 500_000)

        await until(lambda: rig.gateway.in_flight(LIVE) == 1)
        await settle()

        (connection,) = rig.listener._clients
        assert len(connection._inbox) < 64 * 1024 + 2 * 256 * 1024
        assert not connection.transport.is_reading()


async def hangs_after_head(peer: Peer) -> None:
    await peer.head()
    await peer.rest()


class TestBodies:
    @pytest.mark.parametrize("count", [0, 1, 65_536, 3_000_000])
    async def test_with_a_length_both_ways(self, rig: Rig, count: int) -> None:
        """
        A body with a length arrives byte by byte as it was, up and down.
        """
        body = bytes(range(256)) * (count // 256 + 1)
        body = body[:count]

        async def echoes(peer: Peer) -> None:
            head = await peer.head()
            assert b"Content-Length: %d\r\n" % count in head
            await peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % count + await peer.exactly(count))

        await rig.live(echoes)
        client = await rig.client()
        client.writer.write(b"POST / HTTP/1.1\r\nHost: shop\r\nContent-Length: %d\r\n\r\n" % count + body)

        assert b"Content-Length: %d\r\n" % count in await client.head()
        assert await client.exactly(count) == body

    async def test_in_chunks_both_ways(self, rig: Rig) -> None:
        """
        A body in chunks arrives with its payload as it was, in chunks of ours, with the trailers that may pass.
        """
        seen = []

        async def echoes(peer: Peer) -> None:
            seen.append(await peer.head())
            seen.append(await peer.reader.readuntil(b"\r\n\r\n"))
            await peer.send(
                b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n"
                b"005;ext\r\nhello\r\n6\r\n world\r\n0\r\nX-Sum: 1\r\nSet-Cookie: a\r\n\r\n"
            )
            await peer.rest()

        await rig.live(echoes)
        client = await rig.client()
        await client.send(
            b"POST / HTTP/1.1\r\nHost: shop\r\nTE: trailers\r\nTransfer-Encoding: chunked\r\n\r\n"
            b"3;x\r\nabc\r\n2\r\nde\r\n0\r\nX-Up: 1\r\nHost: evil\r\n\r\n"
        )

        assert b"Transfer-Encoding: chunked\r\n" in await client.head()
        assert await client.reader.readuntil(b"\r\n\r\n") == b"b\r\nhello world\r\n0\r\nX-Sum: 1\r\n\r\n"
        assert seen[1] == b"5\r\nabcde\r\n0\r\nX-Up: 1\r\n\r\n"
        await client.send(GET)  # the connection goes on

    async def test_trailers_of_one_hop_end_here(self, rig: Rig) -> None:
        """
        Trailers that Connection names pass in neither direction.
        """
        seen = []

        async def answers(peer: Peer) -> None:
            await peer.head()
            seen.append(await peer.reader.readuntil(b"\r\n\r\n"))
            await peer.send(
                b"HTTP/1.1 200 OK\r\nConnection: X-Hop\r\nTransfer-Encoding: chunked\r\n\r\n"
                b"0\r\nX-Hop: 1\r\nX-Sum: 2\r\n\r\n"
            )
            await peer.rest()

        await rig.live(answers)
        client = await rig.client()
        await client.send(
            b"POST / HTTP/1.1\r\nHost: shop\r\nTE: trailers\r\nConnection: X-Up\r\nTransfer-Encoding: chunked\r\n\r\n"
            b"0\r\nX-Up: 1\r\nX-Down: 2\r\n\r\n"
        )

        await client.head()
        assert await client.reader.readuntil(b"\r\n\r\n") == b"0\r\nX-Sum: 2\r\n\r\n"
        assert seen == [b"0\r\nX-Down: 2\r\n\r\n"]

    async def test_trailers_need_a_client_that_takes_them(self, rig: Rig) -> None:
        """
        Without `TE: trailers` a response's trailers end here.
        """
        await rig.live(replies(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\nX-Sum: 1\r\n\r\n"))

        assert (await rig.get()).endswith(b"\r\n\r\n1\r\na\r\n0\r\n\r\n")

    async def test_until_close_becomes_chunks(self, rig: Rig) -> None:
        """
        A response that ends with its connection goes to HTTP/1.1 in chunks, and the client's connection persists.
        """
        await rig.live(replies(b"HTTP/1.1 200 OK\r\n\r\nhello"))
        client = await rig.client()

        for _ in range(2):
            await client.send(GET)
            answer = await client.message()
            assert b"Transfer-Encoding: chunked\r\n" in answer
            assert answer.endswith(b"5\r\nhello\r\n0\r\n\r\n")

    async def test_http_1_0_gets_no_chunks(self, rig: Rig) -> None:
        """
        A client of HTTP/1.0 gets the payload, and its connection closed behind it.
        """
        chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"
        await rig.live(replies(chunked), replies(b"HTTP/1.0 200 OK\r\n\r\nhello"))

        for _ in range(2):
            client = await rig.client()
            await client.send(b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
            head, _, body = (await client.rest()).partition(b"\r\n\r\n")
            assert b"Connection: close" in head
            assert b"ransfer-Encoding" not in head
            assert body == b"hello"

    @pytest.mark.parametrize(
        ("request_line", "answer"),
        [
            (b"HEAD / HTTP/1.1", b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n"),
            (b"HEAD / HTTP/1.1", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"),
            (b"GET / HTTP/1.1", b"HTTP/1.1 304 Not Modified\r\nContent-Length: 1000\r\n\r\n"),
            (b"GET / HTTP/1.1", b"HTTP/1.1 204 No Content\r\n\r\n"),
        ],
    )
    async def test_without_one(self, rig: Rig, request_line: bytes, answer: bytes) -> None:
        """
        Responses to HEAD, and 204 and 304, end with their head; both connections go on.
        """
        origin = await rig.live(serves(answer))
        client = await rig.client()

        for _ in range(2):
            await client.send(request_line + b"\r\nHost: shop\r\n\r\n")
            head = await client.head()
            assert (b"Content-Length: 1000" in answer) == (b"Content-Length: 1000" in head)

        assert len(origin.peers) == 1

    async def test_pieces_are_not_held_back(self, rig: Rig) -> None:
        """
        Each piece of a response reaches the client before the next one is sent, as server-sent events need it.
        """
        go_on = asyncio.Event()

        async def streams(peer: Peer) -> None:
            await peer.head()
            await peer.send(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\ndata: 1\n\n")
            await go_on.wait()
            await peer.send(b"data: 2\n\n")

        await rig.live(streams)
        client = await rig.client()
        await client.send(GET)
        await client.head()

        assert await client.exactly(14) == b"9\r\ndata: 1\n\n\r\n"
        go_on.set()
        assert await client.exactly(19) == b"9\r\ndata: 2\n\n\r\n0\r\n\r\n"

    async def test_both_directions_at_once(self, rig: Rig) -> None:
        """
        A response may begin and go on while the request is still being sent.
        """

        async def echoes(peer: Peer) -> None:
            await peer.head()
            await peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n")
            for _ in range(3):
                await peer.send(await peer.exactly(2))

        await rig.live(echoes)
        client = await rig.client()
        await client.send(b"POST / HTTP/1.1\r\nHost: shop\r\nContent-Length: 6\r\n\r\n")
        await client.head()

        for piece in (b"ab", b"cd", b"ef"):
            await client.send(piece)
            assert await client.exactly(2) == piece


class TestCutResponses:
    @pytest.mark.parametrize(
        "answer",
        [
            b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello",
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\nX\r\n",
        ],
    )
    async def test_are_seen_as_incomplete(self, rig: Rig, answer: bytes) -> None:
        """
        A body that the stack does not finish ends short of its length, or without a last chunk.
        """
        client_has_begun = asyncio.Event()

        async def cuts(peer: Peer) -> None:
            await peer.head()
            head, hello, rest = answer.partition(b"hello\r\n" if b"chunked" in answer else b"hello")
            await peer.send(head + hello)
            await client_has_begun.wait()
            await peer.send(rest)

        await rig.live(cuts)
        client = await rig.client()
        await client.send(GET)
        head = await client.head()
        client_has_begun.set()

        assert head.startswith(b"HTTP/1.1 200 OK")
        assert await client.rest() in (b"hello", b"5\r\nhello\r\n")
        assert sum(count for word, count in rig.outcomes().items() if word in ("reset", "protocol")) == 1
        assert rig.window().counts.e5 == 1

    async def test_reset_where_nothing_else_would_show(self, rig: Rig) -> None:
        """
        A client of HTTP/1.0 that waits for the end gets a reset instead of one.
        """

        async def cuts(peer: Peer) -> None:
            await peer.head()
            await peer.send(b"HTTP/1.1 200 OK\r\n\r\nhello")
            await until(lambda: rig.gateway.counters.requests == 1)
            await settle()
            peer.reset()

        await rig.live(cuts)
        client = await rig.client()
        await client.send(b"GET / HTTP/1.0\r\n\r\n")

        with pytest.raises(ConnectionResetError):
            await client.rest()

    async def test_until_close_cut_by_a_reset_has_no_last_chunk(self, rig: Rig) -> None:
        """
        For HTTP/1.1 the last chunk is missing.
        """

        async def cuts(peer: Peer) -> None:
            await peer.head()
            await peer.send(b"HTTP/1.1 200 OK\r\n\r\nhello")
            await settle()
            peer.reset()

        await rig.live(cuts)
        client = await rig.client()
        await client.send(GET)

        assert (await client.rest()).endswith(b"\r\n\r\n5\r\nhello\r\n")


class TestInterimResponses:
    async def test_all_pass(self, rig: Rig) -> None:
        """
        Each 1xx passes with its fields, before the final response.
        """
        hints = b"HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\n"
        await rig.live(replies(b"HTTP/1.1 102 Processing\r\n\r\n" + hints + hints + OK))
        client = await rig.client()
        await client.send(GET)

        heads = [await client.head() for _ in range(4)]

        assert [head.split()[1] for head in heads] == [b"102", b"103", b"103", b"200"]
        assert b"Link: </a.css>\r\n" in heads[1]

    async def test_none_to_http_1_0(self, rig: Rig) -> None:
        """
        HTTP/1.0 knows no interim responses.
        """
        await rig.live(replies(b"HTTP/1.1 103 Early Hints\r\n\r\n" + OK))
        client = await rig.client()
        await client.send(b"GET / HTTP/1.0\r\n\r\n")

        assert (await client.rest()).startswith(b"HTTP/1.1 200 OK\r\n")

    @pytest.mark.parametrize(
        "answer", [b"HTTP/1.1 100 Continue\r\n\r\n" * 17 + OK, b"HTTP/1.1 101 Switching Protocols\r\n\r\n"]
    )
    async def test_are_bounded_and_switch_nothing(self, rig: Rig, answer: bytes) -> None:
        """
        Without end, or switching to a protocol that nobody asked for, they are the stack's fault.
        """
        await rig.live(replies(answer))
        client = await rig.client()
        await client.send(GET)

        while (head := await client.head()).startswith(b"HTTP/1.1 100 "):
            pass

        assert head.startswith(b"HTTP/1.1 502 ")
        assert rig.outcomes() == {"protocol": 1}

    async def test_continue_is_the_stacks_to_say(self, rig: Rig) -> None:
        """
        An expectation goes up, the stack's 100 comes down, and only then the body goes up.
        """

        async def continues(peer: Peer) -> None:
            assert b"Expect: 100-continue\r\n" in await peer.head()
            await peer.send(b"HTTP/1.1 100 Continue\r\n\r\n")
            assert await peer.exactly(5) == b"hello"
            await peer.send(OK)
            await peer.rest()

        await rig.live(continues)
        client = await rig.client()
        await client.send(b"PUT / HTTP/1.1\r\nHost: shop\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n")

        assert (await client.head()).startswith(b"HTTP/1.1 100 Continue\r\n")
        await client.send(b"hello")
        assert (await client.message()).endswith(b"ok")
        await client.send(GET)  # the connection persists

    async def test_refusal_is_the_stacks_to_say(self, rig: Rig) -> None:
        """
        A final response instead of 100 is relayed, and says that the connection closes: the body has not come.
        """
        refusal = b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n"

        async def refuses(peer: Peer) -> None:
            await peer.head()
            await peer.send(refusal)

        await rig.live(refuses)
        client = await rig.client()
        await client.send(b"PUT / HTTP/1.1\r\nHost: shop\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n")

        answer = await client.rest()

        assert answer.startswith(b"HTTP/1.1 413 Too Large\r\n")
        assert b"Connection: close\r\n" in answer


class TestEarlyResponses:
    async def test_are_read_while_the_body_is_still_sent(self, rig: Rig) -> None:
        """
        A stack may answer before it has read the body: the client gets the answer and no reset, as what it still sends
        is read and dropped.
        """

        async def answers_early(peer: Peer) -> None:
            await peer.head()
            await peer.send(b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 4\r\n\r\nauth")
            await peer.rest()

        origin = await rig.live(answers_early)
        client = await rig.client()
        await client.send(b"POST / HTTP/1.1\r\nHost: shop\r\nContent-Length: 50000000\r\n\r\n")
        await until(lambda: rig.outcomes() == {"4xx": 1})
        for _ in range(20):
            await client.send(b"x" * 100_000)

        answer = await client.rest()

        assert answer.startswith(b"HTTP/1.1 401 Unauthorized\r\n")
        assert b"Connection: close\r\n" in answer
        assert answer.endswith(b"auth")
        assert len(origin.peers) == 1

    async def test_lingering_ends(self, rig: Rig) -> None:
        """
        A client that sends on and on after the answer is closed in the end.
        """

        async def answers_early(peer: Peer) -> None:
            await peer.head()
            await peer.send(OK)
            await peer.rest()

        await rig.live(answers_early)
        client = await rig.client()
        await client.send(b"POST / HTTP/1.1\r\nHost: shop\r\nContent-Length: 5000\r\n\r\n")
        assert (await client.rest()).endswith(b"ok")
        assert rig.listener.clients == 1

        rig.pass_time(5)

        await until(lambda: rig.listener.clients == 0)


class TestClients:
    async def test_reset_ends_the_exchange(self, rig: Rig) -> None:
        """
        A client that resets its connection ends the stack's work at once, and nothing counts against the stack.
        """
        ended = asyncio.Event()

        async def works(peer: Peer) -> None:
            await peer.head()
            await peer.rest()
            ended.set()

        await rig.live(works)
        client = await rig.client()
        await client.send(GET)
        await until(lambda: rig.gateway.in_flight(LIVE) == 1 and bool(rig.origins[0].peers))
        client.reset()

        async with asyncio.timeout(10):
            await ended.wait()
        assert rig.outcomes() == {"aborted": 1}
        assert rig.window().counts.n == 0
        assert rig.gateway.in_flight(LIVE) == 0

    async def test_half_closed_after_a_whole_request_is_answered(self, rig: Rig) -> None:
        """
        A client's FIN behind a whole request is no abort.
        """
        await rig.live(serves())
        client = await rig.client()
        await client.send(GET)
        client.half_close()

        assert (await client.rest()).endswith(b"ok")
        assert rig.outcomes() == {"2xx": 1}

    async def test_half_closed_within_a_body_is_an_abort(self, rig: Rig) -> None:
        """
        A request that can never be complete ends at the stack as well, and its connection is not used again.
        """
        await rig.live(serves())
        client = await rig.client()
        await client.send(b"POST / HTTP/1.1\r\nHost: shop\r\nContent-Length: 9\r\n\r\nhalf")
        await until(lambda: bool(rig.origins[0].peers))
        client.half_close()

        assert await client.rest() == b""
        assert rig.outcomes() == {"aborted": 1}
        assert rig.gateway.stats().upstream_idle == ((LIVE, 0),)

    async def test_broken_chunks_end_the_exchange(self, rig: Rig) -> None:
        """
        A body that turns out to be no body is 400; the stack never sees the end of it.
        """
        seen = bytearray()

        async def reads(peer: Peer) -> None:
            seen.extend(await peer.rest())

        await rig.live(reads)
        client = await rig.client()
        await client.send(b"POST / HTTP/1.1\r\nHost: shop\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n")
        await until(lambda: bool(rig.origins[0].peers))
        await client.send(b"0x1\r\na\r\n0\r\n\r\nGET /smuggled HTTP/1.1\r\n\r\n")

        answer = await client.rest()

        assert answer.startswith(b"HTTP/1.1 400 ")
        assert b"Connection: close\r\n" in answer
        assert answer.count(b"HTTP/1.1") == 1
        assert rig.outcomes() == {"aborted": 1}
        assert b"0\r\n\r\n" not in seen.partition(b"\r\n\r\n")[2]  # a request id may end in 0 as well


class TestPool:
    @pytest.mark.parametrize(
        "answer",
        [
            OK + b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison",
            b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok",
            b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok",
        ],
    )
    async def test_unclean_connections_are_not_used_again(self, rig: Rig, answer: bytes) -> None:
        """
        Surplus behind a response, or a stack that will close: the next request gets another connection.
        """
        origin = await rig.live(serves(answer))
        client = await rig.client()

        for _ in range(3):
            await client.send(GET)
            assert (await client.message()).endswith(b"\r\n\r\nok")

        assert len(origin.peers) == 3

    async def test_body_to_head_is_surplus(self, rig: Rig) -> None:
        """
        A stack that answers HEAD with a body loses its connection, and the client does not see the body.
        """
        origin = await rig.live(serves(OK))
        client = await rig.client()

        for _ in range(2):
            await client.send(b"HEAD / HTTP/1.1\r\nHost: shop\r\n\r\n")
            assert (await client.head()).startswith(b"HTTP/1.1 200 OK\r\n")
        await client.send(GET)

        assert (await client.message()).endswith(b"ok")
        assert len(origin.peers) == 3

    async def test_late_bytes_poison_nobody(self, rig: Rig) -> None:
        """
        Bytes that come while a connection is idle close it; the next request gets its own answer.
        """
        poison = b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison"
        origin = await rig.live(serves())
        client = await rig.client()
        await client.send(GET)
        await client.message()
        await origin.peers[0].send(poison)
        await until(lambda: rig.gateway.stats().upstream_idle == ((LIVE, 0),))

        await client.send(GET)

        assert (await client.message()).endswith(b"ok")
        assert len(origin.peers) == 2

    async def test_bytes_that_nobody_has_read_yet_poison_nobody(self, rig: Rig) -> None:
        """
        A claim asks the kernel: what the event loop has not seen yet makes a connection unfit as well.
        """
        origin = await rig.live(serves())
        await rig.get()
        (pool,) = rig.gateway._traffic[LIVE].pools.values()
        await until(lambda: pool.idle == 1)
        os.write(origin.peers[0].writer.get_extra_info("socket").fileno(), OK)

        assert pool.claim(may_fail=False) is None
        assert pool.idle == 0

    async def test_what_has_rested_is_asked_whatever_may_fail(self, rig: Rig) -> None:
        """
        Behind the tick of its last use a connection is looked at for every request.
        """
        origin = await rig.live(serves())
        await rig.get()
        (pool,) = rig.gateway._traffic[LIVE].pools.values()
        await until(lambda: pool.idle == 1)
        rig.pass_time(0)
        os.write(origin.peers[0].writer.get_extra_info("socket").fileno(), OK)

        assert pool.claim(may_fail=True) is None

    async def test_last_used_is_used_first(self, rig: Rig) -> None:
        """
        The pool is a stack: connections that are not needed grow old and expire.
        """
        origin = await rig.live(serves())
        clients = [await rig.client() for _ in range(3)]
        for client in clients:
            client.writer.write(GET)
        for client in clients:
            await client.message()
        await until(lambda: rig.gateway.stats().upstream_idle == ((LIVE, len(origin.peers)),))

        rig.pass_time(20)
        for _ in range(5):
            await clients[0].send(GET)
            await clients[0].message()
        rig.pass_time(15)

        await until(lambda: rig.gateway.stats().upstream_open == ((LIVE, 1),))

    async def test_room_is_bounded(self, rig: Rig) -> None:
        """
        Beyond the connections that an endpoint may have, requests get 503 and when to come back.
        """
        await rig.live(hangs_after_head, connections_per_endpoint_max=1, idle_per_endpoint_max=1)
        first = await rig.client()
        await first.send(GET)
        await until(lambda: rig.gateway.in_flight(LIVE) == 1)

        answer = await rig.get()

        assert answer.startswith(b"HTTP/1.1 503 ")
        assert b"Retry-After: 1\r\n" in answer

    async def test_least_requests_in_flight(self, rig: Rig) -> None:
        """
        Of several endpoints the one with the fewest requests is next, and equal ones take turns.
        """
        busy = await rig.origin(hangs_after_head)
        idle = [await rig.origin(serves()), await rig.origin(serves())]
        await rig.start(None)
        rig.publish(Split(rig.stack(1, busy, *idle)))
        waiting = await rig.client()
        while not busy.peers:
            waiting = await rig.client()
            await waiting.send(GET)
            await until(lambda: rig.gateway.in_flight(LIVE) == 0 or bool(busy.peers))

        client = await rig.client()
        for _ in range(6):
            await client.send(GET)
            assert (await client.message()).endswith(b"ok")

        assert len(busy.peers) == 1
        assert all(origin.peers for origin in idle)


class TestLastHop:
    @pytest.mark.parametrize(
        ("method", "status", "why"),
        [(b"OPTIONS", b"200", b"splitter"), (b"TRACE", b"405", b"splitter; error=http_request_denied")],
    )
    async def test_answers_what_goes_no_further(self, rig: Rig, method: bytes, status: bytes, why: bytes) -> None:
        """
        RFC 9110 §7.6.2: with Max-Forwards 0 it is splitter that answers, for itself, and the connection is kept.
        """
        origin = await rig.live(serves())
        client = await rig.client()
        for _ in range(2):
            await client.send(method + b" / HTTP/1.1\r\nHost: shop\r\nMax-Forwards: 0\r\n\r\n")

            answer = await client.message()

            assert answer.startswith(b"HTTP/1.1 " + status)
            assert b"\r\nProxy-Status: " + why + b"\r\n" in answer
            assert b"\r\nAllow: GET, HEAD, " in answer
        assert origin.peers == []
        await client.send(GET)
        assert (await client.message()).endswith(b"ok")

    async def test_with_a_body_that_has_not_come_is_the_last_on_its_connection(self, rig: Rig) -> None:
        """
        A request whose body nobody reads is answered, and its connection closed.
        """
        await rig.live(serves())
        client = await rig.client()

        await client.send(b"OPTIONS / HTTP/1.1\r\nHost: shop\r\nMax-Forwards: 0\r\nContent-Length: 5\r\n\r\nhe")

        answer = await client.rest()
        assert answer.startswith(b"HTTP/1.1 200 ")
        assert b"\r\nConnection: close\r\n" in answer

    async def test_passes_others_on_with_one_hop_less(self, rig: Rig) -> None:
        """
        The stack gets the number that is left, on a connection that other requests share.
        """
        heads: list[bytes] = []

        async def keeps(peer: Peer) -> None:
            while True:
                heads.append(await peer.message())
                await peer.send(OK)

        await rig.live(keeps)
        client = await rig.client()

        for left in (b"3", b"2"):
            await client.send(b"OPTIONS / HTTP/1.1\r\nHost: shop\r\nMax-Forwards: " + left + b"\r\n\r\n")
            assert (await client.message()).endswith(b"ok")

        assert [b"\r\nMax-Forwards: 2\r\n" in heads[0], b"\r\nMax-Forwards: 1\r\n" in heads[1]] == [True, True]


class TestOwnAnswers:
    async def test_no_stack(self, rig: Rig) -> None:
        """
        An app without a stack is 503; the client may come back on the same connection.
        """
        await rig.start(None)
        client = await rig.client()

        for _ in range(2):
            await client.send(GET)
            answer = await client.message()
            assert answer.startswith(b"HTTP/1.1 503 ")
            assert b"Retry-After: " in answer
            assert b"Proxy-Status: splitter; error=destination_unavailable\r\n" in answer
            assert b"Connection: close" not in answer

    @pytest.mark.parametrize(
        ("request_bytes", "status"),
        [
            (b"GET / HTTP/1.1\r\n\r\n", 400),
            (b"GET / HTTP/1.1\nHost: shop\n\n", 400),
            (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400),
            (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505),
            (b"CONNECT shop:443 HTTP/1.1\r\nHost: shop:443\r\n\r\n", 405),
            (b"GET /" + b"a" * 40_000, 414),
            (b"GET / HTTP/1.1\r\nX: " + b"a" * 40_000, 431),
            (b"PUT / HTTP/1.1\r\nHost: shop\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", 501),
            (b"PUT / HTTP/1.1\r\nHost: shop\r\nExpect: x\r\n\r\n", 417),
            (b"PUT / HTTP/1.1\r\nHost: shop\r\nContent-Length: 1001\r\n\r\n", 413),
            (
                b"PUT / HTTP/1.1\r\nHost: shop\r\nTransfer-Encoding: chunked\r\n\r\n3ea\r\n"
                + b"a" * 1002
                + b"\r\n0\r\n\r\n",
                413,
            ),
            (b"PUT / HTTP/1.1\r\nHost: shop\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n", 400),
        ],
    )
    async def test_what_is_refused_is_answered_and_closed(self, rig: Rig, request_bytes: bytes, status: int) -> None:
        """
        A request that cannot be served is answered once, and what is behind it on the connection is never read.
        """
        origin = await rig.live(serves(), body_bytes_max=1000)
        client = await rig.client()
        await client.send(request_bytes + GET)

        answer = await client.rest()

        assert answer.startswith(b"HTTP/1.1 %d " % status)
        assert answer.count(b"HTTP/1.1 ") == 1
        assert b"Connection: close\r\n" in answer
        assert b"Proxy-Status: splitter; error=" in answer
        assert origin.peers == []
        assert rig.gateway.stats().replies == ((status, 1),)

    @pytest.mark.parametrize(
        ("request_bytes", "status"),
        [
            (b"GET /" + b"a" * 1024 + b" HTTP/1.1\r\nHost: shop\r\n\r\n", 414),
            (b"GET / HTTP/1.1\r\nHost: shop\r\n" + b"X: 1\r\n" * 16 + b"\r\n", 431),
            (b"GET / HTTP/1.1\r\nHost: shop\r\nX: " + b"a" * 1100 + b"\r\n\r\n", 431),
            (b"GET / HTTP/1.1\r\nHost: shop\r\n" + b"X: 0123456789\r\n" * 15 + b"Y: " + b"a" * 1000, 431),
        ],
    )
    async def test_bounds_of_heads_are_options(self, rig: Rig, request_bytes: bytes, status: int) -> None:
        """
        A head that would pass by default is refused where an operator has said so.
        """
        bounds = {"head_bytes_max": 1200, "head_fields_max": 16, "field_bytes_max": 1024, "target_bytes_max": 1024}
        await rig.live(serves(), **bounds)

        assert (await rig.get(request_bytes)).startswith(b"HTTP/1.1 %d " % status)

    async def test_body_of_as_much_as_may_be_passes(self, rig: Rig) -> None:
        """
        The bound on a body is exact, in chunks as well.
        """
        await rig.live(serves(), body_bytes_max=1000)
        head = b"PUT / HTTP/1.1\r\nHost: shop\r\n"
        chunks = b"1f4\r\n" + b"a" * 500 + b"\r\n"

        assert (await rig.get(head + b"Content-Length: 1000\r\n\r\n" + b"a" * 1000)).endswith(b"ok")
        assert (await rig.get(head + b"Transfer-Encoding: chunked\r\n\r\n" + chunks * 2 + b"0\r\n\r\n")).endswith(b"ok")

    async def test_have_no_body_for_head(self, rig: Rig) -> None:
        """
        An answer of ours to HEAD ends with its head.
        """
        await rig.start(None)
        client = await rig.client()
        await client.send(b"HEAD / HTTP/1.1\r\nHost: shop\r\n\r\n" + GET)
        client.half_close()

        heads = (await client.rest()).split(b"HTTP/1.1 503 ")

        assert heads[1].endswith(b"\r\n\r\n")
        assert heads[2].endswith(b"\n")

    @pytest.mark.parametrize(
        ("answer", "status"),
        [
            (b"<html>hello</html>\r\n\r\n", 502),
            (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\nok", 502),
            (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n", 502),
            (b"HTTP/1.1 200 OK\nContent-Length: 2\n\nok", 502),
            (b"HTTP/1.1 200 OK\r\nX : y\r\n\r\n", 502),
            (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n", 502),
            (b"HTTP/1.1 200 OK\r\nX: " + b"a" * 40_000, 502),
            (b"HTTP/1.1 20", 502),
            (b"", 502),
        ],
    )
    async def test_for_a_stack_that_cannot_answer(self, rig: Rig, answer: bytes, status: int) -> None:
        """
        Garbage, ambiguity or nothing from live becomes one answer of ours, and counts against live.
        """
        await rig.live(replies(answer))

        got = await rig.get()

        assert got.startswith(b"HTTP/1.1 %d " % status)
        assert b"Connection: close" not in got
        assert rig.window().counts.e5 == 1
        assert rig.gateway.in_flight(LIVE) == 0

    async def test_for_a_stack_that_is_not_there(self, rig: Rig) -> None:
        """
        A refused connection is 502 and counts as `connect`.
        """
        origin = await rig.live(resets)
        origin.refuse()

        answer = await rig.get()

        assert answer.startswith(b"HTTP/1.1 502 ")
        assert b"error=connection_refused" in answer
        assert rig.outcomes() == {"connect": 1}

    async def test_for_want_of_descriptors(self, rig: Rig) -> None:
        """
        A request for which splitter can open no connection is 503 and no sample of the stack; the next one is served.
        """
        await rig.live(serves())
        client = await rig.client()
        await until(lambda: rig.listener.clients == 1)

        with no_descriptors():
            await client.send(GET)
            answer = await client.message()

        assert answer.startswith(b"HTTP/1.1 503 ")
        assert rig.outcomes() == {"exhausted": 1}
        assert rig.window().counts.n == 0
        await client.send(GET)
        assert (await client.message()).endswith(b"ok")

    async def test_too_many_clients(self, rig: Rig) -> None:
        """
        A client beyond the bound is told so and closed; the others are served on.
        """
        await rig.live(serves(), client_connections_max=1)
        first = await rig.client()
        await first.send(GET)
        await first.message()

        second = await rig.client()

        assert (await second.rest()).startswith(b"HTTP/1.1 503 ")
        await first.send(GET)
        assert (await first.message()).endswith(b"ok")
        assert rig.gateway.stats().clients_refused == 1
