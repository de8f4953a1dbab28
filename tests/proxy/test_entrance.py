"""TLS and the PROXY protocol in front of the data plane, as clients and proxies speak them."""

import asyncio
import ssl
import subprocess
from dataclasses import replace
from ipaddress import ip_network
from pathlib import Path

import pytest

from splitter.http1.websocket import CLOSE_GOING_AWAY
from splitter.model import Split
from splitter.proxy.options import ListenerOptions, TlsOptions
from tests.http1.test_preamble import V4, V6, binary
from tests.proxy.rig import LIVE, OK, Peer, Rig, Script, hangs, replies, serves, settle, until
from tests.proxy.test_certificates import CA, rewrite, written
from tests.proxy.test_tunnel import agrees, echoes

GET = b"GET / HTTP/1.1\r\nHost: shop\r\n\r\n"
LAST = b"GET / HTTP/1.1\r\nHost: shop\r\nConnection: close\r\n\r\n"
UPGRADE = b"GET / HTTP/1.1\r\nHost: shop\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
PREAMBLE = b"PROXY TCP4 192.0.2.7 198.51.100.1 5000 443\r\n"
LOOPBACK = (ip_network("127.0.0.0/8"),)
LARGE = bytes(range(256)) * 32 * 1024


def secured(rig: Rig, directory: Path, version: str = "1.2", *, has_preamble: bool = False) -> TlsOptions:
    """Let the listener of `rig` speak TLS."""
    pairs = tuple(written(directory, name) for name in ("shop.example", "blog.example"))
    tls = TlsOptions(pairs, "1.3" if version == "1.3" else "1.2")
    rig.listening = replace(rig.listening, tls=tls, has_preamble=has_preamble)
    return tls


def trusting() -> ssl.SSLContext:
    """Return what a client of ours shakes hands with."""
    context = ssl.create_default_context()
    CA.configure_trust(context)
    context.set_alpn_protocols(["h2", "http/1.1"])
    return context


async def connect(rig: Rig, name: str = "shop.example", context: ssl.SSLContext | None = None) -> Peer:
    """Return a client that speaks TLS with the listener."""
    reader, writer = await asyncio.open_connection(
        *rig.listener.address, ssl=context or trusting(), server_hostname=name, limit=2**20
    )
    client = Peer(reader, writer)
    rig.clients.append(client)
    return client


def keeps(heads: list[bytes]) -> Script:
    """Return a script that answers every request and keeps its head."""

    async def script(peer: Peer) -> None:
        while True:
            heads.append(await peer.message())
            await peer.send(OK)

    return script


