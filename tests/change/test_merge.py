from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from splitter.change.merge import merge
from splitter.change.positions import Node, parse, plain


def over(*services: str) -> Any:
    """Return the service `web` of several files, one over the other."""
    result: Node | None = None
    for index, service in enumerate(services):
        result = merge(result, parse(f"services: {{web: {service}}}", f"{index}.yaml"))
    assert result is not None
    return plain(result)["services"].get("web")


class TestScalarsAndMappings:
    def test_later_scalars_replace(self) -> None:
        """
        The last file has the last word on a single value; other keys stay.
        """
        assert over("{image: a, user: x}", "{image: b}") == {"image": "b", "user": "x"}

    def test_mappings_merge_deeply(self) -> None:
        """
        Mappings in mappings merge key by key.
        """
        first = "{deploy: {resources: {limits: {memory: 1g, cpus: 1}}}}"

        merged = over(first, "{deploy: {resources: {limits: {memory: 2g}}}}")

        assert merged["deploy"]["resources"]["limits"] == {"memory": "2g", "cpus": 1}

    def test_other_shapes_replace(self) -> None:
        """
        A scalar over a mapping replaces it; the reader says what is wrong with that.
        """
        assert over("{deploy: {replicas: 1}}", "{deploy: 3}") == {"deploy": 3}


class TestLists:
    def test_append(self) -> None:
        """
        A list goes behind the earlier one.
        """
        assert over("{ports: [a, b]}", "{ports: [c]}") == {"ports": ["a", "b", "c"]}

    def test_commands_are_replaced_whole(self) -> None:
        """
        Half of a command makes no sense: command, entrypoint and the health test are replaced.
        """
        first = "{command: [a, b], entrypoint: [x], healthcheck: {test: [CMD, a], retries: 3}}"

        merged = over(first, "{command: [c], entrypoint: y, healthcheck: {test: [CMD, b]}}")

        assert merged == {"command": ["c"], "entrypoint": "y", "healthcheck": {"test": ["CMD", "b"], "retries": 3}}

    def test_mounts_are_keyed_by_target(self) -> None:
        """
        A mount replaces the one at the same path, whatever form either has.
        """
        merged = over("{volumes: [a:/x, b:/y/]}", "{volumes: [{type: volume, source: c, target: /x}, 'd:/y:ro']}")

        assert merged["volumes"] == [{"type": "volume", "source": "c", "target": "/x"}, "d:/y:ro"]

    def test_equal_entries_once(self) -> None:
        """
        Lists that are sets hold an entry once.
        """
        assert over("{expose: [1, 2], env_file: a}", "{expose: [2, 3], env_file: [a, b]}") == {
            "expose": [1, 2, 3],
            "env_file": ["a", "b"],
        }

    def test_other_lists_have_keys_of_their_own(self) -> None:
        """
        A tmpfs, secret or config replaces the one at the same path, also where that is not written.
        """
        assert over("{tmpfs: [/run, /tmp]}", "{tmpfs: '/run/:size=1m'}") == {"tmpfs": ["/run/:size=1m", "/tmp"]}
        assert over("{secrets: [a, b]}", "{secrets: [{source: c, target: /run/secrets/a}, {source: b, uid: '1'}]}") == {
            "secrets": [{"source": "c", "target": "/run/secrets/a"}, {"source": "b", "uid": "1"}]
        }
        assert over("{configs: [a]}", "{configs: [{source: b, target: /a}]}") == {
            "configs": [{"source": "b", "target": "/a"}]
        }

    def test_hosts_in_either_form(self) -> None:
        """
        extra_hosts become one list, equal entries once.
        """
        merged = over("{extra_hosts: ['a=10.0.0.1']}", "{extra_hosts: {a: 10.0.0.1, b: ['::1', 10.0.0.2]}}")

        assert merged == {"extra_hosts": ["a=10.0.0.1", "b=::1", "b=10.0.0.2"]}


class TestConditions:
    def test_options_of_another_logging_driver(self) -> None:
        """
        Logging merges while the driver is the same, or unsaid.
        """
        first = "{logging: {driver: syslog, options: {a: 1}}}"

        assert over(first, "{logging: {options: {b: 2}}}")["logging"] == {
            "driver": "syslog",
            "options": {"a": 1, "b": 2},
        }
        assert over(first, "{logging: {driver: json-file, options: {b: 2}}}")["logging"] == {
            "driver": "json-file",
            "options": {"b": 2},
        }

    def test_pools_of_one_subnet(self) -> None:
        """
        Pools of a network merge by their subnet.
        """
        files = (
            "networks: {n: {ipam: {config: [{subnet: a, gateway: x}, {subnet: b}]}}}",
            "networks: {n: {ipam: {config: [{subnet: b, gateway: y}, {subnet: a, ip_range: z}, {subnet: c}]}}}",
        )
        result: Node | None = None
        for text in files:
            result = merge(result, parse(text, "a.yaml"))

        assert result is not None
        assert plain(result)["networks"]["n"]["ipam"]["config"] == [
            {"subnet": "a", "gateway": "x", "ip_range": "z"},
            {"subnet": "b", "gateway": "y"},
            {"subnet": "c"},
        ]


