"""Checks between sections: addresses, routes, the socket's path."""

import pytest

from tests.config.documents import GOOD, mistakes, read


def listening(*addresses: str, admin: str = "") -> str:
    listeners = "".join(f'  - bind: "{address}"\n' for address in addresses)
    text = GOOD.replace("  - bind: 0.0.0.0:8080\n", listeners)
    return text + (f'admin: {{bind: "{admin}"}}\n' if admin else "")


class TestListener:
    @pytest.mark.parametrize(
        ("first", "second"),
        [
            ("127.0.0.1:80", "127.0.0.1:80"),
            ("0.0.0.0:80", "127.0.0.1:80"),
            ("127.0.0.1:80", "0.0.0.0:80"),
            ("[::]:80", "[::1]:80"),
            ("localhost:80", "localhost:80"),
        ],
    )
    def test_needs_an_address_of_its_own(self, first: str, second: str) -> None:
        """
        Two listeners on one address, or on one and its wildcard, cannot both start.
        """
        bare = second.replace("[::]", "[::]")

        assert mistakes(listening(first, second)) == [f"3:11: listeners[1].bind: {bare} is taken by listeners[0]"]

    @pytest.mark.parametrize(
        ("first", "second"),
        [("127.0.0.1:80", "127.0.0.2:80"), ("0.0.0.0:80", "[::]:80"), ("0.0.0.0:0", "0.0.0.0:0"), ("a:80", "b:80")],
    )
    def test_may_share_a_port(self, first: str, second: str) -> None:
        """
        Other addresses, the other family and free ports do not collide.
        """
        assert len(read(listening(first, second)).listeners) == 2

    def test_does_not_share_with_the_admin_door(self) -> None:
        """
        The API's address is no listener's.
        """
        assert mistakes(listening("127.0.0.1:80", admin="127.0.0.1:80")) == [
            "9:15: admin.bind: 127.0.0.1:80 is taken by listeners[0]"
        ]


class TestRoute:
    def test_of_two_apps_cannot_be_the_same(self) -> None:
        """
        Routes collide over all apps, however host and path are spelt.
        """
        text = """\
            listeners: [{bind: "127.0.0.1:80"}]
            apps:
              one:
                provisioner: process
                template: a
                routes: [{host: Example.org, path: /shop/, service: web}]
              two:
                provisioner: process
                template: a
                routes: [{host: example.org, path: /shop, service: web}]
            """

        assert mistakes(text) == [
            "10:14: apps.two.routes[0]: example.org/shop is taken by apps.one.routes[0]; keep one of them"
        ]

    @pytest.mark.parametrize(
        ("route", "complaint"),
        [
            ("{path: api, service: web}", "path 'api' cannot be matched; write a prefix such as / or /api"),
            ("{path: '/a?b', service: web}", "path '/a?b' cannot be matched; write a prefix such as / or /api"),
            ("{host: 'x:80', service: web}", "host 'x:80' cannot be matched; write a name"),
        ],
    )
    def test_can_be_matched(self, route: str, complaint: str) -> None:
        """
        A route that no request could ever fit is a mistake.
        """
        (found,) = mistakes(GOOD.replace("{path: /, service: web, port: 8000}", route))

        assert found.startswith(f"8:9: apps.shop.routes[0]: {complaint}")


class TestSocket:
    def test_has_a_path_that_the_system_takes(self) -> None:
        """
        A unix socket's path has at most 107 bytes, counted as the absolute path.
        """
        fits = "/" + "s" * 106

        assert str(read(GOOD + f"admin: {{socket: {fits}}}\n").admin.socket) == fits
        assert "has 108 bytes; the system takes 107" in mistakes(GOOD + f"admin: {{socket: {fits}s}}\n")[0]

    def test_is_checked_beside_other_mistakes(self) -> None:
        """
        A mistake elsewhere in the section does not hide it.
        """
        assert len(mistakes(GOOD + f"admin: {{socket: /{'s' * 107}, bnd: x}}\n")) == 2
