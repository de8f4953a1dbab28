"""What the documents say is there: links, commands, options, metrics, states."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer

from splitter.cli.commands import app
from splitter.config.document import Document
from splitter.config.outline import options
from splitter.kpi import Ledger
from splitter.rollout.machine import State
from tests.admin.test_metrics import figures, scraped_name

ROOT = Path(__file__).parent.parent
DOCUMENTS = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("benchmarks/**/README.md")])
SECTIONS = ("proxy", "rollout", "analysis", "admin", "docker", "health", "listeners", "routes", "rollback_cost", "apps")

documents = pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))


def code(text: str) -> Iterator[str]:
    """Yield what a document shows as code: the lines of its blocks, and its spans."""
    for block in re.findall(r"^```[a-z]*\n(.*?)^```", text, re.MULTILINE | re.DOTALL):
        yield from block.splitlines()
    prose = re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL)
    yield from re.findall(r"`([^`\n]+)`", prose)


class TestLinks:
    @documents
    def test_lead_somewhere(self, path: Path) -> None:
        """
        A link to a file of the project names one that is there.
        """
        links = re.findall(r"\]\(([^)#\s]+)[^)]*\)", path.read_text())
        inside = [link for link in links if "://" not in link and not link.startswith("mailto:")]

        assert [link for link in inside if not (path.parent / link).exists()] == []

    def test_lead_to_every_page(self) -> None:
        """
        Whoever begins at the README finds each page.
        """
        pages = {str(path.relative_to(ROOT)) for path in ROOT.glob("docs/**/*.md")}

        assert pages - set(re.findall(r"\]\(([^)#\s]+)\)", (ROOT / "README.md").read_text())) == set()


class TestCommands:
    @documents
    def test_can_be_typed(self, path: Path) -> None:
        """
        Every `splitter …` of a document is a command that has the options shown.
        """
        group = typer.main.get_command(app)
        assert isinstance(group, typer.core.TyperGroup)
        wrong = []
        for line in code(path.read_text()):
            if (typed := re.match(r"splitter ([a-z]+)\b(?!:)([^#|]*)", line)) is None:
                continue
            command = group.commands.get(typed[1])
            known = {name for param in (command.params if command else []) for name in (*param.opts, "--help")}
            shown = set(re.findall(r"(?<!\S)--[a-z-]+", typed[2]))
            if command is None or (not isinstance(command, typer.core.TyperGroup) and shown - known):
                wrong.append(line)

        assert wrong == []


class TestOptions:
    @documents
    def test_are_those_of_the_configuration(self, path: Path) -> None:
        """
        An option that a document names by its section, as `proxy.head_max`, is one that can be written.
        """
        known = {".".join(part for part in option.path if part != "*") for option in options(Document)}
        named = [
            re.sub(r"\[\]|\.(\*|<name>)", "", span)
            for span in code(path.read_text())
            if not span.endswith(".sock")
            and re.fullmatch(rf"({'|'.join(SECTIONS)})(\[\])?(\.(\*|<name>|[a-z][a-z0-9_]*(\[\])?))+", span)
        ]

        assert [name for name in named if not any(f".{each}".endswith(f".{name}") for each in known)] == []


class TestMetrics:
    @documents
    def test_are_those_of_the_scrape(self, path: Path) -> None:
        """
        A metric that a document names is one that is there.
        """
        known = {scraped_name(family) for family in figures(Ledger(lambda: 1.0)).collect()}
        named = set(re.findall(r"\bsplitter_[a-z_]+", path.read_text()))

        assert {name for name in named if re.sub(r"_(bucket|sum|count)$", "", name) not in known} == set()


class TestStates:
    def test_are_explained_to_whoever_is_woken(self) -> None:
        """
        The page for operators has every state of the table in a row, with what to do.
        """
        rows = re.findall(
            r"^\| ((?:\(none\)|[A-Z_]+)(?:, [A-Z_]+)*) \|", (ROOT / "docs/operations.md").read_text(), re.M
        )
        night = {state for row in rows[:12] for state in row.split(", ")}

        assert set(State) - night == set()
