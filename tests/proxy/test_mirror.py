"""Copies for a shadow: what it gets, what is learnt from it, and that nobody else notices."""

import asyncio
import logging
import re
from dataclasses import replace
from ipaddress import ip_network

import pytest

from splitter.model import Pairs, Split
from splitter.proxy.mirror import Copy
from splitter.routing import AllowedTesters
from tests.proxy.rig import LIVE, OK, SHADOW, Peer, Rig, Script, hangs, replies, resets, serves, settle, until, within

GET = b"GET /a HTTP/1.1\r\nHost: shop\r\nX-Mine: 1\r\n\r\n"
TRACED = GET[:-2] + b"traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\r\n\r\n"
FROM_LIVE = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nlive"
FAILURE = b"HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n"
PATIENCE_S = 60
MIB = 1024 * 1024


def put(size: int, path: str = "/up") -> bytes:
    """Return a request with a body of `size` bytes."""
    return f"PUT {path} HTTP/1.1\r\nHost: shop\r\nContent-Length: {size}\r\n\r\n".encode() + b"x" * size


def put_in_chunks(size: int, path: str = "/up") -> bytes:
    """Return the same request in chunks."""
    head = f"PUT {path} HTTP/1.1\r\nHost: shop\r\nTransfer-Encoding: chunked\r\n\r\n".encode()
    chunk = b"3e8\r\n" + b"x" * 1000 + b"\r\n"
    return head + chunk * (size // 1000) + b"0\r\n\r\n"


async def tells(peer: Peer) -> None:
    """Answer every request with its path and how much body came with it."""
    while True:
        head, _, body = (await peer.message()).partition(b"\r\n\r\n")
        said = b"%b %d" % (head.split(b" ")[1], body.count(b"x"))
        await peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(said), said))


def remembers(seen: list[bytes]) -> Script:
    """Return a script that notes every request, and answers it."""

    async def script(peer: Peer) -> None:
        while True:
            seen.append(await peer.message())
            await peer.send(OK)

    return script


async def never_reads(peer: Peer) -> None:
    """Take nothing, for ever."""
    peer.hold()
    await asyncio.Event().wait()


async def answers_early(peer: Peer) -> None:
    """Answer the head, and leave the body."""
    await peer.head()
    await peer.send(FAILURE)


async def floods(peer: Peer) -> None:
    """Answer with more than was asked for, and in pieces that never end."""
    await peer.head()
    await peer.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    while True:
        await peer.send(b"400\r\n" + b"y" * 1024 + b"\r\n")


async def drips(peer: Peer) -> None:
    """Begin an answer, and do not end it."""
    await peer.head()
    await peer.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\ny\r\n")
    await peer.rest()


def pairs(rig: Rig) -> Pairs:
    """Return the pairs so far."""
    return rig.window(SHADOW).pairs or Pairs()


def copies(rig: Rig) -> dict[str, int]:
    """Return what became of the copies so far."""
    return dict(rig.window(SHADOW).copies)


