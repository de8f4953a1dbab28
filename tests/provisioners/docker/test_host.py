"""Every key of a service that becomes a field of the engine's HostConfig or Config."""

from typing import Any

import pytest

from provisioners.docker import names
from provisioners.docker.containers import Image, configure
from provisioners.docker.host import needed_containers, update_of
from provisioners.docker.shares import Guest, Shares
from splitter.model import StackId
from splitter.placement import Placement, VolumeMode
from splitter.template import (
    Attachment,
    BlockIo,
    Device,
    DeviceRate,
    DeviceRequest,
    Healthcheck,
    Hook,
    Limits,
    Logging,
    Mount,
    MountType,
    Network,
    Service,
    Template,
    Ulimit,
    Volume,
    VolumesFrom,
)
from tests.provisioners.docker.stage import IMAGE, order, server, template

FACTS = Image(IMAGE, "sha256:1", ("/entry",), (8000,), has_check=False)
BESIDE = Placement(base=StackId("shop-r0"))


def body(
    service: Service,
    *,
    whole: Template | None = None,
    shares: Shares | None = None,
    version: str = "1.41",
    placement: Placement | None = None,
    renumbered: frozenset[str] = frozenset(),
) -> dict[str, Any]:
    """Return what the engine is asked to make."""
    made = order("shop", whole or template(service), placement=placement or Placement())
    part = names.Part(service, 1, 0, names.Kind.SERVER)
    mine = names.Identity.of(made, "home", (), shares or Shares())
    return dict(configure(made, mine, part, FACTS, (), version, renumbered))


def host(service: Service, **keys: Any) -> dict[str, Any]:
    found: dict[str, Any] = body(service, **keys)["HostConfig"]
    return found


class TestConfig:
    @pytest.mark.parametrize(
        ("key", "value", "field", "expected"),
        [
            ("hostname", "one", "Hostname", "one"),
            ("domainname", "example.org", "Domainname", "example.org"),
            ("tty", True, "Tty", True),
            ("stdin_open", True, "OpenStdin", True),
            ("user", "1000:1000", "User", "1000:1000"),
            ("working_dir", "/srv", "WorkingDir", "/srv"),
            ("stop_signal", "SIGINT", "StopSignal", "SIGINT"),
            ("mac_address", "02:42:ac:11:00:02", "MacAddress", "02:42:ac:11:00:02"),
        ],
    )
    def test_holds_what_the_template_says(self, key: str, value: Any, field: str, expected: object) -> None:
        """
        Each key is one field of the engine's.
        """
        assert expected == body(server(**{key: value}))[field]

    def test_gives_a_shadow_no_hardware_address(self) -> None:
        """
        Two containers cannot have one.
        """
        assert body(server(mac_address="02:42:ac:11:00:02"), placement=BESIDE)["MacAddress"] is None

    def test_knows_the_interval_of_a_start_where_the_engine_does(self) -> None:
        """
        Engines from API 1.44 on ask more often while a service starts.
        """
        check = Healthcheck(("CMD", "true"), start_interval_s=0.5)

        assert body(server(healthcheck=check), version="1.44")["Healthcheck"]["StartInterval"] == 500_000_000
        assert "StartInterval" not in body(server(healthcheck=check))["Healthcheck"]

    def test_says_what_is_to_be_run_before_the_stop(self) -> None:
        """
        Who takes a stack down knows its labels alone.
        """
        hook = Hook(("/bye", "now"), user="app", environment={"A": "1"})

        label = body(server(pre_stop=(hook,)))["Labels"][names.PRE_STOP]

        assert label == '[{"command":["/bye","now"],"environment":{"A":"1"},"user":"app"}]'


