"""What a user may say about an app and its rollouts.  Times are seconds, shares are basis points.

A rollout keeps the options that it began with: they go into the journal with its first event, and a daemon that is
started again with other ones finishes what it began by the old.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from enum import StrEnum
from itertools import pairwise
from typing import Any, Final, Literal

from splitter.contracts import DrainLimits
from splitter.errors import OperatorError
from splitter.judge.config import JudgeConfig
from splitter.judge.config import OnUndecided as OnUndecided  # a rollout's word as well as its judge's
from splitter.limits import DRAIN_TIMEOUT_S, DRAIN_TUNNELS_TIMEOUT_S, STEPS_MAX, WEIGHT_TOTAL
from splitter.model import Sticky, StickyBy
from splitter.routing import RouteRule


class OnStop(StrEnum):
    """What an orderly stop of the daemon does with the stacks of an app."""

    KEEP = "keep"
    RETIRE = "retire"


SAFE_METHODS: Final = ("GET", "HEAD", "OPTIONS")
"""What changes nothing (RFC 9110 §9.2.1), so a copy of it does no harm to a stack that shares state."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MirrorOptions:
    """What is copied to the shadow before it gets a share: of `methods`, for `for_s` at least.

    `isolated`: what a copy changes stays with the shadow, so that methods may be copied that change something.
    """

    share_bp: int = 1_000
    methods: tuple[str, ...] = SAFE_METHODS
    for_s: float = 30.0
    isolated: bool = False

    def __post_init__(self) -> None:
        """Raise OperatorError for options that nothing can be mirrored by."""
        if not 1 <= self.share_bp <= WEIGHT_TOTAL:
            raise OperatorError(f"rollout.mirror.share: {self.share_bp / 100:g} % is no share; write 0.01 % to 100 %")
        if not self.methods:
            raise OperatorError("rollout.mirror.methods: nothing would be copied; write for example [GET, HEAD]")
        if self.unsafe_methods and not self.isolated:
            raise OperatorError(
                f"rollout.mirror.methods: {', '.join(self.unsafe_methods)} would be done twice; leave it out, or write "
                "isolated: true if what a copy changes stays with the shadow"
            )
        if self.for_s <= 0:
            raise OperatorError("rollout.mirror.for: must be more than 0 seconds")

    @property
    def unsafe_methods(self) -> tuple[str, ...]:
        """Return the methods that may change something."""
        return tuple(method for method in self.methods if method not in SAFE_METHODS)


@dataclass(frozen=True, slots=True, kw_only=True)
class RolloutOptions:
    """How one rollout goes.

    `warm_up_s` is the shadow's time without traffic once it is healthy; `baseline_wait_s` is how much longer it waits
    for enough live requests to compare with.  `hold_s` is the shortest stay on a step, `deadline_s` the longest time of
    all steps together, `standby_s` how long the former live stack is kept after a promotion.  Every `tick_s`
    requests are looked at, every `sample_s` what the stacks use.  The other deadlines bound one state each.  `sticky`
    says what keeps a client at its stack; None: each request is drawn by itself.  `mirror` says what is copied before
    the first step; None: nothing is.
    """

    warm_up_s: float = 20.0
    baseline_wait_s: float = 60.0
    mirror: MirrorOptions | None = None
    steps_bp: tuple[int, ...] = (100, 500, 2_500, 5_000)
    hold_s: float = 60.0
    deadline_s: float = 1_800.0
    on_undecided: OnUndecided = OnUndecided.ROLLBACK
    sticky: Sticky | None = None
    standby_s: float = 900.0
    drain_s: float = DRAIN_TIMEOUT_S
    drain_streams_s: float = DRAIN_TIMEOUT_S
    drain_tunnels_s: float = DRAIN_TUNNELS_TIMEOUT_S
    tick_s: float = 1.0
    sample_s: float = 5.0
    provision_deadline_s: float = 300.0
    override_deadline_s: float = 3_600.0
    rollback_deadline_s: float = 900.0
    held_deadline_s: float = 86_400.0

    def __post_init__(self) -> None:
        """Raise OperatorError for options that no rollout can go by."""
        if not self.steps_bp or len(self.steps_bp) > STEPS_MAX:
            raise OperatorError(f"rollout.steps: {len(self.steps_bp)} steps; write 1 to {STEPS_MAX}")
        for number, step in enumerate(self.steps_bp):
            if not 1 <= step < WEIGHT_TOTAL:
                wanted = "write a share from 0.01 % to 99.99 %; the promotion itself gives 100 %"
                raise OperatorError(f"rollout.steps[{number}]: {step / 100:g} % is no split; {wanted}")
        for number, (former, step) in enumerate(pairwise(self.steps_bp), 1):
            if step <= former:
                wanted = f"write more than {former / 100:g} %, the step before it"
                raise OperatorError(f"rollout.steps[{number}]: {step / 100:g} % raises nothing; {wanted}")
        for name in _POSITIVE:
            if getattr(self, name) <= 0:
                raise OperatorError(f"rollout.{name.removesuffix('_s')}: must be more than 0 seconds")
        for name in _NOT_NEGATIVE:
            if getattr(self, name) < 0:
                raise OperatorError(f"rollout.{name.removesuffix('_s')}: must not be negative")

    @property
    def drains(self) -> DrainLimits:
        """Return how long what is in flight may take to end, by its class."""
        return DrainLimits(self.drain_s, self.drain_streams_s, self.drain_tunnels_s)


