"""A daemon that dies between any two calls of the engine leaves nothing that the next one does not clean up."""

import contextlib
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest

from provisioners.docker import DockerOptions, DockerProvisioner
from provisioners.docker import provisioner as room
from provisioners.docker.images import Images
from splitter.contracts import Finding, StackOrder
from splitter.errors import StackError
from splitter.model import StackId
from splitter.placement import Placement, VolumeMode
from splitter.template import Attachment, Ipam, Limits, Mount, MountType, Network, Pool, Template, Volume
from tests.provisioners.docker.memory import Client, KilledError, MemoryEngine, World, refused
from tests.provisioners.docker.stage import WEB, order, server, template

LIVE, SHADOW = StackId("shop-r1"), StackId("shop-r2")
BESIDE = Placement(
    base=LIVE,
    shared=("db",),
    volumes={"data": VolumeMode.SHARE, "uploads": VolumeMode.COPY},
    paused=("uploads",),
    singletons=("worker",),
)
CALLS_MIN = 5
SUBNET = "10.77.0.0/24"
FIXED = Ipam(pools=(Pool(SUBNET),))
Story = Callable[[DockerProvisioner], Awaitable[Any]]


def shop() -> Template:
    """Return a web server with uploads, a database with data, a worker."""
    data, uploads = (Mount(MountType.VOLUME, f"/{key}", key) for key in ("data", "uploads"))
    return template(
        server(image="app:1", mounts=(uploads,)),
        server("db", image="app:1", mounts=(data,), labels={"splitter.stateful": "true"}),
        server("worker", image="app:1", ports=()),
        volumes={"data": Volume("data"), "uploads": Volume("uploads")},
    )


def wanted(revision: int, placement: Placement, **keys: Any) -> StackOrder:
    return order("shop", shop(), revision=revision, placement=placement, **keys)


FIRST = wanted(1, Placement(singletons=("worker",)))
SECOND = wanted(2, BESIDE)


@contextlib.contextmanager
def daemon(world: World, dies_at: int | None = None) -> Iterator[tuple[DockerProvisioner, MemoryEngine]]:
    """Make a daemon's provisioner over `world`."""
    engine = MemoryEngine(world, dies_at)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(room, "Engine", lambda *_: engine)
        yield DockerProvisioner("shop", "home", DockerOptions(endpoint="bridge", pull=False)), engine


async def run(world: World, *stories: Story, dies_at: int | None = None) -> int:
    """Let a daemon live through `stories`, or die in them; return how many calls it made."""
    with daemon(world, dies_at) as (provisioner, engine):
        try:
            for story in stories:
                await story(provisioner)
        except KilledError:
            assert dies_at is not None
        finally:
            engine.is_dead = engine.is_dead or dies_at is not None
            await provisioner.close()
        return engine.calls


async def told(world: World, wanted: StackOrder, options: DockerOptions) -> list[str]:
    """Return what a daemon with `options` says while it makes a stack."""
    said: list[str] = []

    async def make(provisioner: DockerProvisioner) -> None:
        provisioner._options = options
        await provisioner.create(wanted, said.append)

    await run(world, make)
    return said


async def looked(world: World, wanted: StackOrder, options: DockerOptions, *, fetch: bool = True) -> list[Finding]:
    """Return what a daemon with `options` finds when it looks at an order."""
    found: list[Finding] = []

    async def check(provisioner: DockerProvisioner) -> None:
        provisioner._options = options
        provisioner._images = Images(provisioner._engine, pull=options.pull)
        found.extend(await provisioner.check(wanted, fetch=fetch))

    await run(world, check)
    return found


async def problems(world: World, wanted: StackOrder, options: DockerOptions) -> list[str]:
    """Return what a daemon with `options` has against making a stack."""
    return [each.sentence for each in await looked(world, wanted, options) if each.is_refusal]


async def make_live(provisioner: DockerProvisioner) -> None:
    await provisioner.create(FIRST, lambda _: None)


