"""The first configuration is good, and made of the user's own file."""

import re
from pathlib import Path
from textwrap import dedent

import pytest

from splitter.change.loader import load
from splitter.config import Config
from splitter.config.draft import Draft, Provisioner, app_name, draft
from splitter.config.loading import read_config
from splitter.errors import OperatorError
from splitter.model import Endpoint
from splitter.template import Template

FILE = Path("/srv/shop/splitter.yaml")

SHOP = """\
name: shop
services:
  db: {image: "postgres:16", ports: ["5432:5432"]}
  api: {image: api, ports: ["9000:9000"], depends_on: [db]}
  web: {image: web, ports: ["8443:443", "127.0.0.1:8000:80"], depends_on: [api]}
  worker: {image: web, command: celery worker}
  migrate: {image: web, command: alembic upgrade head}
"""


def template(text: str, *, require_image: bool = True) -> Template:
    files = {"/srv/shop/compose.yaml": dedent(text)}
    return load(list(files), read=files.__getitem__, environment={}, env_files=(), require_image=require_image)


def drafted(text: str, wanted: str = "", file: str = "compose.yaml") -> Draft:
    return draft(template(text), [file], wanted)


def loaded(text: str) -> Config:
    return read_config(text, FILE, {})


class TestDraft:
    def test_is_a_good_configuration(self) -> None:
        """
        What is written can be run as it is: the app, its template, and who gets the requests.
        """
        app = loaded(drafted(SHOP).text).apps["shop"]

        assert app.provisioner == "docker"
        assert app.template_files == ("/srv/shop/compose.yaml",)
        assert [(rule.path, rule.service, rule.port) for rule in app.routes] == [("/", "web", 80)]

    def test_shows_the_defaults(self) -> None:
        """
        Removing the marks of the options that are shown changes nothing but that somebody is told.
        """
        text = drafted(SHOP).text
        shown = text[text.index("    # rollout:") :]

        whole = text.replace(shown, re.sub(r"^( {4})?# (?!Who)", r"\1", shown, flags=re.MULTILINE))

        assert whole != text
        assert loaded(whole).apps == loaded(text).apps
        assert (len(loaded(whole).alerts), len(loaded(text).alerts)) == (1, 0)

    def test_listens_where_the_file_publishes(self) -> None:
        """
        Users go on to reach the same address; where nothing is published it is one that everybody may open.
        """
        unpublished = drafted("services: {web: {image: web, expose: [8000]}}")

        assert drafted(SHOP).bind == Endpoint("127.0.0.1", 8000)
        assert unpublished.bind == Endpoint("0.0.0.0", 8080)
        assert [(each.host, each.port) for each in loaded(drafted(SHOP).text).listeners] == [("127.0.0.1", 8000)]

    def test_names_the_other_ports(self) -> None:
        """
        Nobody's port is lost: each stands there, to be given a host; a database's is not for users.
        """
        draft = drafted(SHOP)

        assert [str(other) for other in draft.others] == ["api:9000", "web:443"]
        assert "# - {host: api.example.org, path: /, service: api, port: 9000}" in draft.text
        assert "5432" not in draft.text

    def test_says_what_runs_once(self) -> None:
        """
        What a shadow shares, leaves out or runs is said before there is one.
        """
        text = drafted(SHOP).text

        assert "# - db keeps state" in text
        assert "# - migrate is a job" in text
        assert "# - worker does not run in a shadow" in text

    @pytest.mark.parametrize("file", ["my shop's.yaml", "../a $HOME.yaml", "null", 'a".yaml', "a: b.yaml", "8"])
    def test_names_any_file(self, file: str) -> None:
        """
        A name is text, whatever it looks like.
        """
        draft = drafted(SHOP, file=file)

        assert Path(loaded(draft.text).apps["shop"].template_files[0]).name == Path(file).name

    def test_of_processes_needs_no_image(self) -> None:
        """
        A file of commands makes a stack of child processes.
        """
        read = template("services: {web: {command: [serve], expose: [8000]}}", require_image=False)

        app = loaded(draft(read, ["compose.yaml"], provisioner=Provisioner.PROCESS).text).apps["shop"]

        assert app.provisioner == "process"

    def test_of_several_files(self) -> None:
        """
        They are merged in the order in which they were named.
        """
        text = draft(template(SHOP), ["compose.yaml", "prod.yaml"]).text

        assert loaded(text).apps["shop"].template_files == ("/srv/shop/compose.yaml", "/srv/shop/prod.yaml")


class TestService:
    @pytest.mark.parametrize(
        ("wanted", "chosen"),
        [("", "web:80"), ("web", "web:80"), ("web:443", "web:443"), ("api", "api:9000"), ("worker:7", "worker:7")],
    )
    def test_that_users_reach(self, wanted: str, chosen: str) -> None:
        """
        The one that was asked for, else a plain web port of a service that no other one needs.
        """
        assert str(drafted(SHOP, wanted).chosen) == chosen

    @pytest.mark.parametrize(
        ("wanted", "mistake"),
        [
            ("shop", "there is no such service; there are: api, db, migrate, web, worker"),
            ("worker", "the files name no port of it; write for example worker:8000"),
            ("worker:http", "'http' is no port"),
            ("worker:70000", "'70000' is no port"),
        ],
    )
    def test_that_is_none(self, wanted: str, mistake: str) -> None:
        """
        A slip is answered by what could be meant.
        """
        with pytest.raises(OperatorError, match=mistake):
            drafted(SHOP, wanted)

    def test_that_nobody_reaches(self) -> None:
        """
        Without any port splitter does not guess.
        """
        with pytest.raises(OperatorError, match="say which one users reach, with --service web:8000"):
            drafted("services: {db: {image: postgres, ports: ['5432:5432']}, web: {image: web}}")


class TestName:
    @pytest.mark.parametrize(
        ("project", "app"),
        [("shop", "shop"), ("My_Shop.2", "my-shop-2"), ("_", "app"), ("a" * 29 + "-b", "a" * 29), ("Ünder", "nder")],
    )
    def test_is_made_of_the_projects(self, project: str, app: str) -> None:
        """
        An app's name becomes part of names of containers, so it is plainer than a project's may be.
        """
        assert app_name(project) == app
