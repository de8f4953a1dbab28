from pathlib import Path

import pytest
from docker import APIClient

from provisioners.docker import DockerOptions, endpoints
from provisioners.docker.ourselves import candidates
from tests.provisioners.docker.conftest import MakeProvisioner
from tests.provisioners.docker.stage import APP, IMAGE, WEB, endpoint, order, server, template

ID = "0123456789ab" * 5 + "cdef"
MOUNTS = f"575 1 254:1 /var/lib/docker/containers/{ID}/hostname /etc/hostname rw - ext4 /dev/vda1 rw\n"


class TestCandidates:
    def test_are_the_hosts_name_and_the_mounts(self, tmp_path: Path) -> None:
        """
        Inside a container the engine names the host by the short id, and mounts files of a folder with the long one.
        """
        mark, mounts = tmp_path / ".dockerenv", tmp_path / "mountinfo"
        mark.touch()
        mounts.write_text(MOUNTS)

        assert [ID[:12], ID] == list(candidates(mark, mounts, ID[:12]))

    def test_are_none_outside(self, tmp_path: Path) -> None:
        """
        A host that happens to be called like an id is no container, and a name that somebody chose is no id.
        """
        mark, mounts = tmp_path / ".dockerenv", tmp_path / "mountinfo"
        mounts.write_text("22 1 254:1 / / rw - ext4 /dev/vda1 rw\n")

        assert list(candidates(mark, mounts, ID[:12])) == []
        mark.touch()
        assert list(candidates(mark, mounts, "web")) == []
        assert list(candidates(mark, tmp_path / "none", "web")) == []


@pytest.mark.docker
class TestNetworkMode:
    async def test_takes_splitter_into_each_stack_s_network(
        self, app: str, provisioner_of: MakeProvisioner, client: APIClient, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """
        Our own container joins the network of each stack, also of one that is found again, and is not restarted;
        a stack that is retired takes its network with it.
        """
        ours = f"{app}-splitter"
        client.create_container(IMAGE, [*APP, "serve"], name=ours, environment={"SPLITTER_STACK": "ours"})
        client.start(ours)

        async def own(_: object) -> str:
            return ours

        def networks() -> list[str]:
            return sorted(client.inspect_container(ours)["NetworkSettings"]["Networks"])

        monkeypatch.setattr(endpoints, "own_container", own)
        try:
            began = client.inspect_container(ours)["State"]["StartedAt"]
            provisioner = provisioner_of(options=DockerOptions(endpoint="network", pull=False))
            stack = await provisioner.create(order(app, template(server()), WEB), lambda _: None)
            joined = networks()
            client.disconnect_container_from_network(ours, f"{app}-r1_default")
            await provisioner_of(options=DockerOptions(endpoint="network", pull=False)).find()
            again = networks()
            said = _fetched(client, ours, f"http://{endpoint(stack)}/stack")
            await provisioner.retire(stack.id)

            assert joined == again == ["bridge", f"{app}-r1_default"]
            assert said == f"{app}-r1"
            assert networks() == ["bridge"]
            assert client.inspect_container(ours)["State"]["StartedAt"] == began
        finally:
            client.remove_container(ours, force=True)

    async def test_needs_a_container_of_ours(self, app: str, provisioner_of: MakeProvisioner) -> None:
        """
        Asked for outside of a container, it is refused with what to write instead.
        """
        provisioner = provisioner_of(options=DockerOptions(endpoint="network", pull=False))

        (found,) = await provisioner.check(order(app, template(server()), WEB))

        expected = "endpoint: network is for a splitter that runs in a container of this engine"
        assert found.sentence.startswith(expected)


def _fetched(client: APIClient, container: str, url: str) -> str:
    """Return what a container reads from `url`."""
    script = f"import urllib.request; print(urllib.request.urlopen('{url}', timeout=30).read().decode(), end='')"
    made = client.exec_create(container, ["/python", "-c", script])
    return bytes(client.exec_start(made["Id"])).decode()
