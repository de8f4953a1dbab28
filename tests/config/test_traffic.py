"""The sections that say which requests go where."""

from ipaddress import ip_network

import pytest

from splitter.model import Sticky, StickyBy
from splitter.rollout.options import MirrorOptions
from splitter.routing import AllowedTesters, RouteRule
from tests.config.documents import mistakes, read, with_app


class TestSticky:
    @pytest.mark.parametrize(
        ("written", "expected"),
        [
            ("{cookie: splitter}", Sticky(StickyBy.COOKIE, "splitter")),
            ("{header: X-User, address: false}", Sticky(StickyBy.HEADER, "X-User")),
            ("{address: true}", Sticky(StickyBy.ADDRESS)),
            ("null", None),
        ],
    )
    def test_is_by_one_of_three(self, written: str, expected: Sticky | None) -> None:
        """
        A cookie, a header or the address tells clients apart; by default nothing does.
        """
        assert read(with_app(f"rollout: {{sticky: {written}}}")).apps["shop"].rollout.sticky == expected

    @pytest.mark.parametrize(
        ("written", "complaint"),
        [
            ("{}", "apps.shop.rollout.sticky: says not what tells clients apart; write one of cookie: splitter"),
            ("{address: false}", "apps.shop.rollout.sticky: says not what tells clients apart; write one of"),
            (
                "{cookie: a, header: X-B}",
                "apps.shop.rollout.sticky: cookie and header cannot both tell clients apart; write one of",
            ),
            ("{cookie: 'a b'}", "sticky.cookie: the name 'a b' cannot be a cookie's; write letters"),
            ("{header: 'X:'}", "sticky.header: the name 'X:' cannot be a header's; write letters, digits and dashes"),
            ("{header: Host}", "sticky.header: the header Host frames or routes a message; write one of your own"),
            ("{cokie: a}", "unknown"),
        ],
    )
    def test_is_refused_where_it_does_not_say_which(self, written: str, complaint: str) -> None:
        """
        Two ways at once, none at all, or a name that cannot be one are refused with what to write.
        """
        [found] = mistakes(with_app(f"rollout: {{sticky: {written}}}"))[:1]

        assert complaint in found


class TestMirror:
    @pytest.mark.parametrize(
        ("written", "expected"),
        [
            ("{}", MirrorOptions()),
            (
                "{share: 25%, methods: [GET, PUT], for: 2m, isolated: true}",
                MirrorOptions(share_bp=2_500, methods=("GET", "PUT"), for_s=120.0, isolated=True),
            ),
            ("null", None),
        ],
    )
    def test_says_what_is_copied(self, written: str, expected: MirrorOptions | None) -> None:
        """
        An empty section mirrors by the defaults, none does not mirror.
        """
        assert read(with_app(f"rollout: {{mirror: {written}}}")).apps["shop"].rollout.mirror == expected

    @pytest.mark.parametrize(
        ("written", "complaint"),
        [
            ("{share: 0%}", "rollout.mirror.share: 0% copies nothing that there is; write 0.01% to 100%"),
            ("{methods: []}", "apps.shop.rollout.mirror.methods: "),
            ("{methods: [get]}", "mirror.methods[0]: 'get' is no method that can be copied; write for example GET"),
            ("{methods: [CONNECT]}", "mirror.methods[0]: 'CONNECT' is no method that can be copied"),
            ("{methods: [GET, POST]}", "mirror.methods[1]: POST would be done twice; leave it out, or write isolated"),
            ("{for: 0s}", "apps.shop.rollout.mirror.for: "),
            ("{four: 1s}", "apps.shop.rollout.mirror: unknown key 'four'; did you mean 'for'?"),
        ],
    )
    def test_is_refused_where_it_would_do_harm_or_nothing(self, written: str, complaint: str) -> None:
        """
        The mistake stands at its option.
        """
        assert complaint in mistakes(with_app(f"rollout: {{mirror: {written}}}"))[0]


class TestTesters:
    def test_may_name_a_stack_on_every_route_of_the_app(self) -> None:
        """
        Networks are written as such or as single addresses; header and cookie have names by default.
        """
        text = with_app("""
            testers: {networks: [10.0.0.0/8, '::1'], cookie: null}
            served_by: X-Served-By
            """)

        testers = AllowedTesters("X-Splitter-Stack", "", (ip_network("10.0.0.0/8"), ip_network("::1/128")))
        expected = RouteRule("shop", "", "/", "web", 8000, testers, "X-Served-By")
        assert read(text).apps["shop"].routes == (expected,)

    @pytest.mark.parametrize(
        ("written", "complaint"),
        [
            ("testers: {}", "apps.shop.testers.networks: "),
            ("testers: {networks: []}", "apps.shop.testers.networks: "),
            ("testers: {networks: [10.0.0.1/8]}", "testers.networks[0]: '10.0.0.1/8' is no network"),
            ("testers: {networks: '::1', header: null, cookie: null}", "leaves testers no way to name a stack; write"),
            ("testers: {networks: '::1', header: Upgrade}", "the header Upgrade frames or routes a message"),
            ("served_by: 'a b'", "apps.shop.served_by: the name 'a b' cannot be a header's"),
        ],
    )
    def test_are_refused_where_nobody_could_be_one(self, written: str, complaint: str) -> None:
        """
        Nowhere to connect from, or no way to name a stack, is a mistake and not a rule for nobody.
        """
        assert complaint in mistakes(with_app(written))[0]