async def make_shadow(provisioner: DockerProvisioner) -> None:
    await provisioner.create(SECOND, lambda _: None)


async def retire_shadow(provisioner: DockerProvisioner) -> None:
    await provisioner.retire(SHADOW)


async def retire_live(provisioner: DockerProvisioner) -> None:
    await provisioner.retire(LIVE)


async def hand_over(provisioner: DockerProvisioner) -> None:
    await provisioner.deactivate(LIVE)
    await provisioner.activate(SHADOW, 30.0)


async def hand_back(provisioner: DockerProvisioner) -> None:
    await provisioner.deactivate(SHADOW)
    await provisioner.activate(LIVE, 30.0)


async def make_live_again(provisioner: DockerProvisioner) -> None:
    await provisioner.create(replace(FIRST, again=True), lambda _: None)


async def made(*stories: Story, without: str = "") -> World:
    """Return a world after `stories`, with rows where live keeps them; somebody removed the container `without`."""
    world = World()
    await run(world, make_live)
    for volume in ("shop-r1_data", "shop-r1_uploads"):
        world.volumes[volume]["data"].add("row")
    await run(world, *stories)
    world.lose(without)
    return world


async def each_death(*before: Story, story: Story, without: str = "") -> list[World]:
    """Return the worlds that a daemon leaves when it dies at each of the calls of `story`."""
    calls = await run(await made(*before, without=without), story)
    assert calls > CALLS_MIN, "there is hardly a call to die at"
    worlds = []
    for number in range(calls):
        world = await made(*before, without=without)
        await run(world, story, dies_at=number)
        worlds.append(world)
    return worlds


async def is_live_well(world: World) -> bool:
    """Return whether live is whole, with its data, on its own network alone, and nothing of it stands still."""

    async def look(provisioner: DockerProvisioner) -> None:
        found.extend(await provisioner.find())

    found: list[Any] = []
    await run(world, look)
    return (
        [each.id for each in found if each.stack is not None] == [LIVE]
        and world.networks_of("shop-r1-db-1") == ["shop-r1_default"]
        and world.volumes["shop-r1_data"]["data"] == {"row"}
        and not any(each["State"]["Paused"] for each in world.containers.values())
    )


async def clean_up(provisioner: DockerProvisioner) -> None:
    """Do what a new daemon does: find what there is, and retire what its journal does not know."""
    for found in await provisioner.find():
        if found.id != LIVE:
            await provisioner.retire(found.id)


class TestDeath:
    @pytest.mark.parametrize("story", [make_shadow, retire_shadow], ids=["making", "retiring"])
    async def test_leaves_nothing_of_a_shadow(self, story: Story) -> None:
        """
        Wherever a daemon dies while it makes or retires a shadow, the next one removes it, and live is as it was.
        """
        before = (make_shadow,) if story is retire_shadow else ()
        for world in await each_death(*before, story=story):
            await run(world, clean_up)

            assert world.of(SHADOW) == []
            assert await is_live_well(world)

    async def test_leaves_live_to_be_made_again(self) -> None:
        """
        Wherever a daemon dies while it makes live again, the next one does it, on the same data.
        """
        for world in await each_death(story=make_live_again, without="shop-r1-web-1"):
            await run(world, make_live_again)

            assert await is_live_well(world)

    async def test_leaves_the_former_live_to_be_retired(self) -> None:
        """
        Wherever a daemon dies while it retires the former live, the next one ends it, but for what the new one uses.
        """
        for world in await each_death(make_shadow, hand_over, story=retire_live):
            left: list[str] = []

            async def again(provisioner: DockerProvisioner, left: list[str] = left) -> None:
                left.extend(await provisioner.retire(LIVE))

            await run(world, again)

            assert left == ["shop-r1-db-1", "shop-r1_data"]
            assert world.of(LIVE) == ["shop-r1-db-1", "shop-r1_data", "shop-r1_default"]
            assert world.volumes["shop-r1_data"]["data"] == {"row"}

    async def test_leaves_one_worker_that_runs(self) -> None:
        """
        Wherever a daemon dies while it hands the worker over, the next one has it run in the new stack alone.
        """
        for world in await each_death(make_shadow, story=hand_over):
            await run(world, hand_over)

            running = {name: each["State"]["Running"] for name, each in world.containers.items() if "worker" in name}
            assert running == {"shop-r1-worker-1": False, "shop-r2-worker-1": True}


