"""Heads, fed whole, byte by byte, and with bytes behind them."""

from collections.abc import Callable

import pytest

from splitter.errors import DownstreamError, UpstreamError
from splitter.http1.fields import CHUNKED, UNTIL_CLOSE, HeadLimits
from splitter.http1.head import (
    RequestHead,
    ResponseHead,
    parse_request,
    parse_response,
    request_end,
    response_end,
)
from splitter.limits import FIELD_BYTES_MAX, HEAD_BYTES_MAX, HEAD_FIELDS_MAX, TARGET_BYTES_MAX


def read_by_byte(head: bytes, end_of: Callable[[bytes, int], int]) -> int:
    """Return where the blank line begins, having looked for it after each byte."""
    for count in range(len(head)):
        end = end_of(head[:count], max(0, count - 1))
        assert end == -1, f"ends after {count} bytes"
    return end_of(head, max(0, len(head) - 1))


def request(head: bytes) -> RequestHead:
    """Read a request head in the three ways; they agree."""
    whole = parse_request(head, request_end(head, 0))
    behind = parse_request(head + b"GET \r\n\r\n\x00", request_end(head + b"GET \r\n\r\n\x00", 0))
    by_byte = parse_request(head, read_by_byte(head, request_end))
    for other in (behind, by_byte):
        assert (whole.method, whole.target, whole.kept) == (other.method, other.target, other.kept)
        assert whole.fields.length == other.fields.length
    return whole


def response(head: bytes) -> ResponseHead:
    """Read a response head in the three ways; they agree."""
    whole = parse_response(head, response_end(head, 0))
    behind = parse_response(head + b"\x00\r\n\r\n", response_end(head + b"\x00\r\n\r\n", 0))
    by_byte = parse_response(head, read_by_byte(head, response_end))
    for other in (behind, by_byte):
        assert (whole.line, whole.status, whole.fields.kept) == (other.line, other.status, other.fields.kept)
    return whole


def refused(head: bytes) -> int:
    """Return the status that a request is refused with, whole and byte by byte."""
    with pytest.raises(DownstreamError) as whole:
        parse_request(head, request_end(head, 0))
    with pytest.raises(DownstreamError) as by_byte:
        parse_request(head, read_by_byte(head, request_end))
    assert whole.value.status == by_byte.value.status
    return whole.value.status


class TestRequestLine:
    def test_keeps_target_and_method_as_sent(self) -> None:
        """
        Method, target and path are what the client sent, with nothing decoded or merged.
        """
        head = request(b"PROPFIND /a//b/../%2e%zz;x?q=a|b&[c] HTTP/1.1\r\nHost: shop\r\n\r\n")

        assert head.method == b"PROPFIND"
        assert head.target == b"/a//b/../%2e%zz;x?q=a|b&[c]"
        assert head.path == "/a//b/../%2e%zz;x"
        assert head.host == "shop"

    @pytest.mark.parametrize(
        ("line", "status"),
        [
            (b"GET / HTTP/2.0", 505),
            (b"PRI * HTTP/2.0", 505),
            (b"GET / HTTP/1.2", 505),
            (b"GET / HTTP/0.9", 505),
            (b"GET /", 400),
            (b"GET  / HTTP/1.1", 400),
            (b"GET / HTTP/1.1 ", 400),
            (b" GET / HTTP/1.1", 400),
            (b"GET /a b HTTP/1.1", 400),
            (b"GET\t/ HTTP/1.1", 400),
            (b"GET / http/1.1", 400),
            (b"GET / HTTP/1.10", 400),
            (b"G(T / HTTP/1.1", 400),
            (b"GET /#top HTTP/1.1", 400),
            (b"GET /\xc3\xa4 HTTP/1.1", 400),
            (b"GET shop HTTP/1.1", 400),
            (b"GET * HTTP/1.1", 400),
            (b"GET shop:80 HTTP/1.1", 400),
            (b"GET ftp://shop/ HTTP/1.1", 400),
            (b"GET http://user@shop/ HTTP/1.1", 400),
            (b"GET http:///x HTTP/1.1", 400),
            (b"CONNECT shop:443 HTTP/1.1", 405),
            (b"CONNECT /x HTTP/1.1", 405),
        ],
    )
    def test_refuses_what_is_no_request_line(self, line: bytes, status: int) -> None:
        """
        A line that two servers could read in two ways, or of a version that is not served, is refused.
        """
        head = line + b"\r\nHost: shop\r\n\r\n"

        assert status == refused(head)

    @pytest.mark.parametrize(
        ("target", "sent", "host"),
        [
            (b"http://other.example:8080/a?b", b"/a?b", "other.example:8080"),
            (b"HTTPS://other.example", b"/", "other.example"),
            (b"http://other.example?b", b"/?b", "other.example"),
        ],
    )
    def test_absolute_form_overrides_host(self, target: bytes, sent: bytes, host: str) -> None:
        """
        A target in absolute form goes out in origin form, and its authority is the Host, whatever the field said.
        """
        head = request(b"GET " + target + b" HTTP/1.1\r\nA: 1\r\nHost: shop\r\nB: 2\r\n\r\n")

        assert sent == head.target
        assert host == head.host
        assert b"Host: " + host.encode() + b"\r\nA: 1\r\nB: 2\r\n" == head.kept

    def test_asterisk_form_is_for_options(self) -> None:
        """
        `*`, and an absolute form without a path, are the server itself, for OPTIONS alone.
        """
        assert request(b"OPTIONS * HTTP/1.1\r\nHost: shop\r\n\r\n").target == b"*"
        assert request(b"OPTIONS http://shop HTTP/1.1\r\nHost: shop\r\n\r\n").target == b"*"


