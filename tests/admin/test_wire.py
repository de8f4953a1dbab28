"""Values to JSON."""

import json
from datetime import UTC, datetime
from math import inf, nan

from splitter.admin.wire import dumps, plain
from splitter.contracts import Severity
from splitter.model import Endpoint


class TestPlain:
    def test_takes_all_that_a_status_is_made_of(self) -> None:
        """
        Dataclasses, enums, dates, tuples and mappings become what JSON knows.
        """
        value = {
            "endpoints": (Endpoint("::1", 1),),
            Severity.INFO: datetime(2024, 5, 6, tzinfo=UTC),
            "set": frozenset({1}),
            "none": None,
        }

        assert plain(value) == {
            "endpoints": [{"host": "::1", "port": 1}],
            "info": "2024-05-06T00:00:00+00:00",
            "set": [1],
            "none": None,
        }

    def test_has_null_for_odds_without_end(self) -> None:
        """
        Infinity and NaN are no JSON; strict readers would refuse the whole answer.
        """
        assert json.loads(dumps({"evidence": inf, "rate": nan, "n": 0.5})) == {"evidence": None, "rate": None, "n": 0.5}


class TestDumps:
    def test_is_one_line(self) -> None:
        """
        A server-sent event ends at a line break, so there is none inside.
        """
        assert dumps({"sentence": "a\nb – c"}) == '{"sentence":"a\\nb – c"}'
