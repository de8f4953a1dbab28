"""slowhttptest as the attacker: heads, bodies and readers that are slow on purpose, while a good client is served."""

import contextlib
import json
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import psutil
import pytest

pytestmark = pytest.mark.program("slowhttptest")

ROOT = Path(__file__).parents[2]
PATIENCE_S = 120
HELD_MIN = 5  # more than its probes
OPTIONS = {
    "head_timeout_s": 2,
    "body_timeout_s": 2,
    "body_rate_grace_s": 1,
    "response_timeout_s": 2,
    "linger_timeout_s": 1,
}
ATTACKS = {
    "slow head": ["-H", "-i", "1"],
    "slow body": ["-B", "-i", "1", "-s", "100000"],
    "slow read": ["-X", "-w", "10", "-y", "20", "-n", "1", "-z", "5"],
}


class GoodClient(threading.Thread):
    """Asks again and again on one connection, until it is stopped; `answers` counts, `failure` ends it."""

    def __init__(self, port: int) -> None:
        super().__init__(name="a good client")
        self.answers = 0
        self.failure = ""
        self.has_to_end = threading.Event()
        self._port = port

    def run(self) -> None:
        try:
            with closing(socket.create_connection(("127.0.0.1", self._port), PATIENCE_S)) as client:
                while not self.has_to_end.wait(0.01):
                    client.sendall(b"GET / HTTP/1.1\r\nHost: shop\r\n\r\n")
                    answer = b""
                    while not answer.endswith(b"\r\n\r\nok"):
                        piece = client.recv(4096)
                        assert piece, f"closed behind {answer!r}"
                        answer += piece
                    assert answer.startswith(b"HTTP/1.1 200 "), answer
                    self.answers += 1
        except (OSError, AssertionError) as error:
            self.failure = repr(error)


@contextlib.contextmanager
def server() -> Iterator[tuple[subprocess.Popen[str], int]]:
    """Run a data plane that is impatient, and return its process and its port."""
    command = [sys.executable, "-m", "tests.proxy.serving", json.dumps({"options": OPTIONS})]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, cwd=ROOT, stdin=pipe, stdout=pipe, text=True) as process:
        assert process.stdout is not None
        yield process, int(process.stdout.readline())


@contextlib.contextmanager
def attack(arguments: list[str], url: str) -> Iterator[subprocess.Popen[bytes]]:
    """Run slowhttptest for as long as the caller likes."""
    command = ["slowhttptest", *arguments, "-c", "50", "-r", "200", "-l", str(PATIENCE_S), "-p", "60", "-u", url]
    quiet = subprocess.DEVNULL
    process = subprocess.Popen(command, stdin=quiet, stdout=quiet, stderr=quiet)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def held(process: subprocess.Popen[bytes], victim: subprocess.Popen[str], port: int) -> int:
    """Return how many connections of `process` the victim still has open."""
    with contextlib.suppress(psutil.NoSuchProcess):
        theirs = {each.laddr.port for each in psutil.Process(process.pid).net_connections("tcp4") if each.laddr}
        ours = [each for each in psutil.Process(victim.pid).net_connections("tcp4") if each.laddr.port == port]
        return sum(each.raddr.port in theirs for each in ours if each.raddr)
    return 0


class TestSlowness:
    @pytest.mark.parametrize("kind", list(ATTACKS))
    def test_is_ended_and_hurts_nobody_else(self, kind: str) -> None:
        """
        Every connection that is slow on purpose is closed by its deadline, and a good client never notices.
        """
        with server() as (victim, port):
            good = GoodClient(port)
            good.start()
            url = f"http://127.0.0.1:{port}/{'big' if kind == 'slow read' else ''}"
            with attack(ATTACKS[kind], url) as attacker:
                patience = time.monotonic() + PATIENCE_S
                most = 0
                while attacker.poll() is None and (most < HELD_MIN or held(attacker, victim, port)):
                    assert time.monotonic() < patience, f"{held(attacker, victim, port)} are still open"
                    most = max(most, held(attacker, victim, port))
                    time.sleep(0.02)  # it looks, it does not time
            answers_before = good.answers
            while not good.failure and good.answers < answers_before + 10:
                time.sleep(0.02)
            good.has_to_end.set()
            good.join()

        assert good.failure == ""
        assert most >= HELD_MIN
