"""A daemon that dies at any point of a rollout leaves what the next one can go on from.

Each scenario is run once to its end; then once for each event of its journal and for both sides of writing it, dying
there as a power cut does.  The next daemon finds the stacks as they were and the journal up to there.
"""

import asyncio
import functools
import tempfile
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Self

import pytest

from splitter.judge.verdict import Action
from splitter.rollout.events import Event, Kind
from splitter.rollout.history import fold
from splitter.rollout.journal import Journal
from splitter.rollout.machine import SHADOW_SERVES, State
from splitter.rollout.options import MirrorOptions, RolloutOptions
from tests.rollout.stage import APP, LIVE, OVERRIDE, QUICK, SHADOW, Stage

Scenario = Callable[[Stage], Awaitable[None]]


class DyingJournal(Journal):
    """A journal whose process dies with its event number `last`, before or after that is written."""

    last = 0
    after = True
    written = 0
    death = asyncio.Event()
    on_death: Callable[[], None] = staticmethod(lambda: None)

    def dying(self, last: int, *, after: bool, on_death: Callable[[], None]) -> Self:
        self.last, self.after, self.on_death = last, after, on_death
        self.death = asyncio.Event()
        return self

    @property
    def has_died(self) -> bool:
        return self.death.is_set()

    async def append(self, *events: Event, templates: object = None) -> tuple[Event, ...]:
        if self.has_died:
            await asyncio.Event().wait()
        self.written += len(events)
        if self.written < self.last:
            return await super().append(*events, templates=templates)  # type: ignore[arg-type]  # passed on as it came
        if self.after:
            await super().append(*events, templates=templates)  # type: ignore[arg-type]
        self.death.set()
        self.on_death()
        await asyncio.Event().wait()
        raise AssertionError("the dead do not write")


async def promotion(stage: Stage) -> None:
    stage.judges.say(Action.PROMOTE)
    await stage.deploy()
    await stage.reach("PROMOTED")
    await stage.clock.pass_(10)


async def regression(stage: Stage) -> None:
    await stage.deploy()
    await stage.reach("SPLITTING")
    stage.judges.say(Action.ROLLBACK)
    await stage.reach("ROLLED_BACK")


async def mirrored(stage: Stage) -> None:
    await stage.deploy()
    await stage.reach("MIRRORING")
    await stage.clock.pass_(3)
    stage.judges.say(Action.ROLLBACK)
    await stage.reach("ROLLED_BACK")


async def failed_provision(stage: Stage) -> None:
    stage.engine.failures[SHADOW].extend(["image not found"] * 9)
    await stage.deploy()
    await stage.reach("ROLLED_BACK")


async def override(stage: Stage) -> None:
    stage.cost = OVERRIDE
    await stage.deploy()
    await stage.command("override")
    await stage.reach("SPLITTING")
    await stage.command("promote")
    await stage.reach("STANDBY")
    await stage.command("undo")
    await stage.reach("ROLLED_BACK")


async def pause(stage: Stage) -> None:
    await stage.deploy()
    await stage.reach("SPLITTING")
    await stage.command("pause")
    await stage.clock.pass_(30)
    await stage.command("resume")
    await stage.clock.pass_(3)
    await stage.command("rollback")
    await stage.reach("ROLLED_BACK")


async def dead_live(stage: Stage) -> None:
    await stage.deploy()
    await stage.reach("SPLITTING")
    stage.provisioner.kill(LIVE)
    await stage.reach("ROLLED_BACK")


SCENARIOS: tuple[Scenario, ...] = (promotion, regression, mirrored, failed_provision, override, pause, dead_live)
OPTIONS: Mapping[Scenario, RolloutOptions] = {mirrored: replace(QUICK, mirror=MirrorOptions(for_s=8.0))}


async def play(stage: Stage, scenario: Scenario) -> None:
    await stage.live()
    await scenario(stage)


@functools.cache
def length(scenario: Scenario) -> int:
    """Return how many events the journal of `scenario` has."""

    async def run() -> int:
        with tempfile.TemporaryDirectory() as directory:
            stage = Stage(Path(directory), options=OPTIONS.get(scenario, QUICK))
            await stage.start()
            try:
                await play(stage, scenario)
                return len(await stage.events())
            finally:
                await stage.stop()

    return asyncio.run(run())


