"""The route table and the draw between two stacks."""

import random
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from fractions import Fraction
from ipaddress import ip_network
from itertools import accumulate, count, takewhile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from splitter.errors import OperatorError
from splitter.limits import WEIGHT_TOTAL
from splitter.model import Endpoint, Mirroring, ServicePort, Side, Split, Stack, StackId, Sticky, StickyBy
from splitter.routing import (
    ActiveTable,
    AllowedTesters,
    Cells,
    Choice,
    RandomBelow,
    Route,
    RouteRule,
    RouteTable,
    build_table,
)

WEB = ServicePort("web", 8000)
ROOT = RouteRule(app="shop", host="", path="/", service="web", port=8000)

weights = st.integers(0, WEIGHT_TOTAL) | st.sampled_from([1, 100, 500, 3750, 4999, 5000, 5001, 9900, 9999])
seeds = st.integers(0, 2**32)


def stack(revision: int, app: str = "shop") -> Stack:
    return Stack(StackId(f"{app}-r{revision}"), app, revision, {WEB: (Endpoint("127.0.0.1", 9000 + revision),)})


def split(shadow_bp: int) -> Split:
    return Split(live=stack(1), shadow=stack(2), shadow_bp=shadow_bp)


def dice(seed: int) -> RandomBelow:
    return random.Random(seed).randrange


def route(shadow_bp: int, seed: int = 1) -> Route:
    return Route(ROOT, split(shadow_bp), dice(seed))


def choose(route: Route, times: int) -> list[Choice]:
    choices = [route.choose() for _ in range(times)]
    return [choice for choice in choices if choice is not None]


def is_shadow(choice: Choice) -> bool:
    return choice.arm.side is Side.SHADOW


def table(*rules: RouteRule) -> RouteTable:
    return build_table(1, rules, {}, dice(1))


def rule(host: str = "", path: str = "/", app: str = "shop") -> RouteRule:
    return RouteRule(app, host, path, "web", 8000)


class Scripted:
    """Dice that follow a script, and know how likely it was; a number beyond the script's end asks for more of it."""

    class TooShortError(Exception):
        def __init__(self, faces: int) -> None:
            self.faces = faces

    def __init__(self, script: Sequence[int]) -> None:
        self._script = iter(script)
        self.chance = Fraction(1)

    def __call__(self, faces: int) -> int:
        value = next(self._script, None)
        if value is None:
            raise Scripted.TooShortError(faces)
        self.chance /= faces
        return value


def every_pick(mass: int, total: int, requests: int) -> Iterator[tuple[Fraction, frozenset[int]]]:
    """Yield every way in which `Cells` can pick among the first `requests`, with its exact chance."""
    scripts: list[tuple[int, ...]] = [()]
    while scripts:
        script = scripts.pop()
        scripted = Scripted(script)
        cells = Cells(mass, total, scripted)
        picked, start = set[int](), 0
        try:
            while start < requests:
                length, pick = cells.draw()
                picked.add(start + pick)
                start += length
        except Scripted.TooShortError as end:
            scripts += [(*script, value) for value in range(end.faces)]
        else:
            yield scripted.chance, frozenset(number for number in picked if number < requests)


