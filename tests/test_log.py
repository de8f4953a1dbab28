"""The daemon's log."""

import logging
import sys

from splitter.log import FORMAT, OneLine


def written(message: str, *arguments: object, traced: bool = False) -> str:
    """Return a record as it stands in the log, without its date."""
    traceback = sys.exc_info() if traced else None
    record = logging.LogRecord("splitter", logging.WARNING, "x.py", 1, message, arguments, traceback)
    return OneLine(FORMAT).format(record).partition(" WARNING ")[2]


class TestOneLine:
    def test_keeps_one_record_on_one_line(self) -> None:
        """
        Who may give a reason cannot write a record of his own, nor do anything to the terminal of who reads it.
        """
        said = "good\n2024-05-06 07:08:09 INFO splitter: all is well\x1b[2K\x9b\u2028\u202e"

        assert written("%s paused: %s", "ann", said) == (
            r"splitter: ann paused: good\n2024-05-06 07:08:09 INFO splitter: all is well\x1b[2K\x9b\u2028\u202e"
        )

    def test_leaves_words_alone(self) -> None:
        """
        Letters of any script, and the thin spaces of our own figures, stay.
        """
        assert written("1\u202f000 Anfragen für “ünder” – 5 µs") == "splitter: 1\u202f000 Anfragen für “ünder” – 5 µs"

    def test_keeps_the_lines_of_a_traceback(self) -> None:
        """
        What went wrong inside is read by people.
        """
        try:
            int("x")
        except ValueError:
            lines = written("a bug", traced=True).splitlines()

        assert lines[:2] == ["splitter: a bug", "Traceback (most recent call last):"]
        assert lines[-1].startswith("ValueError: invalid literal")
