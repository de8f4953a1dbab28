import math
from collections.abc import Callable
from itertools import product

import pytest

from splitter.judge.stats import (
    Effect,
    Stratum,
    expected,
    log_add,
    lone_bet,
    middles,
    pair_bet,
    ratio_bet,
    shape_bet,
    stake_against,
    two_bin_bet,
)


def mean_payment(bet: Callable[[Stratum], float], n_s: int, n_l: int, rate_s: float, rate_l: float) -> float:
    """Return the exact mean of what a bet pays, over all outcomes of so many requests."""
    return sum(
        chance(x_s, n_s, rate_s) * chance(x_l, n_l, rate_l) * math.exp(bet(Stratum(x_s, n_s, x_l, n_l)))
        for x_s, x_l in product(range(n_s + 1), range(n_l + 1))
    )


def chance(hits: int, n: int, rate: float) -> float:
    return math.comb(n, hits) * rate**hits * (1 - rate) ** (n - hits)


class TestRatioBet:
    def test_pays_as_reckoned_by_hand_for_a_worse_shadow(self) -> None:
        """
        Three errors in 50 shadow requests against one in 950 of live speak for rates of about ten and forty times.
        """
        stratum = Stratum(x_s=3, n_s=50, x_l=1, n_l=950)
        stakes = [stake_against(rates, 1.25, stratum) for rates in (2, 4, 10, 40, 400)]

        gains = [ratio_bet(stratum, stake, 1.25, 0.0005) for stake in stakes]

        assert pytest.approx(stakes, abs=1e-6) == [1.883721, 3.375, 6.428571, 11.73913, 15.606936]
        assert pytest.approx(gains, abs=1e-6) == [1.817756, 3.419912, 5.00471, 5.894353, 4.634224]

    def test_pays_as_reckoned_by_hand_for_a_proof(self) -> None:
        """
        No error in 50 shadow requests speaks a little against a rate beyond the margin, most by the boldest stake.
        """
        stratum = Stratum(x_s=0, n_s=50, x_l=1, n_l=950)

        gains = [ratio_bet(stratum, stake, 1.5, 0.005) for stake in (0.02, 0.08, 0.2, 0.4, 0.65, 0.85)]

        assert pytest.approx(gains, abs=1e-6) == [0.319521, 0.300115, 0.261244, 0.196281, 0.114757, 0.049273]

    @pytest.mark.parametrize(
        ("stake", "rate_s", "rate_l", "mean"),
        [
            (3, 0.13, 0.1, 0.808861),
            (3, 0.05, 0.1, 0.358102),
            (3, 0.4, 0.1, 6.8752),
            (0.3, 0.13, 0.1, 0.969474),
            (0.3, 0.4, 0.1, 0.239413),
            (0.3, 0.01, 0.1, 1.6476),
        ],
    )
    def test_has_the_exact_mean(self, stake: float, rate_s: float, rate_l: float, mean: float) -> None:
        """
        The mean over all outcomes is the one that was worked out independently.
        """
        assert mean == pytest.approx(
            mean_payment(lambda stratum: ratio_bet(stratum, stake, 1.25, 0.005), 6, 30, rate_s, rate_l), rel=1e-4
        )

    @pytest.mark.parametrize("effect", [Effect(), Effect(2.0, 4.0)])
    @pytest.mark.parametrize("rate_l", [0.0, 0.02, 0.1, 0.5])
    @pytest.mark.parametrize("inside", [1.0, 0.8, 0.3, 0.0])
    @pytest.mark.parametrize("ratio", [1.0, 1.5])
    def test_is_not_worth_having_while_the_shadow_is_within(
        self, ratio: float, inside: float, rate_l: float, effect: Effect
    ) -> None:
        """
        On the border of what is tolerated and inside it, no bet against "not worse" has a mean above 1, thinned or not.
        """
        rate_s = inside * (ratio * rate_l + 0.01)

        for rates in (2, 4, 10, 40, 400):

            def bet(stratum: Stratum, rates: float = rates) -> float:
                thin = stratum.thinned(effect)
                return ratio_bet(thin, stake_against(rates, ratio, thin), ratio, 0.01)

            assert mean_payment(bet, 5, 20, rate_s, rate_l) <= 1 + 1e-12

    @pytest.mark.parametrize("rate_l", [0.0, 0.02, 0.1, 0.5])
    @pytest.mark.parametrize("beyond", [1.0, 1.1, 1.4])
    def test_proves_nothing_while_the_shadow_is_beyond(self, beyond: float, rate_l: float) -> None:
        """
        On the border of the promotion margin and outside it, no bet against "beyond" has a mean above 1.
        """
        rate_s = min(1.0, beyond * (1.5 * rate_l + 0.02))

        for stake in (0.02, 0.08, 0.2, 0.4, 0.65, 0.85):
            mean = mean_payment(lambda each, a=stake: ratio_bet(each, a, 1.5, 0.02), 5, 20, rate_s, rate_l)  # type: ignore[misc]

            assert mean <= 1 + 1e-12

    @pytest.mark.parametrize(("n_s", "n_l"), [(1, 1), (99, 1), (1, 9_999), (5_000, 5_000)])
    def test_takes_every_split(self, n_s: int, n_l: int) -> None:
        """
        The stakes are admissible whatever part of the traffic the shadow has.
        """
        stratum = Stratum(0, n_s, n_l, n_l)

        gains = [ratio_bet(stratum, stake_against(rates, 1.25, stratum), 1.25, 0.0005) for rates in (2, 400)]

        assert all(math.isfinite(gain) for gain in gains)


