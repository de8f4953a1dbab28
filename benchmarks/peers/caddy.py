"""Caddy, whose runtime is told to use one core."""

import shutil
import subprocess
from pathlib import Path

from benchmarks.site import Site


def version() -> str | None:
    """Return Caddy's version; None where there is no Caddy."""
    if shutil.which("caddy") is None:
        return None
    return subprocess.run(["caddy", "version"], capture_output=True, text=True, check=True).stdout.split()[0]


def proxy(directory: Path, site: Site) -> list[str]:
    """Return the command of Caddy; it gets a home of its own, for it keeps files there."""
    config = directory / "Caddyfile"
    plain = f"http://127.0.0.1:{site.port} {{\n{_body(site)}}}\n"
    tls = f"https://127.0.0.1:{site.tls_port} {{\n    tls {site.certificate} {site.key}\n{_body(site)}}}\n"
    options = "{\n    admin off\n    auto_https disable_redirects\n    log {\n        level ERROR\n    }\n}\n"
    config.write_text(options + plain + tls)
    home = f"HOME={directory}", f"XDG_DATA_HOME={directory}", f"XDG_CONFIG_HOME={directory}"
    return ["env", *home, "GOMAXPROCS=1", "caddy", "run", "--adapter", "caddyfile", "--config", str(config)]


def _body(site: Site) -> str:
    return f"""
    bind 127.0.0.1
    reverse_proxy /ws 127.0.0.1:{site.echo}
    reverse_proxy 127.0.0.1:{site.origin} {{
        transport http {{
            keepalive_idle_conns_per_host 64
            compression off
        }}
    }}
"""
