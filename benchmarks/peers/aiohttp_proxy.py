"""A plain proxy of aiohttp's server and client on uvloop: what an asyncio proxy costs when nothing is done about it."""

import sys
from collections.abc import AsyncIterator, Mapping

import aiohttp
import uvloop
from aiohttp import web
from multidict import CIMultiDict

_HOP_BY_HOP = frozenset({"connection", "keep-alive", "proxy-connection", "te", "transfer-encoding", "upgrade"})
_CLIENT = web.AppKey("client", aiohttp.ClientSession)


def end_to_end(headers: Mapping[str, str]) -> CIMultiDict[str]:
    """Return the headers that belong to more than one connection."""
    return CIMultiDict((name, value) for name, value in headers.items() if name.lower() not in _HOP_BY_HOP)


def build(origin: int) -> web.Application:
    """Return the application: every request goes to the origin, bodies are streamed."""

    async def client(app: web.Application) -> AsyncIterator[None]:
        connector = aiohttp.TCPConnector(limit=0)
        async with aiohttp.ClientSession(connector=connector, auto_decompress=False) as app[_CLIENT]:
            yield

    async def forward(request: web.Request) -> web.StreamResponse:
        url = f"http://127.0.0.1:{origin}{request.raw_path}"
        body = request.content if request.can_read_body else None
        headers = end_to_end(request.headers)
        async with request.app[_CLIENT].request(request.method, url, headers=headers, data=body) as answer:
            response = web.StreamResponse(status=answer.status, headers=end_to_end(answer.headers))
            await response.prepare(request)
            async for piece in answer.content.iter_any():
                await response.write(piece)
            await response.write_eof()
            return response

    app = web.Application()
    app.cleanup_ctx.append(client)
    app.router.add_route("*", "/{path:.*}", forward)
    return app


def main() -> None:
    """Serve until ended: `python -m benchmarks.peers.aiohttp_proxy PORT ORIGIN`."""
    port, origin = map(int, sys.argv[1:])
    loop = uvloop.new_event_loop()
    web.run_app(build(origin), host="127.0.0.1", port=port, access_log=None, print=None, loop=loop)


if __name__ == "__main__":
    main()
