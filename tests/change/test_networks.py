import pytest

from splitter.template import (
    Attachment,
    Dependency,
    Ipam,
    Network,
    Pool,
)
from tests.change.compose import mistake, mistakes, service, template

pytestmark = pytest.mark.usefixtures("every_key")


class TestTopLevel:
    def test_addresses(self) -> None:
        """
        Pools, ranges, gateways and reserved addresses in their shortest spelling.
        """
        loaded = template("""
            services: {web: {image: web, networks: [back]}}
            networks:
              back:
                enable_ipv6: true
                ipam:
                  driver: default
                  options: {a: b}
                  config:
                    - {subnet: 10.5.0.0/16, ip_range: 10.5.1.0/24, gateway: 10.5.0.1, aux_addresses: {tv: 10.5.0.9}}
                    - {subnet: '2001:0DB8::/64'}
        """)

        assert loaded.networks["back"] == Network(
            "back",
            enable_ipv6=True,
            ipam=Ipam(
                "default",
                (Pool("10.5.0.0/16", "10.5.1.0/24", "10.5.0.1", {"tv": "10.5.0.9"}), Pool("2001:db8::/64")),
                {"a": "b"},
            ),
        )

    @pytest.mark.parametrize(
        ("network", "message"),
        [
            ("{driver: overlay}", "only a swarm has overlay networks"),
            ("{driver: host}", "the host's network cannot be doubled"),
            ("{enable_ipv4: false}", "a network without IPv4 is not supported yet"),
            ("{ipam: {config: [{subnet: ten}]}}", "'ten' is not a subnet"),
            ("{ipam: {config: [{gateway: here}]}}", "'here' is not an IP address"),
        ],
    )
    def test_what_cannot_be_made(self, network: str, message: str) -> None:
        """
        A network that no engine would make is a mistake in the file.
        """
        found = mistakes(f"services: {{web: {{image: web, networks: [back]}}}}\nnetworks: {{back: {network}}}")

        assert len(found) == 1
        assert message in found[0]


class TestAttachments:
    def test_addresses_and_options(self) -> None:
        """
        A place in a network has what the file says of it.
        """
        loaded = template("""
            services:
              web:
                image: web
                networks:
                  back:
                    ipv4_address: 10.5.0.7
                    ipv6_address: 2001:DB8::7
                    link_local_ips: [169.254.8.8]
                    mac_address: 02-42-AC-11-00-03
                    driver_opts: {a: 1}
            networks: {back: }
        """)

        assert loaded.services["web"].networks == (
            Attachment(
                "back", (), "10.5.0.7", "2001:db8::7", ("169.254.8.8",), "02:42:ac:11:00:03", driver_opts={"a": "1"}
            ),
        )

    @pytest.mark.parametrize(
        ("entry", "message"),
        [
            ("ipv4_address: '::1'", "::1 is not an IPv4 address"),
            ("ipv6_address: 10.0.0.1", "10.0.0.1 is not an IPv6 address"),
            ("mac_address: '02:42'", "'02:42' is not a MAC address"),
        ],
    )
    def test_what_is_no_address(self, entry: str, message: str) -> None:
        """
        Addresses are checked.
        """
        assert message in mistake(f"networks: {{default: {{{entry}}}}}")


class TestNetworkMode:
    @pytest.mark.parametrize("mode", ["none", "bridge"])
    def test_no_networks(self, mode: str) -> None:
        """
        A service with a mode is in no network of the stack.
        """
        loaded = service(f"network_mode: {mode}")

        assert (loaded.network_mode, loaded.networks) == (mode, ())

    def test_the_network_of_another_service(self) -> None:
        """
        A service in the network of another waits for it, and restarts with it.
        """
        loaded = template("services: {db: {image: db}, web: {image: web, network_mode: 'service:db'}}")

        assert loaded.services["web"].network_mode == "service:db"
        assert loaded.services["web"].depends_on == (Dependency("db", restart=True),)

    def test_ports_belong_to_the_owner(self) -> None:
        """
        Who is in the network of another has no ports of its own.
        """
        found = mistakes("services: {db: {image: db}, web: {image: web, network_mode: 'service:db', ports: [80]}}")

        assert [text.partition(": ")[2] for text in found] == [
            "services.web.ports: a service in the network of another has no ports of its own; write them at service:db"
        ]


class TestHosts:
    def test_either_form(self) -> None:
        """
        A list with : or =, and a mapping, say the same.
        """
        expected = ("a:10.0.0.1", "b:::1", "gate:host-gateway")

        assert service("extra_hosts: ['a:10.0.0.1', 'b=[::1]', 'gate=host-gateway']").extra_hosts == expected
        assert service("extra_hosts: {gate: host-gateway, a: [10.0.0.1], b: '::1'}").extra_hosts == expected

    def test_an_address_is_needed(self) -> None:
        """
        A name for a name is a mistake.
        """
        assert "'db' is not an IP address" in mistake("extra_hosts: ['a:db']")


class TestLinks:
    def test_an_alias_in_the_shared_networks(self) -> None:
        """
        A link is a dependency, and its alias a name of the other service where both are.
        """
        loaded = template("""
            services:
              db: {image: db, networks: [back, other]}
              web: {image: web, networks: [back], links: [db:database]}
            networks: {back: , other: }
        """)

        assert loaded.services["db"].networks == (Attachment("back", ("database",)), Attachment("other"))
        assert loaded.services["web"].depends_on == (Dependency("db", restart=True),)

    def test_what_is_written_stays(self) -> None:
        """
        A dependency that the file says itself is not changed by a link.
        """
        loaded = template("""
            services:
              db: {image: db, healthcheck: {test: x}}
              web: {image: web, links: [db], depends_on: {db: {condition: service_healthy}}}
        """)

        assert loaded.services["web"].depends_on == (Dependency("db", loaded.services["web"].depends_on[0].condition),)
        assert not loaded.services["web"].depends_on[0].restart


class TestNetworks:
    def test_default(self) -> None:
        """
        A service that names no network joins the default one.
        """
        assert service("user: x").networks == (Attachment("default"),)

    def test_priority_then_name(self) -> None:
        """
        Networks are ordered by priority, then by name; aliases are a sorted set.
        """
        text = """
        services: {web: {image: a, networks: {a: , c: {priority: 5}, b: {aliases: [y, x, y]}}}}
        networks: {a: , b: , c: }
        """

        read = template(text).services["web"]

        assert read.networks == (Attachment("c"), Attachment("a"), Attachment("b", ("x", "y")))

    def test_container_name_is_an_alias(self) -> None:
        """
        Two stacks cannot share a container name, so it lives on as an alias.
        """
        assert service("container_name: shop").networks == (Attachment("default", ("shop",)),)

    def test_container_names_are_checked(self) -> None:
        """
        What the engine would refuse as a name is refused here.
        """
        assert "'-x' is not a container name" in mistake("container_name: -x")

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("network_mode: host", "two stacks cannot share the host's network"),
            ("network_mode: container:x", "that container is not in this file"),
            ("network_mode: nome", "there is no network mode 'nome'"),
            ("network_mode: none, networks: [a]", "network_mode and networks exclude each other"),
        ],
    )
    def test_network_mode_is_refused(self, text: str, message: str) -> None:
        """
        Every network mode is refused with what to write instead.
        """
        assert message in mistake(text)
