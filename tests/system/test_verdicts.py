"""What the judge is for, on real stacks: small faults under real traffic, found by evidence and explained by it.

Live and shadow share a machine that may be busy, so what differs between them is large against its noise; what the
judge tolerates and how sure it must be are the defaults.
"""

import json
from pathlib import Path
from typing import Any

import pytest

from splitter.judge.replay import replay
from tests.system.harness import APP, Daemon, Json, traffic
from tests.system.stories import World, config

PROCESS = World("process")
WORLDS = [PROCESS, pytest.param(World("docker"), marks=pytest.mark.docker)]

UNHURRIED = {"min_duration": "30s", "sample": "500ms"}
"""Time for what takes a while to show: an equal stack would be promoted sooner otherwise."""

LATENCIES = ("latency_p50", "latency_p95", "latency_p99", "latency_shape")


async def judged(world: World, directory: Path, live: Path, shadow: Path, **analysis: Any) -> tuple[Json, Json, str]:
    """Return the status, the explanation and the trace of a rollout of `shadow` beside `live` that was decided."""
    text = config(world, live, analysis={**UNHURRIED, **analysis}) + "proxy: {trusted_peers: [127.0.0.1/32]}\n"
    async with Daemon(directory / "d", text) as daemon:
        await daemon.ready()
        async with traffic(daemon, workers=48, are_many=True) as load:
            await daemon.deploy(shadow)
            status = await daemon.reaches("PROMOTED", "ROLLED_BACK", "HALTED")
        assert load.failures == []
        return status, await daemon.call("GET", f"/apps/{APP}/explain"), await daemon.trace()


class TestSmallFault:
    async def test_of_one_error_in_a_hundred_is_found(self, tmp_path: Path) -> None:
        """
        Far below the guard of 5 %, the figures add up until they are proof; no client saw any of the errors.
        """
        live, shadow = PROCESS.release(tmp_path, "one"), PROCESS.release(tmp_path, "two", ERROR_RATE="0.01")

        status, why, trace = await judged(PROCESS, tmp_path, live, shadow)

        assert (status["state"], why["kind"], why["decision"]["kpi"]) == ("ROLLED_BACK", "worse", "error_rate")
        assert why["decision"]["evidence"] >= why["decision"]["needed"]
        replayed = replay(trace.splitlines()).decision
        assert replayed is not None
        assert json.loads(json.dumps(replayed.state())) == why["decision"]

    async def test_of_a_slow_tail_is_found(self, tmp_path: Path) -> None:
        """
        One in twenty answers takes twice as long: median and errors are as live's, p99 is half as high again and more.
        """
        slow = {"LATENCY_MS": "300"}  # where a busy machine's own tail is short beside it
        live, shadow = PROCESS.release(tmp_path, "one", **slow), PROCESS.release(tmp_path, "two", **slow, SLOW="0.05")

        status, why, _ = await judged(PROCESS, tmp_path, live, shadow)

        assert (status["state"], why["kind"]) == ("ROLLED_BACK", "worse")
        assert why["decision"]["kpi"].startswith("latency_")


class TestLeak:
    @pytest.mark.parametrize("world", WORLDS, ids=lambda world: world.provisioner)
    async def test_is_left_before_the_memory_is_full(self, world: World, demo_image: None, tmp_path: Path) -> None:
        """
        A stack that keeps a bit of every request answers well until the end, and is left long before that.
        """
        service = world.service("two", LEAK_KB="48")
        service["deploy"] = {"resources": {"limits": {"memory": "256M"}}}
        live, shadow = world.release(tmp_path, "one"), world.template(tmp_path, "two", {"web": service})

        # A slow machine takes long to fill the memory, and long to find new pages: neither is what is asked here.
        patient = {
            "min_duration": "120s",
            "kpis": {each: {"weight": 0} for each in LATENCIES},
            "predict": {"memory": "off"},
        }
        status, why, _ = await judged(world, tmp_path, live, shadow, **patient, guards={"memory": "50%"})

        assert (status["state"], why["kind"], why["decision"]["kpi"]) == ("ROLLED_BACK", "worse", "guards.memory")
        assert "of its limit in 2 samples, at most 50 %" in why["decided"]
