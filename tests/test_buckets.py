"""The arithmetic of histogram buckets."""

from collections.abc import Sequence

from hdrh.histogram import HdrHistogram
from hypothesis import given
from hypothesis import strategies as st

from splitter.buckets import Latency, bucket_index, bucket_top_us, in_order, merged
from splitter.limits import LATENCY_DIGITS, LATENCY_US_MAX, LATENCY_US_MIN

values = st.lists(st.integers(0, LATENCY_US_MAX))


def counted(values: Sequence[int]) -> Latency:
    """Return the buckets of `values`."""
    buckets: dict[int, int] = {}
    for value in values:
        buckets[bucket_index(value)] = buckets.get(bucket_index(value), 0) + 1
    return in_order(buckets)


class TestBuckets:
    @given(st.integers(0, 2 * LATENCY_US_MAX))
    def test_are_those_of_the_histogram(self, value_us: int) -> None:
        """
        The index and the top that are worked out here are the library's.
        """
        histogram = HdrHistogram(LATENCY_US_MIN, LATENCY_US_MAX, LATENCY_DIGITS)

        assert histogram._counts_index_for(value_us) == bucket_index(value_us)
        assert histogram.get_highest_equivalent_value(value_us) == bucket_top_us(bucket_index(value_us))

    @given(values, values)
    def test_add_up(self, some: list[int], more: list[int]) -> None:
        """
        The sum of two lists of buckets is the list of both.
        """
        assert counted([*some, *more]) == merged([counted(some), counted(more)])