class TestHost:
    @pytest.mark.parametrize(
        "value", [b"shop", b"shop:80", b"shop.example:", b"127.0.0.1:8080", b"[::1]:80", b"a%20b", b"x_y"]
    )
    def test_accepts_what_rfc_3986_allows(self, value: bytes) -> None:
        """
        A name, an address, a bracketed IPv6 address, each with or without a port, is a Host.
        """
        assert request(b"GET / HTTP/1.1\r\nHost: " + value + b"\r\n\r\n").host == value.decode()

    @pytest.mark.parametrize(
        "lines",
        [
            b"",
            b"Host:\r\n",
            b"Host: a\r\nHost: a\r\n",
            b"Host: a\r\nhost: b\r\n",
            b"Host: a b\r\n",
            b"Host: a,b c\r\n",
            b"Host: a/b\r\n",
            b"Host: a@b\r\n",
            b"Host: a:80a\r\n",
            b"Host: a:123456\r\n",
            b"Host: a:80:80\r\n",
            b"Host: [::1\r\n",
            b"Host: [:::1]\r\n",
            b"Host: [1.2.3.4]\r\n",
            b"Host: a%2\r\n",
            b"Host: \xc3\xa4\r\n",
        ],
    )
    def test_refuses_anything_else(self, lines: bytes) -> None:
        """
        A Host that is missing, double or no host is refused.
        """
        assert refused(b"GET / HTTP/1.1\r\n" + lines + b"\r\n") == 400

    def test_may_be_missing_in_http_1_0(self) -> None:
        """
        Clients of HTTP/1.0 need not say which host they mean.
        """
        assert request(b"GET / HTTP/1.0\r\n\r\n").host == ""


