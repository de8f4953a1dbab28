import pytest

from splitter.change.changeset import change_set
from splitter.change.scope import Scope, VolumeMode, scopes, shared_data, volume_mode
from splitter.template import Mount, MountType
from tests.change.compose import template

LIVE = """
services:
  web: {image: 'web:1', volumes: [uploads:/u]}
  db: {image: 'postgres:15', volumes: [pg:/var/lib/postgresql/data]}
volumes: {pg: , uploads: }
"""


def scopes_of(shadow: str, live: str = LIVE) -> dict[str, Scope]:
    one, other = template(live), template(shadow)
    return scopes(one, other, change_set(one, other))


class TestScopes:
    def test_unchanged_state_is_shared(self) -> None:
        """
        A stateful service that does not change stays live's; everything else is the shadow's own.
        """
        assert scopes_of(LIVE.replace("web:1", "web:2")) == {"web": Scope.STACK, "db": Scope.SHARED}

    def test_changed_state_is_not(self) -> None:
        """
        A stateful service that changes cannot be the live one.
        """
        assert scopes_of(LIVE.replace("postgres:15", "postgres:16"))["db"] is Scope.STACK

    @pytest.mark.parametrize(
        ("before", "after", "scope"),
        [
            ("", "mem_limit: 1g, ", Scope.SHARED),
            ("mem_limit: 1g, cpus: 1, ", "mem_limit: 2g, cpus: 2, restart: always, ", Scope.SHARED),
            ("mem_limit: 1g, ", "", Scope.STACK),
            ("", "mem_limit: 1g, shm_size: 1g, ", Scope.STACK),
        ],
        ids=["a bound", "others", "none any more", "not a bound alone"],
    )
    def test_state_with_other_bounds_is_shared(self, before: str, after: str, scope: Scope) -> None:
        """
        What a running container follows as it is makes it no other; a bound cannot be taken away from it.
        """
        live, shadow = (LIVE.replace("'postgres:15', ", f"'postgres:15', {keys}") for keys in (before, after))

        assert scopes_of(shadow, live)["db"] is scope

    def test_state_that_nobody_knows_of_is_shared(self) -> None:
        """
        Where it is not known what an image's name means now, nothing says that the service changes; another id does.
        """
        one = template(LIVE)

        def scope(shadow_images: dict[str, str]) -> Scope:
            return scopes(one, one, change_set(one, one, shadow_images, {"db": "sha256:1"}))["db"]

        assert scope({}) is Scope.SHARED
        assert scope({"db": "sha256:2"}) is Scope.STACK

    def test_new_state_is_not(self) -> None:
        """
        What live does not have cannot be shared, whatever its label says.
        """
        shadow = "services: {new: {image: redis, labels: {splitter.scope: shared}}}"

        assert scopes_of(shadow) == {"new": Scope.STACK}

    @pytest.mark.parametrize("scope", list(Scope))
    def test_label_decides(self, scope: Scope) -> None:
        """
        The label says it for any service that live has.
        """
        shadow = f"services: {{web: {{image: 'web:1', labels: {{splitter.scope: {scope}}}}}}}"

        assert scopes_of(shadow) == {"web": scope}


class TestVolumeModes:
    def mode(self, mount: Mount, volumes: str, live: str = LIVE) -> VolumeMode:
        shadow = template(f"services: {{web: {{image: a, volumes: ['pg:/x']}}}}\nvolumes: {{pg: {volumes}}}")
        return volume_mode(mount, template(live), shadow)

    @pytest.mark.parametrize(
        ("volume", "mode"),
        [
            ("", VolumeMode.SHARE),
            ("{driver: other}", VolumeMode.FRESH),
            ("{external: true}", VolumeMode.EXTERNAL),
            ("{labels: {splitter.volume: external}}", VolumeMode.EXTERNAL),
            ("{labels: {splitter.volume: copy}}", VolumeMode.COPY),
            ("{labels: {splitter.volume: fresh}}", VolumeMode.FRESH),
        ],
    )
    def test_of_a_named_volume(self, volume: str, mode: VolumeMode) -> None:
        """
        The same volume in both templates is shared unless its label says otherwise.
        """
        assert self.mode(Mount(MountType.VOLUME, "/x", "pg"), volume) is mode

    @pytest.mark.parametrize(
        ("volume", "mode"),
        [
            ("{labels: {splitter.volume: fresh}}", VolumeMode.FRESH),
            ("{labels: {splitter.volume: copy}}", VolumeMode.COPY),
            ("{labels: {splitter.volume: share}}", VolumeMode.SHARE_RO),
            ("{external: true}", VolumeMode.SHARE_RO),
        ],
    )
    def test_of_a_volume_that_is_only_read(self, volume: str, mode: VolumeMode) -> None:
        """
        A label decides here as well, but does not let the shadow write.
        """
        assert self.mode(Mount(MountType.VOLUME, "/x", "pg", read_only=True), volume) is mode

    @pytest.mark.parametrize(
        ("mount", "mode"),
        [
            (Mount(MountType.VOLUME, "/x", "pg", read_only=True), VolumeMode.SHARE_RO),
            (Mount(MountType.VOLUME, "/x"), VolumeMode.FRESH),
            (Mount(MountType.TMPFS, "/x"), VolumeMode.FRESH),
            (Mount(MountType.BIND, "/x", "/srv/new"), VolumeMode.FRESH),
        ],
    )
    def test_of_other_mounts(self, mount: Mount, mode: VolumeMode) -> None:
        """
        Read-only mounts are shared as such, anonymous ones and folders that live does not write are fresh.
        """
        assert self.mode(mount, "") is mode

    def test_of_a_folder_that_live_writes(self) -> None:
        """
        A folder of the host is the same folder for both stacks.
        """
        live = "services: {web: {image: a, volumes: ['/srv/data:/x']}}"

        assert self.mode(Mount(MountType.BIND, "/x", "/srv/data"), "", live) is VolumeMode.SHARE


class TestSharedData:
    def shared(self, shadow: str, live: str) -> list[str]:
        one, other = template(live), template(shadow)
        return list(shared_data(one, other, scopes(one, other, change_set(one, other))))

    def test_is_named_as_people_call_it(self) -> None:
        """
        A service that is shared is named once; a volume or a folder that both can write to by where it is mounted.
        """
        text = """
            services:
              web:
                image: "web:%d"
                volumes: ["data:/data", "/srv/uploads:/uploads", "/etc/conf:/conf:ro", "cache:/cache"]
              db: {image: "postgres:16", volumes: ["pg:/var/lib/postgresql/data"]}
            volumes: {data: {}, pg: {}, cache: {labels: {splitter.volume: fresh}}}
            """

        assert self.shared(text % 2, text % 1) == [
            "service db",
            "data at /data of service web",
            "/srv/uploads at /uploads of service web",
        ]

    def test_is_nothing_where_the_shadow_has_all_of_its_own(self) -> None:
        """
        A stack without state, or with new volumes, shares nothing.
        """
        live = "services: {web: {image: 'web:1'}}"
        shadow = "services: {web: {image: 'web:2', volumes: ['data:/data']}}\nvolumes: {data: {}}"

        assert self.shared(shadow, live) == []
