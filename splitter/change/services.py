"""One service of a merged file → Service, in its canonical form.

Lists whose order means nothing are sorted, paths are absolute, variables of `env_file` lie under `environment`.
What two services, or a service and a network, have to do with each other is checked in `consistency`.
"""

import re
import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TypeVar

from splitter.change import keys, labels
from splitter.change.dotenv import parse_dotenv, parse_raw
from splitter.change.mounts import Folders, read_mounts, resolved
from splitter.change.ports import PORT_MAX, read_expose, read_ports
from splitter.change.quantities import duration_s, size_bytes
from splitter.change.shapes import Fields, Value
from splitter.errors import ProblemsError
from splitter.model import Endpoint
from splitter.template import (
    Attachment,
    Build,
    Condition,
    Dependency,
    Healthcheck,
    Limits,
    Service,
)

N = TypeVar("N", int, float)

DEFAULT_NETWORK = "default"

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*", re.ASCII)
_CONTAINER_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]+", re.ASCII)
_RESTART = re.compile(r"no|always|unless-stopped|on-failure(:[0-9]{1,9})?")
_RESTART_CONDITIONS = {"none": "no", "any": "always", "on-failure": "on-failure"}
_ENDPOINT = re.compile(r"(\[[0-9a-fA-F:.]+\]|[^:\s\[\]]+):([0-9]{1,5})", re.ASCII)
_REMOTE = re.compile(r"[a-z]+://|git@|github\.com/")


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a service is read with.  `read` raises OSError or UnicodeDecodeError; None skips `env_file`."""

    folders: Folders
    environment: Mapping[str, str]
    read: Callable[[str], str] | None
    require_image: bool = True


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
        environment=_environment(found, around),
        healthcheck=found.read("healthcheck", _healthcheck, None),
        ports=found.read("ports", read_ports, ()),
        expose=found.read("expose", read_expose, ()),
        mounts=read_mounts(found, around.folders),
        depends_on=found.read("depends_on", _dependencies, ()),
        static_endpoints=found.read("endpoints", _endpoints, ()),
        working_dir=found.read("working_dir", Value.text, ""),
        user=found.read("user", Value.text, ""),
        stop_signal=found.read("stop_signal", Value.text, ""),
        stop_grace_s=found.read("stop_grace_period", _seconds, 10.0),
        restart=found.read("restart", _restart, "no"),
        labels=found.read("labels", lambda value: read_labels(value, labels.SERVICE_LABELS), {}),
    )
    service = _with_image(service, found, value, around)
    service = _with_deploy(service, found)
    return _with_networks(service, found)


def read_labels(value: Value, own: Mapping[str, tuple[str, ...]] = labels.NONE) -> dict[str, str]:
    """Return labels or options; those of splitter's own must be in the table `own`."""
    read = {name: text or "" for name, text in sorted(value.scalars().items())}
    entries = value.entries() if value.is_mapping else {}
    for name, sentence in labels.mistakes(read, own).items():
        entries[name].key_problem(sentence)
    return read


# --- What runs ---------------------------------------------------------------------------------------------------


def _seconds(value: Value) -> float:
    return value.convert(duration_s, 0.0)


def _restart(value: Value) -> str:
    if value.is_boolean:
        value.problem('write "no", "always", "unless-stopped" or "on-failure"')
        return "no"
    restart = value.text("no")
    if _RESTART.fullmatch(restart) is None:
        value.problem(f"{restart!r} is not one of no, always, unless-stopped, on-failure, on-failure:<n>")
    return restart


def _with_image(service: Service, found: Fields, value: Value, around: Surroundings) -> Service:
    """Return the service with what it is made from.  One of image, build and endpoints is needed, or a command."""
    service = replace(
        service,
        image=found.read("image", _image, ""),
        build=found.read("build", lambda value: _build(value, around), None),
        command=found.read("command", _words, None),
        entrypoint=found.read("entrypoint", _words, None),
    )
    if "pull_policy" in found and (policy := found["pull_policy"].text("missing")) not in {"missing", "if_not_present"}:
        found["pull_policy"].problem(f"{policy!r} is not supported yet; images are pulled when they are missing")
    if "endpoints" not in found:
        _check_image(service, found, value, require_image=around.require_image)
    return service


def _check_image(service: Service, found: Fields, value: Value, *, require_image: bool) -> None:
    """Report a service that says nothing about what to run; note an image that nobody uses."""
    images = [found[key] for key in ("image", "build") if key in found]
    if require_image:
        if not images:
            value.key_problem("neither image nor build says what to run; write one of them")
        return
    for unused in images:
        unused.note("has no effect: nothing runs in containers here")
    if not (service.command or service.entrypoint):
        value.key_problem("neither command nor endpoints says what answers; write one of them")


