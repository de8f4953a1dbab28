"""Probes during a rollout, and testers: what reaches a shadow beside the traffic that is split."""

import asyncio
from pathlib import Path

import aiohttp

from tests.system.harness import APP, SECOND, Daemon, eventually, traffic
from tests.system.stories import World, config

WORLD = World("process")
ROUTES = [{"path": "/", "service": "web", "port": 8000, "health": "/readyz"}]
PROBES = {"interval": "200ms", "timeout": "20s"}
TESTERS = {"networks": "127.0.0.1/32", "header": "X-Stack"}
LASTING = {"steps": ["20%"], "hold": "200s", "baseline_wait": "1s"}
"""A split that nothing but what is wrong with the shadow can end while a test looks."""


async def ask(daemon: Daemon, method: str, target: str, stack: str = "") -> tuple[int, str]:
    """Return the status of an answer and the version that gave it; `stack` is the one that a tester names."""
    headers = {"X-Stack": stack} if stack else {}
    async with (
        aiohttp.ClientSession() as session,
        session.request(method, daemon.url + target, headers=headers) as answer,
    ):
        await answer.read()
        return answer.status, answer.headers.get("X-Version", "")


class TestProbes:
    async def test_that_begin_to_fail_in_a_split_roll_back(self, tmp_path: Path) -> None:
        """
        A shadow that answers every request well and fails its probes is rolled back for them, and that is said.
        """
        text = config(
            WORLD,
            WORLD.release(tmp_path, "one"),
            rollout=LASTING,
            analysis={"guards": {"latency_p99": None}},  # a busy machine is no fault of the shadow's
            routes=ROUTES,
            health=PROBES,
            testers=TESTERS,
        )
        async with Daemon(tmp_path / "d", text) as daemon:
            await daemon.ready()
            async with traffic(daemon, workers=2) as load:
                await daemon.deploy(WORLD.release(tmp_path, "two", CONTROL="1"))
                await daemon.reaches("SPLITTING")
                await eventually("the shadow serves", lambda: load.by_version.get("two", 0) > 0)

                assert (await ask(daemon, "POST", "/control?unready=1", stack="shadow"))[0] == 200

                status = await daemon.reaches("ROLLED_BACK", "PROMOTED", "HALTED")
            why = await daemon.call("GET", f"/apps/{APP}/explain")

        assert (status["state"], why["kind"]) == ("ROLLED_BACK", "worse")
        assert f"{SECOND} is worse: " in why["decided"]
        assert "is unhealthy: " in why["decided"]
        assert "answered GET /readyz with 503" in why["decided"]
        assert load.failures == []


class TestTesters:
    async def test_reach_a_shadow_that_warms_up(self, tmp_path: Path) -> None:
        """
        Whoever may name the shadow gets it as soon as it is healthy; nobody else does, and its probes run.
        """
        text = config(
            WORLD,
            WORLD.release(tmp_path, "one"),
            rollout={"warm_up": "10m", "deadline": "20m"},
            routes=ROUTES,
            health=PROBES,
            testers=TESTERS,
        )
        async with Daemon(tmp_path / "d", text) as daemon:
            await daemon.ready()
            await daemon.deploy(WORLD.release(tmp_path, "two", UNREADY="1"))
            await daemon.reaches("WARMING")

            async def is_reached() -> bool:
                return await ask(daemon, "GET", "/", stack="shadow") == (200, "two")

            await eventually("a tester reaches the shadow", is_reached)
            everybody = await asyncio.gather(*(ask(daemon, "GET", "/") for _ in range(20)))

            async def is_seen() -> str:
                return str((await daemon.status())["shadow"]["unhealthy"])

            seen = await eventually("its probes fail", is_seen)
            state = await daemon.state()

        assert set(everybody) == {(200, "one")}
        assert seen.endswith("answered GET /readyz with 503")
        assert state == "WARMING"
