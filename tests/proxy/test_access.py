"""The access log: what a line says, and what becomes of lines that cannot be written."""

import errno
import json
import os
from pathlib import Path
from typing import Any

import pytest

from splitter.errors import OperatorError
from splitter.model import Mirroring, Split
from splitter.proxy import access
from splitter.proxy.access import AccessLog, unread
from splitter.proxy.options import AccessOptions
from tests.proxy.rig import LIVE, SHADOW, Peer, Rig, hangs, replies, resets, serves, until

GET = b"GET /a?b HTTP/1.1\r\nHost: shop\r\nX-Request-Id: one\r\n\r\n"
POST = b"POST /a HTTP/1.1\r\nHost: shop\r\nContent-Length: 4\r\n\r\nbody"
ENTRY = unread("10.0.0.9", 400, "replied", "http_request_error")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "access.log"


@pytest.fixture
def log(file: Path) -> AccessLog:
    """A log whose thread does not run: the test writes in its place."""
    return AccessLog(AccessOptions(to=str(file), queue_max=3), now=lambda: 1_714_979_289.5)


@pytest.fixture
def logged(rig: Rig, file: Path) -> Rig:
    rig.access = AccessLog(AccessOptions(to=str(file)))
    return rig


def lines(log: AccessLog | None, file: Path) -> list[dict[str, Any]]:
    """Return every line, once what waits is written."""
    assert log is not None
    log.write_out()
    return [json.loads(line) for line in file.read_text().splitlines()]


class TestLastHop:
    async def test_is_logged_as_our_own_answer(self, logged: Rig, file: Path) -> None:
        """
        An `OPTIONS` that is to go no further has no stack, and nothing is wrong with it.
        """
        await logged.live(serves())

        await logged.get(b"OPTIONS / HTTP/1.1\r\nHost: shop\r\nMax-Forwards: 0\r\n\r\n")

        [line] = lines(logged.access, file)
        assert (line["method"], line["status"], line["outcome"]) == ("OPTIONS", 200, "replied")
        assert (line["stack"], line["error"], line["request_bytes"]) == (None, None, 0)


class TestLine:
    def test_says_what_is_known(self, log: AccessLog, file: Path) -> None:
        """
        Every line has the same keys; what is not known is null.
        """
        log.note(ENTRY)

        [line] = lines(log, file)
        assert line == {
            "time": "2024-05-06T07:08:09.500+00:00",
            "app": None,
            "route": None,
            "stack": None,
            "client": "10.0.0.9",
            "method": None,
            "host": None,
            "target": None,
            "status": 400,
            "outcome": "replied",
            "error": "http_request_error",
            "request_bytes": 0,
            "response_bytes": 0,
            "total_us": None,
            "first_byte_us": None,
            "connect_us": None,
            "request_id": None,
            "replayed": False,
            "mirrored": False,
        }

    def test_cannot_be_forged(self, log: AccessLog, file: Path) -> None:
        """
        What a client sends stays inside its own text, on its own line.
        """
        evil = b'/\n","status":200}\n{"client":"\xff'

        log.note(ENTRY._replace(target=evil))

        [line] = lines(log, file)
        assert line["target"] == evil.decode("latin-1")
        assert line["status"] == 400


