"""Stacks that somebody else runs: the template says where each service answers, and nothing is started or stopped.

A stack is "made" by finding that all its endpoints accept connections, and "retired" by forgetting it.  What was made
is remembered in a file for each stack, because there is nothing else to find it by.  Every endpoint of a service
answers for every route to it; the route's port has no meaning here.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from provisioners.clock import WallClock
from provisioners.files import write_json
from provisioners.tcp import accepts
from splitter.contracts import Clock, Finding, FoundStack, RunningProject, StackChange, StackDied, StackOrder
from splitter.errors import EngineError, StackError
from splitter.facts import NO_FACTS, Facts
from splitter.model import Endpoint, ServicePort, Stack, StackId
from splitter.resources import Uses
from splitter.template import Template

CONNECT_PAUSE_S = 0.2
PROBE_PAUSE_S = 2.0
NOT_ADOPTED = "servers that run already are live as they are; only a Compose project can be adopted"
FAILURES_MAX = 3  # in a row: one lost packet does not end a stack


class StaticProvisioner:
    """contracts.Provisioner for stacks that only have addresses."""

    def __init__(self, app: str, installation: str, state_dir: Path, clock: Clock | None = None) -> None:
        self._app = app
        self._installation = installation
        self._directory = state_dir / "static" / app
        self._clock = clock or WallClock()
        self._retired: dict[StackId, asyncio.Event] = {}

    async def check(self, order: StackOrder, *, fetch: bool = True) -> Sequence[Finding]:
        """Return every reason why `order` cannot be made; whether anybody answers is not asked yet."""
        found = [problem for routed in order.routed for problem in _problems(routed, order.template)]
        if order.placement.adopted:
            found.append(NOT_ADOPTED)
        return [Finding(each) for each in found]

    async def survey(self, order: StackOrder) -> Sequence[str]:
        """Nothing is taken over here."""
        return ()

    async def project(self, name: str) -> RunningProject:
        """Nothing is taken over here."""
        raise StackError(
            f"{name}: servers that run already are live as they are; only a Compose project can be adopted"
        )

    async def facts(self, live: StackId, before: Template, after: Template) -> Facts:
        """Nothing is known: the servers are not ours to look into."""
        return NO_FACTS

    async def create(self, order: StackOrder, progress: Callable[[str], None]) -> Stack:
        """Wait until every endpoint accepts connections, and remember the stack.  Raises StackError."""
        problems = await self.check(order)
        if problems:
            raise StackError(f"{order.id} cannot be made: {'; '.join(each.sentence for each in problems)}")
        await self.retire(order.id)
        services = order.template.services
        silent = {endpoint: name for name in sorted(services) for endpoint in services[name].static_endpoints}
        try:
            async with asyncio.timeout(order.deadline_s):
                await self._until_all_answer(order.id, silent, progress)
        except TimeoutError:
            who = "; ".join(f"service {name} at {endpoint}" for endpoint, name in silent.items())
            raise StackError(
                f"{order.id}: no connection is accepted within {order.deadline_s:g} s by {who}; "
                "start it, or correct its endpoints in the template"
            ) from None
        endpoints = {each: services[each.service].static_endpoints for each in order.routed}
        stack = Stack(order.id, order.app, order.revision, endpoints)
        try:
            await asyncio.to_thread(self._remember, stack)
        except OSError as error:
            raise StackError(f"{order.id} cannot be remembered: {error}; mend that and deploy again") from error
        return stack

    async def find(self) -> Sequence[FoundStack]:
        """Return the stacks that were made and not retired.  Whether they answer is told by `watch`."""
        try:
            stacks = await asyncio.to_thread(self._recall)
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise EngineError(f"{self._app}: {self._directory} cannot be read: {error}; mend or remove it") from error
        return [FoundStack(stack.id, stack.app, stack) for stack in stacks]

    async def activate(self, stack: StackId, deadline_s: float) -> Sequence[str]:
        """Its servers are not ours to start."""
        return ()

    async def deactivate(self, stack: StackId) -> Sequence[str]:
        """Its servers are not ours to stop."""
        return ()

    async def retire(self, stack: StackId) -> Sequence[str]:
        """Forget `stack`; its servers are not ours to stop."""
        try:
            await asyncio.to_thread(self._path(stack).unlink, missing_ok=True)
        except OSError as error:
            raise EngineError(f"{stack} cannot be forgotten: {error}; mend that and retire it again") from error
        retired = self._retired.pop(stack, None)
        if retired is not None:
            retired.set()
        return ()

    async def watch(self, stack: StackId) -> AsyncIterator[StackChange]:
        """Yield StackDied when an endpoint has refused several connections in a row; end when the stack is retired."""
        known = {found.id: found.stack for found in await self.find()}
        found = known.get(stack)
        if found is None:
            yield StackDied(f"{stack} is not known here; it was never made, or its record is lost")
            return
        retired = self._retired.setdefault(stack, asyncio.Event())
        failures = dict.fromkeys(sorted({each for endpoints in found.endpoints.values() for each in endpoints}), 0)
        while not retired.is_set():
            answers = await asyncio.gather(*map(accepts, failures))
            failures = {
                each: 0 if well else failures[each] + 1 for each, well in zip(list(failures), answers, strict=True)
            }
            lost = [str(each) for each, count in failures.items() if count >= FAILURES_MAX]
            if lost and not retired.is_set():
                where = ", ".join(lost)
                yield StackDied(f"{stack}: {where} refused {FAILURES_MAX} connections in a row; look at its server")
                return
            await self._pause(retired)

    async def sample(self, stack: StackId) -> Uses:
        """Return nothing: the servers are not ours to look into."""
        return {}

    async def close(self) -> None:
        """Nothing to let go of."""

    async def _until_all_answer(
        self, stack: StackId, silent: dict[Endpoint, str], progress: Callable[[str], None]
    ) -> None:
        """Return when nobody is silent any more; takes out of `silent` who has answered."""
        while True:
            answers = await asyncio.gather(*map(accepts, silent))
            for endpoint, well in zip(list(silent), answers, strict=True):
                if well:
                    progress(f"{stack}: service {silent.pop(endpoint)} answers at {endpoint}")
            if not silent:
                return
            await self._clock.sleep(CONNECT_PAUSE_S)

    async def _pause(self, retired: asyncio.Event) -> None:
        """Return after a while, or at once when the stack is retired."""
        waiting = [asyncio.ensure_future(self._clock.sleep(PROBE_PAUSE_S)), asyncio.ensure_future(retired.wait())]
        try:
            await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for each in waiting:
                each.cancel()

    # --- The memory ----------------------------------------------------------------------------------------------

    def _path(self, stack: StackId) -> Path:
        return self._directory / f"{stack}.json"

    def _remember(self, stack: Stack) -> None:
        self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        endpoints = [[asked.service, asked.port, _plain(found)] for asked, found in stack.endpoints.items()]
        write_json(
            self._path(stack.id),
            {"installation": self._installation, "id": stack.id, "revision": stack.revision, "endpoints": endpoints},
        )

    def _recall(self) -> list[Stack]:
        plain = [json.loads(path.read_bytes()) for path in sorted(self._directory.glob("[!.]*.json"))]
        return [self._stack(each) for each in plain if each["installation"] == self._installation]

    def _stack(self, plain: dict[str, Any]) -> Stack:
        endpoints = {
            ServicePort(service, port): tuple(Endpoint(*each) for each in found)
            for service, port, found in plain["endpoints"]
        }
        return Stack(StackId(plain["id"]), self._app, int(plain["revision"]), endpoints)


def _problems(routed: ServicePort, template: Template) -> Iterable[str]:
    service = template.services.get(routed.service)
    if service is None:
        known = ", ".join(sorted(template.services)) or "none"
        yield f"route to {routed}: the template has no service {routed.service} (it has: {known})"
    elif not service.static_endpoints:
        yield f'service {routed.service} has no endpoints; write where it answers: endpoints: ["127.0.0.1:9001"]'


def _plain(endpoints: Iterable[Endpoint]) -> list[tuple[str, int]]:
    return [(each.host, each.port) for each in endpoints]
