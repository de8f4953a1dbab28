"""Alerts reach the log and the webhook, and never the controller's nerves."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from splitter.alerts import Alerts, Target, is_known, payload, redacted
from splitter.contracts import Alert, Severity
from splitter.limits import ALERT_ATTEMPTS_MAX, ALERT_QUEUE_MAX

AT = datetime(2024, 5, 6, 7, 8, 9, tzinfo=UTC)


def alert(sentence: str = "rolled back: errors 4.1 % > 1.2 %", severity: Severity = Severity.CRITICAL) -> Alert:
    return Alert(severity, "shop", "shop-2", "rolled_back", sentence, AT, {"kpi": "error_rate"})


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let an attempt take as long as a busy machine needs: no test here is about its time-out."""
    monkeypatch.setattr("splitter.alerts.ALERT_TIMEOUT_S", 300.0)


class Receiver:
    """A webhook that answers with the given statuses in turn, the last one for ever, and remembers what it got."""

    def __init__(self, *statuses: int) -> None:
        self.got: list[dict[str, Any]] = []
        self.arrived = asyncio.Event()
        self.hold: asyncio.Event | None = None
        self._statuses = list(statuses or (200,))

    async def answer(self, request: web.Request) -> web.Response:
        self.got.append(await request.json())
        self.arrived.set()
        if self.hold is not None:
            await self.hold.wait()
        status = self._statuses.pop(0) if len(self._statuses) > 1 else self._statuses[0]
        return web.Response(status=status, headers={"Location": "/elsewhere"} if status == 302 else {})


class Sleeper:
    """A clock whose waits are over at once; it remembers them."""

    def __init__(self) -> None:
        self.slept: list[float] = []

    async def __call__(self, seconds: float) -> None:
        self.slept.append(seconds)


@contextlib.asynccontextmanager
async def listening(receiver: Receiver) -> AsyncIterator[str]:
    app = web.Application()
    app.router.add_post("/hook/secret-path", receiver.answer)
    server = TestServer(app)
    await server.start_server()
    try:
        yield str(server.make_url("/hook/secret-path"))
    finally:
        if receiver.hold is not None:
            receiver.hold.set()
        await server.close()


@contextlib.asynccontextmanager
async def running(alerts: Alerts) -> AsyncIterator[None]:
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(alerts.run())
        yield
        await alerts.close()


async def delivered(
    receiver: Receiver, *alerts: Alert, sleep: Callable[[float], Awaitable[None]], scheme: str = "http"
) -> Alerts:
    """Send `alerts` to `receiver` and return the sink once each of them is done with."""
    async with listening(receiver) as url:
        patient = (
            "" if scheme == "http" else "?cto=60&rto=60"
        )  # the library's own time-outs are short for a busy machine
        sink = Alerts([Target(url.replace("http", scheme, 1) + patient)], sleep=sleep)
        async with running(sink):
            for each in alerts:
                sink.send(each)
            await settled(sink, len(alerts))
    return sink


async def settled(sink: Alerts, count: int) -> None:
    """Return when `count` alerts have been delivered or given up."""
    while sink.totals()[0].delivered + sink.totals()[0].failed < count:  # noqa: ASYNC110 - totals have no event
        await asyncio.sleep(0)


