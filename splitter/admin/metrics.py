"""Figures for Prometheus, read when they are asked for: nothing is counted twice, nothing is counted here.

Labels are bounded: apps and routes are the configured ones, roles are two, outcomes and states are enumerations.  A
stack's id is a label of one information metric only, so that a year of rollouts makes no series for each.
"""

import importlib.metadata
import platform
from bisect import bisect_right
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from itertools import accumulate
from typing import Final, Protocol

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.registry import Collector

from splitter.alerts import AlertTotals
from splitter.kpi import Ledger
from splitter.limits import WEIGHT_TOTAL
from splitter.model import Endpoint, Pairs, StackId, Window
from splitter.rollout.controller import Controller
from splitter.rollout.machine import State

BUCKETS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
PHASE_BUCKETS_S = (0.00005, 0.0001, 0.00025, 0.0005, *BUCKETS_S)  # connecting and our own part take less than 1 ms
NO_ROLLOUT = "IDLE"

_USES: Final = (
    ("memory_bytes", GaugeMetricFamily, "Working set of the part of the stack that is nearest its limit."),
    ("memory_limit_bytes", GaugeMetricFamily, "The memory limit of that part."),
    ("cpu_seconds", CounterMetricFamily, "CPU time of the stack; begins anew where a part of it does."),
    ("cpus", GaugeMetricFamily, "How many CPUs the stack may use."),
    ("pids", GaugeMetricFamily, "Processes of the stack, or of its part that is nearest its limit of them."),
    ("descriptors", GaugeMetricFamily, "Open files and connections of the process that is nearest its limit of them."),
    ("descriptors_limit", GaugeMetricFamily, "The limit of that process."),
    ("restarts", GaugeMetricFamily, "How often parts of the stack were started again."),
    ("oom_kills", GaugeMetricFamily, "Parts of the stack whose last end was a kill for want of memory."),
)
_FIELDS: Final = {
    "memory_bytes": "memory",
    "memory_limit_bytes": "memory_limit",
    "cpu_seconds": "cpu_s",
    "cpus": "cpu_limit",
}
"""Where a metric's name, which carries its unit, is not the field's of `model.Resources`."""


class AccessTotals(Protocol):
    """What became of the lines of the access log."""

    written: int
    lost: int


class Health(Protocol):
    """How an endpoint does."""

    is_unhealthy: bool
    ejections: int
    probes_passed: int
    probes_failed: int


