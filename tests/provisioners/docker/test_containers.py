from dataclasses import replace
from typing import Any

import pytest

from provisioners.docker import names
from provisioners.docker.containers import Image, Joining, configure, joinings, stop_timeout_s
from splitter.template import Attachment, Healthcheck, Network, Port, Service
from tests.provisioners.docker.samples import identity
from tests.provisioners.docker.stage import IMAGE, order, server, template

IMAGE_FACTS = Image(IMAGE, "sha256:1", ("/entry",), (8000,), has_check=False)


def body(service: Service, loopback: tuple[int, ...] = ()) -> dict[str, Any]:
    made = order("shop", template(service))
    part = names.Part(service, 1, 0, names.Kind.SERVER)
    return configure(made, identity({"web": 1}), part, IMAGE_FACTS, loopback, "1.41")


class TestPorts:
    def test_are_exposed_and_never_bound(self) -> None:
        """
        What the template would publish is only exposed, so that two stacks can stand side by side.
        """
        made = body(server(ports=(Port(8000, published="80"), Port(53, protocol="udp")), expose=(9000,)))

        assert set(made["ExposedPorts"]) == {"8000/tcp", "53/udp", "9000/tcp"}
        assert not made["HostConfig"].get("PortBindings")

    def test_are_bound_to_loopback_where_asked(self) -> None:
        """
        In loopback mode a routed port is bound to 127.0.0.1, on a port that the engine picks.
        """
        made = body(server(), loopback=(8000,))

        assert made["HostConfig"]["PortBindings"] == {"8000/tcp": [{"HostIp": "127.0.0.1", "HostPort": ""}]}


class TestCommand:
    @pytest.mark.parametrize(
        ("command", "entrypoint", "expected"),
        [
            (None, None, (None, None)),
            (("run",), None, (["run"], None)),
            ((), None, ([], ["/entry"])),
            (None, (), (None, [""])),
            (None, ("/mine",), (None, ["/mine"])),
        ],
    )
    def test_replaces_or_clears_the_images_own(
        self, command: tuple[str, ...] | None, entrypoint: tuple[str, ...] | None, expected: tuple[object, object]
    ) -> None:
        """
        None leaves what the image says; a cleared command repeats the entry point, or the image's command would return.
        """
        made = body(server(command=command, entrypoint=entrypoint))

        assert (made["Cmd"], made["Entrypoint"]) == expected


class TestHealthcheck:
    def test_is_in_nanoseconds(self) -> None:
        """
        The engine counts in nanoseconds, the template in seconds.
        """
        check = Healthcheck(("CMD", "true"), interval_s=1.5, timeout_s=2, retries=4, start_period_s=0.25)

        assert body(server(healthcheck=check))["Healthcheck"] == {
            "Test": ["CMD", "true"],
            "Interval": 1_500_000_000,
            "Timeout": 2_000_000_000,
            "Retries": 4,
            "StartPeriod": 250_000_000,
        }

    def test_can_be_switched_off(self) -> None:
        """
        NONE switches off what the image brings; none at all leaves it.
        """
        assert body(server(healthcheck=Healthcheck(("NONE",))))["Healthcheck"]["Test"] == ["NONE"]
        assert body(server())["Healthcheck"] is None


class TestRestartPolicy:
    @pytest.mark.parametrize(
        ("written", "expected"),
        [("no", ("no", 0)), ("always", ("always", 0)), ("on-failure:3", ("on-failure", 3))],
    )
    def test_is_the_engines(self, written: str, expected: tuple[str, int]) -> None:
        """
        The number of tries stands behind a colon.
        """
        policy = body(server(restart=written))["HostConfig"]["RestartPolicy"]

        assert (policy["Name"], policy["MaximumRetryCount"]) == expected


class TestStopTimeout:
    def test_is_never_shorter_than_asked(self) -> None:
        """
        The engine knows whole seconds only.
        """
        assert [stop_timeout_s(replace(server(), stop_grace_s=grace)) for grace in (0, 0.2, 10, 10.5)] == [0, 1, 10, 11]


class TestJoinings:
    def test_own_networks_come_first_and_have_the_aliases(self) -> None:
        """
        The container is made on its stack's own network; on an external one nobody finds it by its service's name.
        """
        networks = {"edge": Network("edge", name="z-public", external=True), "back": Network("back")}
        service = server(networks=(Attachment("edge", ("www",)), Attachment("back", ("shop",))))

        found = joinings(order("shop", template(service, networks=networks)), service)

        assert found == [Joining("shop-r1_back", ("web", "shop")), Joining("z-public", ())]

    def test_default_network_needs_no_mention(self) -> None:
        """
        A service that names no network is in the stack's default one.
        """
        assert joinings(order("shop", template(server())), server()) == [Joining("shop-r1_default", ("web",))]
