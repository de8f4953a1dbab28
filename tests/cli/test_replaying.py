"""Traces are judged without a daemon."""

import contextlib
import gzip
import os
import threading
from pathlib import Path

import pytest

from tests.cli.terminal import typed
from tests.judge.traces import trace
from tests.judge.worlds import Manners


@pytest.fixture
def bad(tmp_path: Path) -> Path:
    path = tmp_path / "bad.jsonl"
    path.write_text("\n".join(trace(lambda _: Manners(failures=1.0), seed=2, seconds=20)))
    return path


@pytest.fixture
def short(tmp_path: Path) -> Path:
    path = tmp_path / "short.trace"  # packed, and its name does not say so
    path.write_bytes(gzip.compress("\n".join(trace(seed=3, seconds=5)).encode()))
    return path


class TestReplay:
    def test_says_a_line_for_each_file(self, bad: Path, short: Path) -> None:
        """
        Plain or packed, in the order of the arguments, each with its id.
        """
        ended = typed("judge", "replay", bad, short)

        assert ended.code == 0
        assert [value["id"] for value in ended.values] == ["seed 2", "seed 3"]
        assert [value["decision"] for value in ended.values] == ["rollback", "undecided"]
        assert list(ended.values[0]) == ["id", "decision", "kpi", "t", "shadow_requests"]

    @pytest.mark.parametrize(
        ("content", "words"),
        [(b"", "line 1: the trace is empty"), (b"\x1f\x8bnot", "cannot be read"), (b"\xff", "cannot be read")],
    )
    def test_names_the_file_it_cannot_read(self, tmp_path: Path, content: bytes, words: str) -> None:
        """
        The message begins with the file and says what is wrong with it.
        """
        path = tmp_path / "x"
        path.write_bytes(content)

        ended = typed("judge", "replay", path)

        assert ended.code == 2
        assert ended.err.startswith(f"splitter: {path}: ")
        assert words in ended.err

    def test_names_the_file_that_is_not_there(self, tmp_path: Path) -> None:
        """
        A file that cannot be opened is named like one that cannot be read.
        """
        ended = typed("judge", "replay", tmp_path / "none")

        assert ended.code == 2
        assert "none: cannot be read" in ended.err

    def test_says_what_was_decided_before_it_stumbles(self, bad: Path) -> None:
        """
        A file that is no trace does not take back the line of the one before it.
        """
        lines = bad.read_text().splitlines()
        torn = bad.with_name("torn")
        torn.write_text("\n".join([*lines[:30], "{"]))

        ended = typed("judge", "replay", bad, torn)

        assert ended.code == 2
        assert [value["decision"] for value in ended.values] == ["rollback"]
        assert ended.err.startswith(f"splitter: {torn}: line 31: no JSON")

    @pytest.mark.parametrize("is_packed", [True, False])
    def test_reads_what_comes_through_a_pipe(self, bad: Path, is_packed: bool) -> None:
        """
        `splitter judge replay <(splitter report --trace …)` has no file to go back in.
        """
        content = bad.read_bytes()
        reader, writer = os.pipe()
        sent = threading.Thread(target=lambda: write_all(writer, gzip.compress(content) if is_packed else content))
        sent.start()

        ended = typed("judge", "replay", f"/dev/fd/{reader}")

        os.close(reader)
        sent.join()
        assert [value["decision"] for value in ended.values] == ["rollback"]


def write_all(descriptor: int, content: bytes) -> None:
    """Write all of `content` and close; a reader that has read enough is fine."""
    with contextlib.suppress(BrokenPipeError), open(descriptor, "wb") as pipe:
        pipe.write(content)
