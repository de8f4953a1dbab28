"""The Docker engine, called from a small pool of threads.

Rule 1: the SDK blocks, so every call runs in a thread; a thread owns its client, because a requests session is not
promised to be safe between threads.
Rule 2: errors of the SDK, of requests and of the kernel end here.  What leaves is an EngineError whose sentence names
what was being done, what the engine said and what to do about it.
Rule 3: a call that changes something is waited for although its caller was cancelled.  Otherwise a container could
appear after the clean-up has looked for containers.

Only reads are tried again, and only once: the connection of an idle client may have been closed by the engine.
"""

import asyncio
import contextlib
import os
import socket
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import requests
import urllib3.exceptions
from docker import APIClient
from docker.errors import APIError, DockerException

from provisioners.finish import finish
from provisioners.last_words import in_one_line
from splitter.errors import EngineError

THREADS = 4
TIMEOUT_S = 60
LOG_LINES = 10
LOG_BYTES_MAX = 2_000
DEFAULT_URL = "unix:///var/run/docker.sock"

Result = TypeVar("Result")


class EngineUnreachableError(EngineError):
    """Nobody answers at the engine's address."""


class EngineRefusedError(EngineError):
    """The engine answered with an error; `status` is the HTTP status of its answer."""

    def __init__(self, status: int, message: str) -> None:
        self.status = status
        super().__init__(message)


class Engine:
    """One engine, by its address.  Made without talking to it; the first call connects."""

    def __init__(self, base_url: str | None = None, threads: int = THREADS) -> None:
        self.url = base_url or os.environ.get("DOCKER_HOST") or DEFAULT_URL
        self._quick = ThreadPoolExecutor(threads, thread_name_prefix="docker")
        self._slow = ThreadPoolExecutor(threads, thread_name_prefix="docker-slow")
        self._own = threading.local()
        self._clients: list[APIClient] = []

    async def read(self, doing: str, call: Callable[[APIClient], Result]) -> Result:
        """Return what `call` returns; tried twice if the connection breaks.  `doing` completes "could not …"."""
        try:
            return await self._in_thread(self._quick, doing, call)
        except EngineUnreachableError:
            return await self._in_thread(self._quick, doing, call)

    async def change(self, doing: str, call: Callable[[APIClient], Result], *, slow: bool = False) -> Result:
        """Return what `call` returns.  Cancelled meanwhile, it ends only after the call has ended (rule 3).

        `slow` calls have threads of their own: a container that takes its time to stop holds up nobody's questions.
        """
        pool = self._slow if slow else self._quick
        return await finish(self._in_thread(pool, doing, call), f"docker: {doing}")

    async def stream(self, doing: str, call: Callable[[APIClient, threading.Event], Result]) -> Result:
        """Return what `call` returns; it must look at the event, which says to give up, between two lines it reads."""
        give_up = threading.Event()
        try:
            return await self._in_thread(self._slow, doing, lambda client: call(client, give_up))
        finally:
            give_up.set()

    async def start(self, container: str) -> None:
        """Start a container, one at a time on this engine: its allocation of host ports is not atomic."""

        def start(client: APIClient) -> None:
            with _start_lock(self.url):
                client.start(container)

        await self.change(f"start container {container}", start)

    def connect(self) -> APIClient:
        """Return a new client, which the caller closes.  Blocks.  Raises EngineError."""
        doing = "ask for the engine's version"
        with self.translated(doing):
            self._knock(doing)
            return APIClient(base_url=self.url, version="auto", timeout=TIMEOUT_S)

    @contextlib.contextmanager
    def translated(self, doing: str) -> Iterator[None]:
        """Turn foreign errors of the block into EngineError."""
        try:
            yield
        except APIError as error:
            status = int(error.status_code or 0)
            said = str(error.explanation or error).strip()
            raise EngineRefusedError(status, f"could not {doing}: {_advised(status, said)}") from error
        except (requests.RequestException, urllib3.exceptions.HTTPError) as error:
            raise EngineUnreachableError(f"could not {doing}: {self._unreachable(error)}") from error
        except DockerException as error:
            if any(isinstance(cause, requests.RequestException) for cause in _causes(error)):
                raise EngineUnreachableError(f"could not {doing}: {self._unreachable(error)}") from error
            raise EngineError(f"could not {doing}: {error}") from error
        except OSError as error:
            raise EngineError(f"could not {doing}: {error}") from error

    async def close(self) -> None:
        """Wait for the calls that run, then close all connections.  Idempotent."""
        for pool in (self._quick, self._slow):
            await asyncio.to_thread(pool.shutdown, wait=True, cancel_futures=True)
        while self._clients:
            self._clients.pop().close()

    async def _in_thread(self, pool: ThreadPoolExecutor, doing: str, call: Callable[[APIClient], Result]) -> Result:
        return await asyncio.get_running_loop().run_in_executor(pool, self._blocking, doing, call)

    def _blocking(self, doing: str, call: Callable[[APIClient], Result]) -> Result:
        client = getattr(self._own, "client", None)
        if client is None:
            client = self._own.client = self.connect()
            self._clients.append(client)
        with self.translated(doing):
            return call(client)

    def _knock(self, doing: str) -> None:
        """Connect once by ourselves: the SDK hides why it could not, and leaves its socket open."""
        if not self.url.startswith("unix://"):
            return
        try:
            with socket.socket(socket.AF_UNIX) as door:
                door.settimeout(TIMEOUT_S)
                door.connect(self.url.removeprefix("unix://"))
        except OSError as error:
            raise EngineUnreachableError(f"could not {doing}: {self._unreachable(error)}") from error

    def _unreachable(self, error: BaseException) -> str:
        here = f"the Docker engine at {self.url}"
        for cause in _causes(error):
            if isinstance(cause, FileNotFoundError):
                return f"{here} is not running (no such socket): start it, or name its socket in DOCKER_HOST"
            if isinstance(cause, PermissionError):
                return f"{here} may not be used: run splitter as a user who may open that socket (group docker)"
            if isinstance(cause, ConnectionRefusedError):
                return f"{here} is not running (nobody listens): start it, or name its socket in DOCKER_HOST"
            if isinstance(cause, TimeoutError | requests.Timeout):
                return f"{here} did not answer within {TIMEOUT_S} s: look at its log"
        return f"{here} cannot be used: {error}"


