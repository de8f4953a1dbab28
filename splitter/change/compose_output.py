"""What `docker compose config --format json` prints, as a template of our own loader says it.

Compose writes out what it would do: names of networks and volumes that only its own project would have, modes of ports
that mean nothing on one engine, sections that hold nothing.  Here that is taken away again, so that both loaders come
to the same template, and the loader that reads the rest says what it cannot take.
"""

import json
import re
from typing import Any

Json = dict[str, Any]

VERSION_MIN = (2, 20)
"""The first version that knows `include`."""

_VERSION = re.compile(r"v?([0-9]{1,4})\.([0-9]{1,4})", re.ASCII)


def arguments(
    files: tuple[str, ...], directory: str, profiles: tuple[str, ...], project: str, env_files: tuple[str, ...]
) -> list[str]:
    """Return what `docker compose` is called with."""
    return [
        *(word for file in files for word in ("--file", file)),
        *("--project-directory", directory),
        *(word for profile in profiles for word in ("--profile", profile)),
        *(("--project-name", project) if project else ()),
        *(word for file in env_files for word in ("--env-file", file)),
        *("config", "--format", "json"),
    ]


def is_new_enough(version: str) -> bool:
    """Return whether the program that calls itself so is one whose output is known here."""
    found = _VERSION.match(version.strip())
    return found is not None and (int(found[1]), int(found[2])) >= VERSION_MIN


def as_written(printed: str) -> str:
    """Return the JSON that Compose printed as the JSON of a Compose file.  Raises ValueError for anything else."""
    found = json.loads(printed)
    if not isinstance(found, dict):
        raise ValueError("no mapping")  # noqa: TRY004 - as json.loads says it of what is no JSON
    project = str(found.get("name", ""))
    for kind in ("networks", "volumes", "secrets", "configs"):
        for key, resource in _mappings(found.get(kind)):
            if resource.get("name") == f"{project}_{key}" and not resource.get("external"):
                del resource["name"]
    for _, service in _mappings(found.get("services")):
        _clean(service)
    return json.dumps(found, indent=2, ensure_ascii=False)


def _clean(service: Json) -> None:
    """Take out of a service what Compose has put in and what says nothing."""
    for port in service.get("ports") or ():
        if isinstance(port, dict) and port.get("mode") == "ingress":
            del port["mode"]
    for holder, key, default in (("deploy", "placement", {}), ("build", "dockerfile", "Dockerfile")):
        section = service.get(holder)
        if isinstance(section, dict) and section.get(key) == default:
            del section[key]


def _mappings(section: object) -> list[tuple[str, Json]]:
    """Return the entries of a section that are mappings themselves."""
    if not isinstance(section, dict):
        return []
    return [(key, value) for key, value in section.items() if isinstance(value, dict)]
