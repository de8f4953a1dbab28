"""The other end of the admin API: what the command line and the demo talk through.

One class for both, so that the wire format has one reader.  Errors of the daemon come back as the families of
`errors`, with the daemon's own sentence; a daemon that does not answer is `UnreachableError`.
"""

import json
from collections.abc import AsyncIterable, AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import aiohttp

from splitter.errors import OperatorError

PREFIX = "http://splitter"  # the host of a unix socket is never looked up; a URL must have one
CALL_TIMEOUT_S = 60.0
SILENCE_TIMEOUT_S = 45.0  # the live view has heartbeats; longer silence is a daemon that hangs

Json = dict[str, Any]


class UnreachableError(OperatorError):
    """Nothing answers on the socket; the message says which and what to do."""


class AnswerError(OperatorError):
    """The daemon refused a call: `status` of HTTP, `kind` a word for programs, the message for people."""

    def __init__(self, status: int, kind: str, message: str) -> None:
        self.status = status
        self.kind = kind
        super().__init__(message)


@dataclass(frozen=True, slots=True)
class Update:
    """One server-sent event: `status` (a whole status) or `event` (one fact of the journal)."""

    kind: str
    content: Json


class Client:
    """Calls the daemon over its unix socket.  Use it as an async context manager."""

    def __init__(self, socket: Path) -> None:
        self._socket = socket
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        connector = aiohttp.UnixConnector(path=str(self._socket))
        self._session = aiohttp.ClientSession(connector=connector)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._session is not None:
            await self._session.close()

    async def get(self, path: str, **query: str | int) -> Json:
        return await self._call("GET", path, query=query)

    async def post(self, path: str, body: Mapping[str, Any]) -> Json:
        return await self._call("POST", path, body=body)

    async def get_text(self, path: str, **query: str | int) -> str:
        return (await self._answer("GET", path, query=query)).decode()

    async def is_ready(self) -> bool:
        """Return whether every listener is up and every app has a live stack.  Raises UnreachableError."""
        try:
            async with self._request("GET", "/readyz") as response:
                return bool(response.status == 200)
        except (aiohttp.ClientError, OSError) as error:
            raise self._unreachable(error) from error

    async def stream(self, app: str, after: int = 0) -> AsyncIterator[Update]:
        """Yield the live view of `app` until the daemon closes it, from the events after `after` on, or the last few.

        Raises UnreachableError and AnswerError.
        """
        timeout = aiohttp.ClientTimeout(total=None, sock_read=SILENCE_TIMEOUT_S)
        path = f"/api/v1/apps/{app}/stream?after={after}"
        try:
            async with self._request("GET", path, timeout=timeout) as response:
                if response.status != 200:
                    raise answer_error(response.status, await response.read())
                async for update in updates(response.content):
                    yield update
        except (aiohttp.ClientError, OSError) as error:
            raise self._unreachable(error) from error

    async def _call(
        self, method: str, path: str, *, query: Mapping[str, str | int] | None = None, body: Any = None
    ) -> Json:
        answer: Json = json.loads(await self._answer(method, path, query=query, body=body))
        return answer

    async def _answer(
        self, method: str, path: str, *, query: Mapping[str, str | int] | None = None, body: Any = None
    ) -> bytes:
        timeout = aiohttp.ClientTimeout(total=CALL_TIMEOUT_S)
        try:
            async with self._request(method, f"/api/v1{path}", params=query, json=body, timeout=timeout) as response:
                content: bytes = await response.read()
                if response.status >= 400:
                    raise answer_error(response.status, content)
                return content
        except (aiohttp.ClientError, OSError) as error:
            raise self._unreachable(error) from error

    def _request(self, method: str, path: str, **arguments: Any) -> Any:
        assert self._session is not None, "the client is used inside `async with`"
        return self._session.request(method, PREFIX + path, **arguments)

    def _unreachable(self, error: Exception) -> UnreachableError:
        if isinstance(error, TimeoutError):
            return UnreachableError(f"the daemon behind {self._socket} does not answer: is it stopped or overloaded?")
        cause = error.os_error if isinstance(error, aiohttp.ClientConnectorError) else error
        reason = (cause.strerror if isinstance(cause, OSError) else "") or str(cause) or type(cause).__name__
        if isinstance(cause, PermissionError):
            return UnreachableError(f"you may not use {self._socket}: only who started the daemon may, or root")
        return UnreachableError(
            f"no daemon answers on {self._socket} ({reason}): start it with `splitter run -c splitter.yaml`, "
            "or name its socket with --socket or SPLITTER_SOCKET"
        )


def answer_error(status: int, content: bytes) -> AnswerError:
    """Return the error of a refused call; a body that is not ours is quoted as it is."""
    try:
        error = json.loads(content)["error"]
        return AnswerError(status, str(error["kind"]), str(error["message"]))
    except (ValueError, KeyError, TypeError):
        return AnswerError(status, "unknown", content[:500].decode(errors="replace"))


async def updates(lines: AsyncIterable[bytes]) -> AsyncIterator[Update]:
    """Yield the events of a server-sent stream (WHATWG HTML, 9.2.6); comments, our heartbeats, are passed over."""
    kind, content = "message", ""
    async for line in lines:
        text = line.decode().rstrip("\r\n")
        if not text and content:
            yield Update(kind, json.loads(content))
            kind, content = "message", ""
        elif text.startswith("event:"):
            kind = text[6:].strip()
        elif text.startswith("data:"):
            content += text[5:].strip()
