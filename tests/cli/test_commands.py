"""What all commands have in common."""

import getpass
from dataclasses import replace
from pathlib import Path

import pytest

from tests.admin.controllers import SPLITTING, FakeController
from tests.cli.terminal import daemon, typed

ME = getpass.getuser()
HERE = Path.cwd()


class TestApp:
    async def test_need_not_be_named_when_there_is_one(self, tmp_path: Path) -> None:
        """
        Most daemons have one app.
        """
        async with daemon(tmp_path, shop=FakeController()) as terminal:
            assert (await terminal.typed("pause")).code == 0

    async def test_must_be_named_when_there_are_several(self, tmp_path: Path) -> None:
        """
        Nobody's app is rolled back by guess.
        """
        other = FakeController(now=replace(SPLITTING, app="blog"))
        async with daemon(tmp_path, shop=FakeController(), blog=other) as terminal:
            unnamed = await terminal.typed("rollback")
            named = await terminal.typed("rollback", "--app", "blog")

        assert (unnamed.code, unnamed.err) == (2, "splitter: which app? Say --app with one of: blog, shop\n")
        assert (named.code, len(other.calls)) == (0, 1)


class TestDaemonThatIsNotThere:
    @pytest.mark.parametrize("command", ["status", "watch", "events", "pause"])
    def test_has_an_exit_code_of_its_own(self, tmp_path: Path, command: str) -> None:
        """
        A pipeline can tell a daemon that is down from a rollout that failed; people are told which socket.
        """
        ended = typed(command, "--socket", tmp_path / "s.sock")

        assert ended.code == 4
        assert f"no daemon answers on {tmp_path / 's.sock'}" in ended.err

    def test_is_an_object_for_programs(self, tmp_path: Path) -> None:
        """
        With --json the error is JSON, too.
        """
        ended = typed("status", "--json", "--socket", tmp_path / "s.sock")

        assert (ended.code, ended.values[0]["error"]["kind"]) == (4, "unreachable")
