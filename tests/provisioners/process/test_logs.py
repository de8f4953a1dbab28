import os
from pathlib import Path

from provisioners.process.logs import open_log, tail, trim


class TestTail:
    def test_last_lines_in_one(self, tmp_path: Path) -> None:
        """
        The end of a log is one line, without what no terminal should see.
        """
        log = tmp_path / "log"
        log.write_bytes(b"first\n\nsecond\n\x1b[31mthird\xff\n")

        assert tail(log, lines=2) == "second | [31mthird�"

    def test_missing_log_is_empty(self, tmp_path: Path) -> None:
        """
        A service that never ran has printed nothing.
        """
        assert tail(tmp_path / "log") == ""

    def test_long_log_is_not_read_whole(self, tmp_path: Path) -> None:
        """
        Only the end of a long log is looked at.
        """
        log = tmp_path / "log"
        log.write_text("x" * 1_000_000 + "\nlast\n")

        assert len(tail(log)) < 10_000
        assert tail(log).endswith(" | last")


class TestTrim:
    def test_writer_goes_on_after_the_cut(self, tmp_path: Path) -> None:
        """
        A log that is too large is kept beside, and whoever has it open writes on at its new beginning.
        """
        log = tmp_path / "log"
        descriptor = open_log(log)
        os.write(descriptor, b"before\n")

        trim(log, bytes_max=3)
        os.write(descriptor, b"after\n")
        os.close(descriptor)

        assert log.read_bytes() == b"after\n"
        assert (tmp_path / "log.1").read_bytes() == b"before\n"

    def test_small_log_is_left_alone(self, tmp_path: Path) -> None:
        """
        Below its bound a log stays as it is; so does one that is not there.
        """
        log = tmp_path / "log"
        log.write_text("short")

        trim(log)
        trim(tmp_path / "missing")

        assert log.read_text() == "short"
