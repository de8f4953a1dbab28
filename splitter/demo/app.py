"""The web service of the demo, and the patient of the fault tests: HTTP/1.1 in one file, with nothing but Python.

It runs as `python -m splitter.demo.app` or as a plain file, also in an image that holds just a Python.  The environment
says how it behaves:

    PORT, HOST         where it listens (8000, all addresses)
    VERSION            what it says it is, in the text and in `X-Version`
    LATENCY_MS         the median time to an answer; single answers are a little faster or slower
    ERROR_RATE         the fraction of pages and downloads, but not uploads, that are answered by 500
    SLOW               the fraction of answers that take twice as long
    LEAK_KB            how much memory each request takes and never gives back
    HANG, GARBAGE, RESET, CUT   the fraction that gets no answer, no HTTP, a reset, or half of the body
    UNREADY            the fraction of checks of `/readyz` that are answered by 503
    CRASH_AFTER        the number of requests after which the process ends in the middle of the next
    CONTROL            if set, `POST /control?error_rate=0.5&hang=0` changes the figures while it runs

    GET /              a line of text            GET /download?bytes=N   N bytes; `&chunked=1` without their number
    GET /healthz       always well               POST /upload            the number of bytes that came
    GET /wait?ms=N     an answer after N ms  GET /readyz             well, but for UNREADY

`--check` asks a running one for `/healthz` and exits with 0 or 1.  On SIGTERM it answers what it has begun to read,
closes, and ends.  Long because it has to be one file.
"""

import asyncio
import contextlib
import math
import os
import random
import signal
import socket
import sys
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, fields
from http import HTTPStatus
from urllib.parse import parse_qsl, urlsplit

HEAD_BYTES_MAX = 64 * 1024
BLOCK = bytes(range(256)) * 256
CHECK_TIMEOUT_S = 2.0
LAST_REQUESTS_S = 0.2  # for requests that are on their way on connections which look idle
STOP_TIMEOUT_S = 30.0
JITTER = 0.1  # of the logarithm: two of three answers are within 10 % of the median
CRASH_CODE = 70
GARBAGE = b"\x16\x03\x01 this is not HTTP\r\n\r\n"


@dataclass
class Behaviour:
    """How the service treats its requests; `POST /control` writes it."""

    version: str = "1.0"
    latency_ms: float = 0.0
    error_rate: float = 0.0
    hang: float = 0.0
    garbage: float = 0.0
    reset: float = 0.0
    cut: float = 0.0
    slow: float = 0.0
    unready: float = 0.0
    leak_kb: int = 0
    crash_after: int = 0

    def change(self, values: Mapping[str, str]) -> None:
        """Take what `values` say, by name in any case.  Raises ValueError for what is no number."""
        given = {key.lower(): value for key, value in values.items()}
        for each in fields(self):
            if each.name in given:
                setattr(self, each.name, type(getattr(self, each.name))(given[each.name]))

    def latency_s(self) -> float:
        if self.latency_ms <= 0:
            return 0.0
        usual = random.lognormvariate(math.log(self.latency_ms), JITTER) / 1000
        return 2 * usual if random.random() < self.slow else usual


class MalformedError(Exception):
    """The client did not send HTTP/1.1."""


class GoneError(Exception):
    """The connection is over, in the middle of a request or by our own will."""


@dataclass(frozen=True, slots=True)
class Request:
    """A request's head."""

    method: str
    path: str
    query: Mapping[str, str]
    version: str
    fields: Mapping[str, str]

    @property
    def keeps_alive(self) -> bool:
        tokens = {token.strip().lower() for token in self.fields.get("connection", "").split(",")}
        return "keep-alive" in tokens if self.version == "HTTP/1.0" else "close" not in tokens


