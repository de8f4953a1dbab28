"""Compose files in memory, as the tests of this folder write them."""

from collections.abc import Callable, Mapping, Sequence
from textwrap import dedent

import pytest

from splitter.change.loader import load
from splitter.errors import TemplateError
from splitter.template import Service, Template

FILE = "/srv/shop/compose.yaml"


def reader(files: Mapping[str, str]) -> Callable[[str], str]:
    """Return a `read` that knows `files` and nothing else."""

    def read(path: str) -> str:
        if path not in files:
            raise FileNotFoundError(2, "No such file or directory", path)
        return files[path]

    return read


def template(
    text: str,
    *,
    environment: Mapping[str, str] | None = None,
    others: Mapping[str, str] | None = None,
    profiles: Sequence[str] = (),
    require_image: bool = True,
) -> Template:
    """Load one file; `others` are the files that it names, by absolute path."""
    files = {FILE: dedent(text), **(others or {})}
    return load(
        [FILE],
        read=reader(files),
        environment=environment or {},
        profiles=profiles,
        require_image=require_image,
    )


def merged(*texts: str, environment: Mapping[str, str] | None = None) -> Template:
    """Load several files over each other."""
    files = {f"/srv/shop/{number}.yaml": dedent(text) for number, text in enumerate(texts)}
    return load(list(files), read=reader(files), environment=environment or {})


def service(text: str, *, environment: Mapping[str, str] | None = None) -> Service:
    """Load a file with one service `web`, given the keys of that service (flow style, without braces)."""
    return template(f"services: {{web: {{image: web, {text}}}}}", environment=environment).services["web"]


def mistakes(text: str, **options: object) -> list[str]:
    """Load a file that cannot be used; return its mistakes as they are printed, without the file's name."""
    with pytest.raises(TemplateError) as caught:
        template(text, **options)  # type: ignore[arg-type]  # the options of template()
    return [str(problem).removeprefix(f"{FILE}:") for problem in caught.value.problems]


def mistake(text: str) -> str:
    """Load a service `web` (as `service` does) that has one mistake; return its sentence."""
    found = mistakes(f"services: {{web: {{image: web, {text}}}}}")
    assert len(found) == 1, found
    return found[0].partition(": ")[2]
