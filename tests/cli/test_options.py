"""Every command has the options that people expect, and says what it is for."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import typer

from splitter.cli.commands import app
from splitter.cli.options import Asked, asks
from tests.cli.terminal import typed


def commands() -> Iterator[tuple[str, ...]]:
    """Yield every command that can be typed, as the words for it."""
    for each in app.registered_commands:
        assert each.callback is not None
        yield (each.name or each.callback.__name__,)
    for group in app.registered_groups:
        assert group.typer_instance is not None
        yield from ((group.name or "", each.name or "") for each in group.typer_instance.registered_commands)


class TestCommands:
    @pytest.mark.parametrize("words", list(commands()), ids=" ".join)
    def test_have_json(self, words: tuple[str, ...]) -> None:
        """
        A program can read what any command says.
        """
        ended = typed(*words, "--help", environment={"COLUMNS": "200"})

        assert ended.code == 0
        assert "--json" in ended.out

    @pytest.mark.parametrize("words", list(commands()), ids=" ".join)
    def test_explain_each_option(self, words: tuple[str, ...]) -> None:
        """
        Every command and each of its options has a sentence.
        """
        group = typer.main.get_command(app)
        for word in words:
            group = group.commands[word] if isinstance(group, typer.core.TyperGroup) else group

        assert (group.help or "").rstrip().endswith(".")
        assert [each.name for each in group.params if not str(getattr(each, "help", "")).endswith(".")] == []


class TestAsks:
    def test_gives_a_command_the_shared_options(self, tmp_path: Path) -> None:
        """
        What is a field of `Asked` is an option of the command, behind those of its own.
        """
        seen: list[tuple[Asked, int]] = []

        @asks
        def example(asked: Asked, count: int = 1) -> None:
            seen.append((asked, count))

        alone = typer.Typer()
        alone.command()(example)
        typer.main.get_command(alone).main(
            ["--count", "3", "--app", "shop", "--json", "-c", "a.yaml"], standalone_mode=False
        )

        assert seen == [(Asked(config=Path("a.yaml"), named="shop", as_json=True), 3)]
