"""The first splitter.yaml, drafted from somebody's own Compose file, with comments that say what to look at.

Pure: a template in, text out.  The options that are shown commented out are the defaults; a test removes the marks.
"""

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from splitter.change.engines import is_stateful
from splitter.change.roles import one_shot_jobs, singletons
from splitter.config.document import APP_NAME_CHARS_MAX
from splitter.errors import OperatorError
from splitter.model import Endpoint
from splitter.template import Service, Template

BIND: Final = Endpoint("0.0.0.0", 8080)  # noqa: S104 - where nothing is published; users shall reach it
SPEAKS_TLS: Final = frozenset({443, 8443})  # splitter ends TLS itself and speaks plain HTTP to stacks
_COMMENT_COLUMN: Final = 36

_PLAIN = re.compile(r"[A-Za-z_./][A-Za-z0-9_./-]*", re.ASCII)
_NOT_TEXT: Final = frozenset({"null", "true", "false"})

_DEFAULTS: Final = """\
    # The defaults of a rollout and of its judge.  Remove the marks where yours differ.
    # rollout:
    #   warm_up: 20s                 # a healthy shadow stays so long without traffic
    #   steps: [1%, 5%, 25%, 50%]    # its shares, one after the other; then it is promoted
    #   hold: 1m                     # the shortest stay on a step
    #   deadline: 30m                # the longest time of all steps together
    #   on_undecided: rollback       # or hold, and wait for a person
    #   standby: 15m                 # so long the former live stack is kept: `splitter undo` is instant
    # analysis:
    #   profile: default             # strict | default | lenient
    #   false_rollback: 1%           # the chance of rolling back a stack that is not worse
"""

_END: Final = """
# Who is told.  Every alert is logged as well.
# alerts:
#   - url: https://hooks.example.org/splitter
#     on: [warning, critical]        # info | warning | critical
"""


class Provisioner(StrEnum):
    """What makes stacks of a Compose file."""

    DOCKER = "docker"
    PROCESS = "process"


@dataclass(frozen=True, slots=True)
class Reach:
    """A port of a service that users may want to reach; `published` is where the file binds it on the host."""

    service: str
    port: int
    published: Endpoint | None = None

    def __str__(self) -> str:
        return f"{self.service}:{self.port}"


@dataclass(frozen=True, slots=True)
class Draft:
    """A configuration's text, and what was chosen for it."""

    text: str
    app: str
    bind: Endpoint
    chosen: Reach
    others: tuple[Reach, ...]


def draft(
    template: Template, files: Sequence[str], wanted: str = "", provisioner: Provisioner = Provisioner.DOCKER
) -> Draft:
    """Return a configuration for `template`, whose files it names as `files`.

    `wanted` is the service that users reach, `web` or `web:8000`; empty: the first that fits.  Raises OperatorError.
    """
    found = list(reaches(template))
    chosen = _wanted(template, found, wanted) if wanted else _first(found)
    others = tuple(reach for reach in found if reach != chosen)
    bind = chosen.published or BIND
    app = app_name(template.project)
    lines = [*_head(files, bind, chosen), *_app(files, app, provisioner), *_routes(chosen, others)]
    if provisioner is Provisioner.DOCKER:
        lines += _roles(template, chosen)
    return Draft("\n".join([*lines, "", _DEFAULTS.rstrip("\n")]) + "\n" + _END, app, bind, chosen, others)


def reaches(template: Template) -> Iterator[Reach]:
    """Yield what users may reach, the likeliest first: a published port of a service that no other one needs."""
    needed = {dependency.service for service in template.services.values() for dependency in service.depends_on}
    serving = [service for service in template.services.values() if not is_stateful(service)]
    found = [reach for service in serving for reach in _published(service)]
    found = found or [Reach(service.name, port) for service in serving for port in service.expose]
    yield from sorted(
        found, key=lambda reach: (reach.port in SPEAKS_TLS, reach.service in needed, reach.published is None)
    )


def app_name(project: str) -> str:
    """Return a Compose project's name as an app's: lower-case letters, digits and dashes."""
    return re.sub(r"[^a-z0-9]+", "-", project.lower()).strip("-")[:APP_NAME_CHARS_MAX].rstrip("-") or "app"


def _published(service: Service) -> Iterator[Reach]:
    for port in service.ports:
        if port.protocol == "tcp":
            is_number = port.published.isdecimal() and int(port.published) > 0
            at = Endpoint(port.host_ip or BIND.host, int(port.published)) if is_number else None
            yield Reach(service.name, port.target, at)


