"""Both loaders of templates, the second with a stand-in for `docker compose` that prints what Compose would.

Compose is not needed: the stand-in's output was written by hand, in the form of `docker compose config --format json`.
"""

import json
import shlex
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from splitter.errors import OperatorError, TemplateError
from splitter.reading import Request, read_template
from splitter.template import Template
from tests.cli.terminal import typed

FILE = """
name: shop
x-any: {kept: "$$"}
services:
  web:
    image: web:${TAG:-1}
    build: {context: web}
    ports: ["127.0.0.1:8080:80"]
    environment: {PRICE: "5 $$", EMPTY: "", PLAIN: "1"}
    depends_on: {db: {condition: service_healthy}}
    command: echo hello
    configs: [{source: site, target: /etc/site.conf, mode: 0444}]
    secrets: [key, password]
    networks: [front, back]
    volumes: ["./static:/static:ro", "cache:/cache"]
    tmpfs: /run:size=64m
    stop_grace_period: 1m
    deploy: {resources: {limits: {cpus: "0.5", memory: 256M}}}
    ulimits: {nofile: 1024}
  db:
    image: postgres:15
    healthcheck: {test: pg_isready, interval: 5s, retries: 5}
    networks: [back]
    volumes: ["data:/var/lib/postgresql/data"]
  debug: {image: tools, profiles: [debug]}
networks:
  front: {name: the-front}
  back: {internal: true}
volumes: {cache: , data: {external: true, name: pg}}
secrets: {key: {file: ./key.txt}, password: {environment: PASSWORD}}
configs: {site: {content: "a $$b"}}
"""


def printed(folder: Path) -> dict[str, Any]:
    """Return what Compose prints of `FILE` in `folder`; its dollars are doubled, as Compose doubles them."""
    return {
        "name": "shop",
        "services": {
            "db": {
                "command": None,
                "entrypoint": None,
                "healthcheck": {"test": ["CMD-SHELL", "pg_isready"], "interval": "5s", "retries": 5},
                "image": "postgres:15",
                "networks": {"back": None},
                "volumes": [
                    {"type": "volume", "source": "data", "target": "/var/lib/postgresql/data", "volume": {}},
                ],
            },
            "web": {
                "build": {"context": f"{folder}/web", "dockerfile": "Dockerfile"},
                "command": ["echo", "hello"],
                "configs": [{"source": "site", "target": "/etc/site.conf", "mode": "0444"}],
                "depends_on": {"db": {"condition": "service_healthy", "required": True}},
                "deploy": {"resources": {"limits": {"cpus": 0.5, "memory": "268435456"}}, "placement": {}},
                "entrypoint": None,
                "environment": {"PRICE": "5 $$", "EMPTY": "", "PLAIN": "1"},
                "image": "web:1",
                "networks": {"back": None, "front": None},
                "ports": [
                    {"mode": "ingress", "host_ip": "127.0.0.1", "target": 80, "published": "8080", "protocol": "tcp"}
                ],
                "secrets": [
                    {"source": "key", "target": "/run/secrets/key"},
                    {"source": "password", "target": "/run/secrets/password"},
                ],
                "stop_grace_period": "1m0s",
                "tmpfs": ["/run:size=64m"],
                "ulimits": {"nofile": 1024},
                "volumes": [
                    {
                        "type": "bind",
                        "source": f"{folder}/static",
                        "target": "/static",
                        "read_only": True,
                        "bind": {"create_host_path": True},
                    },
                    {"type": "volume", "source": "cache", "target": "/cache", "volume": {}},
                ],
            },
        },
        "networks": {
            "back": {"name": "shop_back", "ipam": {}, "internal": True},
            "front": {"name": "the-front", "ipam": {}},
        },
        "volumes": {"cache": {"name": "shop_cache"}, "data": {"name": "pg", "external": True}},
        "secrets": {
            "key": {"name": "shop_key", "file": f"{folder}/key.txt"},
            "password": {"name": "shop_password", "environment": "PASSWORD"},
        },
        "configs": {"site": {"name": "shop_site", "content": "a $$b"}},
        "x-any": {"kept": "$$"},
    }


