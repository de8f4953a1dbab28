"""What an exchange asks of its client's connection."""

import asyncio
from typing import Protocol

from splitter.http1.head import RequestFields
from splitter.proxy.former import Former
from splitter.proxy.replies import Reply
from splitter.proxy.tunnel import Tunnel


class Client(Protocol):
    """The client's side of an exchange.

    `persists`: the client's connection may carry another request.  `address` tells clients apart.  `former` is what is
    known of the present request's field lines.
    """

    transport: asyncio.Transport
    address: str
    former: Former
    persists: bool

    def is_secure(self, fields: RequestFields) -> bool:
        """Return whether the client speaks TLS, with us or with a proxy in front."""

    @property
    def is_full(self) -> bool:
        """Return whether the client does not take what was written."""

    def hold_body(self) -> None:
        """Read no more of the request's body until `take_body`."""

    def take_body(self) -> None:
        """Read on."""

    def expect_body(self) -> None:
        """Take note that the stack wants the body (RFC 9110 §10.1.1): it is the client now that is waited for."""

    def answer(self, reply: Reply) -> None:
        """Send an answer of ours, and end the exchange."""

    def end(self) -> None:
        """End the exchange: its response has been written."""

    def hand_over(self, tunnel: Tunnel) -> tuple[bytes, bool]:
        """Give the connection to `tunnel`.  Return what the client has sent ahead, and whether that was all."""

    def connection_lost(self, exc: Exception | None) -> None:
        """Count the connection no longer: what the tunnel says when the client has gone."""

    def cut(self, *, is_delimited: bool) -> None:
        """End the exchange in the middle of its response; `is_delimited`: its framing shows that some is missing."""
