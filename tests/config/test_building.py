"""From a document to the rooms' own options."""

from pathlib import Path

import pytest

from splitter.config.document import App, Rollout
from splitter.contracts import Severity
from splitter.judge.config import (
    GuardOptions,
    JudgeConfig,
    KpiOptions,
    Margin,
    Mode,
    PredictOptions,
    Profile,
    profile,
)
from splitter.model import Endpoint
from splitter.proxy.options import AccessOptions, CertificateFiles, HealthOptions, ListenerOptions, TlsOptions
from splitter.rollout.options import CostLimits, OnStop, OnUndecided, RolloutOptions
from splitter.routing import RouteRule
from tests.config.documents import FILE, GOOD, mistakes, read, with_app


class TestDefaults:
    def test_are_the_rooms_own(self) -> None:
        """
        What is not written is what the room says, but that the judge ends with the rollout.
        """
        app = read(GOOD).apps["shop"]

        assert app.rollout == RolloutOptions()
        assert app.judge == JudgeConfig(max_duration_s=RolloutOptions().deadline_s)
        assert app.rollback_cost == CostLimits()
        assert app.on_stop is OnStop.KEEP
        assert app.routes == (RouteRule("shop", "", "/", "web", 8000),)

    def test_cover_every_option_of_a_rollout(self) -> None:
        """
        No option of a rollout is out of reach of the file; tick and sample stand under analysis.
        """
        plain = {"on_undecided", "sticky", "mirror"}
        timed = {f"{name}_bp" if name == "steps" else f"{name}_s" for name in set(Rollout.model_fields) - plain}

        assert plain | timed | {"tick_s", "sample_s"} == set(RolloutOptions.__dataclass_fields__)

    def test_cover_every_option_of_an_app(self) -> None:
        """
        No option of an app is out of reach of the file.
        """
        from splitter.rollout.options import AppOptions

        renamed = {
            "template_files": "template",
            "env_files": "env_file",
            "judge": "analysis",
            "scopes": "services",
            "waits_for_adoption": "adopt",
        }
        wanted = {renamed.get(name, name) for name in AppOptions.__dataclass_fields__} - {"name"}

        assert wanted <= set(App.model_fields)


class TestListeners:
    def test_have_certificates_by_their_paths(self) -> None:
        """
        Paths of certificates begin at the file's folder.
        """
        tls = "tls: {certificates: [{cert: a.pem, key: /k/a.key}], version_min: '1.3'}"
        (listener,) = read(GOOD.replace("8080\n", f"8080\n    {tls}\n")).listeners

        pair = CertificateFiles("/etc/splitter/a.pem", "/k/a.key")
        assert listener == ListenerOptions("0.0.0.0", 8080, TlsOptions((pair,), "1.3"))

    def test_take_preambles_of_somebody(self) -> None:
        """
        The PROXY protocol is spoken by peers that are trusted, so there must be some.
        """
        text = GOOD.replace("8080\n", "8080\n    proxy_protocol: true\n")

        (listener,) = read(text + "proxy: {trusted_peers: 10.0.0.0/8}\n").listeners
        assert listener == ListenerOptions("0.0.0.0", 8080, has_preamble=True)
        wanted = "nobody could come in: name the proxies that may speak it in proxy.trusted_peers"
        assert mistakes(text) == [f"3:21: listeners[0].proxy_protocol: {wanted}"]


class TestRolloutOptions:
    def test_are_in_code_units(self) -> None:
        """
        Shares become basis points, durations seconds.
        """
        options = read(
            with_app("""
                rollout:
                  warm_up: 0s
                  baseline_wait: 1s
                  steps: [0.01%, 12.5%, 99.99%]
                  hold: 1m30s
                  deadline: 1h
                  on_undecided: hold
                  standby: 0s
                  drain: 500ms
                  provision_deadline: 2m
                  override_deadline: 2h
                  rollback_deadline: 3m
                  held_deadline: 2d
                analysis: {tick: 250ms}
            """)
        ).apps["shop"]

        assert options.rollout == RolloutOptions(
            warm_up_s=0.0,
            baseline_wait_s=1.0,
            steps_bp=(1, 1_250, 9_999),
            hold_s=90.0,
            deadline_s=3_600.0,
            on_undecided=OnUndecided.HOLD,
            standby_s=0.0,
            drain_s=0.5,
            tick_s=0.25,
            provision_deadline_s=120.0,
            override_deadline_s=7_200.0,
            rollback_deadline_s=180.0,
            held_deadline_s=172_800.0,
        )
        assert options.judge.on_undecided is OnUndecided.HOLD

    @pytest.mark.parametrize("policy", OnUndecided)
    def test_have_the_policy_of_their_judge(self, policy: OnUndecided) -> None:
        """
        What is to become of the undecided is said once, and both go by it.
        """
        options = read(with_app(f"rollout: {{on_undecided: {policy.value}}}")).apps["shop"]

        assert options.rollout.on_undecided is policy
        assert options.judge.on_undecided is policy


