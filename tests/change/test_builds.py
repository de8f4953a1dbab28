import pytest

from splitter.template import Build, Ulimit
from tests.change.compose import merged, mistake, mistakes, service, template


class TestForms:
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


class TestKeys:
    def test_what_a_build_takes(self) -> None:
        """
        Every key that the engine's own builder knows.
        """
        build = service(
            "build: {context: ., dockerfile_inline: FROM scratch, labels: [a=b], cache_from: [x], network: host,"
            " platforms: [linux/amd64], shm_size: 1m, extra_hosts: ['a:10.0.0.1']}"
        ).build

        assert build == Build(
            "/srv/shop",
            dockerfile_inline="FROM scratch",
            labels={"a": "b"},
            cache_from=("x",),
            network="host",
            platform="linux/amd64",
            shm_bytes=1024**2,
            extra_hosts=("a:10.0.0.1",),
        )

    def test_what_only_buildkit_takes(self) -> None:
        """
        Keys that the engine's own builder does not know are read all the same; paths among them are absolute.
        """
        text = """
        services:
          web:
            build:
              context: web
              platforms: [linux/arm64, linux/amd64]
              cache_from: ["type=registry,ref=cache:1"]
              cache_to: [type=inline]
              ulimits: {nofile: 10}
              secrets: [npm, {source: key, target: id}]
              ssh: [default, deploy=./id_ed25519]
              additional_contexts: {lib: ../lib, base: "docker-image://base:1"}
              entitlements: [network.host]
        secrets: {npm: {environment: NPM}, key: {file: ./key}, other: {file: ./other}}
        """

        loaded = template(text, environment={"NPM": "token"}, others={"/srv/shop/key": "k"})

        assert loaded.services["web"].build == Build(
            "/srv/shop/web",
            platforms=("linux/amd64", "linux/arm64"),
            cache_from=("type=registry,ref=cache:1",),
            cache_to=("type=inline",),
            ulimits=(Ulimit("nofile", 10, 10),),
            secrets={"id": "key", "npm": "npm"},
            ssh={"default": "", "deploy": "/srv/shop/id_ed25519"},
            additional_contexts={"base": "docker-image://base:1", "lib": "/srv/lib"},
            entitlements=("network.host",),
        )
        assert sorted(loaded.secrets) == ["key", "npm"]
        assert loaded.secrets["npm"].value == "token"

    def test_of_a_later_file_lie_over_the_earlier(self) -> None:
        """
        A build asks for a secret by its name, so a later file says which one that is; other contexts and keys join.
        """
        first = "services: {web: {build: {context: ., secrets: [a, {source: b, target: id}], ssh: [default]}}}"
        second = """
        services: {web: {build: {secrets: [a, {source: c, target: id}], ssh: {k: ./k}, entitlements: [network.host]}}}
        secrets: {a: {environment: V}, b: {environment: V}, c: {environment: V}}
        """

        build = merged(first, second, environment={"V": "v"}).services["web"].build

        assert build is not None
        assert build.secrets == {"a": "a", "id": "c"}
        assert build.ssh == {"default": "", "k": "/srv/shop/k"}
        assert build.entitlements == ("network.host",)

    def test_of_a_base_start_at_its_folder(self) -> None:
        """
        Paths of a build that is extended from another file are that file's.
        """
        base = """
        services:
          base:
            image: base
            build: {context: ., ssh: {key: ./id}, additional_contexts: {a: ./a, b: "https://example.org/b.git"}}
        """

        loaded = template(
            "services: {web: {extends: {file: base/compose.yaml, service: base}}}",
            others={"/srv/shop/base/compose.yaml": base},
        )

        assert loaded.services["web"].build == Build(
            "/srv/shop/base",
            ssh={"key": "/srv/shop/base/id"},
            additional_contexts={"a": "/srv/shop/base/a", "b": "https://example.org/b.git"},
        )


class TestMistakes:
    @pytest.mark.parametrize(
        ("build", "message"),
        [
            ("dockerfile: a, dockerfile_inline: b", "write one of the two"),
            ("privileged: true", "no builder gives a build all rights; write entitlements: [security.insecure]"),
            ("secrets: [nothing]", "there is no secret 'nothing'; define it under secrets"),
            ("secrets: [{target: x}]", "no source says which one is given; write source:"),
            (
                "additional_contexts: {a: 'service:db'}",
                "what another service builds is not supported yet; write docker-image:// and its image",
            ),
        ],
    )
    def test_what_cannot_be_built(self, build: str, message: str) -> None:
        """
        What contradicts itself, or no builder does, is a mistake with what to write.
        """
        found = mistakes(f"services: {{web: {{build: {{context: ., {build}}}}}}}")

        assert any(message in each for each in found)

    def test_one_name_is_given_once(self) -> None:
        """
        A build asks for a secret by its name, so two cannot have one.
        """
        text = "services: {web: {build: {context: ., secrets: [a, {source: b, target: a}]}}}\n"

        found = mistakes(
            f"{text}secrets: {{a: {{file: a}}, b: {{file: b}}}}", others={"/srv/shop/a": "", "/srv/shop/b": ""}
        )

        assert [each.rpartition(": ")[2] for each in found] == ["a is given twice; remove one of the two"]

    def test_rights_of_secrets_have_no_effect(self) -> None:
        """
        Who owns a secret in a build is not asked; that is told.
        """
        text = "services: {web: {build: {context: ., secrets: [{source: a, uid: '1'}]}}}\nsecrets: {a: {file: a}}"

        (note,) = template(text, others={"/srv/shop/a": ""}).notes

        assert "secrets[0].uid has no effect: a build reads its secrets as root" in note
