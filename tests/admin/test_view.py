"""What people see: a status as lines."""

import io
from dataclasses import replace
from typing import Any

import pytest
from rich.console import Console

from splitter.admin import view
from splitter.admin.client import Update
from splitter.admin.wire import event_object, plain
from splitter.judge.config import Mode
from splitter.judge.verdict import Forecast
from splitter.model import Resources
from splitter.rollout.status import MirrorStatus, ParkedStatus, Status
from tests.admin.controllers import LIVE, SHADOW, SPLITTING, event


def lines(status: Status, width: int = 120) -> list[str]:
    """Return the view of a status as it stands on a terminal without colours."""
    console = Console(width=width, file=io.StringIO(), color_system=None)
    console.print(view.status_view(plain(status)))
    output = console.file
    assert isinstance(output, io.StringIO)
    return [line.rstrip() for line in output.getvalue().splitlines()]


class TestStatusView:
    def test_of_a_split_says_who_how_far_and_on_what_evidence(self) -> None:
        """
        Header, tree, evidence, the price of going back, and what happened last.
        """
        assert lines(SPLITTING) == [
            "shop  ▲ splitting 10 %   step 2/4   04:12   verdict in ~1m40s",
            "live    r11  2 services  9\u202f214 req  errors 0.31 %  p99 212 ms",
            "shadow  r12  2 services  1\u202f027 req  errors 0.29 %  p99 219 ms",
            "  error rate  0.29 % against 0.31 %  proven",
            "  p99         1.2 % above 212 ms",
            "rollback cost: 0 (stateless)",
            "nothing speaks against shop-r12",
        ]

    def test_cuts_no_figure_off_where_it_is_narrow(self) -> None:
        """
        Where the columns do not fit, a stack is a line that wraps.
        """
        narrow = lines(SPLITTING, width=40)

        assert narrow[2:6] == [
            "live  r11  2 services  9\u202f214 req  errors",
            "0.31 %  p99 212 ms",
            "shadow  r12  2 services  1\u202f027 req",
            "errors 0.29 %  p99 219 ms",
        ]
        assert "…" not in "".join(narrow)

    def test_says_what_copies_have_shown(self) -> None:
        """
        Pairs, who failed alone, and how many copies were given up, if any.
        """
        mirror = MirrorStatus(pairs=1_204, shadow_only=3, live_only=1, dropped={"overflow": 4, "aborted": 2})

        assert lines(replace(SPLITTING, mirror=mirror))[3] == (
            "mirror  1\u202f204 pairs  shadow alone failed 3, live alone 1  6 copies dropped"
        )
        timed = replace(mirror, dropped={}, live_p50_us=2_400, shadow_p50_us=12_345)
        assert lines(replace(SPLITTING, mirror=timed))[3].endswith("live alone 1  p50 12 ms against 2.4 ms")

    @pytest.mark.parametrize(
        ("parked", "line"),
        [
            (
                ParkedStatus(1, 8.2, "ann", "a new schema", "at"),
                "parked  1 request waits, ~8s more at most (ann: a new schema)",
            ),
            (ParkedStatus(1_204, 8.2, "ann", "", "at"), "parked  1\u202f204 requests wait, ~8s more at most (ann)"),
        ],
    )
    def test_says_who_is_parked(self, parked: ParkedStatus, line: str) -> None:
        """
        Whoever looks sees that requests wait, for whom, why and for how long at most.
        """
        assert lines(replace(SPLITTING, parked=parked))[3] == line

    def test_before_the_first_rollout_is_short(self) -> None:
        """
        An app that only serves has a header and its live stack.
        """
        assert lines(Status(app="shop", live=replace(LIVE, services=1, requests=0, error_rate=None, p99_us=None))) == [
            "shop  ● serving",
            "live  r11  1 service  0 req  errors –  p99 –",
        ]

    def test_names_what_makes_going_back_dear(self) -> None:
        """
        Reasons are named by their ids, as the plan explains them.
        """
        cost = {
            "level": "warn",
            "points": 30,
            "reasons": [{"id": "VOL1", "sentence": "…"}, {"id": "EX1", "sentence": "…"}],
        }

        assert "rollback cost: 30 (VOL1, EX1)" in lines(replace(SPLITTING, rollback_cost=cost))

    def test_says_what_the_plan_remarked(self) -> None:
        """
        What an operator may not have meant stands there for as long as the shadow does.
        """
        remarked = replace(SPLITTING, notes=("a network is renumbered",))

        assert "note: a network is renumbered" in lines(remarked)
        assert "note: a network is renumbered" not in lines(replace(remarked, shadow=None))

    def test_says_what_lies_ahead(self) -> None:
        """
        The time that is left until a limit, why a promotion waits, and what a person should know.
        """
        leak = Forecast("memory", Mode.ROLLBACK, 0.5, 0.95, 754.0, False, "memory grows")
        calm = Forecast("cpu", Mode.GATE, 0.2, 0.8, None, False, "enough")

        found = lines(replace(SPLITTING, forecasts=(leak, calm), gates=("memory grows",), warnings=("CPU is unknown",)))

        assert found[-5:-2] == [
            "  memory at its limit in ~12m34s",
            "  a promotion waits: memory grows",
            "  warning: CPU is unknown",
        ]

    def test_says_how_full_a_stack_is(self) -> None:
        """
        Memory stands beside the figures of the requests, and so do restarts, where there were some.
        """
        uses = Resources(memory=450.0, memory_limit=1_000.0, restarts=2)

        assert lines(replace(SPLITTING, live=replace(LIVE, uses=uses)))[1].endswith("memory 45 %, restarts 2")

    def test_says_what_is_down_and_what_is_wrong(self) -> None:
        """
        Trouble is the last line, so that nobody misses it.
        """
        found = lines(replace(SPLITTING, live=replace(LIVE, is_up=False), trouble="the disk is full"))

        assert found[1].startswith("live    r11 (down)")
        assert found[-1] == "the disk is full"

    def test_says_which_endpoint_is_not_well(self) -> None:
        """
        The stack is marked, and below stands what its probe has seen.
        """
        found = lines(replace(SPLITTING, shadow=replace(SHADOW, unhealthy="10.0.0.7:80 answered GET /up with 503")))

        assert found[2].startswith("shadow  r12 (unhealthy)")
        assert "shadow: 10.0.0.7:80 answered GET /up with 503" in found

    def test_of_a_standby_says_until_when(self) -> None:
        """
        The way back has an end.
        """
        found = lines(replace(SPLITTING, state="STANDBY", step=0, standby_until="2024-05-06T07:23:09+00:00"))

        assert "standby: kept until 07:23:09 UTC, `splitter undo` goes back to it" in found


