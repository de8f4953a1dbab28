import asyncio
from collections.abc import Mapping
from typing import Any

import pytest

from provisioners.docker import endpoints
from provisioners.docker.containers import Image
from provisioners.docker.engine import Engine
from splitter.model import Endpoint, ServicePort
from splitter.template import Port
from tests.provisioners.docker.samples import container, identity
from tests.provisioners.docker.stage import WEB, order, server, template

ANY = ServicePort("web")
BOUND = {"8000/tcp": [{"HostIp": "127.0.0.1", "HostPort": "32768"}], "53/udp": None}


def image(*ports: int) -> Mapping[str, Image]:
    return {"web": Image("shop:1", "sha256:1", (), ports, has_check=False)}


class TestResolve:
    @pytest.mark.parametrize(
        ("ports", "declared", "target"),
        [((Port(8080),), (), 8080), ((), (9000,), 9000), ((Port(8080), Port(53, "udp")), (9000,), 8080)],
    )
    def test_finds_the_only_port(self, ports: tuple[Port, ...], declared: tuple[int, ...], target: int) -> None:
        """
        A route without a port means the service's only TCP port: the template's, else its image's.
        """
        found, problems = endpoints.resolve(order("shop", template(server(ports=ports)), ANY), image(*declared))

        assert ([each.target for each in found], problems) == ([target], [])

    def test_takes_a_written_port_as_it_is(self) -> None:
        """
        A port in the route needs no declaration.
        """
        found, problems = endpoints.resolve(order("shop", template(server(ports=())), WEB), image())

        assert ([each.target for each in found], problems) == ([8000], [])

    @pytest.mark.parametrize(
        ("ports", "sentence"), [((), "no TCP port"), ((Port(80), Port(81)), "several TCP ports (80, 81)")]
    )
    def test_asks_for_a_port_that_cannot_be_known(self, ports: tuple[Port, ...], sentence: str) -> None:
        """
        None or several ports need a word in the route.
        """
        _, problems = endpoints.resolve(order("shop", template(server(ports=ports)), ANY), image())

        assert problems == [f"route to web: service web declares {sentence}; write the port in the route"]

    def test_needs_a_replica(self) -> None:
        """
        A service of no replicas cannot answer.
        """
        _, problems = endpoints.resolve(order("shop", template(server(replicas=0)), WEB), image())

        assert problems == ["route to web:8000: service web has no replicas; give it at least one"]

    def test_names_the_services_that_there_are(self) -> None:
        """
        A route to a service that the template lacks lists those it has.
        """
        _, problems = endpoints.resolve(order("shop", template(server()), ServicePort("api")), image())

        assert problems == ["route to api: the template has no service api (it has: web)"]


class TestRead:
    def test_prefers_the_loopback_binding(self) -> None:
        """
        A port bound on 127.0.0.1 was bound for us.
        """
        found = endpoints.read(identity({"web": 1}).routed, [container(ports=BOUND)])

        assert found == {WEB: (Endpoint("127.0.0.1", 32768),)}

    def test_takes_the_address_on_the_stacks_own_network(self) -> None:
        """
        A container in several networks is dialled on the one it was made on.
        """
        found = endpoints.read(identity({"web": 1}).routed, [container()])

        assert found == {WEB: (Endpoint("10.1.0.2", 8000),)}


class TestReach:
    async def test_is_loopback_where_the_bridge_is_not_ours(self) -> None:
        """
        An engine in a virtual machine, or on a TCP address, does not share its bridges with us.
        """
        socket, remote = Engine("unix:///nonexistent"), Engine("tcp://127.0.0.1:1")
        info: dict[str, Any] = {"OperatingSystem": "Docker Desktop"}
        try:
            assert await endpoints.reach("auto", socket, info) == endpoints.Reach("loopback")
            assert await endpoints.reach("auto", remote, {}) == endpoints.Reach("loopback")
            assert await endpoints.reach("bridge", remote, {}) == endpoints.Reach("bridge")
        finally:
            await socket.close()
            await remote.close()


class TestAnswers:
    async def test_needs_somebody_who_stays(self) -> None:
        """
        A server that waits for a request answers; one that hangs up at once is a port helper with nobody behind it.
        """
        done = asyncio.Event()

        async def patient(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.read()
            writer.close()
            done.set()

        async def hasty(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.close()

        async with (
            await asyncio.start_server(patient, "127.0.0.1", 0) as good,
            await asyncio.start_server(hasty, "127.0.0.1", 0) as bad,
        ):
            assert await endpoints.answers(Endpoint(*good.sockets[0].getsockname()))
            assert not await endpoints.answers(Endpoint(*bad.sockets[0].getsockname()))
            await done.wait()

    async def test_needs_somebody_at_all(self) -> None:
        """
        A port that nobody listens on does not answer.
        """
        server = await asyncio.start_server(lambda *_: None, "127.0.0.1", 0)
        address = Endpoint(*server.sockets[0].getsockname())
        server.close()
        await server.wait_closed()

        assert not await endpoints.answers(address)
