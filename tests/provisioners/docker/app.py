"""What the containers of the tests run.  One file, standard library only: it is packed into an image.

serve              answers HTTP on port 8000: /stack, /resolve?name=…, /exit?code=…, /sicken;
                   /write?row=… and /rows keep rows in the folder /data, as a small database would;
                   /save?row=… and /saved do the same by asking the service db
check              the health check of `serve`
exit <code>        says a line and ends
work <seconds>     a job: ends well after that time
"""

import http.server
import os
import signal
import socket
import sys
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path

SICK = Path("/tmp/sick")
ROWS = Path("/data/rows")
LOCK = threading.Lock()


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        url = urllib.parse.urlsplit(self.path)
        query = dict(urllib.parse.parse_qsl(url.query))
        if url.path == "/exit":
            print("asked to exit", flush=True)
            os._exit(int(query["code"]))
        if url.path == "/sicken":
            SICK.touch()
        answers = {
            "/resolve": lambda: self.resolve(query["name"]),
            "/write": lambda: write(query["row"]),
            "/rows": lambda: ROWS.read_text() if ROWS.exists() else "",
            "/save": lambda: database(f"/write?row={query['row']}"),
            "/saved": lambda: database("/rows"),
            "/env": lambda: os.environ.get(query["name"], ""),
            "/file": lambda: Path(query["name"]).read_text(),
        }
        try:
            body, status = answers.get(url.path, lambda: os.environ["SPLITTER_STACK"])(), 200
        except OSError as error:
            body, status = repr(error), 500
        self.send_response(status)
        self.send_header("Content-Length", str(len(body.encode())))
        self.send_header("X-Stack", os.environ["SPLITTER_STACK"])
        self.end_headers()
        self.wfile.write(body.encode())

    def resolve(self, name: str) -> str:
        try:
            return " ".join(sorted({str(each[4][0]) for each in socket.getaddrinfo(name, None)}))
        except OSError as error:
            return f"unknown: {error}"

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # the base class's name
        """Say nothing: the tests look at the log."""


def write(row: str) -> str:
    """Keep a row for good before it is acknowledged."""
    with LOCK, ROWS.open("a") as rows:
        rows.write(f"{row}\n")
        rows.flush()
        os.fsync(rows.fileno())
    return row


def database(path: str) -> str:
    """Ask the service db, wherever it may be; one that has only just been started is asked again."""
    for _ in range(600):
        try:
            with urllib.request.urlopen(f"http://db:8000{path}", timeout=30) as answer:
                return str(answer.read().decode())
        except urllib.error.URLError as error:
            if not isinstance(error.reason, ConnectionRefusedError):
                raise
            time.sleep(0.1)
    raise TimeoutError("the service db does not listen")


def main(command: str, *arguments: str) -> None:
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    if command == "serve":
        http.server.ThreadingHTTPServer(("0.0.0.0", 8000), Handler).serve_forever()
    elif command == "check":
        sys.exit("it is sick" if SICK.exists() else 0)
    elif command == "exit":
        print("a last word", flush=True)
        sys.exit(int(arguments[0]))
    elif command == "work":
        time.sleep(float(arguments[0]))


if __name__ == "__main__":
    main(*sys.argv[1:])