@dataclass
class Machine:
    """A folder with the template, and a PATH on which the stand-ins are all there is."""

    folder: Path
    programs: Path
    environment: dict[str, str] = field(default_factory=lambda: {"PASSWORD": "s3cret"})

    def program(self, name: str, prefix: str, version: str, output: str, *, fails: int = 0, warns: str = "") -> None:
        """Put a program there: it says its version, notes how it was called, and prints `output`."""
        (self.folder / f"{name}.out").write_text(f"{output}\n")
        path = self.programs / name
        lines = [
            "#!/bin/sh",
            'case "$*" in',
            f"{shlex.quote(f'{prefix}version --short')}) echo {shlex.quote(version)}; exit 0;;",
            f"{shlex.quote(prefix)}*) ;;",
            '*) echo "unknown command" >&2; exit 1;;',
            "esac",
            f'for word in "$@"; do echo "$word"; done > {shlex.quote(str(self.folder / "called"))}',
            f"pwd > {shlex.quote(str(self.folder / 'where'))}",
            f"printf '%s' {shlex.quote(warns)} >&2",
            f'while IFS= read -r line; do echo "$line"; done < {shlex.quote(str(self.folder / f"{name}.out"))}',
            f"exit {fails}",
        ]
        path.write_text("\n".join(lines))
        path.chmod(0o755)

    def compose(self, output: object, *, version: str = "2.24.6", **keys: Any) -> None:
        self.program("docker", "compose ", version, output if isinstance(output, str) else json.dumps(output), **keys)

    def request(self, **keys: Any) -> Request:
        return replace(Request((str(self.folder / "compose.yaml"),), self.environment), **keys)

    def builtin(self, **keys: Any) -> Template:
        return read_template(self.request(**keys), _text)

    def composed(self, **keys: Any) -> Template:
        return read_template(self.request(**keys), _text, "compose-cli")

    def called(self) -> list[str]:
        return (self.folder / "called").read_text().splitlines()


def _text(path: str) -> str:
    return Path(path).read_text(encoding="utf-8")


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    folder, programs = tmp_path / "shop", tmp_path / "bin"
    folder.mkdir()
    programs.mkdir()
    (folder / "compose.yaml").write_text(FILE)
    (folder / "key.txt").write_text("key")
    monkeypatch.setenv("PATH", str(programs))
    return Machine(folder, programs)


class TestBothLoaders:
    def test_come_to_the_same_template(self, machine: Machine) -> None:
        """
        What Compose makes of a file is what splitter makes of it: one template, with one digest.
        """
        machine.compose(printed(machine.folder))

        mine, theirs = machine.builtin(), machine.composed()

        assert theirs.services == mine.services
        assert theirs == mine
        assert theirs.digest == mine.digest
        assert theirs.notes == ()

    def test_of_which_the_first_needs_no_program(self, machine: Machine) -> None:
        """
        Without Compose on the machine the builtin loader reads everything.
        """
        assert list(machine.builtin().services) == ["db", "web"]


class TestCall:
    def test_has_what_the_app_says(self, machine: Machine) -> None:
        """
        Files, profiles, the project's name and files of variables are Compose's to take.
        """
        machine.compose(printed(machine.folder))
        (machine.folder / "a.env").write_text("TAG=1")
        variables = str(machine.folder / "a.env")

        machine.composed(profiles=("debug", "x"), project="shop", env_files=(variables,))

        file = str(machine.folder / "compose.yaml")
        assert machine.called() == [
            *("compose", "--file", file, "--project-directory", str(machine.folder)),
            *("--profile", "debug", "--profile", "x", "--project-name", "shop", "--env-file", variables),
            *("config", "--format", "json"),
        ]
        assert (machine.folder / "where").read_text().strip() == str(machine.folder)

    @pytest.mark.parametrize("version", ["2.20.0", "v2.39.1", "5.0.2", "2.24.6-desktop.1"])
    def test_needs_a_version_that_knows_includes(self, machine: Machine, version: str) -> None:
        """
        Versions are told apart by their numbers, however they are written.
        """
        machine.compose(printed(machine.folder), version=version)

        assert list(machine.composed().services) == ["db", "web"]

    def test_takes_the_program_without_docker_as_well(self, machine: Machine) -> None:
        """
        Compose may be a program of its own.
        """
        machine.program("docker", "other ", "", "")
        machine.program("docker-compose", "", "v2.24.6", json.dumps(printed(machine.folder)))

        assert list(machine.composed().services) == ["db", "web"]
        assert machine.called()[0] == "--file"