class TestFields:
    def test_order_case_and_duplicates_pass(self) -> None:
        """
        End-to-end fields are kept byte by byte, in their order.
        """
        lines = b"hOST: shop\r\nX-B:  two \t\r\nx-a:\r\nX-B: \xe4\r\nCookie: a=1\r\nCookie: b=2\r\n"

        assert lines == request(b"GET / HTTP/1.1\r\n" + lines + b"\r\n").kept

    @pytest.mark.parametrize(
        "line",
        [
            b"X : 1",
            b" X: 1",
            b": 1",
            b"X",
            b"X\x00: 1",
            b"X: 1\x00",
            b"X: a\x0bb",
            b"X: \x7f",
            b"X: a\rb",
            b"X: 1\r\n folded",
            b"X: 1\r\n\tfolded",
            b"X: 1\nY: 2",
            b"X(: 1",
            b"X\xe4: 1",
        ],
    )
    def test_refuses_what_is_no_field(self, line: bytes) -> None:
        """
        White space before a colon, folds, bare CR or LF, control bytes and empty names are refused on both sides.
        """
        assert refused(b"GET / HTTP/1.1\r\nHost: shop\r\n" + line + b"\r\n\r\n") == 400
        with pytest.raises(UpstreamError):
            response(b"HTTP/1.1 200 OK\r\n" + line + b"\r\n\r\n")

    @pytest.mark.parametrize(
        "line",
        [
            b"Connection: close",
            b"Connection: keep-alive, Upgrade",
            b"Keep-Alive: timeout=5",
            b"Proxy-Connection: keep-alive",
            b"Proxy-Authorization: Basic eDp5",
            b"TE: trailers, deflate;q=0.5",
            b"Upgrade: websocket",
            b"HTTP2-Settings: AAMA",
            b"X-Forwarded-For: 10.0.0.1",
            b"X-Forwarded-Proto: https",
            b"X-Forwarded-Host: evil",
            b"X-Forwarded-Port: 1",
            b"Forwarded: for=10.0.0.1",
            b"X_Forwarded_For: 10.0.0.1",
            b"X-Forwarded_Host: evil",
            b"Content_Length: 5",
            b"Transfer_Encoding: chunked",
            b"X-Request-Id: 1",
        ],
    )
    def test_fields_of_one_hop_end_here(self, line: bytes) -> None:
        """
        Hop-by-hop fields, and those by which splitter says who asks, are not passed on from a client.
        """
        head = request(b"GET / HTTP/1.1\r\nHost: shop\r\n" + line + b"\r\nAccept: */*\r\n\r\n")

        assert head.kept == b"Host: shop\r\nAccept: */*\r\n"

    def test_connection_nominates_fields_away(self) -> None:
        """
        What Connection names ends here, wherever it stands; several lines of Connection add up.
        """
        head = request(
            b"GET / HTTP/1.1\r\nX-One: 1\r\nConnection: x-one\r\nHost: shop\r\n"
            b"connection: , X-Two ,close\r\nX-Two: 2\r\n\r\n"
        )

        assert head.kept == b"Host: shop\r\n"
        assert not head.fields.persists

    @pytest.mark.parametrize("name", [b"Host", b"content-length", b"Transfer-Encoding", b"X-Forwarded-For", b"Via"])
    def test_protected_fields_cannot_be_nominated(self, name: bytes) -> None:
        """
        Nominating what frames, routes or identifies a request is an attack, and refused.
        """
        assert refused(b"GET / HTTP/1.1\r\nHost: shop\r\nConnection: close, " + name + b"\r\n\r\n") == 400

    def test_options_of_connection_are_tokens(self) -> None:
        """
        Connection is a list of tokens.
        """
        assert refused(b"GET / HTTP/1.1\r\nHost: shop\r\nConnection: a b\r\n\r\n") == 400

    def test_request_id_is_kept_if_it_is_fit(self) -> None:
        """
        One request id of visible characters is the client's; any other is as none.
        """

        def request_id(lines: bytes) -> bytes | None:
            return request(b"GET / HTTP/1.1\r\nHost: shop\r\n" + lines + b"\r\n").fields.request_id

        assert request_id(b"X-Request-ID: abc-1\r\n") == b"abc-1"
        assert request_id(b"X-Request-Id: a b\r\n") is None
        assert request_id(b"X-Request-Id: a\r\nX-Request-Id: b\r\n") is None
        assert request_id(b"X-Request-Id: " + b"a" * 129 + b"\r\n") is None

    def test_expectation_is_100_continue_or_refused(self) -> None:
        """
        `Expect: 100-continue` is passed on, another expectation is 417, and one of HTTP/1.0 is ignored.
        """
        asked = request(b"PUT / HTTP/1.1\r\nHost: shop\r\nExpect: 100-Continue\r\nContent-Length: 1\r\n\r\n")

        assert asked.fields.expects_continue
        assert b"Expect: 100-Continue\r\n" in asked.kept
        assert refused(b"PUT / HTTP/1.1\r\nHost: shop\r\nExpect: 200-ok\r\n\r\n") == 417
        assert request(b"PUT / HTTP/1.0\r\nHost: shop\r\nExpect: 100-continue\r\n\r\n").kept == b"Host: shop\r\n"

    @pytest.mark.parametrize(
        ("minor", "lines", "persists"),
        [
            (1, b"", True),
            (1, b"Connection: Keep-Alive\r\n", True),
            (1, b"Connection: Close\r\n", False),
            (1, b"Connection: keep-alive, close\r\n", False),
            (0, b"", False),
            (0, b"Connection: keep-alive\r\n", True),
            (0, b"Connection: keep-alive, close\r\n", False),
        ],
    )
    def test_connection_says_whether_it_persists(self, minor: int, lines: bytes, persists: bool) -> None:
        """
        RFC 9112 §9.3: HTTP/1.1 persists unless told to close, HTTP/1.0 only if told to keep alive.
        """
        head = request(b"GET / HTTP/1.%d\r\nHost: shop\r\n%b\r\n" % (minor, lines))

        assert persists == head.fields.persists

    def test_equal_fields_are_read_once(self) -> None:
        """
        The fields of a former request stand for equal lines of the same version, and for no others.
        """
        first = request(b"GET /1 HTTP/1.1\r\nHost: shop\r\n\r\n")

        def again(data: bytes) -> RequestHead:
            return parse_request(data, request_end(data, 0), first.fields)

        assert again(b"POST /2 HTTP/1.1\r\nHost: shop\r\n\r\n").fields is first.fields
        assert again(b"GET /2 HTTP/1.0\r\nHost: shop\r\n\r\n").fields is not first.fields
        assert again(b"GET /2 HTTP/1.1\r\nHost: shoq\r\n\r\n").fields is not first.fields
        assert again(b"GET http://other/ HTTP/1.1\r\nHost: shop\r\n\r\n").kept == b"Host: other\r\n"
        assert again(b"GET /3 HTTP/1.1\r\nHost: shop\r\n\r\n").kept == b"Host: shop\r\n"


