"""The traffic switch of our own data plane."""

import random
from dataclasses import dataclass, field

import pytest

from splitter.contracts import Drained, DrainLimits, TrafficSwitch
from splitter.errors import NotFoundError, OperatorError, StaleVersionError
from splitter.model import Endpoint, ServicePort, Split, Stack, StackId
from splitter.routing import ActiveTable, RouteRule
from splitter.switch.builtin import BuiltinSwitch

WEB = ServicePort("web", 80)
LIMITS = DrainLimits(5.0, 10.0, 20.0)
RULES = [RouteRule("shop", "", "/", "web", 80), RouteRule("blog", "blog.org", "/", "web", 80)]


def stack(app: str, revision: int) -> Stack:
    return Stack(StackId(f"{app}-r{revision}"), app, revision, {WEB: (Endpoint("127.0.0.1", 9000 + revision),)})


def split(app: str = "shop", shadow_bp: int = 500) -> Split:
    return Split(stack(app, 1), stack(app, 2), shadow_bp)


@dataclass
class Drain:
    """A drain that ends at once and remembers what it was asked."""

    asked: list[tuple[StackId, DrainLimits]] = field(default_factory=list)

    async def __call__(self, stack: StackId, limits: DrainLimits) -> Drained:
        self.asked.append((stack, limits))
        return Drained(left=0, waited_s=0.0)


@pytest.fixture
def active() -> ActiveTable:
    return ActiveTable()


@pytest.fixture
def drain() -> Drain:
    return Drain()


@pytest.fixture
def switch(active: ActiveTable, drain: Drain) -> BuiltinSwitch:
    return BuiltinSwitch(active, RULES, drain, random.Random(1).randrange)


def weights(active: ActiveTable, host: str) -> list[tuple[str, int]]:
    route = active.current.match(host, "/")
    assert route is not None
    return [(arm.stack, arm.weight) for arm in route.arms]


class TestStart:
    def test_publishes_routes_without_stacks(self, switch: BuiltinSwitch, active: ActiveTable) -> None:
        """
        Before the first shift the routes are known, and nobody serves them.
        """
        assert weights(active, "any.org") == weights(active, "blog.org") == []

    async def test_has_no_split_of_an_app(self, switch: TrafficSwitch) -> None:
        """
        Before the first shift there is nothing to read.
        """
        assert await switch.read("shop") == (None, 0)

    def test_refuses_rules_that_cannot_be_served(self, active: ActiveTable, drain: Drain) -> None:
        """
        A mistake in the rules is said before anything is published.
        """
        with pytest.raises(OperatorError, match="has the same host and path"):
            BuiltinSwitch(active, [RULES[0], RULES[0]], drain, random.Random(1).randrange)

        assert active.current.routes == ()


class TestShift:
    async def test_publishes_one_new_table(self, switch: BuiltinSwitch, active: ActiveTable) -> None:
        """
        The next request sees the split, in a table one version on.
        """
        before = active.current.version

        version = await switch.shift("shop", split(), expected=0)

        assert version == active.current.version == before + 1
        assert weights(active, "any.org") == [("shop-r1", 9_500), ("shop-r2", 500)]

    async def test_is_read_back(self, switch: BuiltinSwitch) -> None:
        """
        What was shifted is what is current.
        """
        version = await switch.shift("shop", split(), expected=0)

        assert await switch.read("shop") == (split(), version)

    async def test_leaves_other_apps_as_they_are(self, switch: BuiltinSwitch, active: ActiveTable) -> None:
        """
        A shift of one app keeps the routes of another, their blocks and their version.
        """
        version = await switch.shift("blog", split("blog"), expected=0)
        route = active.current.match("blog.org", "/")
        await switch.shift("shop", split(), expected=0)

        assert active.current.match("blog.org", "/") is route
        assert await switch.read("blog") == (split("blog"), version)
        await switch.shift("blog", split("blog", 2_500), expected=version)

    async def test_refuses_a_stale_version(self, switch: BuiltinSwitch, active: ActiveTable) -> None:
        """
        Who has not seen the last shift changes nothing.
        """
        version = await switch.shift("shop", split(), expected=0)
        table = active.current

        with pytest.raises(StaleVersionError, match=f"app shop: its routes are of version {version}, not 0"):
            await switch.shift("shop", split(shadow_bp=2_500), expected=0)

        assert active.current is table

    async def test_that_cannot_be_served_changes_nothing(self, switch: BuiltinSwitch, active: ActiveTable) -> None:
        """
        A stack without the routed service is refused, and what was current stays so.
        """
        version = await switch.shift("shop", split(), expected=0)
        table = active.current
        other = Stack(StackId("shop-r3"), "shop", 3, {})

        with pytest.raises(OperatorError, match="stack shop-r3 has no endpoint for web:80; it answers for nothing"):
            await switch.shift("shop", Split(stack("shop", 1), other, 500), expected=version)

        assert active.current is table
        assert await switch.read("shop") == (split(), version)

    async def test_refuses_an_app_without_routes(self, switch: BuiltinSwitch) -> None:
        """
        An app that no route names is not known.
        """
        with pytest.raises(NotFoundError, match="app cart has no routes; apps with routes: blog, shop"):
            await switch.shift("cart", split(), expected=0)
        with pytest.raises(NotFoundError, match="app cart"):
            await switch.read("cart")


class TestDrain:
    async def test_is_the_data_planes(self, switch: BuiltinSwitch, drain: Drain) -> None:
        """
        The data plane waits for what it has in flight, and says how that ended.
        """
        await switch.shift("shop", Split(stack("shop", 1)), expected=0)

        assert await switch.drain("shop", StackId("shop-r2"), LIMITS) == Drained(left=0, waited_s=0.0)
        assert drain.asked == [("shop-r2", LIMITS)]

    async def test_may_be_of_an_arm_without_weight(self, switch: BuiltinSwitch, drain: Drain) -> None:
        """
        A stack that the table keeps as a fallback takes no new requests, so it can be drained.
        """
        await switch.shift("shop", split(shadow_bp=10_000), expected=0)
        await switch.drain("shop", StackId("shop-r1"), LIMITS)

        assert drain.asked == [("shop-r1", LIMITS)]

    async def test_is_refused_while_the_stack_serves(self, switch: BuiltinSwitch, drain: Drain) -> None:
        """
        To drain what still gets new requests would cut them at the deadline.
        """
        await switch.shift("shop", split(), expected=0)

        with pytest.raises(OperatorError, match="route / of app shop still sends requests to shop-r2; shift"):
            await switch.drain("shop", StackId("shop-r2"), LIMITS)

        assert drain.asked == []
