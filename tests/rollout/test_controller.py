"""The whole life of a rollout, over fakes and a clock that moves by itself."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from dataclasses import asdict, replace
from functools import partial
from math import exp

import pytest

from splitter.change.reasons import Reason
from splitter.change.rollback_cost import Cost
from splitter.contracts import Severity
from splitter.errors import RefusedError, StateError, TemplateError
from splitter.facts import Facts
from splitter.judge.config import GuardOptions, JudgeConfig, Mode, PredictOptions
from splitter.judge.judge import Judge
from splitter.judge.verdict import Action
from splitter.model import Resources
from splitter.rollout.analysis import KEEP_EVERY_TICKS
from splitter.rollout.fed import decode
from splitter.rollout.options import OnUndecided
from splitter.rollout.planning import summary
from tests.rollout.stage import APP, LIVE, OVERRIDE, QUICK, SHADOW, Stage, opened, staged


class TestFirstStart:
    async def test_makes_the_live_stack(self) -> None:
        """
        Without a journal the app's own template becomes the first live stack, and gets all requests.
        """
        async with staged() as stage:
            assert stage.serves == {LIVE: 100}
            assert await stage.kinds() == ["live_ordered", "live_up"]
            assert stage.state == ""

    async def test_keeps_what_was_noted(self) -> None:
        """
        What there is to know about a stack that has no plan stands in the event that orders it; a refusal does not.
        """
        async with opened() as stage:
            stage.engine.notes = ["the host has little memory left"]
            stage.engine.refusals = ["no room"]
            await stage.start()
            await stage.until_ready()

            ordered = next(event for event in await stage.events() if event.kind == "live_ordered")
            assert ordered.data["notes"] == ["the host has little memory left"]
            assert ordered.sentence == (
                f"{LIVE} is to be made as the live stack: it is the first; note: the host has little memory left"
            )

    async def test_tries_again_with_longer_pauses(self) -> None:
        """
        A live stack that cannot be made is tried again; each failure is an event and an alert, and nobody is served.
        """
        async with opened() as stage:
            stage.engine.failures[LIVE].extend(["image not found", "port taken"])
            await stage.start()
            await stage.clock.pass_(6)
            assert stage.split is None

            await stage.until_ready()

            assert await stage.kinds() == ["live_ordered", "live_failed", "live_failed", "live_up"]
            assert stage.alerts.kinds() == ["live_failed", "live_failed"]
            assert "image not found; the next attempt is in 1 s" in stage.alerts.sent[0].sentence
            assert "port taken; the next attempt is in 2 s" in stage.alerts.sent[1].sentence

    async def test_waits_for_a_template_that_can_be_read(self) -> None:
        """
        A template that is wrong is no reason to end: it is read again until it is right.
        """
        async with opened(template_file="/srv/shop/missing.yaml") as stage:
            await stage.start()

            await stage.clock.pass_(10)

            assert set(await stage.kinds()) == {"live_failed"}
            assert "no such file" in stage.controller.status().last_event

    async def test_waits_for_the_engine(self) -> None:
        """
        An engine that does not answer at the start is asked until it does.
        """
        async with opened() as stage:
            stage.engine.is_gone = True
            await stage.start()
            await stage.clock.pass_(20)
            assert await stage.kinds() == ["engine_gone"]
            assert stage.alerts.kinds() == ["engine_gone"]
            with pytest.raises(RefusedError, match="still starting"):
                await stage.deploy()
            with pytest.raises(RefusedError, match="still starting"):
                await stage.command("rollback")

            stage.engine.is_gone = False

            await stage.until_ready()
            assert stage.serves == {LIVE: 100}


class TestGoodShadow:
    async def test_is_promoted(self) -> None:
        """
        A shadow that is proven goes through all steps, gets all traffic, and becomes live after the standby time.
        """
        async with staged() as stage:
            stage.judges.say(Action.PROMOTE)
            assert await stage.deploy() == "shop-2"

            await stage.reach("PROMOTED")
            await stage.clock.pass_(10)

            shares = [split.shadow_bp for split in stage.switch.shifts]
            assert shares == [0, 0, 500, 5_000, 10_000, 0]
            assert stage.serves == {SHADOW: 100}
            assert set(stage.engine.stacks) == {SHADOW}
            assert stage.forgotten == [LIVE]
            assert stage.switch.drains == [LIVE, LIVE]

    async def test_gets_no_traffic_while_it_warms_up(self) -> None:
        """
        A shadow that warms up has no share, and is not judged.
        """
        async with staged() as stage:
            await stage.deploy()
            await stage.reach("WARMING")

            await stage.clock.pass_(9)

            assert stage.state == "WARMING"
            assert stage.serves == {LIVE: 100}
            assert stage.judges.made == []

    async def test_is_named_by_the_route_table_while_it_warms_up(self) -> None:
        """
        From its health on the shadow has routes, with no share: its probes run, and testers reach it.
        """
        async with staged() as stage:
            await stage.deploy()
            await stage.reach("WARMING")

            await stage.clock.pass_(1)

            assert stage.state == "WARMING"
            assert stage.split is not None
            assert stage.split.shadow is not None
            assert (stage.split.shadow.id, stage.split.shadow_bp) == (SHADOW, 0)

    async def test_is_named_again_after_a_restart_in_its_warm_up(self) -> None:
        """
        A daemon that was started again while the shadow warms up gives it its routes back.
        """
        async with staged() as stage:
            await stage.deploy()
            await stage.reach("WARMING")
            await stage.kill()

            await stage.start()
            await stage.until_ready()
            await stage.clock.pass_(1)

            assert stage.state == "WARMING"
            assert stage.split is not None
            assert stage.split.shadow is not None

    async def test_gets_no_traffic_before_its_probes_pass(self) -> None:
        """
        A shadow that is up and does not say so yet is waited for.
        """
        async with staged() as stage:
            await stage.deploy()
            await stage.reach("WARMING")
            stage.unhealthy[SHADOW] = "10.0.0.7:80 answered GET /up with 503"
            await stage.clock.pass_(QUICK.warm_up_s + 5)
            assert stage.state == "WARMING"

            del stage.unhealthy[SHADOW]

            await stage.reach("SPLITTING", within_s=2)

    async def test_that_never_passes_its_probes_is_given_up(self) -> None:
        """
        At the limit of the warm-up the rollout ends, and the reason is said.
        """
        async with staged() as stage:
            await stage.deploy()
            await stage.reach("WARMING")
            stage.unhealthy[SHADOW] = "10.0.0.7:80 answered GET /up with 503"

            await stage.reach("ROLLED_BACK")

            assert ": 10.0.0.7:80 answered GET /up with 503; shop-r1 is given" in await stage.said("deadline")
            assert all(split.shadow_bp == 0 for split in stage.switch.shifts)

    async def test_is_not_waited_for_where_live_fails_its_probes_too(self) -> None:
        """
        What live does not pass either says nothing of the shadow.
        """
        async with staged() as stage:
            stage.unhealthy |= {LIVE: "hangs", SHADOW: "hangs"}

            await stage.deploy()

            await stage.reach("SPLITTING", within_s=60)

    async def test_waits_for_a_baseline_within_bounds(self) -> None:
        """
        With few requests of live the warm-up is longer, but not for ever.
        """
        async with staged() as stage:
            stage.kpis.rps = 1
            await stage.clock.pass_(3_000)
            await stage.deploy()
            await stage.reach("WARMING")
            began_s = stage.clock.monotonic()

            await stage.reach("SPLITTING")

            assert stage.clock.monotonic() - began_s == QUICK.warm_up_s + QUICK.baseline_wait_s

    async def test_is_compared_by_the_edges_of_its_judge(self) -> None:
        """
        The judge is calibrated with live's windows, and both recorders count into its bins.
        """
        async with staged() as stage:
            await stage.deploy()
            await stage.reach("SPLITTING")

            assert stage.judges.made[0].baseline.n >= 1_000
            assert stage.kpis.edges == {LIVE: (10_000, 20_000), SHADOW: (11_000, 22_000)}

    async def test_is_not_promoted_before_the_last_step_is_held(self) -> None:
        """
        Proof on an early step raises the share like silence does; promotion waits for the last step and its hold.
        """
        async with staged() as stage:
            stage.judges.say(Action.PROMOTE)
            await stage.deploy()
            await stage.reach("SPLITTING")

            await stage.clock.pass_(QUICK.hold_s * 2 - 1)

            assert stage.state == "SPLITTING"
            assert stage.serves == {LIVE: 50, SHADOW: 50}

    async def test_stays_on_its_step_while_something_speaks_against_it(self) -> None:
        """
        The share is raised only when the judge lets it.
        """
        async with staged() as stage:
            stage.judges.say(Action.CONTINUE, may_increase_share=False)
            await stage.deploy()
            await stage.reach("SPLITTING")

            await stage.clock.pass_(60)

            assert stage.serves == {LIVE: 95, SHADOW: 5}

    async def test_can_be_deployed_upon(self) -> None:
        """
        After a promotion the next rollout is compared with the new live stack, under the next revision.
        """
        async with staged() as stage:
            stage.judges.say(Action.PROMOTE)
            await stage.deploy()
            await stage.reach("PROMOTED")
            await stage.clock.pass_(10)

            assert await stage.deploy(3) == "shop-3"
            await stage.reach("PROMOTED")
            await stage.clock.pass_(10)

            assert stage.serves == {"shop-r3": 100}
            assert set(stage.engine.stacks) == {"shop-r3"}


class TestBadShadow:
    async def test_is_rolled_back_with_reasons(self) -> None:
        """
        A worse shadow loses its traffic, is drained and removed; event and alert say why, with figures.
        """
        async with staged() as stage:
            await stage.deploy()
            await stage.reach("SPLITTING")
            stage.judges.say(Action.ROLLBACK)

            await stage.reach("ROLLED_BACK")

            assert stage.serves == {LIVE: 100}
            assert set(stage.engine.stacks) == {LIVE}
            assert stage.forgotten == [SHADOW]
            assert stage.switch.drains == [SHADOW]
            figures = "errors 4.8 % against 0.3 % of live, 297 : 1, needed 125 : 1"
            expected = f"shop-r2 is worse: {figures}; shop-r1 is given all traffic"
            assert await stage.said("worse") == expected
            alert = next(alert for alert in stage.alerts.sent if alert.kind == "worse")
            assert (alert.severity, alert.sentence, alert.rollout) == (Severity.WARNING, expected, "shop-2")

    async def test_loses_its_traffic_before_it_is_removed(self) -> None:
        """
        The table is published, then the shadow is drained, then it is removed.
        """
        async with staged() as stage:
            await stage.deploy()
            await stage.reach("SPLITTING")
            stage.judges.say(Action.ROLLBACK)
            await stage.reach("ROLLING_BACK")
            assert stage.serves == {LIVE: 100}
            assert SHADOW in stage.engine.whole

            await stage.reach("ROLLED_BACK")

            assert SHADOW not in stage.engine.stacks

    async def test_that_cannot_be_made_is_rolled_back(self) -> None:
        """
        A shadow that does not come up never gets a request, and leaves nothing.
        """
        async with staged() as stage:
            stage.engine.failures[SHADOW].append("web: image not found")
            await stage.deploy()

            await stage.reach("ROLLED_BACK")

            assert "web: image not found" in await stage.said("provision_failed")
            assert set(stage.engine.stacks) == {LIVE}

    async def test_that_takes_too_long_is_rolled_back(self) -> None:
        """
        Making a shadow has a time limit; what was made of it is removed.
        """
        async with staged() as stage:
            stage.engine.create_s = 3_600.0
            await stage.deploy()

            await stage.reach("ROLLED_BACK")

            assert await stage.said("deadline") == (
                "PROVISIONING took 1 m, its limit is 1 m; shop-r1 is given all traffic"
            )
            assert set(stage.engine.stacks) == {LIVE}

    @pytest.mark.parametrize("state", ["WARMING", "SPLITTING", "STANDBY"])
    async def test_that_dies_is_rolled_back(self, state: str) -> None:
        """
        A shadow that dies, wherever the rollout is, gives everything back to live.
        """
        async with staged() as stage:
            stage.judges.say(Action.PROMOTE)
            await stage.deploy()
            await stage.reach(state)

            stage.provisioner.kill(SHADOW, "web exited with code 3")

            await stage.reach("ROLLED_BACK")
            assert stage.serves == {LIVE: 100}
            assert set(stage.engine.stacks) == {LIVE}
            assert "shop-r2 died: web exited with code 3" in await stage.said("shadow_died")

    async def test_that_is_worse_after_its_promotion_is_rolled_back(self) -> None:
        """
        The judge goes on through the standby time.
        """
        async with staged() as stage:
            stage.judges.say(Action.PROMOTE)
            await stage.deploy()
            await stage.reach("STANDBY")

            stage.judges.say(Action.ROLLBACK)

            await stage.reach("ROLLED_BACK")
            assert stage.serves == {LIVE: 100}


class TestStandby:
    """What is looked at after a promotion, when live has no requests any more to compare with."""

    @contextlib.asynccontextmanager
    async def promoted(self) -> AsyncIterator[Stage]:
        """Yield a stage on which the real judge has promoted a shadow, with its standby kept."""
        config = JudgeConfig(warmup_s=5, dwell_s=10, min_duration_s=30, max_duration_s=600)
        options = replace(QUICK, deadline_s=500.0, standby_s=600.0)
        async with staged(judges=Judge, judge=config, options=options) as stage:
            stage.kpis.rps = 400
            await stage.clock.pass_(30)
            await stage.deploy()
            await stage.reach("STANDBY")
            stage.kpis.rates[LIVE] = 0
            await stage.clock.pass_(20)
            assert stage.state == "STANDBY"
            yield stage

    async def test_goes_back_from_a_stack_that_begins_to_fail(self) -> None:
        """
        Its failures are held against what live was like before: that is frozen, for live serves nobody.
        """
        async with self.promoted() as stage:
            began_s = stage.clock.monotonic()
            stage.kpis.errors[SHADOW] = 60

            await stage.reach("ROLLED_BACK")

            assert stage.clock.monotonic() - began_s < 15
            assert stage.serves == {LIVE: 100}
            assert "60 of the last 400 shadow requests failed" in await stage.said("worse")

    async def test_goes_back_from_a_stack_whose_memory_fills_up(self) -> None:
        """
        The standby is there for what only shows with all of the traffic.
        """
        async with self.promoted() as stage:
            stage.engine.uses[SHADOW] = Resources(memory=97, memory_limit=100)

            await stage.reach("ROLLED_BACK", within_s=30)

            assert stage.serves == {LIVE: 100}
            assert "memory 97 % of its limit" in await stage.said("worse")

    async def test_goes_on_after_a_restart_with_what_was_known(self) -> None:
        """
        A daemon that is started again during the standby still knows what live was like.
        """
        async with self.promoted() as stage:
            await stage.kill()
            await stage.start()
            await stage.reach("STANDBY")
            stage.kpis.errors[SHADOW] = 60

            await stage.reach("ROLLED_BACK", within_s=60)

            assert stage.serves == {LIVE: 100}


class TestHealth:
    async def test_of_the_shadow_is_told_to_its_judge(self) -> None:
        """
        A shadow that fails its probes is reported with the reason, and shown.
        """
        async with staged() as stage:
            await stage.deploy()
            await stage.reach("SPLITTING")
            stage.unhealthy[SHADOW] = "10.0.0.7:80 answered GET /up with 503"

            await stage.clock.pass_(2)

            assert stage.judges.made[-1].ticks[-1].unhealthy == "10.0.0.7:80 answered GET /up with 503"
            shadow = stage.controller.status().shadow
            assert shadow is not None
            assert shadow.unhealthy == "10.0.0.7:80 answered GET /up with 503"

    async def test_is_no_fault_of_a_shadow_whose_live_is_not_well_either(self) -> None:
        """
        What hits both stacks says nothing about the new version.
        """
        async with staged() as stage:
            await stage.deploy()
            await stage.reach("SPLITTING")
            stage.unhealthy |= {SHADOW: "hangs", LIVE: "hangs"}

            await stage.clock.pass_(2)

            assert {tick.unhealthy for tick in stage.judges.made[-1].ticks} == {""}

    async def test_of_the_shadow_ends_its_split(self) -> None:
        """
        The judge itself leaves a shadow that fails its probes at once.
        """
        async with staged(judges=Judge) as stage:
            await stage.deploy()
            await stage.reach("SPLITTING")
            stage.unhealthy[SHADOW] = "10.0.0.7:80 answered GET /up with 503"

            await stage.reach("ROLLED_BACK")

            assert "is unhealthy: 10.0.0.7:80 answered GET /up with 503" in await stage.said("worse")


class TestUndecided:
    async def test_is_rolled_back_by_default(self) -> None:
        """
        At the deadline over all steps, nothing proven means back to live.
        """
        async with staged() as stage:
            await stage.deploy()
            await stage.reach("SPLITTING")
            began_s = stage.clock.monotonic()

            await stage.reach("ROLLING_BACK")

            assert stage.clock.monotonic() - began_s == QUICK.deadline_s
            assert "the time for all steps is over" in await stage.said("undecided")

    async def test_is_held_where_that_is_wanted(self) -> None:
        """
        With `on_undecided: hold` the share stays until a person says more; a resume gives the judge the time again.
        """
        async with staged(options=replace(QUICK, on_undecided=OnUndecided.HOLD)) as stage:
            await stage.deploy()
            await stage.reach("HELD")
            assert stage.controller.status().held_for == "undecided"
            assert stage.serves == {LIVE: 50, SHADOW: 50}

            await stage.command("resume")
            await stage.clock.pass_(QUICK.deadline_s - 2)
            assert stage.state == "SPLITTING"
            assert stage.judges.made[0].extended_s == QUICK.deadline_s

            await stage.reach("HELD")

    async def test_is_promoted_where_that_is_wanted_and_all_leans_well(self) -> None:
        """
        With `on_undecided: promote_if_not_worse` the deadline promotes from the last step; people are told by what.
        """
        async with staged(options=replace(QUICK, on_undecided=OnUndecided.PROMOTE_IF_NOT_WORSE)) as stage:
            stage.judges.leans_well = True
            await stage.deploy()

            await stage.reach("STANDBY")

            said = await stage.said("promote_undecided")
            assert "not all is proven about shop-r2, and nothing speaks against it: the time for all steps is" in said
            assert "promote_undecided" in stage.alerts.kinds()

    async def test_is_rolled_back_when_nobody_comes(self) -> None:
        """
        A rollout is not held for ever.
        """
        async with staged(options=replace(QUICK, on_undecided=OnUndecided.HOLD)) as stage:
            await stage.deploy()
            await stage.reach("HELD")

            await stage.reach("ROLLED_BACK", within_s=QUICK.held_deadline_s + 60)

    async def test_of_the_judge_ends_like_the_deadline(self) -> None:
        """
        The judge may be undecided for good before the rollout's own deadline.
        """
        async with staged() as stage:
            await stage.deploy()
            await stage.reach("SPLITTING")

            stage.judges.say(Action.UNDECIDED)

            await stage.reach("ROLLED_BACK", within_s=30)


class TestPause:
    async def test_keeps_the_share(self) -> None:
        """
        A paused rollout stays on its step, past hold and deadline.
        """
        async with staged() as stage:
            await stage.deploy()
            await stage.reach("SPLITTING")
            await stage.command("pause", "lunch")

            await stage.clock.pass_(300)

            assert stage.state == "HELD"
            assert stage.controller.status().held_for == "paused"
            assert stage.serves == {LIVE: 95, SHADOW: 5}
            assert await stage.said("paused") == (
                "bob paused the rollout: lunch; shop-r2 keeps 5 % until somebody resumes, promotes or rolls back, "
                "for at most 10 m"
            )

    async def test_still_protects_users(self) -> None:
        """
        A worse shadow is rolled back during a pause too.
        """
        async with staged() as stage:
            await stage.deploy()
            await stage.reach("SPLITTING")
            await stage.command("pause")

            stage.judges.say(Action.ROLLBACK)

            await stage.reach("ROLLED_BACK", within_s=10)

    async def test_ends_with_a_resume(self) -> None:
        """
        A resumed rollout goes on from its step with a new clock.
        """
        async with staged() as stage:
            await stage.deploy()
            await stage.reach("SPLITTING")
            await stage.command("pause")
            await stage.clock.pass_(300)

            await stage.command("resume")
            await stage.clock.pass_(QUICK.hold_s + 1)

            assert stage.state == "SPLITTING"
            assert stage.serves == {LIVE: 50, SHADOW: 50}


class TestCommands:
    @pytest.mark.parametrize("state", ["SPLITTING", "HELD"])
    async def test_promote_takes_a_persons_word(self, state: str) -> None:
        """
        `promote` gives the shadow all traffic at once; the journal says who and why.
        """
        async with staged() as stage:
            await stage.deploy()
            await stage.reach("SPLITTING")
            if state == "HELD":
                await stage.command("pause")

            await stage.command("promote", "the sale begins")

            await stage.reach("STANDBY")
            assert stage.serves == {SHADOW: 100}
            assert "bob ordered the promotion of shop-r2: the sale begins" in await stage.said("promote_ordered")

    @pytest.mark.parametrize("state", ["PROVISIONING", "WARMING", "SPLITTING", "STANDBY"])
    async def test_rollback_is_taken_anywhere(self, state: str) -> None:
        """
        `rollback` ends a rollout in every state, also while the shadow is being made.
        """
        async with staged() as stage:
            stage.judges.say(Action.PROMOTE)
            await stage.deploy()
            await stage.reach(state)

            await stage.command("rollback")

            await stage.reach("ROLLED_BACK", within_s=30)
            assert stage.serves == {LIVE: 100}
            assert set(stage.engine.stacks) == {LIVE}

    async def test_undo_gives_traffic_back_to_the_standby(self) -> None:
        """
        After a promotion the standby takes over at once.
        """
        async with staged() as stage:
            stage.judges.say(Action.PROMOTE)
            await stage.deploy()
            await stage.reach("STANDBY")

            await stage.command("undo")
            await stage.clock.rest()

            assert stage.serves == {LIVE: 100}
            await stage.reach("ROLLED_BACK")

    async def test_promote_ends_the_standby_early(self) -> None:
        """
        A person may let go of the way back before its time.
        """
        async with staged() as stage:
            stage.judges.say(Action.PROMOTE)
            await stage.deploy()
            await stage.reach("STANDBY")

            await stage.command("promote")

            assert stage.state == "PROMOTED"

    async def test_is_refused_with_what_is_legal(self) -> None:
        """
        A command that the state does not take names both, and what may be said instead.
        """
        async with staged() as stage:
            with pytest.raises(RefusedError, match="no rollout of shop runs"):
                await stage.command("pause")
            await stage.deploy()

            with pytest.raises(
                RefusedError, match="undo is not legal in state PROVISIONING; legal commands here: rollback"
            ):
                await stage.command("undo")

    async def test_may_come_twice(self) -> None:
        """
        A second rollback finds the first under way.
        """
        async with staged() as stage:
            await stage.deploy()
            await stage.reach("SPLITTING")
            await stage.command("rollback")

            await stage.command("rollback")

            await stage.reach("ROLLED_BACK")
            assert stage.engine.calls.count(f"retire {SHADOW}") == 1


class TestDeploy:
    async def test_is_refused_while_another_rollout_runs(self) -> None:
        """
        One rollout at a time, and the refusal names the one that runs.
        """
        async with staged() as stage:
            await stage.deploy()

            with pytest.raises(RefusedError, match="rollout shop-2 is in state PROVISIONING"):
                await stage.deploy(3)

    async def test_at_the_same_time_begins_one(self) -> None:
        """
        Of two deploys that were planned side by side the second is refused.
        """
        async with staged() as stage:
            results = await asyncio.gather(stage.deploy(2), stage.deploy(3), return_exceptions=True)

            assert sorted(type(result).__name__ for result in results) == ["RefusedError", "str"]

    async def test_is_refused_before_there_is_a_live_stack(self) -> None:
        """
        Without live there is nothing to compare with.
        """
        async with opened() as stage:
            await stage.start()
            await stage.clock.rest()

            with pytest.raises(RefusedError, match="live stack"):
                await stage.deploy()

    async def test_that_changes_nothing_needs_force(self) -> None:
        """
        The same template again is refused, and taken with `force`.
        """
        async with staged() as stage:
            with pytest.raises(RefusedError, match=r"change nothing against shop-r1; --force"):
                await stage.deploy(1)

            assert await stage.deploy(1, force=True) == "shop-2"

    async def test_of_another_image_under_the_same_name_is_a_change(self) -> None:
        """
        What the engine knows of images counts in a plan and in a deploy.
        """
        async with staged() as stage:
            stage.engine.facts = Facts(live_images={"web": "sha256:1"}, shadow_images={"web": "sha256:2"})

            plan = await stage.controller.plan(["/srv/shop/v1.yaml"], {})

            assert summary(plan) == "replace service:web"
            assert await stage.deploy(1) == "shop-2"

    async def test_of_a_wrong_template_changes_nothing(self) -> None:
        """
        Mistakes in the files go back to who asked; nothing is journaled.
        """
        async with staged() as stage:
            with pytest.raises(TemplateError, match="no such file"):
                await stage.controller.deploy(["/srv/other.yaml"], "ann", {})

            assert "requested" not in await stage.kinds()

    async def test_that_cannot_be_made_here_is_refused(self) -> None:
        """
        Every finding of the pre-flight is named before anything is made.
        """
        async with staged() as stage:
            stage.engine.refusals = ["image shop-web:2 is not here", "2 GB are missing"]

            with pytest.raises(RefusedError, match="image shop-web:2 is not here; 2 GB are missing"):
                await stage.deploy()

    async def test_keeps_what_was_noted(self) -> None:
        """
        A note of the pre-flight refuses nothing: the plan, the journal's sentence and the status say it.
        """
        async with staged() as stage:
            stage.engine.notes = ["network shop-r2_back is renumbered"]
            plan = await stage.controller.plan(["/srv/shop/v2.yaml"], {})
            await stage.deploy()

            assert plan.notes == stage.controller.status().notes == ("network shop-r2_back is renumbered",)
            assert (await stage.said("requested")).endswith("; note: network shop-r2_back is renumbered")

    async def test_plans_what_cannot_be_made_here(self) -> None:
        """
        A plan says what a deploy would be refused for.
        """
        async with staged() as stage:
            stage.engine.refusals = ["2 GB are missing"]

            assert (await stage.controller.plan(["/srv/shop/v2.yaml"], {})).obstacles == ("2 GB are missing",)

    async def test_plans_without_changing_anything(self) -> None:
        """
        A plan is the change set and the cost, and no event.
        """
        async with staged() as stage:
            plan = await stage.controller.plan(["/srv/shop/v2.yaml"], {})

            assert [change.resource for change in plan.change_set.changes] == ["service:web"]
            assert await stage.kinds() == ["live_ordered", "live_up"]


class TestOutlook:
    async def test_is_reckoned_from_what_live_does(self) -> None:
        """
        What would be seen when follows live's traffic and the app's steps, and is kept with the rollout that began.
        """
        async with staged() as stage:
            outlook = stage.controller.outlook()
            await stage.deploy()
            asked = next(event for event in await stage.events() if event.kind == "requested")

        assert outlook.steps == (0.05, 0.5)
        assert outlook.sentences[0].startswith("at 5 %, an error rate (1 %, live has 0 %) is seen in ~")
        assert asked.data["outlook"]["sentences"] == list(outlook.sentences)

    async def test_promises_nothing_without_traffic(self) -> None:
        """
        Before live has had a request nobody can say.
        """
        async with opened() as stage:
            await stage.start()

            outlook = stage.controller.outlook()

        assert outlook.sentences == ("live has no traffic: nothing can be seen, and nothing can be promoted",)


class TestOverride:
    async def test_is_awaited_where_going_back_is_costly(self) -> None:
        """
        Nothing is made until an administrator consents; the consent is bound to the change set and recorded.
        """
        async with staged(cost=OVERRIDE) as stage:
            await stage.deploy()
            assert stage.state == "AWAITING_OVERRIDE"
            assert set(stage.engine.stacks) == {LIVE}
            assert "postgres 15 becomes 16 on shared data" in await stage.said("too_costly")
            with pytest.raises(RefusedError, match="say why"):
                await stage.command("override", " ")
            with pytest.raises(RefusedError, match="is of change set"):
                await stage.command("override", "backed up", change_set="0123")

            await stage.command("override", "backed up")

            event = next(event for event in await stage.events() if event.kind == "overridden")
            assert event.by == "bob"
            assert event.data["why"] == "backed up"
            assert event.data["reasons"] == ["ST2"]
            assert event.data["change_set"] == (await stage.history()).rollout.change_set  # type: ignore[union-attr]
            assert stage.alerts.kinds()[-1] == "overridden"
            await stage.reach("SPLITTING")

    async def test_that_nobody_gives_ends_the_rollout(self) -> None:
        """
        Waiting for an override has a time limit.
        """
        async with staged(cost=OVERRIDE) as stage:
            await stage.deploy()

            await stage.reach("ROLLED_BACK", within_s=QUICK.override_deadline_s + 5)

            assert f"create {SHADOW}" not in stage.engine.calls


class TestUndo:
    async def test_asks_again_where_data_has_moved_on(self) -> None:
        """
        Going back to data of before the promotion needs a reason, which the journal keeps.
        """
        moved = Cost(after=50, reasons=(Reason("VO1", "volume:pg", 0, 50, "the volume pg is made anew", "keep it"),))
        async with staged(cost=moved) as stage:
            stage.judges.say(Action.PROMOTE)
            await stage.deploy()
            await stage.reach("STANDBY")
            with pytest.raises(RefusedError, match="say --why to go back all the same: the volume pg is made anew"):
                await stage.command("undo", " ")

            await stage.command("undo", "v2 loses orders")

            await stage.reach("ROLLED_BACK")


class TestDeadLive:
    async def test_is_made_again(self) -> None:
        """
        Without a rollout a live stack that died is made again under its own id, with an alert.
        """
        async with staged() as stage:
            stage.provisioner.kill(LIVE)
            await stage.clock.rest()
            assert not stage.controller.is_ready

            await stage.until_ready()

            assert stage.serves == {LIVE: 100}
            assert stage.split is not None
            assert stage.split.live == stage.engine.stacks[LIVE]
            assert stage.alerts.kinds() == ["live_died"]

    async def test_ends_a_split(self) -> None:
        """
        Live dies during a split: the shadow is removed, live is made again, and serves.
        """
        async with staged() as stage:
            await stage.deploy()
            await stage.reach("SPLITTING")
            stage.engine.create_s = 30.0

            stage.provisioner.kill(LIVE)

            await stage.reach("ROLLED_BACK")
            assert set(stage.engine.stacks) == stage.engine.whole == {LIVE}
            assert stage.split is not None
            assert stage.split.live == stage.engine.stacks[LIVE]

    async def test_that_cannot_be_made_again_halts(self) -> None:
        """
        Where live does not come back in time, a person is called; and when it does, the rollback goes on by itself.
        """
        async with staged() as stage:
            await stage.deploy()
            await stage.reach("SPLITTING")
            stage.engine.failures[LIVE].extend(["no space"] * 8)

            stage.provisioner.kill(LIVE)

            await stage.reach("HALTED")
            assert stage.alerts.sent[-1].severity is Severity.CRITICAL
            await stage.reach("ROLLED_BACK")
            assert stage.serves == {LIVE: 100}

    async def test_in_standby_leaves_the_shadow_promoted(self) -> None:
        """
        When the standby dies there is nothing to go back to: the shadow is live, and an alert says so.
        """
        async with staged() as stage:
            stage.judges.say(Action.PROMOTE)
            await stage.deploy()
            await stage.reach("STANDBY")

            stage.provisioner.kill(LIVE)

            await stage.reach("PROMOTED", within_s=1)
            await stage.clock.pass_(10)
            assert stage.serves == {SHADOW: 100}
            assert set(stage.engine.stacks) == {SHADOW}
            assert "live_died" in stage.alerts.kinds()


class TestEngine:
    async def test_that_is_gone_stops_progress_and_nothing_else(self) -> None:
        """
        While the engine is away the share stays; the judge still rolls back.
        """
        async with staged() as stage:
            await stage.deploy()
            await stage.reach("SPLITTING")
            stage.provisioner.lose_engine()
            await stage.clock.pass_(60)
            assert stage.serves == {LIVE: 95, SHADOW: 5}
            assert (await stage.kinds()).count("engine_gone") == 1

            stage.judges.say(Action.ROLLBACK)

            await stage.reach("ROLLED_BACK", within_s=30)
            assert stage.serves == {LIVE: 100}

    async def test_that_is_back_lets_the_rollout_go_on(self) -> None:
        """
        When the engine answers again the next step is taken.
        """
        async with staged() as stage:
            await stage.deploy()
            await stage.reach("SPLITTING")
            stage.provisioner.lose_engine()
            await stage.clock.pass_(30)

            stage.provisioner.find_engine()
            await stage.clock.pass_(40)

            assert stage.serves == {LIVE: 50, SHADOW: 50}
            assert (await stage.kinds()).count("engine_back") == 1

    async def test_that_was_away_at_a_start_is_asked_about_the_stacks(self) -> None:
        """
        A watch that cannot begin begins later; a stack that is no longer whole then has died meanwhile.
        """
        async with staged() as stage:
            stage.engine.is_gone = True
            stage.controller._stacks.adopt(stage.engine.stacks[LIVE], is_live=True)
            await stage.clock.pass_(5)
            stage.engine.whole.discard(LIVE)

            stage.engine.is_gone = False
            await stage.clock.pass_(10)

            kinds = await stage.kinds()
            assert kinds[2:] == ["engine_gone", "live_died", "live_ordered", "live_up"]
            assert "was not whole when the engine came back" in await stage.said("live_died")

    async def test_that_is_back_gets_what_was_to_be_removed(self) -> None:
        """
        A shadow that could not be removed is removed when the engine is back; clients are on live meanwhile.
        """
        async with staged() as stage:
            await stage.deploy()
            await stage.reach("SPLITTING")
            stage.provisioner.lose_engine()
            await stage.command("rollback")
            await stage.reach("ROLLED_BACK")
            assert SHADOW in stage.engine.stacks
            assert "retire_failed" in await stage.kinds()

            stage.provisioner.find_engine()
            await stage.clock.pass_(70)

            assert set(stage.engine.stacks) == {LIVE}
            assert (await stage.history()).condemned == frozenset()

    async def test_moves_a_stack(self) -> None:
        """
        New endpoints are published at once, with the same share.
        """
        async with staged() as stage:
            await stage.deploy()
            await stage.reach("SPLITTING")

            moved = stage.provisioner.move(SHADOW)
            await stage.clock.rest()

            assert stage.split is not None
            assert stage.split.shadow == moved
            assert stage.serves == {LIVE: 95, SHADOW: 5}


class TestSwitch:
    async def test_that_refuses_a_share_ends_the_split(self) -> None:
        """
        A share that cannot be published rolls back.
        """
        async with staged() as stage:
            await stage.deploy()
            await stage.reach("WARMING")
            stage.switch.refusals.append("the table cannot be built")

            await stage.reach("ROLLED_BACK")

            assert "the table cannot be built" in await stage.said("shift_failed")

    async def test_that_refuses_the_way_back_halts(self) -> None:
        """
        Where traffic cannot be given back the shadow is not touched, and a person is called; `rollback` tries again.
        """
        async with staged() as stage:
            await stage.deploy()
            await stage.reach("SPLITTING")
            stage.switch.refuses_always = "the switch is broken"
            stage.judges.say(Action.ROLLBACK)

            await stage.reach("HALTED")
            assert stage.serves == {LIVE: 95, SHADOW: 5}
            assert SHADOW in stage.engine.whole

            stage.switch.refuses_always = ""
            await stage.command("rollback")
            await stage.reach("ROLLED_BACK")
            assert stage.serves == {LIVE: 100}


class TestJudge:
    async def test_that_breaks_ends_the_split(self) -> None:
        """
        A judge that fails cannot protect anybody: back to live.
        """
        async with staged() as stage:
            await stage.deploy()
            await stage.reach("SPLITTING")

            stage.judges.is_broken = True

            await stage.reach("ROLLED_BACK")
            assert "ZeroDivisionError" in await stage.said("fault")

    async def test_of_the_house_promotes_an_equal_shadow(self) -> None:
        """
        With the real judge, a shadow that is as live is promoted on proof.
        """
        config = JudgeConfig(warmup_s=5, dwell_s=10, min_duration_s=30, max_duration_s=600)
        options = replace(QUICK, deadline_s=500.0)
        async with staged(judges=Judge, judge=config, options=options) as stage:
            stage.kpis.rps = 400
            await stage.clock.pass_(30)
            await stage.deploy()

            await stage.reach("STANDBY")

            assert "proven" in await stage.kinds()

    async def test_of_the_house_rolls_an_erring_shadow_back(self) -> None:
        """
        With the real judge, a shadow that fails a tenth of its requests is rolled back within seconds.
        """
        async with staged(judges=Judge) as stage:
            await stage.deploy()
            await stage.reach("SPLITTING")
            began_s = stage.clock.monotonic()
            stage.kpis.errors[SHADOW] = 10

            await stage.reach("ROLLED_BACK")

            assert stage.clock.monotonic() - began_s < 15
            assert stage.serves == {LIVE: 100}

    async def test_was_fed_what_the_journal_keeps(self) -> None:
        """
        Every tick that the judge saw is in the journal, as it saw it.
        """
        async with staged() as stage:
            await stage.deploy()
            await stage.reach("SPLITTING")
            await stage.clock.pass_(5)

            kept = [decode(text) for text in await stage.journal.figures("shop", "shop-2")]

            assert [row.tick for row in kept] == stage.judges.made[0].ticks
            assert kept[0].before.baseline == stage.judges.made[0].baseline

    async def test_loses_no_evidence_with_its_daemon(self) -> None:
        """
        A daemon that is killed in the middle of a split goes on with every tick that its judge had seen.
        """
        async with staged() as stage:
            await stage.deploy()
            await stage.reach("SPLITTING")
            await stage.clock.pass_(KEEP_EVERY_TICKS + 3)
            seen = stage.judges.made[-1].age
            assert seen % KEEP_EVERY_TICKS, "the last ticks are in no state that was kept"

            await stage.kill()
            await stage.start()
            await stage.clock.rest()

            assert stage.judges.made[-1].age == seen
            assert stage.controller.status().evidence

    async def test_is_told_what_both_stacks_use(self) -> None:
        """
        A sample goes into one tick; the ticks until the next one have none.
        """
        async with staged() as stage:
            stage.engine.uses = {LIVE: Resources(memory=10, memory_limit=100), SHADOW: Resources(memory=90)}
            await stage.deploy()
            await stage.reach("SPLITTING")
            await stage.clock.pass_(11)

            uses = [(tick.live_uses, tick.shadow_uses) for tick in stage.judges.made[0].ticks[1:11]]
            told = [(live and live.memory, shadow and shadow.memory) for live, shadow in uses]

            assert told.count((10, 90)) == 2
            assert told.count((None, None)) == 8

    async def test_compares_services_that_both_stacks_have(self) -> None:
        """
        A database that runs once is counted for the stack that it was made for, and left out where stacks are compared.
        """
        web = Resources(memory=10, memory_limit=100, cpu_s=1.0)
        async with staged() as stage:
            stage.engine.uses = {LIVE: {"web": web, "db": Resources(memory=99, memory_limit=100)}, SHADOW: {"web": web}}
            await stage.deploy()
            await stage.reach("SPLITTING")
            await stage.clock.pass_(11)

            tick = next(tick for tick in stage.judges.made[0].ticks[1:] if tick.live_uses and tick.shadow_uses)
            live = stage.controller.status().live

            assert tick.live_uses == replace(tick.shadow_uses, left_out=("db",))
            assert tick.live_uses.services == ("web",)
            assert live is not None
            assert live.uses is not None
            assert live.uses.services == ("db", "web")  # people see all of it

    @pytest.mark.parametrize(
        ("after", "reason"),
        [
            (Resources(restarts=2), "one of its parts ended and was started again"),
            (Resources(restarts=2, oom_kills=1), "one of its parts was killed for want of memory"),
        ],
    )
    async def test_of_the_house_leaves_a_shadow_that_crashes(self, after: Resources, reason: str) -> None:
        """
        A part of the shadow that ends under traffic ends the rollout, although its restart policy brings it back.
        """
        async with staged(judges=Judge) as stage:
            stage.engine.uses[SHADOW] = Resources(restarts=1)  # from its making: nobody was served by it then
            await stage.deploy()
            await stage.reach("SPLITTING")
            await stage.clock.pass_(12)
            assert stage.state == "SPLITTING"

            stage.engine.uses[SHADOW] = after

            await stage.reach("ROLLED_BACK", within_s=30)
            assert f"the shadow was restarted: {reason}" in await stage.said("worse")

    async def test_of_the_house_foresees_a_leak(self) -> None:
        """
        A shadow whose memory will be full is left minutes before it is.
        """
        options = replace(QUICK, steps_bp=(500,), deadline_s=3_600.0, tick_s=5.0)
        config = JudgeConfig(min_duration_s=3_000.0)
        async with staged(judges=Judge, judge=config, options=options) as stage:
            await stage.deploy()
            await stage.reach("SPLITTING")
            began_s = stage.clock.monotonic()
            full_s = began_s + 1_800.0
            stage.engine.uses[LIVE] = lambda now_s: Resources(memory=40, memory_limit=100)
            stage.engine.uses[SHADOW] = lambda now_s: Resources(
                memory=30 + 65 * (now_s - began_s) / 1_800, memory_limit=100
            )

            await stage.reach("ROLLED_BACK", within_s=1_800)

            assert full_s - stage.clock.monotonic() > 180
            found = await stage.controller.explain()
            assert found.decision is not None
            assert found.decision.kpi == "predict.memory"
            assert any(line.startswith("forecast of memory (rollback): ") for line in found.sentences)

    async def test_of_the_house_foresees_a_leak_after_the_promotion(self) -> None:
        """
        What leaks only under all of the traffic is left while the former stack is kept, long before any guard is met.
        """
        options = replace(QUICK, steps_bp=(500,), deadline_s=3_600.0, standby_s=3_600.0, tick_s=5.0)
        async with staged(judges=Judge, judge=JudgeConfig(), options=options) as stage:
            stage.engine.uses = {each: Resources(memory=30, memory_limit=100) for each in (LIVE, SHADOW)}
            await stage.deploy()
            await stage.reach("STANDBY", within_s=3_600)
            began_s = stage.clock.monotonic()
            stage.engine.uses[SHADOW] = lambda now_s: Resources(
                memory=30 + 65 * (now_s - began_s) / 1_800, memory_limit=100
            )
            while not any(each.breach_s for each in stage.controller.status().forecasts):
                await stage.clock.pass_(30)
                assert stage.state == "STANDBY"
            seen = stage.controller.status()
            told = await stage.controller.explain()

            await stage.reach("ROLLED_BACK", within_s=1_800)

            assert began_s + 1_800.0 - stage.clock.monotonic() > 180
            assert stage.serves == {LIVE: 100}
            assert "memory in use" in await stage.said("worse")
            assert [each.figure for each in seen.forecasts if each.breach_s] == ["memory"]
            assert any("of the limit, and 95 % in " in line for line in told.sentences)
            after = await stage.controller.explain()
            assert after.decision is not None
            assert after.decision.kpi == "predict.memory"

    @staticmethod
    def leak(growing: float, began_s: float, now_s: float) -> Resources:
        """Return the memory of what grows by so many percent in half an hour."""
        return Resources(memory=30 + growing * (now_s - began_s) / 1_800, memory_limit=100)

    @pytest.mark.parametrize(("mode", "lives"), [(Mode.WARN, 0), (Mode.ROLLBACK, 65)])
    async def test_of_the_house_tells_people_what_it_does_nothing_about(self, mode: Mode, lives: int) -> None:
        """
        A leak that is only to be warned of, or that live has as well, is an alert, once; the rollout goes on.
        """
        options = replace(QUICK, steps_bp=(500,), deadline_s=3_600.0, tick_s=5.0, hold_s=3_000.0)
        config = JudgeConfig(predict=PredictOptions(memory=mode), guards=GuardOptions(memory=None))
        async with staged(judges=Judge, judge=config, options=options) as stage:
            await stage.deploy()
            await stage.reach("SPLITTING")
            began_s = stage.clock.monotonic()
            for stack, growing in ((LIVE, lives), (SHADOW, 65)):
                stage.engine.uses[stack] = partial(self.leak, growing, began_s)
            await stage.clock.pass_(1_500)

            assert stage.state == "SPLITTING"
            assert stage.alerts.kinds().count("foreseen") == 1
            said = await stage.said("foreseen")
            assert said.startswith("shop-r2 is heading for a limit: memory in use: ")
            ending = "for live is heading there as well" if lives else "as analysis.predict says"
            assert said.endswith(f"; nothing is done about it, {ending}")

    async def test_of_the_house_does_not_fear_a_cache(self) -> None:
        """
        A shadow whose memory grows as caches fill, and then no more, is promoted.
        """
        options = replace(QUICK, steps_bp=(500,), deadline_s=3_600.0, tick_s=5.0)
        config = JudgeConfig(min_duration_s=1_500.0)
        async with staged(judges=Judge, judge=config, options=options) as stage:
            await stage.deploy()
            await stage.reach("SPLITTING")
            began_s = stage.clock.monotonic()
            stage.engine.uses[SHADOW] = lambda now_s: Resources(
                memory=20 + 60 * (1 - exp((began_s - now_s) / 120)), memory_limit=100
            )

            await stage.reach("STANDBY", within_s=3_000)

            shadow = stage.controller.status().shadow
            assert shadow is not None
            assert shadow.uses is not None
            assert (shadow.uses.memory or 0) > 79

    async def test_of_the_house_leaves_a_shadow_that_fills_its_memory(self) -> None:
        """
        A shadow that is about to be killed for want of memory is left before that happens.
        """
        async with staged(judges=Judge) as stage:
            await stage.deploy()
            await stage.reach("SPLITTING")

            stage.engine.uses[SHADOW] = Resources(memory=96, memory_limit=100)

            await stage.reach("ROLLED_BACK", within_s=30)
            assert "memory 96 % of its limit in 2 samples, at most 95 %" in await stage.said("worse")


class TestStatus:
    async def test_tells_everything_about_a_split(self) -> None:
        """
        The status names step, share, figures of both stacks, evidence and what is legal; it is JSON as it is.
        """
        async with staged() as stage:
            await stage.deploy()
            await stage.reach("SPLITTING")
            await stage.clock.pass_(5)

            status = stage.controller.status()

            assert (status.step, status.steps, status.share_bp) == (1, 2, 500)
            assert status.live is not None
            assert status.shadow is not None
            assert (status.live.id, status.live.services, status.live.requests) == (LIVE, 1, 500)
            assert (status.shadow.p99_us, status.shadow.rps, status.shadow.error_rate) == (10_000, 100.0, 0.0)
            assert status.evidence[0].kpi == "error_rate"
            assert status.verdict_in_s == 60.0
            assert status.commands == ("pause", "promote", "rollback")
            assert status.deadline == "2026-01-01T00:02:35+00:00"
            assert json.loads(json.dumps(asdict(status)))["rollback_cost"]["level"] == "none"

    async def test_shows_figures_of_the_whole_split_after_a_restart(self) -> None:
        """
        Requests and errors count since the split began, by whichever daemon.
        """
        async with staged() as stage:
            stage.kpis.errors[SHADOW] = 1
            await stage.deploy()
            await stage.reach("SPLITTING")
            await stage.clock.pass_(7)  # the last two ticks are newer than what was kept of the judge
            before = stage.controller.status()
            await stage.kill()
            await stage.start()
            await stage.reach("SPLITTING")
            await stage.clock.pass_(1)

            after = stage.controller.status()

            assert before.shadow is not None
            assert after.shadow is not None
            assert before.live is not None
            assert after.live is not None
            assert before.shadow.requests > 500
            assert after.shadow.requests - before.shadow.requests in (0, 100, 200)  # some ticks have passed
            assert after.live.requests - before.live.requests in (0, 100, 200)
            assert after.shadow.error_rate == before.shadow.error_rate == 0.01

    async def test_reckons_with_the_share_of_the_step(self) -> None:
        """
        Ten times the share is ten times the requests, from the step on, whatever the last minute was like.
        """
        async with staged() as stage:
            await stage.deploy()
            await stage.reach("SPLITTING")
            await stage.clock.pass_(5)
            first = stage.controller.status()
            await stage.clock.until(lambda: stage.controller.status().step == 2, 60)

            second = stage.controller.status()

            assert (first.verdict_in_s, second.verdict_in_s) == (60.0, 6.0)
            await stage.command("promote")
            await stage.reach("STANDBY")
            assert stage.controller.status().verdict_in_s is None

    async def test_says_when_a_verdict_may_be_expected(self) -> None:
        """
        With the real judge, and KPIs among them that are only shown: the guess is of those that a promotion waits for.
        """
        async with opened(judges=Judge, judge=JudgeConfig(warmup_s=5)) as stage:
            stage.kpis.spread_us = 10
            stage.kpis.rates[SHADOW] = 20
            await stage.start()
            await stage.live()
            await stage.deploy()
            await stage.reach("SPLITTING")
            await stage.clock.pass_(8)

            status = stage.controller.status()

            assert [each.kpi for each in status.evidence if each.promote is None]
            assert status.verdict_in_s is not None
            assert 1 < status.verdict_in_s < 300

    async def test_names_the_end_of_the_standby(self) -> None:
        """
        In standby the way back has a date.
        """
        async with staged() as stage:
            stage.judges.say(Action.PROMOTE)
            await stage.deploy()
            await stage.reach("STANDBY")

            status = stage.controller.status()

            assert status.standby_until == status.deadline
            assert status.share_bp == 10_000


class TestEvents:
    async def test_are_sent_to_those_who_follow(self) -> None:
        """
        A subscription gets each event once, as it is in the journal.
        """
        async with staged() as stage, stage.controller.subscribe() as subscription:
            await stage.deploy()

            first, second = await subscription.next(), await subscription.next()

            assert [first, second] == (await stage.controller.events(2))[:2]

    async def test_can_be_asked_for_from_a_number_on(self) -> None:
        """
        Events after a number are those with higher ones.
        """
        async with staged() as stage:
            assert [event.seq for event in await stage.controller.events(1)] == [2]


class TestParking:
    async def test_is_in_the_journal_and_in_the_status(self) -> None:
        """
        Who had requests wait, why, for how long and what came of it is kept; people see it while it lasts.
        """
        async with staged() as stage:
            await stage.controller.parking.park(20.0, "ann", "a new schema")
            parked = stage.controller.status().parked
            assert parked is not None
            assert (parked.requests, parked.left_s, parked.by, parked.why) == (3, 20.0, "ann", "a new schema")
            assert stage.parking.parked[APP][0] == 20.0
            await stage.clock.pass_(4)

            assert stage.controller.parking.unpark("bob", "it is there") == 3

            await stage.clock.pass_(1)
            assert stage.controller.status().parked is None
            events = (await stage.controller.events())[-2:]
            assert [event.kind.value for event in events] == ["parked", "unparked"]
            assert [event.sentence for event in events] == [
                "ann parked shop: new requests wait, for 20 s at most: a new schema",
                "bob lets the requests of shop go on after 4 s (3 waited): it is there",
            ]

    async def test_that_runs_out_is_written_down_too(self) -> None:
        """
        At the end of its time requests go on by themselves, and the journal says that nobody had said so.
        """
        async with staged() as stage:
            await stage.controller.parking.park(20.0, "ann")
            await stage.clock.pass_(20)

            stage.parking.expire(APP)

            await stage.clock.pass_(1)
            last = (await stage.controller.events())[-1]
            assert last.sentence == "splitter lets the requests of shop go on after 20 s (3 waited): its time is up"
            assert stage.controller.status().parked is None

    async def test_again_is_one_time_with_a_new_end(self) -> None:
        """
        Who parks a parked app moves the end; how long it was is counted from the first word.
        """
        async with staged() as stage:
            await stage.controller.parking.park(20.0, "ann", "first")
            await stage.clock.pass_(5)
            await stage.controller.parking.park(30.0, "bob", "more")
            parked = stage.controller.status().parked
            assert parked is not None
            assert (parked.left_s, parked.by, parked.why) == (30.0, "bob", "more")
            await stage.clock.pass_(5)

            stage.controller.parking.unpark("bob")

            await stage.clock.pass_(1)
            assert (await stage.controller.events())[-1].data["took_s"] == 10.0

    async def test_belongs_to_the_rollout_that_runs(self) -> None:
        """
        A rollout's own events say when its stacks got no requests, and it goes on as it was.
        """
        async with staged() as stage:
            rollout = await stage.deploy()
            await stage.reach("SPLITTING")

            await stage.controller.parking.park(20.0, "ann")
            stage.controller.parking.unpark("ann")
            await stage.clock.pass_(1)

            assert stage.state == "SPLITTING"
            kinds = {event.kind.value for event in await stage.controller.events() if event.rollout == rollout}
            assert {"parked", "unparked"} <= kinds

    async def test_of_nobody_ends_in_nothing(self) -> None:
        """
        To let go where nobody waits changes nothing and leaves no trace.
        """
        async with staged() as stage:
            assert stage.controller.parking.unpark("ann") == 0

            await stage.clock.pass_(1)
            assert "unparked" not in await stage.kinds()

    async def test_is_refused_before_the_app_is_known(self) -> None:
        """
        While the stacks are still looked for there is nothing to keep requests from.
        """
        async with opened() as stage:
            stage.engine.is_gone = True
            await stage.start()
            await stage.clock.pass_(2)

            with pytest.raises(RefusedError, match="still starting"):
                await stage.controller.parking.park(20.0, "ann")

            assert stage.parking.parked == {}


class TestUnwritableJournal:
    async def test_sends_everybody_to_live(self) -> None:
        """
        When decisions cannot be journaled, the split ends at once, deploys and commands are refused; when they can be
        again, the rollback is recorded and goes on.
        """
        async with staged() as stage:
            await stage.deploy()
            await stage.reach("SPLITTING")
            connection = stage.journal._connection
            connection.execute("PRAGMA query_only = ON")
            await stage.clock.pass_(QUICK.hold_s + 1)
            assert stage.serves == {LIVE: 100}
            assert stage.controller.status().trouble
            assert stage.alerts.kinds()[-1] == "unrecorded"
            with pytest.raises(StateError, match="cannot write to"):
                await stage.command("promote")
            with pytest.raises(StateError, match="cannot write to"):
                await stage.deploy()

            connection.execute("PRAGMA query_only = OFF")
            await stage.reach("ROLLED_BACK")

            assert stage.controller.status().trouble == ""
            assert set(stage.engine.stacks) == {LIVE}
            assert "unrecorded" in await stage.kinds()

    async def test_leaves_a_promoted_shadow_where_it_is(self) -> None:
        """
        What the journal says already stays: in standby the shadow goes on serving, and its end is journaled later.
        """
        async with staged() as stage:
            stage.judges.say(Action.PROMOTE)
            await stage.deploy()
            await stage.reach("STANDBY")
            connection = stage.journal._connection
            connection.execute("PRAGMA query_only = ON")
            await stage.clock.pass_(QUICK.standby_s + 5)
            assert stage.state == "STANDBY"
            assert stage.alerts.kinds().count("unrecorded") == 1
            assert stage.serves == {SHADOW: 100}

            connection.execute("PRAGMA query_only = OFF")

            await stage.reach("PROMOTED")
