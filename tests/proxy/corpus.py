"""Messages by which two servers can be made to disagree, and what becomes of each: refused, or passed on as it is.

Written from RFC 9110, RFC 9112 and what advisories about other servers describe.  `BEHIND` is what an attacker wants to
be taken for a request, or an answer, of its own.
"""

from dataclasses import dataclass

HOST = b"Host: shop\r\n"
BEHIND = b"GET /behind HTTP/1.1\r\nHost: shop\r\n\r\n"
SMUGGLED = b"GET /smuggled HTTP/1.1\r\nHost: shop\r\n\r\n"

Seen = tuple[bytes, bytes, bytes]
"""Method, target and body of a request as a stack reads it."""


@dataclass(frozen=True)
class RequestCase:
    """What a client sends, the statuses that it hears, and the requests that a stack sees.

    `is_open`: the connection goes on behind it.
    """

    name: str
    data: bytes
    statuses: tuple[int, ...]
    seen: tuple[Seen, ...] = ()
    is_open: bool = False


def refused(name: str, data: bytes, status: int = 400, *before: Seen) -> RequestCase:
    return RequestCase(name, data, (*(200 for _ in before), status), before)


def passed(name: str, data: bytes, *seen: Seen, is_open: bool = True) -> RequestCase:
    return RequestCase(name, data, tuple(200 for _ in seen), seen, is_open)


def post(lines: bytes, body: bytes, *, line: bytes = b"POST /x HTTP/1.1") -> bytes:
    return line + b"\r\n" + HOST + lines + b"\r\n" + body


def chunked(body: bytes) -> bytes:
    return post(b"Transfer-Encoding: chunked\r\n", body)


def get(lines: bytes = HOST, *, line: bytes = b"GET /x HTTP/1.1") -> bytes:
    return line + b"\r\n" + lines + b"\r\n"


X: Seen = (b"GET", b"/x", b"")

LENGTHS = [
    refused("CL.TE", post(b"Content-Length: 6\r\nTransfer-Encoding: chunked\r\n", b"0\r\n\r\n" + SMUGGLED)),
    refused(
        "TE.CL", post(b"Transfer-Encoding: chunked\r\nContent-Length: 4\r\n", b"26\r\n" + SMUGGLED + b"\r\n0\r\n\r\n")
    ),
    refused(
        "CL.TE in HTTP/1.0",
        post(b"Content-Length: 6\r\nTransfer-Encoding: chunked\r\n", b"0\r\n\r\n", line=b"POST /x HTTP/1.0"),
    ),
    refused(
        "TE in HTTP/1.0", post(b"Transfer-Encoding: chunked\r\n", b"0\r\n\r\n" + SMUGGLED, line=b"POST /x HTTP/1.0")
    ),
    refused("CL.CL", post(b"Content-Length: 0\r\nContent-Length: 38\r\n", SMUGGLED)),
    refused("equal CL.CL", post(b"Content-Length: 5\r\nContent-Length: 5\r\n", b"hello")),
    refused("listed CL", post(b"Content-Length: 5, 5\r\n", b"hello")),
    refused("signed CL", post(b"Content-Length: +5\r\n", b"hello")),
    refused("negative CL", post(b"Content-Length: -1\r\n", b"")),
    refused("hexadecimal CL", post(b"Content-Length: 0x5\r\n", b"hello")),
    refused("CL with an underscore", post(b"Content-Length: 1_0\r\n", b"0123456789")),
    refused("CL of 19 digits", post(b"Content-Length: 0000000000000000005\r\n", b"hello")),
    refused("CL that overflows", post(b"Content-Length: 18446744073709551621\r\n", b"hello")),
    refused("empty CL", post(b"Content-Length: \r\n", b"")),
    refused("CL in other digits", post("Content-Length: \u0665\r\n".encode(), b"hello")),
    refused("CL behind a vertical tab", post(b"Content-Length: \x0b5\r\n", b"hello")),
    refused("CL before its colon", post(b"Content-Length : 5\r\n", b"hello")),
    refused("CL folded", post(b"Content-Length:\r\n 5\r\n", b"hello")),
    refused("CL with a comment", post(b"Content-Length: 5;x\r\n", b"hello")),
    passed("CL.0", post(b"Content-Length: 38\r\n", SMUGGLED), (b"POST", b"/x", SMUGGLED)),
    passed(
        "CL.0 of GET", post(b"Content-Length: 38\r\n", SMUGGLED, line=b"GET /x HTTP/1.1"), (b"GET", b"/x", SMUGGLED)
    ),
    passed(
        "CL.0 of HEAD", post(b"Content-Length: 38\r\n", SMUGGLED, line=b"HEAD /x HTTP/1.1"), (b"HEAD", b"/x", SMUGGLED)
    ),
    passed("CL with leading zeros", post(b"Content-Length: 005\r\n", b"hello"), (b"POST", b"/x", b"hello")),
    passed(
        "CL in HTTP/1.0",
        post(b"Content-Length: 5\r\n", b"hello", line=b"POST /x HTTP/1.0"),
        (b"POST", b"/x", b"hello"),
        is_open=False,
    ),
    passed(
        "CL with a twin in underscores",
        post(b"Content_Length: 40\r\nContent-Length: 5\r\n", b"hello"),
        (b"POST", b"/x", b"hello"),
    ),
    passed("0.CL: no length, no body", post(b"", b""), (b"POST", b"/x", b"")),
    passed(
        "0.CL with an expectation",
        post(b"Expect: 100-continue\r\nContent-Length: 5\r\n", b"hello"),
        (b"POST", b"/x", b"hello"),
    ),
    refused("an expectation in disguise", post(b"Expect: y 100-continue\r\nContent-Length: 5\r\n", b"hello"), 417),
    refused(
        "two expectations", post(b"Expect: 100-continue\r\nExpect: 100-continue\r\nContent-Length: 5\r\n", b"hello")
    ),
    refused(
        "an upgrade to h2c with a length twice",
        post(b"Upgrade: h2c\r\nContent-Length: 5\r\nContent-Length: 0\r\n", b"hello"),
    ),
]

