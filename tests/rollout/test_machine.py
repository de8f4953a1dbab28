"""The table of states, walked."""

from pathlib import Path

import pytest

from splitter.errors import RefusedError
from splitter.model import Side
from splitter.rollout.events import Kind
from splitter.rollout.machine import (
    AT_ONCE,
    COMMANDS,
    ENDS,
    TABLE,
    Command,
    Effect,
    Serving,
    State,
    diagram,
    is_legal,
    legal_commands,
    limit_s,
    step,
)
from splitter.rollout.options import RolloutOptions

DOCUMENT = Path(__file__).parents[2] / "docs/rollout.md"
RUNNING = [state for state in State if state not in ENDS]
PAIRS = [(state, kind) for state in State for kind in Kind]


class TestTable:
    def test_has_a_row_for_every_state(self) -> None:
        """
        No state is forgotten.
        """
        assert set(TABLE) == set(State)

    @pytest.mark.parametrize(("state", "kind"), PAIRS)
    def test_has_each_pair_or_refuses_it_by_name(self, state: State, kind: Kind) -> None:
        """
        Whatever happens in whatever state either leads somewhere, or is refused with both names.
        """
        if is_legal(state, kind):
            assert step(state, kind) == TABLE[state].on[kind]
            return
        with pytest.raises(RefusedError) as refusal:
            step(state, kind)
        assert state.value in str(refusal.value)
        asked = {fact: command.value for command, fact in COMMANDS.items()}.get(kind, kind.value)
        assert asked in str(refusal.value)

    @pytest.mark.parametrize("state", RUNNING)
    def test_leads_back_from_everywhere(self, state: State) -> None:
        """
        From every state that is not an end, ROLLED_BACK or HALTED can be reached.
        """
        reached = {state}
        while True:
            more = {following.state for each in reached for following in TABLE[each].on.values()} - reached
            if not more:
                break
            reached |= more

        assert reached & {State.ROLLED_BACK, State.HALTED}

    def test_never_retires_the_fallback(self) -> None:
        """
        No effect removes the stack that its own state would fall back to.
        """
        for row in TABLE.values():
            for following in row.on.values():
                fallback = TABLE[following.state].fallback
                assert not (Effect.RETIRE_LIVE in following.effects and fallback is Side.LIVE)
                assert not (Effect.RETIRE_SHADOW in following.effects and fallback is Side.SHADOW)

    def test_shifts_before_it_drains_and_drains_before_it_retires(self) -> None:
        """
        A stack that has requests is never removed: publish, then drain, then retire.
        """
        order = [Effect.PUBLISH, Effect.DRAIN_SHADOW, Effect.RETIRE_SHADOW]
        for row in TABLE.values():
            for following in row.on.values():
                if Effect.RETIRE_SHADOW in following.effects:
                    assert [effect for effect in following.effects if effect in order] == order

    @pytest.mark.parametrize("state", RUNNING)
    def test_bounds_every_state_that_nobody_has_to_leave(self, state: State) -> None:
        """
        Every state has a time limit and a way out when it is over, but HALTED, which waits for a person.
        """
        limit = limit_s(state, RolloutOptions())
        late = {Kind.DEADLINE, Kind.STANDBY_OVER, Kind.UNDECIDED} & set(TABLE[state].on)

        assert (limit is None) == (state is State.HALTED)
        assert bool(late) == (state is not State.HALTED)

    @pytest.mark.parametrize("state", RUNNING)
    def test_lets_a_person_roll_back(self, state: State) -> None:
        """
        `rollback` is legal in every state that is not an end.
        """
        assert Command.ROLLBACK in legal_commands(state)

    @pytest.mark.parametrize("state", RUNNING)
    def test_survives_a_restart_and_a_dead_live_stack(self, state: State) -> None:
        """
        A restart and the death of live can happen in every state that is not an end.
        """
        assert is_legal(state, Kind.RESTARTED)
        assert is_legal(state, Kind.LIVE_DIED)

    def test_does_at_once_only_what_needs_no_order(self) -> None:
        """
        What is done at once never touches traffic or the shadow.
        """
        assert {Effect.ALERT, Effect.RESTORE_LIVE} == AT_ONCE

    def test_ends_lead_nowhere(self) -> None:
        """
        An end has no row that leads on, and no fallback.
        """
        for state in ENDS:
            assert TABLE[state].on == {}
            assert TABLE[state].fallback is None

    def test_shadow_alone_serves_only_after_the_flip_was_confirmed(self) -> None:
        """
        The one way into a state that the shadow serves is the confirmed flip.
        """
        into = {
            (state, kind)
            for state, row in TABLE.items()
            for kind, following in row.on.items()
            if TABLE[following.state].serving is Serving.SHADOW and row.serving is not Serving.SHADOW
        }

        assert into == {(State.PROMOTING, Kind.SHIFTED)}


class TestDiagram:
    def test_of_the_documents_is_drawn_from_the_table(self) -> None:
        """
        The documented diagram is the table's own.
        """
        assert f"```mermaid\n{diagram()}\n```" in DOCUMENT.read_text()

    def test_documents_name_who_serves_in_every_state(self) -> None:
        """
        The documented table of states says what the code's does.
        """
        text = DOCUMENT.read_text()
        for state, row in TABLE.items():
            assert f"| {state.value} | {row.serving.value} | {row.fallback.value if row.fallback else '–'} |" in text
