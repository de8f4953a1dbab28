from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from splitter.change import reach_risks, state_risks, work_risks
from splitter.change.changeset import change_set
from splitter.change.reasons import Reason
from splitter.change.rollback_cost import RULES, Cost, Level, Thresholds, priced, rollback_cost
from splitter.facts import NO_FACTS, Facts
from splitter.template import Template
from tests.change.compose import template

WEB = "web: {image: 'web:1', ports: ['80'], depends_on: [db]}"
DB = "db: {image: 'postgres:15.3', volumes: ['pg:/var/lib/postgresql/data']}"
REDIS = """
services: {{r: {{image: 'redis:{}', volumes: ['c:/data']}}}}
volumes: {{c: {{labels: {{splitter.volume: {}}}}}}}
"""
SHOP = f"services:\n  {WEB}\n  {DB}\nvolumes:\n  pg: {{}}\n"


def cost(
    live: str,
    shadow: str,
    *,
    handed_over: Sequence[str] = (),
    left_out: Sequence[str] = (),
    routed: Sequence[str] = (),
    facts: Facts = NO_FACTS,
) -> Cost:
    one, other = template(live), template(shadow)
    return rollback_cost(
        change_set(one, other),
        one,
        other,
        handed_over=handed_over,
        left_out=left_out,
        routed=routed,
        facts=facts,
    )


def ids(found: Cost) -> list[str]:
    return [reason.id for reason in found.reasons]


class TestWorkedExamples:
    def test_another_web_image(self) -> None:
        """
        Only the web image changes, the database is shared and unchanged: free.
        """
        found = cost(SHOP, SHOP.replace("web:1", "web:2"))

        assert (found.during, found.after, found.level, found.reasons) == (0, 0, Level.NONE, ())

    def test_two_services_follow(self) -> None:
        """
        Web changes, worker and api follow because they depend on it: three points each.
        """
        follows = "depends_on: {web: {condition: service_started, restart: true}}, ports: ['81']"
        live = f"services: {{web: {{image: 'w:1'}}, api: {{image: a, {follows}}}, worker: {{image: b, {follows}}}}}"

        found = cost(live, live.replace("w:1", "w:2"))

        assert (found.during, found.after, found.level) == (6, 6, Level.NONE)
        assert ids(found) == ["CA1", "CA1"]
        assert "service:api because of service:web" in found.reasons[0].sentence

    def test_major_version_on_shared_data(self) -> None:
        """
        PostgreSQL 15 to 16 on the data of live: going back may be impossible.
        """
        found = cost(SHOP, SHOP.replace("postgres:15.3", "postgres:16"), handed_over=["db"])

        assert found.gates == ("ST2",)
        assert found.level is Level.OVERRIDE

    def test_minor_version_on_shared_data(self) -> None:
        """
        PostgreSQL 15.3 to 15.4 on the data of live, one after the other: 55, a warning.
        """
        found = cost(SHOP, SHOP.replace("15.3", "15.4"), handed_over=["db"])

        assert (found.during, found.after, found.level) == (55, 55, Level.WARN)
        assert ids(found) == ["ST1", "ST5"]

    def test_minor_version_on_fresh_data(self) -> None:
        """
        Redis 7.2 to 7.4 on a fresh volume: free.
        """
        live = REDIS.format("7.2", "fresh")

        found = cost(live, live.replace("7.2", "7.4"))

        assert (found.during, found.after, found.level) == (0, 0, Level.NONE)

    def test_major_version_on_a_copy(self) -> None:
        """
        Redis 6 to 7 on a copy: cheap during the split, dear after promotion.
        """
        live = (
            "services: {r: {image: 'redis:6', volumes: ['c:/data']}}\nvolumes: {c: {labels: {splitter.volume: copy}}}"
        )

        found = cost(live, live.replace("redis:6", "redis:7"), facts=Facts(volume_bytes={"c": 10**7}))

        assert (found.during, found.after, found.level) == (5, 35, Level.WARN)
        assert ids(found) == ["ST3"]

    def test_job_that_writes_to_the_shared_database(self) -> None:
        """
        A configurator that changes and can write to the shared database: a gate.
        """
        live = SHOP.replace("services:\n", "services:\n  configurator: {image: 'c:1', command: bench set-config}\n")

        found = cost(live, live.replace("c:1", "c:2"))

        assert found.gates == ("JB2",)
        assert "can write to the shared service db" in found.reasons[0].sentence

    @pytest.mark.parametrize(("renamed", "after", "level"), [(1, 50, Level.WARN), (2, 100, Level.OVERRIDE)])
    def test_renamed_volumes(self, renamed: int, after: int, level: Level) -> None:
        """
        One state volume renamed is a warning, two need an override: their data stays behind.
        """
        mounts = [f"'old{number}:/v{number}'" for number in range(renamed)]
        live = f"services: {{a: {{image: a, volumes: [{', '.join(mounts)}]}}}}\n"
        live += "volumes: {old0: , old1: , new0: , new1: }"

        found = cost(live, live.replace("'old", "'new"))

        assert (found.during, found.after, found.level) == (0, after, level)
        assert ids(found) == ["VO1"] * renamed

    def test_irreversible_by_label(self) -> None:
        """
        A label that says irreversible is a gate.
        """
        live = "services: {a: {image: 'a:1', labels: {splitter.rollback.cost: irreversible}}}"

        found = cost(live, live.replace("a:1", "a:2"))

        assert found.gates == ("label",)
        assert found.level is Level.OVERRIDE