class TestWebhook:
    async def test_gets_whole_alert(self) -> None:
        """
        One POST carries the sentence for people and every field for programs.
        """
        receiver = Receiver()

        sink = await delivered(receiver, alert(), sleep=Sleeper())

        assert receiver.got == [
            {
                "text": "[critical] shop: rolled back: errors 4.1 % > 1.2 %",
                "severity": "critical",
                "app": "shop",
                "rollout": "shop-2",
                "kind": "rolled_back",
                "sentence": "rolled back: errors 4.1 % > 1.2 %",
                "at": "2024-05-06T07:08:09+00:00",
                "detail": {"kpi": "error_rate"},
            }
        ]
        assert sink.totals()[0].delivered == 1

    async def test_keeps_order(self) -> None:
        """
        Alerts arrive in the order in which they were sent.
        """
        receiver = Receiver()

        await delivered(receiver, *(alert(f"number {n}") for n in range(5)), sleep=Sleeper())

        assert [each["sentence"] for each in receiver.got] == [f"number {n}" for n in range(5)]

    async def test_gets_only_its_severities(self) -> None:
        """
        What a webhook did not ask for is not sent to it.
        """
        receiver = Receiver()
        async with listening(receiver) as url:
            sink = Alerts([Target(url, on=frozenset({Severity.CRITICAL}))])
            async with running(sink):
                sink.send(alert("a step", Severity.INFO))
                sink.send(alert("a rollback", Severity.CRITICAL))

        assert [each["sentence"] for each in receiver.got] == ["a rollback"]


class TestService:
    async def test_gets_title_and_sentence(self) -> None:
        """
        An address that the library knows is notified by it; here one that posts to a server of ours.
        """
        receiver = Receiver()

        sink = await delivered(receiver, alert(), sleep=Sleeper(), scheme="json")

        assert [(each["title"], each["message"], each["type"]) for each in receiver.got] == [
            ("[critical] shop", "rolled back: errors 4.1 % > 1.2 %", "failure")
        ]
        assert [(each.target, each.delivered) for each in sink.totals()] == [("json://…", 1)]

    async def test_is_tried_again(self, caplog: pytest.LogCaptureFixture) -> None:
        """
        What a service does not take is counted as failed in the end, and its address stays out of the log.
        """
        receiver = Receiver(503)

        sink = await delivered(receiver, alert(), sleep=Sleeper(), scheme="json")

        assert len(receiver.got) == ALERT_ATTEMPTS_MAX
        assert [each.failed for each in sink.totals()] == [1]
        assert "could not be delivered to json://…: it was not taken" in caplog.text
        assert "secret-path" not in caplog.text

    @pytest.mark.parametrize(
        ("url", "known"),
        [("slack://T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ", True), ("slack://x", False), ("slak://a/b/c", False)],
    )
    def test_is_known_by_its_address(self, url: str, known: bool) -> None:
        """
        A slip in an address is found by validation, not on the night of the alert.
        """
        assert is_known(url) is known


class TestRetry:
    async def test_goes_on_until_taken(self) -> None:
        """
        A server error and a plea for patience are answered by another attempt, each after twice the wait.
        """
        receiver, sleeper = Receiver(500, 429, 200), Sleeper()

        sink = await delivered(receiver, alert(), sleep=sleeper)

        assert len(receiver.got) == 3
        assert sleeper.slept == [1.0, 2.0]
        assert sink.totals()[0].delivered == 1

    async def test_ends_after_last_attempt(self, caplog: pytest.LogCaptureFixture) -> None:
        """
        A receiver that is broken for good costs a bounded number of attempts and one line in the log.
        """
        receiver = Receiver(503)

        sink = await delivered(receiver, alert(), sleep=Sleeper())

        assert len(receiver.got) == ALERT_ATTEMPTS_MAX
        assert (sink.totals()[0].delivered, sink.totals()[0].failed) == (0, 1)
        assert "it answered 503" in caplog.text

    @pytest.mark.parametrize("status", [302, 400, 404])
    async def test_is_not_made_for_a_refusal(self, status: int) -> None:
        """
        A refusal is final, and a redirect is one: the address in it is not one that the operator wrote.
        """
        receiver = Receiver(status)

        sink = await delivered(receiver, alert(), sleep=Sleeper())

        assert len(receiver.got) == 1
        assert sink.totals()[0].failed == 1

    async def test_is_made_when_nobody_listens(self) -> None:
        """
        A refused connection is tried again like a server error.
        """
        async with listening(Receiver()) as url:
            pass
        sleeper = Sleeper()
        sink = Alerts([Target(url)], sleep=sleeper)

        async with running(sink):
            sink.send(alert())
            await settled(sink, 1)

        assert len(sleeper.slept) == ALERT_ATTEMPTS_MAX - 1


