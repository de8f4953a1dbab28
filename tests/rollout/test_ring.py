"""Windows over the last while."""

from splitter.limits import WINDOWS_KEPT_MAX
from splitter.model import Counts, StackId, Window
from splitter.rollout.ring import Ring


def window(ended_s: float, *, n: int = 10, stack: str = "shop-r1", length_s: float = 1.0) -> Window:
    return Window(StackId(stack), ended_s - length_s, ended_s, Counts(n=n, bins=(n,)))


def filled(span_s: float, *ends_s: float) -> Ring:
    ring = Ring(span_s)
    for ended_s in ends_s:
        ring.append(window(ended_s))
    return ring


class TestRing:
    def test_keeps_what_ended_within_its_span(self) -> None:
        """
        A window that ended a span ago or longer is let go, with its requests.
        """
        ring = filled(3.0, 1.0, 2.0, 3.0, 4.0, 5.0)

        assert [each.ended_s for each in ring] == [3.0, 4.0, 5.0]
        assert ring.requests == 30
        assert ring.ended_s == 5.0

    def test_begins_anew_with_another_stack(self) -> None:
        """
        What a former live stack did says nothing of the present one.
        """
        ring = filled(30.0, 1.0, 2.0)

        ring.append(window(3.0, stack="shop-r2"))

        assert [each.stack for each in ring] == ["shop-r2"]
        assert ring.requests == 10

    def test_is_bounded_in_number(self) -> None:
        """
        Short ticks fill no more memory than long ones.
        """
        ring = Ring(1e9)
        for tick in range(WINDOWS_KEPT_MAX + 5):
            ring.append(window(tick / 10))

        assert len(ring) == WINDOWS_KEPT_MAX
        assert ring.requests == 10 * WINDOWS_KEPT_MAX

    def test_tells_what_is_newer(self) -> None:
        """
        The last part of it can be asked for.
        """
        assert [each.ended_s for each in filled(9.0, 1.0, 2.0, 3.0).since(1.0)] == [2.0, 3.0]
