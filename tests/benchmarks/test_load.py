"""The loads of our own: an open loop that charges a stall to everybody, and messages to and fro."""

import asyncio
import sys
from pathlib import Path

import pytest

from benchmarks import load
from benchmarks.cases import CASES
from benchmarks.peers import ECHO, PEERS, splitter
from benchmarks.peers.python import site_of
from benchmarks.site import Site

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 17\r\n\r\none small answer\n"


async def served(answer: bytes = ANSWER) -> tuple[asyncio.Server, int]:
    """Start a server that gives every head the same answer; return it and its port."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                await reader.readuntil(b"\r\n\r\n")
                writer.write(answer)
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    return server, server.sockets[0].getsockname()[1]


class TestOpenLoad:
    async def test_sends_as_many_as_its_rate_says(self) -> None:
        """
        Every request is answered and none fails; the first half second is left out.
        """
        server, port = await served()
        async with server:
            run = await load.OpenLoad(port, 100).run(port, 0.5)

        assert (run.requests, run.errors) == (50, 0)

    async def test_counts_what_is_no_200(self) -> None:
        """
        An error is an error, however fast it came.
        """
        server, port = await served(ANSWER.replace(b"200 OK", b"503 No"))
        async with server:
            run = await load.OpenLoad(port, 100).run(port, 0.1)

        assert run.errors == 60

    def test_charges_a_wait_to_the_request_that_was_due(self) -> None:
        """
        A request that finds no free connection waits with its clock running, and is sent by the next that gets free.
        """
        open_load = load.OpenLoad(80, 100)

        open_load._ask(12.5)
        open_load._ask(13.5)

        assert list(open_load._waiting) == [12.5, 13.5]


class TestFigures:
    def test_are_those_of_the_latencies(self) -> None:
        """
        The median and the 99th percentile of a hundred.
        """
        run = load.figures([number / 1_000 for number in range(100)], 2.0, 3)

        assert (run.requests, run.per_second, run.errors) == (100, 50.0, 3)
        assert (run.p50_us, run.p99_us) == (50_000, 99_000)


class TestPeers:
    def test_in_python_are_told_their_site_and_mode(self) -> None:
        """
        What is written on the command line is read back as it was.
        """
        site = Site(1, 2, 3, 4, Path("/c.pem"), Path("/k.pem"))

        assert site_of(ECHO.command(Path(), site)[3:]) == (site, "")
        assert site_of(splitter("sticky").command(Path(), site)[3:]) == (site, "sticky")
        assert ECHO.command(Path(), site)[0] == sys.executable

    def test_have_names_of_their_own(self) -> None:
        """
        A table has one line for each, and a case one name on the command line.
        """
        assert len({peer.name for peer in PEERS}) == len(PEERS)
        assert len({case.name for case in CASES}) == len({case.title for case in CASES}) == len(CASES)


class TestReadme:
    def test_is_rewritten_between_its_marks(self) -> None:
        """
        What was measured is replaced, and nothing else.
        """
        from benchmarks.__main__ import README, rewritten

        page = rewritten(README.read_text(), "new figures")

        before, _, rest = README.read_text().partition("<!-- measured -->")
        assert page.startswith(f"{before}<!-- measured -->\n\nnew figures\n\n<!-- end of measured -->")
        assert page.endswith(rest.partition("<!-- end of measured -->")[2])
        with pytest.raises(ValueError, match="substring not found"):
            rewritten("no marks", "new figures")
