"""The options of the data plane as its connections use them: in ticks."""

from splitter.limits import BODY_RATE_GRACE_S
from splitter.proxy.deadlines import TICK_S, ticks
from splitter.proxy.options import ProxyOptions


class Times:
    """How many ticks each wait may take, and how much may lie in a write buffer.  Made once, never changed."""

    __slots__ = (
        "body",
        "body_grace",
        "body_rate",
        "connect",
        "first_byte",
        "head",
        "keep_alive",
        "linger",
        "response",
        "upstream_idle",
        "write_buffer_bytes",
    )

    def __init__(self, options: ProxyOptions) -> None:
        self.head = ticks(options.head_timeout_s)
        self.body = ticks(options.body_timeout_s)
        self.body_grace = ticks(BODY_RATE_GRACE_S)
        self.body_rate = max(1, round(options.body_rate_bytes_per_s * TICK_S))  # bytes per tick
        self.keep_alive = ticks(options.keep_alive_timeout_s)
        self.connect = ticks(options.connect_timeout_s)
        self.first_byte = ticks(options.first_byte_timeout_s)
        self.response = ticks(options.response_timeout_s)
        self.upstream_idle = ticks(options.upstream_idle_timeout_s)
        self.linger = ticks(options.linger_timeout_s)
        self.write_buffer_bytes = options.write_buffer_bytes
