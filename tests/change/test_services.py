import pytest

from splitter.model import Endpoint
from splitter.template import Attachment, Build, Condition, Dependency, Healthcheck, Limits
from tests.change.compose import FILE, mistake, mistakes, service, template


class TestCommands:
    @pytest.mark.parametrize(
        ("text", "words"),
        [
            ("run --it 'now please'", ("run", "--it", "now please")),
            ("''", ()),
            ("[]", ()),
            ("[a, 'b c']", ("a", "b c")),
            ("", None),
        ],
    )
    def test_words(self, text: str, words: tuple[str, ...] | None) -> None:
        """
        Text is split as a shell splits it; an empty one clears, nothing is the image's own.
        """
        quoted = text if text.startswith(("[", "''")) or not text else f'"{text}"'

        assert words == service(f"command: {quoted}, entrypoint: {quoted}").command
        assert words == service(f"command: {quoted}, entrypoint: {quoted}").entrypoint

    def test_unbalanced_quotes(self) -> None:
        """
        Text that a shell would not take is a mistake.
        """
        assert "the command cannot be split into words: no closing quotation" in mistake("""command: "a 'b" """)

    def test_numbers_in_lists(self) -> None:
        """
        A word that YAML takes for a number must be quoted, since its spelling would be lost.
        """
        assert mistake("command: [sleep, 1.50]") == (
            'services.web.command[1]: the number 1.50 stands where text is expected; write "1.50"'
        )


class TestEnvironment:
    def test_both_forms_are_equal(self) -> None:
        """
        List and mapping give the same variables, sorted.
        """
        listed = service("environment: ['B=2', 'A=x=y', EMPTY=]")
        mapped = service("environment: {A: x=y, B: 2, EMPTY: ''}")

        assert listed == mapped
        assert list(listed.environment) == ["A", "B", "EMPTY"]

    def test_passes_through(self) -> None:
        """
        A name without value takes the given environment's, and is left out where it has none.
        """
        read = service("environment: {A: , NO: }", environment={"A": "given", "OTHER": "x"})

        assert read.environment == {"A": "given"}

    def test_scalars_are_printed_as_compose_does(self) -> None:
        """
        Numbers and booleans are printed, not spelt: a note says where that makes a difference.
        """
        loaded = template("services: {web: {image: a, environment: {A: true, B: 1.10, C: 0777, D: 1000000.0, E: .5}}}")

        assert loaded.services["web"].environment == {"A": "true", "B": "1.1", "C": "511", "D": "1e+06", "E": "0.5"}
        assert any('is the number 1.1; write "1.10" if the spelling matters' in note for note in loaded.notes)

    def test_a_mapping_in_the_list(self) -> None:
        """
        The usual slip, `- A: 1`, is reported at its line.
        """
        assert mistake("environment: [{A: 1}]") == (
            "services.web.environment[0]: a mapping stands where NAME=value, or a mapping of names, is expected"
        )


class TestEnvFiles:
    FILES = {"/srv/shop/a.env": "A=1\nB=$TAG\n", "/srv/shop/b.env": "B='$raw'\nC=$A"}  # noqa: RUF012 - read only

    def test_later_files_and_environment_win(self) -> None:
        """
        Files are read in order, the service's own environment lies over them.
        """
        text = "services: {web: {image: a, env_file: [a.env, ./b.env], environment: {C: own}}}"

        read = template(text, others=self.FILES, environment={"TAG": "t"})

        assert read.services["web"].environment == {"A": "1", "B": "$raw", "C": "own"}

    def test_raw_format(self) -> None:
        """
        The raw format keeps quotes and dollar signs.
        """
        text = "services: {web: {image: a, env_file: [{path: b.env, format: raw}]}}"

        assert template(text, others=self.FILES).services["web"].environment == {"B": "'$raw'", "C": "$A"}

    def test_missing_file(self) -> None:
        """
        A missing file is a mistake unless it is not required.
        """
        assert service("env_file: [{path: no.env, required: false}]").environment == {}
        assert mistake("env_file: no.env") == (
            "services.web.env_file[0]: there is no file /srv/shop/no.env; write required: false if it may be missing"
        )

    def test_mistakes_inside_have_their_own_place(self) -> None:
        """
        A bad line of the file is reported with that file's name and line.
        """
        found = mistakes("services: {web: {image: a, env_file: x.env}}", others={"/srv/shop/x.env": "A=1\n?\n"})

        assert found == ["/srv/shop/x.env:2:1: is not NAME=value"]


class TestHealthchecks:
    @pytest.mark.parametrize(
        ("text", "check"),
        [
            ("test: curl x", Healthcheck(("CMD-SHELL", "curl x"))),
            ("test: [CMD, curl, x]", Healthcheck(("CMD", "curl", "x"))),
            ("test: [NONE], interval: 1s", Healthcheck(("NONE",))),
            ("disable: true", Healthcheck(("NONE",))),
            ("interval: 1m30s", Healthcheck((), interval_s=90.0)),
            (
                "test: a, interval: 1s, timeout: 500ms, retries: 5, start_period: 2m",
                Healthcheck(("CMD-SHELL", "a"), 1.0, 0.5, 5, 120.0),
            ),
        ],
    )
    def test_forms(self, text: str, check: Healthcheck) -> None:
        """
        Every way to write a test, and to switch it off, has one value.
        """
        assert check == service(f"healthcheck: {{{text}}}").healthcheck

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("test: [curl, x]", 'a list begins with "NONE", "CMD" or "CMD-SHELL"'),
            ("test: []", 'a list begins with "NONE", "CMD" or "CMD-SHELL"'),
            ("test: [CMD]", 'nothing follows "CMD"; write the command'),
            ("test: a, interval: 5", "'5' has no unit; write 5s"),
            ("test: a, retries: many", "'many' is not a whole number"),
        ],
    )
    def test_mistakes(self, text: str, message: str) -> None:
        """
        A test that could not run is refused.
        """
        assert message in mistake(f"healthcheck: {{{text}}}")


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


