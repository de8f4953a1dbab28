"""The doors of the API: who may come in, and what stands in the way of opening them."""

import contextlib
import socket
import stat
from collections.abc import AsyncIterator, Mapping
from pathlib import Path

import aiohttp
import pytest

from provisioners.process.ports import free_ports
from splitter.admin import api
from splitter.admin.client import Client
from splitter.admin.doors import open_doors, taken
from splitter.errors import OperatorError
from splitter.model import Endpoint
from splitter.rollout.controller import Controller
from tests.admin.controllers import FakeController

DOOR = api.Door(lambda: (True, ""), lambda: (b"", "text/plain"))


@contextlib.asynccontextmanager
async def opened(
    path: Path, bind: Endpoint | None, controllers: Mapping[str, Controller], door: api.Door
) -> AsyncIterator[None]:
    """Take the addresses and serve, as a daemon does."""
    with taken(path, bind) as addresses:
        async with open_doors(addresses, "", controllers, door):
            yield


class TestSocket:
    async def test_is_its_owners_alone(self, tmp_path: Path) -> None:
        """
        The file's permissions are the lock; folders that are missing are made, and nothing is left behind.
        """
        path = tmp_path / "run/deep/s.sock"

        async with opened(path, None, {"shop": FakeController().controller()}, DOOR), Client(path) as client:
            assert stat.S_IMODE(path.stat().st_mode) == 0o600
            assert (await client.get("/apps/shop"))["app"] == "shop"
            assert await client.is_ready()

        assert not path.exists()

    async def test_of_a_dead_daemon_is_replaced(self, tmp_path: Path) -> None:
        """
        A kill -9 leaves a file that nobody listens on; the next start is not in its way.
        """
        path = tmp_path / "s.sock"
        with socket.socket(socket.AF_UNIX) as dead:
            dead.bind(str(path))

        async with opened(path, None, {}, DOOR), Client(path) as client:
            assert await client.get("/apps") == {"apps": []}

    async def test_of_a_live_daemon_is_left_alone(self, tmp_path: Path) -> None:
        """
        Two daemons on one socket would take each other's callers.
        """
        path = tmp_path / "s.sock"
        async with opened(path, None, {}, DOOR):
            with pytest.raises(OperatorError, match="a daemon answers on"):
                await opened(path, None, {}, DOOR).__aenter__()

            async with Client(path) as client:
                assert await client.get("/apps") == {"apps": []}

    async def test_does_not_replace_a_file(self, tmp_path: Path) -> None:
        """
        What is no socket is somebody's file.
        """
        path = tmp_path / "s.sock"
        path.write_text("precious")

        with pytest.raises(OperatorError, match="is no socket"):
            await opened(path, None, {}, DOOR).__aenter__()

        assert path.read_text() == "precious"


class TestAddress:
    async def test_only_shows(self, tmp_path: Path) -> None:
        """
        Over TCP everybody may look; without a token nobody may do more, while the socket still may.
        """
        fake, bind = FakeController(), Endpoint("127.0.0.1", *free_ports(1))
        path = tmp_path / "s.sock"
        async with (
            opened(path, bind, {"shop": fake.controller()}, DOOR),
            aiohttp.ClientSession(f"http://{bind}") as session,
            Client(path) as client,
        ):
            looked = await session.get("/api/v1/apps/shop")
            changed = await session.post("/api/v1/apps/shop/pause")
            await client.post("/apps/shop/pause", {})

        assert (looked.status, changed.status, len(fake.calls)) == (200, 403, 1)

    async def test_that_is_taken_is_named(self, tmp_path: Path) -> None:
        """
        Which address, and why not; and the socket that was opened before is closed again.
        """
        path = tmp_path / "s.sock"
        with socket.socket() as rival:
            rival.bind(("127.0.0.1", 0))
            rival.listen()
            bind = Endpoint("127.0.0.1", int(rival.getsockname()[1]))

            with pytest.raises(
                OperatorError, match=rf"admin\.bind: {bind} cannot be opened: Address already in use; choose"
            ):
                await opened(path, bind, {}, DOOR).__aenter__()

        assert not path.exists()
