"""splitter's data plane alone, with all that a rollout needs of it: a split, the control slice, windows every second.

Both stacks are the origin, so that the split changes nothing but the work.
"""

import asyncio
import random
import sys
import time

import uvloop

from splitter.kpi import Ledger
from splitter.model import Endpoint, ServicePort, Split, Stack, StackId
from splitter.proxy.gateway import Gateway
from splitter.proxy.listener import Listener
from splitter.proxy.options import ListenerOptions, ProxyOptions
from splitter.routing import ActiveTable, RouteRule, build_table

_SHADOW_BP = 500
_TICK_S = 1.0
_EDGES_US = (250, 500, 1_000, 2_000, 5_000, 10_000, 20_000, 50_000)
_WEB = ServicePort("web", 80)


def stack(revision: int, origin: int) -> Stack:
    """Return a stack that the origin answers for."""
    return Stack(StackId(f"bench-r{revision}"), "bench", revision, {_WEB: (Endpoint("127.0.0.1", origin),)})


async def serve(port: int, origin: int) -> None:
    """Serve until cancelled."""
    split = Split(stack(1, origin), stack(2, origin), _SHADOW_BP)
    rule = RouteRule("bench", "", "/", _WEB.service, _WEB.port)
    table = build_table(1, [rule], {"bench": split}, random.Random().randrange)
    ledger = Ledger(time.monotonic)
    stacks = ("bench-r1", "bench-r2")
    for name in stacks:
        ledger.set_edges(StackId(name), _EDGES_US)
    gateway = Gateway(ActiveTable(table), ledger, ProxyOptions())
    await Listener(ListenerOptions(host="127.0.0.1", port=port), gateway).start()
    while True:
        await asyncio.sleep(_TICK_S)
        for name in stacks:
            ledger.close_window(StackId(name))


if __name__ == "__main__":
    uvloop.run(serve(*map(int, sys.argv[1:])))
