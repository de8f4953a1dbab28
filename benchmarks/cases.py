"""What is measured, one case after the other."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from benchmarks.peers.splitter_proxy import COOKIE

BROWSER = {
    "sec-ch-ua": '"Chromium";v="130", "Not?A_Brand";v="99"',
    "sec-ch-ua-mobile": "?0",
    "sec-ch-ua-platform": '"Linux"',
    "User-Agent": "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0 Safari/537.36",
    "Accept": "*/*",
    "Sec-Fetch-Site": "same-origin",
    "Sec-Fetch-Mode": "no-cors",
    "Sec-Fetch-Dest": "script",
    "Referer": "https://shop.example/",
    "Accept-Encoding": "gzip, deflate, br, zstd",
    "Accept-Language": "en-GB,en;q=0.9",
}

# A thread of wrk for each connection, as a browser has its own; clients of both stacks are among them.
_COOKIE = f"""
local threads = 0
function setup(thread) threads = threads + 1; thread:set("id", threads) end
function init() wrk.headers["Cookie"] = string.format("{COOKIE}=%032x; theme=dark", id) end
"""
# Sent in turn, as a proxy in front would: no two requests of a connection are alike.
_COOKIES = f"""
local requests, next = {{}}, 0
function init()
    for number = 1, 64 do
        wrk.headers["Cookie"] = string.format("{COOKIE}=%032x; theme=dark", number)
        requests[number] = wrk.format("GET", "/")
    end
end
function request() next = next % 64 + 1; return requests[next] end
"""
_TARGETS = """
local next = 0
function request() next = (next + 1) % 1000; return wrk.format("GET", "/item/" .. next) end
"""
_POST = """
wrk.method, wrk.body = "POST", string.rep("x", 65536)
"""
_CHUNKS = """
local chunk = "400\\r\\n" .. string.rep("x", 1024) .. "\\r\\n"
local head = "POST /chunked HTTP/1.1\\r\\nHost: 127.0.0.1\\r\\nTransfer-Encoding: chunked\\r\\n\\r\\n"
local message = head .. string.rep(chunk, 4) .. "0\\r\\n\\r\\n"
function request() return message end
"""

Unit = Literal["requests/s", "MB/s", "messages/s"]


@dataclass(frozen=True, slots=True)
class Case:
    """One load.  `mode` is the one that splitter runs in; the others have none and only forward.

    `kind` says who makes the load: wrk with `connections`, or `benchmarks.load` with `number`.
    """

    name: str
    title: str
    kind: Literal["wrk", "open", "websocket", "idle"] = "wrk"
    connections: int = 32
    threads: int = 1
    path: str = "/"
    headers: Mapping[str, str] | None = None
    script: str = ""
    is_tls: bool = False
    mode: str = ""
    unit: Unit = "requests/s"
    number: int = 0


OPEN_RATE = 2_000
CASES = (
    Case("get-1", "small GET, 1 connection", connections=1),
    Case("get-32", "small GET, 32 connections"),
    Case("get-256", "small GET, 256 connections", connections=256),
    Case("browser-32", "small GET with a browser's head, 32 connections", headers=BROWSER),
    Case("targets-32", "small GETs of a thousand targets, 32 connections", script=_TARGETS),
    Case("sticky-32", "small GET, split by cookie, 32 connections", script=_COOKIE, threads=32, mode="sticky"),
    Case("cookies-32", "small GET, split by cookie, 64 clients mixed", script=_COOKIES, mode="sticky"),
    Case("mirror-32", "small GET, 10 % mirrored, 32 connections", mode="mirroring"),
    Case("tls-32", "small GET over TLS, 32 connections", is_tls=True),
    Case("post-64k", "POST of 64 KiB, 16 connections", connections=16, script=_POST),
    Case("body-1m", "answers of 1 MiB, 8 connections", connections=8, path="/body/1m", unit="MB/s"),
    Case("body-64m", "answers of 64 MiB, 2 connections", connections=2, path="/body/64m", unit="MB/s"),
    Case("chunked", "4 KiB in chunks both ways, 16 connections", connections=16, script=_CHUNKS),
    Case("websocket", "WebSocket echo of 64 bytes, 32 connections", kind="websocket", number=32, unit="messages/s"),
    Case("open", f"added latency at {OPEN_RATE}/s, open loop", kind="open", number=OPEN_RATE),
    Case(
        "flips",
        f"ten flips a second at {OPEN_RATE}/s, open loop",
        kind="open",
        number=OPEN_RATE,
        mode="flipping",
    ),
    Case("idle", "10 000 idle connections", kind="idle", number=10_000),
)
