"""Where the parts of a stack come from: what is its own, what it gets from the stack beside it, and what waits.

A placement is decided once, by the plan of a deploy, and kept in the journal with the stack: whoever makes the stack
again later, after a crash of a service or of the daemon, makes it in the same way.  So data never moves by accident.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Literal, Self

from splitter.model import StackId


class VolumeMode(StrEnum):
    """What a stack gets for a volume of its template."""

    SHARE_RO = "share-ro"
    SHARE = "share"
    COPY = "copy"
    FRESH = "fresh"
    EXTERNAL = "external"

    @property
    def is_same_data(self) -> bool:
        """Return whether what the shadow writes is what live reads."""
        return self in {VolumeMode.SHARE, VolumeMode.EXTERNAL}

    @property
    def is_of_base(self) -> bool:
        """Return whether the volume is one that the base uses."""
        return self in {VolumeMode.SHARE, VolumeMode.SHARE_RO}


@dataclass(frozen=True, slots=True, kw_only=True)
class Placement:
    """How one stack stands beside `base`, the stack that was live when it was planned (empty: it stands alone).

    `shared` are services of which base's containers serve this stack too; `resized` are those of them that get other
    bounds once base is gone.  `volumes` says the mode of each volume by
    its key; one that is not named is fresh.  `paused` are copied volumes whose writers stand still during the copy.
    `singletons` are services that must not run twice: beside a base they are made, and run from the promotion on.
    `late` are jobs that run at the promotion, `skipped` are jobs that never run.  `adopted` is the Compose project of
    which the running containers are the stack; it is then never made by us.
    """

    base: StackId | Literal[""] = ""
    adopted: str = ""
    shared: tuple[str, ...] = ()
    resized: tuple[str, ...] = ()
    volumes: Mapping[str, VolumeMode] = field(default_factory=dict)
    paused: tuple[str, ...] = ()
    singletons: tuple[str, ...] = ()
    late: tuple[str, ...] = ()
    skipped: tuple[str, ...] = ()

    @property
    def waiting(self) -> tuple[str, ...]:
        """The services that wait for the promotion."""
        return (*self.singletons, *self.late) if self.base else ()

    def to_mapping(self) -> dict[str, Any]:
        """Return the placement as plain values for the journal; what is empty is left out."""
        plain: dict[str, Any] = {
            "base": str(self.base),
            "adopted": self.adopted,
            "shared": list(self.shared),
            "resized": list(self.resized),
            "volumes": {key: mode.value for key, mode in self.volumes.items()},
            "paused": list(self.paused),
            "singletons": list(self.singletons),
            "late": list(self.late),
            "skipped": list(self.skipped),
        }
        return {name: value for name, value in plain.items() if value}

    @classmethod
    def from_mapping(cls, plain: Mapping[str, Any]) -> Self:
        """Return the placement that `to_mapping` wrote."""
        names = ("shared", "resized", "paused", "singletons", "late", "skipped")
        return cls(
            base=StackId(plain["base"]) if plain.get("base") else "",
            adopted=plain.get("adopted", ""),
            volumes={key: VolumeMode(mode) for key, mode in plain.get("volumes", {}).items()},
            **{name: tuple(plain.get(name, ())) for name in names},
        )


ALONE = Placement()
