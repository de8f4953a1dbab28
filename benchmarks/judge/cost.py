"""What the judge costs: CPU time for a tick, and for a request in the hot path."""

from collections.abc import Iterator
from dataclasses import replace
from statistics import fmean, median
from time import thread_time

from benchmarks.judge.worlds import Traffic, World
from splitter.judge.config import profile
from splitter.judge.judge import Judge
from splitter.kpi import Recorder
from splitter.model import Resources, Side, StackId

TICKS = 1_800
REQUESTS = 200_000


def cost_lines() -> Iterator[str]:
    """Yield the table of costs."""
    yield "## Costs"
    yield ""
    yield "| what | goal | mean | median | highest |"
    yield "|---|---|---:|---:|---:|"
    ticks = tick_costs_s()
    mean, middle, highest = (1e3 * each(ticks) for each in (fmean, median, max))
    yield f"| a tick, with all forecasts | < 0.5 ms | {mean:.2f} ms | {middle:.2f} ms | {highest:.1f} ms |"
    yield f"| a request, recorded and cut into bins | < 0.3 µs | {1e6 * request_cost_s():.2f} µs | | |"


def tick_costs_s() -> list[float]:
    """Return the CPU time of each tick of half an hour."""
    judge, traffic = Judge(profile("default")), Traffic(World("300 requests/s", rps=300, share=lambda t: 0.2), 1)
    judge.calibrate(traffic.baseline())
    edges, costs = {side: judge.edges(side) for side in Side}, []
    for t in range(TICKS):
        uses = Resources(memory=3e8 + 1e4 * t, memory_limit=1e9, cpu_s=0.4 * t, cpu_limit=2.0) if t % 5 == 0 else None
        tick = replace(traffic.tick(t, edges), live_uses=uses, shadow_uses=uses)
        began_s = thread_time()
        judge.observe(tick)
        costs.append(thread_time() - began_s)
    return costs


def request_cost_s() -> float:
    """Return the CPU time of recording one answer; the least of five rounds, for others use the machine too."""
    judge = Judge(profile("default"))
    judge.calibrate(Traffic(World("50 requests/s"), 1).baseline())
    recorder = Recorder(StackId("shop-r1"), judge.edges(Side.SHADOW))
    latencies = [1_000 + 997 * number % 90_000 for number in range(1_000)]
    rounds = []
    for _ in range(5):
        began_s = thread_time()
        for _ in range(REQUESTS // len(latencies)):
            for latency_us in latencies:
                recorder.record(200, latency_us, False, "client", 1.0)
        rounds.append((thread_time() - began_s) / REQUESTS)
        recorder.close(1.0)
    return min(rounds)