def composed() -> World:
    """Return a world in which somebody's Compose has brought the shop up as the project `old`."""
    world = World()
    client = Client(world, MemoryEngine(world))
    client.create_network("old_default")
    for number, (name, service) in enumerate(sorted(shop().services.items()), 1):
        labels = {
            "com.docker.compose.project": "old",
            "com.docker.compose.service": name,
            "com.docker.compose.container-number": "1",
            "com.docker.compose.oneoff": "False",
        }
        mounts = [{"Type": "volume", "Source": f"old_{each.source}", "Target": each.target} for each in service.mounts]
        networks: dict[str, Any] = {"EndpointsConfig": {"old_default": {}}}
        config = {"Image": "app:1", "Labels": labels, "HostConfig": {"Mounts": mounts}, "NetworkingConfig": networks}
        client.create_container_from_config(config, f"old-{name}-{number}")
        client.start(f"old-{name}-{number}")
    world.volumes["old_data"]["data"].add("row")
    return world


async def adopt(provisioner: DockerProvisioner) -> None:
    await provisioner.create(wanted(1, Placement(adopted="old", singletons=("worker",))), lambda _: None)


async def make_beside_old(provisioner: DockerProvisioner) -> None:
    await provisioner.create(SECOND, lambda _: None)


async def adopted_deaths(*before: Story, story: Story) -> list[World]:
    """Return the worlds that a daemon leaves when it dies at each call of `story`, over the adopted project."""
    whole = composed()
    await run(whole, *before)
    calls = await run(whole, story)
    assert calls > CALLS_MIN, "there is hardly a call to die at"
    worlds = []
    for number in range(calls):
        world = composed()
        await run(world, *before)
        await run(world, story, dies_at=number)
        worlds.append(world)
    return worlds


class TestDeathOverAnAdoptedProject:
    OLD = ("old-db-1", "old-web-2", "old-worker-3")
    PINS = ("splitter-keep/shop-db:r1", "splitter-keep/shop-web:r1", "splitter-keep/shop-worker:r1")

    async def test_leaves_it_to_be_adopted_again(self) -> None:
        """
        Wherever a daemon dies while it adopts, the next one does it; nothing is made, moved, stopped or pinned twice.
        """
        before = {name: each["Id"] for name, each in composed().containers.items()}
        for world in await adopted_deaths(story=adopt):
            await run(world, adopt)

            assert {name: each["Id"] for name, each in world.containers.items()} == before
            assert all(each["State"]["Running"] for each in world.containers.values())
            assert (set(world.networks), set(world.tags)) == ({"old_default"}, set(self.PINS))
            assert set(world.volumes) == {"old_data", "old_uploads", "shop-r1_adopted"}

    async def test_leaves_nothing_of_a_shadow_beside_it(self) -> None:
        """
        Wherever a daemon dies while it makes a shadow beside an adopted stack, the next one removes the shadow alone.
        """
        for world in await adopted_deaths(adopt, story=make_beside_old):
            await run(world, clean_up)

            assert world.of(SHADOW) == []
            assert set(world.networks) == {"old_default"}
            assert all(each["State"]["Status"] == "running" for each in world.containers.values())
            assert set(world.containers) == set(self.OLD)

    async def test_leaves_it_to_be_let_go(self) -> None:
        """
        Wherever a daemon dies while it retires an adopted stack, the next one ends it, and all that is not ours stays.
        """
        for world in await adopted_deaths(adopt, make_beside_old, retire_shadow, story=retire_live):
            await run(world, retire_live)

            assert set(world.containers) == set(self.OLD)
            assert not any(each["State"]["Running"] for each in world.containers.values())
            assert (world.of(LIVE), world.tags, set(world.networks)) == ([], {}, {"old_default"})
            assert world.volumes["old_data"]["data"] == {"row"}

    async def test_leaves_what_the_new_stack_uses_of_it(self) -> None:
        """
        Wherever a daemon dies while it retires an adopted stack after a promotion, the shared database runs on.
        """
        for world in await adopted_deaths(adopt, make_beside_old, hand_over, story=retire_live):
            await run(world, retire_live)

            running = {name for name in self.OLD if world.containers[name]["State"]["Running"]}
            assert running == {"old-db-1"}
            assert world.containers["shop-r2-web-1"]["State"]["Running"]
            assert world.volumes["old_data"]["data"] == {"row"}