def _image(value: Value) -> str:
    image = value.text("unknown")
    if not image:
        value.problem("the image has no name; write for example nginx:1.27, or build")
    return image


def _words(value: Value) -> tuple[str, ...] | None:
    """Return a command as words; nothing is the image's own, an empty text or list clears it."""
    if value.is_null:
        return None
    if value.is_list:
        return value.texts()
    try:
        return tuple(shlex.split(value.text()))
    except ValueError as error:
        value.problem(f"the command cannot be split into words: {str(error).lower()}; write a list")
        return ()


def _build(value: Value, around: Surroundings) -> Build:
    found = value.known(keys.BUILD)
    context = found.read("context", lambda value: value.text("."), ".")
    if _REMOTE.match(context):
        found["context"].problem("a context on another machine is not supported yet; clone it and name the folder")
    args = found.read("args", Value.scalars, {})
    return Build(
        context=resolved(found.get("context", value), context, around.folders),
        dockerfile=found.read("dockerfile", Value.text, ""),
        args=_passed_through(args, around.environment),
        target=found.read("target", Value.text, ""),
    )


def _environment(found: Fields, around: Surroundings) -> dict[str, str]:
    variables: dict[str, str] = {}
    if "env_file" in found and around.read is not None:
        for item in found["env_file"].items():
            variables.update(_variables_of_file(item, variables, around))
    if "environment" in found:
        variables.update(_passed_through(found["environment"].scalars(), around.environment))
    return dict(sorted(variables.items()))


def _passed_through(given: Mapping[str, str | None], environment: Mapping[str, str]) -> dict[str, str]:
    """Return `given` with names that have no value taken from the environment; left out where it has none either."""
    values = {name: environment.get(name) if value is None else value for name, value in given.items()}
    return {name: value for name, value in sorted(values.items()) if value is not None}


def _variables_of_file(item: Value, earlier: Mapping[str, str], around: Surroundings) -> dict[str, str]:
    found = item.known(keys.ENV_FILE) if item.is_mapping else Fields(path=item)
    required = found.read("required", Value.boolean, True)
    form = found.read("format", Value.text, "")
    if form not in {"", "raw"}:
        found["format"].problem(f"{form!r} is not a format; write raw or nothing")
    if "path" not in found:
        item.problem("no path says which file; write path:")
        return {}
    path = resolved(found["path"], found["path"].text(), around.folders)
    assert around.read is not None, "the caller reads files of services that are on"
    try:
        text = around.read(path)
        return parse_raw(text, path) if form == "raw" else parse_dotenv(text, path, {**earlier, **around.environment})
    except FileNotFoundError:
        if required:
            found["path"].problem(f"there is no file {path}; write required: false if it may be missing")
    except (OSError, UnicodeDecodeError) as error:
        found["path"].problem(f"{path} cannot be read: {error}")
    except ProblemsError as error:
        item.report.problems.extend(error.problems)
    return {}


def _healthcheck(value: Value) -> Healthcheck | None:
    found = value.known(keys.HEALTHCHECK)
    test = found.read("test", _health_test, ())
    if ("disable" in found and found["disable"].boolean()) or test[:1] == ("NONE",):
        return Healthcheck(("NONE",))
    given = Healthcheck(test)
    return Healthcheck(
        test=test,
        interval_s=found.read("interval", _seconds, given.interval_s),
        timeout_s=found.read("timeout", _seconds, given.timeout_s),
        retries=found.read("retries", lambda value: value.number(given.retries), given.retries),
        start_period_s=found.read("start_period", _seconds, 0.0),
    )


def _health_test(value: Value) -> tuple[str, ...]:
    if not value.is_list:
        return ("CMD-SHELL", value.text())
    test = value.texts()
    if test[:1] not in {("NONE",), ("CMD",), ("CMD-SHELL",)}:
        value.problem('a list begins with "NONE", "CMD" or "CMD-SHELL"; write a text to use the shell')
    elif test[0] != "NONE" and len(test) < 2:
        value.problem(f'nothing follows "{test[0]}"; write the command')
    return test


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


# --- How much of it ----------------------------------------------------------------------------------------------


