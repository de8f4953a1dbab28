import pytest

from provisioners.process.restarts import Restarts


class TestPolicy:
    @pytest.mark.parametrize(
        ("policy", "code", "expected"),
        [
            ("no", 1, "its restart policy is `no`"),
            ("on-failure", 0, "it did not fail"),
            ("on-failure", 1, ""),
            ("on-failure", None, ""),
            ("always", 0, ""),
            ("unless-stopped", 0, ""),
        ],
    )
    def test_says_whether_a_service_comes_back(self, policy: str, code: int | None, expected: str) -> None:
        """
        The policy and the exit code decide; a code that nobody saw counts as a failure.
        """
        refused = Restarts(policy).refused(code, now_s=0.0)

        assert expected in refused
        assert bool(expected) == bool(refused)

    def test_counts_to_the_limit(self) -> None:
        """
        `on-failure:2` allows two restarts, however far apart.
        """
        restarts = Restarts("on-failure:2")
        for now_s in (0.0, 1000.0):
            assert not restarts.refused(1, now_s)
            restarts.restart(now_s)

        assert restarts.refused(1, 2000.0) == "its restart policy allows 2 restarts"


class TestCrashLoop:
    def test_third_restart_in_a_window_is_the_last(self) -> None:
        """
        Each restart waits longer than the one before, and the fourth within the window is refused.
        """
        restarts = Restarts("always")

        pauses = [restarts.restart(now_s) for now_s in (0.0, 1.0, 2.0)]

        assert pauses == sorted(pauses)
        assert restarts.refused(1, 30.0) == "it was restarted 3 times within 30 s"

    def test_old_restarts_are_forgiven(self) -> None:
        """
        What happened before the window does not count.
        """
        restarts = Restarts("always")
        first, *_ = [restarts.restart(now_s) for now_s in (0.0, 1.0, 2.0)]

        assert not restarts.refused(1, 60.0)
        assert restarts.restart(60.0) == first
