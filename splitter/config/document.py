"""The YAML document: what may be written where, with its default and the sentence that the reference prints.

The text under an option is its explanation in the reference and in the JSON Schema.  Defaults are those of the rooms'
own options; `building` turns a document into them.  Here stand the checks of one section; what concerns several is in
`checks`.
"""

import re
from itertools import pairwise
from typing import Annotated, Literal, TypeAlias

from pydantic import AfterValidator, ConfigDict, Field, SecretStr, field_validator, model_validator

from provisioners.docker import DockerOptions
from splitter.config.alerting import AlertTarget
from splitter.config.analysis import Analysis
from splitter.config.choices import ModeName, ServiceChoices, Subnets, misfits_of_choices
from splitter.config.problems import Misfit, MisfitsError
from splitter.config.proxying import Proxy
from splitter.config.section import Section
from splitter.config.traffic import FieldName, Mirror, Sticky, Testers
from splitter.config.units import (
    Address,
    Count,
    Duration,
    Flag,
    Moment,
    Port,
    ServerAddress,
    Share,
    Some,
    Texts,
    show_duration,
    show_share,
)
from splitter.limits import ACCESS_LOG_FLUSH_S, ACCESS_LOG_QUEUE_MAX, STEPS_MAX, TEMPLATE_FILES_MAX, WEIGHT_TOTAL
from splitter.proxy.options import HealthOptions
from splitter.rollout.options import CostLimits, OnStop, OnUndecided, RolloutOptions

APP_NAME_CHARS_MAX = 30  # with a revision and a service it must still fit into a container's and a network's name
TOKEN_CHARS_MIN = 16
ROUTES_MAX = 1_000
LISTENERS_MAX = 64
CERTIFICATES_MAX = 1_000
APPS_MAX = 200
ALERTS_MAX = 16
PROBES_MAX = 100
ACCESS_LOG_FLUSH_MAX_S = 60.0
ACCESS_LOG_QUEUE_BOUND = 1_000_000

_APP_NAME = re.compile(r"[a-z0-9][a-z0-9-]*", re.ASCII)
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)

_TARGET = re.compile(r"/[!-\"$-~]*", re.ASCII)

_HEALTH = HealthOptions()
_ROLLOUT = RolloutOptions()
_COST = CostLimits()
_DOCKER = DockerOptions()


def _app_name(name: str) -> str:
    if len(name) > APP_NAME_CHARS_MAX:
        raise ValueError(f"the name {name!r} has {len(name)} characters; at most {APP_NAME_CHARS_MAX} fit")
    if not _APP_NAME.fullmatch(name):
        raise ValueError(f"the name {name!r} cannot be an app's; write lower-case letters, digits and dashes")
    return name


def _variable(name: str) -> str:
    if not _VARIABLE.fullmatch(name):
        raise ValueError(f"the name {name!r} cannot be a variable's; write letters, digits and underscores")
    return name


def _token(token: SecretStr) -> SecretStr:
    if len(token.get_secret_value()) < TOKEN_CHARS_MIN:
        raise ValueError(f"is too short to keep anybody out; write at least {TOKEN_CHARS_MIN} characters")
    return token


def _probe_path(path: str) -> str:
    if not _TARGET.fullmatch(path):
        raise ValueError(f"{path!r} is no path; write for example /healthz")
    return path


AppName: TypeAlias = Annotated[str, AfterValidator(_app_name)]
Variable: TypeAlias = Annotated[str, AfterValidator(_variable)]
Token: TypeAlias = Annotated[SecretStr, AfterValidator(_token)]
Text: TypeAlias = Annotated[str, Field(min_length=1)]


class CertificatePair(Section):
    cert: Text
    """The file of the certificate with its chain, in PEM form; a relative path begins at this file's folder."""
    key: Text
    """The file of its key, in PEM form, without a password."""


class Tls(Section):
    certificates: tuple[CertificatePair, ...] = Field(min_length=1, max_length=CERTIFICATES_MAX)
    """The certificates. A client gets the one for the name that it asks for, else the first. Files that have changed
    are read again within ten seconds; what cannot be served is an alert, and the former certificate is kept."""
    version_min: Literal["1.2", "1.3"] = "1.2"
    """The oldest version of TLS that clients may speak."""


class Listener(Section):
    bind: Address
    """Where clients reach splitter; `0.0.0.0` is every IPv4 address of the host, port 0 lets the system choose."""
    tls: Tls | None = None
    """Certificates, for a listener that clients speak HTTPS with. Null: plain HTTP."""
    proxy_protocol: Flag = False
    """Whether connections begin with a PROXY preamble (version 1 or 2). Then all must, and only those of
    `proxy.trusted_peers` may come in; the client's address is the one that the preamble names."""


