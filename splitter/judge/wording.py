"""How figures are said: rates, odds, latencies, durations, margins."""

from collections.abc import Mapping
from math import exp, log
from typing import Final

from splitter.judge.config import RATES, Margin

LABELS: Final[Mapping[str, str]] = {
    "error_rate": "error rate",
    "client_error_rate": "client error rate",
    "latency_p50": "p50",
    "latency_p95": "p95",
    "latency_p99": "p99",
    "latency_shape": "latency as a whole",
    "cpu_per_request": "CPU per request",
    "memory": "memory",
}

_LOG_ODDS_MAX = 690.0  # exp() of more is no float


def percent(fraction: float) -> str:
    """Return a fraction in percent with two figures: `4.8 %`."""
    value = fraction * 100
    return f"{value:.0f} %" if value >= 99.5 else f"{value:.2g} %"


def as_odds(log_evidence: float) -> float:
    """Return evidence as a number to one, within what JSON and floats can say."""
    return exp(min(log_evidence, _LOG_ODDS_MAX))


def odds(log_evidence: float) -> str:
    """Return evidence as odds: `297 : 1`."""
    if log_evidence > log(1e6):
        return "over 1 000 000 : 1"
    value = exp(log_evidence)
    if value < 0.01:
        return "under 0.01 : 1"
    return f"{value:.2g} : 1" if value < 10 else f"{grouped(value)} : 1"


def grouped(value: float) -> str:
    """Return a whole number in groups of three figures."""
    return f"{value:,.0f}".replace(",", " ")


def about(requests: int) -> str:
    """Return a number of requests, rounded to two figures: `~600`."""
    size = 10 ** max(0, len(str(requests)) - 2)
    return f"~{grouped(round(requests / size) * size)}"


def latency(us: float) -> str:
    """Return a latency: `450 µs`, `12.3 ms`, `1.35 s`."""
    if us < 1_000:
        return f"{us:.0f} µs"
    return f"{us / 1e3:.3g} ms" if us < 999_500 else f"{us / 1e6:.3g} s"


def span(seconds: float) -> str:
    """Return a duration in its largest fitting unit: `30 s`, `14 min`, `2.5 h`."""
    if seconds < 99.5:
        return f"{seconds:.0f} s" if seconds >= 1 else "1 s"
    return f"{seconds / 60:.0f} min" if seconds < 5_970 else f"{seconds / 3_600:.1f} h"


def margin(kpi: str, allowed: Margin) -> str:
    """Return a margin as arithmetic on live's figure: `1.25x + 0.05 %`."""
    base = "live" if allowed.ratio == 1 else f"{allowed.ratio:g}x"
    if not allowed.absolute:
        return base
    extra = percent(allowed.absolute) if kpi in RATES else latency(allowed.absolute * 1e6)
    return f"{base} + {extra}"
