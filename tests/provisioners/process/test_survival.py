import asyncio
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from provisioners.process import ProcessProvisioner
from splitter.model import ServicePort, StackId
from tests.provisioners.process.stage import ask_pid, collect, endpoint, eventually, is_running, left_of

ROOT = Path(__file__).parents[3]
ID = StackId("shop-r1")
Fresh = Callable[[], ProcessProvisioner]


async def kill_daemon(story: str, installation: str, tmp_path: Path, *words: str) -> None:
    """Return once a daemon has got as far as `story` says and was killed."""
    daemon = await asyncio.create_subprocess_exec(
        sys.executable,
        str(Path(__file__).with_name("daemon.py")),
        story,
        installation,
        str(tmp_path / "state"),
        *words,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )

    assert await daemon.wait() == -signal.SIGKILL


class TestKilledWhenUp:
    async def test_the_stack_goes_on(self, fresh: Fresh, installation: str, tmp_path: Path) -> None:
        """
        The processes of a killed daemon answer, and the next one finds the stack whole.
        """
        await kill_daemon("die-when-up", installation, tmp_path)

        (found,) = await fresh().find()

        assert found.missing == ()
        assert found.stack is not None
        assert len({await ask_pid(each) for each in found.stack.endpoints[ServicePort("web")]}) == 2

    async def test_the_next_daemon_sees_it_die(self, fresh: Fresh, installation: str, tmp_path: Path) -> None:
        """
        Processes that are not our children are watched, too; their exit codes are not known.
        """
        await kill_daemon("die-when-up", installation, tmp_path)
        provisioner = fresh()
        (found,) = await provisioner.find()
        assert found.stack is not None
        watch = asyncio.create_task(collect(provisioner))
        await eventually(lambda: ID in provisioner._kept)

        os.kill(await ask_pid(endpoint(found.stack)), signal.SIGKILL)

        assert "service web (replica 1 of 2) ended (it was started by an earlier run" in str(await watch)

    async def test_the_next_daemon_retires_it(self, fresh: Fresh, installation: str, tmp_path: Path) -> None:
        """
        Nothing of the stack is left after the next daemon has retired it.
        """
        await kill_daemon("die-when-up", installation, tmp_path)
        provisioner = fresh()

        await provisioner.retire(ID)

        assert left_of(installation) == []
        assert await provisioner.find() == []


class TestKilledHalfWay:
    async def test_the_stack_is_found_in_part(self, fresh: Fresh, installation: str, tmp_path: Path) -> None:
        """
        A stack that was being made is not whole, and what there is of it can be retired.
        """
        await kill_daemon("die-half-way", installation, tmp_path)
        provisioner = fresh()

        (found,) = await provisioner.find()
        assert (found.stack, found.missing) == (None, ("job", "web"))
        await provisioner.retire(ID)

        assert left_of(installation) == []

    async def test_what_is_not_written_down_never_runs(self, fresh: Fresh, installation: str, tmp_path: Path) -> None:
        """
        A process whose daemon dies before it is in a record ends by itself, without having been the service.
        """
        await kill_daemon("die-before-a-record", installation, tmp_path, "1")

        await eventually(lambda: left_of(installation) == [])

        assert (tmp_path / "state/process/shop/shop-r1/web-1.log").read_text() == ""

    @pytest.mark.parametrize("last", range(1, 7))
    async def test_nothing_is_left_wherever_it_was(
        self, fresh: Fresh, installation: str, tmp_path: Path, last: int
    ) -> None:
        """
        A daemon that is killed between any two steps of a create leaves what the next one finds and ends.
        """
        await kill_daemon("die-before-a-record", installation, tmp_path, str(last))
        provisioner = fresh()

        (found,) = await provisioner.find()
        assert found.stack is None
        await provisioner.retire(found.id)

        assert left_of(installation) == []
        assert await provisioner.find() == []

    async def test_a_retirement_is_finished(self, fresh: Fresh, installation: str, tmp_path: Path) -> None:
        """
        A daemon that is killed while it waits for a process to end leaves the rest to the next one.
        """
        await kill_daemon("die-while-retiring", installation, tmp_path)
        (pid,) = left_of(installation)
        os.kill(pid, signal.SIGKILL)
        await eventually(lambda: not is_running(pid))
        provisioner = fresh()

        await provisioner.retire(ID)

        assert await provisioner.find() == []
