from typing import Any

import pytest

from provisioners.docker import DockerOptions
from splitter.contracts import StackOrder
from splitter.placement import Placement
from splitter.template import Attachment, Network
from tests.provisioners.docker.memory import World
from tests.provisioners.docker.stage import order, server, template
from tests.provisioners.docker.test_crashes import problems

BRIDGE = DockerOptions(endpoint="bridge", pull=False)


def edge(name: str) -> World:
    """Return a world in which a container is called db on the network `name`."""
    world = World(aliases={"old-db": ["db", "0123456789ab"]})
    world.networks[name] = {
        "Id": "n",
        "Name": name,
        "Labels": {},
        "IPAM": {"Config": []},
        "Containers": {"old-db": "10.9.0.2", "gone": "10.9.0.3"},
    }
    world.containers["old-db"] = {
        "Id": "c",
        "Name": "/old-db",
        "Labels": {},
        "Mounts": [],
        "State": {"Status": "running", "Running": True},
        "Config": {"Labels": {}},
        "HostConfig": {},
    }
    return world


def wanted(name: str, *others: str, **keys: Any) -> StackOrder:
    """Return an order for a web server on its own network and on the external `name`, with `others` beside it."""
    web = server(image="app:1", networks=(Attachment("default"), Attachment("edge")))
    networks = {"edge": Network("edge", name=name, external=True)}
    return order("shop", template(web, *(server(each, image="app:1") for each in others), networks=networks), **keys)


class TestExternalNetwork:
    async def test_must_not_have_a_service_s_name_first(self) -> None:
        """
        Where an external network sorts before the stack's own, a name that it has leads out of the stack.
        """
        (problem,) = await problems(edge("0-edge"), wanted("0-edge", "db"), BRIDGE)

        assert problem.startswith(
            "service db would not be found by its name: old-db is called db on external network 0-edge, which sorts "
            "before the stack's own"
        )

    @pytest.mark.parametrize(
        ("name", "others"), [("0-edge", ()), ("a_edge", ("db",)), ("zz_edge", ("db",))], ids=["other", "a", "zz"]
    )
    async def test_may_have_any_other_name(self, name: str, others: tuple[str, ...]) -> None:
        """
        Names of no service do no harm, and nobody is misled where the stack's own network is asked first.
        """
        assert await problems(edge(name), wanted(name, *others), BRIDGE) == []

    async def test_may_have_what_is_shared(self) -> None:
        """
        A shared service is the same container by whatever network it is found.
        """
        beside = wanted("0-edge", "db", placement=Placement(shared=("db",)), again=True)

        assert await problems(edge("0-edge"), beside, BRIDGE) == []
