"""The admin API: REST under /api/v1, the live view as server-sent events, health, metrics, and a page to look at.

Who may: over the unix socket, whoever may open the file; over TCP, everybody may look and only the bearer of the
token may do more.  A plan is more: it changes nothing, and it has the daemon read any file that its caller names.
The API decides nothing: each call is one call of a controller.
"""

import asyncio
import contextlib
import hmac
import logging
import os
import pwd
import socket
import struct
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from aiohttp import web
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from splitter.admin import dashboard
from splitter.admin.wire import dumps, error_response, event_object, plain
from splitter.change.plan import sentences
from splitter.errors import NotFoundError, OperatorError, SplitterError
from splitter.limits import ADMIN_BODY_BYTES_MAX, PARKING_S, PARKING_S_MAX, TEMPLATE_FILES_MAX
from splitter.rollout.controller import Command, Controller

STATUS_INTERVAL_S = 0.5  # also what keeps a quiet stream alive
EVENTS_BEFORE = 20  # how many past events a live view begins with
EVENTS_LOOKED_BACK = 200  # events are numbered over all apps, so it takes more to find as many of one
EVENTS_PAGE_MAX = 1_000
STREAM_WRITE_TIMEOUT_S = 10.0  # a reader that takes nothing for so long is let go
BY_CHARS_MAX = 200
WHY_CHARS_MAX = 2_000
NUMBER_DIGITS_MAX = 18  # what SQLite counts with

log = logging.getLogger(__name__)

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass(frozen=True, slots=True)
class Door:
    """What the daemon lends to the faces, and who may change things at this door.

    `is_ready` says whether every listener is up and every app has a live stack, `metrics` renders the Prometheus text.
    `token` is None where the socket file's permissions are the lock, empty where nobody may change anything.
    """

    is_ready: Callable[[], tuple[bool, str]]
    metrics: Callable[[], tuple[bytes, str]]
    token: str | None = None


CONTROLLERS: web.AppKey[Mapping[str, Controller]] = web.AppKey("controllers", Mapping)
DOOR = web.AppKey("door", Door)


def _one_line(text: str) -> str:
    """Return what people wrote as one plain line: it will stand in the journal, the log, alerts and terminals."""
    return "".join(char for char in " ".join(text.split()) if char.isprintable())


OneLine = Annotated[str, AfterValidator(_one_line)]


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")

    by: OneLine = Field("", max_length=BY_CHARS_MAX)
    why: OneLine = Field("", max_length=WHY_CHARS_MAX)


class _CommandBody(_Body):
    change_set: str = ""


class _AdoptBody(_Body):
    project: OneLine = Field(min_length=1, max_length=BY_CHARS_MAX)


class _ParkBody(_Body):
    for_s: float = Field(PARKING_S, gt=0, le=PARKING_S_MAX, allow_inf_nan=False)


class _TemplateBody(_Body):
    files: list[str] = Field(min_length=1, max_length=TEMPLATE_FILES_MAX)
    environment: dict[str, str] = Field(default_factory=dict)
    force: bool = False

    def check(self) -> None:
        """Raise OperatorError for a path that would mean another file to the daemon than to its caller."""
        for file in self.files:
            if not Path(file).is_absolute():
                raise OperatorError(f"request body: files: {file!r} is relative; write the absolute path")


def build(controllers: Mapping[str, Controller], door: Door) -> web.Application:
    """Return the application that serves `controllers` at one door."""
    app = web.Application(middlewares=[_errors, _locked], client_max_size=ADMIN_BODY_BYTES_MAX)
    app[CONTROLLERS] = controllers
    app[DOOR] = door
    app.add_routes(
        [
            *dashboard.routes(),
            web.get("/healthz", _healthz),
            web.get("/readyz", _readyz),
            web.get("/metrics", _metrics),
            web.get("/api/v1/apps", _apps),
            web.get("/api/v1/apps/{app}", _app),
            web.get("/api/v1/apps/{app}/events", _events),
            web.get("/api/v1/apps/{app}/stream", _stream),
            web.get("/api/v1/apps/{app}/explain", _explain),
            web.get("/api/v1/apps/{app}/report", _report),
            web.get("/api/v1/apps/{app}/trace", _trace),
            web.post("/api/v1/apps/{app}/plan", _plan),
            web.post("/api/v1/apps/{app}/deploy", _deploy),
            web.post("/api/v1/apps/{app}/adopt", _adopt),
            web.post("/api/v1/apps/{app}/park", _park),
            web.post("/api/v1/apps/{app}/unpark", _unpark),
            web.post("/api/v1/apps/{app}/{command}", _command),
        ]
    )
    return app


