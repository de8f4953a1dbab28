"""HAProxy in HTTP mode, one thread."""

import shutil
import subprocess
from pathlib import Path

from benchmarks.site import Site

_CONFIG = """
global
    nbthread 1
    maxconn 12000
    no strict-limits
defaults
    mode http
    option http-keep-alive
    option forwardfor
    http-reuse always
    timeout connect 3s
    timeout client 60s
    timeout server 60s
    timeout tunnel 60s
frontend benchmark
    maxconn 12000
    bind 127.0.0.1:{port}
    bind 127.0.0.1:{tls_port} ssl crt {both}
    use_backend echo if {{ path /ws }}
    default_backend origin
backend origin
    server origin 127.0.0.1:{origin} pool-max-conn 64
backend echo
    server echo 127.0.0.1:{echo}
"""


def version() -> str | None:
    """Return HAProxy's version; None where there is no HAProxy."""
    if shutil.which("haproxy") is None:
        return None
    said = subprocess.run(["haproxy", "-v"], capture_output=True, text=True, check=True)
    return said.stdout.split()[2]


def proxy(directory: Path, site: Site) -> list[str]:
    """Return the command of HAProxy in the foreground."""
    config = directory / "haproxy.cfg"
    both = site.certificate.parent / "both.pem"
    text = _CONFIG.format(port=site.port, tls_port=site.tls_port, origin=site.origin, echo=site.echo, both=both)
    config.write_text(text)
    return ["haproxy", "-db", "-f", str(config)]