class TestCopy:
    async def test_is_the_request_and_says_that_it_is_a_copy(self, rig: Rig) -> None:
        """
        The shadow gets what live gets, with the same Host and request id, and one line more; live answers.
        """
        live: list[bytes] = []
        shadow: list[bytes] = []
        await rig.mirrored(remembers(live), remembers(shadow))

        answer = await rig.get(GET)
        await until(lambda: copies(rig) == {"paired": 1})

        assert answer.endswith(b"ok")
        assert shadow == [live[0][:-2] + b"X-Splitter-Mirror: 1\r\n\r\n"]
        assert b"\r\nHost: shop\r\n" in shadow[0]
        assert b"\r\nX-Request-Id: " in shadow[0]

    async def test_is_another_child_of_the_clients_span(self, rig: Rig) -> None:
        """
        Request and copy are in one trace, each with a parent id of its own.
        """
        live: list[bytes] = []
        shadow: list[bytes] = []
        await rig.mirrored(remembers(live), remembers(shadow))

        await rig.get(TRACED)
        await until(lambda: copies(rig) == {"paired": 1})

        spans = [re.findall(rb"\r\ntraceparent: 00-(\w+)-(\w+)-01\r\n", each) for each in (live[0], shadow[0])]
        [(trace, span)], [(trace_of_copy, span_of_copy)] = spans
        assert trace == trace_of_copy == b"0af7651916cd43dd8448eb211c80319c"
        assert len({span, span_of_copy, b"b7ad6b7169203331"}) == 3

    async def test_mark_of_a_client_is_not_passed_on(self, rig: Rig) -> None:
        """
        A client cannot make a stack take its own request for a copy, however it spells that.
        """
        live: list[bytes] = []
        await rig.mirrored(remembers(live), serves())

        await rig.get(GET[:-2] + b"x-splitter-mirror: 1\r\nX_Splitter_Mirror: 1\r\n\r\n")

        assert b"mirror" not in live[0].lower()

    async def test_is_made_of_the_methods_that_are_to_be(self, rig: Rig) -> None:
        """
        What changes something is not done twice, unless the operator says so.
        """
        _, shadow = await rig.mirrored(tells, serves())

        for request in (put(10), put_in_chunks(1000), GET.replace(b"GET", b"DELETE"), GET.replace(b"GET", b"POST")):
            await rig.get(request)

        assert shadow.peers == []
        assert copies(rig) == {}

    @pytest.mark.parametrize("request_bytes", [put(100_000), put_in_chunks(100_000)])
    async def test_has_the_whole_body(self, rig: Rig, request_bytes: bytes) -> None:
        """
        A body goes to both, however it is framed.
        """
        shadow: list[bytes] = []
        await rig.mirrored(tells, remembers(shadow), methods=(b"PUT",))

        answer = await rig.get(request_bytes)
        await until(lambda: copies(rig) == {"paired": 1})

        assert answer.endswith(b"/up 100000")
        assert shadow[0].count(b"x") == 100_000

    async def test_is_not_made_of_an_upgrade(self, rig: Rig) -> None:
        """
        Nobody would speak the other protocol with the shadow.
        """
        _, shadow = await rig.mirrored(serves(), serves())

        await rig.get(
            b"GET /ws HTTP/1.1\r\nHost: shop\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
            b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
        )

        assert shadow.peers == []

    async def test_is_not_made_of_a_testers_request(self, rig: Rig) -> None:
        """
        A tester's request is for one stack.
        """
        networks = (ip_network("127.0.0.0/8"),)
        rig.rule = replace(rig.rule, testers=AllowedTesters("X-Stack", "", networks))
        _, shadow = await rig.mirrored(serves(), serves())

        await rig.get(GET.replace(b"X-Mine: 1", b"X-Stack: live"))

        assert shadow.peers == []

    async def test_has_connections_of_its_own(self, rig: Rig) -> None:
        """
        Copies follow each other on one connection; beyond as many as there may be, they are given up.
        """
        _, shadow = await rig.mirrored(serves(), serves(), mirror_connections_per_endpoint_max=1)
        for number in range(3):
            await rig.get(GET)
            await until(lambda number=number: copies(rig) == {"paired": number + 1})  # type: ignore[misc]
        assert len(shadow.peers) == 1

        _, shadow = await rig.origin(serves()), await rig.origin(hangs)
        assert rig.split is not None
        rig.publish(replace(rig.split, shadow=rig.stack(2, shadow)))
        await rig.get(GET)
        await rig.get(GET)

        assert copies(rig) == {"paired": 3, "full": 1}
        assert rig.outcomes() == {"2xx": 5}


class TestBudget:
    async def test_of_all_copies_ends_one_that_does_not_fit(self, rig: Rig) -> None:
        """
        A copy that would need more than all copies may hold is given up; what it held is free again.
        """
        await rig.mirrored(tells, hangs, methods=(b"PUT",), mirror_stack_bytes_max=4096)

        assert (await rig.get(put(10_000))).endswith(b"/up 10000")

        assert copies(rig) == {"budget": 1}
        assert rig.gateway.mirror(SHADOW).held == 0

    async def test_is_not_used_up_by_copies_that_wait_for_an_answer(self, rig: Rig) -> None:
        """
        What the shadow has taken is not held any more, however long it thinks about it.
        """
        await rig.mirrored(serves(), hangs, mirror_stack_bytes_max=4096)
        mirror = rig.gateway.mirror(SHADOW)

        for _ in range(30):
            await rig.get(GET)
            await until(lambda: all(copy._connection for copy in mirror.open))
            rig.pass_time(0)

        assert copies(rig) == {}
        assert len(mirror.open) == 30
        assert mirror.held <= 4096


