"""A running Compose project, taken over: containers are made with Compose's own labels, as `up` does it."""

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from docker import APIClient

from provisioners.docker import DockerProvisioner
from provisioners.docker.adopting import Adopting
from provisioners.docker.parts import Parts
from splitter.errors import StackError
from splitter.model import ServicePort, StackId
from splitter.placement import Placement, VolumeMode
from splitter.template import Attachment, Mount, MountType, Network, Template, Volume
from tests.provisioners.docker.conftest import MakeProvisioner, traces
from tests.provisioners.docker.stage import APP, IMAGE, WEB, ask, endpoint, heard, order, server, soon, template
from tests.provisioners.docker.test_modelling import container

DATABASE = server("db", ports=(), mounts=(Mount(MountType.VOLUME, "/data", "data"),))


def shop(app: str, *more: Any) -> Template:
    """Return a project's template: web server, database, worker."""
    found = template(
        server(ports=()),
        replace(DATABASE, labels={"splitter.stateful": "true"}),
        server("worker", ports=()),
        *more,
        networks={"default": Network("default")},
        volumes={"data": Volume("data")},
    )
    return replace(found, project=f"{app}-old")


class Compose:
    """A project that was brought up by Compose."""

    def __init__(self, client: APIClient, app: str) -> None:
        self.client = client
        self.project = f"{app}-old"
        self.made: list[str] = []

    def up(self, *services: str) -> None:
        network, volume = f"{self.project}_default", f"{self.project}_data"
        self.client.create_network(network, labels={"com.docker.compose.project": self.project})
        self.client.create_volume(volume, labels={"com.docker.compose.project": self.project})
        for service in services:
            name = f"{self.project}-{service}-1"
            binds = [f"{volume}:/data"] if service == "db" else []
            place: Any = {network: self.client.create_endpoint_config(aliases=[service])}
            self.client.create_container(
                IMAGE,
                [*APP, "serve"],
                name=name,
                host_config=self.client.create_host_config(network_mode=network, binds=binds),
                environment={"SPLITTER_STACK": self.project},
                networking_config=self.client.create_networking_config(place),
                stop_timeout=1,
                labels={
                    "com.docker.compose.project": self.project,
                    "com.docker.compose.service": service,
                    "com.docker.compose.container-number": "1",
                    "com.docker.compose.oneoff": "False",
                },
            )
            self.made.append(name)
            self.client.start(name)

    def states(self) -> dict[str, tuple[bool, str]]:
        """Return of each container whether it runs, and since when."""
        found = {name: self.client.inspect_container(name)["State"] for name in self.made}
        return {
            name.removeprefix(f"{self.project}-"): (each["Running"], each["StartedAt"]) for name, each in found.items()
        }

    def down(self) -> None:
        for name in self.made:
            self.client.remove_container(name, force=True)
        self.client.remove_network(f"{self.project}_default")
        self.client.remove_volume(f"{self.project}_data")


@pytest.fixture
def compose(client: APIClient, app: str) -> Iterator[Compose]:
    compose = Compose(client, app)
    yield compose
    with contextlib.suppress(Exception):
        for image in client.images(name=f"splitter-keep/{app}-*"):
            for tag in image["RepoTags"]:
                client.remove_image(tag)
    compose.down()


def quiet(_: str) -> None:
    """Take progress and do nothing with it."""


def adoption(app: str, **keys: Any) -> Any:
    placement = Placement(adopted=f"{app}-old", singletons=("worker",))
    return order(app, shop(app), WEB, placement=placement, **keys)


class Listing:
    """An engine with one container, as a project's files of variables are said by its labels."""

    def __init__(self, folder: Path, *files: str) -> None:
        self._labels = {
            "com.docker.compose.project": "old",
            "com.docker.compose.service": "web",
            "com.docker.compose.project.working_dir": str(folder),
            "com.docker.compose.project.config_files": str(folder / "compose.yaml"),
            **({"com.docker.compose.project.environment_file": ",".join(files)} if files else {}),
        }

    async def read(self, what: str, call: Callable[[Any], Any]) -> Any:
        return call(self)

    def containers(self, **_: Any) -> list[dict[str, Any]]:
        return [{"Id": "web", "Labels": self._labels}]

    def inspect_container(self, _: str) -> dict[str, Any]:
        return container(config={"Labels": self._labels})

    def inspect_image(self, _: str) -> dict[str, Any]:
        return {"Id": "sha256:1", "Config": {}}


class TestVariables:
    def adopting(self, folder: Path, *files: str) -> Adopting:
        (folder / "compose.yaml").write_text("services: {}")
        (folder / "a.env").write_text("A=1")
        engine: Any = Listing(folder, *files)
        return Adopting(engine, Parts(engine, "shop", "here"), "here")

    async def test_are_found_by_the_labels(self, tmp_path: Path) -> None:
        """
        A list with commas, relative to the project's folder or not; what is not here is named.
        """
        found = await self.adopting(tmp_path, "a.env", "/nowhere/b.env").described("old")
        plain = await self.adopting(tmp_path).described("old")

        assert found.files == plain.files == (str(tmp_path / "compose.yaml"),)
        assert found.env_files == (str(tmp_path / "a.env"), "/nowhere/b.env")
        assert found.lost_env_files == ("/nowhere/b.env",)
        assert (plain.env_files, plain.lost_env_files) == ((), ())

    async def test_are_told(self, tmp_path: Path) -> None:
        """
        Whoever adopts hears of each file, since a deploy reads what the configuration names.
        """
        wanted = order("shop", template(server(image="web:1")), placement=Placement(adopted="old"))

        said = await self.adopting(tmp_path, "a.env", "/nowhere/b.env").survey(wanted)
        silent = await self.adopting(tmp_path).survey(wanted)

        here, gone = [line for line in said if "--env-file" in line]
        assert here.startswith(f"old was made with the variables of {tmp_path}/a.env (--env-file): a deploy reads what")
        assert "/nowhere/b.env (--env-file), which is not here" in gone
        assert not any("--env-file" in line for line in silent)


