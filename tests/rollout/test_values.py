from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import pytest

from splitter.change.canonical import from_json, to_json
from splitter.errors import Problem, TemplateError
from splitter.limits import SECRET_VALUES_MAX
from splitter.model import StackId
from splitter.rollout.history import StackRecord
from splitter.rollout.planning import TemplateReader
from splitter.rollout.stacks import Stacks
from splitter.rollout.values import Values
from splitter.template import Document, Template


def template(**values: str | None) -> Template:
    """Return a template of secrets that are variables."""
    secrets = {key: Document(key, environment=key, digest=f"of {value}", value=value) for key, value in values.items()}
    configs = {"plain": Document("plain", content="text", digest="of text")}
    return Template("shop", "/srv/shop", {}, secrets=secrets, configs=configs)


def journaled(whole: Template) -> Template:
    return from_json(to_json(whole))


class TestValues:
    def test_are_laid_back_in(self) -> None:
        """
        What the journal does not have is there again, whatever is known from elsewhere stays.
        """
        values, whole = Values(), template(one="1", two="2")

        values.remember(whole)

        assert journaled(whole).secrets["one"].value is None
        found = values.filled(journaled(whole))
        assert {key: each.value for key, each in found.secrets.items()} == {"one": "1", "two": "2"}
        assert found.configs["plain"].value is None
        assert not values.lacks(journaled(whole))

    def test_of_another_digest_are_not_given(self) -> None:
        """
        A variable that holds something else by now is lacking.
        """
        values = Values()
        values.remember(template(one="new"))
        old = journaled(template(one="old"))

        assert values.lacks(old)
        assert values.filled(old).secrets["one"].value is None

    def test_that_are_at_hand_are_not_lacking(self) -> None:
        """
        A template that was just read has its values, and so has one without variables.
        """
        assert not Values().lacks(template(one="1"))
        assert not Values().lacks(template())

    def test_are_bounded(self) -> None:
        """
        The oldest are forgotten, one that is met again is not the oldest.
        """
        values = Values()
        values.remember(template(one="1"))
        values.remember(template(**{f"k{number}": f"v{number}" for number in range(SECRET_VALUES_MAX - 1)}))
        values.remember(template(one="1"))
        values.remember(template(more="more"))

        assert not values.lacks(journaled(template(one="1", more="more")))
        assert values.lacks(journaled(template(k0="v0")))


class Shelf:
    """A journal that has one template, and nothing else."""

    def __init__(self, whole: Template) -> None:
        self._text = to_json(whole)

    async def template(self, digest: str) -> str:
        return self._text


def stacks(whole: Template, reader: TemplateReader) -> Stacks:
    """Return the stacks of a daemon that has only just been started."""
    nothing: Any = None
    shelf: Any = Shelf(whole)
    return Stacks("shop", (), nothing, shelf, nothing, lambda _: None, lambda _: None, reader)


class TestOrders:
    RECORD = StackRecord(StackId("shop-r1"), 1, "digest")

    async def test_have_what_was_deployed(self) -> None:
        """
        A stack is made with the values that its template had when it was read.
        """
        found = stacks(whole := template(one="1"), lambda *_, **__: pytest.fail("nothing is to be read"))
        found.remember(whole)

        order = await found.order(self.RECORD, "", 1.0)

        assert order.template.secrets["one"].value == "1"

    @pytest.mark.parametrize(("now", "given"), [("1", "1"), ("changed", None)])
    async def test_have_it_after_a_restart_too(self, now: str, given: str | None) -> None:
        """
        A daemon that was started again reads the files for their variables, and takes none that has changed.
        """
        asked: list[Sequence[str]] = []

        def read(files: Sequence[str], environment: Mapping[str, str], *, env_files: Sequence[str] = ()) -> Template:
            asked.append(files)
            return template(one=now)

        found = stacks(replace(template(one="1"), files=("/srv/shop/compose.yaml",)), read)

        order = await found.order(self.RECORD, "", 1.0)

        assert asked == [("/srv/shop/compose.yaml",)]
        assert order.template.secrets["one"].value == given

    async def test_go_on_without_files(self) -> None:
        """
        Files that are gone are no reason against a stack that may be up: whoever makes it says what is missing.
        """

        def read(files: Sequence[str], environment: Mapping[str, str], *, env_files: Sequence[str] = ()) -> Template:
            raise TemplateError([Problem("/srv/shop/compose.yaml", 0, 0, "", "there is no such file")])

        order = await stacks(template(one="1"), read).order(self.RECORD, "", 1.0)

        assert order.template.secrets["one"].value is None