class Admin(Section):
    socket: Text = "run/splitter.sock"
    """The unix socket of the command line. Only its owner may use it. The path has at most 107 bytes."""
    bind: Address | None = None
    """A TCP address for the dashboard (`/`), `/metrics`, `/healthz`, `/readyz` and the reading calls of the API.
    Whoever reaches it may look. Null: none."""
    token: Token | None = None
    """What a caller over TCP must send as `Authorization: Bearer …` to change anything. Null: nobody may, over TCP."""


class Health(Section):
    interval: Duration = _HEALTH.interval_s
    """How often every endpoint is probed, at any time and not only in a rollout; 0: never."""
    timeout: Moment = _HEALTH.timeout_s
    """How long a probe may take."""
    unhealthy: Annotated[Some, Field(le=PROBES_MAX)] = _HEALTH.unhealthy
    """After so many failed probes in a row an endpoint gets no requests while another one is well."""
    healthy: Annotated[Some, Field(le=PROBES_MAX)] = _HEALTH.healthy
    """After so many good probes in a row it gets requests again."""


class Route(Section):
    host: str = ""
    """The host name of the requests: `example.org`, `*.example.org` for every host below it, or empty for any."""
    path: Text = "/"
    """The path prefix of the requests; it ends at the border of a segment, so `/api` is not `/apix`."""
    service: Text
    """The template's service that answers."""
    port: Port = 0
    """The service's port, in its container. 0: the only one that it exposes."""
    health: Annotated[str, AfterValidator(_probe_path)] | None = None
    """The path that probes of the service ask for; below 400 is well. Null: it is well if it accepts a connection."""


class StaticService(Section):
    endpoints: tuple[ServerAddress, ...] = Field(min_length=1)
    """Where the service's servers listen."""


class StaticTemplate(Section):
    services: dict[Text, StaticService] = Field(min_length=1)
    """The services by name, as the routes call them."""


class Rollout(Section):
    warm_up: Duration = _ROLLOUT.warm_up_s
    """How long a shadow that is healthy stays without traffic, for caches and connections to fill."""
    baseline_wait: Duration = _ROLLOUT.baseline_wait_s
    """How much longer the first step may wait for enough live requests to compare with."""
    mirror: Mirror | None = None
    """What is copied to a warm shadow before its first step: live answers, both answers are compared. Null: nothing."""
    steps: tuple[Share, ...] = Field(_ROLLOUT.steps_bp, min_length=1, max_length=STEPS_MAX)
    """The shares of traffic that the shadow gets, one after the other; then it is promoted."""
    hold: Duration = _ROLLOUT.hold_s
    """The shortest stay on a step."""
    deadline: Moment = _ROLLOUT.deadline_s
    """The longest time of all steps together; then `on_undecided` says what happens."""
    on_undecided: OnUndecided = _ROLLOUT.on_undecided
    """What happens at the deadline when not all is proven: go back to live, wait for a person, or promote from the last
    step what nothing speaks against and all figures lean towards; anything else goes back to live then as well."""
    sticky: Sticky | None = None
    """What tells clients apart, so that each keeps to one stack while the shadow's share rises: one of three. Null:
    every request is drawn by itself."""
    standby: Duration = _ROLLOUT.standby_s
    """How long the former live stack is kept after a promotion, so that an undo is instant."""
    drain: Moment = _ROLLOUT.drain_s
    """How long requests in flight may take to end when their stack is taken away; then they are cut."""
    drain_streams: Moment = _ROLLOUT.drain_streams_s
    """The same for streams: answers that have begun and do not say how long they will be, as server-sent events."""
    drain_tunnels: Moment = _ROLLOUT.drain_tunnels_s
    """The same for WebSockets and other tunnels; some seconds before, each WebSocket is told (close frame 1001)."""
    provision_deadline: Moment = _ROLLOUT.provision_deadline_s
    """How long it may take until every service of the shadow is healthy."""
    override_deadline: Moment = _ROLLOUT.override_deadline_s
    """How long a rollout whose rollback cost is too high waits for an override; then it ends."""
    rollback_deadline: Moment = _ROLLOUT.rollback_deadline_s
    """How long a rollback may try to remove the shadow; then it halts and calls for a person."""
    held_deadline: Moment = _ROLLOUT.held_deadline_s
    """How long a held rollout waits for a person; then it is rolled back."""

    @field_validator("steps")
    @classmethod
    def _ascend(cls, steps: tuple[int, ...]) -> tuple[int, ...]:
        """Each step gives the shadow more than the one before, and none gives it all: that is the promotion."""
        wrong: list[Misfit] = []
        for number, step in enumerate(steps):
            if not 1 <= step < WEIGHT_TOTAL:
                message = f"{show_share(step)} is no split; write 0.01% to 99.99%, the promotion itself gives 100%"
                wrong.append(((number,), message))
        for number, (former, step) in enumerate(pairwise(steps), 1):
            if step <= former:
                message = f"{show_share(step)} is not more than the step before it ({show_share(former)})"
                wrong.append(((number,), message))
        if wrong:
            raise MisfitsError(wrong)
        return steps


