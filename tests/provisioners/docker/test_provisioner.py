import asyncio
import contextlib
import re
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from docker import APIClient

from provisioners.docker import DockerOptions, DockerProvisioner, names
from splitter.contracts import StackDied, StackMoved
from splitter.errors import EngineError, StackError
from splitter.model import Endpoint, ServicePort, StackId
from splitter.template import (
    Attachment,
    Build,
    Condition,
    Dependency,
    Healthcheck,
    Limits,
    Mount,
    MountType,
    Network,
    Service,
    Volume,
)
from tests.provisioners.docker.conftest import MakeProvisioner, traces
from tests.provisioners.docker.stage import (
    HEALTHY,
    IMAGE,
    SICK,
    WEB,
    ask,
    command,
    endpoint,
    needs,
    order,
    server,
    soon,
    template,
)
from tests.provisioners.hurry import last_words

ROOT = Path(__file__).parent.parent.parent.parent
DOOMED = """
import asyncio, sys
from provisioners.docker import DockerOptions, DockerProvisioner
from splitter.template import Mount, MountType, Volume
from tests.provisioners.docker.stage import WEB, order, server, template

async def main(app, installation, image):
    data = (Mount(MountType.VOLUME, "/data", "data"),)
    whole = template(server(image=image, mounts=data), server("db", image=image), volumes={"data": Volume("data")})
    provisioner = DockerProvisioner(app, installation, DockerOptions(pull=False))
    await provisioner.create(order(app, whole, WEB), lambda line: print(line, flush=True))
    await asyncio.sleep(60)

asyncio.run(main(*sys.argv[1:]))
"""
LOOPBACK = DockerOptions(pull=False, endpoint="loopback")
NOWHERE = "unix:///nonexistent/docker.sock"


def quiet(_: str) -> None:
    """Take progress and do nothing with it."""


@pytest.mark.docker
class TestTwoStacks:
    async def test_stand_side_by_side(self, app: str, provisioner: DockerProvisioner, client: APIClient) -> None:
        """
        Two stacks of one template answer at once, bind no port of the host, and find their own services by name.
        """
        twins = template(server(depends_on=needs(("db", Condition.STARTED))), server("db"))

        live, shadow = await asyncio.gather(
            provisioner.create(order(app, twins, WEB, revision=1), quiet),
            provisioner.create(order(app, twins, WEB, revision=2), quiet),
        )

        assert f"{app}-r1" == await ask(endpoint(live), "/stack")
        assert f"{app}-r2" == await ask(endpoint(shadow), "/stack")
        for stack in (live, shadow):
            address = await ask(endpoint(stack), "/resolve?name=db")
            database = client.inspect_container(f"{stack.id}-db-1")
            assert address == database["NetworkSettings"]["Networks"][f"{stack.id}_default"]["IPAddress"]
            assert [bound for bound in database["NetworkSettings"]["Ports"].values() if bound] == []

    async def test_get_loopback_ports_of_their_own(self, app: str, provisioner_of: MakeProvisioner) -> None:
        """
        In loopback mode each stack has a port of 127.0.0.1 that the engine picked; never the published one.
        """
        provisioner = provisioner_of(options=LOOPBACK)

        first = await provisioner.create(order(app, template(server()), WEB, revision=1), quiet)
        second = await provisioner.create(order(app, template(server()), WEB, revision=2), quiet)

        assert {"127.0.0.1"} == {endpoint(first).host, endpoint(second).host}
        assert len({endpoint(first).port, endpoint(second).port, 8000}) == 3
        assert f"{app}-r2" == await ask(endpoint(second), "/stack")


