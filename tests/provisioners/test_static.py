import asyncio
import socket
from pathlib import Path

import pytest

from provisioners.static import StaticProvisioner
from splitter.contracts import StackDied, StackOrder
from splitter.errors import EngineError, StackError
from splitter.model import Endpoint, ServicePort, StackId
from splitter.template import Service, Template
from tests.provisioners.process.stage import HurriedClock, collect, eventually

WEB = ServicePort("web", 8000)
ID = StackId("shop-r1")


@pytest.fixture
def provisioner(tmp_path: Path) -> StaticProvisioner:
    return StaticProvisioner("shop", "here", tmp_path, HurriedClock())


def listen() -> tuple[socket.socket, Endpoint]:
    server = socket.create_server(("127.0.0.1", 0))
    return server, Endpoint(*server.getsockname())


def silent() -> Endpoint:
    """Return an address where nobody answers."""
    server, endpoint = listen()
    server.close()
    return endpoint


def order(*endpoints: Endpoint, routed: tuple[ServicePort, ...] = (WEB,), deadline_s: float = 30.0) -> StackOrder:
    web = Service(name="web", static_endpoints=endpoints)
    return StackOrder(ID, "shop", 1, "shop-1", Template("shop", "/", {"web": web}), routed, deadline_s)


class TestCheck:
    async def test_names_everything_at_once(self, provisioner: StaticProvisioner) -> None:
        """
        A service without endpoints and a route to nowhere are both found.
        """
        problems = [each.sentence for each in await provisioner.check(order(routed=(WEB, ServicePort("api"))))]

        assert ["service web has no endpoints" in problems[0], "no service api (it has: web)" in problems[1]] == [
            True
        ] * 2

    async def test_sound_order_has_no_problems(self, provisioner: StaticProvisioner) -> None:
        """
        Whether anybody answers is not a question of the template.
        """
        assert await provisioner.check(order(silent())) == []


class TestCreate:
    async def test_every_endpoint_answers_for_every_route(self, provisioner: StaticProvisioner) -> None:
        """
        The stack has the template's endpoints, whatever port the route names.
        """
        server, endpoint = listen()
        with server:
            stack = await provisioner.create(order(endpoint, routed=(WEB, ServicePort("web"))), lambda _: None)

        assert stack.endpoints == {WEB: (endpoint,), ServicePort("web"): (endpoint,)}

    async def test_waits_until_it_answers(self, provisioner: StaticProvisioner) -> None:
        """
        A server that comes up late, but in time, is fine.
        """
        first, answering = listen()
        late = silent()
        with first, socket.socket() as second:
            second.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            second.bind((late.host, late.port))

            await provisioner.create(order(answering, late), lambda _: second.listen())

        assert [each.id for each in await provisioner.find()] == [ID]

    async def test_says_who_does_not_answer(self, provisioner: StaticProvisioner) -> None:
        """
        At the deadline the silent endpoints are named, and the stack is not remembered.
        """
        nobody = silent()

        with pytest.raises(
            StackError, match=f"shop-r1: no connection is accepted within 0.1 s by service web at {nobody}"
        ):
            await provisioner.create(order(nobody, deadline_s=0.1), lambda _: None)

        assert await provisioner.find() == []


class TestFind:
    async def test_a_restarted_daemon_finds_it(self, provisioner: StaticProvisioner, tmp_path: Path) -> None:
        """
        A stack that was made is found whole by the next provisioner of this installation, and by no other.
        """
        server, endpoint = listen()
        with server:
            stack = await provisioner.create(order(endpoint), lambda _: None)

        assert [each.stack for each in await StaticProvisioner("shop", "here", tmp_path).find()] == [stack]
        assert await StaticProvisioner("shop", "elsewhere", tmp_path).find() == []

    async def test_broken_memory_is_named(self, provisioner: StaticProvisioner, tmp_path: Path) -> None:
        """
        A record that is no record is an error with its place, not an empty answer.
        """
        (tmp_path / "static/shop").mkdir(parents=True)
        (tmp_path / "static/shop/shop-r1.json").write_text("{")

        with pytest.raises(EngineError, match="static/shop cannot be read"):
            await provisioner.find()


class TestWatch:
    async def test_tells_when_it_no_longer_answers(self, provisioner: StaticProvisioner) -> None:
        """
        Several refused connections in a row are the end.
        """
        server, endpoint = listen()
        with server:
            await provisioner.create(order(endpoint), lambda _: None)

        assert await collect(provisioner) == [
            StackDied(f"shop-r1: {endpoint} refused 3 connections in a row; look at its server")
        ]

    async def test_ends_without_a_word_when_retired(self, provisioner: StaticProvisioner) -> None:
        """
        A retired stack is nobody's business, and it is forgotten.
        """
        server, endpoint = listen()
        with server:
            await provisioner.create(order(endpoint), lambda _: None)
            watch = asyncio.create_task(collect(provisioner))
            await eventually(lambda: ID in provisioner._retired)

            await provisioner.retire(ID)

            assert await watch == []
        assert await provisioner.find() == []

    async def test_an_unknown_stack_is_dead(self, provisioner: StaticProvisioner) -> None:
        """
        Who watches a stack that is not there is told so at once.
        """
        assert "shop-r1 is not known here" in str(await collect(provisioner))
