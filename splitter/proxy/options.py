"""What a user may change about the data plane.  Defaults and their reasons stand in `limits`."""

from dataclasses import dataclass
from typing import Literal

from splitter import limits
from splitter.http1.fields import Underscores
from splitter.http1.identity import Network
from splitter.http1.upgrade import WEBSOCKET


@dataclass(frozen=True, slots=True)
class CertificateFiles:
    """The files of a certificate with its chain, and of its key, both in PEM form."""

    cert: str
    key: str


@dataclass(frozen=True, slots=True)
class TlsOptions:
    """What clients are greeted with; the first certificate is for those whom no other one is for."""

    certificates: tuple[CertificateFiles, ...]
    version_min: Literal["1.2", "1.3"] = "1.2"


@dataclass(frozen=True, slots=True)
class ListenerOptions:
    """Where clients connect; `port` 0 asks the system for a free one.

    `has_preamble`: every connection begins with a PROXY preamble, of one of `ProxyOptions.trusted_peers`.
    """

    host: str
    port: int
    tls: TlsOptions | None = None
    has_preamble: bool = False


STDOUT = "stdout"


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessOptions:
    """Where each request leaves a line: `to` is STDOUT or an absolute path.

    At most `queue_max` lines wait for a write, every `flush_s`; more are lost, and counted.
    """

    to: str
    flush_s: float = limits.ACCESS_LOG_FLUSH_S
    queue_max: int = limits.ACCESS_LOG_QUEUE_MAX


@dataclass(frozen=True, slots=True, kw_only=True)
class HealthOptions:
    """How the endpoints of an app are probed; `interval_s` 0: not at all."""

    interval_s: float = limits.PROBE_INTERVAL_S
    timeout_s: float = limits.PROBE_TIMEOUT_S
    unhealthy: int = limits.PROBES_UNHEALTHY
    healthy: int = limits.PROBES_HEALTHY


@dataclass(frozen=True, slots=True, kw_only=True)
class ProxyOptions:
    """Times, room and connections, for all listeners and stacks.

    `trusted_peers` are believed what they say of the clients behind them.  The four bounds of heads hold for requests
    and for responses; `header_underscores` is about requests alone.  `head_timeout_s` is for a whole request head, from
    its first byte.  A request body must make progress within `body_timeout_s` and, after `body_rate_grace_s`, come at
    `body_rate_bytes_per_s` in the mean.  A stack gets `connect_timeout_s` to accept a connection,
    `first_byte_timeout_s` from a request's last byte to a response's head, and `response_timeout_s` between two pieces
    of its body; a client gets that long to take a full write buffer.  `upgrades` are the protocols, in lower case, that
    may be spoken in a tunnel, over which `tunnel_idle_timeout_s` may pass without a byte.  Tunnels that end together
    are told so at moments of their own within `tunnel_jitter_s`, and each has `tunnel_close_timeout_s` then to close as
    both its sides are used to.  When splitter stops, what is in flight has `stop_timeout_s` to end.
    `body_bytes_max` 0 is no bound: bodies are streamed, never held.  A copy for a shadow is given up when that leaves
    more than `mirror_request_bytes_max` of it untaken, or `mirror_stack_bytes_max` of all its copies.
    An endpoint that gave no answer to `eject_after` requests in a row (0: never) gets none for `eject_for_s`, or longer
    if it relapses, unless more than `eject_share_max_bp` of its service's endpoints would be out.
    """

    trusted_peers: tuple[Network, ...] = ()
    head_bytes_max: int = limits.HEAD_BYTES_MAX
    head_fields_max: int = limits.HEAD_FIELDS_MAX
    field_bytes_max: int = limits.FIELD_BYTES_MAX
    target_bytes_max: int = limits.TARGET_BYTES_MAX
    header_underscores: Underscores = "keep"
    head_timeout_s: float = limits.HEAD_TIMEOUT_S
    body_timeout_s: float = limits.BODY_PROGRESS_TIMEOUT_S
    body_rate_bytes_per_s: int = limits.BODY_RATE_BYTES_PER_S_MIN
    body_rate_grace_s: float = limits.BODY_RATE_GRACE_S
    keep_alive_timeout_s: float = limits.KEEP_ALIVE_TIMEOUT_S
    connect_timeout_s: float = limits.CONNECT_TIMEOUT_S
    first_byte_timeout_s: float = limits.FIRST_BYTE_TIMEOUT_S
    response_timeout_s: float = limits.RESPONSE_PROGRESS_TIMEOUT_S
    upstream_idle_timeout_s: float = limits.UPSTREAM_IDLE_TIMEOUT_S
    linger_timeout_s: float = limits.LINGER_TIMEOUT_S
    tunnel_idle_timeout_s: float = limits.TUNNEL_IDLE_TIMEOUT_S
    tunnel_close_timeout_s: float = limits.TUNNEL_CLOSE_TIMEOUT_S
    tunnel_jitter_s: float = limits.TUNNEL_JITTER_S
    stop_timeout_s: float = limits.STOP_TIMEOUT_S
    upgrades: frozenset[bytes] = frozenset({WEBSOCKET})
    write_buffer_bytes: int = limits.WRITE_BUFFER_BYTES_MAX
    held_body_bytes_max: int = limits.HELD_BODY_BYTES_MAX
    pipeline_bytes_max: int = limits.PIPELINE_BYTES_MAX
    body_bytes_max: int = 0
    connections_per_endpoint_max: int = limits.CONNECTIONS_PER_ENDPOINT_MAX
    idle_per_endpoint_max: int = limits.IDLE_PER_ENDPOINT_MAX
    parked_requests_max: int = limits.PARKED_REQUESTS_MAX
    eject_after: int = limits.EJECT_AFTER_FAILURES
    eject_for_s: float = limits.EJECT_FOR_S
    eject_share_max_bp: int = limits.EJECT_SHARE_MAX_BP
    client_connections_max: int = limits.CLIENT_CONNECTIONS_MAX
    mirror_request_bytes_max: int = limits.MIRROR_REQUEST_BYTES_MAX
    mirror_stack_bytes_max: int = limits.MIRROR_STACK_BYTES_MAX
    mirror_connections_per_endpoint_max: int = limits.MIRROR_CONNECTIONS_PER_ENDPOINT_MAX

    @property
    def tunnel_farewell_s(self) -> float:
        """Return how long a tunnel may take from the word that it is to end until both sides are closed."""
        return self.tunnel_jitter_s + self.tunnel_close_timeout_s + limits.TUNNEL_FAREWELL_SPARE_S
