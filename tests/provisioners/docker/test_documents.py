import hashlib
import io
import tarfile
from pathlib import Path
from typing import Any

import pytest

from provisioners.docker import documents
from splitter.errors import StackError
from splitter.template import Document, Grant, Service, Template
from tests.provisioners.docker.stage import server, template

AS_FILE = "give it as a file without uid, gid and mode, or drop read_only"
VARIABLE = "A_VARIABLE_THAT_IS_NOT_SET"


def granted(document: Document, grant: Grant, **keys: Any) -> tuple[Service, Template]:
    """Return a service that may read one secret, and its template."""
    service = server(secrets=(grant,), **keys)
    return service, template(service, secrets={document.key: document})


def unpacked(content: bytes) -> list[tuple[str, int, int, int, bytes]]:
    """Return name, owner, group, mode and content of each file."""
    with tarfile.open(fileobj=io.BytesIO(content)) as tar:
        found = []
        for entry in tar:
            file = tar.extractfile(entry)
            assert file is not None
            found.append((entry.name, entry.uid, entry.gid, entry.mode, file.read()))
        return found


class TestFiles:
    def test_are_mounted(self, tmp_path: Path) -> None:
        """
        A file is seen as it is, read-only, and nothing is copied.
        """
        document = Document("key", file=str(tmp_path / "key"))
        service, whole = granted(document, Grant("key", "/run/secrets/key"))

        assert documents.binds(service, whole) == [f"{tmp_path}/key:/run/secrets/key:ro"]
        assert documents.archive(service, whole) == b""

    def test_are_copied_where_they_need_an_owner(self, tmp_path: Path) -> None:
        """
        A mount cannot change owner and mode, a copy can.
        """
        (tmp_path / "key").write_bytes(b"open")
        document = Document("key", file=str(tmp_path / "key"))
        service, whole = granted(document, Grant("key", "/etc/key", uid=33, gid=44, mode=0o400))

        assert documents.binds(service, whole) == []
        assert unpacked(documents.archive(service, whole)) == [("etc/key", 33, 44, 0o400, b"open")]


class TestValues:
    def test_of_the_template_are_copied(self) -> None:
        """
        Content that stands in the template is readable by all and belongs to root.
        """
        service, whole = granted(Document("key", content="open"), Grant("key", "/run/secrets/key"))

        assert unpacked(documents.archive(service, whole)) == [("run/secrets/key", 0, 0, 0o444, b"open")]

    def test_of_variables_are_those_of_the_template(self) -> None:
        """
        What the variable held when the template was read counts.
        """
        document = Document("key", environment=VARIABLE, value="then", digest=hashlib.sha256(b"then").hexdigest())
        service, whole = granted(document, Grant("key", "/k"))

        assert unpacked(documents.archive(service, whole))[0][-1] == b"then"

    def test_of_variables_are_looked_up_after_a_restart(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """
        The journal has the digest alone: the variable is asked again, and must hold the same.
        """
        document = Document("key", environment=VARIABLE, digest=hashlib.sha256(b"then").hexdigest())
        service, whole = granted(document, Grant("key", "/k"))

        monkeypatch.setenv(VARIABLE, "then")
        assert unpacked(documents.archive(service, whole))[0][-1] == b"then"
        monkeypatch.setenv(VARIABLE, "now")
        with pytest.raises(StackError, match="holds something else than when the template was read"):
            documents.archive(service, whole)


class TestProblems:
    def test_are_found_before_anything_is_made(self, tmp_path: Path) -> None:
        """
        A file that is missing, a variable that is not set, a copy into what cannot be written: each says what to do.
        """
        cases = [
            granted(Document("key", file=str(tmp_path / "none")), Grant("key", "/k")),
            granted(Document("key", environment=VARIABLE), Grant("key", "/k")),
            granted(Document("key", content="x"), Grant("key", "/k"), read_only=True),
            granted(Document("key", content="x"), Grant("key", "/k")),
        ]

        found = [list(documents.problems([service], whole, {})) for service, whole in cases]

        assert found == [
            [f"service web: key: {tmp_path}/none is no file; write it, or correct the path"],
            [f"service web: key: the variable {VARIABLE} is not set; set it where splitter runs"],
            [f"service web: key is copied into the container, which is read_only; {AS_FILE}"],
            [],
        ]
