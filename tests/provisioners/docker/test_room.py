from pathlib import Path

import pytest

from provisioners.docker import DockerOptions, room
from provisioners.docker.room import MIB, available_here, needed, short_of_memory
from splitter.errors import EngineError
from splitter.placement import Placement
from splitter.template import Limits
from tests.provisioners.docker.conftest import MakeProvisioner
from tests.provisioners.docker.memory import World
from tests.provisioners.docker.stage import WEB, order, server, template
from tests.provisioners.docker.test_crashes import FIRST, SECOND, made, problems, told

GIB = 1024 * MIB
GREEDY = order("shop", template(server(image="app:1", limits=Limits(memory_bytes=20 * GIB))))
BRIDGE = DockerOptions(endpoint="bridge", pull=False)
REFUSE = DockerOptions(endpoint="bridge", pull=False, no_room="refuse")
IGNORE = DockerOptions(endpoint="bridge", pull=False, no_room="ignore")


class TestNeeded:
    @pytest.mark.parametrize(("limit", "used", "expected"), [(None, 0, 128), (None, 500, 600), (700, 500, 700)])
    def test_is_the_largest_of_three(self, limit: int | None, used: int, expected: int) -> None:
        """
        A container may come to use its limit, somewhat more than live's does, and never less than a small program.
        """
        service = server(limits=Limits(memory_bytes=limit * MIB if limit else None))

        assert needed(service, used * MIB) == expected * MIB


class TestMemory:
    def test_keeps_a_reserve(self) -> None:
        """
        A tenth of the host, and at least 512 MiB, are not for the new containers.
        """
        assert short_of_memory({"web": 90 * GIB}, 100 * GIB, 100 * GIB) == ""
        assert short_of_memory({"web": 512 * MIB}, GIB, GIB) == ""

        assert "10.0 GiB are kept" in short_of_memory({"web": 90 * GIB + 1}, 100 * GIB, 100 * GIB)
        assert "512 MiB are kept" in short_of_memory({"web": 512 * MIB + 1}, GIB, GIB)

    def test_names_what_needs_most(self) -> None:
        """
        The sentence names the three largest, so that one knows whose limit to look at.
        """
        said = short_of_memory({"a": MIB, "b": 4 * GIB, "c": 3 * GIB, "d": 2 * GIB}, GIB, GIB)

        assert "(most of it: b 4.0 GiB, c 3.0 GiB, d 2.0 GiB)" in said

    def test_of_the_kernel_counts_on_the_same_host_only(self) -> None:
        """
        An engine whose memory is another amount than ours runs somewhere else, so what is free here says nothing.
        """
        facts = "MemTotal:  2000 kB\nMemFree: 1 kB\nMemAvailable:  900 kB\nHugePages_Total:  0\n"

        assert available_here(facts, 2000 * 1024) == 900 * 1024
        assert available_here(facts, 3000 * 1024) is None
        assert available_here("", 3000 * 1024) is None

    async def test_of_others_is_not_available(self) -> None:
        """
        Elsewhere the memory of the host counts, without what its containers use, and live's use says what comes.
        """
        world = await made()
        assert await problems(world, SECOND, REFUSE) == []

        world.usage["shop-r1-web-1"] = 7 * GIB
        (problem,) = await problems(world, SECOND, REFUSE)

        assert problem.startswith("the new containers may come to use 8.4 GiB of memory (most of it: web 8.4 GiB)")
        assert "has 9.0 GiB available, of which 1.6 GiB are kept" in problem

    async def test_that_is_short_is_a_note_unless_it_shall_refuse(self) -> None:
        """
        An estimate stops nothing by itself; an operator may have it refuse, or hear nothing of it.
        """
        notes = [line for line in await told(World(), GREEDY, BRIDGE) if "of memory" in line]

        assert [line.partition(" (")[0] for line in notes] == [
            "note: the new containers may come to use 20.0 GiB of memory"
        ]
        assert await problems(World(), GREEDY, BRIDGE) == []
        assert len(await problems(World(), GREEDY, REFUSE)) == 1
        assert not [line for line in await told(World(), GREEDY, IGNORE) if line.startswith("note")]

    async def test_that_nobody_tells_of_is_a_note(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """
        An engine that has no figures does not keep a stack from being made.
        """

        async def fails(*_: object) -> float:
            raise EngineError("could not list containers: no")

        monkeypatch.setattr(room, "_used_by_all", fails)

        (note,) = [line for line in await told(World(), FIRST, BRIDGE) if line.startswith("note")]

        assert note == "note: whether there is memory for shop-r1 could not be estimated: could not list containers: no"


class TestDisk:
    async def test_is_looked_at_for_copies(self, tmp_path: Path) -> None:
        """
        What is copied has to fit on the engine's disk; what is shared takes no room.
        """
        world = await made()
        world.info["DockerRootDir"] = str(tmp_path)
        assert await problems(world, SECOND, REFUSE) == []

        for volume in ("shop-r1_uploads", "shop-r1_data"):
            world.volumes[volume]["size"] = 2**60
        (problem,) = await problems(world, SECOND, REFUSE)

        assert problem.startswith("the copies of shop-r1_uploads take 1073741824.0 GiB, and the engine's disk has")

    async def test_elsewhere_is_unknown(self) -> None:
        """
        Of the disk of an engine on another host nothing is known, so nothing is said.
        """
        world = await made()
        world.volumes["shop-r1_uploads"]["size"] = 2**60

        world.info["DockerRootDir"] = "/nowhere/at/all"

        assert await problems(world, SECOND, REFUSE) == []


class TestAgain:
    async def test_is_never_short(self) -> None:
        """
        Live had its place before, and has to be made again whatever an estimate says.
        """
        again = order("shop", GREEDY.template, again=True, placement=Placement())

        assert await problems(World(), again, REFUSE) == []


@pytest.mark.docker
class TestOnAnEngine:
    async def test_is_reckoned_from_what_live_uses(self, app: str, provisioner_of: MakeProvisioner) -> None:
        """
        A real engine's figures say what live's containers use, and what no host has refuses a deploy that is to be.
        """
        provisioner = provisioner_of(options=REFUSE)
        live = await provisioner_of().create(order(app, template(server()), WEB), lambda _: None)
        beside = Placement(base=live.id)
        greedy = template(server(limits=Limits(memory_bytes=2**50)))
        wanted = order(app, greedy, WEB, revision=2, placement=beside)

        used = await room._used_by_live(provisioner._engine, provisioner._parts, wanted)
        refusals = [each.sentence for each in await provisioner.check(wanted) if each.is_refusal]

        assert list(used) == ["web"]
        assert MIB < used["web"] < GIB
        assert [each.partition(" (")[0] for each in refusals] == [
            "the new containers may come to use 1048576.0 GiB of memory"
        ]