class TestLoneBet:
    @pytest.mark.parametrize("rate", [0.0, 0.05, 0.1])
    def test_is_not_worth_having_below_the_limit(self, rate: float) -> None:
        """
        Up to the limit the mean is at most 1, with nothing to compare with.
        """
        for stake in (2, 5, 15, 60):
            mean = sum(chance(x, 10, rate) * math.exp(lone_bet(x, 10, stake, 0.1)) for x in range(11))

            assert mean <= 1 + 1e-12


class TestTwoBinBet:
    def test_pays_as_reckoned_by_hand(self) -> None:
        """
        Four of 48 shadow answers above an edge that one of a hundred of live is above speak for odds of about six.
        """
        stratum = Stratum(x_s=4, n_s=48, x_l=9, n_l=930)

        gains = [two_bin_bet(stratum, 0.01, odds) for odds in (1.5, 2.5, 6, 30)]
        proofs = [two_bin_bet(stratum._replace(x_s=0), 0.01, odds) for odds in (0.25, 0.45, 0.65, 0.85)]

        assert pytest.approx(gains, abs=1e-6) == [1.3076, 2.749204, 4.377362, 2.490907]
        assert pytest.approx(proofs, abs=1e-6) == [0.338714, 0.246902, 0.156189, 0.066547]

    def test_pays_less_for_correlated_requests(self) -> None:
        """
        With every second request of the shadow and every fourth of live counted, the same tick says half as much.
        """
        stratum = Stratum(x_s=4, n_s=48, x_l=9, n_l=930).thinned(Effect(2.0, 4.0))

        gains = [two_bin_bet(stratum, 0.01, odds) for odds in (1.5, 2.5, 6, 30)]

        assert pytest.approx(gains, abs=1e-6) == [0.617198, 1.279024, 1.986001, 1.269251]

    @pytest.mark.parametrize(
        ("rate_s", "rate_l", "mean"),
        [(0.02, 0.02, 0.968061), (0.1, 0.1, 0.998799), (0.3, 0.3, 0.910993), (0.3, 0.1, 2.8264)],
    )
    def test_has_the_exact_mean(self, rate_s: float, rate_l: float, mean: float) -> None:
        """
        The mean over all outcomes is the one that was worked out independently, and at most 1 for equal stacks.
        """
        assert mean == pytest.approx(
            mean_payment(lambda stratum: two_bin_bet(stratum, 0.1, 2.5), 6, 30, rate_s, rate_l), rel=1e-4
        )

    @pytest.mark.parametrize("effect", [Effect(), Effect(1.7, 3.0)])
    @pytest.mark.parametrize("tail", [2e-5, 0.01, 0.1, 0.9])
    @pytest.mark.parametrize(("rate_s", "rate_l"), [(0.1, 0.1), (0.02, 0.1), (0.0, 0.0), (0.5, 0.5), (0.3, 0.6)])
    def test_is_not_worth_having_while_the_shadow_is_within(
        self, rate_s: float, rate_l: float, tail: float, effect: Effect
    ) -> None:
        """
        While the shadow is above its edge no more often than live, no bet has a mean above 1, however wrong `tail` is.
        """
        for odds in (1.15, 2.5, 8.0, 30.0):
            mean = mean_payment(lambda each, w=odds: two_bin_bet(each.thinned(effect), tail, w), 5, 20, rate_s, rate_l)  # type: ignore[misc]

            assert mean <= 1 + 1e-12

    @pytest.mark.parametrize("tail", [0.01, 0.1, 0.9])
    @pytest.mark.parametrize(("rate_s", "rate_l"), [(0.1, 0.1), (0.2, 0.1), (1.0, 0.0), (0.5, 0.5)])
    def test_proves_nothing_while_the_shadow_is_beyond(self, rate_s: float, rate_l: float, tail: float) -> None:
        """
        While the shadow is above the margin's edge no less often than live above its own, no proof has a mean above 1.
        """
        for odds in (0.25, 0.45, 0.65, 0.85):
            mean = mean_payment(lambda each, w=odds: two_bin_bet(each, tail, w), 5, 20, rate_s, rate_l)  # type: ignore[misc]

            assert mean <= 1 + 1e-12


