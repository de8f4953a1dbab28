import asyncio
import time
from dataclasses import replace
from typing import Any

import pytest
from docker import APIClient

from provisioners.docker import DockerProvisioner
from splitter.contracts import StackDied
from splitter.errors import StackError
from splitter.model import Endpoint, ServicePort, Stack, StackId
from splitter.placement import ALONE, Placement, VolumeMode
from splitter.template import Limits, Mount, MountType, Service, Template, Volume
from tests.provisioners.docker.conftest import MakeProvisioner, traces
from tests.provisioners.docker.stage import WEB, ask, endpoint, order, server, soon, template

DATA = (Mount(MountType.VOLUME, "/data", "data"),)
DATABASE = server("db", mounts=DATA, labels={"splitter.stateful": "true"})


def shop(*more: Service) -> Template:
    """Return a web server and its database."""
    return template(server(), DATABASE, *more, volumes={"data": Volume("data")})


def beside(app: str, revision: int, **keys: Any) -> Placement:
    """Return the placement of a shadow that shares the database with the stack of `revision`."""
    kept: dict[str, Any] = {"shared": ("db",), "volumes": {"data": VolumeMode.SHARE}}
    return Placement(base=StackId(f"{app}-r{revision}"), **(kept | keys))


class Line:
    """The stacks of one app, one after the other, each beside the one before."""

    def __init__(self, app: str, provisioner: DockerProvisioner) -> None:
        self.app = app
        self.provisioner = provisioner

    async def make(self, revision: int, **keys: Any) -> Stack:
        """Make the stack of `revision`, which shares the database with the one before."""
        if revision > 1:
            keys = {"placement": beside(self.app, revision - 1), **keys}
        return await self.provisioner.create(order(self.app, shop(), WEB, revision=revision, **keys), lambda _: None)

    async def retire(self, revision: int) -> list[str]:
        return list(await self.provisioner.retire(StackId(f"{self.app}-r{revision}")))


@pytest.fixture
def line(app: str, provisioner: DockerProvisioner) -> Line:
    return Line(app, provisioner)


def inspect(client: APIClient, name: str) -> dict[str, Any]:
    return dict(client.inspect_container(name))


async def saved(stack: Stack) -> list[str]:
    """Return the rows that a stack's web server reads from its database."""
    return (await ask(endpoint(stack), "/saved")).split()


@pytest.mark.docker
class TestSharedService:
    async def test_serves_both_stacks_and_survives_a_rollback(self, app: str, line: Line, client: APIClient) -> None:
        """
        The live database joins the shadow's network under its name, without a restart: both read what either writes,
        and a shadow that is retired takes nothing with it but what is its own.
        """
        live = await line.make(1)
        before = inspect(client, f"{app}-r1-db-1")["State"]["StartedAt"]

        shadow = await line.make(2)

        await ask(endpoint(live), "/save?row=old")
        await ask(endpoint(shadow), "/save?row=new")
        assert await saved(live) == await saved(shadow) == ["old", "new"]
        assert inspect(client, f"{app}-r1-db-1")["State"]["StartedAt"] == before
        assert [name for name in traces(client, app) if name.startswith(f"/{app}-r2")] == [f"/{app}-r2-web-1"]
        assert await line.retire(2) == []
        assert await saved(live) == ["old", "new"]
        assert list(inspect(client, f"{app}-r1-db-1")["NetworkSettings"]["Networks"]) == [f"{app}-r1_default"]

    async def test_is_handed_from_stack_to_stack(self, app: str, line: Line, client: APIClient) -> None:
        """
        The database outlives the stack that made it, for as long as one uses it, and goes after the last one.
        """
        await ask(endpoint(await line.make(1)), "/save?row=one")
        await ask(endpoint(await line.make(2)), "/save?row=two")
        left = await line.retire(1)
        third = await line.make(3)
        assert await line.retire(2) == []

        rows = await saved(third)
        whole = {found.id: found.stack is not None for found in await line.provisioner.find()}

        assert left == [f"{app}-r1-db-1", f"{app}-r1_data"]
        assert rows == ["one", "two"]
        assert whole == {f"{app}-r1": False, f"{app}-r3": True}
        assert await line.retire(1) == left
        assert await line.retire(3) == []
        assert await line.retire(1) == []
        assert traces(client, app) == []

    async def test_that_dies_is_a_loss_of_its_last_user(self, app: str, line: Line, client: APIClient) -> None:
        """
        A stack is watched with what it stands on, whoever made that.
        """
        await line.make(1)
        shadow = await line.make(2)
        await line.retire(1)
        first = asyncio.ensure_future(anext(line.provisioner.watch(shadow.id)))
        await asyncio.sleep(0)

        client.kill(f"{app}-r1-db-1")

        died = await soon(first)
        assert isinstance(died, StackDied)
        assert f"stack {app}-r2: container {app}-r1-db-1 exited with code 137" in died.reason

    async def test_needs_a_base_that_has_it(self, app: str, line: Line, client: APIClient) -> None:
        """
        What cannot be shared is said before anything is made.
        """
        with pytest.raises(StackError, match=rf"service db is to be shared, but {app}-r1 has no container of it"):
            await line.make(2)

        assert traces(client, app) == []


