"""What the containers of the tests run.  One file, standard library only: it is packed into an image.

serve              answers HTTP on port 8000: /stack, /resolve?name=…, /exit?code=…, /sicken
check              the health check of `serve`
exit <code>        says a line and ends
work <seconds>     a job: ends well after that time
"""

import http.server
import os
import signal
import socket
import sys
import time
import urllib.parse
from pathlib import Path

SICK = Path("/tmp/sick")


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        url = urllib.parse.urlsplit(self.path)
        query = dict(urllib.parse.parse_qsl(url.query))
        if url.path == "/exit":
            print("asked to exit", flush=True)
            os._exit(int(query["code"]))
        if url.path == "/sicken":
            SICK.touch()
        body = self.resolve(query["name"]) if url.path == "/resolve" else os.environ["SPLITTER_STACK"]
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body.encode())

    def resolve(self, name: str) -> str:
        try:
            return " ".join(sorted({str(each[4][0]) for each in socket.getaddrinfo(name, None)}))
        except OSError as error:
            return f"unknown: {error}"

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # the base class's name  # noqa: A002  # the base class's name
        """Say nothing: the tests look at the log."""


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
