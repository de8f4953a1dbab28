import asyncio
import threading
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from docker import APIClient

from provisioners.docker import DockerProvisioner, contexts, names
from provisioners.docker import facts as room
from provisioners.docker.engine import Engine
from provisioners.docker.facts import facts
from provisioners.docker.parts import Parts
from provisioners.docker.shares import Guest, Shares
from splitter.change.changeset import Action, Cause
from splitter.change.plan import plan
from splitter.facts import NO_FACTS, Facts
from splitter.template import Build, Mount, MountType, Network, Service, Template, Volume
from tests.provisioners.docker.dockerd import Answer, Dockerd
from tests.provisioners.docker.samples import STACK, identity, inspected
from tests.provisioners.docker.stage import IMAGE, WEB, order, server, template

LIVE = template(
    server(image="web:1"),
    server("db", image="redis:stable"),
    volumes={"data": Volume("data", labels={"splitter.volume": "copy"}), "more": Volume("more")},
)
BUSY: Answer = (500, {"message": "a disk usage operation is already running"})


def image(id_: str, *variables: str) -> Answer:
    return 200, {"Id": id_, "Config": {"Env": list(variables)}}


def summary(service: str, made_of: str, known: names.Identity | None = None) -> dict[str, Any]:
    said = known or identity({"web": 1, "db": 1})
    return {"Id": service, "ImageID": made_of, "Labels": {**said.labels(), names.SERVICE: service}}


@pytest.fixture
def dockerd(tmp_path: Path) -> Iterator[Dockerd]:
    """An engine on which the tag of `web` was moved since live was made, and that of `db` was not."""
    with Dockerd(tmp_path / "d.sock") as dockerd:
        dockerd.answers |= {
            "GET /containers/json": [(200, [summary("web", "sha256:w1"), summary("db", "sha256:d1")])],
            "GET /networks": [(200, [])],
            "GET /volumes": [(200, {"Volumes": [{"Name": "shop-r1_data", "Labels": _labels("data")}]})],
            "GET /system/df": [(200, {"Volumes": [_weight("shop-r1_data", 42), _weight("other", 7)]})],
            "GET /images/web:1/json": [image("sha256:w2")],
            "GET /images/redis:stable/json": [image("sha256:d1", "REDIS_VERSION=7.2.1", "EMPTY=")],
            "GET /images/sha256:w1/json": [image("sha256:w1")],
            "GET /images/sha256:d1/json": [image("sha256:d1", "REDIS_VERSION=7.2.1", "EMPTY=")],
        }
        yield dockerd


@pytest.fixture
async def engine(dockerd: Dockerd) -> AsyncIterator[Engine]:
    engine = Engine(dockerd.url)
    yield engine
    await engine.close()


def _labels(key: str) -> Mapping[str, str]:
    return {**identity({"web": 1}).labels(), names.COMPOSE_VOLUME: key}


def _weight(name: str, size: int) -> Mapping[str, Any]:
    return {"Name": name, "UsageData": {"Size": size, "RefCount": 1}}


async def found(engine: Engine, after: Template = LIVE, before: Template = LIVE) -> Facts:
    return await facts(engine, Parts(engine, "shop", "home"), STACK, before, after)


