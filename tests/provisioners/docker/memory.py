"""A Docker engine in memory: what its SDK's client does, with the errors of a real one, and a way to die at any call.

A `World` is what survives a daemon.  Each daemon has an engine of its own over it (`MemoryEngine`), which can be told
to die at one of its calls: that call and all later ones do nothing, as when the process was killed before it.
"""

import ipaddress
import itertools
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any, cast

from docker import APIClient
from docker.errors import APIError
from requests import HTTPError

from provisioners.docker.engine import Engine

VERSION = "1.41"


class KilledError(BaseException):
    """The daemon is dead: nothing catches this, and nothing that it still tries has an effect."""


def refused(status: int, message: str) -> APIError:
    return APIError(message, cast("Any", SimpleNamespace(status_code=status, reason=message, url="")), message)


@dataclass
class World:
    """What is on the engine.

    `moved` are the names of images that mean another one by now, with its id.
    `endings` are the exit codes of services that end at once, by name.  `aliases` are the names that containers have in
    each of their networks, `usage` is the memory that they use; both by the container's name.  `info` is what the
    engine says of itself beyond the least.  `commands` were run in containers, each with the container's name before
    it; they end with `exit_code`, and leave `dump` in the container's volumes.
    """

    images: set[str] = field(default_factory=lambda: {"app:1"})
    moved: dict[str, str] = field(default_factory=dict)
    containers: dict[str, dict[str, Any]] = field(default_factory=dict)
    networks: dict[str, dict[str, Any]] = field(default_factory=dict)
    volumes: dict[str, dict[str, Any]] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    endings: dict[str, int] = field(default_factory=dict)
    ports: set[str] = field(default_factory=set)
    aliases: dict[str, list[str]] = field(default_factory=dict)
    usage: dict[str, int] = field(default_factory=dict)
    info: dict[str, Any] = field(default_factory=dict)
    commands: list[tuple[str, ...]] = field(default_factory=list)
    exit_code: int = 0
    lock: threading.RLock = field(default_factory=threading.RLock)
    numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def image_id(self, reference: str) -> str:
        """Return the id of an image, which may be asked for by it.  Raises as the engine does."""
        names = {f"sha256:{name}": name for name in self.images}
        if reference not in self.images and reference not in names:
            raise refused(404, f"No such image: {reference}")
        return reference if reference in names else self.moved.get(reference, f"sha256:{reference}")

    def of(self, stack: str) -> list[str]:
        """Return the names of everything that carries the label of `stack`."""
        parts = [*self.containers.items(), *self.networks.items(), *self.volumes.items()]
        return sorted(name for name, part in parts if part["Labels"].get("splitter.stack") == stack)

    def lose(self, container: str) -> None:
        """Remove a container as somebody does by hand, if it is there."""
        self.containers.pop(container, None)
        for network in self.networks.values():
            network["Containers"].pop(container, None)

    def networks_of(self, container: str) -> list[str]:
        return sorted(name for name, each in self.networks.items() if container in each["Containers"])


class MemoryEngine(Engine):
    """The engine of one daemon, which dies at its call number `dies_at` (never, without one)."""

    def __init__(self, world: World, dies_at: int | None = None) -> None:
        super().__init__("unix:///memory", threads=2)
        self.calls = 0
        self.is_dead = False
        self._world = world
        self._dies_at = dies_at

    def connect(self) -> APIClient:
        return cast("APIClient", Client(self._world, self))

    def begin(self) -> None:
        """Count one call.  Raises KilledError from the fatal one on."""
        with self._world.lock:
            self.is_dead = self.is_dead or self.calls == self._dies_at
            if self.is_dead:
                raise KilledError
            self.calls += 1


class Stream:
    """Events that never come, until it is closed."""

    def __init__(self) -> None:
        self._closed = threading.Event()

    def __iter__(self) -> Iterator[dict[str, Any]]:
        self._closed.wait()
        return iter(())

    def close(self) -> None:
        self._closed.set()


