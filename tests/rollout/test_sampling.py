"""What stacks use is asked every few seconds, and nothing depends on an answer."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator

import pytest

from splitter.model import Resources, StackId
from splitter.resources import whole
from splitter.rollout.sampling import Sampling
from tests.fakes import FakeClock, FakeEngine, FakeProvisioner
from tests.rollout.stage import staged

WEB = StackId("shop-r1")
HALF = Resources(memory=50, memory_limit=100)


class Sampled:
    """Samples of one stack that is up, over an engine that a test may break."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.engine = FakeEngine()
        self.up = {WEB}
        self.sampling = Sampling("shop", FakeProvisioner(self.engine, self.clock), self.clock, lambda: self.up, 5.0)


@contextlib.asynccontextmanager
async def sampled() -> AsyncIterator[Sampled]:
    """Yield a sampling that runs."""
    made = Sampled()
    task = asyncio.get_running_loop().create_task(made.sampling.run())
    try:
        yield made
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


class TestTake:
    async def test_tells_each_sample_once(self) -> None:
        """
        A tick between two samples has none.
        """
        async with sampled() as made:
            made.engine.uses[WEB] = HALF
            await made.clock.pass_(6.0)

            assert made.sampling.take(WEB) == {"web": HALF}
            assert made.sampling.take(WEB) == {}
            await made.clock.pass_(5.0)
            assert made.sampling.take(WEB) == {"web": HALF}

    async def test_has_nothing_of_a_stack_that_is_gone(self) -> None:
        """
        A stack that was retired leaves no sample behind.
        """
        async with sampled() as made:
            made.engine.uses[WEB] = HALF
            await made.clock.pass_(1.0)

            made.sampling.forget(WEB)

            assert made.sampling.take(WEB) == {}
            assert made.sampling.last == {}


class TestFailure:
    async def test_is_said_once_and_tried_again(self, caplog: pytest.LogCaptureFixture) -> None:
        """
        An engine that is away for a minute costs one line in the log and the samples of that minute.
        """
        async with sampled() as made:
            made.engine.uses[WEB] = HALF
            made.engine.is_gone = True
            with caplog.at_level(logging.WARNING):
                await made.clock.pass_(60.0)
            made.engine.is_gone = False
            await made.clock.pass_(6.0)

            assert len(caplog.records) == 1
            assert "shop-r1: what it uses is not known: the engine's socket refuses connections" in caplog.text
            assert made.sampling.take(WEB) == {"web": HALF}

    async def test_of_ours_does_not_end_sampling(
        self, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """
        A bug in a provisioner is logged, and the next sample is tried all the same.
        """

        async def broken(self: FakeProvisioner, stack: StackId) -> Resources | None:
            raise ZeroDivisionError

        async with sampled() as made:
            made.engine.uses[WEB] = HALF
            with monkeypatch.context() as patch:
                patch.setattr(FakeProvisioner, "sample", broken)
                await made.clock.pass_(6.0)
            await made.clock.pass_(6.0)

            assert made.sampling.take(WEB) == {"web": HALF}


class TestStatus:
    async def test_shows_what_live_uses(self) -> None:
        """
        Also without a rollout: whoever looks at an app sees how full it is.
        """
        async with staged() as stage:
            stage.engine.uses[WEB] = HALF
            await stage.clock.pass_(10.0)

            live = stage.controller.status().live

            assert live is not None
            assert live.uses == whole({"web": HALF})
