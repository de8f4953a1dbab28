"""The official schema of Compose as referee: every key has a row, and what it refuses we refuse as well."""

import json
from collections.abc import Callable, Iterator, Mapping
from importlib.resources import files
from typing import Any

import jsonschema
import pytest

from splitter.change import keys
from splitter.change.keys import Key, Level
from splitter.change.loader import load
from splitter.errors import TemplateError

Json = dict[str, Any]
SCHEMA: Json = json.loads(files("check_jsonschema").joinpath("builtin_schemas/vendor/compose-spec.json").read_text())
REFEREE = jsonschema.Draft202012Validator(SCHEMA)

FILE = "/srv/shop/compose.yaml"
TEXT_FILE = "/srv/shop/file"
OURS = frozenset({"endpoints"})
"""Keys that the schema does not know: servers that splitter does not start."""
UNREAD = frozenset(
    "pre_start jobs".split()  # noqa: SIM905
)
"""Keys that have no reader yet."""

BELOW: Mapping[tuple[str, ...], Mapping[str, Key]] = {
    (): keys.FILE,
    ("include",): keys.INCLUDE,
    ("services",): keys.SERVICE,
    ("services", "build"): keys.BUILD,
    ("services", "build", "secrets"): keys.GRANT,
    ("services", "build", "ulimits"): keys.ULIMIT,
    ("services", "healthcheck"): keys.HEALTHCHECK,
    ("services", "ports"): keys.PORT,
    ("services", "volumes"): keys.MOUNT,
    ("services", "volumes", "bind"): keys.MOUNT_BIND,
    ("services", "volumes", "volume"): keys.MOUNT_VOLUME,
    ("services", "volumes", "tmpfs"): keys.MOUNT_TMPFS,
    ("services", "volumes", "image"): keys.MOUNT_IMAGE,
    ("networks", "external"): keys.EXTERNAL,
    ("volumes", "external"): keys.EXTERNAL,
    ("secrets", "external"): keys.EXTERNAL,
    ("configs", "external"): keys.EXTERNAL,
    ("services", "depends_on"): keys.DEPENDENCY,
    ("services", "networks"): keys.ATTACHMENT,
    ("services", "env_file"): keys.ENV_FILE,
    ("services", "extends"): keys.EXTENDS,
    ("services", "deploy"): keys.DEPLOY,
    ("services", "deploy", "resources"): keys.RESOURCES,
    ("services", "deploy", "resources", "limits"): keys.LIMITS,
    ("services", "deploy", "resources", "reservations"): keys.RESERVATIONS,
    ("services", "deploy", "resources", "reservations", "devices"): keys.DEVICE_REQUEST,
    ("services", "deploy", "restart_policy"): keys.RESTART_POLICY,
    ("services", "gpus"): keys.DEVICE_REQUEST,
    ("services", "devices"): keys.DEVICE,
    ("services", "secrets"): keys.GRANT,
    ("services", "configs"): keys.GRANT,
    ("services", "logging"): keys.LOGGING,
    ("services", "ulimits"): keys.ULIMIT,
    ("services", "post_start"): keys.HOOK,
    ("services", "pre_stop"): keys.HOOK,
    ("services", "blkio_config"): keys.BLKIO,
    **{
        ("services", "blkio_config", f"device_{direction}_{unit}"): keys.BLKIO_RATE
        for direction in ("read", "write")
        for unit in ("bps", "iops")
    },
    ("services", "blkio_config", "weight_device"): keys.BLKIO_WEIGHT,
    ("networks",): keys.NETWORK,
    ("networks", "ipam"): keys.IPAM,
    ("networks", "ipam", "config"): keys.POOL,
    ("volumes",): keys.VOLUME,
    ("secrets",): keys.SECRET,
    ("configs",): keys.CONFIG,
}
"""The table of keys of each mapping of the schema; names and positions are left out of the path."""


def objects(schema: Json, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Json]]:
    """Yield every set of properties that may stand at `path`, whatever form, list or name it stands in."""
    if "$ref" in schema:
        yield from objects(SCHEMA["$defs"][schema["$ref"].removeprefix("#/$defs/")], path)
    for word in ("oneOf", "anyOf", "allOf"):
        for option in schema.get(word, ()):
            yield from objects(option, path)
    for word in ("items", "additionalProperties"):
        if isinstance(schema.get(word), dict):
            yield from objects(schema[word], path)
    for pattern, value in schema.get("patternProperties", {}).items():
        if pattern != "^x-":
            yield from objects(value, path)
    if "properties" in schema:
        yield path, schema["properties"]


