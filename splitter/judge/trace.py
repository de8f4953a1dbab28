"""Traces: a rollout as lines of JSON, from us or from anybody, `judge-trace/1`.

The first line is a header, every other one a tick of both stacks, in the order of time.  `t` counts seconds; ticks
below 0 are live alone, what it was like before.  A side's `h` lists [highest value of an HDR bucket in µs, count] of
answers below 400 and of overdue requests, `ctl` is the control slice, a part of `live`, `w` the shadow's share:

    {"type": "header", "format": "judge-trace/1", "id": "a", "tick_s": 1, "hdr": {"digits": 2}, "mem_limit": 536870912,
     "config": {"profile": "default", "min_duration_s": 900, "max_duration_s": 1800}, …}
    {"t": 17, "w": 0.05, "live": {"n": 47, "e5": 0, "e5u": 0, "e4": 1, "e4u": 1, "h": [[28159, 46]]}, "ctl": {…},
     "shadow": {…}, "res": {"live": {"mem": 1048576}, "shadow": {"mem": 2097152}}}

`config` takes every field of `JudgeConfig`; what is left out is the profile's.  Buckets blur: an edge inside of one
cannot be told from the bucket's borders.  So the scale is laid on the borders (`Baseline.digits`), to the side that
lets the shadow off when it is accused and holds it back when it is proven.

A trace of our own also holds what the judge was fed, to the last bit, and then nothing is blurred:
`{"own": {"config": <config.to_mapping>, "state": <Judge.state_dict at the start>}}` in the header, `"tick": <asdict of
Tick>` in rows, and `{"type": "state", "state": <Judge.state_dict>}` where edges were cut anew or more time was given.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, Final

from splitter.errors import OperatorError
from splitter.judge.calibration import Latency, binned
from splitter.judge.config import GuardOptions, JudgeConfig, KpiOptions, PredictOptions, from_mapping, profile
from splitter.judge.config import to_mapping as config_to_mapping
from splitter.judge.tick import Tick
from splitter.model import Counts, Pairs, Resources

FORMAT: Final = "judge-trace/1"
_COUNTS: Final = ("n", "e5", "e5u", "e4", "e4u")
_PARTS: Final = {"kpis": KpiOptions, "guards": GuardOptions, "predict": PredictOptions}


class TraceError(OperatorError, ValueError):
    """A line that is no part of a trace, with its number and what it should be."""


@dataclass(frozen=True, slots=True)
class Header:
    """What holds for the whole trace.  `state` is the judge's own at the start, in a trace of ours."""

    id: str
    config: JudgeConfig
    tick_s: float = 1.0
    digits: int = 2
    memory_limit: float | None = None
    state: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Sample:
    """One side's counts in one tick, without bins, and its latencies in buckets."""

    counts: Counts
    latency: Latency

    def cut(self, edges_us: Sequence[int]) -> Counts:
        """Return the counts with the latencies in the bins between `edges_us`."""
        return replace(self.counts, bins=binned(self.latency, edges_us))


@dataclass(frozen=True, slots=True)
class Row:
    """One tick.  `tick` is what the judge was fed and `state` what it was before, where the trace says so."""

    t: float
    share: float | None = None
    live: Sample | None = None
    control: Sample | None = None
    shadow: Sample | None = None
    live_uses: Resources | None = None
    shadow_uses: Resources | None = None
    tick: Tick | None = None
    state: Mapping[str, Any] | None = None


def read(lines: Iterable[str]) -> tuple[Header, Iterator[Row]]:
    """Return the header, and the rows as they are asked for.  Raises TraceError, the rows' iterator too."""
    numbered = ((number, line) for number, line in enumerate(lines, 1) if line.strip())
    first = next(numbered, None)
    if first is None:
        raise TraceError("line 1: the trace is empty; it begins with a header")
    header = _header(_parsed(*first))
    return header, _rows(numbered, header)


def header_of(id: str, config: JudgeConfig, state: Mapping[str, Any], **more: Any) -> dict[str, Any]:  # noqa: A002
    """Return the header of a trace of ours; `more` is what the format knows besides (`share`, `duration_s`, …)."""
    options = {"profile": config.profile.value}
    for name in ("min_duration_s", "max_duration_s"):
        options[name] = getattr(config, name)
    own = {"config": config_to_mapping(config), "state": state}
    return {"type": "header", "format": FORMAT, "id": id, "config": options, **more, "own": own}


def _rows(numbered: Iterable[tuple[int, str]], header: Header) -> Iterator[Row]:
    state = None
    for number, line in numbered:
        row = _parsed(number, line)
        try:
            if row.get("type") == "state":
                state = row["state"]
                continue
            yield _row(row, header, state)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise TraceError(f"line {number}: no row of a trace ({error!r}); see the format `{FORMAT}`") from error
        state = None


