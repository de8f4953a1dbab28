"""The `proxy` section: times and room of the data plane."""

from typing import Annotated, TypeAlias

from pydantic import Field, model_validator

from splitter.config.problems import MisfitsError
from splitter.config.section import Section
from splitter.config.units import Count, Moment, Size, Some
from splitter.proxy.options import ProxyOptions

BUFFER_BYTES_MIN = 4 * 1024
BUFFER_BYTES_MAX = 16 * 1024 * 1024  # each connection may take as much; more is a slip of a unit, not a wish
CONNECTIONS_MAX = 1_000_000

_PROXY = ProxyOptions()

Buffer: TypeAlias = Annotated[Size, Field(ge=BUFFER_BYTES_MIN, le=BUFFER_BYTES_MAX)]
Connections: TypeAlias = Annotated[Some, Field(le=CONNECTIONS_MAX)]


class Proxy(Section):
    head_timeout: Moment = _PROXY.head_timeout_s
    """How long a client may take to send a request's head."""
    body_timeout: Moment = _PROXY.body_timeout_s
    """How long a request's body may make no progress."""
    body_rate: Size = _PROXY.body_rate_bytes_per_s
    """How many bytes a second a request's body must come with, on average, once ten seconds have passed."""
    keep_alive_timeout: Moment = _PROXY.keep_alive_timeout_s
    """How long a client's connection may stay open between two requests."""
    connect_timeout: Moment = _PROXY.connect_timeout_s
    """How long a stack may take to accept a connection."""
    first_byte_timeout: Moment = _PROXY.first_byte_timeout_s
    """How long a stack may take from a request's end to the head of its answer."""
    response_timeout: Moment = _PROXY.response_timeout_s
    """How long an answer may make no progress, and how long a client may not take what was sent."""
    upstream_idle_timeout: Moment = _PROXY.upstream_idle_timeout_s
    """How long a connection to a stack is kept for the next request; less than the stack's own keep-alive."""
    linger_timeout: Moment = _PROXY.linger_timeout_s
    """How long we take and drop what a client still sends after an early answer."""
    write_buffer: Buffer = _PROXY.write_buffer_bytes
    """How much may wait to be written to one side before the other side is no longer read."""
    held_body_max: Annotated[Size, Field(le=BUFFER_BYTES_MAX)] = _PROXY.held_body_bytes_max
    """Up to which size a request's body is kept, so that live can get it when the shadow fails."""
    pipeline_max: Buffer = _PROXY.pipeline_bytes_max
    """How much a client may send ahead of the answers that it waits for."""
    body_max: Size = _PROXY.body_bytes_max
    """The largest request body; 0: no bound, for bodies are streamed and never held as a whole."""
    connections_per_endpoint_max: Connections = _PROXY.connections_per_endpoint_max
    """How many requests one endpoint gets at once; beyond it the answer is 503."""
    idle_per_endpoint_max: Annotated[Count, Field(le=CONNECTIONS_MAX)] = _PROXY.idle_per_endpoint_max
    """How many connections to one endpoint are kept for later."""
    client_connections_max: Connections = _PROXY.client_connections_max
    """How many clients may be connected at once; one more is answered by 503 and closed."""

    @model_validator(mode="after")
    def _keeps_no_more_than_it_has(self) -> "Proxy":
        if self.idle_per_endpoint_max > self.connections_per_endpoint_max:
            message = f"{self.idle_per_endpoint_max} is more than connections_per_endpoint_max"
            raise MisfitsError(
                [(("idle_per_endpoint_max",), f"{message} ({self.connections_per_endpoint_max}); write at most that")]
            )
        return self


def proxy_options(section: Proxy) -> ProxyOptions:
    """Return the data plane's options."""
    return ProxyOptions(
        head_timeout_s=section.head_timeout,
        body_timeout_s=section.body_timeout,
        body_rate_bytes_per_s=section.body_rate,
        keep_alive_timeout_s=section.keep_alive_timeout,
        connect_timeout_s=section.connect_timeout,
        first_byte_timeout_s=section.first_byte_timeout,
        response_timeout_s=section.response_timeout,
        upstream_idle_timeout_s=section.upstream_idle_timeout,
        linger_timeout_s=section.linger_timeout,
        write_buffer_bytes=section.write_buffer,
        held_body_bytes_max=section.held_body_max,
        pipeline_bytes_max=section.pipeline_max,
        body_bytes_max=section.body_max,
        connections_per_endpoint_max=section.connections_per_endpoint_max,
        idle_per_endpoint_max=section.idle_per_endpoint_max,
        client_connections_max=section.client_connections_max,
    )
