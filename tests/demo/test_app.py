import asyncio
import contextlib
import signal
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import aiohttp
import pytest

from splitter.demo import app as room

PROGRAM = room.__file__
WAIT_S = 30.0


class Running:
    """The demo's service as a process, and questions to it."""

    def __init__(self, process: asyncio.subprocess.Process, port: int) -> None:
        self.process = process
        self.port = port

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_connection("127.0.0.1", self.port)

    async def talk(self, *sent: bytes) -> bytes:
        """Send each piece, and return all that comes until the service closes."""
        reader, writer = await self.connect()
        try:
            for each in sent:
                writer.write(each)
                await writer.drain()
            return await asyncio.wait_for(reader.read(), WAIT_S)
        finally:
            writer.close()

    async def check(self) -> tuple[int, str]:
        """Return the exit code and the output of `--check`."""
        check = await asyncio.create_subprocess_exec(
            sys.executable, PROGRAM, "--check", env={"PORT": str(self.port)}, stdout=asyncio.subprocess.PIPE
        )
        output, _ = await check.communicate()
        assert check.returncode is not None
        return check.returncode, output.decode()


Run = Callable[..., AbstractAsyncContextManager[Running]]


@pytest.fixture
def run() -> Run:
    @contextlib.asynccontextmanager
    async def run(**environment: str) -> AsyncIterator[Running]:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-I",
            PROGRAM,
            env={"PORT": "0", "HOST": "127.0.0.1", **environment},
            stdout=asyncio.subprocess.PIPE,
        )
        assert process.stdout is not None
        first = await asyncio.wait_for(process.stdout.readline(), WAIT_S)
        try:
            yield Running(process, int(first.rsplit(b":", 1)[1]))
        finally:
            if process.returncode is None:
                process.kill()
            await process.communicate()

    return run


@pytest.fixture
async def client() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=WAIT_S)) as session:
        yield session


class TestAnswers:
    async def test_says_its_version(self, run: Run, client: aiohttp.ClientSession) -> None:
        """
        The version is in the text and in a header of every answer.
        """
        async with run(VERSION="2.1") as service, client.get(service.url) as response:
            assert (response.status, response.headers["X-Version"]) == (200, "2.1")
            assert "version 2.1" in await response.text()

    @pytest.mark.parametrize("query", ["", "&chunked=1"])
    async def test_downloads_are_whole(self, run: Run, client: aiohttp.ClientSession, query: str) -> None:
        """
        A download has as many bytes as asked for, in a pattern that shows any that are missing.
        """
        async with run() as service, client.get(f"{service.url}/download?bytes=100001{query}") as response:
            assert (room.BLOCK * 2)[:100001] == await response.read()

    async def test_download_of_nothing(self, run: Run, client: aiohttp.ClientSession) -> None:
        """
        An empty body is a body, too.
        """
        async with run() as service, client.get(f"{service.url}/download?bytes=0&chunked=1") as response:
            assert await response.read() == b""

    @pytest.mark.parametrize("chunked", [False, True])
    async def test_uploads_are_counted(self, run: Run, client: aiohttp.ClientSession, chunked: bool) -> None:
        """
        The answer to an upload is its size, with a length or in chunks, also if the client waits to be asked for it.
        """
        body = bytes(300_000)
        async with (
            run() as service,
            client.post(f"{service.url}/upload", data=body, chunked=chunked or None, expect100=True) as response,
        ):
            assert await response.text() == "300000\n"

    async def test_head_has_no_body(self, run: Run) -> None:
        """
        HEAD gets the head of a GET and nothing after it.
        """
        async with run() as service:
            answer = await service.talk(b"HEAD /download?bytes=10 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")

        assert b"Content-Length: 10\r\n" in answer
        assert answer.endswith(b"\r\n\r\n")

    async def test_unknown_page(self, run: Run, client: aiohttp.ClientSession) -> None:
        """
        What it does not have is a 404.
        """
        async with run() as service, client.get(f"{service.url}/nothing") as response:
            assert response.status == 404

    @pytest.mark.parametrize(
        "sent",
        [
            b"nonsense\r\n\r\n",
            b"GET / HTTP/2.0\r\n\r\n",
            b"GET / HTTP/1.1\r\nno colon\r\n\r\n",
            b"POST /upload HTTP/1.1\r\nContent-Length: x\r\n\r\n",
            b"POST /upload HTTP/1.1\r\nTransfer-Encoding: gzip\r\n\r\n",
            b"POST /upload HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
            b"GET /download?bytes=x HTTP/1.1\r\n\r\n",
            b"GET / HTTP/1.1\r\nX: " + b"x" * 100_000 + b"\r\n\r\n",
        ],
    )
    async def test_nonsense_is_refused(self, run: Run, sent: bytes) -> None:
        """
        What is not HTTP/1.1 is answered by 400, and the connection is closed.
        """
        async with run() as service:
            answer = await service.talk(sent)

        assert answer.startswith(b"HTTP/1.1 400 ")
        assert b"Connection: close" in answer


