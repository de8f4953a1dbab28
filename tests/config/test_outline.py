"""The outline: every option, read off the models."""

from enum import StrEnum
from typing import Literal

from splitter.config.document import Document
from splitter.config.outline import Option, keys_at, options
from splitter.config.section import Section
from splitter.config.units import Duration, Share


class Colour(StrEnum):
    RED = "red"
    BLUE = "blue"


class Leaf(Section):
    wait: Duration = 90.0
    """How long
    it waits."""
    colours: frozenset[Colour] = frozenset({Colour.RED})
    kind: Literal["a", "b"] | None = None


class Root(Section):
    leaf: Leaf = Leaf(wait="5s")
    leaves: dict[str, Leaf] = {}  # noqa: RUF012 - pydantic copies it
    steps: tuple[Share, ...]


class TestOptions:
    def test_say_path_unit_default_and_sentence(self) -> None:
        """
        An option is described as the file would have it; a section's own default overrides its options'.
        """
        found = {option.path: option for option in options(Root)}

        assert found["leaf", "wait"] == Option(("leaf", "wait"), "duration", "5s", False, False, "How long it waits.")
        assert found["leaves", "*", "wait"].default == "1m30s"
        assert found["leaf", "colours"].unit == "list of: `red` | `blue`"
        assert found["leaf", "colours"].default == "[red]"
        assert (found["leaf", "kind"].unit, found["leaf", "kind"].default) == ("`a` | `b`", "null")
        assert found["leaves",].unit == "mapping of names to sections"
        assert (found["steps",].unit, found["steps",].is_required) == ("list of: share of traffic", True)

    def test_of_the_document_are_all_explained(self) -> None:
        """
        No option is without a sentence that ends like one.
        """
        unexplained = [option.path for option in options(Document) if not option.sentence.endswith(".")]

        assert unexplained == []


class TestKeys:
    def test_are_those_of_the_section(self) -> None:
        """
        A path of a real document leads through names and positions to the options that are known there.
        """
        assert keys_at(Document, ("listeners", 3)) == ("bind", "tls", "proxy_protocol")
        assert keys_at(Document, ("apps", "shop", "routes", 0)) == ("host", "path", "service", "port", "health")
        assert keys_at(Document, ("apps", "shop", "static", "services", "web")) == ("endpoints",)
        assert keys_at(Document, ("nowhere",)) == ()
