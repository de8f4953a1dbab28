import json
from dataclasses import replace

import pytest

from splitter.errors import OperatorError
from splitter.judge.config import (
    GuardOptions,
    JudgeConfig,
    JudgeOptionsError,
    KpiOptions,
    Margin,
    Mode,
    OnUndecided,
    PredictOptions,
    Profile,
    from_mapping,
    profile,
    to_mapping,
)

GOOD = KpiOptions(1.0, Margin(), Margin(1.5, 0.01))


def paths_of(error: JudgeOptionsError) -> list[str]:
    return [path for path, _ in error.problems]


class TestProfiles:
    @pytest.mark.parametrize("name", Profile)
    def test_can_be_judged_by(self, name: str) -> None:
        """
        Every profile passes its own checks and names all KPIs.
        """
        config = profile(name)

        assert config.profile is Profile(name)
        assert set(JudgeConfig().kpis) == set(config.kpis)

    def test_default_is_the_default(self) -> None:
        """
        Options without a profile are those of the default profile.
        """
        assert JudgeConfig() == profile("default")

    def test_get_wider_from_strict_to_lenient(self) -> None:
        """
        What strict tolerates, default tolerates; what default tolerates, lenient tolerates.
        """
        strict, default, lenient = (profile(name).kpis for name in ("strict", "default", "lenient"))

        for narrow, wide in ((strict, default), (default, lenient)):
            for kpi in narrow:
                assert narrow[kpi].tolerance.ratio <= wide[kpi].tolerance.ratio
                assert narrow[kpi].tolerance.absolute <= wide[kpi].tolerance.absolute

    def test_refuses_an_unknown_name(self) -> None:
        """
        The refusal names the place and what may be written.
        """
        with pytest.raises(JudgeOptionsError, match=r"analysis\.profile: 'lax' is not known; write strict, default"):
            profile("lax")


class TestShares:
    def test_sum_to_one(self) -> None:
        """
        Weights are normalised over the KPIs that are named: 40 of 55 parts are the error rate's.
        """
        kpis = {name: JudgeConfig().kpis[name] for name in ("error_rate", "latency_p50")}

        shares = JudgeConfig(kpis=kpis).shares()

        assert sum(shares.values()) == pytest.approx(1.0)
        assert shares["error_rate"] == pytest.approx(40 / 55)


