import json
from dataclasses import replace

from splitter.judge.config import Margin, Mode
from splitter.judge.verdict import Action, Decision, Forecast, KpiVerdict, Verdict


class TestDecision:
    def test_comes_back_from_json(self) -> None:
        """
        A decision that was kept is the same decision again, with its verdicts and forecasts.
        """
        verdict = KpiVerdict("error_rate", Verdict.WORSE, 0.001, None, 800.0, 266.0, 0.1, 20.0, 0, "worse than live")
        verdict = replace(verdict, live_hits=3.0, live_n=100.0, tolerance=Margin(1.25, 0.0005), live_phi=1.4)
        forecast = Forecast("memory", Mode.ROLLBACK, 0.7, 0.95, 540.0, True, "memory is full in 9 min")
        decision = Decision(Action.ROLLBACK, "error_rate", "because", (verdict,), 12.5, False, 300.0, 125.0, 17.0, 40)
        decision = replace(decision, forecasts=(forecast,), gates=("memory",), warnings=("no limit",))

        assert decision == Decision.of_state(json.loads(json.dumps(decision.state())))
