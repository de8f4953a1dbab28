"""A service's share of its host, in the engine's words: bounds, rights, namespaces, mounts.

What the SDK's HostConfig cannot say, or refuses though the engine takes it, is set in the dict that it makes.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal, cast

from docker.types import DeviceRequest, HostConfig, LogConfig, Ulimit
from docker.types import Mount as EngineMount
from docker.utils import version_gte

from provisioners.docker import documents, names
from splitter.contracts import StackOrder
from splitter.placement import VolumeMode
from splitter.template import Device, DeviceRate, Limits, Mount, MountType, Service

NANOSECONDS = 1_000_000_000
LOOPBACK = "127.0.0.1"
UNMASKED = "systempaths=unconfined"
_RECURSIVE = {"disabled": "NonRecursive", "writable": "ReadOnlyNonRecursive", "readonly": "ReadOnlyForceRecursive"}


def host_config(
    order: StackOrder,
    identity: names.Identity,
    service: Service,
    network_mode: str,
    loopback: Sequence[int],
    version: str,
) -> HostConfig:
    """Return the engine's HostConfig of one container.  `network_mode` is the engine's."""
    of = Namespaces(order, identity)
    config = HostConfig(
        version,
        network_mode=network_mode,
        port_bindings={f"{port}/tcp": (LOOPBACK,) for port in loopback} or None,
        restart_policy=_restart(service.restart),
        **_mounts(order, identity, service, of, version),
        **_bounds(service.limits, version),
        **_rights(service),
        **_names(service, has_own_network=not network_mode.startswith("container:")),
        pid_mode=of.mode(service.pid) or None,
        ipc_mode=of.mode(service.ipc) or None,
        cgroupns=cast('Literal["private", "host"] | None', service.cgroup or None),
        cgroup_parent=service.cgroup_parent or None,
        runtime=service.runtime or None,
        init=service.init,
        log_config=_logging(service),
        storage_opt=dict(service.storage_opt) or None,
    )
    return _raw(config, service, of, version)


class Namespaces:
    """What `service:x` means on the engine: a container of x, of the stack itself or a guest."""

    def __init__(self, order: StackOrder, identity: names.Identity) -> None:
        self._order = order
        self._guests = identity.shares.services

    def container(self, service: str) -> str:
        if service in self._guests:
            return self._guests[service].containers[0]
        return names.container_name(self._order.id, service, 1)

    def mode(self, written: str) -> str:
        kind, _, service = written.partition(":")
        return f"container:{self.container(service)}" if kind == "service" else written


def needed_containers(service: Service) -> frozenset[str]:
    """Return the services of which a container must be there before one of `service` can be made."""
    modes = (service.network_mode, service.ipc, service.pid, service.uts)
    spaces = {mode.removeprefix("service:") for mode in modes if mode.startswith("service:")}
    return frozenset(spaces | {each.service for each in service.volumes_from})


def _mounts(
    order: StackOrder, identity: names.Identity, service: Service, of: Namespaces, version: str
) -> dict[str, Any]:
    kinds: dict[MountType, list[Mount]] = {kind: [] for kind in MountType}
    for mount in service.mounts:
        kinds[mount.type].append(mount)
    plain = [mount for mount in kinds[MountType.TMPFS] if not mount.options]
    options = {mount.target: _tmpfs(mount) for mount in kinds[MountType.TMPFS] if mount.options}
    short = [mount for mount in kinds[MountType.BIND] if _is_short(mount)]
    long = [mount for mount in kinds[MountType.BIND] if mount not in short]
    mounts = [_mount(order, identity, mount) for mount in (*kinds[MountType.VOLUME], *plain)]
    mounts += [_folder(mount, version) for mount in long] + [_image(mount) for mount in kinds[MountType.IMAGE]]
    return {
        "mounts": mounts or None,
        "binds": [*(_bind(mount) for mount in short), *documents.binds(service, order.template)] or None,
        "tmpfs": options or None,
        "volumes_from": [f"{of.container(e.service)}:{_access(e.read_only)}" for e in service.volumes_from] or None,
    }


def _mount(order: StackOrder, identity: names.Identity, mount: Mount) -> EngineMount:
    if mount.type is MountType.TMPFS:
        return EngineMount(mount.target, None, type="tmpfs", read_only=mount.read_only)
    volume = order.template.volumes[mount.source] if mount.source else None
    own = names.volume_name(order, volume) if volume else None
    only_read = mount.read_only or order.placement.volumes.get(mount.source) is VolumeMode.SHARE_RO
    made = EngineMount(
        mount.target,
        identity.shares.volumes.get(mount.source, own),
        type="volume",
        read_only=only_read,
        no_copy=mount.nocopy,
        labels=dict(mount.labels) or None,
    )
    if mount.subpath:
        made.setdefault("VolumeOptions", {})["Subpath"] = mount.subpath  # older SDKs have no argument for it
    return made


def _image(mount: Mount) -> EngineMount:
    """Return the mount of an image, a type that the SDK refuses."""
    made = EngineMount(mount.target, mount.source, type="volume", read_only=mount.read_only)
    made["Type"] = "image"
    if mount.subpath:
        made["ImageOptions"] = {"Subpath": mount.subpath}
    return made


def _folder(mount: Mount, version: str) -> EngineMount:
    """Return a host folder's mount in the long form, which alone says what becomes of what is mounted below it.

    Of itself it makes no folder that is missing; engines below API 1.42 cannot be told to.
    """
    made = EngineMount(mount.target, mount.source, type="bind", read_only=mount.read_only)
    options: dict[str, Any] = {"Propagation": mount.propagation} if mount.propagation else {}
    if mount.recursive:
        options[_RECURSIVE[mount.recursive]] = True
    if mount.create_host_path and version_gte(version, "1.42"):
        options["CreateMountpoint"] = True
    made["BindOptions"] = options
    return made


def _is_short(mount: Mount) -> bool:
    """Return whether a folder's mount can be said in the short form, whose parts are told apart by colons."""
    return mount.create_host_path and not mount.recursive and ":" not in mount.source + mount.target