class TestQueue:
    def test_is_bounded(self, log: AccessLog, file: Path) -> None:
        """
        Lines beyond the bound are lost and counted; those that wait are written.
        """
        for _ in range(5):
            log.note(ENTRY)

        assert len(lines(log, file)) == 3
        assert (log.written, log.lost) == (3, 2)

    def test_goes_on_while_a_pipe_is_not_read(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """
        A writer that is stuck in a full pipe holds neither the requests nor the end of the daemon.
        """
        monkeypatch.setattr(access, "_CLOSE_S_MAX", 0.01)
        pipe = tmp_path / "pipe"
        os.mkfifo(pipe)
        reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
        log = AccessLog(AccessOptions(to=str(pipe), flush_s=0.001, queue_max=1_000))
        log.start()

        while not log.lost:  # 64 KiB fill the pipe, the rest the queue
            log.note(ENTRY)
        log.close()

        assert log._thread.is_alive()
        os.close(reader)  # the writer gets EPIPE, and its end
        log._thread.join()


class TestTrouble:
    def test_of_a_full_disk_is_said_once(self, caplog: pytest.LogCaptureFixture) -> None:
        """
        Lines that a full disk refuses are counted, and the operator hears of it once.
        """
        log = AccessLog(AccessOptions(to="/dev/full"))

        for _ in range(3):
            log.note(ENTRY)
            log.write_out()

        assert (log.written, log.lost) == (0, 3)
        assert [record.message for record in caplog.records] == [
            "access log: /dev/full: No space left on device; lines are lost until it can be written again"
        ]

    def test_leaves_whole_lines_behind_it(
        self, log: AccessLog, file: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        """
        A write that ends within a line does not spoil the next line, and the operator hears that all is well again.
        """
        room = [100, 0]

        def write(descriptor: int, data: memoryview) -> int:
            if room:
                size = room.pop(0)
                if not size:
                    raise OSError(errno.ENOSPC, "No space left on device")
                return os.writev(descriptor, [data[:size]])
            return os.writev(descriptor, [data])

        monkeypatch.setattr(os, "write", write)
        log.note(ENTRY)
        log.write_out()
        log.note(ENTRY)
        log.write_out()

        torn, whole = file.read_text().splitlines()
        assert len(torn) == 100
        assert json.loads(whole)["status"] == 400
        assert (log.written, log.lost) == (1, 1)
        assert caplog.records[-1].message == f"access log: {file} is written again; 1 lines were lost so far"

    def test_at_the_start_is_an_error(self, tmp_path: Path) -> None:
        """
        A file that cannot be opened is the operator's mistake, and named.
        """
        with pytest.raises(OperatorError, match=r"access_log: .*/no/access.log: No such file or directory; choose a"):
            AccessLog(AccessOptions(to=str(tmp_path / "no/access.log")))


class TestRotation:
    def test_begins_a_new_file(self, log: AccessLog, file: Path) -> None:
        """
        After the file was moved away, lines go to a new one from `reopen` on.
        """
        log.note(ENTRY)
        log.write_out()
        file.rename(file.with_suffix(".1"))

        log.reopen()
        log.note(ENTRY)

        assert len(lines(log, file)) == 1
        assert len(file.with_suffix(".1").read_text().splitlines()) == 1

    def test_that_fails_keeps_the_old_file(self, log: AccessLog, file: Path, caplog: pytest.LogCaptureFixture) -> None:
        """
        No line is lost because the new file cannot be made.
        """
        moved = file.with_suffix(".1")
        file.rename(moved)
        file.mkdir()

        log.reopen()
        log.note(ENTRY)

        assert len(lines(log, moved)) == 1
        assert "cannot be reopened" in caplog.text


class TestThread:
    def test_writes_by_itself_and_at_the_end(self, file: Path) -> None:
        """
        What waits when the log is closed is written.
        """
        log = AccessLog(AccessOptions(to=str(file), flush_s=60))
        log.start()
        log.note(ENTRY)

        log.close()
        log._thread.join()

        assert len(file.read_text().splitlines()) == 1


class TestRequests:
    async def test_answered_by_a_stack(self, logged: Rig, file: Path) -> None:
        """
        A line names who asked for what, who answered, and how long it took.
        """
        await logged.live(serves())

        await logged.get(GET)
        await logged.get(POST)

        first, second = lines(logged.access, file)
        assert first["request_id"] == "one"
        assert {key: first[key] for key in ("app", "route", "stack", "client", "method", "host", "target")} == {
            "app": "shop",
            "route": "/",
            "stack": LIVE,
            "client": "127.0.0.1",
            "method": "GET",
            "host": "shop",
            "target": "/a?b",
        }
        assert (first["status"], first["outcome"], first["error"], first["replayed"]) == (200, "answered", None, False)
        assert (first["request_bytes"], first["response_bytes"]) == (0, 2)
        assert first["total_us"] >= first["connect_us"] + first["first_byte_us"] > 0
        assert second["connect_us"] is None  # reused
        assert (second["method"], second["request_bytes"]) == ("POST", 4)
        assert len(second["request_id"]) == 32

    async def test_answered_in_pieces(self, logged: Rig, file: Path) -> None:
        """
        The bytes of a body are counted without its chunks, and its first byte comes before its end.
        """

        async def drips(peer: Peer) -> None:
            await peer.message()
            await peer.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n")
            await until(lambda: logged.gateway.in_flight(LIVE) == 1 and bool(logged.clients[0].reader._buffer))  # type: ignore[attr-defined]
            await peer.send(b"4\r\ndefg\r\n0\r\n\r\n")

        await logged.live(drips)

        await logged.get(GET)

        [line] = lines(logged.access, file)
        assert line["response_bytes"] == 7
        assert line["total_us"] > line["connect_us"] + line["first_byte_us"]

    async def test_answered_by_splitter(self, logged: Rig, file: Path) -> None:
        """
        Our own answers have their reason; a head that cannot be read has no more than its client.
        """
        await logged.live(resets)

        await logged.get(POST)
        await logged.get(b"GET /\r\n\r\n")

        failed, refused = lines(logged.access, file)
        assert (failed["status"], failed["outcome"], failed["error"]) == (502, "replied", "connection_terminated")
        assert (failed["stack"], failed["method"], failed["request_bytes"]) == (LIVE, "POST", 4)
        assert (refused["status"], refused["outcome"], refused["error"]) == (400, "replied", "http_request_error")
        assert refused["method"] is None

    async def test_without_a_stack(self, logged: Rig, file: Path) -> None:
        """
        A request that nobody could be chosen for has a route and no times.
        """
        await logged.start(None)

        await logged.get(GET)

        [line] = lines(logged.access, file)
        assert (line["status"], line["error"]) == (503, "destination_unavailable")
        assert (line["app"], line["route"], line["stack"], line["total_us"]) == ("shop", "/", None, None)

    async def test_given_up_by_the_client(self, logged: Rig, file: Path) -> None:
        """
        A client that resets while it waits leaves a 499.
        """
        origin = await logged.live(hangs)
        client = await logged.client()
        await client.send(GET)
        await until(lambda: bool(origin.peers))

        client.reset()
        await until(lambda: logged.gateway.in_flight(LIVE) == 0)

        [line] = lines(logged.access, file)
        assert (line["status"], line["outcome"], line["stack"]) == (499, "aborted", LIVE)

    async def test_cut_in_the_middle(self, logged: Rig, file: Path) -> None:
        """
        An answer that ends too early keeps the status that the client saw.
        """
        await logged.live(replies(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc"))
        client = await logged.client()
        await client.send(GET)

        await client.rest()

        [line] = lines(logged.access, file)
        assert (line["status"], line["outcome"], line["response_bytes"]) == (200, "cut", 3)

    async def test_copied_to_the_shadow(self, logged: Rig, file: Path) -> None:
        """
        A copy is no request of a client; the line of the request says that there was one.
        """
        origins = [await logged.origin(serves()) for _ in range(2)]
        stacks = [logged.stack(number, origin) for number, origin in enumerate(origins, 1)]
        await logged.start(Split(stacks[0], stacks[1], mirroring=Mirroring(10_000, frozenset({b"GET"}))))

        await logged.get(GET)
        await logged.get(POST)

        assert [(line["method"], line["stack"], line["mirrored"]) for line in lines(logged.access, file)] == [
            ("GET", LIVE, True),
            ("POST", LIVE, False),
        ]

    async def test_replayed_by_live(self, logged: Rig, file: Path) -> None:
        """
        What the shadow failed and live answered is one line, of live.
        """
        await logged.both(serves(), resets)

        await logged.get(GET)

        [line] = lines(logged.access, file)
        assert (line["status"], line["stack"], line["replayed"]) == (200, LIVE, True)
        assert SHADOW not in json.dumps(line)

    async def test_leave_a_line_with_their_101(self, logged: Rig, file: Path) -> None:
        """
        A tunnel is one request, answered with the 101; how long it lasts is no time of an answer.
        """
        agree = b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
        await logged.live(serves(agree))
        client = await logged.client()
        await client.send(b"GET /chat HTTP/1.1\r\nHost: shop\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
        await client.head()
        client.close()
        await until(lambda: logged.gateway.stats().tunnels == 0)

        [line] = lines(logged.access, file)
        assert (line["target"], line["status"], line["outcome"]) == ("/chat", 101, "answered")
