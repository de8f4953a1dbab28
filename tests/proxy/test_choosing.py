"""Clients that stick to a stack, and testers who name one, on the wire."""

import re
from dataclasses import replace
from ipaddress import ip_network
from pathlib import Path

import pytest

from splitter.model import Split, Sticky, StickyBy
from splitter.routing import AllowedTesters
from tests.proxy.rig import LIVE, SHADOW, Origin, Rig, hangs, resets, serves, until, within
from tests.proxy.test_entrance import connect, secured

FROM_LIVE = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nlive"
FROM_SHADOW = b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nshadow"
COOKIE = Sticky(StickyBy.COOKIE, "splitter")
TESTERS = AllowedTesters("X-Stack", "stack", (ip_network("127.0.0.0/8"),))


def get(*fields: str) -> bytes:
    """Return a request with these fields."""
    return "".join(f"{line}\r\n" for line in ("GET / HTTP/1.1", "Host: shop", *fields, "")).encode()


def who(answer: bytes) -> str:
    """Return who has answered."""
    return answer.rpartition(b"\r\n\r\n")[2].decode()


def key(answer: bytes) -> str:
    """Return the cookie that an answer sets; empty where it sets none."""
    found = re.search(rb"\r\nSet-Cookie: splitter=([0-9a-f]{32}); Path=/; HttpOnly; SameSite=Lax\r\n", answer)
    assert (found is not None) == (b"set-cookie" in answer.lower())
    return found[1].decode() if found else ""


async def split(rig: Rig, shadow_bp: int, sticky: Sticky | None = None) -> tuple[Origin, Origin]:
    """Start both stacks and split the traffic."""
    origins = await rig.origin(serves(FROM_LIVE)), await rig.origin(serves(FROM_SHADOW))
    stacks = [rig.stack(number, origin) for number, origin in enumerate(origins, 1)]
    await rig.start(Split(stacks[0], stacks[1], shadow_bp, "shop-2", sticky))
    return origins


