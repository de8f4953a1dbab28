"""The daemon's own log: one record a line, whoever wrote the words in it.

An operator's reason, an engine's error and a stack's answer end up in messages.  What would end a line, or do
something to the terminal that shows it, is spelt out, so that nobody can write records of his own.  Tracebacks are
ours and keep their lines.
"""

import logging
from typing import Final

FORMAT: Final = "%(asctime)s %(levelname)s %(name)s: %(message)s"

_CONTROLS: Final = (*range(0x20), *range(0x7F, 0xA0), 0x2028, 0x2029, *range(0x202A, 0x202F), *range(0x2066, 0x206A))
_SPELT: Final = {code: chr(code).encode("unicode_escape").decode() for code in _CONTROLS}


class OneLine(logging.Formatter):
    """Spells out what is no plain text in a record's line."""

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - logging's own name
        """Return the record as one line."""
        return super().formatMessage(record).translate(_SPELT)


def begin(level: int = logging.INFO) -> None:
    """Write to standard error from now on."""
    lines = logging.StreamHandler()
    lines.setFormatter(OneLine(FORMAT))
    logging.basicConfig(level=level, handlers=[lines])