def _with_deploy(service: Service, found: Fields) -> Service:
    """Return the service with replicas, limits and restart, which stand under deploy or beside it."""
    deploy = found.read("deploy", _deploy, Fields())
    if "mode" in deploy and (mode := deploy["mode"].text("replicated")) != "replicated":
        if mode == "global":
            deploy["mode"].note("global has no effect: only a swarm uses it")
        else:
            deploy["mode"].problem(f"the mode {mode!r} is not supported yet; write replicated")
    service = replace(service, replicas=_replicas(found, deploy), limits=_limits(found, deploy))
    if "restart_policy" in deploy:
        service = replace(service, restart=_restart_policy(deploy["restart_policy"]))
    if "container_name" in found and service.replicas > 1:
        found["container_name"].problem(f"{service.replicas} replicas cannot have one name; remove one of the two")
    return service


def _deploy(value: Value) -> Fields:
    return Fields() if value.is_null else value.known(keys.DEPLOY)


def _replicas(found: Fields, deploy: Fields) -> int:
    scale = found.read("scale", lambda value: value.number(1), None)
    replicas = deploy.read("replicas", lambda value: value.number(1), None)
    if scale is not None and replicas is not None and scale != replicas:
        found["scale"].problem(f"scale is {scale}, deploy.replicas is {replicas}; write one of them")
    return next((count for count in (scale, replicas) if count is not None), 1)


def _limits(found: Fields, deploy: Fields) -> Limits:
    resources = deploy.read("resources", lambda value: value.known(keys.RESOURCES), Fields())
    nested = resources.read("limits", lambda value: value.known(keys.LIMITS), Fields())
    return Limits(
        memory_bytes=_limit(found.get("mem_limit"), nested.get("memory"), lambda value: value.convert(size_bytes, 0)),
        cpus=_limit(found.get("cpus"), nested.get("cpus"), lambda value: value.decimal(0.0)),
        pids=_limit(found.get("pids_limit"), nested.get("pids"), lambda value: max(0, value.number(0, least=-1))),
    )


def _limit(beside: Value | None, nested: Value | None, read: Callable[[Value], N]) -> N | None:
    """Return a limit that may stand in two places, as long as both say the same; 0 is unbounded."""
    limits = [read(value) for value in (beside, nested) if value is not None]
    if beside is not None and len(set(limits)) > 1:
        beside.problem("the limit under deploy.resources.limits is another; write one of them")
    return limits[0] or None if limits else None


def _restart_policy(value: Value) -> str:
    found = value.known(keys.RESTART_POLICY)
    condition = found.read("condition", lambda value: value.text("any"), "any")
    attempts = found.read("max_attempts", lambda value: value.number(0), 0)
    if condition not in _RESTART_CONDITIONS:
        found["condition"].problem(f"{condition!r} is not one of {', '.join(_RESTART_CONDITIONS)}")
        return "no"
    restart = _RESTART_CONDITIONS[condition]
    return f"{restart}:{attempts}" if restart == "on-failure" and attempts else restart


# --- Where it is reached -----------------------------------------------------------------------------------------


def _with_networks(service: Service, found: Fields) -> Service:
    """Return the service with its networks, by priority; the written container name is one more alias in each."""
    if "network_mode" in found:
        _refuse_network_mode(found["network_mode"], has_networks="networks" in found)
        return service
    attachments = found.read("networks", _attachments, ())
    if not attachments and not service.static_endpoints:
        attachments = (Attachment(DEFAULT_NETWORK),)
    if "container_name" in found and (alias := _container_name(found["container_name"])):
        attachments = tuple(replace(a, aliases=tuple(sorted({*a.aliases, alias}))) for a in attachments)
    return replace(service, networks=attachments)


def _container_name(value: Value) -> str:
    name = value.text("unknown")
    if _CONTAINER_NAME.fullmatch(name) is None:
        value.problem(f"{name!r} is not a container name; use two or more letters, digits, '.', '_' and '-'")
    return name


def _attachments(value: Value) -> tuple[Attachment, ...]:
    ranked = []
    for name, entry in value.entries().items():
        found = entry.known(keys.ATTACHMENT) if not entry.is_null else Fields()
        aliases = tuple(sorted(set(found.read("aliases", Value.texts, ()))))
        priority = found.read("priority", lambda value: value.decimal(0), 0)
        ranked.append((-priority, name, Attachment(name, aliases)))
    return tuple(attachment for _, _, attachment in sorted(ranked, key=lambda rank: rank[:2]))


def _refuse_network_mode(value: Value, *, has_networks: bool) -> None:
    mode = value.text()
    if has_networks:
        value.key_problem("network_mode and networks exclude each other; remove one of the two")
    elif mode == "host":
        value.problem("two stacks cannot share the host's network; use networks, and ports for what is reached")
    elif mode.startswith("container:"):
        value.problem("the network of a container that is not in this file cannot be joined; use networks")
    else:
        value.problem(f"the network mode {mode!r} is not supported yet; use networks")


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
