"""The admin API: what is asked of it, over a real connection, and what it answers."""

import asyncio
import contextlib
import getpass
import inspect
import io
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from splitter.admin import api
from splitter.admin.client import Update, updates
from splitter.admin.wire import plain
from splitter.errors import (
    EngineError,
    NotFoundError,
    OperatorError,
    Problem,
    RefusedError,
    SplitterError,
    StateError,
    TemplateError,
)
from splitter.limits import ADMIN_BODY_BYTES_MAX, EVENT_SUBSCRIBERS_MAX
from splitter.rollout.controller import Command, Controller
from splitter.rollout.events import Kind
from splitter.rollout.status import ParkedStatus
from tests.admin.controllers import OUTLOOK, SPLITTING, FakeController, event

Client = TestClient[web.Request, web.Application]
TOKEN = "sixteen-characters"


def door(token: str | None = None, why_not: str = "") -> api.Door:
    figures = (b"splitter_ready 1\n", "text/plain")
    return api.Door(lambda: (not why_not, why_not), lambda: figures, token)


@contextlib.asynccontextmanager
async def serving(*controllers: FakeController, at: api.Door | None = None) -> AsyncIterator[Client]:
    """Serve the controllers as apps `shop`, `shop2`, …"""
    names = ["shop", *(f"shop{number}" for number in range(2, len(controllers) + 1))]
    apps = {name: fake.controller() for name, fake in zip(names, controllers, strict=False)}
    async with TestClient(TestServer(api.build(apps, at or door()))) as client:
        yield client


async def answer(client: Client, method: str, path: str, **arguments: Any) -> tuple[int, Any]:
    async with client.request(method, path, **arguments) as response:
        return response.status, await response.json()


class TestParking:
    async def test_is_the_controllers(self) -> None:
        """
        An app's requests wait for as long as was said, for whom and why, and go on when they may.
        """
        fake = FakeController()
        async with serving(fake) as client:
            order = {"for_s": 5, "by": "ann", "why": "schema"}
            parked = await answer(client, "POST", "/api/v1/apps/shop/park", json=order)
            unparked = await answer(client, "POST", "/api/v1/apps/shop/unpark", json={"by": "bob"})

        assert parked == (200, {"app": "shop", "parked": True, "for_s": 5})
        assert unparked == (200, {"app": "shop", "parked": False, "waited": 3})
        assert fake.calls == [("park", 5.0, "ann", "schema"), ("unpark", "bob", "")]

    @pytest.mark.parametrize("seconds", [0, -1, 61, "nan", "x"])
    async def test_has_bounds(self, seconds: object) -> None:
        """
        Nobody parks an app for ever, or for no time.
        """
        fake = FakeController()
        async with serving(fake) as client:
            status, body = await answer(client, "POST", "/api/v1/apps/shop/park", json={"for_s": seconds})

        assert status == 400
        assert "request body: for_s: " in body["error"]["message"]
        assert fake.calls == []

    async def test_is_of_an_app_that_is_there(self) -> None:
        """
        An app that is not configured is not known, and parks nothing.
        """
        fake = FakeController()
        async with serving(fake) as client:
            status, _ = await answer(client, "POST", "/api/v1/apps/cart/park")

        assert status == 404
        assert fake.calls == []

    async def test_shows_in_the_status(self) -> None:
        """
        Programs read who waits for whom, and how long at most.
        """
        parked = ParkedStatus(3, 7.5, "ann", "schema", "2024-05-06T07:08:09+00:00")
        async with serving(FakeController(replace(SPLITTING, parked=parked)), FakeController()) as client:
            _, body = await answer(client, "GET", "/api/v1/apps")

        assert [each["parked"] for each in body["apps"]] == [
            {"requests": 3, "left_s": 7.5, "by": "ann", "why": "schema", "at": "2024-05-06T07:08:09+00:00"},
            None,
        ]


