"""Closing with a reset: who has read a part must not take it for the whole."""

import asyncio
import logging
import socket
import struct

_RESET = struct.pack("ii", 1, 0)  # SO_LINGER: closing sends a reset

log = logging.getLogger(__name__)


def reset(transport: asyncio.Transport) -> None:
    """Close at once, in the middle of whatever was said; over TLS without its goodbye (RFC 8446 §6.1)."""
    sock: socket.socket = transport.get_extra_info("socket")
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
    except OSError:
        log.debug("a socket was closed before it could be reset")
    transport.abort()
