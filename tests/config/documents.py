"""What the tests of the configuration share: a small good document, and the mistakes of a bad one as people read."""

from collections.abc import Mapping
from pathlib import Path
from textwrap import dedent

import pytest

from splitter.config import Config
from splitter.config.loading import read_config
from splitter.errors import ConfigError

FILE = Path("/etc/splitter/splitter.yaml")

GOOD = """\
listeners:
  - bind: 0.0.0.0:8080
apps:
  shop:
    provisioner: docker
    template: compose.yaml
    routes:
      - {path: /, service: web, port: 8000}
"""


def read(text: str, environment: Mapping[str, str] | None = None) -> Config:
    """Return the configuration that `text` is."""
    return read_config(dedent(text), FILE, environment or {})


def with_app(lines: str) -> str:
    """Return the good document with more options for its app, written as for the top level."""
    return GOOD + "".join(f"    {line}\n" for line in dedent(lines).strip().splitlines())


def mistakes(text: str, environment: Mapping[str, str] | None = None) -> list[str]:
    """Return what is wrong with `text`, as `line:column: path: sentence`."""
    with pytest.raises(ConfigError) as caught:
        read(text, environment)
    return [str(problem).removeprefix(f"{FILE}:") for problem in caught.value.problems]