class TestSend:
    def test_works_without_a_loop(self) -> None:
        """
        Queueing needs no running worker: what is sent before the start is delivered after it.
        """
        sink = Alerts([Target("https://example.org/hook")])

        sink.send(alert())

        assert sink.totals()[0].waiting == 1

    def test_drops_the_oldest_of_a_full_queue(self) -> None:
        """
        A queue is bounded; what falls out of it is counted.
        """
        sink = Alerts([Target("https://example.org/hook")])

        for number in range(ALERT_QUEUE_MAX + 2):
            sink.send(alert(f"number {number}"))

        assert (sink.totals()[0].waiting, sink.totals()[0].dropped) == (ALERT_QUEUE_MAX, 2)

    def test_logs_every_alert(self, caplog: pytest.LogCaptureFixture) -> None:
        """
        Without any webhook the log still has the sentence, at the alert's level.
        """
        with caplog.at_level(logging.INFO):
            Alerts().send(alert("promoted", Severity.INFO))

        logged = [(record.levelno, record.getMessage()) for record in caplog.records]
        assert logged == [(logging.INFO, "alert: shop-2: promoted")]


class TestClose:
    async def test_delivers_what_is_queued(self) -> None:
        """
        An alert that was sent just before the end still arrives.
        """
        receiver = Receiver()
        async with listening(receiver) as url:
            sink = Alerts([Target(url)])
            async with running(sink):
                sink.send(alert())

        assert len(receiver.got) == 1

    async def test_does_not_wait_for_a_hanging_receiver(self) -> None:
        """
        The end comes in time although a webhook does not answer; what it did not take is counted.
        """
        receiver = Receiver()
        receiver.hold = asyncio.Event()
        async with listening(receiver) as url:
            sink = Alerts([Target(url)])
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(sink.run())
                sink.send(alert("being sent"))
                sink.send(alert("waiting"))
                await receiver.arrived.wait()
                await sink.close(flush_s=0.0)

        assert (sink.totals()[0].failed, sink.totals()[0].dropped) == (1, 1)

    async def test_cuts_a_backoff_short(self) -> None:
        """
        An alert that waits for its next attempt gets it at once.
        """
        receiver, waits = Receiver(500, 200), asyncio.Event()

        async def for_ever(seconds: float) -> None:
            waits.set()
            await asyncio.Event().wait()

        async with listening(receiver) as url:
            sink = Alerts([Target(url)], sleep=for_ever)
            async with running(sink):
                sink.send(alert())
                await waits.wait()

        assert sink.totals()[0].delivered == 1

    async def test_drops_all_when_never_started(self) -> None:
        """
        A sink that was never run ends at once and says what it did not deliver.
        """
        sink = Alerts([Target("https://example.org/hook")])
        sink.send(alert())

        await sink.close()

        assert sink.totals()[0].dropped == 1


class TestSecrets:
    @pytest.mark.parametrize(
        "url", ["https://user:secret@chat.example/secret?key=secret#secret", "https://chat.example/secret"]
    )
    def test_of_an_address_are_not_shown(self, url: str) -> None:
        """
        Logs and metrics name scheme and host of a webhook and nothing else.
        """
        assert redacted(url) == "https://chat.example/…"
        assert "secret" not in repr(Target(url))

    async def test_are_not_logged_on_failure(self, caplog: pytest.LogCaptureFixture) -> None:
        """
        Not even an error that quotes its address brings the secret into the log.
        """
        await delivered(Receiver(404), alert(), sleep=Sleeper())

        assert "could not be delivered" in caplog.text
        assert "secret-path" not in caplog.text


class TestPayload:
    def test_is_plain_json(self) -> None:
        """
        Every value of an alert's detail passes through.
        """
        mixed = Alert(Severity.WARNING, "shop", "", "cost", "dear", AT, {"n": 3, "rate": 0.5, "none": None, "is": True})

        assert payload(mixed)["detail"] == {"n": 3, "rate": 0.5, "none": None, "is": True}
