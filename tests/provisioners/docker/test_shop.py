"""The shop of `tests/change/shop`, its files as they are, on a real engine and through a rollout.

Images are the tests' own, with programs of the names that the files call; only their tags, and the external volume's
name, are of this run alone.
"""

import re
import shutil
import uuid
from collections.abc import Iterator
from pathlib import Path

import aiohttp
import pytest
from docker import APIClient

from tests.change.test_shop import FOLDER
from tests.provisioners.docker.stage import IMAGE
from tests.system.harness import APP, FIRST, ROLLOUT_S, SECOND, Daemon, eventually
from tests.system.stories import World, config

RUN = uuid.uuid4().hex[:8]
BASE = f"splitter-test-shop:{RUN}"
PROGRAMS = (
    "site",
    "gunicorn",
    "postgres",
    "redis-server",
    "meilisearch",
    "celery",
    "alembic",
    "pg_isready",
    "curl",
    "sh",
)
REGISTRY = "registry.example.test/shop"
IMAGES = {
    f"{REGISTRY}/web:1.4.0-{RUN}": "site",
    f"{REGISTRY}/web:1.5.0-{RUN}": "site",
    f"{REGISTRY}/api:1.4.0-{RUN}": "gunicorn",
    f"{REGISTRY}/api:1.5.0-{RUN}": "gunicorn",
    f"postgres:15.6-{RUN}": "postgres",
    f"redis:7.2-{RUN}": "redis-server",
    f"getmeili/meilisearch:v1.6-{RUN}": "meilisearch",
}
VOLUME = f"{APP}_pgdata"
SLOWLY = {"hold": "300s", "deadline": "600s", "baseline_wait": "0s"}  # it stays on its first step until it is told
TAG = re.compile(r"(1\.4\.0|1\.5\.0|15\.6|7\.2-alpine|v1\.6)\b")


def build(client: APIClient, folder: Path, tag: str, *lines: str) -> None:
    (folder / "Dockerfile").write_text("\n".join((*lines, "")))
    for line in client.build(path=str(folder), tag=tag, rm=True, forcerm=True, decode=True):
        assert "error" not in line, line


@pytest.fixture
def images(client: APIClient, tmp_path: Path) -> Iterator[None]:
    """Every image that the shop names, on the engine for as long as the test lasts."""
    folder = tmp_path / "images"
    (folder / "bin").mkdir(parents=True)
    for name in PROGRAMS:
        program = folder / "bin" / name
        shutil.copy(Path(__file__).parent / "programs.py", program)
        program.chmod(0o755)
    build(client, folder, BASE, f"FROM {IMAGE}", "COPY bin /bin/")
    for tag, program_name in IMAGES.items():
        # A label of its own makes it another image: else two versions of one program would be one.
        build(client, folder, tag, f"FROM {BASE}", f"LABEL is={tag}", f'CMD ["{program_name}"]')
    yield
    for tag in (*IMAGES, BASE):
        client.remove_image(tag, force=True)


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    """The shop's folder, where an engine may make the folders that are missing."""
    folder = tmp_path / "shop"
    shutil.copytree(FOLDER, folder)
    for file in (*folder.rglob("*.yaml"), *folder.rglob(".env")):
        text = TAG.sub(lambda found: f"{found[1].removesuffix('-alpine')}-{RUN}", file.read_text())
        file.write_text(text.replace("shop_pgdata", VOLUME).replace("interval: 5s", "interval: 1s"))
    return folder


@pytest.fixture
def pgdata(client: APIClient) -> Iterator[None]:
    """The volume that the shop expects to be there."""
    client.create_volume(VOLUME)
    yield
    clear(client)
    client.remove_volume(VOLUME, force=True)


def clear(client: APIClient) -> None:
    """Remove what a daemon has left that had no time to: on a busy machine its last thirty seconds may be too few."""
    label = {"label": f"splitter.app={APP}"}
    for container in client.containers(all=True, filters=label):
        client.remove_container(container["Id"], v=True, force=True)
    for network in client.networks(filters=label):
        client.remove_network(network["Id"])
    for volume in client.volumes(filters=label)["Volumes"] or ():
        client.remove_volume(volume["Name"], force=True)


def started(client: APIClient, container: str) -> str:
    return str(client.inspect_container(container)["State"]["StartedAt"])


def services(client: APIClient, stack: str) -> set[str]:
    """Return the services of which a stack has a container that runs."""
    found = client.containers(filters={"label": f"splitter.stack={stack}"})
    return {each["Labels"]["splitter.service"] for each in found}


@pytest.mark.docker
@pytest.mark.usefixtures("images", "pgdata")
class TestShop:
    async def test_goes_through_a_rollout(self, client: APIClient, shop: Path, tmp_path: Path) -> None:
        """
        Web, api, worker, database, cache and migration come up as their files say; the next version shares database and
        cache with them, and has its own networks; after the promotion it serves alone, on the same database.
        """
        settings = config(World("docker"), shop / "compose.yaml", rollout=SLOWLY)
        async with Daemon(tmp_path / "d", settings) as daemon, aiohttp.ClientSession() as session:
            await daemon.ready(ROLLOUT_S)
            assert services(client, FIRST) == {"api", "cache", "db", "web", "worker"}
            (front,) = [each["IPAM"]["Config"] for each in client.networks(names=[f"{FIRST}_front"])]
            before = started(client, f"{FIRST}-db-1")

            files = [str(shop / name) for name in ("compose.yaml", "compose.v2.yaml")]
            await daemon.call("POST", f"/apps/{APP}/deploy", {"files": files})
            await daemon.reaches("SPLITTING")

            async def answered() -> str:
                async with session.get(daemon.url) as answer:
                    assert answer.status == 200, await answer.text()
                    assert "migrated" in await answer.text()
                    return answer.headers["X-Stack"]

            async def both() -> bool:
                seen.add(await answered())
                return seen == {FIRST, SECOND}

            seen: set[str] = set()
            await eventually("both stacks answer", both)
            assert services(client, SECOND) == {"api", "search", "web"}
            (beside,) = [each["IPAM"]["Config"] for each in client.networks(names=[f"{SECOND}_front"])]
            assert beside != front

            await daemon.command("promote")
            await daemon.reaches("PROMOTED")
            left = {"db", "cache"}
            await eventually("the former live is gone", lambda: services(client, FIRST) == left, ROLLOUT_S)

            assert await answered() == SECOND
            assert started(client, f"{FIRST}-db-1") == before
