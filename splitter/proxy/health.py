"""Probes of every endpoint that the route table names: before, during and after a rollout, a standby's too.

Rule 1: a probe goes to one endpoint on a connection of its own, no matter what requests do at the time.
Rule 2: it says no more than that the endpoint did or did not do what was asked; what that means is `Standing`'s.
Rule 3: an endpoint that the table names for the first time is taken for well: who made its stack has seen it so.

Cost: one connection for each endpoint and interval.  The table is looked at every half second.
"""

import asyncio
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import aiohttp

from splitter.model import Endpoint, StackId
from splitter.proxy.gateway import Gateway
from splitter.proxy.options import HealthOptions
from splitter.proxy.standing import ProbeLimits
from splitter.routing import Arm, Route

FOLLOW_S: Final = 0.5
_HEADERS: Final = {"User-Agent": "splitter-health"}

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Target:
    """What is probed: an endpoint of a stack, for `path` with `host`, or with an empty path by a connection alone."""

    stack: StackId
    endpoint: Endpoint
    path: str
    host: str

    def __str__(self) -> str:
        return f"{self.stack}: {self.endpoint}"


class Health:
    """The probes of all apps.  `run` it once; what they find stands in the gateway's standings."""

    def __init__(self, gateway: Gateway, apps: Mapping[str, HealthOptions]) -> None:
        self._gateway = gateway
        self._apps = apps
        self._probing: dict[Target, asyncio.Task[None]] = {}

    async def run(self) -> None:
        """Probe what the table names, until cancelled."""
        connector = aiohttp.TCPConnector(force_close=True, limit=0)
        session = aiohttp.ClientSession(connector=connector, headers=_HEADERS)
        async with session, asyncio.TaskGroup() as tasks:
            while True:
                self._follow(session, tasks)
                await asyncio.sleep(FOLLOW_S)

    def trouble(self, stack: StackId) -> str:
        """Return which endpoint of `stack` is unhealthy and why, in one sentence; empty while all are healthy."""
        for endpoint, standing in self._gateway.standings(stack).items():
            if standing.is_unhealthy:
                return f"{endpoint} {standing.why}"
        return ""

    def _follow(self, session: aiohttp.ClientSession, tasks: asyncio.TaskGroup) -> None:
        """Begin to probe what the table names anew, and end to probe what it does not name any more."""
        wanted = self._wanted()
        for target in self._probing.keys() - wanted.keys():
            self._probing.pop(target).cancel()
        for target, options in wanted.items():
            self._gateway.standing(target.stack, target.endpoint)  # of an endpoint that is named again, a new one
            if target not in self._probing:
                work = self._watch(session, target, options)
                self._probing[target] = tasks.create_task(work, name=f"probe {target}")

    def _wanted(self) -> dict[Target, HealthOptions]:
        return {
            _target(route, arm, endpoint): self._apps[route.app]
            for route in self._gateway.active.current.routes
            if self._apps[route.app].interval_s
            for arm in route.arms
            for endpoint in arm.endpoints
        }

    async def _watch(self, session: aiohttp.ClientSession, target: Target, options: HealthOptions) -> None:
        limits = ProbeLimits(options.unhealthy, options.healthy)
        while True:
            why = await probe(session, target, options.timeout_s)
            standing = self._gateway.standings(target.stack).get(target.endpoint)
            if standing is not None and standing.probed(why, limits, target):
                log.warning(
                    "%s %s", target, f"is unhealthy: it {standing.why}" if standing.is_unhealthy else "is healthy again"
                )
            await asyncio.sleep(options.interval_s)


async def probe(session: aiohttp.ClientSession, target: Target, timeout_s: float) -> str:
    """Return what `target` did not do, as words that follow its name; empty if it is well."""
    try:
        async with asyncio.timeout(timeout_s):
            if target.path:
                return await _ask(session, target)
            _, writer = await asyncio.open_connection(target.endpoint.host, target.endpoint.port)
            writer.close()
            return ""
    except TimeoutError:
        return f"gave no answer to {_what(target)} within {timeout_s:g} s"
    except (OSError, ValueError, aiohttp.ClientError) as error:
        return f"failed {_what(target)}: {getattr(error, 'strerror', None) or error}"


async def _ask(session: aiohttp.ClientSession, target: Target) -> str:
    headers = {"Host": target.host} if target.host else {}
    async with session.get(f"http://{target.endpoint}{target.path}", headers=headers, allow_redirects=False) as answer:
        return "" if 200 <= answer.status < 400 else f"answered {_what(target)} with {answer.status}"


def _what(target: Target) -> str:
    return f"GET {target.path}" if target.path else "a connection"


def _target(route: Route, arm: Arm, endpoint: Endpoint) -> Target:
    host = route.host if not route.host.startswith("*.") else ""
    return Target(arm.stack, endpoint, route.rule.health, host if route.rule.health else "")
