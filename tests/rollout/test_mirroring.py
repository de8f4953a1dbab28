"""A rollout whose shadow is mirrored before its first share."""

from dataclasses import replace

import pytest

from splitter.change.plan import Plan
from splitter.errors import RefusedError
from splitter.facts import Facts
from splitter.judge.config import JudgeConfig
from splitter.judge.judge import Judge
from splitter.judge.verdict import Action
from splitter.model import Mirroring, Pairs
from splitter.rollout.events import plain
from splitter.rollout.fed import decode, feed
from splitter.rollout.options import MirrorOptions
from splitter.rollout.planning import trouble_with_mirror
from splitter.template import Template
from tests.rollout.stage import APP, LIVE, QUICK, SHADOW, staged

MIRRORED = replace(QUICK, mirror=MirrorOptions(share_bp=2_500, methods=("GET",), for_s=8.0))
LONG = MirrorOptions(for_s=100.0)
ISOLATED = replace(QUICK, mirror=MirrorOptions(methods=("GET", "POST"), isolated=True))
PAIRS = Pairs(n=25, shadow_only=2, live_only=1, latencies_us=((900, 1_000),), other_status=3, other_size=4)


class TestMirroring:
    async def test_comes_before_the_first_share(self) -> None:
        """
        The warm shadow gets copies for its time, while live serves everybody; then it gets its first share.
        """
        async with staged(options=MIRRORED) as stage:
            await stage.deploy()
            await stage.reach("MIRRORING")
            began_s = stage.clock.monotonic()
            await stage.clock.pass_(1)

            assert stage.serves == {LIVE: 100}
            assert stage.split is not None
            assert stage.split.mirroring == Mirroring(2_500, frozenset({b"GET"}))

            await stage.reach("SPLITTING")
            assert stage.clock.monotonic() - began_s == 8.0
            await stage.clock.pass_(1)
            assert stage.serves == {LIVE: 95, SHADOW: 5}
            assert stage.split.mirroring is None

    async def test_feeds_the_judge_with_pairs(self) -> None:
        """
        Every tick brings the pairs of the shadow's window, and the judge is one from the mirror to the end.
        """
        async with staged(options=MIRRORED) as stage:
            stage.kpis.pairs[SHADOW] = PAIRS
            await stage.deploy()
            await stage.reach("MIRRORING")
            await stage.clock.pass_(3)

            (judge,) = stage.judges.made
            assert len(judge.ticks) == 3
            assert {tick.pairs for tick in judge.ticks} == {PAIRS}
            assert {tick.share for tick in judge.ticks} == {0.0}

            stage.judges.say(Action.PROMOTE)
            await stage.reach("PROMOTED")
            assert stage.judges.made == [judge]

    async def test_takes_none_of_the_judges_time(self) -> None:
        """
        The longest time of an analysis is meant for the split: it begins anew with that.
        """
        async with staged(options=MIRRORED) as stage:
            await stage.deploy()
            await stage.reach("SPLITTING")

            assert stage.judges.made[0].extended_s == stage.judge.max_duration_s

    async def test_says_what_the_copies_have_shown(self) -> None:
        """
        The journal says it in a sentence, the status as long as the shadow is there.
        """
        async with staged(options=MIRRORED) as stage:
            stage.kpis.pairs[SHADOW] = PAIRS
            stage.kpis.copies[SHADOW] = {"paired": 24, "reset": 1, "overflow": 5, "aborted": 1}
            await stage.deploy()
            await stage.reach("MIRRORING")
            assert (await stage.said("warm_to_mirror")).endswith(
                "shop-r2 gets a copy of 25 % of the requests for 8 s, and shop-r1 serves them all"
            )
            await stage.reach("SPLITTING")

            assert (await stage.said("mirrored")).startswith(
                "shop-r2 got copies for 8 s: of 200 pairs of answers it alone failed 16, shop-r1 alone 8 "
                "(48 copies made no pair); shop-r2 gets 5 %"
            )
            mirror = stage.controller.status().mirror
            assert mirror is not None
            assert (mirror.pairs, mirror.shadow_only, mirror.live_only) == (200, 16, 8)
            assert mirror.dropped == {"aborted": 8, "overflow": 40}
            assert (mirror.live_p50_us, mirror.shadow_p50_us) == (900, 1_000)

    async def test_worse_shadow_never_gets_a_share(self) -> None:
        """
        What the pairs show is enough to roll back before anybody was served by the shadow.
        """
        async with staged(options=MIRRORED) as stage:
            await stage.deploy()
            await stage.reach("MIRRORING")
            stage.judges.say(Action.ROLLBACK)

            await stage.reach("ROLLED_BACK")

            assert "splitting" not in [event.state.lower() for event in await stage.events()]
            assert stage.serves == {LIVE: 100}
            assert stage.split is not None
            assert stage.split.shadow is None

    async def test_is_judged_again_from_the_journal(self) -> None:
        """
        The journal keeps the pairs: a new judge that is fed with them comes to the same end.
        """
        config = JudgeConfig()
        async with staged(options=replace(MIRRORED, mirror=LONG), judges=Judge, judge=config) as stage:
            stage.kpis.pairs[SHADOW] = Pairs(n=20, shadow_only=3, other_status=3)
            await stage.deploy()
            await stage.reach("ROLLED_BACK")
            (worse,) = [event for event in await stage.events() if event.kind == "worse"]
            rows = [decode(text) for text in await stage.journal.figures(APP, "shop-2")]

        judge = Judge(config)
        decisions = [feed(judge, row) for row in rows]
        assert worse.data["former_state"] == "MIRRORING"
        assert decisions[-1].action is Action.ROLLBACK
        assert plain(decisions[-1].state()) == worse.data["judged"]

    async def test_goes_on_after_a_restart(self) -> None:
        """
        A daemon that is started again copies on, from the beginning of that time, with the evidence it had.
        """
        async with staged(options=MIRRORED) as stage:
            stage.kpis.pairs[SHADOW] = PAIRS
            await stage.deploy()
            await stage.reach("MIRRORING")
            await stage.clock.pass_(6)
            await stage.kill()
            await stage.start()
            await stage.reach("MIRRORING")
            await stage.clock.pass_(6)

            assert stage.state == "MIRRORING"
            assert stage.split is not None
            assert stage.split.mirroring == Mirroring(2_500, frozenset({b"GET"}))
            mirror = stage.controller.status().mirror
            assert mirror is not None
            assert mirror.pairs == 25 * stage.judges.made[-1].age
            await stage.reach("SPLITTING", within_s=3)
            assert stage.judges.made[-1].age > 12

    async def test_can_be_rolled_back_by_a_person_and_not_paused(self) -> None:
        """
        The commands of a warm-up are those of a mirror.
        """
        async with staged(options=MIRRORED) as stage:
            await stage.deploy()
            await stage.reach("MIRRORING")

            with pytest.raises(RefusedError, match="pause is not legal in state MIRRORING; legal commands here: roll"):
                await stage.command("pause")
            await stage.command("rollback")

            await stage.reach("ROLLED_BACK")


