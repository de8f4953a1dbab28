import asyncio
import os
import re
import signal
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from provisioners.process import ProcessProvisioner
from provisioners.process import provisioner as room
from provisioners.process.ports import free_ports
from splitter.contracts import StackDied
from splitter.errors import StackError
from splitter.model import Endpoint, ServicePort, StackId
from splitter.template import Condition, Service
from tests.provisioners.hurry import last_words
from tests.provisioners.process.stage import (
    HurriedClock,
    app,
    ask,
    ask_environment,
    ask_pid,
    collect,
    endpoint,
    eventually,
    is_running,
    left_of,
    needs,
    order,
    service,
    shell_check,
)

Fresh = Callable[..., ProcessProvisioner]
ID = StackId("shop-r1")


def ignore(_: str) -> None:
    """Take the progress of a create that nobody looks at."""


class TestCreate:
    async def test_service_answers_at_its_endpoint(self, provisioner: ProcessProvisioner) -> None:
        """
        A service that listens on PORT is what the stack's endpoint leads to.
        """
        stack = await provisioner.create(order(service("web", "serve")), ignore)

        environment = await ask_environment(endpoint(stack))

        assert environment["PORT"] == str(endpoint(stack).port)
        assert environment["SPLITTER_STACK"] == "shop-r1"
        assert environment["SPLITTER_SERVICE"] == "web"

    async def test_is_looked_at_first(self, provisioner: ProcessProvisioner) -> None:
        """
        What has no effect on a process is a finding that refuses nothing.
        """
        (found,) = await provisioner.check(order(service("web", "serve", image="nginx")))

        assert (found.is_refusal, found.sentence.partition(",")[0]) == (False, "service web: image has no effect")

    async def test_every_replica_has_an_endpoint(self, provisioner: ProcessProvisioner) -> None:
        """
        Three replicas are three processes at three ports.
        """
        stack = await provisioner.create(order(service("web", "serve", replicas=3)), ignore)

        pids = {await ask_pid(each) for each in stack.endpoints[ServicePort("web")]}

        assert len(pids) == 3

    async def test_every_routed_port_has_an_endpoint(self, provisioner: ProcessProvisioner) -> None:
        """
        A service with two routed ports is told both; the first is PORT.
        """
        two = service("web", "serve", expose=(8000,))
        first, second = ServicePort("web", 8000), ServicePort("web")

        stack = await provisioner.create(order(two, routed=(first, second)), ignore)

        environment = await ask_environment(endpoint(stack, first))
        assert environment["PORT_8000"] == environment["PORT"]
        assert stack.endpoints[first] == stack.endpoints[second]

    async def test_services_find_each_other(self, provisioner: ProcessProvisioner) -> None:
        """
        A service reads another one's address from its environment.
        """
        made = order(
            service("web", "serve"), service("user-api", "serve"), routed=(ServicePort("web"), ServicePort("user-api"))
        )

        stack = await provisioner.create(made, ignore)

        environment = await ask_environment(endpoint(stack))
        api = endpoint(stack, ServicePort("user-api"))
        assert (environment["USER_API_HOST"], environment["USER_API_PORT"]) == (api.host, str(api.port))

    async def test_nothing_of_the_daemon_leaks(
        self, provisioner: ProcessProvisioner, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """
        A variable of the daemon's own environment does not reach a service; names that no shell can spell do.
        """
        monkeypatch.setenv("ADMIN_TOKEN", "secret")

        stack = await provisioner.create(order(service("web", "serve", environment={"spring.name": "x"})), ignore)

        environment = await ask_environment(endpoint(stack))
        assert "ADMIN_TOKEN" not in environment
        assert environment["spring.name"] == "x"

    async def test_two_stacks_of_one_template_stand_side_by_side(self, provisioner: ProcessProvisioner) -> None:
        """
        The shadow of a template that names a fixed PORT is given another one.
        """
        web = service("web", "serve", environment={"PORT": "8000"})

        live = await provisioner.create(order(web), ignore)
        shadow = await provisioner.create(order(web, revision=2), ignore)

        assert await ask_pid(endpoint(live)) != await ask_pid(endpoint(shadow))
        assert [found.id for found in await provisioner.find()] == ["shop-r1", "shop-r2"]

    async def test_starts_in_the_order_of_dependencies(self, provisioner: ProcessProvisioner, tmp_path: Path) -> None:
        """
        A dependent starts after its dependency has started, is healthy, or has completed, as it asks for.
        """
        said: list[str] = []
        made = order(
            service("web", "serve", depends_on=(*needs("api", Condition.HEALTHY), *needs("job", Condition.COMPLETED))),
            service("api", "wait", healthcheck=shell_check("echo well"), depends_on=needs("queue")),
            service("job", "say", "0", "done", depends_on=needs("queue")),
            service("queue", "wait"),
        )

        await provisioner.create(made, said.append)

        steps = [sentence.split(": ", 1)[1].split(" (pid")[0] for sentence in said]
        assert steps.index("service queue started") < steps.index("service api started")
        assert steps.index("service api is healthy") < steps.index("service web started")
        assert steps.index("service job completed") < steps.index("service web started")

    async def test_goes_on_without_what_it_can_do_without(self, provisioner: ProcessProvisioner) -> None:
        """
        A lost service that everybody depends on with `required: false` is a warning; the stack is whole without it.
        """
        said: list[str] = []
        made = order(
            service("web", "serve", depends_on=needs("cache", Condition.HEALTHY, required=False)),
            service("cache", "say", "3", "no memory", healthcheck=shell_check("exit 1")),
        )

        stack = await provisioner.create(made, said.append)

        assert any("service cache exited with code 3" in each and "goes on without it" in each for each in said)
        assert [found.stack for found in await provisioner.find()] == [stack]

    async def test_removes_what_an_earlier_create_left(self, fresh: Fresh) -> None:
        """
        Creating a stack whose id exists already ends the old processes first.
        """
        old = await ask_pid(endpoint(await fresh().create(order(service("web", "serve")), ignore)))

        stack = await fresh().create(order(service("web", "serve")), ignore)

        assert await ask_pid(endpoint(stack)) != old
        assert not is_running(old)

    async def test_restarts_what_comes_up_at_the_second_try(
        self, provisioner: ProcessProvisioner, tmp_path: Path
    ) -> None:
        """
        A service with a restart policy may end while the stack comes up.
        """
        once = f"test -e {tmp_path}/tried && exec {' '.join(app('serve'))}; touch {tmp_path}/tried; exit 1"
        web = Service(name="web", command=("/bin/sh", "-c", once), restart="on-failure:1")
        said: list[str] = []

        stack = await provisioner.create(order(web), said.append)

        assert await ask_pid(endpoint(stack))
        assert any("exited with code 1; starting it again in 0.1 s" in each for each in said)

    async def test_takes_other_ports_if_somebody_was_faster(
        self, provisioner: ProcessProvisioner, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """
        A port that is taken between the choice and the service's start costs a second try, not the stack.
        """
        said: list[str] = []
        with socket.create_server(("127.0.0.1", 0)) as thief:
            stolen = [thief.getsockname()[1]]
            monkeypatch.setattr(room, "free_ports", lambda count: [stolen.pop()] if stolen else free_ports(count))

            stack = await provisioner.create(order(service("web", "serve")), said.append)

            assert endpoint(stack).port != thief.getsockname()[1]
        assert any("starting over with other ports" in each for each in said)


class TestCreateFails:
    async def test_says_how_a_service_ended(self, provisioner: ProcessProvisioner, installation: str) -> None:
        """
        A service that ends is named with its exit code and its last lines, and nothing is left of the stack.
        """
        made = order(service("web", "say", "3", "no such table: users"), service("db", "wait"))

        with pytest.raises(StackError, match=r"shop-r1: service web exited with code 3 .*no such table: users"):
            await provisioner.create(made, ignore)

        assert left_of(installation) == []
        assert await provisioner.find() == []

    async def test_says_what_the_health_check_said(self, provisioner: ProcessProvisioner, installation: str) -> None:
        """
        An unhealthy service is named with the last output of its health check; it was tried once.
        """
        said: list[str] = []
        made = order(service("web", "serve", healthcheck=shell_check("echo migrations pending; exit 1")))

        with pytest.raises(StackError, match=r"service web is unhealthy .*migrations pending"):
            await provisioner.create(made, said.append)

        assert len(said) == 1
        assert left_of(installation) == []

    async def test_says_which_job_failed(self, provisioner: ProcessProvisioner) -> None:
        """
        A job that fails fails the stack; what waits for it is never started.
        """
        said: list[str] = []
        made = order(
            service("web", "serve", depends_on=needs("migrate", Condition.COMPLETED)),
            service("migrate", "say", "1", "duplicate column"),
        )

        with pytest.raises(StackError, match=r"service migrate exited with code 1 .*duplicate column"):
            await provisioner.create(made, said.append)

        assert not any("service web" in each for each in said)

    async def test_says_what_it_waited_for(self, provisioner: ProcessProvisioner) -> None:
        """
        At the deadline the error tells that nobody listens on the port, and where the service listens instead.
        """
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            other = probe.getsockname()[1]
        expected = rf"not up within \d+ s: service web runs, but does not listen on .* {other} instead"

        words = await last_words(
            provisioner,
            lambda deadline_s: order(service("web", "serve-on", str(other)), deadline_s=deadline_s),
            expected,
        )

        assert re.search(expected, words)

    async def test_says_who_waits_for_whom(self, provisioner: ProcessProvisioner) -> None:
        """
        At the deadline a service that was never started names the dependency that it waits for.
        """
        web = service("web", "serve", depends_on=needs("db", Condition.HEALTHY))
        db = service("db", "wait", healthcheck=shell_check("echo recovering; exit 1", start_period_s=60.0))
        expected = "db runs, but is not healthy: recovering; service web waits for db"

        words = await last_words(provisioner, lambda deadline_s: order(web, db, deadline_s=deadline_s), expected)

        assert expected in words

    async def test_refuses_what_cannot_run(self, provisioner: ProcessProvisioner) -> None:
        """
        Everything that `check` finds is in the error of a create that was tried all the same.
        """
        made = order(service("web", "serve", working_dir="/does/not/exist"))

        with pytest.raises(StackError, match="shop-r1 cannot be made: service web: its working_dir /does/not/exist"):
            await provisioner.create(made, ignore)

    async def test_says_that_a_program_cannot_be_executed(
        self, provisioner: ProcessProvisioner, tmp_path: Path
    ) -> None:
        """
        The kernel's refusal to run a file is in the error.
        """
        broken = tmp_path / "broken"
        broken.write_text("\0not a program")
        broken.chmod(0o755)
        web = Service(name="web", command=(str(broken),))

        with pytest.raises(StackError, match=r"cannot be started: .*broken cannot be run: Exec format error"):
            await provisioner.create(order(web), ignore)

    async def test_leaves_nothing_when_cancelled(self, provisioner: ProcessProvisioner, installation: str) -> None:
        """
        A create that is cancelled while services run ends them before the cancellation passes on.
        """
        started = asyncio.Event()
        made = order(service("web", "wait"))
        task = asyncio.create_task(provisioner.create(made, lambda _: started.set()))
        await started.wait()

        task.cancel()

        with pytest.raises(asyncio.CancelledError):
            await task
        assert left_of(installation) == []
        assert await provisioner.find() == []


class TestWatch:
    async def test_tells_that_a_service_died(self, provisioner: ProcessProvisioner) -> None:
        """
        Without a restart policy the end of a service is the end of the stack.
        """
        stack = await provisioner.create(order(service("web", "serve")), ignore)

        os.kill(await ask_pid(endpoint(stack)), signal.SIGKILL)

        news = [each async for each in provisioner.watch(ID)]
        assert [type(each) for each in news] == [StackDied]
        assert "shop-r1: service web was killed by SIGKILL, perhaps" in str(news[0])
        assert "(its restart policy is `no`)" in str(news[0])

    async def test_brings_a_service_back_where_it_was(self, provisioner: ProcessProvisioner) -> None:
        """
        A service that is to be restarted answers again at the same endpoint, and nobody is told.
        """
        stack = await provisioner.create(order(service("web", "serve", restart="always")), ignore)
        watch = asyncio.create_task(collect(provisioner))
        first = await ask_pid(endpoint(stack))

        await ask(endpoint(stack), "exit 0")

        await eventually(lambda: another(endpoint(stack), first))
        assert not watch.done()
        watch.cancel()

    async def test_tells_of_a_crash_loop(self, fresh: Fresh) -> None:
        """
        A service that ends again and again is given up.
        """
        provisioner = fresh(HurriedClock())
        stack = await provisioner.create(order(service("web", "serve", restart="unless-stopped")), ignore)
        watch = asyncio.create_task(collect(provisioner))

        while not watch.done():
            await eventually(lambda: watch.done() or ended(endpoint(stack)))

        assert "exited with code 7 (it was restarted 3 times within 30 s)" in str(watch.result())

    async def test_tells_that_a_service_got_unhealthy(self, provisioner: ProcessProvisioner, tmp_path: Path) -> None:
        """
        A healthy service whose check fails often enough ends the stack, with what the check said.
        """
        well = tmp_path / "well"
        well.touch()
        check = shell_check(f"test -e {well} || {{ echo disk full; exit 1; }}")
        await provisioner.create(order(service("web", "serve", healthcheck=check)), ignore)

        well.unlink()

        news = [each async for each in provisioner.watch(ID)]
        assert "service web is unhealthy (disk full)" in str(news)

    async def test_ends_without_a_word_when_retired(self, provisioner: ProcessProvisioner) -> None:
        """
        That a retired stack's processes end is no news.
        """
        await provisioner.create(order(service("web", "serve")), ignore)
        watch = asyncio.create_task(collect(provisioner))
        await asyncio.sleep(0)

        await provisioner.retire(ID)

        assert await watch == []

    async def test_tells_two_watchers(self, provisioner: ProcessProvisioner) -> None:
        """
        Everybody who watches hears of the end.
        """
        stack = await provisioner.create(order(service("web", "serve")), ignore)
        watches = [asyncio.create_task(collect(provisioner)) for _ in range(2)]

        await ask(endpoint(stack), "exit 1")

        first, second = await asyncio.gather(*watches)
        assert first == second != []

    async def test_an_unknown_stack_is_dead(self, provisioner: ProcessProvisioner) -> None:
        """
        Who watches a stack that is not there is told so at once.
        """
        assert "shop-r1: its processes are not known here" in str(await collect(provisioner))


class TestRetire:
    async def test_unknown_is_fine(self, provisioner: ProcessProvisioner) -> None:
        """
        Retiring twice, or what never was, changes nothing.
        """
        await provisioner.retire(ID)

        assert await provisioner.find() == []

    async def test_kills_what_does_not_obey(self, provisioner: ProcessProvisioner, installation: str) -> None:
        """
        A process that ignores the signal is killed when its grace is over.
        """
        await provisioner.create(order(service("web", "deaf", stop_grace_s=0.1)), ignore)

        await provisioner.retire(ID)

        assert left_of(installation) == []

    @pytest.mark.parametrize("words", [(), ("session",), ("session", "deaf")])
    async def test_ends_the_whole_family(
        self, provisioner: ProcessProvisioner, tmp_path: Path, words: tuple[str, ...]
    ) -> None:
        """
        A child of a service ends with it, also in a session of its own.
        """
        path = tmp_path / "child"
        await provisioner.create(order(service("web", "family", str(path), *words, stop_grace_s=0.1)), ignore)

        await provisioner.retire(ID)

        assert not is_running(int(path.read_text()))

    async def test_stops_in_reverse_order(self, provisioner: ProcessProvisioner, tmp_path: Path) -> None:
        """
        A dependent has ended before its dependency is asked to.
        """
        path = tmp_path / "ended"
        made = order(
            service("web", "last-word", str(path), "web", depends_on=needs("db")),
            service("db", "last-word", str(path), "db"),
            routed=(ServicePort("web"), ServicePort("db")),
        )
        await provisioner.create(made, ignore)

        await provisioner.retire(ID)

        assert path.read_text().split() == ["web", "db"]

    async def test_touches_no_other_stack(self, provisioner: ProcessProvisioner) -> None:
        """
        Retiring one stack leaves the other as it is.
        """
        live = await provisioner.create(order(service("web", "serve")), ignore)
        await provisioner.create(order(service("web", "serve"), revision=2), ignore)

        await provisioner.retire(StackId("shop-r2"))

        assert await ask_pid(endpoint(live))
        assert [found.stack for found in await provisioner.find()] == [live]

    async def test_gives_the_memory_back(self, provisioner: ProcessProvisioner, tmp_path: Path) -> None:
        """
        No file of a retired stack is left.
        """
        await provisioner.create(order(service("web", "serve")), ignore)

        await provisioner.retire(ID)

        assert files(tmp_path) == []


class TestRestartOfTheDaemon:
    async def test_finds_a_whole_stack(self, fresh: Fresh) -> None:
        """
        A fresh provisioner finds the stack with the endpoints that it had.
        """
        first = fresh()
        stack = await first.create(order(service("web", "serve"), service("worker", "wait")), ignore)
        await first.close()

        found = await fresh().find()

        assert [each.stack for each in found] == [stack]
        assert await ask_pid(endpoint(stack))

    async def test_names_what_is_missing(self, fresh: Fresh) -> None:
        """
        A stack of which a service ended meanwhile is found in part.
        """
        first = fresh()
        stack = await first.create(order(service("web", "serve"), service("worker", "wait")), ignore)
        await first.close()
        pid = await ask_pid(endpoint(stack))
        await ask(endpoint(stack), "exit 0")
        await eventually(lambda: not is_running(pid))

        second = fresh()

        assert [(each.stack, each.missing) for each in await second.find()] == [(None, ("web",))]
        assert "shop-r1: web ended, or never came up" in str(await collect(second))

    async def test_a_completed_job_is_not_missing(self, fresh: Fresh) -> None:
        """
        A stack is whole although its job has ended: that is what jobs do.
        """
        made = order(
            service("web", "serve", depends_on=needs("job", Condition.COMPLETED)), service("job", "say", "0", "done")
        )
        stack = await fresh().create(made, ignore)

        assert [each.stack for each in await fresh().find()] == [stack]

    async def test_keeps_what_it_found(self, fresh: Fresh) -> None:
        """
        A process of an earlier daemon is restarted like our own children.
        """
        first = fresh()
        stack = await first.create(order(service("web", "serve", restart="always")), ignore)
        await first.close()
        pid = await ask_pid(endpoint(stack))
        second = fresh()
        watch = asyncio.create_task(collect(second))
        await eventually(lambda: ID in second._kept)

        os.kill(pid, signal.SIGKILL)

        await eventually(lambda: another(endpoint(stack), pid))
        assert not watch.done()
        watch.cancel()

    async def test_finds_processes_without_a_record(self, fresh: Fresh, tmp_path: Path, installation: str) -> None:
        """
        A stack whose directory was wiped away is still found by its labels, and can be retired.
        """
        first = fresh()
        await first.create(order(service("web", "serve")), ignore)
        await first.close()
        (tmp_path / "state").rename(tmp_path / "elsewhere")

        second = fresh()
        assert [(each.id, each.stack) for each in await second.find()] == [("shop-r1", None)]
        await second.retire(ID)

        assert left_of(installation) == []


def files(directory: Path) -> list[Path]:
    return [path for path in directory.rglob("*") if not path.is_dir()]


async def another(endpoint: Endpoint, pid: int) -> bool:
    """Return whether another process than `pid` answers at `endpoint`."""
    try:
        return await ask_pid(endpoint) != pid
    except (OSError, ValueError):
        return False


async def ended(endpoint: Endpoint) -> bool:
    """Return whether the service at `endpoint` was there and has been told to end."""
    try:
        await ask(endpoint, "exit 7")
    except OSError:
        return False
    return True
