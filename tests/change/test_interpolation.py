import pytest
from hypothesis import given
from hypothesis import strategies as st

from splitter.change.interpolation import Interpolator
from splitter.change.positions import parse, plain
from splitter.errors import Problem
from splitter.limits import TEMPLATE_TEXT_MAX

ENVIRONMENT = {"A": "1", "EMPTY": ""}


class TestText:
    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            ("$A ${A}", "1 1"),
            ("$$A $${A}", "$A ${A}"),
            ("$2a$14$", "$2a$14$"),
            ("100$", "100$"),
            ("${EMPTY:-d}${EMPTY-d}", "d"),
            ("${NO:-d}${NO-e}", "de"),
            ("${A:-d}${A-d}", "11"),
            ("${A:+a}${A+b}", "ab"),
            ("${EMPTY:+a}${EMPTY+b}", "b"),
            ("${NO:+a}${NO+b}", ""),
            ("${A:?m}${EMPTY?m}", "1"),
            ("${VERSION-v4.1-3.0}", "v4.1-3.0"),
            ("${NO:-${ALSO_NO:-${A}}}", "1"),
            ('${NO:-{"a": {"b": 1}}}', '{"a": {"b": 1}}'),
            ("${A:-${NO:?never asked}}", "1"),
            ("${NO:-}", ""),
            ("${NO:-a b:c?d}", "a b:c?d"),
        ],
    )
    def test_follows_the_specification(self, text: str, expected: str) -> None:
        """
        Every operator, nested or not, gives what the Compose specification says.
        """
        assert expected == Interpolator(ENVIRONMENT).text(text)

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("${NO:?write NO}", "the variable NO must be set: write NO"),
            ("${EMPTY:?}", "the variable EMPTY must be set"),
            ("${NO?with ${A}}", "the variable NO must be set: with 1"),
            ("${1}", "${1} names no variable; write $$ for a dollar sign"),
            ("${}", "${} names no variable; write $$ for a dollar sign"),
            ("${A", "'${A' has no closing brace; write $$ for a dollar sign"),
            ("${A!x}", "${A!x} has '!' after the name; the operators are :- - :? ? :+ +"),
        ],
    )
    def test_refuses_with_a_sentence(self, text: str, message: str) -> None:
        """
        A required variable that is not set, and what is no variable, are mistakes.
        """
        with pytest.raises(ValueError) as caught:
            Interpolator(ENVIRONMENT).text(text)

        assert message == str(caught.value)

    def test_remembers_unset_names(self) -> None:
        """
        Names without value and without operator are remembered once each, in order; others are not.
        """
        interpolator = Interpolator(ENVIRONMENT)

        interpolator.text("$Z $Y $Z ${X:-d} $A ${A:-$W}")

        assert list(interpolator.unset) == ["Z", "Y"]

    def test_length_is_bounded(self) -> None:
        """
        Values multiply where many texts use them many times; all texts together have an end.
        """
        interpolator = Interpolator({"A": "x" * (TEMPLATE_TEXT_MAX // 4)})

        assert len(interpolator.text("$A${A}${A:-d}")) == TEMPLATE_TEXT_MAX // 4 * 3
        with pytest.raises(ValueError, match=f"more than {TEMPLATE_TEXT_MAX} characters once variables are replaced"):
            interpolator.text("$A$A")

    def test_depth_is_bounded(self) -> None:
        """
        Nesting ends before Python's recursion does.
        """
        with pytest.raises(ValueError, match="nested deeper"):
            Interpolator({}).text("${A:-" * 100 + "}" * 100)

    @given(st.text())
    def test_escaped_text_is_itself(self, text: str) -> None:
        """
        Doubling every dollar sign keeps any text as it is.
        """
        assert text == Interpolator(ENVIRONMENT).text(text.replace("$", "$$"))


class TestNodes:
    def test_replaces_values_never_keys(self) -> None:
        """
        Texts of lists and mappings are replaced; keys, and `x-` keys, are not renamed.
        """
        problems: list[Problem] = []
        node = parse("$A: [$A, {x-b: '${A}'}, 5]", "f")

        replaced = Interpolator(ENVIRONMENT).node(node, (), problems)

        assert plain(replaced) == {"$A": ["1", {"x-b": "1"}, 5]}
        assert problems == []

    def test_mistakes_have_places(self) -> None:
        """
        Every bad variable is reported where it stands.
        """
        problems: list[Problem] = []

        Interpolator({}).node(parse("a:\n  - ${B:?m}\n  - ${", "f"), (), problems)

        assert [str(problem) for problem in problems] == [
            "f:2:5: a[0]: the variable B must be set: m",
            "f:3:5: a[1]: '${' has no closing brace; write $$ for a dollar sign",
        ]
