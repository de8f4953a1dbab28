"""Writes traces of simulated stacks, as anybody could: latencies in HDR buckets of two digits, live alone before 0."""

import json
import random
from collections import Counter
from collections.abc import Callable
from typing import Any

from tests.judge.worlds import HONEST, MEDIAN_US, SPREAD, Manners

CONFIG = {"profile": "default", "min_duration_s": 90, "max_duration_s": 400, "warmup_s": 5, "dwell_s": 20}


def top_us(value_us: int) -> int:
    """Return the highest value of the bucket."""
    blurred = max(value_us.bit_length() - 8, 0)
    return (value_us >> blurred << blurred) + (1 << blurred) - 1


def side(dice: random.Random, n: int, manners: Manners) -> dict[str, Any]:
    """Return one side of a row."""
    failures = client_errors = 0
    buckets = Counter[int]()
    for _ in range(n):
        fate = dice.random()
        if fate < manners.failures:
            failures += 1
        elif fate < manners.failures + manners.client_errors:
            client_errors += 1
        else:
            buckets[top_us(int(manners.slower(MEDIAN_US * dice.lognormvariate(0, SPREAD), dice)))] += 1
    return {
        "n": n,
        "e5": failures,
        "e5u": failures,
        "e4": client_errors,
        "e4u": client_errors,
        "to": 0,
        "h": sorted(map(list, buckets.items())),
    }


def trace(
    shadow: Callable[[int], Manners] = lambda _: HONEST,
    *,
    seed: int = 1,
    rps: int = 300,
    share: float = 0.2,
    seconds: int = 120,
    baseline_s: int = 60,
    memory: Callable[[int], float] | None = None,
    config: dict[str, Any] = CONFIG,
) -> list[str]:
    """Return the lines of a trace; `shadow` and `memory` (a fraction of the limit) are functions of the second."""
    dice = random.Random(seed)
    header = {
        "type": "header",
        "format": "judge-trace/1",
        "id": f"seed {seed}",
        "tick_s": 1,
        "baseline_s": baseline_s,
        "duration_s": seconds,
        "lat_unit": "us",
        "hdr": {"lowest": 1, "highest": 60_000_000, "digits": 2},
        "mem_limit": 1 << 30,
        "share": share,
        "config": config,
    }
    lines = [json.dumps(header)]
    for t in range(-baseline_s, seconds):
        n_s = sum(dice.random() < share for _ in range(rps)) if t >= 0 else 0
        row: dict[str, Any] = {"t": t, "w": share if t >= 0 else 0.0, "live": side(dice, rps - n_s, HONEST)}
        row["shadow"] = side(dice, n_s, shadow(t)) if t >= 0 else None
        if t % 5 == 0 and memory is not None:
            row["res"] = {"live": {"mem": 3 << 28}, "shadow": {"mem": int(memory(t) * (1 << 30))}}
        lines.append(json.dumps(row))
    return lines