def walk(schema: Json, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], str]]:
    """Yield every key below `path` that is not refused as a whole."""
    for where, properties in objects(schema, path):
        for key, below in properties.items():
            yield where, key
            if is_read(where, key):
                yield from walk(below, (*where, key))


def is_read(path: tuple[str, ...], key: str) -> bool:
    """Return whether what stands below a key is looked at, now or as soon as a provisioner maps it."""
    row = BELOW.get(path, {}).get(key)
    if key in UNREAD:
        return False
    return row is None or row.level in {Level.DO, Level.LATER}


class TestRows:
    def test_every_key_has_one(self) -> None:
        """
        There is no key of the specification that splitter does not know.
        """
        missing = [(path, key) for path, key in walk(SCHEMA) if key not in BELOW.get(path, {})]

        assert missing == []

    def test_every_row_is_a_key(self) -> None:
        """
        splitter knows no key that the specification does not have.
        """
        known = {(path, key) for path, key in walk(SCHEMA)}
        ours = {(path, key) for path, table in BELOW.items() for key in table if key not in OURS}

        assert ours - known == set()


# --- Both accept, or both refuse ---------------------------------------------------------------------------------

BASE: Json = {
    "services": {"web": {"image": "web"}, "db": {"image": "db"}},
    "networks": {"net": {}},
    "volumes": {"vol": {}},
    "secrets": {"sec": {"file": "file"}},
    "configs": {"con": {"content": "text"}},
}
VALUES: tuple[object, ...] = ("x", 1, 1.5, True, None, ["x"], [1], [{}], {}, {"x": []})
"""One of each shape."""


def service(**keys_: object) -> Json:
    return {**BASE, "services": {**BASE["services"], "web": {"image": "web", **keys_}}}


def top(**sections: object) -> Json:
    return {**service(networks=["net"], volumes=["vol:/v"], secrets=["sec"], configs=["con"]), **sections}


def ours(document: Json) -> str:
    """Return what the loader says against a document; empty if nothing."""
    texts = {FILE: json.dumps(document), TEXT_FILE: "A=1", "/srv/shop/other.yaml": "services: {other: {image: o}}"}

    def read(path: str) -> str:
        if path not in texts:
            raise FileNotFoundError(path)
        return texts[path]

    try:
        load([FILE], read=read, environment={"VAR": "1"})
    except TemplateError as error:
        return str(error)
    return ""


