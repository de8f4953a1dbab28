"""A data plane with few descriptors, as a process of its own: `python -m tests.proxy.exhausted LIMIT` prints its port.

Time is real here: deadlines and pauses are the daemon's.  It ends with its standard input.
"""

import asyncio
import random
import resource
import sys
import time

import uvloop

from splitter.kpi import Ledger
from splitter.model import Split
from splitter.proxy.gateway import Gateway
from splitter.proxy.listener import Listener
from splitter.proxy.options import ListenerOptions, ProxyOptions
from splitter.routing import ActiveTable, RouteRule, build_table
from tests.proxy.rig import Origin, Rig


async def main() -> None:
    origin = Origin()
    await origin.start()
    active = ActiveTable()
    rules = [RouteRule("shop", "", "/", "web", 80)]
    splits = {"shop": Split(Rig.stack(1, origin))}
    active.publish(build_table(1, rules, splits, random.Random(7).randrange, active.current))
    gateway = Gateway(active, Ledger(time.monotonic), ProxyOptions())
    listener = Listener(ListenerOptions("127.0.0.1", 0), gateway)
    await listener.start()
    print(listener.address[1], flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    await listener.close(0)
    await gateway.close()
    await origin.close()


if __name__ == "__main__":
    limit = int(sys.argv[1])
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))
    uvloop.run(main())
