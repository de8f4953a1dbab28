"""Mistakes: all of them, each where it is, in words that say what to write."""

import pytest

from tests.config.documents import GOOD, mistakes, with_app


class TestMistakes:
    def test_are_all_shown_in_the_order_of_the_file(self) -> None:
        """
        One attempt shows what is wrong in every section, also between sections.
        """
        text = """\
            listeners:
              - bind: 0.0.0.0:8080
              - bind: 127.0.0.1:8080
            apps:
              shop:
                provisioner: dokcer
                template: compose.yaml
                routes:
                  - {path: /, service: web}
                  - {path: /, service: api}
                rollout:
                  steps: [1%, 5%, 120%]
                  hold: 60
            """

        assert mistakes(text) == [
            "3:11: listeners[1].bind: 127.0.0.1:8080 is taken by listeners[0]",
            "6:18: apps.shop.provisioner: 'dokcer' is not known here; did you mean 'docker'?",
            "10:9: apps.shop.routes[1]: / is taken by apps.shop.routes[0]; keep one of them",
            "12:23: apps.shop.rollout.steps[2]: 120% is more than 100%",
            "13:13: apps.shop.rollout.hold: '60' has no unit; write 60s, 60ms or 60m",
        ]

    def test_of_one_check_stand_at_each_option(self) -> None:
        """
        A check of several values names each that is wrong.
        """
        first, second = mistakes(with_app("rollout: {steps: [5%, 5%, 100%]}"))

        assert first == "9:27: apps.shop.rollout.steps[1]: 5% is not more than the step before it (5%)"
        assert second.startswith("9:31: apps.shop.rollout.steps[2]: 100% is no split; write 0.01% to 99.99%")


class TestUnknownKey:
    def test_names_the_nearest_known_one(self) -> None:
        """
        A slip of the finger is answered by what was probably meant.
        """
        assert mistakes(with_app("rollout: {warmup: 5s}")) == [
            "9:15: apps.shop.rollout: unknown key 'warmup'; did you mean 'warm_up'?"
        ]

    def test_that_resembles_nothing_gets_the_list(self) -> None:
        """
        Where nothing is close, all keys of a short section are named.
        """
        assert mistakes(GOOD + "docker: {zzz: 1}\n") == [
            "9:10: docker: unknown key 'zzz'; known here: endpoint, host, no_room, pull"
        ]

    def test_is_found_below_names_and_in_lists(self) -> None:
        """
        The nearest key is that of the section where the slip stands.
        """
        text = GOOD.replace("port: 8000", "prot: 8000")

        assert mistakes(text) == ["8:33: apps.shop.routes[0]: unknown key 'prot'; did you mean 'port'?"]


class TestSentence:
    @pytest.mark.parametrize(
        ("lines", "expected"),
        [
            (
                "provisioner: null",
                "apps.shop.provisioner: nothing is not known here; write one of: docker, process, static",
            ),
            ("rollout: 5", "apps.shop.rollout: 5 is not a mapping of options to values"),
            ("environment: [A=1]", "apps.shop.environment: a list is not a mapping of names to values"),
            (
                "env_file: {a: b}",
                "apps.shop.env_file: a mapping is not a list; write each entry on a line of its own, after a dash",
            ),
            (
                "analysis: {warmup: {requests: many}}",
                "apps.shop.analysis.warmup.requests: 'many' is not a whole number",
            ),
            (
                "analysis: {kpis: {error_rate: {weight: x}}}",
                "apps.shop.analysis.kpis.error_rate.weight: 'x' is not a number",
            ),
            ("analysis: {false_rollback: 60%}", "apps.shop.analysis.false_rollback: 60% is more than 50%"),
            ("rollout: {deadline: 0s}", "apps.shop.rollout.deadline: 0s is not more than 0"),
            ("rollout: {steps: []}", "apps.shop.rollout.steps: is empty; write at least one"),
            ("env_file: [a, [b]]", "apps.shop.env_file[1]: a list is not text"),
        ],
    )
    def test_says_what_is_wanted(self, lines: str, expected: str) -> None:
        """
        Each kind of mistake has words of our own.
        """
        text = with_app(lines)
        if lines.startswith("provisioner"):
            text = text.replace("    provisioner: docker\n", "")

        assert [each.partition(": ")[2] for each in mistakes(text)] == [expected]

    def test_about_an_entry_spares_its_list(self) -> None:
        """
        A list whose only entry is wrong is not called empty as well.
        """
        assert mistakes(GOOD.replace(", service: web", "")) == ["8:9: apps.shop.routes[0].service: is missing"]

    def test_about_a_single_text_names_no_position(self) -> None:
        """
        A path ends where the file ends: an option that may be a list is named without a position that nobody wrote.
        """
        assert mistakes(GOOD.replace("compose.yaml", "null")) == [
            "6:15: apps.shop.template: nothing is not a list; write each entry on a line of its own, after a dash"
        ]