PLACES: Mapping[tuple[str, ...], Callable[[Json], Json]] = {
    ("services",): lambda inner: service(**inner),
    ("services", "build"): lambda inner: service(build={"context": ".", **inner}),
    ("services", "build", "secrets"): lambda inner: service(
        build={"context": ".", "secrets": [{"source": "sec", **inner}]}
    ),
    ("services", "build", "ulimits"): lambda inner: service(
        build={"context": ".", "ulimits": {"nofile": {"soft": 1, "hard": 2, **inner}}}
    ),
    ("services", "healthcheck"): lambda inner: service(healthcheck={"test": "x", **inner}),
    ("services", "ports"): lambda inner: service(ports=[{"target": 80, **inner}]),
    ("services", "volumes"): lambda inner: service(volumes=[{"type": "bind", "source": "/x", "target": "/x", **inner}]),
    ("services", "volumes", "bind"): lambda inner: service(
        volumes=[{"type": "bind", "source": "/x", "target": "/x", "bind": inner}]
    ),
    ("services", "volumes", "volume"): lambda inner: service(
        volumes=[{"type": "volume", "source": "vol", "target": "/x", "volume": inner}]
    ),
    ("services", "volumes", "tmpfs"): lambda inner: service(
        volumes=[{"type": "tmpfs", "target": "/x", "tmpfs": inner}]
    ),
    ("services", "volumes", "image"): lambda inner: service(
        volumes=[{"type": "image", "source": "site", "target": "/x", "image": inner}]
    ),
    ("services", "depends_on"): lambda inner: service(depends_on={"db": {"condition": "service_started", **inner}}),
    ("services", "networks"): lambda inner: service(networks={"net": inner}),
    ("services", "env_file"): lambda inner: service(env_file=[{"path": "file", **inner}]),
    ("services", "extends"): lambda inner: service(extends={"service": "db", **inner}),
    ("services", "deploy"): lambda inner: service(deploy=inner),
    ("services", "deploy", "resources"): lambda inner: service(deploy={"resources": inner}),
    ("services", "deploy", "resources", "limits"): lambda inner: service(deploy={"resources": {"limits": inner}}),
    ("services", "deploy", "resources", "reservations"): lambda inner: service(
        deploy={"resources": {"reservations": inner}}
    ),
    ("services", "deploy", "restart_policy"): lambda inner: service(deploy={"restart_policy": inner}),
    ("services", "devices"): lambda inner: service(devices=[{"source": "/dev/x", **inner}]),
    ("services", "secrets"): lambda inner: service(secrets=[{"source": "sec", **inner}]),
    ("services", "configs"): lambda inner: service(configs=[{"source": "con", **inner}]),
    ("services", "gpus"): lambda inner: service(gpus=[inner]),
    ("services", "deploy", "resources", "reservations", "devices"): lambda inner: service(
        deploy={"resources": {"reservations": {"devices": [{"capabilities": ["gpu"], **inner}]}}}
    ),
    ("services", "pre_stop"): lambda inner: service(pre_stop=[{"command": "x", **inner}]),
    ("services", "blkio_config", "weight_device"): lambda inner: service(
        blkio_config={"weight_device": [{"path": "/x", "weight": 10, **inner}]}
    ),
    ("services", "logging"): lambda inner: service(logging=inner),
    ("services", "ulimits"): lambda inner: service(ulimits={"nofile": {"soft": 1, "hard": 2, **inner}}),
    ("services", "post_start"): lambda inner: service(post_start=[{"command": "x", **inner}]),
    ("services", "blkio_config"): lambda inner: service(blkio_config=inner),
    ("services", "blkio_config", "device_read_bps"): lambda inner: service(
        blkio_config={"device_read_bps": [{"path": "/x", "rate": 1, **inner}]}
    ),
    ("networks",): lambda inner: top(networks={"net": inner}),
    ("networks", "ipam"): lambda inner: top(networks={"net": {"ipam": inner}}),
    ("networks", "ipam", "config"): lambda inner: top(networks={"net": {"ipam": {"config": [inner]}}}),
    ("volumes",): lambda inner: top(volumes={"vol": inner}),
    ("secrets",): lambda inner: top(secrets={"sec": inner}),
    ("configs",): lambda inner: top(configs={"con": inner}),
    (): lambda inner: {**BASE, **inner},
}


LABELS = ({"a": "b", "n": 1, "t": True, "e": None}, ["a=b", "c"])
FLAGS = (True, "true")
SIZES = ("1g", 1048576)
COUNTS = (2, "2")
ADDRESS, MAC = ("10.5.0.7",), ("02:42:ac:11:00:03",)
RATES = ([{"path": "/dev/sda", "rate": "1mb"}], [{"path": "/dev/sda", "rate": 1}])
REQUESTS = ([{"capabilities": ["gpu"], "count": "all"}], [{"capabilities": ["gpu"], "device_ids": ["0"]}])
HOSTS = (["a:10.0.0.1", "b=::1"], {"a": "10.0.0.1", "b": ["10.0.0.1", "host-gateway"]})
WORDS = ("a b", ["a", "b"])

