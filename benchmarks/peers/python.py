"""Peers that are Python modules: `python -m MODULE PORT TLS_PORT ORIGIN ECHO CERTIFICATE KEY [MODE]`."""

import sys
from collections.abc import Callable
from importlib import metadata
from pathlib import Path

from benchmarks.site import Site


def version_of(distribution: str) -> Callable[[], str | None]:
    """Return what finds the version of an installed distribution; None where it is not installed."""

    def version() -> str | None:
        try:
            return metadata.version(distribution)
        except metadata.PackageNotFoundError:
            return None

    return version


def command(module: str, mode: str = "") -> Callable[[Path, Site], list[str]]:
    """Return what gives the command of a module."""

    def start(_: Path, site: Site) -> list[str]:
        words = (
            site.port,
            site.tls_port,
            site.origin,
            site.echo,
            site.certificate,
            site.key,
            *([mode] if mode else []),
        )
        return [sys.executable, "-m", module, *map(str, words)]

    return start


def site_of(arguments: list[str]) -> tuple[Site, str]:
    """Return what `command` has written: the site and the mode."""
    port, tls_port, origin, echo, certificate, key, *mode = arguments
    return Site(int(port), int(tls_port), int(origin), int(echo), Path(certificate), Path(key)), "".join(mode)
