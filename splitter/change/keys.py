"""Every key of the Compose specification: what splitter does with it.

One row a key.  A key without a row does not exist: the loader names it and the nearest one that does.

    DO      has effect
    NOTE    accepted, has no effect here, said once
    REFUSE  cannot be right in a stack that runs twice; `say` is what to write instead
    LATER   not yet; `say` is what to do until then
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum


class Level(StrEnum):
    DO = "do"
    NOTE = "note"
    REFUSE = "refuse"
    LATER = "later"


@dataclass(frozen=True, slots=True)
class Key:
    level: Level
    say: str = ""

    def sentence(self, name: str) -> str:
        """Return why a file with this key cannot be used, and what to do."""
        if self.level is Level.LATER:
            return f"{name!r} is not supported yet; {self.say or 'remove it'}"
        return f"{name!r} cannot be used here: {self.say}"


_DO = Key(Level.DO)
_SWARM = Key(Level.NOTE, "only a swarm uses it")
_WINDOWS = Key(Level.NOTE, "only Windows containers use it")
_DRIVER = Key(Level.REFUSE, "no engine here has such drivers; write file: or environment: with what it holds")


def _all(row: Key, names: str) -> dict[str, Key]:
    return dict.fromkeys(names.split(), row)


def _later(names: str, say: str = "remove it, or set it in the image") -> dict[str, Key]:
    return _all(Key(Level.LATER, say), names)


def _note(names: str, say: str = "") -> dict[str, Key]:
    return _all(Key(Level.NOTE, say), names)


FILE: Mapping[str, Key] = {
    **_all(_DO, "name include services networks volumes secrets configs"),
    **_note("version", "the specification dropped it"),
    **_later("jobs", "write it as a service that others wait for with service_completed_successfully"),
    "models": Key(Level.REFUSE, "run the model as a service of its own"),
}

SERVICE: Mapping[str, Key] = {
    **_all(
        _DO,
        "image build pull_policy command entrypoint environment env_file working_dir user container_name ports expose"
        " networks network_mode depends_on healthcheck volumes tmpfs labels profiles deploy scale mem_limit cpus"
        " pids_limit restart stop_signal stop_grace_period extends endpoints label_file links annotations"
        " secrets configs volumes_from post_start pre_stop hostname domainname mac_address extra_hosts"
        " dns dns_opt dns_search cap_add cap_drop privileged security_opt read_only group_add devices"
        " device_cgroup_rules gpus sysctls"
        " tty stdin_open init ipc pid cgroup uts userns_mode cgroup_parent runtime platform logging storage_opt"
        " mem_reservation memswap_limit mem_swappiness cpu_shares cpu_quota cpu_period cpuset cpu_rt_period"
        " cpu_rt_runtime oom_kill_disable oom_score_adj shm_size blkio_config ulimits umask pull_refresh_after",
    ),
    **_note("attach", "splitter never attaches to a container's output"),
    **_note("develop", "splitter does not watch source files"),
    **_all(_WINDOWS, "isolation credential_spec cpu_count cpu_percent"),
    **_later("pre_start", "write it as a service that this one waits for with service_completed_successfully"),
    "external_links": Key(Level.REFUSE, "join the other project's network as an external network"),
    "provider": Key(Level.REFUSE, "run what it provides as a service, or outside and name its address"),
    "models": Key(Level.REFUSE, "run the model as a service of its own"),
    "use_api_socket": Key(Level.REFUSE, "mount the engine's socket as a volume if the service must control it"),
}

BUILD: Mapping[str, Key] = {
    **_all(
        _DO,
        "context dockerfile args target dockerfile_inline labels cache_from network shm_size extra_hosts platforms"
        " entitlements ssh cache_to additional_contexts privileged secrets ulimits",
    ),
    **_note("no_cache pull tags no_cache_filter", "the image is built once, for its stack"),
    **_note("provenance sbom", "the image stays on its engine"),
    **_all(_WINDOWS, "isolation"),
}
PULL_POLICY: Mapping[str, Key] = {
    **_all(_DO, "missing if_not_present always never build daily weekly refresh"),
}
"""Not keys but values: what `pull_policy` may say; `every_…` is as `daily`."""

HEALTHCHECK: Mapping[str, Key] = _all(_DO, "test interval timeout retries start_period start_interval disable")

PORT: Mapping[str, Key] = {
    **_all(_DO, "target published protocol host_ip"),
    **_note("name app_protocol mode"),
}

MOUNT: Mapping[str, Key] = {
    **_all(_DO, "type source target read_only bind volume tmpfs image"),
    **_note("consistency"),
}
MOUNT_TYPE: Mapping[str, Key] = {
    **_all(_DO, "volume bind tmpfs image"),
    "cluster": Key(Level.REFUSE, "only a swarm has cluster volumes; write volume"),
    "npipe": Key(Level.REFUSE, "only Windows has named pipes; write bind with the socket's path"),
}
"""Not keys but values: what a mount's `type` may say."""

