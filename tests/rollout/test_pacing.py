"""What is due, by time and evidence."""

from dataclasses import replace
from typing import Any

import pytest

from splitter.judge.verdict import Action
from splitter.model import StackId
from splitter.rollout.events import Kind
from splitter.rollout.history import Rollout, StackRecord
from splitter.rollout.machine import State
from splitter.rollout.options import MirrorOptions, OnUndecided
from splitter.rollout.pacing import Moment, due
from tests.fakes import START
from tests.rollout.stage import QUICK


def rollout(state: State, **changes: Any) -> Rollout:
    live = StackRecord(StackId("shop-r1"), 1, "a")
    shadow = StackRecord(StackId("shop-r2"), 2, "b")
    bare = Rollout(
        id="shop-2", live=live, shadow=shadow, options=QUICK, by="ann", requested_at=START, since=START, state=state
    )
    return replace(bare, **changes)


class TestSplitting:
    @pytest.mark.parametrize(
        ("changes", "moment", "expected"),
        [
            ({}, Moment(9.9, 9.9, action=Action.CONTINUE, may_increase_share=True), None),
            ({}, Moment(10.0, 10.0, action=Action.CONTINUE, may_increase_share=True), Kind.ADVANCED),
            ({}, Moment(10.0, 10.0, action=Action.CONTINUE, may_increase_share=False), None),
            ({}, Moment(10.0, 10.0, action=Action.PROMOTE, may_increase_share=True), Kind.ADVANCED),
            ({"step": 1}, Moment(9.0, 19.0, action=Action.PROMOTE, may_increase_share=True), None),
            ({"step": 1}, Moment(10.0, 20.0, action=Action.PROMOTE, may_increase_share=True), Kind.PROVEN),
            ({"step": 1}, Moment(10.0, 20.0, action=Action.CONTINUE, may_increase_share=True), None),
            ({"step": 1}, Moment(10.0, 120.0, action=Action.CONTINUE), Kind.UNDECIDED),
            ({"step": 1}, Moment(10.0, 120.0, action=Action.PROMOTE), Kind.PROVEN),
            ({}, Moment(1.0, 1.0, action=Action.UNDECIDED), Kind.UNDECIDED),
            ({}, Moment(1.0, 1.0, action=Action.ROLLBACK), Kind.WORSE),
            ({"step": 1}, Moment(10.0, 120.0, action=Action.ROLLBACK), Kind.WORSE),
            ({}, Moment(60.0, 60.0), None),
            ({"step": 1}, Moment(10.0, 120.0, action=Action.CONTINUE, leans_well=True), Kind.UNDECIDED),
        ],
    )
    def test_follows_the_evidence(self, changes: dict[str, Any], moment: Moment, expected: Kind | None) -> None:
        """
        Worse comes first, then proof on the last step that was held, then the deadline, then the next step.
        """
        assert due(rollout(State.SPLITTING, **changes), moment) is expected

    def test_is_held_where_that_is_wanted(self) -> None:
        """
        `on_undecided: hold` holds at the deadline.
        """
        held = rollout(State.SPLITTING, options=replace(QUICK, on_undecided=OnUndecided.HOLD))

        assert due(held, Moment(10.0, 120.0)) is Kind.HOLD_UNDECIDED

    @pytest.mark.parametrize(
        ("step", "moment", "expected"),
        [
            (1, Moment(10.0, 120.0, action=Action.CONTINUE, leans_well=True), Kind.PROMOTE_UNDECIDED),
            (1, Moment(10.0, 60.0, action=Action.PROMOTE, by_policy=True, leans_well=True), Kind.PROMOTE_UNDECIDED),
            (1, Moment(10.0, 60.0, action=Action.PROMOTE), Kind.PROVEN),
            (1, Moment(10.0, 60.0, action=Action.CONTINUE, leans_well=True), None),
            (1, Moment(10.0, 60.0, action=Action.PROMOTE, by_policy=True), None),
            (1, Moment(10.0, 120.0, action=Action.PROMOTE, by_policy=True), Kind.UNDECIDED),
            (1, Moment(10.0, 60.0, action=Action.UNDECIDED), Kind.UNDECIDED),
            (1, Moment(9.9, 120.0, action=Action.CONTINUE, leans_well=True), Kind.UNDECIDED),
            (0, Moment(10.0, 120.0, action=Action.CONTINUE, leans_well=True), Kind.UNDECIDED),
            (1, Moment(10.0, 120.0, action=Action.ROLLBACK, leans_well=True), Kind.WORSE),
        ],
    )
    def test_promotes_what_leans_well_where_that_is_wanted(
        self, step: int, moment: Moment, expected: Kind | None
    ) -> None:
        """
        `on_undecided: promote_if_not_worse` promotes when the time is over, from the last step, while all leans well.
        """
        options = replace(QUICK, on_undecided=OnUndecided.PROMOTE_IF_NOT_WORSE)

        assert due(rollout(State.SPLITTING, options=options, step=step), moment) is expected

    def test_stands_still_while_the_engine_is_gone(self) -> None:
        """
        Without the engine nothing is advanced or promoted; a worse shadow is still rolled back.
        """
        blind = rollout(State.SPLITTING, is_engine_gone=True)
        last = replace(blind, step=1)

        assert due(blind, Moment(60.0, 60.0, action=Action.CONTINUE, may_increase_share=True)) is None
        assert due(last, Moment(60.0, 60.0, action=Action.PROMOTE, may_increase_share=True)) is None
        assert due(blind, Moment(60.0, 60.0, action=Action.ROLLBACK)) is Kind.WORSE