def resizing() -> StackOrder:
    """Return an order of a shadow that wants the shared database to have more memory."""
    larger = replace(shop().services["db"], limits=Limits(memory_bytes=2**30, cpus=2.0))
    plain = wanted(2, replace(BESIDE, resized=("db",)))
    return replace(plain, template=replace(plain.template, services={**plain.template.services, "db": larger}))


async def make_resizing(provisioner: DockerProvisioner) -> None:
    await provisioner.create(resizing(), lambda _: None)


class TestBounds:
    def bounds(self, world: World) -> tuple[int | None, int | None]:
        config = world.containers["shop-r1-db-1"]["HostConfig"]
        return config.get("Memory"), config.get("NanoCpus")

    async def test_of_a_guest_are_live_s_until_live_is_gone(self) -> None:
        """
        Neither the shadow's making nor its promotion touches live's database, and a rollback leaves nothing of it.
        """
        world = await made(make_resizing, hand_over)
        assert self.bounds(world) == (None, None)

        await run(world, hand_back, retire_shadow)

        assert self.bounds(world) == (None, None)
        assert await is_live_well(world)

    async def test_of_a_guest_are_set_wherever_a_daemon_dies(self) -> None:
        """
        Wherever a daemon dies while it retires the former live, in the end the database has them, and ran on.
        """
        for world in await each_death(make_resizing, hand_over, story=retire_live):
            await run(world, retire_live)

            assert self.bounds(world) == (2**30, 2 * 10**9)
            assert world.containers["shop-r1-db-1"]["State"]["Running"]

    async def test_of_an_adopted_guest_are_set_too(self) -> None:
        """
        A database that Compose has made gets them when the adopted stack is let go.
        """
        world = composed()

        await run(world, adopt, make_resizing, hand_over, retire_live)

        config = world.containers["old-db-1"]["HostConfig"]
        assert (config["Memory"], config["NanoCpus"]) == (2**30, 2 * 10**9)

    async def test_that_are_refused_end_no_retirement(self) -> None:
        """
        An engine that cannot set them leaves the database as it is, and live is retired all the same.
        """
        order = resizing()
        tiny = replace(order.template.services["db"], limits=Limits(memory_bytes=1))
        order = replace(order, template=replace(order.template, services={**order.template.services, "db": tiny}))

        async def make(provisioner: DockerProvisioner) -> None:
            await provisioner.create(order, lambda _: None)

        world = await made(make, hand_over, retire_live)

        assert self.bounds(world) == (None, None)
        assert world.of(LIVE) == ["shop-r1-db-1", "shop-r1_data", "shop-r1_default"]


class TestImages:
    @pytest.mark.parametrize("lost", ["shop-r1-web-1", "shop-r1-db-1"])
    async def test_that_live_is_made_of_stay_the_same(self, lost: str) -> None:
        """
        A name that means a newer image by now does not lead live to it: what is made again is made of the same.
        """
        world = await made(without=lost)
        world.moved["app:1"] = "sha256:newer"

        await run(world, make_live_again)

        assert {each["Image"] for each in world.containers.values()} == {"sha256:app:1"}
        assert await is_live_well(world)

    async def test_that_are_gone_are_those_of_today(self) -> None:
        """
        Where the image of then is gone, live is made again of what its name means now: that is better than nothing.
        """
        world = await made(without="shop-r1-web-1")
        for part in (*world.containers.values(), *world.networks.values(), *world.volumes.values()):
            if "splitter.images" in part["Labels"]:
                part["Labels"]["splitter.images"] = part["Labels"]["splitter.images"].replace("app:1", "app:0")

        await run(world, make_live_again)

        assert await is_live_well(world)