GOOD: Mapping[tuple[str, ...], Mapping[str, tuple[Any, ...]]] = {
    (): {
        "name": ("shop",),
        "include": (["other.yaml"], [{"path": ["other.yaml"], "project_directory": "x", "env_file": "file"}]),
        "services": ({"a": {"image": "a"}},),
        "networks": ({"a": None, "b": {}},),
        "volumes": ({"a": None, "b": {}},),
        "secrets": ({"a": {"file": "x"}},),
        "configs": ({"a": {"content": "x"}},),
    },
    ("services",): {
        "image": ("a/b:1",),
        "build": (".", {"context": "."}),
        "pull_policy": ("always", "never", "missing", "if_not_present", "daily", "weekly", "every_1d12h"),
        "pull_refresh_after": ("12h",),
        "umask": (None, 0o27, "0027", 0),
        "command": (None, *WORDS),
        "entrypoint": (None, *WORDS),
        "environment": LABELS,
        "env_file": ("file", ["file"], [{"path": "none", "required": False}]),
        "working_dir": ("/x",),
        "user": ("1000:1000",),
        "container_name": ("web-1",),
        "ports": ([80, "80:80", "127.0.0.1::80/udp", "8000-8001:80-81", {"target": 80}],),
        "expose": ([80, "81", "82-83"],),
        "networks": (["net"], {"net": None}, {"net": {"aliases": ["x"]}}),
        "network_mode": ("none", "bridge", "service:db"),
        "depends_on": (["db"], {"db": {"condition": "service_started"}}),
        "healthcheck": ({"test": "x"}, {"disable": True}),
        "volumes": (["/a", "vol:/b:ro", "./c:/c:z", {"type": "tmpfs", "target": "/d"}],),
        "tmpfs": ("/x", ["/x:size=1m", "/y"]),
        "labels": LABELS,
        "annotations": LABELS,
        "profiles": (["a"],),
        "deploy": (None, {}),
        "scale": (0, "3"),
        "mem_limit": SIZES,
        "cpus": (0.5, "1.5"),
        "pids_limit": (-1, "10"),
        "restart": ("always", "no", "on-failure:3"),
        "stop_signal": ("SIGINT",),
        "stop_grace_period": ("1m30s",),
        "extends": ("db", {"service": "db"}),
        "label_file": ("file", ["file"]),
        "links": (["db", "db:database"],),
        "hostname": ("a.b",),
        "domainname": ("b",),
        "mac_address": MAC,
        "tty": FLAGS,
        "stdin_open": FLAGS,
        "init": FLAGS,
        "group_add": (["mail", 99],),
        "volumes_from": (["db", "db:ro"], ["db:rw"]),
        "secrets": (["sec"], [{"source": "sec"}]),
        "configs": (["con"], [{"source": "con"}]),
        "mem_reservation": SIZES,
        "memswap_limit": (*SIZES, -1),
        "mem_swappiness": COUNTS,
        "cpu_shares": COUNTS,
        "cpu_quota": COUNTS,
        "cpu_period": COUNTS,
        "cpu_rt_period": COUNTS,
        "cpu_rt_runtime": COUNTS,
        "cpuset": ("0-1",),
        "oom_kill_disable": FLAGS,
        "oom_score_adj": (-1000, "5"),
        "shm_size": SIZES,
        "blkio_config": ({}, {"weight": 300}),
        "cgroup_parent": ("/x",),
        "ulimits": ({"nofile": 1, "nproc": "2", "core": {"soft": -1, "hard": -1}},),
        "sysctls": ({"a.b": 1}, ["a.b=1"]),
        "gpus": ("all", [{"count": 1}]),
        "devices": (["/dev/a", "/dev/a:/dev/b:r"], [{"source": "/dev/a"}]),
        "device_cgroup_rules": (["c 1:3 mr"],),
        "cap_add": (["ALL"],),
        "cap_drop": (["ALL"],),
        "privileged": FLAGS,
        "security_opt": (["no-new-privileges:true", "seccomp:unconfined"],),
        "read_only": FLAGS,
        "ipc": ("host", "shareable", "service:db"),
        "pid": (None, "host", "service:db"),
        "cgroup": ("host", "private"),
        "uts": ("host",),
        "userns_mode": ("host",),
        "runtime": ("runc",),
        "platform": ("linux/amd64",),
        "extra_hosts": HOSTS,
        "dns": ("1.1.1.1", ["1.1.1.1"]),
        "dns_opt": (["ndots:1"],),
        "dns_search": ("a.b", ["a.b"]),
        "logging": ({}, {"driver": "json-file", "options": {"a": 1, "b": "x", "c": None}}),
        "storage_opt": ({"size": "1G"},),
        "post_start": ([{"command": "a b"}],),
        "pre_stop": ([{"command": ["a"]}],),
    },
    ("services", "build"): {
        "context": ("./x",),
        "dockerfile": ("x",),
        "args": LABELS,
        "target": ("x",),
        "dockerfile_inline": ("FROM x",),
        "labels": LABELS,
        "cache_from": (["x"],),
        "network": ("host",),
        "shm_size": SIZES,
        "extra_hosts": HOSTS,
        "platforms": (["linux/amd64"], ["linux/arm64", "linux/amd64"]),
        "entitlements": (["network.host"],),
        "ssh": ({"default": None}, {"key": "./id"}, ["default", "key=./id"]),
        "cache_to": (["type=inline"],),
        "additional_contexts": ({"a": "../a", "b": "docker-image://b:1"}, ["a=../a", "c=https://example.org/c.git"]),
        "privileged": (False, "false"),
        "secrets": (["sec"], [{"source": "sec", "target": "token"}]),
        "ulimits": ({"nofile": 1, "nproc": {"soft": 1, "hard": 2}},),
    },
    ("services", "build", "secrets"): {
        "source": ("sec",),
        "target": ("x",),
        "uid": ("1",),
        "gid": ("1",),
        "mode": (0o440, "0440"),
    },
    ("services", "build", "ulimits"): {"soft": (1, "1"), "hard": (2, "2")},
    ("services", "healthcheck"): {
        "test": ("x", ["CMD", "x"], ["NONE"]),
        "interval": ("1s",),
        "timeout": ("1s",),
        "retries": COUNTS,
        "start_period": ("1s",),
        "disable": FLAGS,
        "start_interval": ("1s",),
    },
    ("services", "ports"): {
        "target": (80, "80"),
        "published": ("80", 80, "80-90"),
        "protocol": ("tcp", "udp"),
        "host_ip": ("127.0.0.1",),
    },
    ("services", "volumes"): {
        "type": ("bind",),
        "source": ("/x",),
        "target": ("/x",),
        "read_only": FLAGS,
        "bind": ({},),
        "volume": ({},),
        "tmpfs": ({},),
        "image": ({},),
    },
    ("services", "volumes", "image"): {"subpath": ("a/b",)},
    ("services", "volumes", "bind"): {
        "create_host_path": FLAGS,
        "propagation": ("rshared",),
        "selinux": ("z", "Z"),
        "recursive": ("enabled", "disabled"),
    },
    ("services", "volumes", "volume"): {"labels": LABELS, "nocopy": FLAGS, "subpath": ("a",)},
    ("services", "volumes", "tmpfs"): {"size": SIZES, "mode": (0o1777, "1777")},
    ("services", "depends_on"): {
        "condition": ("service_started", "service_completed_successfully"),
        "required": (False,),
        "restart": FLAGS,
    },
    ("services", "networks"): {
        "aliases": (["a"],),
        "priority": (1,),
        "ipv4_address": ADDRESS,
        "ipv6_address": ("::1",),
        "link_local_ips": (["169.254.1.1"],),
        "mac_address": MAC,
        "driver_opts": ({"a": "b", "c": 1},),
        "use_service_name_alias": FLAGS,
    },
    ("services", "env_file"): {"path": ("file",), "format": ("raw",), "required": FLAGS},
    ("services", "extends"): {"service": ("db",), "file": ("compose.yaml",)},
    ("services", "deploy"): {
        "replicas": COUNTS,
        "resources": ({},),
        "restart_policy": ({},),
        "mode": ("replicated", "global"),
    },
    ("services", "deploy", "resources"): {"limits": ({},), "reservations": ({},)},
    ("services", "deploy", "resources", "limits"): {"cpus": (0.5, "0.5"), "memory": ("1g",), "pids": COUNTS},
    ("services", "deploy", "resources", "reservations"): {"memory": ("1g",), "devices": REQUESTS},
    ("services", "deploy", "resources", "reservations", "devices"): {
        "capabilities": (["gpu", "utility"],),
        "count": ("all", 1),
        "device_ids": (["0"],),
        "driver": ("x",),
        "options": LABELS,
    },
    ("services", "deploy", "restart_policy"): {
        "condition": ("any", "none", "on-failure"),
        "max_attempts": COUNTS,
    },
    ("services", "gpus"): {
        "capabilities": (["utility"],),
        "count": ("all", 1),
        "device_ids": (["0"],),
        "driver": ("x",),
        "options": LABELS,
    },
    ("services", "devices"): {"source": ("/dev/a",), "target": ("/dev/b",), "permissions": ("rw",)},
    ("services", "secrets"): {
        "source": ("sec",),
        "target": ("x", "/x"),
        "uid": ("1",),
        "gid": ("1",),
        "mode": (0o440, "0440"),
    },
    ("services", "configs"): {
        "source": ("con",),
        "target": ("x", "/x"),
        "uid": ("1",),
        "gid": ("1",),
        "mode": (0o440, "0440"),
    },
    ("services", "logging"): {"driver": ("x",), "options": ({"a": 1},)},
    ("services", "ulimits"): {"soft": (1, "1"), "hard": (2, "2")},
    ("services", "post_start"): {
        "command": WORDS,
        "user": ("root",),
        "privileged": FLAGS,
        "working_dir": ("/x",),
        "environment": LABELS,
    },
    ("services", "pre_stop"): {
        "command": WORDS,
        "user": ("root",),
        "privileged": FLAGS,
        "working_dir": ("/x",),
        "environment": LABELS,
    },
    ("services", "blkio_config"): {
        "device_read_bps": RATES,
        "device_read_iops": ([{"path": "/x", "rate": 1}],),
        "device_write_bps": RATES,
        "device_write_iops": ([{"path": "/x", "rate": "1"}],),
        "weight": (10, "1000"),
        "weight_device": ([{"path": "/x", "weight": 10}],),
    },
    ("services", "blkio_config", "device_read_bps"): {"path": ("/x",), "rate": (1, "1mb")},
    ("services", "blkio_config", "weight_device"): {"path": ("/x",), "weight": (10, "10")},
    ("networks",): {
        "name": ("x",),
        "driver": ("bridge",),
        "driver_opts": ({"a": 1},),
        "internal": FLAGS,
        "attachable": FLAGS,
        "external": (*FLAGS, {"name": "x"}),
        "labels": LABELS,
        "ipam": ({},),
        "enable_ipv4": FLAGS,
        "enable_ipv6": FLAGS,
    },
    ("networks", "ipam"): {"driver": ("x",), "config": ([{}],), "options": ({"a": "b"},)},
    ("networks", "ipam", "config"): {
        "subnet": ("10.0.0.0/8",),
        "ip_range": ("10.1.0.0/16",),
        "gateway": ADDRESS,
        "aux_addresses": ({"a": "10.0.0.1"},),
    },
    ("volumes",): {
        "name": ("x",),
        "driver": ("local",),
        "driver_opts": ({"a": 1},),
        "external": (*FLAGS, {"name": "x"}),
        "labels": LABELS,
    },
    ("secrets",): {"name": ("x",), "file": ("file",), "environment": ("VAR",), "external": (False,), "labels": LABELS},
    ("configs",): {
        "name": ("x",),
        "file": ("file",),
        "environment": ("VAR",),
        "content": ("x",),
        "external": (False,),
        "labels": LABELS,
    },
}
"""Values that are right, each form of each key that has a reader."""