class TestState:
    def test_two_engines_on_one_folder(self) -> None:
        """
        An engine of each stack on one data folder at the same time destroys it: a gate.
        """
        found = cost(SHOP, SHOP.replace("15.3", "15.4"))

        assert found.gates == ("VO2",)

    def test_another_engine(self) -> None:
        """
        Another engine under the same name is a gate, whatever its data.
        """
        found = cost(SHOP, SHOP.replace("postgres:15.3", "mysql:8.4"), handed_over=["db"])

        assert "ST4" in found.gates

    def test_unknown_version(self) -> None:
        """
        A tag that says no version may be another major version.
        """
        found = cost(SHOP, SHOP.replace("postgres:15.3", "postgres:latest"), handed_over=["db"])

        assert found.gates == ("ST2",)
        assert "neither tag nor image says which major version" in found.reasons[0].sentence

    @pytest.mark.parametrize(
        ("live", "shadow", "found"),
        [("15.3", "15.4", ["ST1", "ST5"]), ("15.3", "16.1", ["ST2", "ST1"]), ("15", "15", ["ST1", "ST5"])],
    )
    def test_the_image_says_what_the_tag_does_not(self, live: str, shadow: str, found: list[str]) -> None:
        """
        Where a tag is a word, the variables of the image tell the version.
        """
        one, other = SHOP.replace("15.3", "stable"), SHOP.replace("15.3", "next")
        facts = Facts(
            live_variables={"db": {"PG_VERSION": live, "PG_MAJOR": live.partition(".")[0]}},
            shadow_variables={"db": {"PG_MAJOR": shadow.partition(".")[0]}},
        )

        assert found == ids(cost(one, other, handed_over=["db"], facts=facts))

    def test_other_settings_on_shared_data(self) -> None:
        """
        The same image with another setting is replaced on the data of live.
        """
        shadow = SHOP.replace("'postgres:15.3',", "'postgres:15.3', command: postgres -c work_mem=1MB,")

        assert ids(cost(SHOP, shadow, handed_over=["db"])) == ["ST1"]


