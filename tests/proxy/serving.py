"""A data plane as a process: `python -m tests.proxy.serving '{"limit": 160, "options": {…}}'` prints its port.

Time is real here: deadlines and pauses are the daemon's.  `limit` is how many descriptors it may have, `options` are
those of the proxy.  Its stack answers /big with a large body, anything else with two bytes.  It ends with its input.
"""

import asyncio
import json
import random
import resource
import sys
import time
from dataclasses import replace

import uvloop

from splitter.kpi import Ledger
from splitter.model import Split
from splitter.proxy.gateway import Gateway
from splitter.proxy.listener import Listener
from splitter.proxy.options import ListenerOptions, ProxyOptions
from splitter.routing import ActiveTable, RouteRule, build_table
from tests.proxy.rig import OK, Origin, Peer, Rig

BIG = 8_000_000


async def serves(peer: Peer) -> None:
    """Answer every request by its path."""
    while True:
        head = await peer.message()
        if head.startswith(b"GET /big "):
            await peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % BIG + bytes(BIG))
        else:
            await peer.send(OK)


async def main(options: dict[str, float]) -> None:
    origin = Origin(serves)
    await origin.start()
    active = ActiveTable()
    rules = [RouteRule("shop", "", "/", "web", 80)]
    splits = {"shop": Split(Rig.stack(1, origin))}
    active.publish(build_table(1, rules, splits, random.Random(7).randrange, active.current))
    gateway = Gateway(active, Ledger(time.monotonic), replace(ProxyOptions(), **options))  # type: ignore[arg-type]
    listener = Listener(ListenerOptions("127.0.0.1", 0), gateway)
    await listener.start()
    print(listener.address[1], flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    await listener.close(0)
    await gateway.close()
    await origin.close()


if __name__ == "__main__":
    wanted = json.loads(sys.argv[1])
    if limit := wanted.get("limit"):
        resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))
    uvloop.run(main(wanted.get("options", {})))
