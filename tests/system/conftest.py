"""What the system's tests need once: the image that their container stacks run."""

import asyncio

import pytest

from provisioners.docker import Engine
from splitter.demo.image import pack_python
from tests.conftest import engine_missing
from tests.system.stories import IMAGE


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
