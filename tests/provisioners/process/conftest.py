"""A provisioner of its own for each test, and the proof that no process is left behind."""

import os
import signal
import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest

from provisioners.process import ProcessProvisioner
from splitter.contracts import Clock
from tests.provisioners.process.stage import left_of


@pytest.fixture
def installation() -> Iterator[str]:
    """A name that no other test has; when the test is over, no process may have it either."""
    name = uuid.uuid4().hex
    yield name
    left = left_of(name)
    for pid in left:
        os.kill(pid, signal.SIGKILL)
    assert left == [], "processes were left behind"


@pytest.fixture
async def fresh(installation: str, tmp_path: Path) -> AsyncIterator[Callable[..., ProcessProvisioner]]:
    """Return what a restarted daemon would have: a new provisioner over the same directory."""
    made: list[ProcessProvisioner] = []

    def make(clock: Clock | None = None) -> ProcessProvisioner:
        made.append(ProcessProvisioner("shop", installation, tmp_path / "state", clock))
        return made[-1]

    yield make
    for provisioner in made:
        await provisioner.close()
    last = make()
    for found in await last.find():
        await last.retire(found.id)
    await last.close()


@pytest.fixture
def provisioner(fresh: Callable[..., ProcessProvisioner]) -> ProcessProvisioner:
    return fresh()
