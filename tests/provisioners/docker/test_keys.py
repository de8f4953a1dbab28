"""What a template may say of a service, taken by a real engine."""

import time
import uuid
from pathlib import Path
from typing import Any

import pytest
from docker import APIClient

from provisioners.docker import DockerProvisioner
from splitter.errors import StackError
from splitter.model import StackId
from splitter.placement import Placement
from splitter.template import (
    Attachment,
    BlockIo,
    Device,
    Document,
    Grant,
    Hook,
    Ipam,
    Limits,
    Logging,
    Mount,
    MountType,
    Network,
    Pool,
    Ulimit,
    VolumesFrom,
)
from tests.provisioners.docker.stage import WEB, ask, endpoint, order, server, template

SHELL = ("/python", "-c")


def quiet(_: str) -> None:
    """Take progress and do nothing with it."""


@pytest.mark.docker
class TestKeys:
    async def test_are_taken_all_at_once(self, app: str, provisioner: DockerProvisioner, client: APIClient) -> None:
        """
        A service that says nearly everything is made, and a second one in its namespaces, with its mounts.
        """
        web = server(
            hostname="one",
            domainname="example.org",
            tty=True,
            stdin_open=True,
            init=True,
            user="0:0",
            mounts=(
                Mount(MountType.TMPFS, "/scratch", options=("size=65536", "mode=1777")),
                Mount(MountType.VOLUME, "/data", nocopy=True, labels={"a": "b"}),
                Mount(MountType.BIND, "/dev/shm/flat", "/dev/shm", recursive="disabled", create_host_path=False),
            ),
            limits=Limits(
                memory_bytes=2**27,
                memory_reservation_bytes=2**26,
                memory_swap_bytes=2**27,
                shm_bytes=2**20,
                cpu_shares=512,
                cpu_quota_us=200_000,
                cpu_period_us=100_000,
                pids=200,
                oom_score_adj=100,
                block_io=BlockIo(),
                ulimits=(Ulimit("nofile", 1024, 2048),),
            ),
            cap_add=("NET_ADMIN",),
            cap_drop=("MKNOD",),
            security_opt=("no-new-privileges:true",),
            group_add=("44",),
            devices=(Device("/dev/null", "/dev/nothing", "rw"),),
            sysctls={"net.core.somaxconn": "1024"},
            extra_hosts=("elsewhere:10.0.0.1",),
            dns_search=("example.org",),
            dns_opt=("ndots:1",),
            ipc="shareable",
            logging=Logging("json-file", {"max-size": "1m"}),
        )
        beside = server(
            "beside",
            ports=(),
            network_mode="service:web",
            pid="service:web",
            ipc="service:web",
            command=("/python", "/app.py", "work", "600"),
            volumes_from=(VolumesFrom("web"),),
        )

        stack = await provisioner.create(order(app, template(web, beside), WEB), quiet)

        assert await ask(endpoint(stack), "/resolve?name=elsewhere") == "10.0.0.1"
        first, second = (client.inspect_container(f"{app}-r1-{name}-1") for name in ("web", "beside"))
        assert first["Config"]["Hostname"] == "one"
        assert first["HostConfig"]["Tmpfs"] == {"/scratch": "size=65536,mode=1777"}
        assert second["HostConfig"]["NetworkMode"] == f"container:{first['Id']}"
        assert sorted(mount["Destination"] for mount in second["Mounts"]) == ["/data", "/dev/shm/flat"]
        (flat,) = [each for each in first["HostConfig"]["Mounts"] if each["Type"] == "bind"]
        assert flat["BindOptions"] == {"NonRecursive": True}

    async def test_may_ask_for_a_folder_that_is_there(
        self, app: str, provisioner: DockerProvisioner, client: APIClient, tmp_path: Path
    ) -> None:
        """
        A folder that is not to be made is missed by the engine, by its path, and nothing of the stack is left.
        """
        missing = tmp_path / "missing"
        web = server(mounts=(Mount(MountType.BIND, "/in", str(missing), create_host_path=False),))

        with pytest.raises(StackError, match=f"{missing}"):
            await provisioner.create(order(app, template(web), WEB), quiet)

        assert not missing.exists()

    async def test_of_networks_fix_addresses_in_one_stack(
        self, app: str, provisioner: DockerProvisioner, client: APIClient
    ) -> None:
        """
        The first stack has the template's subnet and addresses; one beside it has others, and both answer.
        """
        subnet = _free_subnet(client)
        networks = {"back": Network("back", ipam=Ipam(pools=(Pool(f"{subnet}.0/24"),)))}
        whole = template(server(networks=(Attachment("back", ipv4_address=f"{subnet}.77"),)), networks=networks)

        live = await provisioner.create(order(app, whole, WEB), quiet)
        shadow = await provisioner.create(
            order(app, whole, WEB, revision=2, placement=Placement(base=StackId(f"{app}-r1"))), quiet
        )

        assert endpoint(live).host == f"{subnet}.77"
        assert not endpoint(shadow).host.startswith(f"{subnet}.")
        assert await ask(endpoint(shadow), "/stack") == f"{app}-r2"