class TestConnections:
    async def test_are_kept(self, run: Run) -> None:
        """
        Requests on one connection are answered one after the other, until the client has had enough.
        """
        again = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
        last = b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
        async with run() as service:
            answer = await service.talk(again, b"POST /upload HTTP/1.1\r\nContent-Length: 2\r\n\r\nab", again + last)

        assert answer.count(b"HTTP/1.1 200 OK") == 4
        assert answer.endswith(b"\r\n\r\nok\n")

    async def test_of_old_clients_are_closed(self, run: Run) -> None:
        """
        HTTP/1.0 closes after the answer, unless the client asks for more.
        """
        async with run() as service:
            answer = await service.talk(b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", b"GET / HTTP/1.0\r\n\r\n")

        assert answer.count(b"HTTP/1.1 200 OK") == 2


class TestMisbehaviour:
    async def test_errors(self, run: Run, client: aiohttp.ClientSession) -> None:
        """
        With an error rate of one every answer is a 500, but for the health check's.
        """
        async with run(ERROR_RATE="1") as service:
            for path, expected in (("/", 500), ("/download?bytes=5", 500), ("/healthz", 200)):
                async with client.get(service.url + path) as response:
                    assert response.status == expected

    async def test_cut_body(self, run: Run) -> None:
        """
        A cut answer ends before the length that it announced.
        """
        async with run(CUT="1") as service:
            answer = await service.talk(b"GET /download?bytes=100 HTTP/1.1\r\n\r\n")

        assert b"Content-Length: 100\r\n" in answer
        assert len(answer.split(b"\r\n\r\n", 1)[1]) == 50

    async def test_garbage(self, run: Run) -> None:
        """
        Garbage is no HTTP.
        """
        async with run(GARBAGE="1") as service:
            assert await service.talk(b"GET / HTTP/1.1\r\n\r\n") == room.GARBAGE

    async def test_reset(self, run: Run) -> None:
        """
        A reset is a reset, not an end.
        """
        async with run(RESET="1") as service:
            with pytest.raises(ConnectionResetError):
                await service.talk(b"GET / HTTP/1.1\r\n\r\n")

    async def test_hang(self, run: Run) -> None:
        """
        A request that hangs gets nothing, for as long as the client waits; others are answered.
        """
        async with run(HANG="1") as service:
            reader, writer = await service.connect()
            writer.write(b"GET / HTTP/1.1\r\n\r\n")
            answer = asyncio.create_task(reader.read())

            assert await service.check() == (0, "HTTP/1.1 200 OK\n")

            assert not answer.done()
            writer.close()
            await answer

    async def test_crash(self, run: Run) -> None:
        """
        The process ends in the middle of the request after the last that it may answer.
        """
        async with run(CRASH_AFTER="1") as service:
            answer = await service.talk(b"GET / HTTP/1.1\r\n\r\n" * 2)

            assert answer.count(b"HTTP/1.1 200 OK") == 1
            assert await service.process.wait() == room.CRASH_CODE

    async def test_control(self, run: Run, client: aiohttp.ClientSession) -> None:
        """
        Where it is allowed, the figures change while it runs; elsewhere there is no such page.
        """
        async with run(CONTROL="1") as service:
            async with client.post(f"{service.url}/control?error_rate=1&version=3") as response:
                assert response.status == 200
            async with client.get(service.url) as response:
                assert (response.status, response.headers["X-Version"]) == (500, "3")
        async with run() as service, client.post(f"{service.url}/control?error_rate=1") as response:
            assert response.status == 404


class TestCheck:
    async def test_nobody_there(self, run: Run) -> None:
        """
        A check of a service that is gone fails and says why.
        """
        async with run() as service:
            service.process.kill()
            await service.process.wait()

            code, output = await service.check()

        assert (code, "refused" in output) == (1, True)


class TestStop:
    async def test_finishes_what_has_begun(self, run: Run) -> None:
        """
        On SIGTERM a request that is being answered gets its answer, and idle connections are closed.
        """
        async with run(CONTROL="1") as service:
            idle, idle_writer = await service.connect()
            idle_writer.write(b"GET / HTTP/1.1\r\n\r\n")
            await idle.readuntil(b"\r\n\r\n")
            reader, writer = await service.connect()
            writer.write(b"POST /upload HTTP/1.1\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n")
            await reader.readuntil(b"\r\n\r\n")

            service.process.send_signal(signal.SIGTERM)
            await asyncio.wait_for(idle.read(), WAIT_S)
            writer.write(b"body")

            answer = await asyncio.wait_for(reader.read(), WAIT_S)
            assert b"Connection: close" in answer
            assert answer.endswith(b"\r\n\r\n4\n")
            assert await service.process.wait() == 0
            idle_writer.close()
            writer.close()

    async def test_hears_of_it_as_a_module(self) -> None:
        """
        It runs as a module of the package as well as from its file.
        """
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "splitter.demo.app",
            cwd=Path(PROGRAM).parents[2],
            env={"PORT": "0", "HOST": "127.0.0.1"},
            stdout=asyncio.subprocess.PIPE,
        )
        assert process.stdout is not None
        assert b"listens on 127.0.0.1:" in await process.stdout.readline()

        process.terminate()

        assert await asyncio.wait_for(process.wait(), WAIT_S) == 0


class TestBehaviour:
    def test_latency_is_around_its_median(self) -> None:
        """
        Half of the answers take longer than the median, none much longer.
        """
        behaviour = room.Behaviour(latency_ms=10.0)

        found = sorted(behaviour.latency_s() for _ in range(1001))

        assert 0.009 < found[500] < 0.011
        assert found[-1] < 0.02
        assert room.Behaviour().latency_s() == 0.0

    def test_figures_must_be_figures(self) -> None:
        """
        A word where a number belongs is refused.
        """
        with pytest.raises(ValueError, match="often"):
            room.Behaviour().change({"ERROR_RATE": "often"})
