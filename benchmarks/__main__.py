"""`python -m benchmarks`: splitter beside nginx, HAProxy and a plain aiohttp proxy, one core each, in turns."""

import argparse
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.peers import BASE, ORIGIN, PEERS, Peer
from benchmarks.processes import StartError, cpu_s, free_port, pinned, running
from benchmarks.table import ReportError, Run, complaints, parse_report, render


@dataclass(frozen=True, slots=True)
class Plan:
    """How much is measured: `rounds` of each peer with each number of connections, `seconds` each."""

    rounds: int
    seconds: int
    connections: tuple[int, ...]
    proxy_core: int
    load_core: int


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
        connections=tuple(options.connections),
        proxy_core=cores[0],
        load_core=cores[-1],
    )
    peers = [peer for peer in PEERS if not options.peers or peer.name in options.peers]
    present = [peer for peer in peers if peer.version() is not None]
    left_out = [f"{peer.name}: not installed" for peer in peers if peer not in present]
    busy = os.getloadavg()[0]
    with tempfile.TemporaryDirectory(prefix="benchmarks-") as directory:
        tables = Comparison(plan, Path(directory), left_out).run(present)
    print("\n\n".join([_header(plan, present, busy), *tables]))
    for sentence in left_out:
        print(f"\nLeft out: {sentence}")
    return 0


class Comparison:
    """All peers up at once before one origin, and one of them loaded at a time."""

    def __init__(self, plan: Plan, directory: Path, left_out: list[str]) -> None:
        self._plan = plan
        self._directory = directory
        self._left_out = left_out  # written here: the peers that did not start

    def run(self, peers: Sequence[Peer]) -> list[str]:
        """Return a table for each number of connections."""
        with ExitStack() as up:
            origin, _ = self._start(up, ORIGIN, self._plan.load_core, 0)
            started: dict[str, tuple[int, int]] = {}
            for peer in peers:
                try:
                    started[peer.name] = self._start(up, peer, self._plan.proxy_core, origin)
                except StartError as error:
                    self._left_out.append(f"{peer.name}: {error}")
            for name, (port, _) in started.items():
                _say(f"warming {name}")
                self._wrk(port, max(self._plan.connections), 1)
            return [self._table(started, connections) for connections in self._plan.connections]

    def _start(self, up: ExitStack, peer: Peer, core: int, origin: int) -> tuple[int, int]:
        """Start a peer for as long as `up` is open; its port and its process id."""
        directory, port = self._directory / peer.name, free_port()
        directory.mkdir()
        command = peer.command(directory, port, origin)
        return port, up.enter_context(running(core, command, port, directory / "log"))

    def _table(self, started: dict[str, tuple[int, int]], connections: int) -> str:
        """Measure with so many connections: in each round every peer once, in an order that moves on by one."""
        names, rounds = list(started), []
        for number in range(self._plan.rounds):
            turn = number % len(names)
            runs: dict[str, Run] = {}
            for name in names[turn:] + names[:turn]:
                port, pid = started[name]
                try:
                    runs[name] = self._load(port, pid, connections, self._plan.seconds)
                except (ReportError, OSError) as error:  # it answered nothing, or is no more
                    self._left_out.append(f"{name}, {connections} connections, round {number + 1}: {error}")
                    continue
                _say(f"{connections} connections, round {number + 1}: {name} {runs[name].per_second:.0f}/s")
            rounds.append(runs)
        title = f"{connections} connection{'s' * (connections > 1)}"
        return "\n".join([f"**{title}**", "", render(rounds, BASE), *("\n" + line for line in complaints(rounds))])

    def _load(self, port: int, pid: int, connections: int, seconds: int) -> Run:
        """Load one peer and return the run.  Raises ReportError, or OSError for a process that is no more."""
        before = cpu_s(pid)
        report = self._wrk(port, connections, seconds)
        return replace(parse_report(report), cpu_s=cpu_s(pid) - before)

    def _wrk(self, port: int, connections: int, seconds: int) -> str:
        """Load one port and return what the load generator reports."""
        command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--latency", f"http://127.0.0.1:{port}/"]
        done = subprocess.run(pinned(self._plan.load_core, command), capture_output=True, text=True, check=False)
        return done.stdout + done.stderr


def _header(plan: Plan, peers: Sequence[Peer], busy: float) -> str:
    """Return what the figures depend on: when, where, of what, and how."""
    versions = ", ".join(f"{peer.name} {peer.version()}" for peer in peers)
    shared = " (the only one: proxy and load share it)" if plan.proxy_core == plan.load_core else ""
    return (
        f"Measured {datetime.now(UTC):%Y-%m-%d %H:%M} UTC on {_processor()}, {os.cpu_count()} cores, "
        f"{platform.system()} {platform.release()}, Python {platform.python_version()}: {versions}.\n"
        f"Each proxy on core {plan.proxy_core}, wrk (one thread) and the origin on core {plan.load_core}{shared}; "
        f"small GET, keep-alive, loopback; {plan.seconds} s a run, rounds: {plan.rounds}; every proxy once a round, in "
        f"an order that moves on; medians over the rounds. Load average at the start: {busy:.1f}."
    )


def _processor() -> str:
    """Return the processor's name as the kernel gives it."""
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
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
    parser.add_argument("--rounds", type=_whole(1, 100), default=5, help="rounds (default 5)")
    parser.add_argument("--seconds", type=_whole(1, 60), default=2, help="seconds of each run (default 2)")
    parser.add_argument("--connections", type=_whole(1, 1000), nargs="+", default=[1, 32], help="default: 1 32")
    parser.add_argument("--peers", nargs="+", choices=[peer.name for peer in PEERS], help="default: all")
    return parser


if __name__ == "__main__":
    sys.exit(main())