@pytest.mark.docker
class TestMadeAgain:
    async def test_keeps_what_is_well_and_all_data(self, app: str, line: Line, client: APIClient) -> None:
        """
        A live stack that lost its web server gets another one; its database is not touched.
        """
        await ask(endpoint(await line.make(1)), "/save?row=kept")
        before = inspect(client, f"{app}-r1-db-1")
        client.kill(f"{app}-r1-web-1")

        again = await line.make(1, again=True)

        assert await saved(again) == ["kept"]
        assert inspect(client, f"{app}-r1-db-1")["State"]["StartedAt"] == before["State"]["StartedAt"]

    async def test_starts_a_database_that_stands_still(self, app: str, line: Line, client: APIClient) -> None:
        """
        A container that holds state is started as it is, not replaced: what is not on a volume counts too.
        """
        await ask(endpoint(await line.make(1)), "/save?row=kept")
        before = inspect(client, f"{app}-r1-db-1")["Id"]
        client.kill(f"{app}-r1-db-1")

        again = await line.make(1, again=True)

        assert await saved(again) == ["kept"]
        assert inspect(client, f"{app}-r1-db-1")["Id"] == before

    async def test_leaves_the_data_when_it_fails(self, app: str, line: Line, client: APIClient) -> None:
        """
        An attempt that comes to nothing removes what it made, never what was there.
        """
        await ask(endpoint(await line.make(1)), "/save?row=kept")
        client.kill(f"{app}-r1-web-1")
        broken = shop(server("api", command=("/nothing",)))
        with pytest.raises(StackError, match="service api"):
            await line.provisioner.create(order(app, broken, WEB, again=True), lambda _: None)

        again = await line.make(1, again=True)

        assert await saved(again) == ["kept"]

    @pytest.mark.parametrize("is_gone", [False, True], ids=["stopped", "removed"])
    async def test_gets_its_guest_back(self, app: str, line: Line, client: APIClient, is_gone: bool) -> None:
        """
        A guest that stands still is started; one that was removed becomes the stack's own, on the same data.
        """
        await ask(endpoint(await line.make(1)), "/save?row=kept")
        await line.make(2)
        await line.retire(1)
        client.stop(f"{app}-r1-db-1", timeout=1)
        if is_gone:
            client.remove_container(f"{app}-r1-db-1")

        again = await line.make(2, again=True)

        assert await saved(again) == ["kept"]
        own = f"/{app}-r2-db-1" in traces(client, app)
        assert own is is_gone


FILES = ServicePort("files", 8000)