MOUNT_BIND: Mapping[str, Key] = _all(_DO, "create_host_path propagation selinux recursive")
MOUNT_VOLUME: Mapping[str, Key] = _all(_DO, "labels nocopy subpath")
MOUNT_TMPFS: Mapping[str, Key] = _all(_DO, "size mode")
MOUNT_IMAGE: Mapping[str, Key] = _all(_DO, "subpath")

HOOK: Mapping[str, Key] = _all(_DO, "command user privileged working_dir environment")

SECRET: Mapping[str, Key] = {
    **_all(_DO, "name environment file external labels"),
    **_all(_DRIVER, "driver driver_opts template_driver"),
}
CONFIG: Mapping[str, Key] = {
    **_all(_DO, "name content environment file external labels"),
    **_all(_DRIVER, "template_driver"),
}
GRANT: Mapping[str, Key] = _all(_DO, "source target uid gid mode")

NETWORK_MODE: Mapping[str, Key] = {
    **_all(_DO, "none bridge service"),
    "host": Key(
        Level.REFUSE, "two stacks cannot share the host's network; use networks, and ports for what is reached"
    ),
    "container": Key(Level.REFUSE, "that container is not in this file; use networks"),
}
"""Not keys but values: what `network_mode` may say before a colon."""

LOGGING: Mapping[str, Key] = _all(_DO, "driver options")

DEVICE: Mapping[str, Key] = _all(_DO, "source target permissions")
DEVICE_REQUEST: Mapping[str, Key] = _all(_DO, "capabilities count device_ids driver options")

BLKIO: Mapping[str, Key] = _all(
    _DO, "device_read_bps device_read_iops device_write_bps device_write_iops weight weight_device"
)
BLKIO_RATE: Mapping[str, Key] = _all(_DO, "path rate")
BLKIO_WEIGHT: Mapping[str, Key] = _all(_DO, "path weight")
ULIMIT: Mapping[str, Key] = _all(_DO, "soft hard")

DEPENDENCY: Mapping[str, Key] = _all(_DO, "condition required restart")

ATTACHMENT: Mapping[str, Key] = {
    **_all(
        _DO,
        "aliases priority ipv4_address ipv6_address link_local_ips mac_address driver_opts use_service_name_alias",
    ),
    **_note("gw_priority interface_name", "engines below API 1.48 do not know it"),
}

ENV_FILE: Mapping[str, Key] = _all(_DO, "path format required")

INCLUDE: Mapping[str, Key] = _all(_DO, "path project_directory env_file")

EXTENDS: Mapping[str, Key] = _all(_DO, "service file")

DEPLOY: Mapping[str, Key] = {
    **_all(_DO, "replicas resources restart_policy mode"),
    **_all(_SWARM, "endpoint_mode labels placement rollback_config update_config"),
}
RESOURCES: Mapping[str, Key] = {
    **_all(_DO, "limits reservations"),
}
RESERVATIONS: Mapping[str, Key] = {
    **_all(_DO, "memory devices"),
    **_all(_SWARM, "cpus generic_resources"),
}
LIMITS: Mapping[str, Key] = _all(_DO, "cpus memory pids")
RESTART_POLICY: Mapping[str, Key] = {
    **_all(_DO, "condition max_attempts"),
    **_all(_SWARM, "delay window"),
}

EXTERNAL: Mapping[str, Key] = _all(_DO, "name")
"""The old form `external: {name: x}` of networks and volumes."""

NETWORK: Mapping[str, Key] = {
    **_all(_DO, "name driver driver_opts internal external labels attachable ipam enable_ipv4 enable_ipv6"),
}
IPAM: Mapping[str, Key] = _all(_DO, "driver config options")
POOL: Mapping[str, Key] = _all(_DO, "subnet ip_range gateway aux_addresses")

VOLUME: Mapping[str, Key] = _all(_DO, "name driver driver_opts external labels")
