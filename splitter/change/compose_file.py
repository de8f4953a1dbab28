"""A template as a Compose file again: what `splitter config` prints.

What is read from it is the same template: `load(dump(load(x)))` is `load(x)`.  Every value stands in its long form,
paths are absolute, variables are replaced, files of variables and labels lie in `environment` and `labels`, and what
the template leaves at its default is left out.  Values are as the template has them, secrets of the environment too.

Long because it is the whole model once more, key by key, in the order of `template`.
"""

import json
from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any

import yaml

from splitter.change.devices import ALL
from splitter.change.scalars import resolve
from splitter.template import (
    Attachment,
    Build,
    Dependency,
    DeviceRate,
    DeviceRequest,
    Document,
    Grant,
    Healthcheck,
    Hook,
    Limits,
    Mount,
    MountType,
    Network,
    Port,
    Service,
    Template,
    Ulimit,
    Volume,
)

Json = dict[str, Any]


def to_yaml(template: Template) -> str:
    """Return the template as the YAML text of a Compose file."""
    text = yaml.dump(
        document(template), Dumper=_Dumper, sort_keys=False, allow_unicode=True, default_flow_style=False, width=120
    )
    assert isinstance(text, str), "without a stream the text is returned"
    return text


def to_json(template: Template) -> str:
    """Return the template as a Compose file in JSON, which is YAML as well."""
    return json.dumps(document(template), indent=2, ensure_ascii=False) + "\n"


def document(template: Template) -> Json:
    """Return the template as plain values: a Compose file in which every text is free of variables."""
    written = _said(
        name=template.project,
        services={name: _service(service) for name, service in template.services.items()},
        networks={key: _network(network) for key, network in template.networks.items()},
        volumes={key: _volume(volume) for key, volume in template.volumes.items()},
        secrets={key: _document(secret) for key, secret in template.secrets.items()},
        configs={key: _document(config) for key, config in template.configs.items()},
    )
    escaped = _escaped(written)
    assert isinstance(escaped, dict), "escaping keeps the kind of a value"
    return escaped


class _Dumper(yaml.SafeDumper):
    """Quotes what YAML 1.2 would not read as text, besides what YAML 1.1 would not."""


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    style = "|" if "\n" in text else None if resolve(text) == text else "'"
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _text)
_Dumper.ignore_aliases = lambda self, data: True  # type: ignore[method-assign]  # the documented way


def _said(**values: object) -> Json:
    """Return what is not at its default: no None, no empty text, list or mapping, no false flag."""
    return {key: value for key, value in values.items() if value not in (None, "", (), [], {}, False)}


def _escaped(value: Any) -> Any:
    """Return plain lists and mappings, each `$` of a value written as a Compose file has it."""
    if isinstance(value, str):
        return value.replace("$", "$$")
    if isinstance(value, Mapping):
        return {key: _escaped(item) for key, item in value.items()}
    if isinstance(value, tuple | list):
        return [_escaped(item) for item in value]
    return value


# --- Services ----------------------------------------------------------------------------------------------------


def _service(service: Service) -> Json:
    return {
        **_said(
            image=service.image,
            build=_build(service.build) if service.build else None,
            pull_policy="" if service.pull_policy == "missing" else service.pull_policy,
            platform=service.platform,
        ),
        **{key: words for key, words in _commands(service).items() if words is not None},
        **_said(
            environment=service.environment,
            working_dir=service.working_dir,
            user=service.user,
            endpoints=[str(endpoint) for endpoint in service.static_endpoints],
            ports=[_port(port) for port in service.ports],
            expose=[str(port) for port in service.expose],
            networks=_attachments(service.networks),
            network_mode=service.network_mode,
            volumes=[_mount(mount) for mount in service.mounts if not _is_short(mount)],
            tmpfs=[":".join((m.target, *filter(None, [",".join(m.options)]))) for m in service.mounts if _is_short(m)],
            volumes_from=[f"{each.service}:{'ro' if each.read_only else 'rw'}" for each in service.volumes_from],
            secrets=[_grant(grant) for grant in service.secrets],
            configs=[_grant(grant) for grant in service.configs],
            depends_on={each.service: _dependency(each) for each in service.depends_on},
            healthcheck=_healthcheck(service.healthcheck) if service.healthcheck else None,
            labels=service.labels,
            restart="" if service.restart == "no" else service.restart,
            stop_signal=service.stop_signal,
            stop_grace_period="" if service.stop_grace_s == 10.0 else _duration(service.stop_grace_s),
            post_start=[_hook(hook) for hook in service.post_start],
            pre_stop=[_hook(hook) for hook in service.pre_stop],
        ),
        **({} if service.replicas == 1 else {"scale": service.replicas}),
        **_said(**_names(service)),
        **_rights(service),
        **_surroundings(service),
        **_limits(service.limits),
        **_requests(service.device_requests),
    }