class TestJudgeOptions:
    def test_lie_over_the_profile(self) -> None:
        """
        What is written counts, part by part; what is not is the profile's.
        """
        judge = (
            read(
                with_app("""
                analysis:
                  profile: lenient
                  false_rollback: 0.5%
                  min_score: 80
                  false_promotion: 2%
                  warmup: {time: 5s, requests: 7}
                  dwell: 10s
                  min_duration: 20s
                  max_duration: 25m
                  baseline: {window: 3m, design_window: 20m}
                  kpis:
                    error_rate: {weight: 2, tolerance: {absolute: 1%}, promote: {ratio: 3}}
                    latency_p99: {tolerance: {absolute: 5ms}}
                    latency_p50: {promote: null}
                  guards: {error_rate: null, latency_p99: 2s, memory: 80%, impact_budget: 100, slo: 0.1%}
                  predict: {memory: gate, latency_trend: warn, cpu: off, horizon: 5m}
            """)
            )
            .apps["shop"]
            .judge
        )
        given = profile("lenient").kpis

        assert judge.profile is Profile.LENIENT
        assert (judge.false_rollback, judge.false_promotion, judge.min_score) == (0.005, 0.02, 80.0)
        assert (judge.warmup_s, judge.warmup_requests, judge.dwell_s, judge.min_duration_s) == (5.0, 7, 10.0, 20.0)
        assert (judge.max_duration_s, judge.baseline_window_s) == (1_500.0, 180.0)
        assert judge.kpis["error_rate"] == KpiOptions(2.0, Margin(2.0, 0.01), Margin(3.0, 0.01))
        assert judge.kpis["latency_p99"] == KpiOptions(0.15, Margin(1.25, 0.005), given["latency_p99"].promote)
        assert judge.kpis["latency_p50"].promote is None
        assert judge.kpis["latency_p95"] == given["latency_p95"]
        assert judge.guards == GuardOptions(
            error_rate=None, latency_p99_s=2.0, memory=0.8, impact_budget=100.0, slo=0.001
        )
        assert judge.design_window_s == 1_200.0
        assert judge.predict == PredictOptions(memory=Mode.GATE, latency_trend=Mode.WARN, cpu=Mode.OFF, horizon_s=300.0)

    def test_end_with_the_rollout(self) -> None:
        """
        Where no end is written, the analysis ends at the rollout's deadline.
        """
        assert read(with_app("rollout: {deadline: 20m}")).apps["shop"].judge.max_duration_s == 1_200.0


class TestTopLevel:
    def test_becomes_what_the_daemon_wants(self) -> None:
        """
        Doors, folders, engine and alerts, with absolute paths and plain secrets.
        """
        config = read(
            GOOD
            + """\
state_dir: /var/lib/splitter
admin: {socket: ../s.sock, bind: "[::1]:9900", token: sixteen-characters}
docker: {host: "unix:///run/d.sock", endpoint: loopback, pull: false}
alerts: [{url: "https://u:p@hooks.example.org/x", on: [critical]}]
"""
        )

        assert [(each.host, each.port) for each in config.listeners] == [("0.0.0.0", 8080)]
        assert config.state_dir == Path("/var/lib/splitter")
        assert config.admin.socket == Path("/etc/s.sock")
        assert config.admin.bind == Endpoint("::1", 9900)
        assert config.admin.token == "sixteen-characters"
        assert (config.docker.base_url, config.docker.endpoint, config.docker.pull) == (
            "unix:///run/d.sock",
            "loopback",
            False,
        )
        assert [(each.url, each.on) for each in config.alerts] == [
            ("https://u:p@hooks.example.org/x", frozenset({Severity.CRITICAL}))
        ]

    def test_shows_no_secret(self) -> None:
        """
        A configuration that is logged by mistake keeps its token and its webhook to itself.
        """
        config = read(GOOD + "admin: {token: sixteen-characters}\nalerts: [{url: 'https://h/secret'}]\n")

        assert "sixteen" not in repr(config)
        assert "secret" not in repr(config)


class TestAccessLog:
    def test_is_off_by_default(self) -> None:
        """
        Who asks for no access log gets none.
        """
        assert read(GOOD).access_log is None

    def test_goes_to_a_file_of_the_folder_or_to_standard_output(self) -> None:
        """
        A relative path begins at the configuration's folder; `stdout` is no file.
        """
        to_file = read(f"{GOOD}\naccess_log: {{to: log/access.log, flush: 250ms, queue_max: 7}}").access_log
        to_stdout = read(f"{GOOD}\naccess_log: {{to: stdout}}").access_log

        assert to_file == AccessOptions(to=str(FILE.parent / "log/access.log"), flush_s=0.25, queue_max=7)
        assert to_stdout == AccessOptions(to="stdout")


class TestHealth:
    def test_is_each_apps_own(self) -> None:
        """
        Who writes nothing is probed by a connection every five seconds; a path belongs to its route.
        """
        written = read(with_app("health: {interval: 1s, timeout: 500ms, unhealthy: 2, healthy: 1}"))

        assert read(GOOD).health == {"shop": HealthOptions()}
        assert written.health == {"shop": HealthOptions(interval_s=1.0, timeout_s=0.5, unhealthy=2, healthy=1)}
        assert read(GOOD.replace("port: 8000", "port: 8000, health: /up")).apps["shop"].routes[0].health == "/up"
