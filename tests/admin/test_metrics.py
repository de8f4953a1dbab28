"""Metrics: what Prometheus reads."""

import re
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace

from prometheus_client.core import Metric
from prometheus_client.parser import text_string_to_metric_families

from splitter.admin.metrics import BUCKETS_S, Figures, histogram, renderer
from splitter.alerts import AlertTotals
from splitter.kpi import Ledger
from splitter.model import Endpoint, Resources, StackId
from splitter.pairing import Answer
from splitter.proxy.standing import ProbeLimits, Standing
from splitter.rollout.status import Status
from tests.admin.controllers import LIVE, SHADOW, SPLITTING, FakeController

PAGE = Path(__file__).parents[2] / "docs/metrics.md"
LINES = SimpleNamespace(written=8, lost=2)
ILL = Standing()
ILL.probed("", ProbeLimits(1, 1))
ILL.probed("no", ProbeLimits(1, 1))
ILL.eject(0, 10)
Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]


def figures(ledger: Ledger, status: Status = SPLITTING, is_ready: bool = True) -> Figures:
    """Return the figures of a daemon that has something of everything."""
    return Figures(
        {"shop": FakeController(now=status).controller()},
        ledger,
        lambda: (is_ready, ""),
        flips=lambda: 7,
        alerts=lambda: [AlertTotals("https://chat.example/…", 3, 2, 1, 0)],
        access=LINES,
        parked=lambda: {"shop": 4},
        standings=lambda stack: {Endpoint("10.0.0.7", 80): ILL, Endpoint("10.0.0.8", 80): Standing()},
        certificates=lambda: {"/tls/a.pem": datetime(2030, 1, 1, tzinfo=UTC)},
    )


def scraped(ledger: Ledger, status: Status = SPLITTING, is_ready: bool = True) -> Samples:
    """Return every sample of one scrape by its name and labels."""
    body, content_type = renderer(figures(ledger, status, is_ready))()
    assert content_type.startswith("text/plain")
    families = list(text_string_to_metric_families(body.decode()))
    assert len({family.name for family in families}) == len(families)
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in families
        for sample in family.samples
    }


def value(samples: Samples, name: str, **labels: str) -> float:
    return samples[name, frozenset(labels.items())]


def ledger() -> Ledger:
    """Return a ledger with five answered requests of live, one of them failed, and one of the shadow."""
    made = Ledger(lambda: 1.0)
    live = made.recorder(StackId(LIVE.id))
    for latency_us in (900, 4_000, 4_000, 60_000):
        live.record(200, latency_us, False, "client", 1.0)
    live.record(503, 100, False, "client", 1.0)
    made.recorder(StackId(SHADOW.id)).record_failure("connect", False, "client", 1.0)
    return made


class TestRequests:
    def test_are_counted_by_role_and_outcome(self) -> None:
        """
        Live and shadow are roles, not names, so a year of rollouts makes no new series.
        """
        samples = scraped(ledger())

        assert value(samples, "splitter_requests_total", app="shop", role="live", outcome="2xx") == 4
        assert value(samples, "splitter_requests_total", app="shop", role="live", outcome="5xx") == 1
        assert value(samples, "splitter_requests_total", app="shop", role="shadow", outcome="connect") == 1

    def test_have_a_latency_histogram(self) -> None:
        """
        Buckets are cumulative, and the last holds every answer below 400.
        """
        samples = scraped(ledger())
        name, labels = "splitter_request_duration_seconds_bucket", {"app": "shop", "role": "live"}

        assert [value(samples, name, le=bound, **labels) for bound in ("0.001", "0.005", "0.05", "0.1", "+Inf")] == [
            1,
            3,
            3,
            4,
            4,
        ]
        assert value(samples, "splitter_request_duration_seconds_count", **labels) == 4


