"""Reports of the load generator, ratios, and the table that people read."""

from dataclasses import replace

import pytest

from benchmarks.table import (
    ReportError,
    Round,
    Run,
    complaints,
    parse_report,
    ratios,
    render,
    render_latency,
    render_memory,
    summary,
)

REPORT = """Running 2s test @ http://127.0.0.1:40001/
  1 threads and 32 connections
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency     1.20ms  230.67us   6.37ms   98.67%
    Req/Sec   193.42k     9.03k  199.73k    81.82%
  Latency Distribution
     50%  982.00us
     75%    1.41ms
     90%    1.53ms
     99%    1.02s
  211575 requests in 2.10s, 30.27MB read
Requests/sec: 100750.25
Transfer/sec:     14.50MB
"""


def run(per_second: float, errors: int = 0) -> Run:
    return Run(requests=1_000, per_second=per_second, p50_us=100, p99_us=2_000, errors=errors, cpu_s=0.02)


def rounds(*speeds: dict[str, float]) -> list[Round]:
    return [{name: run(speed) for name, speed in each.items()} for each in speeds]


class TestParseReport:
    def test_reads_figures_in_any_unit(self) -> None:
        """
        Requests, their rate, and latencies in microseconds, milliseconds or seconds.
        """
        expected = Run(requests=211_575, per_second=100_750.25, p50_us=982, p99_us=1_020_000)

        assert expected == parse_report(REPORT)

    @pytest.mark.parametrize(("said", "megabytes"), [("14.50MB", 14.5), ("1.50GB", 1536.0), ("512.00KB", 0.5)])
    def test_reads_a_volume_in_any_unit(self, said: str, megabytes: float) -> None:
        """
        Where bodies count, the rate is in megabytes.
        """
        assert parse_report(REPORT.replace("14.50MB", said), is_volume=True).per_second == megabytes

    def test_counts_broken_and_refused_requests(self) -> None:
        """
        Socket errors and answers outside 2xx and 3xx are errors.
        """
        report = REPORT.replace(
            "Requests/sec",
            "  Socket errors: connect 1, read 2, write 3, timeout 4\n  Non-2xx or 3xx responses: 50\nRequests/sec",
        )

        assert parse_report(report).errors == 60

    @pytest.mark.parametrize(
        "report", ["", "unable to connect to 127.0.0.1:1 Connection refused\n", "  0 requests in 1.00s, 0.00B read\n"]
    )
    def test_refuses_a_report_without_requests(self, report: str) -> None:
        """
        A run without requests did not happen.
        """
        with pytest.raises(ReportError, match="no requests in this report"):
            parse_report(report)


class TestRatios:
    def test_compare_within_a_round(self) -> None:
        """
        A machine that got slower from one round to the next does not change a ratio.
        """
        assert ratios(rounds({"a": 50, "b": 100}, {"a": 10, "b": 20}), "a", "b") == [0.5, 0.5]

    def test_leave_out_rounds_that_lack_one(self) -> None:
        """
        Where one of the two has no run there is nothing to compare.
        """
        assert ratios(rounds({"a": 50}, {"b": 20}, {"a": 30, "b": 20}), "a", "b") == [1.5]


class TestRender:
    def test_lists_the_fastest_first_with_median_and_range(self) -> None:
        """
        Each proxy has one line: medians, and the ratios' range over the rounds.
        """
        expected = [
            "| proxy | requests/s | relative to nginx | range | p50 µs | p99 µs | CPU µs per request |",
            "|---|---:|---:|---:|---:|---:|---:|",
            "| nginx | 20 000 | 1.00 | 1.00–1.00 | 100 | 2000 | 20.0 |",
            "| other | 13 000 | 0.60 | 0.50–0.65 | 100 | 2000 | 20.0 |",
        ]

        table = render(
            rounds(
                {"nginx": 20_000, "other": 13_000},
                {"nginx": 10_000, "other": 5_000},
                {"nginx": 30_000, "other": 18_000},
            ),
            "nginx",
        )

        assert expected == table.splitlines()

    def test_does_without_the_base(self) -> None:
        """
        Where the base is not among the proxies, there are no ratios.
        """
        assert render(rounds({"other": 5_000}), "nginx").endswith("| other | 5 000 | – | – | 100 | 2000 | 20.0 |")


class TestSummary:
    def test_has_a_line_for_each_case_and_a_column_for_each_proxy(self) -> None:
        """
        Each cell is the median ratio of the case; a proxy that was not measured has none.
        """
        expected = [
            "| relative to nginx | nginx | other | third |",
            "|---|---:|---:|---:|",
            "| small | 1.00 | 0.50 | – |",
            "| large | 1.00 | 0.75 | 2.00 |",
        ]

        table = summary(
            {
                "small": rounds({"nginx": 100, "other": 50}),
                "large": rounds({"nginx": 100, "other": 75, "third": 200}),
            },
            ["nginx", "other", "third"],
            "nginx",
        )

        assert expected == table.splitlines()


class TestRenderLatency:
    def test_says_what_a_proxy_adds(self) -> None:
        """
        What is added is the difference to no proxy in the same round.
        """
        slow = replace(run(1), p50_us=150, p99_us=2_600)

        table = render_latency([{"no proxy": run(1), "other": slow}], "no proxy")

        assert table.splitlines()[2:] == ["| no proxy | 100 | 2000 | – | – |", "| other | 150 | 2600 | +50 | +600 |"]


class TestRenderMemory:
    def test_lists_the_least_first(self) -> None:
        """
        Sizes are per connection, in KiB.
        """
        table = render_memory({"large": 16 * 1024.0, "small": 512.0})

        assert table.splitlines()[2:] == ["| small | 0.5 |", "| large | 16.0 |"]


class TestComplaints:
    def test_name_who_failed_requests(self) -> None:
        """
        Speed at the price of errors is said to be none.
        """
        failed: list[Round] = [{"nginx": run(1), "other": run(1, errors=2)}, {"other": run(1, errors=3)}]

        assert complaints(failed) == ["other failed 5 requests: do not trust its line"]
        assert complaints(rounds({"nginx": 1})) == []
