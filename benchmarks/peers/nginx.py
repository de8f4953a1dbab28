"""nginx: the proxy that all others are compared with, and the origin behind all of them."""

import shutil
import subprocess
from pathlib import Path

_COMMON = """
daemon off;
worker_processes 1;
error_log stderr warn;
pid {directory}/nginx.pid;
events {{ worker_connections 4096; }}
http {{
    access_log off;
    client_body_temp_path {directory}/body;
    proxy_temp_path {directory}/proxy;
    fastcgi_temp_path {directory}/fastcgi;
    uwsgi_temp_path {directory}/uwsgi;
    scgi_temp_path {directory}/scgi;
    keepalive_requests 1000000000;
    {servers}
}}
"""

_ORIGIN = """
    server {{
        listen 127.0.0.1:{port};
        location / {{ default_type text/plain; return 200 "one small answer\\n"; }}
    }}
"""

_PROXY = """
    upstream origin {{
        server 127.0.0.1:{origin};
        keepalive 64;
        keepalive_requests 1000000000;
    }}
    server {{
        listen 127.0.0.1:{port};
        location / {{
            proxy_pass http://origin;
            proxy_http_version 1.1;
            proxy_set_header Connection "";
            proxy_set_header Host $host;
            proxy_set_header X-Forwarded-For $remote_addr;
        }}
    }}
"""


def version() -> str | None:
    """Return nginx's version; None where there is no nginx."""
    if shutil.which("nginx") is None:
        return None
    said = subprocess.run(["nginx", "-v"], capture_output=True, text=True, check=True)
    return said.stderr.strip().removeprefix("nginx version: nginx/")


def proxy(directory: Path, port: int, origin: int) -> list[str]:
    """Return the command of nginx as a reverse proxy with a pool of upstream connections."""
    return _command(directory, _PROXY.format(port=port, origin=origin))


def origin(directory: Path, port: int, _: int) -> list[str]:
    """Return the command of nginx as the origin: a small fixed answer."""
    return _command(directory, _ORIGIN.format(port=port))


def _command(directory: Path, servers: str) -> list[str]:
    config = directory / "nginx.conf"
    config.write_text(_COMMON.format(directory=directory, servers=servers))
    return ["nginx", "-p", str(directory), "-c", str(config), "-e", "stderr"]
