"""The daemon: builds every room, introduces them to each other, and stops them in the right order.

It decides nothing.  Order of a start: the journal first (its lock says that we are alone), then the listeners (a taken
port is found before anything is made), then the controllers, which bring back what the journal says.  Order of a stop:
no new connections, what is in flight finishes, then the controllers end, stacks are kept or retired as each app says,
and the journal is closed last.
"""

import asyncio
import gc
import logging
import os
import random
import signal
import uuid
from collections.abc import AsyncIterator, Coroutine, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

import uvloop

from provisioners.clock import WallClock
from provisioners.docker import DockerProvisioner, ProjectFolder
from provisioners.process import ProcessProvisioner
from provisioners.static import StaticProvisioner
from splitter import reading
from splitter.admin import api, metrics
from splitter.admin.doors import open_doors, taken
from splitter.alerts import Alerts
from splitter.change.plan import Plan, plan
from splitter.change.relabelling import relabelled
from splitter.change.rollback_cost import Thresholds
from splitter.config import Config
from splitter.contracts import Alert, Provisioner, Severity
from splitter.errors import OperatorError, SplitterError, StateError
from splitter.facts import Facts
from splitter.judge.judge import Judge
from splitter.kpi import Ledger
from splitter.log import begin as begin_log
from splitter.model import StackId, revision_of
from splitter.proxy import descriptors
from splitter.proxy.access import AccessLog
from splitter.proxy.certificates import Certificates
from splitter.proxy.gateway import Gateway
from splitter.proxy.health import Health
from splitter.proxy.listener import Listener
from splitter.rollout.controller import Controller
from splitter.rollout.journal import Journal
from splitter.rollout.options import AppOptions, OnStop
from splitter.routing import ActiveTable
from splitter.switch.builtin import BuiltinSwitch
from splitter.template import Template

RETIRE_ON_STOP_S = 30.0

log = logging.getLogger("splitter")


def run(config: Config) -> int:
    """Run until SIGTERM or SIGINT and return the exit code.  Raises OperatorError when it cannot start."""
    begin_log()
    try:
        descriptors.raise_limit()
        uvloop.run(serve(config))
    except* SplitterError as group:
        raise _first(group) from None
    return 0