class RollbackCost(Section):
    warn: Count = _COST.warn
    """From so many points a deploy warns."""
    override: Count = _COST.override
    """From so many points a deploy waits for an administrator's override before anything is made."""

    @model_validator(mode="after")
    def _in_order(self) -> "RollbackCost":
        if self.warn > self.override:
            raise MisfitsError(
                [(("warn",), f"{self.warn} is more than override ({self.override}); a warning comes first")]
            )
        return self


class App(Section):
    provisioner: Literal["docker", "process", "static"]
    """What makes the stacks: containers, child processes, or nobody (`static`: the servers run already)."""
    template: Texts = Field((), max_length=TEMPLATE_FILES_MAX)
    """The Compose file of the first live stack, or several, merged in order. A deploy names its own files. With
    `adopt: true` it may be left out: then the project's own files count, or, if they are not here, what runs."""
    static: StaticTemplate | None = None
    """With `provisioner: static`, the servers themselves, instead of a template."""
    loader: Literal["builtin", "compose-cli"] = "builtin"
    """What reads templates: splitter itself, or `docker compose config` (2.20 or newer) before it, which must then be
    installed where the daemon runs."""
    host_project_dir: Text | None = None
    """Where splitter runs in a container: the folder of `template` as the host of the Docker engine has it, an absolute
    path. What the template mounts below that folder is mounted from there. Null: it is mounted at the same path."""
    profiles: Texts = ()
    """The Compose profiles that are enabled."""
    env_file: Texts = ()
    """Files of variables for the template; later ones win."""
    environment: dict[Variable, str] = Field(default_factory=dict)
    """Variables for the template; they win over those of files and of the daemon's own environment."""
    services: dict[Text, ServiceChoices] = Field(default_factory=dict)
    """What holds of single services, whatever their labels say, in every template of the app. One that a template does
    not have is a mistake."""
    volumes: dict[Text, ModeName] = Field(default_factory=dict)
    """What a shadow gets for a volume, whatever its label says: the same, to read only or to write, one filled with a
    copy, an empty one, or one that somebody else made. One that a template does not have is a mistake."""
    subnets: dict[Text, Subnets] = Field(default_factory=dict)
    """Subnets for a network, in the order of preference. A stack whose network cannot have the template's, because
    another stack has it, or for which the template fixes none, gets the first that is free; if none is, the engine
    chooses. Two stacks stand beside each other, and a shared service keeps the network that it was made in, so three
    are usually enough, the template's among them."""
    routes: tuple[Route, ...] = Field(min_length=1, max_length=ROUTES_MAX)
    """Which requests the app gets, and which service answers them."""
    testers: Testers | None = None
    """Who may name the stack that serves them, shadow or live; their requests are not judged. Null: nobody may."""
    served_by: FieldName | None = None
    """A response header that names the stack that has served, such as `X-Served-By`. Null: nobody is told."""
    rollout: Rollout = Rollout()
    """How a rollout goes on from step to step."""
    analysis: Analysis = Analysis()
    """How live and shadow are compared, and what proves the shadow worse or not worse."""
    health: Health = Health()
    """How its endpoints are probed."""
    rollback_cost: RollbackCost = RollbackCost()
    """From how many points of rollback cost a person is warned or asked."""
    adopt: Flag = False
    """Make no first live stack, but wait for `splitter adopt PROJECT`, which takes over a Compose project that runs."""
    on_stop: OnStop = OnStop.KEEP
    """What becomes of the stacks when the daemon is stopped: they go on running, or are removed."""

    @model_validator(mode="after")
    def _has_one_source(self) -> "App":
        wrong = [*self._misfits_of_source(), *self._misfits_of_folder()]
        wrong += misfits_of_choices(self.provisioner, self.services, self.volumes, self.subnets)
        wrong += [*self._misfits_of_time(), *self._misfits_of_health()]
        if self.static is not None:
            known = ", ".join(sorted(self.static.services))
            for number, route in enumerate(self.routes):
                if route.service not in self.static.services:
                    message = f"static has no service {route.service!r}; it has: {known}"
                    wrong.append((("routes", number, "service"), message))
        if wrong:
            raise MisfitsError(wrong)
        return self

    def _misfits_of_source(self) -> list[Misfit]:
        """Return what is wrong with where the first live stack comes from."""
        if self.static is not None and self.provisioner != "static":
            return [(("static",), f"provisioner {self.provisioner} makes its stacks from a template; write template")]
        if self.loader == "compose-cli" and self.provisioner == "static":
            return [(("loader",), "docker compose knows no servers that run already; write builtin, or remove it")]
        if self.static is not None and self.template:
            return [(("static",), "both template and static say where the servers are; keep one of them")]
        if self.static is None and not self.template and not (self.adopt and self.provisioner == "docker"):
            example = "static: and its services" if self.provisioner == "static" else "template: compose.yaml"
            return [((), f"has no template; write for example {example}")]
        return []

    def _misfits_of_folder(self) -> list[Misfit]:
        """Return what is wrong with where the engine's host has the project."""
        folder = self.host_project_dir
        if folder is None:
            return []
        if self.provisioner != "docker":
            return [(("host_project_dir",), f"provisioner {self.provisioner} mounts nothing; remove it")]
        if not self.template:
            return [(("host_project_dir",), "this is the folder of template, and none is named; name one")]
        if not folder.startswith("/"):
            return [(("host_project_dir",), f"{folder!r} is no absolute path; write the engine's host's own, from /")]
        return []

    def _misfits_of_health(self) -> list[Misfit]:
        """Return the routes that would have one service probed in two ways."""
        first: dict[tuple[str, int], str | None] = {}
        wrong: list[Misfit] = []
        for number, route in enumerate(self.routes):
            health = first.setdefault((route.service, route.port), route.health)
            if health != route.health:
                message = f"another route has {route.service} probed by {health or 'a connection'}; write the same here"
                wrong.append((("routes", number, "health"), message))
        return wrong

    def _misfits_of_time(self) -> list[Misfit]:
        """Return what is wrong where analysis and rollout do not fit into each other."""
        analysis, deadline = self.analysis, self.rollout.deadline
        if analysis.min_duration + analysis.dwell <= deadline:
            return []
        least = f"min_duration ({show_duration(analysis.min_duration)}) and dwell ({show_duration(analysis.dwell)})"
        message = f"{show_duration(deadline)} is over before analysis has had its {least}: nothing could be promoted"
        return [(("rollout", "deadline"), f"{message}; write at least their sum, or shorten them")]


