"""A template, resolved: what a stack is made from.  `change.loader` reads it, the provisioners make it.

Every value is canonical: lists and mappings have one form, paths are absolute, durations are seconds, sizes are
bytes.  Equal templates are equal values, whatever way their files spelt them.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from splitter.model import Endpoint


class Condition(StrEnum):
    """What a dependency must have reached before its dependent starts (Compose specification, `depends_on`)."""

    STARTED = "service_started"
    HEALTHY = "service_healthy"
    COMPLETED = "service_completed_successfully"


@dataclass(frozen=True, slots=True)
class Dependency:
    """One `depends_on` entry; `restart` asks that the dependent restarts when the dependency is replaced."""

    service: str
    condition: Condition = Condition.STARTED
    required: bool = True
    restart: bool = False


@dataclass(frozen=True, slots=True)
class Healthcheck:
    """How a service says that it is well.  `test` is `("CMD", …)`, `("CMD-SHELL", text)`, `("NONE",)`
    or `()`, which takes the image's own test with these times."""

    test: tuple[str, ...]
    interval_s: float = 30.0
    timeout_s: float = 30.0
    retries: int = 3
    start_period_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Port:
    """A port of a container, and what the file would bind on the host (the shadow binds nothing there)."""

    target: int
    protocol: str = "tcp"
    published: str = ""
    host_ip: str = ""


class MountType(StrEnum):
    VOLUME = "volume"
    BIND = "bind"
    TMPFS = "tmpfs"


@dataclass(frozen=True, slots=True)
class Mount:
    """One mount; `source` is a top-level volume's key, an absolute host path, or empty (anonymous, tmpfs)."""

    type: MountType
    target: str
    source: str = ""
    read_only: bool = False


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of one container; None is unbounded.  `cpus` is in cores."""

    memory_bytes: int | None = None
    cpus: float | None = None
    pids: int | None = None


@dataclass(frozen=True, slots=True)
class Build:
    """How an image is built; `context` is an absolute path."""

    context: str
    dockerfile: str = ""
    args: Mapping[str, str] = field(default_factory=dict)
    target: str = ""


@dataclass(frozen=True, slots=True)
class Attachment:
    """A service's place in one network, by the network's key."""

    network: str
    aliases: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """One service of a template.

    `command` and `entrypoint` are None where the image's own count, an empty tuple where the file clears them.
    `restart` is `no`, `always`, `on-failure[:n]` or `unless-stopped`.  `static_endpoints` is for servers that splitter
    does not start (provisioner `static`).
    """

    name: str
    image: str = ""
    build: Build | None = None
    command: tuple[str, ...] | None = None
    entrypoint: tuple[str, ...] | None = None
    environment: Mapping[str, str] = field(default_factory=dict)
    working_dir: str = ""
    user: str = ""
    ports: tuple[Port, ...] = ()
    expose: tuple[int, ...] = ()
    networks: tuple[Attachment, ...] = ()
    mounts: tuple[Mount, ...] = ()
    depends_on: tuple[Dependency, ...] = ()
    healthcheck: Healthcheck | None = None
    labels: Mapping[str, str] = field(default_factory=dict)
    replicas: int = 1
    limits: Limits = Limits()
    restart: str = "no"
    stop_signal: str = ""
    stop_grace_s: float = 10.0
    static_endpoints: tuple[Endpoint, ...] = ()


@dataclass(frozen=True, slots=True)
class Network:
    """A network of the template; an external one is joined, never made or removed.

    `name` is what the file says; empty, the provisioner makes one of the stack's name and the key.
    """

    key: str
    name: str = ""
    driver: str = ""
    driver_opts: Mapping[str, str] = field(default_factory=dict)
    internal: bool = False
    external: bool = False
    labels: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Volume:
    """A named volume of the template; an external one is used, never made or removed.

    `name` is what the file says; empty, the provisioner makes one of the stack's name and the key.
    """

    key: str
    name: str = ""
    driver: str = ""
    driver_opts: Mapping[str, str] = field(default_factory=dict)
    external: bool = False
    labels: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Template:
    """A whole template.

    `project` is the Compose project's name, `directory` the absolute folder that relative paths were resolved from,
    `files` the files it was read from, in order.  `digest` is the sha256 of the canonical JSON of all but `files` and
    `notes`.  `notes` are sentences for the operator: keys that were accepted and have no effect.
    """

    project: str
    directory: str
    services: Mapping[str, Service]
    networks: Mapping[str, Network] = field(default_factory=dict)
    volumes: Mapping[str, Volume] = field(default_factory=dict)
    files: tuple[str, ...] = ()
    digest: str = ""
    notes: tuple[str, ...] = ()
