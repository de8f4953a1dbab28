"""Messages whose end two servers could see in different places: each is refused, on both sides."""

import pytest

from splitter.errors import DownstreamError, UpstreamError
from splitter.http1.head import parse_request, parse_response, request_end, response_end

FRAMINGS = [
    (b"Content-Length: 5\r\nTransfer-Encoding: chunked", 400),
    (b"Transfer-Encoding: chunked\r\nContent-Length: 5", 400),
    (b"Content-Length: 0\r\nTransfer-Encoding: chunked", 400),
    (b"Content-Length: 5\r\nContent-Length: 5", 400),
    (b"Content-Length: 5\r\ncontent-length: 6", 400),
    (b"Content-Length: 5, 5", 400),
    (b"Content-Length: 5,", 400),
    (b"Content-Length:", 400),
    (b"Content-Length: +5", 400),
    (b"Content-Length: -5", 400),
    (b"Content-Length: 5 5", 400),
    (b"Content-Length: 0x5", 400),
    (b"Content-Length: 5_0", 400),
    (b"Content-Length: 5.0", 400),
    (b"Content-Length: \xb2", 400),
    (b"Content-Length: 1234567890123456789", 400),
    (b"Content-Length : 5", 400),
    (b"Content-Length\t: 5", 400),
    (b"Content-Length: 5\r\n ", 400),
    (b"Content-Length: \x0b5", 400),
    (b"Transfer-Encoding : chunked", 400),
    (b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked", 400),
    (b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity", 400),
    (b"Transfer-Encoding: identity", 400),
    (b"Transfer-Encoding: identity, chunked", 501),
    (b"Transfer-Encoding: gzip, chunked", 501),
    (b"Transfer-Encoding: chunked, chunked", 400),
    (b"Transfer-Encoding: chunked, gzip", 400),
    (b"Transfer-Encoding: chunked,", 400),
    (b"Transfer-Encoding: ,chunked", 501),
    (b"Transfer-Encoding: xchunked", 501),
    (b"Transfer-Encoding: chunkedx", 400),
    (b'Transfer-Encoding: "chunked"', 400),
    (b"Transfer-Encoding: chunked;q=1", 400),
    (b"Transfer-Encoding:", 400),
    (b"Transfer-Encoding: \x0bchunked", 400),
    (b"Transfer-Encoding:\r\n chunked", 400),
    (b"Transfer-Encoding: chunked\nX: y", 400),
    (b"Foo: bar\rTransfer-Encoding: chunked", 400),
    (b"\x00Transfer-Encoding: chunked", 400),
]


class TestFraming:
    @pytest.mark.parametrize(("lines", "status"), FRAMINGS)
    def test_ambiguous_request_is_refused(self, lines: bytes, status: int) -> None:
        """
        A request that says its length twice, or in a way that some server reads differently, goes nowhere.
        """
        data = b"POST / HTTP/1.1\r\nHost: shop\r\n" + lines + b"\r\n\r\n"

        with pytest.raises(DownstreamError) as error:
            parse_request(data, request_end(data, 0))

        assert status == error.value.status

    @pytest.mark.parametrize("lines", [lines for lines, _ in FRAMINGS])
    def test_ambiguous_response_is_the_stacks_fault(self, lines: bytes) -> None:
        """
        The same from a stack is a protocol error.
        """
        data = b"HTTP/1.1 200 OK\r\nServer: x\r\n" + lines + b"\r\n\r\n"

        with pytest.raises(UpstreamError) as error:
            parse_response(data, response_end(data, 0))

        assert error.value.reason == "protocol"

    def test_http_1_0_has_no_chunks(self) -> None:
        """
        Transfer-Encoding in HTTP/1.0 is a sign that somebody downgraded a message: 400.
        """
        data = b"POST / HTTP/1.0\r\nHost: shop\r\nTransfer-Encoding: chunked\r\n\r\n"

        with pytest.raises(DownstreamError) as error:
            parse_request(data, request_end(data, 0))

        assert error.value.status == 400

    @pytest.mark.parametrize("method", [b"GET", b"HEAD", b"OPTIONS", b"DELETE", b"TRACE", b"get", b"X"])
    def test_length_does_not_depend_on_the_method(self, method: bytes) -> None:
        """
        A body is where the fields say that one is: CL.0 and 0.CL need a server that thinks otherwise.
        """
        data = method + b" / HTTP/1.1\r\nHost: shop\r\nContent-Length: 7\r\nExpect: 100-continue\r\n\r\n"

        assert parse_request(data, request_end(data, 0)).fields.length == 7
