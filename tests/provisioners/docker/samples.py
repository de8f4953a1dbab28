"""What the engine's `inspect` answers for a container, as small as it can be."""

from collections.abc import Mapping
from typing import Any

from provisioners.docker import names
from provisioners.docker.state import Container
from splitter.model import StackId
from tests.provisioners.docker.stage import WEB

STACK = StackId("shop-r1")


def identity(services: Mapping[str, int]) -> names.Identity:
    return names.Identity("home", "shop", STACK, 1, "shop-1", "sha", services, (names.RoutedPort(WEB, 8000),))


def inspected(
    service: str = "web",
    *,
    kind: names.Kind = names.Kind.SERVER,
    services: Mapping[str, int] | None = None,
    state: Mapping[str, Any] | None = None,
    restarts: int = 0,
    policy: str = "no",
    ports: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    running = {
        "Status": "running",
        "Running": True,
        "Restarting": False,
        "ExitCode": 0,
        "OOMKilled": False,
        "Error": "",
        "StartedAt": "2026-01-01T00:00:00Z",
    }
    labels = {**identity(services or {service: 1}).labels(), names.SERVICE: service, names.REPLICA: "1"}
    return {
        "Id": f"id-of-{service}",
        "Name": f"/{STACK}-{service}-1",
        "Config": {"Labels": {**labels, names.KIND: kind, names.LEVEL: "0"}},
        "State": {**running, **(state or {})},
        "RestartCount": restarts,
        "HostConfig": {"RestartPolicy": {"Name": policy}, "NetworkMode": f"{STACK}_default"},
        "NetworkSettings": {
            "Networks": {"edge": {"IPAddress": "10.0.0.9"}, f"{STACK}_default": {"IPAddress": "10.1.0.2"}},
            "Ports": ports or {},
        },
    }


def container(service: str = "web", **keys: Any) -> Container:
    return Container.read(inspected(service, **keys))


def health(status: str, output: str = "") -> dict[str, Any]:
    return {"Health": {"Status": status, "Log": [{"Output": output}]}}


def exited(code: int, **keys: Any) -> dict[str, Any]:
    return {"Status": "exited", "Running": False, "ExitCode": code, **keys}


RESTARTING = {"Status": "restarting", "Running": True, "Restarting": True, "ExitCode": 1}
