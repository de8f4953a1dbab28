import json
from dataclasses import asdict

import pytest

from splitter.judge.calibration import Baseline
from splitter.judge.judge import Judge
from splitter.judge.replay import decisions, replay
from splitter.judge.trace import header_of, read
from splitter.judge.verdict import Action
from tests.judge.traces import CONFIG, trace
from tests.judge.worlds import HONEST, Manners, World

SLOWER = Manners(slower=lambda us, _: 1.4 * us)


def failing_from_20(t: int) -> Manners:
    return Manners(failures=0.05) if t >= 20 else HONEST


class TestReplay:
    def test_promotes_an_equal_shadow(self) -> None:
        """
        The line of an equal shadow has nobody to blame, and the earliest time at which it may be promoted.
        """
        line = replay(trace()).line()

        assert line == {
            "id": "seed 1",
            "decision": "promote",
            "kpi": None,
            "t": 90.0,
            "shadow_requests": line["shadow_requests"],
        }
        assert 90 * 50 < line["shadow_requests"] < 90 * 70

    def test_rolls_back_a_failing_shadow(self) -> None:
        """
        Five percent of errors from the twentieth second on are found in some seconds more.
        """
        line = replay(trace(failing_from_20, seconds=60)).line()

        assert line["decision"] == "rollback"
        assert line["kpi"] == "error_rate"
        assert 20 < line["t"] < 40

    def test_rolls_back_a_slower_shadow(self) -> None:
        """
        Coarse buckets hide no latency that is higher by two fifths.
        """
        line = replay(trace(lambda _: SLOWER, seconds=60)).line()

        assert line["decision"] == "rollback"
        assert line["kpi"].startswith("latency_")

    def test_rolls_back_a_full_shadow(self) -> None:
        """
        Memory is sampled every five seconds, and two samples at its limit are too many.
        """
        line = replay(trace(memory=lambda t: 0.5 if t < 20 else 0.97, seconds=40)).line()

        assert line["decision"] == "rollback"
        assert line["kpi"] == "guards.memory"
        assert line["t"] == 26.0

    def test_is_undecided_at_the_end_of_the_trace(self) -> None:
        """
        A trace that ends before a decision says so, with all that passed.
        """
        line = replay(trace(seconds=30)).line()

        assert (line["decision"], line["kpi"], line["t"]) == ("undecided", None, 30.0)

    def test_is_undecided_without_a_shadow(self) -> None:
        """
        A shadow that gets no traffic before the longest duration is over is neither.
        """
        config = {**CONFIG, "max_duration_s": 110}

        line = replay(trace(share=0.0, config=config)).line()

        assert (line["decision"], line["t"], line["shadow_requests"]) == ("undecided", 110.0, 0)

    def test_is_undecided_before_the_first_tick(self) -> None:
        """
        A trace without a single row of both stacks has decided nothing.
        """
        assert replay(trace(seconds=0)).line()["decision"] == "undecided"

    def test_leaves_out_a_row_that_cannot_be(self) -> None:
        """
        A negative count costs its tick and nothing else.
        """
        lines = trace()
        broken = json.loads(lines[100])
        broken["shadow"]["n"] = -5
        lines[100] = json.dumps(broken)

        assert replay(lines).line()["decision"] == "promote"


class TestOwnTrace:
    @pytest.mark.parametrize("shadow", [HONEST, Manners(failures=0.02), Manners(slower=lambda us, _: 1.3 * us)])
    def test_is_replayed_figure_by_figure(self, shadow: Manners) -> None:
        """
        What the judge was fed, written down as JSON, leads to every decision again, through a restart and new edges.
        """
        world, made = World(5, rps=200, share=0.2), []
        header, _ = read(trace(seconds=0))
        judge = Judge(header.config)
        judge.calibrate(stalled(world.baseline(60)))
        lines = [json.dumps(header_of("shop-1", header.config, judge.state_dict()))]
        for t in range(110):
            tick = world.tick(t, judge, shadow)
            lines.append(json.dumps({"t": t, "tick": asdict(tick)}))
            made.append(judge.observe(tick))
            if made[-1].action is not Action.CONTINUE:
                break
            if judge.is_stale and judge.refresh(world.baseline(60)):
                lines.append(json.dumps({"type": "state", "state": judge.state_dict()}))

        again = [decision for _, decision in decisions(*read(lines))]

        assert made == again
        assert shadow != HONEST or any('"type": "state"' in line for line in lines)
        assert replay(lines).decision == made[-1]
        assert replay(lines).shadow_requests == made[-1].requests


def stalled(usual: Baseline) -> Baseline:
    """Return a baseline with one answer in twenty after two seconds and more: its edges soon go stale."""
    some, few = usual.answers // 25, usual.answers // 100
    latency = (*usual.latency, (2_000_000, some), (2_100_000, few))
    return Baseline(usual.n + some + few, usual.e5u, usual.e4u, latency, usual.span_s)