@pytest.mark.docker
class TestCreate:
    async def test_starts_in_the_order_of_dependencies(
        self, app: str, provisioner: DockerProvisioner, client: APIClient
    ) -> None:
        """
        A service starts when each dependency has reached its condition: started, healthy, or ended with 0.
        """
        chain = template(
            server(depends_on=needs(("db", Condition.HEALTHY), ("migrate", Condition.COMPLETED))),
            server("db", healthcheck=HEALTHY),
            command("migrate", "work", "0.3", depends_on=needs(("db", Condition.HEALTHY))),
        )
        said: list[str] = []

        await provisioner.create(order(app, chain, WEB), said.append)

        ready, started = f"{app}-r1-db-1 is ready", f"starting {app}-r1-migrate-1"
        assert said.index(f"starting {app}-r1-db-1") < said.index(started) < said.index(f"starting {app}-r1-web-1")
        assert ready in said
        job = client.inspect_container(f"{app}-r1-migrate-1")["State"]
        web = client.inspect_container(f"{app}-r1-web-1")["State"]
        assert job["FinishedAt"] < web["StartedAt"]

    async def test_goes_on_without_what_is_not_required(self, app: str, provisioner: DockerProvisioner) -> None:
        """
        A service that all its dependents can do without may fail; progress says so, and the stack is whole.
        """
        lenient = template(
            server(depends_on=(Dependency("cache", Condition.HEALTHY, required=False),)),
            server("cache", healthcheck=SICK),
        )
        said: list[str] = []

        stack = await provisioner.create(order(app, lenient, WEB), said.append)

        assert [stack] == [found.stack for found in await provisioner.find()]
        assert any(line.startswith("going on without cache") for line in said)

    async def test_gives_every_replica_an_endpoint(self, app: str, provisioner: DockerProvisioner) -> None:
        """
        A routed service of two replicas has two endpoints, and the route's port 0 is its only port.
        """
        only = ServicePort("web")

        stack = await provisioner.create(order(app, template(server(replicas=2)), only), quiet)

        assert len(set(stack.endpoints[only])) == 2
        assert {8000} == {each.port for each in stack.endpoints[only]}

    async def test_makes_what_the_template_says(
        self, app: str, provisioner: DockerProvisioner, client: APIClient, tmp_path: Path
    ) -> None:
        """
        Mounts, limits, user, networks and labels of a service are those of its container.
        """
        mounts = (
            Mount(MountType.VOLUME, "/data", "data"),
            Mount(MountType.VOLUME, "/anonymous"),
            Mount(MountType.BIND, "/host", str(tmp_path), read_only=True),
            Mount(MountType.TMPFS, "/tmp"),
        )
        rich = server(
            mounts=mounts,
            networks=(Attachment("front", ("shop",)), Attachment("back")),
            limits=Limits(memory_bytes=128 * 2**20, cpus=0.5, pids=50),
            labels={"team": "red"},
            environment={"COLOUR": "blue"},
            user="65534",
            working_dir="/tmp",
        )
        networks = {"front": Network("front"), "back": Network("back", internal=True)}
        whole = template(rich, networks=networks, volumes={"data": Volume("data")})

        await provisioner.create(order(app, whole, WEB), quiet)

        made = client.inspect_container(f"{app}-r1-web-1")
        assert {"/data": f"{app}-r1_data", "/host": str(tmp_path)} == {
            each["Destination"]: each.get("Name") or each["Source"]
            for each in made["Mounts"]
            if each["Destination"] in ("/data", "/host")
        }
        assert {f"{app}-r1_front", f"{app}-r1_back"} == set(made["NetworkSettings"]["Networks"])
        assert {"web", "shop"} <= set(made["NetworkSettings"]["Networks"][f"{app}-r1_front"]["Aliases"])
        host = made["HostConfig"]
        assert (host["Memory"], host["NanoCpus"], host["PidsLimit"]) == (128 * 2**20, 500_000_000, 50)
        assert {"COLOUR=blue", f"SPLITTER_STACK={app}-r1"} <= set(made["Config"]["Env"])
        assert ("red", f"{app}-r1") == (
            made["Config"]["Labels"]["team"],
            made["Config"]["Labels"]["com.docker.compose.project"],
        )
        assert (made["Config"]["User"], made["Config"]["WorkingDir"]) == ("65534", "/tmp")

    async def test_leaves_external_things_to_their_owners(
        self, app: str, provisioner: DockerProvisioner, client: APIClient
    ) -> None:
        """
        External networks and volumes are used as they are, without service aliases, and outlive the stack.
        """
        shared, kept = f"{app}shared", f"{app}kept"
        client.create_network(shared)
        client.create_volume(kept)
        joined = server(
            networks=(Attachment("default"), Attachment("edge")), mounts=(Mount(MountType.VOLUME, "/kept", "kept"),)
        )
        whole = template(
            joined,
            networks={"edge": Network("edge", name=shared, external=True)},
            volumes={"kept": Volume("kept", name=kept, external=True)},
        )
        try:
            await provisioner.create(order(app, whole, WEB), quiet)
            networks = client.inspect_container(f"{app}-r1-web-1")["NetworkSettings"]["Networks"]
            await provisioner.retire(StackId(f"{app}-r1"))

            assert "web" not in (networks[shared]["Aliases"] or ())
            assert shared == client.inspect_network(shared)["Name"]
            assert kept == client.inspect_volume(kept)["Name"]
        finally:
            client.remove_network(shared)
            client.remove_volume(kept)

    async def test_builds_what_is_to_be_built(
        self, app: str, provisioner: DockerProvisioner, client: APIClient, tmp_path: Path
    ) -> None:
        """
        A service with `build` runs an image of the stack's own, which is gone with the stack.
        """
        (tmp_path / "Dockerfile").write_text(f"FROM {IMAGE}\nARG COLOUR\nENV COLOUR=$COLOUR\nEXPOSE 8000\n")
        built = server(image="", build=Build(str(tmp_path), args={"COLOUR": "green"}), ports=())

        first = order(app, template(built), WEB)
        await provisioner.create(first, quiet)

        made = client.inspect_container(f"{app}-r1-web-1")
        assert f"{app}-r1-web" == made["Config"]["Image"]
        assert "COLOUR=green" in made["Config"]["Env"]
        same = await provisioner.facts(first.id, first.template, first.template)
        (tmp_path / "Dockerfile").write_text(f"FROM {IMAGE}\nENV COLOUR=red\n")
        other = await provisioner.facts(first.id, first.template, first.template)
        assert same.live_images == same.shadow_images == other.live_images == {"web": made["Image"]}
        assert other.shadow_images["web"].startswith("build of ")
        client.remove_container(f"{app}-r1-web-1", force=True)
        await provisioner.create(replace(first, again=True), quiet)
        assert made["Image"] == client.inspect_container(f"{app}-r1-web-1")["Image"]
        await provisioner.retire(StackId(f"{app}-r1"))
        assert client.images(name=f"{app}-r1-web") == []