def folder() -> Template:
    """Return a server that keeps rows in a volume of its own."""
    return template(server("files", mounts=DATA), volumes={"data": Volume("data")})


async def rows(at: Endpoint) -> list[str]:
    return (await ask(at, "/rows")).split()


@pytest.mark.docker
class TestVolumes:
    async def test_go_by_their_mode(self, app: str, provisioner: DockerProvisioner, client: APIClient) -> None:
        """
        A volume is the same one, the same one to be read, a copy with its folder's mode, or an empty one; whoever
        writes what is copied stands still meanwhile, if that is allowed; what is shared outlives its maker.
        """
        began = int(time.time())

        async def make(revision: int, placement: Placement) -> Endpoint:
            wanted = order(app, folder(), FILES, revision=revision, placement=placement)
            return endpoint(await provisioner.create(wanted, lambda _: None), FILES)

        def beside_live(mode: VolumeMode, **keys: Any) -> Placement:
            return Placement(base=StackId(f"{app}-r1"), volumes={"data": mode}, **keys)

        live = await make(1, ALONE)
        _close_folder(client, f"{app}-r1-files-1")
        await ask(live, "/write?row=old")
        same = await make(2, beside_live(VolumeMode.SHARE))
        reading = await make(3, beside_live(VolumeMode.SHARE_RO))
        copied = await make(4, beside_live(VolumeMode.COPY, paused=("data",)))
        fresh = await make(5, beside_live(VolumeMode.FRESH))
        for each in (same, reading, copied, fresh):
            await ask(each, "/write?row=new")

        found = [await rows(each) for each in (live, same, reading, copied, fresh)]
        left = await provisioner.retire(StackId(f"{app}-r1"))

        assert found == [["old", "new"], ["old", "new"], ["old", "new"], ["old", "new"], ["new"]]
        assert client.get_archive(f"{app}-r4-files-1", "/data")[1]["mode"] & 0o777 == 0o700
        filters = {"container": [f"{app}-r1-files-1"], "event": ["pause", "unpause"]}
        events = list(client.events(since=began, until=int(time.time()) + 1, filters=filters, decode=True))
        assert [event["Action"] for event in events] == ["pause", "unpause"]
        assert left == [f"{app}-r1_data"]
        assert await rows(same) == ["old", "new"]


def _close_folder(client: APIClient, container: str) -> None:
    """Give the volume's folder a mode that no other folder has by itself."""
    made = client.exec_create(container, ["/python", "-c", "import os; os.chmod('/data', 0o700)"])
    client.exec_start(made["Id"])


@pytest.mark.docker
class TestSingletons:
    async def test_wait_for_the_promotion(self, app: str, provisioner_of: MakeProvisioner, client: APIClient) -> None:
        """
        A singleton of the shadow is made and does not run; activated it does, and live's stops; and back.
        """
        provisioner = provisioner_of()
        whole = template(server(), server("worker", ports=()))
        alone = Placement(singletons=("worker",))
        first = order(app, whole, WEB, placement=alone)
        live = await provisioner.create(first, lambda _: None)
        placement = replace(alone, base=live.id)
        shadow = await provisioner.create(order(app, whole, WEB, revision=2, placement=placement), lambda _: None)

        def running() -> list[bool]:
            return [inspect(client, f"{app}-r{number}-worker-1")["State"]["Running"] for number in (1, 2)]

        assert running() == [True, False]
        assert await provisioner.deactivate(live.id) == ["worker"]
        assert await provisioner.activate(shadow.id, 30.0) == ["worker"]
        assert running() == [False, True]
        assert await provisioner.activate(shadow.id, 30.0) == []
        assert all(found.stack is not None for found in await provisioner_of().find())
        assert await provisioner.deactivate(shadow.id) == ["worker"]
        assert await provisioner.activate(live.id, 30.0) == ["worker"]
        assert running() == [True, False]

    async def test_are_missed_once_they_run(self, app: str, provisioner: DockerProvisioner, client: APIClient) -> None:
        """
        A singleton that was stopped on purpose is no loss; one that ends by itself is.
        """
        whole = template(server(), server("worker", ports=()))
        made = order(app, whole, WEB, placement=Placement(singletons=("worker",)))
        live = await provisioner.create(made, lambda _: None)
        first = asyncio.ensure_future(anext(provisioner.watch(live.id)))
        await asyncio.sleep(0)

        await provisioner.deactivate(live.id)
        await provisioner.activate(live.id, 30.0)
        assert not first.done()
        client.kill(f"{app}-r1-worker-1")

        died = await soon(first)
        assert isinstance(died, StackDied)
        assert f"container {app}-r1-worker-1 exited with code 137" in died.reason