class TestLooking:
    async def test_shows_all_apps_in_order(self) -> None:
        """
        The list holds the whole status of every app, by name.
        """
        async with serving(FakeController(), FakeController()) as client:
            status, body = await answer(client, "GET", "/api/v1/apps")

        assert status == 200
        assert [each["state"] for each in body["apps"]] == ["SPLITTING", "SPLITTING"]

    async def test_shows_one_app(self) -> None:
        """
        A status is JSON all the way down: stacks, evidence, figures.
        """
        async with serving(FakeController()) as client:
            _, body = await answer(client, "GET", "/api/v1/apps/shop")

        assert body["app"] == "shop"
        assert body["shadow"]["p99_us"] == 219_000
        assert body["evidence"][1]["verdict"] == "undecided"
        assert body["steps_bp"] == [100, 1_000, 2_500, 5_000]

    async def test_shows_events_after_a_number(self) -> None:
        """
        A reader asks for what it has not seen yet.
        """
        async with serving(FakeController(journal=[event(1), event(2), event(3)])) as client:
            _, body = await answer(client, "GET", "/api/v1/apps/shop/events?after=1")

        assert [(each["seq"], each["kind"], each["at"]) for each in body["events"]] == [
            (2, "advanced", "2024-05-06T07:08:09.123456+00:00"),
            (3, "advanced", "2024-05-06T07:08:09.123456+00:00"),
        ]
        assert body["more"] is False

    async def test_shows_a_long_journal_in_pages(self) -> None:
        """
        An answer is bounded, and says when there is more.
        """
        many = [event(number) for number in range(1, api.EVENTS_PAGE_MAX + 2)]
        async with serving(FakeController(journal=many)) as client:
            _, first = await answer(client, "GET", "/api/v1/apps/shop/events")
            _, second = await answer(client, "GET", f"/api/v1/apps/shop/events?after={api.EVENTS_PAGE_MAX}")

        assert (len(first["events"]), first["more"]) == (api.EVENTS_PAGE_MAX, True)
        assert (len(second["events"]), second["more"]) == (1, False)

    @pytest.mark.parametrize("number", ["-1", "x", "1.5", "9" * 19, "²"])
    async def test_refuses_what_is_no_number(self, number: str) -> None:
        """
        A number of an event is a whole one that the journal can count to.
        """
        async with serving(FakeController()) as client:
            status, body = await answer(client, "GET", "/api/v1/apps/shop/events", params={"after": number})

        assert (status, body["error"]["kind"]) == (400, "operator")

    @pytest.mark.parametrize("what", ["explain", "report"])
    async def test_explains_and_reports_rollouts(self, what: str) -> None:
        """
        A rollout is asked for by its id; without one it is the last.
        """
        fake = FakeController()
        async with serving(fake) as client:
            _, named = await answer(client, "GET", f"/api/v1/apps/shop/{what}?rollout=shop-12")
            status, last = await answer(client, "GET", f"/api/v1/apps/shop/{what}")

        assert status == 200
        assert named == last
        assert last["rollout"] == "shop-12"
        assert fake.calls == [(what, "shop-12"), (what, "")]

    async def test_gives_out_traces(self) -> None:
        """
        A trace is lines of JSON, as it was written.
        """
        async with (
            serving(FakeController()) as client,
            client.get("/api/v1/apps/shop/trace?rollout=shop-12") as response,
        ):
            assert response.content_type == "application/x-ndjson"
            assert await response.text() == '{"type":"header"}\n{"t":0}\n'

    async def test_refuses_rollouts_that_are_not_there(self) -> None:
        """
        A wrong id is answered by 404 and the sentence of the archive.
        """
        fake = FakeController(refusal=NotFoundError("shop has no rollout 'shop-9'; the last is shop-2"))
        async with serving(fake) as client:
            status, body = await answer(client, "GET", "/api/v1/apps/shop/explain?rollout=shop-9")

        assert (status, body["error"]["message"]) == (404, "shop has no rollout 'shop-9'; the last is shop-2")


