"""Whole connections without a socket: what is read of the bytes of a client or a stack, and what goes out for them."""

from collections.abc import Iterable
from dataclasses import dataclass

from splitter.errors import DownstreamError, UpstreamError
from splitter.http1 import forwarding
from splitter.http1.body import ChunkedBody, RequestBody, chunk, last_chunk
from splitter.http1.fields import CHUNKED, UNTIL_CLOSE, stack_fault
from splitter.http1.head import RequestHead, ResponseHead, parse_request, parse_response, request_end, response_end
from splitter.http1.identity import Peer

PEER = Peer("192.0.2.1", "127.0.0.1", 80, "http", is_trusted=False)
DATE = b"Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n"


@dataclass(frozen=True)
class Request:
    """A request, and the bytes that a stack gets for it; `is_complete`: all of its body has come."""

    head: RequestHead
    out: bytes
    is_complete: bool


def requests(pieces: Iterable[bytes]) -> tuple[list[Request], int]:
    """Return what a client's connection says that sends `pieces`, and the status that it is refused with, or 0."""
    read: list[Request] = []
    inbox, scanned = b"", 0
    head: RequestHead | None = None
    body = RequestBody(0, 0)
    out = b""
    try:
        for piece in pieces:
            inbox += piece
            while inbox:
                if head is None:
                    end = request_end(inbox, scanned)
                    if end < 0:
                        scanned = len(inbox)
                        break
                    head = parse_request(inbox, end)
                    inbox, scanned = inbox[end + 4 :], 0
                    out = _request_out(head)
                    body = RequestBody(head.fields.length, 0)
                more, is_last = (b"", True) if head.fields.length == 0 else body.read(inbox)
                out += more
                inbox = body.rest if head.fields.length else inbox
                if not is_last:
                    break
                read.append(Request(head, out, is_complete=True))
                head = None
    except DownstreamError as error:
        return read, error.status
    if head is not None:
        read.append(Request(head, out, is_complete=False))
    return read, 0


def _request_out(head: RequestHead) -> bytes:
    fields = forwarding.request_fields(head, PEER, b"splitter-1")
    return forwarding.request_head(forwarding.request_start(head, fields), b"id")


@dataclass(frozen=True)
class Response:
    """A final response to GET, and the bytes that a client of HTTP/1.1 gets for it and for the interim ones before."""

    head: ResponseHead
    out: bytes
    is_complete: bool


def response(pieces: Iterable[bytes]) -> Response | None:
    """Return what a stack's connection says that sends `pieces` and closes; None if it is no response."""
    reader = _ResponseReader()
    try:
        for piece in pieces:
            reader.feed(piece)
    except UpstreamError:
        return None
    return reader.ended()


class _ResponseReader:
    def __init__(self) -> None:
        self._inbox = b""
        self._scanned = 0
        self._head: ResponseHead | None = None
        self._length = self._left = 0
        self._chunks = ChunkedBody(stack_fault)
        self._out = b""

    def feed(self, piece: bytes) -> None:
        self._inbox += piece
        if self._head is not None or self._take_heads():
            data, self._inbox = self._inbox, b""
            self._take_body(data)

    def ended(self) -> Response | None:
        """Return the response at the end of the connection."""
        if self._head is None:
            return None
        if self._length == UNTIL_CLOSE:
            return Response(self._head, self._out + last_chunk(), is_complete=True)
        is_complete = self._chunks.is_complete if self._length == CHUNKED else self._left == 0
        return Response(self._head, self._out, is_complete)

    def _take_heads(self) -> bool:
        """Read what heads have come, and return whether the final one has."""
        while (end := response_end(self._inbox, self._scanned)) >= 0:
            head = parse_response(self._inbox, end)
            self._inbox, self._scanned = self._inbox[end + 4 :], 0
            if head.status >= 200:
                self._take_head(head)
                return True
            self._out += forwarding.interim_head(head)
        self._scanned = len(self._inbox)
        return False

    def _take_head(self, head: ResponseHead) -> None:
        self._head = head
        self._length = self._left = head.length
        is_chunked = self._length in (CHUNKED, UNTIL_CLOSE)
        self._out += forwarding.response_head(head, forwarding.PERSIST, DATE, is_chunked=is_chunked)

    def _take_body(self, data: bytes) -> None:
        if self._length == CHUNKED:
            had_ended = self._chunks.is_complete
            if not had_ended:
                self._out += chunk(self._chunks.feed(data))
                if self._chunks.is_complete:
                    self._out += last_chunk(self._chunks.trailers)
        elif self._length == UNTIL_CLOSE:
            self._out += chunk(data)
        else:
            self._out += data[: self._left]
            self._left -= min(self._left, len(data))
