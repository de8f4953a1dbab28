import json

from splitter.judge.capacity import Capacity
from splitter.judge.config import Mode
from splitter.model import Resources


def watch(
    watched: Capacity, seconds: int, rps: float, *, start: int = 0, per_request: float = 0.01, used_s: float = 0.0
) -> float:
    """Observe a shadow that needs 0.1 CPUs idle, of 100 requests a second in all; return its CPU seconds."""
    for t in range(start, start + seconds):
        used_s += 0.1 + per_request * rps
        uses = Resources(cpu_s=used_s, cpu_limit=1.0) if t % 5 == 0 else None
        watched.observe(uses, rps, 100.0, 1.0)
    return used_s


class TestCapacity:
    def test_foresees_too_much(self) -> None:
        """
        At a hundredth of a CPU for each request a hundred a second need 1.1 of one: too much by the second step.
        """
        watched = Capacity(Mode.GATE)
        used_s = watch(watched, 90, 5)
        watch(watched, 90, 20, start=90, used_s=used_s)

        assert watched.needed is not None
        assert abs(watched.needed - 1.1) < 0.01
        assert watched.gate == "with all traffic it would need 1.1 of its 1 CPUs, at most 80 % are good"
        forecast = watched.forecast()
        assert forecast is not None
        assert forecast.is_alarm
        assert watched.warning == ""

    def test_lets_pass_what_is_enough(self) -> None:
        """
        Half as much for each request fits.
        """
        watched = Capacity(Mode.GATE)
        used_s = watch(watched, 90, 5, per_request=0.005)
        watch(watched, 90, 20, start=90, per_request=0.005, used_s=used_s)

        assert watched.gate == ""
        forecast = watched.forecast()
        assert forecast is not None
        assert not forecast.is_alarm

    def test_foretells_nothing_from_one_share(self) -> None:
        """
        What is idle work and what requests cost cannot be told apart; a person is told.
        """
        watched = Capacity(Mode.GATE)
        watch(watched, 300, 5)

        assert watched.needed is None
        assert watched.forecast() is None
        assert watched.warning.startswith("what CPU and memory it needs with all traffic is not known")

    def test_leaves_out_a_restart(self) -> None:
        """
        A counter that begins anew is no CPU given back.
        """
        watched = Capacity(Mode.GATE)
        watch(watched, 90, 5)
        watch(watched, 90, 20, start=90, used_s=0.0)

        assert watched.needed is not None
        assert abs(watched.needed - 1.1) < 0.01

    def test_goes_on_from_its_state(self) -> None:
        """
        One restored from JSON in the middle of a block foretells the same.
        """
        watched, copy = Capacity(Mode.GATE), Capacity(Mode.GATE)
        used_s = watch(watched, 107, 5)

        copy.restore(json.loads(json.dumps(watched.state())))

        for each in (watched, copy):
            watch(each, 90, 20, start=107, used_s=used_s)
        assert watched.needed == copy.needed is not None
