"""curl as the client: what a program says that nobody wrote for these tests."""

import asyncio
import subprocess
from pathlib import Path

import pytest

from tests.proxy.rig import OK, Peer, Rig, replies, serves, until

pytestmark = pytest.mark.program("curl")

PATIENCE_S = 60


async def curl(rig: Rig, *arguments: str, path: str = "/") -> subprocess.CompletedProcess[bytes]:
    """Run curl against the listener, and return what it has said."""
    host, port = rig.listener.address
    command = ["curl", "--silent", "--show-error", "--noproxy", "*", *arguments, f"http://{host}:{port}{path}"]
    return await asyncio.to_thread(
        subprocess.run, command, stdin=subprocess.DEVNULL, capture_output=True, timeout=PATIENCE_S, check=False
    )


class TestExpect:
    async def test_body_follows_the_stacks_100(self, rig: Rig, tmp_path: Path) -> None:
        """
        curl waits for a 100, gets the stack's, and sends a body that arrives whole.
        """
        body = bytes(range(256)) * 8000
        file = tmp_path / "body"
        file.write_bytes(body)
        got: list[bytes] = []

        async def continues(peer: Peer) -> None:
            head = await peer.head()
            assert b"Expect: 100-continue\r\n" in head
            await peer.send(b"HTTP/1.1 100 Continue\r\n\r\n")
            got.append(await peer.exactly(len(body)))
            await peer.send(OK)
            await peer.rest()

        await rig.live(continues)

        run = await curl(rig, "--expect100-timeout", "50", "--upload-file", str(file), "--dump-header", "-")

        assert run.returncode == 0, run.stderr
        assert run.stdout.startswith(b"HTTP/1.1 100 Continue\r\n")
        assert run.stdout.endswith(b"\r\n\r\nok")
        assert got == [body]

    async def test_refusal_keeps_the_body_back(self, rig: Rig, tmp_path: Path) -> None:
        """
        A stack that refuses by a final answer is heard at once, and no byte of the body has moved.
        """
        file = tmp_path / "body"
        file.write_bytes(bytes(2_000_000))
        behind: list[bytes] = []

        async def refuses(peer: Peer) -> None:
            await peer.head()
            await peer.send(b"HTTP/1.1 413 Too Large\r\nContent-Length: 3\r\n\r\nno\n")
            behind.append(await peer.rest())

        await rig.live(refuses)

        run = await curl(rig, "--expect100-timeout", "50", "--upload-file", str(file), "--write-out", "%{http_code}")

        assert run.stdout == b"no\n413"
        assert run.returncode == 0, run.stderr
        await until(lambda: bool(behind))
        assert behind == [b""]

    async def test_early_answer_is_read_before_the_end_of_the_body(self, rig: Rig, tmp_path: Path) -> None:
        """
        curl that does not wait reads the refusal all the same, and no reset.
        """
        file = tmp_path / "body"
        file.write_bytes(bytes(20_000_000))

        async def refuses(peer: Peer) -> None:
            await peer.head()
            await peer.send(b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 3\r\n\r\nno\n")
            await peer.rest()

        await rig.live(refuses)

        run = await curl(rig, "--header", "Expect:", "--upload-file", str(file), "--write-out", "%{http_code}")

        assert run.stdout == b"no\n401"


class TestBodies:
    async def test_trailers_are_read(self, rig: Rig) -> None:
        """
        A client that takes trailers gets them behind the body; another one does not.
        """
        answer = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nX-Sum: 7\r\n\r\n"
        await rig.live(serves(answer))

        asks = await curl(rig, "--header", "TE: trailers", "--header", "Connection: TE", "--dump-header", "-")
        asks_not = await curl(rig, "--dump-header", "-")

        assert asks.stdout.endswith(b"okX-Sum: 7\r\n")
        assert asks_not.stdout.endswith(b"\r\n\r\nok")

    async def test_http_1_0_gets_the_payload_and_the_end(self, rig: Rig) -> None:
        """
        curl --http1.0 reads a body without its chunks, until the connection closes.
        """
        await rig.live(serves(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"))

        run = await curl(rig, "--http1.0", "--raw", "--dump-header", "-")

        head, _, body = run.stdout.partition(b"\r\n\r\n")
        assert body == b"hello"
        assert b"ransfer-" not in head
        assert b"Connection: close" in head
        assert run.returncode == 0, run.stderr

    async def test_cut_is_seen(self, rig: Rig) -> None:
        """
        curl calls a transfer partial whose body the stack did not finish.
        """
        await rig.live(replies(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel"))

        run = await curl(rig)

        assert run.returncode == 18, run.stderr

    async def test_head_ends_with_its_head(self, rig: Rig) -> None:
        """
        curl --head reads the length of a body that does not come, and may go on.
        """
        await rig.live(serves(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n"))
        url = "http://{}:{}/".format(*rig.listener.address)

        run = await curl(rig, "--head", url, "--write-out", "%{num_connects}\n")

        assert run.stdout.count(b"Content-Length: 1000\r\n") == 2
        assert run.stdout.split()[-1] == b"0"


class TestTransparency:
    async def test_target_is_what_was_typed(self, rig: Rig) -> None:
        """
        Nothing of the target is decoded, merged or resolved on its way.
        """
        seen: list[bytes] = []

        async def remembers(peer: Peer) -> None:
            seen.append((await peer.message()).split()[1])
            await peer.send(OK)

        await rig.live(remembers)

        await curl(rig, "--path-as-is", "--globoff", path="/a//b/../c/%2e%2E/%7b{}[]|;x?q=%20+&q")

        assert seen == [b"/a//b/../c/%2e%2E/%7b{}[]|;x?q=%20+&q"]

    async def test_hints_are_read_before_the_answer(self, rig: Rig) -> None:
        """
        curl shows every interim response.
        """
        await rig.live(replies(b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" + OK))

        run = await curl(rig, "--include")

        assert run.stdout.startswith(b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n")
        assert b"HTTP/1.1 200 OK\r\n" in run.stdout
