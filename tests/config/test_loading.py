"""From a file to options: what is read, what variables do, and how a file fails that cannot be read at all."""

from pathlib import Path

import pytest

from splitter.config import load_config
from splitter.errors import ConfigError
from tests.config.documents import GOOD, mistakes, read, with_app


class TestGoodFile:
    def test_needs_little(self) -> None:
        """
        A listener, an app, its template and a route are enough.
        """
        config = read(GOOD)

        assert [str(each) for each in config.apps["shop"].routes] == ["route / of app shop"]

    def test_of_the_disk_resolves_paths_from_its_folder(self, tmp_path: Path) -> None:
        """
        Relative paths mean the file's folder, wherever the daemon was started.
        """
        (tmp_path / "splitter.yaml").write_text(GOOD)

        config = load_config(tmp_path / "splitter.yaml")

        assert config.state_dir == tmp_path / "state"
        assert config.admin.socket == tmp_path / "run/splitter.sock"
        assert config.apps["shop"].template_files == (str(tmp_path / "compose.yaml"),)

    def test_may_begin_with_a_byte_order_mark(self, tmp_path: Path) -> None:
        """
        Editors of some systems put a mark before the text.
        """
        (tmp_path / "splitter.yaml").write_text(GOOD, encoding="utf-8-sig")

        assert "shop" in load_config(tmp_path / "splitter.yaml").apps

    def test_may_hold_private_keys(self) -> None:
        """
        Keys that begin with x- are the user's, for anchors.
        """
        text = "x-times: &times {hold: 7s}\n" + with_app("rollout:\n  <<: *times")

        assert read(text).apps["shop"].rollout.hold_s == 7.0


class TestUnreadableFile:
    def test_that_is_missing_is_named(self, tmp_path: Path) -> None:
        """
        A wrong path is a sentence, not a traceback.
        """
        with pytest.raises(ConfigError, match=r"nothing\.yaml: there is no such file"):
            load_config(tmp_path / "nothing.yaml")

    def test_that_is_a_folder_is_named(self, tmp_path: Path) -> None:
        """
        What the system refuses is said with its reason.
        """
        with pytest.raises(ConfigError, match="cannot be read"):
            load_config(tmp_path)

    def test_that_is_no_text_is_named(self, tmp_path: Path) -> None:
        """
        Another encoding is refused, not guessed.
        """
        (tmp_path / "splitter.yaml").write_bytes(b"apps: \xff\n")

        with pytest.raises(ConfigError, match=r"is not UTF-8 text \(byte 7\)"):
            load_config(tmp_path / "splitter.yaml")

    @pytest.mark.parametrize("text", ["", "# only a comment\n", "- a list\n", "words\n"])
    def test_that_is_no_mapping_is_told_what_to_write(self, text: str) -> None:
        """
        An empty file and a file of something else get an example.
        """
        assert "write options, for example listeners: and apps:" in mistakes(text)[0]

    def test_with_a_syntax_error_has_its_place(self) -> None:
        """
        YAML that cannot be parsed is one mistake at its line.
        """
        assert mistakes("apps: [1\n")[0].startswith("2:1: ")

    def test_with_a_key_twice_has_both_places(self) -> None:
        """
        YAML libraries take the last of two keys; we take none.
        """
        assert "stands here twice; the first is on line 1" in mistakes(GOOD + "listeners: []\n")[0]

    def test_with_a_tag_is_refused(self) -> None:
        """
        The tags of Compose files mean nothing here.
        """
        assert mistakes("state_dir: !reset x\n" + GOOD) == [
            "1:12: state_dir: the tag !reset has no meaning here; remove it"
        ]


class TestVariable:
    def test_is_replaced(self) -> None:
        """
        Values, parts of values and numbers may come from the environment.
        """
        text = GOOD.replace("port: 8000", "port: '${PORT}'").replace("compose.yaml", "${DIR:-.}/${NAME}.yaml")

        app = read(text, {"PORT": "9000", "NAME": "v2"}).apps["shop"]

        assert app.routes[0].port == 9000
        assert app.template_files == ("/etc/splitter/v2.yaml",)

    def test_that_is_not_set_is_a_mistake_at_its_place(self) -> None:
        """
        An empty secret would be worse than none, so nothing is taken as empty silently.
        """
        text = GOOD + "admin:\n  token: ${SECRET}\n"

        assert mistakes(text) == [
            "10:10: admin.token: the variable SECRET is not set; set it, or write ${SECRET:-default}"
        ]

    def test_that_must_be_set_says_why(self) -> None:
        """
        `:?` gives the file's own reason.
        """
        assert mistakes(GOOD + "admin: {token: '${SECRET:?ask ops}'}\n") == [
            "9:16: admin.token: the variable SECRET must be set: ask ops"
        ]

    def test_keeps_its_value_out_of_messages(self) -> None:
        """
        A secret that is wrong is not printed.
        """
        text = GOOD + "admin: {token: '${SECRET}'}\nalerts: [{url: '${HOOK}'}]\n"

        found = mistakes(text, {"SECRET": "hunter2", "HOOK": "slack://hunter2@chan"})

        assert len(found) == 2
        assert not any("hunter2" in each for each in found)


class TestSpelling:
    def test_of_numbers_survives(self) -> None:
        """
        What looks like a number stays as it was written where text is wanted.
        """
        app = read(with_app("environment: {VERSION: 1.10, MODE: 0755, ON: true}")).apps["shop"]

        assert app.environment == {"VERSION": "1.10", "MODE": "0755", "ON": "true"}
