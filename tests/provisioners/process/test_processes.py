import os
import resource
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from provisioners.process import processes
from provisioners.process.ports import free_ports, is_taken
from provisioners.process.processes import ProcessId


@pytest.fixture
def child() -> Iterator[subprocess.Popen[bytes]]:
    """A process that does nothing, in a session of its own."""
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE, start_new_session=True) as process:
        yield process
        process.kill()


def seen(pid: int) -> processes.Seen:
    found = processes.look(pid)
    assert found is not None
    return found


class TestIdentity:
    def test_process_is_seen(self, child: subprocess.Popen[bytes]) -> None:
        """
        A process is known by its parent and its session, and it is alive.
        """
        found = seen(child.pid)

        assert (found.parent, found.session) == (os.getpid(), child.pid)
        assert processes.is_alive(found.id)

    def test_pid_alone_is_not_a_process(self, child: subprocess.Popen[bytes]) -> None:
        """
        Another start with the same pid is another process, and gets no signal.
        """
        other = replace(seen(child.pid).id, start="another boot/1")

        processes.send(other, signal.SIGKILL)

        assert not processes.is_alive(other)
        assert processes.is_alive(seen(child.pid).id)

    def test_ended_process_is_not_seen(self, child: subprocess.Popen[bytes]) -> None:
        """
        A process that has ended is gone, even while nobody has reaped it.
        """
        child.kill()
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)

        assert processes.look(child.pid) is None

    def test_both_ways_of_looking_agree(self, child: subprocess.Popen[bytes]) -> None:
        """
        Where there is no /proc, the library tells the same; only the start is spelt in another way.
        """
        one, other = processes._look_in_proc(child.pid), processes._look_by_psutil(child.pid)

        assert one is not None
        assert other is not None
        assert replace(other, id=one.id) == one
        assert other.id == ProcessId(child.pid, other.id.start)

    def test_library_does_not_see_the_ended_either(self, child: subprocess.Popen[bytes]) -> None:
        """
        A process that nobody has reaped is gone for the library's way, too.
        """
        child.kill()
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)

        assert processes._look_by_psutil(child.pid) is None


class TestMembers:
    def test_we_are_never_a_member(self) -> None:
        """
        Whoever has our labels by accident, we do not end ourselves.
        """
        found = processes.members({}, {seen(os.getpid()).id: "web"})

        assert os.getpid() not in {each.id.pid for each in found}

    def test_session_of_a_written_down_process_belongs_to_it(self, child: subprocess.Popen[bytes]) -> None:
        """
        A process needs no label if it is in the session of one that was written down.
        """
        found = processes.members({"NOBODY_HAS": "this"}, {seen(child.pid).id: "web"})

        assert [(each.id.pid, each.service) for each in found] == [(child.pid, "web")]

    def test_session_of_a_reused_number_does_not(self, child: subprocess.Popen[bytes]) -> None:
        """
        If the number is another process's by now, its session is not ours.
        """
        stale = replace(seen(child.pid).id, start="another boot/1")

        assert processes.members({"NOBODY_HAS": "this"}, {stale: "web"}) == []


class TestEnding:
    @pytest.mark.parametrize(
        ("code", "expected"),
        [
            (3, "exited with code 3"),
            (-9, "was killed by SIGKILL, perhaps by the kernel for want of memory"),
            (-15, "was killed by SIGTERM"),
            (-99, "was killed by signal 99"),
            (None, "ended (it was started by an earlier run of splitter, so its exit code is not known)"),
        ],
    )
    def test_is_said_in_words(self, code: int | None, expected: str) -> None:
        """
        Codes and signals have names.
        """
        assert processes.ending(code) == expected


class TestLimits:
    def test_descriptors_are_those_that_the_daemon_was_started_with(self, tmp_path: Path) -> None:
        """
        What the daemon has raised for its clients is not handed on to a service.
        """
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        launch = processes.Launch("/bin/sh", ("sh", "-c", "ulimit -Sn"), {}, str(tmp_path), {})
        children = processes.Children()
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft - 1, hard))
        try:
            started = children.start(launch, tmp_path / "log", lambda _: None)
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        os.waitid(os.P_PID, started.pid, os.WEXITED | os.WNOWAIT)

        assert children.reap(started) == 0
        assert (tmp_path / "log").read_text() == f"{soft}\n"


class TestPorts:
    def test_free_ports_are_different_and_free(self) -> None:
        """
        As many as asked for, none twice, none taken.
        """
        found = free_ports(5)

        assert len(set(found)) == 5
        assert not any(map(is_taken, found))

    def test_port_of_a_listener_is_taken(self) -> None:
        """
        Where somebody listens, nobody else can; and it is told whose port it is.
        """
        with socket.create_server(("127.0.0.1", 0)) as server:
            port = server.getsockname()[1]

            assert is_taken(port)
            assert port in (processes.listening_ports([seen(os.getpid()).id]) or ())
