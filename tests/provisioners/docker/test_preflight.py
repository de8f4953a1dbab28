from typing import Any

import pytest

from provisioners.docker import DockerOptions
from provisioners.docker.containers import Image
from provisioners.docker.preflight import (
    _controllers,
    _devices,
    _edge_proxies,
    _images_of_others,
    _runtimes,
    _unreachable,
)
from splitter.model import ServicePort, StackId
from splitter.placement import ALONE, Placement
from splitter.template import Device, DeviceRequest, Ipam, Mount, MountType, Network, Pool, Service
from tests.provisioners.docker.conftest import MakeProvisioner
from tests.provisioners.docker.memory import World
from tests.provisioners.docker.stage import WEB, order, server, template
from tests.provisioners.docker.test_crashes import looked, problems, told

BESIDE = Placement(base=StackId("shop-r1"))


class TestDevices:
    @pytest.mark.parametrize(
        ("service", "held"),
        [
            (server(devices=(Device("/dev/ttyUSB0", "/dev/ttyUSB0"),)), "/dev/ttyUSB0"),
            (server(device_requests=(DeviceRequest(("gpu",), count=-1),)), "a GPU or the like"),
        ],
    )
    def test_are_not_given_to_two_stacks(self, service: Service, held: str) -> None:
        """
        What live holds a shadow cannot have; the first stack can.
        """
        (found,) = _devices(order("shop", template(service), WEB, placement=BESIDE), [service])

        assert found.startswith(f"service web uses {held}, which live has already")
        assert list(_devices(order("shop", template(service), WEB, placement=ALONE), [service])) == []

    def test_that_all_may_open_are_no_conflict(self) -> None:
        """
        A tunnel's or a file system's device is opened by any number of containers.
        """
        service = server(devices=(Device("/dev/net/tun", "/dev/net/tun"), Device("/dev/fuse", "/dev/fuse")))

        assert list(_devices(order("shop", template(service), WEB, placement=BESIDE), [service])) == []


class TestEdgeProxies:
    @pytest.mark.parametrize(
        "service",
        [
            server(labels={"traefik.enable": "true"}),
            server(labels={"caddy": "example.org"}),
            server(environment={"VIRTUAL_HOST": "example.org"}),
        ],
    )
    def test_are_not_told_of_a_shadow(self, service: Service) -> None:
        """
        A proxy that finds containers by itself would send users to the shadow, whatever its share is.
        """
        (found,) = _edge_proxies(order("shop", template(service), WEB, placement=BESIDE), [service])

        assert "would lead clients to the shadow, around splitter" in found
        assert list(_edge_proxies(order("shop", template(service), WEB), [service])) == []


class TestRoutes:
    def test_need_a_service_with_an_address(self) -> None:
        """
        A service that lives in another's network is reached there.
        """
        (guest,) = _unreachable(order("shop", template(server(network_mode="service:vpn")), WEB))
        (hermit,) = _unreachable(order("shop", template(server(network_mode="none")), WEB))

        assert guest.endswith("it has no address of its own; route to vpn, whose network it uses")
        assert hermit.endswith("it has no address of its own; give it a network")
        assert list(_unreachable(order("shop", template(server(network_mode="bridge")), WEB))) == []


class TestControllers:
    def test_are_named(self) -> None:
        """
        Who has the engine's socket can do to both stacks what splitter does.
        """
        socket = Mount(MountType.BIND, "/var/run/docker.sock", "/var/run/docker.sock", read_only=True)
        plain = Mount(MountType.BIND, "/srv/docker.sock.d", "/srv")

        (found,) = _controllers([server(mounts=(socket, plain))])

        assert found.startswith("service web has the engine's socket (/var/run/docker.sock): it is a second controller")


class TestRuntimes:
    def test_are_those_of_the_engine(self) -> None:
        """
        A runtime that the engine has not is named with those that it has; a shim's name is left to the engine.
        """
        info: dict[str, Any] = {"Runtimes": {"runc": {}, "crun": {}}}
        asked = [server(runtime=name) for name in ("", "runc", "io.containerd.kata.v2", "/opt/shim", "nvidia")]

        (found,) = _runtimes(asked, info)

        assert found.startswith("service web: the engine has no runtime nvidia, but crun, runc;")
        assert list(_runtimes(asked, {})) == []


class TestPlatforms:
    @pytest.mark.parametrize("asked", ["linux/amd64", "x86_64", "windows/arm64", "windows"])
    def test_of_another_image_is_refused(self, asked: str) -> None:
        """
        The engine would refuse the create; where it holds several platforms by one name it is left to it.
        """
        image = {"web": Image("app:1", "sha256:1", (), (), has_check=False, platform="linux/arm64")}
        service = server(platform=asked)

        (found,) = _images_of_others([service], image, {})

        assert found.startswith(f"service web: image app:1 is for linux/arm64, and the service asks for {asked};")
        several = {"DriverStatus": [["driver-type", "io.containerd.snapshotter.v1"]]}
        assert list(_images_of_others([service], image, several)) == []


