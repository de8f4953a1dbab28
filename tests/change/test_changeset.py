from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from splitter.change.changeset import Action, Cause, Change, ChangeSet, FieldChange, change_set, closure, config_hash
from splitter.change.fields import Requires
from splitter.template import (
    Attachment,
    Dependency,
    Limits,
    Mount,
    MountType,
    Network,
    Service,
    Template,
    Volume,
    VolumesFrom,
)
from tests.change.compose import template

NAMES = "abcd"


def templates() -> st.SearchStrategy[Template]:
    """Return small templates whose services share volumes, networks and dependencies."""
    service = st.builds(
        Service,
        name=st.just(""),
        image=st.sampled_from(["x:1", "x:2"]),
        environment=st.dictionaries(st.sampled_from(["A", "TOKEN"]), st.sampled_from(["1", "2"]), max_size=2),
        limits=st.builds(Limits, st.none() | st.just(1)),
        mounts=st.sets(st.sampled_from(["v", "w"])).map(
            lambda keys: tuple(Mount(MountType.VOLUME, f"/{key}", key) for key in sorted(keys))
        ),
        networks=st.sets(st.sampled_from(["m", "n"])).map(lambda keys: tuple(Attachment(key) for key in sorted(keys))),
        depends_on=st.dictionaries(st.sampled_from(NAMES), st.booleans(), max_size=2).map(
            lambda others: tuple(Dependency(name, restart=restart) for name, restart in sorted(others.items()))
        ),
        ipc=st.sampled_from(["", "", "service:a", "service:b"]),
        volumes_from=st.sets(st.sampled_from(NAMES), max_size=1).map(lambda names: tuple(map(VolumesFrom, names))),
    )
    drivers = st.sampled_from(["", "local"])
    return st.builds(
        lambda services, volumes, networks: Template(
            "p",
            "/d",
            {name: replace(value, name=name) for name, value in services.items()},
            {key: Network(key, driver=driver) for key, driver in networks.items()},
            {key: Volume(key, driver=driver) for key, driver in volumes.items()},
        ),
        st.dictionaries(st.sampled_from(NAMES), service, max_size=4),
        st.dictionaries(st.sampled_from(["v", "w"]), drivers),
        st.dictionaries(st.sampled_from(["m", "n"]), drivers),
    )


def between(live: str, shadow: str) -> ChangeSet:
    return change_set(template(live), template(shadow))


def one(live: str, shadow: str) -> Change:
    """Return the change of the service `a`, given its keys in both templates."""
    changes = between(f"services: {{a: {{image: x, {live}}}}}", f"services: {{a: {{image: x, {shadow}}}}}")
    change = changes.of("service:a")
    assert change is not None
    return change


class TestDirectChanges:
    def test_create_and_delete(self) -> None:
        """
        A name that only one template knows is created or deleted; a rename is both.
        """
        changes = between("services: {a: {image: x}}", "services: {b: {image: x}}")

        assert [(change.resource, change.action) for change in changes.changes] == [
            ("network:default", Action.KEEP),
            ("service:a", Action.DELETE),
            ("service:b", Action.CREATE),
        ]

    def test_image(self) -> None:
        """
        Another image alone replaces the service, and is named as the cause.
        """
        change = between("services: {a: {image: x:1}}", "services: {a: {image: x:2}}").of("service:a")

        assert change == Change(
            "service:a", Action.REPLACE, (FieldChange("image", "x:1", "x:2", Requires.REPLACE),), Cause.IMAGE
        )

    @pytest.mark.parametrize(
        ("live", "shadow", "action"),
        [
            ("user: a", "user: b", Action.REPLACE),
            ("command: a", "command: a b", Action.REPLACE),
            ("environment: {A: 1}", "environment: {A: ''}", Action.REPLACE),
            ("labels: {a: b}", "", Action.REPLACE),
            ("ports: [80]", "ports: [81]", Action.REPLACE),
            ("volumes: [/a]", "volumes: ['/a', /b]", Action.REPLACE),
            ("mem_limit: 1g", "mem_limit: 2g", Action.UPDATE),
            ("scale: 1", "scale: 2", Action.UPDATE),
            ("restart: no", "restart: always", Action.UPDATE),
            ("container_name: one", "container_name: two", Action.UPDATE),
            ("scale: 2, user: a", "scale: 1, user: b", Action.REPLACE),
            ("labels: {splitter.scope: stack}", "", Action.KEEP),
            ("command: 'a  b'", "command: [a, b]", Action.KEEP),
        ],
    )
    def test_actions(self, live: str, shadow: str, action: Action) -> None:
        """
        What a running container can follow is an update, the rest of a container a replacement.
        """
        assert one(live, shadow).action is action

    def test_build_is_a_cause(self) -> None:
        """
        Another way to build the image is a replacement caused by the build.
        """
        change = one("build: {context: ., args: {A: 1}}", "build: {context: ., args: {A: 2}}")

        assert (change.action, change.cause) == (Action.REPLACE, Cause.BUILD)

    def test_waiting_for_something_else_changes_no_container(self) -> None:
        """
        Dependencies are listed, and keep the service.
        """
        live = "services: {a: {image: x, depends_on: [b]}, b: {image: y}}"
        shadow = "services: {a: {image: x}, b: {image: y}}"

        change = between(live, shadow).of("service:a")

        assert change is not None
        assert change.action is Action.KEEP
        assert change.fields == (FieldChange("depends_on.b", "service_started", None, Requires.NONE),)

    def test_secrets_are_masked(self) -> None:
        """
        A secret's change is told, its values are not.
        """
        change = one("environment: {TOKEN: a, U: 'p://u:a@h'}", "environment: {TOKEN: b, U: 'p://u:b@h'}")

        assert [(field.before, field.after) for field in change.fields] == [
            ("•••", "•••"),
            ("p://u:•••@h", "p://u:•••@h"),
        ]


