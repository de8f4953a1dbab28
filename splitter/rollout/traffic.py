"""Gives the traffic of one app to its stacks, and makes sure that it went there.

Rule 1: what was published is read back.  A switch that says something else has failed, whatever it answered before.
Rule 2: one publish at a time, and the split is worked out when its turn has come: a late one cannot undo a newer one.
"""

import asyncio
from collections.abc import Callable

from splitter.contracts import Drained, DrainLimits, TrafficSwitch
from splitter.errors import StackError, StaleVersionError
from splitter.model import Split, StackId

STALE_TRIES_MAX = 5  # somebody else shifts this app; they or we stop soon, or something is wrong
SWITCH_TIMEOUT_S = 30.0


class Traffic:
    """The traffic switch as one app sees it."""

    def __init__(self, app: str, switch: TrafficSwitch) -> None:
        self._app = app
        self._switch = switch
        self._turn = asyncio.Lock()

    async def publish(self, wanted: Callable[[], Split | None]) -> tuple[Split | None, int]:
        """Publish what `wanted` returns, unless it is current; return it and the version that holds it.

        Raises StackError when the switch refuses it, does not answer, or reads back something else; OperatorError for
        a split that the routes cannot use.
        """
        async with self._turn:
            split = wanted()
            try:
                async with asyncio.timeout(SWITCH_TIMEOUT_S):
                    return split, await self._published(split)
            except TimeoutError:
                raise StackError(f"the traffic switch has not answered for {SWITCH_TIMEOUT_S:g} s") from None

    async def _published(self, split: Split | None) -> int:
        for _ in range(STALE_TRIES_MAX):
            current, version = await self._switch.read(self._app)
            if split is None or current == split:
                return version
            try:
                version = await self._switch.shift(self._app, split, expected=version)
            except StaleVersionError:
                continue
            current, read_version = await self._switch.read(self._app)
            if current == split and read_version >= version:
                return read_version
        raise StackError(
            f"the traffic switch does not keep what is published for {self._app}: does another one write it?"
        )

    async def is_current(self, split: Split | None) -> tuple[bool, int]:
        """Return whether the switch says `split`, and its version."""
        current, version = await self._switch.read(self._app)
        return current == split, version

    async def drain(self, stack: StackId, limits: DrainLimits) -> Drained:
        """Wait until nothing of `stack` is in flight; what is left at the limits is cut."""
        return await self._switch.drain(self._app, stack, limits)


def describe(split: Split | None) -> str:
    """Return who gets what, for people."""
    if split is None:
        return "nobody"
    if split.shadow is None:
        return f"{split.live.id} 100 %"
    shares = f"{split.live.id} {100 - split.shadow_bp / 100:g} %, {split.shadow.id} {split.shadow_bp / 100:g} %"
    if split.mirroring is None:
        return shares
    return f"{shares} and copies of {split.mirroring.share_bp / 100:g} %"