@pytest.mark.docker
class TestJobs:
    async def test_run_at_the_promotion_or_never(
        self, app: str, provisioner: DockerProvisioner, client: APIClient
    ) -> None:
        """
        A late job is made and runs when its stack is promoted, once; a skipped one is not made; nobody waits for them.
        """
        live = await provisioner.create(order(app, template(server()), WEB), lambda _: None)
        late = server("migrate", command=("/python", "/app.py", "work", "0"), ports=())
        skipped = replace(late, name="seed")
        placement = Placement(base=live.id, late=("migrate",), skipped=("seed",))
        whole = template(server(), late, skipped)

        shadow = await provisioner.create(order(app, whole, WEB, revision=2, placement=placement), lambda _: None)

        assert f"/{app}-r2-seed-1" not in traces(client, app)
        assert inspect(client, f"{app}-r2-migrate-1")["State"]["Status"] == "created"
        assert await provisioner.activate(shadow.id, 30.0) == ["migrate"]
        ended = inspect(client, f"{app}-r2-migrate-1")["State"]
        assert (ended["Status"], ended["ExitCode"]) == ("exited", 0)
        assert await provisioner.activate(shadow.id, 30.0) == []

    async def test_that_fail_at_the_promotion_say_why(
        self, app: str, provisioner: DockerProvisioner, client: APIClient
    ) -> None:
        """
        A late job that ends badly fails the activation with its last words.
        """
        live = await provisioner.create(order(app, template(server()), WEB), lambda _: None)
        late = server("migrate", command=("/python", "/app.py", "exit", "3"), ports=())
        placement = Placement(base=live.id, late=("migrate",))
        whole = order(app, template(server(), late), WEB, revision=2, placement=placement)
        shadow = await provisioner.create(whole, lambda _: None)

        with pytest.raises(StackError, match=r"service migrate: container .* exited with code 3; its log ends"):
            await provisioner.activate(shadow.id, 30.0)


@pytest.mark.docker
class TestBounds:
    async def test_are_set_on_a_running_guest(self, app: str, line: Line, client: APIClient) -> None:
        """
        When the former live is retired, its database, which runs on, has the bounds that the new stack says.
        """
        await line.make(1)
        larger = replace(DATABASE, limits=Limits(memory_bytes=2**28, cpus=1.5, pids=500), restart="always")
        placement = beside(app, 1, resized=("db",))
        wanted = template(server(), larger, volumes={"data": Volume("data")})
        await line.provisioner.create(order(app, wanted, WEB, revision=2, placement=placement), lambda _: None)
        before = inspect(client, f"{app}-r1-db-1")

        await line.retire(1)

        after = inspect(client, f"{app}-r1-db-1")
        bounds = [after["HostConfig"][each] for each in ("Memory", "NanoCpus", "PidsLimit")]
        assert bounds == [2**28, 1_500_000_000, 500]
        assert after["HostConfig"]["RestartPolicy"]["Name"] == "always"
        assert before["State"]["StartedAt"] == after["State"]["StartedAt"]
        assert before["HostConfig"]["Memory"] == 0