def _bind(mount: Mount) -> str:
    """Return a host folder's mount in the short form: it makes a folder that is missing, as Compose does."""
    options = [each for each in (_access(mount.read_only), mount.selinux, mount.propagation) if each]
    return f"{mount.source}:{mount.target}:{','.join(options)}"


def _access(read_only: bool) -> str:
    return "ro" if read_only else "rw"


def _tmpfs(mount: Mount) -> str:
    return ",".join((*mount.options, "ro") if mount.read_only else mount.options)


def _bounds(limits: Limits, version: str) -> dict[str, Any]:
    """Return the bounds of a container; None is the engine's default."""
    block = limits.block_io
    return {
        "mem_limit": limits.memory_bytes,
        "mem_reservation": limits.memory_reservation_bytes,
        "memswap_limit": limits.memory_swap_bytes,
        "mem_swappiness": limits.memory_swappiness,
        "shm_size": limits.shm_bytes,
        "nano_cpus": None if limits.cpus is None else int(limits.cpus * NANOSECONDS),
        "cpu_shares": limits.cpu_shares,
        "cpu_quota": limits.cpu_quota_us,
        "cpu_period": limits.cpu_period_us,
        "cpu_rt_period": limits.cpu_rt_period_us,
        "cpu_rt_runtime": limits.cpu_rt_runtime_us,
        "cpuset_cpus": limits.cpu_set or None,
        "pids_limit": limits.pids,
        "oom_kill_disable": limits.oom_kill_disable,
        "oom_score_adj": limits.oom_score_adj,
        "ulimits": [Ulimit(name=each.name, soft=each.soft, hard=each.hard) for each in limits.ulimits] or None,
        "blkio_weight": block.weight,
        "blkio_weight_device": _rates(block.weight_device, "Weight"),
        "device_read_bps": _rates(block.device_read_bps, "Rate"),
        "device_write_bps": _rates(block.device_write_bps, "Rate"),
        "device_read_iops": _rates(block.device_read_iops, "Rate"),
        "device_write_iops": _rates(block.device_write_iops, "Rate"),
    }