class TestPairs:
    async def test_know_both_answers(self, rig: Rig) -> None:
        """
        Times are compared from the second copy on: the first one's is that of its connection.
        """
        await rig.mirrored(serves(), serves())

        for number in range(3):
            await rig.get(GET)
            await until(lambda number=number: pairs(rig).n == number + 1)  # type: ignore[misc]

        assert len(pairs(rig).latencies_us) == 2
        assert all(live_us > 0 and shadow_us > 0 for live_us, shadow_us in pairs(rig).latencies_us)
        assert pairs(rig) == Pairs(n=3, latencies_us=pairs(rig).latencies_us)
        assert rig.window(SHADOW).counts.n == 0
        assert rig.outcomes(SHADOW) == {}

    @pytest.mark.parametrize(
        ("live", "shadow", "expected"),
        [
            (OK, FAILURE, Pairs(n=1, shadow_only=1, other_status=1)),
            (FAILURE, OK, Pairs(n=1, live_only=1, other_status=1)),
            (FAILURE, FAILURE, Pairs(n=1)),
            (OK, FROM_LIVE, Pairs(n=1, other_size=1)),
            (OK, OK.replace(b"200", b"404"), Pairs(n=1, other_status=1)),
        ],
    )
    async def test_say_who_failed_alone(self, rig: Rig, live: bytes, shadow: bytes, expected: Pairs) -> None:
        """
        A failure of one side counts for it alone; other differences are counted to be looked at.
        """
        await rig.mirrored(serves(live), serves(shadow))

        assert await rig.get(GET)
        await until(lambda: pairs(rig).n == 1)

        assert pairs(rig) == expected
        assert copies(rig) == {"paired": 1}

    @pytest.mark.parametrize(
        ("shadow", "word"),
        [(resets, "reset"), (replies(b"garbage\r\n\r\n"), "protocol"), (replies(b"HTTP/1.1 101 \r\n\r\n"), "protocol")],
    )
    async def test_count_what_the_shadow_did_not_answer(self, rig: Rig, shadow: Script, word: str) -> None:
        """
        A broken connection or answer is a failure of the shadow, counted by its kind.
        """
        await rig.mirrored(serves(), shadow)

        assert (await rig.get(GET)).endswith(b"ok")
        await until(lambda: pairs(rig).n == 1)

        assert copies(rig) == {word: 1}
        assert pairs(rig).shadow_only == 1

    async def test_count_a_shadow_that_is_not_there(self, rig: Rig) -> None:
        """
        Refused connections are failures of the shadow.
        """
        _, shadow = await rig.mirrored(serves(), serves())
        shadow.refuse()

        assert (await rig.get(GET)).endswith(b"ok")
        await until(lambda: pairs(rig).n == 1)

        assert copies(rig) == {"connect": 1}
        assert pairs(rig).shadow_only == 1

    @pytest.mark.parametrize("shadow", [hangs, drips])
    async def test_count_a_shadow_that_comes_to_no_end(self, rig: Rig, shadow: Script) -> None:
        """
        Live's answer begins a deadline; a shadow that has not ended by then has failed, whatever it sends.
        """
        await rig.mirrored(serves(), shadow, first_byte_timeout_s=5)
        assert (await rig.get(GET)).endswith(b"ok")
        await until(lambda: any(copy._connection for copy in rig.gateway.mirror(SHADOW).open))
        assert copies(rig) == {}

        rig.pass_time(5)

        assert copies(rig) == {"timeout": 1}
        assert pairs(rig).shadow_only == 1

    async def test_do_not_read_a_flood_to_its_end(self, rig: Rig) -> None:
        """
        An answer that is longer than live's by far is another answer, and nobody need see its end to know that.
        """
        await rig.mirrored(serves(), floods)

        assert (await rig.get(GET)).endswith(b"ok")
        await until(lambda: pairs(rig).n == 1)

        assert pairs(rig) == Pairs(n=1, other_size=1)
        assert rig.gateway.mirror(SHADOW).open == set()

    async def test_count_a_failure_of_live(self, rig: Rig) -> None:
        """
        A live stack that breaks its connection has failed alone.
        """
        await rig.mirrored(resets, serves())

        assert (await rig.get(GET)).startswith(b"HTTP/1.1 502 ")
        await until(lambda: pairs(rig).n == 1)

        assert pairs(rig).live_only == 1

    async def test_leave_out_whose_client_went_away(self, rig: Rig) -> None:
        """
        What a client does not wait for is no comparison, and its copy ends at once.
        """
        _, shadow = await rig.mirrored(hangs, hangs)
        client = await rig.client()
        await client.send(GET)
        await until(lambda: len(shadow.peers) == 1)

        client.reset()
        await until(lambda: copies(rig) == {"aborted": 1})

        assert pairs(rig) == Pairs()
        assert rig.outcomes() == {"aborted": 1}

    async def test_leave_out_what_was_not_sent_whole(self, rig: Rig) -> None:
        """
        Live has answered before the body was there: the shadow cannot be asked the same.
        """

        async def answers_and_stays(peer: Peer) -> None:
            await peer.head()
            await peer.send(FAILURE)
            await peer.rest()

        await rig.mirrored(answers_and_stays, serves(), methods=(b"PUT",))
        client = await rig.client()

        await client.send(put(50_000)[:30_000])

        assert (await client.message()).startswith(b"HTTP/1.1 500 ")
        await until(lambda: copies(rig) == {"incomplete": 1})
        assert pairs(rig) == Pairs()

    async def test_leave_out_a_connection_that_had_just_been_closed(self, rig: Rig) -> None:
        """
        An idle connection may be closed while a copy is on its way: that is the price of keep-alive, not a failure.
        """

        async def answers_once(peer: Peer) -> None:
            await peer.message()
            await peer.send(OK)
            await peer.message()

        await rig.mirrored(serves(), answers_once)
        await rig.get(GET)
        await until(lambda: copies(rig) == {"paired": 1})

        await rig.get(GET)
        await until(lambda: sum(copies(rig).values()) == 2)

        assert copies(rig) == {"paired": 1, "stale": 1}
        assert pairs(rig).n == 1

    async def test_end_with_the_window_and_begin_anew(self, rig: Rig) -> None:
        """
        A closed window holds its own pairs, the total holds all.
        """
        await rig.mirrored(serves(), serves())
        await rig.get(GET)
        await until(lambda: pairs(rig).n == 1)

        first = rig.ledger.close_window(SHADOW)
        second = rig.ledger.close_window(SHADOW)

        assert first.pairs == Pairs(n=1)
        assert second.pairs is None
        assert rig.window(SHADOW).pairs == Pairs(n=1)


