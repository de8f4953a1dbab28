"""Why going back has a price: one finding, and all that the rules look at to find it."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from splitter.change.changeset import Action, Change, ChangeSet
from splitter.change.scope import Scope, VolumeMode, volume_mode
from splitter.facts import Facts
from splitter.template import Mount, MountType, Service, Template


@dataclass(frozen=True, slots=True)
class Reason:
    """One finding: its points in both numbers, the resource, the evidence, and what would lower it."""

    id: str
    resource: str
    during: int
    after: int
    sentence: str
    remedy: str
    is_gate: bool = False

    @property
    def points(self) -> int:
        return max(self.during, self.after)


@dataclass(frozen=True, slots=True)
class Case:
    """What every rule looks at."""

    changes: ChangeSet
    live: Template
    shadow: Template
    scopes: Mapping[str, Scope]
    changed: Mapping[str, Change]
    left_out: frozenset[str]
    handed_over: frozenset[str]
    routed: frozenset[str]
    facts: Facts

    def own(self) -> Iterator[tuple[Change, Service]]:
        """Yield the shadow's own services, those that it leaves out apart, with their changes."""
        for name, service in sorted(self.shadow.services.items()):
            change = self.changed.get(f"service:{name}")
            if change is not None and self.scopes[name] is Scope.STACK and name not in self.left_out:
                yield change, service

    def renewed(self) -> Iterator[tuple[Change, Service, Service]]:
        """Yield the services that get another container: the change, what they were and what they become."""
        for change, after in self.own():
            before = self.live.services.get(change.name)
            if before is not None and change.action in {Action.REPLACE, Action.UNKNOWN}:
                yield change, before, after

    def mode(self, mount: Mount) -> VolumeMode:
        return volume_mode(mount, self.live, self.shadow)

    def shared_mounts(self, mounts: Iterable[Mount]) -> list[Mount]:
        """Return those of the shadow's `mounts` whose writes live sees."""
        return [
            mount
            for mount in mounts
            if not mount.read_only and self.mode(mount).is_same_data and self.live_writers(mount)
        ]

    def live_writers(self, mount: Mount) -> list[str]:
        """Return the services of live that write what `mount` of the shadow writes."""
        return [
            name
            for name, service in sorted(self.live.services.items())
            if any(is_same_place(mount, other) and not other.read_only for other in service.mounts)
        ]


def is_same_place(mount: Mount, other: Mount) -> bool:
    return bool(mount.source) and (mount.type, mount.source) == (other.type, other.source)


def shown(mount: Mount) -> str:
    kind = "the volume" if mount.type is MountType.VOLUME else "the folder"
    return f"{kind} {mount.source}"