def _first(found: Sequence[Reach]) -> Reach:
    if not found:
        raise OperatorError(
            "no service publishes or exposes a port: say which one users reach, with --service web:8000"
        )
    return found[0]


def _wanted(template: Template, found: Sequence[Reach], wanted: str) -> Reach:
    name, _, port = wanted.partition(":")
    if name not in template.services:
        raise OperatorError(f"--service {wanted}: there is no such service; there are: {', '.join(template.services)}")
    if port and not (port.isdecimal() and 0 < int(port) < 2**16):
        raise OperatorError(f"--service {wanted}: {port!r} is no port; write for example {name}:8000")
    for reach in found:
        if reach.service == name and port in ("", str(reach.port)):
            return reach
    if not port:
        raise OperatorError(f"--service {wanted}: the files name no port of it; write for example {name}:8000")
    return Reach(name, int(port))


# --- The text ---------------------------------------------------------------------------------------------------------


def _head(files: Sequence[str], bind: Endpoint, chosen: Reach) -> Iterator[str]:
    yield _one_line(f"# splitter.yaml, drafted from {' and '.join(files)}.")
    yield "# Check it with `splitter validate`, start with `splitter run`.  Options that are left out have defaults:"
    yield "# `splitter schema` lists them all, for editors too."
    yield ""
    yield "# Where clients reach splitter."
    yield "listeners:"
    if chosen.published is not None:
        yield _line(
            f"  - bind: {bind}", f"where the file publishes {chosen}; whoever holds it now has to let it go first"
        )
    else:
        yield _line(f"  - bind: {bind}", "a port of your choice")
    yield ""
    yield "admin:"
    yield _line("  socket: run/splitter.sock", "the command line's door; only its owner may open it")
    yield _line("  bind: 127.0.0.1:9900", "the dashboard, /metrics, /healthz, /readyz, the API for looking; null: none")
    yield ""
    yield _line("state_dir: state", "the journal: what it holds survives a kill -9")
    yield ""


def _app(files: Sequence[str], app: str, provisioner: Provisioner) -> Iterator[str]:
    names = [_text(file) for file in files]
    yield "apps:"
    yield f"  {app}:"
    yield f"    provisioner: {provisioner}"
    yield f"    template: {names[0] if len(names) == 1 else '[' + ', '.join(names) + ']'}"
    if provisioner is Provisioner.DOCKER:
        yield _line("    adopt: false", "true: no first stack; `splitter adopt PROJECT` takes over one that runs")


def _routes(chosen: Reach, others: Sequence[Reach]) -> Iterator[str]:
    yield "    routes:"
    yield f"      - {_route('', chosen)}"
    if others:
        yield "      # Other ports of the template.  Each needs a host or a path of its own:"
    for reach in others:
        yield f"      # - {_route(f'host: {_label(reach.service)}.example.org, ', reach)}"


def _route(host: str, reach: Reach) -> str:
    return f"{{{host}path: /, service: {_text(reach.service)}, port: {reach.port}}}"


def _roles(template: Template, chosen: Reach) -> Iterator[str]:
    """Yield what a second stack will not simply have twice; `splitter plan` says it of every deploy."""
    roles = [f"{name} keeps state: it is shared while it does not change" for name in _stateful(template)]
    jobs = {finding.service for finding in one_shot_jobs(template)}
    roles += [f"{name} is a job: it runs once with each stack" for name in sorted(jobs)]
    for finding in singletons(template, (chosen.service,)):
        roles.append(f"{finding.service} does not run in a shadow before its promotion: {finding.rule}")
    if roles:
        yield ""
        yield "    # How a shadow is made of this template, unless labels on its services say otherwise:"
    yield from (f"    # - {_one_line(role)}" for role in roles)


def _stateful(template: Template) -> list[str]:
    return sorted(name for name, service in template.services.items() if is_stateful(service))


def _line(option: str, comment: str) -> str:
    return f"{option.ljust(_COMMENT_COLUMN)} # {_one_line(comment)}"


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _label(service: str) -> str:
    """Return a service's name as a part of a host name."""
    return re.sub(r"[^a-z0-9-]", "-", service.lower()).strip("-") or "service"


def _text(value: str) -> str:
    """Return `value` as YAML reads it back, with no variable in it."""
    value = value.replace("$", "$$")
    is_plain = _PLAIN.fullmatch(value) and value.lower() not in _NOT_TEXT
    return value if is_plain else json.dumps(value, ensure_ascii=False)