@pytest.mark.docker
class TestDocumentsAndHooks:
    async def test_are_there_and_run(
        self, app: str, provisioner: DockerProvisioner, client: APIClient, tmp_path: Path
    ) -> None:
        """
        Secrets and configs are where the template wants them; a hook runs after the start, another before the stop.
        """
        (tmp_path / "key").write_text("from a file")
        began = int(time.time())
        web = server(
            secrets=(Grant("key", "/run/secrets/key"), Grant("word", "/run/secrets/word", mode=0o400)),
            configs=(Grant("conf", "/etc/shop/conf"),),
            post_start=(Hook((*SHELL, "open('/tmp/started', 'w').write('by the hook')")),),
            pre_stop=(Hook((*SHELL, "print('bye')")),),
        )
        documents = {"key": Document("key", file=str(tmp_path / "key")), "word": Document("word", content="a word")}
        whole = template(web, secrets=documents, configs={"conf": Document("conf", content="[shop]")})

        stack = await provisioner.create(order(app, whole, WEB), quiet)
        names = ("/run/secrets/key", "/run/secrets/word", "/etc/shop/conf", "/tmp/started")
        found = [await ask(endpoint(stack), f"/file?name={name}") for name in names]
        await provisioner.retire(stack.id)

        assert found == ["from a file", "a word", "[shop]", "by the hook"]
        filters = {"container": [f"{app}-r1-web-1"], "event": ["exec_start", "kill"]}
        events: list[Any] = list(client.events(since=began, until=int(time.time()) + 1, filters=filters, decode=True))
        actions = [event["Action"].partition(": ") for event in events]
        assert [(action, "bye" in said) for action, _, said in actions] == [
            ("exec_start", False),
            ("exec_start", True),
            ("kill", False),
        ]

    async def test_that_fail_after_the_start_fail_the_service(self, app: str, provisioner: DockerProvisioner) -> None:
        """
        A hook that ends badly is named with its end.
        """
        web = server(post_start=(Hook((*SHELL, "raise SystemExit('it broke')")),))

        with pytest.raises(StackError, match=r"service web: post_start .* ended with 1 \(it broke\)"):
            await provisioner.create(order(app, template(web), WEB), quiet)


def _free_subnet(client: APIClient) -> str:
    """Return the first three numbers of a subnet that no network of the engine has."""
    configs = [config for each in client.networks() for config in (each["IPAM"].get("Config") or ())]
    taken = {config["Subnet"].rpartition(".")[0] for config in configs if "Subnet" in config}
    begin = uuid.uuid4().int  # whoever else looks at the same time begins elsewhere
    candidates = (f"10.213.{(begin + number) % 256}" for number in range(256))
    return next(each for each in candidates if each not in taken)
