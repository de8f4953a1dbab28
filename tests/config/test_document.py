"""Checks of one section: names, templates, times, addresses of alerts."""

import pytest

from splitter.config.analysis import Kpis
from tests.config.documents import GOOD, mistakes, read, with_app


class TestAppName:
    @pytest.mark.parametrize("name", ["Shop", "-shop", "shop_1", "shöp", "a.b"])
    def test_is_letters_digits_and_dashes(self, name: str) -> None:
        """
        An app's name becomes part of the names of containers, networks and stacks.
        """
        text = GOOD.replace("  shop:", f'  "{name}":')

        assert [each.partition(f"the name {name!r} ")[2] for each in mistakes(text)] == [
            "cannot be an app's; write lower-case letters, digits and dashes"
        ]

    def test_is_short(self) -> None:
        """
        Thirty characters fit, thirty-one do not.
        """
        assert "a" * 30 in read(GOOD.replace("shop", "a" * 30)).apps
        assert "has 31 characters; at most 30 fit" in mistakes(GOOD.replace("shop", "a" * 31))[0]


class TestTemplate:
    def test_may_be_several_files(self) -> None:
        """
        A list is merged in its order.
        """
        text = GOOD.replace("template: compose.yaml", "template: [compose.yaml, compose.prod.yaml]")

        assert read(text).apps["shop"].template_files == (
            "/etc/splitter/compose.yaml",
            "/etc/splitter/compose.prod.yaml",
        )

    def test_is_needed(self) -> None:
        """
        Without one there is nothing to make a live stack from.
        """
        assert mistakes(GOOD.replace("    template: compose.yaml\n", "")) == [
            "5:5: apps.shop: has no template; write for example template: compose.yaml"
        ]


STATIC = """\
    listeners: [{bind: "127.0.0.1:0"}]
    apps:
      old:
        provisioner: static
        static: {services: {web: {endpoints: ["127.0.0.1:9001", "[::1]:9002"]}}}
        routes: [{service: web}]
    """


class TestStaticTemplate:
    def test_stands_in_the_file_itself(self) -> None:
        """
        Its text is a template under a name that no file has.
        """
        config = read(STATIC)

        (name,) = config.apps["old"].template_files
        assert name == "/etc/splitter/splitter.yaml#apps.old.static"
        assert config.inline_templates == {
            name: '{"name": "old", "services": {"web": {"endpoints": ["127.0.0.1:9001", "[::1]:9002"]}}}'
        }

    def test_is_nothing_for_compose(self) -> None:
        """
        Servers that run already stand in no file that Compose could read.
        """
        found = mistakes(STATIC.replace("static:", "loader: compose-cli\n        static:"))

        assert "docker compose knows no servers that run already; write builtin, or remove it" in found[0]
        assert read(with_app("loader: compose-cli")).apps["shop"].loader == "compose-cli"

    def test_is_for_static_apps_only(self) -> None:
        """
        A provisioner that makes stacks needs a template to make them from.
        """
        assert (
            "provisioner docker makes its stacks from a template" in mistakes(STATIC.replace("static\n", "docker\n"))[0]
        )

    def test_excludes_a_file(self) -> None:
        """
        Two answers to one question are a mistake.
        """
        assert "both template and static" in mistakes(STATIC.replace("static:", "template: a.yaml\n        static:"))[0]

    def test_has_the_services_of_the_routes(self) -> None:
        """
        A route to a service that is not there can be seen before anything starts.
        """
        assert mistakes(STATIC.replace("service: web", "service: wbe")) == [
            "6:24: apps.old.routes[0].service: static has no service 'wbe'; it has: web"
        ]


class TestAdoption:
    def test_needs_no_template(self) -> None:
        """
        A running project brings its own; whoever makes the first stack must be told of what.
        """
        bare = GOOD.replace("    template: compose.yaml\n", "")

        assert read(bare.replace("routes:", "adopt: true\n    routes:")).apps["shop"].template_files == ()
        assert "has no template" in mistakes(bare)[0]


class TestFolder:
    def test_on_the_host_is_an_absolute_path(self) -> None:
        """
        A path of another machine cannot begin at a folder of this one, and only containers mount anything.
        """
        moved = with_app("host_project_dir: /srv/shop")

        (relative,) = mistakes(with_app("host_project_dir: shop"))
        (process,) = mistakes(moved.replace("provisioner: docker", "provisioner: process"))
        assert "'shop' is no absolute path; write the engine's host's own" in relative
        assert "provisioner process mounts nothing" in process
        assert "none is named" in mistakes(moved.replace("template: compose.yaml", "adopt: true"))[0]
        assert read(moved).apps["shop"].host_project_dir == "/srv/shop"