class TestUses:
    def test_stand_there_for_each_stack_that_can_be_looked_into(self) -> None:
        """
        Figures that nobody knows have no sample: none is better than a zero.
        """
        uses = Resources(memory=450.0, memory_limit=1_000.0, cpu_s=12.5, restarts=1, oom_kills=0)

        samples = scraped(ledger(), replace(SPLITTING, live=replace(LIVE, uses=uses)))

        names = {name: figure for (name, labels), figure in samples.items() if name.startswith("splitter_stack_")}
        del names["splitter_stack_info"]
        assert names == {
            "splitter_stack_memory_bytes": 450.0,
            "splitter_stack_memory_limit_bytes": 1_000.0,
            "splitter_stack_cpu_seconds_total": 12.5,
            "splitter_stack_restarts": 1.0,
            "splitter_stack_oom_kills": 0.0,
        }


class TestRoutes:
    def test_have_bounded_methods_and_every_phase(self) -> None:
        """
        A route's requests are counted by method, and their times by phase, those of a new connection too.
        """
        made = ledger()
        phases = made.phases(StackId(LIVE.id), "shop.example/api")
        for method in (b"GET", b"BREW", b"STEW"):
            phases.begin(method)
        phases.record(4_000, 3_000, 80)
        phases.record_connect(300)

        samples = scraped(made)

        labels = {"app": "shop", "role": "live", "route": "shop.example/api"}
        assert value(samples, "splitter_route_requests_total", method="GET", **labels) == 1
        assert value(samples, "splitter_route_requests_total", method="OTHER", **labels) == 2
        name = "splitter_phase_duration_seconds"
        for phase, below, above in (
            ("connect", "0.00025", "0.0005"),
            ("first_byte", "0.0025", "0.005"),
            ("overhead", "5e-05", "0.0001"),
            ("total", "0.0025", "0.005"),
        ):
            assert value(samples, f"{name}_bucket", phase=phase, le=below, **labels) == 0
            assert value(samples, f"{name}_bucket", phase=phase, le=above, **labels) == 1


class TestEndpoints:
    def test_are_counted_by_how_they_do(self) -> None:
        """
        How many there are, how many are not well, and what probes and requests have found.
        """
        samples = scraped(ledger())

        labels = {"app": "shop", "role": "live"}
        assert value(samples, "splitter_endpoints", **labels) == 2
        assert value(samples, "splitter_endpoints_unhealthy", **labels) == 1
        assert value(samples, "splitter_ejections_total", **labels) == 1
        assert value(samples, "splitter_probes_total", outcome="passed", **labels) == 1
        assert value(samples, "splitter_probes_total", outcome="failed", **labels) == 1


class TestMirror:
    def test_counts_copies_and_what_they_have_shown(self) -> None:
        """
        Copies by what became of them, and pairs of answers that differ, of the present shadow alone.
        """
        counted = ledger()
        copies = counted.recorder(SHADOW.id).copies
        for word in ("paired", "paired", "overflow"):
            copies.count(word)
        copies.pair(Answer(200, 700), Answer(500, 900))
        copies.pair(Answer(200, 700, 10), Answer(200, 900, 11))

        samples = scraped(counted)

        assert value(samples, "splitter_mirror_copies_total", app="shop", outcome="paired") == 2
        assert value(samples, "splitter_mirror_copies_total", app="shop", outcome="overflow") == 1
        differences = {
            name: value(samples, "splitter_mirror_differences_total", app="shop", difference=name)
            for name in ("shadow_only", "live_only", "other_status", "other_size")
        }
        assert differences == {"shadow_only": 1, "live_only": 0, "other_status": 1, "other_size": 1}


class TestAccessLog:
    def test_says_what_became_of_its_lines(self) -> None:
        """
        Lost lines are seen by whoever reads the metrics.
        """
        samples = scraped(ledger())

        assert value(samples, "splitter_access_log_lines_total", outcome="written") == 8
        assert value(samples, "splitter_access_log_lines_total", outcome="lost") == 2


