from dataclasses import replace

from provisioners.docker import names
from splitter.template import Condition, Dependency, Network, Service, Volume
from tests.provisioners.docker.samples import identity
from tests.provisioners.docker.stage import WEB, command, needs, order, server, template


class TestIdentity:
    def test_is_read_back_from_its_labels(self) -> None:
        """
        What the labels say is all that a fresh process needs to know of a stack.
        """
        whole = identity({"web": 2, "db": 1})

        assert names.Identity.read(whole.labels()) == whole

    def test_names_the_containers_of_a_whole_stack(self) -> None:
        """
        Every replica of every service that is needed has its name.
        """
        assert identity({"web": 2, "db": 1}).containers() == ["shop-r1-web-1", "shop-r1-web-2", "shop-r1-db-1"]

    def test_leaves_out_what_nobody_needs(self) -> None:
        """
        A service that all dependents can do without is no part of a whole stack.
        """
        lenient = template(server(depends_on=(Dependency("cache", required=False),)), server("cache"))

        made = names.Identity.of(order("shop", lenient, WEB), "home", ())

        assert made.services == {"web": 1}


class TestKinds:
    def test_tells_jobs_from_servers(self) -> None:
        """
        A service whose completion another waits for is a job; what is routed is never optional.
        """
        whole = template(
            server(depends_on=needs(("migrate", Condition.COMPLETED))),
            command("migrate", "work", "0"),
            server("front", depends_on=(Dependency("web", required=False),)),
        )

        assert names.kinds(order("shop", whole, WEB)) == {
            "web": names.Kind.SERVER,
            "migrate": names.Kind.JOB,
            "front": names.Kind.SERVER,
        }


class TestContainerLabels:
    def test_ours_count(self) -> None:
        """
        A template cannot claim to be another stack's.
        """
        service = server(labels={"team": "red", names.STACK: "other-r9"})
        part = names.Part(service, 2, 0, names.Kind.SERVER)

        labels = names.container_labels(identity({"web": 2}), template(service), part)

        assert (labels["team"], labels[names.STACK], labels[names.REPLICA]) == ("red", "shop-r1", "2")
        assert (labels["com.docker.compose.project"], labels["com.docker.compose.oneoff"]) == ("shop-r1", "False")


class TestNetworkName:
    def test_is_the_stacks_own(self) -> None:
        """
        A network is called after the stack; a name of its own gets the revision, an external one stays.
        """
        made = order("shop", template(server()), revision=3)

        assert names.network_name(made, Network("default")) == "shop-r3_default"
        assert names.network_name(made, Network("back", name="backend")) == "backend-r3"
        assert names.network_name(made, Network("edge", name="public", external=True)) == "public"

    def test_sorts_before_external_ones(self) -> None:
        """
        The engine's DNS asks the network first whose name sorts first: that must be our own.
        """
        networks = {"edge": Network("edge", name="a_edge", external=True)}
        made = order("shop", template(server(), networks=networks))

        assert names.network_name(made, Network("default")) == "0-shop-r1_default"


class TestVolumeName:
    def test_is_the_stacks_own(self) -> None:
        """
        A volume is called after the stack; a name of its own gets the revision, an external one stays.
        """
        made = order("shop", template(server()), revision=3)

        assert names.volume_name(made, Volume("data")) == "shop-r3_data"
        assert names.volume_name(made, Volume("data", name="store")) == "store-r3"
        assert names.volume_name(made, Volume("data", external=True)) == "data"


class TestConfigHash:
    def test_is_of_what_the_container_is_made_from(self) -> None:
        """
        Another environment is another container; other replicas, dependencies or labels of ours are not.
        """
        service = server()
        alike: list[Service] = [
            replace(service, replicas=3),
            replace(service, depends_on=needs(("db", Condition.STARTED))),
            replace(service, labels={"splitter.scope": "stack"}),
        ]

        assert {names.config_hash(each) for each in alike} == {names.config_hash(service)}
        assert names.config_hash(replace(service, environment={"A": "1"})) != names.config_hash(service)


class TestTooLong:
    def test_finds_names_that_no_dns_label_holds(self) -> None:
        """
        A container's name is a DNS name, too, so it has at most 63 characters.
        """
        fits, exceeds = "a" * 53, "b" * 54

        found = list(names.too_long(order("shop", template(server(fits), server(exceeds)))))

        assert found == [f"shop-r1-{exceeds}-1"]