class TestVolumes:
    @pytest.mark.parametrize(
        ("old", "new", "what"),
        [
            ("u: {}", "u: {driver: nfs}", "is made anew"),
            ("u:/u", "u:/w", "is mounted elsewhere"),
            ("['u:/u']", "[]", "is not used any more"),
        ],
    )
    def test_data_that_stays_behind(self, old: str, new: str, what: str) -> None:
        """
        A volume that is removed, made anew or mounted elsewhere leaves its data where live put it.
        """
        live = "services: {a: {image: a, volumes: ['u:/u']}}\nvolumes: {u: {}}"

        found = [reason for reason in cost(live, live.replace(old, new)).reasons if reason.id == "VO1"]

        assert [(reason.during, reason.after, reason.resource) for reason in found] == [(0, 50, "volume:u")]
        assert what in found[0].sentence

    def test_caches_hold_nothing(self) -> None:
        """
        A volume that is labelled fresh may go.
        """
        live = "services: {a: {image: a, volumes: ['u:/u']}}\nvolumes: {u: {labels: {splitter.volume: fresh}}}"

        assert cost(live, live.replace("['u:/u']", "[]")).reasons == ()

    def test_second_writers_are_capped(self) -> None:
        """
        Each place that both stacks write costs 15, all together at most 45, and 10 after promotion.
        """
        mounts = ", ".join(f"'v{n}:/v{n}'" for n in range(5))
        volumes = ", ".join(f"v{n}: " for n in range(5))
        live = f"services: {{a: {{image: 'a:1', volumes: [{mounts}]}}}}\nvolumes: {{{volumes}}}"

        found = cost(live, live.replace("a:1", "a:2"))

        assert ids(found) == ["VO3"] * 5
        assert (found.during, found.after) == (45, 10)

    def test_folders_of_the_host(self) -> None:
        """
        A folder that both write is a place like any other; a read-only one is not.
        """
        live = "services: {a: {image: a, volumes: ['/d:/d', '/e:/e:ro']}}"

        found = cost(live, live)

        assert [reason.sentence for reason in found.reasons] == ["live and the shadow both write the folder /d (a)"]


class TestCopies:
    @pytest.mark.parametrize(
        ("size", "points"),
        [(99 * 10**6, 0), (10**8, 5), (10**9, 10), (10**10, 20), (10**11, 30), (None, 10)],
    )
    def test_cost_by_size(self, size: int | None, points: int) -> None:
        """
        A copy costs by its bytes; of unknown size, as one of some gigabytes.
        """
        live = REDIS.format("7.2", "copy")
        facts = Facts(volume_bytes={} if size is None else {"c": size})

        found = cost(live, live.replace("7.2", "7.4"), facts=facts)

        assert [(r.id, r.resource, r.points) for r in found.reasons] == [("SZ1", "volume:c", points)] * bool(points)


class TestUpgrades:
    @pytest.mark.parametrize(
        ("keys", "is_found"),
        [
            ("environment: {DB_AUTO_MIGRATE: 'true'}", True),
            ("environment: {RUN_MIGRATIONS: 1}", True),
            ("environment: {AUTO_UPGRADE: 'no'}", False),
            ("command: sh -c 'manage.py migrate && gunicorn app'", True),
            ("command: gunicorn app", False),
        ],
    )
    def test_on_start(self, keys: str, is_found: bool) -> None:
        """
        A service that upgrades shared state when it starts with another image costs 25.
        """
        live = SHOP.replace("image: 'web:1'", f"image: 'web:1', {keys}")

        found = cost(live, live.replace("web:1", "web:2"))

        assert [(r.id, r.during, r.after) for r in found.reasons] == [("MG2", 25, 25)] * is_found

    def test_of_the_same_image(self) -> None:
        """
        The same image has upgraded already.
        """
        live = SHOP.replace("image: 'web:1'", "image: 'web:1', environment: {AUTO_MIGRATE: 1}")

        assert cost(live, live.replace("AUTO_MIGRATE: 1", "AUTO_MIGRATE: 2")).reasons == ()

    def test_of_its_own_state(self) -> None:
        """
        What the shadow upgrades for itself costs nothing.
        """
        live = "services: {a: {image: 'a:1', environment: {AUTO_MIGRATE: 1}}}"

        assert cost(live, live.replace("a:1", "a:2")).reasons == ()


