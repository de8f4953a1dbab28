from typing import Any

import pytest

from provisioners.docker.names import Kind
from provisioners.docker.state import CRASHES_MAX, Loss, failing, holds, is_moving, loss
from splitter.template import Condition
from tests.provisioners.docker.samples import RESTARTING, container, exited, health

STARTED, HEALTHY, COMPLETED = Condition.STARTED, Condition.HEALTHY, Condition.COMPLETED


class TestHolds:
    @pytest.mark.parametrize(
        ("state", "condition", "expected"),
        [
            ({}, STARTED, True),
            ({"Status": "created", "Running": False}, STARTED, False),
            (RESTARTING, STARTED, False),
            (health("starting"), STARTED, True),
            (health("starting"), HEALTHY, False),
            (health("healthy"), HEALTHY, True),
            ({}, COMPLETED, False),
            (exited(0), COMPLETED, True),
            (exited(1), COMPLETED, False),
            (exited(0), STARTED, False),
        ],
    )
    def test_follows_the_state(self, state: dict[str, Any], condition: Condition, expected: bool) -> None:
        """
        A condition holds for what a container is now, not for what it was.
        """
        assert holds(container(state=state), condition) is expected

    def test_counts_a_job_that_is_done_as_started(self) -> None:
        """
        A job may be over before anybody has looked.
        """
        assert holds(container(kind=Kind.JOB, state=exited(0)), STARTED)


class TestFailing:
    @pytest.mark.parametrize(
        ("state", "condition", "expected"),
        [
            ({}, HEALTHY, "has no health check, so it can never be healthy"),
            (health("starting"), HEALTHY, ""),
            (health("unhealthy", "first\nno answer\n"), HEALTHY, "is unhealthy: no answer"),
            (health("unhealthy"), HEALTHY, "is unhealthy"),
            (health("unhealthy"), STARTED, ""),
            (exited(3), STARTED, "exited with code 3"),
            (exited(3), COMPLETED, "exited with code 3"),
            (exited(0), COMPLETED, ""),
            (exited(0), STARTED, "exited with code 0"),
            (exited(137, OOMKilled=True), STARTED, "was killed because it used more memory than its limit"),
            (exited(127, Error="no such file"), STARTED, "could not start: no such file"),
            (RESTARTING, STARTED, ""),
            ({"Status": "created", "Running": False}, HEALTHY, ""),
        ],
    )
    def test_says_why_a_condition_cannot_come_true(
        self, state: dict[str, Any], condition: Condition, expected: str
    ) -> None:
        """
        Waiting ends at once when the container can no longer get where it should.
        """
        assert failing(container(state=state), condition) == expected

    def test_sees_a_crash_loop_while_the_container_runs(self) -> None:
        """
        A container that was restarted too often is failing, although it runs at the moment of the look.
        """
        assert "ended 3 times" in failing(container(restarts=CRASHES_MAX), STARTED)


class TestLoss:
    @pytest.mark.parametrize(
        ("state", "policy", "reason"),
        [
            ({}, "no", ""),
            (health("starting"), "no", ""),
            (health("unhealthy", "no answer"), "no", "is unhealthy: no answer"),
            (exited(0), "no", "exited with code 0"),
            (exited(137), "always", "exited with code 137"),
            (RESTARTING, "always", ""),
        ],
    )
    def test_is_what_the_engine_will_not_mend(self, state: dict[str, Any], policy: str, reason: str) -> None:
        """
        A server that is down is lost, unless the engine is about to start it again.
        """
        found = loss([container(state=state, policy=policy)], {}, engine_restarted=False)

        assert (found.reason if found else "") == (f"container shop-r1-web-1 {reason}" if reason else "")

    def test_waits_for_an_engine_that_comes_back(self) -> None:
        """
        What an engine stopped when it ended it starts again, if the policy says so.
        """
        returning = container(state=exited(0), policy="unless-stopped")
        staying = container(state=exited(0), policy="on-failure")

        assert loss([returning], {}, engine_restarted=True) is None
        assert loss([staying], {}, engine_restarted=True) is not None

    def test_counts_crashes_within_a_window(self) -> None:
        """
        Restarts before the window do not count; as many as the bound within it are a loop.
        """
        crashed = container(restarts=7)

        assert loss([crashed], {crashed.name: 5}, engine_restarted=False) is None
        found = loss([crashed], {crashed.name: 7 - CRASHES_MAX}, engine_restarted=False)
        assert found == Loss("container shop-r1-web-1 crashed 3 times and is restarted in a loop", crashed)

    def test_misses_containers_by_their_names(self) -> None:
        """
        A container that the labels of the others speak of and that is not there was removed by somebody.
        """
        found = loss([container(services={"web": 1, "db": 1})], {}, engine_restarted=False)

        assert found == Loss("container shop-r1-db-1 is gone: somebody removed it")

    @pytest.mark.parametrize("kind", [Kind.JOB, Kind.OPTIONAL])
    def test_lets_jobs_and_optional_services_end(self, kind: Kind) -> None:
        """
        Only servers are needed for as long as the stack is.
        """
        assert loss([container(kind=kind, state=exited(1))], {}, engine_restarted=False) is None


class TestContainer:
    @pytest.mark.parametrize(
        ("kind", "state", "expected"),
        [
            (Kind.SERVER, {}, True),
            (Kind.SERVER, health("unhealthy"), False),
            (Kind.SERVER, exited(0), False),
            (Kind.JOB, exited(0), True),
            (Kind.JOB, exited(1), False),
            (Kind.JOB, {}, True),
        ],
    )
    def test_is_up_when_it_does_what_it_is_for(self, kind: Kind, state: dict[str, Any], expected: bool) -> None:
        """
        A server is up while it runs and is not unhealthy, a job also when it has ended well.
        """
        assert container(kind=kind, state=state).is_up is expected

    def test_is_moving_while_a_server_is_down(self) -> None:
        """
        Endpoints are all known only while all servers run; a job's end does not matter.
        """
        assert is_moving([container(), container("db", state=RESTARTING)])
        assert not is_moving([container(), container("migrate", kind=Kind.JOB, state=exited(0))])
