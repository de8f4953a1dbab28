"""The proxies that are compared.  Each listens on one port of loopback, on one core, and forwards all to the origin.

What they have in common: keep-alive on both sides without a limit that wrk would meet, no access log, HTTP/1.1.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from benchmarks.peers import haproxy, nginx, python


@dataclass(frozen=True, slots=True)
class Peer:
    """One proxy.

    `version` returns what it says of itself, or None where it is not installed.  `command` writes what it needs into a
    directory and returns how to start it on a port before an origin's.
    """

    name: str
    version: Callable[[], str | None]
    command: Callable[[Path, int, int], list[str]]


PEERS = (
    Peer("nginx", nginx.version, nginx.proxy),
    Peer("HAProxy", haproxy.version, haproxy.proxy),
    Peer("aiohttp", python.version_of("aiohttp"), python.command("benchmarks.peers.aiohttp_proxy")),
    Peer("splitter", python.version_of("splitter"), python.command("benchmarks.peers.splitter_proxy")),
)
ORIGIN = Peer("origin", nginx.version, nginx.origin)
BASE = "nginx"
