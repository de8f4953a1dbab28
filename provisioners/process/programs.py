"""What the provisioner runs for a service of the template: a program, its environment, its ports.

A program holds all that is needed to run it again, so that a daemon that finds it running can keep it running without
the template.  What differs between replicas (ports, labels) is added by `placement`.
"""

import os
import shutil
import signal
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path

from provisioners import startup
from splitter.contracts import StackOrder
from splitter.model import ServicePort
from splitter.placement import Placement
from splitter.template import Healthcheck, Limits, Service, Template

# All that a service sees of the daemon's own environment; the rest may be secrets.
INHERITED = ("PATH", "HOME", "USER", "LOGNAME", "SHELL", "LANG", "LC_ALL", "LC_CTYPE", "TZ", "TMPDIR")
SHELL = "/bin/sh"

# fmt: off
_WITH_EFFECT = frozenset((
    "name", "command", "entrypoint", "environment", "working_dir", "ports", "expose", "networks", "depends_on",
    "healthcheck", "labels", "replicas", "restart", "limits", "stop_signal", "stop_grace_s", "static_endpoints",
))
# fmt: on
_WITHOUT_EFFECT = tuple(each.name for each in fields(Service) if each.name not in _WITH_EFFECT)


@dataclass(frozen=True, slots=True)
class Program:
    """One service, ready to run.

    `executable` is an absolute path, `arguments` the whole command line as written.  `ports` are the TCP ports that
    the template knows it by, the main one first; `(0,)` where it names none.  `level` is its place in the start order.
    Nothing holds it to its `limits`, but what each replica uses is measured against them.
    """

    service: str
    replicas: int
    level: int
    executable: str
    arguments: tuple[str, ...]
    environment: Mapping[str, str]
    directory: str
    ports: tuple[int, ...]
    is_routed: bool
    is_job: bool
    is_optional: bool
    healthcheck: Healthcheck | None
    restart: str
    stop_signal: int
    stop_grace_s: float
    limits: Limits = field(default_factory=Limits)

    @property
    def check(self) -> tuple[str, ...]:
        """The command line of its health check; empty without one."""
        if self.healthcheck is None:
            return ()
        kind, *rest = self.healthcheck.test
        return (SHELL, "-c", *rest) if kind == "CMD-SHELL" else tuple(rest)


def read(order: StackOrder, inherited: Mapping[str, str]) -> list[Program]:
    """Return the programs of `order` by name.  `problems` must have found nothing."""
    services = order.template.services
    level = {name: number for number, names in enumerate(startup.levels(services)) for name in names}
    jobs = startup.jobs(services)
    optional = startup.optional(services)
    return [
        Program(
            service=name,
            replicas=service.replicas,
            level=level[name],
            executable=find_executable(service, order.template, inherited) or "",
            arguments=command_line(service),
            environment=base_environment(service, inherited),
            directory=directory(service, order.template),
            ports=_ports(service, order.routed),
            is_routed=any(each.service == name for each in order.routed),
            is_job=name in jobs,
            is_optional=name in optional and all(each.service != name for each in order.routed),
            healthcheck=service.healthcheck if startup.has_check(service) else None,
            restart=service.restart,
            stop_signal=stop_signal(service.stop_signal) or signal.SIGTERM,
            stop_grace_s=service.stop_grace_s,
            limits=service.limits,
        )
        for name, service in sorted(services.items())
    ]


def problems(order: StackOrder, inherited: Mapping[str, str]) -> list[str]:
    """Return every reason why `order` cannot be run as processes, one sentence each."""
    found = startup.impossible(order.template.services)
    for _, service in sorted(order.template.services.items()):
        found += _problems_of(service, order.template, inherited)
    for routed in order.routed:
        found += _problems_of_route(routed, order.template)
    return [*found, *_problems_of_placement(order.placement)]


def _problems_of_placement(placement: Placement) -> list[str]:
    """Return what a stack of processes cannot do: share a server, or leave one out until the promotion."""
    shared = [
        f"service {name} would be shared with live, which plain processes cannot be; make it a server of its own, "
        "outside of this template, or say `splitter.scope: stack` if the shadow may have another one"
        for name in placement.shared
    ]
    waiting = [
        f"service {name} would wait for the promotion, which plain processes cannot; say `splitter.singleton: run` "
        "(`splitter.job: run` on a job) if it may run twice, or take it out"
        for name in placement.waiting
    ]
    skipped = [
        f"service {name} would be skipped, which plain processes cannot be; take it out" for name in placement.skipped
    ]
    adopted = ["plain processes cannot be adopted, only a Compose project on a Docker engine can"]
    return [*shared, *waiting, *skipped, *(adopted if placement.adopted else [])]


