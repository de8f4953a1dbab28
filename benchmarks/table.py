"""What was measured, as a table: figures out of the load generator's report, ratios, and their spread.

Pure: text in, text out.  A ratio compares two runs of one round, which stand side by side in time; so a machine that
gets slower or faster over the minutes moves both.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from statistics import median

_UNITS_MB = {"": 2.0**-20, "K": 2.0**-10, "M": 1.0, "G": 2.0**10}
_UNITS_US = {"us": 1.0, "ms": 1e3, "s": 1e6, "m": 60e6}


class ReportError(ValueError):
    """A report of the load generator that names no request: the run did not happen."""


@dataclass(frozen=True, slots=True)
class Run:
    """One run against one proxy.  `cpu_s` is what the proxy itself used; `errors` are broken and refused requests."""

    requests: int
    per_second: float
    p50_us: float
    p99_us: float
    errors: int = 0
    cpu_s: float = 0.0

    @property
    def cpu_us_per_request(self) -> float:
        """Return the proxy's own time per request."""
        return self.cpu_s / self.requests * 1e6


Round = Mapping[str, Run]
"""The runs of one round, by the proxy's name."""


def parse_report(text: str, *, is_volume: bool = False) -> Run:
    """Return the figures of a report of `wrk --latency`; `is_volume`: megabytes a second.  Raises ReportError."""
    requests = int(_number(r"(\d+) requests in ", text))
    if not requests:
        raise ReportError(f"no requests in this report:\n{text}")
    sockets = re.search(r"Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)", text)
    return Run(
        requests=requests,
        per_second=_megabytes(text) if is_volume else _number(r"Requests/sec:\s+([\d.]+)", text),
        p50_us=_latency_us("50", text),
        p99_us=_latency_us("99", text),
        errors=(sum(map(int, sockets.groups())) if sockets else 0)
        + int(_number(r"Non-2xx or 3xx responses: (\d+)", text)),
    )


def ratios(rounds: Sequence[Round], name: str, base: str) -> list[float]:
    """Return the requests per second of `name` relative to `base`, for each round that has both."""
    return [runs[name].per_second / runs[base].per_second for runs in rounds if name in runs and base in runs]


def run_object(run: Run) -> dict[str, float]:
    """Return `run` as JSON has it."""
    return asdict(run)


def summary(cases: Mapping[str, Sequence[Round]], names: Sequence[str], base: str) -> str:
    """Return the table of ratios: a line for each case, a column for each proxy, the median over the rounds."""
    lines = [f"| relative to {base} | {' | '.join(names)} |", "|---|" + "---:|" * len(names)]
    for title, rounds in cases.items():
        cells = [ratios(rounds, name, base) for name in names]
        lines.append(f"| {title} | {' | '.join(f'{median(each):.2f}' if each else '–' for each in cells)} |")
    return "\n".join(lines)


def render_latency(rounds: Sequence[Round], direct: str) -> str:
    """Return the latencies of each proxy, and what it adds to those of `direct`, the lowest p99 first."""
    names = {name for runs in rounds for name in runs}
    p99 = {name: median(run.p99_us for run in _runs(rounds, name)) for name in names}
    lines = ["| | p50 µs | p99 µs | added p50 | added p99 |", "|---|---:|---:|---:|---:|"]
    for name in sorted(names, key=lambda name: p99[name]):
        runs = _runs(rounds, name)
        figures = [f"{median(run.p50_us for run in runs):.0f}", f"{p99[name]:.0f}"]
        pairs = [(each[name], each[direct]) for each in rounds if name in each and direct in each]
        if name == direct or not pairs:
            figures += ["–", "–"]
        else:
            figures.append(f"{median(one.p50_us - other.p50_us for one, other in pairs):+.0f}")
            figures.append(f"{median(one.p99_us - other.p99_us for one, other in pairs):+.0f}")
        lines.append(f"| {name} | {' | '.join(figures)} |")
    return "\n".join(lines)


def render_memory(bytes_each: Mapping[str, float]) -> str:
    """Return what a connection takes in each proxy, the least first."""
    lines = ["| proxy | KiB per idle connection |", "|---|---:|"]
    lines += [f"| {name} | {size / 1024:.1f} |" for name, size in sorted(bytes_each.items(), key=lambda pair: pair[1])]
    return "\n".join(lines)


def render(rounds: Sequence[Round], base: str, unit: str = "requests/s") -> str:
    """Return one Markdown table: medians over the rounds, the fastest first, ratios to `base` with their range."""
    names = {name for runs in rounds for name in runs}
    speed = {name: median(run.per_second for run in _runs(rounds, name)) for name in names}
    lines = [
        f"| proxy | {unit} | relative to {base} | range | p50 µs | p99 µs | CPU µs per request |",
        "|---|---:|---:|---:|---:|---:|---:|",
    ]
    lines += [_line(rounds, name, base) for name in sorted(names, key=lambda name: -speed[name])]
    return "\n".join(lines)


def complaints(rounds: Sequence[Round]) -> list[str]:
    """Return a sentence for each proxy that failed requests: its figures are then no figures."""
    failed: dict[str, int] = {}
    for runs in rounds:
        for name, run in runs.items():
            failed[name] = failed.get(name, 0) + run.errors
    return [f"{name} failed {errors} requests: do not trust its line" for name, errors in failed.items() if errors]


def _line(rounds: Sequence[Round], name: str, base: str) -> str:
    runs = _runs(rounds, name)
    relative = ratios(rounds, name, base)
    share, spread = (f"{median(relative):.2f}", f"{min(relative):.2f}–{max(relative):.2f}") if relative else ("–", "–")
    figures = (
        f"{median(run.per_second for run in runs):,.0f}".replace(",", " "),
        share,
        spread,
        f"{median(run.p50_us for run in runs):.0f}",
        f"{median(run.p99_us for run in runs):.0f}",
        f"{median(run.cpu_us_per_request for run in runs):.1f}",
    )
    return f"| {name} | {' | '.join(figures)} |"


def _runs(rounds: Sequence[Round], name: str) -> list[Run]:
    return [runs[name] for runs in rounds if name in runs]


def _number(pattern: str, text: str) -> float:
    """Return the number that `pattern` finds; 0 where it finds none."""
    found = re.search(pattern, text)
    return float(found[1]) if found else 0.0


def _megabytes(text: str) -> float:
    """Return the transfer rate in megabytes (2**20 bytes) a second."""
    found = re.search(r"Transfer/sec:\s+([\d.]+)([KMG]?)B", text)
    return float(found[1]) * _UNITS_MB[found[2]] if found else 0.0


def _latency_us(percent: str, text: str) -> float:
    """Return one line of the latency distribution, in microseconds."""
    found = re.search(rf"^\s*{percent}%\s+([\d.]+)(us|ms|s|m)$", text, re.MULTILINE)
    return float(found[1]) * _UNITS_US[found[2]] if found else 0.0
