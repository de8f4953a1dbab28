"""The traffic switch of our own data plane: one route table for all apps, published whole.

Rule 1: who asks, shifts on what it has read.  An app's version is that of the table which last shifted this app, so two
apps never make each other stale; a shift that expects another version changes nothing.
Rule 2: a table is built, and with it checked, before it is published.  One that cannot be built changes nothing.
Rule 3: publish, then drain.  A request chooses its arm and is counted in flight in one step on the event loop, so after
`shift` has returned nothing new reaches a stack that the table no longer names, and a drain sees all that did before.
"""

from collections.abc import Awaitable, Callable, Iterable

from splitter.contracts import Drained, DrainLimits
from splitter.errors import NotFoundError, OperatorError, StaleVersionError
from splitter.model import Split, StackId
from splitter.routing import ActiveTable, RandomBelow, RouteRule, build_table


class BuiltinSwitch:
    """Publishes who serves each app by the route table of this process: a `contracts.TrafficSwitch`.

    It alone writes `active`.  The table with all rules and no stacks is published at once, so that every app answers
    503 before its first shift.  Raises OperatorError for rules that cannot be served.
    """

    def __init__(
        self,
        active: ActiveTable,
        rules: Iterable[RouteRule],
        drain: Callable[[StackId, DrainLimits], Awaitable[Drained]],
        random_below: RandomBelow,
    ) -> None:
        self._active = active
        self._rules = tuple(rules)
        self._drain = drain
        self._random_below = random_below
        self._apps = {rule.app for rule in self._rules}
        self._splits: dict[str, Split] = {}
        self._versions: dict[str, int] = {}  # of the app's own last shift
        self._publish({})

    async def shift(self, app: str, split: Split, *, expected: int) -> int:
        """Publish `split` and return the new version.  Raises StaleVersionError unless `expected` is current.

        Raises NotFoundError for an app without routes, and OperatorError for a split that its routes cannot use; the
        current table stays as it is.
        """
        self._check_app(app)
        current = self._versions.get(app, 0)
        if expected != current:
            raise StaleVersionError(
                f"app {app}: its routes are of version {current}, not {expected}; read them again before a shift"
            )
        splits = {**self._splits, app: split}
        version = self._publish(splits)
        self._splits = splits
        self._versions[app] = version
        return version

    async def read(self, app: str) -> tuple[Split | None, int]:
        """Return what is current, and its version (None and 0 before the first shift).  Raises NotFoundError."""
        self._check_app(app)
        return self._splits.get(app), self._versions.get(app, 0)

    async def drain(self, app: str, stack: StackId, limits: DrainLimits) -> Drained:
        """Wait until `stack` has nothing in flight; cut at the limits.

        Raises OperatorError while a route of the app still sends new requests to `stack`: such a drain would never end.
        """
        self._check_app(app)
        serving = [route for route in self._active.current.routes if route.app == app and route.serves(stack)]
        if serving:
            raise OperatorError(f"{serving[0].rule} still sends requests to {stack}; shift its traffic away first")
        return await self._drain(stack, limits)

    def _publish(self, splits: dict[str, Split]) -> int:
        """Build the next table, make it the current one, and return its version."""
        former = self._active.current
        table = build_table(former.version + 1, self._rules, splits, self._random_below, former)
        self._active.publish(table)
        return table.version

    def _check_app(self, app: str) -> None:
        if app not in self._apps:
            known = ", ".join(sorted(self._apps)) or "none"
            raise NotFoundError(f"app {app} has no routes; apps with routes: {known}")
