"""The sections that say which requests go where."""

import pytest

from splitter.model import Sticky, StickyBy
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