class TestSharedState:
    PLAN = Plan(change_set=None, cost=None, order=())  # type: ignore[arg-type]  # only what is shared matters here

    def test_is_in_the_way_of_copies_that_change_something(self) -> None:
        """
        What is shared is named, and what may be copied all the same.
        """
        plan = replace(self.PLAN, shared=("service db",))

        trouble = trouble_with_mirror(plan, ISOLATED.mirror)

        assert trouble == (
            "rollout.mirror copies POST, and the shadow shares with live: service db; what a request changes would be "
            "changed twice. Copy GET, HEAD, OPTIONS only"
        )

    def test_is_not_in_the_way_of_others(self) -> None:
        """
        Reading does no harm, and a shadow with data of its own may be changed.
        """
        shares = replace(self.PLAN, shared=("service db",))

        assert trouble_with_mirror(shares, MIRRORED.mirror) == ""
        assert trouble_with_mirror(shares, None) == ""
        assert trouble_with_mirror(self.PLAN, ISOLATED.mirror) == ""

    async def test_refuses_the_deploy(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """
        Nothing is made of a deploy whose copies would do harm.
        """
        async with staged(options=ISOLATED) as stage:
            planned = stage._planned

            def shares(live: Template, shadow: Template, facts: Facts) -> Plan:
                return replace(planned(live, shadow, facts), shared=("data at /data of service web",))

            monkeypatch.setattr(stage.controller._desk, "_planner", shares)

            with pytest.raises(RefusedError, match="copies POST, and the shadow shares with live: data at /data"):
                await stage.deploy()

            assert stage.state == ""
            assert set(stage.engine.stacks) == {LIVE}


class TestWithoutAMirror:
    async def test_goes_straight_to_the_first_share(self) -> None:
        """
        Nothing is copied that was not asked for.
        """
        async with staged() as stage:
            await stage.deploy()
            await stage.reach("SPLITTING", "MIRRORING")

            assert stage.state == "SPLITTING"
            assert stage.controller.status().mirror is None
            assert not any("copies" in event.sentence for event in await stage.events())
