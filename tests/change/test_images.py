import pytest

from tests.change.compose import FILE, mistake, mistakes, service, template

pytestmark = pytest.mark.usefixtures("every_key")


class TestSources:
    def test_one_is_needed(self) -> None:
        """
        A service without image and build is a mistake at its name.
        """
        assert mistakes("services: {web: {command: x}}") == [
            "1:12: services.web: neither image nor build says what to run; write one of them"
        ]

    def test_commands_without_image(self) -> None:
        """
        For provisioners that run commands a command is enough, and an image is said to have no effect.
        """
        loaded = template("services: {web: {command: run}, api: {image: a, command: run}}", require_image=False)

        assert loaded.services["web"].command == ("run",)
        assert loaded.notes == (f"{FILE}:1:39: services.api.image has no effect: nothing runs in containers here",)

    def test_neither_image_nor_command(self) -> None:
        """
        Without an image to fall back on, a command is required.
        """
        found = mistakes("services: {web: {image: a}}", require_image=False)

        assert found == ["1:12: services.web: neither command nor endpoints says what answers; write one of them"]


class TestPolicies:
    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("pull_policy: build", "'build' needs to know how"),
            ("pull_policy: sometimes", "'sometimes' is not a policy"),
        ],
    )
    def test_that_mean_nothing(self, text: str, message: str) -> None:
        """
        A word that is none, and one that needs more, are mistakes.
        """
        assert message in mistake(text)

    def test_policies(self) -> None:
        """
        Both names of the default are one; the others are kept.
        """
        assert service("pull_policy: if_not_present").pull_policy == "missing"
        assert service("pull_policy: always").pull_policy == "always"

    @pytest.mark.parametrize(
        ("text", "policy"),
        [
            ("pull_policy: daily", "every_86400s"),
            ("pull_policy: weekly", "every_604800s"),
            ("pull_policy: every_1d12h", "every_129600s"),
            ("pull_policy: refresh, pull_refresh_after: 12h", "every_43200s"),
        ],
    )
    def test_policies_that_tell_an_age(self, text: str, policy: str) -> None:
        """
        However it is said how old an image may get, it is one policy.
        """
        assert policy == service(text).pull_policy

    def test_an_age_needs_its_policy(self) -> None:
        """
        To refresh needs to be told when, and when means nothing by itself.
        """
        assert "'refresh' needs to know when; write pull_refresh_after" in mistake("pull_policy: refresh")
        assert "'soon' is not a duration" in mistake("pull_policy: refresh, pull_refresh_after: soon")
        (note,) = template("services: {web: {image: web, pull_refresh_after: 1d}}").notes
        assert "pull_refresh_after has no effect: pull_policy is not refresh" in note
