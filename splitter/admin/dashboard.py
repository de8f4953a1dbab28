"""The dashboard: one page that draws what the API tells, for whoever may look.

It is three files without a build and without anything from elsewhere.  The policy that goes with them lets the page
load and ask only this very address, and lets nobody frame it.
"""

from collections.abc import Awaitable, Callable
from functools import cache
from importlib import resources
from typing import Final

from aiohttp import web

FILES: Final = {
    "/": ("dashboard.html", "text/html"),
    "/dashboard.css": ("dashboard.css", "text/css"),
    "/dashboard.js": ("dashboard.js", "text/javascript"),
}

HEADERS: Final = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-cache",
}


def routes() -> list[web.RouteDef]:
    """Return the routes of the page and of what it loads."""
    return [web.get(path, _answering(name, kind)) for path, (name, kind) in FILES.items()]


@cache
def text(name: str) -> str:
    """Return one file of the page."""
    return (resources.files("splitter.admin") / "static" / name).read_text(encoding="utf-8")


def _answering(name: str, kind: str) -> Callable[[web.Request], Awaitable[web.Response]]:
    async def answer(request: web.Request) -> web.Response:
        return web.Response(text=text(name), content_type=kind, charset="utf-8", headers=HEADERS)

    return answer
