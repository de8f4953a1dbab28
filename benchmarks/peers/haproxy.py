"""HAProxy in HTTP mode, one thread."""

import shutil
import subprocess
from pathlib import Path

_CONFIG = """
global
    nbthread 1
    maxconn 4096
defaults
    mode http
    option http-keep-alive
    option forwardfor
    http-reuse always
    timeout connect 3s
    timeout client 60s
    timeout server 60s
frontend benchmark
    bind 127.0.0.1:{port}
    default_backend origin
backend origin
    server origin 127.0.0.1:{origin} pool-max-conn 64
"""


def version() -> str | None:
    """Return HAProxy's version; None where there is no HAProxy."""
    if shutil.which("haproxy") is None:
        return None
    said = subprocess.run(["haproxy", "-v"], capture_output=True, text=True, check=True)
    return said.stdout.split()[2]


def proxy(directory: Path, port: int, origin: int) -> list[str]:
    """Return the command of HAProxy in the foreground."""
    config = directory / "haproxy.cfg"
    config.write_text(_CONFIG.format(port=port, origin=origin))
    return ["haproxy", "-db", "-f", str(config)]
