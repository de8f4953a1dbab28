"""The reference page, the schema and the example say what is accepted, all of it and nothing else."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from provisioners.docker import DockerOptions
from splitter.change.positions import parse
from splitter.config import json_schema, load_config, reference
from splitter.config.document import Document
from splitter.config.loading import plain
from splitter.config.outline import options
from splitter.config.reference import written
from splitter.proxy.options import ProxyOptions
from splitter.rollout.options import RolloutOptions

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "config/splitter.yaml"
PAGE = ROOT / "docs/reference/configuration.md"


class TestReference:
    def test_is_the_one_in_the_docs(self) -> None:
        """
        The page is generated: print `splitter.config.reference()` into it when an option has changed.
        """
        assert PAGE.read_text() == reference()

    def test_names_every_option(self) -> None:
        """
        An option is a row of a table, by its name or together with its small section's; or it has a heading.
        """
        page = reference()

        for option in options(Document):
            rows = (f"| `{option.path[-1]}` |", f"| `{'.'.join(option.path[-2:])}` |", f"## `{written(option.path)}`\n")
            assert any(row in page for row in rows), option.path


class TestSchema:
    def test_refuses_unknown_keys_everywhere(self) -> None:
        """
        An editor marks a slip of the finger as the daemon would.
        """
        schema = json_schema()

        sections = [each for each in [schema, *schema["$defs"].values()] if each["type"] == "object"]
        assert all(each["additionalProperties"] is False for each in sections)

    def test_explains_every_option(self) -> None:
        """
        Editors show the sentence of the reference.
        """
        schema = json_schema()

        for section in [schema, *(each for each in schema["$defs"].values() if each["type"] == "object")]:
            for name, option in section["properties"].items():
                assert option.get("description"), f"{section['title']}.{name}"

    def test_shows_defaults_as_a_file_would(self) -> None:
        """
        A duration of the schema is text with a unit, not a number of seconds.
        """
        rollout = json_schema()["$defs"]["Rollout"]["properties"]

        assert rollout["hold"]["default"] == "1m"
        assert rollout["steps"]["default"] == ["1%", "5%", "25%", "50%"]


class TestExample:
    def test_is_good(self) -> None:
        """
        What the example shows can be loaded, and needs no variable to be set.
        """
        assert sorted(load_config(EXAMPLE, {}).apps) == ["legacy", "shop", "tools"]

    def test_shows_every_option(self) -> None:
        """
        Every option of the document stands in the example, uncommented.
        """
        shown = set(_paths(plain(parse(EXAMPLE.read_text(), str(EXAMPLE))), ()))

        assert {option.path for option in options(Document)} - shown == set()

    def test_shows_the_defaults(self) -> None:
        """
        What the example writes for its first app, the data plane and the engine is what holds when nothing is written.
        """
        shown = load_config(EXAMPLE, {})
        shop, tools = shown.apps["shop"], shown.apps["tools"]

        assert shop.rollout == tools.rollout == RolloutOptions()
        assert shop.judge == tools.judge
        assert shop.rollback_cost == tools.rollback_cost
        assert shop.on_stop == tools.on_stop
        assert shown.proxy == ProxyOptions()
        assert shown.docker == DockerOptions()


def _paths(content: Any, path: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    """Yield the paths of all that a document holds, with names and positions as `*` where the outline has them."""
    if isinstance(content, dict):
        named = path in {("apps",), ("apps", "*", "services"), ("apps", "*", "static", "services")}
        for key, value in content.items():
            here = (*path, "*" if named else key)
            yield here
            yield from _paths(value, here)
    elif isinstance(content, list):
        for value in content:
            yield from _paths(value, (*path, "*"))
