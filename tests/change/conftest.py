from collections.abc import Mapping
from dataclasses import replace

import pytest

from splitter.change import keys
from splitter.change.keys import Key, Level


@pytest.fixture
def every_key(monkeypatch: pytest.MonkeyPatch) -> None:
    """Read the keys that no provisioner maps yet as if one did."""

    def mapped(table: Mapping[str, Key]) -> dict[str, Key]:
        return {name: replace(row, level=Level.DO) if row.level is Level.LATER else row for name, row in table.items()}

    for name, table in list(vars(keys).items()):
        if name.isupper() and not name.startswith("_"):
            monkeypatch.setattr(keys, name, mapped(table))
