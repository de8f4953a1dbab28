"""splitter as an edge: several listeners, several apps by host and path, servers that it did not start."""

import asyncio
import os
import signal
import ssl
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
import trustme
import yaml

from splitter.demo.stage import APP_PROGRAM
from tests.system.harness import Daemon, eventually, free_port
from tests.system.stories import World

WORLD = World("process")


@pytest.fixture
async def own_server() -> AsyncIterator[tuple[int, asyncio.subprocess.Process]]:
    """A server of the user's own, and its port."""
    port = free_port()
    environment = {**os.environ, "PORT": str(port), "HOST": "127.0.0.1", "VERSION": "own"}
    process = await asyncio.create_subprocess_exec(sys.executable, str(APP_PROGRAM), env=environment)
    yield port, process
    if process.returncode is None:
        process.kill()
    await process.wait()


async def version(url: str, host: str = "") -> str:
    """Return which version answers at `url`, or the status where it is no 200."""
    async with aiohttp.ClientSession() as session, session.get(url, headers={"Host": host} if host else {}) as response:
        await response.read()
        return response.headers.get("X-Version", "") if response.status == 200 else str(response.status)


class TestApps:
    async def test_are_reached_by_host_and_path(
        self, own_server: tuple[int, asyncio.subprocess.Process], tmp_path: Path
    ) -> None:
        """
        Two listeners serve three apps: one by default, one by its host, and servers that already run by their path.
        """
        other = free_port()
        document = {
            "listeners": [{"bind": "127.0.0.1:@PORT@"}, {"bind": f"127.0.0.1:{other}"}],
            "state_dir": "state",
            "admin": {"socket": "s.sock"},
            "apps": {
                "shop": self._app(WORLD.release(tmp_path, "shop"), {"path": "/", "service": "web", "port": 8000}),
                "blog": self._app(
                    WORLD.release(tmp_path, "blog"), {"host": "*.example.org", "service": "web", "port": 8000}
                ),
                "own": {
                    "provisioner": "static",
                    "static": {"services": {"api": {"endpoints": [f"127.0.0.1:{own_server[0]}"]}}},
                    "routes": [{"path": "/wait", "service": "api"}],
                },
            },
        }
        async with Daemon(tmp_path / "d", yaml.safe_dump(document)) as daemon:
            await daemon.ready()

            for port in (daemon.port, other):
                base = f"http://127.0.0.1:{port}"
                assert await version(f"{base}/") == "shop"
                assert await version(f"{base}/", host="www.example.org") == "blog"
                assert await version(f"{base}/wait?ms=1") == "own"
                assert await version(f"{base}/waiting") == "404"  # the shop's; the path is another

    async def test_of_servers_that_are_gone_answer_502(
        self, own_server: tuple[int, asyncio.subprocess.Process], tmp_path: Path
    ) -> None:
        """
        A server that splitter did not start and that is gone is a 502 and an event; back again, it serves.
        """
        port, process = own_server
        document = {
            "listeners": [{"bind": "127.0.0.1:@PORT@"}],
            "state_dir": "state",
            "admin": {"socket": "s.sock"},
            "apps": {
                "own": {
                    "provisioner": "static",
                    "static": {"services": {"api": {"endpoints": [f"127.0.0.1:{port}"]}}},
                    "routes": [{"path": "/", "service": "api"}],
                }
            },
        }
        async with Daemon(tmp_path / "d", yaml.safe_dump(document)) as daemon:
            await daemon.ready()
            assert await version(daemon.url) == "own"
            process.kill()
            await process.wait()
            assert await version(daemon.url) == "502"
            environment = {**os.environ, "PORT": str(port), "HOST": "127.0.0.1", "VERSION": "back"}
            again = await asyncio.create_subprocess_exec(sys.executable, str(APP_PROGRAM), env=environment)
            try:

                async def is_back() -> bool:
                    return await version(daemon.url) == "back"

                await eventually("it serves", is_back)
            finally:
                again.kill()
                await again.wait()

    @staticmethod
    def _app(template: Path, route: dict[str, object]) -> dict[str, object]:
        return {"provisioner": "process", "template": str(template), "on_stop": "retire", "routes": [route]}


class TestHealth:
    async def test_of_a_server_that_fails_its_probes_is_shown(
        self, own_server: tuple[int, asyncio.subprocess.Process], tmp_path: Path
    ) -> None:
        """
        Status and metrics say which endpoint is not well, while the stack is up as far as its provisioner can tell.
        """
        document = {
            "listeners": [{"bind": "127.0.0.1:@PORT@"}],
            "state_dir": "state",
            "admin": {"socket": "s.sock"},
            "apps": {
                "own": {
                    "provisioner": "static",
                    "static": {"services": {"api": {"endpoints": [f"127.0.0.1:{own_server[0]}"]}}},
                    "routes": [{"path": "/", "service": "api", "health": "/no-such-page"}],
                    "health": {"interval": "10ms"},
                }
            },
        }
        async with Daemon(tmp_path / "d", yaml.safe_dump(document)) as daemon:
            await daemon.ready()

            async def shown() -> str:
                live = (await daemon.status("own"))["live"]
                return str(live["unhealthy"]) if live else ""

            assert await eventually("the probes fail", shown) == (
                f"127.0.0.1:{own_server[0]} answered GET /no-such-page with 404"
            )
            assert await version(daemon.url) == "own"  # it is the only one