def points() -> list[object]:
    return [
        pytest.param(scenario, number, after, id=f"{scenario.__name__}-{'after' if after else 'before'}-{number}")
        for scenario in SCENARIOS
        for number in range(1, length(scenario) + 1)
        for after in (False, True)
    ]


class TestDeath:
    @pytest.mark.parametrize(("scenario", "number", "after"), points())
    async def test_leaves_what_the_next_daemon_goes_on_from(
        self, scenario: Scenario, number: int, after: bool, tmp_path: Path
    ) -> None:
        """
        After the restart, what serves, what the journal says and what runs agree, and nothing is left behind.
        """
        stage = Stage(tmp_path, options=OPTIONS.get(scenario, QUICK))
        journal = DyingJournal.open(tmp_path)
        await stage.start(journal.dying(number, after=after, on_death=lambda: stage.provisioner.cut()))
        playing = asyncio.get_running_loop().create_task(play(stage, scenario))
        await until_dead(stage, journal, playing)
        at_death = fold(await journal.read(APP))
        await stage.kill()

        await stage.start()
        try:
            await settle(stage)

            history = await stage.history()
            assert history.live is not None
            assert stage.serves == {history.live.id: 100}
            assert set(stage.engine.stacks) == stage.engine.whole == {history.live.id}
            assert history.running is None
            assert not history.condemned
            if at_death.rollout is not None:
                expected = outcomes(at_death.rollout.state)
                assert history.rollout is not None
                assert history.rollout.state in expected
        finally:
            await stage.stop()


def outcomes(state: State) -> set[State]:
    """Return how a rollout that died in `state` may end."""
    match state:
        case State.WARMING | State.MIRRORING | State.SPLITTING | State.HELD | State.AWAITING_OVERRIDE:
            return {State.PROMOTED, State.ROLLED_BACK}
        case promoted if promoted in SHADOW_SERVES:
            return {State.PROMOTED}
        case _:
            return {State.ROLLED_BACK}


async def until_dead(stage: Stage, journal: DyingJournal, playing: "asyncio.Task[None]") -> None:
    """Let the scenario play until the journal has died; what it then waits for never comes."""
    death = asyncio.get_running_loop().create_task(journal.death.wait())
    await asyncio.wait({playing, death}, return_when=asyncio.FIRST_COMPLETED)
    death.cancel()
    assert journal.has_died, playing.exception()
    playing.cancel()
    await asyncio.wait({playing})
    await stage.clock.rest()


async def settle(stage: Stage) -> None:
    """Let time pass until no rollout runs and a live stack is up, and then until all removals are done."""

    def is_settled() -> bool:
        assert stage.has_failed is None, stage.has_failed
        assert set(stage.serves) <= stage.engine.whole, "a stack serves that is not whole"
        return stage.controller.is_ready and stage.state in ("", "PROMOTED", "ROLLED_BACK")

    await stage.clock.until(is_settled)
    await stage.clock.pass_(90)


class TestState:
    async def test_of_a_promotion_without_its_confirmation_is_undone(self, tmp_path: Path) -> None:
        """
        A promotion that was decided, and whose flip was not confirmed in the journal, goes back to live.
        """
        stage = Stage(tmp_path)
        number = 1 + [kind.value for kind in await events_of(promotion)].index(Kind.SHIFTED.value)
        journal = DyingJournal.open(tmp_path)
        await stage.start(journal.dying(number, after=False, on_death=lambda: stage.provisioner.cut()))
        playing = asyncio.get_running_loop().create_task(play(stage, promotion))
        await until_dead(stage, journal, playing)
        assert stage.serves == {SHADOW: 100}
        await stage.kill()

        await stage.start()
        try:
            await stage.clock.until(lambda: stage.state == "ROLLED_BACK")
            assert stage.serves == {LIVE: 100}
        finally:
            await stage.stop()


async def events_of(scenario: Scenario) -> list[Kind]:
    with tempfile.TemporaryDirectory() as directory:
        stage = Stage(Path(directory))
        await stage.start()
        try:
            await play(stage, scenario)
            return [event.kind for event in await stage.events()]
        finally:
            await stage.stop()
