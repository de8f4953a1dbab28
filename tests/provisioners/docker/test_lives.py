"""Many releases of one app, by daemons that die between any two calls of the engine, and are started again.

The dice are seeded; the order of calls that run at the same time is not ours, so a seed gives the same play and nearly
the same deaths.  What was played stands in the message of a failure.
"""

import random
from dataclasses import replace

import pytest

from provisioners.docker import DockerProvisioner
from splitter.model import StackId
from splitter.placement import Placement
from tests.provisioners.docker.memory import World
from tests.provisioners.docker.test_crashes import BESIDE, Story, made, run, wanted

RELEASES = 5
CALLS_TO_DIE_IN = 60  # as many as the longest story has; a daemon that would die later lives through its own
LENT = {"shop-r1-db-1", "shop-r1_data", "shop-r1_default"}  # what every later stack uses of the first one


def stack(revision: int) -> StackId:
    return StackId(f"shop-r{revision}")


class Play:
    """One play: what is live, and the daemons that bring the next release up."""

    def __init__(self, seed: int, world: World) -> None:
        self.live = 1
        self.played = [f"seed {seed}"]
        self.deaths = 0
        self._dice = random.Random(seed)
        self._world = world

    async def release(self, revision: int) -> None:
        """Bring a release up beside live; then take it back, or promote it and retire the former live."""
        while not await self._dared(f"make r{revision}", self._making(revision)):
            await self._surely(f"retire the half of r{revision}", self._retiring(revision))
            assert not any(each["State"]["Paused"] for each in self._world.containers.values()), self.played
        if self._dice.random() < 0.5:
            await self._surely(f"hand over to r{revision}", self._handing(self.live, revision))
            former, self.live = self.live, revision
            await self._surely(f"retire r{former}", self._retiring(former))
        else:
            await self._surely(f"hand over to r{revision}", self._handing(self.live, revision))
            await self._surely(f"undo r{revision}", self._handing(revision, self.live))
            await self._surely(f"retire r{revision}", self._retiring(revision))

    async def lose(self) -> None:
        """Let somebody remove a container of live by hand; it is made again."""
        service = self._dice.choice(["web", "worker"])
        self.played.append(f"lose {service}")
        self._world.lose(f"{stack(self.live)}-{service}-1")
        order = replace(wanted(self.live, self._placement(self.live)), again=True)

        async def again(provisioner: DockerProvisioner) -> None:
            await provisioner.create(order, lambda _: None)

        await self._surely(f"make r{self.live} again", again)

    async def _surely(self, what: str, story: Story) -> None:
        """Let one daemon after the other do something until it is done."""
        while not await self._dared(what, story):
            pass

    async def _dared(self, what: str, story: Story) -> bool:
        """Let one daemon find what there is and do something; return whether it lived through it."""
        done: list[str] = []

        async def whole(provisioner: DockerProvisioner) -> None:
            await provisioner.find()
            await story(provisioner)
            done.append(what)

        dies_at = self._dice.randrange(CALLS_TO_DIE_IN) if self._dice.random() < 0.7 else None
        self.played.append(f"{what}, to die at call {dies_at}")
        await run(self._world, whole, dies_at=dies_at)
        self.deaths += not done
        return bool(done)

    def _placement(self, revision: int) -> Placement:
        return Placement(singletons=("worker",)) if revision == 1 else replace(BESIDE, base=stack(self.live))

    def _making(self, revision: int) -> Story:
        order = wanted(revision, self._placement(revision))

        async def story(provisioner: DockerProvisioner) -> None:
            await provisioner.create(order, lambda _: None)

        return story

    def _handing(self, giver: int, taker: int) -> Story:
        async def story(provisioner: DockerProvisioner) -> None:
            await provisioner.deactivate(stack(giver))
            await provisioner.activate(stack(taker), 30.0)

        return story

    def _retiring(self, revision: int) -> Story:
        async def story(provisioner: DockerProvisioner) -> None:
            await provisioner.retire(stack(revision))

        return story


async def whole_stacks(world: World) -> list[StackId]:
    found: list[StackId] = []

    async def look(provisioner: DockerProvisioner) -> None:
        found.extend(each.id for each in await provisioner.find() if each.stack is not None)

    await run(world, look)
    return found


class TestLives:
    @pytest.mark.parametrize("seed", range(24))
    async def test_leave_live_and_nothing_else(self, seed: int) -> None:
        """
        After each release live is whole, on all its data, with the one worker that runs; of others nothing is left.
        """
        world = await made()
        play = Play(seed, world)

        for revision in range(2, RELEASES + 2):
            await play.release(revision)
            if revision % 2:
                await play.lose()

            live = stack(play.live)
            kept = {name for name in (*world.containers, *world.networks, *world.volumes) if f"{live}" not in name}
            running = [n for n, each in world.containers.items() if "worker" in n and each["State"]["Running"]]
            assert await whole_stacks(world) == [live], play.played
            assert kept == (LENT if play.live > 1 else set()), play.played
            assert running == [f"{live}-worker-1"], play.played
            assert world.volumes["shop-r1_data"]["data"] == {"row"}, play.played
            assert world.volumes[f"{live}_uploads"]["data"] == {"row"}, play.played
            assert not any(each["State"]["Paused"] for each in world.containers.values()), play.played

        assert play.deaths, "nobody died in this play"
