"""Equal stacks, watched for an hour: whoever rolls back is wrong."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from multiprocessing.pool import Pool

import numpy as np

from benchmarks.judge.rules import NAMES
from benchmarks.judge.runs import Ending, Job, simulate
from benchmarks.judge.worlds import Floats, World
from splitter.judge.config import profile

HOUR_S = 3_600
OTHERS = 20  # the further worlds get a part of the hours


def steps(t: int) -> float:
    """Return 1, 5, 25 and 50 percent, a quarter of an hour each."""
    return (0.01, 0.05, 0.25, 0.5)[min(t // 900, 3)]


def busy(t: Floats) -> Floats:
    """Return how a neighbour slows down both stacks, to a third: now and then, for seconds to half a minute."""
    return np.where(np.sin(t / 9) + np.sin(t / 23.7) > 0.8, 3.0, 1.0)


WORLDS = {
    world.name: world
    for world in (
        World("independent requests"),
        World("each container stalls 1–3 s a minute", stalls_s=60),
        World("both stall at once 1–3 s a minute", common_stalls_s=60),
        World("so, and each on its own every 5 minutes", common_stalls_s=60, stalls_s=300),
        World("a busy host that both share", slowness=busy),
        World(
            "load in bursts",
            load=lambda t: np.where(t % 180 < 10, 6.0, 0.7),
            slowness=lambda t: np.where(t % 180 < 10, 2.0, 1.0),
        ),
        World("clients that retry what fails", retries=True),
        World("clients with heaps of slow requests", heavy=True),
        World(
            "day and night",
            load=lambda t: 1 + 0.6 * np.sin(t / 573),
            slowness=lambda t: 1.4 + 0.6 * np.sin(t / 573),
        ),
        World("weights go up, load changes with them", share=steps, slowness=lambda t: 1 + 0.2 * np.floor(t / 900)),
        World("an incident that both have", trouble=lambda t: np.where((t > 900) & (t < 1_000), 0.5, 0.0)),
    )
}


def quiet_lines(pool: Pool, hours: int, seed: int) -> Iterator[str]:
    """Yield the table of false rollbacks."""
    yield "## False rollbacks within an hour of looking"
    yield ""
    yield "Rollbacks of equal stacks, per simulated hour.  The rules of today see the first world only."
    yield ""
    yield "| world | profile | hours | judge | by |"
    yield "|---|---|---:|---:|---|"
    rules: Counter[str] = Counter()
    for world in WORLDS.values():
        is_first = world.name == "independent requests"
        for name in ("strict", "default") if is_first else ("default",):
            count = max(4, hours // 2 if is_first else hours // OTHERS)
            jobs = [Job(world.name, name, seed + number, HOUR_S) for number in range(count)]
            if is_first and name == "default":
                looked_at = max(4, count // 5)
                jobs[:looked_at] = [replace(job, with_rules=True) for job in jobs[:looked_at]]
            endings = list(pool.imap_unordered(run, jobs, chunksize=1))
            wrong = [ending for ending in endings if ending.seconds is not None]
            kpis = ", ".join(f"{kpi} {n}" for kpi, n in Counter(ending.kpi for ending in wrong).most_common())
            yield f"| {world.name} | {name} | {count} | {_share(len(wrong), count)} | {kpis or '–'} |"
            looked = [ending for ending in endings if ending.rules]
            rules.update(rule for ending in looked for rule, end in ending.rules.items() if end is not None)
            if looked:
                rules["hours"] = len(looked)
    yield ""
    yield "| rule of today | hours | false rollbacks |"
    yield "|---|---:|---:|"
    for rule in NAMES:
        yield f"| {rule} | {rules['hours']} | {_share(rules[rule], rules['hours'])} |"


def run(job: Job) -> Ending:
    """Simulate one hour; for a worker."""
    return simulate(WORLDS[job.world], profile(job.profile), job)


def _share(part: int, whole: int) -> str:
    return f"{part} ({100 * part / whole:.2g} %)" if whole else "–"
