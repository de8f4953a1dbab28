from splitter.limits import TEMPLATE_NODES_MAX
from splitter.template import Build, Mount, MountType
from tests.change.compose import mistakes, template


class TestSameFile:
    def test_lays_the_service_over_its_base(self) -> None:
        """
        The base's keys are there unless the service says otherwise, through any number of bases.
        """
        text = """
        services:
          a: {image: a, environment: {A: 1, B: 1}, user: u}
          b: {extends: a, environment: {B: 2}}
          c: {extends: {service: b}, image: c}
        """

        read = template(text).services["c"]

        assert (read.image, read.user, dict(read.environment)) == ("c", "u", {"A": "1", "B": "2"})

    def test_reset_takes_from_the_base(self) -> None:
        """
        `!reset` in the service removes what the base says.
        """
        text = """
        services:
          a: {image: a, user: u}
          b: {extends: a, user: !reset null}
        """

        assert template(text).services["b"].user == ""


class TestOtherFile:
    BASE = """
services:
  base:
    build: ./b
    env_file: e.env
    volumes: ["./x:/x", "data:/d", {type: bind, source: y, target: /y}]
"""

    def test_paths_start_at_the_bases_folder(self) -> None:
        """
        What the base calls `./b` is beside the base, wherever the service is.
        """
        text = """
        services: {web: {extends: {file: ../base/common.yaml, service: base}}}
        volumes: {data: }
        """

        read = template(text, others={"/srv/base/common.yaml": self.BASE, "/srv/base/e.env": "E=1"}).services["web"]

        assert read.build == Build("/srv/base/b")
        assert read.environment == {"E": "1"}
        assert read.mounts == (
            Mount(MountType.VOLUME, "/d", "data"),
            Mount(MountType.BIND, "/x", "/srv/base/x"),
            Mount(MountType.BIND, "/y", "/srv/base/y"),
        )

    def test_variables_are_the_same(self) -> None:
        """
        The base's file is interpolated with the same environment.
        """
        base = "services: {base: {image: 'a:$TAG'}}"
        text = "services: {web: {extends: {file: b.yaml, service: base}}}"

        read = template(text, others={"/srv/shop/b.yaml": base}, environment={"TAG": "7"})

        assert read.services["web"].image == "a:7"


class TestMistakes:
    def test_loops_are_printed(self) -> None:
        """
        Services that extend each other are a mistake that shows the loop.
        """
        found = mistakes("services: {a: {image: a, extends: b}, b: {image: b, extends: a}}")

        assert any("these services extend each other for ever: a → b → a" in text for text in found)

    def test_unknown_base(self) -> None:
        """
        A base that does not exist is named with the nearest one.
        """
        found = mistakes("services: {web: {image: a, extends: bse}, base: {image: b}}")

        assert len(found) == 1
        assert "there is no service 'bse' in /srv/shop/compose.yaml; did you mean 'base'?" in found[0]

    def test_missing_file(self) -> None:
        """
        A base's file that does not exist is a mistake.
        """
        found = mistakes("services: {web: {image: a, extends: {file: no.yaml, service: x}}}")

        assert found == ["/srv/shop/no.yaml: there is no such file"]

    def test_shape(self) -> None:
        """
        A base without a name, and a list, are refused.
        """
        assert "no service says what is extended" in mistakes("services: {web: {image: a, extends: {}}}")[0]
        assert "a list stands where a mapping is expected" in mistakes("services: {web: {image: a, extends: []}}")[0]

    def test_large_bases_are_counted(self) -> None:
        """
        A base is as large as often as it is extended: a small file may not stand for a huge template.
        """
        base = ", ".join(f"K{number}: v" for number in range(1_000))
        many = "".join(f"\n  s{number}: {{extends: base}}" for number in range(TEMPLATE_NODES_MAX // 1_000 + 1))

        found = mistakes(f"services:\n  base: {{image: a, environment: {{{base}}}}}{many}")

        assert found
        assert all("more than 100000 values once bases are written out" in each for each in found)
