"""Child processes of the comparison: they answer before they are measured, and none of them stays."""

import os
import sys
from pathlib import Path

import pytest

from benchmarks.processes import StartError, cpu_s, free_port, running


@pytest.fixture
def core() -> int:
    return min(os.sched_getaffinity(0))


class TestRunning:
    def test_answers_and_is_gone_afterwards(self, core: int, tmp_path: Path) -> None:
        """
        Inside the block the process answers on its port and its core; after it there is none.
        """
        port = free_port()
        command = [sys.executable, "-m", "http.server", str(port), "--bind", "127.0.0.1", "--directory", str(tmp_path)]

        with running(core, command, port, tmp_path / "log") as pid:
            assert os.sched_getaffinity(pid) == {core}
            assert cpu_s(pid) > 0

        assert not Path(f"/proc/{pid}").exists()

    def test_says_what_a_process_printed_that_ended(self, core: int, tmp_path: Path) -> None:
        """
        A process that ends before it answers is an error, with its own words.
        """
        command = [sys.executable, "-c", "import sys; sys.exit('no such option')"]

        with (
            pytest.raises(StartError, match="ended with code 1: no such option"),
            running(core, command, free_port(), tmp_path / "log"),
        ):
            pass
