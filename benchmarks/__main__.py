"""`python -m benchmarks`: splitter beside nginx, HAProxy, Envoy, Caddy and an aiohttp proxy, one core each."""

import argparse
import os
import platform
import re
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.cases import CASES, Case
from benchmarks.comparison import DIRECT, Comparison, Plan, Results
from benchmarks.peers import BASE, ORIGIN, PEERS, Peer
from benchmarks.table import complaints, render, render_latency, render_memory, summary

README = Path(__file__).parent / "README.md"
_BEGIN, _END = "<!-- measured -->", "<!-- end of measured -->"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the comparison and print it as Markdown; 2 where nothing can be measured."""
    options = _parser().parse_args(arguments)
    if shutil.which("wrk") is None or ORIGIN.version() is None:
        print("The comparison needs wrk and nginx (the origin); install both.", file=sys.stderr)
        return 2
    cores = sorted(os.sched_getaffinity(0))
    plan = Plan(
        rounds=1 if options.quick else options.rounds,
        seconds=1 if options.quick else options.seconds,
        proxy_core=cores[0],
        load_core=cores[-1],
    )
    peers = [peer for peer in PEERS if not options.peers or peer.name in options.peers]
    cases = [case for case in CASES if not options.cases or case.name in options.cases]
    present = [peer for peer in peers if peer.version() is not None]
    busy = os.getloadavg()[0]
    with tempfile.TemporaryDirectory(prefix="benchmarks-") as directory:
        results = Comparison(plan, Path(directory), _say).run(present, cases)
    results.left_out += [f"{peer.name}: not installed" for peer in peers if peer not in present]
    text = "\n\n".join([_header(plan, present, busy), *_tables(results, cases, present)])
    print(text)
    if options.write:
        README.write_text(rewritten(README.read_text(), text))
    return 0


def rewritten(page: str, text: str) -> str:
    """Return `page` with `text` in place of what was measured before."""
    begin, end = page.index(_BEGIN) + len(_BEGIN), page.index(_END)
    return f"{page[:begin]}\n\n{text}\n\n{page[end:]}"


def _tables(results: Results, cases: Sequence[Case], peers: Sequence[Peer]) -> Iterator[str]:
    """Yield the ratios first, then latencies and memory, then the details of each case."""
    loads = [case for case in cases if results.rounds.get(case.name) and case.kind != "open"]
    if loads:
        yield summary({case.title: results.rounds[case.name] for case in loads}, [peer.name for peer in peers], BASE)
    for case in cases:
        if case.kind == "open" and results.rounds.get(case.name):
            yield f"**{_capital(case.title)}**\n\n{render_latency(results.rounds[case.name], DIRECT)}"
        if case.kind == "idle" and results.bytes_each:
            yield f"**{_capital(case.title)}**\n\n{render_memory(results.bytes_each)}"
    for case in loads:
        rounds = results.rounds[case.name]
        yield "\n".join([f"**{_capital(case.title)}**", "", render(rounds, BASE, case.unit)])
    said = [line for case in cases for line in _complaints(results, case)]
    said += [f"Left out: {sentence}" for sentence in results.left_out]
    if said:
        yield "\n".join(f"- {' '.join(line.split())}" for line in said)


def _complaints(results: Results, case: Case) -> Iterator[str]:
    for line in complaints(results.rounds.get(case.name, [])):
        yield f"{case.title}: {line}"


def _capital(title: str) -> str:
    return title[0].upper() + title[1:]


def _header(plan: Plan, peers: Sequence[Peer], busy: float) -> str:
    """Return what the figures depend on: when, where, of what, and how."""
    versions = ", ".join(f"{peer.name} {peer.version()}" for peer in peers)
    shared = " (the only one: proxy and load share it)" if plan.proxy_core == plan.load_core else ""
    return (
        f"Measured {datetime.now(UTC):%Y-%m-%d %H:%M} UTC on {_processor()}, {os.cpu_count()} cores, "
        f"{platform.system()} {platform.release()}, Python {platform.python_version()}: {versions}.\n"
        f"Each proxy on core {plan.proxy_core}, load (one thread) and origin on core {plan.load_core}{shared}; "
        f"keep-alive, loopback; {plan.seconds} s a run, rounds: {plan.rounds}; every proxy once a round, in "
        f"an order that moves on; medians over the rounds. Load average at the start: {busy:.1f}."
    )


def _processor() -> str:
    """Return the processor's name as the kernel gives it."""
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return re.sub(r"\s+", " ", line.partition(":")[2].strip())
    return platform.machine()


def _say(sentence: str) -> None:
    print(sentence, file=sys.stderr, flush=True)


def _whole(least: int, most: int) -> Callable[[str], int]:
    """Return what reads a whole number between two bounds, so that a run always ends."""

    def read(text: str) -> int:
        if not text.isdecimal() or not least <= int(text) <= most:
            raise argparse.ArgumentTypeError(f"{text} is not a whole number from {least} to {most}")
        return int(text)

    return read


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="one round of one second: does it run?")
    parser.add_argument("--rounds", type=_whole(1, 100), default=4, help="rounds (default 4)")
    parser.add_argument("--seconds", type=_whole(1, 60), default=1, help="seconds of each run (default 1)")
    parser.add_argument("--cases", nargs="+", choices=[case.name for case in CASES], help="default: all")
    parser.add_argument("--peers", nargs="+", choices=[peer.name for peer in PEERS], help="default: all")
    parser.add_argument("--write", action="store_true", help="put the tables into benchmarks/README.md")
    return parser


if __name__ == "__main__":
    sys.exit(main())
