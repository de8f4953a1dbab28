"""Binding, and closing without a dropped request."""

import asyncio
import os

import pytest

from splitter.errors import OperatorError
from splitter.model import Split
from splitter.proxy.descriptors import lowest_free
from splitter.proxy.listener import Listener
from splitter.proxy.options import ListenerOptions
from tests.proxy.rig import LIVE, OK, Peer, Rig, hangs, no_descriptors, serves, settle, until

GET = b"GET / HTTP/1.1\r\nHost: shop\r\n\r\n"


class TestStart:
    async def test_taken_port_is_the_operators_to_solve(self, rig: Rig) -> None:
        """
        An address that cannot be bound is named, with what to do.
        """
        await rig.live(serves())
        host, port = rig.listener.address

        with pytest.raises(OperatorError, match=rf"listener {host}:{port}: .*in use.*choose a free address"):
            await Listener(ListenerOptions(host, port), rig.gateway).start()


class TestFlips:
    async def test_leave_the_listening_socket_as_it_is(self, rig: Rig) -> None:
        """
        While routes change all the time new clients come in all the time, by the very socket that was bound first.
        """
        live, shadow = await rig.origin(serves()), await rig.origin(serves())
        stacks = rig.stack(1, live), rig.stack(2, shadow)
        await rig.start(Split(stacks[0], stacks[1], 5_000))
        before = _sockets(rig)
        answered = 0
        is_over = False

        async def come_and_go() -> None:
            nonlocal answered
            while not is_over:
                client = Peer(*await asyncio.open_connection(*rig.listener.address))
                await client.send(GET)
                assert (await client.message()).endswith(b"ok")
                client.close()
                await client.writer.wait_closed()
                answered += 1

        coming = [asyncio.ensure_future(come_and_go()) for _ in range(8)]
        flips = 0
        while flips < 200 or answered < 200:
            flips += 1
            if flips % 10:
                rig.publish(Split(stacks[0], stacks[1], 100 * (flips % 100)))
            else:
                rig.publish(Split(stacks[flips % 2]))
            await asyncio.sleep(0)
            assert not any(task.done() for task in coming)
        is_over = True
        await asyncio.gather(*coming)

        assert before == _sockets(rig)
        assert rig.listener.address[1] == before[0][2]


def _sockets(rig: Rig) -> list[tuple[int, int, int]]:
    """Return descriptor, inode and port of what the listener accepts with, and of the sockets that it keeps."""
    door = rig.listener._door
    accepting = [each for server in door._servers for each in server.sockets]
    return [
        (each.fileno(), os.fstat(each.fileno()).st_ino, each.getsockname()[1]) for each in (*accepting, *door._sockets)
    ]


class TestDescriptors:
    async def test_new_clients_wait_for_one(self, rig: Rig, caplog: pytest.LogCaptureFixture) -> None:
        """
        Who comes when there are none left is neither accepted nor refused; who is inside is served on meanwhile.
        """
        await rig.live(serves())
        inside = await rig.client()
        await inside.send(GET)
        await inside.message()
        number = lowest_free()
        assert number is not None
        rig.listener._descriptors_end = number
        last = await rig.client()
        await until(lambda: not rig.listener._door.is_open)

        waiting = [await rig.client() for _ in range(3)]
        for client in waiting:
            await client.send(GET)
        for _ in range(2):  # and after a second there is still none
            await inside.send(GET)
            assert (await inside.message()).endswith(b"ok")
            rig.pass_time(1)
            await until(lambda: rig.listener._reopening is not None and rig.listener._reopening.done())

        assert rig.listener.clients == 2
        assert not rig.listener._door.is_open
        last.close()
        rig.listener._descriptors_end = 10_000
        rig.pass_time(1)
        for client in waiting:
            assert (await client.message()).endswith(b"ok")
        assert "new clients wait" in caplog.text
        assert caplog.text.count("LimitNOFILE") == 1

    async def test_none_at_all_keeps_it_shut(self, rig: Rig) -> None:
        """
        A door that cannot even be opened again is tried once more later.
        """
        await rig.live(serves())
        rig.listener._shut()
        with no_descriptors():
            rig.pass_time(1)
            await until(lambda: rig.listener._reopening is not None and rig.listener._reopening.done())
            assert not rig.listener._door.is_open

        rig.pass_time(1)

        assert (await rig.get()).endswith(b"ok")

    async def test_it_can_be_closed_meanwhile(self, rig: Rig) -> None:
        """
        A listener that is shut closes like any other: who comes is refused.
        """
        await rig.live(serves())
        rig.listener._shut()

        await rig.listener.close(0)
        rig.pass_time(1)
        await settle()

        with pytest.raises(OSError):
            await rig.client()


class TestClose:
    async def test_lets_responses_finish(self, rig: Rig) -> None:
        """
        What is in flight is answered with `Connection: close`; idle connections close at once, new ones are refused.
        """
        go_on = asyncio.Event()

        async def waits(peer: Peer) -> None:
            await peer.message()
            await go_on.wait()
            await peer.send(OK)
            await peer.rest()

        await rig.live(waits)
        busy, idle = await rig.client(), await rig.client()
        await busy.send(GET)
        await until(lambda: rig.gateway.in_flight(LIVE) == 1 and rig.listener.clients == 2)

        closing = asyncio.ensure_future(rig.listener.close(20))
        assert await idle.rest() == b""
        with pytest.raises(OSError):
            await rig.client()
        await settle()
        assert not closing.done()
        go_on.set()

        answer = await busy.rest()
        assert b"Connection: close\r\n" in answer
        assert answer.endswith(b"ok")
        busy.close()
        await closing

    async def test_cuts_what_is_left_after_the_grace(self, rig: Rig) -> None:
        """
        A request that does not end does not keep the listener.
        """
        await rig.live(hangs)
        client = await rig.client()
        await client.send(GET)
        await until(lambda: rig.gateway.in_flight(LIVE) == 1)

        await rig.listener.close(0)

        await until(lambda: rig.listener.clients == 0)
        assert rig.gateway.in_flight(LIVE) == 0
