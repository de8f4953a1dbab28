"""What can be done without a daemon."""

import getpass
import json
from pathlib import Path

from tests.cli.terminal import typed
from tests.config.documents import GOOD

ME = getpass.getuser()
HERE = Path.cwd()


class TestValidate:
    def test_shows_every_mistake(self, tmp_path: Path) -> None:
        """
        The sentences of the configuration, one a line, and exit code 2.
        """
        file = tmp_path / "splitter.yaml"
        file.write_text(GOOD.replace("docker", "dokcer").replace("8000", "80000"))

        ended = typed("validate", "-c", file)

        assert ended.code == 2
        assert ended.err.splitlines() == [
            f"splitter: {file}:5:18: apps.shop.provisioner: 'dokcer' is not known here; did you mean 'docker'?",
            f"{file}:8:39: apps.shop.routes[0].port: 80000 is more than 65535",
        ]

    def test_says_when_all_is_good(self, tmp_path: Path) -> None:
        """
        A file and the templates that it names are checked together.
        """
        (tmp_path / "splitter.yaml").write_text(GOOD)
        (tmp_path / "compose.yaml").write_text("services: {web: {image: shop, expose: [8000]}}\n")

        ended = typed("validate", "-c", tmp_path / "splitter.yaml")

        assert (ended.code, ended.lines[-1]) == (0, f"{tmp_path / 'splitter.yaml'}: good; apps: shop")

    def test_reads_the_certificates(self, tmp_path: Path) -> None:
        """
        A certificate that is not there is found before the daemon is started.
        """
        tls = "tls: {certificates: [{cert: a.pem, key: a.key}]}"
        (tmp_path / "splitter.yaml").write_text(GOOD.replace("8080\n", f"8080\n    {tls}\n"))
        (tmp_path / "compose.yaml").write_text("services: {web: {image: shop, expose: [8000]}}\n")

        ended = typed("validate", "-c", tmp_path / "splitter.yaml")

        assert (ended.code, ended.out) == (2, "")
        assert ended.err == f"splitter: {tmp_path / 'a.pem'}: No such file or directory; name a file that we may read\n"

    def test_checks_the_next_version_of_an_app(self, tmp_path: Path) -> None:
        """
        Files that are named are read as a deploy would read them; the templates of the configuration need not exist.
        """
        (tmp_path / "splitter.yaml").write_text(GOOD)
        (tmp_path / "good.yaml").write_text("services: {web: {image: 'shop:${TAG}', expose: [8000]}}\n")
        (tmp_path / "bad.yaml").write_text("services: {web: {imag: shop}}\n")
        config = ("-c", tmp_path / "splitter.yaml")

        good = typed("validate", tmp_path / "good.yaml", "-e", "TAG=2", *config)
        bad = typed("validate", tmp_path / "bad.yaml", *config)
        elsewhere = typed("validate", tmp_path / "good.yaml", "--app", "shoop", *config)

        assert good.code == 0
        assert (bad.code, "unknown key 'imag'" in bad.err) == (2, True)
        assert elsewhere.err == "splitter: there is no app 'shoop'. Say --app with one of: shop\n"


class TestSchema:
    def test_is_json(self) -> None:
        """
        What editors read comes from the command line.
        """
        ended = typed("schema")

        assert json.loads(ended.out)["title"] == "Document"


class TestVersion:
    def test_is_printed(self) -> None:
        """
        For people a line, for programs an object.
        """
        assert typed("version").out.startswith("splitter ")
        assert set(typed("version", "--json").values[0]) == {"version"}