class Connection:
    """One client: reads its requests one after the other, and answers each before it reads the next."""

    def __init__(self, app: "App", reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.is_idle = True
        self._app = app
        self._reader = reader
        self._writer = writer

    async def serve(self) -> None:
        """Serve until the client or we have had enough; never raises."""
        try:
            while await self._serve_one():
                pass
        except MalformedError as error:
            with contextlib.suppress(OSError):
                await self._send_head(400, len(str(error)), close=True)
                self._writer.write(str(error).encode())
        except (GoneError, OSError, asyncio.IncompleteReadError):
            pass
        finally:
            self._writer.close()
            with contextlib.suppress(OSError):
                await self._writer.wait_closed()

    def close(self) -> None:
        """Close at once; for connections that are idle."""
        self._writer.close()

    async def _serve_one(self) -> bool:
        request = await self._read_head()
        if request is None:
            return False
        self.is_idle = False
        await self._misbehave(request)
        await self._answer(request)
        keep = request.keeps_alive and not self._app.stopping
        self.is_idle = True
        return keep

    async def _misbehave(self, request: Request) -> None:
        """Do what fault tests ask for; requests of the health check are spared."""
        if request.path in ("/healthz", "/readyz", "/control"):
            return
        behaviour = self._app.behaviour
        self._app.requests += 1
        if behaviour.leak_kb:
            self._app.leaked.append(os.urandom(1024) * behaviour.leak_kb)
        if behaviour.crash_after and self._app.requests > behaviour.crash_after:
            os._exit(CRASH_CODE)
        if random.random() < behaviour.hang:
            while await self._reader.read(HEAD_BYTES_MAX):
                pass
            raise GoneError
        if random.random() < behaviour.garbage:
            self._writer.write(GARBAGE)
            await self._writer.drain()
            raise GoneError
        if random.random() < behaviour.reset:
            self._reset()
            raise GoneError

    async def _answer(self, request: Request) -> None:
        body = self._body(request)
        match request.method, request.path:
            case _, "/healthz":
                await _drop(body)
                await self._reply(request, 200, "ok\n")
            case _, "/readyz":
                await _drop(body)
                is_ready = random.random() >= self._app.behaviour.unready
                await self._reply(request, 200 if is_ready else 503, "ready\n" if is_ready else "not ready\n")
            case "POST", "/upload":
                size = 0
                async for block in body:
                    size += len(block)
                await asyncio.sleep(self._app.behaviour.latency_s())
                await self._reply(request, 200, f"{size}\n")
            case "POST", "/control" if self._app.is_controllable:
                await _drop(body)
                await self._control(request)
            case "GET" | "HEAD", "/download":
                await _drop(body)
                await self._download(request)
            case "GET" | "HEAD", "/wait":
                await _drop(body)
                await asyncio.sleep(_number(request, "ms") / 1000)
                await self._reply_as_usual(request, "waited\n")
            case _, "/":
                await _drop(body)
                await self._reply_as_usual(request, f"splitter demo, version {self._app.behaviour.version}\n")
            case _:
                await _drop(body)
                await self._reply(request, 404, "there is no such page\n")

    async def _control(self, request: Request) -> None:
        try:
            self._app.behaviour.change(request.query)
        except ValueError as error:
            raise MalformedError(str(error)) from error
        await self._reply(request, 200, f"{self._app.behaviour}\n")

    async def _reply_as_usual(self, request: Request, text: str) -> None:
        """Answer as slow and as well as the service's behaviour has it."""
        if await self._fails():
            await self._reply(request, 500, "this release is not a good one\n")
        else:
            await self._reply(request, 200, text)

    async def _fails(self) -> bool:
        await asyncio.sleep(self._app.behaviour.latency_s())
        return random.random() < self._app.behaviour.error_rate

    async def _reply(self, request: Request, status: int, text: str) -> None:
        content = text.encode()
        body = b"" if request.method == "HEAD" else content[: self._cut(len(content))]
        await self._send_head(status, len(content), close=not request.keeps_alive, body=body)
        if body:
            await self._finish(len(content))

    async def _download(self, request: Request) -> None:
        total = _number(request, "bytes")
        if await self._fails():
            await self._reply(request, 500, "this release is not a good one\n")
            return
        is_chunked = "chunked" in request.query and request.version != "HTTP/1.0"
        await self._send_head(200, None if is_chunked else total, close=not request.keeps_alive)
        if request.method == "HEAD":
            return
        end = self._cut(total)
        for sent in range(0, end, len(BLOCK)):
            block = BLOCK[: min(len(BLOCK), end - sent)]
            self._writer.write(b"%x\r\n%b\r\n" % (len(block), block) if is_chunked else block)
            await self._writer.drain()
        if is_chunked and end == total:
            self._writer.write(b"0\r\n\r\n")
        if end < total:
            await self._finish(total)

    def _cut(self, total: int) -> int:
        """Return how much of a body is sent: all, unless this one is to be cut."""
        self._is_cut = random.random() < self._app.behaviour.cut
        return total // 2 if self._is_cut else total

    async def _finish(self, total: int) -> None:
        await self._writer.drain()
        if self._is_cut and total:
            raise GoneError

    async def _send_head(self, status: int, length: int | None, close: bool, body: bytes = b"") -> None:
        """Send a head, with a small body in the same write: who dies between two writes has begun an answer."""
        closing = close or self._app.stopping
        lines = [
            f"HTTP/1.1 {status} {HTTPStatus(status).phrase}",
            "Content-Type: text/plain; charset=utf-8",
            f"X-Version: {self._app.behaviour.version}",
            "Transfer-Encoding: chunked" if length is None else f"Content-Length: {length}",
            f"Connection: {'close' if closing else 'keep-alive'}",
        ]
        self._writer.write("\r\n".join([*lines, "", ""]).encode() + body)
        await self._writer.drain()

    def _reset(self) -> None:
        """Abort the connection so that the client sees a reset, not an end."""
        linger_for_nothing = b"\x01\x00\x00\x00\x00\x00\x00\x00"
        self._writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger_for_nothing)
        self._writer.transport.abort()

    # --- Reading -------------------------------------------------------------------------------------------------

    async def _read_head(self) -> Request | None:
        """Return the next request's head; None if the client has gone between two requests."""
        try:
            head = await self._reader.readuntil(b"\r\n\r\n")
        except asyncio.IncompleteReadError as error:
            if error.partial:
                raise
            return None
        except asyncio.LimitOverrunError:
            raise MalformedError("the head is too long") from None
        first, *lines = head.decode("latin-1").split("\r\n")[:-2]
        words = first.split(" ")
        if len(words) != 3 or words[2] not in ("HTTP/1.0", "HTTP/1.1"):
            raise MalformedError("no request line")
        url = urlsplit(words[1])
        found: dict[str, str] = {}
        for line in lines:
            name, colon, value = line.partition(":")
            if not colon:
                raise MalformedError("a field without a colon")
            found[name.lower()] = value.strip()
        return Request(words[0], url.path, dict(parse_qsl(url.query)), words[2], found)

    async def _body(self, request: Request) -> AsyncIterator[bytes]:
        """Yield the blocks of the request's body; ask for it first if the client waits for that."""
        length = _length(request)
        if request.fields.get("expect", "").lower() == "100-continue" and length != 0:
            self._writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        if length is not None:
            async for block in self._counted(length):
                yield block
            return
        while size := _chunk_size(await self._reader.readuntil(b"\r\n")):
            async for block in self._counted(size):
                yield block
            await self._reader.readexactly(2)
        while await self._reader.readuntil(b"\r\n") != b"\r\n":
            pass

    async def _counted(self, left: int) -> AsyncIterator[bytes]:
        while left:
            block = await self._reader.read(min(left, len(BLOCK)))
            if not block:
                raise GoneError
            left -= len(block)
            yield block


