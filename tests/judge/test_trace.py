import json
from dataclasses import asdict, replace

import pytest

from splitter.judge.config import GuardOptions, JudgeConfig, Margin, Mode, OnUndecided, PredictOptions, profile
from splitter.judge.tick import Tick
from splitter.judge.trace import TraceError, config_of, header_of, read, tick_of
from splitter.model import Counts, Pairs, Resources

HEADER = {"type": "header", "format": "judge-trace/1", "id": "a", "mem_limit": 1_000, "config": {"profile": "strict"}}
LIVE = {"n": 4, "e5": 1, "e5u": 1, "e4": 0, "e4u": 0, "to": 1, "h": [[255, 2], [28_159, 1]]}


def lines(*rows: object, header: object = HEADER) -> list[str]:
    return [json.dumps(each) for each in (header, *rows)]


class TestHeader:
    def test_takes_every_field_of_the_config(self) -> None:
        """
        What is written replaces the profile's value, within KPIs, guards and forecasts too.
        """
        config = config_of(
            {
                "profile": "lenient",
                "min_duration_s": 30,
                "on_undecided": "hold",
                "kpis": {"error_rate": {"weight": 0.9}, "latency_p50": {"tolerance": {"ratio": 1.2}, "promote": None}},
                "guards": {"latency_p99_s": 2.0, "memory": None},
                "predict": {"memory": "warn"},
            }
        )

        base = profile("lenient")
        assert config.min_duration_s == 30
        assert config.on_undecided is OnUndecided.HOLD
        assert config.kpis["error_rate"] == replace(base.kpis["error_rate"], weight=0.9)
        assert config.kpis["latency_p50"].tolerance == Margin(1.2)
        assert config.kpis["latency_p50"].promote is None
        assert config.kpis["latency_p99"] == base.kpis["latency_p99"]
        assert config.guards == GuardOptions(latency_p99_s=2.0, memory=None)
        assert config.predict == PredictOptions(memory=Mode.WARN)

    @pytest.mark.parametrize(
        ("header", "words"),
        [
            ({"t": 1}, "no header"),
            ({**HEADER, "format": "judge-trace/2"}, "judge-trace/1"),
            ({**HEADER, "config": {"dwel_s": 5}}, "config.dwel_s is not known; known are profile, false_rollback"),
            ({**HEADER, "config": {"guards": {"p99": 5}}}, "config.guards.p99 is not known; known are error_rate"),
            ({**HEADER, "config": {"kpis": {"error_rate": {"part": 5}}}}, "config.kpis.error_rate.part is not known"),
            ({**HEADER, "config": {"kpis": {"error_rate": {"tolerance": {"rat": 1}}}}}, "config cannot be read"),
            ({**HEADER, "tick_s": "soon"}, "the header cannot be read"),
        ],
    )
    def test_is_refused_by_name(self, header: dict[str, object], words: str) -> None:
        """
        A header of something else, or with an option that nobody knows, is refused with what is known.
        """
        with pytest.raises(TraceError, match="line 1: ") as caught:
            read(lines(header=header))

        assert words in str(caught.value)

    def test_is_missing_in_an_empty_file(self) -> None:
        """
        Nothing at all is no trace.
        """
        with pytest.raises(TraceError, match="line 1: the trace is empty"):
            read(["", "\n"])


class TestRows:
    def test_hold_both_sides(self) -> None:
        """
        Latencies are counted between edges by their bucket's highest value; memory is a part of the header's limit.
        """
        row = {"t": 3, "w": 0.5, "live": LIVE, "ctl": LIVE, "shadow": None, "res": {"shadow": {"mem": 400}}}

        header, rows = read(lines(row))
        (first,) = rows

        assert header.config == profile("strict")
        assert first.t == 3
        assert first.share == 0.5
        assert first.live is not None
        assert first.control == first.live
        assert Counts(n=4, e5=1, e5u=1, bins=(2, 0, 1)) == first.live.cut([255, 28_158])
        assert first.live.cut([254, 28_159]).bins == (0, 3, 0)
        assert first.shadow is None
        assert first.live_uses is None
        assert first.shadow_uses == Resources(memory=400, memory_limit=1_000)

    @pytest.mark.parametrize(
        ("line", "words"),
        [
            ("{", "line 3: no JSON"),
            ("[1]", "line 3: no JSON object"),
            ('{"w": 0.5}', "line 3: no row"),
            ('{"t": 1, "live": 7}', "line 3: no row"),
            ('{"t": 1, "live": {"h": [5]}}', "line 3: no row"),
        ],
    )
    def test_are_refused_by_line(self, line: str, words: str) -> None:
        """
        What is no row of a trace is named by its line; rows before it have been read.
        """
        _, rows = read([*lines({"t": 0}), line])
        next(rows)

        with pytest.raises(TraceError, match=words):
            next(rows)


class TestOwn:
    def test_ticks_come_back_from_json(self) -> None:
        """
        A tick that was written down is the same tick again, whatever it holds.
        """
        tick = Tick(
            7,
            live=Counts(n=5, bins=(1, 4)),
            control=Counts(n=1, bins=(1, 0)),
            shadow=Counts(n=2, e5=1, bins=(1, 0, 0)),
            unhealthy="3 checks failed",
            share=0.2,
            pairs=Pairs(3, 1, 0, ((10, 20),)),
            live_uses=Resources(memory=5.0, memory_limit=10.0),
            shadow_uses=Resources(pids=3),
        )

        assert tick_of(json.loads(json.dumps(asdict(tick)))) == tick
        assert tick_of(json.loads(json.dumps(asdict(Tick(1))))) == Tick(1)

    def test_header_holds_config_and_state(self) -> None:
        """
        The header of a trace of ours is one of the format, and says more.
        """
        config = JudgeConfig(dwell_s=7.0, guards=GuardOptions(slo=0.001))

        header, _ = read([json.dumps(header_of("shop-3", config, {"version": 1}, share=0.05))])

        assert header.id == "shop-3"
        assert header.config == config
        assert header.state == {"version": 1}
