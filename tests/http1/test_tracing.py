"""Parents and children of a trace."""

import pytest

from splitter.http1.tracing import INVALID, child, parent

TRACE, SPAN = b"0af7651916cd43dd8448eb211c80319c", b"b7ad6b7169203331"
GOOD = b"00-" + TRACE + b"-" + SPAN + b"-01"
DICE = b"1" * 32 + b"2" * 16


class TestParent:
    @pytest.mark.parametrize(
        "value", [GOOD, GOOD[:-2] + b"00", GOOD[:-2] + b"ff", b"01" + GOOD[2:], b"cc" + GOOD[2:] + b"-what=ever"]
    )
    def test_is_valid(self, value: bytes) -> None:
        """
        Version 00, and later ones that begin like it.
        """
        assert value == parent(value)

    @pytest.mark.parametrize(
        "value",
        [
            b"",
            b"ff" + GOOD[2:],
            GOOD.upper(),
            GOOD[:-1],
            GOOD + b"0",
            GOOD + b"-more",
            b"cc" + GOOD[2:] + b"more",
            b"0-" + GOOD,
            b"00-" + b"0" * 32 + b"-" + SPAN + b"-01",
            b"00-" + TRACE + b"-" + b"0" * 16 + b"-01",
            GOOD.replace(b"-", b"_"),
            GOOD[:10] + b"g" + GOOD[11:],
            GOOD + b", " + GOOD,
        ],
    )
    def test_is_invalid(self, value: bytes) -> None:
        """
        Anything else is no parent.
        """
        assert parent(value) == INVALID


class TestChild:
    def test_keeps_the_trace_and_has_a_parent_of_its_own(self) -> None:
        """
        Trace id and the two flags that we know pass; the parent id is new, and the version is ours.
        """
        assert child(GOOD, DICE) == b"00-" + TRACE + b"-" + b"2" * 16 + b"-01"
        assert child(GOOD[:-2] + b"ff", DICE).endswith(b"-03")
        assert child(b"cc" + GOOD[2:] + b"-x", DICE) == child(GOOD, DICE)

    def test_of_nobody_is_a_trace_of_its_own(self) -> None:
        """
        An invalid parent is replaced by a new trace, not sampled.
        """
        assert child(INVALID, DICE) == b"00-" + DICE[:32] + b"-" + DICE[32:] + b"-00"

    def test_is_a_parent_again(self) -> None:
        """
        What we write is valid.
        """
        for value in (GOOD, INVALID):
            written = child(value, DICE)

            assert parent(written) == written