class App:
    """The service: its behaviour, its listener and its connections."""

    def __init__(self, behaviour: Behaviour, is_controllable: bool) -> None:
        self.behaviour = behaviour
        self.is_controllable = is_controllable
        self.requests = 0
        self.leaked: list[bytes] = []
        self.stopping = False
        self._connections: dict[asyncio.Task[None], Connection] = {}

    async def run(self, host: str, port: int) -> None:
        """Serve until SIGTERM or SIGINT; then finish what has begun."""
        stop = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
        server = await asyncio.start_server(self._accept, host, port, limit=HEAD_BYTES_MAX, backlog=1024)
        address = server.sockets[0].getsockname()
        print(f"version {self.behaviour.version} listens on {address[0]}:{address[1]}", flush=True)
        await stop.wait()
        self.stopping = True
        server.close()
        await self._ended(LAST_REQUESTS_S)
        for connection in self._connections.values():
            if connection.is_idle:
                connection.close()
        await self._ended(STOP_TIMEOUT_S)

    async def _ended(self, within_s: float) -> None:
        if self._connections:
            await asyncio.wait(self._connections, timeout=within_s)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        connection = self._connections[task] = Connection(self, reader, writer)
        try:
            await connection.serve()
        finally:
            del self._connections[task]


def _length(request: Request) -> int | None:
    """Return the body's length; None if it comes in chunks."""
    coding = request.fields.get("transfer-encoding", "").lower()
    if coding:
        if coding != "chunked":
            raise MalformedError("a transfer coding that is not chunked")
        return None
    length = request.fields.get("content-length", "0")
    if not length.isdecimal():
        raise MalformedError("a length that is no number")
    return int(length)


def _chunk_size(line: bytes) -> int:
    try:
        return int(line.split(b";")[0], 16)
    except ValueError:
        raise MalformedError("a chunk without a size") from None


def _number(request: Request, name: str) -> int:
    value = request.query.get(name, "0")
    if not value.isdecimal():
        raise MalformedError(f"{name} is not a number")
    return int(value)


async def _drop(body: AsyncIterator[bytes]) -> None:
    async for _ in body:
        pass


def check(port: int) -> int:
    """Return 0 if the service at `port` says that it is well, 1 with a word about it if not."""
    try:
        with socket.create_connection(("127.0.0.1", port), CHECK_TIMEOUT_S) as connection:
            connection.sendall(b"GET /healthz HTTP/1.0\r\n\r\n")
            answer = connection.makefile("rb").readline()
    except OSError as error:
        print(f"port {port}: {error}")
        return 1
    print(answer.decode("latin-1").strip())
    return 0 if b" 200 " in answer else 1


def main(arguments: list[str], environment: Mapping[str, str]) -> int:
    port = int(environment.get("PORT", "8000"))
    if arguments == ["--check"]:
        return check(port)
    behaviour = Behaviour()
    behaviour.change(environment)
    app = App(behaviour, is_controllable=bool(environment.get("CONTROL")))
    asyncio.run(app.run(environment.get("HOST", "0.0.0.0"), port))  # noqa: S104 - in a container it must
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], os.environ))
