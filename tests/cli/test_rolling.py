"""Rolling out and looking on: what is asked of the daemon, and what is printed."""

import asyncio
import getpass
from dataclasses import replace
from pathlib import Path

import pytest

from splitter.admin.wire import plain
from splitter.errors import RefusedError
from splitter.rollout.events import Kind
from tests.admin.controllers import OUTLOOK, SPLITTING, FakeController, event
from tests.cli.terminal import daemon

ME = getpass.getuser()
HERE = Path.cwd()


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

    async def test_ends_with_the_reason(self, tmp_path: Path) -> None:
        """
        The last line says what decided, not how that was carried out.
        """
        fake = FakeController()
        async with daemon(tmp_path, shop=fake) as terminal:
            waiting = asyncio.create_task(terminal.typed("deploy", "/c.yaml", "--wait"))
            await followed(fake)
            fake.happen(event(1, Kind.WORSE, state="ROLLING_BACK"))
            fake.happen(event(2, Kind.RETIRED, state=""))
            fake.happen(event(3, Kind.REVERTED, state="ROLLED_BACK"))
            ended = await waiting

        assert ended.lines[-1].endswith(": event 1")

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
