import threading
from dataclasses import replace
from pathlib import Path

import pytest

from provisioners.docker.contexts import digest
from splitter.template import Build

GO_ON = threading.Event()


@pytest.fixture
def context(tmp_path: Path) -> Path:
    """A folder with a Dockerfile, a program, a link to it, and what the builder is not to see."""
    folder = tmp_path / "context"
    (folder / "src").mkdir(parents=True)
    (folder / "Dockerfile").write_text("FROM scratch\nCOPY src /src\n")
    (folder / "src" / "app.py").write_text("print('one')\n")
    (folder / "src" / "main").symlink_to("app.py")
    (folder / "notes.txt").write_text("one")
    (folder / ".dockerignore").write_text("# what is mine\n*.txt\n")
    return folder


def seen(context: Path) -> str:
    return digest(Build(str(context)), GO_ON)


class TestDigest:
    def test_is_not_known_with_other_contexts(self, context: Path) -> None:
        """
        What a build takes from elsewhere is not looked at, so nothing is said to be equal.
        """
        assert digest(Build(str(context), additional_contexts={"lib": str(context)}), GO_ON) == ""

    def test_is_equal_for_equal_files(self, context: Path, tmp_path: Path) -> None:
        """
        The same files elsewhere, written at another time, are the same build; what is ignored is not looked at.
        """
        before = seen(context)
        (context / "notes.txt").write_text("two")
        (context / "src" / "app.py").touch()

        moved = context.rename(tmp_path / "elsewhere")

        assert before == seen(moved)

    @pytest.mark.parametrize("change", ["content", "mode", "name", "link", "Dockerfile", "ignored"])
    def test_sees_what_the_builder_sees(self, context: Path, change: str) -> None:
        """
        Another content, mode, name or target, and another choice of files, are another build.
        """
        before = seen(context)
        program = context / "src" / "app.py"
        match change:
            case "content":
                program.write_text("print('two')\n")
            case "mode":
                program.chmod(0o755)
            case "name":
                program.rename(context / "src" / "main.py")
            case "link":
                (context / "src" / "main").unlink()
                (context / "src" / "main").symlink_to("/bin/true")
            case "Dockerfile":
                (context / "Dockerfile").write_text("FROM scratch\n")
            case "ignored":
                (context / ".dockerignore").write_text("")

        assert before != seen(context)

    def test_sees_how_it_is_built(self, context: Path) -> None:
        """
        Arguments and the target make another image; labels and caches do not.
        """
        build = Build(str(context))
        others = [
            replace(build, args={"A": "1"}),
            replace(build, target="test"),
            replace(build, platform="linux/arm64"),
        ]

        found = {digest(each, GO_ON) for each in (build, *others)}

        assert len(found) == 4
        assert digest(replace(build, labels={"a": "b"}, cache_from=("x:1",)), GO_ON) == seen(context)

    def test_sees_a_dockerfile_that_lies_elsewhere(self, context: Path) -> None:
        """
        A Dockerfile beside the context is sent to the engine too.
        """
        outside = context.parent / "Dockerfile.web"
        outside.write_text("FROM scratch\n")
        build = Build(str(context), dockerfile="../Dockerfile.web")
        before = digest(build, GO_ON)

        outside.write_text("FROM scratch\nENV A=1\n")

        assert before
        assert before != digest(build, GO_ON)

    def test_is_unknown_where_nothing_can_be_read(self, context: Path) -> None:
        """
        A folder that is not there, or a look that was given up, says nothing.
        """
        given_up = threading.Event()
        given_up.set()

        assert digest(Build(str(context / "nowhere")), GO_ON) == ""
        assert digest(Build(str(context)), given_up) == ""
