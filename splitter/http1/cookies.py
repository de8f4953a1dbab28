"""Cookies: reading one of a request's by its name, and the line that sets one (RFC 6265).

Rule 1: what a cookie says is a client's claim.  It tells clients apart and nothing more; nothing is kept under it.
Rule 2: the cookies of the stacks are theirs: all lines pass as they came, and ours is one more of the response's.

Cost: 0.1 µs for a request without the cookie, 2 µs with it.
"""

import re
from functools import lru_cache

from splitter.http1.fields import values_of

_NAME = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")  # RFC 6265 §4.1.1: a token


def is_cookie_name(name: str) -> bool:
    """Return whether a cookie may be called so."""
    return _NAME.fullmatch(name) is not None


def cookie(block: bytes, name: bytes) -> bytes | None:
    """Return the first cookie called `name` in a request's field lines; None where it is missing or empty.

    It may stand in any of several lines; names are compared as they are, with their case (RFC 6265 §4.1.1).
    """
    if name not in block:
        return None
    pair = _pair(name)
    return next((found[1] for line in values_of(block, b"cookie") if (found := pair.search(line))), None)


def set_cookie(name: bytes, value: bytes, *, is_secure: bool) -> bytes:
    """Return the line that sets a cookie until the browser is closed: for the whole host, and for no script.

    `is_secure`: the client came by TLS, and is to send it by nothing else.
    """
    secure = b"; Secure" if is_secure else b""
    return b"Set-Cookie: %b=%b; Path=/; HttpOnly; SameSite=Lax%b\r\n" % (name, value, secure)


@lru_cache(maxsize=64)
def _pair(name: bytes) -> re.Pattern[bytes]:
    """Return what finds the pair of `name` with a value (RFC 6265 §4.1.1: cookie-pair)."""
    octet = rb"[!#-+\--:<-\[\]-~]"
    return re.compile(rb"(?<![^; \t])" + re.escape(name) + rb'="?(' + octet + rb'+)"?[ \t]*(?=;|$)')
