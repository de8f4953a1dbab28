"""The proxies that are compared.  Each is one process or thread on one core, and forwards everything to one origin.

What they have in common: a plain and a TLS port on loopback, keep-alive on both sides without a limit that the load
would meet, WebSockets passed through, no access log, HTTP/1.1.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from benchmarks.peers import caddy, envoy, haproxy, nginx, python
from benchmarks.site import Site


@dataclass(frozen=True, slots=True)
class Peer:
    """One proxy.

    `version` returns what it says of itself, or None where it is not installed.  `command` writes what it needs into
    a directory and returns how to start it on the site's ports before the site's origin.
    """

    name: str
    version: Callable[[], str | None]
    command: Callable[[Path, Site], list[str]]


def splitter(mode: str = "") -> Peer:
    """Return splitter with a split of 95 to 5; `mode` is one of `splitter_proxy`."""
    name = f"splitter, {mode}" if mode else "splitter"
    return Peer(name, python.version_of("splitter"), python.command("benchmarks.peers.splitter_proxy", mode))


BASE = "nginx"
OURS = splitter()
OTHERS = (
    Peer(BASE, nginx.version, nginx.proxy),
    Peer("HAProxy", haproxy.version, haproxy.proxy),
    Peer("Envoy", envoy.version, envoy.proxy),
    Peer("Caddy", caddy.version, caddy.proxy),
    Peer("aiohttp", python.version_of("aiohttp"), python.command("benchmarks.peers.aiohttp_proxy")),
)
PEERS = (*OTHERS, OURS)
ORIGIN = Peer("origin", nginx.version, nginx.origin)
"""Answers every request, of any size, with the bodies that the cases ask for; WebSockets go to `ECHO`."""
ECHO = Peer("echo", python.version_of("uvloop"), python.command("benchmarks.peers.echo"))
