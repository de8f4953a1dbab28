import json
from pathlib import Path

import pytest

from splitter.cli.templates import found_files
from splitter.errors import OperatorError
from tests.cli.terminal import typed
from tests.config.documents import GOOD


class TestConfig:
    def test_prints_what_files_mean_together(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """
        Without a configuration files are read as Compose reads them; what is printed is a Compose file again.
        """
        monkeypatch.chdir(tmp_path)
        (tmp_path / "a.yaml").write_text("name: shop\nservices: {web: {image: 'web:${TAG}', command: 'echo $$HOME'}}\n")
        (tmp_path / "b.yaml").write_text("services: {web: {user: '1000'}}\n")

        ended = typed("config", "a.yaml", "b.yaml", "-e", "TAG=2")
        (tmp_path / "c.yaml").write_text(ended.out)
        again = typed("config", "c.yaml")

        assert (ended.code, again.code) == (0, 0)
        assert "image: web:2" in ended.out
        assert "- $$HOME" in ended.out
        assert again.out == ended.out

    def test_prints_json(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """
        The same as one JSON value.
        """
        monkeypatch.chdir(tmp_path)
        (tmp_path / "compose.yaml").write_text("name: shop\nservices: {web: {image: web}}\n")

        printed = json.loads(typed("config", "--json").out)

        assert printed["name"] == "shop"
        assert printed["services"]["web"]["image"] == "web"

    def test_of_an_app(self, tmp_path: Path) -> None:
        """
        With a configuration the template is the app's, with the app's name.
        """
        (tmp_path / "splitter.yaml").write_text(GOOD)
        (tmp_path / "compose.yaml").write_text("services: {web: {image: shop}}\n")

        ended = typed("config", "-c", tmp_path / "splitter.yaml")

        assert ended.out.startswith("name: shop\n")

    def test_profiles(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """
        A profile that is named is on.
        """
        monkeypatch.chdir(tmp_path)
        (tmp_path / "compose.yaml").write_text("services: {a: {image: a}, b: {image: b, profiles: [x]}}\n")

        assert "image: b" not in typed("config").out
        assert "image: b" in typed("config", "--profile", "x").out

    def test_mistakes(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """
        What is wrong is said with its place, and nothing is printed.
        """
        monkeypatch.chdir(tmp_path)
        (tmp_path / "compose.yaml").write_text("services: {a: {imag: a}}\n")

        ended = typed("config")

        assert (ended.code, ended.out) == (2, "")
        assert f"{tmp_path}/compose.yaml:1:16: services.a.imag: unknown key" in ended.err


class TestFoundFiles:
    def test_the_nearest_one_with_its_override(self, tmp_path: Path) -> None:
        """
        The first name of the nearest folder counts, and the override beside it.
        """
        below = tmp_path / "a" / "b"
        below.mkdir(parents=True)
        for name in ("docker-compose.yml", "compose.yml", "compose.override.yml", "docker-compose.override.yml"):
            (tmp_path / name).touch()

        assert found_files(below) == [tmp_path / "compose.yml", tmp_path / "compose.override.yml"]

    def test_none(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """
        Where there is none, files must be named.
        """
        monkeypatch.setattr("splitter.cli.templates.COMPOSE_FILES", ("surely-not-there.yaml",))

        with pytest.raises(OperatorError, match="name the Compose files"):
            found_files(tmp_path)
