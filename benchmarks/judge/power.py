"""Shadows that are worse: how long until it is seen, and how long it would take at the least.

No test whose chance of a false alarm is α can need fewer shadow requests on average than ln(1/α)/KL, where KL is how
much one request of the worse stack says against the good one, were that one known exactly (Wald 1945).
"""

from collections.abc import Iterator, Sequence
from itertools import pairwise
from math import erf, log, sqrt
from multiprocessing.pool import Pool
from statistics import fmean

from benchmarks.judge.rules import NAMES
from benchmarks.judge.runs import Ending, Job, simulate
from benchmarks.judge.worlds import MEDIAN_S, SPREAD, Manners, World
from splitter.judge.config import profile

SECONDS = 3_000
FEW_S = 60
WORLD = World("50 requests/s, 5 %")
ALPHA = 0.008  # of the evidence: 80 % of 1 %

CASES: dict[str, tuple[Manners, str]] = {
    "errors 0.1 → 1 %": (Manners(failures=0.01), "≤ 850 requests"),
    "errors 0.1 → 5 %": (Manners(failures=0.05), "≤ 110 requests"),
    "10 % slower": (Manners(slower=1.1), "≤ 950 requests"),
    "2 % take 1 s": (Manners(stuck=0.02), "≤ 270 requests"),
    "p99 + 50 %": (Manners(tail=1.5), "≤ 1 950 requests"),
}
BROKEN: dict[str, tuple[Manners, str]] = {
    "dead": (Manners(failures=1.0), "≤ 5 s"),
    "hung": (Manners(is_hanging=True), "≤ 15 s"),
}


def power_lines(pool: Pool, runs: int, seed: int) -> Iterator[str]:
    """Yield the tables of delays."""
    yield "## Delays"
    yield ""
    yield f"{WORLD.name} for the shadow, profile strict, {runs} runs each; means, over the runs in which it was seen."
    yield ""
    yield "| shadow | goal | judge: requests | seconds | least possible | ratio | strikes | Mann–Whitney | z-test |"
    yield "|---|---|---:|---:|---:|---:|---:|---:|---:|"
    for name, (manners, goal) in CASES.items():
        endings = _endings(pool, manners, runs, seed, SECONDS, with_rules=True)
        requests = _mean([ending.requests for ending in endings if ending.seconds])
        seconds = _mean([ending.seconds for ending in endings if ending.seconds])
        least = log(1 / ALPHA) / divergence(manners)
        rules = [_seen(endings, rule) for rule in NAMES]
        missed = sum(ending.seconds is None for ending in endings)
        figures = f"{requests:.0f} | {seconds:.0f} | {least:.0f} | {requests / least:.1f}"
        yield f"| {name}{f' (missed {missed})' if missed else ''} | {goal} | {figures} | {' | '.join(rules)} |"
    yield ""
    yield "Seconds until the rules rolled back, and in what part of the runs they did within 50 minutes; their false"
    yield "rollbacks are in the table above."
    yield ""
    yield "| shadow | goal | slowest run, s | mean, s | by |"
    yield "|---|---|---:|---:|---|"
    for name, (manners, goal) in BROKEN.items():
        endings = _endings(pool, manners, runs, seed, FEW_S)
        ends = [ending.seconds for ending in endings if ending.seconds]
        slowest = "never" if len(ends) < len(endings) else str(max(ends))
        yield f"| {name} | {goal} | {slowest} | {_mean(ends):.1f} | {', '.join(sorted({e.kpi for e in endings}))} |"


def run(job: Job) -> Ending:
    """Simulate one rollout; for a worker."""
    return simulate(WORLD, profile(job.profile), job)


def divergence(shadow: Manners) -> float:
    """Return what one request of the shadow says against "as live", in nats, from its failure and its latency."""
    failures = _kl([shadow.failures, 1 - shadow.failures], [0.001, 0.999])
    edges = [MEDIAN_S * 1.01**step for step in range(-250, 650)]
    live = [_below(edge) for edge in edges]
    worse = [(1 - shadow.stuck) * _below_of(shadow, edge) + (shadow.stuck if edge >= 1.0 else 0.0) for edge in edges]
    return failures + (1 - shadow.failures) * _kl(_parts(worse), _parts(live))


def _below_of(shadow: Manners, edge: float) -> float:
    """Return the chance of at most `edge` seconds, where only what is above three medians is stretched."""
    edge = edge / shadow.slower
    if edge <= 3 * MEDIAN_S:
        return _below(edge)
    return _below(max(3 * MEDIAN_S, edge / shadow.tail))


def _below(edge: float) -> float:
    return 0.5 * (1 + erf(log(edge / MEDIAN_S) / SPREAD / sqrt(2)))


def _parts(below: Sequence[float]) -> list[float]:
    return [high - low for low, high in pairwise([0.0, *below, 1.0])]


def _kl(worse: Sequence[float], good: Sequence[float]) -> float:
    return sum(w * log(w / max(g, 1e-12)) for w, g in zip(worse, good, strict=True) if w > 0)


def _endings(
    pool: Pool, manners: Manners, runs: int, seed: int, seconds: int, with_rules: bool = False
) -> list[Ending]:
    jobs = [Job(WORLD.name, "strict", seed + number, seconds, manners, with_rules) for number in range(runs)]
    return list(pool.imap_unordered(run, jobs, chunksize=1))


def _seen(endings: Sequence[Ending], rule: str) -> str:
    ends = [end for ending in endings if (end := ending.rules[rule]) is not None]
    return f"{_mean(ends):.0f} s, {100 * len(ends) / len(endings):.0f} %" if ends else "never"


def _mean(values: Sequence[float]) -> float:
    return fmean(values) if values else float("nan")
