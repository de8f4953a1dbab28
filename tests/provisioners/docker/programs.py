#!/python
"""What stands in for the programs of the shop, under their own names.  One file, standard library only.

site          serves port 8000: asks the api, and says which stack has answered
gunicorn      the api: keeps rows in the database, is well if that and its secret are there
postgres      keeps rows in its data folder, if it is given a password
redis-server  listens;  meilisearch, celery  stay
alembic       a job: keeps the row `migrated`
pg_isready, curl, sh  what health checks run
"""

import os
import shlex
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path

ROWS = Path("/var/lib/postgresql/data/rows")
LOCK = threading.Lock()
PATIENCE = 600  # times a tenth of a second


def get(url: str) -> str:
    """Return what a server answers.  Health checks come through here: so no more is imported than this takes."""
    host, _, path = url.removeprefix("http://").partition("/")
    name, _, port = host.partition(":")
    with socket.create_connection((name, int(port)), timeout=60) as connection:
        connection.sendall(f"GET /{path} HTTP/1.0\r\nHost: {host}\r\n\r\n".encode())
        answer = b"".join(iter(lambda: connection.recv(65536), b""))
    head, _, body = answer.partition(b"\r\n\r\n")
    if b" 200 " not in head.splitlines()[0]:
        raise OSError(answer.decode())
    return body.decode()


def serve(port: int, answers: Mapping[str, Callable[[str], str]]) -> None:
    import http.server

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            path, _, query = self.path.partition("?")
            try:
                status, body = 200, answers[path](query)
            except (OSError, KeyError) as error:
                status, body = 500, repr(error)
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.send_header("X-Stack", os.environ.get("SPLITTER_STACK", ""))
            self.end_headers()
            self.wfile.write(body.encode())

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # the base class's name
            """Say nothing."""

    http.server.ThreadingHTTPServer(("0.0.0.0", port), Handler).serve_forever()


def site() -> None:
    for needed in ("/etc/nginx/conf.d/site.conf", "/settings/common.env"):
        assert Path(needed).read_text(), needed
    serve(8000, {"/": lambda _: get("http://api:8000/rows")})


def gunicorn() -> None:
    key = Path("/run/secrets/session_key").read_text()
    assert key
    assert os.environ["DATABASE_URL"].endswith("@db:5432/shop")
    serve(8000, {"/healthz": lambda _: get("http://db:5432/rows"), "/rows": lambda _: get("http://db:5432/rows")})


def postgres() -> None:
    assert Path(os.environ["POSTGRES_PASSWORD_FILE"]).read_text() == "s3cret$1"

    def keep(row: str) -> str:
        with LOCK, ROWS.open("a") as rows:
            rows.write(f"{row}\n")
        return row

    serve(5432, {"/keep": keep, "/rows": lambda _: ROWS.read_text() if ROWS.exists() else ""})


def alembic() -> None:
    for _ in range(PATIENCE):
        try:
            get("http://db:5432/keep?migrated")
        except OSError:
            time.sleep(0.1)
        else:
            return
    sys.exit("the database does not answer")


def stay() -> None:
    with socket.create_server(("0.0.0.0", 6379)):
        signal.pause()


def main(name: str, arguments: list[str]) -> None:
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    programs = {"site": site, "gunicorn": gunicorn, "postgres": postgres, "alembic": alembic}
    if name == "sh":
        name, *arguments = shlex.split(arguments[-1])
        main(name, arguments)
    elif name == "curl":
        get(arguments[-1])
    elif name == "pg_isready":
        get("http://127.0.0.1:5432/rows")
    else:
        programs.get(name, stay)()


if __name__ == "__main__":
    main(Path(sys.argv[0]).name, sys.argv[1:])
