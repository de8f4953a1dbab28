"""What is thought of an endpoint."""

import pytest

from splitter.limits import EJECTION_FACTOR_MAX
from splitter.proxy.standing import ProbeLimits, Standing

LIMITS = ProbeLimits(unhealthy=3, healthy=2)


def probed(standing: Standing, *results: str) -> list[bool]:
    """Return which of the probes changed what is thought."""
    return [standing.probed(why, LIMITS) for why in results]


class TestProbes:
    def test_that_fail_in_a_row_make_it_unhealthy(self) -> None:
        """
        Two failures are an accident, the third is a fact; the reason is that of the last probe.
        """
        standing = Standing()

        assert probed(standing, "one", "two", "three") == [False, False, True]
        assert standing.is_unhealthy
        assert standing.why == "three"

    def test_that_are_good_between_begin_the_count_anew(self) -> None:
        """
        Only failures that follow each other count.
        """
        standing = Standing()

        assert probed(standing, "no", "no", "", "no", "no") == [False] * 5
        assert not standing.is_unhealthy

    def test_that_are_good_in_a_row_make_it_healthy_again(self) -> None:
        """
        It takes two good ones, and a failure between begins the count anew.
        """
        standing = Standing()
        probed(standing, "no", "no", "no")

        assert probed(standing, "", "still no", "", "") == [False, False, False, True]
        assert not standing.is_unhealthy
        assert standing.why == ""

    def test_of_several_kinds_count_each_for_itself(self) -> None:
        """
        One that passes hides none that fails, and all have to pass before the endpoint is well again.
        """
        standing = Standing()
        for _ in range(3):
            standing.probed("no page", LIMITS, "/up")
            standing.probed("", LIMITS, "/api/up")
        assert standing.why == "no page"

        for why in ("no api", "no api", "no api"):
            standing.probed(why, LIMITS, "/api/up")
        for _ in range(2):
            standing.probed("", LIMITS, "/up")

        assert standing.is_unhealthy
        assert standing.why == "no api"
        for _ in range(2):
            standing.probed("", LIMITS, "/api/up")
        assert not standing.is_unhealthy

    def test_are_counted(self) -> None:
        """
        Each probe is one figure of the metrics.
        """
        standing = Standing()

        probed(standing, "no", "", "")

        assert (standing.probes_failed, standing.probes_passed) == (1, 2)


class TestEjection:
    def test_ends_by_itself(self) -> None:
        """
        An ejected endpoint is out until its ticks have passed.
        """
        standing = Standing()

        assert standing.eject(100, 10) == 10

        assert standing.is_out(109)
        assert not standing.is_out(110)

    def test_grows_with_every_relapse_up_to_a_bound(self) -> None:
        """
        Who fails again soon sits out longer; nobody sits out for ever.
        """
        standing = Standing()
        tick, spans = 0, []

        for _ in range(EJECTION_FACTOR_MAX + 2):
            spans.append(standing.eject(tick, 10))
            tick += spans[-1] + 1

        assert spans[:3] == [10, 20, 30]
        assert spans[-2:] == [10 * EJECTION_FACTOR_MAX] * 2
        assert standing.ejections == len(spans)

    @pytest.mark.parametrize(("pause", "span"), [(10 * EJECTION_FACTOR_MAX, 20), (10 * EJECTION_FACTOR_MAX + 1, 10)])
    def test_is_short_again_after_a_good_while(self, pause: int, span: int) -> None:
        """
        An endpoint that did well for as long as the longest ejection is taken for a new one.
        """
        standing = Standing()
        end = 100 + standing.eject(100, 10)

        assert standing.eject(end + pause, 10) == span

    def test_is_independent_of_probes(self) -> None:
        """
        A good probe does not end an ejection, and the end of an ejection makes nobody healthy.
        """
        standing = Standing()
        standing.eject(0, 10)
        probed(standing, "", "")
        assert standing.is_out(5)

        probed(standing, "no", "no", "no")

        assert standing.is_out(50)
