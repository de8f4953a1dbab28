"""What forecasts may do, seen from the judge."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from splitter.judge.config import GuardOptions, JudgeConfig, Mode, PredictOptions
from splitter.judge.judge import Judge
from splitter.judge.tick import Tick
from splitter.judge.verdict import Action, Decision
from splitter.model import Counts, Resources

ERRORS_ONLY = {"error_rate": JudgeConfig().kpis["error_rate"]}
QUICK = JudgeConfig(
    warmup_s=5.0, dwell_s=5.0, min_duration_s=900.0, max_duration_s=1_800.0, kpis=ERRORS_ONLY, guards=GuardOptions()
)
LIMIT = 1e9


def leak(t: int) -> Resources:
    """Return memory that is full after twenty minutes."""
    return Resources(memory=(0.3 + 0.65 * t / 1_200) * LIMIT, memory_limit=LIMIT)


def slow_leak(t: int) -> Resources:
    """Return memory that is full after an hour."""
    return Resources(memory=(0.3 + 0.65 * t / 3_600) * LIMIT, memory_limit=LIMIT)


def threads(t: int) -> Resources:
    """Return processes that are at their limit after twenty minutes."""
    return Resources(pids=int(20 + 180 * t / 1_200), pids_limit=200)


def run(
    config: JudgeConfig,
    uses: Callable[[int], Resources],
    *,
    seconds: int = 1_800,
    share: Callable[[int], float] = lambda t: 0.1,
) -> tuple[int, Decision]:
    """Return the first decision but CONTINUE, or the last, and when; nothing is wrong but what is used."""
    judge = Judge(config)
    for t in range(seconds):
        tick = Tick(
            t,
            live=Counts(n=90, bins=(90, 0)),
            shadow=Counts(n=10, bins=(10, 0)),
            share=share(t),
            shadow_uses=uses(t) if t % 5 == 0 else None,
        )
        decision = judge.observe(tick)
        if decision.action is not Action.CONTINUE:
            break
    return t + 1, decision


class TestModes:
    @pytest.mark.parametrize(("uses", "figure"), [(leak, "memory"), (threads, "pids")])
    def test_rollback_acts_on_the_forecast_alone(self, uses: Callable[[int], Resources], figure: str) -> None:
        """
        What fills up is left minutes before it is full, and the reason says in how many.
        """
        seconds, decision = run(QUICK, uses)

        assert decision.action is Action.ROLLBACK
        assert decision.kpi == f"predict.{figure}"
        assert 1_140 - seconds >= 180
        assert decision.reason.startswith(f"{figure} in use: ")
        assert decision.reason.endswith("; rolling back")
        assert [forecast.figure for forecast in decision.forecasts if forecast.is_alarm] == [figure]

    def test_gate_holds_the_promotion_and_the_share_back(self) -> None:
        """
        The same leak under `gate` is not rolled back until it is full in fact, and never promoted.
        """
        config = replace(QUICK, predict=PredictOptions(memory=Mode.GATE))

        seconds, decision = run(config, leak, seconds=1_100)

        assert (seconds, decision.action) == (1_100, Action.CONTINUE)
        assert not decision.may_increase_share
        assert len(decision.gates) == 1
        assert decision.reason.startswith("all proven, but memory would reach 95 % of the limit within ")

    def test_warn_only_says_so(self) -> None:
        """
        Under `warn` the shadow is promoted with a word about its memory.
        """
        config = replace(QUICK, predict=PredictOptions(memory=Mode.WARN))

        seconds, decision = run(config, leak)

        assert (seconds, decision.action) == (900, Action.PROMOTE)
        assert decision.gates == ()
        assert any(warning.startswith("memory in use: ") for warning in decision.warnings)

    def test_off_does_not_look(self) -> None:
        """
        Under `off` there is no forecast; the guard of what is full in fact stays.
        """
        config = replace(QUICK, predict=PredictOptions(memory=Mode.OFF), min_duration_s=1_500.0)

        seconds, decision = run(config, leak)

        assert decision.forecasts == ()
        assert decision.kpi == "guards.memory"
        assert 1_200 <= seconds <= 1_215


class TestGates:
    def test_are_opened_by_time(self) -> None:
        """
        A slow leak holds the promotion back to the end, which is then undecided and says why.
        """
        _, decision = run(QUICK, slow_leak)

        assert decision.action is Action.UNDECIDED
        assert "memory would reach 95 % of the limit within " in decision.reason

    def test_begin_anew_with_the_share(self) -> None:
        """
        Memory that rises by a step with every step of the share is no leak.
        """

        def stairs(t: int) -> Resources:
            return Resources(memory=(0.3 + 0.15 * (t // 300)) * LIMIT, memory_limit=LIMIT)

        seconds, decision = run(QUICK, stairs, share=lambda t: 0.1 * (1 + t // 300))

        assert (seconds, decision.action) == (900, Action.PROMOTE)


class TestSlo:
    def test_is_a_guard(self) -> None:
        """
        With an objective of 99.9 % a shadow that fails three in a hundred is left by the guard of its budget; the
        tolerance here is so wide that nothing else would.
        """
        wide = replace(ERRORS_ONLY["error_rate"], weight=1.0, tolerance=QUICK.kpis["error_rate"].tolerance)
        config = replace(
            QUICK, guards=GuardOptions(slo=0.001, error_rate=0.5), kpis={"error_rate": wide}, false_rollback=0.01
        )
        judge = Judge(config)
        names = set()
        for t in range(400):
            shadow = Counts(n=100, e5=3, bins=(97, 0))
            decision = judge.observe(Tick(t, live=Counts(n=900, bins=(900, 0)), shadow=shadow))
            names.add(decision.kpi)
            if decision.action is Action.ROLLBACK:
                break

        assert names == {"", "guards.slo"}
        assert [forecast.figure for forecast in decision.forecasts] == ["slo"]


class TestAfterPromotion:
    def test_a_leak_is_still_foreseen(self) -> None:
        """
        The shadow has all the traffic, live stands by: it leaks now, and the way back is taken in time.
        """
        judge, seconds = Judge(replace(QUICK, min_duration_s=60.0)), 0
        served = Counts(n=900, bins=(900, 0)), Counts(n=100, bins=(100, 0))
        for t in range(70):
            decision = judge.observe(Tick(t, live=served[0], shadow=served[1], share=0.1))
        assert decision.action is Action.PROMOTE

        for seconds in range(1_300):
            uses = leak(seconds) if seconds % 5 == 0 else None
            tick = Tick(70 + seconds, shadow=Counts(n=100, bins=(100, 0)), share=1.0, shadow_uses=uses)
            decision = judge.observe(tick)
            if decision.action is Action.ROLLBACK:
                break

        assert decision.kpi == "predict.memory"
        assert seconds < 1_000