class Docker(Section):
    host: Text | None = _DOCKER.base_url
    """The engine: `unix:///var/run/docker.sock`, `tcp://…`. Null: DOCKER_HOST, else the usual socket."""
    endpoint: Literal["auto", "bridge", "loopback", "network"] = _DOCKER.endpoint
    """How containers are reached: by their own address, by a port of the host's loopback, by joining their networks (a
    splitter that runs in a container of the same engine), or as fits the host."""
    pull: Flag = _DOCKER.pull
    """Whether images that are missing are pulled before a rollout."""
    no_room: Literal["warn", "refuse", "ignore"] = _DOCKER.no_room
    """What happens when the new containers may need more memory than the engine's host has available, or the copies of
    volumes more disk: a note when the stack is made, a deploy that is refused, or nothing."""


class AccessLog(Section):
    to: Text | None = None
    """A file, or `stdout`, that gets a line of JSON for each request; SIGHUP reopens the file. Null: no access log."""
    flush: Annotated[Moment, Field(le=ACCESS_LOG_FLUSH_MAX_S)] = ACCESS_LOG_FLUSH_S
    """How often the lines are written."""
    queue_max: Annotated[Some, Field(le=ACCESS_LOG_QUEUE_BOUND)] = ACCESS_LOG_QUEUE_MAX
    """How many lines may wait while they cannot be written; more are lost, and counted in the metrics."""


class Document(Section):
    """The whole file.  Keys that begin with `x-` are yours: splitter passes over them (anchors may live there)."""

    model_config = ConfigDict(json_schema_extra={"patternProperties": {"^x-": {}}})

    listeners: tuple[Listener, ...] = Field(min_length=1, max_length=LISTENERS_MAX)
    """Where clients reach splitter."""
    state_dir: Text = "state"
    """The folder of the journal; a relative path begins at this file's folder. One daemon owns it."""
    admin: Admin = Admin()
    """The doors for operators and metrics."""
    apps: dict[AppName, App] = Field(min_length=1, max_length=APPS_MAX)
    """What users reach, by name: lower-case letters, digits and dashes, at most 30 characters."""
    proxy: Proxy = Proxy()
    """Limits and time-outs of the data plane."""
    access_log: AccessLog = AccessLog()
    """Whether and where each request leaves a line."""
    docker: Docker = Docker()
    """The engine of apps with `provisioner: docker`."""
    alerts: tuple[AlertTarget, ...] = Field((), max_length=ALERTS_MAX)
    """Who is told when something happens; every alert is logged as well."""
