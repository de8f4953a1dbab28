"""Windows over the last while."""

from splitter.judge.calibration import Baseline
from splitter.kpi import merge
from splitter.limits import WINDOWS_KEPT_MAX
from splitter.model import Counts, StackId, Window
from splitter.rollout.ring import Blocks, Ring


def window(ended_s: float, *, n: int = 10, stack: str = "shop-r1", length_s: float = 1.0) -> Window:
    return Window(StackId(stack), ended_s - length_s, ended_s, Counts(n=n, bins=(n,)))


def filled(span_s: float, *ends_s: float) -> Ring:
    ring = Ring(span_s)
    for ended_s in ends_s:
        ring.append(window(ended_s))
    return ring


def busy(ended_s: float) -> Window:
    """Return a window in which much happened, differently from second to second."""
    second = int(ended_s)
    counts = Counts(n=9, e5=2, e5u=1, e4=1, e4u=1, bins=(6,))
    return Window(StackId("shop-r1"), ended_s - 1.0, ended_s, counts, latency=((900 + second % 7, 4), (5_000, 2)))


class TestBaseline:
    def test_is_the_sum_of_the_windows(self) -> None:
        """
        What is kept up to date window by window is what summing up all of them gives.
        """
        ring, blocks = Ring(30.0), Blocks(60.0)
        windows = [busy(float(second)) for second in range(1, 101)]
        for each in windows:
            ring.append(each)
            blocks.append(each)

        assert ring.baseline(tuple(blocks)) == Baseline.of(merge(windows[-30:]), windows[-60:])

    def test_of_nothing_is_empty(self) -> None:
        """
        Before the first window there is a baseline all the same: one that knows nothing.
        """
        assert Ring(30.0).baseline() == Baseline()


class TestBlocks:
    def test_are_of_ten_seconds(self) -> None:
        """
        What is too short for a block waits for more.
        """
        blocks = Blocks(60.0)
        for second in range(1, 26):
            blocks.append(busy(float(second)))

        assert [(block.seconds, block.n) for block in blocks] == [(10.0, 90), (10.0, 90)]

    def test_begin_anew_with_another_stack(self) -> None:
        """
        Blocks of a former live stack are forgotten, also where none of its windows is left over.
        """
        blocks = Blocks(60.0)
        for second in range(1, 11):
            blocks.append(busy(float(second)))
        assert len(list(blocks)) == 1

        blocks.append(window(11.0, stack="shop-r2"))

        assert list(blocks) == []


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
