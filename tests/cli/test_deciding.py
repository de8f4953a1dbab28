"""A person's decisions, as they are typed."""

import getpass
from pathlib import Path

import pytest

from splitter.errors import RefusedError, StateError
from splitter.rollout.controller import Command
from tests.admin.controllers import FakeController
from tests.cli.terminal import daemon, typed

ME = getpass.getuser()
HERE = Path.cwd()


class TestAdopt:
    async def test_takes_a_running_project_over(self, tmp_path: Path) -> None:
        """
        The project is named as Compose names it; what there is to know about it comes first.
        """
        fake = FakeController()
        async with daemon(tmp_path, shop=fake) as terminal:
            ended = await terminal.typed("adopt", "old")

        assert ended.code == 0
        assert ended.lines == ["web: old-web-1 is in sync", "shop: old is taken over as shop-r1"]
        assert fake.calls == [("adopt", "old", ME)]


class TestCommand:
    @pytest.mark.parametrize("command", list(Command))
    async def test_says_who_and_why(self, tmp_path: Path, command: Command) -> None:
        """
        Every command of the table can be typed; the journal learns who and why.
        """
        fake = FakeController()
        async with daemon(tmp_path, shop=fake) as terminal:
            ended = await terminal.typed(command.value, "--by", "ann", "--why", "because")

        assert (ended.code, ended.out) == (0, "shop: splitting\n")
        assert fake.calls == [(command, "ann", "because", "")]

    async def test_consent_may_name_its_change_set(self, tmp_path: Path) -> None:
        """
        An override for the change set that was planned is refused by the daemon if another one waits.
        """
        fake = FakeController()
        async with daemon(tmp_path, shop=fake) as terminal:
            ended = await terminal.typed("override", "--by", "ann", "--why", "because", "--change-set", "0123abcd")

        assert ended.code == 0
        assert fake.calls == [(Command.OVERRIDE, "ann", "because", "0123abcd")]

    @pytest.mark.parametrize("command", ["promote", "override"])
    def test_that_overrules_the_judge_needs_a_reason(self, command: str) -> None:
        """
        Who takes the responsibility says why.
        """
        ended = typed(command)

        assert ended.code == 2
        assert "--why" in ended.err

    async def test_that_is_not_legal_says_what_is(self, tmp_path: Path) -> None:
        """
        A refusal is an error object for programs as well.
        """
        refusal = RefusedError("undo is not legal in SPLITTING; legal are: pause")
        async with daemon(tmp_path, shop=FakeController(refusal=refusal)) as terminal:
            ended = await terminal.typed("undo", "--json")

        assert ended.code == 2
        assert ended.values == [{"error": {"kind": "refused", "message": str(refusal)}}]

    async def test_that_cannot_be_journaled_says_so(self, tmp_path: Path) -> None:
        """
        A full disk is the daemon's sentence, not a traceback.
        """
        async with daemon(tmp_path, shop=FakeController(refusal=StateError("the disk is full"))) as terminal:
            ended = await terminal.typed("pause")

        assert (ended.code, ended.err) == (2, "splitter: the disk is full\n")


class TestPark:
    async def test_parks_and_unparks(self, tmp_path: Path) -> None:
        """
        The commands say for how long at most, and how many waited.
        """
        async with daemon(tmp_path, shop=FakeController()) as terminal:
            parked = await terminal.typed("park", "--for", "1500ms")
            unparked = await terminal.typed("unpark", "--json")

        assert (parked.code, parked.out) == (0, "shop: new requests wait, for 1.5 s at most\n")
        assert (unparked.code, unparked.values) == (0, [{"app": "shop", "parked": False, "waited": 3}])

    async def test_refuses_what_is_no_time(self, tmp_path: Path) -> None:
        """
        A number without a unit is a mistake of usage.
        """
        async with daemon(tmp_path, shop=FakeController()) as terminal:
            ended = await terminal.typed("park", "--for", "5")

        assert (ended.code, ended.out) == (2, "")
        assert "--for 5: '5' has no unit" in ended.err