class TestError:
    @pytest.mark.parametrize(
        ("error", "status", "kind"),
        [
            (RefusedError("pause is not legal in HELD"), 409, "refused"),
            (NotFoundError("no such stack"), 404, "not_found"),
            (StateError("the disk is full"), 503, "state"),
            (TemplateError([Problem("a.yaml", 1, 2, "services", "is empty")]), 422, "problems"),
            (OperatorError("no"), 400, "operator"),
            (EngineError("the engine does not answer"), 502, "stack"),
        ],
    )
    async def test_raised_on_purpose_has_its_status(self, error: SplitterError, status: int, kind: str) -> None:
        """
        Each family of errors is one status and one word; the sentence is the error's own.
        """
        async with serving(FakeController(refusal=error)) as client:
            found = await answer(client, "POST", "/api/v1/apps/shop/pause", json={})

        assert found == (status, {"error": {"kind": kind, "message": str(error)}})

    async def test_of_ours_tells_no_more_than_where_to_look(self, caplog: pytest.LogCaptureFixture) -> None:
        """
        A bug ends the call with JSON; what happened is in the log.
        """
        async with serving(FakeController(refusal=KeyError("oops"))) as client:
            status, body = await answer(client, "POST", "/api/v1/apps/shop/pause", json={})

        assert (status, body["error"]["kind"]) == (500, "bug")
        assert "oops" not in str(body)
        assert "KeyError: 'oops'" in caplog.text

    @pytest.mark.parametrize(
        ("method", "path", "status"),
        [
            ("GET", "/api/v1/apps/shoop", 404),
            ("GET", "/nowhere", 404),
            ("POST", "/api/v1/apps", 405),
            ("POST", "/api/v1/apps/shop/explode", 404),
        ],
    )
    async def test_of_the_path_is_json_too(self, method: str, path: str, status: int) -> None:
        """
        A program reads every error in one way.
        """
        async with serving(FakeController()) as client:
            found, body = await answer(client, method, path)

        assert found == status
        assert set(body["error"]) == {"kind", "message"}

    @pytest.mark.parametrize(
        ("body", "complaint"),
        [
            ("{", "not JSON"),
            ("[]", "request body: body"),
            ('{"files": ["/a"], "fils": 1}', "request body: fils"),
            ('{"files": []}', "request body: files"),
            ('{"files": "/a"}', "request body: files"),
            ('{"files": ["compose.yaml"]}', "'compose.yaml' is relative; write the absolute path"),
            ('{"files": ["/a"], "by": "' + "x" * 201 + '"}', "request body: by"),
        ],
    )
    async def test_of_a_body_names_the_key(self, body: str, complaint: str) -> None:
        """
        A body that cannot be used changes nothing and is told why.
        """
        fake = FakeController()
        async with serving(fake) as client:
            status, found = await answer(client, "POST", "/api/v1/apps/shop/deploy", data=body)

        assert status == 400
        assert complaint in found["error"]["message"]
        assert fake.calls == []

    async def test_of_a_body_without_end_comes_early(self) -> None:
        """
        A body is bounded.
        """
        async with serving(FakeController()) as client:
            body = io.BytesIO(b" " * (ADMIN_BODY_BYTES_MAX + 1))
            status, found = await answer(client, "POST", "/api/v1/apps/shop/pause", data=body)

        assert (status, found["error"]["kind"]) == (413, "http")


