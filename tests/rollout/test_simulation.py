"""Whatever happens, in whatever order: the promises of a rollout hold.

Each seed is a play of its own: stacks die and move, the engine and the disk go away and come back, the judge changes
its mind, people order things at the wrong time, and the daemon is killed and started again.
"""

import random
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path

import pytest

from splitter.errors import SplitterError
from splitter.judge.verdict import Action
from splitter.limits import WEIGHT_TOTAL
from splitter.rollout.machine import SHADOW_SERVES, Command
from splitter.rollout.options import MirrorOptions
from tests.fakes import FakeSwitch
from tests.rollout.stage import QUICK, Stage

ACTS_PER_PLAY = 25
SEEDS = range(100)
MIRRORED = replace(QUICK, mirror=MirrorOptions(for_s=8.0))  # of every third play


class Play:
    """One play: acts drawn by a seed, and what must be so after each of them."""

    def __init__(self, stage: Stage, seed: int) -> None:
        self.stage = stage
        self.dice = random.Random(seed)
        self.script = [f"seed {seed}"]
        self.version = 1

    async def act(self) -> None:
        acts: list[Callable[[], Awaitable[None]]] = [
            self.wait,
            self.wait,
            self.deploy,
            self.deploy,
            self.command,
            self.judge,
            self.kill_stack,
            self.move_stack,
            self.engine,
            self.disk,
            self.switch,
            self.restart,
        ]
        chosen = self.dice.choice(acts)
        self.script.append(chosen.__name__)
        await chosen()

    async def wait(self) -> None:
        await self.stage.clock.pass_(self.dice.choice((1, 6, 15, 70)))

    async def deploy(self) -> None:
        self.version += 1
        await self._try(self.stage.deploy(self.version))

    async def command(self) -> None:
        await self._try(self.stage.command(self.dice.choice(list(Command))))

    async def judge(self) -> None:
        action = self.dice.choice((Action.CONTINUE, Action.CONTINUE, Action.PROMOTE, Action.PROMOTE, Action.ROLLBACK))
        self.stage.judges.say(action, may_increase_share=self.dice.random() < 0.8)

    async def kill_stack(self) -> None:
        if self.stage.engine.whole:
            self.stage.provisioner.kill(self.dice.choice(sorted(self.stage.engine.whole)))

    async def move_stack(self) -> None:
        if self.stage.engine.whole:
            self.stage.provisioner.move(self.dice.choice(sorted(self.stage.engine.whole)))

    async def engine(self) -> None:
        if self.stage.engine.is_gone:
            self.stage.provisioner.find_engine()
        else:
            self.stage.provisioner.lose_engine()

    async def disk(self) -> None:
        (is_off,) = self.stage.journal._connection.execute("PRAGMA query_only").fetchone()
        self.stage.journal._connection.execute(f"PRAGMA query_only = {'OFF' if is_off else 'ON'}")

    async def switch(self) -> None:
        self.stage.switch.refusals.extend(["the table cannot be built"] * self.dice.choice((1, 3)))

    async def restart(self) -> None:
        await self.stage.kill()
        await self.stage.start()

    async def _try(self, order: Awaitable[object]) -> None:
        try:
            await order
        except SplitterError as error:
            self.script.append(f"  refused: {error}")

    def check(self) -> None:
        """What is so at any time."""
        stage = self.stage
        assert stage.has_failed is None, stage.has_failed
        history = stage.controller._history
        if not stage.controller._steering.trouble:
            for stack in stage.serves:
                is_made_again = history.live is not None and stack == history.live.id and not stage.controller.is_ready
                assert stack in stage.engine.stacks or is_made_again, f"{stack} has requests and does not exist"
        rollout, split = history.running, stage.split
        if rollout is not None and split is not None and split.shadow_bp == WEIGHT_TOTAL:
            is_promoted = split.shadow is not None and split.shadow.id == rollout.live.id  # by the rollout before
            assert is_promoted or rollout.state in SHADOW_SERVES | {"PROMOTING", "ROLLING_BACK", "HALTED"}
        if split is not None and split.mirroring is not None:
            assert split.shadow_bp == 0, "a stack that gets copies has no share"

    async def end(self) -> None:
        """Let everything be well again, and time pass."""
        stage = self.stage
        stage.provisioner.find_engine()
        stage.journal._connection.execute("PRAGMA query_only = OFF")
        stage.switch.refusals.clear()
        stage.judges.say(Action.ROLLBACK)
        await stage.clock.pass_(200)
        if stage.state == "HALTED":
            await self._try(stage.command("rollback"))
        await stage.clock.pass_(1_500)


class TestPlay:
    @pytest.mark.parametrize("seed", SEEDS)
    async def test_ends_well(self, seed: int, tmp_path: Path) -> None:
        """
        At any time who serves exists; when all is well again one stack is live, serves, and is all that is left.
        """
        stage = Stage(tmp_path, options=MIRRORED if seed % 3 == 0 else QUICK)
        play = Play(stage, seed)
        await stage.start()
        await stage.live()
        try:
            for _ in range(ACTS_PER_PLAY):
                await play.act()
                await stage.clock.rest()
                play.check()
            await play.end()
            play.check()

            history = await stage.history()
            assert history.live is not None
            assert history.running is None
            assert stage.serves == {history.live.id: 100}
            assert set(stage.engine.stacks) == stage.engine.whole == {history.live.id}
            assert history.condemned == frozenset()
            assert history == stage.controller._history
            assert isinstance(stage.switch, FakeSwitch)
        except BaseException as error:
            error.add_note("\n".join(play.script))
            for event in (await stage.events())[-40:]:
                error.add_note(f"{event.seq} {event.at:%H:%M:%S} {event.state:13} {event.sentence}")
            raise
        finally:
            await stage.stop()
