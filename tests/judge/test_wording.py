import math

import pytest

from splitter.judge.config import Margin
from splitter.judge.wording import about, as_odds, latency, margin, odds, percent, span


class TestFigures:
    @pytest.mark.parametrize(
        ("fraction", "words"), [(0, "0 %"), (0.0005, "0.05 %"), (0.048, "4.8 %"), (0.996, "100 %"), (1.0, "100 %")]
    )
    def test_percent_has_two_digits(self, fraction: float, words: str) -> None:
        """
        Rates are said in percent with two digits, never in powers of ten.
        """
        assert words == percent(fraction)

    @pytest.mark.parametrize(
        ("number", "words"),
        [(0.001, "under 0.01 : 1"), (0.4, "0.4 : 1"), (3.21, "3.2 : 1"), (297.2, "297 : 1"), (12_345, "12 345 : 1")],
    )
    def test_odds_are_to_one(self, number: float, words: str) -> None:
        """
        Evidence is said as odds.
        """
        assert words == odds(math.log(number))

    def test_odds_have_an_end(self) -> None:
        """
        Beyond a million nobody counts, and no float overflows.
        """
        assert odds(5_000.0) == "over 1 000 000 : 1"
        assert odds(-5_000.0) == "under 0.01 : 1"
        assert math.isfinite(as_odds(5_000.0))

    @pytest.mark.parametrize(
        ("us", "words"),
        [(450, "450 µs"), (12_340, "12.3 ms"), (999_400, "999 ms"), (999_600, "1 s"), (1_350_000, "1.35 s")],
    )
    def test_latency_has_its_unit(self, us: int, words: str) -> None:
        """
        Latencies are said in the unit in which they are small numbers.
        """
        assert words == latency(us)

    @pytest.mark.parametrize(
        ("seconds", "words"), [(0.2, "1 s"), (30, "30 s"), (99, "99 s"), (840, "14 min"), (9_000, "2.5 h")]
    )
    def test_span_has_its_unit(self, seconds: float, words: str) -> None:
        """
        Durations are said in seconds, minutes or hours.
        """
        assert words == span(seconds)

    @pytest.mark.parametrize(("requests", "words"), [(7, "~7"), (604, "~600"), (12_345, "~12 000")])
    def test_about_rounds_to_two_digits(self, requests: int, words: str) -> None:
        """
        An estimate does not look like a count.
        """
        assert words == about(requests)

    @pytest.mark.parametrize(
        ("kpi", "allowed", "words"),
        [
            ("error_rate", Margin(1.25, 0.0005), "1.25x + 0.05 %"),
            ("error_rate", Margin(1.0, 0.05), "live + 5 %"),
            ("error_rate", Margin(), "live"),
            ("latency_p99", Margin(1.1, 0.002), "1.1x + 2 ms"),
            ("latency_p50", Margin(1.05, 0.0005), "1.05x + 500 µs"),
        ],
    )
    def test_margin_is_arithmetic_on_live(self, kpi: str, allowed: Margin, words: str) -> None:
        """
        A margin is said as what live's figure is multiplied by and what is added.
        """
        assert words == margin(kpi, allowed)
