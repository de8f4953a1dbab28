"""What the judge promises, looked at in simulated worlds: seeded, so that a failure can be run again."""

import pytest

from splitter.judge.config import JudgeConfig, profile
from splitter.judge.verdict import Action
from tests.judge.worlds import HONEST, Manners, patient, run

STRICT = profile("strict")
DEFAULT = profile("default")


def mean_requests(config: JudgeConfig, shadow: Manners, seeds: range) -> float:
    """Return how many shadow requests rollbacks took on average; every run must end in one."""
    endings = [run(config, seed, shadow, seconds=3_000) for seed in seeds]
    assert {Action.ROLLBACK} == {ending.action for ending in endings}
    return sum(ending.decision.requests for ending in endings) / len(endings)


class TestEqualStacks:
    @pytest.mark.parametrize("config", [STRICT, DEFAULT], ids=["strict", "default"])
    def test_are_not_rolled_back(self, config: JudgeConfig) -> None:
        """
        Of twelve rollouts that are watched for ten minutes none is rolled back: the chance of one is 12 % by promise
        where no difference at all is tolerated, and far less in fact.
        """
        endings = [run(patient(config), seed, seconds=600, share=0.2) for seed in range(12)]

        assert [ending.action for ending in endings] == [Action.CONTINUE] * 12

    def test_are_promoted(self) -> None:
        """
        At 50 requests a second and a quarter for the shadow, the shortest duration is enough.
        """
        endings = [run(DEFAULT, seed, share=0.25, seconds=900) for seed in range(3)]

        assert {Action.PROMOTE} == {ending.action for ending in endings}
        assert {600} == {ending.seconds for ending in endings}

    def test_survive_an_incident_that_both_have(self) -> None:
        """
        Half of all requests fail for a minute, on both sides: nobody is to blame.
        """
        broken = Manners(failures=0.5)

        def weather(t: int) -> Manners:
            return broken if 120 <= t < 180 else HONEST

        endings = [run(patient(STRICT), seed, weather, live=weather, seconds=300, share=0.2) for seed in range(4)]

        assert {Action.CONTINUE} == {ending.action for ending in endings}

    def test_survive_a_common_slowdown_and_steps_of_the_share(self) -> None:
        """
        Both get slower by half over five minutes while the share goes from 1 % to 50 %.
        """

        def drift(t: int) -> Manners:
            return Manners(slower=lambda us, _: us * (1 + t / 600))

        def share(t: int) -> float:
            return (0.01, 0.05, 0.25, 0.5)[min(t // 75, 3)]

        endings = [run(patient(STRICT), seed, drift, live=drift, seconds=300, share=share) for seed in range(4)]

        assert {Action.CONTINUE} == {ending.action for ending in endings}


class TestWorseStacks:
    """At 50 requests a second, 5 % of them for the shadow; bounds are for the mean of eight runs,
    75 requests of which are the warm-up: latencies do not count before it is over."""

    @pytest.mark.parametrize(
        ("shadow", "requests_max"),
        [
            (Manners(failures=0.01), 850),
            (Manners(failures=0.05), 110),
            (Manners(slower=lambda us, _: 1.1 * us), 1_000),
            (Manners(slower=lambda us, _: 2.0 * us), 150),
            (Manners(slower=lambda us, _: 1.5 * us if us > 60_000 else us), 800),
            (Manners(slower=lambda us, dice: 1e6 if dice.random() < 0.02 else us), 330),
        ],
        ids=["errors 1 %", "errors 5 %", "slower by a tenth", "twice as slow", "p99 half as high again", "2 % at 1 s"],
    )
    def test_are_found(self, shadow: Manners, requests_max: int) -> None:
        """
        A stack that is worse is rolled back after a bounded number of its requests.
        """
        assert mean_requests(STRICT, shadow, range(8)) <= requests_max

    def test_are_found_when_they_turn_bad_late(self) -> None:
        """
        After ten good minutes five percent of failures are found within two hundred requests.
        """

        def turning(t: int) -> Manners:
            return Manners(failures=0.05) if t >= 600 else HONEST

        for seed in range(4):
            ending = run(patient(DEFAULT), seed, turning)

            assert ending.action is Action.ROLLBACK
            assert (ending.seconds - 600) * 2.5 <= 250

    def test_are_not_promoted(self) -> None:
        """
        Errors that are within the tolerance's sight but beyond the promotion margin are never called proven.
        """
        for seed in range(4):
            assert run(DEFAULT, seed, Manners(failures=0.008), share=0.25).action is not Action.PROMOTE


class TestBrokenStacks:
    def test_dead_one_is_left_within_five_seconds(self) -> None:
        """
        Every request fails.
        """
        endings = [run(DEFAULT, seed, Manners(failures=1.0), seconds=30) for seed in range(8)]

        assert {Action.ROLLBACK} == {ending.action for ending in endings}
        assert max(ending.seconds for ending in endings) <= 5

    def test_hanging_one_is_left_within_fifteen_seconds(self) -> None:
        """
        No request is answered.
        """
        endings = [run(DEFAULT, seed, Manners(is_hanging=True), seconds=30) for seed in range(8)]

        assert {"guards.slow"} == {ending.decision.kpi for ending in endings}
        assert max(ending.seconds for ending in endings) <= 15
