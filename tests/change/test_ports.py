import pytest

from splitter.change.ports import parse_ports
from splitter.template import Port
from tests.change.compose import mistake, service


class TestShortForm:
    @pytest.mark.parametrize(
        ("text", "ports"),
        [
            ("80", [Port(80)]),
            ("8080:80", [Port(80, "tcp", "8080")]),
            ("53:53/udp", [Port(53, "udp", "53")]),
            ("127.0.0.1:8080:80", [Port(80, "tcp", "8080", "127.0.0.1")]),
            ("127.0.0.1::80", [Port(80, "tcp", "", "127.0.0.1")]),
            ("[::1]:8080:80", [Port(80, "tcp", "8080", "::1")]),
            ("::1:8080:80", [Port(80, "tcp", "8080", "::1")]),
            ("3000-3001", [Port(3000), Port(3001)]),
            ("9000-9001:80-81", [Port(80, "tcp", "9000"), Port(81, "tcp", "9001")]),
            ("9000-9005:80", [Port(80, "tcp", "9000-9005")]),
        ],
    )
    def test_every_spelling(self, text: str, ports: list[Port]) -> None:
        """
        Address, published port, range and protocol are all optional.
        """
        assert tuple(ports) == parse_ports(text)

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("web", "'web' is not a port"),
            ("0", "'0' is not between 1 and 65535"),
            ("65536", "'65536' is not between 1 and 65535"),
            ("9-8", "the range '9-8' ends before it begins"),
            ("1-3:1-2", "1-3 are 3 ports, the container's are 2"),
            ("80/icmp", "'icmp' is not a protocol"),
            ("80/", "'' is not a protocol"),
            ("host:1:2", "'host' is not an IP address"),
            ("", "'' is not a port"),
        ],
    )
    def test_refuses_the_rest(self, text: str, message: str) -> None:
        """
        What is no port is refused with the part that is wrong.
        """
        with pytest.raises(ValueError) as caught:
            parse_ports(text)

        assert str(caught.value).startswith(message)


class TestPortsOfAService:
    def test_both_forms_are_one(self) -> None:
        """
        The long form, the short form and a bare number give the same value, once, sorted.
        """
        long = "{target: '80', published: 8080, host_ip: 127.0.0.1, protocol: tcp}"

        ports = service(f"ports: [443, '127.0.0.1:8080:80', {long}]").ports

        assert ports == (Port(80, "tcp", "8080", "127.0.0.1"), Port(443))

    def test_long_form_needs_a_target(self) -> None:
        """
        A long form without target is a mistake at its place.
        """
        assert mistake("ports: [{published: 80}]") == (
            "services.web.ports[0]: no target says which port of the container; write target:"
        )

    def test_mistakes_name_the_entry(self) -> None:
        """
        The path says which of the ports is wrong.
        """
        assert mistake("ports: [80, 81, x]").startswith("services.web.ports[2]: 'x' is not a port")


class TestExpose:
    def test_ports_and_ranges(self) -> None:
        """
        Exposed ports are numbers, sorted, each once.
        """
        assert service("expose: [81, '80/tcp', '90-92', '81']").expose == (80, 81, 90, 91, 92)


class TestNumber:
    def test_is_bounded(self) -> None:
        """
        Every port is one too many if each is there twice; the error names the entry that was.
        """
        assert mistake("ports: ['1-65535', '1-65535/udp', '80']") == (
            "services.web.ports[1]: more than 65535 ports; no service has so many"
        )
