import pytest

from splitter.change import labels
from tests.change.compose import mistake, mistakes, service


class TestLabels:
    def test_both_forms(self) -> None:
        """
        Labels are text, in either form, sorted; nothing is the empty text.
        """
        assert service("labels: [b=2, a]").labels == service("labels: {a: , b: 2}").labels == {"a": "", "b": "2"}

    @pytest.mark.parametrize(
        ("label", "message"),
        [
            ("splitter.stack: x", "splitter sets this label itself; remove it"),
            ("splitter.scop: shared", "unknown key 'splitter.scop'; did you mean 'splitter.scope'?"),
            ("splitter.scope: both", "'both' is not one of stack, shared"),
            ("splitter.rollback.cost: 1001", "'1001' is not one of none, low, high, irreversible, <points>"),
        ],
    )
    def test_of_our_own_are_checked(self, label: str, message: str) -> None:
        """
        A label for splitter that says nothing it knows is a mistake, not silence.
        """
        assert mistake(f"labels: {{{label}}}").endswith(message)

    @pytest.mark.parametrize("cost", ["none", "low", "high", "irreversible", "0", "25", "1000"])
    def test_costs(self, cost: str) -> None:
        """
        A cost is a word or a number of points.
        """
        assert labels.mistakes({labels.COST: cost}, labels.SERVICE_LABELS) == {}

    def test_commands(self) -> None:
        """
        A copy hook is any command that a shell could take apart.
        """
        table = labels.VOLUME_LABELS

        assert labels.mistakes({labels.COPY_HOOK: "sh -c 'redis-cli save'"}, table) == {}
        assert labels.words("sh -c 'redis-cli save'") == ("sh", "-c", "redis-cli save")
        for wrong in ("", "sh -c 'save"):
            assert labels.mistakes({labels.COPY_HOOK: wrong}, table) == {
                labels.COPY_HOOK: f"{wrong!r} is no command: write its words, with quotes closed"
            }

    def test_volumes_have_their_own(self) -> None:
        """
        A volume knows other labels than a service.
        """
        text = "services: {a: {image: a, volumes: [v:/v]}}\nvolumes: {v: {labels: {splitter.scope: stack}}}"

        assert "splitter.scope" in mistakes(text)[0]
        assert mistakes(text.replace("scope: stack", "volume: lend")) == [
            "2:24: volumes.v.labels[\"splitter.volume\"]: 'lend' is not one of share-ro, share, copy, fresh, external"
        ]