class TestRollout:
    def test_is_in_one_state(self) -> None:
        """
        Exactly one state of all that there are is marked.
        """
        samples = scraped(ledger())
        states = {
            dict(labels)["state"]: sample
            for (name, labels), sample in samples.items()
            if name == "splitter_rollout_state"
        }

        assert states["SPLITTING"] == 1
        assert sum(states.values()) == 1

    def test_that_never_was_is_idle(self) -> None:
        """
        An app before its first rollout has a state as well.
        """
        samples = scraped(ledger(), Status(app="shop", live=LIVE))

        assert value(samples, "splitter_rollout_state", app="shop", state="IDLE") == 1
        assert value(samples, "splitter_weight_ratio", app="shop", role="live") == 1.0

    def test_has_weights_that_sum_to_one(self) -> None:
        """
        The shadow's share is a ratio, as Prometheus wants it.
        """
        samples = scraped(ledger(), replace(SPLITTING, share_bp=1_000))

        assert value(samples, "splitter_weight_ratio", app="shop", role="shadow") == 0.1
        assert value(samples, "splitter_weight_ratio", app="shop", role="live") == 0.9
        assert value(samples, "splitter_stack_info", app="shop", role="shadow", stack="shop-r12") == 1


class TestDaemon:
    def test_says_whether_it_is_ready(self) -> None:
        """
        The same word as /readyz, for dashboards; the build is named beside it.
        """
        assert value(scraped(ledger(), is_ready=False), "splitter_ready") == 0
        assert any(name == "splitter_build_info" for name, _ in scraped(ledger()))

    def test_counts_requests_that_wait(self) -> None:
        """
        An app that is parked shows with how many wait.
        """
        assert value(scraped(ledger()), "splitter_requests_parked", app="shop") == 4

    def test_say_when_a_certificate_ends(self) -> None:
        """
        An alert rule needs no more than this and the time.
        """
        end = value(scraped(ledger()), "splitter_certificate_end_timestamp_seconds", certificate="/tls/a.pem")

        assert end == datetime(2030, 1, 1, tzinfo=UTC).timestamp()

    def test_counts_flips_and_alerts(self) -> None:
        """
        A webhook that takes nothing shows, by its redacted address.
        """
        samples = scraped(ledger())
        outcomes = ("delivered", "failed", "dropped")

        assert value(samples, "splitter_flips_total") == 7
        assert [
            value(samples, "splitter_alerts_total", target="https://chat.example/…", outcome=outcome)
            for outcome in outcomes
        ] == [3, 2, 1]


class TestHistogram:
    def test_of_nothing_is_empty(self) -> None:
        """
        A stack without answers has all its buckets, and nothing in them.
        """
        buckets, total_s = histogram(())

        assert [count for _, count in buckets] == [0.0] * (len(BUCKETS_S) + 1)
        assert total_s == 0

    def test_counts_a_value_on_the_bound_below_it(self) -> None:
        """
        Prometheus' bounds are inclusive.
        """
        buckets, total_s = histogram(((1_000, 2), (1_001, 1)))

        assert dict(buckets)["0.001"] == 2
        assert dict(buckets)["0.0025"] == 3
        assert total_s == 0.003001


class TestPage:
    def test_says_what_every_metric_is(self) -> None:
        """
        docs/metrics.md has one row for each, with the words of the scrape itself, and no row for what is not there.
        """
        rows = re.findall(r"^\| `splitter_.*$", PAGE.read_text(), re.MULTILINE)

        assert sorted(rows) == sorted(row(family) for family in figures(ledger()).collect())

    def test_names_are_as_prometheus_wants_them(self) -> None:
        """
        A counter ends in `_total`, what has a unit ends with the base unit, and every help is a sentence.
        """
        for family in figures(ledger()).collect():
            name = scraped_name(family)

            assert re.fullmatch(r"splitter_[a-z_]+", name)
            assert name.endswith("_total") == (family.type == "counter")
            assert not re.search(r"_(ms|us|milliseconds|percent|kb|mb)(_|$)", name)
            assert family.documentation.endswith(".")


def row(family: Metric) -> str:
    """Return the row of the page for a family of metrics."""
    labels = ", ".join(f"`{label}`" for label in family._labelnames)  # type: ignore[attr-defined]
    return f"| `{scraped_name(family)}` | {family.type} | {labels} | {family.documentation} |"


def scraped_name(family: Metric) -> str:
    """Return the name that is scraped: a counter's has an ending that its family's has not."""
    return f"{family.name}_total" if family.type == "counter" else family.name
