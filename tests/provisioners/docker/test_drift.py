from typing import Any

import pytest

from provisioners.docker.drift import Drift, Sync, drift
from splitter.template import Attachment, Mount, MountType, Network, Port, Service
from tests.provisioners.docker.stage import template

WEB = Service(
    name="web",
    image="shop:1",
    command=("serve",),
    environment={"MODE": "a"},
    mounts=(Mount(MountType.VOLUME, "/data", "data"),),
    ports=(Port(8000, published="80"),),
)
IMAGE = {"Id": "sha256:1", "Config": {"Env": ["PATH=/bin", "LANG=C"]}}


def container(**changes: Any) -> dict[str, Any]:
    """Return the container that `WEB` makes in project `project`, with changes."""
    found: dict[str, Any] = {
        "Image": "sha256:1",
        "Config": {"Cmd": ["serve"], "Entrypoint": None, "Env": ["PATH=/bin", "LANG=C", "MODE=a"]},
        "Mounts": [{"Type": "volume", "Destination": "/data", "Name": "project_data"}],
        "NetworkSettings": {"Networks": {"project_default": {}}},
        "HostConfig": {"PortBindings": {"8000/tcp": [{"HostIp": "", "HostPort": "80"}]}},
    }
    return {**found, **changes}


def of(made: dict[str, Any], service: Service = WEB) -> Drift:
    return drift(service, template(service, networks={"edge": Network("edge", "public", external=True)}), made, IMAGE)


class TestDrift:
    def test_is_none_where_the_container_is_what_the_template_says(self) -> None:
        """
        What the image brings is nobody's change.
        """
        assert of(container()) == Drift(Sync.IN_SYNC)

    @pytest.mark.parametrize(
        ("changes", "difference"),
        [
            ({"Image": "sha256:0"}, "image shop:1 is another one now than when the container was made"),
            ({"Config": {"Cmd": ["other"], "Env": ["MODE=a"]}}, "command differs"),
            ({"Config": {"Cmd": ["serve"], "Env": ["MODE=b"]}}, "environment MODE differs"),
            ({"Config": {"Cmd": ["serve"], "Env": ["MODE=a", "KEY=x"]}}, "environment KEY is not in the template"),
            ({"Mounts": []}, "nothing is mounted at /data"),
            (
                {"Mounts": [*container()["Mounts"], {"Type": "bind", "Destination": "/etc/x"}]},
                "the mount at /etc/x is not in the template",
            ),
            ({"HostConfig": {}}, "port 8000 is not published as 80"),
        ],
    )
    def test_names_what_differs(self, changes: dict[str, Any], difference: str) -> None:
        """
        Each difference is named, a secret's value never.
        """
        assert of(container(**changes)) == Drift(Sync.MODIFIED, (difference,))

    def test_knows_networks_by_their_names_on_the_engine(self) -> None:
        """
        An external network has its own name, the project's own begin with the project's.
        """
        service = Service(name="web", networks=(Attachment("edge"), Attachment("back")))
        made = container(NetworkSettings={"Networks": {"public": {}, "other": {}}})

        found = of(made, service).differences

        assert "it is not on network project_back" in found
        assert "network other is not in the template" in found

    def test_is_unknown_without_the_image(self) -> None:
        """
        What cannot be compared is not called equal.
        """
        found = drift(WEB, template(WEB), container(), None)

        assert found == Drift(Sync.UNKNOWN, ("image shop:1 is not on the engine",))
