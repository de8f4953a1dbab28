"""What events add up to."""

from dataclasses import asdict
from typing import Any

import pytest

from splitter.judge.verdict import Action
from splitter.rollout.events import Kind
from splitter.rollout.history import apply, fold
from splitter.rollout.machine import TABLE, State, step
from tests.rollout.stage import LIVE, SHADOW, Stage, staged


async def played(stage: Stage, *commands: str) -> None:
    stage.judges.say(Action.PROMOTE)
    await stage.deploy()
    await stage.reach("SPLITTING")
    for command in commands:
        await stage.command(command)
        await stage.clock.pass_(2)
    await stage.reach("PROMOTED", "ROLLED_BACK")


class TestFold:
    @pytest.mark.parametrize("commands", [(), ("pause", "resume"), ("pause", "rollback"), ("promote", "undo")])
    async def test_is_what_the_controller_remembers(self, commands: tuple[str, ...]) -> None:
        """
        The journal, folded, is the history that the controller has in memory.
        """
        async with staged() as stage:
            await played(stage, *commands)

            assert await stage.history() == stage.controller._history

    async def test_agrees_with_the_table(self) -> None:
        """
        Every state that an event says it led to is the one that the table leads to.
        """
        async with staged() as stage:
            await played(stage, "pause", "resume", "promote")
            state = State.REQUESTED

            for event in await stage.events():
                if event.state and event.kind is not Kind.REQUESTED:
                    state = step(state, event.kind).state
                    assert event.state == state

            assert state is State.PROMOTED

    async def test_knows_who_is_live_at_any_time(self) -> None:
        """
        Live stays live until the rollout has ended, and its share and serving go together.
        """
        async with staged() as stage:
            await played(stage)
            events = await stage.events()

            for number in range(1, len(events) + 1):
                history = fold(events[:number])
                assert history.live is not None
                is_over = history.rollout is not None and history.rollout.state is State.PROMOTED
                assert history.live.id == (SHADOW if is_over else LIVE)
                if history.rollout is not None:
                    serving = TABLE[history.rollout.state].serving
                    assert {"live": history.rollout.share_bp == 0, "shadow": history.rollout.share_bp == 10_000}.get(
                        serving, 0 < history.rollout.share_bp < 10_000
                    ) or history.rollout.has_ended

    async def test_passes_over_events_of_other_rollouts(self) -> None:
        """
        A fact about a rollout that is not the last moves nothing.
        """
        async with staged() as stage:
            await played(stage)
            history = await stage.history()
            stray: dict[str, Any] = {**asdict((await stage.events())[-1]), "rollout": "shop-9", "state": "HELD"}

            assert apply(history, type((await stage.events())[-1])(**{**stray, "kind": Kind.PAUSED})) == history
