"""Where the time of requests goes."""

import pytest

from splitter.buckets import bucket_index, bucket_top_us
from splitter.limits import LATENCY_US_MAX
from splitter.phases import METHODS, OTHER, Phases, summed


class TestTimes:
    def test_are_counted_by_phase(self) -> None:
        """
        Each answer is counted once in every phase, at its own time.
        """
        phases = Phases()

        phases.record(900, 700, 120)
        phases.record(900, 800, 90)

        assert phases.latencies == {
            "connect": (),
            "first_byte": ((700, 1), (800, 1)),
            "total": ((900, 2),),
            "overhead": ((90, 1), (120, 1)),
        }

    def test_of_connecting_are_those_of_new_connections(self) -> None:
        """
        A connection that was there took no time to make, and is not counted.
        """
        phases = Phases()

        phases.record_connect(150)
        phases.record(900, 700, 120)
        phases.record(900, 700, 120)

        assert phases.latencies["connect"] == ((150, 1),)

    @pytest.mark.parametrize(
        ("value_us", "top_us"), [(-5, 0), (5_000, 5_003), (10**9, bucket_top_us(bucket_index(LATENCY_US_MAX)))]
    )
    def test_have_the_precision_and_the_borders_of_the_histogram(self, value_us: int, top_us: int) -> None:
        """
        Beyond the exact range a time is at most 0.1 % too high; what lies outside is counted at the border.
        """
        phases = Phases()

        phases.record(value_us, value_us, value_us)

        assert phases.latencies["total"] == ((top_us, 1),)
        assert phases.latencies["first_byte"] == phases.latencies["overhead"] == ((top_us, 1),)


class TestWindows:
    def test_hold_what_came_since_the_last(self) -> None:
        """
        A closed window has its own times; those since the start go on.
        """
        phases = Phases()
        phases.record(900, 700, 120)
        phases.record_connect(150)

        first = phases.close()
        phases.record(500, 300, 120)
        second = phases.close()

        assert first == {
            "connect": ((150, 1),),
            "first_byte": ((700, 1),),
            "total": ((900, 1),),
            "overhead": ((120, 1),),
        }
        assert second == {"connect": (), "first_byte": ((300, 1),), "total": ((500, 1),), "overhead": ((120, 1),)}
        assert phases.latencies["overhead"] == ((120, 2),)
        assert phases.latencies["total"] == ((500, 1), (900, 1))

    def test_add_up(self) -> None:
        """
        Several windows, or routes, are one; of none there is nothing.
        """
        phases = Phases()
        windows = []
        for total_us in (900, 500, 900):
            phases.record(total_us, 300, 120)
            windows.append(phases.close())

        assert summed(windows) == phases.latencies
        assert summed([]) == {}


class TestMethods:
    def test_of_the_registry_are_counted_by_name(self) -> None:
        """
        Only methods that came are named.
        """
        phases = Phases()

        for method in (b"GET", b"GET", b"PATCH"):
            phases.begin(method)

        assert phases.methods == {"GET": 2, "PATCH": 1}

    def test_that_nobody_registered_are_other(self) -> None:
        """
        Clients may invent methods; they cannot invent labels.
        """
        phases = Phases()

        for number in range(1_000):
            phases.begin(b"X%d" % number)

        assert phases.methods == {OTHER: 1_000}
        assert OTHER not in METHODS