def picks_piece_by_piece(mass: int, total: int, random_below: RandomBelow) -> Iterator[int]:
    """Yield the numbers of the picked requests: the clear version of `Cells`, with a list of who owns each piece."""
    picked = -1
    for start in count(0, total):
        owners = [piece // mass for piece in range(start, start + total)]
        head = owners.count(owners[0]) if start % mass else 0  # pieces of the request across the left border
        if head and owners[0] != picked and random_below(total - (mass - head)) < head:
            picked = owners[0]
        else:
            picked = owners[head + (random_below(total - head) if total - head > mass else 0)]
        yield picked


class TestCells:
    @pytest.mark.parametrize(("mass", "total"), [(1, 1), (1, 3), (2, 3), (2, 5), (3, 5), (4, 5), (3, 7), (5, 8)])
    def test_picks_each_request_with_the_same_chance(self, mass: int, total: int) -> None:
        """
        Over all outcomes of the dice, each request is picked with the chance mass/total, exactly: whatever repeats in
        the traffic, with any period, is shared out by weight.
        """
        chances = Counter[int]()
        for chance, picked in every_pick(mass, total, requests=6):
            for number in picked:
                chances[number] += chance  # type: ignore[assignment]  # a Counter of fractions

        assert dict.fromkeys(range(6), Fraction(mass, total)) == dict(chances)

    @pytest.mark.parametrize(("mass", "total"), [(2, 3), (2, 5), (3, 7), (4, 5)])
    def test_picks_as_many_as_the_weight_says(self, mass: int, total: int) -> None:
        """
        However the dice fall, the first N requests hold N·mass/total picks, rounded up or down.
        """
        for _, picked in every_pick(mass, total, requests=6):
            for first in range(1, 7):
                picks = sum(number < first for number in picked)

                assert abs(picks - Fraction(first * mass, total)) < 1

    @given(mass=st.integers(1, 60), total=st.integers(1, 60), seed=seeds)
    def test_agrees_with_its_clear_version(self, mass: int, total: int, seed: int) -> None:
        """
        With the same dice, the picks are those of the version that goes from piece to piece.
        """
        mass = min(mass, total)
        expected = list(takewhile(lambda number: number < 200, picks_piece_by_piece(mass, total, dice(seed))))

        cells, picked, start = Cells(mass, total, dice(seed)), [], 0
        while start < 200:
            length, pick = cells.draw()
            picked.append(start + pick)
            start += length

        assert expected == [number for number in picked if number < 200]


class TestShares:
    @given(shadow_bp=weights, seed=seeds, data=st.data())
    def test_are_exact_on_every_window(self, shadow_bp: int, seed: int, data: st.DataObject) -> None:
        """
        On any window of the requests of a route, the shadow's count is its weight's, give or take less than two.
        """
        choices = choose(route(shadow_bp, seed), 600)
        sums = [0, *accumulate(map(is_shadow, choices))]
        start = data.draw(st.integers(0, 599))

        for end in range(start + 1, 601):
            assert abs(sums[end] - sums[start] - (end - start) * shadow_bp / WEIGHT_TOTAL) < 2
            assert abs(sums[end] - end * shadow_bp / WEIGHT_TOTAL) < 1 + 1e-9

    @given(shadow_bp=weights, seed=seeds)
    def test_of_the_control_slice_equal_the_shadows(self, shadow_bp: int, seed: int) -> None:
        """
        The control slice is as large as the shadow's share, and empty above one half, where live has not enough.
        """
        choices = choose(route(shadow_bp, seed), 600)
        control = [*accumulate(choice.control for choice in choices)]
        share = shadow_bp if 2 * shadow_bp <= WEIGHT_TOTAL else 0

        for number, counted in enumerate(control, 1):
            assert abs(counted - number * share / WEIGHT_TOTAL) < 1 + 1e-9

    @pytest.mark.parametrize("shadow_bp", [1, 100, 500, 2500, 5000])
    def test_hold_in_every_block(self, shadow_bp: int) -> None:
        """
        A weight that divides the total gives each block of 1/weight requests one for the shadow and one for control.
        """
        length = WEIGHT_TOTAL // shadow_bp
        dealt = route(shadow_bp)

        for _ in range(5):
            block = choose(dealt, length)
            assert (sum(map(is_shadow, block)), sum(choice.control for choice in block)) == (1, 1)

    @pytest.mark.parametrize("shadow_bp", [0, WEIGHT_TOTAL])
    def test_of_nothing_and_everything_need_no_dice(self, shadow_bp: int) -> None:
        """
        A shadow without weight gets nothing, a shadow with all of it gets everything.
        """
        dealt = Route(ROOT, split(shadow_bp), Scripted(()))

        assert {bool(shadow_bp)} == {is_shadow(choice) for choice in choose(dealt, 50)}


class TestChance:
    def test_spreads_the_shadow_over_all_positions(self) -> None:
        """
        In blocks of ten, each position is the shadow's and the control slice's about equally often.
        """
        dealt = route(1000, seed=7)
        shadow, control = Counter[int](), Counter[int]()
        for _ in range(5000):
            for position, choice in enumerate(choose(dealt, 10)):
                shadow[position] += is_shadow(choice)
                control[position] += choice.control

        for position in range(10):
            assert abs(shadow[position] - 500) < 5 * 500**0.5
            assert abs(control[position] - 500) < 5 * 500**0.5

    @pytest.mark.parametrize("shadow_bp", [500, 617, 3750, 4000, 5000, 6000, 9900])
    @pytest.mark.parametrize("period", [2, 3, 5, 8, 20])
    def test_is_not_met_by_a_rhythm_of_the_clients(self, shadow_bp: int, period: int) -> None:
        """
        Every n-th request goes to the shadow as often as its neighbours, however the weight divides.
        """
        dealt = route(shadow_bp, seed=period)
        counts = Counter[int]()
        for number, choice in enumerate(choose(dealt, period * 2000)):
            counts[number % period] += is_shadow(choice)

        share = shadow_bp / WEIGHT_TOTAL
        for phase in range(period):
            assert abs(counts[phase] - 2000 * share) < 5 * (2000 * share * (1 - share)) ** 0.5 + 5


class TestChoice:
    def test_names_live_as_the_fallback_of_the_shadow(self) -> None:
        """
        What the shadow fails may be served by live; for live there is nobody else.
        """
        for choice in choose(route(5000), 20):
            expected = StackId("shop-r1") if is_shadow(choice) else None

            assert expected == (choice.fallback.stack if choice.fallback else None)

    def test_counts_into_control_only_what_live_serves(self) -> None:
        """
        The control slice is a part of live.
        """
        assert not any(choice.control and is_shadow(choice) for choice in choose(route(5000), 100))

    def test_is_the_same_object_again(self) -> None:
        """
        Choices are made once per route, so a request makes none.
        """
        assert len({id(choice) for choice in choose(route(500), 500)}) == 3

    def test_leads_to_the_endpoints_of_the_routes_service(self) -> None:
        """
        An arm answers at the endpoints of the service port that the route names.
        """
        [live] = {choice.arm for choice in choose(route(0), 5)}

        assert live.endpoints == (Endpoint("127.0.0.1", 9001),)

    def test_is_none_for_an_app_without_a_stack(self) -> None:
        """
        A route whose app has no split yet has nobody to choose.
        """
        assert Route(ROOT, None, dice(1)).choose() is None


class TestSticky:
    @given(client=st.binary(min_size=1, max_size=40), low=weights, high=weights)
    def test_client_stays_with_the_shadow_while_the_weight_rises(self, client: bytes, low: int, high: int) -> None:
        """
        A higher weight only adds clients: whoever was the shadow's still is, and its control slice was live's.
        """
        low, high = sorted((low, high))

        before, after = (route(weight).choose_for(client) for weight in (low, high))

        assert before is not None
        assert after is not None
        assert is_shadow(after) or not is_shadow(before)

    @given(client=st.binary(min_size=1, max_size=40), weight=weights)
    def test_client_meets_the_same_stack_again(self, client: bytes, weight: int) -> None:
        """
        Another route of the app, or the same one after a restart, sends the client to the same stack.
        """
        first, second = (route(weight, seed).choose_for(client) for seed in (1, 2))

        assert first is not None
        assert second is not None
        assert (first.arm.stack, first.control) == (second.arm.stack, second.control)

    @pytest.mark.parametrize("shadow_bp", [1, 100, 500, 1000, 3750, 5000, 6000, 9900])
    def test_numbers_in_a_row_are_shared_by_weight(self, shadow_bp: int) -> None:
        """
        Of clients 1 to 20,000 the shadow has its share, and the control slice as many where there is room for it.
        """
        dealt = route(shadow_bp)
        choices = [dealt.choose_for(str(number).encode()) for number in range(1, 20_001)]

        share = shadow_bp / WEIGHT_TOTAL
        slack = 4 * (20_000 * share * (1 - share)) ** 0.5
        assert abs(sum(is_shadow(choice) for choice in choices if choice) - 20_000 * share) <= slack
        controls = sum(choice.control for choice in choices if choice)
        assert controls == 0 if share > 0.5 else abs(controls - 20_000 * share) <= slack

    @pytest.mark.parametrize("weight", [0, WEIGHT_TOTAL])
    def test_nobody_sticks_to_a_stack_that_serves_no_more(self, weight: int) -> None:
        """
        After a rollback every client is live's, after a promotion every client is the shadow's.
        """
        dealt = route(weight)

        chosen = {choice.arm.side for number in range(200) if (choice := dealt.choose_for(b"%d" % number))}

        assert chosen == {Side.SHADOW if weight else Side.LIVE}

    def test_rollouts_split_off_clients_independently(self) -> None:
        """
        Of the clients of one rollout's shadow, the next one has its usual share.
        """
        salts = [Route(ROOT, replace(split(2000), salt=salt), dice(1)) for salt in ("shop-2", "shop-3")]
        shadows = [
            {number for number in range(10_000) if (choice := dealt.choose_for(b"%d" % number)) and is_shadow(choice)}
            for dealt in salts
        ]

        assert abs(len(shadows[0] & shadows[1]) - 400) < 80

    def test_is_asked_for_only_where_there_is_a_choice(self) -> None:
        """
        A split that sticks asks who the client is; one that gives all to one side does not.
        """
        sticky = Sticky(StickyBy.ADDRESS)

        assert Route(ROOT, replace(split(500), sticky=sticky), dice(1)).asks
        assert not Route(ROOT, replace(split(0), sticky=sticky), dice(1)).asks
        assert not Route(ROOT, split(500), dice(1)).asks
        assert Route(ROOT, None, dice(1)).choose_for(b"ann") is None


class TestTesters:
    TESTERS = AllowedTesters("X-Stack", "stack", (ip_network("10.0.0.0/8"), ip_network("::1")))

    @pytest.mark.parametrize("name", ["shadow", "shop-r2"])
    def test_name_a_stack_by_its_role_or_its_id(self, name: str) -> None:
        """
        A tester gets the stack it names, also while that has no share; nobody takes over, and it is no sample.
        """
        choice = Route(replace(ROOT, testers=self.TESTERS), split(0), dice(1)).choose_named(name)

        assert choice is not None
        assert choice.arm.stack == "shop-r2"
        assert choice.fallback is None
        assert not choice.is_sample

    def test_cannot_name_who_is_not_there(self) -> None:
        """
        A name that no stack of the route has leads to nobody, as all names do where nobody may name any.
        """
        assert Route(replace(ROOT, testers=self.TESTERS), split(0), dice(1)).choose_named("shop-r9") is None
        assert route(500).choose_named("shadow") is None


class TestMirroring:
    MIRRORING = Mirroring(1000, frozenset({b"GET", b"HEAD"}))

    def test_copies_its_share_of_its_methods(self) -> None:
        """
        One of ten requests with a method that is copied goes to the shadow as well, whatever its own share is.
        """
        dealt = Route(ROOT, replace(split(0), mirroring=self.MIRRORING), dice(1))

        copied = [arm.side for _ in range(10_000) if (arm := dealt.draw_copy(b"GET"))]

        assert abs(len(copied) - 1000) < 4 * 900**0.5
        assert set(copied) == {Side.SHADOW}
        assert not any(dealt.draw_copy(b"POST") for _ in range(1000))

    def test_has_nothing_to_do_with_who_serves(self) -> None:
        """
        Of the requests that the shadow serves as many are copied as of those that live serves.
        """
        dealt = Route(ROOT, replace(split(5000), mirroring=Mirroring(5000, frozenset({b"GET"}))), dice(1))

        both = Counter((is_shadow(choice), dealt.draw_copy(b"GET") is not None) for choice in choose(dealt, 4000))

        assert all(abs(count - 1000) < 120 for count in both.values())

    def test_copies_nothing_without_a_shadow(self) -> None:
        """
        An app without a rollout copies nothing.
        """
        assert route(500).draw_copy(b"GET") is None
        assert Route(ROOT, Split(stack(1), mirroring=self.MIRRORING), dice(1)).draw_copy(b"GET") is None


class TestMatch:
    @pytest.mark.parametrize(
        ("host", "path", "expected"),
        [
            ("example.org", "/", "exact"),
            ("EXAMPLE.org:8443", "/x", "exact"),
            ("example.org.", "/", "exact"),
            ("www.example.org", "/", "wild"),
            ("a.b.example.org:80", "/", "wild"),
            ("a.deep.example.org", "/", "deep"),
            ("notexample.org", "/", "any"),
            ("[::1]:8080", "/", "any"),
            ("", "/", "any"),
        ],
    )
    def test_prefers_the_most_specific_host(self, host: str, path: str, expected: str) -> None:
        """
        A name beats wildcards, a longer wildcard a shorter one, each of them any host; case and port do not matter.
        """
        found = table(
            rule(app="any"),
            rule("*.example.org", app="wild"),
            rule("example.org", app="exact"),
            rule("*.deep.example.org", app="deep"),
        ).match(host, path)

        assert found is not None
        assert found.app == expected

    @pytest.mark.parametrize(
        ("path", "expected"),
        [
            ("/", "root"),
            ("/apix", "root"),
            ("/api", "api"),
            ("/api/", "api"),
            ("/api/x", "api"),
            ("/api/v2", "v2"),
            ("/api/v2/x", "v2"),
            ("/api/v20", "api"),
            ("/API", "root"),
            ("*", "root"),
        ],
    )
    def test_prefers_the_longest_path_on_segment_borders(self, path: str, expected: str) -> None:
        """
        A prefix fits whole segments only, the longest that fits wins, and the root fits everything.
        """
        found = table(rule(path="/", app="root"), rule(path="/api/", app="api"), rule(path="/api/v2", app="v2")).match(
            "example.org", path
        )

        assert found is not None
        assert found.app == expected

    def test_falls_back_to_a_wider_host_when_no_path_fits(self) -> None:
        """
        A route for any host serves the paths that the routes of a named host leave over.
        """
        routes = table(rule("example.org", "/api", app="named"), rule("*.org", "/w", app="wild"), rule(app="any"))

        expected = ["named", "wild", "any"]
        found = [routes.match("example.org", path) for path in ("/api", "/w", "/x")]

        assert expected == [route.app if route else None for route in found]

    def test_is_none_when_nothing_fits(self) -> None:
        """
        A request that no route fits has none.
        """
        assert table(rule("example.org", "/api")).match("example.org", "/") is None
        assert table(rule("[::1]")).match("[::2]:80", "/") is None
        assert table(rule("[::1]")).match("[::1]:80", "/") is not None


class TestBuildTable:
    @pytest.mark.parametrize("host", ["*", "*.", "a*.org", "*.*.org", "example.org:80", "a/b", "user@host", " "])
    def test_refuses_a_host_that_cannot_be_matched(self, host: str) -> None:
        """
        A host is a name, `*.` and a name, or nothing.
        """
        with pytest.raises(OperatorError, match=r"route .* of app shop: host .* cannot be matched; write a name"):
            table(rule(host))

    @pytest.mark.parametrize("path", ["", "api", "/a?b", "/a#b", "/*", "/a b", "/a\n"])
    def test_refuses_a_path_that_cannot_be_matched(self, path: str) -> None:
        """
        A path is a prefix that begins with a slash.
        """
        with pytest.raises(OperatorError, match="cannot be matched; write a prefix such as / or /api"):
            table(rule(path=path))

    def test_refuses_two_routes_for_the_same_requests(self) -> None:
        """
        Two rules that fit the same requests have no order between them.
        """
        with pytest.raises(OperatorError, match=r"route A.org/api/ of app b: route a.org/api of app a has the same"):
            table(rule("a.org", "/api", app="a"), rule("A.org", "/api/", app="b"))

    def test_refuses_a_stack_without_the_routes_service(self) -> None:
        """
        A shadow that lacks a routed service is named, with what it has.
        """
        other = RouteRule("shop", "", "/", "api", 80)

        with pytest.raises(OperatorError, match=r"stack shop-r1 has no endpoint for api:80; it answers for web:8000"):
            build_table(1, [other], {"shop": split(500)}, dice(1))

    @pytest.mark.parametrize("share", [-1, WEIGHT_TOTAL + 1])
    def test_refuses_a_share_beyond_the_whole(self, share: int) -> None:
        """
        Weights sum to the total, so a share lies between nothing and all.
        """
        with pytest.raises(OperatorError, match=rf"the shadow's share is {share} bp; it must be 0 to 10000"):
            build_table(1, [ROOT], {"shop": split(share)}, dice(1))

    def test_refuses_a_share_for_nobody(self) -> None:
        """
        A share needs a shadow.
        """
        with pytest.raises(OperatorError, match="is for a shadow, and there is none"):
            build_table(1, [ROOT], {"shop": Split(stack(1), None, 500)}, dice(1))

    def test_keeps_the_block_of_an_unchanged_route(self) -> None:
        """
        A publish for another app leaves the share of this one exact.
        """
        rules = [ROOT, rule("other.org", app="other")]
        first = build_table(1, rules, {"shop": split(500)}, dice(1))
        second = build_table(2, rules, {"shop": split(500), "other": Split(stack(1, "other"))}, dice(1), first)

        assert second.routes[0] is first.routes[0]
        assert second.routes[1] is not first.routes[1]

    def test_deals_anew_when_the_split_changed(self) -> None:
        """
        A route with other weights is another route.
        """
        first = build_table(1, [ROOT], {"shop": split(500)}, dice(1))
        second = build_table(2, [ROOT], {"shop": split(2500)}, dice(1), first)

        assert [arm.weight for arm in second.routes[0].arms] == [7500, 2500]
        assert [arm.weight for arm in first.routes[0].arms] == [9500, 500]


class TestActiveTable:
    def test_starts_with_no_routes(self) -> None:
        """
        Before the first publish there is a table, and it fits nothing.
        """
        assert ActiveTable().current.match("example.org", "/") is None

    def test_holds_what_was_published(self) -> None:
        """
        A published table is the current one.
        """
        active, published = ActiveTable(), table(ROOT)

        active.publish(published)

        assert active.current is published

    def test_never_goes_back(self) -> None:
        """
        A table that is not newer than the current one is a mistake of ours.
        """
        active = ActiveTable(table(ROOT))

        with pytest.raises(AssertionError, match="versions only grow"):
            active.publish(table(ROOT))
