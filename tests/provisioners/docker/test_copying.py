from dataclasses import replace

import pytest
from docker import APIClient

from provisioners.docker import DockerOptions, DockerProvisioner
from splitter.contracts import StackOrder
from splitter.errors import StackError
from splitter.placement import Placement, VolumeMode
from splitter.template import Mount, MountType, Template, Volume
from tests.provisioners.docker.conftest import traces
from tests.provisioners.docker.memory import World
from tests.provisioners.docker.stage import WEB, endpoint, heard, order, server, template
from tests.provisioners.docker.test_crashes import LIVE, SHADOW, made, shop, told, wanted

BRIDGE = DockerOptions(endpoint="bridge", pull=False)
COPYING = Placement(base=LIVE, shared=("db",), volumes={"data": VolumeMode.SHARE, "uploads": VolumeMode.COPY})


def hooked(command: str) -> StackOrder:
    """Return an order that copies the uploads after a command."""
    plain = wanted(2, COPYING)
    volumes = {**shop().volumes, "uploads": Volume("uploads", labels={"splitter.copy-hook": command})}
    return replace(plain, template=replace(plain.template, volumes=volumes))


class TestCopyHook:
    async def test_runs_where_the_volume_is_written_before_the_copy(self) -> None:
        """
        What the command leaves in the volume is in the copy, too.
        """
        world = await made()

        said = await told(world, hooked("sh -c 'save all'"), BRIDGE)

        assert world.commands == [("shop-r1-web-1", "sh", "-c", "save all")]
        assert world.volumes["shop-r2_uploads"]["data"] == {"row", "dump"}
        assert "running sh -c save all where volume shop-r1_uploads is written" in said

    async def test_that_fails_ends_the_making(self) -> None:
        """
        A copy without its dump is worth nothing, so none is made, and nothing of the stack is left.
        """
        world = await made()
        world.exit_code = 3

        with pytest.raises(StackError, match=r"volume shop-r1_uploads: copy hook save ended with 3 \(said so\)"):
            await told(world, hooked("save"), BRIDGE)

        assert world.of(SHADOW) == []

    @pytest.mark.parametrize("state", ["stopped", "doubled"])
    async def test_needs_one_container_that_writes(self, state: str) -> None:
        """
        With none that runs, or several, nobody could say where the command is meant to be run.
        """
        world = await made()
        web = world.containers["shop-r1-web-1"]
        if state == "stopped":
            web["State"]["Running"] = False
        else:
            world.containers["other"] = {**web, "Id": "other", "Name": "/other", "Labels": {}}

        with pytest.raises(StackError, match="is to be run in one"):
            await told(world, hooked("save"), BRIDGE)

        assert world.of(SHADOW) == []
        assert world.commands == []

    async def test_is_not_run_without_its_label(self) -> None:
        """
        Nothing is run in live's containers that nobody asked for.
        """
        world: World = await made()

        await told(world, wanted(2, COPYING), BRIDGE)

        assert world.commands == []
        assert world.volumes["shop-r2_uploads"]["data"] == {"row"}


@pytest.mark.docker
class TestOnAnEngine:
    DUMP = """/python -c "open('/data/dump', 'w').write('all of it')" """

    def release(self, hook: str) -> Template:
        """Return a web server that keeps rows in a volume, which a shadow gets a copy of after `hook`."""
        volumes = {"rows": Volume("rows", labels={"splitter.volume": "copy", "splitter.copy-hook": hook})}
        return template(server(mounts=(Mount(MountType.VOLUME, "/data", "rows"),)), volumes=volumes)

    async def lived(self, app: str, provisioner: DockerProvisioner, release: Template) -> StackOrder:
        """Return the order of a shadow beside a live stack that has written a row."""
        live = await provisioner.create(order(app, release, WEB), lambda _: None)
        assert await heard(endpoint(live), "/write?row=one") == "one"
        beside = Placement(base=live.id, volumes={"rows": VolumeMode.COPY})
        return order(app, release, WEB, revision=2, placement=beside)

    async def test_copies_what_the_command_has_left(self, app: str, provisioner: DockerProvisioner) -> None:
        """
        The dump that a command in live's container writes is in the shadow's volume, with the rows.
        """
        wanted = await self.lived(app, provisioner, self.release(self.DUMP))

        shadow = await provisioner.create(wanted, lambda _: None)

        assert await heard(endpoint(shadow), "/file?name=/data/dump") == "all of it"
        assert await heard(endpoint(shadow), "/rows") == "one\n"

    async def test_says_what_a_command_said_that_failed(
        self, app: str, provisioner: DockerProvisioner, client: APIClient
    ) -> None:
        """
        A dump that failed ends the making with the command's own words, and nothing of the shadow is left.
        """
        wanted = await self.lived(app, provisioner, self.release("/python -c 'import sys; sys.exit(\"no room\")'"))

        with pytest.raises(StackError, match=r"copy hook .* ended with 1 \(no room\)"):
            await provisioner.create(wanted, lambda _: None)

        assert [name for name in traces(client, app) if "-r2" in name] == []
