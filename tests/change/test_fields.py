import builtins
import dataclasses
import types
import typing
from collections import abc
from enum import Enum
from itertools import combinations
from typing import Any

import pytest

from splitter.change.fields import Requires, document_fields, network_fields, service_fields, volume_fields
from splitter.template import Attachment, Build, Document, Limits, Mount, MountType, Network, Port, Service, Volume


class TestServiceFields:
    def test_entries_with_a_name_are_fields_of_their_own(self) -> None:
        """
        A variable, mount, port or network is one field, so a difference is as small as it can be.
        """
        service = Service(
            name="a",
            image="a:1",
            environment={"A": "1", "EMPTY": ""},
            mounts=(Mount(MountType.VOLUME, "/d", "data", read_only=True),),
            ports=(Port(80, "tcp", "8080", "::1"), Port(81, "udp")),
            networks=(Attachment("back", ("x",)),),
            build=Build("/c", args={"B": "2"}),
        )

        shown = {path: field.shown for path, field in service_fields(service).items()}

        assert shown == {
            "image": "a:1",
            "environment.A": "1",
            "environment.EMPTY": "",
            "mounts./d": "volume data read-only",
            "ports.[::1]:8080:80/tcp": "[::1]:8080:80/tcp",
            "ports.81/udp": "81/udp",
            "networks.back": "as x",
            "build.context": "/c",
            "build.args.B": "2",
            "replicas": "1",
            "restart": "no",
            "stop_grace_period": "10s",
        }

    def test_what_a_running_container_follows(self) -> None:
        """
        Limits, networks, replicas and restart need no new container; splitter's own labels need nothing.
        """
        service = Service(
            name="a",
            limits=Limits(1, 1.0, 1),
            networks=(Attachment("n"),),
            labels={"splitter.scope": "stack", "a": "b"},
        )

        fields = service_fields(service)

        live = {path for path, field in fields.items() if field.is_live}
        assert live == {"limits.memory_bytes", "limits.cpus", "limits.pids", "networks.n", "replicas", "restart"}
        assert fields["labels.splitter.scope"].requires is Requires.NONE
        assert fields["labels.a"].requires is Requires.REPLACE

    def test_secrets_are_compared_and_not_shown(self) -> None:
        """
        A masked field still differs from another value.
        """
        one, other = (service_fields(Service(name="a", environment={"TOKEN": text})) for text in ("x", "y"))

        assert one["environment.TOKEN"].shown == other["environment.TOKEN"].shown
        assert one["environment.TOKEN"].value != other["environment.TOKEN"].value

    def test_cleared_is_not_unset(self) -> None:
        """
        A command that the file clears differs from one that it does not mention.
        """
        assert "command" not in service_fields(Service(name="a"))
        assert service_fields(Service(name="a", command=()))["command"].shown == "(cleared)"


class TestResources:
    def test_labels_of_a_network_need_nothing(self) -> None:
        """
        A network or volume is made anew for its driver, never for a label.
        """
        network = network_fields(Network("n", driver="bridge", labels={"a": "b"}, internal=True))
        volume = volume_fields(Volume("v", driver_opts={"type": "nfs"}, labels={"a": "b"}))

        assert {path for path, field in network.items() if field.requires is Requires.REPLACE} == {"driver", "internal"}
        assert {path for path, field in volume.items() if field.requires is Requires.REPLACE} == {"driver_opts.type"}

    def test_a_secret_is_its_hash(self) -> None:
        """
        What a secret holds is compared and shown by its hash alone; where it is from needs nothing.
        """
        fields = document_fields(Document("pw", environment="PW", digest="0123456789abcdef", value="s3cret"))

        assert fields["content"].shown == "sha256 0123456789ab"
        assert fields["content"].requires is Requires.REPLACE
        assert fields["environment"].requires is Requires.NONE
        assert "s3cret" not in repr(fields)


def variants(kind: Any) -> list[Any]:
    """Return values of a type of the template that all differ, two of each plain type."""
    if dataclasses.is_dataclass(kind):
        hints = typing.get_type_hints(kind)
        base = kind(**{name: variants(hint)[0] for name, hint in hints.items()})  # type: ignore[operator]  # a class
        return [base] + [
            dataclasses.replace(base, **{name: value}) for name, hint in hints.items() for value in variants(hint)[1:]
        ]
    arguments = typing.get_args(kind)
    match typing.get_origin(kind) or kind:
        case types.UnionType:
            return [None, *variants(arguments[0])]
        case builtins.tuple:
            return [(), *((value,) for value in variants(arguments[0]))]
        case abc.Mapping:
            return [{}, *({"k": value} for value in variants(arguments[1]))]
        case enum if issubclass(enum, Enum):
            return list(enum)
        case _:
            plain: dict[type, list[Any]] = {str: ["x", "y"], int: [1, 2], float: [1.0, 2.0], bool: [False, True]}
            return plain[kind]


class TestCompleteness:
    @pytest.mark.parametrize("name", [each.name for each in dataclasses.fields(Service) if each.name != "name"])
    def test_whatever_differs_is_a_field(self, name: str) -> None:
        """
        Services that differ in anything but their names differ in a field: no change of a template is overlooked.
        """
        values = variants(typing.get_type_hints(Service)[name])

        services = [Service(**{"name": "web", name: value}) for value in values]

        seen = [{path: field.value for path, field in service_fields(service).items()} for service in services]
        assert [(one, other) for one, other in combinations(range(len(seen)), 2) if seen[one] == seen[other]] == []
