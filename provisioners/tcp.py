"""Whether somebody answers at an address."""

import asyncio
import contextlib

from splitter.model import Endpoint

CONNECT_TIMEOUT_S = 1.0


async def accepts(endpoint: Endpoint, timeout_s: float = CONNECT_TIMEOUT_S) -> bool:
    """Return whether a TCP connection to `endpoint` is accepted."""
    try:
        async with asyncio.timeout(timeout_s):
            _, writer = await asyncio.open_connection(endpoint.host, endpoint.port)
    except OSError:  # TimeoutError is one, and so is a name that cannot be resolved
        return False
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()
    return True