class TestTls:
    async def test_carries_requests_and_says_so(self, rig: Rig, tmp_path: Path) -> None:
        """
        A stack hears that its client came by HTTPS, and by which port.
        """
        heads: list[bytes] = []
        secured(rig, tmp_path)
        await rig.live(keeps(heads))
        client = await connect(rig)

        for _ in range(2):
            await client.send(GET)
            assert (await client.message()).endswith(b"ok")

        assert b"\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Port: %d\r\n" % rig.listener.address[1] in heads[1]
        assert b";proto=https;" in heads[1]

    async def test_chooses_protocol_and_certificate(self, rig: Rig, tmp_path: Path) -> None:
        """
        Of the protocols that a client offers it gets HTTP/1.1, of the certificates that of the name it asks for.
        """
        secured(rig, tmp_path)
        await rig.live(serves())

        for name in ("blog.example", "shop.example"):
            client = await connect(rig, name)
            handshake = client.writer.get_extra_info("ssl_object")
            assert handshake.selected_alpn_protocol() == "http/1.1"
            assert handshake.getpeercert()["subjectAltName"] == (("DNS", name),)

    async def test_carries_bodies_both_ways(self, rig: Rig, tmp_path: Path) -> None:
        """
        Megabytes arrive as they were sent.
        """
        got = []

        async def mirrors(peer: Peer) -> None:
            got.append(await peer.message())
            await peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(LARGE) + LARGE)

        secured(rig, tmp_path)
        await rig.live(mirrors)
        client = await connect(rig)
        await client.send(b"POST / HTTP/1.1\r\nHost: shop\r\nContent-Length: %d\r\n\r\n" % len(LARGE) + LARGE)

        assert (await client.message()).endswith(b"\r\n\r\n" + LARGE)
        assert got[0].endswith(b"\r\n\r\n" + LARGE)

    async def test_ends_with_a_goodbye(self, rig: Rig, tmp_path: Path) -> None:
        """
        A client that wants no more gets the end of the connection with its answer, and no time has to pass.
        """
        secured(rig, tmp_path)
        await rig.live(serves())
        client = await connect(rig)
        await client.send(LAST)

        assert (await client.rest()).endswith(b"ok")
        client.close()
        await until(lambda: rig.listener.clients == 0)

    async def test_delivers_an_early_answer(self, rig: Rig, tmp_path: Path) -> None:
        """
        A client that is still sending its body gets the answer, not a reset; what it sends on is dropped for a while.
        """
        secured(rig, tmp_path)
        await rig.live(hangs, body_bytes_max=10)
        client = await connect(rig)
        client.writer.write(b"POST / HTTP/1.1\r\nHost: shop\r\nContent-Length: %d\r\n\r\n" % len(LARGE))
        client.writer.write(LARGE[: 2**20])

        assert (await client.message()).startswith(b"HTTP/1.1 413 ")
        await client.send(LARGE[2**20 :])
        rig.pass_time(5)

        assert await client.rest() == b""

    async def test_shows_an_answer_that_was_cut(self, rig: Rig, tmp_path: Path) -> None:
        """
        A client of HTTP/1.0, whose answer ends with the connection, sees no goodbye where the stack was cut off.
        """

        async def cuts(peer: Peer) -> None:
            await peer.message()
            await peer.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nbegin\r\n")
            await go_on.wait()
            peer.reset()

        go_on = asyncio.Event()
        secured(rig, tmp_path)
        await rig.live(cuts)
        client = await connect(rig)
        await client.send(b"GET / HTTP/1.0\r\nHost: shop\r\n\r\n")
        await client.head()
        assert await client.exactly(5) == b"begin"
        go_on.set()

        with pytest.raises((ConnectionResetError, ssl.SSLError)):
            await client.rest()

    async def test_takes_no_truncated_request(self, rig: Rig, tmp_path: Path) -> None:
        """
        A connection that ends without its goodbye, in the middle of a body, has sent no request.
        """
        secured(rig, tmp_path)
        await rig.live(hangs)
        client = await connect(rig)
        await client.send(b"POST / HTTP/1.1\r\nHost: shop\r\nContent-Length: 10\r\n\r\nhello")
        await until(lambda: rig.gateway.in_flight(LIVE) == 1)
        client.writer.transport.abort()

        await until(lambda: rig.gateway.in_flight(LIVE) == 0)
        assert rig.outcomes() == {"aborted": 1}

    async def test_serves_what_was_renewed(self, rig: Rig, tmp_path: Path) -> None:
        """
        New connections get the new certificate, and those that are open go on.
        """
        tls = secured(rig, tmp_path)
        await rig.live(serves())
        former = await connect(rig)
        rewrite(tls.certificates[0], "shop.example", "new.example")
        rig.pass_time(10)

        client = await connect(rig, "new.example")
        for each in (former, client):
            await each.send(GET)
            assert (await each.message()).endswith(b"ok")

    async def test_carries_a_tunnel(self, rig: Rig, tmp_path: Path) -> None:
        """
        A WebSocket over TLS is a tunnel like any other, and ends with its client.
        """
        secured(rig, tmp_path)
        await rig.live(agrees(echoes))
        client = await connect(rig)
        await client.send(UPGRADE)
        await client.head()
        sending = asyncio.ensure_future(client.send(LARGE))
        assert await client.exactly(len(LARGE)) == LARGE
        await sending
        client.close()

        await until(lambda: rig.gateway.stats().tunnels == 0)
        assert rig.gateway.in_flight(LIVE) == 0

    async def test_says_goodbye_to_a_tunnel(self, rig: Rig, tmp_path: Path) -> None:
        """
        The close frame comes by TLS as well, and behind it, in its time, the end of the connection.
        """
        secured(rig, tmp_path)
        await rig.live(agrees(echoes))
        client = await connect(rig)
        await client.send(UPGRADE)
        await client.head()
        for each in rig.listener._clients:
            each.leave()
        rig.pass_time(5)
        assert await client.exactly(4) == CLOSE_GOING_AWAY

        rig.pass_time(5)

        assert await client.rest() == b""
        client.close()
        await until(lambda: rig.gateway.stats().tunnels == 0)


