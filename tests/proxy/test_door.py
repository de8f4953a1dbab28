"""A door that is shut keeps nobody out for good."""

import asyncio
import socket
from typing import cast

import pytest

from splitter.proxy.door import Door


class Greeter(asyncio.Protocol):
    """Says that it is there."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        transport = cast("asyncio.Transport", transport)  # uvloop's are not derived from it
        transport.write(b"hello")
        transport.close()


async def heard(address: tuple[str, int]) -> bytes:
    """Return all that somebody hears who comes by."""
    reader, writer = await asyncio.open_connection(*address)
    try:
        return await reader.read()
    finally:
        writer.close()


class TestDoor:
    async def test_who_comes_while_it_is_shut_waits(self) -> None:
        """
        Clients that connect to a door that is shut are accepted when it opens again, as often as that happens.
        """
        door = Door(Greeter)
        await door.open("127.0.0.1", 0)
        assert await heard(door.address) == b"hello"

        for _ in range(3):
            door.shut()
            waiting = [asyncio.ensure_future(heard(door.address)) for _ in range(5)]
            await asyncio.sleep(0)
            assert not door.is_open
            await door.reopen()
            assert await asyncio.gather(*waiting) == [b"hello"] * 5

        door.close()

    async def test_has_a_socket_for_each_address(self) -> None:
        """
        A name of several addresses is one door, which opens again at each of them.
        """
        door = Door(Greeter)
        await door.open("", 0)
        hosts = {socket.AF_INET: "127.0.0.1", socket.AF_INET6: "::1"}
        addresses = [(hosts[each.family], each.getsockname()[1]) for each in door._sockets]

        door.shut()
        await door.reopen()

        assert [await heard(address) for address in addresses] == [b"hello"] * len(addresses)
        door.close()

    async def test_is_closed_for_good(self) -> None:
        """
        Nobody connects to a door that is closed, twice as well.
        """
        door = Door(Greeter)
        await door.open("127.0.0.1", 0)
        address = door.address

        door.close()
        door.close()

        with pytest.raises(OSError):
            await heard(address)
