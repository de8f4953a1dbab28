from collections.abc import Mapping

import pytest

from splitter.change.loader import load
from splitter.limits import INCLUDE_DEPTH_MAX, TEMPLATE_FILES_MAX
from splitter.template import Attachment, Build, Dependency, Mount, MountType, Network, Volume
from tests.change.compose import FILE, mistakes, reader, template

DATABASE = """
name: ignored
services:
  db:
    image: postgres:${PG:-15}
    build: .
    volumes: [./init:/init, data:/data]
    networks: [back]
networks: {back: }
volumes: {data: }
"""


def whole(text: str, others: Mapping[str, str], **environment: str) -> list[str]:
    """Load a file with others around it; return the images of its services, by name."""
    return [service.image for service in template(text, others=others, environment=environment).services.values()]


class TestInclude:
    def test_joins_what_is_included(self) -> None:
        """
        Services, networks and volumes of an included file are ours; its paths start at its own folder.
        """
        loaded = template(
            """
            include: [../db/compose.yaml]
            services: {web: {image: web, depends_on: [db], networks: [back]}}
            """,
            others={"/srv/db/compose.yaml": DATABASE},
        )

        assert loaded.project == "shop"
        assert loaded.services["web"].depends_on == (Dependency("db"),)
        assert loaded.services["db"].build == Build("/srv/db")
        assert loaded.services["db"].mounts == (
            Mount(MountType.VOLUME, "/data", "data"),
            Mount(MountType.BIND, "/init", "/srv/db/init"),
        )
        assert (loaded.networks, loaded.volumes) == ({"back": Network("back")}, {"data": Volume("data")})

    def test_ours_lies_over_it(self) -> None:
        """
        A name that both have is merged, the file that includes has the last word.
        """
        text = "include: [db.yaml]\nservices: {db: {image: mine, networks: [front]}}\nnetworks: {front: }"

        loaded = template(text, others={"/srv/shop/db.yaml": DATABASE})

        assert loaded.services["db"].image == "mine"
        assert loaded.services["db"].networks == (Attachment("back"), Attachment("front"))

    def test_its_own_variables_lie_under_ours(self) -> None:
        """
        `.env` beside an included file counts there alone, and what we were given goes before it.
        """
        text = "include: [db/a.yaml]\nservices: {web: {image: 'web$PG'}}"
        others = {"/srv/shop/db/a.yaml": DATABASE, "/srv/shop/db/.env": "PG=16"}

        assert whole(text, others) == ["postgres:16", "web"]
        assert whole(text, others, PG="17") == ["postgres:17", "web17"]

    def test_long_form(self) -> None:
        """
        Several files are laid over each other first; folder and variables may be named.
        """
        text = "include: [{path: [a.yaml, b.yaml], project_directory: sub, env_file: [x.env, y.env]}]"
        others = {
            "/srv/shop/a.yaml": "services: {db: {image: a, build: ctx}}",
            "/srv/shop/b.yaml": "services: {db: {image: 'b:$TAG'}}",
            "/srv/shop/x.env": "TAG=1",
            "/srv/shop/y.env": "TAG=2",
        }

        db = template(text, others=others).services["db"]

        assert (db.image, db.build) == ("b:2", Build("/srv/shop/sub/ctx"))

    @pytest.mark.usefixtures("every_key")
    def test_values_of_its_own_variables(self) -> None:
        """
        What an included file passes through, or makes a secret of, is looked up in its own `.env` as well.
        """
        included = """
        services: {db: {image: db, environment: [USER, NONE], secrets: [pw]}}
        secrets: {pw: {environment: PW}}
        """
        text = "include: [db/a.yaml]\nservices: {web: {image: web, environment: [USER]}}"
        others = {"/srv/shop/db/a.yaml": included, "/srv/shop/db/.env": "USER=me\nPW=s3cret"}

        loaded = template(text, others=others)

        assert loaded.services["db"].environment == {"USER": "me"}
        assert loaded.services["web"].environment == {}
        assert loaded.secrets["pw"].value == "s3cret"

    def test_files_of_variables_use_its_own(self) -> None:
        """
        Whatever an included file names or passes through is read with its own variables, ours over them.
        """
        included = """
        services:
          db:
            image: db
            env_file: [{path: e.env}, f.env]
            label_file: l.env
            build: {context: ., args: [ONE]}
            post_start: [{command: x, environment: [ONE]}]
        """
        text = """
        include: [db/a.yaml]
        services:
          db: {env_file: [ours.env]}
          web: {image: web, env_file: [ours.env]}
        """
        others = {
            "/srv/shop/db/a.yaml": included,
            "/srv/shop/db/.env": "ONE=inner\nTWO=inner",
            "/srv/shop/db/e.env": "A=$ONE\nB=$TWO",
            "/srv/shop/db/f.env": "C=$ONE-$A\nONE\n",
            "/srv/shop/db/l.env": "label=$ONE",
            "/srv/shop/ours.env": "D=$ONE",
        }

        loaded = template(text, others=others, environment={"TWO": "outer"})

        db = loaded.services["db"]
        assert db.environment == {"A": "inner", "B": "outer", "C": "inner-inner", "D": "inner", "ONE": "inner"}
        assert db.labels == {"label": "inner"}
        assert db.build is not None
        assert db.build.args == {"ONE": "inner"}
        assert db.post_start[0].environment == {"ONE": "inner"}
        assert loaded.services["web"].environment == {"D": ""}

    def test_variables_go_down_and_never_up(self) -> None:
        """
        A project that is included by an included one has its variables as well, and neither has those of the other's.
        """
        others = {
            "/srv/shop/a/x.yaml": "include: [b/y.yaml]\nservices: {a: {image: a, environment: [UP, DOWN]}}",
            "/srv/shop/a/.env": "DOWN=a",
            "/srv/shop/a/b/y.yaml": "services: {b: {image: b, env_file: e.env, environment: [UP, DOWN]}}",
            "/srv/shop/a/b/.env": "UP=b",
            "/srv/shop/a/b/e.env": "BOTH=$UP$DOWN",
        }

        loaded = template("include: [a/x.yaml]", others=others)

        assert loaded.services["a"].environment == {"DOWN": "a"}
        assert loaded.services["b"].environment == {"BOTH": "ba", "DOWN": "a", "UP": "b"}

    def test_of_includes(self) -> None:
        """
        An included file may include others, from its own folder.
        """
        others = {
            "/srv/shop/a/x.yaml": "include: [b/y.yaml]\nservices: {a: {image: a}}",
            "/srv/shop/a/b/y.yaml": "services: {b: {image: b, extends: {file: ../z.yaml, service: z}}}",
            "/srv/shop/a/z.yaml": "services: {z: {image: z, build: zz}}",
        }

        loaded = template("include: [a/x.yaml]", others=others)

        assert loaded.services["b"].build == Build("/srv/shop/a/zz")

    @pytest.mark.usefixtures("every_key")
    def test_every_path_is_rebased(self) -> None:
        """
        Files of variables, labels, secrets, configs and profiles are those beside the included file.
        """
        included = """
        services:
          a:
            image: a
            env_file: [e.env, {path: f.env}]
            label_file: l.env
            secrets: [s]
            configs: [c]
            security_opt: ['seccomp:p.json', 'seccomp:unconfined']
            volumes: [{type: bind, source: x, target: /x}, '~/y:/y']
        secrets: {s: {file: s.txt}}
        configs: {c: {file: ./c.txt}}
        """
        names = ["e.env", "f.env", "l.env", "s.txt", "c.txt"]
        others = {f"/srv/shop/i/{name}": "" for name in names}

        loaded = template(
            "include: [i/a.yaml]",
            others={**others, "/srv/shop/i/a.yaml": included, "/srv/shop/i/p.json": "{}"},
            environment={"HOME": "/home/me"},
        )

        assert loaded.services["a"].security_opt == ("seccomp=unconfined", "seccomp={}")
        assert (loaded.secrets["s"].file, loaded.configs["c"].file) == ("/srv/shop/i/s.txt", "/srv/shop/i/c.txt")
        assert [mount.source for mount in loaded.services["a"].mounts] == ["/srv/shop/i/x", "/home/me/y"]


