"""The admin API's doors: a unix socket whose file is the lock, and, if asked for, a TCP address that only shows.

A socket file that nobody listens on was left by a daemon that was killed; it is replaced.  One that answers is refused.

Addresses are taken before anything is served: what stands in the way of a door is found before a stack is made.
"""

import contextlib
import os
import socket
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from aiohttp import web

from splitter.admin import api
from splitter.errors import OperatorError
from splitter.model import Endpoint
from splitter.rollout.controller import Controller

SOCKET_MODE = 0o600
SHUTDOWN_S = 1.0


@dataclass(frozen=True, slots=True)
class Addresses:
    """Sockets that are bound and not yet served."""

    unix: socket.socket
    tcp: socket.socket | None


@contextmanager
def taken(unix: Path, bind: Endpoint | None) -> Iterator[Addresses]:
    """Hold the addresses of both doors for as long as the block lasts.  Raises OperatorError where one is not free."""
    with contextlib.ExitStack() as stack:
        behind_file = stack.enter_context(contextlib.closing(_unix_socket(unix)))
        stack.callback(unix.unlink, missing_ok=True)
        tcp = stack.enter_context(contextlib.closing(_tcp_socket(bind))) if bind is not None else None
        yield Addresses(behind_file, tcp)


@asynccontextmanager
async def open_doors(
    addresses: Addresses, token: str, controllers: Mapping[str, Controller], door: api.Door
) -> AsyncIterator[None]:
    """Serve the API for as long as the block lasts."""
    async with contextlib.AsyncExitStack() as stack:
        runner = await _runner(stack, api.build(controllers, door))
        await web.SockSite(runner, addresses.unix).start()
        if addresses.tcp is not None:
            runner = await _runner(stack, api.build(controllers, replace(door, token=token)))
            await web.SockSite(runner, addresses.tcp).start()
        yield


async def _runner(stack: contextlib.AsyncExitStack, app: web.Application) -> web.AppRunner:
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=SHUTDOWN_S, handler_cancellation=True)
    await runner.setup()
    stack.push_async_callback(runner.cleanup)
    return runner


def _tcp_socket(bind: Endpoint) -> socket.socket:
    family = socket.AF_INET6 if ":" in bind.host else socket.AF_INET
    try:
        return socket.create_server((bind.host, bind.port), family=family)
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno and error.errno > 0 else error.strerror
        problem = f"admin.bind: {bind} cannot be opened: {reason}"
        raise OperatorError(f"{problem}; choose a free address, or stop what uses it") from error


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