class Figures(Collector):
    """Reads the controllers' statuses and the ledger's totals at every scrape."""

    def __init__(
        self,
        controllers: Mapping[str, Controller],
        ledger: Ledger,
        is_ready: Callable[[], tuple[bool, str]],
        *,
        flips: Callable[[], int] = lambda: 0,
        alerts: Callable[[], Sequence[AlertTotals]] = tuple,
        access: AccessTotals | None = None,
        parked: Callable[[], Mapping[str, int]] = dict,
        standings: Callable[[StackId], Mapping[Endpoint, Health]] = lambda stack: {},
        certificates: Callable[[], Mapping[str, datetime]] = dict,
    ) -> None:
        """`flips` says how many route tables were published, `alerts` what became of alerts, `parked` how many
        requests of each parked app wait, `standings` how each endpoint of a stack does, `certificates` when each
        certificate ends.
        """
        self._controllers = controllers
        self._ledger = ledger
        self._is_ready = is_ready
        self._flips = flips
        self._alerts = alerts
        self._access = access
        self._parked = parked
        self._standings = standings
        self._certificates = certificates

    def collect(self) -> Iterator[Metric]:
        """Yield every family; called by the registry."""
        build = GaugeMetricFamily(
            "splitter_build_info", "Version of splitter and Python.", labels=["version", "python"]
        )
        build.add_metric([importlib.metadata.version("splitter"), platform.python_version()], 1)
        yield build
        yield GaugeMetricFamily(
            "splitter_ready", "1 when every listener is up and every app has a live stack.", int(self._is_ready()[0])
        )
        yield CounterMetricFamily("splitter_flips", "Route tables that were published.", self._flips())
        yield self._sent()
        yield self._waiting()
        yield self._ending()
        if self._access is not None:
            yield self._logged(self._access)
        yield from self._rollouts()
        yield from self._uses()
        yield from self._requests()
        yield from self._mirrors()
        yield from self._routes()
        yield from self._endpoints()

    @staticmethod
    def _logged(access: AccessTotals) -> Metric:
        lines = CounterMetricFamily(
            "splitter_access_log_lines", "Lines of the access log, by what became of them.", labels=["outcome"]
        )
        lines.add_metric(["written"], access.written)
        lines.add_metric(["lost"], access.lost)
        return lines

    def _waiting(self) -> Metric:
        waiting = GaugeMetricFamily(
            "splitter_requests_parked", "Requests that wait for their app to be unparked.", labels=["app"]
        )
        for app, count in self._parked().items():
            waiting.add_metric([app], count)
        return waiting

    def _ending(self) -> Metric:
        ending = GaugeMetricFamily(
            "splitter_certificate_end_timestamp_seconds",
            "When the certificate that is served ends, in seconds since 1970.",
            labels=["certificate"],
        )
        for file, ends_at in self._certificates().items():
            ending.add_metric([file], ends_at.timestamp())
        return ending

    def _sent(self) -> Metric:
        sent = CounterMetricFamily(
            "splitter_alerts", "Alerts for each webhook, by what became of them.", labels=["target", "outcome"]
        )
        for totals in self._alerts():
            for outcome in ("delivered", "failed", "dropped"):
                sent.add_metric([totals.target, outcome], getattr(totals, outcome))
        return sent

    def _rollouts(self) -> Iterator[Metric]:
        state = GaugeMetricFamily(
            "splitter_rollout_state", "1 for the state that the app's rollout is in.", labels=["app", "state"]
        )
        weight = GaugeMetricFamily("splitter_weight_ratio", "Share of the app's requests.", labels=["app", "role"])
        stack = GaugeMetricFamily(
            "splitter_stack_info", "Which stack plays which role.", labels=["app", "role", "stack"]
        )
        for name, controller in self._controllers.items():
            status = controller.status()
            present = status.state or NO_ROLLOUT
            for known in (NO_ROLLOUT, *State):
                state.add_metric([name, str(known)], int(str(known) == present))
            share = status.share_bp / WEIGHT_TOTAL
            for role, one in (("live", status.live), ("shadow", status.shadow)):
                if one is not None:
                    weight.add_metric([name, role], share if role == "shadow" else 1 - share)
                    stack.add_metric([name, role, one.id], 1)
        yield from (state, weight, stack)

    def _uses(self) -> Iterator[Metric]:
        """Yield what stacks use, as far as somebody can look into them."""
        families = [(name, kind(f"splitter_stack_{name}", text, labels=["app", "role"])) for name, kind, text in _USES]
        for app, controller in self._controllers.items():
            status = controller.status()
            for role, one in (("live", status.live), ("shadow", status.shadow)):
                for name, family in families:
                    figure = getattr(one.uses, _FIELDS.get(name, name)) if one is not None and one.uses else None
                    if figure is not None:
                        family.add_metric([app, role], figure)
        yield from (family for _, family in families)

    def _requests(self) -> Iterator[Metric]:
        requests = CounterMetricFamily(
            "splitter_requests",
            "Finished requests of the stacks that serve now, by outcome.",
            labels=["app", "role", "outcome"],
        )
        in_flight = GaugeMetricFamily("splitter_requests_in_flight", "Requests in flight.", labels=["app", "role"])
        latency = HistogramMetricFamily(
            "splitter_request_duration_seconds",
            "From the request's whole head to the last byte of the answer, for answers below 400.",
            labels=["app", "role"],
        )
        for app, role, total in self._totals():
            for outcome, count in sorted(total.outcomes.items()):
                requests.add_metric([app, role, outcome], count)
            in_flight.add_metric([app, role], total.in_flight)
            buckets, sum_s = histogram(total.latency)
            latency.add_metric([app, role], buckets, sum_s)
        yield from (requests, in_flight, latency)

    def _mirrors(self) -> Iterator[Metric]:
        copies = CounterMetricFamily(
            "splitter_mirror_copies",
            "Copies for the present shadow, by what became of them: a pair, a failure of the shadow, or why given up.",
            labels=["app", "outcome"],
        )
        pairs = CounterMetricFamily(
            "splitter_mirror_differences",
            "Pairs of answers that differ: one side alone failed, or another status, or another size.",
            labels=["app", "difference"],
        )
        for app, role, total in self._totals():
            if role == "shadow":
                for outcome, count in sorted(total.copies.items()):
                    copies.add_metric([app, outcome], count)
                for difference in ("shadow_only", "live_only", "other_status", "other_size"):
                    pairs.add_metric([app, difference], getattr(total.pairs or Pairs(), difference))
        yield from (copies, pairs)

    def _routes(self) -> Iterator[Metric]:
        methods = CounterMetricFamily(
            "splitter_route_requests",
            "Requests that were given to a stack, by method; those outside the registry are OTHER.",
            labels=["app", "role", "route", "method"],
        )
        phases = HistogramMetricFamily(
            "splitter_phase_duration_seconds",
            "Where the time of answers below 400 goes: connect (new connections), first_byte, overhead, total.",
            labels=["app", "role", "route", "phase"],
        )
        for app, role, stack in self._serving():
            for route, one in sorted(self._ledger.routes(stack).items()):
                for method, count in one.methods.items():
                    methods.add_metric([app, role, route, method], count)
                for phase, latency in one.latencies.items():
                    phases.add_metric([app, role, route, phase], *histogram(latency, PHASE_BUCKETS_S))
        yield from (methods, phases)

    def _endpoints(self) -> Iterator[Metric]:
        labels = ["app", "role"]
        endpoints = GaugeMetricFamily("splitter_endpoints", "Endpoints that requests may go to.", labels=labels)
        ill = GaugeMetricFamily("splitter_endpoints_unhealthy", "Endpoints that fail their probes.", labels=labels)
        out = CounterMetricFamily(
            "splitter_ejections", "How often an endpoint was left out because it gave no answers.", labels=labels
        )
        probes = CounterMetricFamily("splitter_probes", "Probes of endpoints.", labels=[*labels, "outcome"])
        for app, role, stack in self._serving():
            standings = self._standings(stack).values()
            endpoints.add_metric([app, role], len(standings))
            ill.add_metric([app, role], sum(each.is_unhealthy for each in standings))
            out.add_metric([app, role], sum(each.ejections for each in standings))
            probes.add_metric([app, role, "passed"], sum(each.probes_passed for each in standings))
            probes.add_metric([app, role, "failed"], sum(each.probes_failed for each in standings))
        yield from (endpoints, ill, out, probes)

    def _totals(self) -> Iterator[tuple[str, str, Window]]:
        for app, role, stack in self._serving():
            yield app, role, self._ledger.total(stack)

    def _serving(self) -> Iterator[tuple[str, str, StackId]]:
        for name, controller in self._controllers.items():
            status = controller.status()
            for role, one in (("live", status.live), ("shadow", status.shadow)):
                if one is not None:
                    yield name, role, StackId(one.id)


def histogram(
    latency: Sequence[tuple[int, int]], bounds_s: Sequence[float] = BUCKETS_S
) -> tuple[list[tuple[str, float]], float]:
    """Return Prometheus' cumulative buckets of HDR pairs (highest µs, count), and the sum in seconds.

    A pair counts in the first bucket whose bound is not below its highest value, so no bucket claims too much.
    """
    tops_us = [top_us for top_us, _ in latency]
    ranks = [0, *accumulate(count for _, count in latency)]
    buckets = [(str(bound), float(ranks[bisect_right(tops_us, round(bound * 1e6))])) for bound in bounds_s]
    return [*buckets, ("+Inf", float(ranks[-1]))], sum(top_us * count for top_us, count in latency) / 1e6


def renderer(figures: Figures) -> Callable[[], tuple[bytes, str]]:
    """Return a function that renders `figures` as (body, content type); a registry of our own, no global one."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(figures)

    def render() -> tuple[bytes, str]:
        return generate_latest(registry), CONTENT_TYPE_LATEST

    return render
