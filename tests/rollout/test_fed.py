"""What a judge was fed is kept exactly, and fed again it decides the same."""

from dataclasses import replace

import pytest

from splitter.buckets import bucket_index
from splitter.buckets import bucket_top_us as fine_top_us
from splitter.judge.calibration import Baseline
from splitter.judge.config import JudgeConfig
from splitter.judge.judge import Judge
from splitter.judge.tick import Tick
from splitter.judge.verdict import Action, Decision
from splitter.model import Counts, Pairs, Resources, StackId, Window
from splitter.rollout.events import plain
from splitter.rollout.fed import (
    Before,
    Past,
    Row,
    bucket_top_us,
    coarse,
    decode,
    decode_past,
    encode,
    encode_past,
    feed,
)
from tests.rollout.stage import APP, LIVE, QUICK, SHADOW, Stage, opened

BASELINE = Baseline(1_000, 3, 7, ((900, 400), (1_100, 590)), 60.0)
TICK = Tick(
    7,
    live=Counts(10, 1, 1, 2, 1, (3, 4)),
    control=Counts(2, bins=(1, 1)),
    shadow=Counts(3, bins=(3, 0)),
    restarted="one of its parts ended and was started again",
    seconds=1.25,
    pairs=Pairs(3, 1, 0, ((900, 1_000), (800, 700))),
    live_uses=Resources(memory=5.0, memory_limit=10.0),
    shadow_uses=Resources(memory=6.0, memory_limit=10.0, restarts=1),
)


class TestRow:
    @pytest.mark.parametrize(
        "row",
        [
            Row(Tick(0)),
            Row(TICK, latency={"live": ((1_015, 3), (2_047, 1)), "shadow": ()}, timeouts={"shadow": 2}),
            Row(TICK, Before(baseline=BASELINE)),
            Row(TICK, Before(refresh=BASELINE, extended_s=600.0)),
        ],
    )
    def test_comes_back_as_it_was(self, row: Row) -> None:
        """
        Nothing is lost or rounded between a judge and the journal.
        """
        assert decode(encode(row)) == row

    def test_of_an_older_form_is_refused(self) -> None:
        """
        What has no `before` was not written by this splitter.
        """
        with pytest.raises(KeyError):
            decode('{"tick": {"t": 1}}')


class TestCoarse:
    def test_buckets_hold_whole_finer_buckets(self) -> None:
        """
        A bucket of two digits begins and ends where buckets of three do.
        """
        for value_us in (1, 127, 255, 256, 1_023, 28_100, 28_159, 1_000_000, 59_999_999):
            top_us = bucket_top_us(value_us)

            assert value_us <= top_us <= value_us * 1.01 + 1
            assert fine_top_us(bucket_index(top_us)) == top_us

    def test_adds_what_falls_together(self) -> None:
        """
        No answer is lost.
        """
        assert coarse([(28_111, 2), (28_127, 3), (40_000, 1)]) == ((28_159, 5), (40_191, 1))


class TestPast:
    def test_is_one_line_a_window(self) -> None:
        """
        Live's windows before the judge began are kept with their counts and latencies.
        """
        window = Window(
            StackId("shop-r1"), 5.0, 6.0, Counts(n=3, e5=1, bins=(2,)), latency=((28_111, 2),), outcomes={"timeout": 1}
        )

        (line,) = encode_past([window])

        assert decode_past(line) == Past(1.0, Counts(n=3, e5=1, bins=(2,)), ((28_159, 2),), timeouts=1)


class TestFeed:
    async def test_leads_to_the_same_decisions(self) -> None:
        """
        A new judge that is fed what the journal kept decides the same in the same tick, over a restart of the daemon,
        over more time for a rollout that was held, and over edges that were cut anew.
        """
        config = JudgeConfig(warmup_s=5, dwell_s=10, min_duration_s=300, max_duration_s=600)
        async with opened(judges=Judge, judge=config, options=replace(QUICK, deadline_s=500.0)) as stage:
            stage.kpis.spread_us = 50
            await stage.start()
            await stage.live()
            await play(stage)
            events = await stage.events()
            rows = [decode(text) for text in await stage.journal.figures(APP, "shop-2")]

        decided = next(event.data["judged"] for event in events if event.kind == "worse")
        judge = Judge(config)
        decisions = [feed(judge, row) for row in rows]
        assert [row.tick.t for row in rows] == list(range(len(rows)))
        assert any(row.before.extended_s for row in rows)
        assert any(row.before.refresh for row in rows)
        assert [each.action for each in decisions[:-1]] == [Action.CONTINUE] * (len(rows) - 1)
        assert decisions[-1] == Decision.of_state(decided)
        assert plain(decisions[-1].state()) == decided


async def play(stage: Stage) -> None:
    """Split, pause and resume, let live get slower, kill the daemon between two of the judge's states, fail."""
    await stage.deploy()
    await stage.reach("SPLITTING")
    await stage.clock.pass_(7)
    await stage.command("pause")
    await stage.clock.pass_(3)
    await stage.command("resume")
    stage.kpis.latency_us |= {LIVE: 15_000, SHADOW: 15_000}
    await stage.clock.pass_(20)
    await stage.kill()
    await stage.start()
    await stage.reach("SPLITTING")
    await stage.clock.pass_(13)
    stage.kpis.errors[SHADOW] = 20
    await stage.reach("ROLLED_BACK")
