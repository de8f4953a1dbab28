"""What a daemon does with a provisioner, as a process of its own that a test can kill: `daemon.py <story> …`."""

import asyncio
import os
import signal
import sys
from pathlib import Path

from provisioners.process import ProcessProvisioner
from provisioners.process.records import Records, Run
from splitter.contracts import StackOrder
from splitter.model import StackId
from splitter.template import Condition
from tests.provisioners.process.stage import needs, order, service


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


class DyingRecords(Records):
    """The daemon is killed when it is about to write down something for the `last`th time."""

    def __init__(self, directory: Path, last: int) -> None:
        super().__init__(directory)
        self._left = last

    def save(self, stack: StackId, run: Run) -> None:
        self._left -= 1
        if not self._left:
            die()
        super().save(stack, run)


def whole() -> StackOrder:
    return order(service("web", "serve", replicas=2), service("worker", "wait", depends_on=needs("web")))


def half() -> StackOrder:
    """Return an order that never comes up: the job does not end."""
    return order(service("web", "serve", depends_on=needs("job", Condition.COMPLETED)), service("job", "wait"))


async def main(story: str, installation: str, directory: str, last: str = "0") -> None:
    provisioner = ProcessProvisioner("shop", installation, Path(directory))
    match story:
        case "die-when-up":
            await provisioner.create(whole(), lambda _: None)
            die()
        case "die-half-way":
            await provisioner.create(half(), lambda _: die())
        case "die-before-a-record":
            provisioner._records = DyingRecords(Path(directory) / "process/shop", int(last))
            await provisioner.create(whole(), lambda _: None)
        case "die-while-retiring":
            stack = await provisioner.create(order(service("web", "deaf", stop_grace_s=60.0)), lambda _: None)
            retiring = asyncio.create_task(provisioner.retire(stack.id))
            await asyncio.wait([retiring], timeout=0.1)
            die()


asyncio.run(main(*sys.argv[1:]))