class TestRights:
    @pytest.mark.parametrize(
        ("key", "value", "field", "expected"),
        [
            ("cap_add", ("NET_ADMIN",), "CapAdd", ["NET_ADMIN"]),
            ("cap_drop", ("ALL",), "CapDrop", ["ALL"]),
            ("privileged", True, "Privileged", True),
            ("security_opt", ("no-new-privileges:true",), "SecurityOpt", ["no-new-privileges:true"]),
            ("read_only", True, "ReadonlyRootfs", True),
            ("group_add", ("audio", "44"), "GroupAdd", ["audio", "44"]),
            ("device_cgroup_rules", ("c 1:3 mr",), "DeviceCgroupRules", ["c 1:3 mr"]),
            ("sysctls", {"net.core.somaxconn": "1024"}, "Sysctls", {"net.core.somaxconn": "1024"}),
            ("ipc", "private", "IpcMode", "private"),
            ("pid", "host", "PidMode", "host"),
            ("uts", "host", "UTSMode", "host"),
            ("userns_mode", "host", "UsernsMode", "host"),
            ("cgroup", "private", "CgroupnsMode", "private"),
            ("cgroup_parent", "/shop", "CgroupParent", "/shop"),
            ("runtime", "runc", "Runtime", "runc"),
            ("init", True, "Init", True),
            ("extra_hosts", ("api:10.0.0.1",), "ExtraHosts", ["api:10.0.0.1"]),
            ("dns", ("10.0.0.1",), "Dns", ["10.0.0.1"]),
            ("dns_search", ("example.org",), "DnsSearch", ["example.org"]),
            ("dns_opt", ("ndots:1",), "DnsOptions", ["ndots:1"]),
            ("storage_opt", {"size": "1G"}, "StorageOpt", {"size": "1G"}),
        ],
    )
    def test_are_what_the_template_says(self, key: str, value: Any, field: str, expected: object) -> None:
        """
        Each key is one field of the engine's.
        """
        assert expected == host(server(**{key: value}))[field]

    def test_of_unmasked_paths_are_no_security_option_of_the_engine(self) -> None:
        """
        What the command line makes of `systempaths=unconfined` is made here too.
        """
        found = host(server(security_opt=("systempaths=unconfined", "label=disable")))

        assert (found["MaskedPaths"], found["ReadonlyPaths"], found["SecurityOpt"]) == ([], [], ["label=disable"])

    def test_to_devices(self) -> None:
        """
        A device is named, or chosen by a driver.
        """
        gpu = DeviceRequest(("gpu",), driver="nvidia", count=1, options={"a": "b"})
        found = host(server(devices=(Device("/dev/fuse", "/dev/fuse", "rw"),), device_requests=(gpu,)))

        assert found["Devices"] == [
            {"PathOnHost": "/dev/fuse", "PathInContainer": "/dev/fuse", "CgroupPermissions": "rw"}
        ]
        assert found["DeviceRequests"] == [
            {"Driver": "nvidia", "Count": 1, "DeviceIDs": [], "Capabilities": [["gpu"]], "Options": {"a": "b"}}
        ]

    def test_to_annotate_need_an_engine_that_knows_it(self) -> None:
        """
        Annotations are handed on from API 1.43 on.
        """
        assert host(server(annotations={"a": "b"}), version="1.43")["Annotations"] == {"a": "b"}
        assert "Annotations" not in host(server(annotations={"a": "b"}))


class TestBounds:
    @pytest.mark.parametrize(
        ("bound", "value", "field", "expected"),
        [
            ("memory_bytes", 2**26, "Memory", 2**26),
            ("memory_reservation_bytes", 2**25, "MemoryReservation", 2**25),
            ("memory_swap_bytes", -1, "MemorySwap", -1),
            ("memory_swappiness", 0, "MemorySwappiness", 0),
            ("shm_bytes", 2**20, "ShmSize", 2**20),
            ("cpus", 1.5, "NanoCpus", 1_500_000_000),
            ("cpu_shares", 512, "CpuShares", 512),
            ("cpu_quota_us", 50_000, "CpuQuota", 50_000),
            ("cpu_period_us", 100_000, "CpuPeriod", 100_000),
            ("cpu_rt_period_us", 11, "CPURealtimePeriod", 11),
            ("cpu_rt_runtime_us", 10, "CPURealtimeRuntime", 10),
            ("cpu_set", "0-1", "CpusetCpus", "0-1"),
            ("pids", 100, "PidsLimit", 100),
            ("oom_kill_disable", True, "OomKillDisable", True),
            ("oom_score_adj", -500, "OomScoreAdj", -500),
            ("ulimits", (Ulimit("nofile", 1024, 2048),), "Ulimits", [{"Name": "nofile", "Soft": 1024, "Hard": 2048}]),
        ],
    )
    def test_are_what_the_template_says(self, bound: str, value: Any, field: str, expected: object) -> None:
        """
        Each bound is one field of the engine's.
        """
        assert expected == host(server(limits=Limits(**{bound: value})))[field]

    def test_of_block_devices(self) -> None:
        """
        A weight for all devices, and six lists for single ones.
        """
        rate = (DeviceRate("/dev/sda", 1_000),)
        block = BlockIo(300, (DeviceRate("/dev/sda", 400),), rate, rate, rate, rate)
        found = host(server(limits=Limits(block_io=block)))

        assert found["BlkioWeight"] == 300
        assert found["BlkioWeightDevice"] == [{"Path": "/dev/sda", "Weight": 400}]
        for direction in ("ReadBps", "WriteBps", "ReadIOps", "WriteIOps"):
            assert found[f"BlkioDevice{direction}"] == [{"Path": "/dev/sda", "Rate": 1_000}]

    def test_of_the_log_are_the_drivers(self) -> None:
        """
        Options without a driver are those of the usual one.
        """
        usual = host(server(logging=Logging("", {"max-size": "1m"})))["LogConfig"]

        assert usual == {"Type": "json-file", "Config": {"max-size": "1m"}}
        assert host(server(logging=Logging("none")))["LogConfig"] == {"Type": "none", "Config": {}}
        assert "LogConfig" not in host(server())