async def serve(config: Config) -> None:
    """Serve until a signal asks for the end."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    async with running(config) as daemon:
        loop.add_signal_handler(signal.SIGHUP, daemon.rotate)
        gc.collect()
        gc.freeze()  # what was built lives as long as we do; no collection needs to look at it again
        await stop.wait()
        log.info("asked to stop: no new connections, what is in flight finishes")


@asynccontextmanager
async def running(config: Config) -> AsyncIterator["Daemon"]:
    """Start everything, hand over the daemon, stop everything."""
    daemon = Daemon(config, Journal.open(config.state_dir))
    async with AsyncExitStack() as stack:
        stack.push_async_callback(daemon.journal.close)
        await daemon.start(stack)
        yield daemon


class Daemon:
    """Every room of one daemon.  Made with an open journal; `start` brings it up inside an exit stack."""

    def __init__(self, config: Config, journal: Journal) -> None:
        self.config = config
        self.journal = journal
        self.clock = WallClock()
        self.active = ActiveTable()
        self.ledger = Ledger(self.clock.monotonic)
        self.access = AccessLog(config.access_log) if config.access_log is not None else None
        self.gateway = Gateway(self.active, self.ledger, config.proxy, access=self.access)
        rules = [rule for app in config.apps.values() for rule in app.routes]
        dice = random.Random()  # noqa: S311 - it splits traffic and keeps no secret
        self.health = Health(self.gateway, config.health)
        self.switch = BuiltinSwitch(self.active, rules, self.gateway.drain, dice.randrange)
        self.alerts = Alerts(config.alerts)
        self.listeners = [Listener(options, self.gateway, self._warn) for options in config.listeners]
        installation = _installation(config.state_dir)
        self.provisioners = {name: _provisioner(app, config, installation) for name, app in config.apps.items()}
        self.controllers = {name: self._controller(app) for name, app in config.apps.items()}

    async def start(self, stack: AsyncExitStack) -> None:
        """Start from the bottom up; `stack` takes the way down.  Raises OperatorError."""
        for provisioner in self.provisioners.values():
            stack.push_async_callback(provisioner.close)
        stack.push_async_callback(self._retire_what_is_not_kept)
        alerts = asyncio.create_task(self.alerts.run(), name="alerts")
        stack.push_async_callback(self._end_alerts, alerts)
        if self.access is not None:
            self.access.start()
            stack.callback(self.access.close)
        stack.push_async_callback(self.gateway.close)
        for listener in self.listeners:
            stack.push_async_callback(listener.close, 0.0)  # where the start fails; else it is closed by then
            await listener.start()
            log.info("listening on %s:%s", *listener.address)
        addresses = stack.enter_context(taken(self.config.admin.socket, self.config.admin.bind))
        await stack.enter_async_context(_tasks({"health": self.health.run()}))
        await stack.enter_async_context(_tasks({name: one.run() for name, one in self.controllers.items()}))
        for listener in self.listeners:
            stack.push_async_callback(listener.close, self.config.proxy.stop_timeout_s)
        stack.callback(self.gateway.parking.unpark_all, "the daemon stops")
        door = api.Door(self.is_ready, metrics.renderer(self._figures()))
        await stack.enter_async_context(open_doors(addresses, self.config.admin.token, self.controllers, door))

    def _figures(self) -> metrics.Figures:
        return metrics.Figures(
            self.controllers,
            self.ledger,
            self.is_ready,
            flips=lambda: self.active.current.version,
            alerts=self.alerts.totals,
            access=self.access,
            parked=self.gateway.parking.counts,
            standings=self.gateway.standings,
            certificates=self._certificates,
        )

    def _warn(self, sentence: str) -> None:
        """Alert about what no app and no rollout is to blame for."""
        self.alerts.send(Alert(Severity.WARNING, "splitter", "", "certificate", sentence, self.clock.now(), detail={}))

    def _certificates(self) -> Mapping[str, datetime]:
        found = [listener.certificates for listener in self.listeners if listener.certificates is not None]
        return {file: ends_at for each in found for file, ends_at in each.ends_at.items()}

    def rotate(self) -> None:
        """Begin new files where the present ones were moved away; SIGHUP asks for it."""
        if self.access is None:
            log.info("SIGHUP: there is no access log to reopen")
        else:
            self.access.reopen()

    def is_ready(self) -> tuple[bool, str]:
        """Return whether every app has a live stack behind the listeners, and why not."""
        waiting = sorted(name for name, controller in self.controllers.items() if not controller.is_ready)
        return (not waiting, f"no live stack yet: {', '.join(waiting)}" if waiting else "")

    def _controller(self, app: AppOptions) -> Controller:
        return Controller(
            app,
            provisioner=self.provisioners[app.name],
            switch=self.switch,
            kpis=self.ledger,
            journal=self.journal,
            alerts=self.alerts,
            reader=partial(read_template, app, self.config.inline_templates),
            planner=partial(compare, app),
            clock=self.clock,
            judges=Judge,
            parking=self.gateway.parking,
            forget=self._forget,
            health=self.health.trouble,
        )

    def _forget(self, stack: StackId) -> None:
        self.gateway.forget(stack)
        self.ledger.forget(stack)

    async def _retire_what_is_not_kept(self) -> None:
        """Retire the stacks of apps that say so; they are made again from the journal at the next start."""
        leaving = [name for name, app in self.config.apps.items() if app.on_stop is OnStop.RETIRE]
        try:
            async with asyncio.timeout(RETIRE_ON_STOP_S), asyncio.TaskGroup() as tasks:
                for name in leaving:
                    tasks.create_task(_retire_all(self.provisioners[name]), name=f"{name}: retire")
        except* (SplitterError, TimeoutError) as group:
            log.warning("stacks were left: %s; they are found again at the next start", _first(group))

    async def _end_alerts(self, running: asyncio.Task[None]) -> None:
        await self.alerts.close()
        await running


def read_template(
    app: AppOptions,
    inline: Mapping[str, str],
    files: Sequence[str],
    environment: Mapping[str, str],
    profiles: Sequence[str] = (),
    loader: reading.Loader | None = None,
    *,
    env_files: Sequence[str] = (),
) -> Template:
    """Read a template of `app` from disk, or from the configuration itself.  Raises TemplateError, OperatorError.

    `profiles` are on, `loader` reads it, and `env_files` hold its variables, instead of those of the app.
    """

    def read(path: str) -> str:
        return inline[path] if path in inline else Path(path).read_text(encoding="utf-8")

    request = reading.Request(
        files=tuple(files),
        environment={**os.environ, **app.environment, **environment},
        profiles=tuple(profiles) or app.profiles,
        project=app.name,
        env_files=tuple(env_files) or app.env_files or None,
        require_image=app.provisioner == "docker",
    )
    template = reading.read_template(request, read, loader or app.loader)
    return relabelled(template, app.name, app.scopes, app.volumes, app.subnets)


def compare(app: AppOptions, live: Template | None, shadow: Template, facts: Facts) -> Plan:
    """Return the plan of `shadow` beside `live` (None: alone), by what an engine knows and the thresholds of `app`."""
    limits = app.rollback_cost
    return plan(
        live,
        shadow,
        routed={rule.service for rule in app.routes},
        facts=facts,
        thresholds=Thresholds(warn=limits.warn, override=limits.override),
    )


def check_certificates(config: Config) -> None:
    """Read every certificate that the configuration names.  Raises OperatorError."""
    for listener in config.listeners:
        if listener.tls is not None:
            Certificates(listener.tls, log.warning)


def check_templates(config: Config) -> list[str]:
    """Return the notes of every template that the configuration names.  Raises TemplateError."""
    notes: list[str] = []
    for app in config.apps.values():
        if not app.template_files:
            continue  # a running project brings its own
        template = read_template(app, config.inline_templates, app.template_files, {})
        for rule in app.routes:
            if rule.service not in template.services:
                known = ", ".join(sorted(template.services))
                raise OperatorError(f"{rule}: its template has no service {rule.service!r}; there are: {known}")
        notes += template.notes
    return notes


def _provisioner(app: AppOptions, config: Config, installation: str) -> Provisioner:
    match app.provisioner:
        case "docker":
            here = str(Path(app.template_files[0]).parent) if app.template_files else ""
            folder = ProjectFolder(here, app.host_project_dir)
            return DockerProvisioner(
                app.name, installation, replace(config.docker, project=folder, subnets=app.subnets)
            )
        case "process":
            return ProcessProvisioner(app.name, installation, config.state_dir)
        case "static":
            return StaticProvisioner(app.name, installation, config.state_dir)
        case other:
            raise AssertionError(f"the configuration lets no provisioner {other!r} through")


def _installation(state_dir: Path) -> str:
    """Return the name by which this state directory's stacks are told from others'; made once."""
    path = state_dir / "installation"
    try:
        if not path.exists():
            path.write_text(uuid.uuid4().hex[:12])
        return path.read_text().strip()
    except OSError as error:
        raise StateError(f"{path}: {error.strerror}; the state directory must be writable") from error


async def _retire_all(provisioner: Provisioner) -> None:
    """Retire all stacks, the newest first: an older one may hold what they use, and is looked at again at the end."""
    found = sorted(await provisioner.find(), key=lambda each: revision_of(each.id), reverse=True)
    left = [each.id for each in found if await provisioner.retire(each.id)]
    for stack in left:
        await provisioner.retire(stack)


@asynccontextmanager
async def _tasks(work: Mapping[str, Coroutine[Any, Any, None]]) -> AsyncIterator[None]:
    """Run `work` beside the block; what fails there ends the block, the end of the block cancels the rest."""
    async with asyncio.TaskGroup() as group:
        running = [group.create_task(each, name=name) for name, each in work.items()]
        try:
            yield
        finally:
            for task in running:
                task.cancel()


def _first(group: BaseExceptionGroup[Any]) -> BaseException:
    """Return the first exception that is no group."""
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
