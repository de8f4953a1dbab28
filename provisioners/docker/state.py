"""A container as `inspect` tells it, and what that means for those who wait for it or rely on it.

Everything is decided from the present state, never from the sequence of events: events are lost when a connection
breaks, a state is not.  Pure: values in, values out.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

from provisioners.docker import names
from provisioners.last_words import in_one_line
from splitter.template import Condition

CRASHES_MAX = 3  # restarts by policy in one window: as many are a loop, and each one failed real requests


@dataclass(frozen=True, slots=True)
class Container:
    """One container, at one moment.

    `health` is empty without a health check, else `starting`, `healthy` or `unhealthy`.  `restarting` means that it
    ended and its policy will bring it back.  `started_at` changes with every start.
    `returns` means that the engine starts it again when the engine itself comes back.  `network` is the one it was
    created on, `addresses` are by network, `bindings` give the loopback port by container port.
    """

    id: str
    name: str
    labels: Mapping[str, str]
    status: str
    running: bool
    restarting: bool
    exit_code: int
    oom_killed: bool
    error: str
    health: str
    health_output: str
    started_at: str
    restarts: int
    returns: bool
    network: str
    addresses: Mapping[str, str]
    bindings: Mapping[int, int]

    @classmethod
    def read(cls, inspected: Mapping[str, Any]) -> Self:
        state = inspected["State"]
        health = state.get("Health") or {}
        log = health.get("Log") or [{}]
        networks = inspected["NetworkSettings"].get("Networks") or {}
        policy = inspected["HostConfig"].get("RestartPolicy") or {}
        return cls(
            id=inspected["Id"],
            name=inspected["Name"].lstrip("/"),
            labels=inspected["Config"].get("Labels") or {},
            status=state["Status"],
            running=bool(state["Running"]) and not state["Restarting"],
            restarting=bool(state["Restarting"]),
            exit_code=int(state["ExitCode"]),
            oom_killed=bool(state["OOMKilled"]),
            error=str(state.get("Error") or ""),
            health="" if health.get("Status", "none") == "none" else str(health["Status"]),
            health_output=in_one_line(str((log[-1] or {}).get("Output") or "").encode(), 1),
            started_at=str(state["StartedAt"]),
            restarts=int(inspected.get("RestartCount") or 0),
            returns=policy.get("Name") in ("always", "unless-stopped"),
            network=str(inspected["HostConfig"].get("NetworkMode") or ""),
            addresses={name: each["IPAddress"] for name, each in networks.items() if each.get("IPAddress")},
            bindings=_bindings(inspected["NetworkSettings"].get("Ports") or {}),
        )

    @property
    def service(self) -> str:
        return self.labels.get(names.SERVICE, "")

    @property
    def stack(self) -> str:
        return self.labels.get(names.STACK, "")

    @property
    def replica(self) -> int:
        return int(self.labels.get(names.REPLICA, "1"))

    @property
    def level(self) -> int:
        return int(self.labels.get(names.LEVEL, "0"))

    @property
    def is_job(self) -> bool:
        return self.labels.get(names.KIND) in (names.Kind.JOB, names.Kind.LATE)

    @property
    def is_server(self) -> bool:
        return self.labels.get(names.KIND) == names.Kind.SERVER

    @property
    def is_singleton(self) -> bool:
        return self.labels.get(names.KIND) == names.Kind.SINGLETON

    @property
    def is_late(self) -> bool:
        return self.labels.get(names.KIND) == names.Kind.LATE

    @property
    def is_still(self) -> bool:
        """Whether it does not run, and nothing but a start will change that."""
        return self.status in ("created", "exited", "dead")

    @property
    def is_up(self) -> bool:
        """Whether the container does what a whole stack needs of it: a job may be at work or done."""
        if self.is_job and self.status == "exited":
            return self.exit_code == 0
        return self.running and self.health != "unhealthy"

    @property
    def ending(self) -> str:
        """How it ended, in words that continue `<container> …`."""
        if self.oom_killed:
            return "was killed because it used more memory than its limit"
        if self.error:
            return f"could not start: {self.error}"
        return f"exited with code {self.exit_code}"

    @property
    def illness(self) -> str:
        """What its health check says, in words that continue `<container> …`; empty unless it is unhealthy."""
        if self.health != "unhealthy":
            return ""
        return f"is unhealthy: {self.health_output[-200:]}" if self.health_output else "is unhealthy"


def _bindings(ports: Mapping[str, Any]) -> dict[int, int]:
    """Return the host's port by container port, for TCP ports that are bound on the loopback address."""
    found: dict[int, int] = {}
    for port, bound in ports.items():
        number, _, protocol = port.partition("/")
        loopback = [each for each in bound or () if each["HostIp"].startswith("127.")]
        if protocol == "tcp" and loopback:
            found[int(number)] = int(loopback[0]["HostPort"])
    return found