def update_of(service: Service) -> dict[str, Any]:
    """Return the body that gives a running container the bounds and the restart policy of `service`.

    Memory and swap are set together: the engine refuses a limit that is more than the former sum of both.
    """
    limits = service.limits
    memory = limits.memory_bytes
    swap = limits.memory_swap_bytes if limits.memory_swap_bytes is not None else 2 * memory if memory else None
    body = {
        "Memory": memory,
        "MemorySwap": swap,
        "MemoryReservation": limits.memory_reservation_bytes,
        "NanoCpus": None if limits.cpus is None else int(limits.cpus * NANOSECONDS),
        "CpuShares": limits.cpu_shares,
        "CpuQuota": limits.cpu_quota_us,
        "CpuPeriod": limits.cpu_period_us,
        "CpusetCpus": limits.cpu_set or None,
        "PidsLimit": limits.pids,
        "BlkioWeight": limits.block_io.weight,
        "RestartPolicy": _restart(service.restart),
    }
    return {key: value for key, value in body.items() if value is not None}


def _rates(rates: Iterable[DeviceRate], name: str) -> list[dict[str, Any]] | None:
    return [{"Path": each.path, name: each.rate} for each in rates] or None


def _rights(service: Service) -> dict[str, Any]:
    """Return what the container may do."""
    requests = [
        DeviceRequest(
            driver=each.driver,
            count=each.count or 0,
            device_ids=list(each.ids),
            capabilities=[list(each.capabilities)],
            options=dict(each.options),
        )
        for each in service.device_requests
    ]
    return {
        "cap_add": list(service.cap_add) or None,
        "cap_drop": list(service.cap_drop) or None,
        "privileged": service.privileged,
        "security_opt": [each for each in service.security_opt if each != UNMASKED] or None,
        "read_only": service.read_only,
        "group_add": list(service.group_add) or None,
        "devices": [_device(each) for each in service.devices] or None,
        "device_cgroup_rules": list(service.device_cgroup_rules) or None,
        "device_requests": requests or None,
        "sysctls": dict(service.sysctls) or None,
    }


def _device(device: Device) -> str:
    return f"{device.source}:{device.target}:{device.permissions}"


def _names(service: Service, *, has_own_network: bool) -> dict[str, Any]:
    """Return whom the container can call; one that lives in another's network has what that has."""
    if not has_own_network:
        return {}
    return {
        "dns": list(service.dns) or None,
        "dns_search": list(service.dns_search) or None,
        "dns_opt": list(service.dns_opt) or None,
        "extra_hosts": list(service.extra_hosts) or None,
    }


def _logging(service: Service) -> LogConfig | None:
    logging = service.logging
    if not (logging.driver or logging.options):
        return None
    return LogConfig(type=logging.driver or LogConfig.types.JSON, config=dict(logging.options))


def _restart(policy: str) -> dict[str, Any]:
    name, _, retries = policy.partition(":")
    return {"Name": name or "no", "MaximumRetryCount": int(retries or 0)}


def _raw(config: HostConfig, service: Service, of: Namespaces, version: str) -> HostConfig:
    """Set what the SDK has no argument for, or refuses by itself."""
    more: Mapping[str, Any] = {
        "UTSMode": of.mode(service.uts),
        "UsernsMode": service.userns_mode,
        "Annotations": dict(service.annotations) if version_gte(version, "1.43") else None,
    }
    config.update({name: value for name, value in more.items() if value})
    if service.umask is not None:
        config["Umask"] = service.umask
    if UNMASKED in service.security_opt:
        config.update({"MaskedPaths": [], "ReadonlyPaths": []})
    return config