class TestWords:
    @pytest.mark.parametrize(("seconds", "expected"), [(0.2, "~1s"), (59.4, "~59s"), (60, "~1m00s"), (7_800, "~2h10m")])
    def test_of_a_guess_are_coarse(self, seconds: float, expected: str) -> None:
        """
        A guess of hours does not speak of seconds.
        """
        assert view.about(seconds) == expected

    def test_of_a_clock_have_hours_only_when_needed(self) -> None:
        """
        Most rollouts are minutes long.
        """
        assert (view.clock(252.9), view.clock(3_661)) == ("04:12", "1:01:01")

    def test_of_the_end_are_one_line(self) -> None:
        """
        `deploy --wait` ends with it.
        """
        status = plain(replace(SPLITTING, state="ROLLED_BACK", last_event="shop-r11 is live, shop-r12 is gone"))

        assert view.verdict_line(status) == "shop-12: rolled back: shop-r11 is live, shop-r12 is gone"
        assert view.verdict_line(status, "shop-r12 is worse") == "shop-12: rolled back: shop-r12 is worse"


class TestLiveView:
    def test_prints_each_event_once_where_there_is_no_terminal(self) -> None:
        """
        In a pipe the live view is a log; an event that comes again after a reconnect is not repeated.
        """
        output = io.StringIO()
        console = Console(file=output, width=120, force_terminal=False)
        fact: dict[str, Any] = event_object(event(7))

        with view.LiveView(console) as screen:
            screen.show(Update("event", fact))
            screen.show(Update("status", plain(SPLITTING)))
            screen.show(Update("event", fact))

        assert output.getvalue() == "07:08:09  event 7\n"

    def test_breaks_no_line_of_a_log(self) -> None:
        """
        A sentence is one line, whoever searches for it.
        """
        output = io.StringIO()

        view.LiveView(Console(file=output, width=20, force_terminal=False)).tell(
            "a sentence of more than twenty columns"
        )

        assert output.getvalue() == "a sentence of more than twenty columns\n"
