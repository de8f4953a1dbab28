import pytest

from splitter.change.dotenv import parse_dotenv, parse_raw
from splitter.errors import ProblemsError
from splitter.limits import DOTENV_PROBLEMS_MAX, TEMPLATE_BYTES_MAX


class TestAssignments:
    @pytest.mark.parametrize(
        ("text", "value"),
        [
            ("A=1", "1"),
            ("  A = 1  ", "1"),
            ("export A=1", "1"),
            ("A=", ""),
            ("A=b#c", "b#c"),
            ("A=b #c", "b"),
            ("A=#c", ""),
            ("A='b $X #c'", "b $X #c"),
            ('A="b #c"  # d', "b #c"),
            ('A="two\nlines"', "two\nlines"),
            ("A='two\nlines'", "two\nlines"),
            (r'A="\n\t\"\\\$X"', '\n\t"\\$X'),
            ("A=$X-${NO:-d}", "x-d"),
            ('A="$X"', "x"),
            ("A=$$X", "$X"),
            ("\ufeffA=1\r\n", "1"),
            ("A=1\nA=2", "2"),
        ],
    )
    def test_are_read(self, text: str, value: str) -> None:
        """
        Quotes, comments, variables and `export` mean what they do in Compose's own `.env`.
        """
        assert {"A": value} == parse_dotenv(text, "f", {"X": "x"})

    def test_earlier_lines_are_variables(self) -> None:
        """
        A value may use an earlier one; the given environment wins over it.
        """
        values = parse_dotenv("A=1\nB=$A\nX=2\nC=$X", "f", {"X": "given"})

        assert values == {"A": "1", "B": "1", "X": "2", "C": "given"}

    def test_bare_names_pass_through(self) -> None:
        """
        A name alone takes the given environment's value, and is left out where there is none.
        """
        assert parse_dotenv("X\nNO\n", "f", {"X": "x"}) == {"X": "x"}


class TestMistakes:
    def test_every_bad_line_is_reported(self) -> None:
        """
        A bad line does not hide the next one.
        """
        with pytest.raises(ProblemsError) as caught:
            parse_dotenv('1A=2\nB=\'x\nC=3\nD="x" y\nE=${\n', "f", {})

        assert [str(problem) for problem in caught.value.problems] == [
            "f:1:1: is not NAME=value",
            "f:2:1: B: the value has no closing '",
            'f:4:1: D: something follows the closing "',
            "f:5:1: E: '${' has no closing brace; write $$ for a dollar sign",
        ]

    @pytest.mark.parametrize("parse", [lambda text: parse_dotenv(text, "f", {}), lambda text: parse_raw(text, "f")])
    def test_size_is_bounded(self, parse: object) -> None:
        """
        A file beyond the limit is refused.
        """
        assert callable(parse)
        with pytest.raises(ProblemsError, match="larger than"):
            parse("#" * (TEMPLATE_BYTES_MAX + 1))


class TestRaw:
    def test_keeps_everything(self) -> None:
        """
        The raw format has no quotes, variables or comments behind a value.
        """
        assert parse_raw("A='$X' # y\n# c\nnothing\nB=", "f") == {"A": "'$X' # y", "B": ""}


class TestBounds:
    def test_have_an_end(self) -> None:
        """
        A file that is none of variables is told by its first lines, not by all of them.
        """
        with pytest.raises(ProblemsError) as caught:
            parse_dotenv("-\n" * 1_000, "f", {})

        assert len(caught.value.problems) == DOTENV_PROBLEMS_MAX