class TestFlips:
    async def test_between_mirror_split_and_neither_lose_nothing(self, rig: Rig) -> None:
        """
        Whatever the table says next, every request is answered once, by a stack that it names, and every copy leaves.
        """
        await rig.mirrored(serves(), serves())
        assert rig.split is not None
        mirrored = rig.split
        tables = [mirrored, Split(mirrored.live), replace(mirrored, mirroring=None, shadow_bp=5_000), mirrored]
        client = await rig.client()

        for number in range(200):
            rig.publish(tables[number % 4])
            await client.send(GET * 2)
            assert [(await client.message())[-2:] for _ in range(2)] == [b"ok", b"ok"]
        await until(lambda: rig.gateway.mirror(SHADOW).open == set())

        served = [sum(rig.outcomes(stack).values()) for stack in (LIVE, SHADOW)]
        assert sum(served) == 400
        assert set(rig.outcomes(LIVE)) == set(rig.outcomes(SHADOW)) == {"2xx"}
        assert sum(copies(rig).values()) == 200
        assert pairs(rig).n == copies(rig)["paired"]
        assert rig.gateway.mirror(SHADOW).held == 0


class TestEnd:
    async def test_drain_of_the_shadow_waits_for_no_copy(self, rig: Rig) -> None:
        """
        Nobody waits for a copy: it is cut when the shadow goes, and leaves no word against it.
        """
        begun, ended = asyncio.Event(), asyncio.Event()

        async def hangs_on(peer: Peer) -> None:
            await peer.message()
            begun.set()
            try:
                await peer.rest()
            finally:
                ended.set()

        await rig.mirrored(serves(), hangs_on)
        await rig.get(GET)
        async with asyncio.timeout(PATIENCE_S):
            await begun.wait()
        assert rig.split is not None

        rig.publish(Split(rig.split.live))
        drained = await rig.gateway.drain(SHADOW, within(30))

        assert drained.left == 0
        async with asyncio.timeout(PATIENCE_S):
            await ended.wait()
        assert copies(rig) == {}


SHADOWS = {
    "answers": tells,
    "hangs": hangs,
    "never_reads": never_reads,
    "resets": resets,
    "answers_early": answers_early,
    "floods": floods,
    "garbage": replies(b"garbage\r\n\r\n"),
}