def notes(template: Template) -> list[str]:
    """Return a sentence for each service that says things which have no effect on a process."""
    found = []
    for name, service in sorted(template.services.items()):
        unsaid = Service(name=name)
        ignored = [key for key in _WITHOUT_EFFECT if getattr(service, key) != getattr(unsaid, key)]
        if ignored:
            keys = ", ".join(ignored)
            found.append(f"service {name}: {keys} {_have(ignored)} no effect, because it runs as a plain process")
        if service.limits != Limits():
            found.append(f"service {name}: nothing holds a plain process to its limits; what it uses is only compared")
    return found


def command_line(service: Service) -> tuple[str, ...]:
    return (*(service.entrypoint or ()), *(service.command or ()))


def directory(service: Service, template: Template) -> str:
    return str(Path(template.directory, service.working_dir))


def base_environment(service: Service, inherited: Mapping[str, str]) -> dict[str, str]:
    """Return the part of a service's environment that all its replicas share."""
    return {**{key: inherited[key] for key in INHERITED if key in inherited}, **service.environment}


def find_executable(service: Service, template: Template, inherited: Mapping[str, str]) -> str | None:
    """Return the absolute path of what a service runs, as its own PATH and directory have it."""
    return _which(command_line(service)[0], directory(service, template), base_environment(service, inherited))


def stop_signal(name: str) -> int | None:
    """Return the number of a signal that is written as `SIGINT`, `INT` or `2`; None if there is no such signal."""
    if not name:
        return signal.SIGTERM
    try:
        if name.isdecimal():
            return signal.Signals(int(name))
        return signal.Signals[name if name.startswith("SIG") else f"SIG{name}"]
    except (KeyError, ValueError):
        return None


def _problems_of(service: Service, template: Template, inherited: Mapping[str, str]) -> list[str]:
    found = []
    name = service.name
    if "/" in name or "\0" in name:
        found.append(f"service {name!r} has a name that no file can have; rename it")
    if not command_line(service):
        found.append(f"service {name} has no command: the process provisioner runs commands, not images; write one")
        return found
    folder = directory(service, template)
    if not Path(folder).is_dir():
        found.append(f"service {name}: its working_dir {folder} is not a directory of this machine")
        return found
    environment = base_environment(service, inherited)
    if find_executable(service, template, inherited) is None:
        found.append(f"service {name}: {_why_not_found(command_line(service)[0], folder, environment)}")
    if stop_signal(service.stop_signal) is None:
        found.append(f"service {name}: this machine has no signal {service.stop_signal} (its stop_signal)")
    if startup.has_check(service):
        found += _problems_of_check(service, folder, environment)
    return found


def _problems_of_check(service: Service, folder: str, environment: Mapping[str, str]) -> list[str]:
    assert service.healthcheck is not None
    kind, *rest = service.healthcheck.test
    if kind not in ("CMD", "CMD-SHELL") or not rest:
        return [f"service {service.name}: its healthcheck.test must be CMD or CMD-SHELL and a command"]
    if kind == "CMD" and _which(rest[0], folder, environment) is None:
        return [f"service {service.name}: its healthcheck's {_why_not_found(rest[0], folder, environment)}"]
    return []


def _problems_of_route(routed: ServicePort, template: Template) -> list[str]:
    service = template.services.get(routed.service)
    if service is None:
        known = ", ".join(sorted(template.services)) or "none"
        return [f"route to {routed}: the template has no service {routed.service} (it has: {known})"]
    declared = _declared(service)
    if not routed.port and len(declared) > 1:
        listed = ", ".join(map(str, declared))
        return [f"route to {routed}: service {routed.service} declares several TCP ports ({listed}); name one"]
    if service.replicas < 1:
        return [f"route to {routed}: service {routed.service} has no replicas, so nobody would answer"]
    return []


def _declared(service: Service) -> list[int]:
    targets = [port.target for port in service.ports if port.protocol == "tcp"]
    return list(dict.fromkeys((*targets, *service.expose)))


def _ports(service: Service, routed: Sequence[ServicePort]) -> tuple[int, ...]:
    """Return the ports of a service, routed ones first: the first is what `PORT` stands for."""
    asked = [each.port for each in routed if each.service == service.name and each.port]
    return tuple(dict.fromkeys((*asked, *_declared(service)))) or (0,)


def _which(command: str, folder: str, environment: Mapping[str, str]) -> str | None:
    """Return the absolute path of a command; a relative path counts from the service's own directory."""
    if os.sep in command:
        return shutil.which(str(Path(folder, command)))
    return shutil.which(command, path=environment.get("PATH", os.defpath))


def _why_not_found(command: str, folder: str, environment: Mapping[str, str]) -> str:
    if os.sep not in command:
        return f"command {command} is not in its PATH ({environment.get('PATH', os.defpath)})"
    path = Path(folder, command)
    return f"command {path} {'is not executable' if path.exists() else 'does not exist'}"


def _have(words: Sequence[str]) -> str:
    return "has" if len(words) == 1 else "have"