def _commands(service: Service) -> Mapping[str, tuple[str, ...] | None]:
    return {"entrypoint": service.entrypoint, "command": service.command}


def _build(build: Build) -> Json:
    return _said(
        context=build.context,
        dockerfile=build.dockerfile,
        dockerfile_inline=build.dockerfile_inline,
        args=build.args,
        target=build.target,
        labels=build.labels,
        cache_from=build.cache_from,
        cache_to=build.cache_to,
        network=build.network,
        platforms=[build.platform] if build.platform else build.platforms,
        shm_size=build.shm_bytes,
        extra_hosts=build.extra_hosts,
        ulimits=_ulimits(build.ulimits),
        secrets=[{"source": key, "target": name} for name, key in build.secrets.items()],
        ssh={name: path or None for name, path in build.ssh.items()},
        additional_contexts=build.additional_contexts,
        entitlements=build.entitlements,
    )


def _port(port: Port) -> Json:
    return _said(target=port.target, published=port.published, protocol=port.protocol, host_ip=port.host_ip)


def _attachments(attachments: tuple[Attachment, ...]) -> Json:
    """Return the networks by name; their order is said where it is not that of their names."""
    names = [attachment.network for attachment in attachments]
    ranks = range(len(names), 0, -1) if names != sorted(names) else (None,) * len(names)
    return {
        each.network: {
            **_said(
                aliases=each.aliases,
                ipv4_address=each.ipv4_address,
                ipv6_address=each.ipv6_address,
                link_local_ips=each.link_local_ips,
                mac_address=each.mac_address,
                driver_opts=each.driver_opts,
                priority=rank,
            ),
            **({} if each.use_service_name_alias else {"use_service_name_alias": False}),
        }
        or None
        for each, rank in zip(attachments, ranks, strict=True)
    }


def _is_short(mount: Mount) -> bool:
    """Return whether a mount is written under `tmpfs`, where all of its options can be said."""
    return mount.type is MountType.TMPFS and not mount.read_only


def _mount(mount: Mount) -> Json:
    options = dict(option.partition("=")[::2] for option in mount.options)
    of_volume = mount.type is MountType.VOLUME
    return _said(
        type=mount.type.value,
        source=mount.source,
        target=mount.target,
        read_only=mount.read_only,
        bind={
            **_said(propagation=mount.propagation, selinux=mount.selinux, recursive=mount.recursive),
            **({} if mount.create_host_path else {"create_host_path": False}),
        },
        volume=_said(nocopy=mount.nocopy, labels=mount.labels, subpath=mount.subpath if of_volume else ""),
        image=_said(subpath="" if of_volume else mount.subpath),
        tmpfs=_said(size=options.get("size"), mode=options.get("mode")),
    )


def _grant(grant: Grant) -> Json:
    return _said(
        source=grant.source,
        target=grant.target,
        uid=None if grant.uid is None else str(grant.uid),
        gid=None if grant.gid is None else str(grant.gid),
        mode=None if grant.mode is None else f"{grant.mode:04o}",
    )


def _dependency(dependency: Dependency) -> Json:
    return {
        "condition": dependency.condition.value,
        "required": dependency.required,
        **_said(restart=dependency.restart),
    }


def _healthcheck(check: Healthcheck) -> Json:
    if check.test == ("NONE",):
        return {"disable": True}
    start_interval = check.start_interval_s
    return {
        **_said(test=check.test),
        "interval": _duration(check.interval_s),
        "timeout": _duration(check.timeout_s),
        "retries": check.retries,
        "start_period": _duration(check.start_period_s),
        **({} if start_interval is None else {"start_interval": _duration(start_interval)}),
    }


def _duration(seconds: float) -> str:
    return f"{Decimal(repr(seconds)):f}s"


def _hook(hook: Hook) -> Json:
    return _said(
        command=hook.command,
        user=hook.user,
        privileged=hook.privileged,
        working_dir=hook.working_dir,
        environment=hook.environment,
    )


def _names(service: Service) -> Json:
    names = ("hostname", "domainname", "mac_address", "extra_hosts", "dns", "dns_search", "dns_opt")
    return {name: getattr(service, name) for name in names}