class TestChecks:
    def test_are_of_both_families(self) -> None:
        """
        The error is an operator's and a ValueError, so configuration readers of either kind catch it.
        """
        assert issubclass(JudgeOptionsError, OperatorError)
        assert issubclass(JudgeOptionsError, ValueError)

    @pytest.mark.parametrize(
        ("change", "path"),
        [
            ({"false_rollback": 0.0}, "false_rollback"),
            ({"false_promotion": 0.6}, "false_promotion"),
            ({"false_promotion": float("nan")}, "false_promotion"),
            ({"warmup_s": -1.0}, "warmup.time"),
            ({"warmup_requests": -1}, "warmup.requests"),
            ({"dwell_s": float("nan")}, "dwell"),
            ({"min_duration_s": -5.0}, "min_duration"),
            ({"max_duration_s": 700.0}, "max_duration"),
            ({"baseline_window_s": 0.0}, "baseline.window"),
            ({"min_score": -1.0}, "min_score"),
            ({"min_score": float("nan")}, "min_score"),
            ({"min_score": 93.0}, "min_score"),
            ({"guards": GuardOptions(error_rate=0.0)}, "guards.error_rate"),
            ({"guards": GuardOptions(memory=1.5)}, "guards.memory"),
            ({"guards": GuardOptions(latency_p99_s=0.0)}, "guards.latency_p99"),
            ({"guards": GuardOptions(impact_budget=-1.0)}, "guards.impact_budget"),
            ({"guards": GuardOptions(slo=0.5)}, "guards.slo"),
            ({"design_window_s": 0.0}, "baseline.design_window"),
            ({"predict": PredictOptions(horizon_s=0.0)}, "predict.horizon"),
            ({"predict": PredictOptions(cpu=Mode.ROLLBACK)}, "predict.cpu"),
            ({"kpis": {"throughput": GOOD, "error_rate": GOOD}}, "kpis.throughput"),
            ({"kpis": {"error_rate": replace(GOOD, weight=-1.0), "latency_p50": GOOD}}, "kpis.error_rate.weight"),
            ({"kpis": {"error_rate": replace(GOOD, weight=0.0)}}, "kpis"),
            ({"kpis": {}}, "kpis"),
            ({"kpis": {"error_rate": replace(GOOD, promote=None)}}, "kpis"),
            ({"kpis": {"error_rate": replace(GOOD, tolerance=Margin(0.9))}}, "kpis.error_rate.tolerance.ratio"),
            ({"kpis": {"error_rate": replace(GOOD, promote=Margin(1.5, 1.0))}}, "kpis.error_rate.promote.absolute"),
            ({"kpis": {"error_rate": replace(GOOD, tolerance=Margin(2.0))}}, "kpis.error_rate.promote.ratio"),
            ({"kpis": {"latency_p50": replace(GOOD, tolerance=Margin(1.0, 0.1))}}, "kpis.latency_p50.promote.absolute"),
            ({"kpis": {"latency_shape": GOOD}}, "kpis.latency_shape.promote"),
            ({"kpis": {"memory": KpiOptions(1.0, Margin(1.0, 5.0))}}, "kpis.memory.tolerance.absolute"),
            ({"kpis": {"latency_p50": replace(GOOD, promote=Margin(1.5, -1.0))}}, "kpis.latency_p50.promote.absolute"),
        ],
    )
    def test_name_the_option(self, change: dict[str, object], path: str) -> None:
        """
        Each mistake is refused with the path of the option it is in.
        """
        with pytest.raises(JudgeOptionsError) as caught:
            replace(JudgeConfig(), **change)  # type: ignore[arg-type]

        assert path in paths_of(caught.value)
        assert f"analysis.{path}: " in str(caught.value)

    def test_say_all_mistakes_at_once(self) -> None:
        """
        Two mistakes are two problems of one error.
        """
        with pytest.raises(JudgeOptionsError) as caught:
            JudgeConfig(false_rollback=2.0, guards=GuardOptions(memory=0.0))

        assert paths_of(caught.value) == ["false_rollback", "guards.memory"]

    def test_know_the_highest_score(self) -> None:
        """
        What no promotion waits for can never be proven, so a score that counts on it is out of reach.
        """
        assert JudgeConfig().score_max() == pytest.approx(100 - 50 * 0.15)  # the shape's share
        assert JudgeConfig(kpis={"error_rate": GOOD}, min_score=100.0).score_max() == 100

    def test_let_a_kpi_be_shown_only(self) -> None:
        """
        A weight of 0 is fine as long as some other KPI decides.
        """
        assert JudgeConfig(kpis={"error_rate": GOOD, "latency_p50": replace(GOOD, weight=0.0)}).shares() == {
            "error_rate": 1.0,
            "latency_p50": 0.0,
        }


class TestMapping:
    def test_comes_back_from_json(self) -> None:
        """
        What the journal keeps is the same config again, whatever was changed.
        """
        config = replace(
            profile("strict"),
            on_undecided=OnUndecided.HOLD,
            min_score=80.0,
            kpis={"error_rate": GOOD, "latency_p95": KpiOptions(0.2, Margin(1.0, 0.001))},
            guards=GuardOptions(latency_p99_s=2.0, memory=None, slo=0.001),
            predict=PredictOptions(memory=Mode.WARN, horizon_s=60.0),
        )

        assert config == from_mapping(json.loads(json.dumps(to_mapping(config))))

    def test_has_defaults_for_what_is_missing(self) -> None:
        """
        A mapping of an older version lacks what was not known then.
        """
        assert JudgeConfig() == from_mapping({})
