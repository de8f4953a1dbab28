import inspect
import re
from pathlib import Path

import pytest

from splitter.change import keys, labels, reach_risks, state_risks, work_risks
from splitter.change.keys import Level
from tests.change.compose import mistake, template

TABLES = {name: table for name, table in vars(keys).items() if name.isupper() and not name.startswith("_")}


class TestTables:
    @pytest.mark.parametrize("table", TABLES)
    def test_every_refusal_says_what_to_do(self, table: str) -> None:
        """
        A key that cannot be used names what to write instead.
        """
        silent = [key for key, row in TABLES[table].items() if row.level in {Level.REFUSE, Level.LATER} and not row.say]

        assert silent == []

    @pytest.mark.parametrize("key", [key for key, row in keys.SERVICE.items() if row.level is Level.LATER])
    def test_later_keys_are_refused_by_name(self, key: str) -> None:
        """
        A key that is not supported yet is a mistake with its name, never silence.
        """
        assert f"services.web.{key}: '{key}' is not supported yet; {keys.SERVICE[key].say}" == mistake(f"{key}: x")

    @pytest.mark.parametrize("key", [key for key, row in keys.SERVICE.items() if row.level is Level.REFUSE])
    def test_refused_keys_say_why(self, key: str) -> None:
        """
        A key that cannot be right beside a second stack is refused with what to write.
        """
        assert f"services.web.{key}: '{key}' cannot be used here: {keys.SERVICE[key].say}" == mistake(f"{key}: x")

    @pytest.mark.parametrize("key", [key for key, row in keys.SERVICE.items() if row.level is Level.NOTE])
    def test_noted_keys_are_accepted(self, key: str) -> None:
        """
        A key without effect is accepted with one note.
        """
        loaded = template(f"services: {{web: {{image: web, {key}: x}}}}")

        assert len(loaded.notes) == 1
        assert f"services.web.{key} has no effect" in loaded.notes[0]


class TestUnknownKeys:
    def test_offer_the_nearest(self) -> None:
        """
        A key that does not exist is named with the one that was probably meant.
        """
        assert mistake("enviroment: {}") == (
            "services.web.enviroment: unknown key 'enviroment'; did you mean 'environment'?"
        )

    def test_extensions_are_allowed_everywhere(self) -> None:
        """
        `x-` keys are for the user's own anchors.
        """
        loaded = template("x-a: 1\nservices: {web: {image: web, x-b: 2, healthcheck: {test: a, x-c: 3}}}")

        assert loaded.notes == ()


class TestDocument:
    DOCUMENT = (Path(__file__).parents[2] / "docs" / "templates.md").read_text()

    def test_names_every_key_that_is_refused(self) -> None:
        """
        Who reads the page knows which keys of a service cannot be used.
        """
        refused = [key for key, row in keys.SERVICE.items() if row.level in {Level.REFUSE, Level.LATER}]
        refused += [key for key, row in keys.BUILD.items() if row.level in {Level.REFUSE, Level.LATER}]

        assert [key for key in refused if f"`{key}`" not in self.DOCUMENT] == []

    def test_names_every_label_with_what_it_may_say(self) -> None:
        """
        The labels by which a template speaks to splitter are on the page.
        """
        rows = {line.split("`")[1]: line for line in self.DOCUMENT.splitlines() if line.startswith("| `splitter.")}
        table = {**labels.SERVICE_LABELS, **labels.VOLUME_LABELS}

        assert set(rows) == set(table)
        words = {label: [word for word in said if word.isalpha()] for label, said in table.items()}
        assert [label for label, said in words.items() if not all(f"`{word}`" in rows[label] for word in said)] == []

    def test_names_every_finding(self) -> None:
        """
        Each finding of the rollback cost has a row.
        """
        rooms = (state_risks, work_risks, reach_risks)
        reason = re.compile(r'Reason\(\s*"([A-Z]{2}[0-9])"')
        ids = {found for room in rooms for found in reason.findall(inspect.getsource(room))}

        assert ids == set(re.findall(r"^\| ([A-Z]{2}[0-9]) \|", self.DOCUMENT, re.MULTILINE))