class TestExpected:
    def test_is_one_shadow_request_and_its_part_of_live(self) -> None:
        """
        At 20 % each shadow request comes with four of live.
        """
        assert Stratum(0.5, 1.0, 0.4, 4.0) == pytest.approx(expected(0.2, 0.5, 0.1))

    def test_gives_the_mean_gain(self) -> None:
        """
        Bets are linear in the counts: a bet on what is expected gains what bets gain on average.
        """
        mean = sum(
            chance(x_s, 3, 0.2) * chance(x_l, 9, 0.1) * two_bin_bet(Stratum(x_s, 3, x_l, 9), 0.1, 2.0)
            for x_s, x_l in product(range(4), range(10))
        )

        assert mean == pytest.approx(3 * two_bin_bet(expected(0.25, 0.2, 0.1), 0.1, 2.0))


class TestLogAdd:
    def test_adds_far_beyond_the_range_of_floats(self) -> None:
        """
        Sums stay right where the numbers themselves could not be written.
        """
        assert log_add(5_000.0, 5_000.0) == pytest.approx(5_000.0 + math.log(2))
        assert log_add(-math.inf, 3.0) == 3.0
        assert log_add(-math.inf, -math.inf) == -math.inf


class TestShapeBet:
    BASE = (0.25, 0.25, 0.25, 0.15, 0.05, 0.05)

    def test_pays_as_reckoned_by_hand(self) -> None:
        """
        A shadow with a few more answers in the upper bins: the bets on small shifts win and the boldest loses all.
        """
        places = middles(self.BASE)

        gains = [
            shape_bet((8, 10, 12, 10, 4, 6), (240, 230, 240, 140, 50, 50), self.BASE, places, tilt)
            for tilt in (0.12, 0.3, 0.7, 1.5)
        ]

        assert pytest.approx(places, abs=1e-6) == [-1.150349, -0.318639, 0.318639, 0.934589, 1.439531, 1.959964]
        assert pytest.approx(gains, abs=1e-5) == [1.630735, 2.981945, 1.26642, -19.74235]

    @pytest.mark.parametrize("phi", [1.0, 2.0])
    @pytest.mark.parametrize(
        ("shadow", "live"),
        [
            ((0.5, 0.3, 0.2), (0.5, 0.3, 0.2)),
            ((0.6, 0.3, 0.1), (0.5, 0.3, 0.2)),
            ((0.5, 0.4, 0.1), (0.5, 0.3, 0.2)),
            ((0.9, 0.05, 0.05), (0.2, 0.2, 0.6)),
        ],
    )
    def test_is_not_worth_having_while_the_shadow_is_no_slower(
        self, shadow: tuple[float, ...], live: tuple[float, ...], phi: float
    ) -> None:
        """
        On the border of stochastic order and inside it no mean is above 1, over all outcomes, thinned or not, whatever
        the base that is bet on.
        """
        for base in ((0.5, 0.3, 0.2), (0.8, 0.15, 0.05)):
            for tilt in (0.12, 0.7, 1.5):
                mean = sum(
                    multinomial(x_s, shadow)
                    * multinomial(x_l, live)
                    * math.exp(
                        shape_bet([each / phi for each in x_s], [each / phi for each in x_l], base, middles(base), tilt)
                    )
                    for x_s, x_l in product(outcomes(3), outcomes(6))
                )

                assert mean <= 1 + 1e-12

    def test_is_worth_having_against_a_slower_shadow(self) -> None:
        """
        Where the shadow is slower the mean is above 1.
        """
        base, shadow = (0.5, 0.3, 0.2), (0.2, 0.3, 0.5)
        mean = sum(
            multinomial(x_s, shadow) * multinomial(x_l, base) * math.exp(shape_bet(x_s, x_l, base, middles(base), 0.7))
            for x_s, x_l in product(outcomes(3), outcomes(6))
        )

        assert mean > 1.2


