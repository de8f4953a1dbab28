"""Proxies that are Python modules: `python -m MODULE PORT ORIGIN`, with the interpreter that runs the comparison."""

import sys
from collections.abc import Callable
from importlib import metadata
from pathlib import Path


def version_of(distribution: str) -> Callable[[], str | None]:
    """Return what finds the version of an installed distribution; None where it is not installed."""

    def version() -> str | None:
        try:
            return metadata.version(distribution)
        except metadata.PackageNotFoundError:
            return None

    return version


def command(module: str) -> Callable[[Path, int, int], list[str]]:
    """Return what gives the command of a module."""

    def start(_: Path, port: int, origin: int) -> list[str]:
        return [sys.executable, "-m", module, str(port), str(origin)]

    return start