class TestHandshake:
    async def test_that_fails_is_counted(self, rig: Rig, tmp_path: Path) -> None:
        """
        Who speaks plain HTTP, or too old a TLS, gets no answer, and nobody else notices.
        """
        secured(rig, tmp_path, "1.3")
        await rig.live(serves())
        plain = await rig.client()
        await plain.send(GET)
        assert b"HTTP" not in await plain.rest()
        old = trusting()
        old.maximum_version = ssl.TLSVersion.TLSv1_2
        with pytest.raises((ssl.SSLError, ConnectionError)):
            await connect(rig, context=old)

        await until(lambda: rig.gateway.counters.handshakes_failed == 2)
        assert (await _answer(await connect(rig))).endswith(b"ok")
        assert rig.gateway.stats().requests == 1

    async def test_has_its_time(self, rig: Rig, tmp_path: Path) -> None:
        """
        A connection that does not begin its handshake is closed, and counts as a client until then.
        """
        secured(rig, tmp_path)
        await rig.live(serves())
        client = await rig.client()
        await until(lambda: rig.gateway.stats().clients == 1)
        await settle()

        rig.pass_time(15)

        assert await client.rest() == b""
        await until(lambda: rig.gateway.stats().clients == 0)

    async def test_ends_with_the_listener(self, rig: Rig, tmp_path: Path) -> None:
        """
        A listener that closes does not wait for who has not come in.
        """
        secured(rig, tmp_path)
        await rig.live(serves())
        client = await rig.client()
        await until(lambda: rig.gateway.stats().clients == 1)

        await rig.listener.close(60)

        assert await client.rest() == b""

    async def test_finds_no_more_room_than_a_request(self, rig: Rig, tmp_path: Path) -> None:
        """
        Connections count before their handshakes: one too many is closed at once.
        """
        secured(rig, tmp_path)
        await rig.live(serves(), client_connections_max=1)
        await connect(rig)

        with pytest.raises((ssl.SSLError, ConnectionError)):
            await connect(rig)
        await until(lambda: rig.gateway.stats().clients == 1)
        assert rig.gateway.stats().clients_refused == 1


async def _answer(client: Peer) -> bytes:
    await client.send(GET)
    return await client.message()


