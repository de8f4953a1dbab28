"""What the stacks of one app use, asked of their provisioner every few seconds.

Rule 1: a sample that fails or hangs hurts nobody: it is said once, and the judge goes on without.
Rule 2: `take` hands out each sample once.  A sample is a fact of its moment; told twice, it would weigh twice.
"""

import asyncio
import logging
from collections.abc import Callable, Collection
from typing import Final

from splitter.contracts import Clock, Provisioner
from splitter.errors import EngineError
from splitter.model import StackId
from splitter.resources import Uses

SAMPLE_TIMEOUT_S: Final = 30.0

log = logging.getLogger(__name__)


class Sampling:
    """The last sample of each stack that is up.  Written by `run` alone; `take` marks a sample as told."""

    def __init__(
        self, app: str, provisioner: Provisioner, clock: Clock, up: Callable[[], Collection[StackId]], every_s: float
    ) -> None:
        self.last: dict[StackId, Uses] = {}
        self._app = app
        self._provisioner = provisioner
        self._clock = clock
        self._up = up
        self._every_s = every_s
        self._untold: set[StackId] = set()
        self._silent: set[StackId] = set()  # of which it was said that they cannot be looked at

    async def run(self) -> None:
        """Sample every stack that is up, until cancelled."""
        while True:
            await asyncio.gather(*(self._sample(stack) for stack in tuple(self._up())))
            await self._clock.sleep(self._every_s)

    def take(self, stack: StackId) -> Uses:
        """Return the newest sample of `stack`, nothing if it was taken before."""
        if stack not in self._untold:
            return {}
        self._untold.discard(stack)
        return self.last.get(stack, {})

    def forget(self, stack: StackId) -> None:
        """Let go of a stack that is gone."""
        self.last.pop(stack, None)
        self._untold.discard(stack)
        self._silent.discard(stack)

    async def _sample(self, stack: StackId) -> None:
        try:
            async with asyncio.timeout(SAMPLE_TIMEOUT_S):
                used = await self._provisioner.sample(stack)
        except (EngineError, TimeoutError) as error:
            self._say_once(stack, str(error) or f"no answer within {SAMPLE_TIMEOUT_S:g} s")
        except Exception:
            log.exception("%s: what it uses could not be asked", stack)
        else:
            self._silent.discard(stack)
            if used and stack in self._up():
                self.last[stack] = used
                self._untold.add(stack)

    def _say_once(self, stack: StackId, why: str) -> None:
        if stack not in self._silent:
            self._silent.add(stack)
            log.warning("%s: what it uses is not known: %s; asking again every %g s", stack, why, self._every_s)
