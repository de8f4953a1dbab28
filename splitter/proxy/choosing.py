"""Who serves a request where that depends on the request: testers who name a stack, clients that stick to one.

Rule 1: a tester's request is no sample, for it was not left to chance (judge.md 1); whoever is none of the testers and
names a stack is served like anybody else.
Rule 2: a client that has no key yet gets one that is drawn, and is served by it at once, so its second request meets
the stack of its first.  Without a cookie to give, each such request is drawn by itself.
Rule 3: what told a client apart is who it is for the count of errors, too; else its address is.  That count remembers
many clients, so it gets no more of a key than is needed to tell it from others.

Only routes that ask (`Route.asks`) come here: all others pay for one comparison.  What the request itself says, and not
chance, is remembered with its field lines: an equal request on the same route need not be asked again.
"""

import secrets
from hashlib import blake2b
from typing import Protocol

from splitter.http1.cookies import cookie, set_cookie
from splitter.http1.fields import value_of
from splitter.http1.head import RequestFields
from splitter.http1.identity import is_trusted
from splitter.model import Sticky, StickyBy
from splitter.proxy.former import Former
from splitter.routing import AllowedTesters, Choice, Route

KEY_BYTES = 16
KEPT_BYTES_MAX = 64


class Asker(Protocol):
    """A client, as far as it matters here."""

    address: str

    def is_secure(self, fields: RequestFields) -> bool:
        """Return whether the client speaks TLS, with us or with a proxy in front."""


Chosen = tuple[Choice | None, bytes | str, bytes]
"""Who serves a request, None for nobody; who its client is; the line that gives it its key, empty for none."""


def choose(route: Route, former: Former, client: Asker) -> Chosen:
    """Return who serves the request of `client`, whose field lines are those of `former`."""
    if former.route is route or _is_settled(route, former, client.address):
        return former.choice, former.key, b""
    sticky = route.sticky
    if sticky is None or sticky.by is not StickyBy.COOKIE:
        return route.choose(), client.address, b""
    key = secrets.token_hex(KEY_BYTES).encode()
    return (
        route.choose_for(key),
        client.address,
        set_cookie(sticky.wire_name, key, is_secure=client.is_secure(former.fields)),
    )


def _is_settled(route: Route, former: Former, address: str) -> bool:
    """Settle who serves, if the request says it; return whether it does."""
    block = former.fields.block
    if route.testers is not None:
        named = route.choose_named(_named(route.testers, block, address))
        if named is not None:
            former.settle(route, named, address)
            return True
    key = _key(route.sticky, block, address) if route.sticky is not None else b""
    if key:
        former.settle(route, route.choose_for(key), key if len(key) <= KEPT_BYTES_MAX else blake2b(key).digest())
    return bool(key)


def _key(sticky: Sticky, block: bytes, address: str) -> bytes:
    """Return what tells the client apart; empty where its request does not say."""
    by = sticky.by
    if by is StickyBy.COOKIE:
        return cookie(block, sticky.wire_name)
    if by is StickyBy.HEADER:
        return value_of(block, sticky.wire_name)
    return address.encode()


def _named(testers: AllowedTesters, block: bytes, address: str) -> str:
    """Return the stack that a tester names; empty where there is none, or the client is no tester."""
    said = value_of(block, testers.header.lower().encode()) if testers.header else b""
    if not said and testers.cookie:
        said = cookie(block, testers.cookie.encode())
    return said.decode("latin-1") if said and is_trusted(address, testers.networks) else ""
