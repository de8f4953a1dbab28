"""What must not run twice: started when its stack is promoted, stopped when another one is.

Late jobs run first, one after the other, then the singletons start.  Both were made with their stack, so that there is
nothing left to fail but the start itself.
"""

import asyncio
from collections.abc import Sequence

from provisioners.docker.engine import Engine, last_lines
from provisioners.docker.news import News
from provisioners.docker.parts import Parts
from provisioners.docker.removal import Removal, together
from provisioners.docker.state import Container, failing, holds
from splitter.errors import StackError
from splitter.model import StackId
from splitter.template import Condition

LOOK_S = 2.0


class Promoting:
    """The singletons and late jobs of the stacks of one app.

    `is_active` says of a stack whether its singletons were started or stopped on purpose.  It is not remembered over a
    restart; then those that run when a watch begins are the ones that are missed when they end.
    """

    def __init__(self, engine: Engine, parts: Parts, removal: Removal, news: News) -> None:
        self.is_active: dict[StackId, bool] = {}
        self._engine = engine
        self._parts = parts
        self._removal = removal
        self._news = news

    async def activate(self, stack: StackId, deadline_s: float) -> list[str]:
        """Run the late jobs that have not run well, start the singletons; return the names of their services."""
        containers = await self._parts.look(stack)
        jobs = [each for each in containers if each.is_late and not holds(each, Condition.COMPLETED)]
        idle = [each for each in containers if each.is_singleton and not each.running]
        try:
            async with asyncio.timeout(deadline_s):
                for container in [*jobs, *idle]:
                    await self._engine.start(container.id)
                    await self._reach(container, Condition.COMPLETED if container.is_late else Condition.STARTED)
        except TimeoutError:
            raise StackError(f"stack {stack}: what waited for the promotion took more than {deadline_s:g} s") from None
        self.is_active[stack] = True
        return _services([*jobs, *idle])

    async def deactivate(self, stack: StackId) -> list[str]:
        """Stop the singletons; return the names of the services that ran."""
        self.is_active[stack] = False
        running = [each for each in await self._parts.look(stack) if each.is_singleton and not each.is_still]
        await together(self._removal.stop(each.id) for each in running)
        return _services(running)

    async def _reach(self, started: Container, condition: Condition) -> None:
        """Wait until `condition` holds.  Raises StackError as soon as it no longer can."""
        stack = StackId(started.stack)
        with self._news.subscription(stack) as subscription:
            while True:
                for container in await self._parts.look(stack):
                    if container.id == started.id and (problem := failing(container, condition)):
                        log_end = await last_lines(self._engine, container.id)
                        raise StackError(f"service {container.service}: container {container.name} {problem}{log_end}")
                    if container.id == started.id and holds(container, condition):
                        return
                await subscription.news(LOOK_S)


def _services(containers: Sequence[Container]) -> list[str]:
    return sorted({container.service for container in containers})
