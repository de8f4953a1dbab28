import pytest

from tests.change.compose import mistake, mistakes, service, template

pytestmark = pytest.mark.usefixtures("every_key")


class TestEnvironment:
    def test_both_forms_are_equal(self) -> None:
        """
        List and mapping give the same variables, sorted.
        """
        listed = service("environment: ['B=2', 'A=x=y', EMPTY=]")
        mapped = service("environment: {A: x=y, B: 2, EMPTY: ''}")

        assert listed == mapped
        assert list(listed.environment) == ["A", "B", "EMPTY"]

    def test_passes_through(self) -> None:
        """
        A name without value takes the given environment's, and is left out where it has none.
        """
        read = service("environment: {A: , NO: }", environment={"A": "given", "OTHER": "x"})

        assert read.environment == {"A": "given"}

    def test_scalars_are_printed_as_compose_does(self) -> None:
        """
        Numbers and booleans are printed, not spelt: a note says where that makes a difference.
        """
        loaded = template("services: {web: {image: a, environment: {A: true, B: 1.10, C: 0777, D: 1000000.0, E: .5}}}")

        assert loaded.services["web"].environment == {"A": "true", "B": "1.1", "C": "511", "D": "1e+06", "E": "0.5"}
        assert any('is the number 1.1; write "1.10" if the spelling matters' in note for note in loaded.notes)

    def test_a_mapping_in_the_list(self) -> None:
        """
        The usual slip, `- A: 1`, is reported at its line.
        """
        assert mistake("environment: [{A: 1}]") == (
            "services.web.environment[0]: a mapping stands where NAME=value, or a mapping of names, is expected"
        )


class TestEnvFiles:
    FILES = {"/srv/shop/a.env": "A=1\nB=$TAG\n", "/srv/shop/b.env": "B='$raw'\nC=$A"}  # noqa: RUF012 - read only

    def test_later_files_and_environment_win(self) -> None:
        """
        Files are read in order, the service's own environment lies over them.
        """
        text = "services: {web: {image: a, env_file: [a.env, ./b.env], environment: {C: own}}}"

        read = template(text, others=self.FILES, environment={"TAG": "t"})

        assert read.services["web"].environment == {"A": "1", "B": "$raw", "C": "own"}

    def test_raw_format(self) -> None:
        """
        The raw format keeps quotes and dollar signs.
        """
        text = "services: {web: {image: a, env_file: [{path: b.env, format: raw}]}}"

        assert template(text, others=self.FILES).services["web"].environment == {"B": "'$raw'", "C": "$A"}

    def test_missing_file(self) -> None:
        """
        A missing file is a mistake unless it is not required.
        """
        assert service("env_file: [{path: no.env, required: false}]").environment == {}
        assert mistake("env_file: no.env") == (
            "services.web.env_file[0]: there is no file /srv/shop/no.env; write required: false if it may be missing"
        )

    def test_mistakes_inside_have_their_own_place(self) -> None:
        """
        A bad line of the file is reported with that file's name and line.
        """
        found = mistakes("services: {web: {image: a, env_file: x.env}}", others={"/srv/shop/x.env": "A=1\n?\n"})

        assert found == ["/srv/shop/x.env:2:1: is not NAME=value"]


class TestLabelFiles:
    def test_lie_under_labels(self) -> None:
        """
        Labels of files, in order, then those of the service itself.
        """
        loaded = template(
            "services: {web: {image: web, label_file: [a.labels, b.labels], labels: {z: own}}}",
            others={"/srv/shop/a.labels": "x=1\ny=1\nz=1", "/srv/shop/b.labels": "y=2"},
        )

        assert loaded.services["web"].labels == {"x": "1", "y": "2", "z": "own"}

    def test_ours_are_checked(self) -> None:
        """
        A label of splitter's own in a file is checked as well; a missing file is a mistake.
        """
        found = mistakes(
            "services: {web: {image: web, label_file: a.labels}}", others={"/srv/shop/a.labels": "splitter.scope=all"}
        )

        assert found == ["1:42: services.web.label_file[0]: 'all' is not one of stack, shared"]
        assert "there is no file /srv/shop/none" in mistake("label_file: none")