CODINGS = [
    *(
        refused(f"TE.TE {lines!r}", post(lines + b"\r\n", b"0\r\n\r\n" + SMUGGLED), status)
        for lines, status in [
            (b"Transfer-Encoding: chunked\r\nTransfer-Encoding: x", 400),
            (b"Transfer-Encoding: x\r\nTransfer-Encoding: chunked", 400),
            (b"Transfer-Encoding: chunked\r\ntransfer-encoding: chunked", 400),
            (b"Transfer-Encoding : chunked", 400),
            (b"Transfer-Encoding\t: chunked", 400),
            (b" Transfer-Encoding: chunked", 400),
            (b"X: y\r\n Transfer-Encoding: chunked", 400),
            (b"X: y\nTransfer-Encoding: chunked", 400),
            (b"X: y\rTransfer-Encoding: chunked", 400),
            (b"X: y\x00\r\nTransfer-Encoding: chunked", 400),
            (b"Transfer-Encoding\x00: chunked", 400),
            (b"Transfer-Encoding:\x0bchunked", 400),
            (b"Transfer-Encoding: chunked\x00", 400),
            (b"Transfer-Encoding:\r\n chunked", 400),
            (b"Transfer-Encoding: xchunked", 501),
            (b"Transfer-Encoding: chunked x", 400),
            (b"Transfer-Encoding: chunked;q=1", 400),
            (b'Transfer-Encoding: "chunked"', 400),
            (b"Transfer-Encoding: chunked,", 400),
            (b"Transfer-Encoding: chunked, identity", 400),
            (b"Transfer-Encoding: identity", 400),
            (b"Transfer-Encoding: gzip", 400),
            (b"Transfer-Encoding: chunked, chunked", 400),
            (b"Transfer-Encoding: gzip, chunked", 501),
            (b"Transfer-Encoding: ", 400),
            (b"Transfer-Encoding: chun\xebed", 400),
            (b"Connection: Transfer-Encoding\r\nTransfer-Encoding: chunked", 400),
            (b"Connection: Content-Length\r\nTransfer-Encoding: chunked", 400),
        ]
    ),
    passed(
        "TE in capitals",
        post(b"TRANSFER-ENCODING: \tChunKed \r\n", b"5\r\nhello\r\n0\r\n\r\n"),
        (b"POST", b"/x", b"hello"),
    ),
    passed("TE in underscores is no TE", post(b"Transfer_Encoding: chunked\r\n", b""), (b"POST", b"/x", b"")),
    passed("another field's chunked", post(b"X-Transfer-Encoding: chunked\r\n", b""), (b"POST", b"/x", b"")),
]

