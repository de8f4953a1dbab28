"""Child processes on a core of their own, and how much of it they used.

Every process that is started here is ended here, by its id.
"""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

_START_S_MAX = 15.0
_STOP_S_MAX = 5.0
_POLL_S = 0.02
_TICKS_PER_S = os.sysconf("SC_CLK_TCK")
# Puts itself on a core and becomes the program, so that no thread of it has ever run elsewhere.
_PINNED = "import os, sys; os.sched_setaffinity(0, {int(sys.argv[1])}); os.execvp(sys.argv[2], sys.argv[2:])"


class StartError(RuntimeError):
    """A process ended, or did not answer, before it could be measured; the message holds what it printed."""


def pinned(core: int, command: Sequence[str]) -> list[str]:
    """Return the command that runs `command` on `core` alone."""
    return [sys.executable, "-c", _PINNED, str(core), *command]


def free_port() -> int:
    """Return a loopback port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextlib.contextmanager
def running(core: int, command: Sequence[str], port: int, log: Path) -> Iterator[int]:
    """Run `command` on `core` until the block ends; its process id, once it answers on `port`.  Raises StartError."""
    with log.open("wb") as output:
        process = subprocess.Popen(pinned(core, command), stdout=output, stderr=subprocess.STDOUT)
    try:
        _wait_until_it_answers(process, port, log)
        yield process.pid
    finally:
        _end(process)


def cpu_s(pid: int) -> float:
    """Return the CPU time that a process and its children have used so far."""
    return sum(_own_cpu_s(each) for each in [pid, *_children(pid)])


def memory_bytes(pid: int) -> int:
    """Return the memory that a process and its children hold in RAM."""
    pages = sum(int(Path(f"/proc/{each}/statm").read_text().split()[1]) for each in [pid, *_children(pid)])
    return pages * os.sysconf("SC_PAGE_SIZE")


def _wait_until_it_answers(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    deadline = time.monotonic() + _START_S_MAX
    while True:
        if process.poll() is not None:
            raise StartError(f"ended with code {process.returncode}: {_tail(log)}")
        try:
            status = _status(port)
        except OSError as error:
            status = str(error)
        if status == "200":
            return
        if time.monotonic() > deadline:
            raise StartError(f"did not answer 200 within {_START_S_MAX:.0f} s ({status}): {_tail(log)}")
        time.sleep(_POLL_S)


def _status(port: int) -> str:
    """Return the status of one request.  Raises OSError."""
    with socket.create_connection(("127.0.0.1", port), timeout=1.0) as client:
        client.sendall(b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n")
        words = client.recv(1024).split(b" ", 2)
    return words[1].decode("latin-1") if len(words) > 1 else "no answer"


def _end(process: subprocess.Popen[bytes]) -> None:
    for order in (signal.SIGTERM, signal.SIGKILL):
        if process.poll() is None:
            process.send_signal(order)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(_STOP_S_MAX)
            return


def _tail(log: Path) -> str:
    return log.read_text(errors="replace")[-2000:].strip() or "it printed nothing"


def _own_cpu_s(pid: int) -> float:
    """Return a process's user and system time: fields 14 and 15 of its stat, counted behind the bracketed name."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS_PER_S


def _children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