class TestMaxForwards:
    @pytest.mark.parametrize("method", [b"OPTIONS", b"TRACE"])
    @pytest.mark.parametrize(
        ("written", "goes_on", "ends_here"), [(b"9", b"8", False), (b"1", b"0", False), (b"0", b"0", True)]
    )
    def test_counts_this_hop(self, method: bytes, written: bytes, goes_on: bytes, ends_here: bool) -> None:
        """
        RFC 9110 §7.6.2: the number that goes on is one less, and a request with 0 goes no further.
        """
        head = request(method + b" / HTTP/1.1\r\nMax-Forwards: " + written + b"\r\nHost: shop\r\n\r\n")

        assert head.kept == b"Host: shop\r\nMax-Forwards: " + goes_on + b"\r\n"
        assert ends_here == head.ends_here

    @pytest.mark.parametrize("value", [b"", b"-1", b"1_0", b"0x1", b"1, 2", b"9" * 19, b"1\r\nMax-Forwards: 1"])
    def test_is_one_number(self, value: bytes) -> None:
        """
        What is no number, and what is said twice, is refused where it would have to be counted.
        """
        with pytest.raises(DownstreamError) as error:
            request(b"OPTIONS / HTTP/1.1\r\nHost: shop\r\nMax-Forwards: " + value + b"\r\n\r\n")

        assert error.value.status == 400

    @pytest.mark.parametrize("value", [b"0", b"5", b"many"])
    def test_of_another_method_is_passed_on_as_it_is(self, value: bytes) -> None:
        """
        RFC 9110 §7.6.2: for any other method the field says nothing.
        """
        head = request(b"GET / HTTP/1.1\r\nHost: shop\r\nMax-Forwards: " + value + b"\r\n\r\n")

        assert head.kept == b"Host: shop\r\nMax-Forwards: " + value + b"\r\n"
        assert not head.ends_here


class TestUnderscores:
    HEAD = b"GET / HTTP/1.1\r\nX_User: a\r\nHost: shop\r\nX-Note: b_c\r\n_: d\r\nX_Forwarded_For: 6.6.6.6\r\n\r\n"

    def test_are_kept_unless_they_pass_for_a_name_of_ours(self) -> None:
        """
        By default a name with underscores is like any other.
        """
        assert request(self.HEAD).kept == b"X_User: a\r\nHost: shop\r\nX-Note: b_c\r\n_: d\r\n"

    def test_are_dropped_where_the_operator_says_so(self) -> None:
        """
        Only names matter: a value may hold what it likes.
        """
        head = parse_request(self.HEAD, request_end(self.HEAD, 0), None, HeadLimits(underscores="drop"))

        assert head.kept == b"Host: shop\r\nX-Note: b_c\r\n"

    @pytest.mark.parametrize("line", [b"X_User: a", b"_: d", b"X-Forwarded_For: 6.6.6.6", b"Host_: x"])
    def test_are_refused_where_the_operator_says_so(self, line: bytes) -> None:
        """
        A request with such a name is 400, wherever the name stands; one without is served.
        """
        limits = HeadLimits(underscores="refuse")
        for lines in (line + b"\r\nHost: shop\r\n", b"Host: shop\r\n" + line + b"\r\n"):
            data = b"GET / HTTP/1.1\r\n" + lines + b"\r\n"
            with pytest.raises(DownstreamError) as error:
                parse_request(data, request_end(data, 0), None, limits)
            assert error.value.status == 400
        fit = b"GET / HTTP/1.1\r\nHost: shop\r\nX-Note: b_c\r\n\r\n"
        assert parse_request(fit, request_end(fit, 0), None, limits).kept == b"Host: shop\r\nX-Note: b_c\r\n"

    def test_of_an_answer_are_the_stacks_business(self) -> None:
        """
        Answers are kept as they are: clients are no CGI.
        """
        data = b"HTTP/1.1 200 OK\r\nX_Sum: 1\r\n\r\n"

        answer = parse_response(data, response_end(data, 0), None, HeadLimits(underscores="refuse"))

        assert answer.fields.kept == b"X_Sum: 1\r\n"


