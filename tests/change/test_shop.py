"""A whole shop, as people write one, through loader, plan and price."""

import re
from collections.abc import Mapping
from pathlib import Path

import pytest

from provisioners.process import programs
from splitter.change.changeset import Action, Cause
from splitter.change.compose_file import to_yaml
from splitter.change.loader import load
from splitter.change.plan import plan, sentences
from splitter.contracts import StackOrder
from splitter.errors import TemplateError
from splitter.model import StackId
from splitter.template import Attachment, Condition, Dependency, Mount, MountType, Port, Template, Ulimit

FOLDER = Path(__file__).parent / "shop"
IMAGES = "registry.example.test/shop"


def shop(
    *files: str,
    profiles: tuple[str, ...] = (),
    require_image: bool = True,
    environment: Mapping[str, str] | None = None,
) -> Template:
    return load(
        [str(FOLDER / file) for file in ("compose.yaml", *files)],
        read=lambda path: Path(path).read_text(encoding="utf-8"),
        environment=environment or {},
        profiles=profiles,
        require_image=require_image,
    )


class TestLoad:
    def test_services_of_all_files(self) -> None:
        """
        Own and included services are there, those of profiles that are off are not.
        """
        assert list(shop().services) == ["api", "cache", "db", "migrate", "web", "worker"]
        assert "debug" in shop(profiles=("debug",)).services

    def test_bases_and_anchors(self) -> None:
        """
        What a base, an anchor and the service itself say lies over each other.
        """
        services = shop().services

        assert services["web"].limits.memory_bytes == 64 * 1024**2
        assert services["web"].environment == {"FEATURES": "cart", "TZ": "UTC"}
        assert services["web"].mounts == (Mount(MountType.BIND, "/settings", f"{FOLDER}/settings", read_only=True),)
        assert services["worker"].environment["QUEUES"] == "mail,search"
        assert services["worker"].environment["LOG_LEVEL"] == "warning"
        assert services["api"].image == f"{IMAGES}/api:1.4.0"
        assert services["api"].cap_drop == ("ALL",)
        assert services["api"].mounts == (Mount(MountType.TMPFS, "/tmp", options=("mode=1777", "size=67108864")),)
        assert services["api"].limits.ulimits == (Ulimit("nofile", 8192, 16384),)

    def test_variables_of_every_file(self) -> None:
        """
        Each project has its own `.env`; dollars that are meant stay.
        """
        loaded = shop()

        assert loaded.services["db"].image == "postgres:15.6"
        assert loaded.services["api"].environment["DATABASE_URL"] == "postgresql://shop:s3cret$1@db:5432/shop"
        assert loaded.configs["site"].content is not None
        assert "Host $host;" in loaded.configs["site"].content

    def test_networks_and_volumes(self) -> None:
        """
        Addresses, aliases, order by priority, external volumes.
        """
        loaded = shop()

        assert loaded.services["web"].networks == (
            Attachment("back"),
            Attachment("front", ("shop.internal",), ipv4_address="172.28.1.10"),
        )
        assert loaded.networks["front"].ipam.pools[0].subnet == "172.28.1.0/24"
        assert (loaded.volumes["pgdata"].name, loaded.volumes["pgdata"].external) == ("shop_pgdata", True)
        assert loaded.services["web"].ports == (
            Port(8000, "tcp", "8080", "127.0.0.1"),
            Port(9000, "tcp", "9000-9010"),
        )

    def test_who_waits_for_whom(self) -> None:
        """
        Long, short and implied dependencies.
        """
        loaded = shop(profiles=("debug",))

        assert loaded.services["api"].depends_on == (
            Dependency("cache", required=False),
            Dependency("migrate", Condition.COMPLETED),
        )
        assert loaded.services["debug"].depends_on == (Dependency("api", restart=True),)

    def test_a_variable_that_must_be_set(self) -> None:
        """
        An empty password is said with its own sentence; a name that only `.env` has comes from there.
        """
        assert shop(environment={"DB_PASSWORD": "given"}).secrets["db_password"].value == "given"

    def test_is_printed_as_it_is_read(self, tmp_path: Path) -> None:
        """
        The one file that is printed of all of them means the same, with nothing around it.
        """
        first = shop()
        (tmp_path / "one.yaml").write_text(to_yaml(first))

        second = load(
            [str(tmp_path / "one.yaml")],
            read=lambda path: Path(path).read_text(encoding="utf-8"),
            environment={"DB_PASSWORD": "s3cret$1"},
            directory=first.directory,
            env_files=(),
        )

        assert second.digest == first.digest


class TestPlan:
    def test_what_the_next_version_changes(self) -> None:
        """
        Own changes, consequences and deletions; the included database is kept.
        """
        changes = plan(shop(), shop("compose.v2.yaml")).change_set.by_resource()

        assert {name: changes[f"service:{name}"].action for name in ("web", "api", "db", "worker", "search")} == {
            "web": Action.REPLACE,
            "api": Action.REPLACE,
            "db": Action.KEEP,
            "worker": Action.DELETE,
            "search": Action.CREATE,
        }
        assert changes["service:web"].cause is Cause.IMAGE

    def test_is_told_without_secrets(self) -> None:
        """
        No password, of a URL, a variable or a secret, is in the plan.
        """
        there = shop("compose.v2.yaml", environment={"DB_PASSWORD": "0ther"})

        told = "\n".join(sentences(plan(shop(), there)))

        assert "± service:db replace because of secret:db_password (content)" in told
        assert re.search(r"environment\.DATABASE_URL: postgresql://shop:•••@db:5432/shop → ", told)
        assert "s3cret" not in told
        assert "0ther" not in told

    def test_starts_by_level(self) -> None:
        """
        The database first, then the migration, then what waits for it.
        """
        order = plan(None, shop()).order

        assert order == (("cache", "db"), ("migrate", "worker"), ("api",), ("web",))


class TestProcesses:
    def order(self, template: Template) -> StackOrder:
        return StackOrder(
            id=StackId("shop-r1"), app="shop", revision=1, rollout="", template=template, routed=(), deadline_s=60.0
        )

    def test_read_the_same_files(self) -> None:
        """
        Without an engine the same files are used, with commands for what was an image alone.
        """
        loaded = shop("compose.process.yaml", require_image=False)

        assert [program.service for program in programs.read(self.order(loaded), {})] == sorted(loaded.services)
        assert any("services.db.image has no effect" in note for note in loaded.notes)

    def test_say_what_has_no_effect(self) -> None:
        """
        Every key of a container is named, service by service.
        """
        notes = "\n".join(programs.notes(shop("compose.process.yaml", require_image=False)))

        for key in ("image", "secrets", "read_only", "cap_drop", "security_opt", "logging"):
            assert re.search(rf"service api: .*{key}", notes), key

    def test_need_commands(self) -> None:
        """
        A service that is an image alone cannot be a process, which is said for each.
        """
        with pytest.raises(TemplateError, match="neither command nor endpoints says what answers"):
            shop(require_image=False)
