"""What a service says last cannot do more than be read."""

import pytest

from provisioners.last_words import in_one_line


class TestInOneLine:
    @pytest.mark.parametrize(
        ("output", "line"),
        [
            (b"\n  \n", ""),
            (b"first\n\nsecond\r\n", "first | second"),
            (b"\x1b[2J\x1b]0;title\x07gone", "[2J]0;titlegone"),
            ("a\u2028b \u202ec \x85d".encode(), "a | b c | d"),
            (b"\xff", "\ufffd"),
            (b"a\rb", "a | b"),
        ],
    )
    def test_is_plain_text(self, output: bytes, line: str) -> None:
        """
        Lines become one, and nothing moves a cursor, turns the direction of writing, or forges a line.
        """
        assert in_one_line(output) == line

    def test_is_the_end(self) -> None:
        """
        The last lines say why it ended.
        """
        assert in_one_line(b"a\nb\nc\n", lines=2) == "b | c"
