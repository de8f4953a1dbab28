"""`python -m benchmarks.judge`: what the judge promises, measured in simulated hours, beside rules of today.

Prints Markdown.  `--quick` runs a tenth; `--hours` sets the simulated hours of independent requests.
"""

import argparse
import os
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from multiprocessing import Pool

from benchmarks.judge.cost import cost_lines
from benchmarks.judge.foresight import foresight_lines
from benchmarks.judge.power import power_lines
from benchmarks.judge.proof import proof_lines
from benchmarks.judge.quiet import quiet_lines

HOURS = 1_000
QUICK_HOURS = 40


def main(arguments: Sequence[str] | None = None) -> int:
    """Run all parts and print their tables."""
    options = _parser().parse_args(arguments)
    hours = QUICK_HOURS if options.quick else options.hours
    runs = max(4, min(60, hours // 10))
    print(f"Measured {datetime.now(UTC):%Y-%m-%d %H:%M} UTC, seed {options.seed}, {options.processes} processes.\n")
    with Pool(options.processes) as pool:
        for part in (
            quiet_lines(pool, hours, options.seed),
            power_lines(pool, runs, options.seed),
            proof_lines(pool, runs, options.seed),
            foresight_lines(pool, runs, options.seed),
            cost_lines(),
        ):
            for line in part:
                print(line, flush=True)
            print()
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.judge", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a small part: does it run? Its figures are noise")
    parser.add_argument("--hours", type=int, default=HOURS, help="simulated hours of equal stacks")
    parser.add_argument("--seed", type=int, default=1, help="of the first run; each has its own")
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1, help="how many at once")
    return parser


if __name__ == "__main__":
    sys.exit(main())
