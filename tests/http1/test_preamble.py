"""The PROXY protocol: every example whole, byte by byte and with bytes behind it."""

from ipaddress import ip_address

import pytest

from splitter.errors import DownstreamError
from splitter.http1.preamble import Preamble, read_preamble

SIGNATURE = b"\r\n\r\n\x00\r\nQUIT\n"
BEHIND = [b"", b"GET / HTTP/1.1\r\n", b"\x16\x03\x01\x02\x00", b"\r\n", SIGNATURE]


def binary(command: int, family: int, addresses: bytes, fields: bytes = b"", length: int | None = None) -> bytes:
    """Return a header of version 2."""
    size = len(addresses) + len(fields) if length is None else length
    return SIGNATURE + bytes([command, family]) + size.to_bytes(2, "big") + addresses + fields


def addresses(client: str, local: str, ports: tuple[int, int] = (5000, 443)) -> bytes:
    packed = ip_address(client).packed + ip_address(local).packed
    return packed + b"".join(port.to_bytes(2, "big") for port in ports)


def field(kind: int, value: bytes) -> bytes:
    return bytes([kind]) + len(value).to_bytes(2, "big") + value


V4 = addresses("192.0.2.7", "198.51.100.1")
V6 = addresses("2001:db8::7", "2001:db8::1")
SSL = field(0x20, b"\x01" + bytes(4) + field(0x21, b"TLSv1.3"))

GOOD = [
    (b"PROXY TCP4 192.0.2.7 198.51.100.1 5000 443\r\n", ("192.0.2.7", "198.51.100.1", 443, False)),
    (b"PROXY TCP4 255.255.255.255 255.255.255.255 65535 0\r\n", ("255.255.255.255", "255.255.255.255", 0, False)),
    (b"PROXY TCP6 2001:db8::7 2001:db8::1 5000 443\r\n", ("2001:db8::7", "2001:db8::1", 443, False)),
    (b"PROXY UNKNOWN\r\n", ("", "", 0, False)),
    (b"PROXY UNKNOWN " + b"f" * 91 + b"\r\n", ("", "", 0, False)),
    (binary(0x21, 0x11, V4), ("192.0.2.7", "198.51.100.1", 443, False)),
    (binary(0x21, 0x21, V6), ("2001:db8::7", "2001:db8::1", 443, False)),
    (binary(0x21, 0x11, V4, field(4, b"pad") + SSL), ("192.0.2.7", "198.51.100.1", 443, True)),
    (binary(0x21, 0x11, V4, field(0x20, b"\x02" + bytes(4))), ("192.0.2.7", "198.51.100.1", 443, False)),
    (binary(0x20, 0x00, b""), ("", "", 0, False)),
    (binary(0x20, 0x11, V4), ("", "", 0, False)),
    (binary(0x21, 0x00, b"", field(4, b"pad")), ("", "", 0, False)),
    (binary(0x21, 0x31, bytes(216)), ("", "", 0, False)),
]
BAD = [
    b"GET / HTTP/1.1\r\n",
    b"\x16\x03\x01",
    b"proxy TCP4 192.0.2.7 198.51.100.1 5000 443\r\n",
    b" PROXY UNKNOWN\r\n",
    b"PROXY  TCP4 192.0.2.7 198.51.100.1 5000 443\r\n",
    b"PROXY TCP4 192.0.2.7 198.51.100.1 5000 443 \r\n",
    b"PROXY TCP4 192.0.2.7 198.51.100.1 5000\r\n",
    b"PROXY TCP4 192.0.2.7 198.51.100.1 5000 443\n",
    b"PROXY TCP4 2001:db8::7 2001:db8::1 5000 443\r\n",
    b"PROXY TCP6 192.0.2.7 198.51.100.1 5000 443\r\n",
    b"PROXY TCP4 192.0.2.07 198.51.100.1 5000 443\r\n",
    b"PROXY TCP4 192.0.2.256 198.51.100.1 5000 443\r\n",
    b"PROXY TCP6 fe80::1%eth0 2001:db8::1 5000 443\r\n".replace(b"%eth0", b"g"),
    b"PROXY TCP4 192.0.2.7 198.51.100.1 65536 443\r\n",
    b"PROXY TCP4 192.0.2.7 198.51.100.1 -1 443\r\n",
    b"PROXY TCP4 192.0.2.7 198.51.100.1 0050 443\r\n",
    b"PROXY TCP4 192.0.2.7 198.51.100.1  443\r\n",
    b"PROXY TCP4 \xff 198.51.100.1 5000 443\r\n",
    b"PROXY UDP4 192.0.2.7 198.51.100.1 5000 443\r\n",
    b"PROXY UNKNOWN " + b"f" * 92 + b"\r\n",
    b"PROXY " + b"x" * 200,
    binary(0x11, 0x11, V4),
    binary(0x22, 0x11, V4),
    binary(0x21, 0x12, V4),
    binary(0x21, 0x13, V4),
    binary(0x21, 0x11, V4[:-1]),
    binary(0x21, 0x21, V4),
    binary(0x21, 0x11, V4, b"\x04"),
    binary(0x21, 0x11, V4, b"\x04\x00"),
    binary(0x21, 0x11, V4, b"\x04\x00\x02x"),
    binary(0x21, 0x11, V4, length=0xFFFF),
]


def said(preamble: Preamble | None) -> tuple[str, str, int, bool]:
    assert preamble is not None
    return preamble[1:]


class TestGood:
    @pytest.mark.parametrize(("data", "expected"), GOOD)
    @pytest.mark.parametrize("behind", BEHIND)
    def test_is_read_whole(self, data: bytes, expected: tuple[str, str, int, bool], behind: bytes) -> None:
        """
        Who the client is follows from the preamble alone, whatever stands behind it.
        """
        preamble = read_preamble(data + behind)

        assert said(preamble) == expected
        assert preamble is not None
        assert preamble.size == len(data)

    @pytest.mark.parametrize(("data", "expected"), GOOD)
    def test_is_read_byte_by_byte(self, data: bytes, expected: tuple[str, str, int, bool]) -> None:
        """
        Nothing is said before the last byte, and nothing that may still become a preamble is refused.
        """
        assert [read_preamble(data[:size]) for size in range(len(data))] == [None] * len(data)
        assert said(read_preamble(data)) == expected


class TestBad:
    @pytest.mark.parametrize("data", BAD)
    @pytest.mark.parametrize("behind", BEHIND)
    def test_is_refused_whole(self, data: bytes, behind: bytes) -> None:
        """
        What is no preamble is none, whatever stands behind it.
        """
        with pytest.raises(DownstreamError):
            read_preamble(data + behind)

    @pytest.mark.parametrize("data", BAD)
    def test_is_refused_byte_by_byte(self, data: bytes) -> None:
        """
        In pieces it is refused with its last byte at the latest, and never read as something else.
        """
        refusals = 0
        for size in range(1, len(data) + 1):
            try:
                assert read_preamble(data[:size]) is None
            except DownstreamError:
                refusals += 1

        assert refusals >= 1
