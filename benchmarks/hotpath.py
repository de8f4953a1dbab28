"""`python -m benchmarks.hotpath`: what a request costs in splitter's own code, without sockets, kernel or neighbours.

Clients and stacks are stand-ins that hand over bytes, 32 requests a turn as under load.  The figure is the lowest of
many short runs of CPU time, so that it means something on a busy machine too.  It is for comparing two versions of the
code with each other; what a proxy can do in the world is for `python -m benchmarks` to say.
"""

import argparse
import asyncio
import random
import time
from collections.abc import Sequence
from itertools import cycle
from typing import cast

from splitter.kpi import Ledger
from splitter.model import Endpoint, ServicePort, Split, Stack, StackId, Sticky, StickyBy
from splitter.proxy.downstream import ClientConnection
from splitter.proxy.gateway import Gateway
from splitter.proxy.options import ProxyOptions
from splitter.proxy.upstream import UpstreamConnection
from splitter.routing import ActiveTable, RouteRule, build_table

CONNECTIONS = 32
TURNS = 60
_WEB = ServicePort("web", 80)
_EDGES_US = (250, 500, 1_000, 2_000, 5_000, 10_000, 20_000, 50_000)
_BARE = b"GET / HTTP/1.1\r\nHost: 127.0.0.1:8080\r\n\r\n"
_BROWSER = (
    b"GET /assets/app.js?v=3 HTTP/1.1\r\nHost: shop.example\r\nConnection: keep-alive\r\n"
    b'sec-ch-ua: "Chromium";v="130", "Not?A_Brand";v="99"\r\nsec-ch-ua-mobile: ?0\r\nsec-ch-ua-platform: "Linux"\r\n'
    b"User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0 Safari/537.36\r\n"
    b"Accept: */*\r\nSec-Fetch-Site: same-origin\r\nSec-Fetch-Mode: no-cors\r\nSec-Fetch-Dest: script\r\n"
    b"Referer: https://shop.example/\r\nAccept-Encoding: gzip, deflate, br, zstd\r\nAccept-Language: en-GB,en;q=0.9\r\n"
    b"Cookie: session=0123456789abcdef0123456789abcdef; splitter=fedcba9876543210fedcba9876543210\r\n\r\n"
)
# As a browser loads a page.
_TARGETS = [_BROWSER.replace(b"app.js", b"%d.js" % number) for number in range(1_000)]
# Of as many clients, in turn on each connection.
_MIXED = [_BROWSER.replace(b"splitter=fedcba98", b"splitter=%08x" % number) for number in range(64)]
# No two are alike, as far as anybody remembers.
_STRANGERS = [_BROWSER.replace(b"session=01234567", b"session=%08x" % number) for number in range(20_000)]
_ANSWER = (
    b"HTTP/1.1 200 OK\r\nServer: nginx/1.22.1\r\nDate: Mon, 06 May 2024 07:08:09 GMT\r\nContent-Type: text/plain\r\n"
    b"Content-Length: 17\r\nConnection: keep-alive\r\n\r\nhello from origin"
)


class Wire(asyncio.Transport):
    """A transport that takes everything and says who it is."""

    def __init__(self) -> None:
        super().__init__({"peername": ("127.0.0.1", 40_000), "sockname": ("127.0.0.1", 8_080)})
        self.written = 0

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.written += 1

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        pass

    def get_write_buffer_size(self) -> int:
        return 0

    def is_closing(self) -> bool:
        return False


class Owner:
    """A listener with room for everybody."""

    is_closing = False

    def opened(self, client: ClientConnection) -> bool:
        return True

    def closed(self, client: ClientConnection) -> None:
        pass


class Bench:
    """Clients in front of a split, and connections to both of its stacks."""

    def __init__(self, sticky: Sticky | None, requests: Sequence[bytes]) -> None:
        ledger = Ledger(time.monotonic)
        stacks = [self._stack(1), self._stack(2)]
        for stack in stacks:
            ledger.set_edges(stack.id, _EDGES_US)
            ledger.close_window(stack.id)
        split = Split(stacks[0], stacks[1], 500, sticky=sticky)
        table = build_table(1, [RouteRule("bench", "", "/", "web", 80)], {"bench": split}, random.Random(7).randrange)
        self._gateway = Gateway(ActiveTable(table), ledger, ProxyOptions())
        self._clients = [ClientConnection(self._gateway, Owner()) for _ in range(CONNECTIONS)]
        for client in self._clients:
            client.connection_made(Wire())
        self._next = cycle(requests).__next__
        self._servers: list[UpstreamConnection] = []
        for arm in table.routes[0].arms:
            pool = self._gateway.lane(arm).pick()
            for _ in range(CONNECTIONS):
                server = UpstreamConnection(pool)
                server.connection_made(Wire())
                pool.put(server)
                self._servers.append(server)

    async def turn(self) -> None:
        """Let every client send a request, and the stacks answer all of them."""
        for client in self._clients:
            client.data_received(self._next())
        await asyncio.sleep(0)
        for server in self._servers:
            if server._requester is not None:  # noqa: SLF001 - a stand-in for the socket, which would know
                server.data_received(_ANSWER)
        await asyncio.sleep(0)

    @property
    def requests(self) -> int:
        return self._gateway.counters.requests

    @property
    def answers(self) -> int:
        """Return how many writes the clients got."""
        return sum(cast("Wire", client.transport).written for client in self._clients)

    @staticmethod
    def _stack(revision: int) -> Stack:
        endpoint = Endpoint("127.0.0.1", 9_000 + revision)
        return Stack(StackId(f"bench-r{revision}"), "bench", revision, {_WEB: (endpoint,)})


async def cost_us(bench: Bench, rounds: int) -> float:
    """Return the lowest CPU time of a request over so many short runs."""
    lowest = float("inf")
    for _ in range(rounds):
        before_s, requests = time.process_time(), bench.requests
        for _ in range(TURNS):
            await bench.turn()
        lowest = min(lowest, (time.process_time() - before_s) / (bench.requests - requests) * 1e6)
    assert bench.answers == bench.requests, "every request got one answer"
    return lowest


async def main(rounds: int) -> None:
    """Print the cost of a request, for each kind of clients."""
    sticky = Sticky(StickyBy.COOKIE, "splitter")
    for name, requests, by in (
        ("bare head, split by chance", [_BARE], None),
        ("browser's head, split by chance", [_BROWSER], None),
        ("browser's head, split by cookie", [_BROWSER], sticky),
        ("browser's head, split by cookie, a thousand targets", _TARGETS, sticky),
        ("browsers' heads, split by cookie, 64 clients mixed", _MIXED, sticky),
        ("browsers' heads, split by cookie, strangers", _STRANGERS, sticky),
    ):
        print(f"{name}: {await cost_us(Bench(by, requests), rounds):.2f} µs")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m benchmarks.hotpath", description=__doc__)
    parser.add_argument("--rounds", type=int, default=60, help="runs of which the lowest counts (default 60)")
    asyncio.run(main(parser.parse_args().rounds))
