import pytest

from provisioners.docker import DockerOptions
from provisioners.docker.preflight import _devices, _edge_proxies, _unreachable
from splitter.model import StackId
from splitter.placement import ALONE, Placement
from splitter.template import Device, DeviceRequest, Service
from tests.provisioners.docker.conftest import MakeProvisioner
from tests.provisioners.docker.stage import WEB, order, server, template

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


@pytest.mark.docker
class TestImages:
    async def test_are_not_pulled_against_their_policy(self, app: str, provisioner_of: MakeProvisioner) -> None:
        """
        An image that is never to be pulled is missing, and nobody is asked for it.
        """
        provisioner = provisioner_of(options=DockerOptions(pull=True))
        wanted = template(server(image="splitter-test-nothing:9", pull_policy="never"))

        (problem,) = await provisioner.check(order(app, wanted, WEB))

        assert "is not on the engine and cannot be pulled (its pull_policy is never)" in problem