@pytest.mark.docker
class TestFailedCreate:
    @pytest.mark.parametrize(
        ("broken", "sentence"),
        [
            (server(healthcheck=SICK), "is unhealthy: a last word"),
            (command("web", "exit", "3"), "exited with code 3; its log ends: a last word"),
            (command("web", "exit", "0"), "exited with code 0 (a job is a service that another waits for"),
            (command("web", "exit", "4", restart="always"), "each time soon after its start"),
            (server(command=("/nothing",)), "does not start"),
        ],
        ids=["unhealthy", "exits", "exits well", "loops", "no such program"],
    )
    async def test_says_why_and_leaves_nothing(
        self, app: str, provisioner: DockerProvisioner, client: APIClient, broken: Service, sentence: str
    ) -> None:
        """
        A service that cannot run fails the stack at once, with its last words, and everything made is removed.
        """
        with pytest.raises(StackError) as raised:
            await provisioner.create(order(app, template(broken, server("db")), WEB), quiet)

        assert "service web" in str(raised.value)
        assert sentence in str(raised.value)
        assert traces(client, app) == []

    async def test_stops_waiting_for_a_failed_job(self, app: str, provisioner: DockerProvisioner) -> None:
        """
        A dependency that was to end with 0 and did not fails the stack before its dependent is started.
        """
        chain = template(server(depends_on=needs(("migrate", Condition.COMPLETED))), command("migrate", "exit", "5"))
        said: list[str] = []

        with pytest.raises(StackError, match=r"service migrate: container .* exited with code 5"):
            await provisioner.create(order(app, chain, WEB), said.append)

        assert f"starting {app}-r1-web-1" not in said

    async def test_names_what_it_waited_for_at_the_deadline(
        self, app: str, provisioner: DockerProvisioner, client: APIClient
    ) -> None:
        """
        A stack that is not ready in time is removed, and the error says what was missing.
        """
        slow = server(healthcheck=Healthcheck(HEALTHY.test, interval_s=60))
        expected = r"not ready within \d+ s: .*-web-1 is running, health: starting"

        words = await last_words(
            provisioner, lambda deadline_s: order(app, template(slow), WEB, deadline_s=deadline_s), expected
        )

        assert re.search(expected, words)
        assert traces(client, app) == []

    async def test_needs_an_answer_at_a_routed_port(self, app: str, provisioner_of: MakeProvisioner) -> None:
        """
        A container that runs is not ready while nothing answers at its routed port, although a port helper accepts.
        """
        deaf = command("web", "work", "60")
        expected = "nothing answers at port 8000 of"

        words = await last_words(
            provisioner_of(options=LOOPBACK),
            lambda deadline_s: order(app, template(deaf), WEB, deadline_s=deadline_s),
            expected,
        )

        assert expected in words

    async def test_leaves_nothing_when_cancelled(
        self, app: str, provisioner: DockerProvisioner, client: APIClient
    ) -> None:
        """
        A create that is cancelled in the middle removes what it has made before it ends.
        """
        begun = asyncio.Event()

        def progress(line: str) -> None:
            if line.startswith("starting"):
                begun.set()

        slow = server(healthcheck=Healthcheck(HEALTHY.test, interval_s=60))
        creating = asyncio.create_task(provisioner.create(order(app, template(slow), WEB), progress))
        await soon(begun.wait())

        creating.cancel()

        with pytest.raises(asyncio.CancelledError):
            await creating
        assert traces(client, app) == []

    async def test_replaces_what_an_interrupted_create_left(
        self, app: str, provisioner_of: MakeProvisioner, client: APIClient
    ) -> None:
        """
        After a kill in the middle of a create its half is found as missing, and the next create begins anew.
        """
        twins = template(server(), server("db"))
        killed = provisioner_of()
        await killed.create(order(app, twins, WEB), quiet)
        client.remove_container(f"{app}-r1-web-1", force=True)
        provisioner = provisioner_of()

        half = await provisioner.find()
        stack = await provisioner.create(order(app, twins, WEB), quiet)

        assert [(None, (f"{app}-r1-web-1",))] == [(found.stack, found.missing) for found in half]
        assert f"{app}-r1" == await ask(endpoint(stack), "/stack")


