"""A running project becomes the first live stack."""

from collections.abc import AsyncIterator

import pytest

from splitter.contracts import RunningProject
from splitter.errors import RefusedError, StackError
from splitter.judge.verdict import Action
from tests.rollout.stage import LIVE, Stage, opened, template


@pytest.fixture
async def stage() -> AsyncIterator[Stage]:
    """An app that waits for its first stack."""
    async with opened(waits_for_adoption=True) as stage:
        await stage.start()
        await stage.clock.pass_(30)
        yield stage


class TestAdoption:
    async def test_is_waited_for(self, stage: Stage) -> None:
        """
        No first stack is made, and nothing can be deployed beside it.
        """
        assert stage.provisioner.created == []
        with pytest.raises(RefusedError, match="has no live stack yet"):
            await stage.deploy()

    async def test_makes_the_project_live(self, stage: Stage) -> None:
        """
        The project is ordered as the first live stack, in the journal with who did it, and serves when it is up.
        """
        live, said = await stage.controller.adopt("old", "ann")
        await stage.until_ready()

        (made,) = stage.provisioner.created
        assert (live, made.placement.adopted) == (LIVE, "old")
        assert said == ["project old is as its template says"]
        assert await stage.said("live_ordered") == (
            f"{LIVE} is to be made as the live stack: ann adopts the running project old"
        )
        assert stage.serves == {LIVE: 100}
        ordered = next(event for event in await stage.events() if event.kind == "live_ordered")
        assert ordered.data["survey"] == ["project old is as its template says"]

    async def test_without_a_template_takes_the_project_s_own(self) -> None:
        """
        A configuration that names no file has the project's read, where they are here; what was taken is told.
        """
        async with opened(waits_for_adoption=True, template_file="") as stage:
            await stage.start()
            await stage.clock.rest()
            model = template(2)
            stage.engine.project = RunningProject(("/srv/shop/v1.yaml",), model)

            _, said = await stage.controller.adopt("old", "ann")
            await stage.until_ready()

            (made,) = stage.provisioner.created
            assert said[0] == "its template is the project's own: /srv/shop/v1.yaml"
            assert made.template == template(1)

    async def test_without_any_file_takes_what_runs(self) -> None:
        """
        Where no file is left, the template is what the containers say, and it is told what that lacks.
        """
        async with opened(waits_for_adoption=True, template_file="") as stage:
            await stage.start()
            await stage.clock.rest()
            model = template(2)
            with pytest.raises(StackError, match="there is no container of Compose project old"):
                await stage.controller.adopt("old", "ann")
            stage.engine.project = RunningProject((), model)

            _, said = await stage.controller.adopt("old", "ann")
            await stage.until_ready()

            (made,) = stage.provisioner.created
            assert said[0].startswith("no file of the project is here, so its template was read off its containers")
            assert made.template == model

    async def test_reads_the_variables_that_the_project_was_made_with(self) -> None:
        """
        Files of variables that the project's labels name are read with its own files.
        """
        async with opened(waits_for_adoption=True, template_file="") as stage:
            await stage.start()
            await stage.clock.rest()
            stage.engine.project = RunningProject(("/srv/shop/v1.yaml",), template(2), ("/srv/shop/prod.env",))

            await stage.controller.adopt("old", "ann")
            await stage.until_ready()

            (made,) = stage.provisioner.created
            assert made.template.notes == ("/srv/shop/prod.env",)

    async def test_without_its_variables_takes_what_runs(self) -> None:
        """
        Without them the files would mean something else; an app that names others has its own read.
        """
        files = ("/srv/shop/v1.yaml",)
        lost = RunningProject(files, template(2), ("/srv/shop/prod.env",), ("/srv/shop/prod.env",))
        async with opened(waits_for_adoption=True, template_file="") as stage:
            await stage.start()
            await stage.clock.rest()
            stage.engine.project = lost

            _, said = await stage.controller.adopt("old", "ann")
            await stage.until_ready()

            (made,) = stage.provisioner.created
            assert made.template == template(2)
            assert "made with are not here (/srv/shop/prod.env; `env_file` can name others)" in said[0]
        async with opened(waits_for_adoption=True, template_file="", env_files=("/srv/shop/own.env",)) as stage:
            await stage.start()
            await stage.clock.rest()
            stage.engine.project = lost

            _, said = await stage.controller.adopt("old", "ann")
            await stage.until_ready()

            (made,) = stage.provisioner.created
            assert made.template == template(1)
            assert said[0] == "its template is the project's own: /srv/shop/v1.yaml"

    async def test_is_kept_in_mind_at_the_promotion(self, stage: Stage) -> None:
        """
        The event that ends the standby says what the old folder can do now; the next promotion has nothing to say.
        """
        await stage.controller.adopt("old", "ann")
        await stage.until_ready()
        await stage.clock.pass_(15)

        stage.judges.say(Action.PROMOTE)
        for version in (2, 3):
            await stage.deploy(version)
            await stage.reach("PROMOTED")
            await stage.clock.pass_(10)

        first, second = [event.sentence for event in await stage.events() if event.state == "PROMOTED"]
        assert first.endswith(
            "; `docker compose up` in the folder of old would start its containers again, beside shop-r2"
        )
        assert "docker compose" not in second

    async def test_is_kept_in_mind_by_the_next_plan(self, stage: Stage) -> None:
        """
        The plan of what takes over from an adopted project says what its old folder can do then.
        """
        await stage.controller.adopt("old", "ann")
        await stage.until_ready()

        plan = await stage.controller.plan(["/srv/shop/v2.yaml"], {})

        (note,) = plan.notes
        assert note.startswith(
            "live is the Compose project old: after the promotion, `docker compose up` in its folder"
        )

    async def test_is_remembered(self, stage: Stage) -> None:
        """
        An adopted stack that died is taken up again, never made: the project's name is kept with it.
        """
        await stage.controller.adopt("old", "ann")
        await stage.until_ready()
        await stage.kill()
        await stage.start()
        await stage.until_ready()
        stage.provisioner.kill(LIVE)
        await stage.clock.until(lambda: stage.provisioner.created)

        (again,) = stage.provisioner.created
        assert (again.placement.adopted, again.again) == ("old", True)

    async def test_is_refused_where_it_cannot_be(self, stage: Stage) -> None:
        """
        What the engine has against it, or a live stack, is a reason; nothing is journaled.
        """
        stage.engine.refusals.append("there is no such project")
        with pytest.raises(RefusedError, match="old cannot be adopted: there is no such project"):
            await stage.controller.adopt("old", "ann")
        assert await stage.events() == []
        stage.engine.refusals.clear()
        await stage.controller.adopt("old", "ann")

        with pytest.raises(RefusedError, match=f"has the live stack {LIVE}; only the first one is adopted"):
            await stage.controller.adopt("other", "ann")

    async def test_needs_an_app_that_waits(self) -> None:
        """
        An app that makes its first stack itself says so, and how to change that.
        """
        async with opened(template_file="/srv/shop/none.yaml") as stage:
            await stage.start()
            await stage.clock.rest()

            with pytest.raises(RefusedError, match=r"makes its first stack itself; write `adopt: true`"):
                await stage.controller.adopt("old", "ann")