class TestImages:
    async def test_are_known_by_their_ids(self, engine: Engine) -> None:
        """
        What live's containers were made of, and what the names of images mean now, with the variables of both.
        """
        known = await found(engine)

        assert known.live_images == {"web": "sha256:w1", "db": "sha256:d1"}
        assert known.shadow_images == {"web": "sha256:w2", "db": "sha256:d1"}
        assert known.live_variables["db"] == {"REDIS_VERSION": "7.2.1", "EMPTY": ""}
        assert known.shadow_variables["db"] == {"REDIS_VERSION": "7.2.1", "EMPTY": ""}
        assert known.lost_images == frozenset()

    async def test_that_are_gone_are_lost(self, dockerd: Dockerd, engine: Engine) -> None:
        """
        An image that a container of live was made of and that is not there any more is no way back; its id stays known.
        """
        del dockerd.answers["GET /images/sha256:w1/json"]

        known = await found(engine)

        assert known.lost_images == {"web"}
        assert known.live_images["web"] == "sha256:w1"

    async def test_that_are_still_to_be_pulled_have_no_id(self, dockerd: Dockerd, engine: Engine) -> None:
        """
        Nothing is pulled for a plan: what the name will mean is not known.
        """
        del dockerd.answers["GET /images/web:1/json"]

        known = await found(engine)

        assert "web" in known.live_images
        assert "web" not in known.shadow_images

    async def test_that_cannot_be_compared_have_none_either(self, engine: Engine) -> None:
        """
        Of a service that live has no container of, neither side is known.
        """
        after = template(server("new", image="redis:stable"))

        known = await found(engine, after, after)

        assert (known.live_images, known.shadow_images) == ({}, {})

    async def test_of_builds_are_those_of_live_where_nothing_differs(
        self, dockerd: Dockerd, engine: Engine, tmp_path: Path
    ) -> None:
        """
        A build of the same files is taken for live's image, one of other files is another image.
        """
        (tmp_path / "Dockerfile").write_text("FROM scratch\n")
        built = template(server(build=Build(str(tmp_path))))
        labels = {names.CONTEXT: contexts.digest(Build(str(tmp_path)), threading.Event())}
        dockerd.answers["GET /images/sha256:w1/json"] = [(200, {"Id": "sha256:w1", "Config": {"Labels": labels}})]

        before = await found(engine, built, built)
        (tmp_path / "Dockerfile").write_text("FROM scratch\nENV A=1\n")
        after = await found(engine, built, built)

        assert before.live_images == before.shadow_images == after.live_images == {"web": "sha256:w1"}
        (change,) = plan(built, built, facts=after).change_set.changes
        assert (change.action, change.cause) == (Action.REPLACE, Cause.IMAGE)
        assert change.fields[0].before == "sha256:w1"
        assert str(change.fields[0].after).startswith("build of ")

    async def test_of_builds_by_somebody_else_are_unknown(self, engine: Engine, tmp_path: Path) -> None:
        """
        An image without our label, as Compose builds them, says nothing of what it was built from.
        """
        (tmp_path / "Dockerfile").write_text("FROM scratch\n")
        built = template(server(build=Build(str(tmp_path))))

        known = await found(engine, built, built)

        assert (known.live_images, known.shadow_images) == ({"web": "sha256:w1"}, {})
        assert [change.action for change in plan(built, built, facts=known).change_set.changes] == [Action.UNKNOWN]

    async def test_of_replicas_that_differ_have_none(self, dockerd: Dockerd, engine: Engine) -> None:
        """
        Two containers of one service with two images have no image to compare with.
        """
        two = [summary("web", "sha256:w1"), summary("web", "sha256:d1")]
        dockerd.answers["GET /containers/json"] = [(200, two)]

        assert "web" not in (await found(engine)).live_images

    async def test_of_guests_count(self, dockerd: Dockerd, engine: Engine) -> None:
        """
        A service that live has of an older stack is what that stack's container was made of.
        """
        shares = Shares({"db": Guest(("shop-r0-db-1",), {})})
        mine = replace(identity({"web": 1}), shares=shares)
        dockerd.answers["GET /containers/json"] = [(200, [summary("web", "sha256:w1", mine)])]
        dockerd.answers["GET /volumes"] = [(200, {"Volumes": None})]
        dockerd.answers["GET /containers/shop-r0-db-1/json"] = [(200, {**inspected("db"), "Image": "sha256:d1"})]

        assert (await found(engine)).live_images["db"] == "sha256:d1"

    async def test_of_adopted_containers_may_be_unknown(self, dockerd: Dockerd, engine: Engine) -> None:
        """
        Where the image that the template names is not there, nobody knows whether the container is what it says.
        """
        mine = replace(identity({"web": 1, "db": 1}), adopted={"web": ("old-web-1",), "db": ("old-db-1",)})
        marker = {"Name": "shop-r1_adopted", "Labels": mine.labels()}
        dockerd.answers |= {
            "GET /containers/json": [(200, [])],
            "GET /volumes": [(200, {"Volumes": [marker]})],
            "GET /containers/old-web-1/json": [(200, {**inspected("web"), "Image": "sha256:w1"})],
            "GET /containers/old-db-1/json": [(200, {**inspected("db"), "Image": "sha256:d1"})],
        }
        del dockerd.answers["GET /images/web:1/json"]

        known = await found(engine)

        assert known.drifted == {"web"}
        assert known.live_images == {"web": "sha256:w1", "db": "sha256:d1"}