class TestMistakes:
    def test_have_their_own_place(self) -> None:
        """
        A mistake in an included file has that file's name.
        """
        found = mistakes("include: [a.yaml]", others={"/srv/shop/a.yaml": "services: {a: {imag: x, image: a}}"})

        assert found == ["/srv/shop/a.yaml:1:16: services.a.imag: unknown key 'imag'; did you mean 'image'?"]

    def test_a_loop_is_shown(self) -> None:
        """
        Files that include each other are a mistake that names them all.
        """
        found = mistakes("include: [a.yaml]", others={"/srv/shop/a.yaml": f"include: [{FILE}]"})

        assert found == [
            "/srv/shop/a.yaml:1:11: include[0]: these files include each other for ever: "  # noqa: ISC004 - one sentence
            f"{FILE} → /srv/shop/a.yaml → {FILE}"
        ]

    @pytest.mark.parametrize(
        ("include", "message"),
        [
            ("none.yaml", "a list is expected"),
            ("[none.yaml]", "/srv/shop/none.yaml: there is no such file"),
            ("[https://example.test/compose.yaml]", "files of other machines are not included"),
            ("[{project_directory: x}]", "no path says what is included"),
            ("[{path: a.yaml, files: b}]", "unknown key 'files'"),
        ],
    )
    def test_what_cannot_be_included(self, include: str, message: str) -> None:
        """
        Only files that are here can be included, in the forms of the specification.
        """
        text = f"include: {include}\nservices: {{a: {{image: a}}}}"

        assert message in "\n".join(mistakes(text, others={"/srv/shop/a.yaml": "services: {b: {image: b}}"}))

    def test_depth_is_bounded(self) -> None:
        """
        A chain of includes ends.
        """
        others = {f"/srv/shop/{n}.yaml": f"include: [{n + 1}.yaml]" for n in range(INCLUDE_DEPTH_MAX + 2)}

        assert "files include each other in a row" in "\n".join(mistakes("include: [0.yaml]", others=others))

    def test_number_is_bounded(self) -> None:
        """
        Files that include each other twice, and those twice, end as well.
        """
        others = {f"/srv/shop/{n}.yaml": f"include: [{n + 1}.yaml, {n + 1}.yaml]" for n in range(10)}
        others["/srv/shop/10.yaml"] = "services: {a: {image: a}}"

        assert f"more than {TEMPLATE_FILES_MAX} includes" in "\n".join(mistakes("include: [0.yaml]", others=others))

    def test_syntax_and_content_at_once(self) -> None:
        """
        Mistakes of variables, bases and content are reported together; what only follows from another is not.
        """
        text = """
        services:
          a: {image: '${A:?say it}', restart: never}
          b: {extends: zzz}
          c: {imag: c, image: c}
        """

        assert [each.partition(": ")[2].partition(":")[0] for each in mistakes(text)] == [
            "services.a.image",
            "services.a.restart",
            "services.b.extends",
            "services.c.imag",
        ]


class TestOrder:
    def test_the_order_of_files_matters(self) -> None:
        """
        Each file lies over what it includes and over all before it.
        """
        files = {
            "/srv/shop/1.yaml": "services: {a: {image: one, user: one, working_dir: /one}}",
            "/srv/shop/2.yaml": "include: [i.yaml]\nservices: {a: {image: two}}",
            "/srv/shop/i.yaml": "services: {a: {image: included, user: included}}",
        }

        def read(*names: str) -> tuple[str, str, str]:
            loaded = load([f"/srv/shop/{name}.yaml" for name in names], read=reader(files), environment={})
            return (loaded.services["a"].image, loaded.services["a"].user, loaded.services["a"].working_dir)

        assert read("1", "2") == ("two", "included", "/one")
        assert read("2", "1") == ("one", "one", "/one")