class TestChoices:
    def test_are_for_what_is_made(self) -> None:
        """
        Servers that run already serve both stacks or one, whatever splitter is told; a word that is none is a mistake.
        """
        chosen = "services: {db: {scope: shared}}\nvolumes: {data: copy}"

        shop = read(with_app(chosen)).apps["shop"]
        found = mistakes(
            STATIC.rstrip() + "\n        services: {web: {scope: stack}}\n        volumes: {data: fresh}\n"
        )
        assert shop.scopes == {"db": "shared"}
        assert shop.volumes == {"data": "copy"}
        assert [each.partition("apps.old.")[2].partition(",")[0] for each in found] == [
            "services: provisioner static makes nothing that two stacks could share; remove it",
            "volumes: provisioner static makes nothing that two stacks could share; remove it",
        ]
        assert "apps.shop.volumes.data" in mistakes(with_app("volumes: {data: shared}"))[0]


class TestTimes:
    def test_leave_room_for_a_promotion(self) -> None:
        """
        A deadline before the shortest analysis would make every rollout undecided.
        """
        (found,) = mistakes(with_app("rollout: {deadline: 5m}"))

        assert found.startswith(
            "9:25: apps.shop.rollout.deadline: 5m is over before analysis has had its min_duration (10m) and dwell (2m)"
        )

    def test_of_the_analysis_fit_into_each_other(self) -> None:
        """
        What the judge itself refuses stands at the option.
        """
        found = mistakes(with_app("analysis: {min_duration: 15m, max_duration: 10m}"))

        assert [each.split(": ")[:2] for each in found] == [["9:49", "apps.shop.analysis.max_duration"]]

    def test_refuse_a_score_that_proof_cannot_give(self) -> None:
        """
        The shape of latencies is never proven, so not all of the points can be had.
        """
        (found,) = mistakes(with_app("analysis: {min_score: 95}"))

        assert "apps.shop.analysis.min_score: 95 is more than 92.5, all that proof can give" in found


class TestAnalysis:
    @pytest.mark.parametrize(
        ("written", "complaint"),
        [
            ("kpis: {error_rate: {weight: -1}}", "apps.shop.analysis.kpis.error_rate.weight: "),
            (
                f"kpis: {{{', '.join(f'{name}: {{weight: 0}}' for name in Kpis.model_fields)}}}",
                "apps.shop.analysis.kpis: all weights are 0: nothing could ever be decided",
            ),
            (
                "kpis: {latency_p99: {tolerance: {ratio: 1.5}, promote: {ratio: 1.2}}}",
                "apps.shop.analysis.kpis.latency_p99.promote.ratio: 1.2 is tighter than the tolerance (1.5)",
            ),
            (
                "kpis: {latency_p98: {weight: 1}}",
                "apps.shop.analysis.kpis: unknown key 'latency_p98'; did you mean 'latency_p99'?",
            ),
            ("false_rollback: 0%", "apps.shop.analysis.false_rollback: "),
            ("guards: {memory: 120%}", "apps.shop.analysis.guards.memory: "),
            ("guards: {slo: 20%}", "apps.shop.analysis.guards.slo: "),
            ("predict: {memory: rolback}", "apps.shop.analysis.predict.memory: 'rolback' is not known here"),
            (
                "predict: {cpu: rollback}",
                "apps.shop.analysis.predict.cpu: what a stack would need one day is no reason",
            ),
            ("predict: {horizon: 0s}", "apps.shop.analysis.predict.horizon: "),
            ("profile: relaxed", "apps.shop.analysis.profile: 'relaxed' is not known here"),
        ],
    )
    def test_that_nobody_can_judge_by_is_refused_in_its_place(self, written: str, complaint: str) -> None:
        """
        Weights that decide nothing, margins that contradict each other, chances and bounds that are none.
        """
        (found,) = mistakes(with_app(f"analysis:\n  {written}"))

        place, _, said = found.partition(": ")
        assert place.startswith("10:")
        assert said.startswith(complaint)


class TestRollbackCost:
    def test_warns_before_it_asks(self) -> None:
        """
        A warning above the override would never be seen.
        """
        assert mistakes(with_app("rollback_cost: {warn: 70}")) == [
            "9:27: apps.shop.rollback_cost.warn: 70 is more than override (60); a warning comes first"
        ]


class TestToken:
    def test_is_long_enough(self) -> None:
        """
        A short token can be guessed.
        """
        assert mistakes(GOOD + "admin: {token: short}\n") == [
            "9:16: admin.token: is too short to keep anybody out; write at least 16 characters"
        ]


class TestHealth:
    @pytest.mark.parametrize("path", ["healthz", "/a b", "http://shop/healthz", "/ü", '""'])
    def test_path_is_what_a_request_can_ask_for(self, path: str) -> None:
        """
        A probe's path begins with a slash and holds no space.
        """
        [mistake] = mistakes(GOOD.replace("port: 8000", f"port: 8000, health: {path}"))

        assert mistake.endswith("is no path; write for example /healthz")

    def test_of_one_service_is_probed_in_one_way(self) -> None:
        """
        Two routes to the same port cannot ask for two paths: the endpoint is one.
        """
        more = "\n      - {path: /api, service: web, port: 8000}"
        text = GOOD.replace("port: 8000}", "port: 8000, health: /up}" + more)

        [mistake] = mistakes(text)
        assert mistake.endswith("apps.shop.routes[1].health: another route has web probed by /up; write the same here")
