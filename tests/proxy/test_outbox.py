"""Writes of one turn."""

import asyncio

import pytest

from splitter.proxy.outbox import Outbox


class Wire(asyncio.Transport):
    """A transport that remembers what was written, or cannot be written to."""

    def __init__(self, log: list[tuple[str, bytes]], name: str, is_broken: bool = False) -> None:
        super().__init__()
        self._log = log
        self._name = name
        self._is_broken = is_broken

    def write(self, data: bytes | bytearray | memoryview) -> None:
        if self._is_broken:
            raise RuntimeError("broken")
        self._log.append((self._name, bytes(data)))

    def abort(self) -> None:
        self._log.append((self._name, b"aborted"))


class TestOutbox:
    async def test_leave_at_the_end_of_the_turn_in_order(self) -> None:
        """
        Nothing is written at once, and all of it, in order, when the turn has ended.
        """
        log: list[tuple[str, bytes]] = []
        outbox, one, two = Outbox(), Wire(log, "one"), Wire(log, "two")

        outbox.post(one, b"a")
        outbox.post(two, b"b")
        outbox.post(one, b"c")
        assert log == []
        await asyncio.sleep(0)

        assert log == [("one", b"a"), ("two", b"b"), ("one", b"c")]

    async def test_large_pieces_do_not_wait(self) -> None:
        """
        A large piece is written at once, behind what was posted before it.
        """
        log: list[tuple[str, bytes]] = []
        outbox, one = Outbox(), Wire(log, "one")
        large = b"x" * 16 * 1024

        outbox.post(one, b"a")
        outbox.post(one, large)

        assert log == [("one", b"a"), ("one", large)]
        await asyncio.sleep(0)
        assert len(log) == 2

    async def test_a_broken_connection_ends_alone(self, caplog: pytest.LogCaptureFixture) -> None:
        """
        A connection that cannot be written to is aborted; the others get their bytes.
        """
        log: list[tuple[str, bytes]] = []
        outbox = Outbox()
        outbox.post(Wire(log, "one", is_broken=True), b"a")
        outbox.post(Wire(log, "two"), b"b")

        outbox.flush()

        assert log == [("one", b"aborted"), ("two", b"b")]
        assert "broken" in caplog.text