@pytest.mark.docker
class TestAdoption:
    async def test_restarts_nothing(
        self, app: str, provisioner_of: MakeProvisioner, client: APIClient, compose: Compose
    ) -> None:
        """
        The project is live as it stands: same containers, since the same moment; a new daemon knows it again.
        """
        compose.up("web", "db", "worker")
        before = compose.states()
        provisioner = provisioner_of()

        live = await provisioner.create(adoption(app), quiet)
        (found,) = await provisioner_of().find()

        assert compose.states() == before
        assert found.stack == live
        assert await soon(heard(endpoint(live), "/stack")) == compose.project
        (pinned,) = client.images(name=f"splitter-keep/{app}-web")
        (used,) = client.images(name=IMAGE)
        assert pinned["Id"] == used["Id"]

    async def test_lends_its_database_and_is_stopped_at_last(
        self, app: str, provisioner: DockerProvisioner, client: APIClient, compose: Compose
    ) -> None:
        """
        A shadow shares the adopted database; retired, the project's containers are stopped and stay, in the end the
        database too; nothing of the project is removed.
        """
        compose.up("web", "db", "worker")
        live = await provisioner.create(adoption(app), quiet)
        await soon(heard(endpoint(live), "/save?row=old"))
        placement = Placement(base=live.id, shared=("db",), volumes={"data": VolumeMode.SHARE}, singletons=("worker",))
        shadow = await provisioner.create(order(app, shop(app), WEB, revision=2, placement=placement), quiet)
        assert sorted(await provisioner.sample(live.id)) == ["db", "web", "worker"]
        assert sorted(await provisioner.sample(shadow.id)) == ["web"]  # what it borrows is counted for its owner
        assert await provisioner.deactivate(live.id) == ["worker"]
        assert await provisioner.activate(shadow.id, 30.0) == ["worker"]

        left = await provisioner.retire(live.id)
        rows = (await ask(endpoint(shadow), "/saved")).split()
        between = {name: running for name, (running, _) in compose.states().items()}
        assert await provisioner.retire(shadow.id) == []
        assert await provisioner.retire(live.id) == []

        assert left == [f"{compose.project}-db-1"]
        assert rows == ["old"]
        assert between == {"web-1": False, "db-1": True, "worker-1": False}
        assert {running for running, _ in compose.states().values()} == {False}
        assert traces(client, app) == []
        assert client.inspect_volume(f"{compose.project}_data")
        assert client.images(name=f"splitter-keep/{app}-web") == []

    async def test_starts_again_what_has_ended(
        self, app: str, provisioner: DockerProvisioner, client: APIClient, compose: Compose
    ) -> None:
        """
        An adopted stack that is made again is started, not made; what somebody removed only Compose can bring back.
        """
        compose.up("web", "db", "worker")
        await provisioner.create(adoption(app), quiet)
        before = compose.states()
        client.kill(f"{compose.project}-web-1")

        again = await provisioner.create(adoption(app, again=True), quiet)

        assert compose.states()["db-1"] == before["db-1"]
        assert again.id == StackId(f"{app}-r1")
        client.remove_container(f"{compose.project}-web-1", force=True)
        compose.made.remove(f"{compose.project}-web-1")
        with pytest.raises(StackError, match=r"service web has no container in project .*docker compose up -d web"):
            await provisioner.create(adoption(app, again=True), quiet)

    async def test_says_what_is_to_be_known(self, app: str, provisioner: DockerProvisioner, compose: Compose) -> None:
        """
        Before it is taken over, a project's drift is told container by container, and what is missing refused.
        """
        compose.up("web", "db", "extra")

        lines = await provisioner.survey(adoption(app))
        problems = await provisioner.check(adoption(app))

        assert f"web: {compose.project}-web-1 is modified: environment SPLITTER_STACK is not in the template" in lines
        assert f"{compose.project}-extra-1 is not in the template and is left alone" in lines
        (missing,) = problems
        assert missing.sentence.startswith(f"service worker has no container in project {compose.project}")

    async def test_can_do_without_a_file(
        self, app: str, provisioner: DockerProvisioner, compose: Compose, client: APIClient
    ) -> None:
        """
        A template that was read off a project is what its containers are, so it can be adopted, and copied, by that.
        """
        compose.up("web", "db", "worker")
        found = await provisioner.project(compose.project)
        placement = Placement(adopted=compose.project, singletons=("worker",))
        wanted = order(app, found.template, ServicePort("web", 8000), placement=placement)

        said = await provisioner.survey(wanted)
        live = await provisioner.create(wanted, quiet)

        assert found.files == ()
        assert [line for line in said if "is in sync" in line or "is modified" in line] == [
            f"{name}: {compose.project}-{name}-1 is in sync" for name in ("db", "web", "worker")
        ]
        (web, db) = (found.template.services[name] for name in ("web", "db"))
        assert (web.image, web.command) == (IMAGE, (*APP, "serve"))
        assert (web.environment, web.networks) == ({"SPLITTER_STACK": compose.project}, (Attachment("default"),))
        assert db.mounts == (Mount(MountType.VOLUME, "/data", "data"),)
        assert await soon(heard(endpoint(live, ServicePort("web", 8000)), "/stack")) == compose.project

    async def test_needs_a_project(self, app: str, provisioner: DockerProvisioner) -> None:
        """
        A name that no project has is refused.
        """
        (problem,) = await provisioner.check(adoption(app))

        assert problem.sentence.startswith(f"there is no container of Compose project {app}-old")
