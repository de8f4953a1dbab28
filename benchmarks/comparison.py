"""Runs cases: all peers up at once before one origin, and one of them loaded at a time."""

import json
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from benchmarks.cases import Case
from benchmarks.peers import ECHO, ORIGIN, OTHERS, OURS, Peer, splitter
from benchmarks.processes import StartError, cpu_s, free_port, memory_bytes, pinned, running
from benchmarks.site import Site, make_certificate
from benchmarks.table import ReportError, Round, Run, parse_report

DIRECT: Final = "no proxy"
_HELD_S_MAX: Final = 60.0


@dataclass(frozen=True, slots=True)
class Plan:
    """How much is measured: `rounds` of each case with each peer, `seconds` each, and on which cores."""

    rounds: int
    seconds: int
    proxy_core: int
    load_core: int


@dataclass(slots=True)
class Results:
    """What came out, by the case's name, and why something is missing."""

    rounds: dict[str, list[Round]] = field(default_factory=dict)
    bytes_each: dict[str, float] = field(default_factory=dict)
    left_out: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Server:
    """A peer that is up."""

    site: Site
    pid: int


class Comparison:
    """Starts what the cases need, and loads one peer after the other."""

    def __init__(self, plan: Plan, directory: Path, say: Callable[[str], None]) -> None:
        self._plan = plan
        self._directory = directory
        self._say = say
        self._certificate, self._key = make_certificate(directory)
        self._origin = self._echo = 0
        self.results = Results()

    def run(self, peers: Sequence[Peer], cases: Sequence[Case]) -> Results:
        """Measure every case with every peer that it is for."""
        wanted = {each.name: each for case in cases for each in _peers_of(case, peers) if case.mode != "flipping"}
        with ExitStack() as up:
            self._echo = self._start(up, ECHO, self._plan.load_core).site.port
            origin = self._start(up, ORIGIN, self._plan.load_core)
            self._origin = origin.site.port
            servers = self._start_all(up, list(wanted.values()))
            for name, server in servers.items():
                self._say(f"warming {name}")
                self._wrk(server.site, Case("warm", "", connections=256), 1)
            for case in cases:
                with ExitStack() as also:
                    mine = self._start_all(also, [splitter(case.mode)]) if case.mode == "flipping" else {}
                    here = {each.name: {**servers, **mine}.get(each.name) for each in _peers_of(case, peers)}
                    self._measure(case, {name: server for name, server in here.items() if server}, origin)
        return self.results

    def _start_all(self, up: ExitStack, peers: Sequence[Peer]) -> dict[str, Server]:
        started: dict[str, Server] = {}
        for peer in peers:
            try:
                started[peer.name] = self._start(up, peer, self._plan.proxy_core)
            except StartError as error:
                self.results.left_out.append(f"{peer.name}: {error}")
        return started

    def _start(self, up: ExitStack, peer: Peer, core: int) -> Server:
        """Start a peer for as long as `up` is open."""
        site = Site(free_port(), free_port(), self._origin, self._echo, self._certificate, self._key)
        directory = self._directory / peer.name.replace(", ", "-")
        directory.mkdir()
        command = peer.command(directory, site)
        return Server(site, up.enter_context(running(core, command, site.port, directory / "log")))

    def _measure(self, case: Case, servers: Mapping[str, Server], origin: Server) -> None:
        if case.kind == "idle":
            for name, server in servers.items():
                self._note(case, name, 0, lambda server=server, name=name: self._hold(case, name, server))  # type: ignore[misc]
            return
        everybody = {**servers, DIRECT: origin} if case.kind == "open" else dict(servers)
        names, rounds = list(everybody), self.results.rounds.setdefault(case.name, [])
        for number in range(self._plan.rounds):
            turn, runs = number % len(names), dict[str, Run]()
            for name in names[turn:] + names[:turn]:
                run = self._note(case, name, number, lambda name=name: self._load(case, everybody[name]))  # type: ignore[misc]
                if run is not None:
                    runs[_label(name)] = run
                    self._say(f"{case.name}, round {number + 1}: {name} {run.per_second:.0f} {case.unit}")
            rounds.append(runs)

    def _note(self, case: Case, name: str, number: int, measure: Callable[[], Run | None]) -> Run | None:
        """Return what `measure` does; note why there is nothing where it fails."""
        try:
            return measure()
        except (ReportError, OSError, subprocess.SubprocessError) as error:  # it answered nothing, or is no more
            self.results.left_out.append(f"{name}, {case.name}, round {number + 1}: {error}")
            return None

    def _load(self, case: Case, server: Server) -> Run:
        """Load one peer and return the run.  Raises ReportError, or OSError for a process that is no more."""
        before_s = cpu_s(server.pid)
        if case.kind == "wrk":
            run = parse_report(self._wrk(server.site, case, self._plan.seconds), is_volume=case.unit == "MB/s")
        else:
            seconds = self._plan.seconds * (2 if case.kind == "open" else 1)  # a p99 wants more requests
            run = _run_of(self._child(server, case, seconds).communicate()[0])
        return replace(run, cpu_s=cpu_s(server.pid) - before_s)

    def _hold(self, case: Case, name: str, server: Server) -> None:
        """Measure what idle connections take in memory."""
        before = memory_bytes(server.pid)
        child = self._child(server, case, 0)
        assert child.stdin is not None
        assert child.stdout is not None
        if child.stdout.readline() != "held\n":
            raise ReportError(f"not all of {case.number} connections were served")
        held = memory_bytes(server.pid) - before
        child.stdin.close()
        run = _run_of(child.stdout.read())
        child.wait()
        if run.errors:
            raise ReportError(f"{run.errors} of {case.number} connections failed")
        self.results.bytes_each[_label(name)] = held / case.number
        self._say(f"{case.name}: {name} {held / case.number / 1024:.1f} KiB")

    def _child(self, server: Server, case: Case, seconds: int) -> subprocess.Popen[str]:
        words = [case.kind, str(server.site.port), str(seconds), str(case.number)]
        command = pinned(self._plan.load_core, [sys.executable, "-m", "benchmarks.load", *words])
        return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def _wrk(self, site: Site, case: Case, seconds: int) -> str:
        """Load one port and return what the load generator reports."""
        port, scheme = (site.tls_port, "https") if case.is_tls else (site.port, "http")
        words = ["wrk", f"-t{case.threads}", f"-c{case.connections}", f"-d{seconds}s", "--latency"]
        for name, value in (case.headers or {}).items():
            words += ["-H", f"{name}: {value}"]
        if case.script:
            script = self._directory / f"{case.name}.lua"
            script.write_text(case.script)
            words += ["-s", str(script)]
        words.append(f"{scheme}://127.0.0.1:{port}{case.path}")
        done = subprocess.run(pinned(self._plan.load_core, words), capture_output=True, text=True, check=False)
        return done.stdout + done.stderr


def _peers_of(case: Case, peers: Sequence[Peer]) -> list[Peer]:
    """Return who takes part: splitter in the case's mode; where it flips, beside itself without flips."""
    if case.mode == "flipping":
        return [OURS, splitter(case.mode)] if OURS in peers else []
    return [*(peer for peer in peers if peer in OTHERS), *([splitter(case.mode)] if OURS in peers else [])]


def _label(name: str) -> str:
    """Return the column that a run belongs to: splitter's modes share one, but for flips, which it is compared with."""
    return OURS.name if name.startswith(OURS.name) and "flipping" not in name else name


def _run_of(text: str) -> Run:
    """Return the run that a load has printed.  Raises ReportError."""
    try:
        return Run(**json.loads(text))
    except (ValueError, TypeError) as error:
        raise ReportError(f"the load printed no run: {text[-300:]!r}") from error
