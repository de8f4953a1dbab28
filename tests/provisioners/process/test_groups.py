"""Kills are known of a process that has a control group of its own, and of no other."""

import os
from pathlib import Path

import pytest

from provisioners.process.groups import oom_kills

PID = 77
SCOPE = "system.slice/run-7.scope"


@pytest.fixture
def kernel(tmp_path: Path) -> Path:
    """Return a root with the daemon's own process in a group."""
    write(tmp_path / f"proc/{os.getpid()}/cgroup", "0::/system.slice/splitter.service\n")
    return tmp_path


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def kills(root: Path) -> int | None:
    return oom_kills(PID, proc=root / "proc", groups=root / "groups")


class TestOomKills:
    def test_are_those_of_its_own_group(self, kernel: Path) -> None:
        """
        The kernel counts them for the group; lines of version 1 beside it are none of them.
        """
        write(kernel / f"proc/{PID}/cgroup", f"4:memory:/other\n0::/{SCOPE}\n")
        write(kernel / f"groups/{SCOPE}/memory.events", "low 0\nmax 3\noom 2\noom_kill 1\n")

        assert kills(kernel) == 1

    def test_are_not_known_in_the_daemons_group(self, kernel: Path) -> None:
        """
        What was killed in a group that is shared may be anybody's.
        """
        write(kernel / f"proc/{PID}/cgroup", "0::/system.slice/splitter.service\n")
        write(kernel / "groups/system.slice/splitter.service/memory.events", "oom_kill 1\n")

        assert kills(kernel) is None

    @pytest.mark.parametrize("events", ["", "low 0\nmax 0\n"])
    def test_are_not_known_where_the_kernel_does_not_count(self, kernel: Path, events: str) -> None:
        """
        An old kernel does not say; that is not the same as none.
        """
        write(kernel / f"proc/{PID}/cgroup", f"0::/{SCOPE}\n")
        write(kernel / f"groups/{SCOPE}/memory.events", events)

        assert kills(kernel) is None

    def test_are_not_known_without_groups(self, kernel: Path) -> None:
        """
        Neither of a process that has ended, nor where control groups are of version 1, nor where no file can be read.
        """
        assert kills(kernel) is None

        write(kernel / f"proc/{PID}/cgroup", "4:memory:/other\n")
        assert kills(kernel) is None

        write(kernel / f"proc/{PID}/cgroup", f"0::/{SCOPE}\n")
        assert kills(kernel) is None
