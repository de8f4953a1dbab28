"""A template, resolved: what a stack is made from.  `change.loader` reads it, the provisioners make it.

Every value is canonical: lists and mappings have one form, paths are absolute, durations are seconds, sizes are
bytes.  Equal templates are equal values, whatever way their files spelt them.

Long because it is the whole model: who makes a stack finds all that it may be asked for on one page.
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
    start_interval_s: float | None = None


@dataclass(frozen=True, slots=True)
class Hook:
    """A command that the engine runs inside a container that has started, or is about to stop."""

    command: tuple[str, ...]
    user: str = ""
    privileged: bool = False
    working_dir: str = ""
    environment: Mapping[str, str] = field(default_factory=dict)


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
    IMAGE = "image"


@dataclass(frozen=True, slots=True)
class Mount:
    """One mount; `source` is a top-level volume's key, an absolute host path, an image, or empty (anonymous, tmpfs).

    `propagation`, `selinux` (`z`, `Z`), `recursive` (empty: what is mounted below is there too; else `disabled`,
    `writable` or `readonly`) and `create_host_path` are for binds; `nocopy` and `labels` (of an anonymous volume) for
    volumes; `subpath`, a folder within, for volumes and images; `options` for tmpfs, as the mount command spells them:
    `size=1048576` (bytes), `mode=1777` (octal), `uid=…`.
    """

    type: MountType
    target: str
    source: str = ""
    read_only: bool = False
    propagation: str = ""
    selinux: str = ""
    nocopy: bool = False
    labels: Mapping[str, str] = field(default_factory=dict)
    options: tuple[str, ...] = ()
    recursive: str = ""
    create_host_path: bool = True
    subpath: str = ""

    @property
    def is_storage(self) -> bool:
        """Return whether what is written here may be there when the container is gone."""
        return self.type in {MountType.VOLUME, MountType.BIND}


@dataclass(frozen=True, slots=True)
class VolumesFrom:
    """All mounts of another service of the stack, in the same places."""

    service: str
    read_only: bool = False


@dataclass(frozen=True, slots=True)
class Grant:
    """A secret or config inside a container: `source` is its key, `target` an absolute path.

    `uid`, `gid` and `mode` are None where the file does not say: owned by root and readable by all.
    """

    source: str
    target: str
    uid: int | None = None
    gid: int | None = None
    mode: int | None = None


@dataclass(frozen=True, slots=True)
class Document:
    """A secret or config of the template.  Exactly one of `file` (absolute path), `environment` and `content` is set.

    `digest` is the sha256 of what it held when the template was read.  `value` is what the variable `environment`
    held then: it stays in memory alone, so a template that comes from the journal has None there, and whoever makes
    the stack again looks the variable up in its own environment and compares the digest.
    """

    key: str
    name: str = ""
    file: str = ""
    environment: str = ""
    content: str | None = None
    digest: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    value: str | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class DeviceRate:
    """A bound on one block device of the host: a weight, or bytes or operations a second."""

    path: str
    rate: int


@dataclass(frozen=True, slots=True)
class BlockIo:
    """Bounds of reading and writing; a weight is 10 to 1000, None where the file does not say."""

    weight: int | None = None
    weight_device: tuple[DeviceRate, ...] = ()
    device_read_bps: tuple[DeviceRate, ...] = ()
    device_write_bps: tuple[DeviceRate, ...] = ()
    device_read_iops: tuple[DeviceRate, ...] = ()
    device_write_iops: tuple[DeviceRate, ...] = ()


@dataclass(frozen=True, slots=True)
class Ulimit:
    """A limit of the processes in a container; -1 is unbounded."""

    name: str
    soft: int
    hard: int


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of one container; None is unbounded, or the engine's default.  `cpus` is in cores.

    `memory_swap_bytes` is memory and swap together, -1 for endless swap.  Quotas and periods are in microseconds.
    """

    memory_bytes: int | None = None
    cpus: float | None = None
    pids: int | None = None
    memory_reservation_bytes: int | None = None
    memory_swap_bytes: int | None = None
    memory_swappiness: int | None = None
    shm_bytes: int | None = None
    cpu_shares: int | None = None
    cpu_quota_us: int | None = None
    cpu_period_us: int | None = None
    cpu_rt_period_us: int | None = None
    cpu_rt_runtime_us: int | None = None
    cpu_set: str = ""
    oom_kill_disable: bool = False
    oom_score_adj: int | None = None
    block_io: BlockIo = BlockIo()
    ulimits: tuple[Ulimit, ...] = ()


@dataclass(frozen=True, slots=True)
class Device:
    """A device of the host inside a container; `permissions` are some of `rwm`."""

    source: str
    target: str
    permissions: str = "rwm"


