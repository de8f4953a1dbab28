"""The loads that wrk does not know: `python -m benchmarks.load KIND PORT SECONDS …`, which prints a Run as JSON.

open RATE        requests at fixed moments, whatever became of the former ones; a latency counts from the moment at
                 which its request was due, so a proxy that stalls is charged for everybody who had to wait
websocket COUNT  so many connections, each sending its next message when the former has come back
idle COUNT       so many connections that each made one request, held open until standard input ends
"""

import asyncio
import json
import sys
import time
from collections import deque
from collections.abc import Sequence
from typing import Final

import uvloop

from benchmarks.table import Run, run_object

OPEN_CONNECTIONS: Final = 64
MESSAGE_BYTES: Final = 64
_BURST: Final = 200  # connections that are opened at once
_PATIENCE_S: Final = 60.0


class Conversation(asyncio.Protocol):
    """A connection on which one thing is said at a time: `say` sends it, `heard` is called with its answer."""

    def __init__(self) -> None:
        self.transport: asyncio.Transport
        self.is_lost = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport  # type: ignore[assignment]  # uvloop's are not derived from it

    def connection_lost(self, exc: Exception | None) -> None:
        self.is_lost = True


class Getter(Conversation):
    """Sends GETs that were due at some moment, and notes how late their answers were."""

    def __init__(self, load: "OpenLoad") -> None:
        super().__init__()
        self._load = load
        self._due_s = 0.0
        self._answer = b""

    def get(self, due_s: float) -> None:
        self._due_s = due_s
        self._answer = b""
        self.transport.write(self._load.request)

    def data_received(self, data: bytes) -> None:
        self._answer += data
        if self._answer.endswith(b"one small answer\n"):
            self._load.answered(self, self._due_s, is_ok=self._answer.startswith(b"HTTP/1.1 200"))

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._load.lost()


class OpenLoad:
    """Requests at a fixed rate, over connections taken in turn; what finds none free waits, and its clock runs."""

    def __init__(self, port: int, rate: float) -> None:
        self.request = b"GET / HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n\r\n" % port
        self.errors = 0
        self._rate = rate
        self._free: deque[Getter] = deque()
        self._waiting: deque[float] = deque()
        self._latencies_s: list[float] = []
        self._lost = 0
        self._is_over = False

    async def run(self, port: int, seconds: float) -> Run:
        """Return what came of it; the first half second is not counted."""
        loop = asyncio.get_running_loop()
        getters = [
            (await loop.create_connection(lambda: Getter(self), "127.0.0.1", port))[1] for _ in range(OPEN_CONNECTIONS)
        ]
        self._free.extend(getters)
        began_s, sent, total = time.monotonic(), 0, int(self._rate * (seconds + 0.5))
        while sent < total:
            now_s = time.monotonic()
            while sent < total and (due_s := began_s + sent / self._rate) <= now_s:
                self._ask(due_s)
                sent += 1
            await asyncio.sleep(max(0.0, began_s + sent / self._rate - time.monotonic()))
        await self.all_of(total)
        self._is_over = True
        for getter in getters:
            getter.transport.close()
        await asyncio.sleep(0.01)  # until the loop has closed them
        return figures(self._latencies_s[int(self._rate * 0.5) :], seconds, self.errors)

    async def all_of(self, count: int) -> None:
        """Return once so many requests have had their answer or their end."""
        async with asyncio.timeout(_PATIENCE_S):
            while len(self._latencies_s) + self._lost < count:  # noqa: ASYNC110 - looked at from outside of the load
                await asyncio.sleep(0.01)

    def answered(self, getter: Getter, due_s: float, *, is_ok: bool) -> None:
        """Note an answer; its connection takes the next request that waits."""
        self._latencies_s.append(time.monotonic() - due_s)
        self.errors += not is_ok
        if self._waiting:
            getter.get(self._waiting.popleft())
        else:
            self._free.append(getter)

    def lost(self) -> None:
        """Note a connection that ended, which none should before the end."""
        if not self._is_over:
            self._lost += 1
            self.errors += 1

    def _ask(self, due_s: float) -> None:
        if self._free:
            self._free.popleft().get(due_s)
        else:
            self._waiting.append(due_s)


class Chatter(Conversation):
    """A WebSocket on which each message is sent when the former has come back."""

    _HEAD = (
        b"GET /ws HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
        b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    )
    _FRAME = b"\x82" + bytes([0x80 | MESSAGE_BYTES]) + b"\0\0\0\0" + b"x" * MESSAGE_BYTES  # masked with zeros

    def __init__(self) -> None:
        super().__init__()
        self.latencies_s: list[float] = []
        self.is_open = False
        self._left = 0
        self._sent_s = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self.transport.write(self._HEAD)

    def data_received(self, data: bytes) -> None:
        if not self.is_open:
            if b" 101 " not in data[:16]:
                self.transport.abort()
                return
            self.is_open = True
            self._send()
            return
        self._left -= len(data)
        if self._left <= 0:
            self.latencies_s.append(time.monotonic() - self._sent_s)
            self._send()

    def _send(self) -> None:
        self._left = MESSAGE_BYTES + 2  # at least; a tunnel brings the mask back as well
        self._sent_s = time.monotonic()
        self.transport.write(self._FRAME)


async def chat(port: int, seconds: float, count: int) -> Run:
    """Return how many messages went to and fro."""
    loop = asyncio.get_running_loop()
    chatters = [(await loop.create_connection(Chatter, "127.0.0.1", port))[1] for _ in range(count)]
    await asyncio.sleep(0.3)
    before = [len(each.latencies_s) for each in chatters]
    await asyncio.sleep(seconds)
    latencies_s = [late for each, start in zip(chatters, before, strict=True) for late in each.latencies_s[start:]]
    return figures(latencies_s, seconds, sum(each.is_lost or not each.is_open for each in chatters))


async def idle(port: int, count: int) -> Run:
    """Hold connections open that have each had one answer, until standard input ends."""
    reader = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    load = OpenLoad(port, 1.0)
    getters: list[Getter] = []
    while len(getters) < count:
        batch = [
            loop.create_connection(lambda: Getter(load), "127.0.0.1", port)
            for _ in range(min(_BURST, count - len(getters)))
        ]
        for _, getter in await asyncio.gather(*batch):
            getter.get(time.monotonic())
            getters.append(getter)
        await load.all_of(len(getters))
    print("held", flush=True)
    await reader.read()
    return Run(requests=count, per_second=0.0, p50_us=0.0, p99_us=0.0, errors=load.errors)


def figures(latencies_s: Sequence[float], seconds: float, errors: int) -> Run:
    """Return the run that such latencies are."""
    ordered = sorted(latencies_s) or [0.0]
    return Run(
        requests=len(latencies_s),
        per_second=len(latencies_s) / seconds,
        p50_us=ordered[len(ordered) // 2] * 1e6,
        p99_us=ordered[min(len(ordered) - 1, len(ordered) * 99 // 100)] * 1e6,
        errors=errors,
    )


async def main(kind: str, port: int, seconds: float, number: int) -> Run:
    """Return what came of one kind of load."""
    match kind:
        case "open":
            return await OpenLoad(port, number).run(port, seconds)
        case "websocket":
            return await chat(port, seconds, number)
        case "idle":
            return await idle(port, number)
        case other:
            raise SystemExit(f"there is no load {other!r}; there are: open, websocket, idle")


if __name__ == "__main__":
    kind, port, seconds, number = sys.argv[1:]
    print(json.dumps(run_object(uvloop.run(main(kind, int(port), float(seconds), int(number))))))
