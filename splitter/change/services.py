"""One service of a merged file → Service, in its canonical form.

Lists whose order means nothing are sorted, paths are absolute, variables of `env_file` lie under `environment`.
What two services, or a service and a network, have to do with each other is checked in `consistency`.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import replace

from splitter.change import keys
from splitter.change.amounts import with_amounts
from splitter.change.commands import read_healthcheck, read_hooks, read_seconds
from splitter.change.devices import read_cgroup_rules, read_devices
from splitter.change.documents import read_grants, read_mode
from splitter.change.folders import resolved
from splitter.change.images import with_image
from splitter.change.labels import read_labels
from splitter.change.mounts import read_mounts, read_volumes_from
from splitter.change.networks import SERVICE_PREFIX, read_address, read_hosts, read_links, read_mac, with_networks
from splitter.change.ports import PORT_MAX, read_expose, read_ports
from splitter.change.shapes import Fields, Value
from splitter.change.variables import Surroundings, read_environment, read_service_labels
from splitter.model import Endpoint
from splitter.template import Condition, Dependency, Logging, Service

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*", re.ASCII)
_ENDPOINT = re.compile(r"(\[[0-9a-fA-F:.]+\]|[^:\s\[\]]+):([0-9]{1,5})", re.ASCII)
_SECURITY = re.compile(r"([a-z-]+)[=:](.*)", re.DOTALL)
_HOSTNAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.-]{0,253}[A-Za-z0-9])?", re.ASCII)


def profiles_of(value: Value) -> tuple[str, ...]:
    """Return the profiles that a service belongs to; none: it is always on."""
    profiles = value.entries().get("profiles") if value.is_mapping else None
    return tuple(item.text() for item in profiles.items()) if profiles else ()


def read_service(name: str, value: Value, around: Surroundings) -> Service:
    """Return the service; mistakes are in the value's report."""
    if _NAME.fullmatch(name) is None:
        value.key_problem(f"{name!r} is not a service name; use letters, digits, '.', '_' and '-'")
    found = value.known(keys.SERVICE)
    service = Service(
        name=name,
        environment=read_environment(found, around),
        healthcheck=found.read("healthcheck", read_healthcheck, None),
        ports=found.read("ports", read_ports, ()),
        expose=found.read("expose", read_expose, ()),
        mounts=read_mounts(found, around.folders),
        depends_on=found.read("depends_on", _dependencies, ()),
        static_endpoints=found.read("endpoints", _endpoints, ()),
        working_dir=found.read("working_dir", Value.text, ""),
        user=found.read("user", Value.text, ""),
        stop_signal=found.read("stop_signal", Value.text, ""),
        stop_grace_s=found.read("stop_grace_period", read_seconds, 10.0),
        labels=read_service_labels(found, around),
        secrets=found.read("secrets", read_grants, ()),
        configs=found.read("configs", read_grants, ()),
        volumes_from=found.read("volumes_from", read_volumes_from, ()),
        post_start=found.read("post_start", lambda value: read_hooks(value, around), ()),
        pre_stop=found.read("pre_stop", lambda value: read_hooks(value, around), ()),
    )
    for add in (_with_names, _with_namespaces, _with_surroundings, with_amounts, with_networks):
        service = add(service, found)
    service = _with_rights(service, found, around)
    service = with_image(service, found, value, around)
    return _with_implied(service, found)


# --- What it is called, what it may do, what it runs in ----------------------------------------------------------


def _with_names(service: Service, found: Fields) -> Service:
    """Return the service with its own names, and where it looks up those of others."""
    return replace(
        service,
        hostname=found.read("hostname", _hostname, ""),
        domainname=found.read("domainname", _hostname, ""),
        mac_address=found.read("mac_address", read_mac, ""),
        extra_hosts=found.read("extra_hosts", read_hosts, ()),
        dns=found.read("dns", lambda value: tuple(read_address(item) for item in value.items()), ()),
        dns_search=found.read("dns_search", Value.texts, ()),
        dns_opt=found.read("dns_opt", Value.texts, ()),
    )