class TestOutside:
    @pytest.mark.parametrize(
        ("variable", "hosts"),
        [
            ("DATABASE_URL: 'postgres://me:s3cret@db.example.test:5432/shop'", ["db.example.test"]),
            ("DATABASE_URL: 'postgres://me:s3cret@db/shop'", []),
            ("SMTP_HOST: mail.example.test", ["mail.example.test"]),
            ("MQ_HOST: 'a.test:1,b.test:2'", ["a.test", "b.test"]),
            ("DB_DSN: 'me:s3cret@tcp(mysql.test:3306)/x'", ["mysql.test"]),
            ("DB_DSN: 'host=pg.test user=me password=s3cret'", ["pg.test"]),
            ("S3_ENDPOINT: 'https://s3.test'", ["s3.test"]),
            ("MONGO_URL: 'mongodb://m1.test:1,m2.test:2/x'", ["m1.test", "m2.test"]),
            ("BIND_HOST: 0.0.0.0", []),
            ("CACHE_URL: 'redis://localhost:6379'", []),
            ("PEER_HOST: alias", []),
            ("NAME: db.example.test", []),
        ],
    )
    def test_hosts_that_no_service_has(self, variable: str, hosts: list[str]) -> None:
        """
        A replaced service that speaks to another host costs 10 for each; what it says to it is not told.
        """
        live = (
            f"services: {{a: {{image: 'a:1', environment: {{{variable}}}}},"
            " db: {image: d, networks: {default: {aliases: [alias]}}}}"
        )

        found = cost(live, live.replace("a:1", "a:2")).reasons

        assert [(r.id, r.during, r.after) for r in found] == [("EX1", 10, 10)] * len(hosts)
        assert all(host in r.sentence for host, r in zip(hosts, found, strict=True))
        assert "s3cret" not in repr(found)

    def test_is_capped(self) -> None:
        """
        All of them together cost at most 30.
        """
        urls = ", ".join(f"U{n}_URL: 'http://h{n}.test'" for n in range(5))
        live = f"services: {{a: {{image: 'a:1', environment: {{{urls}}}}}}}"

        found = cost(live, live.replace("a:1", "a:2"))

        assert (found.during, found.after, found.level) == (30, 30, Level.WARN)

    def test_unchanged_services_speak_already(self) -> None:
        """
        A service that is kept costs nothing by what it speaks to.
        """
        live = "services: {a: {image: 'a:1', environment: {X_URL: 'http://h.test'}}}"

        assert cost(live, live).reasons == ()


@pytest.mark.usefixtures("every_key")
class TestPower:
    @pytest.mark.parametrize(
        ("keys", "what"),
        [
            ("volumes: ['/var/run/docker.sock:/var/run/docker.sock:ro']", "the engine's socket"),
            ("privileged: true", "all rights on the host"),
            ("pid: host", "the host's namespace (pid)"),
        ],
    )
    def test_over_the_host(self, keys: str, what: str) -> None:
        """
        A service of the shadow that could change the host or live costs 10 during the split, 5 after.
        """
        live = f"services: {{a: {{image: a, {keys}}}}}"

        found = [reason for reason in cost(live, live).reasons if reason.id == "EX2"]

        assert [(reason.during, reason.after) for reason in found] == [(10, 5)]
        assert what in found[0].sentence


