"""The buckets of an HDR histogram from 1 µs, as plain arithmetic: what counts by them needs no histogram object.

Values below 2**EXACT_BITS have a bucket each; above that every doubling is cut into 2**HALF_BITS buckets.  A tuple of
pairs (highest value of a bucket in µs, count), ascending, is how buckets travel: a `Latency`.
"""

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Mapping
from itertools import accumulate
from math import ceil

from splitter.limits import LATENCY_DIGITS, LATENCY_US_MAX, LATENCY_US_MIN

Latency = tuple[tuple[int, int], ...]

EXACT_BITS: int = (2 * 10**LATENCY_DIGITS - 1).bit_length()
HALF_BITS = EXACT_BITS - 1
assert LATENCY_US_MIN == 1


def bucket_index(value_us: int) -> int:
    """Return the index of the histogram bucket that counts `value_us`."""
    shift: int = max(value_us.bit_length() - EXACT_BITS, 0)
    return (shift << HALF_BITS) + (value_us >> shift)


def bucket_top_us(index: int) -> int:
    """Return the highest value that is counted in the bucket."""
    shift: int = max((index >> HALF_BITS) - 1, 0)
    return ((index - (shift << HALF_BITS) + 1) << shift) - 1


TOPS_US = tuple(bucket_top_us(index) for index in range(bucket_index(LATENCY_US_MAX) + 1))


def in_order(buckets: Mapping[int, int]) -> Latency:
    """Return buckets by index as pairs."""
    return tuple([(TOPS_US[index], count) for index, count in sorted(buckets.items())])


def merged(latencies: Iterable[Latency]) -> Latency:
    """Return the sum of buckets."""
    summed: Counter[int] = Counter()
    for latency in latencies:
        for top_us, count in latency:
            summed[top_us] += count
    return tuple(sorted(summed.items()))


def quantile(latency: Latency, q: float) -> int | None:
    """Return the value in µs that the fraction `q`, 0 < q <= 1, did not exceed; None where there is nothing."""
    if not 0 < q <= 1:
        raise ValueError(f"q is {q}; a percentile is asked for as a fraction: 0.99")
    ranks = list(accumulate(count for _, count in latency))
    return latency[bisect_left(ranks, ceil(q * ranks[-1]))][0] if ranks else None