def _hostname(value: Value) -> str:
    name = value.text()
    if _HOSTNAME.fullmatch(name) is None:
        value.problem(f"{name!r} is not a host name; use letters, digits, '.' and '-'")
    return name


def _with_namespaces(service: Service, found: Fields) -> Service:
    """Return the service with what it shares with its host or with another service."""
    return replace(
        service,
        ipc=found.read("ipc", lambda value: _namespace(value, ("none", "private", "shareable", "host")), ""),
        pid=found.read("pid", lambda value: _namespace(value, ("host",)), ""),
        uts=found.read("uts", lambda value: _namespace(value, ("host",)), ""),
        cgroup=found.read("cgroup", lambda value: _namespace(value, ("host", "private")), ""),
        userns_mode=found.read("userns_mode", lambda value: _namespace(value, ("host",)), ""),
    )


def _namespace(value: Value, known: tuple[str, ...]) -> str:
    key = value.path[-1]
    if value.is_null and key == "pid":
        return ""
    mode = value.text()
    may_share = key in {"ipc", "pid"}
    if mode.startswith("container:"):
        value.problem("the namespace of a container that is not in this file cannot be joined; name a service")
    elif mode == "host":
        value.note("is host: both stacks share it with the host and with each other")
    elif mode not in known and mode and not (may_share and mode.startswith(SERVICE_PREFIX)):
        others = (*known, "service:<name>") if may_share else known
        value.problem(f"{mode!r} is not one of {', '.join(others)}")
    return mode


def _with_surroundings(service: Service, found: Fields) -> Service:
    """Return the service with what its process finds around itself."""
    return replace(
        service,
        tty=found.read("tty", Value.boolean, False),
        stdin_open=found.read("stdin_open", Value.boolean, False),
        init=found.read("init", Value.boolean, None),
        cgroup_parent=found.read("cgroup_parent", Value.text, ""),
        runtime=found.read("runtime", Value.text, ""),
        logging=found.read("logging", _logging, Logging()),
        storage_opt=found.read("storage_opt", Value.options, {}),
        sysctls=found.read("sysctls", read_labels, {}),
        annotations=found.read("annotations", _annotations, {}),
        umask=found.read("umask", _umask, None),
    )


def _annotations(value: Value) -> dict[str, str]:
    value.note("has effect on engines from API 1.43 on")
    return read_labels(value)


def _umask(value: Value) -> int | None:
    if value.is_null:
        return None
    return read_mode(value)


def _logging(value: Value) -> Logging:
    found = value.known(keys.LOGGING)
    return Logging(found.read("driver", Value.text, ""), found.read("options", Value.options, {}))


def _with_rights(service: Service, found: Fields, around: Surroundings) -> Service:
    """Return the service with what its processes may do."""
    return replace(
        service,
        cap_add=found.read("cap_add", _names, ()),
        cap_drop=found.read("cap_drop", _names, ()),
        privileged=found.read("privileged", Value.boolean, False),
        security_opt=found.read("security_opt", lambda value: _security(value, around), ()),
        read_only=found.read("read_only", Value.boolean, False),
        group_add=found.read("group_add", _groups, ()),
        devices=found.read("devices", read_devices, ()),
        device_cgroup_rules=found.read("device_cgroup_rules", read_cgroup_rules, ()),
    )


def _names(value: Value) -> tuple[str, ...]:
    """Return a list whose order means nothing."""
    return tuple(sorted(set(value.texts())))


def _groups(value: Value) -> tuple[str, ...]:
    """Return groups by name or number."""
    return tuple(sorted({item.parse(str, "") for item in value.items()}))


def _security(value: Value, around: Surroundings) -> tuple[str, ...]:
    """Return security options as `name=value`; a seccomp profile is read, so that another content is another option."""
    return tuple(sorted({_security_option(item, around) for item in value.items()}))


