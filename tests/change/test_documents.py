from hashlib import sha256

import pytest

from splitter.change.canonical import from_json, to_json
from splitter.change.loader import load
from splitter.template import Document, Grant, Template
from tests.change.compose import FILE, mistakes, template

pytestmark = pytest.mark.usefixtures("every_key")


def granted(entry: str, secrets: str, **options: object) -> Template:
    """Load a service that is granted `entry` of the top-level `secrets` (flow style, without braces)."""
    text = f"services: {{web: {{image: web, secrets: [{entry}]}}}}\nsecrets: {{{secrets}}}"
    return template(text, **options)  # type: ignore[arg-type]  # the options of template()


class TestDocuments:
    def test_a_file_is_known_by_its_content(self) -> None:
        """
        The path is absolute, the digest that of what the file holds.
        """
        loaded = granted("pw", "pw: {file: ./pw.txt}", others={"/srv/shop/pw.txt": "s3cret"})

        assert loaded.secrets == {
            "pw": Document("pw", file="/srv/shop/pw.txt", digest=sha256(b"s3cret").hexdigest()),
        }

    def test_a_variable_is_kept_in_memory_alone(self) -> None:
        """
        The value of a secret is for who makes the stack; the journal has the variable and the digest.
        """
        loaded = granted("pw", "pw: {environment: PW}", environment={"PW": "s3cret"})

        assert loaded.secrets["pw"].value == "s3cret"
        assert "s3cret" not in to_json(loaded)
        assert "s3cret" not in repr(loaded.secrets)
        assert from_json(to_json(loaded)) == loaded
        assert from_json(to_json(loaded)).secrets["pw"].value is None

    def test_another_value_is_another_template(self) -> None:
        """
        Secrets count in the digest of the template, without being in it.
        """
        one, other = (granted("pw", "pw: {environment: PW}", environment={"PW": text}) for text in "ab")

        assert one.digest != other.digest

    def test_content_of_a_config(self) -> None:
        """
        A config may be written where it is defined, variables and all.
        """
        loaded = template(
            "services: {web: {image: web, configs: [conf]}}\nconfigs: {conf: {content: 'port=${PORT}'}}",
            environment={"PORT": "80"},
        )

        assert loaded.configs["conf"].content == "port=80"
        assert loaded.services["web"].configs == (Grant("conf", "/conf"),)

    def test_binary_content_counts(self) -> None:
        """
        A file that is no text has a digest as well.
        """

        def read(path: str) -> str:
            text = b"services: {web: {image: web, secrets: [key]}}\nsecrets: {key: {file: key.der}}"
            return {FILE: text, "/srv/shop/key.der": b"\xff\x00"}[path].decode()

        loaded = load([FILE], read=read, environment={}, env_files=[])

        assert loaded.secrets["key"].digest == sha256(b"\xff\x00").hexdigest()

    def test_what_nobody_uses_is_not_read(self) -> None:
        """
        The file of a secret that no service is granted may be missing.
        """
        assert template("services: {web: {image: web}}\nsecrets: {pw: {file: none}}").secrets == {}

    @pytest.mark.parametrize(
        ("secret", "message"),
        [
            ("{external: true}", "no engine here keeps it; write file: or environment:"),
            ("{file: a, environment: B}", "says not once what it holds"),
            ("{}", "says not once what it holds; write one of file or environment"),
            ("{environment: B}", "the variable B is not set"),
            ("{file: none}", "there is no file /srv/shop/none"),
            ("{file: a, driver: x}", "'driver' cannot be used here"),
        ],
    )
    def test_what_cannot_be_had(self, secret: str, message: str) -> None:
        """
        A secret that would be empty is a mistake, said before anything is made.
        """
        text = f"services: {{web: {{image: web, secrets: [pw]}}}}\nsecrets: {{pw: {secret}}}"

        found = mistakes(text, others={"/srv/shop/a": ""})

        assert len(found) == 1
        assert message in found[0]

    def test_undefined(self) -> None:
        """
        A grant of what does not exist offers the nearest.
        """
        found = mistakes("services: {web: {image: web, secrets: [pww]}}\nsecrets: {pw: {environment: PW}}")

        assert found == ["1:39: services.web.secrets: there is no secret 'pww'; did you mean 'pw'?"]


class TestGrants:
    def test_where_they_lie(self) -> None:
        """
        A name alone lies in /run/secrets, a target is relative to it or absolute; a mode is octal.
        """
        entries = "pw, {source: pw, target: other}, {source: pw, target: /etc/pw, uid: '103', gid: '104', mode: '0440'}"

        loaded = granted(entries, "pw: {environment: PW}", environment={"PW": ""})

        assert loaded.services["web"].secrets == (
            Grant("pw", "/etc/pw", 103, 104, 0o440),
            Grant("pw", "/run/secrets/other"),
            Grant("pw", "/run/secrets/pw"),
        )

    def test_twice_in_one_place(self) -> None:
        """
        Two grants with one target are a mistake.
        """
        text = (
            "services: {web: {image: web, configs: [a, {source: b, target: /a}]}}\n"
            "configs: {a: {content: ''}, b: {content: ''}}"
        )

        assert mistakes(text) == ["1:43: services.web.configs[1]: /a is granted twice; remove one of the two"]

    @pytest.mark.parametrize("mode", ["'0999'", "99999", "[1]", "'rw'"])
    def test_what_is_no_mode(self, mode: str) -> None:
        """
        Permissions are octal and at most 7777.
        """
        entry = f"{{source: a, mode: {mode}}}"
        text = f"services: {{web: {{image: web, configs: [{entry}]}}}}\nconfigs: {{a: {{content: ''}}}}"

        assert len(mistakes(text)) == 1
