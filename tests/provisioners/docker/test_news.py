from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from provisioners.docker import names
from provisioners.docker.engine import Engine
from provisioners.docker.news import News
from splitter.model import StackId
from tests.provisioners.docker.dockerd import Dockerd

LONG_S = 30.0
LIVE, SHADOW = StackId("shop-r1"), StackId("shop-r2")


def event(stack: StackId) -> dict[str, Any]:
    return {"Type": "container", "Action": "die", "time": 1, "Actor": {"Attributes": {names.STACK: stack}}}


@pytest.fixture
def dockerd(tmp_path: Path) -> Iterator[Dockerd]:
    with Dockerd(tmp_path / "d.sock") as dockerd:
        yield dockerd


@pytest.fixture
async def news(dockerd: Dockerd) -> AsyncIterator[News]:
    engine = Engine(dockerd.url)
    news = News(engine, {names.APP: "shop"})
    yield news
    await news.close()
    await engine.close()


class TestSubscription:
    async def test_hears_of_its_own_stack(self, dockerd: Dockerd, news: News) -> None:
        """
        An event wakes those who listen for its stack, and nobody else.
        """
        with news.subscription(LIVE) as live, news.subscription(SHADOW) as shadow:
            await live.news(LONG_S)  # connected: everybody looks once
            await shadow.news(LONG_S)

            dockerd.events.put(event(SHADOW))
            dockerd.events.put(event(LIVE))
            await live.news(LONG_S)
            await shadow.news(LONG_S)
            dockerd.events.put(event(LIVE))
            await live.news(LONG_S)

            assert not shadow.is_rung

    async def test_is_woken_after_a_break(self, dockerd: Dockerd, news: News) -> None:
        """
        A stream that broke is opened again, and everybody looks: an event may have been lost meanwhile.
        """
        with news.subscription(LIVE) as live:
            await live.news(LONG_S)

            dockerd.events.put(None)
            await live.news(LONG_S)  # the break, so that everybody looks for themselves
            await live.news(LONG_S)

            assert (live.reconnects, dockerd.streams) == (1, 2)

    async def test_ends_with_the_stack(self, news: News) -> None:
        """
        A stack that is retired has no more news.
        """
        with news.subscription(LIVE) as live, news.subscription(SHADOW) as shadow:
            news.end(LIVE)

            await live.news(LONG_S)

            assert (live.ended, shadow.ended) == (True, False)


class TestClose:
    async def test_cuts_a_silent_stream(self, dockerd: Dockerd, tmp_path: Path) -> None:
        """
        Nobody waits for the next event to end the thread that reads them.
        """
        engine = Engine(dockerd.url)
        news = News(engine, {names.APP: "shop"})
        with news.subscription(LIVE) as live:
            await live.news(LONG_S)

            await news.close()

            assert live.ended
        await engine.close()
