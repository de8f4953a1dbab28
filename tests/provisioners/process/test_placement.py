from dataclasses import replace

import pytest

from provisioners.process.placement import Place, endpoints, environment, place, ports_needed, variable
from provisioners.process.programs import Program
from splitter.model import Endpoint, ServicePort

WEB = Program("web", 1, 0, "/bin/web", ("web",), {}, "/", (8000, 9000), True, False, False, None, "no", 15, 10.0)
DB = replace(WEB, service="my-db", replicas=2, ports=(0,))
PLACES = place([WEB, DB], range(40001, 40010))
LABELS = {"SPLITTER_STACK": "shop-r1"}


class TestPlace:
    def test_each_port_of_each_replica_is_its_own(self) -> None:
        """
        Two ports of one replica and one port of two replicas are four ports.
        """
        expected = [
            Place("web", 1, ((8000, 40001), (9000, 40002))),
            Place("my-db", 1, ((0, 40003),)),
            Place("my-db", 2, ((0, 40004),)),
        ]

        assert expected == PLACES
        assert ports_needed([WEB, DB]) == 4

    def test_route_leads_to_the_port_it_names(self) -> None:
        """
        A route without a port leads to the main one; a route to a service with replicas leads to all of them.
        """
        main, second, replicas = ServicePort("web"), ServicePort("web", 9000), ServicePort("my-db", 5432)

        found = endpoints([main, second, replicas], PLACES)

        assert found[main] == (Endpoint("127.0.0.1", 40001),)
        assert found[second] == (Endpoint("127.0.0.1", 40002),)
        assert found[replicas] == (Endpoint("127.0.0.1", 40003), Endpoint("127.0.0.1", 40004))


class TestEnvironment:
    def test_tells_a_replica_all_it_needs(self) -> None:
        """
        Its own ports, its labels, and where every replica of the other services is.
        """
        expected = {
            "PORT": "40001",
            "PORT_8000": "40001",
            "PORT_9000": "40002",
            "MY_DB_HOST": "127.0.0.1",
            "MY_DB_PORT": "40003",
            "MY_DB_ENDPOINTS": "127.0.0.1:40003,127.0.0.1:40004",
            "SPLITTER_STACK": "shop-r1",
            "SPLITTER_SERVICE": "web",
            "SPLITTER_REPLICA": "1",
        }

        assert environment(WEB, PLACES[0], PLACES, LABELS) == expected

    @pytest.mark.parametrize(
        ("written", "expected"),
        [
            ({"MY_DB_HOST": "my-db", "MY_DB_PORT": "5432"}, ("127.0.0.1", "40003")),
            ({"MY_DB_PORT": "5432"}, ("127.0.0.1", "40003")),
            ({"MY_DB_HOST": "db.example.org", "MY_DB_PORT": "5432"}, ("db.example.org", "5432")),
        ],
    )
    def test_host_of_the_template_stays_unless_it_is_the_service(
        self, written: dict[str, str], expected: tuple[str, str]
    ) -> None:
        """
        A service's bare name resolves in containers alone, so it is replaced; another host is what the user wants.
        """
        found = environment(replace(WEB, environment=written), PLACES[0], PLACES, LABELS)

        assert (found["MY_DB_HOST"], found["MY_DB_PORT"]) == expected

    def test_name_becomes_a_variable(self) -> None:
        """
        What a variable cannot hold becomes an underscore.
        """
        assert variable("user-api.v2") == "USER_API_V2"