class TestAccessLog:
    async def test_begins_anew_at_sighup(
        self, own_server: tuple[int, asyncio.subprocess.Process], tmp_path: Path
    ) -> None:
        """
        Each request leaves a line, and lines go to a new file once the old one was moved away.
        """
        document = {
            "listeners": [{"bind": "127.0.0.1:@PORT@"}],
            "state_dir": "state",
            "admin": {"socket": "s.sock"},
            "access_log": {"to": "access.log", "flush": "10ms"},
            "apps": {
                "own": {
                    "provisioner": "static",
                    "static": {"services": {"api": {"endpoints": [f"127.0.0.1:{own_server[0]}"]}}},
                    "routes": [{"path": "/", "service": "api"}],
                },
            },
        }
        async with Daemon(tmp_path / "d", yaml.safe_dump(document)) as daemon:
            await daemon.ready()
            file, moved = daemon.directory / "access.log", daemon.directory / "access.log.1"
            assert await version(f"{daemon.url}/?first") == "own"
            await eventually("the first line", lambda: "/?first" in file.read_text())

            file.rename(moved)
            os.kill(daemon.pid, signal.SIGHUP)
            await eventually("a new file", file.exists)
            assert await version(f"{daemon.url}/?second") == "own"
            await eventually("the second line", lambda: "/?second" in file.read_text())

            assert "/?second" not in moved.read_text()


class TestListeners:
    async def test_speak_tls_and_the_proxy_protocol(
        self, own_server: tuple[int, asyncio.subprocess.Process], tmp_path: Path
    ) -> None:
        """
        One daemon serves HTTPS, takes preambles on another port, and lets an app's requests wait while it is parked.
        """
        directory, safe, behind = tmp_path / "d", free_port(), free_port()
        directory.mkdir()
        authority = trustme.CA()
        made = authority.issue_cert("shop.example")
        made.private_key_and_cert_chain_pem.write_to_path(str(directory / "shop.pem"))
        pair = {"cert": "shop.pem", "key": "shop.pem"}
        document = {
            "listeners": [
                {"bind": "127.0.0.1:@PORT@"},
                {"bind": f"127.0.0.1:{safe}", "tls": {"certificates": [pair]}},
                {"bind": f"127.0.0.1:{behind}", "proxy_protocol": True},
            ],
            "state_dir": "state",
            "admin": {"socket": "s.sock"},
            "proxy": {"trusted_peers": "127.0.0.0/8"},
            "apps": {
                "own": {
                    "provisioner": "static",
                    "static": {"services": {"api": {"endpoints": [f"127.0.0.1:{own_server[0]}"]}}},
                    "routes": [{"path": "/", "service": "api"}],
                }
            },
        }
        context = ssl.create_default_context()
        authority.configure_trust(context)
        async with Daemon(directory, yaml.safe_dump(document)) as daemon:
            await daemon.ready()

            async with (
                aiohttp.ClientSession() as session,
                session.get(f"https://127.0.0.1:{safe}/", ssl=context, server_hostname="shop.example") as answer,
            ):
                assert (answer.status, answer.headers["X-Version"]) == (200, "own")

            reader, writer = await asyncio.open_connection("127.0.0.1", behind)
            preamble = b"PROXY TCP4 192.0.2.7 198.51.100.1 5000 443\r\n"
            writer.write(preamble + b"GET / HTTP/1.1\r\nHost: shop.example\r\nConnection: close\r\n\r\n")
            assert (await reader.read()).startswith(b"HTTP/1.1 200 ")
            writer.close()

            await daemon.call("POST", "/apps/own/park", {"for_s": 60, "by": "test", "why": "test"})
            waiting = asyncio.create_task(version(daemon.url))

            async def waits() -> bool:
                return 'splitter_requests_parked{app="own"} 1.0' in await daemon.metrics()

            await eventually("the request waits", waits)
            assert not waiting.done()
            parked = (await daemon.status("own"))["parked"]
            assert (parked["requests"], parked["by"], parked["why"]) == (1, "test", "test")
            answered = await daemon.call("POST", "/apps/own/unpark")
            assert answered == {"app": "own", "parked": False, "waited": 1}
            assert await waiting == "own"

            async def is_written_down() -> bool:
                return [event["kind"] for event in await daemon.events("own")][-2:] == ["parked", "unparked"]

            await eventually("the journal has both ends", is_written_down)
