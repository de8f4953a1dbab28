import pytest

from splitter.model import Endpoint
from splitter.template import Condition, Dependency, Hook, Logging, VolumesFrom
from tests.change.compose import mistake, mistakes, service, template

pytestmark = pytest.mark.usefixtures("every_key")


class TestDependencies:
    def test_forms(self) -> None:
        """
        A name alone waits for the start; the long form says more.
        """
        text = """
        services:
          web:
            image: a
            depends_on:
              b: {condition: service_healthy, required: false, restart: true}
              a: {condition: service_started}
          a: {image: a}
          b: {image: a, depends_on: [a]}
        """

        read = template(text).services

        assert read["web"].depends_on == (
            Dependency("a"),
            Dependency("b", Condition.HEALTHY, required=False, restart=True),
        )
        assert read["b"].depends_on == (Dependency("a"),)

    def test_the_long_form_names_a_condition(self) -> None:
        """
        A mapping without condition is a mistake, as the specification has it.
        """
        for entry in ("{}", "{restart: true}"):
            found = mistakes(f"services: {{a: {{image: a, depends_on: {{b: {entry}}}}}, b: {{image: b}}}}")

            assert "no condition says what to wait for; write condition: service_started" in found[0]

    def test_unknown_condition(self) -> None:
        """
        A condition that does not exist is refused with those that do.
        """
        found = mistakes("services: {a: {image: a, depends_on: {b: {condition: up}}}, b: {image: b}}")

        assert len(found) == 1
        assert "not one of service_started, service_healthy, service_completed_successfully" in found[0]


class TestEndpoints:
    def test_need_no_image(self) -> None:
        """
        A service that somebody else runs has endpoints and nothing else, not even a network.
        """
        read = template("services: {web: {endpoints: ['127.0.0.1:9002', '[::1]:9001', 'web.local:80']}}")

        assert read.services["web"].static_endpoints == (
            Endpoint("127.0.0.1", 9002),
            Endpoint("::1", 9001),
            Endpoint("web.local", 80),
        )
        assert read.services["web"].networks == ()
        assert read.networks == {}

    @pytest.mark.parametrize("text", ["localhost", "a:0", "a:65536", "::1:80", "http://a:80"])
    def test_are_address_and_port(self, text: str) -> None:
        """
        What is no address with a port is refused with one that is.
        """
        found = mistakes(f"services: {{web: {{endpoints: ['{text}']}}}}")

        assert len(found) == 1
        assert "an endpoint is an address and a port, as in 127.0.0.1:9001" in found[0]

    def test_at_least_one(self) -> None:
        """
        An empty list runs nothing.
        """
        assert "no endpoint stands here" in mistakes("services: {web: {endpoints: []}}")[0]


class TestTexts:
    def test_simple_keys(self) -> None:
        """
        What is one text or duration is taken as it stands.
        """
        read = service("working_dir: /w, user: '1000', stop_signal: SIGINT, stop_grace_period: 1m30s")

        assert (read.working_dir, read.user, read.stop_signal, read.stop_grace_s) == ("/w", "1000", "SIGINT", 90.0)

    def test_numbers_need_quotes(self) -> None:
        """
        A user id must be text, or 0777 and its like would change.
        """
        assert mistake("user: 1000") == (
            'services.web.user: the number 1000 stands where text is expected; write "1000"'
        )

    def test_service_names(self) -> None:
        """
        A name that cannot be a host name is refused.
        """
        assert "'a b' is not a service name" in mistakes("services: {a b: {image: x}}")[0]