class TestImageIds:
    LIVE = "services: {a: {image: x}, b: {image: y}}"

    def test_same_name_other_image(self) -> None:
        """
        A tag that points at another image now is a replacement.
        """
        changes = change_set(
            template(self.LIVE),
            template(self.LIVE),
            {"a": "sha256:2", "b": "sha256:3"},
            {"a": "sha256:1", "b": "sha256:3"},
        )

        a, b = changes.of("service:a"), changes.of("service:b")
        assert a is not None
        assert b is not None
        assert (a.action, a.cause) == (Action.REPLACE, Cause.IMAGE)
        assert a.fields == (FieldChange("image id", "sha256:1", "sha256:2", Requires.REPLACE),)
        assert b.action is Action.KEEP

    def test_unknown_id(self) -> None:
        """
        Where ids are asked for and one is missing, nobody can say whether the service changes.
        """
        changes = change_set(template(self.LIVE), template(self.LIVE), {"a": "1", "b": "1"}, {"a": "1"})

        assert [change.action for change in changes.changes if change.kind == "service"] == [
            Action.KEEP,
            Action.UNKNOWN,
        ]

    def test_of_which_nothing_is_known(self) -> None:
        """
        A service without an id on either side is compared by its names alone.
        """
        changes = change_set(template(self.LIVE), template(self.LIVE), {"a": "1"}, {"a": "1"})

        assert {change.action for change in changes.changes} == {Action.KEEP}


class TestConsequences:
    def test_of_a_replaced_volume(self) -> None:
        """
        A volume that is made anew replaces the services that mount it, and those restart what depends on them.
        """
        text = """
        services:
          db: {{image: x, volumes: [v:/v]}}
          api: {{image: x, depends_on: {{db: {{condition: service_started, restart: true}}}}}}
          web: {{image: x, depends_on: [api]}}
        volumes: {{v: {{driver: {}}}}}
        """

        changes = between(text.format("local"), text.format("nfs"))

        found = {c.resource: (c.action, c.cause, c.by) for c in changes.changes if c.action is not Action.KEEP}
        assert found == {
            "volume:v": (Action.REPLACE, Cause.DIRECT, ""),
            "service:db": (Action.REPLACE, Cause.VOLUME, "volume:v"),
            "service:api": (Action.UPDATE, Cause.DEPENDENCY, "service:db"),
        }
        assert changes.chain("service:api") == ("service:api", "service:db", "volume:v")

    def test_of_a_replaced_network(self) -> None:
        """
        A network that is made anew updates the services that join it.
        """
        text = "services: {{a: {{image: x, networks: [n]}}}}\nnetworks: {{n: {{internal: {}}}}}"

        change = between(text.format("true"), text.format("false")).of("service:a")

        assert change is not None
        assert (change.action, change.cause, change.by) == (Action.UPDATE, Cause.NETWORK, "network:n")

    @pytest.mark.usefixtures("every_key")
    @pytest.mark.parametrize("link", ["network_mode: 'service:db'", "ipc: 'service:db'", "volumes_from: [db]"])
    def test_of_a_replaced_owner(self, link: str) -> None:
        """
        Who lives in a replaced service, or takes its volumes, is replaced, and who lives in that one as well.
        """
        text = "services: {{db: {{image: {image}}}, mid: {{image: m, {link}}}, top: {{image: t, pid: 'service:mid'}}}}"

        changes = between(text.format(image="db:1", link=link), text.format(image="db:2", link=link))

        found = changes.by_resource()
        assert (found["service:mid"].action, found["service:mid"].cause) == (Action.REPLACE, Cause.NAMESPACE)
        assert changes.chain("service:top") == ("service:top", "service:mid", "service:db")
        assert found["service:top"].is_cascaded

    def test_labels_have_none(self) -> None:
        """
        Another label on a network or volume changes nothing else.
        """
        text = "services: {{a: {{image: x, volumes: [v:/v]}}}}\nvolumes: {{v: {{labels: {{a: {}}}}}}}"

        changes = between(text.format("1"), text.format("2"))

        assert {change.action for change in changes.changes} == {Action.KEEP}

    def test_own_changes_stay_own(self) -> None:
        """
        A service that is replaced by itself is not said to be replaced by another.
        """
        text = "services: {{a: {{image: 'x:{0}', volumes: [v:/v]}}}}\nvolumes: {{v: {{driver: d{0}}}}}"

        change = between(text.format(1), text.format(2)).of("service:a")

        assert change is not None
        assert change.cause is Cause.IMAGE


