"""The clock that provisioners go by unless they are given another."""

import asyncio
import time
from datetime import UTC, datetime


class WallClock:
    """contracts.Clock of this machine."""

    def monotonic(self) -> float:
        return time.monotonic()

    def now(self) -> datetime:
        return datetime.now(UTC)

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)
