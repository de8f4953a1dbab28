"""Equal stacks that may be promoted: how long until they are, in worlds that make proof hard."""

from collections.abc import Iterator
from multiprocessing.pool import Pool
from statistics import median

from benchmarks.judge.quiet import WORLDS
from benchmarks.judge.runs import Job, decided
from splitter.judge.config import profile
from splitter.judge.verdict import Action

SHARE = 0.25
HARD = (
    "independent requests",
    "a busy host that both share",
    "both stall at once 1–3 s a minute",
    "so, and each on its own every 5 minutes",
    "each container stalls 1–3 s a minute",
)


def proof_lines(pool: Pool, runs: int, seed: int) -> Iterator[str]:
    """Yield the table of promotions."""
    yield "## Promotions"
    yield ""
    yield f"Equal stacks, {100 * SHARE:g} % for the shadow, profile default, at most an hour, {runs} runs each."
    yield ""
    yield "| world | promoted | rolled back | median, min | slowest, min |"
    yield "|---|---:|---:|---:|---:|"
    for name in HARD:
        ends = pool.map(run, [Job(name, "default", seed + number, 3_600) for number in range(runs)], chunksize=1)
        times = sorted(seconds / 60 for action, seconds in ends if action is Action.PROMOTE)
        wrong = sum(action is Action.ROLLBACK for action, _ in ends)
        figures = f"{median(times):.0f} | {times[-1]:.0f}" if times else "– | –"
        yield f"| {name} | {len(times)} of {runs} | {wrong} | {figures} |"


def run(job: Job) -> tuple[Action, int]:
    """Simulate one rollout to its end; for a worker."""
    return decided(WORLDS[job.world], profile(job.profile), job, SHARE)
