"""What processes use, looked at from outside."""

from collections.abc import Callable
from pathlib import Path

from provisioners.process import ProcessProvisioner
from splitter.model import Resources, StackId
from splitter.template import Limits
from tests.provisioners.process.stage import ID, HurriedClock, ask, endpoint, eventually, order, service

GIB = 1024**3


def ignore(step: str) -> None:
    """Hear and forget."""


async def used(provisioner: ProcessProvisioner, stack: StackId = ID) -> Resources:
    """Return what the stack's only service uses."""
    (found,) = (await provisioner.sample(stack)).values()
    return found


class TestSample:
    async def test_memory_is_measured_against_the_template(self, provisioner: ProcessProvisioner) -> None:
        """
        A process uses some of what its service may use.
        """
        limits = Limits(memory_bytes=GIB, cpus=1.5)
        await provisioner.create(order(service("web", "serve", limits=limits)), ignore)

        found = await used(provisioner)

        assert (found.memory_limit, found.cpu_limit) == (GIB, 1.5)
        assert 0 < (found.memory or 0) < GIB
        assert found.cpu_s

    async def test_children_count(self, provisioner: ProcessProvisioner, tmp_path: Path) -> None:
        """
        All processes of a replica's session are its own.
        """
        await provisioner.create(order(service("web", "family", str(tmp_path / "child"))), ignore)

        assert (await used(provisioner)).pids == 2

    async def test_services_are_told_apart(self, provisioner: ProcessProvisioner) -> None:
        """
        What is compared is services of the same name, so each has its figures.
        """
        await provisioner.create(order(service("web", "serve"), service("api", "serve")), ignore)

        found = await provisioner.sample(ID)

        assert sorted(found) == ["api", "web"]
        assert all(each.memory for each in found.values())

    async def test_descriptors_are_counted(self, provisioner: ProcessProvisioner) -> None:
        """
        A server has some open, and may have as many as the kernel lets it.
        """
        await provisioner.create(order(service("web", "serve")), ignore)

        found = await used(provisioner)

        assert found.descriptors_limit
        assert 0 < (found.descriptors or 0) < found.descriptors_limit

    async def test_kills_are_not_known(self, provisioner: ProcessProvisioner) -> None:
        """
        A process in the daemon's own control group may be killed for another's want of memory.
        """
        await provisioner.create(order(service("web", "serve")), ignore)

        assert (await used(provisioner)).oom_kills is None

    async def test_restarts_are_counted(self, fresh: Callable[..., ProcessProvisioner]) -> None:
        """
        A process that was started again says so in the stack's figures.
        """
        provisioner = fresh(HurriedClock())
        stack = await provisioner.create(order(service("web", "serve", restart="always")), ignore)

        await ask(endpoint(stack), "exit 1")

        async def is_counted() -> bool:
            found = await provisioner.sample(ID)
            return "web" in found and found["web"].restarts == 1

        await eventually(is_counted)

    async def test_a_stack_that_a_former_daemon_made(self, fresh: Callable[..., ProcessProvisioner]) -> None:
        """
        A new daemon measures what it finds, with the limits that were written down.
        """
        limits = Limits(memory_bytes=GIB)
        first = fresh()
        await first.create(order(service("web", "serve", limits=limits)), ignore)
        await first.close()

        assert (await used(fresh())).memory_limit == GIB

    async def test_nothing_of_an_unknown_stack(self, provisioner: ProcessProvisioner) -> None:
        """
        A stack that is not there uses nothing.
        """
        assert await provisioner.sample(ID) == {}