@pytest.mark.docker
class TestKilledDaemon:
    @pytest.mark.parametrize("point", ["creating network", "creating volume", "starting", "ready"])
    async def test_leaves_nothing_that_is_not_found(
        self, app: str, provisioner_of: MakeProvisioner, client: APIClient, point: str
    ) -> None:
        """
        Wherever a create was killed, a new provisioner finds what is there and can retire all of it.
        """
        arguments = (sys.executable, "-c", DOOMED, app, f"{app}-one", IMAGE)
        child = await asyncio.create_subprocess_exec(*arguments, cwd=ROOT, stdout=asyncio.subprocess.PIPE)
        assert child.stdout is not None
        async for line in child.stdout:
            if point in line.decode():
                break
        child.kill()
        await child.wait()
        provisioner = provisioner_of()

        async def retire_all() -> None:
            while traces(client, app):  # the engine may still be at work on the last call
                for found in await provisioner.find():
                    await provisioner.retire(found.id)

        await soon(retire_all())


@pytest.mark.docker
class TestCheck:
    async def test_finds_everything_at_once(self, app: str, provisioner: DockerProvisioner, client: APIClient) -> None:
        """
        Before anything is made, every reason against an order is named with its place and its remedy.
        """
        wrong = template(
            server(image="splitter-test-nothing:9", depends_on=needs(("db", Condition.HEALTHY))),
            server("db", networks=(Attachment("edge"),)),
            networks={"edge": Network("edge", name="zz-splitter-nowhere", external=True)},
        )

        problems = await provisioner.check(order(app, wrong, ServicePort("api"), WEB))

        expected = [
            "service web: image splitter-test-nothing:9 is not on the engine and cannot be pulled",
            "route to api: the template has no service api",
            "service web waits until db is healthy, but db has no healthcheck",
            "external network zz-splitter-nowhere is not on the engine",
        ]
        assert expected == [found.sentence[: len(start)] for found, start in zip(problems, expected, strict=True)]
        assert traces(client, app) == []

    async def test_refuses_names_that_are_taken(
        self, app: str, provisioner_of: MakeProvisioner, client: APIClient
    ) -> None:
        """
        A container of another installation that has our name is reported, not removed, by check and by create.
        """
        await provisioner_of("other").create(order(app, template(server()), WEB), quiet)
        ours = provisioner_of("one")

        problems = await ours.check(order(app, template(server()), WEB))
        with pytest.raises(StackError, match="of another installation"):
            await ours.create(order(app, template(server()), WEB), quiet)

        assert [f"container {app}-r1-web-1 exists and is of another installation ({app}-other)"] == [
            problem.sentence.partition(":")[0] for problem in problems
        ]
        assert client.inspect_container(f"{app}-r1-web-1")["State"]["Running"]