class TestPreamble:
    async def behind(self, rig: Rig, *pieces: bytes) -> bytes:
        """Send `pieces` one after the other and return the head that the stack gets."""
        heads: list[bytes] = []
        rig.listening = ListenerOptions("127.0.0.1", 0, has_preamble=True)
        await rig.live(keeps(heads), trusted_peers=LOOPBACK)
        client = await rig.client()
        for piece in pieces:
            await client.send(piece)
            await settle(1)
        assert (await client.message()).endswith(b"ok")
        return heads[0]

    async def test_says_who_the_client_is(self, rig: Rig) -> None:
        """
        What a trusted proxy says counts as what splitter has seen: address and port.
        """
        head = await self.behind(rig, PREAMBLE + GET)

        assert b"\r\nX-Forwarded-For: 192.0.2.7\r\nX-Forwarded-Proto: http\r\nX-Forwarded-Port: 443\r\n" in head
        assert b"\r\nForwarded: for=192.0.2.7;proto=http;" in head
        assert [client.address for client in rig.listener._clients] == ["192.0.2.7"]

    async def test_may_come_in_pieces(self, rig: Rig) -> None:
        """
        Byte by byte, with the request's first byte behind the preamble's last in one packet.
        """
        pieces = [PREAMBLE[place : place + 1] for place in range(len(PREAMBLE) - 1)]

        head = await self.behind(rig, *pieces, PREAMBLE[-1:] + GET[:1], GET[1:])

        assert b"\r\nX-Forwarded-For: 192.0.2.7\r\n" in head

    async def test_may_be_binary(self, rig: Rig) -> None:
        """
        Version 2 says the same, and may say that the client speaks TLS with the proxy.
        """
        head = await self.behind(rig, binary(0x21, 0x21, V6, b"\x20\x00\x05\x01\x00\x00\x00\x00") + GET)

        assert b"\r\nX-Forwarded-For: 2001:db8::7\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Port: 443\r\n" in head

    async def test_may_be_the_proxys_own(self, rig: Rig) -> None:
        """
        A proxy that looks after us speaks for itself: its address is the client's.
        """
        head = await self.behind(rig, binary(0x20, 0x11, V4) + GET)

        assert b"\r\nX-Forwarded-For: 127.0.0.1\r\n" in head

    async def test_is_not_believed_from_anybody(self, rig: Rig) -> None:
        """
        Who is not trusted is closed, whatever he says.
        """
        rig.listening = ListenerOptions("127.0.0.1", 0, has_preamble=True)
        await rig.live(serves(), trusted_peers=(ip_network("192.0.2.0/24"),))
        for said in (PREAMBLE + GET, GET):
            client = await rig.client()
            client.writer.write(said)
            assert not await _rest(client)

        assert rig.gateway.stats().requests == 0
        assert rig.gateway.stats().clients_refused == 2

    async def test_must_be_there(self, rig: Rig) -> None:
        """
        A trusted proxy that says nothing of its client, or something else, gets no answer.
        """
        rig.listening = ListenerOptions("127.0.0.1", 0, has_preamble=True)
        await rig.live(serves(), trusted_peers=LOOPBACK)
        for said in (GET, b"PROXY TCP4 nobody\r\n" + GET):
            client = await rig.client()
            client.writer.write(said)
            assert not await _rest(client)

        assert rig.gateway.stats().requests == 0

    async def test_has_its_time(self, rig: Rig) -> None:
        """
        A preamble that does not end is closed when a head would be.
        """
        rig.listening = ListenerOptions("127.0.0.1", 0, has_preamble=True)
        await rig.live(serves(), trusted_peers=LOOPBACK)
        client = await rig.client()
        await client.send(PREAMBLE[:-1])
        await until(lambda: rig.gateway.stats().clients == 1)
        await settle()

        rig.pass_time(15)

        assert not await _rest(client)


async def _rest(client: Peer) -> bytes:
    """Return what still comes; a reset is nothing."""
    try:
        return await client.rest()
    except ConnectionResetError:
        return b""


class TestPreambleBeforeTls:
    @pytest.mark.parametrize("is_split", [False, True])
    async def test_loses_nothing_of_the_handshake(self, rig: Rig, tmp_path: Path, is_split: bool) -> None:
        """
        The handshake may begin in the packet of the preamble, or later.
        """
        heads: list[bytes] = []
        secured(rig, tmp_path, has_preamble=True)
        await rig.live(keeps(heads), trusted_peers=LOOPBACK)
        client = await rig.client()
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        session = trusting().wrap_bio(incoming, outgoing, server_hostname="shop.example")
        with pytest.raises(ssl.SSLWantReadError):
            session.do_handshake()
        hello = outgoing.read()
        for piece in (PREAMBLE, hello) if is_split else (PREAMBLE + hello,):
            await client.send(piece)
            await settle(3)

        answer = await _spoken(client, session, incoming, outgoing)

        assert answer.endswith(b"ok")
        assert b"\r\nX-Forwarded-For: 192.0.2.7\r\nX-Forwarded-Proto: https\r\n" in heads[0]

    async def test_is_refused_from_anybody(self, rig: Rig, tmp_path: Path) -> None:
        """
        Trust comes before the handshake.
        """
        secured(rig, tmp_path, has_preamble=True)
        await rig.live(serves())

        with pytest.raises((ssl.SSLError, ConnectionError)):
            await connect(rig)
        await until(lambda: rig.gateway.stats().clients == 0)


