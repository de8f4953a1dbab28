"""What containers use: the engine's counters read, and a real container looked at."""

import os
from collections.abc import Mapping
from typing import Any

import pytest

from provisioners.docker import DockerProvisioner
from provisioners.docker.sampling import opened, read
from splitter.model import Resources, StackId
from splitter.resources import together
from splitter.template import Limits
from tests.provisioners.docker.samples import inspected
from tests.provisioners.docker.stage import WEB, order, server, template

MIB = 1024 * 1024


def stats(inactive: str = "inactive_file", **memory: Any) -> dict[str, Any]:
    """Return the engine's counters of a container on a host with 1000 MiB."""
    return {
        "memory_stats": {"usage": 100 * MIB, "limit": 1_000 * MIB, "stats": {inactive: 30 * MIB}, **memory},
        "cpu_stats": {"cpu_usage": {"total_usage": 2_500_000_000}, "online_cpus": 4},
        "pids_stats": {"current": 7},
    }


def limited(**config: Any) -> Mapping[str, Any]:
    """Return what `inspect` says of a container whose host config says so."""
    found = inspected()
    return {**found, "HostConfig": {**found["HostConfig"], **config}}


class TestRead:
    @pytest.mark.parametrize("inactive", ["total_inactive_file", "inactive_file"])
    def test_memory_is_the_working_set(self, inactive: str) -> None:
        """
        File pages that the kernel would give back first do not count, under either version of control groups.
        """
        found = read(limited(Memory=200 * MIB), stats(inactive))

        assert found is not None
        assert (found.memory, found.memory_limit) == (70 * MIB, 200 * MIB)

    def test_without_limits_the_host_counts(self) -> None:
        """
        A container that may use everything is measured against nine tenths of its host's memory, and all its cores.
        """
        assert read(inspected(), stats()) == Resources(
            memory=70 * MIB, memory_limit=900 * MIB, cpu_s=2.5, cpu_limit=4.0, pids=7, oom_kills=0
        )

    @pytest.mark.parametrize("config", [{"NanoCpus": 1_500_000_000}, {"CpuQuota": 150_000, "CpuPeriod": 100_000}])
    def test_cores_are_read_either_way(self, config: Mapping[str, Any]) -> None:
        """
        A limit of cores may be kept as cores or as a quota.
        """
        found = read(limited(**config), stats())

        assert found is not None
        assert found.cpu_limit == 1.5

    def test_restarts_and_kills_are_told(self) -> None:
        """
        What the engine did with the container is part of it.
        """
        found = read(inspected(restarts=2, state={"OOMKilled": True}), stats())

        assert found is not None
        assert (found.restarts, found.oom_kills) == (2, 1)

    def test_a_container_that_has_ended_has_none(self) -> None:
        """
        The engine answers for it with empty counters.
        """
        assert read(inspected(), {"memory_stats": {}, "cpu_stats": {"cpu_usage": {"total_usage": 0}}}) is None


class TestOpened:
    def test_counts_what_a_process_of_the_container_has_open(self) -> None:
        """
        The engine does not count descriptors; its host's kernel does.
        """
        found, limit = opened({"Id": ":/", "State": {"Pid": os.getpid()}})  # every control group's line has that

        assert limit is not None
        assert 0 < (found or 0) < limit

    @pytest.mark.parametrize("pid", [0, os.getpid(), 2**22 + 1], ids=["none", "ours", "beyond"])
    def test_does_not_take_another_process_for_the_containers(self, pid: int) -> None:
        """
        An engine elsewhere has pids that are somebody else's here.
        """
        assert opened({"Id": "4e6543de906c", "State": {"Pid": pid}}) == (None, None)


@pytest.mark.docker
class TestOnAnEngine:
    async def test_a_running_stack_is_measured(self, provisioner: DockerProvisioner, app: str) -> None:
        """
        All containers of a stack count, each against its own limits.
        """
        limits = Limits(memory_bytes=64 * MIB, cpus=0.5, pids=50)
        ordered = order(app, template(server(limits=limits), server("api", limits=limits)), WEB)
        stack = await provisioner.create(ordered, lambda step: None)

        uses = await provisioner.sample(stack.id)
        found = together(list(uses.values()))

        assert sorted(uses) == ["api", "web"]
        assert found is not None
        assert found.memory_limit == 64 * MIB
        assert 0 < (found.memory or 0) < 64 * MIB
        assert 0 < (found.pids or 0) < 50  # its health check is one, while it runs
        assert (found.pids_limit, found.cpu_limit) == (50, 1.0)
        assert found.cpu_s

    async def test_nothing_of_an_unknown_stack(self, provisioner: DockerProvisioner, app: str) -> None:
        """
        A stack that is not there uses nothing.
        """
        assert await provisioner.sample(StackId(f"{app}-r9")) == {}
