"""Recorders, windows and figures over windows."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import pytest
from hdrh.histogram import HdrHistogram
from hypothesis import given, settings
from hypothesis import strategies as st

from splitter.buckets import bucket_index, bucket_top_us
from splitter.contracts import KpiSource
from splitter.kpi import (
    Ledger,
    RecentErrors,
    Recorder,
    merge,
    percentile,
    throughput,
)
from splitter.limits import ERROR_CLIENTS_MAX, LATENCY_DIGITS, LATENCY_US_MAX, LATENCY_US_MIN
from splitter.model import Counts, Pairs, StackId, Window
from splitter.pairing import Answer

LIVE = StackId("shop-r1")
SHADOW = StackId("shop-r2")
EDGES = (1_000, 5_000, 20_000)

latencies = st.integers(0, LATENCY_US_MAX)


@dataclass(eq=False)
class Request:
    """What the data plane enters: a request with its place in the control slice."""

    control: bool = False
    overdue: bool = False


@dataclass
class Clock:
    """A clock that moves when it is told to."""

    now_s: float = 100.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def recorder() -> Recorder:
    return Recorder(LIVE, EDGES)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def ledger(clock: Clock) -> Ledger:
    return Ledger(clock)


def answer(
    recorder: Recorder, status: int = 200, latency_us: int = 700, *, client: str = "a", now_s: float = 0
) -> None:
    recorder.record(status, latency_us, False, client, now_s)


def histogram_of(values: Sequence[int]) -> HdrHistogram:
    histogram = HdrHistogram(LATENCY_US_MIN, LATENCY_US_MAX, LATENCY_DIGITS)
    for value in values:
        histogram.record_value(value)
    return histogram


class TestAnswers:
    def test_count_into_the_bins_between_the_edges(self, recorder: Recorder) -> None:
        """
        An answer below 400 counts in the bin whose upper edge it does not pass; the last bin is open.
        """
        for latency_us in (0, 1_000, 1_001, 5_000, 20_000, 20_001, LATENCY_US_MAX):
            answer(recorder, latency_us=latency_us)

        assert recorder.close(1).counts == Counts(n=7, bins=(2, 2, 1, 2))

    def test_without_edges_count_into_one_bin(self) -> None:
        """
        Before calibration there is one bin for all.
        """
        recorder = Recorder(LIVE)
        answer(recorder, latency_us=5)
        answer(recorder, latency_us=50_000)

        assert recorder.close(1).counts == Counts(n=2, bins=(2,))

    @pytest.mark.parametrize(
        ("status", "expected", "word"),
        [
            (101, Counts(n=1, bins=(1, 0, 0, 0)), "1xx"),
            (304, Counts(n=1, bins=(1, 0, 0, 0)), "3xx"),
            (404, Counts(n=1, e4=1, e4u=1, bins=(0, 0, 0, 0)), "4xx"),
            (429, Counts(n=1, e4=1, e4u=1, bins=(0, 0, 0, 0)), "4xx"),
            (503, Counts(n=1, e5=1, e5u=1, bins=(0, 0, 0, 0)), "5xx"),
            (999, Counts(n=1, e5=1, e5u=1, bins=(0, 0, 0, 0)), "5xx"),
        ],
    )
    def test_count_by_status(self, recorder: Recorder, status: int, expected: Counts, word: str) -> None:
        """
        4xx are the client's errors, 5xx and anything above failures; neither of them moves latency.
        """
        answer(recorder, status)

        window = recorder.close(1)

        assert expected == window.counts
        assert window.outcomes == {word: 1}
        assert len(window.latency) == (status < 400)

    def test_beyond_the_histogram_count_at_its_border(self, recorder: Recorder) -> None:
        """
        No latency is lost, however long it was or however odd the clock.
        """
        answer(recorder, latency_us=10 * LATENCY_US_MAX)
        answer(recorder, latency_us=-3)

        window = recorder.close(1)

        assert window.counts.bins == (1, 0, 0, 1)
        assert [count for _, count in window.latency] == [1, 1]

    @given(st.lists(st.tuples(st.integers(100, 599), latencies, st.booleans())))
    def test_add_up(self, samples: list[tuple[int, int, bool]]) -> None:
        """
        Requests are errors or have a latency, and every one is an outcome; the control slice is a part of it all.
        """
        recorder = Recorder(LIVE, EDGES)
        for number, (status, latency_us, control) in enumerate(samples):
            recorder.record(status, latency_us, control, number, 0.0)

        window = recorder.close(1)

        for counts in (window.counts, window.control or Counts()):
            assert counts.n == counts.e5 + counts.e4 + sum(counts.bins)
        assert window.counts.n == sum(window.outcomes.values()) == len(samples)
        assert sum(window.counts.bins) == sum(count for _, count in window.latency)
        assert (window.control or Counts()).n == sum(control for *_, control in samples)


class TestFailures:
    @pytest.mark.parametrize("outcome", ["connect", "timeout", "reset", "protocol"])
    def test_count_under_their_word(self, recorder: Recorder, outcome: str) -> None:
        """
        A request without a usable answer is a failure of the stack.
        """
        recorder.record_failure(outcome, False, "a", 0.0)

        window = recorder.close(1)

        assert window.counts == Counts(n=1, e5=1, e5u=1, bins=(0, 0, 0, 0))
        assert window.outcomes == {outcome: 1}

    def test_belong_to_the_shadow_when_live_answers_instead(self) -> None:
        """
        A replayed request counts as the shadow's failure and as nothing of live's.
        """
        live, shadow = Recorder(LIVE), Recorder(SHADOW)
        shadow.record_failure("connect", False, "a", 0.0)
        live.record_outside("replayed")

        assert shadow.close(1).counts.e5 == 1
        window = live.close(1)
        assert window.counts == Counts()
        assert window.outcomes == {"replayed": 1}

    def test_of_clients_that_left_count_against_nobody(self, recorder: Recorder) -> None:
        """
        A request that its client aborted is no sample.
        """
        recorder.record_aborted()

        window = recorder.close(1)

        assert window.counts == Counts(bins=(0, 0, 0, 0))
        assert window.outcomes == {"aborted": 1}


class TestUniqueErrors:
    def test_count_a_client_once_in_ten_seconds(self, recorder: Recorder) -> None:
        """
        A client's errors of one class count once until ten seconds after the counted one.
        """
        for now_s in (0.0, 3.0, 9.9, 10.0, 19.9, 20.0):
            answer(recorder, 500, now_s=now_s)

        counts = recorder.close(21).counts

        assert (counts.e5, counts.e5u) == (6, 3)

    def test_count_classes_and_clients_apart(self, recorder: Recorder) -> None:
        """
        A 4xx does not hide a failure, and one client does not hide another.
        """
        answer(recorder, 404)
        answer(recorder, 500)
        answer(recorder, 500, client="b")
        recorder.record_failure("reset", False, "b", 1.0)

        counts = recorder.close(1).counts

        assert (counts.e4, counts.e4u, counts.e5, counts.e5u) == (1, 1, 3, 2)

    @given(st.data())
    def test_do_not_depend_on_the_split(self, data: st.DataObject) -> None:
        """
        Whichever stack each request of the same stream goes to, the same errors survive.
        """
        stream = data.draw(
            st.lists(st.tuples(st.floats(0, 5), st.sampled_from("abc"), st.sampled_from([200, 404, 500])))
        )

        def survivors(shares: list[bool]) -> int:
            ledger, now_s = Ledger(lambda: 0.0), 0.0
            for (pause_s, client, status), is_shadow in zip(stream, shares, strict=True):
                now_s += pause_s
                ledger.recorder(SHADOW if is_shadow else LIVE).record(status, 1, False, client, now_s)
            windows = [ledger.close_window(stack) for stack in (LIVE, SHADOW)]
            return sum(window.counts.e5u + window.counts.e4u for window in windows)

        shares = data.draw(st.lists(st.booleans(), min_size=len(stream), max_size=len(stream)))

        assert survivors([False] * len(stream)) == survivors(shares)

    def test_are_apart_for_each_app(self, ledger: Ledger) -> None:
        """
        A client's error in one app hides none in another.
        """
        other = StackId("blog-r1")
        for stack in (LIVE, other):
            answer(ledger.recorder(stack), 500)

        assert [ledger.close_window(stack).counts.e5u for stack in (LIVE, other)] == [1, 1]

    def test_forget_the_oldest_client_beyond_the_bound(self) -> None:
        """
        Remembered clients are bounded; a flood of them makes errors count again, and nothing else.
        """
        errors = RecentErrors()
        for client in range(ERROR_CLIENTS_MAX + 1):
            assert errors.is_new(client, 5, 0.0)

        assert not errors.is_new(ERROR_CLIENTS_MAX, 5, 1.0)
        assert errors.is_new(0, 5, 1.0)


class TestControlSlice:
    def test_is_counted_within_live(self, recorder: Recorder) -> None:
        """
        A request of the slice counts in both, any other in live alone.
        """
        recorder.record(200, 700, True, "a", 0.0)
        recorder.record(500, 700, True, "a", 0.0)
        recorder.record(200, 700, False, "a", 0.0)

        window = recorder.close(1)

        assert window.counts == Counts(n=3, e5=1, e5u=1, bins=(2, 0, 0, 0))
        assert window.control == Counts(n=2, e5=1, e5u=1, bins=(1, 0, 0, 0))

    def test_is_none_where_no_request_was_in_it(self, recorder: Recorder) -> None:
        """
        A shadow has no control slice, nor has live without one.
        """
        answer(recorder)

        assert recorder.close(1).control is None

    def test_holds_no_error_that_is_not_unique_in_live(self, recorder: Recorder) -> None:
        """
        The rest of live, without the slice, is never negative.
        """
        recorder.record(500, 1, False, "a", 0.0)
        recorder.record(500, 1, True, "a", 1.0)

        window = recorder.close(2)

        assert window.control is not None
        assert (window.counts.e5u, window.control.e5u) == (1, 0)


class TestOverdue:
    def test_counts_a_request_once_when_it_is_older_than_the_highest_edge(self, recorder: Recorder) -> None:
        """
        A hung request shows in the first window that closes after its edge, and in no later one.
        """
        request = Request()
        recorder.enter(request, 10.0)

        windows = [recorder.close(now_s) for now_s in (10.02, 10.03, 11.0)]

        assert [(window.counts.n, window.counts.bins[-1]) for window in windows] == [(0, 0), (1, 1), (0, 0)]
        assert [sum(count for _, count in window.latency) for window in windows] == [0, 1, 0]
        assert request.overdue

    def test_does_not_count_its_late_answer_again(self, recorder: Recorder) -> None:
        """
        When an overdue request ends well, nothing is left to count but its outcome.
        """
        request = self.overdue(recorder)
        recorder.leave(request)
        recorder.record(200, 30_000_000, request.control, "a", 40.0, request.overdue)

        window = recorder.close(41)

        assert window.counts == Counts(bins=(0, 0, 0, 0))
        assert window.outcomes == {"2xx": 1}

    @pytest.mark.parametrize(
        ("status", "expected"),
        [(504, Counts(e5=1, e5u=1, bins=(0, 0, 0, 0))), (404, Counts(e4=1, e4u=1, bins=(0, 0, 0, 0)))],
    )
    def test_counts_its_late_error_without_a_request(self, recorder: Recorder, status: int, expected: Counts) -> None:
        """
        When an overdue request ends as an error, only the error is counted.
        """
        request = self.overdue(recorder)
        recorder.leave(request)
        recorder.record(status, 1, request.control, "a", 40.0, request.overdue)

        assert expected == recorder.close(41).counts

    def test_counts_its_late_failure_without_a_request(self, recorder: Recorder) -> None:
        """
        When an overdue request times out, only the failure is counted.
        """
        request = self.overdue(recorder)
        recorder.leave(request)
        recorder.record_failure("timeout", request.control, "a", 40.0, request.overdue)

        assert recorder.close(41).counts == Counts(e5=1, e5u=1, bins=(0, 0, 0, 0))

    def test_counts_in_the_control_slice_too(self, recorder: Recorder) -> None:
        """
        An overdue request of the slice shows in the slice.
        """
        recorder.enter(Request(control=True), 0.0)

        window = recorder.close(1)

        assert window.control == Counts(n=1, bins=(0, 0, 0, 1))

    def test_needs_an_edge(self) -> None:
        """
        Without edges nobody knows what is late.
        """
        recorder = Recorder(LIVE)
        recorder.enter(Request(), 0.0)

        assert recorder.close(1000).counts == Counts()

    def test_passes_over_what_has_left(self, recorder: Recorder) -> None:
        """
        A request that ended in time is never overdue.
        """
        request = Request()
        recorder.enter(request, 0.0)
        recorder.leave(request)

        assert recorder.close(1).counts.n == 0
        assert not request.overdue

    @staticmethod
    def overdue(recorder: Recorder) -> Request:
        request = Request()
        recorder.enter(request, 0.0)
        recorder.close(1)
        return request


class TestInFlight:
    def test_is_what_has_entered_and_not_left(self, recorder: Recorder) -> None:
        """
        Requests are in flight until they leave, overdue or not; to leave twice is to leave.
        """
        young, late = Request(), Request()
        recorder.enter(late, 0.0)
        recorder.enter(young, 1.0)

        assert recorder.close(1.01).in_flight == 2
        recorder.leave(late)
        recorder.leave(late)
        assert recorder.in_flight == 1
        recorder.leave(young)
        assert recorder.close(2).in_flight == 0


class TestClose:
    def test_begins_the_next_window_where_this_one_ends(self) -> None:
        """
        Windows follow each other without a gap, and a request is in one of them.
        """
        recorder = Recorder(LIVE, now_s=5.0)
        answer(recorder)
        first, second = recorder.close(6.0), recorder.close(7.5)

        assert [(w.started_s, w.ended_s, w.counts.n) for w in (first, second)] == [(5.0, 6.0, 1), (6.0, 7.5, 0)]
        assert second == Window(LIVE, 6.0, 7.5, Counts())

    def test_takes_new_edges_from_the_next_window_on(self, recorder: Recorder) -> None:
        """
        Edges that are set while a window is open leave it alone.
        """
        answer(recorder, latency_us=1_500)
        recorder.set_edges([2_000])
        answer(recorder, latency_us=1_500)

        assert recorder.close(1).counts.bins == (0, 2, 0, 0)
        answer(recorder, latency_us=2_001)
        assert recorder.close(2).counts.bins == (0, 1)

    @pytest.mark.parametrize("edges", [(0, 1), (2, 1), (1, 1)])
    def test_refuses_edges_that_do_not_ascend(self, recorder: Recorder, edges: tuple[int, ...]) -> None:
        """
        Edges in another order are a mistake of ours.
        """
        with pytest.raises(AssertionError, match="ascend"):
            recorder.set_edges(edges)


class TestBuckets:
    @settings(max_examples=20)  # the library's iterator takes 30 ms
    @given(st.lists(latencies))
    def test_of_a_window_hold_each_answer(self, values: list[int]) -> None:
        """
        A window lists what a histogram of the same answers holds, ascending.
        """
        recorder = Recorder(LIVE)
        for value in values:
            answer(recorder, latency_us=value)

        window = recorder.close(1)

        expected = [
            (item.value_iterated_to, item.count_added_in_this_iter_step)
            for item in histogram_of(values).get_recorded_iterator()
        ]
        assert expected == list(window.latency)


class TestTotal:
    @given(st.lists(st.lists(latencies, max_size=5), min_size=1, max_size=5))
    def test_is_the_sum_of_all_windows(self, windows: list[list[int]]) -> None:
        """
        What was counted before, and what the open window holds, are in the total.
        """
        recorder, closed = Recorder(LIVE, EDGES), []
        for now_s, values in enumerate(windows, 1):
            for value in values:
                answer(recorder, latency_us=value)
            total = recorder.total(now_s)
            closed.append(recorder.close(now_s))

        merged = merge(closed)

        assert (
            replace(merged, counts=replace(merged.counts, bins=(merged.counts.n,)))
            == total
            == recorder.total(len(windows))
        )

    def test_survives_new_edges(self, recorder: Recorder) -> None:
        """
        A total goes on over a change of the edges, in a single bin.
        """
        answer(recorder)
        recorder.set_edges([7])
        recorder.close(1)
        answer(recorder)
        answer(recorder, 500)
        recorder.close(2)

        assert recorder.total(3).counts == Counts(n=3, e5=1, e5u=1, bins=(2,))


class TestCopies:
    def test_are_in_the_window_that_they_end_in_and_in_the_total(self, recorder: Recorder) -> None:
        """
        Copies and their pairs are no samples: the counts that the judge compares know nothing of them.
        """
        recorder.copies.count("paired")
        recorder.copies.pair(Answer(200, 700), Answer(500, 900))

        first, second = recorder.close(now_s=1), recorder.close(now_s=2)

        assert first.copies == {"paired": 1}
        assert first.pairs == Pairs(n=1, shadow_only=1, other_status=1)
        assert first.counts.n == 0
        assert (second.copies, second.pairs) == ({}, None)
        assert recorder.total(now_s=3).pairs == merge([first, second]).pairs == first.pairs
        assert recorder.total(now_s=3).copies == {"paired": 1}


class TestMerge:
    def test_adds_what_windows_count(self) -> None:
        """
        Counts, outcomes and buckets are added; the span goes from the first to the last.
        """
        first = Window(LIVE, 0, 1, Counts(3, 1, 1, 0, 0, (1, 1)), None, ((5, 1), (9, 1)), {"2xx": 2, "5xx": 1}, 4)
        second = Window(LIVE, 1, 2, Counts(2, 0, 0, 1, 1, (0, 1)), Counts(1, bins=(0, 1)), ((9, 1),), {"2xx": 1}, 2)

        expected = Window(
            stack=LIVE,
            started_s=0,
            ended_s=2,
            counts=Counts(5, 1, 1, 1, 1, (1, 2)),
            control=Counts(1, bins=(0, 1)),
            latency=((5, 1), (9, 2)),
            outcomes={"2xx": 3, "5xx": 1},
            in_flight=2,
        )

        assert expected == merge([first, second])

    def test_of_different_edges_has_one_bin(self) -> None:
        """
        Bins between different edges cannot be added, only the answers in them.
        """
        windows = [Window(LIVE, 0, 1, Counts(2, bins=(1, 1))), Window(LIVE, 1, 2, Counts(3, bins=(1, 1, 1)))]

        assert merge(windows).counts == Counts(5, bins=(5,))


class TestPercentile:
    @given(st.lists(latencies, min_size=1), st.sampled_from([0.001, 0.25, 0.5, 0.9, 0.95, 0.99, 0.999, 1.0]))
    def test_is_the_smallest_value_that_enough_answers_do_not_exceed(self, values: list[int], q: float) -> None:
        """
        It is the bucket of the answer at that rank.
        """
        recorder = Recorder(LIVE)
        for value in values:
            answer(recorder, latency_us=value)
        found = percentile(recorder.close(1), q)

        assert found is not None
        tops = [bucket_top_us(bucket_index(value)) for value in sorted(values)]
        assert sum(top <= found for top in tops) >= q * len(tops)
        assert sum(top < found for top in tops) < q * len(tops)

    def test_of_no_answers_is_none(self) -> None:
        """
        Where nothing was answered there is no latency.
        """
        assert percentile(Recorder(LIVE).close(1), 0.5) is None

    @pytest.mark.parametrize("q", [0, 99, -0.5])
    def test_wants_a_fraction(self, q: float) -> None:
        """
        A percentile in percent is a mistake that is named.
        """
        with pytest.raises(ValueError, match="asked for as a fraction"):
            percentile(Recorder(LIVE).close(1), q)


class TestThroughput:
    def test_is_every_end_per_second(self) -> None:
        """
        Requests that ended, however they ended, over the length of the window.
        """
        window = Window(LIVE, 10.0, 12.0, Counts(), outcomes={"2xx": 5, "aborted": 1})

        assert throughput(window) == 3.0
        assert throughput(replace(window, ended_s=10.0)) == 0.0


class TestLedger:
    def test_is_a_source_of_kpis(self, ledger: Ledger, clock: Clock) -> None:
        """
        The controller closes the window that the data plane has filled.
        """
        source: KpiSource = ledger
        source.set_edges(LIVE, [1_000])
        source.close_window(LIVE)
        clock.now_s = 101.0
        answer(ledger.recorder(LIVE))

        window = source.close_window(LIVE)

        assert (window.started_s, window.ended_s, window.counts) == (100.0, 101.0, Counts(n=1, bins=(1, 0)))

    @pytest.mark.parametrize("figures", [Ledger.close_window, Ledger.total])
    def test_has_empty_windows_for_a_stack_never_seen(
        self, ledger: Ledger, figures: Callable[[Ledger, StackId], Window]
    ) -> None:
        """
        To ask for a stack does not make it known.
        """
        assert figures(ledger, LIVE) == Window(LIVE, 100.0, 100.0, Counts())
        assert ledger.stacks == ()

    def test_says_where_the_time_of_a_window_went(self, ledger: Ledger) -> None:
        """
        A window has the phases of each route that had answers in it; windows of one stack add up, route by route.
        """
        ledger.recorder(LIVE)
        shop, blog = ledger.phases(LIVE, "/"), ledger.phases(LIVE, "/blog")
        shop.record(900, 700, 120)
        first = ledger.close_window(LIVE)
        shop.record(500, 300, 120)
        blog.record(200, 100, 20)
        second = ledger.close_window(LIVE)

        both = merge([first, second])

        assert set(first.phases) == {"/"}
        assert first.phases["/"]["first_byte"] == ((700, 1),)
        assert {route: phases["total"] for route, phases in second.phases.items()} == {
            "/": ((500, 1),),
            "/blog": ((200, 1),),
        }
        assert {route: phases["total"] for route, phases in both.phases.items()} == {
            "/": ((500, 1), (900, 1)),
            "/blog": ((200, 1),),
        }
        assert ledger.close_window(LIVE).phases == {}

    def test_keeps_one_recorder_for_a_stack(self, ledger: Ledger) -> None:
        """
        Who asks twice gets the same recorder.
        """
        assert ledger.recorder(LIVE) is ledger.recorder(LIVE)
        assert ledger.stacks == (LIVE,)

    def test_holds_nothing_of_a_forgotten_stack(self, ledger: Ledger) -> None:
        """
        A retired stack leaves nothing behind, and may be forgotten twice.
        """
        answer(ledger.recorder(LIVE), 500)
        ledger.recorder(SHADOW)

        ledger.forget(LIVE)
        ledger.forget(LIVE)

        assert ledger.stacks == (SHADOW,)
        assert ledger.total(LIVE).counts == Counts()
        ledger.forget(SHADOW)
        assert ledger._errors == {}