def _rights(service: Service) -> Json:
    return _said(
        cap_add=service.cap_add,
        cap_drop=service.cap_drop,
        privileged=service.privileged,
        security_opt=service.security_opt,
        read_only=service.read_only,
        group_add=service.group_add,
        devices=[
            {"source": each.source, "target": each.target, "permissions": each.permissions} for each in service.devices
        ],
        device_cgroup_rules=service.device_cgroup_rules,
        sysctls=service.sysctls,
    )


def _surroundings(service: Service) -> Json:
    return {
        **({} if service.init is None else {"init": service.init}),
        **_said(
            tty=service.tty,
            stdin_open=service.stdin_open,
            ipc=service.ipc,
            pid=service.pid,
            uts=service.uts,
            cgroup=service.cgroup,
            userns_mode=service.userns_mode,
            cgroup_parent=service.cgroup_parent,
            runtime=service.runtime,
            logging=_said(driver=service.logging.driver, options=service.logging.options),
            storage_opt=service.storage_opt,
            annotations=service.annotations,
            umask=None if service.umask is None else f"{service.umask:04o}",
        ),
    }


def _limits(limits: Limits) -> Json:
    swappiness, score = limits.memory_swappiness, limits.oom_score_adj  # 0 is said here, elsewhere it is the default
    block_io = limits.block_io
    return {
        **_said(
            mem_limit=limits.memory_bytes,
            mem_reservation=limits.memory_reservation_bytes,
            memswap_limit=limits.memory_swap_bytes,
            shm_size=limits.shm_bytes,
            cpus=limits.cpus,
            cpu_shares=limits.cpu_shares,
            cpu_quota=limits.cpu_quota_us,
            cpu_period=limits.cpu_period_us,
            cpu_rt_period=limits.cpu_rt_period_us,
            cpu_rt_runtime=limits.cpu_rt_runtime_us,
            cpuset=limits.cpu_set,
            pids_limit=limits.pids,
            oom_kill_disable=limits.oom_kill_disable,
            blkio_config=_said(
                weight=block_io.weight,
                weight_device=_rates(block_io.weight_device, "weight"),
                device_read_bps=_rates(block_io.device_read_bps),
                device_write_bps=_rates(block_io.device_write_bps),
                device_read_iops=_rates(block_io.device_read_iops),
                device_write_iops=_rates(block_io.device_write_iops),
            ),
            ulimits=_ulimits(limits.ulimits),
        ),
        **({} if swappiness is None else {"mem_swappiness": swappiness}),
        **({} if score is None else {"oom_score_adj": score}),
    }


def _ulimits(ulimits: Iterable[Ulimit]) -> Json:
    return {each.name: {"soft": each.soft, "hard": each.hard} for each in ulimits}


def _rates(rates: Iterable[DeviceRate], key: str = "rate") -> list[Json]:
    return [{"path": each.path, key: each.rate} for each in rates]


def _requests(requests: tuple[DeviceRequest, ...]) -> Json:
    devices = [
        _said(
            capabilities=each.capabilities,
            driver=each.driver,
            count="all" if each.count == ALL else each.count,
            device_ids=each.ids,
            options=each.options,
        )
        for each in requests
    ]
    return {"deploy": {"resources": {"reservations": {"devices": devices}}}} if devices else {}


# --- The top level -----------------------------------------------------------------------------------------------


def _network(network: Network) -> Json | None:
    ipam = network.ipam
    return (
        _said(
            name=network.name,
            driver=network.driver,
            driver_opts=network.driver_opts,
            internal=network.internal,
            external=network.external,
            attachable=network.attachable,
            enable_ipv6=network.enable_ipv6,
            ipam=_said(
                driver=ipam.driver,
                config=[
                    _said(
                        subnet=pool.subnet,
                        ip_range=pool.ip_range,
                        gateway=pool.gateway,
                        aux_addresses=pool.aux_addresses,
                    )
                    for pool in ipam.pools
                ],
                options=ipam.options,
            ),
            labels=network.labels,
        )
        or None
    )


def _volume(volume: Volume) -> Json | None:
    return (
        _said(
            name=volume.name,
            driver=volume.driver,
            driver_opts=volume.driver_opts,
            external=volume.external,
            labels=volume.labels,
        )
        or None
    )


def _document(document: Document) -> Json:
    content = {} if document.content is None else {"content": document.content}
    return {
        **_said(name=document.name, file=document.file, environment=document.environment, labels=document.labels),
        **content,
    }
