"""Clients' connections: who is said to be at their other end, and how much their silence or noise may cost."""

from email.utils import parsedate_to_datetime
from ipaddress import ip_network

from splitter.model import Endpoint, Split, Stack
from tests.proxy.rig import LIVE, OK, WEB, Peer, Rig, Script, serves

GET = b"GET / HTTP/1.1\r\nHost: shop\r\n\r\n"
TRUSTED = (ip_network("127.0.0.0/8"),)


def remembers(heads: list[bytes]) -> Script:
    """Return a script that answers every request, and appends its head to `heads`."""

    async def script(peer: Peer) -> None:
        while True:
            heads.append(await peer.message())
            await peer.send(OK)

    return script


def lines(head: bytes, start: bytes) -> list[bytes]:
    return [line for line in head.split(b"\r\n") if line.lower().startswith(start)]


class TestIdentity:
    async def test_is_what_was_seen(self, rig: Rig) -> None:
        """
        What a client says of itself is replaced by where it really came from.
        """
        heads: list[bytes] = []
        await rig.live(remembers(heads))

        await rig.get(b"GET / HTTP/1.1\r\nHost: shop\r\nX-Forwarded-For: 6.6.6.6\r\nForwarded: for=6.6.6.6\r\n\r\n")

        assert lines(heads[0], b"x-forwarded-for") == [b"X-Forwarded-For: 127.0.0.1"]
        assert lines(heads[0], b"forwarded") == [b'Forwarded: for=127.0.0.1;proto=http;host="shop"']
        port = rig.listener.address[1]
        assert lines(heads[0], b"x-forwarded-port") == [b"X-Forwarded-Port: %d" % port]

    async def test_of_a_trusted_peers_clients_is_believed(self, rig: Rig) -> None:
        """
        Behind a trusted proxy each request has its own client, on the same connection, whatever form its target has.
        """
        heads: list[bytes] = []
        await rig.live(remembers(heads), trusted_peers=TRUSTED)
        client = await rig.client()
        seen = []

        for target, address in (
            (b"/", b"192.0.2.1"),
            (b"/", b"192.0.2.2"),
            (b"http://shop/", b"192.0.2.3"),
            (b"/", b"192.0.2.2"),
            (b"/", b"6.6.6.6, 192.0.2.4, 127.0.0.2"),
        ):
            await client.send(b"GET %b HTTP/1.1\r\nHost: shop\r\nX-Forwarded-For: %b\r\n\r\n" % (target, address))
            await client.message()
            (connection,) = rig.listener._clients
            seen.append(connection.address)

        assert seen == ["192.0.2.1", "192.0.2.2", "192.0.2.3", "192.0.2.2", "192.0.2.4"]
        assert lines(heads[-1], b"x-forwarded-for") == [b"X-Forwarded-For: 6.6.6.6, 192.0.2.4, 127.0.0.2, 127.0.0.1"]

    async def test_of_a_peer_that_is_not_trusted_is_not(self, rig: Rig) -> None:
        """
        Trust in some network is no trust in another.
        """
        await rig.live(serves(), trusted_peers=(ip_network("10.0.0.0/8"),))
        client = await rig.client()

        await client.send(b"GET / HTTP/1.1\r\nHost: shop\r\nX-Forwarded-For: 10.6.6.6\r\n\r\n")
        await client.message()

        (connection,) = rig.listener._clients
        assert connection.address == "127.0.0.1"


class TestTrace:
    async def test_has_a_new_parent_for_each_request(self, rig: Rig) -> None:
        """
        Two requests with equal lines are two children.
        """
        heads: list[bytes] = []
        await rig.live(remembers(heads))
        client = await rig.client()
        trace = b"00-0af7651916cd43dd8448eb211c80319c"

        for _ in range(2):
            await client.send(b"GET / HTTP/1.1\r\nHost: shop\r\ntraceparent: %b-b7ad6b7169203331-01\r\n\r\n" % trace)
            await client.message()

        parents = [lines(head, b"traceparent") for head in heads]
        assert all(parent[0].startswith(b"traceparent: " + trace) for parent in parents)
        assert parents[0] != parents[1]
        assert b"b7ad6b7169203331" not in b"".join(heads)


class TestLoop:
    async def test_ends_at_its_first_turn(self, rig: Rig) -> None:
        """
        An endpoint that leads back to the listener is found out by the first request, and its answer says so.
        """
        await rig.start(None)
        rig.publish(Split(Stack(LIVE, "shop", 1, {WEB: (Endpoint(*rig.listener.address),)})))

        answer = await rig.get()

        assert answer.startswith(b"HTTP/1.1 502 ")
        assert b"Proxy-Status: splitter; error=proxy_loop_detected\r\n" in answer
        assert rig.gateway.counters.requests == 2


class TestDates:
    async def test_every_answer_has_one(self, rig: Rig) -> None:
        """
        A stack's answer without a date gets one, and so does an answer of ours.
        """
        await rig.live(serves())

        answers = [await rig.get(), await rig.get(b"GET / HTTP/1.1\r\n\r\n")]

        assert [answer.split()[1] for answer in answers] == [b"200", b"400"]
        for answer in answers:
            (line,) = lines(answer, b"date:")
            assert parsedate_to_datetime(line[6:].decode()).tzinfo is not None