@dataclass(frozen=True, slots=True)
class DeviceRequest:
    """Devices that a driver chooses (`gpus`, `reservations.devices`): `count` of them (-1: all), or `ids`.

    `capabilities` must all be there.
    """

    capabilities: tuple[str, ...]
    driver: str = ""
    count: int | None = None
    ids: tuple[str, ...] = ()
    options: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Logging:
    """Where a container's output goes; an empty driver is the engine's default."""

    driver: str = ""
    options: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Build:
    """How an image is built; `context` is an absolute path, `dockerfile` relative to it.

    `dockerfile_inline` is the text of the file itself.  `extra_hosts` are `name:address`.  `platforms` are set where
    there are several, of which one is chosen; `platform` where there is one.

    `secrets` are keys of the template's secrets by the names that the build asks for, `ssh` keys or sockets by name
    (empty: the agent of who builds), `additional_contexts` absolute paths or addresses by name.
    """

    context: str
    dockerfile: str = ""
    args: Mapping[str, str] = field(default_factory=dict)
    target: str = ""
    dockerfile_inline: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    cache_from: tuple[str, ...] = ()
    network: str = ""
    platform: str = ""
    shm_bytes: int | None = None
    extra_hosts: tuple[str, ...] = ()
    platforms: tuple[str, ...] = ()
    # What only BuildKit can do
    cache_to: tuple[str, ...] = ()
    ulimits: tuple[Ulimit, ...] = ()
    secrets: Mapping[str, str] = field(default_factory=dict)
    ssh: Mapping[str, str] = field(default_factory=dict)
    additional_contexts: Mapping[str, str] = field(default_factory=dict)
    entitlements: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Attachment:
    """A service's place in one network, by the network's key; addresses are empty where the engine chooses.

    The service is found there by its own name too, unless `use_service_name_alias` says no.
    """

    network: str
    aliases: tuple[str, ...] = ()
    ipv4_address: str = ""
    ipv6_address: str = ""
    link_local_ips: tuple[str, ...] = ()
    mac_address: str = ""
    driver_opts: Mapping[str, str] = field(default_factory=dict)
    use_service_name_alias: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """One service of a template.

    `command` and `entrypoint` are None where the image's own count, an empty tuple where the file clears them.
    `restart` is `no`, `always`, `on-failure[:n]` or `unless-stopped`.  `static_endpoints` is for servers that splitter
    does not start (provisioner `static`).

    `networks` stand by priority.  `network_mode` is empty, `none`, `bridge` or `service:x`, and excludes them; `ipc`,
    `pid` and `uts` may be `service:x` as well.  What the service needs for that (its links, namespaces and the owners
    of its volumes) stands in `depends_on` too.  `init` is None where the engine decides.  `extra_hosts` are
    `name:address`; a seccomp profile stands in `security_opt` as its JSON.  `pull_policy` is `missing`, `always`,
    `never`, `build` or `every_<n>s`: missing, or here for so long.  `umask` is None where the engine's own counts.
    """

    name: str
    image: str = ""
    build: Build | None = None
    pull_policy: str = "missing"
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
    # What it may read and run
    secrets: tuple[Grant, ...] = ()
    configs: tuple[Grant, ...] = ()
    volumes_from: tuple[VolumesFrom, ...] = ()
    post_start: tuple[Hook, ...] = ()
    pre_stop: tuple[Hook, ...] = ()
    # What it is called and whom it can call
    hostname: str = ""
    domainname: str = ""
    mac_address: str = ""
    network_mode: str = ""
    extra_hosts: tuple[str, ...] = ()
    dns: tuple[str, ...] = ()
    dns_search: tuple[str, ...] = ()
    dns_opt: tuple[str, ...] = ()
    # What it may do
    cap_add: tuple[str, ...] = ()
    cap_drop: tuple[str, ...] = ()
    privileged: bool = False
    security_opt: tuple[str, ...] = ()
    read_only: bool = False
    group_add: tuple[str, ...] = ()
    devices: tuple[Device, ...] = ()
    device_cgroup_rules: tuple[str, ...] = ()
    device_requests: tuple[DeviceRequest, ...] = ()
    sysctls: Mapping[str, str] = field(default_factory=dict)
    # What it runs in
    tty: bool = False
    stdin_open: bool = False
    init: bool | None = None
    ipc: str = ""
    pid: str = ""
    uts: str = ""
    cgroup: str = ""
    userns_mode: str = ""
    cgroup_parent: str = ""
    runtime: str = ""
    platform: str = ""
    logging: Logging = Logging()
    storage_opt: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)
    umask: int | None = None

    @property
    def secret_keys(self) -> frozenset[str]:
        """Return the keys of all secrets that the service, or its build, may read."""
        return frozenset(
            {grant.source for grant in self.secrets} | {*(self.build.secrets if self.build else {}).values()}
        )


@dataclass(frozen=True, slots=True)
class Pool:
    """One block of a network's addresses, as the file says it."""

    subnet: str = ""
    ip_range: str = ""
    gateway: str = ""
    aux_addresses: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Ipam:
    """Who gives a network its addresses, and from where."""

    driver: str = ""
    pools: tuple[Pool, ...] = ()
    options: Mapping[str, str] = field(default_factory=dict)


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
    attachable: bool = False
    enable_ipv6: bool = False
    ipam: Ipam = Ipam()


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
    secrets: Mapping[str, Document] = field(default_factory=dict)
    configs: Mapping[str, Document] = field(default_factory=dict)
    files: tuple[str, ...] = ()
    digest: str = ""
    notes: tuple[str, ...] = ()
