from splitter.change.plan import Plan, plan
from splitter.placement import Placement, VolumeMode
from tests.change.compose import template

LIVE = """
services:
  web: {image: 'web:1', ports: ['80:80'], volumes: ['uploads:/u', 'assets:/a:ro'], depends_on: [db]}
  db: {image: 'postgres:15', volumes: ['pg:/var/lib/postgresql/data']}
  worker: {image: 'web:1', command: celery worker, volumes: ['uploads:/u']}
  migrate: {image: 'web:1', command: alembic upgrade, restart: 'no', labels: {splitter.migration: none}}
volumes: {pg: , uploads: , assets: , new: }
"""


def planned(shadow: str, live: str = LIVE) -> Plan:
    return plan(template(live), template(shadow), routed=["web"])


def placed(old: str, new: str) -> Placement:
    """Return the placement of `LIVE` with another web server and one more change."""
    return planned(LIVE.replace("web:1", "web:2").replace(old, new)).placement


class TestPlace:
    def test_shares_state_and_leaves_singletons_out(self) -> None:
        """
        An unchanged database is live's, named volumes are the same, a worker waits for the promotion.
        """
        found = placed("", "")

        assert found == Placement(
            shared=("db",),
            volumes={"assets": VolumeMode.SHARE_RO, "pg": VolumeMode.SHARE, "uploads": VolumeMode.SHARE},
            singletons=("worker",),
        )

    def test_lets_singletons_run_that_may(self) -> None:
        """
        Whoever says that two may run at once is believed.
        """
        found = placed("command: celery worker,", "command: celery worker, labels: {splitter.singleton: run},")

        assert found.singletons == ()

    def test_has_other_bounds_set_on_what_is_shared(self) -> None:
        """
        A shared database gets its new bounds when live is gone; the plan says when, and that it costs nothing.
        """
        found = planned(LIVE.replace("image: 'postgres:15'", "image: 'postgres:15', mem_limit: 1g, cpus: 2"))

        assert (found.placement.shared, found.placement.resized) == (("db",), ("db",))
        assert found.notes[0].startswith("db is shared with live, and stays as it is until the former live stack is")
        assert found.notes[0].endswith("then limits.cpus, limits.memory_bytes is set on it as it runs")
        assert (found.obstacles, [each.id for each in found.cost.reasons if each.resource == "service:db"]) == ((), [])
        assert planned(LIVE.replace("web:1", "web:2")).placement.resized == ()

    def test_runs_jobs_when_their_label_says(self) -> None:
        """
        A job runs with its stack unless its label names another time, or none.
        """
        late = placed("splitter.migration: none", "splitter.migration: none, splitter.job: on-promote")
        never = placed("splitter.migration: none", "splitter.migration: none, splitter.job: skip")

        assert (late.late, late.skipped) == (("migrate",), ())
        assert (never.late, never.skipped) == ((), ("migrate",))

    def test_a_volume_is_one_thing_for_the_whole_shadow(self) -> None:
        """
        If one service writes a fresh volume, the one that reads it gets the same fresh one.
        """
        text = """
        services:
          web: {image: 'web:1', ports: ['80:80'], volumes: ['up:/u:ro']}
          api: {image: 'api:1', ports: ['81:81'], volumes: ['up:/u']}
        volumes: {up: {labels: {splitter.volume: fresh}}}
        """

        assert planned(text.replace("web:1", "web:2"), text).placement.volumes == {}

    def test_an_external_volume_is_nobody_s(self) -> None:
        """
        A volume that is there already is the same for all, also where live's database is shared or it is only read.
        """
        text = """
        services:
          web: {image: 'web:1', ports: ['80:80'], volumes: ['assets:/a:ro']}
          db: {image: 'postgres:15', volumes: ['pg:/var/lib/postgresql/data']}
        volumes: {pg: {external: true}, assets: {external: true}}
        """

        found = planned(text.replace("web:1", "web:2"), text).placement

        assert found.shared == ("db",)
        assert found.volumes == {"assets": VolumeMode.EXTERNAL, "pg": VolumeMode.EXTERNAL}

    def test_a_volume_that_live_never_mounted_is_fresh(self) -> None:
        """
        A volume that live only declares was never made, so there is nothing to share or to copy.
        """
        shadow = LIVE.replace("'uploads:/u', ", "'uploads:/u', 'new:/n', ").replace("web:1", "web:2")

        assert "new" not in planned(shadow).placement.volumes

    def test_pauses_only_by_consent(self) -> None:
        """
        Writers stand still for a copy where the volume's label allows it.
        """
        copy = "uploads: {labels: {splitter.volume: copy, splitter.copy: pause}}"

        assert placed("uploads: ,", f"{copy},").paused == ("uploads",)
        assert placed("uploads: ,", f"{copy.replace('pause', 'run')},").paused == ()

    def test_of_the_first_stack_waits_for_nobody(self) -> None:
        """
        A stack that stands alone shares nothing; its singletons are known, for the day that another is promoted.
        """
        found = plan(None, template(LIVE), routed=["web"]).placement

        assert found == Placement(singletons=("worker",))
        assert found.waiting == ()


class TestObstacles:
    def test_two_engines_on_one_folder(self) -> None:
        """
        A database that changes cannot run beside the one of live on the same data.
        """
        (found,) = planned(LIVE.replace("postgres:15", "postgres:15.4")).obstacles

        assert "two engines cannot write one data folder (volume pg at /var/lib/postgresql/data)" in found
        assert "`splitter.volume: copy`" in found

    def test_a_copy_of_what_is_being_written(self) -> None:
        """
        The data folder of a running engine is copied only while the engine stands still.
        """
        labels = "splitter.volume: copy"
        shadow = LIVE.replace("postgres:15", "postgres:16").replace("pg: ,", f"pg: {{labels: {{{labels}}}}},")

        (found,) = planned(shadow).obstacles

        assert "volume pg is to be copied while db writes it" in found
        assert "`splitter.copy-hook: <command>`" in found
        assert planned(shadow.replace(labels, f"{labels}, splitter.copy: pause")).obstacles == ()
        assert planned(shadow.replace(labels, f"{labels}, splitter.copy-hook: pg_dump -f x")).obstacles == ()

    def test_a_sleeper_that_others_need(self) -> None:
        """
        A service that another cannot start without is not left out.
        """
        shadow = LIVE.replace("depends_on: [db]", "depends_on: [db, worker]").replace(
            "command: celery worker,", "command: celery worker, labels: {splitter.singleton: skip},"
        )

        (found,) = planned(shadow).obstacles

        assert "service web needs worker, which is left out of the shadow" in found

    def test_there_are_none_for_what_is_usual(self) -> None:
        """
        A web server, a worker, a database and a volume of uploads are no obstacle any more.
        """
        assert planned(LIVE.replace("web:1", "web:2")).obstacles == ()


class TestNotes:
    def test_say_what_a_label_makes_of_a_change(self) -> None:
        """
        A service that is shared by its label does not change, whatever its template says.
        """
        text = LIVE.replace("db: {", "db: {labels: {splitter.scope: shared}, ")

        notes = planned(text.replace("postgres:15", "postgres:15.4"), text).notes

        assert "db is shared with live, as its scope says, so what changes about it has no effect" in notes
