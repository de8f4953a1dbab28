"""Platforms as people write them (`linux/arm64/v8`, `arm64`, `x86_64`), and which of them an engine runs."""

from collections.abc import Mapping
from typing import Any

from splitter.template import Build

ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}


def is_for(asked: str, there: str) -> bool:
    """Return whether an image for `there` (system/architecture) is one for what is asked, which may say less."""
    system, _, architecture = there.partition("/")
    parts = asked.lower().split("/")
    if len(parts) == 1:
        return parts[0] in (system, architecture) or ARCHITECTURES.get(parts[0]) == architecture
    return parts[0] == system and ARCHITECTURES.get(parts[1], parts[1]) == architecture


def of_engine(info: Mapping[str, Any]) -> str:
    """Return the platform that an engine says it runs, as system/architecture."""
    architecture = str(info.get("Architecture", ""))
    return f"{info.get('OSType', 'linux')}/{ARCHITECTURES.get(architecture, architecture)}"


def choose(build: Build, asked: str, own: str) -> str:
    """Return the platform to build for, empty where nothing says one; `asked` is the service's, `own` the engine's.

    Of several that engine's own is built, since that one is run.  Raises ValueError where it is not among them.
    """
    if asked or not build.platforms:
        return build.platform or asked
    fitting = [each for each in build.platforms if is_for(each, own)]
    if not fitting:
        raise ValueError(f"it is built for {', '.join(build.platforms)}, and the engine runs {own}; add that platform")
    return fitting[0]
