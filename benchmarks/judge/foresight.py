"""Memory that fills up, and memory that does not: how early the one is left, and how often the other."""

from collections.abc import Callable, Iterator
from math import exp, log, pi, sin
from multiprocessing.pool import Pool
from random import Random
from statistics import median

from splitter.judge.config import Mode
from splitter.judge.growth import Filling

LIMIT = 0.95
HOUR_S = 3_600
SAMPLE_S = 5

Shape = Callable[[float, Random], float]


def _leak(minutes: float, onset_s: float = 0.0) -> Shape:
    return lambda t, dice: 0.3 + 0.65 * max(0.0, t - onset_s) / (60 * minutes)


LEAKS: dict[str, Shape] = {
    "full after 15 min": _leak(15),
    "full after 30 min": _leak(30),
    "full after 60 min": _leak(60),
    "begins after 10 min, full after 30": _leak(20, 600),
    "begins after 15 min, full after 50": _leak(35, 900),
}
BENIGN: dict[str, Shape] = {
    "flat": lambda t, dice: 0.5,
    "saturating": lambda t, dice: 0.3 + 0.5 * (1 - exp(-t / 600)),
    "logarithmic": lambda t, dice: 0.3 + 0.1 * log(1 + t / 60),
    "stepped": lambda t, dice: 0.3 + 0.2 * (t > 700) + 0.2 * (t > 1_500),
    "follows the load": lambda t, dice: 0.5 + 0.2 * sin(t / 1_800 * pi),
    "random walk": lambda t, dice: 0.5,  # the walk is added below
    "S-curve": lambda t, dice: 0.3 + 0.5 / (1 + exp(-(t - 1_200) / 200)),
    "ramp, then flat": lambda t, dice: 0.3 + 0.5 * min(max(t - 600, 0) / 1_200, 1),
}


def foresight_lines(pool: Pool, runs: int, seed: int) -> Iterator[str]:
    """Yield the tables of forecasts."""
    yield "## Forecasts"
    yield ""
    yield f"Memory sampled every {SAMPLE_S} s with noise and a collector's saw-tooth, {runs} runs each."
    yield ""
    yield "| leak | foreseen | least lead | median lead |"
    yield "|---|---:|---:|---:|"
    for name in LEAKS:
        ends = pool.starmap(run, [(name, seed + number) for number in range(runs)])
        leads = sorted(full - alarm for alarm, full in ends if alarm is not None and full is not None)
        seen = f"{len(leads)} of {runs}"
        least, middle = (leads[0], median(leads)) if leads else (None, None)
        yield f"| {name} | {seen} | {_minutes(least)} | {_minutes(middle)} |"
    yield ""
    yield "| benign | false alarms in an hour |"
    yield "|---|---:|"
    for name in BENIGN:
        ends = pool.starmap(run, [(name, seed + number) for number in range(runs)])
        yield f"| {name} | {sum(alarm is not None for alarm, _ in ends)} of {runs} |"


def run(name: str, seed: int) -> tuple[int | None, int | None]:
    """Return when there was an alarm, and when the memory was full; None for never."""
    shape, dice = {**LEAKS, **BENIGN}[name], Random(seed)
    watched, walk = Filling("memory", Mode.ROLLBACK, LIMIT, 600.0), 0.0
    for t in range(1, HOUR_S + 1):
        share = None
        if t % SAMPLE_S == 0:
            walk += dice.gauss(0, 0.004) if name == "random walk" else 0.0
            share = shape(t, dice) + walk + 0.03 * (t % 20 / 20) + dice.gauss(0, 0.004)
            if share >= LIMIT:
                return None, t
        watched.observe(None, share, float(t), 1.0)
        if watched.is_alarming:
            return t, _full_s(shape, dice, t)
    return None, None


def _full_s(shape: Shape, dice: Random, start: int) -> int | None:
    """Return when the shape itself reaches the limit."""
    return next((t for t in range(start, 2 * HOUR_S) if shape(t, dice) >= LIMIT), None)


def _minutes(seconds: float | None) -> str:
    return "–" if seconds is None else f"{seconds / 60:.1f} min"
