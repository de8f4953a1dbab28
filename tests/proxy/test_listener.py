"""Binding, and closing without a dropped request."""

import asyncio

import pytest

from splitter.errors import OperatorError
from splitter.proxy.listener import Listener
from splitter.proxy.options import ListenerOptions
from tests.proxy.rig import LIVE, OK, Peer, Rig, hangs, serves, settle, until

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