async def last_lines(engine: Engine, container: str) -> str:
    """Return the end of a container's log, ready to be put behind a sentence; empty if the engine has none to show."""
    try:
        said = await engine.read("read a log", lambda client: client.logs(container, tail=LOG_LINES))
    except EngineError:
        return ""
    words = in_one_line(said[-LOG_BYTES_MAX:], LOG_LINES)
    return f"; its log ends: {words}" if words else "; its log is empty"


def _causes(error: BaseException) -> Iterator[BaseException]:
    """Yield `error` and what it came from; urllib3 and requests also hide causes among their arguments."""
    waiting = [error]
    seen: set[int] = set()
    while waiting:
        cause = waiting.pop(0)
        if id(cause) in seen:
            continue
        seen.add(id(cause))
        yield cause
        inner = (cause.__cause__, cause.__context__, getattr(cause, "reason", None), *cause.args)
        waiting += [each for each in inner if isinstance(each, BaseException)]


def _advised(status: int, said: str) -> str:
    """Return what the engine said, with what to do about the errors that people meet."""
    lowered = said.lower()
    if status == 409 and "name" in lowered:
        return f"{said} Remove or rename it; it is not of this stack."
    if "port is already allocated" in lowered or "address already in use" in lowered:
        return f"{said}. Something else on the host holds that port."
    if "no available" in lowered and "address pool" in lowered:
        return f"{said}. Remove networks that nobody uses (docker network prune) or give the engine more address pools."
    if "no space left" in lowered:
        return f"{said}. Free space on the engine's disk."
    return said


_locks: dict[str, threading.Lock] = {}
_locks_guard = threading.Lock()


def _start_lock(url: str) -> threading.Lock:
    """Return the lock of the engine at `url`; all provisioners of this process share it."""
    with _locks_guard:
        return _locks.setdefault(url, threading.Lock())
