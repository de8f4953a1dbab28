import platform
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from docker import APIClient

from provisioners.docker import Engine
from splitter.demo import image
from splitter.errors import OperatorError

SCRIPT = """
import asyncio, hashlib, http.server, json, random, signal, socket, ssl, sys, threading, zlib
socket.getaddrinfo("localhost", 80)
print("up", sys.version_info.minor)
"""


@pytest.fixture
async def engine() -> AsyncIterator[Engine]:
    engine = Engine()
    yield engine
    await engine.close()


@pytest.mark.docker
class TestPackPython:
    async def test_makes_an_image_that_runs_the_app(self, engine: Engine, tmp_path: Path) -> None:
        """
        The image has this machine's Python with what a server needs; made of the same, it is not made again.
        """
        app, tag = tmp_path / "app.py", f"splitter-test-image:{uuid4().hex[:8]}"
        app.write_text(SCRIPT)
        try:
            first = await image.pack_python(tag, engine, app)
            second = await image.pack_python(tag, engine, app)
            app.write_text(SCRIPT + "print('again')\n")
            third = await image.pack_python(tag, engine, app)

            assert first == second != third
            assert await engine.change("run it", lambda client: _run(client, tag)) == f"up {_minor()}\nagain\n"
        finally:
            await engine.change("remove it", lambda client: client.remove_image(tag, force=True))


class TestRefusals:
    def test_names_the_machine_that_cannot(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """
        Programs of other systems do not run in Linux containers.
        """
        monkeypatch.setattr(platform, "system", lambda: "Darwin")

        with pytest.raises(OperatorError, match="Darwin programs do not run in Linux containers"):
            image._check_here()

    def test_names_both_architectures(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """
        An engine of another architecture cannot run this machine's Python.
        """
        monkeypatch.setattr(platform, "machine", lambda: "x86_64")
        version: dict[str, Any] = {"Arch": "arm64", "Os": "linux"}

        with pytest.raises(OperatorError, match=r"linux/arm64 and this machine is linux/amd64"):
            image._check_same_machine(version)

        image._check_same_machine({"Arch": "amd64", "Os": "linux"})


class TestSharedLibraries:
    def test_reads_every_form_of_a_line(self) -> None:
        """
        Libraries found, the loader by its path, and neither the kernel's page nor what is missing.
        """
        listed = (
            "\tlinux-vdso.so.1 (0x00007f51412b0000)\n"
            "\tlibc.so.6 => /lib/x86_64-linux-gnu/libc.so.6 (0x00007f5140a1e000)\n"
            "\tlibgone.so.1 => not found\n"
            "\t/lib64/ld-linux-x86-64.so.2 (0x00007f51412b2000)\n"
        )

        assert image.LDD_LINE.findall(listed) == [
            "/lib/x86_64-linux-gnu/libc.so.6",
            "/lib64/ld-linux-x86-64.so.2",
        ]


def _run(client: APIClient, tag: str) -> str:
    """Run the image's own command to its end and return what it said."""
    container = client.create_container(tag)["Id"]
    try:
        client.start(container)
        client.wait(container)
        return client.logs(container).decode()
    finally:
        client.remove_container(container, force=True)


def _minor() -> str:
    return platform.python_version_tuple()[1]
