"""Steady traffic for the demo: what a number of browsers with keep-alive connections would send.

Open loop: requests leave at their planned times, whether or not earlier ones have been answered, so a slow stack
cannot quieten the load that shows it to be slow.  Every answer is checked whole: a status other than 200, a body of
another length than announced, a reset or a time-out is a failed request.
"""

import asyncio
import time
from collections import Counter
from dataclasses import dataclass, field

import aiohttp

UPLOAD_BYTES = 64 * 1024
DOWNLOAD_BYTES = 256 * 1024
EVERY_UPLOAD = 40  # each so many requests one is an upload
EVERY_DOWNLOAD = 60
IN_FLIGHT_MAX = 512
REQUEST_TIMEOUT_S = 20.0
KINDS_OF_FAILURE_MAX = 20


@dataclass
class Tally:
    """What came of the load so far.  Only `Load` writes it."""

    sent: int = 0
    answered: int = 0
    failures: Counter[str] = field(default_factory=Counter)
    by_version: Counter[str] = field(default_factory=Counter)

    @property
    def failed(self) -> int:
        return sum(self.failures.values())

    def fail(self, kind: str) -> None:
        known = kind in self.failures or len(self.failures) < KINDS_OF_FAILURE_MAX
        self.failures[kind if known else "other"] += 1


class Load:
    """Sends `rate` requests a second to `base` until stopped; at most `IN_FLIGHT_MAX` at once."""

    def __init__(self, base: str, rate: float) -> None:
        self.tally = Tally()
        self._base = base
        self._rate = rate
        self._stopping = asyncio.Event()
        self._upload = bytes(UPLOAD_BYTES)

    def stop(self) -> None:
        """Send no more; `run` returns when everything in flight has been answered."""
        self._stopping.set()

    async def run(self) -> None:
        connector = aiohttp.TCPConnector(limit=IN_FLIGHT_MAX)
        timeout = aiohttp.ClientTimeout(total=REQUEST_TIMEOUT_S)
        async with aiohttp.ClientSession(connector=connector, timeout=timeout) as session, asyncio.TaskGroup() as tasks:
            start = time.monotonic()
            planned = 0
            while not self._stopping.is_set():
                due = int((time.monotonic() - start) * self._rate)
                for number in range(planned, due):
                    if self.tally.sent - self.tally.answered - self.tally.failed < IN_FLIGHT_MAX:
                        tasks.create_task(self._request(session, number), name=f"load-{number}")
                        self.tally.sent += 1
                planned = due
                await asyncio.sleep(0.005)

    async def _request(self, session: aiohttp.ClientSession, number: int) -> None:
        method, path, expected = self._kind(number)
        body = self._upload if method == "POST" else None
        try:
            async with session.request(method, self._base + path, data=body) as response:
                content = await response.read()
        except (aiohttp.ClientError, TimeoutError) as error:
            self.tally.fail(type(error).__name__)
            return
        if response.status != 200:
            self.tally.fail(f"status {response.status}")
        elif expected and len(content) != expected:
            self.tally.fail("cut body")
        else:
            self.tally.answered += 1
            self.tally.by_version[response.headers.get("X-Version", "?")] += 1

    @staticmethod
    def _kind(number: int) -> tuple[str, str, int]:
        """Return method, path and the expected length of the answer's body (0: any)."""
        if number % EVERY_UPLOAD == EVERY_UPLOAD - 1:
            return "POST", "/upload", 0
        if number % EVERY_DOWNLOAD == EVERY_DOWNLOAD - 1:
            return "GET", f"/download?bytes={DOWNLOAD_BYTES}", DOWNLOAD_BYTES
        return "GET", "/", 0
