"""The admin API's doors: a unix socket whose file is the lock, and, if asked for, a TCP address that only shows.

A socket file that nobody listens on was left by a daemon that was killed; it is replaced.  One that answers is refused.
"""

import contextlib
import os
import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

from aiohttp import web

from splitter.admin import api
from splitter.errors import OperatorError
from splitter.model import Endpoint
from splitter.rollout.controller import Controller

SOCKET_MODE = 0o600
SHUTDOWN_S = 1.0


@asynccontextmanager
async def open_doors(
    unix: Path, bind: Endpoint | None, token: str, controllers: Mapping[str, Controller], door: api.Door
) -> AsyncIterator[None]:
    """Serve the API for as long as the block lasts.  Raises OperatorError where a door cannot be opened."""
    async with contextlib.AsyncExitStack() as stack:
        runner = await _runner(stack, api.build(controllers, door))
        listening = _unix_socket(unix)
        stack.callback(unix.unlink, missing_ok=True)
        await web.SockSite(runner, listening).start()
        if bind is not None:
            runner = await _runner(stack, api.build(controllers, replace(door, token=token)))
            try:
                await web.TCPSite(runner, bind.host, bind.port).start()
            except OSError as error:
                raise OperatorError(f"admin.bind: {bind} cannot be opened: {error.strerror}") from error
        yield


async def _runner(stack: contextlib.AsyncExitStack, app: web.Application) -> web.AppRunner:
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=SHUTDOWN_S, handler_cancellation=True)
    await runner.setup()
    stack.push_async_callback(runner.cleanup)
    return runner


def _unix_socket(path: Path) -> socket.socket:
    """Return a bound socket that only its owner may open, at no moment with other permissions."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.exists():
        _remove_if_dead(path)
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    mask = os.umask(0o777 & ~SOCKET_MODE)
    try:
        listening.bind(str(path))
    except OSError as error:
        listening.close()
        raise OperatorError(f"admin.socket: {path} cannot be made: {error.strerror}; name another path") from error
    finally:
        os.umask(mask)
    return listening


def _remove_if_dead(path: Path) -> None:
    if not path.is_socket():
        raise OperatorError(f"admin.socket: {path} is there and is no socket; name another path")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        try:
            probe.connect(str(path))
        except OSError:
            path.unlink(missing_ok=True)
            return
    raise OperatorError(f"admin.socket: a daemon answers on {path} already; stop it, or name another path")
