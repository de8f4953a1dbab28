"""nginx: the proxy that all others are compared with, and the origin behind all of them."""

import getpass
import shutil
import subprocess
from pathlib import Path

from benchmarks.site import Site

_COMMON = """
daemon off;
user {who};
worker_processes 1;
worker_rlimit_nofile 20000;
error_log stderr warn;
pid {directory}/nginx.pid;
events {{ worker_connections 16384; }}
http {{
    access_log off;
    sendfile on;
    client_max_body_size 0;
    client_body_temp_path {directory}/body;
    proxy_temp_path {directory}/proxy;
    fastcgi_temp_path {directory}/fastcgi;
    uwsgi_temp_path {directory}/uwsgi;
    scgi_temp_path {directory}/scgi;
    keepalive_requests 1000000000;
    {servers}
}}
"""

# Bodies are files; an answer that server-side includes have gone over is in chunks.
_ORIGIN = """
    server {{
        listen 127.0.0.1:{port};
        root {directory}/files;
        client_body_in_single_buffer on;
        client_body_buffer_size 256k;
        location / {{ default_type text/plain; return 200 "one small answer\\n"; }}
        location /body/ {{ }}
        location /chunked {{ default_type text/html; ssi on; error_page 405 =200 /chunked; }}
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
        listen 127.0.0.1:{tls_port} ssl;
        ssl_certificate {certificate};
        ssl_certificate_key {key};
        proxy_http_version 1.1;
        proxy_set_header Host $host;
        proxy_set_header X-Forwarded-For $remote_addr;
        proxy_request_buffering off;
        proxy_max_temp_file_size 0;
        location / {{
            proxy_pass http://origin;
            proxy_set_header Connection "";
        }}
        location /ws {{
            proxy_pass http://127.0.0.1:{echo};
            proxy_set_header Connection upgrade;
            proxy_set_header Upgrade $http_upgrade;
        }}
    }}
"""
BODIES = {"1m": 1024 * 1024, "64m": 64 * 1024 * 1024}


def version() -> str | None:
    """Return nginx's version; None where there is no nginx."""
    if shutil.which("nginx") is None:
        return None
    said = subprocess.run(["nginx", "-v"], capture_output=True, text=True, check=True)
    return said.stderr.strip().removeprefix("nginx version: nginx/")


def proxy(directory: Path, site: Site) -> list[str]:
    """Return the command of nginx as a reverse proxy with a pool of upstream connections."""
    servers = _PROXY.format(
        port=site.port,
        tls_port=site.tls_port,
        origin=site.origin,
        echo=site.echo,
        certificate=site.certificate,
        key=site.key,
    )
    return _command(directory, servers)


def origin(directory: Path, site: Site) -> list[str]:
    """Return the command of nginx as the origin, with its bodies."""
    files = directory / "files"
    (files / "body").mkdir(parents=True)
    for name, size in BODIES.items():
        with (files / "body" / name).open("wb") as file:
            file.truncate(size)
    (files / "chunked").write_text("x" * 4096)
    return _command(directory, _ORIGIN.format(port=site.port, directory=directory))


def _command(directory: Path, servers: str) -> list[str]:
    """Return the command of nginx; its worker is ours, and can read the bodies."""
    config = directory / "nginx.conf"
    config.write_text(_COMMON.format(directory=directory, servers=servers, who=getpass.getuser()))
    return ["nginx", "-p", str(directory), "-c", str(config), "-e", "stderr"]