# --- Before every call -----------------------------------------------------------------------------------------------


@web.middleware
async def _errors(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Answer errors raised on purpose as JSON; so every error has the same form, the router's own too."""
    try:
        return await handler(request)
    except SplitterError as error:
        return error_response(error)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "body"
        return error_response(OperatorError(f"request body: {where}: {first['msg']}"))
    except web.HTTPException as error:
        if error.status < 400:
            raise
        body = {"error": {"kind": "http", "message": f"{request.method} {request.path}: {error.reason}"}}
        return web.json_response(body, status=error.status)
    except Exception:
        log.exception("a bug of splitter: %s %s", request.method, request.path)
        body = {"error": {"kind": "bug", "message": "splitter itself failed; its log says where"}}
        return web.json_response(body, status=500)


@web.middleware
async def _locked(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Let nobody do more than look at a door with a token, but its bearer (RFC 6750 §2.1)."""
    token = request.app[DOOR].token
    if token is None or request.method in ("GET", "HEAD"):
        return await handler(request)
    scheme, _, given = request.headers.get("Authorization", "").partition(" ")
    if token and scheme.lower() == "bearer" and hmac.compare_digest(given.strip().encode(), token.encode()):
        return await handler(request)
    message = "this door only shows: use the unix socket, or set admin.token and send it as a bearer token"
    return web.json_response({"error": {"kind": "forbidden", "message": message}}, status=403)


def _controller(request: web.Request) -> Controller:
    name = request.match_info["app"]
    controllers = request.app[CONTROLLERS]
    if name not in controllers:
        raise NotFoundError(f"no app {name!r}; there are: {', '.join(sorted(controllers))}")
    return controllers[name]


def _peer(request: web.Request) -> str:
    """Return the name of the user at the other end of a unix socket; `api` elsewhere."""
    found = request.transport.get_extra_info("socket") if request.transport is not None else None
    if found is None or found.family != socket.AF_UNIX or not hasattr(socket, "SO_PEERCRED"):
        return "api"
    _, uid, _ = struct.unpack("3i", found.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i")))
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"uid {uid}"


# --- Health and metrics ----------------------------------------------------------------------------------------------


async def _healthz(request: web.Request) -> web.Response:
    return web.json_response({"alive": True, "pid": os.getpid()})


async def _readyz(request: web.Request) -> web.Response:
    is_ready, why = request.app[DOOR].is_ready()
    return web.json_response({"ready": is_ready, "why": why}, status=200 if is_ready else 503)


async def _metrics(request: web.Request) -> web.Response:
    body, content_type = request.app[DOOR].metrics()
    return web.Response(body=body, headers={"Content-Type": content_type})


# --- Looking ---------------------------------------------------------------------------------------------------------


async def _apps(request: web.Request) -> web.Response:
    controllers = request.app[CONTROLLERS]
    return web.json_response({"apps": [plain(controllers[name].status()) for name in sorted(controllers)]})


async def _app(request: web.Request) -> web.Response:
    return web.json_response(plain(_controller(request).status()))


async def _events(request: web.Request) -> web.Response:
    """Answer one page of the events after a number; `more` says that there is another one."""
    after = _number(request, "after", 0)
    found = await _controller(request).events(after)
    page = [event_object(event) for event in found[:EVENTS_PAGE_MAX]]
    return web.json_response({"events": page, "more": len(found) > len(page)})


def _number(request: web.Request, name: str, default: int) -> int:
    text = request.query.get(name, str(default))
    if not (text.isascii() and text.isdecimal() and len(text) <= NUMBER_DIGITS_MAX):
        raise OperatorError(f"query parameter {name}: {text!r} is no number")
    return int(text)


async def _explain(request: web.Request) -> web.Response:
    return web.json_response(plain(await _controller(request).explain(request.query.get("rollout", ""))))


async def _report(request: web.Request) -> web.Response:
    return web.json_response(plain(await _controller(request).report(request.query.get("rollout", ""))))


async def _trace(request: web.Request) -> web.Response:
    """Answer a rollout in the format judge-trace/1, one JSON object a line."""
    text = await _controller(request).trace(request.query.get("rollout", ""))
    return web.Response(text=text, content_type="application/x-ndjson")


async def _stream(request: web.Request) -> web.StreamResponse:
    """Send the status twice a second, and every event when it happens, until one side goes away.

    It begins with the events after `after`, or with the last few.  The head is sent once there is something to send:
    what goes wrong before is an ordinary error, and afterwards no second head may follow.
    """
    response = web.StreamResponse(headers={"Content-Type": "text/event-stream", "Cache-Control": "no-store"})
    async with contextlib.aclosing(_updates(_controller(request), _number(request, "after", 0))) as updates:
        update: tuple[str, Any] | None = await anext(updates)
        await response.prepare(request)
        try:
            while update is not None:
                kind, value = update
                async with asyncio.timeout(STREAM_WRITE_TIMEOUT_S):
                    await response.write(f"event: {kind}\ndata: {dumps(value)}\n\n".encode())
                update = await anext(updates, None)
        except (ConnectionError, TimeoutError):
            if request.transport is not None:
                request.transport.abort()
    return response


async def _updates(controller: Controller, after: int) -> AsyncGenerator[tuple[str, Any], None]:
    """Yield (`event`, fact) and (`status`, status); a status follows every event at once."""
    async with controller.subscribe() as subscription:
        past = await controller.events(after or max(0, controller.status().last_seq - EVENTS_LOOKED_BACK))
        for former in past if after else past[-EVENTS_BEFORE:]:
            yield "event", former
        seen = past[-1].seq if past else after
        yield "status", controller.status()
        while True:
            try:
                async with asyncio.timeout(STATUS_INTERVAL_S):
                    event = await subscription.next()
                if event is None:
                    return
                if event.seq > seen:
                    yield "event", event
            except TimeoutError:
                pass  # nothing happened; the status goes out all the same
            yield "status", controller.status()


# --- Changing --------------------------------------------------------------------------------------------------------


async def _plan(request: web.Request) -> web.Response:
    body = _TemplateBody.model_validate(await _json(request))
    body.check()
    controller = _controller(request)
    answer = await controller.plan(body.files, body.environment)
    outlook = controller.outlook()
    said = [*sentences(answer), *outlook.sentences, *(f"warning: {warning}" for warning in outlook.warnings)]
    return web.json_response({"sentences": said, **plain(answer), "analysis": plain(outlook)})


async def _deploy(request: web.Request) -> web.Response:
    body = _TemplateBody.model_validate(await _json(request))
    body.check()
    controller = _controller(request)
    by = body.by or _peer(request)
    rollout = await controller.deploy(body.files, by, body.environment, force=body.force, why=body.why)
    outlook = plain(controller.outlook())
    return web.json_response({"app": controller.status().app, "rollout": rollout, "analysis": outlook}, status=202)


async def _adopt(request: web.Request) -> web.Response:
    body = _AdoptBody.model_validate(await _json(request))
    controller = _controller(request)
    live, said = await controller.adopt(body.project, body.by or _peer(request))
    return web.json_response({"app": controller.status().app, "live": live, "sentences": list(said)}, status=202)


async def _park(request: web.Request) -> web.Response:
    controller = _controller(request)
    body = _ParkBody.model_validate(await _json(request))
    await controller.parking.park(body.for_s, body.by or _peer(request), body.why)
    return web.json_response({"app": controller.status().app, "parked": True, "for_s": body.for_s})


async def _unpark(request: web.Request) -> web.Response:
    controller = _controller(request)
    body = _Body.model_validate(await _json(request))
    waited = controller.parking.unpark(body.by or _peer(request), body.why)
    return web.json_response({"app": controller.status().app, "parked": False, "waited": waited})


async def _command(request: web.Request) -> web.Response:
    controller = _controller(request)
    try:
        command = Command(request.match_info["command"])
    except ValueError:
        known = ", ".join(sorted(command.value for command in Command))
        raise NotFoundError(f"no command {request.match_info['command']!r}; there are: {known}") from None
    body = _CommandBody.model_validate(await _json(request))
    await controller.command(command, body.by or _peer(request), body.why, body.change_set)
    return web.json_response(plain(controller.status()))


async def _json(request: web.Request) -> Any:
    if not request.can_read_body:
        return {}
    try:
        return await request.json()
    except ValueError as error:
        raise OperatorError(f"request body: not JSON: {error}") from None
