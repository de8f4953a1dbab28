"""Bets: what the counts of one tick say against a claim about the two stacks.

A bet stakes 1 on "the claim is wrong" and is paid e, a number worked out from the counts.  It is fair or worse as long
as the claim is true: the mean of e is then at most 1.  Who multiplies the payments of many ticks gets rich only against
a claim that is false, and the chance of ever holding 125 times the stake against a true one is at most 1/125
(Ville 1939): one may look after every tick and stop at will.  All functions return ln e, so products are sums.

Claims compare the two stacks within one tick, so a rate that both share may do what it likes: rise, fall, or explode.
Nothing is estimated, no distribution is assumed, and the split of the traffic may change from tick to tick.

What all need: requests were given to the stacks by chance, and outcomes are independent once they are.  What breaks
without: correlated outcomes (stalls, one client's retries) pay as if they were many facts where there was one, and
false alarms get more frequent than promised.  `Stratum.thinned` divides the counts by how correlated they are.
"""

from collections.abc import Sequence
from itertools import accumulate
from math import exp, inf, log, log1p
from statistics import NormalDist
from typing import Final, NamedTuple


class Effect(NamedTuple):
    """How many correlated requests weigh as one independent request, on each side (1: they are independent)."""

    s: float = 1.0
    l: float = 1.0  # noqa: E741 (the formulas' own letter)


INDEPENDENT: Final = Effect()

_NORMAL: Final = NormalDist()
_EDGE: Final = 1e-9


class Stratum(NamedTuple):
    """The counts of one tick: of `n_s` shadow requests `x_s` were hits (errors, slow answers), `x_l` of `n_l` of live.

    They may be fractions: thinned or expected counts.
    """

    x_s: float
    n_s: float
    x_l: float
    n_l: float

    def thinned(self, effect: Effect) -> "Stratum":
        """Return the counts divided by the design effect.

        Source: effective sample size (Kish 1965).  By Jensen's inequality a bet on divided counts is still fair for
        independent requests, only slower; for correlated ones it is fair as far as the effect was estimated well.
        """
        if effect is INDEPENDENT:
            return self
        s, l = effect  # noqa: E741
        return Stratum(self.x_s / s, self.n_s / s, self.x_l / l, self.n_l / l)


def stake_against(rates: float, ratio: float, stratum: Stratum) -> float:
    """Return the stake that wins most if the shadow's rate is `rates` times what it may be.  It is always admissible.

    Source: the derivative of `ratio_bet`'s mean, with `absolute` 0.  A wrong guess of `rates` costs power only.
    """
    allowed = ratio * stratum.n_s
    return rates * (allowed + stratum.n_l) / (rates * allowed + stratum.n_l)


def ratio_bet(stratum: Stratum, stake: float, ratio: float, absolute: float) -> float:
    """Return ln e of a bet on two error rates, θs of the shadow and θl of live.

    `stake` > 1 bets against "θs <= ratio·θl + absolute" (the shadow is not worse), 0 < `stake` < 1 against
    "θs >= ratio·θl + absolute" (it is beyond the margin).  Needs live requests, and κ·(stake − 1) < 1 for
    κ = ratio·n_s/n_l.

    Source: a Poisson-type bound for stratified counts, in the spirit of Turner & Grünwald (arXiv 2302.11401).  Each
    request may have its own chance p of failing, and 1 + p·z <= exp(p·z); so the mean of stake^x_s is at most
    exp(n_s·θs·(stake − 1)), that of (1 − κ·(stake − 1))^x_l at most exp(−ratio·n_s·θl·(stake − 1)), and with the last
    term the exponents sum to n_s·(stake − 1)·(θs − ratio·θl − absolute): not above 0 while the claim is true.
    Assumes what the module does.  The bound loses power, never validity, at rates of tens of percents.
    """
    gain = stake - 1.0
    weight = 1.0 - ratio * stratum.n_s / stratum.n_l * gain
    paid_by_live = stratum.x_l * log(weight) if stratum.x_l else 0.0
    return stratum.x_s * log(stake) + paid_by_live - stratum.n_s * absolute * gain


def lone_bet(hits: float, n: float, stake: float, limit: float) -> float:
    """Return ln e of a bet against "at most the fraction `limit` of these requests are hits", without a comparison.

    Source: `ratio_bet` without live.  It blames a stack for whatever happens to it, a shared incident too: use it where
    there is nothing to compare with, or ask the other stack as well.
    """
    return hits * log(stake) - n * limit * (stake - 1.0)


