"""A Compose project read off its containers, for an adoption without any file of it.

Pure: containers and images as inspected in, a template out.  What a container has from its image is left to the image,
as a file would leave it.  What only a file says is not to be found here: builds, secrets (they are mounts), hooks,
profiles, who waits for whom before Compose 2 wrote that down.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from splitter.change.canonical import digest
from splitter.template import (
    Attachment,
    Condition,
    Dependency,
    Device,
    Healthcheck,
    Limits,
    Logging,
    Mount,
    MountType,
    Network,
    Port,
    Service,
    Template,
    Ulimit,
    Volume,
)

COMPOSE = "com.docker.compose."
DEPENDS_ON = f"{COMPOSE}depends_on"
NANOSECONDS = 1_000_000_000
SHM_BYTES = 64 * 1024 * 1024  # what a container gets that asks for nothing
OWN_NAMESPACE = ("", "private", "shareable")
LOG_DRIVER = "json-file"
UNCONFINED = "label=disable"  # which the engine itself sets on what shares a namespace of the host
_ANONYMOUS = re.compile(r"[0-9a-f]{64}")

Inspected = Mapping[str, Any]


def modelled(
    project: str, directory: str, containers: Mapping[str, Sequence[Inspected]], images: Mapping[str, Inspected]
) -> Template:
    """Return the template that `containers` (at least one for each service) could have been made of.

    `images` are by their ids; of one that is gone nothing is left to the image.
    """
    services = {
        name: _service(name, project, found, images.get(str(found[0]["Image"]), {}))
        for name, found in sorted(containers.items())
    }
    everyone = [each for found in containers.values() for each in found]
    networks = {name for each in everyone for name in _networks(each)}
    volumes = {mount["Name"] for each in everyone for mount in _mounts(each) if _is_named(mount)}
    template = Template(
        project,
        directory,
        services,
        networks=dict(_network(name, project) for name in sorted(networks)),
        volumes=dict(_volume(name, project) for name in sorted(volumes)),
    )
    return replace(template, digest=digest(template))


def _service(name: str, project: str, found: Sequence[Inspected], image: Inspected) -> Service:
    container = found[0]
    config, host, of_image = container["Config"], container["HostConfig"], image.get("Config") or {}
    mode = str(host.get("NetworkMode") or "")
    grace = config.get("StopTimeout")
    hostname = str(config.get("Hostname") or "")
    return Service(
        name=name,
        image=str(config.get("Image") or ""),
        command=_words(config.get("Cmd"), of_image.get("Cmd")),
        entrypoint=_words(config.get("Entrypoint"), of_image.get("Entrypoint")),
        environment=_without(_variables(config), _variables(of_image)),
        working_dir=_unlike(config, of_image, "WorkingDir"),
        user=_unlike(config, of_image, "User"),
        ports=tuple(_ports(host)),
        expose=tuple(_exposed(config, of_image, host)),
        networks=() if mode in ("none", "host", "bridge") else tuple(_attachments(name, project, container)),
        network_mode=mode if mode in ("none", "host", "bridge") else "",
        mounts=(*(_mount(each, project) for each in _mounts(container)), *_tmpfs(host)),
        depends_on=tuple(_dependencies(config)),
        healthcheck=_healthcheck(config.get("Healthcheck"), of_image.get("Healthcheck")),
        labels=_labels(config, of_image),
        replicas=len(found),
        limits=_limits(host),
        restart=_restart(host.get("RestartPolicy") or {}),
        stop_signal=_unlike(config, of_image, "StopSignal"),
        stop_grace_s=10.0 if grace is None else float(grace),
        hostname="" if str(container["Id"]).startswith(hostname) else hostname,
        domainname=str(config.get("Domainname") or ""),
        extra_hosts=tuple(host.get("ExtraHosts") or ()),
        dns=tuple(host.get("Dns") or ()),
        dns_search=tuple(host.get("DnsSearch") or ()),
        dns_opt=tuple(host.get("DnsOptions") or ()),
        cap_add=tuple(host.get("CapAdd") or ()),
        cap_drop=tuple(host.get("CapDrop") or ()),
        privileged=bool(host.get("Privileged")),
        security_opt=tuple(each for each in host.get("SecurityOpt") or () if each != UNCONFINED),
        read_only=bool(host.get("ReadonlyRootfs")),
        group_add=tuple(host.get("GroupAdd") or ()),
        devices=tuple(_devices(host)),
        sysctls=dict(host.get("Sysctls") or {}),
        tty=bool(config.get("Tty")),
        stdin_open=bool(config.get("OpenStdin")),
        init=host.get("Init"),
        ipc=_namespace(host.get("IpcMode")),
        pid=_namespace(host.get("PidMode")),
        uts=_namespace(host.get("UTSMode")),
        logging=_logging(host.get("LogConfig") or {}),
    )


# --- What it runs ----------------------------------------------------------------------------------------------------


def _words(there: Sequence[str] | None, of_image: Sequence[str] | None) -> tuple[str, ...] | None:
    return None if list(there or ()) == list(of_image or ()) else tuple(there or ())


def _variables(config: Inspected) -> dict[str, str]:
    return dict(each.partition("=")[::2] for each in config.get("Env") or ())


def _without(there: Mapping[str, str], of_image: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in sorted(there.items()) if of_image.get(name) != value}


def _unlike(config: Inspected, of_image: Inspected, key: str) -> str:
    there = str(config.get(key) or "")
    return "" if there == str(of_image.get(key) or "") else there


def _labels(config: Inspected, of_image: Inspected) -> dict[str, str]:
    found = _without(config.get("Labels") or {}, of_image.get("Labels") or {})
    return {name: value for name, value in found.items() if not name.startswith(COMPOSE)}


def _healthcheck(there: Inspected | None, of_image: Inspected | None) -> Healthcheck | None:
    if not there or there == of_image:
        return None
    usual = Healthcheck(tuple(there.get("Test") or ()))
    return Healthcheck(
        usual.test,
        interval_s=_seconds(there.get("Interval")) or usual.interval_s,
        timeout_s=_seconds(there.get("Timeout")) or usual.timeout_s,
        retries=int(there.get("Retries") or usual.retries),
        start_period_s=_seconds(there.get("StartPeriod")),
    )


def _seconds(nanoseconds: int | None) -> float:
    return (nanoseconds or 0) / NANOSECONDS


def _dependencies(config: Inspected) -> Iterator[Dependency]:
    """Yield what Compose wrote down of `depends_on`: `db:service_healthy:false,cache:service_started:true`."""
    for each in str((config.get("Labels") or {}).get(DEPENDS_ON, "")).split(","):
        service, condition, restart = (*each.split(":"), "", "")[:3]
        if service:
            known = Condition(condition) if condition in set(Condition) else Condition.STARTED
            yield Dependency(service, known, restart=restart == "true")


def _restart(policy: Inspected) -> str:
    name, retries = str(policy.get("Name") or "no"), int(policy.get("MaximumRetryCount") or 0)
    return f"{name}:{retries}" if retries else name


# --- Where it is reached, and what it reaches ------------------------------------------------------------------------


def _ports(host: Inspected) -> Iterator[Port]:
    for port, bindings in sorted((host.get("PortBindings") or {}).items()):
        number, _, protocol = port.partition("/")
        for each in bindings or [{}]:
            yield Port(int(number), protocol or "tcp", str(each.get("HostPort", "")), str(each.get("HostIp", "")))


def _exposed(config: Inspected, of_image: Inspected, host: Inspected) -> Iterator[int]:
    known = {*(of_image.get("ExposedPorts") or {}), *(host.get("PortBindings") or {})}
    for port in sorted(set(config.get("ExposedPorts") or {}) - known):
        number, _, protocol = port.partition("/")
        if protocol in ("", "tcp"):
            yield int(number)


def _networks(container: Inspected) -> Mapping[str, Inspected]:
    mode = str(container["HostConfig"].get("NetworkMode") or "")
    if mode in ("none", "host", "bridge") or mode.startswith("container:"):
        return {}
    return container["NetworkSettings"].get("Networks") or {}


def _attachments(service: str, project: str, container: Inspected) -> Iterator[Attachment]:
    own = {service, str(container["Name"]).lstrip("/"), str(container["Id"])[:12], container["Config"].get("Hostname")}
    for name, place in sorted(_networks(container).items()):
        aliases = [each for each in place.get("Aliases") or () if each not in own]
        fixed = place.get("IPAMConfig") or {}
        yield Attachment(
            _key(name, project),
            tuple(dict.fromkeys(aliases)),
            ipv4_address=str(fixed.get("IPv4Address") or ""),
            ipv6_address=str(fixed.get("IPv6Address") or ""),
        )


def _network(name: str, project: str) -> tuple[str, Network]:
    key = _key(name, project)
    return key, Network(key) if key != name else Network(key, name=name, external=True)


# --- What it keeps ---------------------------------------------------------------------------------------------------


def _mounts(container: Inspected) -> Iterable[Inspected]:
    found = [each for each in container.get("Mounts") or () if each.get("Type") in ("volume", "bind")]
    return sorted(found, key=lambda mount: str(mount["Destination"]))


def _is_named(mount: Inspected) -> bool:
    return mount["Type"] == "volume" and not _ANONYMOUS.fullmatch(str(mount.get("Name") or ""))


def _mount(mount: Inspected, project: str) -> Mount:
    kind = MountType(mount["Type"])
    source = str(mount.get("Source") or "")
    if kind is MountType.VOLUME:
        source = _key(str(mount["Name"]), project) if _is_named(mount) else ""
    return Mount(kind, str(mount["Destination"]), source, read_only=not mount.get("RW", True))


def _tmpfs(host: Inspected) -> Iterator[Mount]:
    for mount in host.get("Mounts") or ():
        if mount["Type"] == "tmpfs":
            yield Mount(MountType.TMPFS, str(mount["Target"]), read_only=bool(mount.get("ReadOnly")))
    for target, options in sorted((host.get("Tmpfs") or {}).items()):
        yield Mount(MountType.TMPFS, target, options=tuple(filter(None, options.split(","))))


def _volume(name: str, project: str) -> tuple[str, Volume]:
    key = _key(name, project)
    return key, Volume(key) if key != name else Volume(key, name=name, external=True)


def _key(name: str, project: str) -> str:
    """Return what the template calls a network or volume of the project; one of somebody else's keeps its name."""
    return name.removeprefix(f"{project}_") or name


