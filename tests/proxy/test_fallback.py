"""A request that a stack has failed, and who serves it then."""

import asyncio

import pytest

from splitter.model import Split
from tests.proxy.rig import LIVE, OK, SHADOW, Peer, Rig, Script, hangs, replies, resets, serves, settle, until

GET = b"GET / HTTP/1.1\r\nHost: shop\r\n\r\n"
POST = b"POST / HTTP/1.1\r\nHost: shop\r\nContent-Length: 5\r\n\r\nhello"
PUT = POST.replace(b"POST", b"PUT")
FROM_LIVE = b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nfrom live"


async def closes(peer: Peer) -> None:
    """Read a request and close in order."""
    await peer.message()


async def begins(peer: Peer) -> None:
    """Send the beginning of a head, and no more."""
    await peer.message()
    await peer.send(b"HTTP/1.1 200 O")


class TestShadowFails:
    @pytest.mark.parametrize("script", [resets, closes, begins, replies(b"garbage\r\n\r\n")])
    @pytest.mark.parametrize("request_bytes", [GET, PUT, PUT.replace(b"Content-Length: 5", b"content-length: 5")])
    async def test_live_serves_what_may_be_sent_again(self, rig: Rig, script: Script, request_bytes: bytes) -> None:
        """
        An idempotent request whose shadow brought no head is served by live, body and all; the failure is the shadow's.
        """
        seen = []

        async def remembers(peer: Peer) -> None:
            seen.append(await peer.message())
            await peer.send(FROM_LIVE)

        await rig.both(remembers, script)

        answer = await rig.get(request_bytes)

        assert answer.endswith(b"from live")
        assert seen[0].partition(b"\r\n\r\n")[2] == request_bytes.partition(b"\r\n\r\n")[2]
        assert rig.window(SHADOW).counts.e5 == 1
        assert rig.window(SHADOW).counts.n == 1
        assert rig.window(LIVE).counts.n == 0
        assert rig.outcomes(LIVE) == {"replayed": 1}
        assert rig.gateway.in_flight(SHADOW) == rig.gateway.in_flight(LIVE) == 0
        assert rig.gateway.stats().fallbacks == 1

    async def test_anything_may_be_sent_to_live_while_nobody_got_a_byte(self, rig: Rig) -> None:
        """
        A shadow that refuses connections has seen nothing: live serves POST as well.
        """
        _, shadow = await rig.both(serves(FROM_LIVE), resets)
        shadow.refuse()

        assert (await rig.get(POST)).endswith(b"from live")
        assert rig.outcomes(SHADOW) == {"connect": 1}

    @pytest.mark.parametrize("method", [b"POST", b"PATCH", b"X-OWN"])
    async def test_nothing_else_is_sent_twice(self, rig: Rig, method: bytes) -> None:
        """
        A request that is not idempotent is never sent again after a byte of it was; the client hears 502.
        """
        live, _ = await rig.both(serves(FROM_LIVE), resets)

        answer = await rig.get(POST.replace(b"POST", method))

        assert answer.startswith(b"HTTP/1.1 502 ")
        assert live.peers == []
        assert rig.outcomes(SHADOW) == {"reset": 1}

    async def test_a_body_that_was_not_kept_is_not_sent_again(self, rig: Rig) -> None:
        """
        Beyond what is held of a body, an idempotent request has one attempt.
        """
        live, _ = await rig.both(serves(FROM_LIVE), resets, held_body_bytes_max=1000)

        answer = await rig.get(b"PUT / HTTP/1.1\r\nHost: shop\r\nContent-Length: 1001\r\n\r\n" + b"a" * 1001)

        assert answer.startswith(b"HTTP/1.1 502 ")
        assert live.peers == []

    async def test_an_expectation_that_the_shadow_does_not_answer_is_lives(self, rig: Rig) -> None:
        """
        A client that waits for 100 gets live's when the shadow keeps silent.
        """

        async def continues(peer: Peer) -> None:
            await peer.head()
            await peer.send(b"HTTP/1.1 100 Continue\r\n\r\n")
            assert await peer.exactly(5) == b"hello"
            await peer.send(FROM_LIVE)
            await peer.rest()

        heard = asyncio.Event()

        async def keeps_silent(peer: Peer) -> None:
            await peer.head()
            heard.set()
            await peer.rest()

        await rig.both(continues, keeps_silent)
        client = await rig.client()
        await client.send(PUT.replace(b"Host", b"Expect: 100-continue\r\nHost").removesuffix(b"hello"))
        await heard.wait()

        rig.pass_time(30)

        assert (await client.head()).startswith(b"HTTP/1.1 100 ")
        await client.send(b"hello")
        assert (await client.message()).endswith(b"from live")
        assert rig.outcomes(SHADOW) == {"timeout": 1}

    async def test_a_body_that_is_still_coming_follows_to_live(self, rig: Rig) -> None:
        """
        What the shadow has got of a body is sent to live, and then the rest of it as it comes.
        """
        gone = asyncio.Event()

        async def reads_half(peer: Peer) -> None:
            await peer.head()
            assert await peer.exactly(3) == b"hel"
            peer.reset()
            gone.set()

        async def echoes(peer: Peer) -> None:
            await peer.head()
            await peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n" + await peer.exactly(5))

        live, _ = await rig.both(echoes, reads_half)
        client = await rig.client()
        await client.send(PUT[:-2])
        await gone.wait()
        await until(lambda: bool(live.peers))
        await client.send(b"lo")

        assert (await client.message()).endswith(b"hello")

    async def test_an_answer_that_has_begun_is_not_replaced(self, rig: Rig) -> None:
        """
        Behind the first byte that the client got there is no second attempt: the response is cut.
        """
        live, _ = await rig.both(serves(FROM_LIVE), replies(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nfrom"))
        client = await rig.client()
        await client.send(GET)

        answer = await client.rest()

        assert answer.count(b"HTTP/1.1 ") == 1
        assert answer.endswith(b"\r\n\r\nfrom")
        assert live.peers == []

    async def test_an_interim_response_is_a_byte_of_an_answer(self, rig: Rig) -> None:
        """
        A client that has had an interim response of the shadow gets its final one from the shadow, or 502.
        """
        live, _ = await rig.both(serves(FROM_LIVE), replies(b"HTTP/1.1 103 Early Hints\r\n\r\n"))
        client = await rig.client()
        await client.send(GET)

        assert (await client.head()).startswith(b"HTTP/1.1 103 ")
        assert (await client.head()).startswith(b"HTTP/1.1 502 ")
        assert live.peers == []

    async def test_an_error_is_an_answer(self, rig: Rig) -> None:
        """
        A 5xx of the shadow to what cannot be sent again reaches the client, and counts.
        """
        await rig.both(serves(FROM_LIVE), replies(b"HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n"))

        assert (await rig.get(POST)).startswith(b"HTTP/1.1 500 Oops\r\n")
        assert rig.outcomes(SHADOW) == {"5xx": 1}

    async def test_a_shadow_that_hangs_is_given_up(self, rig: Rig) -> None:
        """
        When the first byte is overdue, live serves.
        """
        _, shadow = await rig.both(serves(FROM_LIVE), hangs)
        client = await rig.client()
        await client.send(GET)
        await until(lambda: bool(shadow.peers))
        await settle()

        rig.pass_time(30)

        assert (await client.message()).endswith(b"from live")
        assert rig.outcomes(SHADOW) == {"timeout": 1}

    async def test_live_fails_too(self, rig: Rig) -> None:
        """
        There is one fallback: when live fails as well, the client hears so, and it is no sample of live.
        """
        await rig.both(resets, resets)

        assert (await rig.get()).startswith(b"HTTP/1.1 502 ")
        assert rig.outcomes(SHADOW) == {"reset": 1}
        assert rig.outcomes(LIVE) == {"replayed": 1}

    async def test_the_current_table_says_who_falls_back(self, rig: Rig) -> None:
        """
        A stack that the table does not name any more gets no request, not even a second attempt.
        """
        gone, go_on = asyncio.Event(), asyncio.Event()

        async def waits(peer: Peer) -> None:
            await peer.message()
            gone.set()
            await go_on.wait()
            peer.reset()

        live, shadow = await rig.both(serves(FROM_LIVE), waits)
        client = await rig.client()
        await client.send(GET)
        await gone.wait()
        rig.publish(Split(rig.stack(2, shadow)))
        go_on.set()

        assert (await client.message()).startswith(b"HTTP/1.1 502 ")
        assert live.peers == []

    async def test_live_never_falls_back_to_the_shadow(self, rig: Rig) -> None:
        """
        What live fails is live's failure.
        """
        live, shadow = await rig.origin(resets), await rig.origin(serves())
        await rig.start(Split(rig.stack(1, live), rig.stack(2, shadow), 0))

        assert (await rig.get()).startswith(b"HTTP/1.1 502 ")
        assert shadow.peers == []
        assert rig.outcomes(LIVE) == {"reset": 1}


class TestReusedConnection:
    """A stack may close a connection in the very moment that it is used again."""

    @staticmethod
    async def dies_at_second(peer: Peer) -> None:
        await peer.message()
        await peer.send(OK)
        await peer.message()
        peer.reset()

    async def test_is_tried_again_on_a_new_one(self, rig: Rig) -> None:
        """
        An idempotent request goes out once more, to the same endpoint, and nothing counts against the stack.
        """
        origin = await rig.live(self.dies_at_second, serves())
        client = await rig.client()

        for _ in range(2):
            await client.send(PUT)
            assert (await client.message()).endswith(b"ok")

        assert len(origin.peers) == 2
        assert rig.outcomes() == {"2xx": 2}
        assert rig.gateway.stats().retries == 1

    async def test_is_tried_again_once(self, rig: Rig) -> None:
        """
        If the new connection dies too, it is the stack's failure.
        """
        await rig.live(self.dies_at_second, resets)
        client = await rig.client()

        for status in (b"200", b"502"):
            await client.send(GET)
            assert (await client.message()).split()[1] == status

        assert rig.outcomes() == {"2xx": 1, "reset": 1}

    async def test_post_is_not(self, rig: Rig) -> None:
        """
        A POST that was written is not written again.
        """
        origin = await rig.live(self.dies_at_second, serves())
        client = await rig.client()

        for status in (b"200", b"502"):
            await client.send(POST)
            assert (await client.message()).split()[1] == status

        assert len(origin.peers) == 1

    async def test_post_meets_no_connection_that_the_stack_has_closed(self, rig: Rig) -> None:
        """
        The kernel is asked before a POST is written: a stack that closed its idle connection gets it on a new one.
        """
        origin = await rig.live(replies(OK), serves())
        client = await rig.client()

        await client.send(POST)
        assert (await client.message()).endswith(b"ok")
        await origin.peers[0].closed()
        await client.send(POST)
        assert (await client.message()).endswith(b"ok")

        assert len(origin.peers) == 2


class TestEndpoints:
    async def test_who_refuses_is_passed_over(self, rig: Rig) -> None:
        """
        An endpoint that refuses connections costs nobody a request while another one accepts.
        """
        dead, well = await rig.origin(resets), await rig.origin(serves())
        await rig.start(Split(rig.stack(1, dead, well)))
        dead.refuse()
        client = await rig.client()

        for _ in range(4):
            await client.send(POST)
            assert (await client.message()).endswith(b"ok")

        assert rig.outcomes() == {"2xx": 4}

    async def test_all_refuse(self, rig: Rig) -> None:
        """
        Each endpoint is tried once, then the client hears 502, and the stack has failed one request.
        """
        origins = [await rig.origin(resets) for _ in range(3)]
        await rig.start(Split(rig.stack(1, *origins)))
        for origin in origins:
            origin.refuse()

        assert (await rig.get()).startswith(b"HTTP/1.1 502 ")
        assert rig.outcomes() == {"connect": 1}


FAILURE = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 4\r\n\r\nsick"


class TestShadowAnswersWithAFailure:
    @pytest.mark.parametrize("request_bytes", [GET, PUT])
    async def test_live_answers_what_may_be_sent_again(self, rig: Rig, request_bytes: bytes) -> None:
        """
        A 5xx of the shadow to an idempotent request counts against the shadow, and the client gets live's answer.
        """
        await rig.both(serves(FROM_LIVE), serves(FAILURE))

        answer = await rig.get(request_bytes)

        assert answer.startswith(b"HTTP/1.1 200 ")
        assert answer.endswith(b"from live")
        assert rig.window(SHADOW).counts.e5 == 1
        assert rig.outcomes(SHADOW) == {"5xx": 1}
        assert rig.window(LIVE).counts.n == 0
        assert rig.outcomes(LIVE) == {"replayed": 1}
        assert rig.gateway.in_flight(SHADOW) == rig.gateway.in_flight(LIVE) == 0

    async def test_a_whole_failure_keeps_the_connection(self, rig: Rig) -> None:
        """
        The exchange with the shadow was clean, so its connection serves the next request.
        """
        _, shadow = await rig.both(serves(FROM_LIVE), serves(FAILURE))

        for _ in range(3):
            assert (await rig.get(GET)).endswith(b"from live")

        assert len(shadow.peers) == 1

    async def test_an_unfinished_failure_is_not_waited_for(self, rig: Rig) -> None:
        """
        Live answers as soon as the failure's head is there; the connection with the rest of it is closed.
        """
        _, shadow = await rig.both(serves(FROM_LIVE), serves(FAILURE.replace(b"4", b"4000000")))

        for _ in range(2):
            assert (await rig.get(GET)).endswith(b"from live")

        assert len(shadow.peers) == 2
        assert rig.outcomes(SHADOW) == {"5xx": 2}

    async def test_what_must_not_be_sent_twice_gets_it(self, rig: Rig) -> None:
        """
        The shadow has done what a POST asked for, or half of it: its answer is the client's.
        """
        live, _ = await rig.both(serves(FROM_LIVE), serves(FAILURE))

        assert (await rig.get(POST)).endswith(b"sick")
        assert live.peers == []
        assert rig.outcomes(SHADOW) == {"5xx": 1}

    async def test_a_client_error_is_an_answer(self, rig: Rig) -> None:
        """
        A 4xx is about the request, not about the stack.
        """
        live, _ = await rig.both(serves(FROM_LIVE), serves(FAILURE.replace(b"503", b"404")))

        assert (await rig.get(GET)).startswith(b"HTTP/1.1 404 ")
        assert live.peers == []

    async def test_live_has_the_last_word(self, rig: Rig) -> None:
        """
        Where live fails as well, its failure is the answer, and nobody asks a third time.
        """
        live, shadow = await rig.both(serves(FAILURE.replace(b"sick", b"live")), serves(FAILURE))

        assert (await rig.get(GET)).endswith(b"live")
        assert (len(live.peers), len(shadow.peers)) == (1, 1)