class TestWayBack:
    @pytest.mark.parametrize("facts", [Facts(lost_images=frozenset("a")), Facts(drifted=frozenset("a"))])
    def test_that_may_be_closed(self, facts: Facts) -> None:
        """
        A service of live that may not come up again as it is costs 25.
        """
        live = "services: {a: {image: a}}"

        assert [(r.id, r.points, r.resource) for r in cost(live, live, facts=facts).reasons] == [
            ("RE1", 25, "service:a")
        ]

    def test_of_a_live_that_was_adopted_is_one(self) -> None:
        """
        A whole project that nobody can compare is one doubt, a warning, and not as many as it has services.
        """
        live = "services: {a: {image: a}, b: {image: b}, c: {image: c}}"

        found = cost(live, live, facts=Facts(drifted=frozenset("abc")))

        assert ids(found) == ["RE1"] * 3
        assert (found.during, found.after, found.level) == (25, 25, Level.WARN)

    @pytest.mark.parametrize(
        ("before", "after"),
        [
            ("ports: [80]", "ports: [81]"),
            ("expose: [80]", "expose: [80, 81]"),
            ("healthcheck: {test: 'curl http://a/up'}", "healthcheck: {test: 'curl http://a/healthz'}"),
        ],
    )
    def test_of_what_routes_rely_on(self, before: str, after: str) -> None:
        """
        A routed service that answers elsewhere costs 5; one that nobody routes to costs nothing.
        """
        live, shadow = (f"services: {{a: {{image: a, {keys}}}}}" for keys in (before, after))

        assert [(r.id, r.points) for r in cost(live, shadow, routed=["a"]).reasons] == [("CO1", 5)]
        assert cost(live, shadow).reasons == ()


class TestRules:
    def test_every_rule_is_asked(self) -> None:
        """
        Each rule of the three rooms is in the list, once.
        """
        rooms = (state_risks, work_risks, reach_risks)
        rules = {
            name for room in rooms for name in vars(room) if name.endswith("_reasons") and not name.startswith("_")
        }

        assert rules == {rule.__name__ for rule in RULES}
        assert len(RULES) == len(rules)


class TestJobs:
    LIVE = (
        "services: {a: {image: 'a:1', command: alembic upgrade head, networks: [n]}}\nnetworks: {n: {internal: true}}"
    )

    def test_that_writes_to_the_shadow_alone(self) -> None:
        """
        A changed job whose writes stay in the shadow costs a little, and more after promotion.
        """
        found = cost(self.LIVE, self.LIVE.replace("a:1", "a:2"))

        assert [(reason.id, reason.during, reason.after) for reason in found.reasons] == [("JB1", 5, 20)]

    def test_that_does_not_change(self) -> None:
        """
        A job that is the same has been run already.
        """
        assert cost(self.LIVE, self.LIVE).reasons == ()

    def test_left_out(self) -> None:
        """
        A job that the shadow does without costs nothing.
        """
        assert cost(self.LIVE, self.LIVE.replace("a:1", "a:2"), left_out=["a"]).reasons == ()

    def test_on_an_external_network(self) -> None:
        """
        What is on an external network is not the shadow's.
        """
        live = self.LIVE.replace("internal", "external")

        assert cost(live, live.replace("a:1", "a:2")).gates == ("JB2",)

    def test_in_the_data_of_live(self) -> None:
        """
        A job that reaches an engine of the shadow on live's data reaches live's data.
        """
        live = SHOP.replace("services:\n", "services:\n  job: {image: 'j:1', command: flyway migrate}\n")
        shadow = live.replace("j:1", "j:2").replace("15.3", "15.4")

        assert "JB2" in cost(live, shadow, handed_over=["db"]).gates

    @pytest.mark.parametrize(
        ("migration", "found"),
        [("expand", [("MG1", 5, False)]), ("contract", [("MG1", 0, True)]), ("data", [("MG1", 0, True)]), ("none", [])],
    )
    def test_label_says_what_a_migration_does(self, migration: str, found: list[tuple[str, int, bool]]) -> None:
        """
        A migration that only adds is cheap; one that takes away is a gate.
        """
        live = self.LIVE.replace("image:", f"labels: {{splitter.migration: {migration}}}, image:")

        reasons = cost(live, live.replace("a:1", "a:2")).reasons

        assert found == [(reason.id, reason.points, reason.is_gate) for reason in reasons]


class TestSingletons:
    def test_running_twice(self) -> None:
        """
        A worker that would run in both stacks costs 20 during the split, unless the shadow does without it.
        """
        live = "services: {worker: {image: w}}"

        assert [(r.id, r.during, r.after) for r in cost(live, live).reasons] == [("SG1", 20, 0)]
        assert cost(live, live, left_out=["worker"]).reasons == ()

    def test_a_new_one_runs_once(self) -> None:
        """
        A worker that live does not have runs once.
        """
        assert cost("services: {a: {image: a}}", "services: {a: {image: a}, worker: {image: w}}").reasons == ()


