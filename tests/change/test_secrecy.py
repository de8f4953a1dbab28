import pytest

from splitter.change.secrecy import MASK, is_secret, masked, masked_text, masked_words


class TestNames:
    @pytest.mark.parametrize(
        "name",
        [
            "DB_PASSWORD",
            "dbPassword",
            "API_TOKEN",
            "SECRET_KEY_BASE",
            "AWS_ACCESS_KEY_ID",
            "api-key",
            "KEY",
            "PGPASS_PASS",
            "GITHUB_TOKENS",
            "credentials",
            "PRIVATE_KEY",
        ],
    )
    def test_secret(self, name: str) -> None:
        """
        A name that says password, secret, token or key hides its value.
        """
        assert is_secret(name)
        assert masked(name, "x") == MASK

    @pytest.mark.parametrize("name", ["PORT", "KEYCLOAK_URL", "MONKEY", "BYPASS", "COMPASS_URL", "DATABASE_URL"])
    def test_not_secret(self, name: str) -> None:
        """
        A name that only looks alike is shown.
        """
        assert not is_secret(name)

    def test_nothing_is_shown_as_nothing(self) -> None:
        """
        An empty secret is worth showing: it is often the mistake.
        """
        assert masked("PASSWORD", "") == ""


class TestTexts:
    @pytest.mark.parametrize(
        ("text", "shown"),
        [
            ("postgres://u:pw@db:5432/x", f"postgres://u:{MASK}@db:5432/x"),
            ("redis://:pw@cache", f"redis://:{MASK}@cache"),
            ("a postgres://u:p@h b amqp://x:y@z", f"a postgres://u:{MASK}@h b amqp://x:{MASK}@z"),
            ("https://h/x?token=abc&a=1", f"https://h/x?token={MASK}&a=1"),
            ("host=db password=pw user=u", f"host=db password={MASK} user=u"),
            ("postgres://db/x", "postgres://db/x"),
            ("10:30@noon", "10:30@noon"),
        ],
    )
    def test_passwords_inside(self, text: str, shown: str) -> None:
        """
        A password inside an address or a list of assignments is hidden, the rest is shown.
        """
        assert shown == masked_text(text)

    def test_commands(self) -> None:
        """
        The word behind an option that names a secret is hidden, and so is `--option=value`.
        """
        words = ("run", "--password", "pw", "--token=t", "--verbose", "x", "--key", "--other")

        assert masked_words(words) == (
            "run",
            "--password",
            MASK,
            f"--token={MASK}",
            "--verbose",
            "x",
            "--key",
            "--other",
        )
