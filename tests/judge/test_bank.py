import json
import math
import random

import pytest

from splitter.judge.bank import Bank, Cap, log_sum
from splitter.judge.stats import Stratum, ratio_bet, stake_against


class TestBank:
    def test_holds_what_was_reckoned_by_hand(self) -> None:
        """
        Reserve, drip and cap together: six ticks of a single bet, the cap cuts in the fourth and a block begins anew.
        """
        bank = Bank(1, restart=0.5, horizon_s=10, cap=Cap(nats=5, block_s=5))
        held = []

        for gain in (0.3, -0.2, 2, 4, 1, 0.5):
            bank.bet([gain])
            held.append(math.exp(bank.evidence))

        assert pytest.approx(held, abs=1e-5) == [1.192422, 1.048781, 5.513329, 104.189211, 111.559869, 183.801385]

    @pytest.mark.parametrize("restart", [0.0, 0.5])
    def test_starts_with_one(self, restart: float) -> None:
        """
        Before the first tick the evidence is 1 : 1, whatever is held back.
        """
        assert Bank(3, restart=restart, horizon_s=100).evidence == pytest.approx(0.0)

    def test_keeps_its_sum_while_bets_gain_nothing(self) -> None:
        """
        What drips out of the reserve is in the bets: nothing is lost and nothing made, until the reserve is spent.
        """
        bank = Bank(4, restart=0.5, horizon_s=10)

        for _ in range(30):
            bank.bet([0.0] * 4)

            assert bank.evidence == pytest.approx(0.0)

    def test_lets_a_late_regression_be_seen_sooner(self) -> None:
        """
        After long losses a bank with a reserve recovers in a fraction of the time of one without.
        """
        with_reserve, without = Bank(1, restart=0.5, horizon_s=1_000), Bank(1)
        for _ in range(300):
            with_reserve.bet([-0.1])
            without.bet([-0.1])

        for _ in range(40):
            with_reserve.bet([0.5])
            without.bet([0.5])

        assert with_reserve.evidence > math.log(1_000)
        assert without.evidence < 0

    def test_gains_no_more_than_its_cap_in_a_block(self) -> None:
        """
        One stall of a second pays five nats at most, however many requests it hit; the next block may gain again.
        """
        bank = Bank(1, cap=Cap(nats=5, block_s=2))

        bank.bet([400.0])
        after_one = bank.evidence
        bank.bet([400.0])
        after_two = bank.evidence
        bank.bet([400.0])

        assert after_one == pytest.approx(5.0)
        assert after_two == pytest.approx(5.0)
        assert bank.evidence == pytest.approx(10.0)

    def test_takes_long_ticks_for_a_block_each(self) -> None:
        """
        A tick that is longer than a block is capped by itself.
        """
        bank = Bank(1, cap=Cap(nats=5, block_s=2))

        for _ in range(3):
            bank.bet([400.0], seconds=7.5)

        assert bank.evidence == pytest.approx(15.0)

    def test_never_has_more_than_an_uncapped_one(self) -> None:
        """
        The cap only takes away.
        """
        dice = random.Random(7)
        capped, free = (
            Bank(2, restart=0.5, horizon_s=50, cap=Cap(nats=2, block_s=3)),
            Bank(2, restart=0.5, horizon_s=50),
        )

        for _ in range(200):
            gains = [dice.gauss(0, 1.5), dice.gauss(0, 1.5)]
            capped.bet(gains)
            free.bet(gains)

            assert capped.evidence <= free.evidence + 1e-9

    def test_has_a_mean_of_one_over_equal_stacks(self) -> None:
        """
        Over 3 000 runs of 20 ticks on the border of what is tolerated, the average wealth is 1 within its noise.
        """
        dice = random.Random(11)
        held = []
        for _ in range(3_000):
            bank = Bank(2, restart=0.5, horizon_s=20)
            for _ in range(20):
                stratum = Stratum(
                    sum(dice.random() < 0.05 for _ in range(3)), 3, sum(dice.random() < 0.05 for _ in range(6)), 6
                )
                bank.bet([ratio_bet(stratum, stake_against(rates, 1.0, stratum), 1.0, 0.0) for rates in (1.5, 3.0)])
            held.append(math.exp(bank.evidence))

        assert 0.85 < sum(held) / len(held) < 1.05

    def test_goes_on_from_its_state(self) -> None:
        """
        A bank restored from JSON in the middle of a block holds to the last bit what the other holds ever after.
        """
        bank, copy = (Bank(2, restart=0.5, horizon_s=9, cap=Cap(nats=3, block_s=4)) for _ in range(2))
        bank.bet([1.0, 2.9])

        copy.restore(json.loads(json.dumps(bank.state())))

        for gain in (0.4, 2.0, -1.0, 3.0, 0.7):
            bank.bet([gain, -gain])
            copy.bet([gain, -gain])
            assert bank.evidence == copy.evidence

    def test_refuses_the_state_of_other_bets(self) -> None:
        """
        A state with another number of bets is not taken.
        """
        with pytest.raises(ValueError, match="2 bets are kept, 3 are wanted"):
            Bank(3).restore(Bank(2).state())


class TestRequestsUntil:
    def test_is_that_of_the_first_bet_to_arrive(self) -> None:
        """
        Two bets share what is needed; the faster one needs ln 100 + ln 2 at half a nat a request.
        """
        assert (math.log(100) + math.log(2)) / 0.5 == pytest.approx(
            Bank(2).requests_until(math.log(100), [0.5, 0.1]) or 0
        )

    def test_is_none_if_nothing_grows(self) -> None:
        """
        Bets that lose never arrive.
        """
        assert Bank(2).requests_until(3.0, [-0.5, 0.0]) is None


class TestLogSum:
    def test_is_the_logarithm_of_the_sum(self) -> None:
        """
        1 + 2 + 3 is 6, also as logarithms.
        """
        assert math.log(6) == pytest.approx(log_sum([math.log(1), math.log(2), math.log(3)]))


class TestCaps:
    def test_can_be_each_bets_own(self) -> None:
        """
        In one bank a bet that is capped lower gains less in a block.
        """
        bank = Bank(2, cap=Cap(nats=5, block_s=10))

        bank.bet([9.0, 9.0], caps=[5.0, 2.5])

        assert math.exp(bank.evidence) == pytest.approx((math.exp(5) + math.exp(2.5)) / 2)


class TestEpochs:
    def test_spend_what_is_kept_by_halves(self) -> None:
        """
        After the horizon half of what is kept drips in over the next one, then half of the rest: a shadow that turns
        bad when it has long been promoted is still judged on fresh wealth.
        """
        bank = Bank(1, restart=0.5, horizon_s=10, kept=0.25)

        reserves = []
        for _ in range(3):
            for _ in range(10):
                bank.bet([-50.0])
            reserves.append(bank.state()["reserve"])

        assert pytest.approx(reserves) == [0.125, 0.0625, 0.03125]

    def test_go_on_from_their_state(self) -> None:
        """
        A bank restored in its second horizon is the same ever after.
        """
        banks = [Bank(2, restart=0.5, horizon_s=10, kept=0.25) for _ in range(2)]
        for _ in range(13):
            banks[0].bet([-0.5, 0.1])

        banks[1].restore(json.loads(json.dumps(banks[0].state())))

        for _ in range(30):
            for bank in banks:
                bank.bet([0.2, -0.1])
            assert banks[0].evidence == banks[1].evidence