class TestErrors:
    async def test_of_a_missing_image_come_before_anything_is_made(self) -> None:
        """
        404: the image is named before the first call that makes something.
        """
        world = World(images=set())

        with pytest.raises(StackError, match="image app:1 is not on the engine"):
            await run(world, make_live)

        assert world.containers == world.networks == world.volumes == {}

    async def test_of_a_network_that_was_taken_meanwhile(self) -> None:
        """
        403: the engine's word about overlapping addresses ends the making, and nothing is left.
        """
        world = World()
        whole = template(server(image="app:1"), networks={"default": Network("default", ipam=FIXED)})

        async def make(provisioner: DockerProvisioner) -> None:
            await provisioner.create(order("shop", whole, revision=1), take)

        def take(line: str) -> None:
            if line.startswith("creating network"):
                world.networks["other"] = {
                    "Id": "x",
                    "Name": "other",
                    "Labels": {},
                    "IPAM": {"Config": [{"Subnet": SUBNET}]},
                    "Containers": {},
                }

        with pytest.raises(StackError, match="Pool overlaps"):
            await run(world, make)

        assert list(world.networks) == ["other"]

    async def test_of_a_name_that_was_taken_meanwhile(self) -> None:
        """
        409: whoever took the name between the check and the create keeps it, and the sentence says what to do.
        """
        world = World()

        async def make(provisioner: DockerProvisioner) -> None:
            await provisioner.create(order("shop", template(server(image="app:1")), revision=1), take)

        def take(line: str) -> None:
            if line.startswith("creating network"):
                world.containers["shop-r1-web-1"] = {
                    "Id": "x",
                    "Name": "/shop-r1-web-1",
                    "Labels": {},
                    "Mounts": [],
                    "State": {"Status": "running", "Running": True},
                }

        with pytest.raises(StackError, match=r"create container shop-r1-web-1: .* Remove or rename it"):
            await run(world, make)

        assert [each["Id"] for each in world.containers.values()] == ["x"]
        assert world.networks == {}

    async def test_of_two_networks_at_create_never_come(self) -> None:
        """
        400: an older engine refuses a create with two networks, so the second is joined before the start.
        """
        world = World()
        both = server(image="app:1", networks=(Attachment("back"), Attachment("front")))
        networks = {key: Network(key) for key in ("back", "front")}

        await told(world, order("shop", template(both, networks=networks)), DockerOptions(endpoint="bridge"))

        assert world.networks_of("shop-r1-web-1") == ["shop-r1_back", "shop-r1_front"]

    async def test_of_a_create_leave_nothing(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """
        400: what the engine says about a body that it does not take is passed on, and nothing is left.
        """
        world = World()

        def refuse(*_: object) -> None:
            raise refused(400, "Container cannot be connected to network endpoints: two of them")

        monkeypatch.setattr(Client, "_create", refuse)

        with pytest.raises(StackError, match=r"could not create container shop-r1-.*: Container cannot be connected"):
            await run(world, make_live)

        assert world.containers == world.networks == world.volumes == {}

    async def test_of_a_port_leave_no_container(self) -> None:
        """
        500: a start that the engine refuses, after the create, removes what was created.
        """
        world = World(ports={"8000/tcp"})

        async def make(provisioner: DockerProvisioner) -> None:
            provisioner._options = DockerOptions(endpoint="loopback", pull=False)
            await provisioner.create(order("shop", shop(), WEB, revision=1), lambda _: None)

        with pytest.raises(StackError, match="Something else on the host holds that port"):
            await run(world, make)

        assert world.of(LIVE) == []
