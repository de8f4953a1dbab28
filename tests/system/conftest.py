"""What the system's tests need once: the image that their container stacks run."""

import asyncio
import subprocess
from collections.abc import Iterator

import pytest

from provisioners.docker import Engine
from splitter.demo.image import pack_python
from tests.conftest import engine_missing
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
        found = subprocess.run([*listing, "--filter", "label=splitter.app=shop"], capture_output=True, text=True).stdout
        if found:
            subprocess.run(["docker", *remove, *found.split()], capture_output=True)


@pytest.fixture(scope="session")
def demo_image() -> None:
    """Make the image of this very Python and the demo's app, where there is an engine to make it."""
    if engine_missing():
        return

    async def pack() -> None:
        engine = Engine()
        try:
            await pack_python(IMAGE, engine)
        finally:
            await engine.close()

    asyncio.run(pack())