_POSITIVE = (
    "deadline_s",
    "drain_s",
    "drain_streams_s",
    "drain_tunnels_s",
    "tick_s",
    "sample_s",
    "provision_deadline_s",
    "override_deadline_s",
    "rollback_deadline_s",
    "held_deadline_s",
)
_NOT_NEGATIVE = ("warm_up_s", "baseline_wait_s", "hold_s", "standby_s")


def to_mapping(options: RolloutOptions) -> dict[str, Any]:
    """Return `options` as plain values for the journal."""
    return {**asdict(options), "steps_bp": list(options.steps_bp)}


def from_mapping(mapping: Mapping[str, Any]) -> RolloutOptions:
    """Return the options of a journaled rollout; what its daemon did not know yet has its default."""
    known = {each.name for each in fields(RolloutOptions)}
    values = {name: value for name, value in mapping.items() if name in known}
    if "steps_bp" in values:
        values["steps_bp"] = tuple(values["steps_bp"])
    if values.get("sticky"):
        values["sticky"] = Sticky(StickyBy(values["sticky"]["by"]), values["sticky"]["name"])
    if values.get("mirror"):
        mirror = values["mirror"]
        values["mirror"] = MirrorOptions(**{**mirror, "methods": tuple(mirror["methods"])})
    if "on_undecided" in values:
        values["on_undecided"] = OnUndecided(values["on_undecided"])
    return RolloutOptions(**values)


@dataclass(frozen=True, slots=True, kw_only=True)
class CostLimits:
    """From how many points of rollback cost a deploy warns, and from how many it waits for an override."""

    warn: int = 20
    override: int = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class AppOptions:
    """One app: what it is made from, how it is reached, how its rollouts are judged.

    `waits_for_adoption`: the first live stack is a running project that a person names, not one that is made.

    `loader` is what reads templates: splitter itself, or `docker compose config` before it.

    `template_files` are absolute paths, merged in this order, of the first live stack; a deploy names its own.
    `environment` holds variables for templates; they win over those of `env_files` and of the daemon itself.
    `host_project_dir` is the folder of the first template as the engine's host has it (empty: the same).
    `scopes` of services and modes of `volumes`, by name, win over the labels of every template of the app; `subnets`
    are those that networks take whose own are taken.
    """

    name: str
    provisioner: str
    template_files: tuple[str, ...]
    routes: tuple[RouteRule, ...]
    profiles: tuple[str, ...] = ()
    env_files: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    host_project_dir: str = ""
    scopes: Mapping[str, str] = field(default_factory=dict)
    volumes: Mapping[str, str] = field(default_factory=dict)
    subnets: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    rollout: RolloutOptions = RolloutOptions()
    judge: JudgeConfig = field(default_factory=JudgeConfig)
    rollback_cost: CostLimits = CostLimits()
    on_stop: OnStop = OnStop.KEEP
    waits_for_adoption: bool = False
    loader: Literal["builtin", "compose-cli"] = "builtin"
