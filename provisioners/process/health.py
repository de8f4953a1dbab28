"""How a service is, by its health check: a pure state, and the command that is asked.

A service that starts is asked often, whatever its interval says, so that nobody waits for a service that is well; it is
unhealthy only after start_period and `retries` intervals, as an engine would have it.  A healthy one is unhealthy
after `retries` failures in a row.
"""

import asyncio
import contextlib
import os
import signal
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from provisioners.last_words import in_one_line
from provisioners.process.logs import TAIL_BYTES
from splitter.template import Healthcheck

STARTING_PAUSE_S = 0.5  # between questions to a service that starts


class Status(StrEnum):
    STARTING = "starting"
    HEALTHY = "healthy"
    UNHEALTHY = "unhealthy"


class Health:
    """What the answers so far mean."""

    def __init__(self, check: Healthcheck, now_s: float, status: Status = Status.STARTING) -> None:
        self.status = status
        self._check = check
        self._failures = 0
        self._late_s = now_s + check.start_period_s + check.retries * check.interval_s

    @property
    def pause_s(self) -> float:
        """Seconds until the service is asked again."""
        starting = self.status is Status.STARTING
        return min(self._check.interval_s, STARTING_PAUSE_S) if starting else self._check.interval_s

    def observe(self, *, is_well: bool, now_s: float) -> None:
        if is_well:
            self.status, self._failures = Status.HEALTHY, 0
            return
        self._failures += 1
        if self.status is Status.STARTING:
            self.status = Status.UNHEALTHY if now_s >= self._late_s else Status.STARTING
        elif self._failures >= self._check.retries:
            self.status = Status.UNHEALTHY


@dataclass(frozen=True, slots=True)
class Answer:
    """What a health check said, once."""

    is_well: bool
    output: str


async def ask(command: Sequence[str], environment: Mapping[str, str], directory: str, timeout_s: float) -> Answer:
    """Run a health check's command and return its answer; one that takes too long is killed with all its children."""
    with tempfile.TemporaryFile() as output:
        try:
            process = await asyncio.create_subprocess_exec(
                *command,
                env=environment,
                cwd=directory,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        except OSError as error:
            return Answer(False, f"the healthcheck cannot be run: {error}")
        try:
            async with asyncio.timeout(timeout_s):
                code = await process.wait()
        except TimeoutError:
            return Answer(False, f"the healthcheck gave no answer within {timeout_s:g} s")
        finally:
            if process.returncode is None:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                await process.wait()
        output.seek(max(0, os.fstat(output.fileno()).st_size - TAIL_BYTES))
        said = in_one_line(output.read(TAIL_BYTES))
    return Answer(code == 0, said or f"the healthcheck exited with code {code}")
