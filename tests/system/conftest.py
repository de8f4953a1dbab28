"""What the system's tests need once: the image that their container stacks run."""

import subprocess
from collections.abc import Iterator
from contextlib import nullcontext

import pytest

from tests.conftest import engine_missing
from tests.images import packed
from tests.system.harness import APP
from tests.system.stories import IMAGE


@pytest.fixture(autouse=True)
def nothing_left(request: pytest.FixtureRequest) -> Iterator[None]:
    """Remove what a test that failed, or was interrupted, has left on the engine: the next is not to fail for it."""
    if request.node.get_closest_marker("docker") is None or engine_missing():
        yield
        return
    remove_leftovers()
    yield
    remove_leftovers()


def remove_leftovers() -> None:
    for kind, remove in (("container", ["rm", "-f"]), ("network", ["network", "rm"])):
        listing = ["docker", kind, "ls", "-q", *(["-a"] if kind == "container" else [])]
        found = subprocess.run(
            [*listing, "--filter", f"label=splitter.app={APP}"], capture_output=True, text=True
        ).stdout
        if found:
            subprocess.run(["docker", *remove, *found.split()], capture_output=True)


@pytest.fixture(scope="session")
def demo_image() -> Iterator[None]:
    """Make the image of the demo's app, where there is an engine to make it."""
    with nullcontext() if engine_missing() else packed(IMAGE):
        yield
