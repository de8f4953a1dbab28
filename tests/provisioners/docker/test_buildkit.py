"""Builds by the docker command: by stand-ins for it, and by a real one where its version has BuildKit in itself."""

import asyncio
import os
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from docker import APIClient

from provisioners.docker import DockerOptions, DockerProvisioner, buildkit
from splitter.errors import StackError
from splitter.template import Build, Document, Ulimit
from tests.provisioners.docker.memory import World
from tests.provisioners.docker.stage import IMAGE, WEB, order, server, template
from tests.provisioners.docker.test_crashes import problems

WITH_BUILDX = 'if [ "$1 $2" = "buildx version" ]; then echo v0.20.0; exit 0; fi'
WITHOUT = 'if [ "$1 $2" = "buildx version" ]; then exit 1; fi\nif [ "$1" = "--version" ]; then echo "{}"; exit 0; fi'
OLD = WITHOUT.format("Docker version 20.10.24+dfsg1, build 297e128")
NEW = WITHOUT.format("Docker version 28.2.2, build e6534b4")
ALL = Build(
    "/srv/web",
    dockerfile="docker/Dockerfile",
    args={"A": "1", "B": ""},
    target="final",
    cache_from=("cache:1", "type=local,src=/c"),
    cache_to=("type=inline",),
    network="none",
    shm_bytes=65536,
    extra_hosts=("one:10.0.0.1",),
    ulimits=(Ulimit("nofile", 10, 20),),
    ssh={"default": "", "deploy": "/keys/deploy"},
    additional_contexts={"lib": "/srv/lib"},
    entitlements=("network.host",),
)