def _parsed(number: int, line: str) -> dict[str, Any]:
    try:
        value = json.loads(line)
    except ValueError as error:
        raise TraceError(f"line {number}: no JSON ({error}); a trace has one object on each line") from None
    if not isinstance(value, dict):
        raise TraceError(f"line {number}: no JSON object; a trace has one object on each line")
    return value


def _header(value: Mapping[str, Any]) -> Header:
    if value.get("type") != "header" or value.get("format") != FORMAT:
        raise TraceError(f'line 1: no header; it says "type": "header" and "format": "{FORMAT}"')
    own = value.get("own", {})
    config = from_mapping(own["config"]) if "config" in own else config_of(value.get("config", {}))
    try:
        return Header(
            id=str(value.get("id", "")),
            config=config,
            tick_s=float(value.get("tick_s", 1.0)),
            digits=int(value.get("hdr", {}).get("digits", 2)),
            memory_limit=value.get("mem_limit"),
            state=own.get("state"),
        )
    except (TypeError, ValueError, AttributeError) as error:
        raise TraceError(f"line 1: the header cannot be read ({error!r})") from error


def config_of(options: Mapping[str, Any]) -> JudgeConfig:
    """Return the config that a header's `config` describes.  Raises TraceError or JudgeOptionsError."""
    base = config_to_mapping(profile(options.get("profile", "default")))
    _known("config", options, base)
    merged = {**base, **options}
    for part in ("guards", "predict"):
        given = options.get(part, {})
        _known(f"config.{part}", given, base[part])
        merged[part] = {**base[part], **given}
    merged["kpis"] = dict(base["kpis"])
    for name, given in options.get("kpis", {}).items():
        _known(f"config.kpis.{name}", given, {field.name: None for field in fields(KpiOptions)})
        merged["kpis"][name] = {**base["kpis"].get(name, {"weight": 0.0, "tolerance": {}}), **given}
    try:
        return from_mapping(merged)
    except (KeyError, TypeError) as error:
        raise TraceError(f"line 1: the header's config cannot be read ({error!r})") from error


def _known(place: str, given: Mapping[str, Any], known: Mapping[str, Any]) -> None:
    for name in given:
        if name not in known:
            raise TraceError(f"line 1: {place}.{name} is not known; known are {', '.join(known)}")


def _row(value: Mapping[str, Any], header: Header, state: Mapping[str, Any] | None) -> Row:
    uses = value.get("res") or {}
    return Row(
        t=float(value["t"]),
        share=value.get("w"),
        live=_sample(value.get("live")),
        control=_sample(value.get("ctl")),
        shadow=_sample(value.get("shadow")),
        live_uses=_uses(uses.get("live"), header),
        shadow_uses=_uses(uses.get("shadow"), header),
        tick=tick_of(value["tick"]) if "tick" in value else None,
        state=state,
    )


def _sample(value: Mapping[str, Any] | None) -> Sample | None:
    if value is None:
        return None
    figures = {name: value.get(name, 0) for name in _COUNTS}
    return Sample(Counts(**figures), tuple((int(top), count) for top, count in value.get("h", ())))


def _uses(value: Mapping[str, Any] | None, header: Header) -> Resources | None:
    if not value:
        return None
    return Resources(
        memory=value.get("mem"),
        memory_limit=value.get("mem_limit", header.memory_limit),
        cpu_s=value.get("cpu_s"),
        cpu_limit=value.get("cpu_limit"),
        pids=value.get("pids"),
        pids_limit=value.get("pids_limit"),
        descriptors=value.get("descriptors"),
        descriptors_limit=value.get("descriptors_limit"),
    )


def _resources(value: Mapping[str, Any]) -> Resources:
    """Return what `asdict` made `value` of; what an older version said besides is left out."""
    known = {each.name for each in fields(Resources)}
    figures: dict[str, Any] = {name: figure for name, figure in value.items() if name in known}
    for names in ("services", "left_out"):
        figures[names] = tuple(figures.get(names, ()))
    return Resources(**figures)


def tick_of(value: Mapping[str, Any]) -> Tick:
    """Return the tick that `dataclasses.asdict` made `value` of, JSON in between or not."""
    parts: dict[str, Any] = dict(value)
    for side in ("live", "control", "shadow"):
        if parts.get(side) is not None:
            parts[side] = Counts(**{**parts[side], "bins": tuple(parts[side]["bins"])})
    for side in ("live_uses", "shadow_uses"):
        if parts.get(side) is not None:
            parts[side] = _resources(parts[side])
    if parts.get("pairs") is not None:
        latencies = tuple((live, shadow) for live, shadow in parts["pairs"]["latencies_us"])
        parts["pairs"] = Pairs(**{**parts["pairs"], "latencies_us": latencies})
    return Tick(**parts)
