"""House rules that no other tool checks."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SOURCES = sorted([*ROOT.glob("splitter/**/*.py"), *ROOT.glob("provisioners/**/*.py")])
LINES_MAX = 400


def name(path: Path) -> str:
    return str(path.relative_to(ROOT))


class TestRooms:
    def test_package_root_is_empty(self) -> None:
        """
        Imports through a package root are where cycles come from, so there is nothing to import.
        """
        assert (ROOT / "splitter/__init__.py").read_text() == ""

    @pytest.mark.parametrize("path", [path for path in SOURCES if path.stat().st_size], ids=name)
    def test_module_says_what_it_is_for(self, path: Path) -> None:
        """
        Every module that holds code opens with a docstring.
        """
        assert ast.get_docstring(ast.parse(path.read_text())), f"{name(path)} has no docstring"

    @pytest.mark.parametrize("path", SOURCES, ids=name)
    def test_long_module_says_why(self, path: Path) -> None:
        """
        No module is longer than 400 lines without a reason at its head, in a line that begins with `Long because`.
        """
        text = path.read_text()

        assert len(text.splitlines()) <= LINES_MAX or "Long because" in (ast.get_docstring(ast.parse(text)) or "")


class TestHotPath:
    def test_starts_no_task_per_request(self) -> None:
        """
        The request path is callbacks: no coroutine in the exchange and its connections.
        """
        for room in ("exchange", "upstream"):
            tree = ast.parse((ROOT / f"splitter/proxy/{room}.py").read_text())
            tasks = [node for node in ast.walk(tree) if isinstance(node, ast.Attribute) and node.attr == "create_task"]

            assert tasks == [], f"proxy/{room}.py starts a task"


class TestContributing:
    def test_has_a_room_for_every_line(self) -> None:
        """
        The table that newcomers look into names every room, and none that is not there.
        """
        page = (ROOT / "CONTRIBUTING.md").read_text()
        table = page.partition("| a line about … | goes to |")[2].partition("\n\n")[0]
        places = " ".join(row.split("|")[2] for row in table.splitlines() if row)
        named = {word.partition("/")[0] for word in re.findall(r"`([a-z0-9_/]+)`", places)}
        rooms = {path.stem for path in (ROOT / "splitter").iterdir() if path.suffix == ".py" or path.is_dir()}
        inside = {path.stem for path in SOURCES}

        assert {room for room in rooms if not room.startswith("_")} - named == set()
        assert named - rooms - inside - {"provisioners", "docker", "process"} == set()


class TestReadme:
    def test_names_only_targets_that_exist(self) -> None:
        """
        Every `make` target that the documents name is one of the Makefile's.
        """
        targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
        documents = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "benchmarks/README.md"]
        named = {word for path in documents for word in re.findall(r"`make ([a-z-]+)`", path.read_text())}

        assert named - targets == set()
        assert "demo" in named
        assert "test" in named
