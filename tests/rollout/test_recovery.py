"""The journal against what exists."""

from typing import Any

import pytest

from splitter.contracts import FoundStack
from splitter.model import Stack, StackId
from splitter.rollout.events import Kind
from splitter.rollout.history import History, StackRecord
from splitter.rollout.machine import ENDS, State
from splitter.rollout.recovery import reconcile
from tests.rollout.test_pacing import rollout

LIVE, SHADOW = StackId("shop-r1"), StackId("shop-r2")


def found(*stacks: StackId, broken: tuple[StackId, ...] = ()) -> list[FoundStack]:
    whole = [FoundStack(stack, "shop", Stack(stack, "shop", 1, {})) for stack in stacks]
    return whole + [FoundStack(stack, "shop", None, ("web",)) for stack in broken]


def history(state: State | None = None, **changes: Any) -> History:
    live = StackRecord(LIVE, 1, "a")
    return History(live=live, rollout=rollout(state) if state else None, revision=2, **changes)


class TestReconcile:
    def test_removes_what_nobody_knows(self) -> None:
        """
        Stacks that no rollout knows go, and so do those whose removal was ordered and never confirmed.
        """
        findings = reconcile(
            history(condemned=frozenset({StackId("shop-r3")})), found(LIVE, SHADOW), has_analysis=False
        )

        assert findings.strangers == (SHADOW, "shop-r3")
        assert findings.live is not None
        assert findings.kind is None

    @pytest.mark.parametrize("state", sorted(ENDS))
    def test_removes_what_an_ended_rollout_left(self, state: State) -> None:
        """
        A rollout that has ended has no shadow any more.
        """
        assert reconcile(history(state), found(LIVE, SHADOW), has_analysis=True).strangers == (SHADOW,)

    @pytest.mark.parametrize(
        ("state", "stacks", "has_analysis", "expected"),
        [
            (State.WARMING, (LIVE, SHADOW), False, Kind.RESTARTED),
            (State.MIRRORING, (LIVE, SHADOW), True, Kind.RESTARTED),
            (State.MIRRORING, (LIVE, SHADOW), False, Kind.UNCALIBRATED),
            (State.MIRRORING, (LIVE,), True, Kind.SHADOW_DIED),
            (State.MIRRORING, (SHADOW,), True, Kind.LIVE_DIED),
            (State.SPLITTING, (LIVE, SHADOW), True, Kind.RESTARTED),
            (State.SPLITTING, (LIVE, SHADOW), False, Kind.UNCALIBRATED),
            (State.SPLITTING, (LIVE,), True, Kind.SHADOW_DIED),
            (State.SPLITTING, (SHADOW,), True, Kind.LIVE_DIED),
            (State.SPLITTING, (), True, Kind.LIVE_DIED),
            (State.HELD, (LIVE, SHADOW), False, Kind.UNCALIBRATED),
            (State.STANDBY, (LIVE, SHADOW), False, Kind.RESTARTED),
            (State.STANDBY, (SHADOW,), True, Kind.LIVE_DIED),
            (State.STANDBY, (LIVE,), True, Kind.SHADOW_DIED),
            (State.DRAINING, (), True, Kind.SHADOW_DIED),
            (State.PROVISIONING, (LIVE,), False, Kind.RESTARTED),
            (State.PROMOTING, (LIVE, SHADOW), True, Kind.RESTARTED),
            (State.ROLLING_BACK, (), False, Kind.RESTARTED),
        ],
    )
    def test_says_what_happened_to_a_rollout(
        self, state: State, stacks: tuple[StackId, ...], has_analysis: bool, expected: Kind
    ) -> None:
        """
        What a state needs and what is there make the fact that the table goes on with.
        """
        assert reconcile(history(state), found(*stacks), has_analysis=has_analysis).kind is expected

    def test_names_what_is_missing(self) -> None:
        """
        A stack that is not whole is not taken for up, and the reason names the services.
        """
        findings = reconcile(history(), found(broken=(LIVE,)), has_analysis=False)

        assert findings.live is None
        assert findings.reason == "after the start web of shop-r1 was missing"