class TestLabels:
    @pytest.mark.parametrize(("label", "points"), [("none", 0), ("low", 10), ("high", 60), ("25", 25)])
    def test_replace_points(self, label: str, points: int) -> None:
        """
        A label replaces the points of its resource's reasons.
        """
        live = f"services: {{worker: {{image: w, labels: {{splitter.rollback.cost: '{label}'}}}}}}"

        assert cost(live, live).points == points

    def test_never_a_gate(self) -> None:
        """
        A gate falls only to an override.
        """
        live = SHOP.replace("db: {", "db: {labels: {splitter.rollback.cost: none}, ")

        found = cost(live, live.replace("15.3", "16"))

        assert found.points == 0
        assert found.gates == ("ST2", "VO2")

    def test_without_findings_or_changes(self) -> None:
        """
        A label on what does not change costs nothing.
        """
        live = "services: {a: {image: a, labels: {splitter.rollback.cost: high}}}"

        assert cost(live, live).reasons == ()

    def test_on_a_volume(self) -> None:
        """
        A volume's label counts for what happens to the volume.
        """
        live = "services: {a: {image: a, volumes: ['u:/u']}}\nvolumes: {u: {labels: {splitter.rollback.cost: low}}}"

        assert cost(live, live.replace("['u:/u']", "[]")).points == 10


class TestFirstDeploy:
    def test_is_free(self) -> None:
        """
        Where nothing was live, nothing can be broken.
        """
        nothing = Template("p", "/d", {})
        shop = template(SHOP)

        assert rollback_cost(change_set(nothing, shop), nothing, shop) == Cost()


REASONS = st.lists(
    st.builds(
        Reason,
        id=st.sampled_from(["ST1", "VO1", "VO3", "CA1", "SG1"]),
        resource=st.sampled_from(["service:a", "volume:b"]),
        during=st.integers(0, 60),
        after=st.integers(0, 60),
        sentence=st.just("s"),
        remedy=st.just("r"),
        is_gate=st.booleans(),
    ),
    max_size=6,
)
ORDER = list(Level)


class TestLaws:
    @given(REASONS, REASONS)
    def test_more_findings_never_lower_it(self, some: list[Reason], more: list[Reason]) -> None:
        """
        Points, gates and level only grow with the findings.
        """
        less, all_ = priced(some), priced(some + more)

        assert less.during <= all_.during
        assert less.after <= all_.after
        assert set(less.gates) <= set(all_.gates)
        assert ORDER.index(less.level) <= ORDER.index(all_.level)

    @pytest.mark.parametrize(
        ("points", "level"), [(19, Level.NONE), (20, Level.WARN), (59, Level.WARN), (60, Level.OVERRIDE)]
    )
    def test_thresholds(self, points: int, level: Level) -> None:
        """
        A level begins at its threshold.
        """
        assert priced([Reason("ST1", "service:a", points, 0, "s", "r")]).level is level

    def test_own_thresholds(self) -> None:
        """
        Who runs an app says what is dear.
        """
        reason = Reason("ST1", "service:a", 0, 5, "s", "r")

        assert priced([reason], Thresholds(warn=5, override=10)).level is Level.WARN

    @pytest.mark.parametrize("text", ["15.3", "web:1", "pg:/var", "ports"])
    def test_reasons_name_resources_of_the_change_set(self, text: str) -> None:
        """
        Every reason points at a resource that the change set knows.
        """
        one, other = template(SHOP), template(SHOP.replace(text, text[:-1] + "9" if text[-1].isdigit() else text))
        changes = change_set(one, other)

        resources = {reason.resource for reason in rollback_cost(changes, one, other).reasons}

        assert resources <= {change.resource for change in changes.changes}