class Peak:
    """Watches what is held for copies: never less than what lies in memory, never more than may."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.bytes = 0  # of one copy
        held = Copy._hold

        def hold(copy: Copy, size: int) -> None:
            held(copy, size)
            mirror = copy._mirror
            self.bytes = max(self.bytes, copy.held)
            in_memory = 0
            for each in mirror.open:
                buffered = each._connection.transport.get_write_buffer_size() if each._connection else 0
                in_memory += sum(map(len, each._queue)) + buffered
            assert in_memory <= mirror.held
            assert mirror.held == sum(each.held for each in mirror.open)

        monkeypatch.setattr(Copy, "_hold", hold)


class TestPrimary:
    @pytest.mark.parametrize("shadow", SHADOWS)
    @pytest.mark.parametrize("size", [0, 1000, 1_000_000, 32 * MIB])
    async def test_is_not_touched(
        self, rig: Rig, shadow: str, size: int, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        """
        Whatever the shadow does, live gets each body whole, the client its answers in order, and memory is bounded.
        """
        peak = Peak(monkeypatch)
        await rig.mirrored(tells, SHADOWS[shadow], methods=(b"GET", b"PUT"))
        client = await rig.client()
        sending = asyncio.ensure_future(client.send(put(size) + GET.replace(b"/a", b"/then") + put(size, "/again")))

        answers = [await client.message() for _ in range(3)]
        await sending

        assert [answer.rpartition(b"\r\n")[2].decode() for answer in answers] == [
            f"/up {size}",
            "/then 0",
            f"/again {size}",
        ]
        assert rig.outcomes() == {"2xx": 3}
        assert peak.bytes <= rig.gateway.options.mirror_request_bytes_max
        assert [record for record in caplog.records if record.levelno >= logging.ERROR] == []

    @pytest.mark.parametrize("shadow", SHADOWS)
    async def test_in_chunks_is_not_touched(self, rig: Rig, shadow: str) -> None:
        """
        The same for bodies that say their length at their end.
        """
        await rig.mirrored(tells, SHADOWS[shadow], methods=(b"GET", b"PUT"))
        client = await rig.client()

        await client.send(put_in_chunks(500_000) + GET + put_in_chunks(1000, "/again"))

        answers = [(await client.message()).rpartition(b"\r\n")[2].decode() for _ in range(3)]
        assert answers == ["/up 500000", "/a 0", "/again 1000"]

    async def test_does_not_wait_for_its_copy(self, rig: Rig) -> None:
        """
        A client has all its answers, on one connection, before the shadow begins with the first copy.
        """
        may_answer = asyncio.Event()

        async def thinks(peer: Peer) -> None:
            while True:
                await peer.message()
                await may_answer.wait()
                await peer.send(OK)

        await rig.mirrored(tells, thinks)
        client = await rig.client()
        for _ in range(5):
            await client.send(GET)
            assert (await client.message()).endswith(b"/a 0")
        assert copies(rig) == {}

        may_answer.set()

        await until(lambda: copies(rig) == {"paired": 5})

    async def test_is_not_held_by_a_copy_that_is_not_taken(self, rig: Rig) -> None:
        """
        A copy that the shadow does not read is given up and counted; the upload goes on.
        """
        await rig.mirrored(tells, never_reads, methods=(b"PUT",))

        assert (await rig.get(put(32 * MIB))).endswith(b"/up %d" % (32 * MIB))

        assert copies(rig) == {"overflow": 1}
        assert pairs(rig) == Pairs()

    async def test_survives_a_fault_of_ours_in_the_copy(
        self, rig: Rig, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        """
        A mistake in splitter's own mirroring ends copies, is logged, and costs no client anything.
        """

        def fails(*_: object, **__: object) -> None:
            raise RuntimeError("a mistake")

        await rig.mirrored(tells, serves(), methods=(b"PUT", b"GET"))
        monkeypatch.setattr(Copy, "_pass_on", fails)
        client = await rig.client()
        request = put(1000)
        await client.send(request[:-500])
        await settle()
        await client.send(request[-500:])
        assert (await client.message()).endswith(b"/up 1000")
        monkeypatch.setattr("splitter.proxy.mirror.mirror_head", fails)

        assert (await rig.get(GET)).endswith(b"/a 0")

        assert copies(rig) == {"fault": 2}
        assert "a mistake" in caplog.text