def failing(container: Container, condition: Condition) -> str:
    """Return why `condition` can no longer come true, in words after the container's name; empty while it can."""
    if container.status in ("exited", "dead", "removing"):
        done = container.status == "exited" and container.exit_code == 0
        if done and (condition is Condition.COMPLETED or container.is_job):
            return ""
        return container.ending
    if container.restarts >= CRASHES_MAX:
        return f"ended {container.restarts} times, each time soon after its start"
    if condition is Condition.HEALTHY and container.running and not container.health:
        return "has no health check, so it can never be healthy"
    return container.illness if condition is Condition.HEALTHY else ""


def holds(container: Container, condition: Condition) -> bool:
    """Return whether `condition` is true now."""
    if condition is Condition.COMPLETED:
        return container.status == "exited" and container.exit_code == 0
    if condition is Condition.HEALTHY:
        return container.running and container.health == "healthy"
    return container.running or (container.is_job and container.status == "exited" and container.exit_code == 0)


def identity_of(stack: Sequence[Container]) -> names.Identity:
    """Return what a stack's containers say of it; the first one is its own, not a guest."""
    return names.Identity.read(stack[0].labels)


@dataclass(frozen=True, slots=True)
class Loss:
    """Why a stack that was up is lost, in one sentence, and whose log tells more."""

    reason: str
    culprit: Container | None = None


def loss(
    stack: Sequence[Container], restarts: Mapping[str, int], *, awake: Collection[str] = (), engine_restarted: bool
) -> Loss | None:
    """Return why a stack is lost, or None if it is not; `stack` are its containers, at least one, then its guests.

    `awake` are the names of the singletons that are to run.

    A container that its restart policy will bring back is waited for, unless that has happened too often beyond
    `restarts`, the number of each container at the beginning of a window.  `engine_restarted` asks for the same
    patience with containers that the engine itself stopped and is about to start again.
    """
    identity = identity_of(stack)
    expected = {*identity.containers(), *identity.shares.containers, *awake}
    gone = sorted(expected - {container.name for container in stack})
    if gone:
        return Loss(f"container {gone[0]} is gone: somebody removed it")
    for container in stack:
        crashes = container.restarts - restarts.get(container.name, 0)
        must_run = container.is_server or container.name in awake
        lost = _lost(container, crashes, engine_restarted) if must_run else ""
        if lost:
            return Loss(f"container {container.name} {lost}", container)
    return None


def is_moving(stack: Sequence[Container]) -> bool:
    """Return whether some server is not up at this moment, so that the stack's endpoints are not all known."""
    return any(container.is_server and not container.running for container in stack)


def _lost(container: Container, crashes: int, engine_restarted: bool) -> str:
    """Return why a container that should run is lost, in words after its name; empty if it is not."""
    if crashes >= CRASHES_MAX:
        return f"crashed {crashes} times and is restarted in a loop"
    if container.running:
        return container.illness
    if container.restarting or (container.returns and engine_restarted):
        return ""
    return container.ending
