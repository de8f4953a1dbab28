import json

from splitter.judge.verdict import Action, Decision, KpiVerdict, Verdict


class TestDecision:
    def test_comes_back_from_json(self) -> None:
        """
        A decision that was kept is the same decision again, with its verdicts.
        """
        verdict = KpiVerdict("error_rate", Verdict.WORSE, 0.001, None, 800.0, 266.0, 0.1, 20.0, 0, "worse than live")
        decision = Decision(Action.ROLLBACK, "error_rate", "because", (verdict,), 12.5, False, 300.0, 125.0, 17.0, 40)

        assert decision == Decision.of_state(json.loads(json.dumps(decision.state())))
