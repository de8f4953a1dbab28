"""Carries out the effects of the table of states, for one app.

Rule 1: a rollout has one script at a time.  A new one cuts off the former and waits until that has cleaned up; so two
effects never work against each other, and a half-made stack is gone before its rollback goes on.  The last script of a
rollout that has ended is left to finish beside the next rollout: it removes what that does not know.
Rule 2: the intent is in the journal before an effect begins (the transition itself, or a note), its outcome after it.
Rule 3: an effect that fails becomes the fact that the table has a row for.  Where it has none (a rollback, an end),
the script is tried again for as long as the state lasts.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from splitter.contracts import Clock
from splitter.errors import SplitterError
from splitter.limits import WEIGHT_TOTAL
from splitter.model import Mirroring, Split, Stack, StackId
from splitter.rollout.events import Kind
from splitter.rollout.history import History, Rollout
from splitter.rollout.machine import TABLE, Effect, Serving, State, is_legal
from splitter.rollout.stacks import Stacks, pause_s
from splitter.rollout.traffic import Traffic, describe

log = logging.getLogger(__name__)

Data = Mapping[str, Any]

_WITH_SHADOW: Final = frozenset({State.WARMING, State.MIRRORING, State.PROMOTING})
"""States in which live serves, and the route table names the shadow too: for its probes, for testers, for copies."""


@dataclass(frozen=True, slots=True)
class Fact:
    """How a script ended: what happened, to which rollout.  `script` is its number, so that late ones are known."""

    kind: Kind
    rollout: str
    script: int = 0
    data: Data = field(default_factory=dict)
    stack: Stack | None = None


def split_of(history: History, known: Mapping[StackId, Stack]) -> Split | None:
    """Return how the traffic of an app is to be split; None where nothing is to be changed.

    A live stack that died keeps its routes: clients get an error from them, or an answer if it comes back by itself.
    """
    live = known.get(history.live.id) if history.live is not None else None
    rollout = history.running
    if live is None or (rollout is not None and TABLE[rollout.state].serving is Serving.UNKNOWN):
        return None
    if rollout is None or (TABLE[rollout.state].serving is Serving.LIVE and rollout.state not in _WITH_SHADOW):
        return Split(live)
    shadow = known.get(rollout.shadow.id)
    if shadow is None:
        return None
    options = rollout.options
    mirroring = None
    if rollout.state is State.MIRRORING and options.mirror is not None:
        methods = frozenset(method.encode() for method in options.mirror.methods)
        mirroring = Mirroring(options.mirror.share_bp, methods)
    share_bp = WEIGHT_TOTAL if rollout.state is State.PROMOTING else rollout.share_bp
    return Split(live, shadow, share_bp, rollout.id, options.sticky, mirroring)


class Effects:
    """Runs the script of the present state.  `note` writes a note to the journal, `tell` says how a script ended."""

    def __init__(
        self,
        stacks: Stacks,
        traffic: Traffic,
        clock: Clock,
        history: Callable[[], History],
        note: Callable[[Kind, str, Data], Awaitable[None]],
        tell: Callable[[Fact], None],
    ) -> None:
        self.script = 0
        self.retreats = False  # the journal takes nothing: live alone, whatever the state says
        self._stacks = stacks
        self._traffic = traffic
        self._clock = clock
        self._history = history
        self._note = note
        self._tell = tell
        self._task: asyncio.Task[None] | None = None
        self._is_last = False  # of its rollout
        self._perform: Final[Mapping[Effect, Callable[[Rollout], Coroutine[Any, Any, Fact | None]]]] = {
            Effect.PUBLISH: self._publish,
            Effect.FLIP: self._publish,
            Effect.CONFIRM_FLIP: self._confirm_flip,
            Effect.CONFIRM_LIVE: self._confirm_live,
            Effect.PROVISION: self._provision,
            Effect.DRAIN_LIVE: self._drain_live,
            Effect.DRAIN_SHADOW: self._drain_shadow,
            Effect.RETIRE_SHADOW: self._retire_shadow,
            Effect.RETIRE_LIVE: self._retire_live,
            Effect.HAND_OVER: self._hand_over,
            Effect.HAND_BACK: self._hand_back,
        }

    def start(self, tasks: asyncio.TaskGroup, rollout: Rollout, effects: Sequence[Effect]) -> None:
        """Carry out `effects` in place of what is being carried out for `rollout`; with none, just end that."""
        former = None if self._is_last else self._task
        self.script += 1
        self._is_last = rollout.has_ended
        if former is not None:
            former.cancel()
        work = self._run(self.script, former, rollout, tuple(effects))
        self._task = tasks.create_task(work, name=f"{rollout.id}: {rollout.state.value}")

    def split(self) -> Split | None:
        """Return how the traffic is to be split now."""
        history = self._history()
        if self.retreats and history.live is not None:
            live = self._stacks.known.get(history.live.id)
            return Split(live) if live is not None else None
        return split_of(history, self._stacks.known)

    async def republish(self) -> None:
        """Make the traffic what the present state says, outside of a script: endpoints have changed."""
        split, version = await self._traffic.publish(self.split)
        log.info("route table version %d: %s", version, describe(split))

    async def _run(
        self, script: int, former: asyncio.Task[None] | None, rollout: Rollout, effects: Sequence[Effect]
    ) -> None:
        if former is not None and not former.done():
            await asyncio.wait({former})
        attempt = 0
        while (fact := await self._once(rollout, effects)) is not None:
            if rollout.has_ended or not is_legal(rollout.state, fact.kind):
                attempt += 1
                log.warning("%s: %s: %s; trying again", rollout.id, fact.kind.value, fact.data.get("reason"))
                await self._clock.sleep(pause_s(attempt))
                continue
            self._tell(Fact(fact.kind, rollout.id, script, fact.data, fact.stack))
            return

    async def _once(self, rollout: Rollout, effects: Sequence[Effect]) -> Fact | None:
        """Carry out `effects` in order until one ends with a fact, good or bad."""
        for effect in effects:
            try:
                fact = await self._perform[effect](rollout)
            except SplitterError as error:
                return Fact(_FAILURES.get(effect, Kind.FAULT), rollout.id, data={"reason": str(error)})
            except Exception as error:
                log.exception("%s: effect %s failed", rollout.id, effect.value)
                return Fact(_FAILURES.get(effect, Kind.FAULT), rollout.id, data={"reason": repr(error)})
            if fact is not None:
                return fact
        return None

    # --- One effect each ---------------------------------------------------------------------------------------------

    async def _publish(self, rollout: Rollout) -> None:
        split, version = await self._traffic.publish(self.split)
        await self._note(Kind.PUBLISHED, rollout.id, {"table": version, "split": describe(split)})

    async def _confirm_flip(self, rollout: Rollout) -> Fact:
        split = self.split()
        is_current, version = await self._traffic.is_current(split)
        if split is None or not is_current:
            reason = f"route table version {version} does not give {rollout.shadow.id} all traffic"
            return Fact(Kind.SHIFT_FAILED, rollout.id, data={"reason": reason})
        return Fact(Kind.SHIFTED, rollout.id, data={"table": version})

    async def _confirm_live(self, rollout: Rollout) -> Fact:
        """The end of a rollback: live is up, and the switch says that it has all traffic."""
        await self._stacks.live_is_up.wait()
        _, version = await self._traffic.publish(self.split)
        return Fact(Kind.REVERTED, rollout.id, data={"table": version})

    async def _provision(self, rollout: Rollout) -> Fact:
        began_s = self._clock.monotonic()
        stack = await self._stacks.make(rollout.shadow, rollout.id, rollout.options.provision_deadline_s)
        return Fact(Kind.HEALTHY, rollout.id, data={"took_s": self._clock.monotonic() - began_s}, stack=stack)

    async def _drain_live(self, rollout: Rollout) -> Fact:
        limits = rollout.options.drains
        drained = await self._traffic.drain(rollout.live.id, limits)
        data = {"took_s": drained.waited_s, "left": drained.left, "limit_s": limits.longest_s}
        return Fact(Kind.DRAINED, rollout.id, data=data)

    async def _drain_shadow(self, rollout: Rollout) -> None:
        await self._drain(rollout, rollout.shadow.id)

    async def _retire_shadow(self, rollout: Rollout) -> None:
        """Remove the shadow; where that fails it goes on in the background: clients are on live already."""
        shadow = rollout.shadow.id
        await self._note(Kind.RETIRE_ORDERED, rollout.id, {"stack": shadow, "reason": "its rollout is rolled back"})
        removed = await self._stacks.remove(shadow)
        if removed.reason:
            data = {"stack": shadow, "attempt": 1, "reason": removed.reason, "retry_s": pause_s(1)}
            await self._note(Kind.RETIRE_FAILED, rollout.id, data)
            self._stacks.condemn(shadow, failed=1)
        else:
            await self._note(Kind.RETIRED, rollout.id, {"stack": shadow, "left": list(removed.left)})
            self._stacks.sweep(self._history().remains)

    async def _hand_over(self, rollout: Rollout) -> None:
        """Stop what must not run twice in the former live, then start it in the stack that is live now."""
        await self._hand(Kind.HANDED_OVER, rollout, rollout.live.id, rollout.shadow.id)

    async def _hand_back(self, rollout: Rollout) -> None:
        """The way back.  A live stack that is down is made whole by whoever makes it again."""
        await self._hand(Kind.HANDED_BACK, rollout, rollout.shadow.id, rollout.live.id)

    async def _hand(self, kind: Kind, rollout: Rollout, former: StackId, next_: StackId) -> None:
        if not (rollout.live.placement.singletons or rollout.shadow.placement.waiting):
            return  # nothing is asked of an engine that may be away
        stopped = await self._stacks.deactivate(former)
        started = await self._stacks.activate(next_, rollout.options.provision_deadline_s)
        if stopped or started:
            names = {"live": rollout.live.id, "shadow": rollout.shadow.id}
            await self._note(kind, rollout.id, {**names, "stopped": list(stopped), "started": list(started)})

    async def _retire_live(self, rollout: Rollout) -> None:
        """Remove the former live, in the background: the rollout is at its end."""
        await self._drain(rollout, rollout.live.id)
        data = {"stack": rollout.live.id, "reason": f"{rollout.shadow.id} is live now"}
        await self._note(Kind.RETIRE_ORDERED, rollout.id, data)
        self._stacks.condemn(rollout.live.id)

    async def _drain(self, rollout: Rollout, stack: StackId) -> None:
        limits = rollout.options.drains
        drained = await self._traffic.drain(stack, limits)
        data = {"took_s": drained.waited_s, "left": drained.left, "limit_s": limits.longest_s}
        await self._note(Kind.STACK_DRAINED, rollout.id, {"stack": stack, **data})


_FAILURES: Final[Mapping[Effect, Kind]] = {
    Effect.PUBLISH: Kind.SHIFT_FAILED,
    Effect.FLIP: Kind.SHIFT_FAILED,
    Effect.CONFIRM_FLIP: Kind.SHIFT_FAILED,
    Effect.PROVISION: Kind.PROVISION_FAILED,
    Effect.HAND_OVER: Kind.HAND_OVER_FAILED,
}
