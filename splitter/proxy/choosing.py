"""Who serves a request where that depends on the request: testers who name a stack, clients that stick to one.

Rule 1: a tester's request is no sample, for it was not left to chance (judge.md 1); whoever is none of the testers and
names a stack is served like anybody else.
Rule 2: a client that has no key yet gets one that is drawn, and is served by it at once, so its second request meets
the stack of its first.  Without a cookie to give, each such request is drawn by itself.
Rule 3: what told a client apart is who it is for the count of errors, too; else its address is.

Only routes that ask (`Route.asks`) come here: all others pay for one comparison.
"""

import secrets
from typing import NamedTuple, assert_never

from splitter.http1.cookies import cookie, set_cookie
from splitter.http1.fields import values_of
from splitter.http1.head import RequestHead
from splitter.http1.identity import is_trusted
from splitter.model import Sticky, StickyBy
from splitter.routing import AllowedTesters, Choice, Route

KEY_BYTES = 16


class Chosen(NamedTuple):
    """Who serves a request, None for nobody; who its client is; the line that gives it its key, empty for none."""

    choice: Choice | None
    client: bytes | str
    line: bytes = b""


def choose(route: Route, head: RequestHead, address: str, *, is_secure: bool) -> Chosen:
    """Return who serves the request of the client at `address`; `is_secure`: it came by TLS."""
    if route.testers is not None:
        named = route.choose_named(_named(route.testers, head, address))
        if named is not None:
            return Chosen(named, address)
    sticky = route.sticky
    if sticky is None:
        return Chosen(route.choose(), address)
    key = _key(sticky, head, address)
    if key:
        return Chosen(route.choose_for(key), key)
    if sticky.by is not StickyBy.COOKIE:
        return Chosen(route.choose(), address)
    key = secrets.token_hex(KEY_BYTES).encode()
    return Chosen(route.choose_for(key), address, set_cookie(sticky.name.encode(), key, is_secure=is_secure))


def _key(sticky: Sticky, head: RequestHead, address: str) -> bytes:
    """Return what tells the client apart; empty where its request does not say."""
    match sticky.by:
        case StickyBy.COOKIE:
            return cookie(head.fields.block, sticky.name.encode()) or b""
        case StickyBy.HEADER:
            return next(values_of(head.fields.block, sticky.name.lower().encode()), b"")
        case StickyBy.ADDRESS:
            return address.encode()
        case never:
            assert_never(never)


def _named(testers: AllowedTesters, head: RequestHead, address: str) -> str:
    """Return the stack that a tester names; empty where there is none, or the client is no tester."""
    block = head.fields.block
    said = next(values_of(block, testers.header.lower().encode()), b"") if testers.header else b""
    if not said and testers.cookie:
        said = cookie(block, testers.cookie.encode()) or b""
    return said.decode("latin-1") if said and is_trusted(address, testers.networks) else ""
