"""What people type, and what comes of it."""

import asyncio
import getpass
import json
from dataclasses import replace
from pathlib import Path

import pytest

from splitter.admin.wire import plain
from splitter.errors import RefusedError, StateError
from splitter.rollout.controller import Command
from splitter.rollout.events import Kind
from tests.admin.controllers import EXPLANATION, OUTLOOK, REPORT, SPLITTING, FakeController, event
from tests.cli.terminal import daemon, typed
from tests.config.documents import GOOD

ME = getpass.getuser()
HERE = Path.cwd()


class TestAdopt:
    async def test_takes_a_running_project_over(self, tmp_path: Path) -> None:
        """
        The project is named as Compose names it; what there is to know about it comes first.
        """
        fake = FakeController()
        async with daemon(tmp_path, shop=fake) as terminal:
            ended = await terminal.typed("adopt", "old")

        assert ended.code == 0
        assert ended.lines == ["web: old-web-1 is in sync", "shop: old is taken over as shop-r1"]
        assert fake.calls == [("adopt", "old", ME)]


class TestDeploy:
    async def test_returns_at_once(self, tmp_path: Path) -> None:
        """
        Without --wait a deploy is over when it has begun; paths are made absolute, for the daemon reads the files.
        """
        fake = FakeController()
        async with daemon(tmp_path, shop=fake) as terminal:
            ended = await terminal.typed("deploy", "compose.yaml", "--why", "v2", "--env", "TAG=2", "--force")

        assert ended.code == 0
        assert ended.lines == [
            "rollout shop-12 has begun",
            "at 1 %, a tenfold error rate is seen in ~30 s",
            "warning: no share fits a promotion into 30 min",
        ]
        assert fake.calls == [("deploy", (str(HERE / "compose.yaml"),), ME, {"TAG": "2"}, True, "v2")]

    @pytest.mark.parametrize(
        ("state", "code"),
        [("STANDBY", 0), ("PROMOTED", 0), ("ROLLED_BACK", 1), ("HELD", 3), ("AWAITING_OVERRIDE", 3), ("HALTED", 3)],
    )
    async def test_waits_for_the_end(self, tmp_path: Path, state: str, code: int) -> None:
        """
        The exit code says how the rollout ended: a pipeline needs to read nothing.
        """
        fake = FakeController(journal=[event(1)])
        async with daemon(tmp_path, shop=fake) as terminal:
            waiting = asyncio.create_task(terminal.typed("deploy", "/c.yaml", "--wait"))
            await followed(fake)
            fake.happen(event(2, Kind.PROVEN, state=state))
            ended = await waiting

        assert ended.code == code
        assert [line for line in ended.lines if "rollout" in line or "event" in line][:3] == [
            "rollout shop-12 has begun",
            "2024-05-06 07:08:09  event 1",
            "2024-05-06 07:08:09  event 2",
        ]

    async def test_is_not_confused_by_the_next_rollout(self, tmp_path: Path) -> None:
        """
        The end of this rollout counts, also when another one has begun by the time of the next status.
        """
        fake = FakeController()
        async with daemon(tmp_path, shop=fake) as terminal:
            waiting = asyncio.create_task(terminal.typed("deploy", "/c.yaml", "--wait", "--json"))
            await followed(fake)
            fake.happen(event(1, Kind.REVERTED, state="ROLLED_BACK"))
            fake.now = replace(SPLITTING, rollout="shop-13")
            ended = await waiting

        assert ended.code == 1
        assert ended.values[0] == {"app": "shop", "rollout": "shop-12", "analysis": plain(OUTLOOK)}
        assert ended.values[1]["seq"] == 1

    async def test_that_is_refused_is_a_usage_error(self, tmp_path: Path) -> None:
        """
        The daemon's sentence goes to standard error, and nothing to standard output.
        """
        async with daemon(tmp_path, shop=FakeController(refusal=RefusedError("another rollout runs"))) as terminal:
            ended = await terminal.typed("deploy", "/c.yaml", "--wait")

        assert (ended.code, ended.out, ended.err) == (2, "", "splitter: another rollout runs\n")

    async def test_sends_a_variable_of_the_caller(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """
        A bare name has the value that it has where the command is typed; one that has none is a mistake.
        """
        monkeypatch.setenv("TAG", "7")
        fake = FakeController()
        async with daemon(tmp_path, shop=fake) as terminal:
            await terminal.typed("deploy", "/c.yaml", "-e", "TAG", "-e", "EMPTY=")
            ended = await terminal.typed("deploy", "/c.yaml", "-e", "UNSET_HERE")

        assert fake.calls == [("deploy", ("/c.yaml",), ME, {"TAG": "7", "EMPTY": ""}, False, "")]
        assert (ended.code, "--env UNSET_HERE: write NAME=VALUE" in ended.err) == (2, True)


async def followed(fake: FakeController) -> None:
    """Return when somebody follows the events of `fake`."""
    while not fake.hub._subscriptions:  # noqa: ASYNC110 - the fake has no event for it
        await asyncio.sleep(0)


class TestPark:
    async def test_parks_and_unparks(self, tmp_path: Path) -> None:
        """
        The commands say for how long at most, and how many waited.
        """
        async with daemon(tmp_path, shop=FakeController()) as terminal:
            parked = await terminal.typed("park", "--for", "1500ms")
            unparked = await terminal.typed("unpark", "--json")

        assert (parked.code, parked.out) == (0, "shop: new requests wait, for 1.5 s at most\n")
        assert (unparked.code, unparked.values) == (0, [{"app": "shop", "parked": False, "waited": 3}])

    async def test_refuses_what_is_no_time(self, tmp_path: Path) -> None:
        """
        A number without a unit is a mistake of usage.
        """
        async with daemon(tmp_path, shop=FakeController()) as terminal:
            ended = await terminal.typed("park", "--for", "5")

        assert (ended.code, ended.out) == (2, "")
        assert "--for 5: '5' has no unit" in ended.err


class TestPlan:
    async def test_prints_sentences(self, tmp_path: Path) -> None:
        """
        One line for each thing that is known before anything is made.
        """
        async with daemon(tmp_path, shop=FakeController()) as terminal:
            people = await terminal.typed("plan", "/c.yaml")
            programs = await terminal.typed("plan", "/c.yaml", "--json")

        assert people.code == 0
        assert people.lines == programs.values[0]["sentences"]
        assert "cost" in programs.values[0]


class TestCommand:
    @pytest.mark.parametrize("command", list(Command))
    async def test_says_who_and_why(self, tmp_path: Path, command: Command) -> None:
        """
        Every command of the table can be typed; the journal learns who and why.
        """
        fake = FakeController()
        async with daemon(tmp_path, shop=fake) as terminal:
            ended = await terminal.typed(command.value, "--by", "ann", "--why", "because")

        assert (ended.code, ended.out) == (0, "shop: splitting\n")
        assert fake.calls == [(command, "ann", "because", "")]

    async def test_consent_may_name_its_change_set(self, tmp_path: Path) -> None:
        """
        An override for the change set that was planned is refused by the daemon if another one waits.
        """
        fake = FakeController()
        async with daemon(tmp_path, shop=fake) as terminal:
            ended = await terminal.typed("override", "--by", "ann", "--why", "because", "--change-set", "0123abcd")

        assert ended.code == 0
        assert fake.calls == [(Command.OVERRIDE, "ann", "because", "0123abcd")]

    @pytest.mark.parametrize("command", ["promote", "override"])
    def test_that_overrules_the_judge_needs_a_reason(self, command: str) -> None:
        """
        Who takes the responsibility says why.
        """
        ended = typed(command)

        assert ended.code == 2
        assert "--why" in ended.err

    async def test_that_is_not_legal_says_what_is(self, tmp_path: Path) -> None:
        """
        A refusal is an error object for programs as well.
        """
        refusal = RefusedError("undo is not legal in SPLITTING; legal are: pause")
        async with daemon(tmp_path, shop=FakeController(refusal=refusal)) as terminal:
            ended = await terminal.typed("undo", "--json")

        assert ended.code == 2
        assert ended.values == [{"error": {"kind": "refused", "message": str(refusal)}}]

    async def test_that_cannot_be_journaled_says_so(self, tmp_path: Path) -> None:
        """
        A full disk is the daemon's sentence, not a traceback.
        """
        async with daemon(tmp_path, shop=FakeController(refusal=StateError("the disk is full"))) as terminal:
            ended = await terminal.typed("pause")

        assert (ended.code, ended.err) == (2, "splitter: the disk is full\n")


class TestApp:
    async def test_need_not_be_named_when_there_is_one(self, tmp_path: Path) -> None:
        """
        Most daemons have one app.
        """
        async with daemon(tmp_path, shop=FakeController()) as terminal:
            assert (await terminal.typed("pause")).code == 0

    async def test_must_be_named_when_there_are_several(self, tmp_path: Path) -> None:
        """
        Nobody's app is rolled back by guess.
        """
        other = FakeController(now=replace(SPLITTING, app="blog"))
        async with daemon(tmp_path, shop=FakeController(), blog=other) as terminal:
            unnamed = await terminal.typed("rollback")
            named = await terminal.typed("rollback", "--app", "blog")

        assert (unnamed.code, unnamed.err) == (2, "splitter: which app? Say --app with one of: blog, shop\n")
        assert (named.code, len(other.calls)) == (0, 1)


class TestStatus:
    async def test_shows_every_app(self, tmp_path: Path) -> None:
        """
        For people the header and the tree, for programs one object a line.
        """
        other = FakeController(now=replace(SPLITTING, app="blog"))
        async with daemon(tmp_path, shop=FakeController(), blog=other) as terminal:
            people = await terminal.typed("status")
            programs = await terminal.typed("status", "--json")
            one = await terminal.typed("status", "--app", "shop", "--json")

        assert [line for line in people.lines if "▲ splitting" in line] == [people.lines[0], people.lines[7]]
        assert [each["app"] for each in programs.values] == ["blog", "shop"]
        assert [each["app"] for each in one.values] == ["shop"]


class TestEvents:
    async def test_are_one_sentence_each(self, tmp_path: Path) -> None:
        """
        The journal's words, with their dates.
        """
        async with daemon(tmp_path, shop=FakeController(journal=[event(1), event(2)])) as terminal:
            everything = await terminal.typed("events")
            later = await terminal.typed("events", "--after", "1", "--json")

        assert everything.lines == ["2024-05-06 07:08:09  event 1", "2024-05-06 07:08:09  event 2"]
        assert [each["seq"] for each in later.values] == [2]

    async def test_come_page_by_page(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """
        A journal longer than one answer is read to its end.
        """
        monkeypatch.setattr("splitter.admin.api.EVENTS_PAGE_MAX", 2)
        journal = [event(number) for number in range(1, 6)]
        async with daemon(tmp_path, shop=FakeController(journal=journal)) as terminal:
            ended = await terminal.typed("events", "--json")

        assert [each["seq"] for each in ended.values] == [1, 2, 3, 4, 5]

    async def test_can_be_followed(self, tmp_path: Path) -> None:
        """
        What happens from now on is printed once, until the daemon stops.
        """
        fake = FakeController(journal=[event(1), event(2)])
        async with daemon(tmp_path, shop=fake) as terminal:
            following = asyncio.create_task(terminal.typed("events", "--follow", "--json"))
            await followed(fake)
            fake.happen(event(3))
            fake.hub.close()
            ended = await following

        assert [each["seq"] for each in ended.values] == [1, 2, 3]


class TestWatch:
    async def test_is_a_log_in_a_pipe(self, tmp_path: Path) -> None:
        """
        Where there is no terminal to draw on, each event is a line.
        """
        fake = FakeController(journal=[event(1)])
        async with daemon(tmp_path, shop=fake) as terminal:
            watching = asyncio.create_task(terminal.typed("watch"))
            await followed(fake)
            fake.happen(event(2))
            fake.hub.close()
            ended = await watching

        assert ended.lines == ["07:08:09  event 1", "07:08:09  event 2"]


class TestDaemonThatIsNotThere:
    @pytest.mark.parametrize("command", ["status", "watch", "events", "pause"])
    def test_has_an_exit_code_of_its_own(self, tmp_path: Path, command: str) -> None:
        """
        A pipeline can tell a daemon that is down from a rollout that failed; people are told which socket.
        """
        ended = typed(command, "--socket", tmp_path / "s.sock")

        assert ended.code == 4
        assert f"no daemon answers on {tmp_path / 's.sock'}" in ended.err

    def test_is_an_object_for_programs(self, tmp_path: Path) -> None:
        """
        With --json the error is JSON, too.
        """
        ended = typed("status", "--json", "--socket", tmp_path / "s.sock")

        assert (ended.code, ended.values[0]["error"]["kind"]) == (4, "unreachable")


class TestValidate:
    def test_shows_every_mistake(self, tmp_path: Path) -> None:
        """
        The sentences of the configuration, one a line, and exit code 2.
        """
        file = tmp_path / "splitter.yaml"
        file.write_text(GOOD.replace("docker", "dokcer").replace("8000", "80000"))

        ended = typed("validate", "-c", file)

        assert ended.code == 2
        assert ended.err.splitlines() == [
            f"splitter: {file}:5:18: apps.shop.provisioner: 'dokcer' is not known here; did you mean 'docker'?",
            f"{file}:8:39: apps.shop.routes[0].port: 80000 is more than 65535",
        ]

    def test_says_when_all_is_good(self, tmp_path: Path) -> None:
        """
        A file and the templates that it names are checked together.
        """
        (tmp_path / "splitter.yaml").write_text(GOOD)
        (tmp_path / "compose.yaml").write_text("services: {web: {image: shop, expose: [8000]}}\n")

        ended = typed("validate", "-c", tmp_path / "splitter.yaml")

        assert (ended.code, ended.lines[-1]) == (0, f"{tmp_path / 'splitter.yaml'}: good; apps: shop")

    def test_reads_the_certificates(self, tmp_path: Path) -> None:
        """
        A certificate that is not there is found before the daemon is started.
        """
        tls = "tls: {certificates: [{cert: a.pem, key: a.key}]}"
        (tmp_path / "splitter.yaml").write_text(GOOD.replace("8080\n", f"8080\n    {tls}\n"))
        (tmp_path / "compose.yaml").write_text("services: {web: {image: shop, expose: [8000]}}\n")

        ended = typed("validate", "-c", tmp_path / "splitter.yaml")

        assert (ended.code, ended.out) == (2, "")
        assert ended.err == f"splitter: {tmp_path / 'a.pem'}: No such file or directory; name a file that we may read\n"

    def test_checks_the_next_version_of_an_app(self, tmp_path: Path) -> None:
        """
        Files that are named are read as a deploy would read them; the templates of the configuration need not exist.
        """
        (tmp_path / "splitter.yaml").write_text(GOOD)
        (tmp_path / "good.yaml").write_text("services: {web: {image: 'shop:${TAG}', expose: [8000]}}\n")
        (tmp_path / "bad.yaml").write_text("services: {web: {imag: shop}}\n")
        config = ("-c", tmp_path / "splitter.yaml")

        good = typed("validate", tmp_path / "good.yaml", "-e", "TAG=2", *config)
        bad = typed("validate", tmp_path / "bad.yaml", *config)
        elsewhere = typed("validate", tmp_path / "good.yaml", "--app", "shoop", *config)

        assert good.code == 0
        assert (bad.code, "unknown key 'imag'" in bad.err) == (2, True)
        assert elsewhere.err == "splitter: there is no app 'shoop'. Say --app with one of: shop\n"


class TestSchema:
    def test_is_json(self) -> None:
        """
        What editors read comes from the command line.
        """
        ended = typed("schema")

        assert json.loads(ended.out)["title"] == "Document"


class TestVersion:
    def test_is_printed(self) -> None:
        """
        For people a line, for programs an object.
        """
        assert typed("version").out.startswith("splitter ")
        assert set(typed("version", "--json").values[0]) == {"version"}


class TestExplain:
    async def test_says_why_in_sentences(self, tmp_path: Path) -> None:
        """
        What the daemon says is printed line by line.
        """
        fake = FakeController()
        async with daemon(tmp_path, shop=fake) as terminal:
            ended = await terminal.typed("explain", "shop-12")

        assert ended.code == 0
        assert ended.lines == list(EXPLANATION.sentences)
        assert fake.calls == [("explain", "shop-12")]

    async def test_gives_programs_every_figure(self, tmp_path: Path) -> None:
        """
        With --json it is one object.
        """
        async with daemon(tmp_path, shop=FakeController()) as terminal:
            ended = await terminal.typed("explain", "--json")

        assert ended.values == [plain(EXPLANATION)]


class TestReport:
    @pytest.mark.parametrize(("words", "start"), [((), "Rollout shop-12"), (("--format", "markdown"), "# Rollout")])
    async def test_is_a_page(self, tmp_path: Path, words: tuple[str, ...], start: str) -> None:
        """
        Text for a terminal, Markdown for a ticket.
        """
        async with daemon(tmp_path, shop=FakeController()) as terminal:
            ended = await terminal.typed("report", "shop-12", *words)

        assert ended.out.startswith(start)
        assert "ann asked for shop-r12" in ended.out

    @pytest.mark.parametrize("words", [("--json",), ("--format", "json")])
    async def test_is_an_object_for_programs(self, tmp_path: Path, words: tuple[str, ...]) -> None:
        """
        Either way of asking for JSON gives the same line.
        """
        async with daemon(tmp_path, shop=FakeController()) as terminal:
            ended = await terminal.typed("report", *words)

        assert ended.values == [plain(REPORT)]

    async def test_gives_out_the_trace(self, tmp_path: Path) -> None:
        """
        What comes out can be redirected into a file and replayed: nothing else is printed.
        """
        async with daemon(tmp_path, shop=FakeController()) as terminal:
            ended = await terminal.typed("report", "--trace", "shop-12")

        assert ended.out == '{"type":"header"}\n{"t":0}\n'
