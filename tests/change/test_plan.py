import pytest

from splitter.change.changeset import Action, Cause
from splitter.change.plan import SHOWN_MAX, plan, sentences
from splitter.change.rollback_cost import Level, Thresholds
from splitter.change.scope import Scope
from splitter.errors import TemplateError
from splitter.facts import Facts
from splitter.template import Dependency, Service, Template
from tests.change.compose import template

LIVE = """
services:
  web: {image: 'web:1', ports: ['80:80'], depends_on: [db], environment: {API_TOKEN: old, MODE: a}}
  api: {image: api, depends_on: {web: {condition: service_started, restart: true}}, ports: ['81:81']}
  worker: {image: web, command: celery worker}
  db: {image: 'postgres:15', volumes: ['pg:/var/lib/postgresql/data']}
volumes: {pg: }
"""
SHADOW = """
services:
  web: {image: 'web:2', ports: ['80:80'], depends_on: [db], environment: {API_TOKEN: new, EXTRA: ''}}
  api: {image: api, depends_on: {web: {condition: service_started, restart: true}}, ports: ['81:81'], scale: 2}
  crunch: {image: web, command: celery worker}
  db: {image: 'postgres:15', volumes: ['pg:/var/lib/postgresql/data']}
volumes: {pg: }
"""


WAITS = "it is left out of the shadow until the promotion"


class TestPlan:
    def test_holds_everything(self) -> None:
        """
        A plan has changes, cost, order, scopes, and what must not simply run twice.
        """
        found = plan(template(LIVE), template(SHADOW), routed=["web"])

        assert found.order == (("crunch", "db"), ("web",), ("api",))
        assert found.scopes == {"api": Scope.STACK, "crunch": Scope.STACK, "db": Scope.SHARED, "web": Scope.STACK}
        assert [finding.service for finding in found.singletons] == ["crunch"]
        assert found.jobs == ()
        assert found.cost.level is Level.NONE

    def test_first_deploy(self) -> None:
        """
        Without a live stack everything is created, and undoing costs nothing.
        """
        found = plan(None, template(LIVE))

        assert {change.action for change in found.change_set.changes} == {"create"}
        assert found.cost.level is Level.NONE
        assert set(found.scopes.values()) == {Scope.STACK}

    def test_takes_what_an_engine_knows(self) -> None:
        """
        The same name for another image is a change, and what it means for data is read from the images' variables.
        """
        live = template(LIVE.replace("postgres:15", "postgres"))
        facts = Facts(
            live_images={"db": "sha256:1"},
            shadow_images={"db": "sha256:2"},
            live_variables={"db": {"PG_MAJOR": "15"}},
            shadow_variables={"db": {"PG_MAJOR": "16"}},
            lost_images=frozenset({"web"}),
        )

        found = plan(live, live, facts=facts)

        change = found.change_set.of("service:db")
        assert change is not None
        assert (change.action, change.cause) == (Action.REPLACE, Cause.IMAGE)
        assert {"ST1", "ST2", "RE1"} <= {reason.id for reason in found.cost.reasons}
        assert found.change_set.digest != plan(live, live).change_set.digest

    def test_thresholds_are_the_callers(self) -> None:
        """
        The app's own thresholds decide the level.
        """
        live = template("services: {worker: {image: w, labels: {splitter.singleton: run}}}")

        assert plan(live, live).cost.level is Level.WARN
        assert plan(live, live, thresholds=Thresholds(10, 20)).cost.level is Level.OVERRIDE

    def test_a_loop_has_no_plan(self) -> None:
        """
        A template that cannot start has no plan.
        """
        loop = Template("p", "/d", {"a": Service(name="a", depends_on=(Dependency("a"),))})

        with pytest.raises(TemplateError, match="a → a"):
            plan(None, loop)


class TestSentences:
    def test_read_like_a_story(self) -> None:
        """
        Changes with their fields, order, cost and findings, one line each, secrets masked.
        """
        found = plan(template(LIVE), template(SHADOW), routed=["web"])

        assert sentences(found) == [
            "~ service:api update",
            "    replicas: 1 → 2",
            "+ service:crunch create",
            "± service:web replace",
            "    environment.API_TOKEN: ••• → •••",
            "    environment.EXTRA: (not set) → (empty)",
            "    environment.MODE: a → (not set)",
            "    image: web:1 → web:2",
            "− service:worker delete",
            "= unchanged: network:default, service:db, volume:pg",
            "start order: crunch, then web, then api",
            "shared with live: db",
            "volume pg: share",
            "rollback cost: 0 during the split, 0 after promotion: nothing to decide",
            f"singleton: crunch: its command says 'celery', and nothing reaches or waits for it; {WAITS}",
            "note: worker is deleted and crunch, which is equal, is created: is it a new name?",
        ]

    def test_say_what_caused_what(self) -> None:
        """
        A consequence names its chain and its kind; a cost names evidence and remedy.
        """
        found = sentences(plan(template(LIVE), template(LIVE.replace("web:1", "web:2"))))

        assert "~ service:api update because of service:web (dependency)" in found
        assert "± service:web replace (image)" in found
        assert (
            "    3/3 CA1 service:api: changes with another: service:api because of service:web;"
            " to lower it: leave service:web as it is"
        ) in found

    def test_say_what_cannot_be(self) -> None:
        """
        What stands in the way of a deploy is the last word about it.
        """
        found = sentences(plan(template(LIVE), template(LIVE.replace("postgres:15", "postgres:16"))))

        assert found[-1].startswith("cannot be deployed: service db changes, and two engines cannot write one")

    def test_gates_are_called_so(self) -> None:
        """
        What needs consent says so.
        """
        found = sentences(plan(template(LIVE), template(LIVE.replace("postgres:15", "postgres:16"))))

        assert any(
            line.startswith("    gate ST2 service:db: db goes from postgres:15 to postgres:16") for line in found
        )
        assert any(line.endswith("waits for an administrator's override") for line in found)

    def test_consent_is_for_one_change_set(self) -> None:
        """
        Where consent is needed the plan names the change set that it is for: another template has another one.
        """
        plans = [plan(template(LIVE), template(LIVE.replace("postgres:15", f"postgres:{n}"))) for n in (16, 17)]

        lines = [line for each in plans for line in sentences(each) if line.startswith("consent is for")]

        assert lines == [
            f"consent is for change set {each.change_set.digest[:12]} alone: splitter override --change-set"
            for each in plans
        ]
        assert lines[0] != lines[1]

    def test_long_values_are_cut(self) -> None:
        """
        A value as long as a file does not hide the plan.
        """
        long = "x" * 1000

        found = sentences(plan(template("services: {a: {image: a}}"), template(f"services: {{a: {{image: {long}}}}}")))

        assert max(len(line) for line in found[:2]) <= SHOWN_MAX + 20

    def test_notes_of_the_template_are_there(self) -> None:
        """
        What the loader noted is part of the plan.
        """
        read = template("services: {a: {image: a, attach: false}}")

        assert any(line.startswith("note: ") and "attach has no effect" in line for line in sentences(plan(None, read)))