# --- Its share of the host -------------------------------------------------------------------------------------------


def _limits(host: Inspected) -> Limits:
    cpus, shm = host.get("NanoCpus") or 0, host.get("ShmSize") or SHM_BYTES
    pids, memory, swap = (host.get(each) or 0 for each in ("PidsLimit", "Memory", "MemorySwap"))
    swappiness = host.get("MemorySwappiness")
    return Limits(
        memory_bytes=memory or None,
        memory_swap_bytes=swap if swap and swap != 2 * memory else None,  # twice is what the engine adds by itself
        memory_swappiness=None if swappiness in (None, -1) else swappiness,
        oom_kill_disable=bool(host.get("OomKillDisable")),
        oom_score_adj=host.get("OomScoreAdj") or None,
        memory_reservation_bytes=host.get("MemoryReservation") or None,
        cpus=cpus / NANOSECONDS if cpus else None,
        pids=pids if pids > 0 else None,
        cpu_shares=host.get("CpuShares") or None,
        cpu_quota_us=host.get("CpuQuota") or None,
        cpu_period_us=host.get("CpuPeriod") or None,
        cpu_set=str(host.get("CpusetCpus") or ""),
        shm_bytes=None if shm == SHM_BYTES else shm,
        ulimits=tuple(Ulimit(each["Name"], each["Soft"], each["Hard"]) for each in host.get("Ulimits") or ()),
    )


def _devices(host: Inspected) -> Iterator[Device]:
    for each in host.get("Devices") or ():
        yield Device(each["PathOnHost"], each["PathInContainer"], each.get("CgroupPermissions") or "rwm")


def _namespace(mode: str | None) -> str:
    return "" if (mode or "") in OWN_NAMESPACE or str(mode).startswith("container:") else str(mode)


def _logging(config: Inspected) -> Logging:
    driver, options = str(config.get("Type") or ""), dict(config.get("Config") or {})
    return Logging() if driver in ("", LOG_DRIVER) and not options else Logging(driver, options)