class TestSurroundings:
    def test_names_and_look_ups(self) -> None:
        """
        Host names, servers and search lists; the order of servers counts.
        """
        loaded = service(
            "hostname: web-1, domainname: shop.test, mac_address: '02:42:AC:11:00:03', dns: [9.9.9.9, 1.1.1.1],"
            " dns_search: shop.test, dns_opt: ['ndots:1']"
        )

        assert (loaded.hostname, loaded.domainname, loaded.mac_address) == ("web-1", "shop.test", "02:42:ac:11:00:03")
        assert (loaded.dns, loaded.dns_search, loaded.dns_opt) == (
            ("9.9.9.9", "1.1.1.1"),
            ("shop.test",),
            ("ndots:1",),
        )

    def test_rights(self) -> None:
        """
        Lists whose order means nothing are sorted, numbers in them are text.
        """
        loaded = service(
            "cap_add: [SYS_TIME, NET_ADMIN], cap_drop: [ALL], privileged: true, read_only: 'true', "
            "group_add: [mail, 99],"
            " security_opt: ['no-new-privileges:true', 'label=disable', 'systempaths=unconfined'], sysctls: [a.b=1]"
        )

        assert loaded.cap_add == ("NET_ADMIN", "SYS_TIME")
        assert loaded.cap_drop == ("ALL",)
        assert loaded.privileged
        assert loaded.read_only
        assert loaded.group_add == ("99", "mail")
        assert loaded.security_opt == ("label=disable", "no-new-privileges=true", "systempaths=unconfined")
        assert loaded.sysctls == {"a.b": "1"}

    def test_a_seccomp_profile_is_read(self) -> None:
        """
        The profile's content is the option, so that another content is another service.
        """
        loaded = template(
            "services: {web: {image: web, security_opt: ['seccomp:./p.json']}}",
            others={"/srv/shop/p.json": '{ "a" : 1 }'},
        )

        assert loaded.services["web"].security_opt == ('seccomp={"a":1}',)
        assert "cannot be read" in mistake("security_opt: ['seccomp=none.json']")
        assert service("security_opt: ['seccomp=unconfined']").security_opt == ("seccomp=unconfined",)

    def test_what_it_runs_in(self) -> None:
        """
        Flags, runtime, output and options of storage.
        """
        loaded = service(
            "tty: true, stdin_open: true, init: false, runtime: runc, platform: linux/amd64, cgroup_parent: /a,"
            " cgroup: private, userns_mode: host, storage_opt: {size: 1G},"
            " logging: {driver: json-file, options: {max-size: 10m, max-file: 3}}"
        )

        assert (loaded.tty, loaded.stdin_open, loaded.init) == (True, True, False)
        assert (loaded.runtime, loaded.platform, loaded.cgroup_parent) == ("runc", "linux/amd64", "/a")
        assert (loaded.cgroup, loaded.userns_mode, loaded.storage_opt) == ("private", "host", {"size": "1G"})
        assert loaded.logging == Logging("json-file", {"max-size": "10m", "max-file": "3"})

    @pytest.mark.parametrize(
        ("text", "umask"), [("umask: 0027", 0o27), ("umask: '27'", 0o27), ("umask: 0", 0), ("umask: ", None)]
    )
    def test_mask_of_new_files(self, text: str, umask: int | None) -> None:
        """
        A mask is octal; nothing leaves it to the engine, and 0 masks nothing.
        """
        assert umask == service(text).umask

    def test_namespaces_of_another_service(self) -> None:
        """
        Who shares a namespace of another service waits for it.
        """
        loaded = template("services: {db: {image: db}, web: {image: web, ipc: 'service:db', pid: 'service:db'}}")

        assert (loaded.services["web"].ipc, loaded.services["web"].pid) == ("service:db", "service:db")
        assert loaded.services["web"].depends_on == (Dependency("db", restart=True),)

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("ipc: 'container:x'", "the namespace of a container that is not in this file cannot be joined"),
            ("pid: private", "'private' is not one of host, service:<name>"),
            ("uts: 'service:x'", "'service:x' is not one of host"),
            ("cgroup: parent", "'parent' is not one of host, private"),
            ("hostname: a_b", "'a_b' is not a host name"),
            ("volumes_from: ['container:x']", "the volumes of a container that is not in this file"),
            ("volumes_from: ['db:rx']", "the mode 'rx' is not ro or rw"),
            ("network_mode: 'service:none'", "there is no service 'none'"),
        ],
    )
    def test_what_cannot_be_shared(self, text: str, message: str) -> None:
        """
        What lies outside of the file, or does not exist, is a mistake.
        """
        assert message in mistake(text)

    def test_namespaces_of_the_host_are_noted(self) -> None:
        """
        A namespace that both stacks share with the host is said.
        """
        notes = template("services: {web: {image: web, pid: host}}").notes

        assert len(notes) == 1
        assert "services.web.pid is host: both stacks share it" in notes[0]

    def test_volumes_of_another_service(self) -> None:
        """
        Who takes the volumes of another waits for it, without restarting with it.
        """
        loaded = template("services: {db: {image: db}, web: {image: web, volumes_from: ['db:ro']}}")

        assert loaded.services["web"].volumes_from == (VolumesFrom("db", read_only=True),)
        assert loaded.services["web"].depends_on == (Dependency("db"),)

    def test_hooks(self) -> None:
        """
        Commands after the start and before the stop, in order.
        """
        loaded = service(
            "post_start: [{command: ./warm up, user: root, environment: [A=1]}],"
            " pre_stop: [{command: [a], privileged: yes}]"
        )

        assert loaded.post_start == (Hook(("./warm", "up"), "root", environment={"A": "1"}),)
        assert loaded.pre_stop == (Hook(("a",), privileged=True),)
        assert "no command says what to run" in mistake("post_start: [{user: root}]")