class TestCookie:
    async def test_is_given_to_who_has_none_and_leads_to_the_same_stack_again(self, rig: Rig) -> None:
        """
        The stack that serves a client's first request serves all that come with the cookie it was given.
        """
        await split(rig, 5000, COOKIE)
        for _ in range(8):
            first = await rig.get()

            assert key(first)
            for _ in range(3):
                again = await rig.get(get(f"Cookie: a=1; splitter={key(first)}"))

                assert who(first) == who(again)
                assert key(again) == ""

    async def test_is_given_with_a_tunnel_too(self, rig: Rig) -> None:
        """
        A client whose first request opens a WebSocket gets its cookie with the 101.
        """
        agree = b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
        origins = [await rig.origin(serves(agree)) for _ in range(2)]
        stacks = [rig.stack(number, origin) for number, origin in enumerate(origins, 1)]
        await rig.start(Split(stacks[0], stacks[1], 5000, "shop-2", COOKIE))

        assert key(await rig.get(get("Connection: Upgrade", "Upgrade: websocket")))

    async def test_is_not_set_while_one_side_has_everything(self, rig: Rig) -> None:
        """
        Without a split there is nothing to remember; a cookie of an earlier one leads nowhere else.
        """
        await split(rig, 0, COOKIE)

        for request in (get(), get("Cookie: splitter=0123")):
            answer = await rig.get(request)
            assert (who(answer), key(answer)) == ("live", "")

    async def test_client_is_not_sent_back_while_the_weight_rises(self, rig: Rig) -> None:
        """
        Whoever the shadow served at 20 % it serves at 60 %, and after a rollback live serves everybody.
        """
        await split(rig, 2000, COOKIE)
        requests = [get(f"Cookie: splitter=client-{number}") for number in range(40)]
        before = [who(await rig.get(request)) for request in requests]
        assert rig.split is not None

        rig.publish(replace(rig.split, shadow_bp=6000))

        after = [who(await rig.get(request)) for request in requests]
        assert before.count("shadow") < after.count("shadow") < 40
        assert all(now == "shadow" for was, now in zip(before, after, strict=True) if was == "shadow")
        rig.publish(Split(rig.split.live))
        assert {who(await rig.get(request)) for request in requests} == {"live"}

    async def test_tells_clients_apart_for_the_count_of_errors(self, rig: Rig) -> None:
        """
        Errors of one cookie count once, those of two cookies behind one address twice.
        """
        origin = await rig.origin(serves(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"))
        await rig.start(Split(rig.stack(1, origin), rig.stack(2, origin), 1, "shop-2", COOKIE))

        for name in ("ann", "ann", "bob"):
            await rig.get(get(f"Cookie: splitter={name}"))

        assert rig.window(LIVE).counts.e4 + rig.window(SHADOW).counts.e4 == 3
        assert rig.window(LIVE).counts.e4u + rig.window(SHADOW).counts.e4u == 2

    async def test_of_a_client_by_tls_goes_by_nothing_else(self, rig: Rig, tmp_path: Path) -> None:
        """
        The cookie of a client that speaks TLS is `Secure`.
        """
        secured(rig, tmp_path)
        await split(rig, 5000, COOKIE)
        client = await connect(rig)

        await client.send(get())

        assert b"; Path=/; HttpOnly; SameSite=Lax; Secure\r\n" in await client.message()

    @pytest.mark.parametrize(
        ("field", "is_secure"),
        [("X-Forwarded-Proto: https", True), ("Forwarded: proto=https", True), ("X-Forwarded-Proto: http", False)],
    )
    async def test_of_a_client_by_tls_of_a_proxy_in_front_is_secure_too(
        self, rig: Rig, field: str, is_secure: bool
    ) -> None:
        """
        The cookie follows what a trusted proxy says of the client's own connection.
        """
        origins = await rig.origin(serves(FROM_LIVE)), await rig.origin(serves(FROM_SHADOW))
        stacks = [rig.stack(number, origin) for number, origin in enumerate(origins, 1)]
        await rig.start(Split(stacks[0], stacks[1], 5000, "shop-2", COOKIE), trusted_peers=(ip_network("127.0.0.0/8"),))

        answer = await rig.get(get(field))

        assert is_secure == (b"; SameSite=Lax; Secure\r\n" in answer)
        assert b"; SameSite=Lax" in answer

    async def test_of_any_length_is_remembered_in_bounds(self, rig: Rig) -> None:
        """
        The count of errors remembers what tells clients apart, and no more of it than that takes.
        """
        origin = await rig.origin(serves(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"))
        await rig.start(Split(rig.stack(1, origin), rig.stack(2, origin), 1, "shop-2", COOKIE))

        for end in ("a", "a", "b"):
            await rig.get(get(f"Cookie: splitter={'x' * 4000}{end}"))

        recorders = [rig.ledger.recorder(stack) for stack in (LIVE, SHADOW)]
        remembered = {client for recorder in recorders for client, _ in recorder._errors._counted}
        assert len(remembered) == 2
        assert all(isinstance(client, bytes) and len(client) <= 64 for client in remembered)


class TestHeader:
    async def test_keeps_a_user_at_one_stack(self, rig: Rig) -> None:
        """
        Each user meets one stack only, both stacks meet users, and no cookie is set.
        """
        await split(rig, 5000, Sticky(StickyBy.HEADER, "X-User"))
        seen: dict[int, set[str]] = {}
        for number in [*range(20)] * 3:
            answer = await rig.get(get(f"x-user: {number}"))
            seen.setdefault(number, set()).add(who(answer))
            assert key(answer) == ""

        assert all(len(stacks) == 1 for stacks in seen.values())
        assert set[str]().union(*seen.values()) == {"live", "shadow"}

    async def test_requests_without_it_are_drawn(self, rig: Rig) -> None:
        """
        Who says nothing is served by weight, request by request: exactly one of two at one half.
        """
        await split(rig, 5000, Sticky(StickyBy.HEADER, "X-User"))

        answers = [who(await rig.get()) for _ in range(20)]

        assert abs(answers.count("shadow") - 10) <= 1


class TestAddress:
    async def test_keeps_a_client_at_one_stack(self, rig: Rig) -> None:
        """
        All requests of one address meet one stack.
        """
        await split(rig, 5000, Sticky(StickyBy.ADDRESS))

        assert len({who(await rig.get()) for _ in range(10)}) == 1


class TestTesters:
    @pytest.mark.parametrize(
        "field", ["X-Stack: shadow", "x-stack: shop-r2", "Cookie: stack=shadow", "Cookie: stack=shop-r2"]
    )
    async def test_get_the_stack_that_they_name_and_are_no_samples(self, rig: Rig, field: str) -> None:
        """
        A tester is served by the shadow before it has any traffic, and no count of the judge's knows.
        """
        rig.rule = replace(rig.rule, testers=TESTERS)
        await split(rig, 0)

        assert who(await rig.get(get(field))) == "shadow"
        assert rig.outcomes(SHADOW) == {"tested": 1}
        assert rig.window(SHADOW).counts.n == 0
        assert rig.outcomes(LIVE) == {}
        assert rig.gateway.in_flight(SHADOW) == 0

    async def test_see_the_failure_of_the_stack_that_they_name(self, rig: Rig) -> None:
        """
        Live does not take over for a tester's shadow, and the failure counts against nobody.
        """
        rig.rule = replace(rig.rule, testers=TESTERS)
        await rig.both(serves(FROM_LIVE), resets)

        answer = await rig.get(get("X-Stack: shadow"))

        assert answer.startswith(b"HTTP/1.1 502 ")
        assert rig.window(SHADOW).counts.e5 == 0
        assert rig.outcomes(SHADOW) == {"tested": 1}

    @pytest.mark.parametrize("name", ["nobody", "shop-r9", ""])
    async def test_who_name_nobody_are_served_as_all_others(self, rig: Rig, name: str) -> None:
        """
        A name that a rollout has left behind leads to whoever serves, and that is a sample.
        """
        rig.rule = replace(rig.rule, testers=TESTERS)
        await split(rig, 0)

        assert who(await rig.get(get(f"X-Stack: {name}"))) == "live"
        assert rig.outcomes(LIVE) == {"2xx": 1}

    async def test_come_from_their_networks_alone(self, rig: Rig) -> None:
        """
        Whoever else names a stack is served as if nothing had been said.
        """
        rig.rule = replace(rig.rule, testers=replace(TESTERS, networks=(ip_network("10.0.0.0/8"),)))
        await split(rig, 0)

        assert who(await rig.get(get("X-Stack: shadow"))) == "live"
        assert rig.outcomes(SHADOW) == {}

    async def test_are_waited_for_by_a_drain(self, rig: Rig) -> None:
        """
        A tester's request is in flight like any other, and is served by who is left when a drain cuts it.
        """
        rig.rule = replace(rig.rule, testers=TESTERS)
        await rig.both(serves(FROM_LIVE), hangs)
        client = await rig.client()
        await client.send(get("X-Stack: shadow"))
        await until(lambda: rig.gateway.in_flight(SHADOW) == 1)
        assert rig.split is not None

        rig.publish(Split(rig.split.live))
        drained = await rig.gateway.drain(SHADOW, within(0.01))

        assert drained.left == 1
        assert who(await client.message()) == "live"
        assert rig.window(LIVE).counts.n == 0


class TestServedBy:
    async def test_names_the_stack_where_that_is_wanted(self, rig: Rig) -> None:
        """
        The response names who has served, which is not who was chosen where that one failed.
        """
        rig.rule = replace(rig.rule, served_by="X-Served-By")
        await rig.both(serves(FROM_LIVE), resets)

        answer = await rig.get()

        assert b"\r\nX-Served-By: shop-r1\r\n" in answer

    async def test_is_not_said_otherwise(self, rig: Rig) -> None:
        """
        Nobody learns of stacks who was not to.
        """
        await split(rig, 5000)

        assert b"shop-r" not in await rig.get()
