import pytest

from benchmarks.judge.foresight import BENIGN, LEAKS, run


class TestForesight:
    @pytest.mark.parametrize("name", LEAKS)
    def test_leaves_leaks_in_time(self, name: str) -> None:
        """
        Every leak is foreseen three minutes before the memory is full, or more.
        """
        alarm_s, full_s = run(name, 1)

        assert alarm_s is not None
        assert full_s is not None
        assert full_s - alarm_s >= 180

    @pytest.mark.parametrize("name", [name for name in BENIGN if name != "ramp, then flat"])
    def test_is_not_alarmed_by_what_is_benign(self, name: str) -> None:
        """
        What levels off, follows the load or wanders is left alone for an hour.
        """
        assert run(name, 1) == (None, None)