def _security_option(item: Value, around: Surroundings) -> str:
    text = item.text()
    match = _SECURITY.fullmatch(text)
    if match is None:
        return text
    name, setting = match.groups()
    is_file = setting not in {"unconfined", "builtin"} and not setting.startswith("{")
    if name == "seccomp" and is_file and around.read is not None:
        setting = _profile(item, setting, around)
    return f"{name}={setting}"


def _profile(item: Value, file: str, around: Surroundings) -> str:
    path = resolved(item, file, around.folders)
    assert around.read is not None, "the caller reads files of services that are on"
    try:
        return json.dumps(json.loads(around.read(path)), separators=(",", ":"))
    except (OSError, ValueError) as error:
        item.problem(f"the seccomp profile {path} cannot be read: {error}")
    return file


# --- Whom it waits for -------------------------------------------------------------------------------------------


def _with_implied(service: Service, found: Fields) -> Service:
    """Return the service with the dependencies that its links, namespaces and volumes mean; written ones stay."""
    implied = {source.service: Dependency(source.service) for source in service.volumes_from}
    shared = (service.network_mode, service.ipc, service.pid)
    joined = [mode.removeprefix(SERVICE_PREFIX) for mode in shared if mode.startswith(SERVICE_PREFIX)]
    linked = [name for name, _ in found.read("links", read_links, ())]
    implied |= {name: Dependency(name, restart=True) for name in (*joined, *linked)}
    written = {dependency.service: dependency for dependency in service.depends_on}
    everything = {**implied, **written}
    return replace(service, depends_on=tuple(dependency for _, dependency in sorted(everything.items())))


def links_of(value: Value) -> tuple[tuple[str, str], ...]:
    """Return the links that a service has, where they have effect; their mistakes are reported by its reader."""
    links = value.entries().get("links") if value.is_mapping else None
    has_effect = links is not None and links.is_list and keys.SERVICE["links"].level is keys.Level.DO
    return read_links(links) if links is not None and has_effect else ()


def with_links(services: Mapping[str, Service], links: Mapping[str, tuple[tuple[str, str], ...]]) -> dict[str, Service]:
    """Return the services, each with the aliases under which others link to it, in the networks that they share."""
    linked = dict(services)
    for name, targets in links.items():
        near = {attachment.network for attachment in linked[name].networks}
        for target, alias in targets:
            if target in linked and alias != target:
                linked[target] = _with_alias(linked[target], alias, near)
    return linked


def _with_alias(service: Service, alias: str, networks: set[str]) -> Service:
    attachments = tuple(
        replace(each, aliases=tuple(sorted({*each.aliases, alias}))) if each.network in networks else each
        for each in service.networks
    )
    return replace(service, networks=attachments)


def _dependencies(value: Value) -> tuple[Dependency, ...]:
    dependencies = []
    for name, entry in sorted(value.entries().items()):
        found = entry.known(keys.DEPENDENCY)
        if entry.is_mapping and "condition" not in found:
            entry.problem(f"no condition says what to wait for; write condition: {Condition.STARTED}")
        dependencies.append(
            Dependency(
                service=name,
                condition=found.read("condition", _condition, Condition.STARTED),
                required=found.read("required", Value.boolean, True),
                restart=found.read("restart", Value.boolean, False),
            )
        )
    return tuple(dependencies)


def _condition(value: Value) -> Condition:
    try:
        return Condition(value.text())
    except ValueError:
        value.problem(f"the condition is not one of {', '.join(Condition)}")
        return Condition.STARTED


def _endpoints(value: Value) -> tuple[Endpoint, ...]:
    endpoints = []
    for item in value.items():
        match = _ENDPOINT.fullmatch(item.text())
        if match is None or not 0 < int(match[2]) <= PORT_MAX:
            item.problem("an endpoint is an address and a port, as in 127.0.0.1:9001 or [::1]:9001")
            continue
        endpoints.append(Endpoint(match[1].strip("[]"), int(match[2])))
    if value.is_list and not value.items():
        value.problem("no endpoint stands here; write at least one, or image")
    return tuple(sorted(set(endpoints)))
