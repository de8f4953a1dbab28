"""Why it ended, for people and for programs."""

import getpass
from pathlib import Path

import pytest

from splitter.admin.wire import plain
from tests.admin.controllers import EXPLANATION, REPORT, FakeController
from tests.cli.terminal import daemon

ME = getpass.getuser()
HERE = Path.cwd()


class TestExplain:
    async def test_says_why_in_sentences(self, tmp_path: Path) -> None:
        """
        What the daemon says is printed line by line.
        """
        fake = FakeController()
        async with daemon(tmp_path, shop=fake) as terminal:
            ended = await terminal.typed("explain", "shop-12")

        assert ended.code == 0
        assert ended.lines == list(EXPLANATION.sentences)
        assert fake.calls == [("explain", "shop-12")]

    async def test_gives_programs_every_figure(self, tmp_path: Path) -> None:
        """
        With --json it is one object.
        """
        async with daemon(tmp_path, shop=FakeController()) as terminal:
            ended = await terminal.typed("explain", "--json")

        assert ended.values == [plain(EXPLANATION)]


class TestReport:
    @pytest.mark.parametrize(("words", "start"), [((), "Rollout shop-12"), (("--format", "markdown"), "# Rollout")])
    async def test_is_a_page(self, tmp_path: Path, words: tuple[str, ...], start: str) -> None:
        """
        Text for a terminal, Markdown for a ticket.
        """
        async with daemon(tmp_path, shop=FakeController()) as terminal:
            ended = await terminal.typed("report", "shop-12", *words)

        assert ended.out.startswith(start)
        assert "ann asked for shop-r12" in ended.out

    @pytest.mark.parametrize("words", [("--json",), ("--format", "json")])
    async def test_is_an_object_for_programs(self, tmp_path: Path, words: tuple[str, ...]) -> None:
        """
        Either way of asking for JSON gives the same line.
        """
        async with daemon(tmp_path, shop=FakeController()) as terminal:
            ended = await terminal.typed("report", *words)

        assert ended.values == [plain(REPORT)]

    async def test_gives_out_the_trace(self, tmp_path: Path) -> None:
        """
        What comes out can be redirected into a file and replayed: nothing else is printed.
        """
        async with daemon(tmp_path, shop=FakeController()) as terminal:
            ended = await terminal.typed("report", "--trace", "shop-12")

        assert ended.out == '{"type":"header"}\n{"t":0}\n'
