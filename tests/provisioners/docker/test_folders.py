from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from docker import APIClient

from provisioners.docker import DockerOptions, ProjectFolder, preflight
from provisioners.docker.documents import archive, binds
from provisioners.docker.folders import hosted, misplaced
from splitter.contracts import StackOrder
from splitter.template import Document, Grant, Mount, MountType, Service, Template, Volume
from tests.provisioners.docker.conftest import MakeProvisioner
from tests.provisioners.docker.stage import WEB, ask, endpoint, order, server, template

HERE = "/srv/project"  # the folder of the templates of `stage`
MOVED = ProjectFolder(HERE, "/home/ann/shop")
SAME = ProjectFolder(HERE)
CONF = Mount(MountType.BIND, "/conf", f"{HERE}/conf", read_only=True)
OUTSIDE = Mount(MountType.BIND, "/sock", "/var/run/docker.sock")


def shop(**keys: Any) -> StackOrder:
    return order("shop", template(server(**keys)))


def web(there: StackOrder) -> Service:
    return there.template.services["web"]


class TestFolders:
    def test_of_the_project_are_where_the_host_has_them(self) -> None:
        """
        What is mounted below the project is mounted from its place on the host; what is written out is the host's.
        """
        there = hosted(shop(mounts=(CONF, OUTSIDE)), MOVED, is_inside=True)

        assert [each.source for each in web(there).mounts] == ["/home/ann/shop/conf", "/var/run/docker.sock"]

    def test_of_volumes_move_too(self) -> None:
        """
        A volume that is a folder of the project is that folder of the host.
        """
        driver = {"type": "none", "o": "bind", "device": f"{HERE}/data"}
        volumes = {
            "data": Volume("data", driver_opts=driver),
            "nfs": Volume("nfs", driver_opts={"device": ":/exports"}),
        }
        wanted = order("shop", template(server(), volumes=volumes))

        there = hosted(wanted, MOVED, is_inside=False).template.volumes

        assert there["data"].driver_opts == {**driver, "device": "/home/ann/shop/data"}
        assert there["nfs"] == volumes["nfs"]

    def test_change_nothing_where_we_run_on_the_host(self) -> None:
        """
        Outside of a container, without an option, an order is what it was.
        """
        wanted = shop(mounts=(CONF,))

        assert hosted(wanted, SAME, is_inside=False) is wanted

    def test_leave_the_template_its_name(self) -> None:
        """
        What was deployed is the template as it was read, wherever its folders are.
        """
        wanted = order("shop", replace(template(server(mounts=(CONF,))), digest="abc"))

        assert hosted(wanted, MOVED, is_inside=True).template.digest == "abc"


class TestSecrets:
    @pytest.fixture
    def granted(self, tmp_path: Path) -> Template:
        """A template with one secret from a file."""
        (tmp_path / "key").write_text("sesame")
        secrets = {"key": Document("key", file=str(tmp_path / "key"))}
        return template(server(secrets=(Grant("key", "/run/secrets/key"),)), secrets=secrets)

    def test_are_copied_by_a_splitter_in_a_container(self, granted: Template) -> None:
        """
        The engine's host need not have the file: we read it, and it is put into the container.
        """
        there = hosted(order("shop", granted), SAME, is_inside=True)

        assert binds(web(there), there.template) == []
        assert b"sesame" in archive(web(there), there.template)

    def test_are_mounted_where_nothing_can_be_copied(self, granted: Template, tmp_path: Path) -> None:
        """
        A container that is read-only has its secret as a mount, from where the host has it.
        """
        only_read = replace(granted, services={"web": replace(granted.services["web"], read_only=True)})

        there = hosted(order("shop", only_read), ProjectFolder(str(tmp_path), "/home/ann"), is_inside=True)

        assert web(there).mounts == (Mount(MountType.BIND, "/run/secrets/key", "/home/ann/key", read_only=True),)
        assert (archive(web(there), there.template), binds(web(there), there.template)) == (b"", [])


class TestMisplaced:
    def test_names_what_the_host_has_elsewhere(self) -> None:
        """
        Our own container's mounts say where the project is on the host, and what to write.
        """
        ours = [{"Destination": "/srv", "Source": "/home/ann"}, {"Destination": "/", "Source": "/nowhere"}]
        wanted = shop(mounts=(CONF, OUTSIDE))

        (elsewhere,), unknown = misplaced(wanted, wanted.template.services.values(), SAME, ours)

        assert elsewhere == (
            "service web mounts /srv/project/conf, which lies below /home/ann on the engine's host; mount that into "
            "splitter's container at the same path, or write `host_project_dir: /home/ann/project` under the app"
        )
        assert unknown == []

    def test_knows_nothing_of_what_we_do_not_mount(self) -> None:
        """
        A folder that is in our image alone may be on the host or not: that is said.
        """
        wanted = shop(mounts=(CONF,))

        elsewhere, (unknown,) = misplaced(wanted, wanted.template.services.values(), SAME, [])

        assert elsewhere == []
        assert unknown.startswith("service web mounts /srv/project/conf, which the engine looks for on its host")

    def test_is_nothing_at_the_same_path_or_with_the_option(self) -> None:
        """
        A project that is mounted where the host has it is found, and so is one of which the file says where it is.
        """
        wanted = shop(mounts=(CONF,))
        services = wanted.template.services.values()
        same, other = ([{"Destination": HERE, "Source": source}] for source in (HERE, "/home/ann/shop"))

        assert misplaced(wanted, services, SAME, same) == ([], [])
        assert misplaced(wanted, services, MOVED, other) == ([], [])


@pytest.mark.docker
class TestOnAnEngine:
    async def test_mounts_what_the_host_has(
        self,
        app: str,
        provisioner_of: MakeProvisioner,
        client: APIClient,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        """
        A splitter that reads the project at another path than the host has it mounts the host's, and copies the secret.
        """
        (tmp_path / "conf").mkdir()
        (tmp_path / "key").write_text("sesame")
        made = template(
            server(mounts=(CONF,), secrets=(Grant("key", "/run/secrets/key"),)),
            secrets={"key": Document("key", file=str(tmp_path / "key"))},
        )

        async def ours(_: object) -> list[dict[str, str]]:
            return [{"Destination": HERE, "Source": str(tmp_path)}]

        monkeypatch.setattr(preflight, "own_mounts", ours)
        without = provisioner_of(options=DockerOptions(endpoint="bridge", pull=False, project=SAME))
        (refusal,) = await without.check(order(app, made, WEB))
        options = DockerOptions(endpoint="bridge", pull=False, project=ProjectFolder(HERE, str(tmp_path)))
        stack = await provisioner_of(options=options).create(order(app, made, WEB), lambda _: None)

        mounts = client.inspect_container(f"{app}-r1-web-1")["Mounts"]
        assert f"host_project_dir: {tmp_path}" in refusal.sentence
        assert [(each["Source"], each["Destination"]) for each in mounts] == [(str(tmp_path / "conf"), "/conf")]
        assert await ask(endpoint(stack), "/file?name=/run/secrets/key") == "sesame"
