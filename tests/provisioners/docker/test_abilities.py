from typing import Any

import pytest

from provisioners.docker import DockerOptions
from provisioners.docker.abilities import missing
from splitter.template import Mount, MountType
from tests.provisioners.docker.memory import World
from tests.provisioners.docker.stage import order, server, template
from tests.provisioners.docker.test_crashes import problems

IMAGE = Mount(MountType.IMAGE, "/site", "site:1", subpath="public")


class TestMissing:
    @pytest.mark.parametrize(
        ("keys", "version", "what"),
        [
            ({"umask": 0}, "1.56", "umask"),
            ({"mounts": (IMAGE,)}, "1.48", "the image site:1 at /site"),
            ({"mounts": (Mount(MountType.VOLUME, "/data", "data", subpath="web"),)}, "1.45", "the subpath at /data"),
            (
                {"mounts": (Mount(MountType.BIND, "/in", "/srv", read_only=True, recursive="readonly"),)},
                "1.44",
                "bind.recursive: readonly at /in",
            ),
        ],
    )
    def test_names_what_it_is_and_which_engine_would_do(self, keys: dict[str, Any], version: str, what: str) -> None:
        """
        A key that this engine would leave out is told with its version; one that is new enough has nothing against it.
        """
        service = server(**keys)

        (found,) = missing([service], "1.43", "23.0.1")

        start = f"service web: {what} needs an engine of API {version}, and this one (23.0.1) has 1.43; "
        assert found.startswith(start)
        assert len(found) > len(start)
        assert list(missing([service], version, "99.0")) == []

    def test_leaves_the_rest_alone(self) -> None:
        """
        What every engine knows is not asked for.
        """
        plain = (Mount(MountType.VOLUME, "/data", "data"), Mount(MountType.BIND, "/in", "/srv", recursive="disabled"))

        assert list(missing([server(mounts=plain)], "1.41", "20.10.24")) == []


class TestFindings:
    async def test_have_the_version_of_the_engine(self) -> None:
        """
        Before anything is made, an engine that is too old is a reason against it, beside an image that is not there.
        """
        world = World(info={"ServerVersion": "20.10.24"})
        wanted = template(server(image="app:1", mounts=(IMAGE,)))

        found = await problems(world, order("shop", wanted), DockerOptions(endpoint="bridge", pull=False))

        assert [each.partition(";")[0] for each in found] == [
            "service web: image site:1 is not on the engine and cannot be pulled (pulling is switched off)",
            "service web: the image site:1 at /site needs an engine of API 1.48, and this one (20.10.24) has 1.41",
        ]