def two_bin_bet(stratum: Stratum, tail: float, odds: float) -> float:
    """Return ln e of a bet on two tails: shadow answers above the shadow's edge, live answers above live's edge.

    `odds` > 1 bets against "the shadow exceeds its edge no more often than live its own", `odds` < 1 against "no less
    often".  `tail` is what live was like before this tick, 0 < tail < 1.  With live's edge at its quantile q and the
    shadow's at ratio times that plus a bit, the claim says that the shadow's quantile q is no higher than that.

    Source: the two-sample e-value of Turner, Ly & Grünwald (2024, arXiv 2106.02693), with the alternative fixed
    beforehand.  If s is the tail bet on and m the mixture of s and `tail` by numbers of answers, e is the likelihood
    ratio of (s, tail) against (m, m).  By the inequality of arithmetic and geometric means its mean is at most the
    average of all factors' means to the power of their number, and that average is 1 where both tails are equal.
    Assumes that `tail` comes from the past.  A wrong `tail` costs power only; one that has seen this tick's counts
    breaks the bet.
    """
    x_s, n_s, x_l, n_l = stratum
    bold = odds * tail / (1.0 - tail + odds * tail)
    f = n_s / (n_s + n_l)
    mixed = f * bold + (1.0 - f) * tail
    below_mixed = log1p(-mixed)
    of_shadow = x_s * log(bold / mixed) + (n_s - x_s) * (log1p(-bold) - below_mixed)
    of_live = x_l * log(tail / mixed) + (n_l - x_l) * (log1p(-tail) - below_mixed)
    return of_shadow + of_live


def middles(base: Sequence[float]) -> list[float]:
    """Return where the middle of each bin of `base` (chances that sum to 1) lies on the standard normal curve."""
    below = accumulate(base, initial=0.0)
    return [
        _NORMAL.inv_cdf(min(max(under + part / 2, _EDGE), 1 - _EDGE)) for under, part in zip(below, base, strict=False)
    ]


def shape_bet(
    shadow: Sequence[float], live: Sequence[float], base: Sequence[float], places: Sequence[float], tilt: float
) -> float:
    """Return ln e of a bet on whole distributions: counts in bins, each side cut at its own edges.

    Bets against "the shadow's answers are stochastically no slower": at no edge does it exceed its own more often than
    live exceeds live's.  `base` is what live was like before this tick, `places` its `middles`, and `tilt` how far the
    bet thinks that the shadow is shifted, in standard deviations.

    Source: the e-value of Turner, Ly & Grünwald (as `two_bin_bet`) with many bins, the alternative being an exponential
    tilt.  The tilt makes bold/base rise from bin to bin, hence bold/mixed rise and base/mixed fall; under the claim
    each factor's mean is at most what it is for equal distributions, and the average of those is 1.  Assumes the same
    as `two_bin_bet`; without the claim's order in all bins at once the bet may win, as it should.
    """
    n_s, n_l = sum(shadow), sum(live)
    f = n_s / (n_s + n_l)
    tilted = [part * exp(tilt * place) for part, place in zip(base, places, strict=True)]
    scale = 1.0 / sum(tilted)
    gain = 0.0
    for x_s, x_l, part, raw in zip(shadow, live, base, tilted, strict=True):
        bold = raw * scale
        log_mixed = log(f * bold + (1.0 - f) * part)
        gain += x_s * (log(bold) - log_mixed) + x_l * (log(part) - log_mixed)
    return gain


def pair_bet(shadow_only: float, live_only: float, alike: float, stake: float, ratio: float, absolute: float) -> float:
    """Return ln e of a bet on pairs of answers to one request: hits of one side only, and pairs that are alike.

    Bets against "the shadow's rate <= ratio·(live's rate) + absolute", 0 < `stake` < 1/(ratio + absolute).

    Source: betting on a bounded mean (Waudby-Smith & Ramdas 2024).  A pair pays 1 + stake·(s − ratio·l − absolute) with
    s and l 1 for a hit, whose mean is at most 1 while the claim is true, however much the two answers have in common.
    With ratio 1 and absolute 0 it is the sign test.  Assumes that pairs are independent.  A pair of two hits is paid
    like one of none: that is exact for ratio 1, and overpays by stake·(ratio − 1) a pair of two hits otherwise.
    """
    gain = 0.0
    for count, won in ((shadow_only, 1.0 - absolute), (live_only, -ratio - absolute), (alike, -absolute)):
        if count and won:
            gain += count * log1p(stake * won)
    return gain


def expected(share_s: float, rate_s: float, rate_l: float) -> Stratum:
    """Return what one shadow request and its part of live's bring on average, with `share_s` of the traffic for it.

    All bets are linear in the counts, so a bet on this is a bet's mean gain for each shadow request.
    """
    live = (1.0 - share_s) / share_s
    return Stratum(rate_s, 1.0, rate_l * live, live)


def log_add(a: float, b: float) -> float:
    """Return ln(exp(a) + exp(b)) without leaving the range of floats."""
    if a < b:
        a, b = b, a
    if b == -inf:
        return a
    return a + log1p(exp(b - a))
