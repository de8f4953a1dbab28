"""Following events as they happen."""

import pytest

from splitter.errors import RefusedError
from splitter.limits import EVENT_QUEUE_MAX, EVENT_SUBSCRIBERS_MAX
from splitter.rollout.events import Kind, make
from splitter.rollout.subscription import Hub
from tests.fakes import START

EVENT = make(START, "shop", Kind.PAUSED)


class TestSubscription:
    async def test_lets_a_slow_reader_go(self) -> None:
        """
        A reader that does not keep up can read what it has, and then is at its end.
        """
        hub = Hub("shop")
        subscription = hub.join()
        for _ in range(EVENT_QUEUE_MAX + 5):
            hub.send(EVENT)

        read = [event async for event in subscription]

        assert read == [EVENT] * EVENT_QUEUE_MAX
        assert await subscription.next() is None

    async def test_ends_with_its_block_and_with_the_controller(self) -> None:
        """
        A reader that left gets nothing more; when the controller ends, so do all.
        """
        hub = Hub("shop")
        async with hub.join() as subscription:
            hub.send(EVENT)
        hub.send(EVENT)
        other = hub.join()
        hub.close()

        assert [event async for event in subscription] == [EVENT]
        assert await other.next() is None

    async def test_is_refused_to_too_many(self) -> None:
        """
        There is a bound to readers, and a place that is left is free again.
        """
        hub = Hub("shop")
        subscriptions = [hub.join() for _ in range(EVENT_SUBSCRIBERS_MAX)]
        with pytest.raises(RefusedError, match="follow its events already"):
            hub.join()

        subscriptions[0].close()

        hub.join()
