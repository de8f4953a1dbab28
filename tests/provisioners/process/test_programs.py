import os
import signal
import sys
from pathlib import Path

import pytest

from provisioners.process import programs
from splitter.contracts import StackOrder
from splitter.model import ServicePort, StackId
from splitter.template import Build, Condition, Dependency, Healthcheck, Limits, Port, Service, Template

ENVIRONMENT = {"PATH": os.defpath, "HOME": "/root", "SECRET": "x"}


def order(*services: Service, routed: tuple[ServicePort, ...] = (), directory: str = "/") -> StackOrder:
    template = Template("shop", directory, {each.name: each for each in services})
    return StackOrder(StackId("shop-r1"), "shop", 1, "", template, routed, 10.0)


def program(service: Service, *routed: ServicePort) -> programs.Program:
    (found,) = programs.read(order(service, routed=routed), ENVIRONMENT)
    return found


def problems(*services: Service, routed: tuple[ServicePort, ...] = ()) -> list[str]:
    return programs.problems(order(*services, routed=routed), ENVIRONMENT)


class TestRead:
    def test_entrypoint_stands_before_the_command(self) -> None:
        """
        The command line is the entry point and then the command; its first word is looked up in the PATH.
        """
        found = program(Service(name="web", entrypoint=("sh", "-c"), command=("exit 0",)))

        assert found.arguments == ("sh", "-c", "exit 0")
        assert Path(found.executable).name == "sh"
        assert Path(found.executable).is_absolute()

    def test_inherits_little(self) -> None:
        """
        Of the daemon's environment a service gets what every program needs; the template's values count more.
        """
        found = program(Service(name="web", command=("sh",), environment={"HOME": "/srv"}))

        assert found.environment == {"PATH": os.defpath, "HOME": "/srv"}

    def test_routed_port_is_the_main_one(self) -> None:
        """
        The routed port comes first, then what the template declares, each once.
        """
        web = Service(name="web", command=("sh",), ports=(Port(80), Port(53, "udp")), expose=(8000, 80))

        assert program(web, ServicePort("web", 8000)).ports == (8000, 80)
        assert program(web).ports == (80, 8000)
        assert program(Service(name="web", command=("sh",))).ports == (0,)

    def test_knows_what_kind_of_service_it_is(self) -> None:
        """
        Jobs, optional services and the order of starting come from the dependencies of all.
        """
        job = Service(name="job", command=("sh",))
        cache = Service(name="cache", command=("sh",))
        web = Service(
            name="web",
            command=("sh",),
            depends_on=(Dependency("job", Condition.COMPLETED), Dependency("cache", required=False)),
        )

        found = {each.service: each for each in programs.read(order(job, cache, web), ENVIRONMENT)}

        assert (found["job"].is_job, found["job"].is_optional, found["job"].level) == (True, False, 0)
        assert (found["cache"].is_job, found["cache"].is_optional) == (False, True)
        assert found["web"].level == 1

    def test_health_check_becomes_a_command_line(self) -> None:
        """
        Text is for a shell, a list is run as it is, and NONE is no check.
        """

        def check(*test: str) -> tuple[str, ...]:
            return program(Service(name="web", command=("sh",), healthcheck=Healthcheck(test))).check

        assert check("CMD-SHELL", "exit 0") == ("/bin/sh", "-c", "exit 0")
        assert check("CMD", "true", "x") == ("true", "x")
        assert check("NONE") == ()

    @pytest.mark.parametrize("name", ["SIGINT", "INT", "2"])
    def test_stop_signal_has_three_spellings(self, name: str) -> None:
        """
        A signal's name with or without SIG, and its number, mean the same.
        """
        assert program(Service(name="web", command=("sh",), stop_signal=name)).stop_signal == signal.SIGINT


class TestProblems:
    def test_sound_service_has_none(self) -> None:
        """
        A command of this machine is all that is needed.
        """
        assert problems(Service(name="web", command=(sys.executable,)), routed=(ServicePort("web", 80),)) == []

    @pytest.mark.parametrize(
        ("service", "expected"),
        [
            (Service(name="web", image="nginx"), "service web has no command"),
            (Service(name="web", command=("no-such",)), "command no-such is not in its PATH"),
            (Service(name="web", command=("./no-such",)), "command /no-such does not exist"),
            (Service(name="web", command=(programs.__file__,)), "programs.py is not executable"),
            (Service(name="web", command=("sh",), working_dir="/nowhere"), "working_dir /nowhere is not a directory"),
            (Service(name="web", command=("sh",), stop_signal="SIGNIX"), "no signal SIGNIX"),
            (
                Service(name="web", command=("sh",), healthcheck=Healthcheck(("CMD", "no-such"))),
                "its healthcheck's command no-such is not in its PATH",
            ),
            (
                Service(name="web", command=("sh",), healthcheck=Healthcheck(("exit 0",))),
                "healthcheck.test must be CMD or CMD-SHELL",
            ),
            (Service(name="a/b", command=("sh",)), "name that no file can have"),
        ],
    )
    def test_names_what_cannot_run(self, service: Service, expected: str) -> None:
        """
        Each mistake is one sentence with the service and the thing.
        """
        (problem,) = problems(service)

        assert expected in problem

    @pytest.mark.parametrize(
        ("routed", "expected"),
        [
            (ServicePort("api"), "the template has no service api (it has: web)"),
            (ServicePort("web"), "declares several TCP ports (80, 81); name one"),
        ],
    )
    def test_names_routes_to_nowhere(self, routed: ServicePort, expected: str) -> None:
        """
        A route needs a service of the template, and one port of it.
        """
        (problem,) = problems(Service(name="web", command=("sh",), expose=(80, 81)), routed=(routed,))

        assert expected in problem

    def test_route_to_no_replica(self) -> None:
        """
        A routed service must run at least once.
        """
        (problem,) = problems(Service(name="web", command=("sh",), replicas=0), routed=(ServicePort("web"),))

        assert "has no replicas" in problem

    def test_all_come_at_once(self) -> None:
        """
        Every service and every route is looked at, whatever was found before.
        """
        found = problems(Service(name="a"), Service(name="b", command=("no-such",)), routed=(ServicePort("c"),))

        assert len(found) == 3


class TestNotes:
    def test_says_what_has_no_effect(self) -> None:
        """
        Keys of containers are named, once for each service that has them.
        """
        web = Service(name="web", image="nginx", build=Build("/srv"), limits=Limits(pids=5))

        assert programs.notes(order(web, Service(name="db")).template) == [
            "service web: image, build have no effect, because it runs as a plain process",
            "service web: nothing holds a plain process to its limits; what it uses is only compared",
        ]
