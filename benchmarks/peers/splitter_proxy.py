"""splitter's data plane alone, with all that a rollout needs of it: a split, the control slice, windows every second.

Both stacks are the origin, so that the split changes nothing but the work.  Modes: `sticky` splits by a cookie,
`mirroring` copies 10 % of the requests as well, `flipping` publishes ten route tables a second.
"""

import asyncio
import gc
import random
import sys
import time
from collections.abc import Sequence

import uvloop

from benchmarks.peers.python import site_of
from benchmarks.site import Site
from splitter.kpi import Ledger
from splitter.model import Endpoint, Mirroring, ServicePort, Split, Stack, StackId, Sticky, StickyBy
from splitter.proxy.gateway import Gateway
from splitter.proxy.listener import Listener
from splitter.proxy.options import CertificateFiles, ListenerOptions, ProxyOptions, TlsOptions
from splitter.routing import ActiveTable, RouteRule, build_table

COOKIE = "splitter"
_SHADOW_BP = 500
_TICK_S = 1.0
_FLIPS_PER_S = 10
_EDGES_US = (250, 500, 1_000, 2_000, 5_000, 10_000, 20_000, 50_000)
_WEB, _ECHO = ServicePort("web", 80), ServicePort("echo", 80)
_RULES = (RouteRule("bench", "", "/", "web", 80), RouteRule("bench", "", "/ws", "echo", 80))


def stack(revision: int, site: Site) -> Stack:
    """Return a stack that the origin and the echo answer for."""
    endpoints = {_WEB: (Endpoint("127.0.0.1", site.origin),), _ECHO: (Endpoint("127.0.0.1", site.echo),)}
    return Stack(StackId(f"bench-r{revision}"), "bench", revision, endpoints)


async def serve(site: Site, mode: str) -> None:
    """Serve until cancelled."""
    split = Split(
        stack(1, site),
        stack(2, site),
        _SHADOW_BP,
        salt="bench",
        sticky=Sticky(StickyBy.COOKIE, COOKIE) if mode == "sticky" else None,
        mirroring=Mirroring(1_000, frozenset({b"GET"})) if mode == "mirroring" else None,
    )
    active = ActiveTable()
    publish(active, split)
    ledger = Ledger(time.monotonic)
    stacks = (split.live.id, StackId("bench-r2"))
    for name in stacks:
        ledger.set_edges(name, _EDGES_US)
    gateway = Gateway(active, ledger, ProxyOptions())
    tls = TlsOptions((CertificateFiles(str(site.certificate), str(site.key)),))
    await Listener(ListenerOptions(host="127.0.0.1", port=site.port), gateway).start()
    await Listener(ListenerOptions(host="127.0.0.1", port=site.tls_port, tls=tls), gateway).start()
    gc.collect()
    gc.freeze()  # as the daemon does
    await asyncio.gather(close_windows(ledger, stacks), flip(active, split, mode))


async def close_windows(ledger: Ledger, stacks: Sequence[StackId]) -> None:
    """Close the windows as a judge's tick does."""
    while True:
        await asyncio.sleep(_TICK_S)
        for name in stacks:
            ledger.close_window(name)


async def flip(active: ActiveTable, split: Split, mode: str) -> None:
    """Publish a table with the stacks' parts changed, again and again."""
    shares = (_SHADOW_BP, 10_000 - _SHADOW_BP)
    while mode == "flipping":
        for share in shares:
            publish(active, Split(split.live, split.shadow, share, salt=split.salt))
            await asyncio.sleep(1 / _FLIPS_PER_S)


def publish(active: ActiveTable, split: Split) -> None:
    """Make `split` the current one."""
    former = active.current
    active.publish(build_table(former.version + 1, _RULES, {"bench": split}, random.Random().randrange, former))


if __name__ == "__main__":
    uvloop.run(serve(*site_of(sys.argv[1:])))