class TestChanging:
    async def test_deploys_what_it_is_told(self) -> None:
        """
        Every part of a deploy reaches the controller, and its rollout's id comes back.
        """
        fake = FakeController()
        body = {"files": ["/a", "/b"], "by": "ann", "why": "v2", "environment": {"TAG": "2"}, "force": True}
        async with serving(fake) as client:
            found = await answer(client, "POST", "/api/v1/apps/shop/deploy", json=body)

        assert found == (202, {"app": "shop", "rollout": "shop-12", "analysis": plain(OUTLOOK)})
        assert fake.calls == [("deploy", ("/a", "/b"), "ann", {"TAG": "2"}, True, "v2")]

    async def test_plans_with_sentences_and_figures(self) -> None:
        """
        A plan is there for people, line by line, and for programs.
        """
        fake = FakeController()
        async with serving(fake) as client:
            status, body = await answer(client, "POST", "/api/v1/apps/shop/plan", json={"files": ["/a"]})

        assert status == 200
        assert any("web" in sentence for sentence in body["sentences"])
        assert body["sentences"][-2:] == [*OUTLOOK.sentences, f"warning: {OUTLOOK.warnings[0]}"]
        assert body["analysis"]["error_rate_s"] == 30.0
        assert body["analysis"]["promotion_s"] is None
        assert body["change_set"]["changes"]
        assert fake.calls == [("plan", ("/a",), {})]

    @pytest.mark.parametrize("command", list(Command))
    async def test_carries_out_every_command(self, command: Command) -> None:
        """
        A command names itself in the path, who and why in the body; the answer is the new status.
        """
        fake = FakeController()
        body = {"by": "ann", "why": "because", "change_set": "abc"}
        async with serving(fake) as client:
            status, found = await answer(client, "POST", f"/api/v1/apps/shop/{command.value}", json=body)

        assert (status, found["app"]) == (200, "shop")
        assert fake.calls == [(command, "ann", "because", "abc")]

    async def test_without_a_body_is_by_whoever_calls(self) -> None:
        """
        Over TCP nobody is known by name.
        """
        fake = FakeController()
        async with serving(fake) as client:
            await answer(client, "POST", "/api/v1/apps/shop/pause")

        assert fake.calls == [(Command.PAUSE, "api", "", "")]

    async def test_over_the_socket_is_by_its_user(self, tmp_path: Path) -> None:
        """
        The kernel says who is at the other end of a unix socket.
        """
        fake, path = FakeController(), str(tmp_path / "s")
        runner = web.AppRunner(api.build({"shop": fake.controller()}, door()))
        await runner.setup()
        await web.UnixSite(runner, path).start()
        try:
            connector = aiohttp.UnixConnector(path)
            async with aiohttp.ClientSession(connector=connector) as session:
                await session.post("http://splitter/api/v1/apps/shop/pause")
        finally:
            await runner.cleanup()

        assert fake.calls == [(Command.PAUSE, getpass.getuser(), "", "")]


class TestReason:
    async def test_is_one_plain_line(self) -> None:
        """
        A reason of several lines, as a commit's message, becomes one; nothing in it can act on a terminal.
        """
        fake = FakeController()
        said = {"by": "ann\x07", "why": "Mend the basket\n\nSee \x1b[31m7\u202e.\n"}
        async with serving(fake) as client:
            await answer(client, "POST", "/api/v1/apps/shop/pause", json=said)

        assert fake.calls == [(Command.PAUSE, "ann", "Mend the basket See [31m7.", "")]


class TestToken:
    @pytest.mark.parametrize(
        ("token", "header"),
        [
            ("", None),
            ("", "Bearer "),
            (TOKEN, None),
            (TOKEN, "Bearer wrong"),
            (TOKEN, TOKEN),
            (TOKEN, f"Basic {TOKEN}"),
        ],
    )
    @pytest.mark.parametrize("call", ["deploy", "plan", "rollback"])
    async def test_is_needed_for_more_than_looking(self, token: str, header: str | None, call: str) -> None:
        """
        Without it nothing is changed, and no file of the host is read; an empty one is nobody's.
        """
        fake = FakeController()
        headers = {"Authorization": header} if header is not None else {}
        async with serving(fake, at=door(token)) as client:
            status, body = await answer(client, "POST", f"/api/v1/apps/shop/{call}", json={}, headers=headers)

        assert (status, body["error"]["kind"]) == (403, "forbidden")
        assert fake.calls == []

    @pytest.mark.parametrize("header", [f"Bearer {TOKEN}", f"bearer {TOKEN}"])
    async def test_opens_the_door(self, header: str) -> None:
        """
        Its bearer may do everything.
        """
        fake = FakeController()
        async with serving(fake, at=door(TOKEN)) as client:
            status, _ = await answer(client, "POST", "/api/v1/apps/shop/pause", headers={"Authorization": header})

        assert (status, len(fake.calls)) == (200, 1)

    async def test_is_not_needed_for_looking(self) -> None:
        """
        Whoever reaches the address may see status, events and metrics.
        """
        async with serving(FakeController(), at=door("")) as client:
            found = [(await client.get(path)).status for path in ("/api/v1/apps", "/metrics", "/healthz", "/readyz")]

        assert found == [200, 200, 200, 200]


