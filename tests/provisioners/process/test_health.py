import os

import pytest

from provisioners.process.health import Health, Status, ask
from splitter.template import Healthcheck

CHECK = Healthcheck(("CMD", "true"), interval_s=10.0, timeout_s=5.0, retries=3, start_period_s=60.0)
ENVIRONMENT = {"PATH": os.defpath, "WORD": "hello"}


class TestStarting:
    def test_one_good_answer_is_enough(self) -> None:
        """
        A starting service is healthy with its first good answer.
        """
        health = Health(CHECK, now_s=100.0)

        health.observe(is_well=True, now_s=101.0)

        assert health.status is Status.HEALTHY

    def test_has_the_time_that_an_engine_gives(self) -> None:
        """
        Failures count only after the start period and as many intervals as there are retries.
        """
        health = Health(CHECK, now_s=100.0)

        health.observe(is_well=False, now_s=189.0)
        before = health.status
        health.observe(is_well=False, now_s=190.0)

        assert (before, health.status) == (Status.STARTING, Status.UNHEALTHY)

    def test_is_asked_often(self) -> None:
        """
        The interval is for services that are well; nobody waits that long for one that starts.
        """
        health = Health(CHECK, now_s=0.0)

        assert health.pause_s < 1.0
        health.observe(is_well=True, now_s=1.0)

        assert health.pause_s == 10.0


class TestHealthy:
    def test_failures_in_a_row_end_it(self) -> None:
        """
        A good answer in between starts the count anew.
        """
        health = Health(CHECK, now_s=0.0, status=Status.HEALTHY)
        for is_well in (False, False, True, False, False):
            health.observe(is_well=is_well, now_s=1.0)
        before = health.status

        health.observe(is_well=False, now_s=1.0)

        assert (before, health.status) == (Status.HEALTHY, Status.UNHEALTHY)


class TestAsk:
    @pytest.mark.parametrize(
        ("script", "is_well", "output"),
        [
            ("echo $WORD", True, "hello"),
            ("echo one; echo two >&2; exit 1", False, "one | two"),
            ("exit 3", False, "the healthcheck exited with code 3"),
        ],
    )
    async def test_answer_is_the_exit_code(self, script: str, is_well: bool, output: str) -> None:
        """
        The code says whether the service is well, the output says why not.
        """
        answer = await ask(("/bin/sh", "-c", script), ENVIRONMENT, "/", 30.0)

        assert (answer.is_well, answer.output) == (is_well, output)

    async def test_late_is_not_well(self) -> None:
        """
        A check that takes too long is killed with its children, and is a failure.
        """
        answer = await ask(("/bin/sh", "-c", "sleep 1000 & wait"), ENVIRONMENT, "/", 0.1)

        assert (answer.is_well, answer.output) == (False, "the healthcheck gave no answer within 0.1 s")

    async def test_command_that_cannot_be_run(self) -> None:
        """
        A check that is gone is a failure, not a crash.
        """
        answer = await ask(("/no/such/check",), ENVIRONMENT, "/", 30.0)

        assert "the healthcheck cannot be run: " in answer.output
