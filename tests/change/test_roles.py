import pytest

from splitter.change.roles import one_shot_jobs, singletons
from tests.change.compose import template


def found(text: str, routed: tuple[str, ...] = ()) -> dict[str, str]:
    return {finding.service: finding.rule for finding in singletons(template(f"services: {text}"), routed)}


def jobs(text: str) -> dict[str, str]:
    return {finding.service: finding.rule for finding in one_shot_jobs(template(f"services: {text}"))}


class TestSingletons:
    @pytest.mark.parametrize(
        ("text", "word"),
        [
            ("{worker: {image: a}}", "its name says 'worker'"),
            ("{queue-short: {image: a}}", "its name says 'queue'"),
            ("{a: {image: a, command: celery -A x beat}}", "its command says 'celery'"),
            ("{a: {image: a, entrypoint: [crond, -f]}}", "its command says 'crond'"),
            ("{a: {image: mcuadros/ofelia-scheduler}}", "its image says 'scheduler'"),
        ],
    )
    def test_are_known_by_name_command_or_image(self, text: str, word: str) -> None:
        """
        A service that nothing reaches, and that is called like a worker, would do its work twice.
        """
        assert [rule.startswith(word) for rule in found(text).values()] == [True]

    @pytest.mark.parametrize(
        "text",
        [
            "{worker: {image: a, ports: ['80']}}",
            "{worker: {image: a}, web: {image: b, depends_on: [worker]}}",
            "{redis-queue: {image: redis}}",
            "{coworkers: {image: a}}",
            "{web: {image: a, command: serve}}",
        ],
    )
    def test_reached_services_are_none(self, text: str) -> None:
        """
        A port, a dependent or state makes it a service like any other.
        """
        assert found(text) == {}

    def test_routed_services_are_none(self) -> None:
        """
        What a route points at serves users.
        """
        assert found("{worker: {image: a}}", routed=("worker",)) == {}

    def test_label_decides(self) -> None:
        """
        A label makes any service a singleton.
        """
        text = "{web: {image: a, ports: ['80'], labels: {splitter.singleton: run}}}"

        assert found(text) == {"web": "its label splitter.singleton says run"}


class TestJobs:
    @pytest.mark.parametrize(
        ("text", "rule"),
        [
            ("{a: {image: a, command: ./manage.py migrate}}", "its command says 'manage.py' and it is not restarted"),
            ("{a: {image: a, entrypoint: alembic upgrade head}}", "its command says 'alembic' and it is not restarted"),
            ("{a: {image: a, labels: {splitter.job: run}}}", "its label splitter.job says run"),
        ],
    )
    def test_are_known_by_command_or_label(self, text: str, rule: str) -> None:
        """
        A migration tool that is not restarted runs once.
        """
        assert jobs(text) == {"a": rule}

    def test_are_known_by_who_waits(self) -> None:
        """
        A service that another one waits to complete runs once.
        """
        text = "{init: {image: a}, web: {image: b, depends_on: {init: {condition: service_completed_successfully}}}}"

        assert jobs(text) == {"init": "web waits until it has completed"}

    @pytest.mark.parametrize(
        "text",
        [
            "{web: {image: a, command: ./manage.py runserver}}",
            "{web: {image: a, command: ./manage.py migrate, restart: always}}",
            "{web: {image: a, command: ./manage.py migrate, expose: [80]}}",
            "{web: {image: a, command: php artisan serve}}",
            "{web: {image: a, command: workbench}}",
        ],
    )
    def test_servers_are_none(self, text: str) -> None:
        """
        A tool that is also used to serve is no job when it serves.
        """
        assert jobs(text) == {}
