from splitter.change.fields import Requires, network_fields, service_fields, volume_fields
from splitter.template import Attachment, Build, Limits, Mount, MountType, Network, Port, Service, Volume


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
        assert live == {"limits.memory", "limits.cpus", "limits.pids", "networks.n", "replicas", "restart"}
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
