"""The one queue of an app's controller: what is taken from it is done before the next is.

What puts something in never waits, but for `ask`, which returns what came of it.  The queue needs no bound: a tick
waits in it once, news come from three stacks at most, and those who ask wait for their answer.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import TypeVar

from splitter.errors import RefusedError, SplitterError, StateError

log = logging.getLogger(__name__)

Value = TypeVar("Value")
Job = Callable[[], Awaitable[object]]


class Inbox:
    """Jobs of `app`, in their order.

    `unrecorded` is told what the journal did not take, and the job that asked for it (None: somebody was told already);
    `broken` of a bug of ours, after which the next job is done all the same.
    """

    def __init__(
        self,
        app: str,
        unrecorded: Callable[[StateError, Job | None], Awaitable[None]],
        broken: Callable[[str], Awaitable[None]],
    ) -> None:
        self._app = app
        self._unrecorded = unrecorded
        self._broken = broken
        self._jobs: asyncio.Queue[Job] = asyncio.Queue()

    def put(self, job: Job) -> None:
        self._jobs.put_nowait(job)

    async def ask(self, work: Callable[[], Awaitable[Value]]) -> Value:
        """Do `work` in its turn and return, or raise, what comes of it."""
        answer: asyncio.Future[Value] = asyncio.get_running_loop().create_future()

        async def job() -> None:
            if answer.done():  # who asked has gone
                return
            try:
                value = await work()
            except SplitterError as error:
                if not answer.done():
                    answer.set_exception(error)
                if isinstance(error, StateError):
                    await self._unrecorded(error, None)
            except BaseException:
                answer.cancel()
                raise
            else:
                if not answer.done():
                    answer.set_result(value)

        self.put(job)
        return await answer

    async def work(self) -> None:
        """Do the jobs until cancelled."""
        while True:
            await self._do(await self._jobs.get())

    async def _do(self, job: Job) -> None:
        try:
            await job()
        except StateError as error:
            await self._unrecorded(error, job)
        except RefusedError as error:
            log.debug("%s: too late: %s", self._app, error)
        except Exception as error:
            log.exception("%s: a bug of splitter", self._app)
            await self._despair(repr(error))

    async def _despair(self, reason: str) -> None:
        try:
            await self._broken(reason)
        except StateError as error:
            await self._unrecorded(error, None)
        except Exception:
            log.exception("%s: a bug of splitter, met while it dealt with the one before", self._app)
