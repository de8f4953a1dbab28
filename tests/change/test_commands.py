import pytest

from splitter.template import Healthcheck
from tests.change.compose import mistake, service, template


class TestCommands:
    @pytest.mark.parametrize(
        ("text", "words"),
        [
            ("run --it 'now please'", ("run", "--it", "now please")),
            ("''", ()),
            ("[]", ()),
            ("[a, 'b c']", ("a", "b c")),
            ("", None),
        ],
    )
    def test_words(self, text: str, words: tuple[str, ...] | None) -> None:
        """
        Text is split as a shell splits it; an empty one clears, nothing is the image's own.
        """
        quoted = text if text.startswith(("[", "''")) or not text else f'"{text}"'

        assert words == service(f"command: {quoted}, entrypoint: {quoted}").command
        assert words == service(f"command: {quoted}, entrypoint: {quoted}").entrypoint

    def test_unbalanced_quotes(self) -> None:
        """
        Text that a shell would not take is a mistake.
        """
        assert "the command cannot be split into words: no closing quotation" in mistake("""command: "a 'b" """)

    def test_numbers_in_lists(self) -> None:
        """
        A word that YAML takes for a number must be quoted, since its spelling would be lost.
        """
        assert mistake("command: [sleep, 1.50]") == (
            'services.web.command[1]: the number 1.50 stands where text is expected; write "1.50"'
        )


class TestHealthchecks:
    @pytest.mark.parametrize(
        ("text", "check"),
        [
            ("test: curl x", Healthcheck(("CMD-SHELL", "curl x"))),
            ("test: [CMD, curl, x]", Healthcheck(("CMD", "curl", "x"))),
            ("test: [NONE], interval: 1s", Healthcheck(("NONE",))),
            ("disable: true", Healthcheck(("NONE",))),
            ("interval: 1m30s", Healthcheck((), interval_s=90.0)),
            (
                "test: a, interval: 1s, timeout: 500ms, retries: 5, start_period: 2m",
                Healthcheck(("CMD-SHELL", "a"), 1.0, 0.5, 5, 120.0),
            ),
        ],
    )
    def test_forms(self, text: str, check: Healthcheck) -> None:
        """
        Every way to write a test, and to switch it off, has one value.
        """
        assert check == service(f"healthcheck: {{{text}}}").healthcheck

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("test: [curl, x]", 'a list begins with "NONE", "CMD" or "CMD-SHELL"'),
            ("test: []", 'a list begins with "NONE", "CMD" or "CMD-SHELL"'),
            ("test: [CMD]", 'nothing follows "CMD"; write the command'),
            ("test: a, interval: 5", "'5' has no unit; write 5s"),
            ("test: a, retries: many", "'many' is not a whole number"),
        ],
    )
    def test_mistakes(self, text: str, message: str) -> None:
        """
        A test that could not run is refused.
        """
        assert message in mistake(f"healthcheck: {{{text}}}")

    def test_an_interval_for_the_start(self) -> None:
        """
        How often a check runs at first is kept, with a note for engines that do not know it.
        """
        loaded = template("services: {web: {image: web, healthcheck: {test: x, start_interval: 1s}}}")

        assert loaded.services["web"].healthcheck == Healthcheck(("CMD-SHELL", "x"), start_interval_s=1.0)
        assert "has effect on engines from API 1.44 on" in loaded.notes[0]