class TestMounts:
    def test_of_folders_say_how(self) -> None:
        """
        A folder's mount has its access, its SELinux label and its propagation.
        """
        mount = Mount(MountType.BIND, "/in", "/srv", read_only=True, selinux="z", propagation="rslave")

        assert host(server(mounts=(mount,)))["Binds"] == ["/srv:/in:ro,z,rslave"]

    @pytest.mark.parametrize(
        ("mount", "version", "options"),
        [
            (Mount(MountType.BIND, "/in", "/srv", create_host_path=False), "1.41", {}),
            (Mount(MountType.BIND, "/in", "/srv", recursive="disabled"), "1.41", {"NonRecursive": True}),
            (
                Mount(MountType.BIND, "/in", "/srv", recursive="disabled", propagation="rslave"),
                "1.42",
                {"Propagation": "rslave", "NonRecursive": True, "CreateMountpoint": True},
            ),
            (
                Mount(MountType.BIND, "/in", "/srv", read_only=True, recursive="writable"),
                "1.44",
                {"ReadOnlyNonRecursive": True, "CreateMountpoint": True},
            ),
            (
                Mount(MountType.BIND, "/in", "/srv", read_only=True, recursive="readonly", create_host_path=False),
                "1.44",
                {"ReadOnlyForceRecursive": True},
            ),
        ],
    )
    def test_of_folders_say_what_lies_below(self, mount: Mount, version: str, options: dict[str, object]) -> None:
        """
        The long form says whether what is mounted below comes along, and makes no folder unless it is told to.
        """
        found = host(server(mounts=(mount,)), version=version)

        assert "Binds" not in found
        assert found["Mounts"] == [
            {
                "Type": "bind",
                "Source": "/srv",
                "Target": "/in",
                "ReadOnly": mount.read_only,
                "BindOptions": options,
            }
        ]

    def test_of_folders_with_colons_are_whole(self) -> None:
        """
        A colon would end the path in the short form, so such a folder is mounted by the long one.
        """
        found = host(server(mounts=(Mount(MountType.BIND, "/in", "/srv/a:b"),)))

        assert "Binds" not in found
        assert found["Mounts"][0]["Source"] == "/srv/a:b"

    def test_of_images_and_parts(self) -> None:
        """
        An image is mounted by its name; of an image and of a volume a folder will do.
        """
        image = Mount(MountType.IMAGE, "/site", "site:1", subpath="public")
        whole = Mount(MountType.IMAGE, "/whole", "site:2")
        part = Mount(MountType.VOLUME, "/data", "data", nocopy=True, subpath="web")
        service = server(mounts=(image, whole, part))

        volume, *images = host(service, whole=template(service, volumes={"data": Volume("data")}))["Mounts"]

        assert volume["VolumeOptions"] == {"NoCopy": True, "Subpath": "web"}
        assert [(each["Type"], each["Source"], each.get("ImageOptions")) for each in images] == [
            ("image", "site:1", {"Subpath": "public"}),
            ("image", "site:2", None),
        ]

    def test_of_volumes_may_stay_empty(self) -> None:
        """
        What the image has in that place is not copied where the template says so; an anonymous volume has labels.
        """
        mount = Mount(MountType.VOLUME, "/in", nocopy=True, labels={"a": "b"})

        assert host(server(mounts=(mount,)))["Mounts"][0]["VolumeOptions"] == {"NoCopy": True, "Labels": {"a": "b"}}

    def test_of_memory_have_options(self) -> None:
        """
        A size, a mode or an owner is for the mount command; without any, it is a plain mount.
        """
        sized = Mount(MountType.TMPFS, "/run", options=("size=65536", "mode=1777"))
        plain = Mount(MountType.TMPFS, "/tmp")
        found = host(server(mounts=(sized, plain)))

        assert found["Tmpfs"] == {"/run": "size=65536,mode=1777"}
        assert [mount["Target"] for mount in found["Mounts"]] == ["/tmp"]

    def test_of_shared_volumes_are_live_s(self) -> None:
        """
        A shared volume has the name that it has for live, and is only read where only that is allowed.
        """
        service = server(mounts=(Mount(MountType.VOLUME, "/data", "data"),))
        whole = template(service, volumes={"data": Volume("data")})
        reading = Placement(base=StackId("shop-r0"), volumes={"data": VolumeMode.SHARE_RO})

        (mount,) = host(service, whole=whole, shares=Shares({}, {"data": "shop-r0_data"}), placement=reading)["Mounts"]

        assert (mount["Source"], mount["ReadOnly"]) == ("shop-r0_data", True)


