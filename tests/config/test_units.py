"""Kinds of values: what is taken, what is refused, and how a default is shown."""

import pytest

from splitter.change.quantities import duration_s
from splitter.config.units import address, endpoint, flag, show_duration, show_fraction, show_share, show_size
from splitter.model import Endpoint


class TestAddress:
    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            ("0.0.0.0:8080", Endpoint("0.0.0.0", 8080)),
            ("localhost:1", Endpoint("localhost", 1)),
            ("[::1]:65535", Endpoint("::1", 65535)),
            ("my-host.example.org:80", Endpoint("my-host.example.org", 80)),
            ("127.0.0.1:0", Endpoint("127.0.0.1", 0)),
        ],
    )
    def test_is_host_and_port(self, text: str, expected: Endpoint) -> None:
        """
        Names, v4 addresses and bracketed v6 addresses are hosts.
        """
        assert address(text) == expected

    @pytest.mark.parametrize(
        ("text", "complaint"),
        [
            ("8080", "has no host"),
            (":8080", "has no host"),
            ("localhost", "has no port"),
            ("localhost:http", "is no port"),
            ("localhost:65536", "is no port"),
            ("localhost:²", "is no port"),
            ("::1:80", "is no host"),
            ("[127.0.0.1]:80", "is no host"),
            ("127.0.0.300:80", "is no host"),
            ("a b:80", "is no host"),
            ("http://host:80", "is no host"),
            ("-a:80", "is no host"),
        ],
    )
    def test_that_is_none_is_refused(self, text: str, complaint: str) -> None:
        """
        A message names the part that is wrong and shows how an address is written.
        """
        with pytest.raises(ValueError, match=complaint) as caught:
            address(text)

        assert "127.0.0.1:8080" in str(caught.value)

    def test_of_a_server_has_a_real_port(self) -> None:
        """
        Port 0 asks for a free port to listen on; nobody answers there.
        """
        with pytest.raises(ValueError, match="port 0"):
            endpoint("127.0.0.1:0")


class TestShownValue:
    @pytest.mark.parametrize(
        ("seconds", "expected"),
        [
            (0.0, "0s"),
            (20.0, "20s"),
            (90.0, "1m30s"),
            (1800.0, "30m"),
            (0.0005, "500us"),
            (0.25, "250ms"),
            (86400, "1d"),
        ],
    )
    def test_duration(self, seconds: float, expected: str) -> None:
        """
        A duration is shown as it would be written.
        """
        assert show_duration(seconds) == expected
        assert duration_s(expected) == seconds

    @pytest.mark.parametrize(("size", "expected"), [(0, "0"), (512, "512"), (65_536, "64 KiB"), (2 * 1024**3, "2 GiB")])
    def test_size(self, size: int, expected: str) -> None:
        """
        A size is shown in the largest unit that it is a multiple of.
        """
        assert show_size(size) == expected

    def test_share_and_percentage(self) -> None:
        """
        Basis points and fractions are shown in percent, without noise.
        """
        assert show_share(1) == "0.01%"
        assert show_share(2_500) == "25%"
        assert show_fraction(0.0005) == "0.05%"
        assert show_fraction(0.07) == "7%"


class TestFlag:
    def test_is_true_or_false_only(self) -> None:
        """
        Other words for yes and no stay text, which the model refuses.
        """
        assert [flag(word) for word in ("true", "False", "yes", "1")] == [True, False, "yes", "1"]
