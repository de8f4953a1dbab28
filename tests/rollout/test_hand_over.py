"""What outlives the stack that it was made for, and what runs in one stack at a time."""

from collections.abc import AsyncIterator

import pytest

from splitter.judge.verdict import Action
from splitter.placement import Placement
from tests.rollout.stage import LIVE, SHADOW, Stage, staged

ALIVE = {"worker": True}
ASLEEP = {"worker": False}


@pytest.fixture
async def stage() -> AsyncIterator[Stage]:
    """A live stack with a worker, and a shadow to come whose worker waits."""
    async with staged(placement=Placement(singletons=("worker",))) as stage:
        stage.engine.workers = {LIVE: dict(ALIVE), SHADOW: dict(ASLEEP)}
        yield stage


async def restart(stage: Stage) -> None:
    await stage.kill()
    await stage.start()


class TestSingletons:
    async def test_move_with_the_promotion(self, stage: Stage) -> None:
        """
        Live's worker is stopped before the shadow's is started, after the flip and before the standby.
        """
        stage.judges.say(Action.PROMOTE)
        await stage.deploy()

        await stage.reach("STANDBY")

        order = [call for call in stage.engine.calls if "worker" in call]
        assert order == [f"stop worker of {LIVE}", f"start worker of {SHADOW}"]
        kinds = await stage.kinds()
        assert kinds.index("shifted") < kinds.index("handed_over") < kinds.index("drained")
        assert await stage.said("handed_over") == f"worker of {SHADOW} run now (worker of {LIVE} were stopped)"

    async def test_stay_where_they_are_in_a_rollback_before_it(self, stage: Stage) -> None:
        """
        A shadow that never got all traffic has no worker to be stopped.
        """
        stage.judges.say(Action.ROLLBACK)
        await stage.deploy()

        await stage.reach("ROLLED_BACK")

        assert [call for call in stage.engine.calls if "worker" in call] == []
        assert stage.engine.workers[LIVE] == ALIVE

    async def test_move_back_with_an_undo(self, stage: Stage) -> None:
        """
        Undone, the shadow's worker is stopped first, then live's is started, and only then the shadow is removed.
        """
        stage.judges.say(Action.PROMOTE)
        await stage.deploy()
        await stage.reach("STANDBY")
        stage.engine.calls.clear()

        await stage.command("undo")
        await stage.reach("ROLLED_BACK")

        assert stage.engine.calls == [f"stop worker of {SHADOW}", f"start worker of {LIVE}", f"retire {SHADOW}"]

    async def test_that_cannot_start_end_the_promotion(self, stage: Stage) -> None:
        """
        A worker that does not start in the new stack is a reason to go back to the old one.
        """
        stage.judges.say(Action.PROMOTE)
        await stage.deploy()
        await stage.reach("SPLITTING")
        stage.engine.failures[SHADOW].append("service worker does not start")

        await stage.reach("ROLLED_BACK")

        said = await stage.said("hand_over_failed")
        assert f"could not be handed over from {LIVE} to {SHADOW}: service worker does not start" in said
        assert stage.engine.workers[LIVE] == ALIVE
        assert stage.serves == {LIVE: 100}

    async def test_move_on_after_a_restart(self, stage: Stage) -> None:
        """
        A daemon that was killed in the middle of the promotion hands over what is left to hand over.
        """
        stage.judges.say(Action.PROMOTE)
        await stage.deploy()
        await stage.reach("DRAINING", "STANDBY")
        stage.engine.workers = {LIVE: dict(ALIVE), SHADOW: dict(ASLEEP)}

        await restart(stage)
        await stage.reach("PROMOTED")

        assert stage.engine.workers[SHADOW] == ALIVE


class TestRemains:
    async def test_go_after_their_last_user(self, stage: Stage) -> None:
        """
        What another stack uses of a retired one stays, is known to stay, and goes when the user has gone.
        """
        stage.judges.say(Action.PROMOTE)
        stage.engine.shared = {LIVE: {"shop-r1-db-1": {SHADOW}}}
        await stage.deploy()
        await stage.reach("PROMOTED")
        await stage.clock.pass_(10)
        first = await stage.said("retired")
        remains = (await stage.history()).remains
        await stage.deploy(version=3)
        await stage.reach("PROMOTED")
        await stage.clock.pass_(10)

        assert first == f"{LIVE} is removed; shop-r1-db-1 stays, because other stacks use it"
        assert remains == {LIVE}
        assert (await stage.history()).remains == set()
        assert [event.data["stack"] for event in await stage.events() if event.kind == "retired"] == [
            LIVE,
            SHADOW,
            LIVE,
        ]

    async def test_are_no_strangers_to_a_new_daemon(self, stage: Stage) -> None:
        """
        A daemon that is started again lets be what is used, and says nothing about it.
        """
        stage.judges.say(Action.PROMOTE)
        stage.engine.shared = {LIVE: {"shop-r1-db-1": {SHADOW}}}
        await stage.deploy()
        await stage.reach("PROMOTED")
        await stage.clock.pass_(10)
        before = await stage.kinds()

        await restart(stage)
        await stage.until_ready()
        await stage.clock.pass_(10)

        assert [kind for kind in (await stage.kinds())[len(before) :] if kind.startswith("retire")] == []

    async def test_are_looked_at_again_after_a_rollback(self, stage: Stage) -> None:
        """
        A shadow that comes and goes leaves the remains as they were, without a word.
        """
        stage.judges.say(Action.PROMOTE)
        stage.engine.shared = {LIVE: {"shop-r1-db-1": {SHADOW}}}
        await stage.deploy()
        await stage.reach("PROMOTED")
        await stage.clock.pass_(10)
        stage.judges.say(Action.ROLLBACK)
        await stage.deploy(version=3)
        await stage.reach("ROLLED_BACK")
        await stage.clock.pass_(10)

        assert [event.data["stack"] for event in await stage.events() if event.kind == "retired"] == [LIVE, "shop-r3"]
        assert (await stage.history()).remains == {LIVE}


class TestPlacement:
    async def test_is_kept_with_the_stack(self, stage: Stage) -> None:
        """
        A live stack is made again as it was made first: beside what it shares with, and with its data.
        """
        stage.judges.say(Action.PROMOTE)
        await stage.deploy()
        await stage.reach("PROMOTED")
        stage.provisioner.kill(SHADOW)
        await stage.clock.until(lambda: len(stage.provisioner.created) == 3)

        first, shadow, again = stage.provisioner.created

        assert (first.placement.base, first.again) == ("", False)
        assert (shadow.placement.base, shadow.again) == (LIVE, False)
        assert (again.id, again.placement, again.again) == (SHADOW, shadow.placement, True)