ALONE: Mapping[tuple[str, ...], Json] = {("secrets",): {"file": "file"}, ("configs",): {"content": "text"}}
"""What a secret or config needs beside a key that does not say what it holds."""


def around(path: tuple[str, ...], key: str, value: object) -> Json:
    """Return a document in which nothing but `value` may be wrong."""
    says_what = key in {"file", "environment", "content"}
    return PLACES[path]({**({} if says_what else ALONE.get(path, {})), key: value})


@pytest.mark.usefixtures("every_key")
class TestReferee:
    @pytest.mark.parametrize("path", GOOD, ids=".".join)
    def test_both_accept_what_is_right(self, path: tuple[str, ...]) -> None:
        """
        Each form of each key is accepted by the schema and by the loader.
        """
        cases = [(key, value) for key, values in GOOD[path].items() for value in values]

        refused = [(key, value, ours(around(path, key, value))) for key, value in cases]

        assert [(key, value) for key, value in cases if not REFEREE.is_valid(around(path, key, value))] == []
        assert [case for case in refused if case[-1]] == []

    @pytest.mark.parametrize("path", PLACES, ids=".".join)
    def test_what_the_schema_refuses_is_refused(self, path: tuple[str, ...]) -> None:
        """
        A value of the wrong shape is refused by both, whatever key it stands under.
        """
        read = [key for key in BELOW[path] if is_read(path, key) and key not in OURS]
        cases = [(key, value, around(path, key, value)) for key in read for value in VALUES]

        assert [(key, value) for key, value, case in cases if not REFEREE.is_valid(case) and not ours(case)] == []

    def test_every_key_has_a_right_value(self) -> None:
        """
        The corpus knows every key that has a reader.
        """
        read = {(path, key) for path in PLACES for key in BELOW[path] if is_read(path, key) and key not in OURS}

        assert read == {(path, key) for path, values in GOOD.items() for key in values}

    @pytest.mark.parametrize("key", ["imag", "Image", "x_a"])
    def test_both_refuse_unknown_keys(self, key: str) -> None:
        """
        A key that does not exist is refused by both, an extension by neither.
        """
        assert not REFEREE.is_valid(service(**{key: "x"}))
        assert "unknown key" in ours(service(**{key: "x"}))
        assert REFEREE.is_valid(service(**{"x-" + key: "x"}))
        assert not ours(service(**{"x-" + key: "x"}))
