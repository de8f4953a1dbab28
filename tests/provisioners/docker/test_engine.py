import asyncio
import socket
import threading
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from provisioners.docker.engine import Engine, EngineRefusedError, EngineUnreachableError
from tests.provisioners.docker.dockerd import HANG_UP, Dockerd


@pytest.fixture
def dockerd(tmp_path: Path) -> Iterator[Dockerd]:
    with Dockerd(tmp_path / "d.sock") as dockerd:
        yield dockerd


@pytest.fixture
async def engine(dockerd: Dockerd) -> AsyncIterator[Engine]:
    engine = Engine(dockerd.url)
    yield engine
    await engine.close()


class TestRefusals:
    @pytest.mark.parametrize(
        ("status", "said", "expected"),
        [
            (404, "No such container: web", "could not look around: No such container: web"),
            (
                409,
                'The name "/web" is in use.',
                'The name "/web" is in use. Remove or rename it; it is not of this stack.',
            ),
            (500, "port is already allocated", "Something else on the host holds that port"),
            (403, "no available predefined address pools", "docker network prune"),
            (500, "write: no space left on device", "Free space on the engine's disk"),
        ],
    )
    async def test_name_what_was_done_and_the_remedy(
        self, dockerd: Dockerd, engine: Engine, status: int, said: str, expected: str
    ) -> None:
        """
        The engine's answer keeps its status and gains what to do about it.
        """
        dockerd.answers["GET /info"] = [(status, {"message": said})]

        with pytest.raises(EngineRefusedError) as raised:
            await engine.read("look around", lambda client: client.info())

        assert raised.value.status == status
        assert expected in str(raised.value)


class TestUnreachable:
    async def test_says_that_nobody_listens(self, tmp_path: Path) -> None:
        """
        A socket file that an engine left behind is as good as none.
        """
        with socket.socket(socket.AF_UNIX) as left:
            left.bind(str(tmp_path / "d.sock"))
        engine = Engine(f"unix://{tmp_path / 'd.sock'}")

        with pytest.raises(EngineUnreachableError, match=r"is not running \(nobody listens\): start it"):
            await engine.read("look around", lambda client: client.info())

        await engine.close()

    async def test_reads_are_tried_twice(self, dockerd: Dockerd, engine: Engine) -> None:
        """
        An engine that hangs up on an old connection is asked again.
        """
        dockerd.answers["GET /info"] = [HANG_UP, (200, {"Name": "here"})]

        assert await engine.read("look around", lambda client: client.info()) == {"Name": "here"}

    async def test_changes_are_tried_once(self, dockerd: Dockerd, engine: Engine) -> None:
        """
        A change may have happened although no answer came, so it is not repeated.
        """
        dockerd.answers["POST /containers/web/start"] = [HANG_UP, (204, None)]

        with pytest.raises(EngineUnreachableError):
            await engine.start("web")

        assert dockerd.answers["POST /containers/web/start"] == [(204, None)]


class TestCancelledChange:
    async def test_ends_after_the_call(self, engine: Engine) -> None:
        """
        Whoever cancels a change learns of the end only when nothing can appear on the engine any more.
        """
        begun, release = threading.Event(), threading.Event()

        def call(_: object) -> None:
            begun.set()
            release.wait()

        changing = asyncio.create_task(engine.change("change something", call))
        await asyncio.to_thread(begun.wait)
        changing.cancel()
        await asyncio.sleep(0)

        assert not changing.done()
        release.set()
        with pytest.raises(asyncio.CancelledError):
            await changing


class TestCancelledStream:
    async def test_is_told_to_give_up(self, engine: Engine) -> None:
        """
        A pull or a build ends soon after nobody waits for it.
        """
        begun, gave_up = threading.Event(), threading.Event()

        def call(_: object, give_up: threading.Event) -> None:
            begun.set()
            give_up.wait()
            gave_up.set()

        pulling = asyncio.create_task(engine.stream("pull something", call))
        await asyncio.to_thread(begun.wait)
        pulling.cancel()

        with pytest.raises(asyncio.CancelledError):
            await pulling
        await asyncio.to_thread(gave_up.wait)
