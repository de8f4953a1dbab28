"""What the parts of a stack are called, and the labels that say whose they are.

Labels are fixed for life, so they say what a thing is, never which role it plays.  They are all that a fresh process
needs to find a stack again, to know whether it is whole, and to take it down in the right order; the journal is not
asked.  The `com.docker.compose.*` labels make `docker compose -p <stack> ps` and `logs` work.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from enum import StrEnum
from typing import Any, Self

from provisioners import startup
from provisioners.docker.shares import NOTHING, Shares
from splitter.change.canonical import canonical, jsonable
from splitter.contracts import StackOrder
from splitter.model import ServicePort, StackId
from splitter.template import Network, Service, Template, Volume

DNS_LABEL_MAX = 63
DEFAULT_NETWORK = "default"

APP = "splitter.app"
STACK = "splitter.stack"
REVISION = "splitter.revision"
ROLLOUT = "splitter.rollout"
TEMPLATE = "splitter.template"
INSTALLATION = "splitter.installation"
SERVICES = "splitter.services"
ROUTED = "splitter.routed"
SERVICE = "splitter.service"
REPLICA = "splitter.replica"
CONFIG = "splitter.config"
LEVEL = "splitter.level"
KIND = "splitter.kind"
SHARES = "splitter.shares"
PRE_STOP = "splitter.pre-stop"
ADOPTED = "splitter.adopted"
COMPOSE_VOLUME = "com.docker.compose.volume"
IMAGES = "splitter.images"
BUILT_FOR = "splitter.built-for"  # on images alone: a container inherits its image's labels
CONTEXT = "splitter.context"  # too

_NOT_IN_CONFIG = ("build", "replicas", "depends_on", "static_endpoints")


class Kind(StrEnum):
    """What a stack needs of a service: that it runs, that it has run and ended well, or nothing.

    A singleton runs in one stack at a time, a late job runs when its stack is promoted.  A stack is whole without them.
    """

    SERVER = "server"
    JOB = "job"
    OPTIONAL = "optional"
    SINGLETON = "singleton"
    LATE = "late"


def made(order: StackOrder, shares: Shares) -> dict[str, Service]:
    """Return the services that get containers of the stack's own.

    Those that are skipped get none, and late jobs only once: a stack that is made again has been promoted.
    """
    placement = order.placement
    skipped = {*placement.skipped, *(placement.late if order.again else ()), *shares.services}
    return {name: service for name, service in order.template.services.items() if name not in skipped}


def kinds(order: StackOrder) -> dict[str, Kind]:
    """Return the kind of each service.  What is routed is never optional."""
    services = order.template.services
    optional = startup.optional(services) - {each.service for each in order.routed}
    jobs = startup.jobs(services)
    return {
        **{name: Kind.OPTIONAL if name in optional else Kind.JOB if name in jobs else Kind.SERVER for name in services},
        **dict.fromkeys(order.placement.singletons, Kind.SINGLETON),
        **dict.fromkeys(order.placement.late, Kind.LATE),
    }


def waiting(order: StackOrder) -> frozenset[str]:
    """Return the services that are made and not started: their stack is not promoted yet."""
    return frozenset() if order.again else frozenset(order.placement.waiting)


@dataclass(frozen=True, slots=True)
class RoutedPort:
    """A service port as a route asks for it, and the container port that this means."""

    asked: ServicePort
    target: int


@dataclass(frozen=True, slots=True)
class Identity:
    """What every part of a stack says about the stack, read and written as labels.

    `services` is what a whole stack cannot do without: replicas by service.  `shares` is what it has of others.
    `adopted` names the containers of a stack that was not made by us, by service.  `images` are the ids of what each
    service was made of: names of images move on, and a stack that is made again is made of the same.
    """

    installation: str
    app: str
    stack: StackId
    revision: int
    rollout: str
    template: str
    services: Mapping[str, int]
    routed: tuple[RoutedPort, ...]
    shares: Shares = NOTHING
    adopted: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    images: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, order: StackOrder, installation: str, routed: Sequence[RoutedPort], shares: Shares = NOTHING) -> Self:
        kind = kinds(order)
        own = made(order, shares).items()
        return cls(
            installation=installation,
            app=order.app,
            stack=order.id,
            revision=order.revision,
            rollout=order.rollout,
            template=order.template.digest,
            services={name: service.replicas for name, service in own if kind[name] in (Kind.SERVER, Kind.JOB)},
            routed=tuple(routed),
            shares=shares,
        )

    @classmethod
    def read(cls, labels: Mapping[str, str]) -> Self:
        """Return what `labels` say; the inverse of `labels`."""
        return cls(
            installation=labels[INSTALLATION],
            app=labels[APP],
            stack=StackId(labels[STACK]),
            revision=int(labels[REVISION]),
            rollout=labels[ROLLOUT],
            template=labels[TEMPLATE],
            services=json.loads(labels[SERVICES]),
            routed=tuple(
                RoutedPort(ServicePort(name, port), target) for name, port, target in json.loads(labels[ROUTED])
            ),
            shares=Shares.read(labels.get(SHARES, "")),
            adopted={name: tuple(each) for name, each in json.loads(labels.get(ADOPTED, "{}")).items()},
            images=json.loads(labels.get(IMAGES, "{}")),
        )

    def containers(self) -> list[str]:
        """Return the names of the containers that a whole stack has."""
        if self.adopted:
            return [name for service, found in self.adopted.items() if service in self.services for name in found]
        counts = self.services.items()
        return [container_name(self.stack, name, number) for name, count in counts for number in range(1, count + 1)]

    def labels(self) -> dict[str, str]:
        return {
            INSTALLATION: self.installation,
            APP: self.app,
            STACK: self.stack,
            REVISION: str(self.revision),
            ROLLOUT: self.rollout,
            TEMPLATE: self.template,
            SERVICES: json.dumps(dict(self.services)),
            ROUTED: json.dumps([[each.asked.service, each.asked.port, each.target] for each in self.routed]),
            "com.docker.compose.project": self.stack,
            **({IMAGES: json.dumps(dict(self.images))} if self.images else {}),
            **({SHARES: text} if (text := self.shares.text()) else {}),
            **(
                {ADOPTED: json.dumps({name: list(each) for name, each in self.adopted.items()})} if self.adopted else {}
            ),
        }


@dataclass(frozen=True, slots=True)
class Part:
    """One container of a stack: a service's replica, its level in the start order, and what it is for."""

    service: Service
    replica: int
    level: int
    kind: Kind