async def _spoken(client: Peer, session: ssl.SSLObject, incoming: ssl.MemoryBIO, outgoing: ssl.MemoryBIO) -> bytes:
    """Finish a handshake, send a request in it, and return the answer."""
    has_asked = False
    while True:
        try:
            if not has_asked:
                session.do_handshake()
                session.write(GET)
                has_asked = True
            return session.read(4096)
        except ssl.SSLWantReadError:
            if data := outgoing.read():
                await client.send(data)
            async with asyncio.timeout(60):
                incoming.write(await client.reader.read(2**16))


async def run(*words: str, said: bytes = b"") -> tuple[int, bytes]:
    """Run a program beside the event loop and return its exit code and what it wrote."""
    done = await asyncio.to_thread(subprocess.run, words, input=said, capture_output=True, timeout=120, check=False)
    return done.returncode, done.stdout + done.stderr


class TestRealPeers:
    """Programs that are none of ours, and share no TLS code with Python's event loops."""

    @pytest.mark.program("openssl")
    async def test_openssl_gets_the_certificate_of_its_name(self, rig: Rig, tmp_path: Path) -> None:
        """
        OpenSSL's client verifies the chain and the name, agrees on HTTP/1.1, and gets its answer with a goodbye.
        """
        secured(rig, tmp_path)
        await rig.live(serves())
        CA.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
        host, port = rig.listener.address

        words = ["openssl", "s_client", "-connect", f"{host}:{port}", "-servername", "blog.example"]
        words += ["-CAfile", str(tmp_path / "ca.pem"), "-verify_return_error", "-verify_hostname", "blog.example"]
        code, out = await run(*words, "-alpn", "h2,http/1.1", "-ign_eof", said=LAST)

        assert code == 0, out
        assert b"Verify return code: 0 (ok)" in out
        assert b"ALPN protocol: http/1.1" in out
        assert b"HTTP/1.1 200 OK" in out

    @pytest.mark.program("curl")
    async def test_curl_speaks_the_proxy_protocol(self, rig: Rig, tmp_path: Path) -> None:
        """
        curl says who it is by a preamble, before plain HTTP and before TLS.
        """
        heads: list[bytes] = []
        CA.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
        words = ["curl", "-sS", "--haproxy-protocol", "--cacert", str(tmp_path / "ca.pem")]
        rig.listening = ListenerOptions("127.0.0.1", 0, has_preamble=True)
        origin = await rig.live(keeps(heads), trusted_peers=LOOPBACK)
        plain = await run(*words, "http://127.0.0.1:{1}/".format(*rig.listener.address))
        await rig.listener.close(60)

        secured(rig, tmp_path, has_preamble=True)
        await rig.start(Split(rig.stack(1, origin)), trusted_peers=LOOPBACK)
        port = rig.listener.address[1]
        safe = await run(*words, "--resolve", f"shop.example:{port}:127.0.0.1", f"https://shop.example:{port}/")

        assert (plain, safe) == ((0, b"ok"), (0, b"ok"))
        assert all(b"\r\nX-Forwarded-For: 127.0.0.1\r\n" in head for head in heads)
        assert b"\r\nX-Forwarded-Proto: https\r\n" in heads[1]
        assert len(heads) == 2


class TestRequestInAHurry:
    async def test_ends_without_a_half_closed_connection(self, rig: Rig, tmp_path: Path) -> None:
        """
        TLS cannot be half closed: a client that says goodbye does not wait for its answer, and that is no crash.
        """
        secured(rig, tmp_path)
        await rig.live(replies(OK))
        client = await connect(rig)
        client.writer.write(GET)
        client.close()

        await until(lambda: rig.gateway.stats().clients == 0)
        assert rig.gateway.in_flight(LIVE) == 0