class Client:
    """What the provisioner asks of the SDK's client; every public method is one call of the engine."""

    api_version = VERSION
    base_url = "http+docker://memory"
    timeout = 60

    def __init__(self, world: World, engine: MemoryEngine) -> None:
        self._world = world
        self._engine = engine

    def __getattribute__(self, name: str) -> Any:
        found = object.__getattribute__(self, name)
        if name.startswith("_") or not callable(found) or name in ("close", "events", "create_host_config"):
            return found

        def call(*args: Any, **keys: Any) -> Any:
            with self._world.lock:
                self._engine.begin()  # a callable lambda makes several calls: each of them can be the last
                return found(*args, **keys)

        return call

    def close(self) -> None:
        """Nothing is held."""

    def events(self, **_: object) -> Stream:
        return Stream()

    def info(self) -> dict[str, Any]:
        return {"OSType": "linux", "MemTotal": 2**34, **self._world.info}

    def df(self) -> dict[str, Any]:
        sizes = [(each["Name"], {"Size": each.get("size", 0)}) for each in self._world.volumes.values()]
        return {"Volumes": [{"Name": name, "UsageData": usage} for name, usage in sizes]}

    def logs(self, container: str, tail: int) -> bytes:
        return b""

    # --- Images --------------------------------------------------------------------------------------------------

    def images(self, name: str | None = None, filters: Mapping[str, Any] | None = None) -> list[dict[str, Any]]:
        return []

    def inspect_image(self, reference: str) -> dict[str, Any]:
        return {"Id": self._world.image_id(reference), "Config": {}, "Os": "linux", "Architecture": "amd64"}

    def tag(self, image: str, repository: str, tag: str, force: bool = False) -> None:
        self._world.tags[f"{repository}:{tag}"] = image

    def remove_image(self, tag: str) -> None:
        if self._world.tags.pop(tag, None) is None:
            raise refused(404, f"No such image: {tag}")

    # --- Containers ----------------------------------------------------------------------------------------------

    def containers(self, all: bool = False, filters: Mapping[str, Any] | None = None) -> list[dict[str, Any]]:  # noqa: A002
        filters = filters or {}
        found = [each for each in self._world.containers.values() if all or each["State"]["Running"]]
        found = [each for each in found if _has_labels(each, filters)]
        if "volume" in filters:
            found = [each for each in found if any(m["Name"] == filters["volume"] for m in each["Mounts"])]
        return [
            {
                "Id": each["Id"],
                "Names": [each["Name"]],
                "Labels": each["Labels"],
                "State": each["State"]["Status"],
                "Mounts": each["Mounts"],
            }
            for each in found
        ]

    def inspect_container(self, container: str) -> dict[str, Any]:
        found = self._container(container)
        name = found["Name"].lstrip("/")
        networks = {
            key: {
                "IPAddress": each["Containers"][name],
                "NetworkID": each["Id"],
                "Aliases": self._world.aliases.get(name),
            }
            for key, each in self._world.networks.items()
            if name in each["Containers"]
        }
        return {**found, "NetworkSettings": {"Networks": networks, "Ports": {}}}

    def stats(self, container: str, stream: bool = True, one_shot: bool = False) -> dict[str, Any]:
        name = self._container(container)["Name"].lstrip("/")
        used = self._world.usage.get(name, 2**20)
        cpu = {"cpu_usage": {"total_usage": 0}}
        return {"memory_stats": {"usage": used, "limit": 2**34}, "cpu_stats": cpu}

    def create_host_config(self, **keys: Any) -> dict[str, Any]:
        return {"Mounts": keys.get("mounts") or []}

    def create_container(self, image: str, **keys: Any) -> dict[str, Any]:
        config = {"Image": image, "Labels": keys["labels"], "HostConfig": keys["host_config"]}
        return self._create(config, f"copying-{next(self._world.numbers)}")

    def create_container_from_config(self, config: Mapping[str, Any], name: str, platform: str | None = None) -> Any:
        return self._create(config, name)

    def _create(self, config: Mapping[str, Any], name: str) -> dict[str, Any]:
        world = self._world
        if name in world.containers:
            raise refused(409, f'Conflict. The container name "/{name}" is already in use.')
        image = world.image_id(config["Image"])
        places = (config.get("NetworkingConfig") or {}).get("EndpointsConfig") or {}
        if len(places) > 1:
            raise refused(400, "Container cannot be connected to network endpoints: two of them")
        mounts = [mount for mount in config["HostConfig"].get("Mounts") or () if mount["Type"] == "volume"]
        for mount in mounts:
            world.volumes.setdefault(mount["Source"], {"Name": mount["Source"], "Labels": {}, "data": set()})
        world.containers[name] = {
            "Id": f"id-{next(world.numbers)}",
            "Name": f"/{name}",
            "Image": image,
            "Labels": dict(config.get("Labels") or {}),
            "Config": {"Labels": dict(config.get("Labels") or {}), "StopTimeout": 1},
            "HostConfig": {**config["HostConfig"], "RestartPolicy": config["HostConfig"].get("RestartPolicy") or {}},
            "Mounts": [
                {"Type": "volume", "Name": m["Source"], "Destination": m["Target"], "RW": not m.get("ReadOnly")}
                for m in mounts
            ],
            "RestartCount": 0,
            "State": _state("created"),
        }
        for network in places:
            self._join(name, network)
        return {"Id": world.containers[name]["Id"]}

    def start(self, container: str) -> None:
        found = self._container(container)
        if self._world.ports & set(found["HostConfig"].get("PortBindings") or {}):
            raise refused(500, "driver failed programming external connectivity: port is already allocated")
        ending = self._world.endings.get(found["Labels"].get("splitter.service", ""))
        found["State"] = _state("running") if ending is None else _state("exited", ending)

    def restart(self, container: str) -> None:
        self._container(container)["State"] = _state("running")

    def stop(self, container: str, timeout: int | None = None) -> None:
        found = self._container(container)
        if found["State"]["Running"]:
            found["State"] = _state("exited", 0)

    def pause(self, container: str) -> None:
        self._container(container)["State"] = {**_state("running"), "Status": "paused", "Paused": True}

    def unpause(self, container: str) -> None:
        found = self._container(container)
        if found["State"]["Status"] != "paused":
            raise refused(500, f"Container {container} is not paused")
        found["State"] = _state("running")

    def post(self, place: str, json: Mapping[str, Any], timeout: int) -> SimpleNamespace:
        """Change a container: the SDK has no whole method for it."""
        container = self._container(place.split("/")[-2])

        def raise_for_status() -> None:
            if json.get("Memory", 2**23) < 2**23:
                said = {"message": "Minimum memory limit allowed is 6MB"}
                response = SimpleNamespace(status_code=400, json=lambda: said, reason="Bad Request", url=place)
                raise HTTPError(response=cast("Any", response))
            container["HostConfig"].update(json)

        return SimpleNamespace(raise_for_status=raise_for_status)

    def exec_create(self, container: str, command: list[str], **_: object) -> dict[str, str]:
        found = self._container(container)
        self._world.commands.append((found["Name"].lstrip("/"), *command))
        return {"Id": found["Id"]}

    def exec_start(self, container: str) -> bytes:
        for mount in self._container(container)["Mounts"]:
            self._world.volumes[mount["Name"]]["data"].add("dump")
        return b"said so"

    def exec_inspect(self, container: str) -> dict[str, int]:
        return {"ExitCode": self._world.exit_code}

    def remove_container(self, container: str, v: bool = False, force: bool = False) -> None:
        found = self._container(container)
        if found["State"]["Running"] and not force:
            raise refused(409, "You cannot remove a running container")
        name = found["Name"].lstrip("/")
        del self._world.containers[name]
        for network in self._world.networks.values():
            network["Containers"].pop(name, None)

    def put_archive(self, container: str, path: str, data: Any) -> None:
        (mount,) = self._container(container)["Mounts"]
        self._world.volumes[mount["Name"]]["data"] |= {chunk.decode() for chunk in data}

    def get_archive(self, container: str, path: str, chunk_size: int = 0) -> tuple[Iterator[bytes], dict[str, Any]]:
        (mount,) = self._container(container)["Mounts"]
        return iter([row.encode() for row in sorted(self._world.volumes[mount["Name"]]["data"])]), {}

    def _container(self, container: str) -> dict[str, Any]:
        for name, found in self._world.containers.items():
            if container in (name, found["Id"]):
                return found
        raise refused(404, f"No such container: {container}")

    # --- Networks and volumes ------------------------------------------------------------------------------------

    def networks(self, names: Any = None, filters: Mapping[str, Any] | None = None) -> list[dict[str, Any]]:
        found = [each for name, each in self._world.networks.items() if not names or name in names]
        return [dict(each) for each in found if _has_labels(each, filters or {})]

    def create_network(self, name: str, **keys: Any) -> None:
        if name in self._world.networks:
            raise refused(409, f"network with name {name} already exists")
        subnets = [each["Subnet"] for each in (keys.get("ipam") or {}).get("Config") or ()]
        taken = [each["Subnet"] for n in self._world.networks.values() for each in n["IPAM"]["Config"]]
        for one, other in itertools.product(subnets, taken):
            if ipaddress.ip_network(one).overlaps(ipaddress.ip_network(other)):
                raise refused(403, "Pool overlaps with other one on this address space")
        self._world.networks[name] = {
            "Id": f"id-{next(self._world.numbers)}",
            "Name": name,
            "Labels": dict(keys.get("labels") or {}),
            "IPAM": {"Config": [{"Subnet": subnet} for subnet in subnets]},
            "Containers": {},
        }

    def inspect_network(self, network: str) -> dict[str, Any]:
        found = self._network(network)
        return {**found, "Containers": dict(found["Containers"])}

    def remove_network(self, network: str) -> None:
        found = self._network(network)
        if found["Containers"]:
            raise refused(403, f"network {found['Name']} has active endpoints")
        del self._world.networks[found["Name"]]

    def connect_container_to_network(self, container: str, network: str, **_: object) -> None:
        self._join(self._container(container)["Name"].lstrip("/"), network)

    def disconnect_container_from_network(self, container: str, network: str, force: bool = False) -> None:
        self._network(network)["Containers"].pop(container, None)

    def _join(self, name: str, network: str) -> None:
        found = self._network(network)
        if name in found["Containers"]:
            raise refused(403, f"endpoint with name {name} already exists in network {network}")
        found["Containers"][name] = f"10.0.0.{next(self._world.numbers)}"

    def _network(self, network: str) -> dict[str, Any]:
        for name, found in self._world.networks.items():
            if network in (name, found["Id"]):
                return found
        raise refused(404, f"No such network: {network}")

    def volumes(self, filters: Mapping[str, Any] | None = None) -> dict[str, Any]:
        return {"Volumes": [each for each in self._world.volumes.values() if _has_labels(each, filters or {})]}

    def create_volume(self, name: str, labels: Mapping[str, str], **_: object) -> dict[str, Any]:
        made = {"Name": name, "Labels": dict(labels), "data": set()}
        return self._world.volumes.setdefault(name, made)

    def inspect_volume(self, name: str) -> dict[str, Any]:
        return self._volume(name)

    def remove_volume(self, name: str) -> None:
        self._volume(name)
        if any(m["Name"] == name for each in self._world.containers.values() for m in each["Mounts"]):
            raise refused(409, f"volume {name} is in use")
        del self._world.volumes[name]

    def _volume(self, name: str) -> dict[str, Any]:
        if name not in self._world.volumes:
            raise refused(404, f"No such volume: {name}")
        return self._world.volumes[name]


def _state(status: str, code: int = 0) -> dict[str, Any]:
    return {
        "Status": status,
        "Running": status == "running",
        "Restarting": False,
        "Paused": False,
        "ExitCode": code,
        "OOMKilled": False,
        "Error": "",
        "StartedAt": "2026-01-01T00:00:00Z",
    }


def _has_labels(part: Mapping[str, Any], filters: Mapping[str, Any]) -> bool:
    wanted = filters.get("label") or ()
    asked = [wanted] if isinstance(wanted, str) else wanted
    return all(part["Labels"].get(key) == value for key, _, value in (each.partition("=") for each in asked))
