import pytest

from splitter.change.devices import ALL, parse_device
from splitter.template import Device, DeviceRequest
from tests.change.compose import mistake, service

pytestmark = pytest.mark.usefixtures("every_key")


class TestDevices:
    @pytest.mark.parametrize(
        ("text", "device"),
        [
            ("/dev/a", Device("/dev/a", "/dev/a")),
            ("/dev/a:/dev/b", Device("/dev/a", "/dev/b")),
            ("/dev/a:/dev/b:wr", Device("/dev/a", "/dev/b", "rw")),
            ("/dev/a:r", Device("/dev/a", "/dev/a", "r")),
            ("vendor.com/class=name", Device("vendor.com/class=name", "vendor.com/class=name")),
        ],
    )
    def test_short_forms(self, text: str, device: Device) -> None:
        """
        A device is a source, maybe a target, maybe permissions.
        """
        assert device == parse_device(text)

    def test_long_form(self) -> None:
        """
        The mapping says the same.
        """
        devices = service("devices: [{source: /dev/b, target: /dev/c, permissions: r}, /dev/a]").devices

        assert devices == (Device("/dev/a", "/dev/a"), Device("/dev/b", "/dev/c", "r"))

    @pytest.mark.parametrize("text", ["/dev/a:/dev/b:x", "/dev/a:/dev/b:rr", "a:b:c:d", "/dev/a::r"])
    def test_what_is_no_device(self, text: str) -> None:
        """
        Anything else is a mistake.
        """
        with pytest.raises(ValueError, match=r"device|permissions"):
            parse_device(text)

    def test_cgroup_rules(self) -> None:
        """
        Rules keep their order, and their form is checked.
        """
        assert service("device_cgroup_rules: ['c 1:3 mr', 'a 7:* rwm']").device_cgroup_rules == (
            "c 1:3 mr",
            "a 7:* rwm",
        )
        assert "is not a rule" in mistake("device_cgroup_rules: ['all of them']")


class TestRequests:
    def test_all_gpus(self) -> None:
        """
        `gpus: all` asks for every GPU.
        """
        assert service("gpus: all").device_requests == (DeviceRequest(("gpu",), count=ALL),)

    def test_gpus_are_gpus(self) -> None:
        """
        An entry of gpus has the capability gpu, said or not.
        """
        requests = service("gpus: [{driver: nvidia, count: 2}, {device_ids: ['0'], capabilities: [utility]}]")

        assert requests.device_requests == (
            DeviceRequest(("gpu",), "nvidia", 2),
            DeviceRequest(("gpu", "utility"), ids=("0",)),
        )

    def test_reserved_devices(self) -> None:
        """
        Reservations say their capabilities.
        """
        requests = service(
            "deploy: {resources: {reservations: {devices: [{capabilities: [gpu], count: all, options: [a=b]}]}}}"
        )

        assert requests.device_requests == (DeviceRequest(("gpu",), count=ALL, options={"a": "b"}),)

    @pytest.mark.parametrize(
        ("entry", "message"),
        [
            ("{count: 1}", "no capabilities say"),
            ("{capabilities: [gpu], count: 1, device_ids: ['0']}", "exclude each other"),
            ("{capabilities: [gpu], count: none}", "is not a whole number"),
        ],
    )
    def test_what_is_no_request(self, entry: str, message: str) -> None:
        """
        A request that no driver could answer is a mistake.
        """
        assert message in mistake(f"deploy: {{resources: {{reservations: {{devices: [{entry}]}}}}}}")