@pytest.mark.docker
class TestCompose:
    async def test_finds_the_containers_of_a_stack(
        self, app: str, provisioner: DockerProvisioner, client: APIClient
    ) -> None:
        """
        `docker compose -p <stack> ps` asks for containers by these labels, and reads their service and number there.
        """
        whole = template(server(replicas=2), files=("/srv/project/compose.yaml", "/srv/project/more.yaml"))
        await provisioner.create(order(app, whole, WEB), quiet)

        asked = [f"com.docker.compose.project={app}-r1", "com.docker.compose.oneoff=False"]
        found = client.containers(filters={"label": [*asked, "com.docker.compose.config-hash"]})

        labels = sorted(
            (each["Labels"] for each in found), key=lambda each: each["com.docker.compose.container-number"]
        )
        compose = [{key: each[key] for key in each if key.startswith("com.docker.compose.")} for each in labels]
        assert [
            {
                "com.docker.compose.project": f"{app}-r1",
                "com.docker.compose.service": "web",
                "com.docker.compose.container-number": number,
                "com.docker.compose.oneoff": "False",
                "com.docker.compose.config-hash": names.config_hash(whole.services["web"]),
                "com.docker.compose.project.working_dir": "/srv/project",
                "com.docker.compose.project.config_files": "/srv/project/compose.yaml,/srv/project/more.yaml",
            }
            for number in ("1", "2")
        ] == compose


@pytest.mark.docker
class TestFind:
    async def test_knows_a_stack_again_after_a_restart(self, app: str, provisioner_of: MakeProvisioner) -> None:
        """
        A new provisioner of the same installation finds the stack with the same endpoints; another one finds none.
        """
        job = command("migrate", "work", "0")
        whole = template(server(depends_on=needs(("migrate", Condition.COMPLETED))), job)
        stack = await provisioner_of().create(order(app, whole, WEB), quiet)

        found = await provisioner_of().find()

        assert [stack] == [each.stack for each in found]
        assert await provisioner_of("other").find() == []


@pytest.mark.docker
class TestRetire:
    async def test_is_idempotent(self, app: str, provisioner: DockerProvisioner, client: APIClient) -> None:
        """
        A stack is retired once with all that is its own; a second time, and for one never made, nothing happens.
        """
        await provisioner.create(order(app, template(server(), server("db")), WEB), quiet)

        await provisioner.retire(StackId(f"{app}-r1"))
        await provisioner.retire(StackId(f"{app}-r1"))
        await provisioner.retire(StackId(f"{app}-r7"))

        assert traces(client, app) == []

    async def test_touches_nothing_of_other_installations(self, app: str, provisioner_of: MakeProvisioner) -> None:
        """
        The same stack id retired by another installation leaves the stack as it is.
        """
        stack = await provisioner_of("other").create(order(app, template(server()), WEB), quiet)

        await provisioner_of("one").retire(stack.id)

        assert f"{app}-r1" == await ask(endpoint(stack), "/stack")