CHUNKS = [
    *(
        refused(f"chunks {body!r}", chunked(body + b"0\r\n\r\n" + SMUGGLED))
        for body in [
            b"0x5\r\nhello\r\n",
            b"+5\r\nhello\r\n",
            b"-1\r\nhello\r\n",
            b"5_0\r\nhello\r\n",
            b" 5\r\nhello\r\n",
            b"5 \r\nhello\r\n",
            b"5\t\r\nhello\r\n",
            b"5\nhello\n",
            b"5\r\nhello\n",
            b"5\r\nhello\r",
            b"5\r\nhello",
            b"5\r\nhello!\r\n",
            b"5\rhello\r\n",
            b"5;a\nb\r\nhello\r\n",
            b"5;\nhello\r\n",
            b"5;a\rb\r\nhello\r\n",
            b"5;\x00\r\nhello\r\n",
            b"5 ;a\r\nhello\r\n",
            b"5\x00\r\nhello\r\n",
            b"\r\n5\r\nhello\r\n",
            b"fffffffffffffffff\r\nhello\r\n",
            b"10000000000000005\r\nhello\r\n",
            b"hello\r\n",
        ]
    ),
    refused("a trailer with a space before its colon", chunked(b"0\r\nX : y\r\n\r\n" + SMUGGLED)),
    refused("a trailer that ends in LF", chunked(b"0\r\nX: y\n\r\n" + SMUGGLED)),
    refused("a folded trailer", chunked(b"0\r\nX: y\r\n z\r\n\r\n" + SMUGGLED)),
    refused("a trailer section that ends in LF", chunked(b"0\r\n\n" + SMUGGLED)),
    passed("an extension", chunked(b'5;a=b;c="\xe4"\r\nhello\r\n0;d\r\n\r\n'), (b"POST", b"/x", b"hello")),
    passed("a request in a chunk", chunked(b"26\r\n" + SMUGGLED + b"\r\n0\r\n\r\n"), (b"POST", b"/x", SMUGGLED)),
    passed("a last chunk of many digits", chunked(b"5\r\nhello\r\n000000\r\n\r\n"), (b"POST", b"/x", b"hello")),
    passed(
        "trailers that frame",
        chunked(b"0\r\nContent-Length: 40\r\nTransfer-Encoding: x\r\nHost: y\r\n\r\n"),
        (b"POST", b"/x", b""),
    ),
]

