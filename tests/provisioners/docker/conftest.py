"""One image for all tests of this folder, and for each test an installation of its own, of which nothing is left."""

import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest
from docker import APIClient

from provisioners.docker import DockerOptions, DockerProvisioner, Engine
from tests.images import packed
from tests.provisioners.docker.stage import IMAGE

BRIDGE = DockerOptions(pull=False)
MakeProvisioner = Callable[..., DockerProvisioner]


@pytest.fixture(scope="session")
def image() -> Iterator[str]:
    """The tag of an image with the tests' app."""
    with packed(IMAGE, Path(__file__).parent / "app.py") as tag:
        yield tag


@pytest.fixture
def app() -> str:
    """An app's name that nobody else on the engine has: names of containers are the engine's."""
    return f"t{uuid.uuid4().hex[:8]}"


@pytest.fixture
def client(image: str) -> Iterator[APIClient]:
    """The engine itself, for what a person would do by hand."""
    engine = Engine()
    client = engine.connect()
    yield client
    client.close()


@pytest.fixture
async def provisioner_of(image: str, app: str, client: APIClient) -> AsyncIterator[MakeProvisioner]:
    """Makes provisioners for the test's app; afterwards all stacks of all of them are gone."""
    made: list[DockerProvisioner] = []

    def make(installation: str = "one", options: DockerOptions = BRIDGE) -> DockerProvisioner:
        made.append(DockerProvisioner(app, f"{app}-{installation}", options))
        return made[-1]

    yield make
    for provisioner in made:
        for _ in range(2):  # what a stack uses of another stays the first time
            for found in await provisioner.find():
                await provisioner.retire(found.id)
        await provisioner.close()
    assert traces(client, app) == []


@pytest.fixture
def provisioner(provisioner_of: MakeProvisioner) -> DockerProvisioner:
    return provisioner_of()


def traces(client: APIClient, app: str) -> list[str]:
    """Return the names of everything of `app` that is on the engine."""
    label = {"label": f"splitter.app={app}"}
    containers = [name for each in client.containers(all=True, filters=label) for name in each["Names"]]
    networks = [each["Name"] for each in client.networks(filters=label)]
    volumes = [each["Name"] for each in client.volumes(filters=label)["Volumes"] or ()]
    return [*containers, *networks, *volumes]