class TestVolumes:
    async def test_that_are_copied_are_weighed(self, engine: Engine) -> None:
        """
        Only volumes of which the shadow gets a copy are asked for.
        """
        assert (await found(engine)).volume_bytes == {"data": 42}

    async def test_are_asked_for_again_while_the_engine_is_busy(self, dockerd: Dockerd, engine: Engine) -> None:
        """
        An engine weighs for one client at a time and refuses the others, who ask again.
        """
        dockerd.answers["GET /system/df"].insert(0, BUSY)

        assert (await found(engine)).volume_bytes == {"data": 42}

    @pytest.mark.parametrize(
        "answer",
        [(200, {"Volumes": None}), (200, {"Volumes": [_weight("shop-r1_data", -1)]}), (500, {"message": "no disk"})],
    )
    async def test_of_which_the_engine_says_nothing_are_unknown(
        self, dockerd: Dockerd, engine: Engine, answer: Answer
    ) -> None:
        """
        A size that is not known is left out, and takes nothing else with it.
        """
        dockerd.answers["GET /system/df"] = [answer]

        known = await found(engine)

        assert known.volume_bytes == {}
        assert known.live_images["web"] == "sha256:w1"

    async def test_without_a_copy_trouble_nobody(self, dockerd: Dockerd, engine: Engine) -> None:
        """
        An engine walks through all its files to weigh volumes, so it is asked only where that matters.
        """
        dockerd.answers["GET /system/df"] = [(200, {"Volumes": [_weight("shop-r1_data", 42)]}), (500, {})]
        plain = replace(LIVE, volumes={"data": Volume("data")})

        assert (await found(engine, plain)).volume_bytes == {}
        assert len(dockerd.answers["GET /system/df"]) == 2


class TestAnEngine:
    async def test_that_cannot_say_leaves_all_unknown(self, dockerd: Dockerd, engine: Engine) -> None:
        """
        A plan does not fail for want of a fact.
        """
        dockerd.answers["GET /images/redis:stable/json"] = [(500, {"message": "the store is broken"})]
        dockerd.answers["GET /volumes"] = [(500, {"message": "the store is broken"})]

        assert await found(engine) == NO_FACTS

    async def test_that_says_nothing_in_time_does_too(self, engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
        """
        A plan does not wait for an engine that takes its time.
        """
        monkeypatch.setattr(room, "LOOK_S_MAX", 0.0)

        assert await found(engine) == NO_FACTS

    async def test_without_the_stack_knows_nothing_of_it(self, dockerd: Dockerd, engine: Engine) -> None:
        """
        Of a stack that is not there nothing is known.
        """
        dockerd.answers["GET /containers/json"] = [(200, [])]
        dockerd.answers["GET /volumes"] = [(200, {"Volumes": None})]

        assert await found(engine) == NO_FACTS


@pytest.mark.docker
class TestPlan:
    @pytest.fixture
    def tag(self, client: APIClient, app: str) -> Iterator[str]:
        """A name for the tests' image that can be moved to another one."""
        client.tag(IMAGE, app, "stable")
        yield f"{app}:stable"
        client.remove_image(f"{app}:stable", force=True)

    async def test_sees_another_image_under_the_same_name(
        self, app: str, tag: str, client: APIClient, provisioner: DockerProvisioner
    ) -> None:
        """
        A tag that is moved while live runs is a replacement, whose copy has a known size.
        """
        store: Service = server("store", ports=(), mounts=(Mount(MountType.VOLUME, "/data", "data"),))
        made = template(
            server(image=tag),
            store,
            networks={"default": Network("default")},
            volumes={"data": Volume("data", labels={"splitter.volume": "copy"})},
        )
        live = await provisioner.create(order(app, made, WEB), lambda _: None)
        before = plan(made, made, facts=await provisioner.facts(live.id, made, made))
        client.commit(f"{live.id}-web-1", app, "stable", changes=["ENV AGE=new"])

        while "data" not in (known := await provisioner.facts(live.id, made, made)).volume_bytes:  # noqa: ASYNC110
            await asyncio.sleep(0.2)  # who else asks this engine may keep it busy

        after = plan(made, made, facts=known)
        change = after.change_set.of("service:web")
        assert {each.action for each in before.change_set.changes} == {Action.KEEP}
        assert change is not None
        assert (change.action, change.cause) == (Action.REPLACE, Cause.IMAGE)
        assert known.shadow_variables["web"]["AGE"] == "new"
        assert known.volume_bytes["data"] < 100_000
        assert "SZ1" not in {reason.id for reason in after.cost.reasons}