class TestAmounts:
    def test_limits_in_either_place(self) -> None:
        """
        Limits beside the service and under deploy are the same limits.
        """
        beside = service("mem_limit: 64m, cpus: '0.5', pids_limit: 100")
        nested = service("deploy: {resources: {limits: {memory: 64M, cpus: 0.5, pids: 100}}}")

        assert beside == nested
        assert beside.limits == Limits(64 * 1024 * 1024, 0.5, 100)

    def test_zero_is_unbounded(self) -> None:
        """
        A limit of 0, and -1 processes, bound nothing.
        """
        assert service("mem_limit: 0, cpus: 0, pids_limit: -1").limits == Limits()

    def test_two_limits_must_agree(self) -> None:
        """
        Two places that say different things are a mistake.
        """
        text = "mem_limit: 1g, deploy: {resources: {limits: {memory: 2g}}}"

        assert "the limit under deploy.resources.limits is another" in mistake(text)

    def test_replicas_in_either_place(self) -> None:
        """
        scale and deploy.replicas are the same number, also as text.
        """
        assert service("scale: 3").replicas == 3
        assert service("deploy: {replicas: '3'}").replicas == 3
        assert service("scale: 2, deploy: {replicas: 2}").replicas == 2
        assert "scale is 2, deploy.replicas is 3" in mistake("scale: 2, deploy: {replicas: 3}")

    def test_one_name_is_for_one_container(self) -> None:
        """
        A container name excludes replicas.
        """
        assert "2 replicas cannot have one name" in mistake("container_name: shop, scale: 2")

    @pytest.mark.parametrize(
        ("text", "restart"),
        [
            ("restart: no", "no"),
            ("restart: always", "always"),
            ("restart: on-failure:3", "on-failure:3"),
            ("deploy: {restart_policy: {condition: any}}", "always"),
            ("deploy: {restart_policy: {condition: none}}", "no"),
            ("deploy: {restart_policy: {condition: on-failure, max_attempts: 3}}", "on-failure:3"),
            ("deploy: {restart_policy: {}}", "always"),
        ],
    )
    def test_restart(self, text: str, restart: str) -> None:
        """
        Both ways to say when a container restarts have one value.
        """
        assert restart == service(text).restart

    def test_restart_mistakes(self) -> None:
        """
        A boolean or an unknown word is refused with the words that are known.
        """
        assert "on-failure" in mistake("restart: false")
        assert "'sometimes' is not one of no, always" in mistake("restart: sometimes")


class TestNetworks:
    def test_default(self) -> None:
        """
        A service that names no network joins the default one.
        """
        assert service("user: x").networks == (Attachment("default"),)

    def test_priority_then_name(self) -> None:
        """
        Networks are ordered by priority, then by name; aliases are a sorted set.
        """
        text = """
        services: {web: {image: a, networks: {a: , c: {priority: 5}, b: {aliases: [y, x, y]}}}}
        networks: {a: , b: , c: }
        """

        read = template(text).services["web"]

        assert read.networks == (Attachment("c"), Attachment("a"), Attachment("b", ("x", "y")))

    def test_container_name_is_an_alias(self) -> None:
        """
        Two stacks cannot share a container name, so it lives on as an alias.
        """
        assert service("container_name: shop").networks == (Attachment("default", ("shop",)),)

    def test_container_names_are_checked(self) -> None:
        """
        What the engine would refuse as a name is refused here.
        """
        assert "'-x' is not a container name" in mistake("container_name: -x")

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("network_mode: host", "two stacks cannot share the host's network"),
            ("network_mode: container:x", "the network of a container that is not in this file cannot be joined"),
            ("network_mode: none", "the network mode 'none' is not supported yet"),
            ("network_mode: none, networks: [a]", "network_mode and networks exclude each other"),
        ],
    )
    def test_network_mode_is_refused(self, text: str, message: str) -> None:
        """
        Every network mode is refused with what to write instead.
        """
        assert message in mistake(text)


class TestImages:
    def test_one_is_needed(self) -> None:
        """
        A service without image and build is a mistake at its name.
        """
        assert mistakes("services: {web: {command: x}}") == [
            "1:12: services.web: neither image nor build says what to run; write one of them"
        ]

    def test_build_forms(self) -> None:
        """
        A build is a folder, or a mapping with arguments that may pass through.
        """
        assert service("build: ./app").build == Build("/srv/shop/app")
        assert service(
            "build: {context: ., dockerfile: D, target: t, args: [A=1, B]}", environment={"B": "2"}
        ).build == Build("/srv/shop", "D", {"A": "1", "B": "2"}, "t")

    def test_remote_context_is_refused(self) -> None:
        """
        A context on another machine is not fetched.
        """
        assert "a context on another machine is not supported yet" in mistake("build: https://example.org/a.git")

    def test_commands_without_image(self) -> None:
        """
        For provisioners that run commands a command is enough, and an image is said to have no effect.
        """
        loaded = template("services: {web: {command: run}, api: {image: a, command: run}}", require_image=False)

        assert loaded.services["web"].command == ("run",)
        assert loaded.notes == (f"{FILE}:1:39: services.api.image has no effect: nothing runs in containers here",)

    def test_neither_image_nor_command(self) -> None:
        """
        Without an image to fall back on, a command is required.
        """
        found = mistakes("services: {web: {image: a}}", require_image=False)

        assert found == ["1:12: services.web: neither command nor endpoints says what answers; write one of them"]


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
