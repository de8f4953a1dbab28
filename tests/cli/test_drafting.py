"""`splitter init`, as somebody types it who has a Compose file and nothing else."""

from pathlib import Path

import pytest

from splitter.config import load_config
from tests.cli.terminal import typed

COMPOSE = "name: shop\nservices: {web: {image: web, ports: ['8000:80']}, api: {image: api, ports: ['9000']}}\n"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Work in a folder with a Compose file."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "compose.yaml").write_text(COMPOSE)
    return tmp_path


class TestInit:
    def test_writes_what_validate_finds_good(self, folder: Path) -> None:
        """
        The next command that somebody types works.
        """
        ended = typed("init")

        assert (ended.code, ended.lines[0]) == (0, "splitter.yaml: written; 0.0.0.0:8000 leads to web:80 of app shop")
        assert "note: api:9000 is reached by nobody yet: give it a host or a path in splitter.yaml" in ended.lines
        assert typed("validate").lines[-1] == "splitter.yaml: good; apps: shop"

    def test_never_overwrites(self, folder: Path) -> None:
        """
        A file that is there may be somebody's work.
        """
        (folder / "splitter.yaml").write_text("mine")

        ended = typed("init")

        assert (ended.code, ended.out) == (2, "")
        assert ended.err == "splitter: splitter.yaml is there already: name another file with -o, or remove it\n"
        assert (folder / "splitter.yaml").read_text() == "mine"

    def test_says_why_it_cannot_write(self, folder: Path) -> None:
        """
        A folder that is not there is a sentence.
        """
        ended = typed("init", "-o", "nowhere/splitter.yaml")

        assert (ended.code, "nowhere/splitter.yaml cannot be written: No such file" in ended.err) == (2, True)

    def test_prints_to_a_pipe(self, folder: Path) -> None:
        """
        `-` is standard output, as elsewhere; nothing else is printed there.
        """
        ended = typed("init", "-o", "-", "--service", "api")
        (folder / "other.yaml").write_text(ended.out)

        assert [rule.service for rule in load_config(folder / "other.yaml", {}).apps["shop"].routes] == ["api"]
        assert not (folder / "splitter.yaml").exists()

    def test_names_files_from_where_they_are_read(self, folder: Path) -> None:
        """
        Relative paths of a configuration begin at its own folder.
        """
        (folder / "deploy").mkdir()

        ended = typed("init", "compose.yaml", "-o", "deploy/splitter.yaml")

        app = load_config(folder / "deploy/splitter.yaml", {}).apps["shop"]
        assert (ended.code, app.template_files) == (0, (str(folder / "compose.yaml"),))

    def test_of_processes(self, folder: Path) -> None:
        """
        A file of commands without images is drafted for child processes.
        """
        (folder / "compose.yaml").write_text("services: {web: {command: [serve]}}\n")

        ended = typed("init", "--provisioner", "process", "--service", "web:80", "--json")

        assert ended.code == 0
        assert ended.values[0]["route"] == {"service": "web", "port": 80, "published": None}
        assert typed("validate").code == 0

    def test_says_what_is_wrong_with_the_template(self, folder: Path) -> None:
        """
        Mistakes have their place, and nothing is written.
        """
        (folder / "compose.yaml").write_text("services: {web: {imag: web}}\n")

        ended = typed("init")

        assert (ended.code, "compose.yaml:1:18: services.web.imag: unknown key" in ended.err) == (2, True)
        assert not (folder / "splitter.yaml").exists()