@pytest.mark.docker
class TestWatch:
    async def test_reports_a_killed_container(
        self, app: str, provisioner: DockerProvisioner, client: APIClient
    ) -> None:
        """
        A container that ends and is not brought back has killed its stack; the watch ends with that.
        """
        stack = await provisioner.create(order(app, template(server()), WEB), quiet)
        watch = provisioner.watch(stack.id)
        first = asyncio.ensure_future(anext(watch))
        await asyncio.sleep(0)

        client.kill(f"{app}-r1-web-1")

        died = await soon(first)
        assert isinstance(died, StackDied)
        assert f"stack {app}-r1: container {app}-r1-web-1 exited with code 137" in died.reason
        with pytest.raises(StopAsyncIteration):
            await soon(anext(watch))

    async def test_follows_a_container_that_its_policy_brings_back(
        self, app: str, provisioner_of: MakeProvisioner
    ) -> None:
        """
        After a restart by policy the stack answers elsewhere, and the watch says where.
        """
        provisioner = provisioner_of(options=LOOPBACK)
        stack = await provisioner.create(order(app, template(server(restart="always")), WEB), quiet)
        watch = provisioner.watch(stack.id)
        first = asyncio.ensure_future(anext(watch))
        await asyncio.sleep(0)

        await ask(endpoint(stack), "/exit?code=1")

        moved = await soon(first)
        assert isinstance(moved, StackMoved)
        assert endpoint(stack) != endpoint(moved.stack)
        await _answers(endpoint(moved.stack), "/stack", f"{app}-r1")

    async def test_reports_a_container_that_gets_sick(self, app: str, provisioner: DockerProvisioner) -> None:
        """
        A container that its health check finds unhealthy has killed its stack.
        """
        stack = await provisioner.create(order(app, template(server(healthcheck=HEALTHY)), WEB), quiet)
        first = asyncio.ensure_future(anext(provisioner.watch(stack.id)))

        await ask(endpoint(stack), "/sicken")

        died = await soon(first)
        assert isinstance(died, StackDied)
        assert "is unhealthy: it is sick" in died.reason

    async def test_reports_a_crash_loop(self, app: str, provisioner_of: MakeProvisioner) -> None:
        """
        A container that is brought back again and again does not serve: the stack has died.
        """
        provisioner = provisioner_of(options=LOOPBACK)
        stack = await provisioner.create(order(app, template(server(restart="always")), WEB), quiet)

        async def crash() -> str:
            at = endpoint(stack)
            async for change in provisioner.watch(stack.id):
                if isinstance(change, StackDied):
                    return change.reason
                assert isinstance(change, StackMoved)
                at = endpoint(change.stack)
                crashes.append(asyncio.ensure_future(_crash(at)))
            return "retired"

        crashes = [asyncio.ensure_future(_crash(endpoint(stack)))]
        reason = await soon(crash())
        for task in crashes:
            task.cancel()

        assert "is restarted in a loop" in reason

    async def test_notices_what_happened_before_it_began(
        self, app: str, provisioner: DockerProvisioner, client: APIClient
    ) -> None:
        """
        A container that was removed between the create and the watch is missed at the first look.
        """
        stack = await provisioner.create(order(app, template(server(), server("db")), WEB), quiet)
        client.remove_container(f"{app}-r1-db-1", force=True)

        died = await soon(anext(provisioner.watch(stack.id)))

        assert died == StackDied(f"stack {app}-r1: container {app}-r1-db-1 is gone: somebody removed it")

    async def test_ends_when_the_stack_is_retired(self, app: str, provisioner: DockerProvisioner) -> None:
        """
        What a retirement does to a stack is not news.
        """
        stack = await provisioner.create(order(app, template(server()), WEB), quiet)
        first = asyncio.ensure_future(anext(provisioner.watch(stack.id), None))
        await asyncio.sleep(0)

        await provisioner.retire(stack.id)

        assert None is await soon(first)


async def _answers(at: Endpoint, path: str, expected: str) -> None:
    """Return once the app answers `expected`: it was only just started."""
    while await ask(at, path) != expected:  # noqa: ASYNC110  # the other side is a container
        await asyncio.sleep(0.05)


async def _crash(at: Endpoint) -> None:
    """Ask the app to crash until it has heard it: it may be starting."""
    while not await ask(at, "/stack"):  # noqa: ASYNC110  # the other side is a container
        await asyncio.sleep(0.05)
    with contextlib.suppress(OSError):
        await ask(at, "/exit?code=1")


class TestWithoutEngine:
    async def test_says_that_the_engine_is_not_running(self) -> None:
        """
        Without an engine each call says so, with the socket's path and what to do; a check says it as a finding.
        """
        provisioner = DockerProvisioner("shop", "one", DockerOptions(base_url=NOWHERE))
        wanted = order("shop", template(server()), WEB)
        try:
            with pytest.raises(EngineError, match=r"is not running .* start it"):
                await provisioner.find()
            with pytest.raises(EngineError, match=NOWHERE):
                await provisioner.create(wanted, quiet)
            (problem,) = await provisioner.check(wanted)
        finally:
            await provisioner.close()

        assert "start it, or name its socket in DOCKER_HOST" in problem.sentence
