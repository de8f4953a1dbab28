from dataclasses import replace
from typing import Any

import pytest

from provisioners.docker import DockerOptions
from provisioners.docker.modelling import modelled
from splitter.change.canonical import from_json, to_json
from splitter.template import (
    Attachment,
    Condition,
    Dependency,
    Healthcheck,
    Limits,
    Logging,
    Mount,
    MountType,
    Network,
    Port,
    Service,
    Template,
    Ulimit,
    Volume,
)
from tests.provisioners.docker.conftest import MakeProvisioner
from tests.provisioners.docker.stage import WEB, order, server, template

ANONYMOUS = "ab" * 32
IMAGE: dict[str, Any] = {
    "Config": {
        "Cmd": ["serve"],
        "Env": ["PATH=/bin", "MODE=prod"],
        "User": "app",
        "WorkingDir": "/app",
        "Labels": {"maintainer": "ann"},
        "ExposedPorts": {"8000/tcp": {}},
        "Healthcheck": {"Test": ["CMD", "true"]},
    }
}


def container(*, config: Any = None, host: Any = None, **keys: Any) -> dict[str, Any]:
    """Return a container of `IMAGE` as the engine shows it."""
    own = {**IMAGE["Config"], "Image": "web:1", "Hostname": "c0ffee", "StopTimeout": None}
    return {
        "Id": "c0ffee" * 10,
        "Name": "/old-web-1",
        "Image": "sha256:1",
        "Config": own | (config or {}),
        "HostConfig": {"NetworkMode": "old_default", "RestartPolicy": {"Name": ""}} | (host or {}),
        "NetworkSettings": {"Networks": {"old_default": {"Aliases": ["web", "old-web-1", "c0ffeec0ffee"]}}},
        "Mounts": [],
        **keys,
    }


def read(*found: dict[str, Any]) -> Template:
    return modelled("old", "/srv/old", {"web": found}, {"sha256:1": IMAGE})


def web(*found: dict[str, Any]) -> Service:
    return read(*found).services["web"]


class TestService:
    def test_leaves_to_the_image_what_is_the_image_s(self) -> None:
        """
        A container that asks for nothing is a service of its image, in the project's own network.
        """
        assert web(container()) == Service(name="web", image="web:1", networks=(Attachment("default"),))

    def test_says_what_is_its_own(self) -> None:
        """
        Command, variables, user, labels, health, ports and policy that the image does not have are the service's.
        """
        labels = {"maintainer": "ann", "tier": "front", "com.docker.compose.depends_on": "db:service_healthy:true"}
        found = web(
            container(
                config={
                    "Cmd": ["work"],
                    "Env": ["PATH=/bin", "MODE=test", "A=1"],
                    "User": "root",
                    "Labels": labels,
                    "ExposedPorts": {"8000/tcp": {}, "9000/tcp": {}},
                    "Healthcheck": {"Test": ["CMD", "check"], "Interval": 2_000_000_000, "Retries": 5},
                    "StopTimeout": 3,
                    "Hostname": "front",
                },
                host={
                    "PortBindings": {"8000/tcp": [{"HostIp": "", "HostPort": "80"}]},
                    "RestartPolicy": {"Name": "on-failure", "MaximumRetryCount": 3},
                    "LogConfig": {"Type": "local", "Config": {"max-size": "1m"}},
                    "Memory": 2**30,
                    "MemorySwap": 2**31,
                    "OomScoreAdj": 100,
                    "SecurityOpt": ["no-new-privileges", "label=disable"],
                    "NanoCpus": 1_500_000_000,
                    "PidsLimit": 0,
                    "ShmSize": 67108864,
                },
            )
        )

        assert found == Service(
            name="web",
            image="web:1",
            command=("work",),
            environment={"A": "1", "MODE": "test"},
            user="root",
            labels={"tier": "front"},
            ports=(Port(8000, published="80"),),
            expose=(9000,),
            networks=(Attachment("default"),),
            depends_on=(Dependency("db", Condition.HEALTHY, restart=True),),
            healthcheck=Healthcheck(("CMD", "check"), interval_s=2.0, retries=5),
            restart="on-failure:3",
            stop_grace_s=3.0,
            hostname="front",
            limits=Limits(memory_bytes=2**30, cpus=1.5, oom_score_adj=100),
            security_opt=("no-new-privileges",),
            logging=Logging("local", {"max-size": "1m"}),
        )

    def test_has_as_many_replicas_as_there_are(self) -> None:
        """
        The containers of one service are its replicas.
        """
        assert web(container(), container(Name="/old-web-2")).replicas == 2

    def test_of_an_image_that_is_gone_says_all(self) -> None:
        """
        Without the image nothing is left to it.
        """
        found = modelled("old", "/", {"web": [container()]}, {}).services["web"]

        assert (found.command, found.user, found.expose) == (("serve",), "app", (8000,))


