"""What a service said last, fit to stand in a sentence: for an event, an alert, a log, somebody's terminal.

A service prints what it likes, and a shadow is not trusted.  Of its output one line is made, and what would move a
cursor or ring a bell is left out, so that nobody can write lines of the log or over what a terminal shows.
"""

TAIL_LINES = 10


def in_one_line(output: bytes, lines: int = TAIL_LINES) -> str:
    """Return the last printable lines of `output`, ` | ` between them."""
    found = (line.strip() for line in output.decode(errors="replace").splitlines())
    printable = ("".join(char for char in line if char.isprintable()) for line in found if line)
    return " | ".join(list(printable)[-lines:])