@pytest.fixture
def docker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The place of a docker command that is the only program on the PATH; until it is written there is none."""
    programs = tmp_path / "bin"
    programs.mkdir()
    monkeypatch.setenv("PATH", str(programs))
    return programs / "docker"


def write(docker: Path, *lines: str) -> None:
    docker.write_text("\n".join(("#!/bin/sh", *lines, "")))
    docker.chmod(0o755)


def job(build: Build, **keys: Any) -> buildkit.Job:
    return replace(buildkit.Job(build, "shop-r1-web", {"mine": "yes"}, build.dockerfile or None, "", {}), **keys)


class TestNeeds:
    def test_are_the_keys_that_only_buildkit_knows(self) -> None:
        """
        A plain build needs none; a cache that is a plain image neither.
        """
        assert buildkit.needs(Build("/srv", args={"A": "1"}, cache_from=("cache:1",), shm_bytes=1)) == []
        assert buildkit.needs(ALL) == [
            "ssh",
            "cache_from",
            "cache_to",
            "additional_contexts",
            "entitlements",
            "ulimits",
        ]
        assert buildkit.needs(Build("/srv", secrets={"a": "a"})) == ["secrets"]


class TestArguments:
    def test_are_all_that_the_build_says(self) -> None:
        """
        Each key is a flag of the command; the Dockerfile's path starts at the context.
        """
        assert buildkit.arguments(job(ALL, platform="linux/amd64")) == [
            *("--progress", "plain", "--tag", "shop-r1-web", "--file", "/srv/web/docker/Dockerfile"),
            *("--build-arg", "A=1", "--build-arg", "B=", "--target", "final", "--label", "mine=yes"),
            *("--cache-from", "cache:1", "--cache-from", "type=local,src=/c", "--cache-to", "type=inline"),
            *("--network", "none", "--platform", "linux/amd64", "--shm-size", "65536"),
            *("--add-host", "one:10.0.0.1", "--ulimit", "nofile=10:20"),
            *("--ssh", "default", "--ssh", "deploy=/keys/deploy"),
            *("--build-context", "lib=/srv/lib", "--allow", "network.host"),
        ]

    def test_are_few_for_a_plain_build(self) -> None:
        """
        What is not said is the builder's to choose.
        """
        assert buildkit.arguments(job(Build("/srv"), labels={})) == ["--progress", "plain", "--tag", "shop-r1-web"]


class TestMissing:
    async def test_no_command(self, docker: Path) -> None:
        """
        Without a docker command, the key that needs it is named, and what to do.
        """
        assert await buildkit.missing(Build("/srv", secrets={"a": "a"})) == (
            "build.secrets needs BuildKit, and there is no docker command on the PATH; install the docker command with "
            "its buildx plugin, or build the image beforehand and name it with image"
        )
        assert await buildkit.missing(Build("/srv")) == ""

    async def test_no_plugin(self, docker: Path) -> None:
        """
        A docker command of today builds nothing with BuildKit without its plugin, and one of no version neither.
        """
        for script in (NEW, WITHOUT.format("what?")):
            write(docker, script)

            found = await buildkit.missing(ALL)

            assert found.startswith("build.ssh needs BuildKit, and docker here has no buildx plugin; install")

    async def test_an_older_command_knows_less(self, docker: Path) -> None:
        """
        Up to version 22 the command has secrets and keys in itself, the rest of BuildKit has it not.
        """
        write(docker, OLD)

        assert await buildkit.missing(Build("/srv", secrets={"a": "a"}, ssh={"default": ""})) == ""
        assert (await buildkit.missing(ALL)).startswith("build.cache_to needs BuildKit's own command, and docker here")

    async def test_the_plugin_knows_all(self, docker: Path) -> None:
        """
        With buildx nothing is missing.
        """
        write(docker, WITH_BUILDX)

        assert await buildkit.missing(ALL) == ""

    async def test_is_found_before_anything_is_made(self, docker: Path, tmp_path: Path) -> None:
        """
        A builder that is not there is one of the findings, with the service's name.
        """
        built = server(image="", build=Build(str(tmp_path), cache_to=("type=inline",)))

        (found,) = await problems(World(), order("shop", template(built)), DockerOptions(endpoint="bridge", pull=False))

        assert found.startswith(
            "service web: build.cache_to needs BuildKit, and there is no docker command on the PATH"
        )

    async def test_a_platform_of_other_machines_is_too(self, docker: Path, tmp_path: Path) -> None:
        """
        A build for none of the engine's platforms is one of the findings.
        """
        world = World(info={"Architecture": "x86_64"})
        built = server(image="", build=Build(str(tmp_path), platforms=("linux/arm64", "linux/s390x")))

        (found,) = await problems(world, order("shop", template(built)), DockerOptions(endpoint="bridge", pull=False))

        assert found == (
            "service web: it is built for linux/arm64, linux/s390x, and the engine runs linux/amd64; add that platform"
        )


class TestRun:
    async def test_calls_the_plugin_for_our_engine(self, docker: Path, tmp_path: Path) -> None:
        """
        The image is left on the engine that the stack is made on, whatever engine the command would choose by itself.
        """
        write(docker, WITH_BUILDX, f'echo "$DOCKER_HOST $DOCKER_BUILDKIT $*" > {tmp_path}/called')

        await buildkit.run(job(Build("/srv/web"), labels={}), "unix:///run/ours.sock")

        assert (tmp_path / "called").read_text() == (
            "unix:///run/ours.sock 1 buildx build --load --progress plain --tag shop-r1-web /srv/web\n"
        )

    async def test_gives_secrets_in_no_argument(self, docker: Path, tmp_path: Path) -> None:
        """
        A secret is a file's path, or the name of a variable that the command alone has.
        """
        secrets = {"file": Document("file", file="/srv/key"), "word": Document("word", environment="W", value="s3cret")}
        write(docker, OLD, f'echo "$*" > {tmp_path}/called', f'echo "$SPLITTER_BUILD_SECRET_1" > {tmp_path}/given')

        await buildkit.run(job(Build("/srv", secrets={"a": "file", "b": "word"}), secrets=secrets), "unix:///x")

        called = (tmp_path / "called").read_text()
        assert called.startswith("build --progress plain")
        assert called.endswith("--secret id=a,src=/srv/key --secret id=b,env=SPLITTER_BUILD_SECRET_1 /srv\n")
        assert (tmp_path / "given").read_text() == "s3cret\n"

    async def test_says_how_a_build_failed(self, docker: Path) -> None:
        """
        The end of what the command said is in the error.
        """
        write(docker, WITH_BUILDX, "echo a; echo 'no such file' >&2; exit 3")

        with pytest.raises(buildkit.BuildCommandError, match=r"^a\nno such file$"):
            await buildkit.run(job(Build("/srv")), "unix:///x")

    async def test_says_that_a_build_failed_without_a_word(self, docker: Path) -> None:
        """
        A command that says nothing is told by its exit code.
        """
        write(docker, WITH_BUILDX, "exit 3")

        with pytest.raises(buildkit.BuildCommandError, match="it ended with 3 and said nothing"):
            await buildkit.run(job(Build("/srv")), "unix:///x")

    async def test_keeps_the_end_of_a_long_output(self, docker: Path) -> None:
        """
        Of many lines the last ones are kept, of one long line its end.
        """
        write(docker, WITH_BUILDX, 'i=0; while [ $i -lt 3000 ]; do echo "line $i of many"; i=$((i+1)); done; exit 1')

        with pytest.raises(buildkit.BuildCommandError) as caught:
            await buildkit.run(job(Build("/srv")), "unix:///x")

        assert str(caught.value).splitlines() == [f"line {number} of many" for number in range(2980, 3000)]

    async def test_ends_with_its_caller(self, docker: Path, tmp_path: Path) -> None:
        """
        Whoever no longer waits for a build leaves none behind, nor what it has started.
        """
        write(docker, WITH_BUILDX, *starts_another(tmp_path))
        building = asyncio.create_task(buildkit.run(job(Build("/srv")), "unix:///x"))
        child = await started_by(building, tmp_path)

        building.cancel()
        with pytest.raises(asyncio.CancelledError):
            await building

        await gone(child)

    async def test_ends_with_a_caller_that_goes_while_it_starts(
        self, docker: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """
        A build may have started others before the event loop has finished starting it.
        """
        write(docker, WITH_BUILDX, *starts_another(tmp_path))
        start, is_started = asyncio.create_subprocess_exec, asyncio.Event()

        async def start_late(*words: str, **options: Any) -> asyncio.subprocess.Process:
            process = await start(*words, **options)
            if words[1:] != ("buildx", "version"):
                await is_started.wait()
            return process

        monkeypatch.setattr(asyncio, "create_subprocess_exec", start_late)
        building = asyncio.create_task(buildkit.run(job(Build("/srv")), "unix:///x"))
        child = await started_by(building, tmp_path)

        building.cancel()
        await asyncio.sleep(0)
        is_started.set()
        with pytest.raises(asyncio.CancelledError):
            await building

        await gone(child)


def starts_another(folder: Path) -> tuple[str, ...]:
    """Return the lines of a command that starts another one, writes down its pid, and waits for it."""
    os.mkfifo(folder / "pipe")
    return (f"read line < {folder}/pipe &", f"echo $! > {folder}/pid; echo ready > {folder}/ready", "wait")


async def started_by(building: "asyncio.Task[None]", folder: Path) -> int:
    """Return the pid of what a command with those lines has started."""
    ready = folder / "ready"
    while not ready.exists() or not ready.read_text():
        assert not building.done(), building
        await asyncio.sleep(0.01)
    return int((folder / "pid").read_text())


async def gone(pid: int) -> None:
    """Return once a process has ended."""
    while _is_alive(pid):  # noqa: ASYNC110  # init reaps it
        await asyncio.sleep(0.01)


def _is_alive(pid: int) -> bool:
    """Return whether a process runs; one that has ended and that nobody has looked at does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def command_with_buildkit() -> str:
    """Return the folder of a docker command of this machine that builds with BuildKit; empty without one."""
    for folder in (*os.environ["PATH"].split(os.pathsep), "/usr/bin"):
        if shutil.which("docker", path=folder) and not asyncio.run(_problem(folder)):
            return folder
    return ""