def container_labels(identity: Identity, template: Template, part: Part) -> dict[str, str]:
    """Return all labels of one container: the template's own, then ours, which count."""
    digest = config_hash(part.service)
    return {
        **part.service.labels,
        **identity.labels(),
        SERVICE: part.service.name,
        REPLICA: str(part.replica),
        CONFIG: digest,
        LEVEL: str(part.level),
        KIND: part.kind,
        **({PRE_STOP: canonical(jsonable(part.service.pre_stop))} if part.service.pre_stop else {}),
        "com.docker.compose.service": part.service.name,
        "com.docker.compose.container-number": str(part.replica),
        "com.docker.compose.oneoff": "False",
        "com.docker.compose.config-hash": digest,
        "com.docker.compose.project.working_dir": template.directory,
        "com.docker.compose.project.config_files": ",".join(template.files),
    }


def network_labels(identity: Identity, network: Network) -> dict[str, str]:
    return {**network.labels, **identity.labels(), "com.docker.compose.network": network.key}


def volume_labels(identity: Identity, volume: Volume) -> dict[str, str]:
    return {**volume.labels, **identity.labels(), COMPOSE_VOLUME: volume.key}


def container_name(stack: StackId, service: str, replica: int) -> str:
    return f"{stack}-{service}-{replica}"


def adopting(identity: Identity, adopted: Mapping[str, tuple[str, ...]]) -> Identity:
    """Return `identity` of a stack that is made of containers that are there: `adopted`, by service."""
    services = {name: len(found) for name, found in adopted.items() if name in identity.services}
    return replace(identity, services=services, adopted=adopted)


def adopted_labels(identity: Identity, service: str, replica: int) -> dict[str, str]:
    """Return what the labels of an adopted container would say, if it had been made by us."""
    kind = Kind.SERVER if service in identity.services else Kind.SINGLETON
    return {**identity.labels(), SERVICE: service, REPLICA: str(replica), LEVEL: "0", KIND: kind}


def marker(stack: StackId) -> str:
    """Return the name of the empty volume whose labels say which containers an adopted stack is."""
    return f"{stack}_adopted"


def pin(app: str, service: str, revision: int) -> tuple[str, str]:
    """Return the repository and the tag by which the image of an adopted service is kept."""
    return f"splitter-keep/{app}-{service}".lower(), f"r{revision}"


def built_for(installation: str, stack: StackId) -> str:
    return f"{installation}/{stack}"


def image_tag(stack: StackId, service: str) -> str:
    """Return what the image built for a service is called."""
    return f"{stack}-{service}".lower()


def network_name(order: StackOrder, network: Network) -> str:
    """Return what the stack's network is called on the engine.

    The engine's DNS answers from the network whose name sorts first.  If an external network of the template
    would come before our own, a service's name could lead into another stack, so our name is made to come first.
    """
    if network.external:
        return network.name or network.key
    name = f"{network.name}-r{order.revision}" if network.name else f"{order.id}_{network.key}"
    others = [other.name or other.key for other in order.template.networks.values() if other.external]
    return name if all(name < other for other in others) else f"0-{name}"


def volume_name(order: StackOrder, volume: Volume) -> str:
    if volume.external:
        return volume.name or volume.key
    return f"{volume.name}-r{order.revision}" if volume.name else f"{order.id}_{volume.key}"


def config_hash(service: Service) -> str:
    """Return the digest of what a container is made from, whatever stack it is for."""
    plain = _plain(service)
    plain["labels"] = {key: value for key, value in service.labels.items() if not key.startswith("splitter.")}
    canonical = {key: value for key, value in plain.items() if key not in _NOT_IN_CONFIG}
    text = json.dumps(canonical, default=_plain, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def too_long(order: StackOrder) -> Iterable[str]:
    """Yield the container names of `order` that no DNS label can hold."""
    for name, service in order.template.services.items():
        longest = container_name(order.id, name, service.replicas)
        if len(longest) > DNS_LABEL_MAX:
            yield longest


def _plain(value: Any) -> dict[str, Any]:
    """Return a dataclass or a mapping of any kind as the dict that JSON knows."""
    if isinstance(value, Mapping):
        return dict(value)
    return {each.name: getattr(value, each.name) for each in fields(value)}
