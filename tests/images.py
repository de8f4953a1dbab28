"""Images of this very Python, for as long as tests need them."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from provisioners.docker import Engine
from splitter.demo.image import APP, pack_python


@contextmanager
def packed(tag: str, app: Path = APP) -> Iterator[str]:
    """Make an image of this Python and `app` on the engine, and remove it behind the block."""

    async def pack() -> None:
        engine = Engine()
        try:
            await pack_python(tag, engine, app)
        finally:
            await engine.close()

    asyncio.run(pack())
    try:
        yield tag
    finally:
        client = Engine().connect()
        client.remove_image(tag, force=True)
        client.close()