class TestForms:
    def test_environment_list_and_mapping(self) -> None:
        """
        A list of assignments and a mapping are the same thing.
        """
        merged = over("{environment: [A=1, B, C=x=y]}", "{environment: {A: 2, D: }}")

        assert merged["environment"] == {"A": 2, "B": None, "C": "x=y", "D": None}

    def test_network_names_and_details(self) -> None:
        """
        A bare name over a fuller entry leaves it as it is; details over a bare name are added.
        """
        merged = over("{networks: {a: {priority: 1}, b: }}", "{networks: [a, c]}", "{networks: {b: {priority: 2}}}")

        assert merged["networks"] == {"a": {"priority": 1}, "b": {"priority": 2}, "c": None}

    def test_short_dependencies_mean_started(self) -> None:
        """
        The short form of a dependency waits for the start, also over a longer one.
        """
        merged = over("{depends_on: {db: {condition: service_healthy, restart: true}}}", "{depends_on: [db]}")

        assert merged["depends_on"] == {"db": {"condition": "service_started", "required": True, "restart": True}}

    def test_build_text_is_its_context(self) -> None:
        """
        `build: ./a` is `build: {context: ./a}`.
        """
        assert over("{build: ./a}", "{build: {target: t}}") == {"build": {"context": "./a", "target": "t"}}


class TestTags:
    def test_reset_removes(self) -> None:
        """
        `!reset` takes away what earlier files said.
        """
        assert over("{ports: [a], image: x}", "{ports: !reset []}") == {"image": "x"}

    def test_override_replaces(self) -> None:
        """
        `!override` replaces where lists would append and mappings merge.
        """
        merged = over("{ports: [a], environment: {A: 1}}", "{ports: !override [b], environment: !override [B=2]}")

        assert merged == {"ports": ["b"], "environment": {"B": "2"}}

    def test_whole_service(self) -> None:
        """
        A service can be reset as a whole.
        """
        assert over("{image: a}", "!reset null") is None

    def test_in_a_single_file(self) -> None:
        """
        Without an earlier file `!reset` is nothing, and `!override` the value.
        """
        assert over("{ports: !reset [], user: !override x}") == {"user": "x"}


SERVICES: st.SearchStrategy[dict[str, Any]] = st.fixed_dictionaries(
    {},
    optional={
        "image": st.sampled_from(["a", "b"]),
        "environment": st.dictionaries(st.sampled_from("ABC"), st.integers(0, 3), max_size=3),
        "command": st.lists(st.sampled_from("xyz"), max_size=2),
        "expose": st.lists(st.integers(1, 4), unique=True, max_size=3),
        "volumes": st.lists(
            st.sampled_from(["a:/x", "b:/x", "c:/y"]), unique_by=lambda mount: str(mount)[-2:], max_size=2
        ),
        "labels": st.lists(st.sampled_from(["l=1", "m=2"]), unique=True, max_size=2),
    },
)


class TestLaws:
    @given(SERVICES)
    def test_a_file_over_itself_is_itself(self, service: dict[str, Any]) -> None:
        """
        Keys that are sets, mappings or scalars do not grow when a file is given twice.
        """
        text = repr(service)

        assert over(text) == over(text, text)

    @given(SERVICES, SERVICES, SERVICES)
    def test_groups_do_not_matter(self, a: dict[str, Any], b: dict[str, Any], c: dict[str, Any]) -> None:
        """
        (a over b) over c is a over (b over c): only the order of files counts.
        """
        one, two, three = (parse(f"services: {{web: {service!r}}}", "f") for service in (a, b, c))
        right = merge(merge(None, two), three)
        assert right is not None

        together = merge(merge(merge(None, one), two), three)
        other = merge(merge(None, one), right)

        assert together is not None
        assert other is not None
        assert plain(together) == plain(other)

    def test_order_counts(self) -> None:
        """
        Another order of files is another template.
        """
        assert over("{image: a}", "{image: b}") != over("{image: b}", "{image: a}")