class TestEqualResponses:
    def test_are_read_once(self) -> None:
        """
        The head of a former response stands for an equal one, its fields for equal lines, and neither for others.
        """

        def read(data: bytes, former: ResponseHead | None = None) -> ResponseHead:
            return parse_response(data, response_end(data, 0), former)

        first = read(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")

        assert read(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nno", first) is first
        other = read(b"HTTP/1.1 404 No\r\nContent-Length: 2\r\n\r\nno", first)
        assert (other.status, other.fields is first.fields) == (404, True)
        assert read(b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok", first).minor == 0
        assert read(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nyes", first).fields.length == 3


class TestLimits:
    def test_head_is_bounded(self) -> None:
        """
        A head of more than HEAD_BYTES_MAX is 431, also before its end has come.
        """
        lines = b"X: " + b"a" * 10_000 + b"\r\n"
        open_head = b"GET / HTTP/1.1\r\nHost: shop\r\n" + lines * 4

        with pytest.raises(DownstreamError) as error:
            request_end(open_head, 0)

        assert error.value.status == 431
        assert len(open_head) > HEAD_BYTES_MAX

    def test_fields_are_bounded(self) -> None:
        """
        More than HEAD_FIELDS_MAX fields, or one above FIELD_BYTES_MAX, is 431; of a stack, a protocol error.
        """
        many = b"X: 1\r\n" * HEAD_FIELDS_MAX
        long = b"X: " + b"a" * FIELD_BYTES_MAX + b"\r\n"

        for lines in (many, long):
            with pytest.raises(DownstreamError) as error:
                request(b"GET / HTTP/1.1\r\nHost: shop\r\n" + lines + b"\r\n")
            assert error.value.status == 431
            with pytest.raises(UpstreamError):
                response(b"HTTP/1.1 200 OK\r\nServer: x\r\n" + lines + b"\r\n")

    def test_target_is_bounded(self) -> None:
        """
        A target of more than TARGET_BYTES_MAX is 414, also before the line has ended.
        """
        line = b"GET /" + b"a" * TARGET_BYTES_MAX

        for data in (line + b" HTTP/1.1\r\nHost: shop\r\n\r\n", line * 5):
            with pytest.raises(DownstreamError) as error:
                parse_request(data, request_end(data, 0))
            assert error.value.status == 414

    @pytest.mark.parametrize(
        ("limits", "status"),
        [
            (HeadLimits(head_bytes=54), 200),
            (HeadLimits(head_bytes=53), 431),
            (HeadLimits(fields=2), 200),
            (HeadLimits(fields=1), 431),
            (HeadLimits(field_bytes=12), 200),
            (HeadLimits(field_bytes=11), 431),
            (HeadLimits(target_bytes=11), 200),
            (HeadLimits(target_bytes=10), 414),
        ],
    )
    def test_are_exact_and_the_operators(self, limits: HeadLimits, status: int) -> None:
        """
        What an operator says is the bound, to the byte.
        """
        data = b"GET /0123456789 HTTP/1.1\r\nHost: shop\r\nX: 901234567\r\n\r\n"
        assert len(data) == 54

        try:
            parse_request(data, request_end(data, 0, limits), None, limits)
            got = 200
        except DownstreamError as error:
            got = error.status

        assert status == got

    @pytest.mark.parametrize("limits", [HeadLimits(head_bytes=38), HeadLimits(fields=1), HeadLimits(field_bytes=11)])
    def test_hold_for_answers(self, limits: HeadLimits) -> None:
        """
        A stack's head has the same bounds, and no target.
        """
        data = b"HTTP/1.1 200 OK\r\nServer: shop\r\nX: 1\r\n\r\n"
        assert parse_response(data, response_end(data, 0)).status == 200

        with pytest.raises(UpstreamError):
            parse_response(data, response_end(data, 0, limits), None, limits)


class TestResponse:
    def test_status_line_is_kept(self) -> None:
        """
        The status and the reason pass as they came.
        """
        head = response(b"HTTP/1.1 299 Fine, \xe4nd you\r\nA: 1\r\n\r\n")

        assert head.line == b"HTTP/1.1 299 Fine, \xe4nd you"
        assert head.status == 299

    @pytest.mark.parametrize(
        ("line", "kept"),
        [
            (b"HTTP/1.1 200", b"HTTP/1.1 200 "),
            (b"HTTP/1.1 200 ", b"HTTP/1.1 200 "),
            (b"HTTP/1.0 200 OK", b"HTTP/1.1 200 OK"),
        ],
    )
    def test_goes_on_as_http_1_1(self, line: bytes, kept: bytes) -> None:
        """
        A response goes on in our version; a missing space before an empty reason is put in.
        """
        assert kept == response(line + b"\r\n\r\n").line

    @pytest.mark.parametrize(
        "head",
        [
            b"HTTP/2 200 OK\r\n\r\n",
            b"HTTP/1.1 20 OK\r\n\r\n",
            b"HTTP/1.1 2000 OK\r\n\r\n",
            b"HTTP/1.1  200 OK\r\n\r\n",
            b"HTTP/1.1 099 OK\r\n\r\n",
            b"HTTP/1.1 200OK\r\n\r\n",
            b"<html>\r\n\r\n",
            b"HTTP/1.1 200 OK\n\n",
            b"ICY 200 OK\r\n\r\n",
            b"HTTP/1.1 100 Continue\r\nContent-Length: 0\r\n\r\n",
            b"HTTP/1.1 103 Hints\r\nTransfer-Encoding: chunked\r\n\r\n",
            b"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
        ],
    )
    def test_garbage_is_the_stacks_fault(self, head: bytes) -> None:
        """
        What is no response of HTTP/1 is never passed on.
        """
        with pytest.raises(UpstreamError) as error:
            response(head)
        assert error.value.reason == "protocol"

    def test_garbage_is_seen_at_its_first_bytes(self) -> None:
        """
        A stack that speaks another protocol is found out before a blank line comes, if ever.
        """
        with pytest.raises(UpstreamError):
            response_end(b"SSH-2.0", 0)

    @pytest.mark.parametrize(
        ("head", "length"),
        [
            (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", 5),
            (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n\r\n", CHUNKED),
            (b"HTTP/1.1 200 OK\r\n\r\n", UNTIL_CLOSE),
            (b"HTTP/1.1 204 No Content\r\n\r\n", 0),
            (b"HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n", 0),
        ],
    )
    def test_length_of_the_body(self, head: bytes, length: int) -> None:
        """
        RFC 9112 §6.3: no body for 204 and 304; else chunks, the length, or until close.
        """
        assert length == response(head).length

    @pytest.mark.parametrize(
        ("head", "persists"),
        [
            (b"HTTP/1.1 200 OK\r\n\r\n", True),
            (b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n", False),
            (b"HTTP/1.0 200 OK\r\n\r\n", False),
            (b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\n\r\n", True),
        ],
    )
    def test_says_whether_the_connection_persists(self, head: bytes, persists: bool) -> None:
        """
        RFC 9112 §9.3, on the stack's side.
        """
        assert persists == response(head).persists

    def test_hop_by_hop_fields_end_here(self) -> None:
        """
        A stack's hop-by-hop fields, and those that it nominates, do not reach the client; the others do.
        """
        head = response(
            b"HTTP/1.1 200 OK\r\nConnection: X-Hop\r\nX-Hop: 1\r\nKeep-Alive: timeout=5\r\n"
            b"Transfer-Encoding: chunked\r\n"
            b"Set-Cookie: a\r\nSet-Cookie: b\r\nX-Forwarded-For: kept\r\n\r\n"
        )

        assert head.fields.kept == b"Set-Cookie: a\r\nSet-Cookie: b\r\nX-Forwarded-For: kept\r\n"
