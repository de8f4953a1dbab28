from pathlib import Path

import pytest

from splitter.config import load_config
from splitter.demo import stage, story
from splitter.demo.load import EVERY_DOWNLOAD, EVERY_UPLOAD, Load, Tally
from splitter.demo.story import Act, Summary
from splitter.judge.calibration import Baseline
from splitter.judge.config import JudgeConfig
from splitter.judge.plan import plan

DEFAULT = JudgeConfig()
ENVIRONMENT = {
    "SPLITTER_DEMO_PORT": "8080",
    "SPLITTER_DEMO_PROVISIONER": "process",
    "SPLITTER_DEMO_TEMPLATE": "r1.yaml",
}


@pytest.fixture
def judge() -> JudgeConfig:
    """The judge of the demo's configuration."""
    return load_config(Path(stage.HERE / "splitter.yaml"), ENVIRONMENT).apps[story.APP].judge


class TestConfiguration:
    def test_loosens_no_judge(self, judge: JudgeConfig) -> None:
        """
        Times are short, as a demo is; what is tolerated and how sure the judge must be are the defaults.
        """
        for name in ("false_rollback", "false_promotion", "kpis", "guards"):
            assert getattr(judge, name) == getattr(DEFAULT, name), name

    def test_plans_a_verdict_in_seconds(self, judge: JudgeConfig) -> None:
        """
        At the demo's rate and last share the plan itself says that a promotion takes no minute.
        """
        answers = tuple((8_000 + 10 * place, 20) for place in range(100))
        planned = plan(judge, Baseline(n=2_000, latency=answers, span_s=5.0), rps=story.RATE, steps=[0.5])

        assert planned.promotion_s is not None
        assert planned.promotion_s < 30
        assert planned.warnings == ()


class TestSummary:
    BAD = Act("bad", "ROLLED_BACK", "ROLLED_BACK", "worse", 3.0)
    GOOD = Act("good", "PROMOTED", "PROMOTED", "proven", 9.0)

    def test_is_good_if_all_came_out_as_promised(self) -> None:
        """
        Every request answered, the bad release rolled back, the good one promoted.
        """
        assert Summary((self.BAD, self.GOOD), 100, 100, {}, {"1.0": 100}, 7).is_good

    @pytest.mark.parametrize(
        "summary",
        [
            Summary((BAD, GOOD), 100, 99, {"status 500": 1}, {}, 7),
            Summary((BAD, GOOD), 100, 99, {}, {}, 7),
            Summary((BAD, GOOD), 0, 0, {}, {}, 7),
            Summary((BAD, Act("good", "PROMOTED", "ROLLED_BACK", "undecided", None)), 100, 100, {}, {}, 7),
        ],
        ids=["failed", "lost", "silent", "wrong verdict"],
    )
    def test_is_not_good_otherwise(self, summary: Summary) -> None:
        """
        One failed or lost request, no request at all, or one wrong verdict, and the demo fails.
        """
        assert not summary.is_good


class TestLoad:
    def test_has_uploads_and_downloads(self) -> None:
        """
        The traffic is of several kinds: pages, uploads and downloads.
        """
        kinds = {Load._kind(number)[:2] for number in range(EVERY_UPLOAD * EVERY_DOWNLOAD)}

        assert {(method, path.partition("?")[0]) for method, path in kinds} == {
            ("GET", "/"),
            ("POST", "/upload"),
            ("GET", "/download"),
        }

    def test_remembers_few_kinds_of_failure(self) -> None:
        """
        However many ways there are to fail, the tally stays small and counts them all.
        """
        tally = Tally()
        for number in range(100):
            tally.fail(f"failure {number}")

        assert tally.failed == 100
        assert len(tally.failures) <= 21
