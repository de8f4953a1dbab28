"""How many descriptors there are, and how many of them are for clients."""

import contextlib
import json
import os
import resource
import socket
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from splitter.proxy import descriptors
from tests.proxy.rig import no_descriptors

ROOT = Path(__file__).parents[2]
PATIENCE_S = 60


class TestExhaustion:
    def test_of_a_process_hurts_nobody(self) -> None:
        """
        More idle clients than a process has descriptors for: who was inside is served on, and the others in their turn.
        """
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.proxy.serving", json.dumps({"limit": 160})],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        with process, contextlib.ExitStack() as clients:
            assert process.stdin is not None
            assert process.stdout is not None
            port = int(process.stdout.readline())
            inside = clients.enter_context(closing(socket.create_connection(("127.0.0.1", port), PATIENCE_S)))
            assert served(inside)

            others = [
                clients.enter_context(closing(socket.create_connection(("127.0.0.1", port), PATIENCE_S)))
                for _ in range(300)
            ]

            assert all(served(inside) for _ in range(50))
            for other in others[:200]:
                other.close()
            assert all(served(other) for other in others[200:230])
            assert served(inside)
            process.stdin.close()
            assert process.wait(PATIENCE_S) == 0


def served(client: socket.socket) -> bool:
    """Return whether a request on a connection is answered by the stack."""
    client.sendall(b"GET / HTTP/1.1\r\nHost: shop\r\n\r\n")
    answer = b""
    while not answer.endswith(b"\r\n\r\nok"):
        piece = client.recv(4096)
        if not piece:
            return False
        answer += piece
    return answer.startswith(b"HTTP/1.1 200 ")


class TestEnd:
    @pytest.mark.parametrize(
        ("limit", "end"), [(64, 32), (128, 64), (256, 192), (1024, 896), (65_536, 57_344), (1_048_576, 917_504)]
    )
    def test_keeps_some_back(self, limit: int, end: int) -> None:
        """
        One in eight, and at least 64, are not for clients; of few, half.
        """
        assert end == descriptors.clients_end(limit)


class TestLowestFree:
    def test_is_the_next_one(self) -> None:
        """
        The number that is said is the one that comes, and looking takes none.
        """
        number = descriptors.lowest_free()

        opened = os.open(os.devnull, os.O_RDONLY)
        os.close(opened)
        assert number == opened

    def test_is_none_when_there_is_none(self) -> None:
        """
        At the limit there is no next one.
        """
        with no_descriptors():
            assert descriptors.lowest_free() is None


class TestLimit:
    def test_is_raised_to_what_the_system_allows(self) -> None:
        """
        The soft limit becomes the hard one.
        """
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 512), hard))

            descriptors.raise_limit()

            assert descriptors.limit() == hard
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
