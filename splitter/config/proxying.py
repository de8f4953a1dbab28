"""The `proxy` section: times and room of the data plane."""

import re
from typing import Annotated, TypeAlias

from pydantic import Field, field_validator, model_validator

from splitter.config.problems import Misfit, MisfitsError
from splitter.config.section import Section
from splitter.config.units import Count, Duration, Moment, Networks, Share, Size, Some, Texts, show_size
from splitter.http1.fields import Underscores
from splitter.proxy.options import ProxyOptions

BUFFER_BYTES_MIN = 4 * 1024
BUFFER_BYTES_MAX = 16 * 1024 * 1024  # each connection may take as much; more is a slip of a unit, not a wish
HEAD_BYTES_MIN = 1024
FIELDS_MIN = 16  # what a browser sends of its own accord
FIELDS_MAX = 4_096
CONNECTIONS_MAX = 1_000_000
UPGRADES_MAX = 16

_PROTOCOL = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+(/[!#$%&'*+\-.^_`|~0-9A-Za-z]+)?", re.ASCII)
_HTTP_ITSELF = frozenset({"h2c", "h2", "http", "tls"})

_PROXY = ProxyOptions()

Buffer: TypeAlias = Annotated[Size, Field(ge=BUFFER_BYTES_MIN, le=BUFFER_BYTES_MAX)]
Head: TypeAlias = Annotated[Size, Field(ge=HEAD_BYTES_MIN, le=BUFFER_BYTES_MAX)]
Connections: TypeAlias = Annotated[Some, Field(le=CONNECTIONS_MAX)]

Protocols: TypeAlias = Annotated[Texts, Field(max_length=UPGRADES_MAX)]


class Proxy(Section):
    trusted_peers: Networks = _PROXY.trusted_peers
    """Proxies in front of splitter, as addresses or networks: their `X-Forwarded-*` and `Forwarded` are passed on and
    added to, and the address that they name is the client's. Of anybody else these fields are replaced."""
    head_max: Head = _PROXY.head_bytes_max
    """The largest head of a request (431 beyond it) or an answer (502), its first line and all its fields."""
    head_fields_max: Annotated[Count, Field(ge=FIELDS_MIN, le=FIELDS_MAX)] = _PROXY.head_fields_max
    """How many fields a head may have."""
    field_max: Head = _PROXY.field_bytes_max
    """The longest single field of a head, its name included."""
    target_max: Head = _PROXY.target_bytes_max
    """The longest target (path and query) of a request; 414 beyond it."""
    header_underscores: Underscores = _PROXY.header_underscores
    """What becomes of a request's headers whose names have underscores, which some servers take for dashes: they are
    kept, or dropped, or the request is refused (400). Those that would pass for splitter's own are never kept."""
    head_timeout: Moment = _PROXY.head_timeout_s
    """How long a client may take to send a request's head."""
    body_timeout: Moment = _PROXY.body_timeout_s
    """How long a request's body may make no progress."""
    body_rate: Size = _PROXY.body_rate_bytes_per_s
    """How many bytes a second a request's body must come with, on average, once `body_rate_grace` is over."""
    body_rate_grace: Duration = _PROXY.body_rate_grace_s
    """How long a request's body may come slower than `body_rate` at first."""
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
    tunnel_idle_timeout: Moment = _PROXY.tunnel_idle_timeout_s
    """How long a tunnel (an upgraded connection, such as a WebSocket) may stay without a byte; then it is closed."""
    tunnel_close_timeout: Moment = _PROXY.tunnel_close_timeout_s
    """How long both sides of a tunnel may take to close once they were told to; then it is cut."""
    tunnel_jitter: Moment = _PROXY.tunnel_jitter_s
    """Over which time the goodbyes of tunnels are spread that end together, so that their clients do not come back
    together. A drain begins with it early enough for its limit, `drain_tunnels`."""
    stop_timeout: Duration = _PROXY.stop_timeout_s
    """How long requests and tunnels in flight may take to end when splitter itself is stopped; then they are cut."""
    upgrades: Protocols = tuple(sorted(each.decode() for each in _PROXY.upgrades))
    """The protocols that a client may upgrade its connection to, as its `Upgrade` field names them. Never `h2c`."""
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
    parked_requests_max: Connections = _PROXY.parked_requests_max
    """How many requests of an app wait while it is parked (`splitter park`); one more is answered by 503."""
    eject_after: Annotated[Count, Field(le=CONNECTIONS_MAX)] = _PROXY.eject_after
    """After so many requests in a row that got no answer an endpoint gets none; a 5xx is an answer. 0: never."""
    eject_for: Moment = _PROXY.eject_for_s
    """For how long, the first time; each relapse makes it longer, up to ten times as long."""
    eject_share_max: Share = _PROXY.eject_share_max_bp
    """The largest part of a service's endpoints that may be ejected at once; the last one never is."""
    client_connections_max: Connections = _PROXY.client_connections_max
    """How many clients may be connected at once; one more is answered by 503 and closed."""
    mirror_request_max: Annotated[Size, Field(ge=BUFFER_BYTES_MIN)] = _PROXY.mirror_request_bytes_max
    """How much of one copy may wait for a shadow that does not take it; then the copy is given up."""
    mirror_stack_max: Annotated[Size, Field(ge=BUFFER_BYTES_MIN)] = _PROXY.mirror_stack_bytes_max
    """How much of all copies together may wait for one shadow; a copy that needs more is given up."""
    mirror_connections_per_endpoint_max: Connections = _PROXY.mirror_connections_per_endpoint_max
    """How many copies one endpoint of a shadow gets at once; further requests are not copied."""

    @field_validator("upgrades")
    @classmethod
    def _are_protocols(cls, upgrades: tuple[str, ...]) -> tuple[str, ...]:
        wrong: list[Misfit] = []
        for number, each in enumerate(upgrades):
            if each.lower().partition("/")[0] in _HTTP_ITSELF:
                wrong.append(((number,), f"{each} carries requests past every rule of splitter's; remove it"))
            elif not _PROTOCOL.fullmatch(each):
                wrong.append(((number,), f"{each!r} is no protocol; write a name such as websocket"))
        if wrong:
            raise MisfitsError(wrong)
        return upgrades

    @model_validator(mode="after")
    def _has_parts_that_fit_into_a_head(self) -> "Proxy":
        misfits: list[Misfit] = [
            ((name,), f"{size} is more than head_max ({self.head_max}); write at most that")
            for name, size in (("field_max", self.field_max), ("target_max", self.target_max))
            if size > self.head_max
        ]
        if misfits:
            raise MisfitsError(misfits)
        return self

    @model_validator(mode="after")
    def _copies_fit(self) -> "Proxy":
        if self.mirror_request_max > self.mirror_stack_max:
            message = "is more than mirror_stack_max, that of all copies together; write at most that"
            raise MisfitsError([(("mirror_request_max",), f"{show_size(self.mirror_request_max)} {message}")])
        return self

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
        trusted_peers=section.trusted_peers,
        head_bytes_max=section.head_max,
        head_fields_max=section.head_fields_max,
        field_bytes_max=section.field_max,
        target_bytes_max=section.target_max,
        header_underscores=section.header_underscores,
        head_timeout_s=section.head_timeout,
        body_timeout_s=section.body_timeout,
        body_rate_bytes_per_s=section.body_rate,
        body_rate_grace_s=section.body_rate_grace,
        keep_alive_timeout_s=section.keep_alive_timeout,
        connect_timeout_s=section.connect_timeout,
        first_byte_timeout_s=section.first_byte_timeout,
        response_timeout_s=section.response_timeout,
        upstream_idle_timeout_s=section.upstream_idle_timeout,
        linger_timeout_s=section.linger_timeout,
        tunnel_idle_timeout_s=section.tunnel_idle_timeout,
        tunnel_close_timeout_s=section.tunnel_close_timeout,
        tunnel_jitter_s=section.tunnel_jitter,
        stop_timeout_s=section.stop_timeout,
        upgrades=frozenset(each.lower().encode() for each in section.upgrades),
        write_buffer_bytes=section.write_buffer,
        held_body_bytes_max=section.held_body_max,
        pipeline_bytes_max=section.pipeline_max,
        body_bytes_max=section.body_max,
        connections_per_endpoint_max=section.connections_per_endpoint_max,
        idle_per_endpoint_max=section.idle_per_endpoint_max,
        parked_requests_max=section.parked_requests_max,
        eject_after=section.eject_after,
        eject_for_s=section.eject_for,
        eject_share_max_bp=section.eject_share_max,
        client_connections_max=section.client_connections_max,
        mirror_request_bytes_max=section.mirror_request_max,
        mirror_stack_bytes_max=section.mirror_stack_max,
        mirror_connections_per_endpoint_max=section.mirror_connections_per_endpoint_max,
    )
