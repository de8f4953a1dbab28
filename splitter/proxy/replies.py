"""Answers of our own: short, with the reason in `Proxy-Status` (RFC 9209), the same bytes for the same reason.

Rule 1: a reply is whole; it is sent only while nothing of another response has been.
Rule 2: a reply says nothing of stacks, addresses or versions: these are the operator's, in log and metrics.

`Proxy-Status` error types are those that RFC 9209 §2.3 registers.
"""

from dataclasses import dataclass
from functools import lru_cache
from http import HTTPStatus

from splitter.errors import DownstreamError, UpstreamError
from splitter.http1.forwarding import connection_line

_RETRY_AFTER_S = 1


@dataclass(frozen=True, slots=True)
class Reply:
    """A status, and the RFC 9209 error type that says why; empty where nothing is wrong."""

    status: int
    error: str


NO_ROUTE = Reply(404, "destination_not_found")
NO_STACK = Reply(503, "destination_unavailable")
NO_ROOM = Reply(503, "connection_limit_reached")
HEAD_TIMEOUT = Reply(408, "http_request_error")
BODY_TIMEOUT = Reply(408, "http_request_error")
OUR_FAULT = Reply(500, "proxy_internal_error")
OUR_OPTIONS = Reply(200, "")
NO_TRACE = Reply(405, "http_request_denied")

_DOWNSTREAM = {405: "http_request_denied", 413: "http_request_denied", 501: "http_request_denied"}
_DOWNSTREAM[502] = "proxy_loop_detected"
_UPSTREAM = {
    "connect": NO_STACK,
    "connect_closed": Reply(502, "connection_terminated"),
    "connect_name": Reply(502, "dns_error"),
    "connect_refused": Reply(502, "connection_refused"),
    "connect_unroutable": Reply(502, "destination_ip_unroutable"),
    "connect_timeout": Reply(504, "connection_timeout"),
    "exhausted": NO_ROOM,
    "full": NO_ROOM,
    "protocol": Reply(502, "http_protocol_error"),
    "reset": Reply(502, "connection_terminated"),
    "timeout": Reply(504, "http_response_timeout"),
}


def at_last_hop(method: bytes) -> Reply:
    """Return the answer to a request that is to go no further than here (RFC 9110 §7.6.2).

    A TRACE is not reflected: what it would show may be a secret of proxies in front (§9.3.8).
    """
    return OUR_OPTIONS if method == b"OPTIONS" else NO_TRACE


def to_client_fault(error: DownstreamError) -> Reply:
    """Return what a client hears whose message cannot be served."""
    return Reply(error.status, _DOWNSTREAM.get(error.status, "http_request_error"))


def to_stack_fault(error: UpstreamError) -> Reply:
    """Return what a client hears when no stack could answer."""
    return _UPSTREAM[error.reason]


@lru_cache(maxsize=512)
def encode(reply: Reply, minor: int, date: bytes, *, is_to_head: bool, persists: bool) -> bytes:
    """Return `reply` as a whole response to a client of HTTP/1.`minor`; `date` is its line."""
    phrase = HTTPStatus(reply.status).phrase
    body = f"{reply.status} {phrase}\n"
    retry = f"Retry-After: {_RETRY_AFTER_S}\r\n" if reply.status == HTTPStatus.SERVICE_UNAVAILABLE else ""
    allow = "Allow: GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS\r\n" if reply.status in (200, 405) else ""
    error = f"; error={reply.error}" if reply.error else ""
    head = (
        f"HTTP/1.1 {reply.status} {phrase}\r\n"
        "Content-Type: text/plain; charset=utf-8\r\n"
        f"Content-Length: {len(body)}\r\n"
        f"{retry}{allow}"
        f"Proxy-Status: splitter{error}\r\n"
    )
    answer = head.encode() + date + connection_line(minor, persists) + b"\r\n"
    return answer if is_to_head else answer + body.encode()
