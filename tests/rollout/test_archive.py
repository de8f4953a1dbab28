"""What is told of rollouts, while they run and long after: why they ended, the whole page, and a trace to replay."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from math import log
from typing import Any

import pytest

from splitter.errors import NotFoundError
from splitter.judge.config import JudgeConfig
from splitter.judge.judge import Judge
from splitter.judge.replay import replay
from splitter.judge.verdict import Action, Verdict
from splitter.judge.wording import grouped, odds, percent
from splitter.model import Pairs, Resources, StackId
from splitter.rollout.options import MirrorOptions, OnUndecided, RolloutOptions
from tests.rollout.stage import LIVE, QUICK, SHADOW, Stage, opened, staged

CONFIG = JudgeConfig(warmup_s=5, dwell_s=10, min_duration_s=30, max_duration_s=600)
OPTIONS = replace(QUICK, deadline_s=500.0)


@asynccontextmanager
async def judged(options: RolloutOptions = OPTIONS) -> AsyncIterator[Stage]:
    """Yield a stage with the real judge and latencies that differ from each other."""
    async with opened(judges=Judge, judge=CONFIG, options=options) as stage:
        stage.kpis.rps = 400
        stage.kpis.spread_us = 10
        await stage.start()
        await stage.live()
        yield stage


async def failing(stage: Stage) -> None:
    """Roll back a shadow that fails its requests."""
    await stage.deploy()
    await stage.reach("SPLITTING")
    await stage.clock.pass_(7)
    stage.kpis.errors[SHADOW] = 20
    await stage.reach("ROLLED_BACK")


class TestExplain:
    async def test_says_what_decided_and_when(self) -> None:
        """
        The sentence is the journal's, the figures are those that the judge had when it decided.
        """
        async with judged() as stage:
            await failing(stage)

            found = await stage.controller.explain()
            said = await stage.said("worse")

        assert (found.rollout, found.state, found.kind, found.by) == ("shop-2", "ROLLED_BACK", "worse", "splitter")
        assert found.decided == said
        assert found.decision is not None
        assert found.decision.action is Action.ROLLBACK
        assert found.sentences[:2] == (
            "shop-2: shop-r2 beside shop-r1: rolled back",
            f"decided at {found.at[:19].replace('T', ' ')} UTC by splitter: {said}",
        )

    async def test_gives_every_figure_of_a_kpi(self) -> None:
        """
        Counts and rates of both sides, tolerance and margin, the odds and what was needed.
        """
        async with judged() as stage:
            await failing(stage)
            found = await stage.controller.explain("shop-2")

        assert found.decision is not None
        errors = found.decision.verdicts[0]
        assert errors.verdict is Verdict.WORSE
        start = found.sentences.index(f"error rate: worse ({percent(found.shares['error_rate'])} of the risk)")
        counts, against, proof = found.sentences[start + 1 : start + 4]
        live_n, shadow_n = grouped(errors.live_n), grouped(errors.shadow_n)
        assert counts.startswith(
            f"  requests that failed (of one client, one in ten seconds): live 0 of {live_n} (0 %), shadow "
        )
        assert f"shadow {errors.shadow_hits:.0f} of {shadow_n} (" in counts
        needed = odds(log(errors.needed))
        assert f"against 'no worse than 1.25x + 0.05 %', {needed} rolls back without other KPIs" in against
        assert "against 'worse than 1.5x + 0.5 %', 20 : 1 proves that it is not" in proof

    async def test_gives_what_is_sampled_in_its_own_words(self) -> None:
        """
        Memory has no counts to compare: the judge's sentence stands for it.
        """
        async with judged() as stage:
            stage.engine.uses = {
                stack: Resources(memory=m, memory_limit=9.0) for stack, m in ((LIVE, 2.0), (SHADOW, 3.0))
            }
            await stage.deploy()
            await stage.reach("SPLITTING")
            await stage.clock.pass_(24)

            found = await stage.controller.explain()

        start = found.sentences.index("memory: not decided (shown only)")
        assert found.sentences[start + 1].startswith("  1.50x of live's in the last 10 s; beyond 1.25x in ")

    async def test_of_one_that_runs_is_of_the_moment(self) -> None:
        """
        Before anything is decided it says what the judge waits for.
        """
        async with judged() as stage:
            await stage.deploy()
            await stage.reach("SPLITTING")
            await stage.clock.pass_(2)

            found = await stage.controller.explain()

        assert (found.decided, found.state) == ("", "SPLITTING")
        assert found.sentences[1].startswith("nothing is decided yet: warming up")
        assert found.decision is not None
        assert found.decision.requests in (2 * 400, 3 * 400)

    async def test_of_one_that_is_mirrored_says_what_copies_show(self) -> None:
        """
        Before a request is served by the shadow the odds are those of pairs, and no promotion rests on them.
        """
        async with judged(replace(OPTIONS, mirror=MirrorOptions(for_s=60.0))) as stage:
            stage.kpis.pairs[SHADOW] = Pairs(n=40, latencies_us=((10_000, 10_000),) * 40)
            await stage.deploy()
            await stage.reach("MIRRORING")
            await stage.clock.pass_(15)

            found = await stage.controller.explain()

        start = found.sentences.index(f"error rate: not decided ({percent(found.shares['error_rate'])} of the risk)")
        assert found.sentences[start + 1] == "  no requests to compare yet"
        assert found.sentences[start + 2].startswith("  by copies: 0.")
        assert found.sentences[start + 2].endswith("; they prove nothing")
        assert "of its requests and copies" in found.sentences[2]

    async def test_of_one_that_is_watched_says_what_is_seen_now(self) -> None:
        """
        After a promotion the figures that decided stay, and what the judge has seen since is said besides.
        """
        async with judged() as stage:
            await stage.deploy()
            await stage.reach("STANDBY", within_s=600)
            await stage.clock.pass_(20)
            watched = await stage.controller.explain()
            await stage.reach("PROMOTED", within_s=600)
            over = await stage.controller.explain()

        assert watched.decision is not None
        assert watched.present is not None
        assert watched.present.age_s >= watched.decision.age_s + 20
        (line,) = (line for line in watched.sentences if line.startswith("it is still watched: by now "))
        assert f"and {grouped(watched.present.requests)} of its requests" in line
        assert over.present is None
        assert not any("still watched" in line for line in over.sentences)

    async def test_of_one_that_was_resumed_is_open_again(self) -> None:
        """
        What was undecided and is resumed is not decided any more.
        """
        async with judged(replace(QUICK, on_undecided=OnUndecided.HOLD, deadline_s=40.0, hold_s=60.0)) as stage:
            await stage.deploy()
            await stage.reach("HELD", within_s=600)
            held = await stage.controller.explain()

            await stage.command("resume")
            resumed = await stage.controller.explain()

        assert held.kind == "hold_undecided"
        assert held.present is not None
        assert (resumed.kind, resumed.decided, resumed.present) == ("", "", None)

    async def test_of_one_that_was_never_judged_says_so(self) -> None:
        """
        A shadow that could not be made has no figures, and not those of the rollout before it.
        """
        async with judged() as stage:
            await failing(stage)
            stage.engine.failures[StackId("shop-r3")].extend(["image not found"] * 9)
            await stage.deploy(3)
            await stage.reach("PROVISIONING")
            assert stage.controller.status().evidence == ()
            await stage.reach("ROLLED_BACK")

            found = await stage.controller.explain()

        assert (found.rollout, found.kind, found.decision) == ("shop-3", "provision_failed", None)
        assert found.sentences[-1] == "there are no figures: the shadow had no requests that were judged"

    async def test_of_one_that_a_person_ended_shows_how_it_stood(self) -> None:
        """
        An order is explained by itself, with the figures of that moment.
        """
        async with judged() as stage:
            await stage.deploy()
            await stage.reach("SPLITTING")
            await stage.clock.pass_(4)
            await stage.command("rollback", why="the news are bad")
            await stage.reach("ROLLED_BACK")

            found = await stage.controller.explain()

        assert (found.kind, found.by) == ("rollback_ordered", "bob")
        assert "the news are bad" in found.sentences[1]
        assert found.decision is not None
        assert found.decision.action is Action.CONTINUE

    async def test_of_one_long_ago_needs_the_journal_alone(self) -> None:
        """
        A daemon that was started again explains what an earlier one did.
        """
        async with judged() as stage:
            await failing(stage)
            before = await stage.controller.explain("shop-2")
            await stage.stop()
            await stage.start()
            await stage.clock.rest()
            stage.kpis.errors.clear()
            await stage.until_ready()
            await stage.deploy(3)

            after = await stage.controller.explain("shop-2")

        assert after == before

    async def test_of_an_unknown_one_is_refused(self) -> None:
        """
        A wrong name is answered by the last that there is; before the first there is none.
        """
        async with staged() as stage:
            with pytest.raises(NotFoundError, match="shop has had no rollout yet"):
                await stage.controller.explain()
            await stage.deploy()

            with pytest.raises(NotFoundError, match="shop has no rollout 'shop-9'; the last is shop-2"):
                await stage.controller.explain("shop-9")


class TestReport:
    async def test_holds_the_whole_story(self) -> None:
        """
        Who asked for what, each event in order, both stacks' figures over the time in which they were judged.
        """
        async with judged() as stage:
            await failing(stage)
            found = await stage.controller.report()
            kinds = [event.kind.value for event in await stage.events() if event.rollout == "shop-2"]
            decision = (await stage.controller.explain()).decision

        assert decision is not None
        assert (found.by, found.files, found.changes) == ("ann", ("/srv/shop/v2.yaml",), "replace service:web")
        assert [each.kind for each in found.timeline] == kinds
        assert found.ended_at is not None
        assert found.took_s > 10
        live, shadow = found.figures["live"], found.figures["shadow"]
        assert (live.stack, shadow.stack) == (LIVE, SHADOW)
        assert (live.failures, shadow.failures) == (0, 20 * round(shadow.failures / 20))
        assert shadow.requests == decision.requests
        assert 9_900 < (live.p50_us or 0) < 12_200

    async def test_of_one_that_runs_has_no_end(self) -> None:
        """
        A page may be asked for at any time.
        """
        async with staged() as stage:
            await stage.deploy()

            found = await stage.controller.report()

        assert (found.ended_at, found.figures) == (None, {})


async def is_replayed(stage: Stage, kpi: str, shares: set[float]) -> None:
    """Expect that the trace of the last rollout, at these shares, leads to its rollback by `kpi` in the same tick."""
    trace = await stage.controller.trace()
    decision = (await stage.controller.explain()).decision

    replayed = replay(trace.splitlines())
    assert decision is not None
    assert (decision.action, decision.kpi) == (Action.ROLLBACK, kpi)
    assert (replayed.decision, replayed.t) == (decision, decision.age_s)
    assert {row["w"] for row in map(json.loads, trace.splitlines()) if "tick" in row} == shares


class TestTrace:
    @pytest.mark.parametrize("is_bad", [True, False])
    async def test_is_replayed_to_the_same_decision_in_the_same_tick(self, is_bad: bool) -> None:
        """
        The export of a rollout, rolled back or promoted, is judged as the rollout was.
        """
        async with judged() as stage:
            if is_bad:
                await failing(stage)
            else:
                await stage.deploy()
                await stage.reach("STANDBY")
            trace = await stage.controller.trace()
            decision = (await stage.controller.explain()).decision

        replayed = replay(trace.splitlines())
        assert decision is not None
        assert replayed.id == "shop-2"
        assert replayed.decision == decision
        assert replayed.t == decision.age_s
        assert replayed.shadow_requests == decision.requests
        assert decision.action is (Action.ROLLBACK if is_bad else Action.PROMOTE)

    async def test_of_a_daemon_that_died_is_replayed_as_well(self) -> None:
        """
        What the judge was fed before and after a restart, through two steps, is one trace with one decision.
        """
        async with judged() as stage:
            await stage.deploy()
            await stage.reach("SPLITTING")
            await stage.clock.pass_(13)  # between two of the times that the judge's state is kept, on the second step
            await stage.kill()
            await stage.start()
            await stage.reach("SPLITTING")
            await stage.clock.pass_(3)
            stage.kpis.errors[SHADOW] = 20
            await stage.reach("ROLLED_BACK")

            await is_replayed(stage, "error_rate", {0.05, 0.5})

    async def test_of_pairs_is_replayed_as_well(self) -> None:
        """
        A shadow that was left for what copies have shown is left for the same.
        """
        async with judged(replace(OPTIONS, mirror=MirrorOptions(for_s=100.0))) as stage:
            stage.kpis.pairs[SHADOW] = Pairs(n=20, shadow_only=1, other_status=1)
            await stage.deploy()
            await stage.reach("ROLLED_BACK")

            await is_replayed(stage, "error_rate", {0.0})

    async def test_of_a_forecast_is_replayed_as_well(self) -> None:
        """
        What was sampled is in the trace, so a leak is foreseen in the same tick.
        """
        options = replace(QUICK, steps_bp=(500,), deadline_s=3_600.0, tick_s=5.0, hold_s=3_000.0)
        async with judged(options) as stage:
            await stage.deploy()
            await stage.reach("SPLITTING")
            began_s = stage.clock.monotonic()
            stage.engine.uses[SHADOW] = lambda now_s: Resources(
                memory=30 + 65 * (now_s - began_s) / 900, memory_limit=100, descriptors=20, descriptors_limit=1_024
            )
            await stage.reach("ROLLED_BACK", within_s=900)

            await is_replayed(stage, "predict.memory", {0.05})

    async def test_of_an_undone_promotion_is_replayed_to_its_end(self) -> None:
        """
        A promoted stack that fails in the watch was rolled back, and that is what counts.
        """
        async with judged() as stage:
            await stage.deploy()
            await stage.reach("STANDBY", within_s=600)
            stage.kpis.errors[SHADOW] = 40
            await stage.reach("ROLLED_BACK")

            await is_replayed(stage, "guards.error_rate", {0.05, 0.5, 1.0})

    async def test_of_one_that_was_resumed_is_replayed_to_its_end(self) -> None:
        """
        Undecided at first is not what it ended with.
        """
        async with judged(replace(QUICK, on_undecided=OnUndecided.HOLD, deadline_s=40.0, hold_s=60.0)) as stage:
            stage.kpis.rates[SHADOW] = 1
            await stage.deploy()
            await stage.reach("HELD", within_s=600)
            await stage.command("resume")
            stage.kpis.rates[SHADOW] = 400
            stage.kpis.errors[SHADOW] = 40
            await stage.reach("ROLLED_BACK")

            await is_replayed(stage, "guards.error_rate", {0.05})

    async def test_can_be_judged_by_others(self) -> None:
        """
        Without what only we read it is a trace still: live's past, counts, latencies, memory, and the same verdict.
        """
        async with judged() as stage:
            stage.engine.uses = {SHADOW: Resources(memory=10.0, memory_limit=100.0)}
            await failing(stage)
            lines = (await stage.controller.trace()).splitlines()
            decision = (await stage.controller.explain()).decision

        assert decision is not None
        bare = [bared(json.loads(line)) for line in lines]
        header, rows = bare[0], bare[1:]
        assert [row["t"] for row in rows] == list(range(-int(header["baseline_s"]), int(header["duration_s"])))
        assert all(row["live"]["n"] == row["live"]["e5"] + sum(count for _, count in row["live"]["h"]) for row in rows)
        assert header["mem_limit"] == 100.0
        assert any(row.get("res", {}).get("shadow", {}) for row in rows)
        judged_bare = replay(json.dumps(each) for each in bare)
        assert judged_bare.decision is not None
        assert judged_bare.decision.action is Action.ROLLBACK
        assert judged_bare.t == decision.age_s

    async def test_of_one_without_figures_is_refused(self) -> None:
        """
        The answer says how long figures are kept.
        """
        async with staged() as stage:
            await stage.deploy()

            with pytest.raises(NotFoundError, match=r"no figures of shop-2: .*kept for the last 5 rollouts"):
                await stage.controller.trace()


def bared(line: dict[str, Any]) -> dict[str, Any]:
    """Return a line of a trace without what only we read."""
    return {name: value for name, value in line.items() if name not in ("own", "tick")}
