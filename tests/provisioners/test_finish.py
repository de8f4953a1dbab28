import asyncio

import pytest

from provisioners.finish import finish


class TestFinish:
    async def test_returns_what_the_work_returns(self) -> None:
        """
        Without a cancellation it is a plain await.
        """

        async def work() -> int:
            return 7

        assert await finish(work(), "work") == 7

    async def test_passes_a_failure_on(self) -> None:
        """
        What the work raises, the caller hears.
        """

        async def work() -> None:
            raise ValueError("no")

        with pytest.raises(ValueError, match="no"):
            await finish(work(), "work")

    @pytest.mark.parametrize("fails", [False, True])
    async def test_cancellation_waits_for_the_end(self, fails: bool) -> None:
        """
        A caller that is cancelled, even twice, is cancelled once the work is done; how it ended does not matter.
        """
        go = asyncio.Event()
        done = []

        async def work() -> None:
            await go.wait()
            done.append(True)
            if fails:
                raise ValueError("nobody hears this")

        task = asyncio.create_task(finish(work(), "work"))
        for _ in range(2):
            await asyncio.sleep(0)
            task.cancel()
        await asyncio.sleep(0)
        assert not task.done()
        go.set()

        with pytest.raises(asyncio.CancelledError):
            await task
        assert done == [True]