def outcomes(n: int) -> list[tuple[int, int, int]]:
    return [(a, b, n - a - b) for a in range(n + 1) for b in range(n + 1 - a)]


def multinomial(counts: tuple[int, ...], rates: tuple[float, ...]) -> float:
    ways, left, chance_of_one = 1, sum(counts), 1.0
    for count, rate in zip(counts, rates, strict=True):
        ways *= math.comb(left, count)
        left -= count
        chance_of_one *= rate**count
    return ways * chance_of_one


class TestPairBet:
    def test_is_the_sign_test_without_tolerance(self) -> None:
        """
        b·ln(1 + λ) + c·ln(1 - λ), and pairs that are alike say nothing.
        """
        assert pair_bet(7, 2, 500, 0.4, 1.0, 0.0) == pytest.approx(7 * math.log(1.4) + 2 * math.log(0.6))

    @pytest.mark.parametrize("together", [0.0, 0.5, 1.0])
    @pytest.mark.parametrize("rate_l", [0.0, 0.1, 0.4])
    @pytest.mark.parametrize("ratio", [1.0, 1.25])
    def test_is_not_worth_having_while_the_shadow_is_within(self, ratio: float, rate_l: float, together: float) -> None:
        """
        Whatever part of live's failures the shadow shares, no mean is above 1 on the border; for a ratio beyond 1 only
        while both fail together no more than the absolute tolerance makes up for.
        """
        rate_s = ratio * rate_l + 0.05
        both = together * rate_l if ratio == 1.0 else 0.0
        shadow_only, live_only = rate_s - both, rate_l - both
        alike = 1 - shadow_only - live_only

        for stake in (0.05, 0.1, 0.2, 0.4, 0.7):
            mean = (
                shadow_only * math.exp(pair_bet(1, 0, 0, stake, ratio, 0.05))
                + live_only * math.exp(pair_bet(0, 1, 0, stake, ratio, 0.05))
                + alike * math.exp(pair_bet(0, 0, 1, stake, ratio, 0.05))
            )

            assert mean <= 1 + 1e-12


class TestThinned:
    def test_pays_as_reckoned_by_hand(self) -> None:
        """
        The bets on a p99 of `TestTwoBinBet` with effects of 2 on the shadow and 4 on live.
        """
        thin = Stratum(4, 48, 9, 930).thinned(Effect(2.0, 4.0))

        gains = [two_bin_bet(thin, 0.01, odds) for odds in (1.5, 2.5, 6, 30)]

        assert pytest.approx(gains, abs=1e-6) == [0.617198, 1.279024, 1.986001, 1.269251]