class TestHealth:
    async def test_is_ready_when_every_app_is(self) -> None:
        """
        Readiness is the daemon's word, with the reason while it is not.
        """
        async with serving(at=door()) as client:
            assert await answer(client, "GET", "/readyz") == (200, {"ready": True, "why": ""})
        async with serving(at=door(why_not="no live stack yet: shop")) as client:
            assert await answer(client, "GET", "/readyz") == (503, {"ready": False, "why": "no live stack yet: shop"})
            assert (await client.get("/healthz")).status == 200

    async def test_metrics_are_text(self) -> None:
        """
        What the registry renders is passed on with its own content type.
        """
        async with serving() as client:
            response = await client.get("/metrics")

            assert (await response.text(), response.content_type) == ("splitter_ready 1\n", "text/plain")


@contextlib.asynccontextmanager
async def watching(client: Client, query: str = "") -> AsyncIterator[AsyncIterator[Update]]:
    async with client.get(f"/api/v1/apps/shop/stream{query}") as response:
        assert response.content_type == "text/event-stream"
        yield updates(response.content)


async def until(stream: AsyncIterator[Update], kind: str, count: int = 1) -> list[Any]:
    """Return the contents of the next `count` updates of a kind."""
    found: list[Any] = []
    async for update in stream:
        if update.kind == kind:
            found.append(update.content)
        if len(found) == count:
            break
    return found


class TestStream:
    async def test_begins_with_the_last_events_and_the_status(self) -> None:
        """
        A live view that is opened late still says how things came to be.
        """
        fake = FakeController(journal=[event(number) for number in range(1, 31)])
        async with serving(fake) as client, watching(client) as stream:
            events = await until(stream, "event", api.EVENTS_BEFORE)
            (status,) = await until(stream, "status")

        assert [each["seq"] for each in events] == list(range(11, 31))
        assert (status["app"], status["last_seq"]) == ("shop", 30)

    async def test_may_go_on_after_a_number(self) -> None:
        """
        A reader that was let go comes back for what it missed.
        """
        fake = FakeController(journal=[event(number) for number in range(1, 31)])
        async with serving(fake) as client, watching(client, "?after=2") as stream:
            events = await until(stream, "event", 28)

        assert events[0]["seq"] == 3

    async def test_tells_what_happens_when_it_happens(self) -> None:
        """
        An event is sent at once, once, and the status that it led to follows.
        """
        fake = FakeController(journal=[event(1)])
        async with serving(fake) as client, watching(client) as stream:
            await until(stream, "status")
            fake.happen(event(2, Kind.WORSE, state="ROLLING_BACK"))
            (told,) = await until(stream, "event")
            (status,) = await until(stream, "status")

        assert (told["seq"], told["sentence"]) == (2, "event 2")
        assert status["state"] == "ROLLING_BACK"

    async def test_ends_with_the_controller(self) -> None:
        """
        When the daemon stops, the reader sees the end of the stream, not a hang.
        """
        fake = FakeController()
        async with serving(fake) as client, watching(client) as stream:
            await until(stream, "status")
            fake.hub.close()

            assert [update async for update in stream if update.kind == "event"] == []

    async def test_lets_go_of_a_reader_that_left(self) -> None:
        """
        A closed live view costs the controller nothing any more.
        """
        fake = FakeController()
        async with serving(fake) as client:
            async with watching(client) as stream:
                await until(stream, "status")
                assert len(fake.hub._subscriptions) == 1
            while fake.hub._subscriptions:  # noqa: ASYNC110 - the server has no event for it
                await asyncio.sleep(0)

    async def test_of_too_many_is_refused(self) -> None:
        """
        The number of readers is bounded; the refusal is an ordinary error.
        """
        fake = FakeController()
        readers = [fake.hub.join() for _ in range(EVENT_SUBSCRIBERS_MAX)]
        async with serving(fake) as client:
            status, body = await answer(client, "GET", "/api/v1/apps/shop/stream")

        assert (status, body["error"]["kind"]) == (409, "refused")
        assert len(readers) == len(fake.hub._subscriptions)


class TestFake:
    @pytest.mark.parametrize(
        "method",
        ["status", "events", "explain", "report", "trace", "subscribe", "plan", "outlook", "deploy", "command"],
    )
    def test_takes_what_the_controller_takes(self, method: str) -> None:
        """
        What is tested with the fake works with the real one: same arguments, same order, same defaults.
        """
        ours = inspect.signature(getattr(FakeController, method))
        theirs = inspect.signature(getattr(Controller, method))

        assert ours == theirs