class TestThings:
    def test_of_the_project_have_keys_and_others_keep_their_names(self) -> None:
        """
        What Compose named by the project is the template's own; the rest is external.
        """
        place = {"Aliases": ["web", "shop", "c0ffee"], "IPAMConfig": {"IPv4Address": "10.1.0.9"}}
        mounts = [
            {"Type": "volume", "Name": "old_data", "Destination": "/data", "RW": True},
            {"Type": "volume", "Name": "backup", "Destination": "/backup", "RW": False},
            {"Type": "volume", "Name": ANONYMOUS, "Destination": "/cache", "RW": True},
            {"Type": "bind", "Source": "/srv/conf", "Destination": "/conf", "RW": False},
        ]
        found = read(
            container(
                host={"Tmpfs": {"/tmp": "size=1m,mode=1777"}, "Mounts": [{"Type": "tmpfs", "Target": "/run"}]},
                NetworkSettings={"Networks": {"edge": place, "old_default": {"Aliases": None}}},
                Mounts=mounts,
            )
        )

        assert found.networks == {
            "edge": Network("edge", name="edge", external=True),
            "default": Network("default"),
        }
        assert found.volumes == {"backup": Volume("backup", name="backup", external=True), "data": Volume("data")}
        assert found.services["web"].networks == (
            Attachment("edge", ("shop",), ipv4_address="10.1.0.9"),
            Attachment("default"),
        )
        assert found.services["web"].mounts == (
            Mount(MountType.VOLUME, "/backup", "backup", read_only=True),
            Mount(MountType.VOLUME, "/cache"),
            Mount(MountType.BIND, "/conf", "/srv/conf", read_only=True),
            Mount(MountType.VOLUME, "/data", "data"),
            Mount(MountType.TMPFS, "/run"),
            Mount(MountType.TMPFS, "/tmp", options=("size=1m", "mode=1777")),
        )

    def test_can_be_kept_in_a_journal(self) -> None:
        """
        A model is a template like any other: it has a digest, and is read back as it was.
        """
        found = read(container())

        assert found == from_json(to_json(found))
        assert found.digest == read(container()).digest != read(container(), container()).digest


@pytest.mark.docker
class TestOnAnEngine:
    async def test_is_what_the_containers_were_made_of(self, app: str, provisioner_of: MakeProvisioner) -> None:
        """
        Of a service that asks for much, a real engine's containers say all but what they were called.
        """
        volumes = {"data": Volume("data")}
        networks = {"back": Network("back"), "default": Network("default")}
        asked = server(
            environment={"A": "1", "B": "x=y"},
            ports=(),
            expose=(8000, 9000),
            limits=Limits(memory_bytes=2**28, cpus=0.5, pids=100, ulimits=(Ulimit("nofile", 1000, 2000),)),
            restart="unless-stopped",
            cap_add=("NET_ADMIN",),
            cap_drop=("MKNOD",),
            hostname="front",
            extra_hosts=("a:10.0.0.1",),
            sysctls={"net.core.somaxconn": "1024"},
            init=True,
            read_only=True,
            mounts=(
                Mount(MountType.VOLUME, "/data", "data"),
                Mount(MountType.BIND, "/mnt", "/srv", read_only=True),
                Mount(MountType.TMPFS, "/run"),
                Mount(MountType.TMPFS, "/tmp", options=("size=1048576", "mode=1777")),
            ),
            networks=(Attachment("back", ("store",)), Attachment("default")),
            logging=Logging("json-file", {"max-size": "1m"}),
            stop_signal="SIGINT",
            tty=True,
        )
        provisioner = provisioner_of(options=DockerOptions(endpoint="bridge", pull=False))
        wanted = order(app, template(asked, networks=networks, volumes=volumes), WEB)
        live = await provisioner.create(wanted, lambda _: None)

        model = (await provisioner.project(live.id)).template

        found = model.services["web"]
        mine = {name: text for name, text in found.labels.items() if name.startswith("splitter.")}
        assert replace(found, labels={}, environment=asked.environment) == asked
        assert found.labels == mine
        assert found.environment == {**asked.environment, "SPLITTER_STACK": live.id}
        assert (model.networks, model.volumes) == (networks, volumes)