class TestNumbers:
    async def test_that_are_taken_are_told(self) -> None:
        """
        A network whose addresses somebody has gets others, and the first thing that is said of the making is that.
        """
        networks = {"default": Network("default", ipam=Ipam(pools=(Pool("10.77.0.0/24"),)))}
        first, second = (
            order("shop", template(server(image="app:1"), networks=networks), revision=number) for number in (1, 2)
        )
        world, options = World(), DockerOptions(endpoint="bridge", pull=False)

        assert not [line for line in await told(world, first, options) if line.startswith("note")]
        said = await told(world, second, options)

        assert said[0].startswith("note: network shop-r2_default is renumbered: 10.77.0.0/24 is taken on this engine")

    async def test_are_those_that_were_named(self) -> None:
        """
        The second stack gets what the operator named, which is told too; a third finds none and is told that.
        """
        networks = {"default": Network("default", ipam=Ipam(pools=(Pool("10.77.0.0/24"),)))}
        world = World()
        options = DockerOptions(endpoint="bridge", pull=False, subnets={"default": ("10.78.0.0/24",)})
        _, second, third = [
            await told(
                world, order("shop", template(server(image="app:1"), networks=networks), revision=number), options
            )
            for number in (1, 2, 3)
        ]

        made = world.networks["shop-r2_default"]["IPAM"]["Config"]
        assert made == [{"Subnet": "10.78.0.0/24"}]
        assert "10.77.0.0/24 is taken on this engine, so it gets 10.78.0.0/24" in second[0]
        assert "10.77.0.0/24, 10.78.0.0/24 is taken on this engine, so the engine chooses" in third[0]


class TestFindings:
    async def test_come_all_at_once(self) -> None:
        """
        A runtime, a platform, a network and memory that are not there are four sentences of one answer.
        """
        world = World(info={"Runtimes": {"runc": {}}, "MemTotal": 2**20})
        networks = {"default": Network("default", name="nowhere", external=True)}
        wrong = template(server(image="app:1", runtime="nvidia", platform="linux/s390x"), networks=networks)

        found = await problems(
            world, order("shop", wrong), DockerOptions(endpoint="bridge", pull=False, no_room="refuse")
        )

        expected = [
            "service web: the engine has no runtime nvidia",
            "service web: image app:1 is for linux/amd64",
            "external network nowhere is not on the engine",
            "the new containers may come to use",
        ]
        assert expected == [each[: len(start)] for each, start in zip(found, expected, strict=True)]


class TestNotes:
    async def test_are_findings_that_refuse_nothing(self) -> None:
        """
        What an operator may not have meant is found with the refusals, before anything is made.
        """
        socket = Mount(MountType.BIND, "/var/run/docker.sock", "/var/run/docker.sock")
        wanted = order("shop", template(server(image="app:1", mounts=(socket,))))

        (found,) = await looked(World(), wanted, DockerOptions(endpoint="bridge", pull=False))

        assert not found.is_refusal
        assert found.sentence.startswith("service web has the engine's socket")

    async def test_name_what_a_deploy_would_pull(self) -> None:
        """
        A look that is to change nothing pulls nothing, and a port that only the image can tell is not missed.
        """
        world, options = World(images=set()), DockerOptions(endpoint="bridge", pull=True)
        plain = Service(name="web", image="app:1")
        never = server("db", image="app:2", pull_policy="never")

        found = await looked(world, order("shop", template(plain, never), ServicePort("web")), options, fetch=False)

        assert [(each.is_refusal, each.sentence.partition(";")[0]) for each in found] == [
            (True, "service db: image app:2 is not on the engine and cannot be pulled (its pull_policy is never)"),
            (False, "service web: image app:1 is not on the engine, and a deploy pulls it first"),
        ]

    async def test_do_not_wait_for_a_slow_engine(self) -> None:
        """
        An engine that does not answer in time refuses a deploy; of a mere look it is a note.
        """
        options = DockerOptions(endpoint="bridge", pull=False)
        wanted = order("shop", template(server(image="app:1")), deadline_s=0)

        (refusal,) = await looked(World(), wanted, options)
        (note,) = await looked(World(), wanted, options, fetch=False)

        assert (refusal.is_refusal, note.is_refusal) == (True, False)
        assert note.sentence == "the engine did not answer everything within 0 s"


@pytest.mark.docker
class TestImages:
    async def test_are_not_pulled_against_their_policy(self, app: str, provisioner_of: MakeProvisioner) -> None:
        """
        An image that is never to be pulled is missing, and nobody is asked for it.
        """
        provisioner = provisioner_of(options=DockerOptions(pull=True))
        wanted = template(server(image="splitter-test-nothing:9", pull_policy="never"))

        (problem,) = await provisioner.check(order(app, wanted, WEB))

        assert "is not on the engine and cannot be pulled (its pull_policy is never)" in problem.sentence
