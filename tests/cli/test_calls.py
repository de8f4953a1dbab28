"""Which daemon is meant."""

from pathlib import Path

import pytest

from splitter.cli.calls import end_of, find_config, find_socket
from splitter.cli.outcome import Exit
from splitter.errors import ConfigError, OperatorError
from tests.config.documents import GOOD


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Work in an empty folder, without hints from the environment."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("SPLITTER_SOCKET", raising=False)
    return tmp_path


class TestSocket:
    def test_that_is_named_wins(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """
        An option is nearer than a variable, a variable nearer than a file.
        """
        monkeypatch.setenv("SPLITTER_SOCKET", "/from/environment")

        assert find_socket(Path("/named"), Path("splitter.yaml")) == Path("/named")
        assert find_socket(None, Path("splitter.yaml")) == Path("/from/environment")

    def test_is_found_by_the_configuration(self, elsewhere: Path) -> None:
        """
        Where the daemon was started, the file says where its socket is.
        """
        (elsewhere / "config").mkdir()
        (elsewhere / "config/splitter.yaml").write_text(GOOD + "admin: {socket: '../${NAME:-s}.sock'}\n")

        assert find_socket(None, None) == elsewhere / "s.sock"

    def test_needs_no_secret_of_the_daemon(self, elsewhere: Path) -> None:
        """
        Variables that only the daemon has, and mistakes elsewhere in the file, do not stand in the way of a caller.
        """
        (elsewhere / "splitter.yaml").write_text(GOOD + "admin: {token: '${SECRET}'}\nnonsense: true\n")

        assert find_socket(None, None) == elsewhere / "run/splitter.sock"

    @pytest.mark.parametrize("text", ["- a\n", "admin: 3\n", "", "admin: {socket: null}\n"])
    def test_has_a_default(self, elsewhere: Path, text: str) -> None:
        """
        A file that says nothing of a socket means the usual one.
        """
        (elsewhere / "splitter.yaml").write_text(text)

        assert find_socket(None, None) == elsewhere / "run/splitter.sock"

    def test_that_cannot_be_read_has_its_place(self, elsewhere: Path) -> None:
        """
        A file that is no YAML is a mistake with a line.
        """
        (elsewhere / "splitter.yaml").write_text("admin: {socket: '${'}\n")

        with pytest.raises(ConfigError, match=r"splitter\.yaml:1:17: admin\.socket"):
            find_socket(None, None)

    def test_that_nothing_names_is_asked_for(self) -> None:
        """
        Without any hint the caller is told the three ways to give one.
        """
        with pytest.raises(OperatorError, match=r"--socket or SPLITTER_SOCKET, or its configuration with -c"):
            find_socket(None, None)


class TestConfiguration:
    def test_is_looked_for_here(self, elsewhere: Path) -> None:
        """
        The folder's own file is nearer than its config folder's.
        """
        (elsewhere / "config").mkdir()
        (elsewhere / "config/splitter.yaml").touch()
        assert find_config(None) == Path("config/splitter.yaml")

        (elsewhere / "splitter.yaml").touch()
        assert find_config(None) == Path("splitter.yaml")
        assert find_config(Path("/other.yaml")) == Path("/other.yaml")


class TestEnd:
    @pytest.mark.parametrize(
        ("state", "expected"),
        [
            ("STANDBY", Exit.OK),
            ("PROMOTED", Exit.OK),
            ("ROLLED_BACK", Exit.ROLLED_BACK),
            ("HELD", Exit.HELD),
            ("AWAITING_OVERRIDE", Exit.HELD),
            ("HALTED", Exit.HELD),
            ("DRAINING", None),
            ("", None),
        ],
    )
    def test_is_a_state_of_this_rollout(self, state: str, expected: Exit | None) -> None:
        """
        Only what ends a rollout, or waits for a person, ends the waiting; another rollout's end does not.
        """
        assert end_of({"rollout": "shop-2", "state": state}, "shop-2") == expected
        assert end_of({"rollout": "shop-3", "state": state}, "shop-2") is None
