"""An engine on a unix socket that says what a test wants: errors and breaks that a real one cannot be asked for."""

import contextlib
import json
import queue
import re
import socketserver
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any, Self

Answer = tuple[int, Any]
HANG_UP = (0, None)


class Dockerd:
    """`answers` are by method and path without the version; a list of them is used up from the front, its last stays.

    `events` is what the stream of events says next; None ends the stream.
    """

    def __init__(self, path: Path) -> None:
        self.url = f"unix://{path}"
        self.answers: dict[str, list[Answer]] = {"GET /version": [(200, {"ApiVersion": "1.41"})]}
        self.events: queue.Queue[dict[str, Any] | None] = queue.Queue()
        self.streams = 0
        self._server = _Server(str(path), _handler(self))
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.events.put(None)
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def answer(self, method: str, path: str) -> Answer:
        waiting = self.answers.get(f"{method} {path}", [(404, {"message": f"no such thing: {path}"})])
        return waiting.pop(0) if len(waiting) > 1 else waiting[0]


class _Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    daemon_threads = True
    request_queue_size = 128  # a full queue refuses at once, and the SDK leaves its socket open then


def _handler(engine: Dockerd) -> Callable[..., BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            path = re.sub(r"^/v1\.\d+|\?.*$", "", self.path)
            if path == "/events":
                self.stream()
                return
            status, body = engine.answer(self.command, path)
            if not status:
                self.close_connection = True
                return
            content = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def do_POST(self) -> None:
            self.do_GET()

        def stream(self) -> None:
            engine.streams += 1
            self.send_response(200)
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            with contextlib.suppress(BrokenPipeError):  # who listened has gone
                while (event := engine.events.get()) is not None:
                    content = json.dumps(event).encode()
                    self.wfile.write(b"%x\r\n%s\r\n" % (len(content), content))
                self.wfile.write(b"0\r\n\r\n")

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # the base class's name
            """Say nothing."""

    return Handler
