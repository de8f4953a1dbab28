"""The figures of a stack, as people see them."""

from splitter.kpi import Ledger
from splitter.model import StackId
from splitter.rollout.status import Figures, PhaseStatus

LIVE = StackId("shop-r1")


class TestPhases:
    def test_are_those_of_the_last_window_with_answers(self) -> None:
        """
        Over all routes, by percentile; an idle second does not wipe them out, and the next answers replace them.
        """
        ledger, figures = Ledger(lambda: 0.0), Figures()
        ledger.recorder(LIVE)
        shop, blog = ledger.phases(LIVE, "/"), ledger.phases(LIVE, "/blog")
        for number in range(1, 100):
            shop.record(number * 10, number, 7)
        blog.record(1_000, 100, 7)
        figures.add(ledger.close_window(LIVE))
        figures.add(ledger.close_window(LIVE))

        shown = figures.of(LIVE, is_up=True, services=1).phases

        assert shown == {
            "connect": PhaseStatus(None, None),
            "first_byte": PhaseStatus(50, 99),
            "total": PhaseStatus(500, 990),
            "overhead": PhaseStatus(7, 7),
        }
        shop.record(20, 10, 3)
        figures.add(ledger.close_window(LIVE))
        assert figures.of(LIVE, is_up=True, services=1).phases["total"] == PhaseStatus(20, 20)

    def test_are_none_before_the_first_answer(self) -> None:
        """
        A stack that nobody has asked yet has no phases to show.
        """
        ledger, figures = Ledger(lambda: 0.0), Figures()
        figures.add(ledger.close_window(LIVE))

        assert figures.of(LIVE, is_up=True, services=1).phases == {}
