"""Who asks, as a stack is told."""

from ipaddress import ip_network

import pytest

from splitter.http1.identity import Peer, is_trusted

TRUSTED = (ip_network("10.0.0.0/8"), ip_network("fd00::/8"))


def told(address: str = "192.0.2.1", *claims: tuple[bytes, bytes], trusted: bool = False) -> dict[str, str]:
    """Return the lines that a stack gets, by name."""
    peer = Peer(address, "127.0.0.1", 8080, "http", is_trusted=trusted)
    lines = peer.lines(b"shop:80", claims).decode().split("\r\n")
    assert lines.pop() == ""
    return dict(line.split(": ", 1) for line in lines)


class TestUntrustedPeer:
    def test_is_told_of_as_it_was_seen(self) -> None:
        """
        Address, scheme, port and host are those of the connection and the request.
        """
        assert told() == {
            "X-Forwarded-For": "192.0.2.1",
            "X-Forwarded-Proto": "http",
            "X-Forwarded-Port": "8080",
            "X-Forwarded-Host": "shop:80",
            "Forwarded": 'for=192.0.2.1;proto=http;host="shop:80"',
        }

    def test_of_ipv6_is_quoted_as_rfc_7239_wants_it(self) -> None:
        """
        RFC 7239 §6: an IPv6 address stands in brackets and quotation marks.
        """
        lines = told("2001:db8::1")

        assert lines["X-Forwarded-For"] == "2001:db8::1"
        assert lines["Forwarded"] == 'for="[2001:db8::1]";proto=http;host="shop:80"'

    def test_is_not_believed(self) -> None:
        """
        What it claims changes nothing.
        """
        assert told("192.0.2.1", (b"x-forwarded-for", b"10.0.0.1"), (b"forwarded", b"for=10.0.0.1")) == told()

    def test_that_names_no_host_came_to_an_address(self) -> None:
        """
        The default host is the address that the connection came in by, in brackets where it is IPv6.
        """
        assert Peer("192.0.2.1", "127.0.0.1", 8080, "http", is_trusted=False).default_host == b"127.0.0.1:8080"
        assert Peer("::1", "::1", 8080, "http", is_trusted=False).default_host == b"[::1]:8080"


class TestTrustedPeer:
    def test_is_added_to_what_it_says(self) -> None:
        """
        Lists, over all their lines, get one more element; the other fields stand as they came.
        """
        lines = told(
            "10.0.0.9",
            (b"x-forwarded-for", b"203.0.113.7"),
            (b"x-forwarded-proto", b"https"),
            (b"x-forwarded-for", b"10.0.0.8"),
            (b"x-forwarded-host", b"shop.example"),
            (b"x-forwarded-port", b"443"),
            (b"forwarded", b"for=203.0.113.7;proto=https"),
            trusted=True,
        )

        assert lines == {
            "X-Forwarded-For": "203.0.113.7, 10.0.0.8, 10.0.0.9",
            "X-Forwarded-Proto": "https",
            "X-Forwarded-Port": "443",
            "X-Forwarded-Host": "shop.example",
            "Forwarded": 'for=203.0.113.7;proto=https, for=10.0.0.9;proto=http;host="shop:80"',
        }

    def test_that_says_little_is_completed(self) -> None:
        """
        What a trusted peer leaves out is what was seen.
        """
        lines = told("10.0.0.9", (b"x-forwarded-proto", b"https"), trusted=True)

        assert lines == {**told("10.0.0.9"), "X-Forwarded-Proto": "https"}

    @pytest.mark.parametrize(
        ("listed", "client"),
        [
            ([b"203.0.113.7"], "203.0.113.7"),
            ([b"6.6.6.6, 203.0.113.7"], "203.0.113.7"),
            ([b"6.6.6.6, 203.0.113.7 , 10.1.1.1"], "203.0.113.7"),
            ([b"6.6.6.6", b"203.0.113.7", b"10.1.1.1,fd00::1"], "203.0.113.7"),
            ([b"203.0.113.7:4711"], "203.0.113.7"),
            ([b"[2001:db8::1]:4711"], "2001:db8::1"),
            ([b"2001:DB8::1"], "2001:db8::1"),
            ([b"10.3.3.3, 10.2.2.2"], "10.3.3.3"),
            ([b"6.6.6.6, unknown"], "10.0.0.9"),
            ([b"6.6.6.6, unknown, 10.2.2.2"], "10.2.2.2"),
            ([b"6.6.6.6, "], "10.0.0.9"),
            ([b"\xff"], "10.0.0.9"),
            ([], "10.0.0.9"),
        ],
    )
    def test_names_the_client(self, listed: list[bytes], client: str) -> None:
        """
        The client is the rightmost address that is not trusted, and nobody is believed beyond what cannot be read.
        """
        peer = Peer("10.0.0.9", "127.0.0.1", 8080, "http", is_trusted=True)
        claims = [(b"x-forwarded-for", value) for value in listed]

        assert client == peer.client([(b"forwarded", b"for=6.6.6.6"), *claims], TRUSTED)


class TestSecure:
    @pytest.mark.parametrize(
        ("claims", "is_secure"),
        [
            ([], False),
            ([(b"x-forwarded-for", b"203.0.113.7")], False),
            ([(b"x-forwarded-proto", b"https")], True),
            ([(b"x-forwarded-proto", b"WSS")], True),
            ([(b"x-forwarded-proto", b"https, http")], True),
            ([(b"x-forwarded-proto", b"http, https")], False),
            ([(b"forwarded", b"for=203.0.113.7;proto=https, for=10.0.0.8;proto=http")], True),
            ([(b"forwarded", b'Proto="https";for=203.0.113.7')], True),
            ([(b"forwarded", b"for=203.0.113.7, for=10.0.0.8; proto=https")], True),
            ([(b"forwarded", b"for=203.0.113.7;protocol=https")], False),
            ([(b"forwarded", b"for=203.0.113.7")], False),
            ([(b"forwarded", b"proto=https"), (b"x-forwarded-proto", b"http")], False),
        ],
    )
    def test_is_what_a_trusted_peer_says(self, claims: list[tuple[bytes, bytes]], is_secure: bool) -> None:
        """
        The first hop that is named counts, and of both fields the plainer one; nobody else is believed.
        """
        peers = {trusted: Peer("10.0.0.9", "127.0.0.1", 80, "http", is_trusted=trusted) for trusted in (True, False)}

        assert is_secure == peers[True].is_secure(claims)
        assert not peers[False].is_secure(claims)

    def test_is_what_was_seen_otherwise(self) -> None:
        """
        A connection of our own by TLS is secure, unless a trusted peer says that its client's was not.
        """
        peer = Peer("10.0.0.9", "127.0.0.1", 443, "https", is_trusted=True)

        assert peer.is_secure([])
        assert peer.is_secure([(b"forwarded", b"for=203.0.113.7")])
        assert not peer.is_secure([(b"x-forwarded-proto", b"http")])


class TestTrust:
    @pytest.mark.parametrize(
        ("address", "trusted"),
        [
            ("10.255.0.1", True),
            ("11.0.0.1", False),
            ("::ffff:10.0.0.1", True),
            ("::ffff:11.0.0.1", False),
            ("fd00::1", True),
            ("fd00::1%eth0", True),
            ("fe80::1", False),
            ("", False),
            ("shop", False),
        ],
    )
    def test_is_by_network(self, address: str, trusted: bool) -> None:
        """
        An address of a trusted network is trusted, also where IPv4 is written as IPv6.
        """
        assert trusted == is_trusted(address, TRUSTED)
        assert not is_trusted(address, ())
