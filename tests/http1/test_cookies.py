"""Cookies by their name, and the line that sets one."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from splitter.http1.cookies import cookie, is_cookie_name, set_cookie

VALUE = "0123456789abcdef"


def fields(*cookies: str) -> bytes:
    """Return the field lines of a request with a line for each of `cookies`."""
    lines = ["Host: shop", *(f"Cookie: {each}" for each in cookies), "Accept: */*"]
    return "".join(f"{line}\r\n" for line in lines).encode()


class TestCookie:
    @pytest.mark.parametrize(
        "line",
        [
            f"splitter={VALUE}",
            f"a=1; splitter={VALUE}; b=2",
            f"a=1;splitter={VALUE};b=2",
            f'splitter="{VALUE}"',
            f"xsplitter=no; splitter={VALUE}",
            f"splitter=; splitter={VALUE}",
            f"  splitter={VALUE}  ",
        ],
    )
    def test_is_found_among_others(self, line: str) -> None:
        """
        Wherever it stands in the line, quoted or not, its value is found.
        """
        assert cookie(fields(line), b"splitter") == VALUE.encode()

    def test_may_stand_in_a_second_line(self) -> None:
        """
        Cookies that came over HTTP/2 are split into lines.
        """
        assert cookie(fields("a=1", f"splitter={VALUE}"), b"splitter") == VALUE.encode()

    @pytest.mark.parametrize(
        "line",
        ["a=1", "splitter", "splitter=", 'splitter=""', "Splitter=x", "a=splitter=x", "xsplitter=x", "splitter=a,b"],
    )
    def test_is_empty_where_there_is_none(self, line: str) -> None:
        """
        Another name, another case, no value, or a value that no cookie can have is no cookie.
        """
        assert cookie(fields(line), b"splitter") == b""

    def test_is_empty_in_other_fields(self) -> None:
        """
        Only the field Cookie holds cookies.
        """
        assert cookie(b"X-Cookie: splitter=x\r\nReferer: splitter=x\r\n", b"splitter") == b""

    @given(value=st.text(st.characters(min_codepoint=33, max_codepoint=126, exclude_characters='",;\\'), min_size=1))
    def test_that_is_set_is_read_back(self, value: str) -> None:
        """
        What a line sets is what a client sends back.
        """
        line = set_cookie(b"splitter", value.encode(), is_secure=False)
        pair = line.removeprefix(b"Set-Cookie: ").partition(b";")[0].decode()

        assert cookie(fields(pair), b"splitter") == value.encode()


class TestSetCookie:
    def test_is_for_the_whole_host_and_no_script(self) -> None:
        """
        Over TLS the cookie is sent back by nothing else.
        """
        line = b"Set-Cookie: splitter=k; Path=/; HttpOnly; SameSite=Lax"

        assert line + b"\r\n" == set_cookie(b"splitter", b"k", is_secure=False)
        assert line + b"; Secure\r\n" == set_cookie(b"splitter", b"k", is_secure=True)

    def test_has_a_name_that_is_a_token(self) -> None:
        """
        A name with a separator would end too soon.
        """
        assert is_cookie_name("splitter-2_x")
        assert not any(is_cookie_name(name) for name in ("", "a b", "a;b", "a=b", "ä"))
