from collections.abc import AsyncIterator, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from provisioners.docker.engine import Engine
from provisioners.docker.news import News
from provisioners.docker.parts import Parts
from provisioners.docker.state import Container
from provisioners.docker.watching import Watch, stack_of
from splitter.contracts import EngineBack, EngineGone, StackDied, StackMoved
from splitter.model import Endpoint
from tests.provisioners.docker.dockerd import Answer, Dockerd
from tests.provisioners.docker.samples import STACK, container, exited, inspected
from tests.provisioners.docker.stage import endpoint

AWAY: Answer = (500, {"message": "engine is shutting down"})


def bound(port: int) -> Mapping[str, Any]:
    return {"8000/tcp": [{"HostIp": "127.0.0.1", "HostPort": str(port)}]}


@pytest.fixture
def dockerd(tmp_path: Path) -> Iterator[Dockerd]:
    with Dockerd(tmp_path / "d.sock") as dockerd:
        dockerd.answers["GET /containers/json"] = [(200, [{"Id": "id-of-web"}])]
        yield dockerd


@pytest.fixture
async def engine(dockerd: Dockerd) -> AsyncIterator[Engine]:
    engine = Engine(dockerd.url)
    yield engine
    await engine.close()


@pytest.fixture
async def watch(engine: Engine) -> AsyncIterator[Watch]:
    """The watch over a stack that was told to answer at port 1."""
    news = News(engine, {})
    told = stack_of([Container.read(inspected(ports=bound(1)))])
    yield Watch(engine, Parts(engine, "shop", "home"), news, STACK, told)
    await news.close()


class TestWatch:
    async def test_waits_for_an_engine_that_is_away(self, dockerd: Dockerd, watch: Watch) -> None:
        """
        An engine that does not answer says nothing of its containers; back again, it tells where they are now.
        """
        dockerd.answers["GET /containers/json"].insert(0, AWAY)
        dockerd.answers["GET /containers/id-of-web/json"] = [(200, inspected(ports=bound(2)))]

        changes = watch.changes()
        gone, back, moved = [await anext(changes) for _ in range(3)]

        assert isinstance(gone, EngineGone)
        assert "engine is shutting down" in gone.reason
        assert isinstance(back, EngineBack)
        assert isinstance(moved, StackMoved)
        assert endpoint(moved.stack) == Endpoint("127.0.0.1", 2)

    async def test_is_patient_after_the_engine_came_back(self, watch: Watch) -> None:
        """
        A container that the engine stopped when it ended, and will start again, is a loss only if nothing came back.
        """
        up, down = (container(policy="always", **keys) for keys in ({"ports": bound(1)}, {"state": exited(0)}))

        assert await watch._compared([up], reconnects=0) is None
        assert await watch._compared([down], reconnects=1) is None
        watch._patient_until = 0.0
        assert isinstance(await watch._compared([down], reconnects=1), StackDied)

    async def test_reports_a_stack_without_containers(self, dockerd: Dockerd, watch: Watch) -> None:
        """
        A stack of which nothing is left was removed by somebody.
        """
        dockerd.answers |= {
            "GET /containers/json": [(200, [])],
            "GET /networks": [(200, [])],
            "GET /volumes": [(200, {"Volumes": []})],
        }

        changes = [change async for change in watch.changes()]

        assert changes == [StackDied("stack shop-r1 is gone: somebody removed its containers")]