class TestMistakes:
    def test_no_program(self, machine: Machine) -> None:
        """
        Where there is no Compose, what is needed is said, and what can be done without it.
        """
        with pytest.raises(OperatorError) as caught:
            machine.composed()

        assert str(caught.value) == (
            "loader: compose-cli needs docker compose 2.20 or newer, and there is none on the PATH; install the "
            "Compose plugin, or write loader: builtin"
        )

    def test_a_program_that_is_too_old(self, machine: Machine) -> None:
        """
        Each one that was found is named with its version.
        """
        machine.program("docker", "compose ", "2.19.1", "")
        machine.program("docker-compose", "", "1.29.2", "")

        with pytest.raises(OperatorError) as caught:
            machine.composed()

        assert "but docker compose is 2.19.1 and docker-compose is 1.29.2; install" in str(caught.value)

    def test_what_compose_refuses(self, machine: Machine) -> None:
        """
        Its own words are the mistake, at the template's file.
        """
        machine.compose("", fails=15, warns="services.web.imag is not known\n")

        with pytest.raises(TemplateError) as caught:
            machine.composed()

        (problem,) = caught.value.problems
        assert str(problem) == f"{machine.folder}/compose.yaml: services.web.imag is not known"

    @pytest.mark.parametrize("output", ["", "services: {}", "[]", "nonsense"])
    def test_output_that_is_no_json(self, machine: Machine, output: str) -> None:
        """
        A program that prints something else is not believed.
        """
        machine.compose(output)

        with pytest.raises(TemplateError, match="docker compose config printed no JSON"):
            machine.composed()

    def test_what_splitter_cannot_double(self, machine: Machine) -> None:
        """
        What is refused of a file is refused of what Compose prints of it, with the place in that.
        """
        machine.compose({**printed(machine.folder), "services": {"web": {"image": "a", "network_mode": "host"}}})

        with pytest.raises(TemplateError) as caught:
            machine.composed()

        (problem,) = caught.value.problems
        assert problem.file == f"{machine.folder}/compose.yaml (as docker compose config prints it)"
        assert (problem.line, problem.path) == (6, "services.web.network_mode")

    def test_warnings_are_notes(self, machine: Machine) -> None:
        """
        What Compose warns of is told with the template.
        """
        machine.compose(printed(machine.folder), warns='level=warning msg="The X variable is not set."\n')

        assert machine.composed().notes == ('docker compose: level=warning msg="The X variable is not set."',)

    def test_an_absent_file(self, machine: Machine) -> None:
        """
        Without a file there is nothing to ask Compose for.
        """
        with pytest.raises(TemplateError, match="no file is named"):
            machine.composed(files=())


class TestConfigCommand:
    def test_reads_by_either(self, machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
        """
        `splitter config --loader` prints the same file by both, so that they can be compared.
        """
        monkeypatch.chdir(machine.folder)
        monkeypatch.setenv("PASSWORD", "s3cret")
        machine.compose(printed(machine.folder))

        mine, theirs = typed("config"), typed("config", "--loader", "compose-cli")

        assert (mine.code, theirs.code) == (0, 0)
        assert theirs.out == mine.out

    def test_says_what_is_missing(self, machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
        """
        Without Compose the command ends as with any other mistake.
        """
        monkeypatch.chdir(machine.folder)

        ended = typed("config", "--loader", "compose-cli")

        assert (ended.code, ended.out) == (2, "")
        assert "needs docker compose 2.20 or newer" in ended.err
