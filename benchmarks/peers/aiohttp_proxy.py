"""A plain proxy of aiohttp's server and client on uvloop: what an asyncio proxy costs when nothing is done about it."""

import asyncio
import ssl
import sys
from collections.abc import AsyncIterator, Mapping

import aiohttp
import uvloop
from aiohttp import web
from multidict import CIMultiDict

from benchmarks.peers.python import site_of
from benchmarks.site import Site

_HOP_BY_HOP = frozenset({"connection", "keep-alive", "proxy-connection", "te", "transfer-encoding", "upgrade"})
_Client = aiohttp.ClientWebSocketResponse
_CLIENT = web.AppKey("client", aiohttp.ClientSession)


def end_to_end(headers: Mapping[str, str]) -> CIMultiDict[str]:
    """Return the headers that belong to more than one connection."""
    return CIMultiDict((name, value) for name, value in headers.items() if name.lower() not in _HOP_BY_HOP)


async def _pass(source: web.WebSocketResponse | _Client, target: web.WebSocketResponse | _Client) -> None:
    async for message in source:
        await target.send_bytes(message.data)
    await target.close()


def build(site: Site) -> web.Application:
    """Return the application: every request goes to the origin, bodies are streamed."""

    async def client(app: web.Application) -> AsyncIterator[None]:
        connector = aiohttp.TCPConnector(limit=0)
        async with aiohttp.ClientSession(connector=connector, auto_decompress=False) as app[_CLIENT]:
            yield

    async def tunnel(request: web.Request) -> web.WebSocketResponse:
        """Pass messages both ways until either side ends."""
        inside = web.WebSocketResponse(autoping=False)
        await inside.prepare(request)
        async with request.app[_CLIENT].ws_connect(f"http://127.0.0.1:{site.echo}{request.raw_path}") as outside:
            await asyncio.gather(_pass(inside, outside), _pass(outside, inside))
        return inside

    async def forward(request: web.Request) -> web.StreamResponse:
        url = f"http://127.0.0.1:{site.origin}{request.raw_path}"
        body = request.content if request.can_read_body else None
        headers = end_to_end(request.headers)
        async with request.app[_CLIENT].request(request.method, url, headers=headers, data=body) as answer:
            response = web.StreamResponse(status=answer.status, headers=end_to_end(answer.headers))
            await response.prepare(request)
            async for piece in answer.content.iter_any():
                await response.write(piece)
            await response.write_eof()
            return response

    app = web.Application(client_max_size=0)
    app.cleanup_ctx.append(client)
    app.router.add_get("/ws", tunnel)
    app.router.add_route("*", "/{path:.*}", forward)
    return app


async def serve(site: Site) -> None:
    """Serve until cancelled."""
    runner = web.AppRunner(build(site), access_log=None)
    await runner.setup()
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(site.certificate, site.key)
    await web.TCPSite(runner, "127.0.0.1", site.port).start()
    await web.TCPSite(runner, "127.0.0.1", site.tls_port, ssl_context=context).start()
    await asyncio.Event().wait()


def main() -> None:
    """Serve until ended."""
    site, _ = site_of(sys.argv[1:])
    uvloop.run(serve(site))


if __name__ == "__main__":
    main()