class TestLaws:
    @given(templates())
    def test_nothing_changes_between_equals(self, template: Template) -> None:
        """
        The change set of (a, a) keeps everything.
        """
        changes = change_set(template, template).changes

        assert all(change.action is Action.KEEP and not change.fields for change in changes)

    @given(templates(), templates())
    def test_there_and_back_mirror_each_other(self, a: Template, b: Template) -> None:
        """
        The way back creates what the way there deletes, and every field turns round.
        """
        turned = {Action.CREATE: Action.DELETE, Action.DELETE: Action.CREATE}

        there, back = change_set(a, b).changes, change_set(b, a).changes

        mirrored = tuple(
            replace(
                change,
                action=turned.get(change.action, change.action),
                fields=tuple(replace(f, before=f.after, after=f.before) for f in change.fields),
            )
            for change in back
        )
        assert there == mirrored

    @given(templates(), templates())
    def test_closure_is_idempotent(self, a: Template, b: Template) -> None:
        """
        What follows from the consequences is among them.
        """
        changes = {change.resource: change for change in change_set(a, b).changes}

        assert changes == closure(changes, a, b)

    @given(templates(), templates())
    def test_chains_end(self, a: Template, b: Template) -> None:
        """
        Every chain of causes ends at a resource that changes by itself.
        """
        changes = change_set(a, b)

        for change in changes.changes:
            last = changes.of(changes.chain(change.resource)[-1])
            assert last is not None
            assert not last.by


class TestDigest:
    def test_sees_masked_values(self) -> None:
        """
        Consent for one secret is none for another, although both look alike.
        """
        text = "services: {{a: {{image: x, environment: {{TOKEN: {}}}}}}}"
        live = text.format("a")

        assert between(live, text.format("b")).digest != between(live, text.format("c")).digest
        assert between(live, text.format("b")).digest == between(live, text.format("b")).digest

    def test_sees_image_ids(self) -> None:
        """
        Consent for one image is none for another of the same name.
        """
        read = template("services: {a: {image: x}}")

        first, second = (change_set(read, read, {"a": number}, {"a": "0"}).digest for number in "12")

        assert first != second


class TestConfigHash:
    def test_leaves_out_what_makes_no_container(self) -> None:
        """
        Name, number, order and splitter's own labels do not make another container.
        """
        service = Service(name="a", image="x")
        other = replace(
            service, name="b", replicas=3, depends_on=(Dependency("c"),), labels={"splitter.scope": "stack"}
        )

        assert config_hash(service) == config_hash(other)

    def test_sees_the_rest(self) -> None:
        """
        Another user, label or image id is another container.
        """
        service = Service(name="a", image="x")

        hashes = {
            config_hash(service),
            config_hash(service, "sha256:1"),
            config_hash(service, contents={"/run/secrets/a": "1"}),
            config_hash(service, contents={"/run/secrets/a": "2"}),
            config_hash(replace(service, user="u")),
            config_hash(replace(service, labels={"a": "b"})),
        }

        assert len(hashes) == 6


@pytest.mark.usefixtures("every_key")
class TestContent:
    @pytest.mark.parametrize("kind", ["secret", "config"])
    def test_another_content_replaces_the_users(self, kind: str) -> None:
        """
        Who is granted a secret or config is replaced when it holds something else; the value is not shown.
        """
        one, other = (
            template(
                f"services: {{web: {{image: web, {kind}s: [a]}}, db: {{image: db}}}}\n{kind}s: {{a: {{file: a}}}}",
                others={"/srv/shop/a": text},
            )
            for text in ("old value", "new value")
        )

        changes = change_set(one, other).by_resource()

        assert changes[f"{kind}:a"].action is Action.REPLACE
        assert changes["service:web"].action is Action.REPLACE
        assert (changes["service:web"].cause, changes["service:web"].by) == (Cause.CONTENT, f"{kind}:a")
        assert changes["service:db"].action is Action.KEEP
        assert "value" not in repr(changes)