class TestOtherServices:
    def test_lend_their_namespaces_and_mounts(self) -> None:
        """
        `service:x` is a container of x: of the stack itself, or the guest that serves it.
        """
        service = server(
            network_mode="service:vpn", pid="service:db", volumes_from=(VolumesFrom("db", read_only=True),)
        )
        shares = Shares({"db": Guest(("shop-r0-db-1",), {})}, {})

        found = host(service, shares=shares)

        assert found["NetworkMode"] == "container:shop-r1-vpn-1"
        assert found["PidMode"] == "container:shop-r0-db-1"
        assert found["VolumesFrom"] == ["shop-r0-db-1:ro"]
        assert needed_containers(service) == {"vpn", "db"}

    def test_have_the_ports_and_names_of_who_uses_their_network(self) -> None:
        """
        The engine refuses a host name, ports and servers of names beside the network of another container.
        """
        made = body(server(network_mode="service:vpn", hostname="mine", dns=("10.0.0.1",)))

        assert (made["Hostname"], made["ExposedPorts"]) == (None, None)
        assert "Dns" not in made["HostConfig"]
        assert "EndpointsConfig" not in made["NetworkingConfig"]

    @pytest.mark.parametrize("mode", ["none", "bridge"])
    def test_are_not_met_without_networks(self, mode: str) -> None:
        """
        The engine's own modes have its own names.
        """
        made = body(server(network_mode=mode))

        assert made["HostConfig"]["NetworkMode"] == mode
        assert "EndpointsConfig" not in made["NetworkingConfig"]


class TestAddresses:
    PLACE = Attachment(
        "back", ipv4_address="10.9.0.5", ipv6_address="fd00::5", link_local_ips=("169.254.8.8",), driver_opts={"a": "b"}
    )

    def endpoint(self, **keys: Any) -> dict[str, Any]:
        service = server(networks=(self.PLACE,))
        whole = template(service, networks={"back": Network("back")})
        found: dict[str, Any] = body(service, whole=whole, **keys)["NetworkingConfig"]["EndpointsConfig"][
            "shop-r1_back"
        ]
        return found

    def test_are_those_of_the_template(self) -> None:
        """
        An address that the template fixes is the container's.
        """
        found = self.endpoint()

        assert found["IPAMConfig"] == {
            "IPv4Address": "10.9.0.5",
            "IPv6Address": "fd00::5",
            "LinkLocalIPs": ["169.254.8.8"],
        }
        assert found["DriverOpts"] == {"a": "b"}

    def test_have_no_name_of_the_service_where_it_is_not_wanted(self) -> None:
        """
        A service may be found by its aliases alone.
        """
        service = server(networks=(Attachment("back", ("x",), use_service_name_alias=False),))
        whole = template(service, networks={"back": Network("back")})

        found = body(service, whole=whole)["NetworkingConfig"]["EndpointsConfig"]["shop-r1_back"]

        assert found["Aliases"] == ["x"]

    def test_are_the_engines_in_a_network_that_was_renumbered(self) -> None:
        """
        In another subnet the template's addresses mean nothing.
        """
        found = self.endpoint(renumbered=frozenset({"back"}))

        assert "IPAMConfig" not in found
        assert found["Aliases"] == ["web"]


class TestUpdate:
    def test_names_bounds_and_policy(self) -> None:
        """
        What is not said is left out; memory and swap go together, since the engine compares the one with the other.
        """
        limits = Limits(memory_bytes=2**30, cpus=1.5, pids=50, block_io=BlockIo(weight=300))

        assert update_of(server(limits=limits, restart="on-failure:3")) == {
            "Memory": 2**30,
            "MemorySwap": 2**31,
            "NanoCpus": 1_500_000_000,
            "PidsLimit": 50,
            "BlkioWeight": 300,
            "RestartPolicy": {"Name": "on-failure", "MaximumRetryCount": 3},
        }
        assert update_of(server(limits=Limits(memory_bytes=2**30, memory_swap_bytes=-1)))["MemorySwap"] == -1
