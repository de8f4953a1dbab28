"""Options of a rollout: what is refused, and the journal's form."""

import json
from typing import Any

import pytest

from splitter.errors import OperatorError
from splitter.model import Sticky, StickyBy
from splitter.rollout.options import OnUndecided, RolloutOptions, from_mapping, to_mapping


class TestRolloutOptions:
    @pytest.mark.parametrize(
        ("values", "message"),
        [
            ({"steps_bp": ()}, "rollout.steps: 0 steps"),
            ({"steps_bp": (0,)}, r"rollout.steps\[0\]: 0 % is no split"),
            ({"steps_bp": (100, 10_000)}, r"rollout.steps\[1\]: 100 % is no split"),
            ({"steps_bp": (500, 500)}, r"rollout.steps\[1\]: 5 % raises nothing; write more than 5 %"),
            ({"tick_s": 0}, "rollout.tick: must be more than 0"),
            ({"hold_s": -1}, "rollout.hold: must not be negative"),
        ],
    )
    def test_are_refused_where_no_rollout_can_go_by_them(self, values: dict[str, Any], message: str) -> None:
        """
        A wrong option is named as people write it.
        """
        with pytest.raises(OperatorError, match=message):
            RolloutOptions(**values)

    def test_come_back_from_the_journal(self) -> None:
        """
        What is journaled is read back; unknown options are passed over, missing ones have their defaults.
        """
        sticky = Sticky(StickyBy.COOKIE, "splitter")
        options = RolloutOptions(steps_bp=(200, 400), on_undecided=OnUndecided.HOLD, hold_s=3, sticky=sticky)

        kept = json.loads(json.dumps({**to_mapping(options), "of_the_future": 1}))

        assert from_mapping(kept) == options
        assert from_mapping({}) == RolloutOptions()
