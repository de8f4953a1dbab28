"""Why there is no connection to an endpoint, in one word and in what the client hears."""

import errno
import os
import socket

import pytest

from splitter.model import Endpoint, Split, Stack
from splitter.proxy.dialing import UNCONNECTED, reason_of
from tests.proxy.rig import LIVE, WEB, Rig


def failure(number: int) -> OSError:
    return OSError(number, os.strerror(number))


class TestReason:
    @pytest.mark.parametrize(
        ("error", "reason"),
        [
            (failure(errno.ECONNREFUSED), "connect_refused"),
            (failure(errno.ETIMEDOUT), "connect_timeout"),
            (failure(errno.EHOSTUNREACH), "connect_unroutable"),
            (failure(errno.ENETUNREACH), "connect_unroutable"),
            (failure(errno.ECONNRESET), "connect_closed"),
            (failure(errno.EACCES), "connect"),
            (failure(errno.EMFILE), "exhausted"),
            (socket.gaierror(socket.EAI_NONAME, "Name or service not known"), "connect_name"),
            (socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution"), "connect_name"),
            (socket.gaierror(socket.EAI_MEMORY, "Memory allocation failure"), "exhausted"),
            (UnicodeError("label too long"), "connect_name"),
            (OSError("something else"), "connect"),
        ],
    )
    def test_is_what_the_system_says(self, error: OSError | UnicodeError, reason: str) -> None:
        """
        Each way to fail has its word, and whatever splitter itself is short of is no endpoint's fault.
        """
        assert reason_of(error) == reason
        assert reason in UNCONNECTED | {"exhausted"}

    @pytest.mark.parametrize(
        ("second", "reason"),
        [("[Errno 111] Connect call failed ('127.0.0.1', 80)", "connect_refused"), ("[Errno 13] denied", "connect")],
    )
    def test_of_several_addresses_is_what_they_have_in_common(self, second: str, reason: str) -> None:
        """
        Both event loops join the failures of a name's addresses in one text, without a number of its own.
        """
        joined = OSError(f"Multiple exceptions: [Errno 111] Connect call failed ('::1', 80, 0, 0), {second}")

        assert reason_of(joined) == reason


class TestAnswer:
    async def test_says_that_the_name_leads_nowhere(self, rig: Rig) -> None:
        """
        A name that cannot be looked up is `dns_error`, and counts as a failure to connect.
        """
        await rig.start(Split(Stack(LIVE, "shop", 1, {WEB: (Endpoint(f"{'x' * 64}.example", 80),)})))

        answer = await rig.get()

        assert answer.startswith(b"HTTP/1.1 502 ")
        assert b"\r\nProxy-Status: splitter; error=dns_error\r\n" in answer
        assert rig.outcomes() == {"connect": 1}