async def _problem(folder: str) -> str:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATH", folder)
        return await buildkit.missing(Build("/srv", secrets={"a": "a"}))


@pytest.mark.docker
class TestRealBuild:
    @pytest.fixture(autouse=True)
    def builder(self, monkeypatch: pytest.MonkeyPatch) -> None:
        folder = command_with_buildkit()
        if not folder:
            pytest.skip("there is no docker command with BuildKit on this machine")
        monkeypatch.setenv("PATH", folder)

    async def test_has_its_secrets_and_keeps_none(
        self, app: str, provisioner: DockerProvisioner, client: APIClient, tmp_path: Path
    ) -> None:
        """
        A build reads a secret of a file and one of a variable; neither is in the image, which is gone with the stack.
        """
        (tmp_path / "key").write_text("from a file")
        code = "import pathlib as p; r = p.Path('/run/secrets'); p.Path('/seen').write_text("
        code += "str([(r / n).read_text() for n in ('one', 'two')]))"
        inline = (
            f"FROM {IMAGE}\nRUN --mount=type=secret,id=one --mount=type=secret,id=two "
            f'["/python", "-c", "{code}"]\nENV BUILT=yes\n'
        )
        secrets = {
            "key": Document("key", file=str(tmp_path / "key")),
            "word": Document("word", environment="WORD", value="from a variable"),
        }
        build = Build(str(tmp_path), dockerfile_inline=inline, secrets={"one": "key", "two": "word"})
        wanted = order(app, template(server(image="", build=build), secrets=secrets), WEB)

        stack = await provisioner.create(wanted, lambda _: None)

        made = client.inspect_container(f"{app}-r1-web-1")
        assert "BUILT=yes" in made["Config"]["Env"]
        assert "from a variable" not in str(client.history(f"{app}-r1-web"))  # type: ignore[no-untyped-call]  # no annotations
        seen = client.exec_create(f"{app}-r1-web-1", ["/python", "-c", "print(open('/seen').read())"])
        assert client.exec_start(seen["Id"]).decode().strip() == "['from a file', 'from a variable']"
        await provisioner.retire(stack.id)
        assert client.images(name=f"{app}-r1-web") == []

    async def test_that_fails_is_told(self, app: str, provisioner: DockerProvisioner, tmp_path: Path) -> None:
        """
        What the builder says of a Dockerfile that it cannot build is in the error, and nothing is left.
        """
        (tmp_path / "key").write_text("k")
        build = Build(str(tmp_path), dockerfile_inline="FROM scratch\nCOPY nothing /\n", secrets={"one": "key"})
        secrets = {"key": Document("key", file=str(tmp_path / "key"))}
        wanted = order(app, template(server(image="", build=build), secrets=secrets), WEB)

        with pytest.raises(StackError, match=r"(?s)service web: its image cannot be built from .*nothing"):
            await provisioner.create(wanted, lambda _: None)
