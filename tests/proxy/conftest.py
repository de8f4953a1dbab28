"""Every socket test runs on both event loops: uvloop, which serves, and asyncio's own, which is the fallback."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping

import pytest
import uvloop

from tests.proxy.rig import Rig


def pytest_asyncio_loop_factories() -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Name the event loops that each asynchronous test of this folder runs on."""
    return {"asyncio": asyncio.SelectorEventLoop, "uvloop": uvloop.new_event_loop}


@pytest.fixture
async def rig() -> AsyncIterator[Rig]:
    """A gateway behind a listener, before origins that play what a test says."""
    rig = Rig()
    try:
        yield rig
    finally:
        await rig.close()