LINES = [
    refused("HTTP/0.9", b"GET /x\r\n\r\n"),
    refused("HTTP/2's preface", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505),
    refused("HTTP/1.2", get(line=b"GET /x HTTP/1.2"), 505),
    refused("a version with two digits", get(line=b"GET /x HTTP/1.10")),
    refused("a version in small letters", get(line=b"GET /x http/1.1")),
    refused("a request line with a tab", get(line=b"GET\t/x HTTP/1.1")),
    refused("a request line with two spaces", get(line=b"GET  /x HTTP/1.1")),
    refused("a request line with a space at its end", get(line=b"GET /x HTTP/1.1 ")),
    refused("a request line with a space in its target", get(line=b"GET /x /y HTTP/1.1")),
    refused("a request line with a space before it", get(line=b" GET /x HTTP/1.1")),
    refused("a request line that ends in LF", b"GET /x HTTP/1.1\n" + HOST + b"\r\n"),
    refused("a request line that ends in CR CR LF", b"GET /x HTTP/1.1\r\r\n" + HOST + b"\r\n"),
    refused("a request line with a CR", get(line=b"GET /x\rHTTP/1.1")),
    refused("a NUL in the target", get(line=b"GET /x\x00y HTTP/1.1")),
    refused("a fragment", get(line=b"GET /x#y HTTP/1.1")),
    refused("a byte beyond ASCII in the target", get(line=b"GET /\xe4 HTTP/1.1")),
    refused("a method that is no token", get(line=b"G(T /x HTTP/1.1")),
    refused("no method", get(line=b"/x HTTP/1.1")),
    refused("a target without a slash", get(line=b"GET x HTTP/1.1")),
    refused("* without OPTIONS", get(line=b"GET * HTTP/1.1")),
    refused("authority form without CONNECT", get(line=b"GET shop:80 HTTP/1.1")),
    refused("CONNECT", get(line=b"CONNECT shop:80 HTTP/1.1"), 405),
    refused("CONNECT with a path", get(line=b"CONNECT /x HTTP/1.1"), 405),
    refused("a TLS hello", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"),
    passed("a strange method", get(line=b"X-!~ /x HTTP/1.1"), (b"X-!~", b"/x", b"")),
    passed("a small method", get(line=b"get /x HTTP/1.1"), (b"get", b"/x", b"")),
    passed(
        "a target as it came",
        get(line=b"GET /a//b/../%2E/%00%0d%0a?x=\\ HTTP/1.1"),
        (b"GET", b"/a//b/../%2E/%00%0d%0a?x=\\", b""),
    ),
    passed("*", get(line=b"OPTIONS * HTTP/1.1"), (b"OPTIONS", b"*", b"")),
    passed("empty lines before it", b"\r\n\r\n" + get(), X),
    passed("pipelined", get() + post(b"Content-Length: 2\r\n", b"ab") + get(), X, (b"POST", b"/x", b"ab"), X),
    refused("pipelined behind a good one", get() + b"GET /y HTTP/1.1\nHost: shop\n\n", 400, X),
]

FIELDS = [
    refused("no Host", get(b"")),
    refused("an empty Host", get(b"Host:\r\n")),
    refused("two Hosts", get(HOST + b"Host: evil\r\n")),
    refused("two equal Hosts", get(HOST + HOST)),
    refused("two Hosts in HTTP/1.0", get(HOST + HOST, line=b"GET /x HTTP/1.0")),
    refused("a Host with a space before its colon", get(HOST + b"Host : evil\r\n")),
    refused("a Host behind a fold", get(b"X: y\r\n Host: evil\r\n")),
    refused("a listed Host", get(b"Host: shop, evil\r\n")),
    refused("a Host with a path", get(b"Host: shop/evil\r\n")),
    refused("a Host with a user", get(b"Host: evil@shop\r\n")),
    refused("a Host with a port that is none", get(b"Host: shop:80x\r\n")),
    refused("a Host with a NUL", get(b"Host: shop\x00evil\r\n")),
    refused("no Host beside an absolute form", get(b"", line=b"GET http://shop/x HTTP/1.1")),
    refused("an absolute form with a user", get(line=b"GET http://a@shop/x HTTP/1.1")),
    refused("an absolute form without a host", get(line=b"GET http:///x HTTP/1.1")),
    refused("a fold", get(HOST + b"X: y\r\n z\r\n")),
    refused("a fold by tab", get(HOST + b"X: y\r\n\tz\r\n")),
    refused("a fold before the first field", get(b" " + HOST)),
    refused("a field that ends in LF", get(HOST + b"X: y\n")),
    refused("a field that ends in CR", get(HOST + b"X: y\rZ: a\r\n")),
    refused("a NUL in a value", get(HOST + b"X: y\x00\r\n")),
    refused("a control byte in a value", get(HOST + b"X: y\x1b\r\n")),
    refused("a DEL in a value", get(HOST + b"X: y\x7f\r\n")),
    refused("a name with a space", get(HOST + b"X Y: z\r\n")),
    refused("an empty name", get(HOST + b": z\r\n")),
    refused("no colon", get(HOST + b"X\r\n")),
    refused("a name beyond ASCII", get(HOST + b"X\xc3\xa4: z\r\n")),
    refused("a head that ends in LF LF", b"GET /x HTTP/1.1\r\nHost: shop\n\n"),
    refused("a head that ends in CR CR", b"GET /x HTTP/1.1\r\nHost: shop\r\r"),
    refused("Connection nominates Host", get(HOST + b"Connection: close, host\r\n")),
    refused("Connection nominates X-Forwarded-For", get(HOST + b"Connection: X-Forwarded-For\r\n")),
    refused("Connection nominates Via", get(HOST + b"Connection: via\r\n")),
    refused("Connection is no list of tokens", get(HOST + b"Connection: a b\r\n")),
    passed("absolute form at odds with Host", get(line=b"GET http://shop/x HTTP/1.1", lines=b"Host: evil\r\n"), X),
    passed("no Host in HTTP/1.0", get(b"", line=b"GET /x HTTP/1.0"), X, is_open=False),
]

REQUESTS = [*LENGTHS, *CODINGS, *CHUNKS, *LINES, *FIELDS]


@dataclass(frozen=True)
class ResponseCase:
    """What a stack sends to GET, and the status and body that the client reads.

    `is_cut`: unless all comes at once, the head has gone out already, and the client sees that its body is cut.
    `is_until_close`: the stack closes behind it.
    """

    name: str
    data: bytes
    status: int = 502
    body: bytes = b""
    is_cut: bool = False
    is_until_close: bool = False


def answer(lines: bytes, body: bytes = b"", *, line: bytes = b"HTTP/1.1 200 OK") -> bytes:
    return line + b"\r\n" + lines + b"\r\n" + body


TE = b"Transfer-Encoding: chunked\r\n"
SPLIT = b"HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\nsmuggled"

RESPONSES = [
    ResponseCase("both lengths", answer(b"Content-Length: 5\r\n" + TE, b"5\r\nhello\r\n0\r\n\r\n")),
    ResponseCase("two lengths", answer(b"Content-Length: 5\r\nContent-Length: 6\r\n", b"hello!")),
    ResponseCase("two equal lengths", answer(b"Content-Length: 5\r\nContent-Length: 5\r\n", b"hello")),
    ResponseCase("a listed length", answer(b"Content-Length: 5, 5\r\n", b"hello")),
    ResponseCase("a negative length", answer(b"Content-Length: -1\r\n", b"hello")),
    ResponseCase("a length that overflows", answer(b"Content-Length: 18446744073709551621\r\n", b"hello")),
    ResponseCase("a length before its colon", answer(b"Content-Length : 5\r\n", b"hello")),
    ResponseCase("another coding", answer(b"Transfer-Encoding: gzip, chunked\r\n", b"0\r\n\r\n")),
    ResponseCase("a coding twice", answer(TE + TE, b"0\r\n\r\n")),
    ResponseCase("chunks in HTTP/1.0", answer(TE, b"0\r\n\r\n", line=b"HTTP/1.0 200 OK")),
    ResponseCase("a fold", answer(b"X: y\r\n z\r\nContent-Length: 0\r\n")),
    ResponseCase("a field that ends in LF", answer(b"X: y\nContent-Length: 0\r\n")),
    ResponseCase("a field that ends in CR", answer(b"X: y\rContent-Length: 0\r\n")),
    ResponseCase("a NUL", answer(b"X: y\x00\r\nContent-Length: 0\r\n")),
    ResponseCase("an empty name", answer(b": y\r\nContent-Length: 0\r\n")),
    ResponseCase("a name with a space", answer(b"X Y: z\r\nContent-Length: 0\r\n")),
    ResponseCase("a head that ends in LF LF", b"HTTP/1.1 200 OK\nContent-Length: 0\n\n"),
    ResponseCase("HTTP/0.9", b"<html>hello</html>"),
    ResponseCase("HTTP/2", answer(b"", line=b"HTTP/2 200 OK")),
    ResponseCase("another protocol", b"220 mail.example ESMTP\r\n"),
    ResponseCase("a status of two digits", answer(b"Content-Length: 0\r\n", line=b"HTTP/1.1 20 OK")),
    ResponseCase("a status of four digits", answer(b"Content-Length: 0\r\n", line=b"HTTP/1.1 2000 OK")),
    ResponseCase("a status below 100", answer(b"Content-Length: 0\r\n", line=b"HTTP/1.1 099 OK")),
    ResponseCase("a NUL in the reason", answer(b"Content-Length: 0\r\n", line=b"HTTP/1.1 200 O\x00K")),
    ResponseCase(
        "an interim response with a body", answer(b"Content-Length: 5\r\n", b"hello", line=b"HTTP/1.1 103 Hints")
    ),
    ResponseCase(
        "101 that nobody asked for",
        answer(b"Upgrade: websocket\r\nConnection: upgrade\r\n", line=b"HTTP/1.1 101 Switching"),
    ),
    ResponseCase(
        "Connection nominates Content-Length", answer(b"Connection: Content-Length\r\nContent-Length: 5\r\n", b"hello")
    ),
    ResponseCase("a broken chunk", answer(TE, b"0x5\r\nhello\r\n0\r\n\r\n"), is_cut=True),
    ResponseCase("a first chunk in LF", answer(TE, b"5\nhello\n0\n\n"), is_cut=True),
    ResponseCase("a length", answer(b"Content-Length: 5\r\n", b"hello"), 200, b"hello"),
    ResponseCase("chunks", answer(TE, b"5;x\r\nhello\r\n0\r\n\r\n"), 200, b"hello"),
    ResponseCase("an answer in an answer", answer(b"Content-Length: 46\r\n", SPLIT), 200, SPLIT),
    ResponseCase(
        "a length in underscores", answer(b"Content_Length: 9\r\nContent-Length: 5\r\n", b"hello"), 200, b"hello"
    ),
    ResponseCase("204", answer(b"", line=b"HTTP/1.1 204 No Content"), 204),
    ResponseCase(
        "304 with a length, which has no body", answer(b"Content-Length: 5\r\n", line=b"HTTP/1.1 304 Not Modified"), 304
    ),
    ResponseCase("until close", answer(b"", b"hello"), 200, b"hello", is_until_close=True),
    ResponseCase(
        "until close in HTTP/1.0", answer(b"", b"hello", line=b"HTTP/1.0 200 OK"), 200, b"hello", is_until_close=True
    ),
]
