from collections.abc import Mapping

import pytest

from splitter.change.canonical import digest
from splitter.change.loader import load
from splitter.errors import TemplateError
from splitter.limits import TEMPLATE_FILES_MAX, TEMPLATE_NODES_MAX
from splitter.template import Network, Template, Volume
from tests.change.compose import FILE, merged, mistakes, reader, template

WHOLE = """
name: Shop
x-env: &env {LOG: info}
services:
  web:
    image: shop/web:${TAG}
    environment: {<<: *env, PORT: 8000}
    ports: ["8080:80"]
    depends_on: {db: {condition: service_healthy}}
    networks: [front, back]
  db:
    image: postgres:15
    volumes: [pg:/var/lib/postgresql/data]
    networks: [back]
  debug: {image: tools, profiles: [debug], depends_on: [web]}
networks: {front: , back: {internal: true, driver: bridge}}
volumes: {pg: {name: pgdata}, unused: }
"""


class TestLoad:
    def test_whole_template(self) -> None:
        """
        A file becomes its services, and the networks and volumes that they use.
        """
        read = template(WHOLE, environment={"TAG": "1"})

        assert list(read.services) == ["db", "web"]
        assert read.services["web"].image == "shop/web:1"
        assert read.services["web"].environment == {"LOG": "info", "PORT": "8000"}
        assert read.networks == {
            "back": Network("back", driver="bridge", internal=True),
            "front": Network("front"),
        }
        assert read.volumes == {"pg": Volume("pg", name="pgdata")}
        assert (read.project, read.directory, read.files) == ("shop", "/srv/shop", (FILE,))
        assert read.digest == digest(read)
        assert read.notes == ()

    def test_spelling_does_not_matter(self) -> None:
        """
        Templates that mean the same are equal, whatever forms and order their files use.
        """
        one = "services: {a: {image: a, environment: [B=1, A=2], ports: ['80', '443']}, b: {image: b}}"
        other = "services: {b: {image: b}, a: {ports: [443, 80], environment: {A: 2, B: 1}, image: a}}"

        assert template(one) == template(other)

    def test_unset_variables_are_one_note(self) -> None:
        """
        All names that were not set are said in one sentence.
        """
        read = template("services: {a: {image: 'a$X$Y', user: '${X}'}}")

        assert read.notes == ("variables not set, taken as empty: X, Y",)

    def test_every_mistake_at_once(self) -> None:
        """
        Mistakes of all services are reported together, in the order of the text.
        """
        text = """
        services:
          a: {imag: x}
          b: {image: b, restart: never}
          c: {image: c, depends_on: [zzz]}
        volume: {}
        """

        assert [text.split(": ")[1] for text in mistakes(text)] == [
            "services.a",
            "services.a.imag",
            "services.b.restart",
            "services.c.depends_on.zzz",
            "volume",
        ]

    def test_reads_nothing_else(self) -> None:
        """
        Only the named files, `.env` and what they name are read.
        """
        asked = []

        def read(path: str) -> str:
            asked.append(path)
            if path.endswith(".env"):
                raise FileNotFoundError(path)
            return "services: {a: {image: a}}"

        load([FILE], read=read, environment={})

        assert asked == ["/srv/shop/.env", FILE]

    def test_the_environment_is_the_given_one(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """
        The process's own environment never leaks into a template.
        """
        monkeypatch.setenv("LEAK", "leaked")

        assert template("services: {a: {image: 'a$LEAK', environment: [LEAK]}}").services["a"].environment == {}


class TestFiles:
    def test_are_merged_in_order(self) -> None:
        """
        The last file has the last word; paths start at the first one's folder.
        """
        read = merged(
            "services: {a: {image: one, environment: {A: 1, B: 1}}}",
            "services: {a: {image: two, environment: [B=2]}, b: {image: b}}",
        )

        assert read.services["a"].image == "two"
        assert read.services["a"].environment == {"A": "1", "B": "2"}
        assert list(read.services) == ["a", "b"]
        assert read.directory == "/srv/shop"

    def test_mistakes_are_reported_where_they_stand(self) -> None:
        """
        A mistake in the second file has the second file's name.
        """
        with pytest.raises(TemplateError) as caught:
            merged("services: {a: {image: one}}", "services:\n  a: {restart: 3}\n")

        assert [str(problem) for problem in caught.value.problems] == [
            '/srv/shop/1.yaml:2:16: services.a.restart: the number 3 stands where text is expected; write "3"'
        ]

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("", "1:1: a template is a mapping; begin with services:"),
            ("[a]", "1:1: a template is a mapping; begin with services:"),
            ("services: {}", "1:1: services: no service stands here; write at least one"),
            ("name: x", "1:1: services: no service stands here; write at least one"),
            ("services: [a]", "1:11: services: a list stands where a mapping is expected"),
            ("services: {a: x}", "1:15: services.a: the text 'x' stands where a mapping is expected"),
        ],
    )
    def test_must_be_templates(self, text: str, message: str) -> None:
        """
        What is no template says what one begins with.
        """
        assert message in mistakes(text)

    def test_missing_and_unreadable(self) -> None:
        """
        Every file that cannot be read is named with the reason.
        """

        def read(path: str) -> str:
            if path == "/a":
                raise FileNotFoundError(path)
            if path == "/b":
                raise UnicodeDecodeError("utf-8", b"\xff", 0, 1, "invalid start byte")
            raise PermissionError(13, "Permission denied")

        with pytest.raises(TemplateError) as caught:
            load(["/a", "/b", "/c"], read=read, environment={}, env_files=(), project="p")

        assert [str(problem) for problem in caught.value.problems] == [
            "/a: there is no such file",
            "/b: the file is not UTF-8 text",
            "/c: the file cannot be read: Permission denied",
        ]

    def test_number_is_bounded(self) -> None:
        """
        No file, and too many, are refused.
        """
        for files in ([], [FILE] * (TEMPLATE_FILES_MAX + 1)):
            with pytest.raises(TemplateError):
                load(files, read=reader({}), environment={})

    def test_values_of_all_files_are_bounded(self) -> None:
        """
        Many files are no way around the bound of one.
        """
        large = "services: {a: {image: a}}\nx-a: [" + "1," * (TEMPLATE_NODES_MAX // 2) + "]"

        with pytest.raises(TemplateError, match=f"more than {TEMPLATE_NODES_MAX} values in all files"):
            merged(large, large)

    @pytest.mark.parametrize("kind", ["networks", "volumes", "secrets", "configs"])
    def test_names_are_those_that_an_engine_takes(self, kind: str) -> None:
        """
        What is made under a name is not made under any name; the official schema says so too.
        """
        found = mistakes(f"services: {{a: {{image: a}}}}\n{kind}: {{'a b': {{name: x}}}}")

        assert f"'a b' is not a name for one of the {kind}; use letters, digits, '.', '_' and '-'" in found[0]


class TestEnvironmentFiles:
    TEXT = "services: {a: {image: 'a:$TAG-$B'}}"

    def image(self, others: Mapping[str, str], **options: object) -> str:
        files = {FILE: self.TEXT, **others}
        read: Template = load([FILE], read=reader(files), **options)  # type: ignore[arg-type]  # options of load()
        return read.services["a"].image

    def test_dotenv_lies_under_the_given_one(self) -> None:
        """
        `.env` of the project's folder gives what the environment does not.
        """
        assert self.image({"/srv/shop/.env": "TAG=1\nB=2"}, environment={"B": "given"}) == "a:1-given"

    def test_named_files_replace_dotenv(self) -> None:
        """
        Named files are read instead, later ones over earlier.
        """
        others = {"/srv/shop/.env": "TAG=no", "/x.env": "TAG=1\nB=1", "/y.env": "B=$TAG$TAG"}

        assert self.image(others, environment={}, env_files=["/x.env", "/y.env"]) == "a:1-11"

    def test_a_named_file_must_exist(self) -> None:
        """
        `.env` may be missing, a named file may not.
        """
        with pytest.raises(TemplateError, match=r"/x\.env: there is no such file"):
            self.image({}, environment={}, env_files=["/x.env"])


class TestProjectName:
    @pytest.mark.parametrize(
        ("project", "environment", "text", "name"),
        [
            ("Flag_1", {"COMPOSE_PROJECT_NAME": "env"}, "name: file", "flag_1"),
            (None, {"COMPOSE_PROJECT_NAME": "env"}, "name: file", "env"),
            (None, {"X": "y"}, "name: file-$X", "file-y"),
            (None, {}, "", "shop"),
        ],
    )
    def test_order(self, project: str | None, environment: dict[str, str], text: str, name: str) -> None:
        """
        The flag comes first, then the environment, the file and the folder.
        """
        files = {FILE: text + "\nservices: {a: {image: '$COMPOSE_PROJECT_NAME'}}"}

        read = load([FILE], read=reader(files), environment=environment, project=project)

        assert name == read.project == read.services["a"].image

    def test_must_hold_a_letter(self) -> None:
        """
        A name of which nothing is left is a mistake.
        """
        with pytest.raises(TemplateError, match="holds no letter or digit"):
            load(["/--/a.yaml"], read=reader({"/--/a.yaml": "services: {a: {image: a}}"}), environment={})


class TestProfiles:
    TEXT = """
    services:
      web: {image: a}
      debug: {image: b, profiles: [debug, dev], env_file: missing.env}
    """

    @pytest.mark.parametrize(
        ("profiles", "environment", "services"),
        [((), {}, ["web"]), (("test",), {}, ["web"])],
    )
    def test_off(self, profiles: tuple[str, ...], environment: dict[str, str], services: list[str]) -> None:
        """
        A service with profiles is off unless one of them is on; its files are not even read.
        """
        assert services == list(template(self.TEXT, profiles=profiles, environment=environment).services)

    @pytest.mark.parametrize(
        ("profiles", "environment"),
        [(("dev",), {}), (("*",), {}), ((), {"COMPOSE_PROFILES": "x,debug"})],
    )
    def test_on(self, profiles: tuple[str, ...], environment: dict[str, str]) -> None:
        """
        One active profile is enough; `*` is all of them; the environment may name them.
        """
        others = {"/srv/shop/missing.env": ""}

        read = template(self.TEXT, profiles=profiles, environment=environment, others=others)

        assert list(read.services) == ["debug", "web"]

    def test_a_dependency_that_is_off(self) -> None:
        """
        A required dependency that is off is a mistake that names its profiles.
        """
        found = mistakes("services: {a: {image: a, depends_on: [b]}, b: {image: b, profiles: [x, y]}}")

        assert len(found) == 1
        assert "'b' is off; turn on one of its profiles (x, y), or write required: false" in found[0]


class TestNetworksAndVolumes:
    def test_external_ones(self) -> None:
        """
        An external network or volume has the name it is written with, else its key; the old form works as well.
        """
        read = template(
            """
            services: {a: {image: a, networks: [n, o], volumes: [v:/v, w:/w]}}
            networks: {n: {external: true}, o: {external: {name: old}}}
            volumes: {v: {external: true, name: pg}, w: {labels: [a=b], driver: local, driver_opts: {type: nfs}}}
            """
        )

        assert read.networks == {
            "n": Network("n", name="n", external=True),
            "o": Network("o", name="old", external=True),
        }
        assert read.volumes == {
            "v": Volume("v", name="pg", external=True),
            "w": Volume("w", driver="local", driver_opts={"type": "nfs"}, labels={"a": "b"}),
        }

    def test_default_network_only_if_needed(self) -> None:
        """
        The default network is there if a service names none, and as the file describes it.
        """
        assert list(template("services: {a: {image: a}}").networks) == ["default"]
        named = template("services: {a: {image: a}}\nnetworks: {default: {name: mine}}")
        assert named.networks == {"default": Network("default", name="mine")}
        other = template("services: {a: {image: a, networks: [n]}}\nnetworks: {n: }")
        assert list(other.networks) == ["n"]

    def test_without_ipv4_are_not_supported_yet(self) -> None:
        """
        What the engine's library cannot ask for is refused by name.
        """
        found = mistakes("services: {a: {image: a}}\nnetworks: {default: {enable_ipv4: false}}")

        assert found == [
            "2:35: networks.default.enable_ipv4: a network without IPv4 is not supported yet; remove the key"
        ]
