"""Options of a rollout: what is refused, and the journal's form."""

import json
from typing import Any

import pytest

from splitter.errors import OperatorError
from splitter.model import Sticky, StickyBy
from splitter.rollout.options import MirrorOptions, OnUndecided, RolloutOptions, from_mapping, to_mapping

MIRROR = MirrorOptions(share_bp=2_500, methods=("GET", "POST"), for_s=7.0, isolated=True)


class TestMirrorOptions:
    @pytest.mark.parametrize(
        ("values", "message"),
        [
            ({"share_bp": 0}, "rollout.mirror.share: 0 % is no share"),
            ({"share_bp": 10_001}, "rollout.mirror.share: 100.01 % is no share"),
            ({"methods": ()}, "rollout.mirror.methods: nothing would be copied"),
            (
                {"methods": ("GET", "POST", "PUT")},
                "rollout.mirror.methods: POST, PUT would be done twice; leave",
            ),
            ({"for_s": 0}, "rollout.mirror.for: must be more than 0"),
        ],
    )
    def test_are_refused_where_nothing_can_be_mirrored_by_them(self, values: dict[str, Any], message: str) -> None:
        """
        A wrong option is named as people write it; what changes something needs a word that it does no harm.
        """
        with pytest.raises(OperatorError, match=message):
            MirrorOptions(**values)

    def test_know_what_is_safe(self) -> None:
        """
        By default nothing is copied that changes something.
        """
        assert MirrorOptions().unsafe_methods == ()
        assert MIRROR.unsafe_methods == ("POST",)


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
        options = RolloutOptions(
            steps_bp=(200, 400), on_undecided=OnUndecided.HOLD, hold_s=3, sticky=sticky, mirror=MIRROR
        )

        kept = json.loads(json.dumps({**to_mapping(options), "of_the_future": 1}))

        assert from_mapping(kept) == options
        assert from_mapping({}) == RolloutOptions()
