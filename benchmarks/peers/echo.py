"""What stands behind a WebSocket: accepts every upgrade, then sends back each byte that comes."""

import asyncio
import base64
import hashlib
import re
import sys

import uvloop

from benchmarks.peers.python import site_of

_KEY = re.compile(rb"(?i)\r\nsec-websocket-key: *([^\r]+)\r\n")
_MAGIC = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # RFC 6455 §1.3


class Echo(asyncio.Protocol):
    """One connection.  A request without a key is answered and kept: that is how the port is found to be up."""

    def __init__(self) -> None:
        self._transport: asyncio.Transport
        self._is_open = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment]  # uvloop's are not derived from it

    def data_received(self, data: bytes) -> None:
        if self._is_open:
            self._transport.write(data)
        elif key := _KEY.search(data):
            accept = base64.b64encode(hashlib.sha1(key[1] + _MAGIC).digest())
            head = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            self._transport.write(head + b"Sec-WebSocket-Accept: %b\r\n\r\n" % accept)
            self._is_open = True
        else:
            self._transport.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")


async def serve(port: int) -> None:
    """Serve until cancelled."""
    server = await asyncio.get_running_loop().create_server(Echo, "127.0.0.1", port, backlog=1024)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(serve(site_of(sys.argv[1:])[0].port))