class TestWarming:
    @pytest.mark.parametrize(
        ("moment", "expected"),
        [
            (Moment(9.9, has_baseline=True), None),
            (Moment(10.0, has_baseline=True), Kind.WARM),
            (Moment(29.0, has_baseline=False), None),
            (Moment(30.0, has_baseline=False), Kind.WARM),
        ],
    )
    def test_waits_for_time_and_a_baseline(self, moment: Moment, expected: Kind | None) -> None:
        """
        Warm is who had the time, with a baseline or a bounded wait for one.
        """
        assert due(rollout(State.WARMING), moment) is expected

    def test_waits_for_probes_that_pass(self) -> None:
        """
        A shadow that fails its probes gets no traffic; at the limit of its state it is given up.
        """
        warming = rollout(State.WARMING)

        assert due(warming, Moment(30.0, has_baseline=True, is_ill=True)) is None
        assert due(warming, Moment(30.0, has_baseline=True)) is Kind.WARM
        assert due(warming, Moment(60.0, has_baseline=True, is_ill=True)) is Kind.DEADLINE

    def test_gives_up_where_the_engine_stays_away(self) -> None:
        """
        A shadow that cannot be looked at while it warms up gets no traffic, and at the limit is given up.
        """
        blind = rollout(State.WARMING, is_engine_gone=True)

        assert due(blind, Moment(30.0)) is None
        assert due(blind, Moment(60.0)) is Kind.DEADLINE

    def test_leads_to_the_mirror_where_there_is_one(self) -> None:
        """
        A rollout that mirrors gets copies before its first share.
        """
        mirrored = rollout(State.WARMING, options=replace(QUICK, mirror=MirrorOptions(for_s=5.0)))

        assert due(mirrored, Moment(10.0, has_baseline=True)) is Kind.WARM_TO_MIRROR


class TestMirroring:
    MIRRORED = rollout(State.MIRRORING, options=replace(QUICK, mirror=MirrorOptions(for_s=5.0)))

    @pytest.mark.parametrize(
        ("moment", "expected"),
        [
            (Moment(4.9, action=Action.CONTINUE, may_increase_share=True), None),
            (Moment(5.0, action=Action.CONTINUE, may_increase_share=True), Kind.MIRRORED),
            (Moment(5.0, action=Action.UNDECIDED, may_increase_share=True), Kind.MIRRORED),
            (Moment(5.0, action=Action.CONTINUE, may_increase_share=False), None),
            (Moment(1.0, action=Action.ROLLBACK), Kind.WORSE),
            (Moment(124.9, action=Action.CONTINUE, may_increase_share=False), None),
            (Moment(125.0, action=Action.CONTINUE, may_increase_share=False), Kind.DEADLINE),
        ],
    )
    def test_ends_with_its_time_unless_something_speaks_against_it(self, moment: Moment, expected: Kind | None) -> None:
        """
        A worse shadow is rolled back at once; one that is suspected waits, for as long as all steps may take.
        """
        assert due(self.MIRRORED, moment) is expected

    def test_stands_still_while_the_engine_is_gone(self) -> None:
        """
        A shadow that cannot be asked about gets no share.
        """
        blind = replace(self.MIRRORED, is_engine_gone=True)

        assert due(blind, Moment(60.0, action=Action.CONTINUE, may_increase_share=True)) is None


class TestLimits:
    def test_draining_waits_for_the_longest_limit(self) -> None:
        """
        A drain has time for requests, streams and tunnels, whichever may take longest, and for a hand-over.
        """
        patient = rollout(State.DRAINING, options=replace(QUICK, drain_tunnels_s=60))

        assert due(patient, Moment(129.9)) is None
        assert due(patient, Moment(130)) is Kind.DEADLINE

    @pytest.mark.parametrize(
        ("state", "limit_s", "expected"),
        [
            (State.REQUESTED, 300, Kind.DEADLINE),
            (State.AWAITING_OVERRIDE, 300, Kind.DEADLINE),
            (State.PROVISIONING, 60, Kind.DEADLINE),
            (State.HELD, 600, Kind.DEADLINE),
            (State.PROMOTING, 120, Kind.DEADLINE),
            (State.DRAINING, 75, Kind.DEADLINE),
            (State.STANDBY, 60, Kind.STANDBY_OVER),
            (State.ROLLING_BACK, 120, Kind.DEADLINE),
        ],
    )
    def test_end_every_state(self, state: State, limit_s: float, expected: Kind) -> None:
        """
        Nothing before the limit, the state's end at it.
        """
        assert due(rollout(state), Moment(limit_s - 0.1)) is None
        assert due(rollout(state), Moment(limit_s)) is expected

    @pytest.mark.parametrize("state", [State.PROMOTED, State.ROLLED_BACK, State.HALTED])
    def test_do_not_exist_where_nothing_can_happen_by_itself(self, state: State) -> None:
        """
        Ends stay, and HALTED waits for a person.
        """
        assert due(rollout(state), Moment(1e9, 1e9, action=Action.ROLLBACK)) is None
