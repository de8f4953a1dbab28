"""The options of the data plane as its connections use them: in ticks."""

from splitter.http1.fields import HeadLimits
from splitter.proxy.deadlines import TICK_S, ticks
from splitter.proxy.options import ProxyOptions


class Times:
    """How many ticks each wait may take, and how much heads and buffers may hold.  Made once, never changed."""

    __slots__ = (
        "body",
        "body_grace",
        "body_rate",
        "connect",
        "ejection",
        "first_byte",
        "head",
        "head_limits",
        "keep_alive",
        "linger",
        "response",
        "tunnel_close",
        "tunnel_idle",
        "tunnel_jitter",
        "upstream_idle",
        "write_buffer_bytes",
    )

    def __init__(self, options: ProxyOptions) -> None:
        self.head = ticks(options.head_timeout_s)
        self.body = ticks(options.body_timeout_s)
        self.body_grace = ticks(options.body_rate_grace_s)
        self.body_rate = max(1, round(options.body_rate_bytes_per_s * TICK_S))  # bytes per tick
        self.keep_alive = ticks(options.keep_alive_timeout_s)
        self.connect = ticks(options.connect_timeout_s)
        self.ejection = ticks(options.eject_for_s)
        self.first_byte = ticks(options.first_byte_timeout_s)
        self.response = ticks(options.response_timeout_s)
        self.upstream_idle = ticks(options.upstream_idle_timeout_s)
        self.linger = ticks(options.linger_timeout_s)
        self.tunnel_idle = ticks(options.tunnel_idle_timeout_s)
        self.tunnel_jitter = ticks(options.tunnel_jitter_s)
        self.tunnel_close = ticks(options.tunnel_close_timeout_s)
        self.write_buffer_bytes = options.write_buffer_bytes
        self.head_limits = HeadLimits(
            head_bytes=options.head_bytes_max,
            fields=options.head_fields_max,
            field_bytes=options.field_bytes_max,
            target_bytes=options.target_bytes_max,
            underscores=options.header_underscores,
        )
